"""Files at the door: YAML and CSV with the line of every key, pydantic problems told by line, and atomic writing."""

from __future__ import annotations

import csv
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from stackyard.errors import Fault, Faults, InputErrors

Path_ = tuple[str | int, ...]
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Located:
    """Plain data read from a file, and the line on which each key path stands; `own` are those of changes to a base."""

    file: str
    data: Any
    lines: Mapping[Path_, int] = field(repr=False)
    own: Mapping[Path_, int] = field(default_factory=dict, repr=False)

    def line(self, path: Path_) -> int:
        """Line of a key path, or of its nearest ancestor that is in the file."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def dotted(path: Path_) -> str:
    """'sites[2].phases[0].power' for ('sites', 2, 'phases', 0, 'power').

    >>> dotted(("sites", 2, "phases", 0, "power"))
    'sites[2].phases[0].power'
    """
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _plain(node: yaml.Node, path: Path_, lines: dict[Path_, int], faults: Faults, file: str, loader: Any) -> Any:
    lines[path] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        result: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = loader.construct_object(key_node, deep=True)
            if node.flow_style and _cut_by_a_comma(key_node, value_node):
                line = key_node.start_mark.line + 1
                hint = "a comma ends the value inside { }: write 3000 kW or 1.5 MW, or put the value in quotes"
                faults.add(file, line, dotted(path), f"'{key_node.value}' stands after a comma, without a key", hint)
                continue
            key = key if isinstance(key, str | int) else str(key)
            line = key_node.start_mark.line + 1
            if key in result:
                first = lines[(*path, key)]
                hint = f"it stands on line {first} already: keep one of the two"
                faults.add(file, line, dotted((*path, key)), "key given twice", hint)
                continue
            result[key] = _plain(value_node, (*path, key), lines, faults, file, loader)
            lines[(*path, key)] = line
        return result
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, (*path, i), lines, faults, file, loader) for i, item in enumerate(node.value)]
    return loader.construct_object(node, deep=True)


def _cut_by_a_comma(key: yaml.Node, value: yaml.Node) -> bool:
    """Whether this is the rest of a number such as 3,000 kW, taken for a key that has no value."""
    empty = isinstance(value, yaml.ScalarNode) and value.start_mark.index == value.end_mark.index
    return empty and isinstance(key, yaml.ScalarNode) and not key.style and key.value[:1].isdigit()


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Safe YAML that reads 2026-09 and 2026-09-01 as text: months are ours to parse."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, expression) for tag, expression in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_yaml(path: Path, name: str = "") -> Located:
    """Reads a YAML file; raises InputErrors for a missing file, a syntax error or duplicate keys.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "small.yaml"
    ...     _ = path.write_text("power: 41 MW\\nmonth: 2027-03\\n")
    ...     located = read_yaml(path)
    >>> located.data["power"], located.line(("month",))
    ('41 MW', 2)
    """
    file = name or str(path)
    faults = Faults()
    lines: dict[Path_, int] = {}
    data: Any = None
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        faults.add(file, 0, "", error.strerror or "cannot be read", "check the path")
        raise InputErrors(faults) from None
    except UnicodeDecodeError:
        faults.add(file, 0, "", "is not UTF-8 text", "save it as UTF-8")
        raise InputErrors(faults) from None
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            faults.add(
                file,
                0,
                "",
                "is empty",
                "see examples/first-plan.yaml for a whole plan, and docs/scenario.md for every key",
            )
        else:
            data = _plain(node, (), lines, faults, file, loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        message = f"not valid YAML: {error.problem or error.context}"
        there = text.splitlines()[mark.line : mark.line + 1] if mark else []
        tabbed = any("\t" in line for line in there)
        hint = "indent with spaces, not with tabs" if tabbed else "check indentation, colons and quotes"
        faults.add(file, mark.line + 1 if mark else 0, "", message, hint)
    except (yaml.YAMLError, ValueError) as error:
        faults.add(file, 0, "", f"not valid YAML: {str(error).splitlines()[0]}", "check for unusual characters")
    finally:
        loader.dispose()
    faults.raise_any()
    return Located(file, data, lines)


NOTHING = ("has no value", "write one after the colon")
UNKNOWN_KEY, MISSING, NOT_A_GROUP = "unknown key", "is missing", "is not a group of keys"

# What pydantic finds, in our words: kind of problem -> (message, next step). {names} are filled from its context.
_TOLD: Mapping[str, tuple[str, str]] = {
    "extra_forbidden": (UNKNOWN_KEY, ""),
    "missing": (MISSING, "add this key"),
    "too_short": ("is empty", "state at least {min_length}"),
    "tuple_type": ("is not a list", "write one line for each, beginning with '- '"),
    "list_type": ("is not a list", "write one line for each, beginning with '- '"),
    "dict_type": (NOT_A_GROUP, "write 'key: value' lines below it"),
    "mapping_type": (NOT_A_GROUP, "write 'key: value' lines below it"),
    "model_type": (NOT_A_GROUP, "write 'key: value' lines below it"),
    "int_type": ("{given}is not a whole number", "write digits only, for example 3"),
    "int_parsing": ("{given}is not a whole number", "write digits only, for example 3"),
    "int_from_float": ("{given}is not a whole number", "round it, for example 3"),
    "string_type": ("{given}is not text", "put it in quotes"),
    "greater_than_equal": ("{given}is below {ge}", "write {ge} or more"),
    "less_than_equal": ("{given}is above {le}", "write {le} or less"),
    "literal_error": ("{given}is none of the allowed values", "one of: {expected}"),
}


def faults_of(error: ValidationError, located: Located, base: Path_ = ()) -> Faults:
    """Pydantic's problems as ours: in our words, with the file's line and the next step."""
    faults = Faults()
    for problem in error.errors(include_url=False):
        inner = (part for part in problem["loc"] if not str(part).startswith(("function-", "lax-or", "[key]")))
        path, given = (*base, *inner), problem["input"]
        if problem["type"] == "too_short" and given:
            continue  # its items have faults of their own, and only the good ones were counted
        context: dict[str, Any] = {"given": f"'{given}' " if isinstance(given, str | int | float) else ""}
        context |= problem.get("ctx") or {}
        message, hint = _TOLD.get(problem["type"], (problem["msg"], context.get("hint", "")))
        if given is None and problem["type"] in _TOLD and message not in (MISSING, UNKNOWN_KEY):
            message, hint = NOTHING
        if problem["type"] in _TOLD:
            message, hint = message.format_map(context), hint.format_map(context)
        faults.add(located.file, located.line(path), dotted(path), message, hint)
    return faults


@dataclass(frozen=True)
class Table:
    """A table of months: its header and its rows as text, each row with its line number.

    `columns` are the places of the columns in a workbook's sheet, counted from 1; there a row has no line but cells.
    """

    file: str
    header: tuple[str, ...]
    rows: tuple[tuple[int, Mapping[str, str]], ...]
    columns: Mapping[str, int] = field(default_factory=dict)

    def place(self, line: int, column: str) -> tuple[str, int, str]:
        """File, line and key of a cell, as a fault names them.

        >>> Table("plan.xlsx [Demand]", (), (), {"chat": 3}).place(7, "chat")
        ('plan.xlsx [Demand]', 0, 'cell C7')
        """
        if column not in self.columns:
            return self.file, line, column
        letters, at = "", self.columns[column]
        while at:
            at, rest = divmod(at - 1, 26)
            letters = chr(65 + rest) + letters
        return self.file, 0, f"cell {letters}{line}"


def read_csv(path: Path, required: tuple[str, ...], name: str = "", ragged: Faults | None = None) -> Table:
    """Reads a CSV file with a header; raises InputErrors when it is missing, empty, ragged or lacks a column.

    With `ragged`, rows of another length than the header are added there and the others are returned, so that a reader
    can tell them together with what is wrong in the cells.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "small.csv"
    ...     _ = path.write_text("month,stacks\\n2027-01,1000\\n2027-02,1200\\n")
    ...     found = read_csv(path, ("month", "stacks"))
    >>> found.rows[0]
    (2, {'month': '2027-01', 'stacks': '1000'})
    """
    file = name or str(path)
    faults = Faults()
    rows: list[tuple[int, Mapping[str, str]]] = []
    header: tuple[str, ...] = ()
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.reader(line for line in stream if not line.lstrip().startswith("#"))
            header = tuple(cell.strip() for cell in next(reader, ()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        message = getattr(error, "strerror", None) or "is not a UTF-8 CSV file"
        faults.add(file, 0, "", message, "check the path that the scenario names")
        raise InputErrors(faults) from None
    separator = next((mark for mark in (";", "\t", "|") if len(header) == 1 and mark in header[0]), "")
    if separator:
        hint = "separate them with commas, and write numbers with a decimal point"
        shown = {"\t": "tabs"}.get(separator, f"'{separator}'")
        faults.add(file, 1, "", f"its columns are separated by {shown}, not by commas", hint)
        faults.raise_any()
    for column in required:
        if column not in header:
            shown = f"the header has: {', '.join(header) or 'nothing'}"
            faults.add(file, 1, column, "column is missing", shown)
    faults.raise_any()
    with path.open(newline="", encoding="utf-8-sig") as stream:
        for number, line in enumerate(stream, start=1):
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            cells = [cell.strip() for cell in next(csv.reader([line]))]
            if tuple(cells) == header and not rows:
                continue
            if len(cells) != len(header):
                message = f"has {len(cells)} cells; the header has {len(header)}"
                (faults if ragged is None else ragged).add(file, number, "", message, "one cell a column")
                continue
            rows.append((number, dict(zip(header, cells, strict=True))))
    if not rows and not faults:
        faults.add(file, 0, "", "has no rows", "add at least one row below the header")
    faults.raise_any()
    return Table(file, header, tuple(rows))


def require_folder(folder: Path) -> None:
    """Refuses a folder that cannot be made or written to, before any work is done for it; leaves nothing behind.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     require_folder(Path(folder) / "out")
    ...     (Path(folder) / "out").exists()
    False
    """
    try:
        with _made(folder, keep=False):
            tempfile.TemporaryFile(dir=folder).close()
    except (FileExistsError, NotADirectoryError):
        there = next(part for part in _upwards(folder) if part.exists())
        raise InputErrors([Fault(str(there), 0, "", "is not a folder", "name a folder: -o out")]) from None
    except OSError as error:
        message = f"cannot be made or written to: {error.strerror or error}"
        raise InputErrors([Fault(str(folder), 0, "", message, "name a folder of your own: -o out")]) from None


def _upwards(folder: Path) -> tuple[Path, ...]:
    return (folder.absolute(), *folder.absolute().parents)


@contextmanager
def _made(folder: Path, keep: bool = True) -> Iterator[None]:
    """The folder is there inside the block; what was made of it goes again if the block fails, or always."""
    missing = [part for part in _upwards(folder) if not part.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        keep = False
        raise
    finally:
        for part in missing if not keep else ():
            with suppress(OSError):  # not empty, or never made
                part.rmdir()


@contextmanager
def atomically(target: Path) -> Iterator[Path]:
    """A path beside `target` to write to; renamed to `target` when the block ends well, removed otherwise.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     target = Path(folder) / "plan.json"
    ...     with atomically(target) as beside:
    ...         _ = beside.write_text("{}")
    ...     target.read_text()
    '{}'
    """
    with _made(target.parent):
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=target.suffix, dir=target.parent)
        os.close(handle)
        beside = Path(name)
        try:
            yield beside
            beside.chmod(0o644)
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)


def write_all(folder: Path, writers: Mapping[str, Callable[[Path], object]]) -> list[Path]:
    """Writes several files beside each other and renames them only when all of them are complete.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     written = write_all(Path(folder), {"a.txt": lambda path: path.write_text("all of it")})
    ...     [path.name for path in written]
    ['a.txt']
    """
    with _made(folder), tempfile.TemporaryDirectory(prefix=".partial-", dir=folder) as partial:
        for name, write in writers.items():
            write(Path(partial) / name)
        return [(Path(partial) / name).replace(folder / name) for name in writers]
