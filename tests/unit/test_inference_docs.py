"""The page on serving runs as printed, and names functions and files that exist."""

import re
from pathlib import Path

from stackyard.perf import architecture, counting, energy, lower, memory, op, provider, schedule

PAGE = Path(__file__).parents[2] / "docs" / "inference.md"
TEXT = PAGE.read_text(encoding="utf-8")
MODULES = (architecture, counting, op, lower, provider, memory, schedule, energy)


def test_the_functions_and_files_of_the_page_exist():
    prose = re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL)
    named = set(re.findall(r"`([a-z_]+)`", prose)) - {"busy"}
    assert {name for name in named if not any(hasattr(module, name) for module in MODULES)} == set()
    links = re.findall(r"\]\((\.\./[^)]+)\)", TEXT)
    assert links and all((PAGE.parent / link).exists() for link in links)
