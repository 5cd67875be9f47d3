"""Reads the data files into a Catalog; everything wrong with them is told at once, by file and line.

A file of entries (`ROWS`) has one entry per top-level key; a table (`TABLES`) nests as it likes. Wherever a mapping has
a `value` it is a fact, and its path is the file's name and the keys above it, `more` left out. A source stands in one
file, the first that cites it, and serves all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import ValidationError

from stackyard.catalog.build import Builder
from stackyard.catalog.catalog import Catalog, Caveat
from stackyard.catalog.rows import NOT_A_FACT, ROWS, TABLES, CaveatRow, FactRow, Row, SourceRow
from stackyard.errors import Faults, InputErrors, nearest
from stackyard.files import UNKNOWN_KEY, Located, Path_, dotted, faults_of, read_yaml
from stackyard.source import Fact, Grade, Source

DATA = Path(__file__).parent / "data"
R = TypeVar("R", bound=Row)


def load(folder: Path | None = None) -> Catalog:
    """The built-in catalogue (read once), or one from another folder with the same files.

    Raises InputErrors with every fault of every file.

    >>> load().accelerator("h200").memory
    141000000000.0
    """
    return _built_in() if folder is None else _load(folder)


@lru_cache(maxsize=1)
def _built_in() -> Catalog:
    return _load(DATA)


def _load(folder: Path) -> Catalog:
    reading = _Reading()
    for name in (*ROWS, *TABLES, "caveats"):
        reading.open(folder, name)
    for located in reading.files.values():
        reading.take_sources(located)
    for name, located in reading.files.items():
        if name != "caveats":
            for key in [key for key in located.data if key != "sources"]:
                located.data[key] = reading.walk(name, located, (key,), located.data[key])
    rows = {name: reading.rows(name) for name in ROWS}
    caveats = reading.caveats()
    builder = Builder(rows, reading.facts, reading.sources, reading.files, reading.faults)
    entries = {name: MappingProxyType(builder.entries(name)) for name in ROWS}
    aliases = {name: MappingProxyType(builder.aliases(name)) for name in ROWS}
    reading.faults.raise_any()
    return Catalog(
        **entries,
        facts=MappingProxyType(builder.facts),
        labels=MappingProxyType(reading.labels),
        sources=MappingProxyType(reading.sources),
        caveats=caveats,
        aliases=MappingProxyType(aliases),
    )


@dataclass
class _Reading:
    """What has been read so far; faults are collected, not raised."""

    files: dict[str, Located] = field(default_factory=dict)
    sources: dict[str, Source] = field(default_factory=dict)
    facts: dict[str, Fact] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)
    told: set[str] = field(default_factory=set)  # keys of facts and entries whose faults are told already

    @property
    def complete(self) -> bool:
        """False where a file could not be read: a source may then be missing only because of that."""
        return len(self.files) == len(ROWS) + len(TABLES) + 1

    def open(self, folder: Path, name: str) -> None:
        """Reads one file; it must be a mapping."""
        path = folder / f"{name}.yaml"
        try:
            located = read_yaml(path, name=path.name if folder == DATA else "")
        except InputErrors as error:
            self.faults.extend(error.faults)
            return
        if isinstance(located.data, dict):
            self.files[name] = located
        else:
            self.faults.add(located.file, 1, "", "is not a mapping of names to entries", "start with 'name:'")

    def take_sources(self, located: Located) -> None:
        """The file's table of sources; an id stands for one document in all files."""
        table = located.data.get("sources") or {}
        if not isinstance(table, dict):
            self.faults.add(
                located.file, located.line(("sources",)), "sources", "is not a table of sources", "id: {title: ...}"
            )
            return
        for id_, raw in table.items():
            path: Path_ = ("sources", id_)
            row = self._check(SourceRow, raw, located, path)
            if id_ in self.sources:
                self.faults.add(located.file, located.line(path), dotted(path), "source given in two files")
            elif row:
                self.sources[id_] = Source(id_, row.title, row.url, row.date, row.kind)

    def walk(self, name: str, located: Located, path: Path_, node: Any) -> Any:
        """The node with every fact in it read; facts and texts are kept by their path."""
        if isinstance(node, dict) and "value" in node:
            fact = self._fact(name, located, path, node)
            if fact:
                self.facts[fact.path] = fact
            return fact
        if isinstance(node, dict):
            self._cited(located, path, node.get("src", []))
            return {key: self.walk(name, located, (*path, key), child) for key, child in node.items()}
        text = node if isinstance(node, str) else "; ".join(node) if _texts(node) else ""
        if text and path[-1] != "src":
            self.labels[_path(name, path)] = text
        return node

    def rows(self, name: str) -> dict[str, Row]:
        """The checked entries of one file."""
        if name not in self.files:
            return {}
        located, kind = self.files[name], ROWS[name]
        found = {
            str(id_): self._check(kind, raw, located, (id_,)) for id_, raw in located.data.items() if id_ != "sources"
        }
        return {id_: row for id_, row in found.items() if row}

    def caveats(self) -> tuple[Caveat, ...]:
        """The weaknesses of the record; each must name facts that exist."""
        if "caveats" not in self.files:
            return ()
        located, kept = self.files["caveats"], []
        table = located.data.get("caveats")
        if not isinstance(table, list):
            self.faults.add(located.file, 1, "caveats", "is not a list", "start with 'caveats:' and a list below")
            return ()
        for index, raw in enumerate(table):
            path: Path_ = ("caveats", index)
            row = self._check(CaveatRow, raw, located, path)
            if not row:
                continue
            for place, fact in enumerate(row.facts):
                if fact not in self.facts and not self.faults:  # else the fact may be among the faulty ones
                    hint = nearest(fact, self.facts)
                    self.faults.add(located.file, located.line((*path, "facts", place)), fact, "no such fact", hint)
            kept.append(Caveat(row.topic, row.kind, tuple(row.claims), row.kept, tuple(row.facts)))
        return tuple(kept)

    def _fact(self, name: str, located: Located, path: Path_, raw: Mapping[str, Any]) -> Fact | None:
        row = self._check(FactRow, raw, located, path)
        if not row:
            return None
        sources = self._cited(located, path, row.src)
        place = f"{located.file}:{located.line(path)}"
        grade = Grade.named(row.grade)
        return Fact(
            _path(name, path), row.value, row.unit, grade, sources, row.low, row.high, row.date, row.note, place=place
        )

    def _cited(self, located: Located, path: Path_, ids: Any) -> tuple[Source, ...]:
        line = located.line((*path, "src"))
        if not _texts(ids) and ids != []:
            self.faults.add(located.file, line, dotted((*path, "src")), "is not a list of sources", "src: [id, id]")
            return ()
        for id_ in ids:
            if id_ not in self.sources and self.complete:
                self.faults.add(located.file, line, dotted(path), f"no source '{id_}'", nearest(id_, self.sources))
        return tuple(self.sources[id_] for id_ in ids if id_ in self.sources)

    def _check(self, kind: type[R], raw: Any, located: Located, path: Path_) -> R | None:
        try:
            return kind.model_validate(raw)
        except ValidationError as error:
            for fault in faults_of(error, located, path):
                if fault.message == NOT_A_FACT and fault.key in self.told:
                    continue
                self.told.add(dotted(path))
                hint = fault.hint or (_nearest_key(kind, fault.key) if fault.message == UNKNOWN_KEY else "")
                self.faults.add(fault.file, fault.line, fault.key, fault.message, hint)
            return None


def _path(name: str, path: Path_) -> str:
    return ".".join([name, *(str(part) for part in path if part != "more")])


def _texts(node: Any) -> bool:
    return isinstance(node, list) and bool(node) and all(isinstance(item, str) for item in node)


def _nearest_key(kind: type[Row], key: str) -> str:
    return nearest(key.rpartition(".")[2], kind.model_fields)
