"""The auditor: every balance, limit, cost and price of a Plan added up again from Problem and Plan alone.

It knows design/problem.md and numpy, and nothing of the program that the solver was given.

Tolerances: a row may be off by RELATIVE of the sum of the sizes of its own terms, plus FLOOR of the largest such sum in
its family, or of what serving all demand would take (what the solver's own tolerance leaves); that the prices prove the
plan to be the best, by CERTIFICATE.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stackyard.plan.plan import DECISIONS, FLOWS, PRICES, Plan, in_year
from stackyard.plan.problem import SITE, A, K, Problem, S, T, V, Y, mismatches
from stackyard.quantity import DAY

RELATIVE = 1e-6
FLOOR = 1e-9
CERTIFICATE = 1e-6

Array: TypeAlias = NDArray[np.float64]
Values: TypeAlias = Mapping[str, Array]


@dataclass(frozen=True)
class Violation:
    """A balance or limit that a plan breaks: by how much, where, and how much would have been tolerated."""

    family: str
    place: str
    amount: float
    tolerance: float

    def __str__(self) -> str:
        where = f" at {self.place}" if self.place else ""
        return f"{self.family}{where}: off by {self.amount:.6g}, tolerated {self.tolerance:.3g}"


@dataclass(frozen=True)
class Row:
    """What a family leaves over, element by element: `excess` should be 0, `size` is the sum of the terms' sizes."""

    family: str
    dims: tuple[str, ...]
    excess: Array
    size: Array


def audit(problem: Problem, plan: Plan) -> list[Violation]:
    """Every violation of a plan; an empty list says that it is feasible, rightly added up, and the best there is."""
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
    whole = _whole(d)
    for row in rows:
        found += _violations(problem.data, row, RELATIVE, FLOOR, whole.get(row.family, 0.0))
    prices = {str(name): values.values for name, values in plan.prices.data_vars.items()}
    for row in _certificate(d, prices, member, plan.objective):
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
    watts = packages * float(d["power_busy"].max(initial=0.0) * d["pue"].max(initial=0.0))
    return (
        dict.fromkeys(("orders", "arrivals", "installed", "life", "working"), packages)
        | dict.fromkeys(("stacks", "packages"), packages * float(d["stacks_per_package"].max(initial=0.0)))
        | {"packaging": packages * float(d["wafers_per_package"].max(initial=0.0))}
        | dict.fromkeys(("power", "energised", "fitout"), watts)
        | dict.fromkeys(("service", "demand"), float(d["demand"].max(initial=0.0)))
    )


def _balance(family: str, dims: tuple[str, ...], *terms: Array) -> Row:
    """Terms that should add up to nothing."""
    return Row(family, dims, np.abs(sum(terms)), np.asarray(sum(np.abs(term) for term in terms)))


def _limit(family: str, dims: tuple[str, ...], most: Array, *terms: Array) -> Row:
    """Terms that should add up to no more than `most`, which may be infinite."""
    total = np.asarray(sum(terms))
    size = np.asarray(sum(np.abs(term) for term in terms)) + np.where(np.isfinite(most), np.abs(most), 0.0)
    return Row(family, dims, np.maximum(total - most, 0.0), size)


def _before(values: Array, start: Array | float = 0.0) -> Array:
    """The month before; `start` in the first."""
    found = np.zeros_like(values)
    found[..., 1:] = values[..., :-1]
    found[..., 0] = start
    return found


def _signs(x: Values) -> Iterator[Row]:
    for name, column in DECISIONS.items():
        yield Row(f"{name} below zero", column.dims, np.maximum(-x[name], 0.0), np.abs(x[name]))


def _impossible(d: Values, x: Values) -> Iterator[Row]:
    shut = {
        "draw": (d["fits_stack"] == 0)[:, :, None],
        "placed": (d["allowed"] == 0)[:, :, None],
        "run": (d["rate"] == 0)[:, None, :, None],
    }
    for name, where in shut.items():
        excess = np.where(where, np.abs(x[name]), 0.0)
        yield Row(f"{name} where it is not possible", DECISIONS[name].dims, excess, np.abs(x[name]))


