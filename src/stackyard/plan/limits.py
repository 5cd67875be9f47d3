"""The limits of a plan, and what they are worth by their prices.

The rent of a limit in a month is its price times what there is of it: how much of the plan's cost hangs on it. It
stands in the month in which a thing is delivered or a watt energised, not in the later months which that serves.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import xarray as xr

from stackyard.plan.plan import NOT_SPENT, Plan, in_year, reported
from stackyard.plan.problem import SITE, A, K, O, P, Problem, S, T, V, Y
from stackyard.quantity import DAY
from stackyard.words import phrase

NOISE = 1e-6  # of what the month spends and serves: a smaller rent is the solver's, not a limit's


class Resource(NamedTuple):
    """A limit of the plan: its name for readers, coefficient, price, the axis that says where, and a step's unit."""

    name: str
    amount: str
    price: str
    axis: str | None
    unit: str


RESOURCES: dict[str, Resource] = {
    "hbm": Resource(phrase("HBM"), "stacks_delivered", "price_stack", S, "stack"),
    "packaging": Resource(phrase("Packaging"), "packaging_wafers", "price_packaging", K, "wafer"),
    "orders": Resource(phrase("Accelerator supply"), "orders_max", "price_orders", A, "package"),
    "power": Resource(phrase("Power"), "site_power", "price_power", SITE, "W"),
    "sources": Resource(phrase("Power beside the grid"), "source_most", "price_source", P, "W"),
    "money": Resource(phrase("Money"), "budget", "price_budget", None, "USD"),
}


# What choices bring of a limit.
OFFERED = {"stacks_delivered": "option_stacks", "site_power": "option_power", "source_most": "option_source"}


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


def finite(d: xr.Dataset, resource: Resource) -> xr.DataArray:
    """What there is of a limit; 0 where it does not limit.

    >>> from stackyard import api
    >>> problem = api.problem("first-plan").problem
    >>> finite(problem.data, RESOURCES["power"]).values[0, [0, 2, 12]] / 1e6  # MW
    array([0., 3., 8.])
    """
    amount = d[resource.amount]
    found: xr.DataArray = amount.where(np.isfinite(amount), 0.0)
    return found


def possible(d: xr.Dataset, resource: Resource) -> xr.DataArray:
    """What there may be of a limit, what contracts and choices would bring included.

    >>> from stackyard import api
    >>> problem = api.problem("first-plan").problem
    >>> possible(problem.data, RESOURCES["power"]).values[0, [0, 2, 12]] / 1e6  # MW
    array([0., 3., 8.])
    """
    more = OFFERED.get(resource.amount)
    found = finite(d, resource)
    return found if more is None else (found + d[more].sum(O)).transpose(*found.dims)


def there(d: xr.Dataset, plan: Plan, name: str) -> xr.DataArray:
    """What a plan has of a limit: given, or brought by what it chose; 0 where it does not limit.

    >>> from stackyard import api
    >>> made = api.plan("first-plan", steps=False)
    >>> problem, plan = made.built.problem, made.plan
    >>> there(problem.data, plan, "power").values[0, [0, 2, 12]] / 1e6  # MW
    array([0., 3., 8.])
    """
    resource = RESOURCES[name]
    found = finite(d, resource)
    more = OFFERED.get(resource.amount)
    if more is None:
        return found
    return (found + (d[more] * plan.decisions["chosen"]).sum(O)).transpose(*found.dims)


def one_more(d: xr.Dataset, plan: Plan, name: str) -> xr.DataArray:
    """What one more of a limit is worth, USD of the month: of a supply under contract, one more that is offered.

    >>> from stackyard import api
    >>> made = api.plan("first-plan", steps=False)
    >>> problem, plan = made.built.problem, made.plan
    >>> bool((one_more(problem.data, plan, "hbm") >= 0).all())
    True
    """
    price = plan.prices[RESOURCES[name].price]
    if name != "hbm":
        return price
    contracted = (d["option_stacks"] > 0).any([O, T])
    return plan.prices["price_offer"].where(contracted, price)


def spending(plan: Plan) -> xr.DataArray:
    """What the month costs without the price of unserved demand.

    >>> from stackyard import api
    >>> made = api.plan("first-plan", steps=False)
    >>> problem, plan = made.built.problem, made.plan
    >>> bool((spending(plan) <= sum(plan.flows[name] for name in plan.flows if name.startswith("cost_"))).all())
    True
    """
    names = [name for name in plan.flows if str(name).startswith("cost_") and name not in NOT_SPENT]
    return plan.flows[names].to_dataarray().sum("variable")


