"""A site through time: which power is energised, and what an investment is still worth."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from stackyard.catalog.entries import Phase
from stackyard.months import Month
from stackyard.quantity import Fraction, Second


def power_by_month(phases: Iterable[Phase], months: Sequence[Month], slip: int = 0) -> NDArray[np.float64]:
    """Watts energised in each month (months,): the largest phase reached so far, 0 before the first.

    `slip` moves every phase that many months later.

    >>> power_by_month([Phase(1, 41e6), Phase(3, 103e6)], range(5)).tolist()
    [0.0, 41000000.0, 41000000.0, 103000000.0, 103000000.0]
    """
    clock = np.asarray(months)
    power = np.zeros(len(clock))
    for phase in phases:
        power = np.maximum(power, np.where(clock >= phase.month + slip, phase.power, 0.0))
    return power


def residual(age: Second, life: Second) -> Fraction:
    """Share of a price that is left when it is written off in a straight line: 1 - age / life, from 1 to 0.

    >>> float(residual(age=2.0, life=5.0))
    0.6
    """
    left: Fraction = np.clip(1 - np.divide(age, life), 0.0, 1.0)[()]
    return left