def _things(d: Values, x: Values) -> Iterator[Row]:
    """Stacks, packages, orders, arrivals and what is installed."""
    drawn = x["draw"].sum(axis=1)
    left = _before(x["stock"], d["stacks_start"])
    yield _balance("stacks", (S, T), left, d["stacks_delivered"], -drawn, -x["released"], -x["stock"])
    need = d["stacks_per_package"][:, None] * x["bought"]
    yield _balance("packages", (A, T), x["draw"].sum(axis=0), -need)
    wafers = np.einsum("ka,at->kt", d["wafers_per_package"], x["bought"])
    yield _limit("packaging", (K, T), d["packaging_wafers"], wafers)
    yield _limit("orders", (A, T), d["orders_max"], x["bought"])
    arrived, alive = np.zeros_like(x["bought"]), np.zeros_like(x["placed"])
    for a, (lead, life) in enumerate(zip(d["lead_months"].astype(int), d["life_months"].astype(int), strict=True)):
        for t in range(arrived.shape[1]):
            arrived[a, t] = x["bought"][a, t - lead] if t >= lead else 0.0
            alive[a, :, t] = x["placed"][a, :, max(0, t - life + 1) : t + 1].sum(axis=1)
    placed = x["placed"].sum(axis=1)
    yield _balance("arrivals", (A, T), _before(x["waiting"]), arrived, -placed, -x["waiting"])
    there = _before(x["installed"], d["fleet"][:, :, 0])
    yield _balance("installed", (A, SITE, T), there, x["placed"], -x["retired"], -x["installed"])
    yield _limit("life", (A, SITE, T), d["fleet"] + alive, x["installed"])
    works = d["availability"][:, None, None] * x["installed"]
    yield _limit("working", (A, SITE, T), works, x["run"].sum(axis=2))


def _it_power(d: Values, x: Values, load: Array) -> Array:
    """IT power of each site when each service loads what runs it to `load` (by service)."""
    extra = (d["power_busy"] - d["power_idle"][:, None]) * load[None, :]
    idle = np.einsum("a,ait->it", d["power_idle"], x["installed"])
    total: Array = idle + np.einsum("av,aivt->it", extra, x["run"])
    return total


def _sites(d: Values, x: Values) -> Iterator[Row]:
    """Power, fit-out and service."""
    peak = d["pue"] * _it_power(d, x, np.ones_like(d["peak_to_mean"]))
    yield _limit("power", (SITE, T), x["fitted"], peak)
    yield _limit("energised", (SITE, T), d["site_power"], peak)
    yield _balance("fitout", (SITE, T), _before(x["fitted"], d["fitted_start"]), x["fitout"], -x["fitted"])
    served = np.einsum("av,aivt->vt", d["rate"] * DAY / d["peak_to_mean"], x["run"])
    yield _balance("service", (V, T), x["served"], -served)
    yield _balance("demand", (V, T), x["served"], x["unserved"], -d["demand"])


def _money(d: Values, x: Values, flows: Values, member: Array, plan: Plan) -> Iterator[Row]:
    """Every flow, the budgets, the residual value and the objective."""
    peak, mean = (_it_power(d, x, load) for load in (np.ones_like(d["peak_to_mean"]), 1 / d["peak_to_mean"]))
    energy = mean * d["pue"] * d["seconds"]
    lost = d["unserved_price"] * x["unserved"] * (d["seconds"] / DAY)
    hbm = np.einsum("st,sat->at", d["stack_price"], x["draw"])
    chips = d["accelerator_price"] * x["bought"]
    expected = {
        "cost_hbm": hbm.sum(axis=0) + (d["stack_holding"] * x["stock"]).sum(axis=0),
        "cost_accelerators": chips.sum(axis=0),
        "cost_fitout": (d["fitout_price"] * x["fitout"]).sum(axis=0),
        "cost_upkeep": np.einsum("at,ait->t", d["upkeep"], x["installed"]),
        "cost_energy": (d["electricity_price"] * energy).sum(axis=0),
        "cost_carbon": (d["carbon_price"] * d["grid_carbon"] * energy).sum(axis=0),
        "cost_unserved": lost.sum(axis=0),
        "it_power_peak": peak,
        "it_power_mean": mean,
        "site_power_peak": peak * d["pue"],
        "energy": energy,
        "carbon": energy * d["grid_carbon"],
        "water_used": mean * d["seconds"] * d["water"],
    }
    for name, column in FLOWS.items():
        yield _balance(f"flow {name}", column.dims, flows[name], -expected[name])
    spent = sum(amount for name, amount in expected.items() if name.startswith("cost_") and name != "cost_unserved")
    budget = _limit("budget", (Y,), d["budget"], member @ spent)
    yield replace(
        budget, size=budget.size + member @ expected["cost_unserved"]
    )  # the solver's tolerance is of all money
    left = (d["accelerator_residual"] * (chips + hbm)).sum()
    left += (d["fitout_residual"] * d["fitout_price"] * x["fitout"]).sum()
    residual = np.asarray(left * d["discount"][-1])
    yield _balance("residual value", (), np.asarray(plan.residual_value), -residual)
    paid = np.asarray((d["discount"] * (spent + expected["cost_unserved"])).sum())
    yield _balance("objective", (), paid, -residual, np.asarray(-plan.objective))


