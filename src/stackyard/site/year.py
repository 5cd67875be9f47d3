"""A plant through the hours of a year, reduced to months: PUE and water, modes of cooling, and the planner's line."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from stackyard.quantity import Fraction
from stackyard.site.losses import line
from stackyard.site.plant import Plant, conditions, facts
from stackyard.site.weather import DAYS, MONTH_OF_HOUR, Weather, by_month

Months = NDArray[np.float64]
FREE, CHILLED = 1e-9, 1 - 1e-9  # shares on the chiller up to which cooling counts as free, and from which as mechanical


@dataclass(frozen=True)
class Year:
    """What a plant does in a year of weather, (12,) January to December.

    `pue` and `water` are means at the load asked, water in m3 per joule of IT energy. `free`, `partial` and
    `mechanical` are hours of each month in which the chiller carries none, some or all of the heat. `fixed` and
    `proportional` are the line of site power over IT power per watt of design IT power (`losses.line`), means of the
    month; `fixed_peak` and `proportional_peak` the same in the hour of the month that takes most power.
    """

    plant: Plant
    weather: Weather
    load: float
    pue: Months
    water: Months
    free: Months
    partial: Months
    mechanical: Months
    fixed: Months
    proportional: Months
    fixed_peak: Months
    proportional_peak: Months

    def mean(self, name: str) -> float:
        """Mean over the year of a monthly mean, by the length of the months."""
        return float(np.average(getattr(self, name), weights=DAYS))


def year(plant: Plant, weather: Weather, load: Fraction = 1.0) -> Year:
    """A plant at a steady load through the 8760 hours of a place.

    >>> from stackyard.site.plant import plant
    >>> from stackyard.site.weather import synthetic
    >>> mild = synthetic("mild", [10.0] * 12, [8.0] * 12, spread=(3.0, 2.0), swing=(4.0, 2.0))
    >>> found = year(plant("liquid"), mild, 0.75)
    >>> float(found.free.sum()), 1.0 < found.mean("pue") < 1.2
    (7239.0, True)
    """
    here = conditions(plant, weather.dry, weather.wet, load)
    low = facts()["plant.part_load.low"].si
    full, less = (conditions(plant, weather.dry, weather.wet, at).site for at in (1.0, low))
    hottest = _hottest(full)
    fixed, proportional = line(low, by_month(less), by_month(full))
    fixed_peak, proportional_peak = line(low, less[hottest], full[hottest])

    def hours(where: NDArray[np.bool_]) -> Months:
        return np.bincount(MONTH_OF_HOUR[where], minlength=12).astype(float)

    free, chilled = here.mechanical <= FREE, here.mechanical >= CHILLED
    return Year(
        plant=plant,
        weather=weather,
        load=float(load),
        pue=by_month(here.pue),
        water=by_month(here.water),
        free=hours(free),
        partial=hours(~free & ~chilled),
        mechanical=hours(chilled & ~free),
        fixed=np.asarray(fixed),
        proportional=np.asarray(proportional),
        fixed_peak=np.asarray(fixed_peak),
        proportional_peak=np.asarray(proportional_peak),
    )


def _hottest(power: NDArray[np.float64]) -> NDArray[np.int64]:
    """The hour of each month in which most power is drawn."""
    starts = np.concatenate(([0], np.cumsum(DAYS * 24)))
    return np.array([start + int(np.argmax(power[start:end])) for start, end in pairwise(starts)])
