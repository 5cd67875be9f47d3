"""What limits a plan, month by month and year by year, what more of it would be worth, and where demand is left.

The rent of a limit in a month is its price times what there is of it: how much of the plan's cost hangs on it. Prices
are duals, which need not be unique, so what more of a limit is worth is also found by solving again with a stated step:
1 percent more of it in one year. A price times the step is the most that the step can save.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import xarray as xr

from stackyard.plan.plan import Plan, in_year
from stackyard.plan.problem import SITE, A, K, Problem, S, T, V, Y
from stackyard.plan.solve import Resolve
from stackyard.quantity import DAY, show

STEP = 0.01
NOISE = 1e-6  # of the month's own cost: a smaller rent is none; of the dearest month's for steps


class Resource(NamedTuple):
    """A limit of the plan: its name for readers, coefficient, price, the axis that says where, and a step's unit."""

    name: str
    amount: str
    price: str
    axis: str | None
    unit: str


RESOURCES: dict[str, Resource] = {
    "hbm": Resource("HBM", "stacks_delivered", "price_stack", S, "stack"),
    "packaging": Resource("Packaging", "packaging_wafers", "price_packaging", K, "wafer"),
    "orders": Resource("Accelerator supply", "orders_max", "price_orders", A, "package"),
    "power": Resource("Power", "site_power", "price_power", SITE, "W"),
    "money": Resource("Money", "budget", "price_budget", None, "USD"),
}
ALL_SERVED = "All demand is served."
# What `binds` says where no limit has a rent.
NOTHING: dict[str, str] = {
    "demand": "all demand is served",
    "lead time": "nothing that is ordered can have arrived",
    "horizon": "what is started now arrives after the horizon",
    "missing": "no accelerator that can be built, housed and paid for serves what is left",
    "cost": "serving more would cost more within the horizon than leaving it unserved",
}


@dataclass(frozen=True)
class Binding:
    """What limits a year, and why, in a sentence.

    `resource` is the one with the greatest rent, or a key of NOTHING where most months have no rent at all; `share` is
    its share of the year's rents (then: of its months), `months` counts those in which it has a rent (then: holds).
    """

    year: int
    resource: str
    share: float
    rent: float  # USD of the year
    months: int
    sentence: str


