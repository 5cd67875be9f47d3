"""`Catalog`: everything that is known, immutable, and the few ways to find a thing in it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TypeVar

from stackyard.catalog import names
from stackyard.catalog.entries import (
    Accelerator,
    Climate,
    Entry,
    Event,
    Grid,
    HbmGeneration,
    HbmMaker,
    Model,
    Site,
    System,
)
from stackyard.errors import Fault, InputErrors, nearest
from stackyard.notebook import Columns, Tabular, by_rows
from stackyard.source import Fact, Source

E = TypeVar("E", bound=Entry)


@dataclass(frozen=True)
class Caveat:
    """A weakness of the record: a contradiction of sources, a placeholder, or a number that dominates a plan."""

    topic: str
    kind: str  # 'contradiction', 'placeholder' or 'dominating'
    claims: tuple[str, ...]
    kept: str  # what the catalogue holds, or what to do about it
    facts: tuple[str, ...]  # paths of the facts concerned


@dataclass(frozen=True)
class Catalog(Tabular):
    """Entries by id, every fact by path, and the sources. An entry's facts have the path `<axis>.<id>.<attribute>`."""

    hbm: Mapping[str, HbmGeneration]
    makers: Mapping[str, HbmMaker]
    accelerators: Mapping[str, Accelerator]
    systems: Mapping[str, System]
    models: Mapping[str, Model]
    climates: Mapping[str, Climate]
    sites: Mapping[str, Site]
    grids: Mapping[str, Grid]
    events: Mapping[str, Event]
    facts: Mapping[str, Fact]
    labels: Mapping[str, str]  # path -> text that is not a number: names, notes, dates, statements
    sources: Mapping[str, Source]
    caveats: tuple[Caveat, ...]
    aliases: Mapping[str, Mapping[str, str]]  # axis -> other name -> id

    def columns(self) -> Columns:
        """Every fact: path, value and range as printed, unit, grade, date and the documents it was read in."""
        return by_rows(
            {
                "path": fact.path,
                "value": " ".join(f"{each:g}" for each in fact.value) if isinstance(fact.value, tuple) else fact.value,
                "low": fact.low,
                "high": fact.high,
                "unit": fact.unit,
                "grade": fact.grade.label,
                "date": fact.date,
                "source": "; ".join(map(str, fact.sources)),
            }
            for fact in self.facts.values()
        )

    def generation(self, name: str) -> HbmGeneration:
        return self._find("hbm", self.hbm, name)

    def maker(self, name: str) -> HbmMaker:
        return self._find("makers", self.makers, name)

    def accelerator(self, name: str) -> Accelerator:
        return self._find("accelerators", self.accelerators, name)

    def system(self, name: str) -> System:
        return self._find("systems", self.systems, name)

    def model(self, name: str) -> Model:
        return self._find("models", self.models, name)

    def climate(self, name: str) -> Climate:
        return self._find("climates", self.climates, name)

    def site(self, name: str) -> Site:
        return self._find("sites", self.sites, name)

    def grid(self, name: str) -> Grid:
        return self._find("grids", self.grids, name)

    def event(self, name: str) -> Event:
        return self._find("events", self.events, name)

    def fact(self, path: str) -> Fact:
        """The fact of a path; InputErrors with the nearest known path where there is none."""
        if path not in self.facts:
            raise _unknown("fact", path, self.facts)
        return self.facts[path]

    def axes(self) -> Iterator[tuple[str, Mapping[str, Entry]]]:
        """The kinds of entry and their entries, in the order in which they are declared."""
        for name in ("hbm", "makers", "accelerators", "systems", "models", "climates", "sites", "grids", "events"):
            yield name, getattr(self, name)

    def search(self, words: str) -> list[Fact]:
        """Facts in whose path, note, unit, grade or entry's names all words occur; a named entry's own come first.

        An id or alias counts as its entry, so 'h200 tdp' starts with the H200's. Where nothing matches, the titles of
        the sources count too. An empty search finds everything.
        """
        wanted = words.lower().split()
        found: list[tuple[int, int, Fact]] = []
        for place, (fact, name, text, cited) in enumerate(self._texts):
            if all(word in text for word in wanted):
                exact = any(word in self._names.get(name, ()) for word in wanted)
                near = all(word in fact.path for word in wanted)
                found.append((0 if exact else 1 if near else 2, place, fact))
            elif all(word in text or word in cited for word in wanted):
                found.append((3, place, fact))
        least = min((rank for rank, _, _ in found), default=0)
        kept = (item for item in found if item[0] < 3 or least == 3)
        return [fact for _, _, fact in sorted(kept, key=lambda item: item[:2])]

    @cached_property
    def digest(self) -> str:
        """Twelve hex digits that change when any entry, fact, text, source or caveat changes; places do not count."""
        total = hashlib.sha256()
        for name in (field.name for field in fields(self)):
            value = getattr(self, name)
            for key, item in value.items() if isinstance(value, Mapping) else enumerate(value):
                total.update(f"{name}\x1f{key}\x1f{_written(item)}\x1e".encode())
        return total.hexdigest()[:12]

    @cached_property
    def _names(self) -> Mapping[str, tuple[str, ...]]:
        """'axis.id' -> every word by which the entry can be called."""
        called: dict[str, tuple[str, ...]] = {}
        for axis, entries in self.axes():
            for id_, entry in entries.items():
                others = tuple(alias for alias, target in self.aliases.get(axis, {}).items() if target == id_)
                called[f"{axis}.{id_}"] = (id_, entry.name.lower(), *others)
        return called

    @cached_property
    def _texts(self) -> tuple[tuple[Fact, str, str, str], ...]:
        """Each fact with the 'axis.id' it belongs to, and in lower case its own text and the titles of its sources."""
        owner = {
            fact.path: f"{axis}.{id_}"
            for axis, entries in self.axes()
            for id_, entry in entries.items()
            for fact in entry.facts.values()
        }
        texts = []
        for path, fact in self.facts.items():
            name = owner.get(path, "")
            cited = " ".join(source.title for source in fact.sources)
            parts = (path, *self._names.get(name, ()), fact.note, fact.unit, fact.grade.label)
            texts.append((fact, name, " ".join(parts).lower(), cited.lower()))
        return tuple(texts)

    def called(self, axis: str, name: str) -> str:
        """Id of the model or accelerator that a name stands for as publications print it; '' where none does."""
        if axis == "models":
            return names.model(name, self.models, self.aliases["models"])
        return names.accelerator(name, self.accelerators)

    def _find(self, axis: str, entries: Mapping[str, E], name: str) -> E:
        id_ = str(name).strip().lower().replace(" ", "-")
        id_ = self.aliases.get(axis, {}).get(id_, id_)
        if id_ not in entries and axis in ("models", "accelerators"):
            id_ = self.called(axis, str(name))
        if id_ not in entries:
            raise _unknown(axis.removesuffix("s"), name, (*entries, *self.aliases.get(axis, {})))
        return entries[id_]


def _written(item: object) -> str:
    """Everything that a value says, without the place where it stands."""
    if isinstance(item, Fact):
        sources = ",".join(source.id for source in item.sources)
        return f"{item.value!r} {item.low!r} {item.high!r} {item.unit} {item.grade} {item.date} {item.note} {sources}"
    return repr(item)


def _unknown(kind: str, name: str, known: Mapping[str, object] | tuple[str, ...]) -> InputErrors:
    hint = nearest(str(name), known)
    return InputErrors([Fault("catalogue", 0, str(name), f"is not a known {kind}", hint)])
