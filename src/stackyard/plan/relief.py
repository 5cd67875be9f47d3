"""What more of a limit would do, found by solving again: lifted for all months, and a small step in one year.

Prices are duals: they need not be unique, they hold for small changes only, and they stand where a thing is delivered,
not where its lack is felt. So whether a limit causes a shortage is asked of the plan itself: with far more of it
than any plan needs, in every month, what would be served in the month that is short?
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import xarray as xr

from stackyard.plan.causes import leading, part_of
from stackyard.plan.formulate import beyond, without_beyond
from stackyard.plan.highs import side_by_side
from stackyard.plan.limits import RESOURCES, Resource, finite, most, rent, rents, there, yearly
from stackyard.plan.patience import LIFTS, STEPS, Patience
from stackyard.plan.plan import Plan, in_year
from stackyard.plan.problem import Problem, T, V, Y
from stackyard.plan.solve import Resolve
from stackyard.quantity import DAY
from stackyard.words import phrase, share

LIFT = 100.0  # times as much of a limit: enough that it limits no more
STEP = 0.01

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Worth:
    """What STEP more of a limit in one year is worth, where and when it has a price in that year.

    `step` is in `unit`: the sum over the year, for power the most watts in a month. `predicted` is price x step,
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


def relief(problem: Problem, plan: Plan, resolve: Resolve, tell: Progress, patience: Patience) -> xr.Dataset:
    """What is served without limits, service by service and month by month: `single` (resource, service, month), tokens
    per day more without this one; `together` (service, month) without any; `without` (resource, service, month) without
    any but this one; `pair` (resource, other, service, month) without these two, where each of them serves noticeably
    more of the same by itself, and nan elsewhere.

    A limit without a price in any month is not lifted: more of it saves nothing. The limits on which most hangs by
    their rent are lifted first; what patience did not suffice for is nan: together, where not every limit was lifted.
    """
    tell(phrase("What is served without each limit"))
    enough = {name: _lifted(problem.data, name) for name in RESOURCES}
    hangs = {
        name: float((rent(problem, plan, name, enough[name]) * problem.data["discount"]).sum()) for name in RESOURCES
    }
    priced = sorted((name for name in RESOURCES if hangs[name] > 0), key=lambda name: -hangs[name])
    nothing = 0.0 * plan.decisions["served"]

    def more(names: list[str]) -> xr.DataArray:
        lifted = Problem(problem.data.assign({RESOURCES[name].amount: enough[name] for name in names}))
        other = resolve({RESOURCES[name].amount: lifted.data[RESOURCES[name].amount] for name in names}, far=True)
        gained: xr.DataArray = other.decisions["served"] - plan.decisions["served"]
        if len(names) < len(RESOURCES):
            return gained
        limited = (rents(lifted, other).sum("resource") > 0) | (beyond(lifted.data).sum(V) > 0)
        return gained + other.decisions["unserved"].where(limited.cumsum(T) > 0, 0.0)  # even so much limits

    def asked(sets: Iterable[list[str]], share: float) -> list[xr.DataArray]:
        return side_by_side(lambda names: more(names) if patience.left(LIFTS, share) else nothing * np.nan, sets)

    index = xr.DataArray(list(RESOURCES), dims="resource", name="resource")
    alone = dict(zip(priced, asked(([name] for name in priced), 0.5), strict=True))
    single = [alone.get(name, nothing) for name in RESOURCES]
    complete = not any(bool(values.isnull().any()) for values in single)
    together = asked([list(RESOURCES)], 0.6 if complete else 0.0)[0] if priced else nothing
    pair = _pairs(plan, xr.concat(single, dim=index), lambda sets: asked(sets, 0.65))
    others = asked(([other for other in RESOURCES if other != name] for name in priced), 0.65)
    kept = dict(zip(priced, others, strict=True))
    without = [kept.get(name, together) for name in RESOURCES]
    found = {"single": xr.concat(single, dim=index), "together": together, "without": xr.concat(without, dim=index)}
    found["pair"] = pair
    return xr.Dataset({name: values.assign_attrs(units="token/day") for name, values in found.items()})


def _pairs(
    plan: Plan, single: xr.DataArray, asked: Callable[[Iterable[list[str]]], list[xr.DataArray]]
) -> xr.DataArray:
    """What is served without two limits, for those that lead together in some month; nan for the others."""
    names, part = list(RESOURCES), part_of(plan, single)
    first, second = leading(part)
    both = np.sort(part, axis=0)[-2] > 0
    found = np.full((len(names), *single.shape), np.nan)
    pairs = sorted({(min(each), max(each)) for each in zip(first[both].tolist(), second[both].tolist(), strict=True)})
    for (r, s), served in zip(pairs, asked([names[r], names[s]] for r, s in pairs), strict=True):
        found[r, s] = found[s, r] = served.transpose(*single.dims[1:]).values
    coords = {"other": names, **{str(name): values for name, values in single.coords.items()}}
    return xr.DataArray(found, dims=("resource", "other", *single.dims[1:]), coords=coords)