@dataclass(frozen=True)
class Worth:
    """What STEP more of a limit in one year is worth.

    `step` is in `unit`: the sum over the year, for power the mean watts. `predicted` is price x step, `saved` what a
    re-solve found (nan when none was made), both in USD of today; `tokens` are more served, in tokens per day, mean of
    the year in which they are most, `tokens_year`.
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


@dataclass(frozen=True)
class Price:
    """What one more unit of a limit in one month is worth, by its dual value.

    `worth` is in USD of the month. `tokens` is the same in tokens per day, mean from the month to the horizon's end:
    the tokens whose price of not being served it equals, tokens weighted by what is asked for.
    """

    resource: str
    place: str
    available: float
    unit: str
    worth: float
    tokens: float


@dataclass(frozen=True)
class Shortage:
    """Demand of a service that a year leaves unserved: mean tokens per day, share, cost in USD of the year.

    `relief` is the resource whose step, in `relief_year`, cuts it most, by `relieved` tokens per day; '' when none does
    or none was tried.
    """

    service: str
    year: int
    unserved: float
    share: float
    cost: float
    relief: str
    relief_year: int
    relieved: float


@dataclass(frozen=True)
class Explanation:
    """Rents, what binds, what steps are worth, and what is left unserved.

    `data` holds rent and rent_present (resource, month; USD of the month and of today), share (resource, month), binds
    (month), rent_supply (supply, month) and rent_site (site, month); `served_more` (resource, step year, service, year;
    tokens per day), nan where no re-solve was made.
    """

    data: xr.Dataset
    years: tuple[Binding, ...]
    worths: tuple[Worth, ...]
    shortages: tuple[Shortage, ...]
    notes: tuple[str, ...]


def explain(
    problem: Problem, plan: Plan, resolve: Resolve | None = None, progress: Callable[[str], None] | None = None
) -> Explanation:
    """The explanation of a plan; with `resolve` (of `solve_warm`) also what steps are worth, each solved for."""
    tell = progress or (lambda text: None)
    data = _rents(problem, plan)
    worths, more = _worths(problem, plan, resolve, tell)
    data["served_more"] = more
    shortages = _shortages(problem, plan, more)
    years = tuple(_binding(problem, plan, data, worths, i) for i in range(problem.data.sizes[Y]))
    return Explanation(data, years, worths, shortages, _notes(problem, resolve is not None))


# --- rents ---


def _rents(problem: Problem, plan: Plan) -> xr.Dataset:
    d = problem.data
    places = {name: _rent_by_place(problem, plan, name) for name in RESOURCES}
    total = [values.sum([dim for dim in values.dims if dim != T]) for values in places.values()]
    index = xr.DataArray(list(RESOURCES), dims="resource", name="resource")
    rent = xr.concat(total, dim=index).transpose("resource", T)
    rent = rent.where(rent > NOISE * _costs(plan), 0.0)
    share = (rent / rent.sum("resource").where(rent.sum("resource") > 0, 1.0)).assign_attrs(units="")
    greatest = np.array(list(RESOURCES))[rent.argmax("resource").values]
    return xr.Dataset(
        {
            "rent": rent.assign_attrs(units="USD"),
            "rent_present": (rent * d["discount"]).assign_attrs(units="USD"),
            "share": share,
            "binds": (T, np.where(rent.max("resource") > 0, greatest, _without_rent(problem, plan))),
            "rent_supply": places["hbm"].transpose(S, T).assign_attrs(units="USD"),
            "rent_site": places["power"].transpose(SITE, T).assign_attrs(units="USD"),
        }
    )


def _rent_by_place(problem: Problem, plan: Plan, name: str) -> xr.DataArray:
    """Rent of a resource by place and month, USD of the month; that of a budget follows the year's spending."""
    d, resource = problem.data, RESOURCES[name]
    amount = d[resource.amount].where(np.isfinite(d[resource.amount]), 0.0)
    rent = plan.prices[resource.price] * amount
    if resource.axis is not None:
        return rent
    member, spent = in_year(d), _costs(plan) - plan.flows["cost_unserved"]
    weight = member * spent
    weight = weight / weight.sum(T).where(weight.sum(T) > 0, 1.0)
    return (rent * _yearly(d) * weight).sum(Y) / d["discount"]


def _yearly(d: xr.Dataset) -> xr.DataArray:
    """Mean discount of a year, by which its price reads in USD of the year."""
    member = in_year(d)
    return (member * d["discount"]).sum(T) / member.sum(T)


def _costs(plan: Plan) -> xr.DataArray:
    """All costs of the month, that of unserved demand included."""
    return plan.flows[[name for name in plan.flows if str(name).startswith("cost_")]].to_dataarray().sum("variable")


def _without_rent(problem: Problem, plan: Plan) -> np.ndarray[tuple[int], np.dtype[np.str_]]:
    """Which key of NOTHING holds in each month in which no limit has a rent."""
    d = problem.data
    asked, unserved = d["demand"].sum(V), plan.decisions["unserved"].sum(V)
    months = np.arange(d.sizes[T])
    arrives = np.where(d["orders_max"] > 0, months + d["lead_months"].values[:, None], np.inf)
    why = np.where(arrives.min(axis=0) >= months.size, "horizon", "cost")
    why = np.where(months < arrives.min(), "lead time", why)
    left = plan.decisions["unserved"] > 1e-6 * d["demand"]
    why = np.where((left & _servable(d)).any(V), why, "missing")
    return np.where((unserved <= 1e-6 * asked).values, "demand", why)


