"""What limits a year of a plan, and what a reader calls it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stackyard.plan.causes import (
    COST,
    EITHER,
    HALL,
    LAUNCH,
    LEAD,
    MISSING,
    QUALIFIED,
    RATE,
    SERVED,
    SEVERAL,
    UNASKED,
)
from stackyard.plan.limits import RESOURCES
from stackyard.plan.problem import V
from stackyard.words import either, joined, listed, phrase, within

TOLD = 0.1  # part of what a year leaves unserved from which on a cause is told by itself

# What a reader calls each cause.
NAMES: dict[str, str] = {name: resource.name for name, resource in RESOURCES.items()} | {
    SERVED: phrase("All demand is served"),
    LEAD: phrase("Lead time"),
    LAUNCH: phrase("Date of sale"),
    QUALIFIED: phrase("Qualification"),
    HALL: phrase("Rack power"),
    RATE: phrase("Accelerators that can run it"),
    MISSING: phrase("More than one thing missing"),
    EITHER: phrase("Either of two limits"),
    SEVERAL: phrase("Several limits at once"),
    COST: phrase("Cost of serving"),
    UNASKED: phrase("A limit not asked about"),
}


@dataclass(frozen=True)
class Binding:
    """What limits a year, and `why`, in words.

    `resource` is the cause of most of what is left unserved, a key of RESOURCES or NOTHING (SERVED where that is less
    than SHORT of the year's demand); `causes` are all of them with their part of it, greatest first; `left` is the
    share of the year's demand that is left for any cause; `together` are the limits that hold at once, heaviest first;
    `barred` is true where power is a cause while other power stands idle that a higher rack limit would open; `either`
    are limits of which any would do by itself, heaviest first; `lacks` names what every accelerator lacks that cannot
    run a service.
    """

    year: int
    resource: str
    causes: dict[str, float]
    left: float
    together: tuple[str, ...]
    barred: bool
    why: str
    either: tuple[str, ...] = ()
    lacks: str = ""

    @property
    def sentence(self) -> str:
        """'2029: Power. 4% of demand ...'."""
        return joined(": ", (str(self.year), self.why))

    @property
    def limit(self) -> str:
        """The resource that leaves most, of those that leave a part worth telling; '' where none does."""
        return next(iter(self.limits), "")

    @property
    def limits(self) -> tuple[str, ...]:
        """The resource that leaves most, or both of which either would do."""
        told = (key for key, part in self.causes.items() if (key in RESOURCES or key == EITHER) and part >= TOLD)
        first = next(told, "")
        return self.either[:2] if first == EITHER else (first,) if first else ()

    @property
    def named(self) -> tuple[str, ...]:
        """Every resource that the main causes name."""
        groups = {EITHER: self.either, SEVERAL: self.together}
        return tuple(dict.fromkeys(key for cause in self.main for key in groups.get(cause, (cause,))))

    @property
    def main(self) -> tuple[str, ...]:
        """The causes to name: the first, and the second where it leaves a quarter or more."""
        second = [key for key, part in list(self.causes.items())[1:2] if part >= 0.25]
        return (self.resource, *(second if self.resource != SERVED else ()))

    @property
    def names(self) -> tuple[str, ...]:
        """What a reader calls the main causes."""
        return tuple(self.name(cause) for cause in self.main)

    def name(self, cause: str) -> str:
        """What a reader calls a cause in this year; limits that hold at once by their names.

        >>> Binding(2030, "together", {"together": 1.0}, 0.1, ("money", "power"), False, "").name("together")
        'Money and power together'
        """
        if cause == "power" and self.barred:
            return phrase("Power or rack limits")
        if cause == RATE and self.lacks:
            return self.lacks
        if cause == EITHER and len(self.either) > 1:
            return either([NAMES[self.either[0]], within(NAMES[self.either[1]])])
        if cause != SEVERAL or len(self.together) < 2:
            return NAMES[cause]
        names = [NAMES[self.together[0]], *(within(NAMES[key]) for key in self.together[1:3])]
        return phrase("{limits} together", limits=listed(names))


def heaviest(data: xr.Dataset, name: str, cause: str, inside: NDArray[np.bool_]) -> tuple[str, ...]:
    """The resources that weigh most by `name` in the months in which a cause leaves demand, the heaviest first; those
    under a tenth of it are not named. `inside` marks the months of a year.

    >>> from stackyard import api
    >>> made = api.plan("first-plan", steps=False)
    >>> problem, plan = made.built.problem, made.plan
    >>> heaviest(made.explanation.data, "needed", "together", np.ones(24, dtype=bool))
    ('power', 'hbm')
    """
    months = inside & (data["left"].sel(cause=cause).sum(V).values > 0)
    weight = data[name].values[:, months].sum(axis=1)
    part = np.round(weight / max(float(weight.max()), 1e-30), 6)  # so that rounding does not choose between equal ones
    return tuple(str(data["resource"].values[i]) for i in np.argsort(-part, kind="stable") if part[i] > 0.1)


def unable(data: xr.Dataset, inside: NDArray[np.bool_]) -> list[str]:
    """Services that no accelerator can run and that are left for it in a year."""
    lost = data["left"].sel(cause=RATE).values[:, inside].sum(axis=1) > 0
    return [str(data[V].values[v]) for v in np.flatnonzero(lost)]
