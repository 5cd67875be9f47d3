"""Shapes of what is not known, as quantile functions: from a share of probability to a value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]
P90 = 1.2815515655446004  # standard normal quantile of 90%


def uniform(p: Array, low: float, value: float, high: float) -> Array:
    """Every value from low to high alike.

    >>> uniform(np.array([0.25]), 0.0, 1.0, 4.0).tolist()
    [1.0]
    """
    return np.asarray(low + p * (high - low))


def triangular(p: Array, low: float, value: float, high: float) -> Array:
    """A density that rises in a straight line from low to value and falls to high.

    F(x) = (x - low)^2 / ((high - low)(value - low)) up to the value; the inverse of it, and of its mirror image above.

    >>> triangular(np.array([0.0, 0.5, 1.0]), 0.0, 1.0, 2.0).tolist()
    [0.0, 1.0, 2.0]
    """
    span = high - low
    turn = (value - low) / span
    below = low + np.sqrt(p * span * (value - low))
    above = high - np.sqrt((1 - p) * span * (high - value))
    return np.asarray(np.where(p < turn, below, above))


def pert(p: Array, low: float, value: float, high: float) -> Array:
    """A beta distribution on low to high whose mode is the value and whose mean is (low + 4 value + high) / 6.

    Parameters 1 + 4 (value - low) / span and 1 + 4 (high - value) / span: D. G. Malcolm et al., Application of a
    technique for research and development program evaluation, Operations Research 7 (1959).

    >>> float(pert(np.array([0.5]), 0.0, 1.0, 2.0)[0])
    1.0
    """
    from scipy.stats import beta

    span = high - low
    return np.asarray(low + span * beta.ppf(p, 1 + 4 * (value - low) / span, 1 + 4 * (high - value) / span))


def lognormal(p: Array, low: float, value: float, high: float) -> Array:
    """A logarithm that is normal: the value is the median, and high is as far above low as 90% is above 10%.

    >>> [round(float(x), 6) for x in lognormal(np.array([0.1, 0.5, 0.9]), 50.0, 100.0, 200.0)]
    [50.0, 100.0, 200.0]
    """
    from scipy.stats import norm

    return np.asarray(value * np.exp(norm.ppf(p) * np.log(high / low) / (2 * P90)))


SHAPES: Mapping[str, Callable[[Array, float, float, float], Array]] = {
    "uniform": uniform,
    "triangular": triangular,
    "pert": pert,
    "lognormal": lognormal,
}


def steps(p: Array, chances: Mapping[float, float]) -> Array:
    """Discrete values, each with its chance, in rising order.

    >>> steps(np.array([0.1, 0.79, 0.81]), {0.0: 0.8, 3.0: 0.2}).tolist()
    [0.0, 0.0, 3.0]
    """
    values = np.array(sorted(chances))
    ends = np.cumsum([chances[value] for value in values.tolist()])
    return np.asarray(values[np.minimum(np.searchsorted(ends, p, side="right"), values.size - 1)])