def _servable(d: xr.Dataset) -> xr.DataArray:
    """Services that some accelerator could serve at all within the horizon: one that runs the service, stands in
    place or can be ordered with stacks and packaging that arrive, in a hall with power, and with money to spend."""
    powered = (d["allowed"] > 0) & (d["site_power"] > 0).any(T)
    stacks = (d["fits_stack"] > 0) & (d["stacks_delivered"].sum(T) + d["stacks_start"] > 0)
    packed = ((d["wafers_per_package"] == 0) | (d["packaging_wafers"] > 0).any(T)).all(K)
    bought = (d["orders_max"] > 0).any(T) & stacks.any(S) & packed & powered.any(SITE)
    there = ((d["fleet"] > 0) & (d["site_power"] > 0)).any([SITE, T])
    able = (bought | there) & (d["availability"] > 0) & (d["budget"] > 0).any(Y)
    return ((d["rate"] > 0) & able).any(A)


# --- steps ---


def _worths(
    problem: Problem, plan: Plan, resolve: Resolve | None, tell: Callable[[str], None]
) -> tuple[tuple[Worth, ...], xr.DataArray]:
    d = problem.data
    years = [int(year) for year in d[Y].values]
    found = np.full((len(RESOURCES), len(years), d.sizes[V], len(years)), np.nan)
    worths = []
    for r, (name, resource) in enumerate(RESOURCES.items()):
        for i, year in enumerate(years):
            step = _step(d, resource, i)
            predicted = _predicted(d, plan, resource, step)
            saved = np.nan
            if resolve is not None:
                tell(f"What {STEP:.0%} more is worth: {resource.name}, {year}")
                saved, found[r, i] = _solved(problem, plan, resource, step, predicted, resolve)
            total = found[r, i].sum(axis=0)
            best = int(total.argmax()) if (total > 0).any() else i
            size = _size(d, resource, step, i)
            if size > 0:
                worths.append(Worth(name, year, size, resource.unit, predicted, saved, float(total[best]), years[best]))
    coords = {"resource": list(RESOURCES), "step_year": years, V: d[V], Y: d[Y]}
    return tuple(worths), xr.DataArray(found, coords=coords, dims=list(coords), attrs={"units": "token/day"})


def _step(d: xr.Dataset, resource: Resource, year: int) -> xr.DataArray:
    """STEP more of a limit in one year."""
    amount = d[resource.amount].where(np.isfinite(d[resource.amount]), 0.0)
    inside = in_year(d).isel({Y: year}, drop=True) if resource.axis else xr.DataArray(d[Y] == d[Y][year])
    step: xr.DataArray = amount * inside * STEP
    return step.transpose(*amount.dims)


def _size(d: xr.Dataset, resource: Resource, step: xr.DataArray, year: int) -> float:
    """A step in its unit: the sum over the year, for power the mean over it."""
    months = float(in_year(d).isel({Y: year}).sum()) if resource.unit == "W" else 1.0
    return float(step.sum()) / months


def _predicted(d: xr.Dataset, plan: Plan, resource: Resource, step: xr.DataArray) -> float:
    present = _yearly(d) if resource.axis is None else d["discount"]
    return float((plan.prices[resource.price] * present * step).sum())


def _solved(
    problem: Problem, plan: Plan, resource: Resource, step: xr.DataArray, predicted: float, resolve: Resolve
) -> tuple[float, np.ndarray[tuple[int, int], np.dtype[np.float64]]]:
    """What a step saves in USD of today, and tokens per day that it serves more, by service and year."""
    d = problem.data
    if predicted <= NOISE * float((_costs(plan) * d["discount"]).max()):  # a step saves at most this: see the module
        return 0.0, np.zeros((d.sizes[V], d.sizes[Y]))
    other = resolve({resource.amount: d[resource.amount] + step})
    more = _by_year(d, other.decisions["served"] - plan.decisions["served"]).transpose(V, Y).values
    return plan.objective - other.objective, np.where(abs(more) > 1e-7 * float(d["demand"].max()), more, 0.0)


