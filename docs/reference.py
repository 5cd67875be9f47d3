"""Pages that say what the package holds: the catalogue's tables, every public function, every command."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from typer.main import get_command

import stackyard
from stackyard.catalog import load
from stackyard.cli import EPILOG, app
from stackyard.source import Fact, Source

LAYERS = (  # packages and modules in the order of the house, with what they are about
    ("stackyard", "The verbs", "What `import stackyard` offers."),
    ("results", "Results of plans", ""),
    ("notebook", "Results in notebooks", ""),
    ("perf", "Performance", "How fast, how large, how much energy: inference."),
    ("perf.training", "Training", "How long a training run takes, and what it needs."),
    ("perf.calibration", "Calibration", "The models beside measurements, and how their constants were fitted."),
    ("hbm", "HBM", "Wafers, dies, stacks."),
    ("site", "Sites", "Weather, cooling, power."),
    ("reach", "Reach", "How far wafers reach."),
    ("sim", "Simulator", "Requests through time."),
    ("sweep", "Sweeps", "Many runs of one verb, anywhere."),
    ("plan", "Plan", "Scenario, problem, plan, audit, explanation."),
    ("plan.uncertainty", "Uncertainty", "What is not known, and what to do first."),
    ("report", "Reports", "Documents and their formats."),
    ("alliance", "Alliance", "The ledger, who may see what, revisions."),
    ("catalog", "Catalogue", "Sourced facts and typed entries."),
    ("quantity", "Quantities", ""),
    ("source", "Sources and grades", ""),
    ("errors", "Errors", ""),
    ("files", "Files", ""),
    ("sheets", "Workbooks", ""),
    ("months", "Months", ""),
    ("words", "Words", "Texts in other languages."),
    ("children", "Processes", "Those that a program starts to work for it."),
)
SECTIONS = {
    "hbm": "HBM generations",
    "makers": "HBM makers",
    "accelerators": "Accelerators",
    "systems": "Systems",
    "models": "Models",
    "climates": "Climates",
    "sites": "Sites",
    "grids": "Grids",
}


def pages() -> dict[str, str]:
    """Path -> Markdown of every generated page."""
    made = {"catalogue/index.md": _catalogue_index(), "commands.md": commands()}
    made |= {f"catalogue/{section}.md": catalogue(section) for section in sections()}
    listed = "\n".join(name.replace(".", "-") for name, _, _ in LAYERS)
    head = "# Reference\n\nEvery public function and class, from its docstring. Numbers are SI unless said otherwise."
    made["reference/index.md"] = f"{head}\n\n```{{toctree}}\n:maxdepth: 1\n\n{listed}\n```\n"
    made |= {f"reference/{name.replace('.', '-')}.md": api(name, title, about) for name, title, about in LAYERS}
    return made


# --- the catalogue ---


def sections() -> list[str]:
    """The parts of the catalogue, in the order of its facts."""
    return list(dict.fromkeys(path.partition(".")[0] for path in load().facts))


def _catalogue_index() -> str:
    listed = "\n".join(sections())
    return (
        "# The catalogue\n\nEvery fact with value, range, unit, grade, date and where it was read. Grades, best first: "
        "measured, published, reported, estimated, assumed; `stackyard facts WORDS --sources` asks the same in the "
        f"terminal.\n\n{len(load().facts):,} facts from {len(load().sources):,} documents.\n\n"
        f"```{{toctree}}\n:maxdepth: 1\n\n{listed}\n```\n"
    )


def catalogue(section: str) -> str:
    """The facts of a part, an entry a table, with their sources."""
    entries: dict[str, list[Fact]] = {}
    for path, fact in load().facts.items():
        first, _, rest = path.partition(".")
        if first == section:
            entries.setdefault(rest.partition(".")[0], []).append(fact)
    known = getattr(load(), section, {})
    parts = [f"# {SECTIONS.get(section, section.replace('-', ' ').capitalize())}\n"]
    for id_, facts in entries.items():
        name = getattr(known.get(id_), "name", "") if isinstance(known, dict) or hasattr(known, "get") else ""
        parts.append(f"## {_cell(id_)}\n" + (f"\n{_cell(name)}\n" if name else ""))
        parts.append("| fact | value | grade | read in |\n|---|---|---|---|")
        parts += [_row(section, id_, fact) for fact in facts]
        parts.append("")
    return "\n".join(parts)


def _row(section: str, id_: str, fact: Fact) -> str:
    key = fact.path.removeprefix(f"{section}.{id_}").lstrip(".") or fact.path
    read = "; ".join(map(_source, fact.sources))
    note = f" – {_cell(fact.note)}" if fact.note else ""
    when = f" ({_cell(fact.date)})" if fact.date else ""
    return f"| `{key}` | {_value(fact)} | {fact.grade.label} | {read}{when}{note} |"


def _source(source: Source) -> str:
    title = _cell(source.title)
    if re.fullmatch(r"https?://[^\s()<>]+", source.url):
        return f"[{title}]({source.url})"
    return f"{title}, {_cell(source.url)}" if source.url else title


def _value(fact: Fact) -> str:
    if fact.value is None:
        return "not known"
    values = fact.value if isinstance(fact.value, tuple) else (fact.value,)
    text = ", ".join(f"{value:,.6g}" for value in values)
    ends = [f"{end:,.6g}" if end is not None else "" for end in (fact.low, fact.high)]
    return f"{text} {fact.unit}".rstrip() + (f" [{ends[0]}–{ends[1]}]" if any(ends) else "")


def _cell(text: str) -> str:
    """Text that a table shows as it is."""
    return re.sub(r"([\\`*_\[\]|<>$#])", r"\\\1", " ".join(text.split()))


# --- functions ---


def modules(layer: str) -> Iterator[ModuleType]:
    """The modules of a layer, without those of layers inside it."""
    inner = [f"stackyard.{name}" for name, _, _ in LAYERS if name.startswith(f"{layer}.")]
    package = importlib.import_module(f"stackyard.{layer}")
    yield package
    for found in pkgutil.walk_packages(getattr(package, "__path__", ()), f"{package.__name__}."):
        if not found.name.startswith(tuple(inner)) and ".migrations" not in found.name:
            yield importlib.import_module(found.name)


def public(module: ModuleType) -> dict[str, Any]:
    """The functions and classes that a module defines itself and does not keep to itself."""
    mine = {
        name: each
        for name, each in vars(module).items()
        if not name.startswith("_")
        and (inspect.isclass(each) or inspect.isroutine(each) or hasattr(each, "py_func"))
        and getattr(each, "__module__", "") == module.__name__
    }
    return dict(sorted(mine.items(), key=lambda item: _line(item[1])))


def _line(each: Any) -> int:
    try:
        return inspect.getsourcelines(inspect.unwrap(getattr(each, "py_func", each)))[1]
    except (OSError, TypeError):
        return 0


def api(layer: str, title: str, about: str) -> str:
    """The page of a layer."""
    parts = [f"# {title}\n\n{about}\n"]
    if layer == "stackyard":
        from stackyard import api as verbs

        parts.append(_prose(inspect.getdoc(stackyard) or ""))
        parts += [
            _member(name, getattr(verbs, name), "##") for name in sorted(set(verbs.__all__) | set(stackyard.VERBS))
        ]
        return "\n".join(parts)
    for module in modules(layer):
        found = public(module)
        if found:
            parts.append(f"## {module.__name__}\n\n{_prose(inspect.getdoc(module) or '')}")
            parts += [_member(name, each, "###") for name, each in found.items()]
    return "\n".join(parts)


def _member(name: str, each: Any, level: str) -> str:
    told = f"{level} {name}\n\n```python\n{_signature(name, each)}\n```\n\n{_prose(inspect.getdoc(each) or '')}"
    if inspect.isclass(each):
        own = [(key, value) for key, value in vars(each).items() if not key.startswith("_")]
        for key, value in own:
            function = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
            if inspect.isfunction(function) and inspect.getdoc(function):
                shown = key if isinstance(value, property) else _signature(key, function)
                told += f"\n**`{' '.join(shown.split())}`**\n\n{_prose(inspect.getdoc(function) or '')}"
    return told


def _signature(name: str, each: Any) -> str:
    try:
        signed = inspect.signature(each)
    except (ValueError, TypeError):
        return name
    text = re.sub(r"(: |-> )'([^']*)'", r"\1\2", f"{name}{signed}")
    if len(text) < 100:
        return text
    depth, lines = 0, [""]
    for letter in text:
        depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(letter, 0)
        lines[-1] += letter
        if depth == 1 and letter in "(,":
            lines.append("    " if letter == "(" else "   ")
    return "\n".join(line.rstrip() if line.strip() else "" for line in lines).replace(") ->", "\n) ->")


def _prose(text: str) -> str:
    """A docstring as Markdown: examples and indented lines become code, the rest stands as it is."""
    parts = []
    for block in re.split(r"\n\s*\n", text):
        if block.lstrip().startswith(">>>"):
            parts.append(f"```python\n{inspect.cleandoc(block)}\n```")
        elif all(line.startswith("    ") for line in block.splitlines() if line):
            parts.append(f"```\n{inspect.cleandoc(block)}\n```")
        else:
            kept = re.split(r"(`[^`]*`)", block)
            parts.append(
                "".join(part if part.startswith("`") else re.sub(r"([*_<>$|\[\]#])", r"\\\1", part) for part in kept)
            )
    return "\n\n".join(parts) + "\n"


# --- commands ---


def commands() -> str:
    """Every command with its arguments and options."""
    head = "# Commands\n\nAll take `--help`; `stackyard --install-completion` teaches the shell to complete them.\n"
    parts = [head, f"## Exit codes\n\n{_exit_codes()}"]
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        inner = getattr(command, "commands", {})
        for each, one in inner.items() if inner else [("", command)]:
            parts.append(_command(f"{name} {each}".strip(), one))
    return "\n".join(parts)


def _exit_codes() -> str:
    rows = [part.strip(" .").split(" ", 1) for part in EPILOG.removeprefix("Exit codes:").split(";")]
    listed = "\n".join(f"| {code} | {told} |" for code, told in rows)
    return f"| code | |\n|---|---|\n{listed}\n"


def _command(name: str, command: Any) -> str:
    rows = []
    for parameter in command.params:
        if getattr(parameter, "hidden", False) or "--help" in parameter.opts:
            continue
        flags = ", ".join(f"`{option}`" for option in (*parameter.opts, *parameter.secondary_opts))
        if parameter.param_type_name == "argument":
            flags = f"`{(parameter.name or '').upper()}`"
        default = "" if parameter.required or parameter.default in (None, False, "") else f"`{parameter.default}`"
        rows.append(f"| {flags} | {default} | {_cell(getattr(parameter, 'help', '') or '')} |")
    table = "| | default | |\n|---|---|---|\n" + "\n".join(rows) + "\n" if rows else ""
    return f"## stackyard {name}\n\n{_prose(inspect.cleandoc(command.help or ''))}\n{table}"
