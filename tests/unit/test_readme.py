"""The README says what it promises; test_pages runs its blocks."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_python_is_five_lines() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len([line for line in code.splitlines() if line.strip()]) == 5


def test_the_first_plan_is_under_sixty_lines_and_the_readme_names_its_sections() -> None:
    lines = (ROOT / "examples" / "first-plan.yaml").read_text(encoding="utf-8").splitlines()
    assert len(lines) < 60
    for section in ("services", "supplies", "packaging", "accelerators", "sites"):
        assert any(line.startswith(f"{section}:") for line in lines)
        assert f"| `{section}` |" in README
