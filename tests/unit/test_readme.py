"""The README's Python runs as printed, and its commands exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.main import get_command

from stackyard.cli import app

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_five_lines_of_python_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len([line for line in code.splitlines() if line.strip()]) == 5
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    exec(code, {})
    assert (tmp_path / "out" / "report.html").is_file()
    assert "2026:" in capsys.readouterr().out


def test_every_command_in_the_readme_exists() -> None:
    known = set(get_command(app).commands)  # type: ignore[attr-defined]
    assert set(re.findall(r"^ +stackyard ([\w-]+)", README, re.MULTILINE)) <= known


def test_the_first_plan_is_under_sixty_lines_and_the_readme_names_its_sections() -> None:
    lines = (ROOT / "examples" / "first-plan.yaml").read_text(encoding="utf-8").splitlines()
    assert len(lines) < 60
    for section in ("services", "supplies", "packaging", "accelerators", "sites"):
        assert any(line.startswith(f"{section}:") for line in lines)
        assert f"| `{section}` |" in README
