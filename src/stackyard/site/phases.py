"""A site through time: which power is energised, and what an investment is still worth."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from stackyard.catalog.entries import Phase
from stackyard.months import Month
from stackyard.quantity import YEAR, Fraction, Second


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


def residual(age: Second, life: Second, rate: float = 0.0) -> Fraction:
    """Share of a price that is left of an investment: the present value of the rest of its equal yearly costs.

    (1 - v^(life - age)) / (1 - v^life) with v = 1 / (1 + rate) a year, from 1 to 0; a straight line, 1 - age / life,
    at rate 0. What is owned then costs the same in every month of its life, interest included, so that where a plan
    stops does not favour buying or waiting. Annuity depreciation; the equivalent annual cost of engineering economics.

    >>> float(residual(age=2.0, life=5.0))
    0.6
    >>> round(float(residual(age=2 * YEAR, life=5 * YEAR, rate=0.08)), 3)
    0.645
    """
    rest = np.clip(np.subtract(life, age), 0.0, life)
    if rate <= 0:
        straight: Fraction = np.divide(rest, life)[()]
        return straight
    left: Fraction = (np.expm1(-rest / YEAR * np.log1p(rate)) / np.expm1(-life / YEAR * np.log1p(rate)))[()]
    return left
