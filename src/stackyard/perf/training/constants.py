"""The constants of the training model, each with its source and grade: read once from data/training.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from stackyard.source import Fact, Grade, Source

FILE = Path(__file__).parents[1] / "data" / "training.yaml"


@lru_cache(maxsize=1)
def facts() -> Mapping[str, Fact]:
    """Every constant as a Fact, by name.

    >>> facts()["state.checkpoint"].value
    14.0
    """
    from stackyard.files import read_yaml

    located = read_yaml(FILE, "perf/data/training.yaml")
    sources = {
        key: Source(key, row["title"], row.get("url", ""), str(row.get("date", "")), row.get("kind", ""))
        for key, row in located.data["sources"].items()
    }
    found = {
        name: Fact(
            path=f"perf.training.{name}",
            value=row["value"],
            unit=row["unit"],
            grade=Grade.named(row["grade"]),
            sources=tuple(sources[key] for key in row["sources"]),
            low=row.get("low"),
            high=row.get("high"),
            date=str(row.get("date", "")),
            note=row.get("note", ""),
            place=f"{located.file}:{located.line(('constants', name))}",
        )
        for name, row in located.data["constants"].items()
    }
    return MappingProxyType(found)


@lru_cache(maxsize=1)
def values() -> Mapping[str, float]:
    """The constants in SI, by name.

    >>> values()["failure.detection"]
    60.0
    """
    return MappingProxyType({name: fact.si for name, fact in facts().items()})
