"""The table of usual units against pint, which reads all others."""

from __future__ import annotations

import subprocess
import sys

import pytest

from stackyard import quantity


@pytest.mark.parametrize("unit", sorted(quantity._usual()))
def test_pint_says_the_same(unit: str) -> None:
    assert quantity._usual()[unit] == quantity._read(unit)


def test_reading_the_catalogue_needs_no_pint() -> None:
    code = "import sys; from stackyard.catalog import load; load(); print('pint' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