def _lifted(d: xr.Dataset, name: str) -> xr.DataArray:
    """LIFT times the most there ever is of a limit, or of what serving all demand takes, in every month; orders only
    from the launch of an accelerator, and nothing where there never is any."""
    amount, resource = d[RESOURCES[name].amount], RESOURCES[name]
    ever = amount.max(Y if resource.axis is None else T)
    ever = ever.where(np.isinf(ever), most(d, resource))
    high = ever.clip(min=_needed(d)[name]) * LIFT
    lifted: xr.DataArray = (xr.zeros_like(amount) + high.where(ever > 0, 0.0)).transpose(*amount.dims)
    if name == "orders":
        lifted = lifted.where(amount > 0, 0.0)
    return lifted.assign_attrs(amount.attrs)


def _needed(d: xr.Dataset) -> dict[str, float]:
    """What serving all demand within reach takes on the best accelerator, in a resource's unit of the month."""
    asked = float(without_beyond(d)["demand"].sum(V).max() * d["peak_to_mean"].max()) / DAY
    packages = asked / (float(d["rate"].max()) or np.inf)
    return {
        "hbm": packages * float(d["stacks_per_package"].max()),
        "packaging": packages * float(d["wafers_per_package"].max()),
        "orders": packages,
        "power": packages * float(d["power_busy"].max() * d["pue_design"].max()),
        "sources": packages * float(d["power_busy"].max() * d["pue_design"].max()),
        "money": packages * float(d["accelerator_price"].max() + d["fitout_price"].max() * d["power_busy"].max()),
    }


def worths(
    problem: Problem, plan: Plan, resolve: Resolve | None, tell: Progress, patience: Patience
) -> tuple[Worth, ...]:
    """Every limit with a price in a year of the horizon, those that promise most asked first; without `resolve`, and
    where patience does not suffice, only what its price predicts."""
    d = problem.data
    years = [int(year) for year in d[Y].values if year <= int(problem.end[:4])]
    steps = []
    for name, resource in RESOURCES.items():
        base = _stepped(d, plan, name)
        rented = rent(problem, plan, name, base)
        for i, year in enumerate(years):
            step = _step(d, resource, base, rented, i)
            predicted = _predicted(d, plan, resource, step)
            if predicted > 0:
                steps.append((name, year, step, predicted))
    found = {}
    for name, year, step, predicted in sorted(steps, key=lambda each: -each[-1]):
        resource = RESOURCES[name]
        saved, tokens, when = np.nan, np.nan, year
        if resolve is not None and patience.left(STEPS, 0.8):
            what = {"step": share(f"{STEP:.0%}"), "name": resource.name, "year": year}
            tell(phrase("What {step} more is worth: {name}, {year}", **what))
            other = resolve({resource.amount: d[resource.amount] + step})
            saved = plan.objective - other.objective
            tokens, when = _most(problem, plan, other, years, year)
        size = float(step.sum(resource.axis).max() if resource.unit == "W" else step.sum())
        found[name, year] = Worth(name, year, size, resource.unit, predicted, saved, tokens, when)
    return tuple(found[name, year] for name, year, *_ in steps)


def _stepped(d: xr.Dataset, plan: Plan, name: str) -> xr.DataArray:
    """What a step of a limit is a part of: what there is, and of power where there is none yet, what there will be."""
    if name != "power":
        return finite(d, RESOURCES[name])
    found = there(d, plan, name)
    return found.where(found > 0, found.max(T)).transpose(*found.dims)


def _step(d: xr.Dataset, resource: Resource, amount: xr.DataArray, rented: xr.DataArray, year: int) -> xr.DataArray:
    """STEP more of a limit in one year, where it has a rent."""
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
    """Tokens per day more that another plan serves, in the step's own year if they are noticeable there, else in that
    in which they are most; 0 where there are none."""
    d = problem.data
    more = by_year(d, (other.decisions["served"] - plan.decisions["served"]).sum(V)).values[: len(years)]
    best = int(more.argmax())
    if more[years.index(own)] >= 0.1 * more[best]:
        best = years.index(own)
    return (float(more[best]), years[best]) if more[best] > 1e-7 * float(d["demand"].max()) else (0.0, own)


def by_year(d: xr.Dataset, daily: xr.DataArray) -> xr.DataArray:
    """Mean over each year of an amount per day.

    >>> from stackyard import api
    >>> problem = api.problem("first-plan").problem
    >>> by_year(problem.data, problem.data["demand"]).shape  # (service, year)
    (1, 4)
    """
    seconds = in_year(d) * d["seconds"]
    mean: xr.DataArray = (daily * seconds).sum(T) / seconds.sum(T)
    return mean.transpose(..., Y)


def worth_of(worths: tuple[Worth, ...], resource: str, year: int) -> Worth | None:
    """The step of a limit that serves most more in a year, whenever it is taken; None where none does.

    >>> from stackyard import api
    >>> made = api.plan("first-plan", steps=False)
    >>> problem, plan = made.built.problem, made.plan
    >>> worth_of(made.explanation.worths, "hbm", 2026).resource
    'hbm'
    """
    helping = [w for w in worths if (w.resource, w.tokens_year) == (resource, year) and not w.tokens <= 0]
    return max(helping, key=lambda w: w.tokens) if helping else None
