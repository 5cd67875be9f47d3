"""What more of a limit would do, found by solving again: lifted for all months, and a small step in one year.

Prices are duals: they need not be unique, they hold for small changes only, and they stand where a thing is delivered,
not where its lack is felt. So whether a limit causes a shortage is asked of the plan itself: with LIFT times as much of
it throughout, what would be served in the month that is short?
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import xarray as xr

from stackyard.plan.formulate import beyond
from stackyard.plan.limits import RESOURCES, Resource, finite, rent, rents, yearly
from stackyard.plan.plan import Plan, in_year
from stackyard.plan.problem import Problem, T, V, Y
from stackyard.plan.solve import Resolve

LIFT = 1000.0  # times as much of a limit: enough that it limits no more
STEP = 0.01
TOGETHER = "together"  # all limits at once

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Worth:
    """What STEP more of a limit in one year is worth, where and when it has a price in that year.

    `step` is in `unit`: the sum over the year, for power the mean watts of its months. `predicted` is price x step,
    `saved` what a re-solve found (nan when none was made), both in USD of today; `tokens` are more served, in tokens
    per day, mean of the year in which they are most, `tokens_year`.
    """

    resource: str
    year: int
    step: float
    unit: str
    predicted: float
    saved: float
    tokens: float
    tokens_year: int

    @property
    def saved_per_unit(self) -> float:
        return self.saved / self.step

    @property
    def tokens_per_unit(self) -> float:
        return self.tokens / self.step


def relief(problem: Problem, plan: Plan, resolve: Resolve, tell: Progress) -> xr.DataArray:
    """Tokens per day more served with LIFT times as much of a resource in every month, (relieved, month); the last row
    lifts all of them. A limit without a rent in any month is not lifted: more of it saves nothing."""
    priced = [name for name in RESOURCES if bool((rent(problem, plan, name) > 0).any())]
    found = [0.0 * plan.decisions["served"].sum(V)] * (len(RESOURCES) + 1)
    for i, name in enumerate(RESOURCES):
        if name in priced:
            tell(f"What is served without the limit: {RESOURCES[name].name}")
            _, other = _lifted(problem, resolve, (name,))
            found[i] = (other.decisions["served"] - plan.decisions["served"]).sum(V)
    if priced:
        tell("What is served without any limit")
        lifted, other = _lifted(problem, resolve, tuple(RESOURCES))
        limited = (rents(lifted, other).sum("resource") > 0) | (beyond(lifted.data).sum(V) > 0)
        still = limited.cumsum(T) > 0  # even LIFT times as much limits
        served = plan.decisions["served"] - other.decisions["unserved"].where(still, 0.0)
        found[-1] = (other.decisions["served"] - served).sum(V)
    index = xr.DataArray([*RESOURCES, TOGETHER], dims="relieved", name="relieved")
    return xr.concat(found, dim=index).transpose("relieved", T).assign_attrs(units="token/day")


def _lifted(problem: Problem, resolve: Resolve, names: tuple[str, ...]) -> tuple[Problem, Plan]:
    d = problem.data
    lifted = {
        RESOURCES[name].amount: (d[RESOURCES[name].amount] * LIFT).assign_attrs(d[RESOURCES[name].amount].attrs)
        for name in names
    }
    return Problem(d.assign(lifted)), resolve(lifted)


def worths(problem: Problem, plan: Plan, resolve: Resolve | None, tell: Progress) -> tuple[Worth, ...]:
    """Every limit with a price in a year of the horizon; without `resolve` only what its price predicts."""
    d = problem.data
    years = [int(year) for year in d[Y].values if year <= int(problem.end[:4])]
    found = []
    for name, resource in RESOURCES.items():
        rented = rent(problem, plan, name)
        for i, year in enumerate(years):
            step = _step(d, resource, rented, i)
            predicted = _predicted(d, plan, resource, step)
            if predicted <= 0:
                continue
            saved, tokens, when = np.nan, np.nan, year
            if resolve is not None:
                tell(f"What {STEP:.0%} more is worth: {resource.name}, {year}")
                other = resolve({resource.amount: d[resource.amount] + step})
                saved = plan.objective - other.objective
                tokens, when = _most(problem, plan, other, years, year)
            size = float(step.sum()) / (float((step.sum(resource.axis) > 0).sum()) if resource.unit == "W" else 1.0)
            found.append(Worth(name, year, size, resource.unit, predicted, saved, tokens, when))
    return tuple(found)


def _step(d: xr.Dataset, resource: Resource, rented: xr.DataArray, year: int) -> xr.DataArray:
    """STEP more of a limit in one year, where it has a rent."""
    amount = finite(d, resource)
    if resource.axis is None:
        priced = bool(rented.where(in_year(d).isel({Y: year}, drop=True) > 0, 0.0).any())
        inside = xr.DataArray((d[Y] == d[Y][year]) & priced)
    else:
        inside = in_year(d).isel({Y: year}, drop=True) * (rented > 0)
    step: xr.DataArray = amount * inside * STEP
    return step.transpose(*amount.dims)


def _predicted(d: xr.Dataset, plan: Plan, resource: Resource, step: xr.DataArray) -> float:
    present = yearly(d) if resource.axis is None else d["discount"]
    return float((plan.prices[resource.price] * present * step).sum())


def _most(problem: Problem, plan: Plan, other: Plan, years: list[int], own: int) -> tuple[float, int]:
    """Tokens per day more that another plan serves, in the year in which they are most; 0 where there are none."""
    d = problem.data
    more = by_year(d, (other.decisions["served"] - plan.decisions["served"]).sum(V)).values[: len(years)]
    best = int(more.argmax())
    return (float(more[best]), years[best]) if more[best] > 1e-7 * float(d["demand"].max()) else (0.0, own)


def by_year(d: xr.Dataset, daily: xr.DataArray) -> xr.DataArray:
    """Mean over each year of an amount per day."""
    seconds = in_year(d) * d["seconds"]
    mean: xr.DataArray = (daily * seconds).sum(T) / seconds.sum(T)
    return mean.transpose(..., Y)


def worth_of(worths: tuple[Worth, ...], resource: str, year: int) -> Worth | None:
    """The step of a limit that serves most more in a year, whenever it is taken; else the one taken in that year."""
    helping = [w for w in worths if (w.resource, w.tokens_year) == (resource, year) and w.tokens > 0]
    own = [w for w in worths if (w.resource, w.year) == (resource, year)]
    return max(helping, key=lambda w: w.tokens) if helping else own[0] if own else None