def _by_year(d: xr.Dataset, daily: xr.DataArray) -> xr.DataArray:
    """Mean over each year of an amount per day."""
    seconds = in_year(d) * d["seconds"]
    mean: xr.DataArray = (daily * seconds).sum(T) / seconds.sum(T)
    return mean.transpose(..., Y)


def _shortages(problem: Problem, plan: Plan, more: xr.DataArray) -> tuple[Shortage, ...]:
    d = problem.data
    unserved, asked = _by_year(d, plan.decisions["unserved"]), _by_year(d, d["demand"])
    cost = (in_year(d) * d["unserved_price"] * plan.decisions["unserved"] * d["seconds"] / DAY).sum(T).transpose(V, Y)
    found = []
    for v, service in enumerate(d[V].values):
        for y, year in enumerate(d[Y].values):
            left, all_of_it = float(unserved[v, y]), float(asked[v, y])
            if left <= 1e-6 * all_of_it:
                continue
            steps = np.nan_to_num(more.values[:, :, v, y])
            r, i = np.unravel_index(int(steps.argmax()), steps.shape)
            helps = float(steps[r, i]) > 1e-9 * all_of_it
            relief = (list(RESOURCES)[r], int(d[Y].values[i]), float(steps[r, i])) if helps else ("", 0, 0.0)
            found.append(Shortage(str(service), int(year), left, left / all_of_it, float(cost[v, y]), *relief))
    return tuple(found)


def prices_in(problem: Problem, plan: Plan, month: str) -> tuple[Price, ...]:
    """Every limit with a price in a month, dearest rent first; KeyError for a month outside the horizon."""
    d = problem.data
    labels = json.loads(str(d.attrs.get("labels", "{}")))
    rest = d.sel({T: slice(month, None)})
    token = float((rest["unserved_price"] * rest["demand"]).sum() / rest["demand"].sum())
    days = float(rest["seconds"].sum()) / DAY
    found = []
    for name, resource in RESOURCES.items():
        at = {Y: int(month[:4])} if resource.axis is None else {T: month}
        price, amount = plan.prices[resource.price].sel(at), d[resource.amount].sel(at)
        for place in [None] if resource.axis is None else d[resource.axis].values:
            where = {} if place is None else {resource.axis: place}
            worth, there = float(price.sel(where)), float(amount.sel(where))
            if worth * there > NOISE * float(_costs(plan).sel({T: month})):
                called = labels.get(str(place), str(place)) if place is not None else month[:4]
                tokens = worth / token / days if token > 0 else 0.0
                found.append(Price(name, called, there, resource.unit, worth, tokens))
    return tuple(sorted(found, key=lambda price: -price.worth * price.available))


# --- words ---


def _binding(problem: Problem, plan: Plan, data: xr.Dataset, worths: tuple[Worth, ...], index: int) -> Binding:
    """What limits one year: a resource, or nothing in most of its months."""
    d = problem.data
    year, inside = int(d[Y].values[index]), in_year(d).isel({Y: index}).values > 0
    counts = Counter(str(why) for why in data["binds"].values[inside])
    left = _left_words(problem, plan, index)
    limited = sum(count for why, count in counts.items() if why in RESOURCES)
    free = (
        counts["demand"] + counts["missing"] + counts["cost"]
    )  # in the other months nothing that is decided now matters
    if limited == 0 or free > limited:
        why, count = next(item for item in counts.most_common() if item[0] in NOTHING)
        often = "" if set(counts) <= set(NOTHING) else " in most months"
        said = ", ".join(
            f"{NOTHING[why] if why in NOTHING else f'{RESOURCES[why].name} limits'} ({_months(count)})"
            for why, count in counts.most_common()
        )
        return Binding(
            year, why, count / float(inside.sum()), 0.0, count, f"{year}: no limit binds{often}; {said}. {left}"
        )
    rents = data["rent"].values[:, inside].sum(axis=1)
    shares = rents / rents.sum()
    first, second = np.argsort(-rents)[:2]
    name, months = list(RESOURCES)[first], int((data["rent"].values[first, inside] > 0).sum())
    words = f"{year}: {RESOURCES[name].name} limits in {months} of {_months(inside.sum())}"
    if places := _places(problem, plan, name, inside):
        words += f", most of all {places}"
    if shares[second] > 0.1:
        other = RESOURCES[list(RESOURCES)[second]].name
        words += f"; {other} carries {shares[second]:.0%} of the worth of all limits"
    words += f".{_step_words(worths, name, year)} {left}"
    if left == ALL_SERVED:
        words += " So this limit costs money, not tokens of this year."
    if counts["horizon"]:
        words += (
            f" In its last {_months(counts['horizon'])} nothing more is started, for the plan ends before it arrives."
        )
    return Binding(year, name, float(shares[first]), float(rents[first]), months, words)


