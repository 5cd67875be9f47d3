"""What one more million tokens of a service costs, and what the next amount of the limit that binds is worth.

Both are asked of the plan: it is solved again with the step stated, so that what is said holds for that step.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import xarray as xr

from stackyard.plan.limits import RESOURCES, rent
from stackyard.plan.patience import AMOUNTS, DEMAND, Patience
from stackyard.plan.plan import Plan, in_year
from stackyard.plan.problem import Problem, T, V, Y
from stackyard.plan.relief import by_year
from stackyard.plan.solve import Resolve
from stackyard.quantity import DAY, MEGA
from stackyard.words import amount, number, phrase, to

MORE = 0.01  # of a year's demand
NEXT: dict[str, tuple[float, str]] = {  # the amount of each limit that people trade in, a month
    "hbm": (1000.0, phrase("{n} stacks a month", n=number("1,000"))),
    "packaging": (100.0, phrase("{n} wafers a month", n=number("100"))),
    "orders": (1000.0, phrase("{n} accelerators a month", n=number("1,000"))),
    "power": (100e6, "100 MW"),
    "sources": (100e6, "100 MW"),
    "money": (1e9, amount("USD 1 bn", 1e9, "USD")),
}


@dataclass(frozen=True)
class Marginal:
    """USD of the year for a million tokens more of a service: by its price, and by solving again with MORE of it.

    `served` is the share of that step which was served; where it is below 1, the rest cost its price of being left.
    `solved` and `served` are nan where it was not solved again.
    """

    service: str
    year: int
    price: float
    solved: float
    served: float


@dataclass(frozen=True)
class Next:
    """What the next amount of one place of a limit is worth: USD of today, and tokens a day more in a year.

    `chain` says why tokens are short, from the service to the place.
    """

    year: int
    resource: str
    place: str
    amount: str
    months: str
    saved: float
    tokens: float
    chain: str


def marginals(
    problem: Problem, plan: Plan, resolve: Resolve, tell: Callable[[str], None], patience: Patience
) -> tuple[Marginal, ...]:
    """Every service and year of the horizon in which something is asked for, the dearest to leave solved first."""
    d = problem.data
    member, names = in_year(d), json.loads(str(d.attrs.get("labels", "{}")))
    price = plan.prices["price_demand"] * d["discount"] * d["seconds"] / DAY
    steps = []
    for service in map(str, d[V].values):
        for year in [int(year) for year in d[Y].values if int(year) <= int(problem.end[:4])]:
            inside = (member.sel({Y: year}, drop=True) > 0) & (d[T] <= problem.end)
            step = (d["demand"] * MORE).where((d[V] == service) & inside, 0.0)
            if float(step.sum()) > 0:
                steps.append((service, year, step, float((price * step).sum())))
    found = {}
    for service, year, step, cost in sorted(steps, key=lambda each: -each[-1]):
        tokens = float((step * d["seconds"] / DAY).sum())
        present = float((step * d["seconds"] / DAY * d["discount"]).sum()) / MEGA
        solved, served = np.nan, np.nan
        if patience.left(DEMAND, 1.0):
            what = {"service": names.get(service, service), "year": year}
            tell(phrase("What a million tokens more costs: {service}, {year}", **what))
            other = resolve({"demand": d["demand"] + step, "tier_start": _tiers(d, step)})
            more = float(((other.decisions["served"] - plan.decisions["served"]) * d["seconds"] / DAY).sum())
            solved, served = (other.objective - plan.objective) / present, float(np.clip(more / tokens, 0.0, 1.0))
        found[service, year] = Marginal(service, year, cost / present, solved, served)
    return tuple(found[service, year] for service, year, *_ in steps)


def _tiers(d: xr.Dataset, step: xr.DataArray) -> xr.DataArray:
    """Where dearer tiers start when more is asked for: at the same share of it."""
    share = (d["tier_start"] / d["demand"].where(d["demand"] > 0, 1.0)).where(d["demand"] > 0, 0.0)
    found: xr.DataArray = d["tier_start"] + share * step
    return found


def chains(
    problem: Problem,
    plan: Plan,
    limits: dict[int, tuple[str, ...]],
    resolve: Resolve,
    tell: Callable[[str], None],
    patience: Patience,
) -> tuple[Next, ...]:
    """For each year and the limits that leave most in it: their dearest place, and what its next amount is worth; none
    where patience does not suffice."""
    d, found = problem.data, []
    names: dict[str, str] = json.loads(str(d.attrs.get("labels", "{}")))
    years = [int(year) for year in d[Y].values if int(year) <= int(problem.end[:4])]
    for year, key in [(year, key) for year, keys in limits.items() for key in keys]:
        resource, (size, words) = RESOURCES[key], NEXT[key]
        if resource.axis is None:
            step = xr.zeros_like(d["budget"]).where(d[Y] != year, size)
            place, due = phrase("the budget of {year}", year=year), str(year)
        else:
            rented = rent(problem, plan, key).transpose(resource.axis, T)
            member = in_year(d).sel({Y: year}, drop=True).values > 0
            lead = 0 if key in ("power", "sources") else int(d["lead_months"].min())
            last = int(np.flatnonzero(member)[-1])
            inside = np.arange(member.size) <= last - lead
            inside &= np.arange(member.size) > last - lead - 12
            by_place = np.where(inside, rented.values, 0.0)
            if by_place.sum() <= 0:
                continue
            at = int(by_place.sum(axis=1).argmax())
            months = np.flatnonzero(by_place[at] > 0.01 * by_place[at].max())
            step = xr.zeros_like(d[resource.amount].transpose(resource.axis, T))
            step[at, months] = size
            id_ = str(d[resource.axis].values[at])
            place, due = names.get(id_, id_), _span(d, months)
        if not patience.left(AMOUNTS, 0.9):
            continue
        tell(phrase("What the next {amount} are worth: {place}, {year}", amount=words, place=place, year=year))
        there = d[resource.amount]
        other = resolve({resource.amount: there + step.transpose(*there.dims)})
        gain = by_year(d, (other.decisions["served"] - plan.decisions["served"]).sum(V)).values[: len(years)]
        saved = plan.objective - other.objective
        chain = CHAINS[key].format(place=place, due=due)
        found.append(Next(year, key, place, words, due, saved, float(gain[years.index(year)]), chain))
    return tuple(found)


CHAINS = {
    "hbm": phrase("tokens are short because accelerators are short, because HBM is short: {place}, due {due}"),
    "packaging": phrase("tokens are short because accelerators are short, because packaging is: {place}, due {due}"),
    "orders": phrase(
        "tokens are short because accelerators are short, because fewer can be had: {place}, started {due}"
    ),
    "power": phrase("tokens are short because halls are short of power: {place}, {due}"),
    "sources": phrase(
        "tokens are short because halls are short of power, and of power beside the grid: {place}, {due}"
    ),
    "money": phrase("tokens are short because accelerators are short, because money is: {place}"),
}


def _span(d: xr.Dataset, months: np.ndarray) -> str:
    return to(str(d[T].values[months[0]]), str(d[T].values[months[-1]]))
