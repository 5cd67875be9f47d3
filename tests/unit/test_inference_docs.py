"""The page on serving runs as printed, and names functions and files that exist."""

import doctest
import re
from pathlib import Path

from typer.main import get_command

from stackyard.cli import app
from stackyard.perf import architecture, energy, lower, memory, op, provider, schedule

PAGE = Path(__file__).parents[2] / "docs" / "inference.md"
TEXT = PAGE.read_text(encoding="utf-8")
MODULES = (architecture, op, lower, provider, memory, schedule, energy)


def test_the_python_of_the_page_runs_as_printed():
    assert doctest.testfile(str(PAGE), module_relative=False).failed == 0


def test_the_functions_and_files_of_the_page_exist():
    prose = re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL)
    named = set(re.findall(r"`([a-z_]+)`", prose)) - {"busy"}
    assert {name for name in named if not any(hasattr(module, name) for module in MODULES)} == set()
    links = re.findall(r"\]\((\.\./[^)]+)\)", TEXT)
    assert links and all((PAGE.parent / link).exists() for link in links)


def test_the_options_of_its_commands_exist():
    commands = get_command(app).commands
    for name, line in re.findall(r"^    stackyard (\w+) (.*)$", TEXT, re.MULTILINE):
        known = {option for parameter in commands[name].params for option in parameter.opts}
        assert set(re.findall(r"--[\w-]+", line)) <= known
