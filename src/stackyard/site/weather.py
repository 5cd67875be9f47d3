"""The hours of a year at a place: from monthly means by a stated method, or from a file of hourly weather."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stackyard.quantity import Celsius, Kelvin

Hours = NDArray[np.float64]

DAYS = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
MONTH_OF_HOUR = np.repeat(np.arange(12), DAYS * 24)  # 0 for January, of each of the 8760 hours
HOURS = MONTH_OF_HOUR.size
_WARMEST = 15  # o'clock
DESIGN = 0.996  # share of the hours below ASHRAE's design condition
MOST_SPREAD = 10.0  # K, of days about a month's mean: no place has more
_GOLDEN = 0.6180339887  # days of a month follow each other in an order without trend or run


@dataclass(frozen=True)
class Weather:
    """8760 hours of air at a place, January first: dry and wet bulb in deg C, pressure in Pa.

    Raises ValueError where the hours are not 8760 or a wet bulb is above its dry bulb.
    """

    place: str
    dry: Hours
    wet: Hours
    pressure: Hours
    origin: str  # how the hours were made, or the file they were read from

    def __post_init__(self) -> None:
        if not all(values.shape == (HOURS,) for values in (self.dry, self.wet, self.pressure)):
            raise ValueError(f"a year has {HOURS} hours")
        if np.any(self.wet > self.dry + 1e-9):
            raise ValueError("the wet bulb is never above the dry bulb")

    def percentile(self, share: float) -> tuple[float, float]:
        """Dry and wet bulb below which this share of the hours lies: 0.996 is the design condition of ASHRAE."""
        dry, wet = (float(np.quantile(values, share)) for values in (self.dry, self.wet))
        return dry, wet


def by_month(values: ArrayLike) -> NDArray[np.float64]:
    """Mean of each month, January to December, of hourly values (..., 8760): (..., 12).

    >>> by_month(np.ones(8760)).tolist() == [1.0] * 12
    True
    """
    hours = np.asarray(values, dtype=float)
    starts = np.concatenate(([0], np.cumsum(DAYS * 24)[:-1]))
    return np.asarray(np.add.reduceat(hours, starts, axis=-1) / (DAYS * 24))


def hours_from_means(means: Sequence[float], spread: Kelvin, swing: Kelvin | Sequence[float]) -> Hours:
    """8760 temperatures whose monthly means are those given, in deg C.

    t = mean + trend through the month + spread x z of the day + swing x cos(2 pi (hour - 15) / 24): the trend is half
    the difference of the months before and after, z the normal quantiles of the days in a fixed order that looks like
    none, and the swing half the range of a day (one number, or twelve). Days differ, hours of a day follow a cosine;
    heat waves and fronts of several days are not modelled. The same every time.

    >>> hours = hours_from_means([0.0] * 6 + [20.0] * 6, spread=3.0, swing=4.0)
    >>> bool(np.allclose(by_month(hours), [0.0] * 6 + [20.0] * 6))
    True
    """
    level, half = np.asarray(means, dtype=float), np.broadcast_to(np.asarray(swing, dtype=float), 12)
    cosine = np.cos(2 * np.pi * (np.arange(24) - _WARMEST) / 24)
    days = []
    for month, count in enumerate(DAYS):
        trend = (level[(month + 1) % 12] - level[month - 1]) / 2 / DAYS.mean()
        order = np.argsort(np.argsort((np.arange(count) * _GOLDEN) % 1))
        normal = np.array([NormalDist().inv_cdf((rank + 0.5) / count) for rank in order])
        day = level[month] + trend * (np.arange(count) - (count - 1) / 2) + np.multiply(spread, normal)
        days.append(day[:, None] + half[month] * cosine)
    return np.concatenate(days).ravel()


@lru_cache(maxsize=64)
def spread_to(
    point: Celsius, means: tuple[float, ...], swing: Kelvin | tuple[float, ...], share: float = DESIGN
) -> Kelvin:
    """The spread of days with which a share of the hours from means lies below a point: that of a place whose design
    temperature is on record. Found by halving, to 0.01 K; 0 where the point is below what the means alone give, and at
    most MOST_SPREAD.

    >>> means = (0.0, 2.0, 5.0, 9.0, 14.0, 17.0, 19.0, 19.0, 15.0, 10.0, 5.0, 2.0)
    >>> found = spread_to(30.0, means, 4.0)
    >>> round(float(np.quantile(hours_from_means(means, found, 4.0), DESIGN)), 1)
    30.0
    """
    low, high = 0.0, MOST_SPREAD
    while high - low > 0.01:
        middle = (low + high) / 2
        reached = float(np.quantile(hours_from_means(means, middle, swing), share))
        low, high = (middle, high) if reached < point else (low, middle)
    return low if low == 0 else (low + high) / 2


def synthetic(
    place: str,
    dry_means: Sequence[Celsius],
    wet_means: Sequence[Celsius],
    *,
    spread: tuple[Kelvin, Kelvin],
    swing: tuple[Kelvin | Sequence[float], Kelvin | Sequence[float]],
    pressure: float = 101325.0,
) -> Weather:
    """A year from monthly means of dry and wet bulb; `spread` and `swing` are (dry, wet) of `hours_from_means`.

    Dry and wet bulb depart from their means together; where the wet bulb would pass the dry bulb it is the dry bulb,
    and the other hours of the month are higher by what that takes off its mean. Against hourly files the hours above 18
    to 26 deg C come out within 2% of the year (tests/paper).

    >>> year = synthetic("a place", [10.0] * 12, [7.0] * 12, spread=(4.0, 3.0), swing=(4.0, 2.0))
    >>> len(year.dry), round(float(year.dry.mean()), 1), bool((year.wet <= year.dry).all())
    (8760, 10.0, True)
    """
    dry = hours_from_means([float(t) for t in dry_means], spread[0], swing[0])
    wet = hours_from_means([float(t) for t in wet_means], spread[1], swing[1])
    for _ in range(4):  # to 0.05 K
        wet = np.minimum(wet + (np.asarray(wet_means, dtype=float) - by_month(wet))[MONTH_OF_HOUR], dry)
    return Weather(place, dry, wet, np.full(HOURS, pressure), "monthly means")
