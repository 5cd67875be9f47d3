"""Which model serves what, and why: what a token costs by each way, at the prices of the plan."""

from __future__ import annotations

import numpy as np
import xarray as xr

from stackyard.plan.grid import peak_over_mean
from stackyard.plan.plan import Plan, in_year
from stackyard.plan.problem import SITE, A, Problem, T, V, W, Y
from stackyard.quantity import DAY


def cost(problem: Problem, plan: Plan) -> xr.DataArray:
    """USD of the month for a token served each way, (way, month), on the cheapest accelerator in place.

    (rent of a working accelerator + its watts at their prices) / its tokens + fee x (1 + price of the budget) + what
    the token is worth less. Rents and prices of watts are the plan's: an accelerator that is short costs what it could
    earn. nan where no accelerator in place can run it. A way in use costs its service's price of a token served, less
    the price of its own share where that is at its limit; none costs less (a law).

    >>> from stackyard import api
    >>> made = api.plan("first-plan", steps=False)
    >>> problem, plan = made.built.problem, made.plan
    >>> cost(problem, plan).dims
    ('way', 'month')
    """
    d, p = problem.data, plan.prices
    over: xr.DataArray = peak_over_mean({str(name): values for name, values in d.data_vars.items()})
    peak = d["pue_design"] * p["price_fitted"] + d["pue_peak"] * p["price_peak"]
    watt = peak + d["pue"] * p["price_energy"] / over  # (site, month, way)
    tokens = d["rate"] * d["seconds"] / over
    there = (plan.decisions["installed"] > 1e-6 * plan.decisions["installed"].max()) & (d["rate"] > 0)
    rent = p["price_working"] + (d["power_busy"] - d["power_idle"]) * watt
    each = (rent / tokens.where(tokens > 0)).where(there)
    budget = (in_year(d) * p["price_budget"] * _yearly(d)).sum(Y) / d["discount"]
    found = each.min([A, SITE]) + d["way_fee"] * (1.0 + budget) + d["way_loss"]
    return found.transpose(W, T).assign_attrs(units="USD/token")


def _yearly(d: xr.Dataset) -> xr.DataArray:
    """Mean discount of each year, in which the price of its budget counts."""
    member = in_year(d)
    mean: xr.DataArray = (member * d["discount"]).sum(T) / member.sum(T)
    return mean


def by_year(problem: Problem, plan: Plan) -> xr.Dataset:
    """`share` of its service's served tokens that goes each way, and `cost` of a token, (way, year); the cost is the
    mean over the year's months, by what the service is served in them.

    >>> from stackyard import api
    >>> made = api.plan("first-plan", steps=False)
    >>> problem, plan = made.built.problem, made.plan
    >>> by_year(problem, plan)["share"].values
    array([[1., 1., 1., 1.]])
    """
    d, x = problem.data, plan.decisions
    member, days = in_year(d), d["seconds"] / DAY
    served = (d["way_service"] * x["served"]).sum(V) * days  # of the way's service
    whole = (member * served).sum(T)
    part = (member * x["answered"] * days).sum(T) / whole.where(whole > 0)
    each = cost(problem, plan)
    weight = member * served.where(np.isfinite(each), 0.0)
    mean = (weight * each.fillna(0.0)).sum(T) / weight.sum(T).where(weight.sum(T) > 0)
    return xr.Dataset({"share": part.transpose(W, Y), "cost": mean.transpose(W, Y)})
