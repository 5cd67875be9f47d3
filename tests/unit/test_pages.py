"""Every code block of the README and of docs/ runs as printed, and every command that it names can be given."""

from __future__ import annotations

import importlib.util
import shlex
from pathlib import Path
from types import ModuleType

import pytest
from typer.main import get_command

from stackyard.cli import app

ROOT = Path(__file__).parents[2]


def loaded(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"docs_{name}", ROOT / "docs" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


pages, reference = loaded("pages"), loaded("reference")
each_page = pytest.mark.parametrize("page", pages.PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


@each_page
def test_every_block_of_the_page_runs_as_printed(page: Path) -> None:
    """`make pages` writes anew what they print."""
    faults = pages.run(page)
    assert not faults, "\n".join(faults)


@each_page
def test_every_command_of_the_page_can_be_given(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STACKYARD_PASSWORD", "asked-for-without-it")
    for line in pages.commands(page.read_text(encoding="utf-8")):
        command, words = get_command(app), shlex.split(line)
        if words[0] in ("--install-completion", "--help", "--version"):
            continue
        while hasattr(command, "commands"):
            assert words and words[0] in command.commands, line
            command = command.commands[words.pop(0)]
        command.make_context(line, words)


def test_every_block_names_a_language_that_is_run_or_is_only_shown() -> None:
    kinds = {kind for page in pages.PAGES for kind, _ in pages.BLOCK.findall(page.read_text(encoding="utf-8"))}
    assert kinds - {"python", "console", "yaml"} <= {"text", "csv", "toctree"}


def test_the_reference_has_every_layer_of_the_house_and_every_public_function_has_its_words() -> None:
    tops = {name.partition(".")[0] for name, _, _ in reference.LAYERS}
    shown = {path.stem for path in (ROOT / "src" / "stackyard").iterdir() if not path.name.startswith(("_", "."))}
    # talk to people, or are `stackyard`
    not_called = {"cli", "show", "web", "api", "verb", "verbs", "py", "examples", "units"}
    assert shown - not_called - tops == set()
    silent = [
        f"{module.__name__}.{name}"
        for layer, _, _ in reference.LAYERS[1:]
        for module in reference.modules(layer)
        for name, each in reference.public(module).items()
        if not (each.__doc__ or "").strip()
    ]
    assert silent == []