def _left_words(problem: Problem, plan: Plan, index: int) -> str:
    d = problem.data
    asked, left = (float(_by_year(d, values.sum(V))[index]) for values in (d["demand"], plan.decisions["unserved"]))
    if left <= 5e-3 * asked:
        return ALL_SERVED if left <= 1e-6 * asked else "All but a trace of demand is served."
    return f"{left / asked:.0%} of demand ({show(left, ' tokens/day')}) is left unserved."


def _months(count: int) -> str:
    return f"{count} month" if count == 1 else f"{count} months"


def _places(problem: Problem, plan: Plan, name: str, inside: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> str:
    """Where a resource is short: the places with the greatest rents."""
    axis = RESOURCES[name].axis
    if axis is None or problem.data.sizes[axis] < 2:
        return ""
    rent = _rent_by_place(problem, plan, name).isel({T: inside}).sum(T)
    labels = json.loads(str(problem.data.attrs.get("labels", "{}")))
    order = np.argsort(-rent.values)[:2]
    shares = rent.values[order] / rent.values.sum()
    names = [str(labels.get(str(rent[axis].values[i]), rent[axis].values[i])) for i in order]
    if shares[0] > 0.99:
        return str(names[0])
    return " and ".join(f"{place} ({share:.0%})" for place, share in zip(names, shares, strict=True) if share > 0.05)


def _step_words(worths: tuple[Worth, ...], name: str, year: int) -> str:
    worth = next((w for w in worths if (w.resource, w.year) == (name, year)), None)
    if worth is None or np.isnan(worth.saved):
        return ""
    amount = _usd(worth.step) if worth.unit == "USD" else show(worth.step, worth.unit if worth.unit == "W" else "")
    unit = {"stack": " stacks", "wafer": " wafers", "package": " accelerators"}.get(worth.unit, "")
    said = f" {STEP:.0%} more of it ({amount}{unit}) would save {_usd(worth.saved)}"
    if worth.tokens > 0:
        said += f" and serve {show(worth.tokens, ' tokens/day')} more in {worth.tokens_year}"
    return said + "."


def _usd(amount: float) -> str:
    """'USD 1.2 bn' of an amount."""
    size, word = next(
        ((s, w) for s, w in ((1e12, "tn"), (1e9, "bn"), (1e6, "m"), (1e3, "k")) if amount >= s), (1.0, "")
    )
    return f"USD {amount / size:.3g} {word}".rstrip()


def _notes(problem: Problem, solved: bool) -> tuple[str, ...]:
    lead = int(problem.data["lead_months"].min())
    end = str(problem.data[T].values[-1])
    notes = [
        "Rents stand in the month in which a thing is delivered or a watt is energised, not in that of its later use.",
        f"Nothing after {end} counts: what would arrive later, {_months(lead)} after its start or more, is not "
        "started, and what arrives shortly before is carried by its residual value.",
    ]
    if solved:
        notes.append(f"What more is worth was found by solving again with {STEP:.0%} more of one limit in one year.")
    else:
        notes.append("No steps were solved for: what more is worth is known only as price x amount, its upper bound.")
    return tuple(notes)
