"""The page on sweeps runs as printed, its files read without a fault, and the names that it tells exist."""

import doctest
import re
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from stackyard import api
from stackyard.cli import app
from stackyard.sweep import verbs
from stackyard.sweep.file import KNOWN, MOST, read
from stackyard.sweep.run import RETRIES

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "sweeps.md"
TEXT = PAGE.read_text(encoding="utf-8")
FILES = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)


def test_the_python_of_the_page_runs_as_printed() -> None:
    assert doctest.testfile(str(PAGE), module_relative=False).failed == 0


@pytest.mark.parametrize("number", range(len(FILES)))
def test_the_files_of_the_page_read_without_a_fault(number: int, tmp_path: Path) -> None:
    (tmp_path / "first-plan.yaml").symlink_to(ROOT / "examples" / "first-plan.yaml")
    (tmp_path / "sweep.yaml").write_text(FILES[number], encoding="utf-8")
    found = read(tmp_path / "sweep.yaml")
    assert len(found) == [432, 9, 96, 64][number]


def test_a_verb_of_one_s_own_runs_as_the_page_says() -> None:
    (code,) = re.findall(r"```python\n(# mine.py.*?)```", TEXT, re.DOTALL)
    names: dict[str, object] = {"__name__": "mine"}
    exec(code, names)
    (call,) = re.findall(r"`(api\.sweep\(.*?, verbs=mine\.VERBS\))`", TEXT)
    found = eval(call.replace("mine.VERBS)", "VERBS, on='here')"), {**names, "api": api})
    assert found.to_pandas()["area"].tolist() == [3, 4, 6, 8]


def test_the_verbs_options_and_limits_of_the_page_are_those_of_today() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", TEXT, re.MULTILINE)
    assert {name for name, _ in rows} == set(KNOWN)
    told = {name: set(re.findall(r"`(\w+)`", inputs)) for name, inputs in rows}
    for name, verb in verbs.VERBS.items():
        assert told[name] == set(verb.fields)
    options = {name for option in get_command(app).commands["sweep"].params for name in option.opts}  # type: ignore[attr-defined]
    written = set(re.findall(r"stackyard sweep[^\n]* (--?[a-z][\w-]*)", TEXT)) | {"--again", "--retries"}
    assert written <= options
    assert f"{MOST:,} jobs" in TEXT and f"`--retries` ({RETRIES})" in TEXT


def test_the_example_is_read_and_named_in_the_readme() -> None:
    path = ROOT / "examples" / "first-sweep.yaml"
    assert len(read(path)) == 40 + 48
    assert yaml.safe_load(path.read_text(encoding="utf-8"))["parts"]["plan"]["inputs"] == {
        "scenario": "first-plan.yaml"
    }
    assert "stackyard sweep examples/first-sweep.yaml" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_dask_s_own_words_of_the_page_exist() -> None:
    import dask
    import distributed  # its defaults are read by this

    assert distributed and dask.config.get("distributed.scheduler.allowed-failures") == 3