# --- the certificate: prices that prove that no plan costs less ---


def _certificate(d: Values, prices: Values, member: Array, objective: float) -> Iterator[Row]:
    """Weak duality: limits have prices >= 0, no decision gains at these prices, and the prices add up to the objective.

    For any such prices, worth of all limits and demand at them <= the cost of any feasible plan; where it equals the
    cost of this one, none is cheaper. A decision gains where its reduced cost (its own cost and the prices of what it
    takes, less the prices of what it gives) is below zero.
    """
    present = np.where(member.any(axis=0), d["discount"], 1.0)
    yearly = (member * present).sum(axis=1) / np.maximum(member.sum(axis=1), 1)
    p = {name: values * (yearly if PRICES[name].dims == (Y,) else present) for name, values in prices.items()}
    p["price_demand"] = p["price_demand"] * (d["seconds"] / DAY)
    for name in ("packaging", "orders", "life", "working", "fitted", "power", "budget"):
        price = p[f"price_{name}"]
        yield Row(f"price_{name} below zero", PRICES[f"price_{name}"].dims, np.maximum(-price, 0.0), np.abs(price))
    can, costs = _can(d), _costs(d, p["price_budget"] @ member)
    for name, (gives, *takes) in _exchanges(d, p).items():
        shape = [part.shape for part in (can[name], costs[name], gives, *takes)]
        terms = [np.broadcast_to(term, np.broadcast_shapes(*shape)) for term in (costs[name], -gives, *takes)]
        gain = np.where(can[name], np.maximum(-sum(terms), 0.0), 0.0)
        size = np.asarray(sum(np.abs(term) for term in terms))
        yield Row(f"{name} would lower the cost", DECISIONS[name].dims, gain, size)
    yield _balance("prices add up to the objective", (), np.asarray(objective), *_worths(d, p))


def _after(values: Array) -> Array:
    """The month after; 0 in the last."""
    found = np.zeros_like(values)
    found[..., :-1] = values[..., 1:]
    return found


def _can(d: Values) -> dict[str, Array]:
    """Where a decision can be non-zero at all."""
    months = np.arange(d["seconds"].size)
    arrives = months + d["lead_months"][:, None]
    bought = (d["orders_max"] > 0) & (arrives < months.size)
    first = np.where(bought, arrives, np.inf).min(axis=1)
    ready = months >= first[:, None]
    placed = ready[:, None, :] & (d["allowed"] > 0)[:, :, None]
    installed = placed | (d["fleet"][:, :, :1] > 0)
    return dict.fromkeys(DECISIONS, np.asarray(True)) | {
        "draw": (d["fits_stack"] > 0)[:, :, None] & bought,
        "bought": bought,
        "waiting": ready,
        "placed": placed,
        "retired": installed,
        "installed": installed,
        "run": installed[:, :, None, :] & (d["rate"] > 0)[:, None, :, None],
    }


