"""Stated figures of ways of serving: acceptance of guessed tokens by family, and memory behind accelerators."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from stackyard.catalog.entries import Accelerator, Model
from stackyard.perf.constants import FOLDER
from stackyard.perf.overflow import Store
from stackyard.source import Fact, Grade, Source


def _read(name: str) -> tuple[Any, dict[str, Source]]:
    from stackyard.files import read_yaml

    located = read_yaml(FOLDER / name, f"perf/data/{name}")
    rows = located.data["sources"].items()
    found = {
        key: Source(key, row["title"], row.get("url", ""), str(row.get("date", "")), row.get("kind", ""))
        for key, row in rows
    }
    return located, found


def _fact(path: str, row: Mapping[str, Any], sources: Mapping[str, Source], place: str) -> Fact:
    return Fact(
        path=path,
        value=row["value"],
        unit=row["unit"],
        grade=Grade.named(row["grade"]),
        sources=tuple(sources[key] for key in row["sources"]),
        low=row.get("low"),
        high=row.get("high"),
        note=row.get("note", ""),
        place=place,
    )


@lru_cache(maxsize=1)
def acceptances() -> Mapping[str, Fact]:
    """Acceptance of the families whose own next-token layer was measured, by family."""
    located, sources = _read("drafts.yaml")
    found = {
        family: _fact(
            f"perf.acceptance.{family}", row, sources, f"{located.file}:{located.line(('acceptance', family))}"
        )
        for family, row in located.data["acceptance"].items()
    }
    return MappingProxyType(found)


def acceptance(model: Model) -> Fact | None:
    """The published acceptance of the model's own next-token layer; None where no figure is on record.

    >>> from stackyard import catalog
    >>> acceptance(catalog.load().model("deepseek-r1")).value
    0.7
    """
    return acceptances().get(model.family) if model.extra.get("mtp_layers") else None


@lru_cache(maxsize=1)
def stores() -> Mapping[tuple[str, str], tuple[Fact, Fact]]:
    """(kind, accelerator) -> (capacity, bandwidth) of one accelerator's share of the memory behind it."""
    located, sources = _read("stores.yaml")
    found = {}
    for kind, chips in located.data["stores"].items():
        for chip, row in chips.items():
            place = f"{located.file}:{located.line(('stores', kind, chip))}"
            pair = [
                _fact(f"perf.stores.{kind}.{chip}.{name}", row[name], sources, place)
                for name in ("capacity", "bandwidth")
            ]
            found[kind, chip] = (pair[0], pair[1])
    return MappingProxyType(found)


def store(chip: Accelerator, kind: str) -> Store | None:
    """The memory of this kind behind one accelerator; None where none is on record.

    >>> from stackyard import catalog
    >>> store(catalog.load().accelerator("gb200"), "host").bandwidth
    225000000000.0
    """
    found = stores().get((kind, chip.id.partition("+")[0]))
    return None if found is None else Store(found[0].si, found[1].si, kind)