def noise(problem: Problem, plan: Plan) -> xr.DataArray:
    """USD of the month below which a rent is none: NOISE of its spending and of what is served, at the price of not
    being served; and NOISE^2 of the price of what is not.

    >>> from stackyard import api
    >>> made = api.plan("first-plan", steps=False)
    >>> problem, plan = made.built.problem, made.plan
    >>> bool((noise(problem, plan) > 0).all())
    True
    """
    d = problem.data
    served = (d["unserved_price"] * plan.decisions["served"]).sum(V) * d["seconds"] / DAY
    return NOISE * (spending(plan) + served) + NOISE**2 * plan.flows["cost_unserved"]


def yearly(d: xr.Dataset) -> xr.DataArray:
    """Mean discount of a year, by which its price reads in USD of the year.

    >>> from stackyard import api
    >>> problem = api.problem("first-plan").problem
    >>> yearly(problem.data).values[:2].round(2)  # 2026 and 2027
    array([0.97, 0.89])
    """
    member = in_year(d)
    return (member * d["discount"]).sum(T) / member.sum(T)


def most(d: xr.Dataset, resource: Resource) -> xr.DataArray:
    """The most there ever is of a limit, by place: with it a price shows also in a month in which there is nothing.

    >>> from stackyard import api
    >>> problem = api.problem("first-plan").problem
    >>> float(most(problem.data, RESOURCES["power"]).max()) / 1e6  # MW
    8.0
    """
    return possible(d, resource).max(Y if resource.axis is None else T)


def rent(problem: Problem, plan: Plan, name: str, amount: xr.DataArray | None = None) -> xr.DataArray:
    """Rent of a resource (or of another amount of it) by place and month, USD of the month, 0 below noise; that of a
    budget follows the spending.

    >>> from stackyard import api
    >>> made = api.plan("first-plan", steps=False)
    >>> problem, plan = made.built.problem, made.plan
    >>> float(rent(problem, plan, "hbm").sum()) > 0  # the stacks delivered bind
    True
    """
    d, resource = problem.data, RESOURCES[name]
    found = one_more(d, plan, name) * (there(d, plan, name) if amount is None else amount)
    if resource.axis is None:
        member, spent = in_year(d), spending(plan)
        weight = member * spent
        weight = weight / weight.sum(T).where(weight.sum(T) > 0, 1.0)
        found = (found * yearly(d) * weight).sum(Y) / d["discount"]
    return found.where(found > noise(problem, plan), 0.0)


def rents(problem: Problem, plan: Plan) -> xr.DataArray:
    """Rent of every resource over all its places, (resource, month), USD of the month.

    >>> from stackyard import api
    >>> made = api.plan("first-plan", steps=False)
    >>> problem, plan = made.built.problem, made.plan
    >>> rents(problem, plan).dims
    ('resource', 'month')
    """
    found = [rent(problem, plan, name) for name in RESOURCES]
    total = [values.sum([dim for dim in values.dims if dim != T]) for values in found]
    index = xr.DataArray(list(RESOURCES), dims="resource", name="resource")
    return xr.concat(total, dim=index).transpose("resource", T).assign_attrs(units="USD")


def prices_in(problem: Problem, plan: Plan, month: str) -> tuple[Price, ...]:
    """Every limit with a rent in a month of the horizon, dearest first; KeyError for a month outside it.

    >>> from stackyard import api
    >>> made = api.plan("first-plan", steps=False)
    >>> problem, plan = made.built.problem, made.plan
    >>> [price.resource for price in prices_in(problem, plan, "2026-03")]
    ['hbm']
    """
    problem, plan = reported(problem, plan)
    d = problem.data
    labels = json.loads(str(d.attrs.get("labels", "{}")))
    rest = d.sel({T: slice(month, None)})
    asked = float(rest["demand"].sum())
    token = float((rest["unserved_price"] * rest["demand"]).sum()) / asked if asked > 0 else 0.0
    days = float(rest["seconds"].sum()) / DAY
    least = float(noise(problem, plan).sel({T: month}))
    found = []
    for name, resource in RESOURCES.items():
        at = {Y: int(month[:4])} if resource.axis is None else {T: month}
        price, amount = one_more(d, plan, name).sel(at), there(d, plan, name).sel(at)
        ever = most(d, resource)
        for place in [None] if resource.axis is None else d[resource.axis].values:
            where = {} if place is None else {resource.axis: place}
            worth, available = float(price.sel(where)), float(amount.sel(where))
            if worth * float(ever.sel(where)) > least:
                called = labels.get(str(place), str(place)) if place is not None else month[:4]
                tokens = worth / token / days if token > 0 else 0.0
                found.append(Price(name, called, available, resource.unit, worth, tokens))
    return tuple(sorted(found, key=lambda price: -price.worth * price.available))
