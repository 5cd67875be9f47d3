"""Stated figures of ways of serving: acceptance of guessed tokens by family, and memory behind accelerators."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from stackyard.catalog.entries import Accelerator, Model
from stackyard.catalog.table import fact_of, sources_of
from stackyard.perf.constants import FOLDER
from stackyard.perf.overflow import Store
from stackyard.source import Fact, Source

if TYPE_CHECKING:
    from stackyard.files import Located


def _read(name: str) -> tuple[Located, dict[str, Source]]:
    from stackyard.files import read_yaml

    located = read_yaml(FOLDER / name, f"perf/data/{name}")
    return located, sources_of(located)


@lru_cache(maxsize=1)
def acceptances() -> Mapping[str, Fact]:
    """Acceptance of the families whose own next-token layer was measured, by family.

    >>> acceptances()["deepseek_mla_moe"].grade.label
    'reported'
    """
    located, sources = _read("drafts.yaml")
    found = {
        family: fact_of(f"perf.acceptance.{family}", row, sources, located, "acceptance", family)
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
    """(kind, accelerator) -> (capacity, bandwidth) of one accelerator's share of the memory behind it.

    >>> stores()["host", "h100-sxm"][0].si
    250000000000.0
    """
    located, sources = _read("stores.yaml")
    found = {}
    for kind, chips in located.data["stores"].items():
        for chip, row in chips.items():
            capacity, bandwidth = (
                fact_of(f"perf.stores.{kind}.{chip}.{name}", row[name], sources, located, "stores", kind, chip, name)
                for name in ("capacity", "bandwidth")
            )
            found[kind, chip] = capacity, bandwidth
    return MappingProxyType(found)


def store(chip: Accelerator, kind: str) -> Store | None:
    """The memory of this kind behind one accelerator; None where none is on record.

    >>> from stackyard import catalog
    >>> store(catalog.load().accelerator("gb200"), "host").bandwidth
    225000000000.0
    """
    found = stores().get((kind, chip.id.partition("+")[0]))
    return None if found is None else Store(found[0].si, found[1].si, kind)
