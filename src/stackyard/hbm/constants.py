"""The constants of the memory chain, each with range, grade and source; read once from data/chain.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from stackyard.catalog.table import table
from stackyard.source import Fact

_TABLE = Path(__file__).with_name("data") / "chain.yaml"
INDUSTRY = "industry"


@lru_cache(maxsize=1)
def facts() -> Mapping[str, Fact]:
    """Every constant by its path; a row that names a `fact` is that fact of the catalogue.

    >>> facts()["chain.clustering"].value
    2
    """
    return table(_TABLE)


def of_maker(part: str, maker: str) -> Fact:
    """A constant of a maker ('chain.defects', 'chain.base.defects'), or the industry's where it has none of its own.

    >>> of_maker("chain.defects", "nobody") == of_maker("chain.defects", INDUSTRY)
    True
    """
    known = facts()
    return known.get(f"{part}.{maker}", known[f"{part}.{INDUSTRY}"])


def trade_ratio(product: str) -> Fact:
    """Bits of DDR5 given up for a bit of an HBM generation; that of a generation without a figure is assumed.

    >>> trade_ratio("hbm3e").value
    3.0
    """
    known = facts()
    return known.get(f"chain.trade.{product}", known["chain.trade.other"])