def _costs(d: Values, budget: Array) -> dict[str, Array]:
    """Present cost of one unit of each decision: spending at 1 + the price of the budget, less residual values."""
    money, end = d["discount"] + budget, d["discount"][-1]
    watt = d["pue"] * d["seconds"] * (d["electricity_price"] + d["carbon_price"] * d["grid_carbon"]) * money
    extra = (d["power_busy"] - d["power_idle"][:, None]) / d["peak_to_mean"]
    nothing = dict.fromkeys(DECISIONS, np.zeros(1))
    return nothing | {
        "draw": d["stack_price"][:, None, :] * (money - end * d["accelerator_residual"]),
        "stock": d["stack_holding"] * money,
        "bought": d["accelerator_price"] * (money - end * d["accelerator_residual"]),
        "fitout": d["fitout_price"] * (money - end * d["fitout_residual"]),
        "installed": (d["upkeep"] * money)[:, None, :] + d["power_idle"][:, None, None] * watt,
        "run": extra[:, None, :, None] * watt[:, None, :],
        "unserved": d["unserved_price"] * d["discount"] * (d["seconds"] / DAY),
    }


def _exchanges(d: Values, p: Values) -> dict[str, tuple[Array, ...]]:
    """For each decision what one unit gives (first), and what it takes, at these prices."""
    stack, package, ready, installed, fitout = (
        p[f"price_{name}"] for name in ("stack", "package", "ready", "installed", "fitout")
    )
    n = d["seconds"].size
    arriving, outlived = np.zeros_like(ready), np.zeros_like(p["price_life"])
    for a, (lead, life) in enumerate(zip(d["lead_months"].astype(int), d["life_months"].astype(int), strict=True)):
        arriving[a, : max(n - lead, 0)] = ready[a, lead:]
        for t in range(n):
            outlived[a, :, t] = p["price_life"][a, :, t : t + life].sum(axis=1)
    watt = d["pue"] * (p["price_fitted"] + p["price_power"])
    extra = d["power_busy"] - d["power_idle"][:, None]
    tokens = d["rate"] * DAY / d["peak_to_mean"]
    return {
        "draw": (package, stack[:, None, :]),
        "released": (np.zeros(1), stack),
        "stock": (_after(stack), stack),
        "bought": (
            arriving,
            d["stacks_per_package"][:, None] * package,
            np.einsum("ka,kt->at", d["wafers_per_package"], p["price_packaging"]),
            p["price_orders"],
        ),
        "waiting": (_after(ready), ready),
        "placed": (installed + outlived, ready[:, None, :]),
        "retired": (np.zeros(1), installed),
        "installed": (
            _after(installed) + d["availability"][:, None, None] * p["price_working"],
            installed,
            p["price_life"],
            d["power_idle"][:, None, None] * watt,
        ),
        "run": (
            tokens[:, None, :, None] * p["price_service"],
            p["price_working"][:, :, None, :],
            extra[:, None, :, None] * watt[:, None, :],
        ),
        "fitout": (fitout, np.zeros(1)),
        "fitted": (_after(fitout) + p["price_fitted"], fitout),
        "served": (p["price_demand"], p["price_service"]),
        "unserved": (p["price_demand"], np.zeros(1)),
    }


def _worths(d: Values, p: Values) -> list[Array]:
    """Worth of every limit, and less that of demand, at these prices; with the objective they add up to nothing."""

    def worth(price: str, amount: Array) -> Array:
        return np.asarray((p[price] * np.where(np.isfinite(amount), amount, 0.0)).sum())

    return [
        -worth("price_demand", d["demand"]),
        worth("price_stack", d["stacks_delivered"]),
        np.asarray((p["price_stack"][:, 0] * d["stacks_start"]).sum()),
        worth("price_packaging", d["packaging_wafers"]),
        worth("price_orders", d["orders_max"]),
        np.asarray((p["price_installed"][:, :, 0] * d["fleet"][:, :, 0]).sum()),
        worth("price_life", d["fleet"]),
        worth("price_power", d["site_power"]),
        np.asarray((p["price_fitout"][:, 0] * d["fitted_start"]).sum()),
        worth("price_budget", d["budget"]),
    ]
