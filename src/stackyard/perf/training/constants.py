"""The constants of the training model, each with its source and grade: those read and those fitted."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from stackyard.catalog.table import fact_of, sources_of
from stackyard.source import Fact

READ = Path(__file__).parents[1] / "data" / "training.yaml"
FITTED = Path(__file__).parents[1] / "data" / "training_fit.yaml"  # written by perf.calibration.training


def read(path: Path) -> Mapping[str, Fact]:
    """The constants of one file as Facts, by name.

    >>> read(READ)["failure.detection"].unit
    's'
    """
    from stackyard.files import read_yaml

    located = read_yaml(path, f"perf/data/{path.name}")
    sources = sources_of(located)
    return {
        name: fact_of(f"perf.training.{name}", row, sources, located, "constants", name)
        for name, row in located.data["constants"].items()
    }


@lru_cache(maxsize=1)
def facts() -> Mapping[str, Fact]:
    """Every constant as a Fact, by name.

    >>> facts()["state.checkpoint"].value
    14.0
    """
    return MappingProxyType({**read(READ), **read(FITTED)})


@lru_cache(maxsize=1)
def values() -> Mapping[str, float]:
    """The constants in SI, by name.

    >>> values()["failure.detection"]
    60.0
    """
    return MappingProxyType({name: fact.si for name, fact in facts().items()})


def of(values: Mapping[str, float], name: str, software: str) -> float:
    """A constant as this software has it: its own, its family's (the first word of its name), or the one of all.

    >>> of({"leak": 1.0, "leak.deepspeed": 2.0}, "leak", "deepspeed-zero-3")
    2.0
    """
    for key in (f"{name}.{software}", f"{name}.{software.partition('-')[0]}"):
        if key in values:
            return values[key]
    return values[name]
