"""What a watt of a building costs by block of work, how dense its racks may be, and when it is done."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from stackyard.quantity import Numeric, Watt
from stackyard.site.sources import facts
from stackyard.source import Fact

BLOCKS = ("electrical", "generators", "mechanical", "shell")


def blocks(price: Numeric) -> dict[str, Numeric]:
    """USD/W of each block of work for a price of a watt fitted out, by the table's shares, which sum to 1.

    >>> {name: round(float(part), 2) for name, part in blocks(12.0).items()}
    {'electrical': 5.04, 'generators': 1.8, 'mechanical': 2.4, 'shell': 2.76}
    """
    known = facts()
    return {name: np.multiply(price, known[f"building.{name}"].si)[()] for name in BLOCKS}


def density_limit(cooling: str) -> Fact:
    """The most that a rack may draw where it is cooled so.

    >>> density_limit("hybrid").value
    70.0
    """
    return facts()[f"density.{cooling}"]


def ramped(power: NDArray[np.float64], step: Watt) -> NDArray[np.float64]:
    """Power energised when the grid lets it rise by no more than `step` watts a month, (..., months).

    p_t = min(power_t, p_(t-1) + step), from the power of the first month on. An infinite step sets no limit.

    >>> ramped(np.array([10.0, 100.0, 100.0, 100.0]), 40.0).tolist()
    [10.0, 50.0, 90.0, 100.0]
    """
    found = np.array(power, dtype=float)
    for month in range(1, found.shape[-1]):
        found[..., month] = np.minimum(found[..., month], found[..., month - 1] + step)
    return found


def shares() -> Mapping[str, Fact]:
    """The share of each block of work, as facts.

    >>> round(sum(fact.si for fact in shares().values()), 6)
    1.0
    """
    return {name: facts()[f"building.{name}"] for name in BLOCKS}
