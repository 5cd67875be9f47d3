"""The auditor: every balance, limit, cost and price of a Plan added up again from Problem and Plan alone.

It knows design/problem.md and numpy, and nothing of the program that the solver was given.

Tolerances: a row may be off by RELATIVE of the sum of the sizes of its own terms, plus FLOOR of the largest such sum in
its family, or of what serving all demand would take (what the solver's own tolerance leaves); that the prices prove the
plan to be the best, by CERTIFICATE.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import xarray as xr

from stackyard.plan import check_choices, check_grid
from stackyard.plan.certificate import certificate
from stackyard.plan.check_rows import Array, Row, Values, Violation, balance, before, limit
from stackyard.plan.plan import DECISIONS, FLOWS, NOT_SPENT, PRICES, Plan, in_year
from stackyard.plan.problem import SITE, A, K, Problem, S, T, V, W, Y, mismatches
from stackyard.quantity import DAY

RELATIVE = 1e-6
FLOOR = 1e-9
POWER = ("power", "peak", "energised", "energy", "output", "capacity", "source", "shift", "replaced", "mean")  # rows
CERTIFICATE = 1e-6


def audit(problem: Problem, plan: Plan) -> list[Violation]:
    """Every violation of a plan; an empty list says that it is feasible, rightly added up, and the best there is.

    >>> from stackyard import api
    >>> made = api.plan("first-plan", steps=False)
    >>> problem, plan = made.built.problem, made.plan
    >>> audit(problem, plan)
    []
    """
    found = [
        Violation(f"schema: {fault}", "", np.inf, 0.0)
        for data, schema in ((plan.decisions, DECISIONS), (plan.flows, FLOWS), (plan.prices, PRICES))
        for fault in mismatches(data, schema)
    ]
    if plan.problem_digest != problem.digest:
        found.append(Violation("the plan is of another problem", "", np.inf, 0.0))
    if found:
        return found
    d = {str(name): values.values for name, values in problem.data.data_vars.items()}
    x = {str(name): values.values for name, values in plan.decisions.data_vars.items()}
    flows = {str(name): values.values for name, values in plan.flows.data_vars.items()}
    member = in_year(problem.data).values
    rows = [*_signs(x), *_impossible(d, x), *_things(d, x), *_sites(d, x), *_money(d, x, flows, member, plan)]
    rows += check_choices.rows(d, x, member)
    whole = _whole(d)
    for row in rows:
        found += _violations(problem.data, row, RELATIVE, FLOOR, whole.get(row.family, 0.0))
    prices = {str(name): values.values for name, values in plan.prices.data_vars.items()}
    for row in certificate(d, x, prices, member, plan.objective):
        found += _violations(problem.data, row, 0.0, CERTIFICATE)
    return found


def _violations(data: xr.Dataset, row: Row, relative: float, floor: float, whole: float = 0.0) -> Iterator[Violation]:
    tolerance = relative * row.size + floor * max(row.size.max(initial=0.0), whole)
    for index in np.argwhere(~(row.excess <= tolerance)):  # nan is a violation
        at = tuple(int(i) for i in index)
        labels = (f"{dim} {data[dim].values[i]}" for dim, i in zip(row.dims, at, strict=True))
        yield Violation(row.family, ", ".join(labels), float(row.excess[at]), float(tolerance[at]))


def _whole(d: Values) -> dict[str, float]:
    """What serving all demand of a month would take, by family: the size of things in a plan that can do little."""
    best = d["rate"].max(initial=0.0)
    packages = float((d["demand"].sum(axis=0).max() * d["peak_to_mean"].max()) / (best * DAY)) if best > 0 else 0.0
    watts = packages * float(d["power_busy"].max(initial=0.0) * d["pue_design"].max(initial=0.0))
    return (
        dict.fromkeys(("orders", "arrivals", "installed", "life", "working"), packages)
        | dict.fromkeys(("stacks", "packages"), packages * float(d["stacks_per_package"].max(initial=0.0)))
        | dict.fromkeys(("offer", "total", "minimum"), packages * float(d["stacks_per_package"].max(initial=0.0)))
        | dict.fromkeys(("lot", "host", "least", "active"), packages)
        | {"tiers": float(d["demand"].max(initial=0.0)), "progress": float(d["campaign_flop"].max(initial=0.0))}
        | {"packaging": packages * float(d["wafers_per_package"].max(initial=0.0))}
        | dict.fromkeys((*POWER, "fitout"), watts)
        | dict.fromkeys(("answered", "service", "mix", "demand"), float(d["demand"].max(initial=0.0)))
    )


def _signs(x: Values) -> Iterator[Row]:
    for name, column in DECISIONS.items():
        yield Row(f"{name} below zero", column.dims, np.maximum(-x[name], 0.0), np.abs(x[name]))


def _impossible(d: Values, x: Values) -> Iterator[Row]:
    shut = {
        "draw": (d["fits_stack"] == 0)[:, :, None] | (d["undrawable"] > 0),
        "placed": (d["allowed"] == 0)[:, :, None],
        "run": (d["rate"] == 0)[:, None, :, None],
        "deep": d["tier_price"] == 0,
        "short": ~(d["option_minimum"] > 0).any(axis=0),
    }
    for name, where in shut.items():
        excess = np.where(where, np.abs(x[name]), 0.0)
        yield Row(f"{name} where it is not possible", DECISIONS[name].dims, excess, np.abs(x[name]))


def _things(d: Values, x: Values) -> Iterator[Row]:
    """Stacks, packages, orders, arrivals and what is installed."""
    drawn = x["draw"].sum(axis=1)
    left = before(x["stock"], d["stacks_start"])
    yield balance("stacks", (S, T), left, d["stacks_delivered"], x["take"], -drawn, -x["released"], -x["stock"])
    need = d["stacks_per_package"][:, None] * x["bought"]
    yield balance("packages", (A, T), x["draw"].sum(axis=0), -need)
    wafers = np.einsum("ka,at->kt", d["wafers_per_package"], x["bought"])
    yield limit("packaging", (K, T), d["packaging_wafers"], wafers)
    yield limit("orders", (A, T), d["orders_max"], x["bought"])
    arrived, alive = np.zeros_like(x["bought"]), np.zeros_like(x["placed"])
    for a, (lead, life) in enumerate(zip(d["lead_months"].astype(int), d["life_months"].astype(int), strict=True)):
        for t in range(arrived.shape[1]):
            arrived[a, t] = x["bought"][a, t - lead] if t >= lead else 0.0
            alive[a, :, t] = x["placed"][a, :, max(0, t - life + 1) : t + 1].sum(axis=1)
    placed = x["placed"].sum(axis=1)
    yield balance("arrivals", (A, T), before(x["waiting"]), arrived, -placed, -x["waiting"])
    there = before(x["installed"], d["fleet"][:, :, 0])
    yield balance("installed", (A, SITE, T), there, x["placed"], -x["retired"], -x["installed"])
    yield limit("life", (A, SITE, T), d["fleet"] + alive, x["installed"])
    works = d["availability"][:, None, None] * x["installed"]
    yield limit("working", (A, SITE, T), works, x["run"].sum(axis=2), x["train"].sum(axis=2))


def _sites(d: Values, x: Values) -> Iterator[Row]:
    """Power, fit-out and service."""
    yield from check_grid.rows(d, x)
    yield limit("fitout", (SITE, T), before(x["fitted"], d["fitted_start"]) + x["fitout"], x["fitted"])
    found = np.einsum("aw,aiwt->wt", d["rate"] * DAY / check_grid.peak_over_mean(d), x["run"])
    yield balance("answered", (W, T), x["answered"], -found)
    yield balance("service", (V, T), x["served"], -d["way_service"].T @ x["answered"])
    most = d["way_most"][:, None] * (d["way_service"] @ x["served"])
    yield limit("mix", (W, T), np.where(d["way_most"][:, None] < 1, most, np.inf), x["answered"])
    yield balance("demand", (V, T), x["served"], x["unserved"], -d["demand"])


def _money(d: Values, x: Values, flows: Values, member: Array, plan: Plan) -> Iterator[Row]:
    """Every flow, the budgets, the residual value and the objective."""
    lost = d["unserved_price"] * x["unserved"] + (d["tier_price"] * x["deep"]).sum(axis=1)
    lost = lost * (d["seconds"] / DAY)
    contracts = (d["take_price"] * x["take"]).sum(axis=0) + np.einsum("ot,o->t", d["option_fee"], x["chosen"])
    contracts += (np.where(np.isfinite(d["short_price"]), d["short_price"], 0.0) * x["short"]).sum(axis=0)
    hbm = np.einsum("st,sat->at", d["stack_price"], x["draw"])
    chips = d["accelerator_price"] * x["bought"]
    held = (d["waiting_holding"] * x["waiting"]).sum(axis=0)
    expected = check_grid.flows(d, x) | {
        "cost_hbm": hbm.sum(axis=0) + (d["stack_holding"] * x["stock"]).sum(axis=0),
        "cost_accelerators": chips.sum(axis=0) + held,
        "carbon_embodied": d["embodied"] @ x["bought"],
        "ddr5_displaced": d["ddr5_per_stack"][:, None] * x["draw"].sum(axis=1),
        "cost_fitout": (d["fitout_price"] * x["fitout"]).sum(axis=0),
        "cost_upkeep": np.einsum("at,ait->t", d["upkeep"], x["installed"]),
        "cost_contracts": contracts,
        "cost_unserved": lost.sum(axis=0),
        "cost_models": (d["way_fee"] * x["answered"]).sum(axis=0) * (d["seconds"] / DAY),
        "cost_quality": (d["way_loss"] * x["answered"]).sum(axis=0) * (d["seconds"] / DAY),
        "cost_late": (d["campaign_late"] * x["undone"]).sum(axis=0),
    }
    for name, column in FLOWS.items():
        yield balance(f"flow {name}", column.dims, flows[name], -expected[name])
    spent = sum(amount for name, amount in expected.items() if name.startswith("cost_") and name not in NOT_SPENT)
    budget = limit("budget", (Y,), d["budget"], member @ spent)
    yield replace(
        budget, size=budget.size + member @ sum(expected[name] for name in NOT_SPENT)
    )  # the solver's tolerance is of all money
    value = np.einsum("st,sat->at", d["stack_value"], x["draw"])
    left = (d["accelerator_residual"] * (chips + value)).sum() + (d["option_left"] * x["chosen"]).sum()
    left += (d["fitout_residual"] * d["fitout_price"] * x["fitout"]).sum() + check_grid.residual(d, x)
    residual = np.asarray(left * d["discount"][-1])
    yield balance("residual value", (), np.asarray(plan.residual_value), -residual)
    paid = np.asarray((d["discount"] * (spent + sum(expected[name] for name in NOT_SPENT))).sum())
    yield balance("objective", (), paid, -residual, np.asarray(-plan.objective))
