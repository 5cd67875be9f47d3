"""The figures by which two plans are compared: one number each, over the horizon or in its last month."""

from __future__ import annotations

from typing import NamedTuple

import xarray as xr

from stackyard.plan.plan import NOT_SPENT, Plan, in_year, reported
from stackyard.plan.problem import SITE, A, Problem, V, Y
from stackyard.quantity import DAY
from stackyard.words import phrase


class Headline(NamedTuple):
    """What a figure is called, and its unit."""

    name: str
    unit: str


def headlines(problem: Problem, plan: Plan) -> dict[Headline, float]:
    """Every figure of a plan, in a fixed order; the net present cost is of all months, the others of the horizon.

    >>> from stackyard import api
    >>> made = api.plan("first-plan", steps=False)
    >>> problem, plan = made.built.problem, made.plan
    >>> found = headlines(problem, plan)
    >>> [figure.name for figure in found][:3]
    ['Net present cost', 'Spending', 'Price of tokens not served']
    """
    near, seen = reported(problem, plan)
    d, x, f = near.data, seen.decisions, seen.flows
    days = d["seconds"] / DAY
    spent = f[[name for name in f if str(name).startswith("cost_") and name not in NOT_SPENT]].to_dataarray()
    served, member = x["served"].sum(V), in_year(d)
    found = {
        Headline(phrase("Net present cost"), "USD"): plan.objective,
        Headline(phrase("Spending"), "USD"): float(spent.sum()),
        Headline(phrase("Price of tokens not served"), "USD"): float(f["cost_unserved"].sum()),
        Headline(phrase("Price of training done late"), "USD"): float(f["cost_late"].sum()),
        Headline(phrase("Price of tokens worth less"), "USD"): float(f["cost_quality"].sum()),
        Headline(phrase("Tokens served"), "tokens"): float((served * days).sum()),
        Headline(phrase("Tokens not served"), "tokens"): float((x["unserved"].sum(V) * days).sum()),
        Headline(phrase("HBM stacks drawn"), "stacks"): float(x["draw"].sum()),
        Headline(phrase("Accelerators in place at the end"), "accelerators"): float(x["installed"].sum([A, SITE])[-1]),
        Headline(phrase("Site power in use at the end"), "W"): float(f["site_power_peak"].sum(SITE)[-1]),
        Headline(phrase("CO2e of the sites"), "kg"): float(f["carbon"].sum()),
    }
    for year in d[Y].values.tolist():
        inside: xr.DataArray = member.sel({Y: year}) * days
        mean = float((served * inside).sum() / inside.sum())
        found[Headline(phrase("Tokens served in {year}", year=year), "tokens/day")] = mean
    return found
