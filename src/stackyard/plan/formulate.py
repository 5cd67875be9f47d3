"""Problem -> linear program, row for row as design/problem.md says it.

One function a constraint family, listed in `FAMILIES`. Numbers are scaled in one place: `scales` chooses a power of two
for each unit of `SCHEMA`, so that the solver sees amounts near 1 and scaling back is exact.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stackyard.plan.plan import DECISIONS, PRICES, in_year
from stackyard.plan.problem import SCHEMA, SITE, A, Problem, S, T, V, Y, array
from stackyard.quantity import DAY

Terms = Mapping[str, Any]  # decision -> linopy expression over its axes, 0 where it cannot be non-zero
EARLIER = "earlier month"  # a second month axis, for what was started or placed before


class Family(NamedTuple):
    """One constraint family: its left side, its relation, its right side (None is 0) and the name of its price."""

    left: Callable[[xr.Dataset, Terms], Any]
    sign: str
    right: Callable[[xr.Dataset], xr.DataArray] | None
    price: str


@dataclass(frozen=True)
class Formulation:
    """The program, and where each decision and row is in it: positions in the solver's vectors, -1 where there is none.

    `rights` are the right-hand sides in the solver's units, which `units` undoes.
    """

    model: Any
    problem: Problem
    units: Mapping[str, float]
    columns: Mapping[str, NDArray[np.int64]]
    rows: Mapping[str, NDArray[np.int64]]
    rights: Mapping[str, NDArray[np.float64]]

    def decisions(self, values: NDArray[np.float64], problem: Problem) -> xr.Dataset:
        """The solver's columns as decisions in SI; what the solver's tolerance left below zero is zero."""
        found = {name: self._read(name, values) for name in DECISIONS}
        found["unserved"] = found["unserved"] + beyond(problem.data).values
        return _dataset(self.problem, found, DECISIONS)

    def prices(self, duals: NDArray[np.float64]) -> xr.Dataset:
        """The solver's duals as prices in USD of the month."""
        data, found = self.problem.data, {}
        member = in_year(data)
        years = (member * data["discount"]).sum(T) / np.maximum(member.sum(T), 1)  # mean discount of a year
        for name, family in FAMILIES.items():
            column = PRICES[family.price]
            discount = years if column.dims == (Y,) else data["discount"]
            worth = xr.DataArray(-_gather(duals, self.rows[name]), dims=column.dims) * scale(column.unit, self.units)
            if name == "demand":
                worth = -worth / (data["seconds"] / DAY).drop_vars(T)
            found[family.price] = (worth / discount.drop_vars(discount.dims)).transpose(*column.dims).values + 0.0
        return _dataset(self.problem, found, PRICES)

    def _read(self, name: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.maximum(_gather(values, self.columns[name]), 0.0) * scale(DECISIONS[name].unit, self.units)


def formulate(problem: Problem) -> Formulation:
    """The linear program of a Problem. Decisions that cannot be non-zero and limits that are infinite are left out."""
    import linopy

    near = without_beyond(problem.data)
    units = scales(near)
    data = scaled(near, units)
    model = linopy.Model()
    exists = possible(data)
    x: dict[str, Any] = {}
    for name, column in DECISIONS.items():
        axes = [data.indexes[dim] for dim in column.dims]
        x[name] = model.add_variables(lower=0, coords=axes, name=name, mask=exists[name]).fillna(0)
    rights = right_sides(data)
    for name, family in FAMILIES.items():
        kept = np.isfinite(rights[name])
        if name == "life":
            kept &= _outlives(data)
        if not kept.any():
            continue
        left = family.left(data, x)
        kept &= left.has_terms
        if kept.any():
            model.add_constraints(left, family.sign, rights[name].where(kept, 0.0), name=name, mask=kept)
    model.add_objective(sum((x[name] * cost).sum() for name, cost in present_costs(data).items()))
    return Formulation(model, problem, units, *_positions(model, rights), {n: r.values for n, r in rights.items()})


def _positions(model: Any, rights: Mapping[str, xr.DataArray]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Where each decision and row stands in the solver's vectors."""
    matrices = model.matrices
    columns = {name: _find(matrices.vlabels, model.variables[name].labels.values) for name in DECISIONS}
    rows = {}
    for name, right in rights.items():
        if name in model.constraints:
            rows[name] = _find(matrices.clabels, model.constraints[name].labels.transpose(*right.dims).values)
        else:
            rows[name] = np.full(right.shape, -1)
    return columns, rows


def _find(labels: NDArray[Any], wanted: NDArray[Any]) -> NDArray[np.int64]:
    """Position of each wanted label; -1 where it is not among the labels, which ascend."""
    if not labels.size:
        return np.full(wanted.shape, -1)
    place = np.minimum(np.searchsorted(labels, wanted), labels.size - 1)
    return np.where((labels[place] == wanted) & (wanted >= 0), place, -1)


def _gather(values: NDArray[np.float64], positions: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.where(positions >= 0, np.append(values, 0.0)[positions], 0.0)


def _dataset(problem: Problem, values: Mapping[str, Any], schema: Mapping[str, Any]) -> xr.Dataset:
    coords = {dim: problem.data[dim] for dim in problem.data.dims}
    return xr.Dataset({name: array(name, value, dict(schema)) for name, value in values.items()}, coords=coords)


# --- demand beyond reach ---


def beyond(data: xr.Dataset) -> xr.DataArray:
    """Demand that no plan could serve, (service, month): what exceeds twice the most that all power, run by the best
    accelerator, serves of any service in any month. It is unserved in every plan, so the program leaves it out."""
    watts = data["power_busy"] * data["pue"].min(T)  # (accelerator, service, site)
    tokens = (data["rate"] * DAY / data["peak_to_mean"] / watts.where(watts > 0)).fillna(np.inf)
    most = (tokens.where(data["rate"] > 0, 0.0).max(A) * data["site_power"].max(T)).fillna(0.0).sum(SITE).max()
    reach = 2 * float(most) or np.inf
    excess: xr.DataArray = (data["demand"] - reach).clip(min=0.0)
    return excess


def without_beyond(data: xr.Dataset) -> xr.Dataset:
    """The same coefficients with demand within reach."""
    return data.assign(demand=data["demand"].copy(data=(data["demand"] - beyond(data)).values))


# --- scales ---


def scales(data: xr.Dataset) -> dict[str, float]:
    """The solver's unit for each unit of SCHEMA, a power of two: the largest amounts of a plan become about a thousand.

    All follow from the largest demand D and the coefficients: packages = D / (best rate x 86400), stacks, wafers and
    watts = packages x their largest use, USD = 30 D x the largest price of an unserved token.
    """

    def largest(name: str, otherwise: float = 1.0) -> float:
        values = data[name].values
        return float(values[np.isfinite(values)].max(initial=0.0)) or otherwise

    tokens = largest("demand", largest("rate") * DAY)
    packages = tokens / (largest("rate", tokens / DAY) * DAY)
    watts = packages * max(largest("power_busy"), largest("power_idle"))
    amounts = {
        "token": tokens,
        "package": packages,
        "stack": packages * largest("stacks_per_package"),
        "wafer": packages * largest("wafers_per_package"),
        "W": watts,
        "J": watts,
        "USD": 30 * tokens * largest("unserved_price", largest("accelerator_price") * packages / tokens / 30),
    }
    return {unit: 2.0 ** round(math.log2(amount) - 10) for unit, amount in amounts.items()}


def scale(unit: str, units: Mapping[str, float]) -> float:
    """SI value of one of the solver's units.

    >>> scale("token/s/package", {"token": 8.0, "package": 2.0})
    4.0
    """
    first, *rest = unit.split("/")
    return units.get(first, 1.0) / math.prod(units.get(part, 1.0) for part in rest)


def scaled(data: xr.Dataset, units: Mapping[str, float]) -> xr.Dataset:
    """The coefficients in the solver's units."""
    return data.assign({name: data[name] / scale(column.unit, units) for name, column in SCHEMA.items()})


# --- what can be non-zero ---


def possible(data: xr.Dataset) -> dict[str, xr.DataArray]:
    """Where each decision can be non-zero: what fits, may be ordered and arrives in the horizon, is allowed, runs."""
    month = _month_numbers(data)
    bought = (data["orders_max"] > 0) & (month + data["lead_months"] < data.sizes[T])
    earlier, since = _earlier(bought), month - _earlier(month)
    ready = (earlier & (since >= data["lead_months"])).any(EARLIER)
    placed = ready & (data["allowed"] > 0)
    installed = placed | (data["fleet"][:, :, 0] > 0).drop_vars(T)
    always = {
        name: xr.ones_like(xr.DataArray(np.ones([data.sizes[d] for d in column.dims], bool), dims=column.dims))
        for name, column in DECISIONS.items()
    }
    found = always | {
        "draw": (data["fits_stack"] > 0) & bought,
        "bought": bought,
        "waiting": ready,
        "placed": placed,
        "retired": installed,
        "installed": installed,
        "run": installed & (data["rate"] > 0),
    }
    return {
        name: mask.transpose(*DECISIONS[name].dims).assign_coords({d: data[d] for d in mask.dims})
        for name, mask in found.items()
    }


def _month_numbers(data: xr.Dataset) -> xr.DataArray:
    return xr.DataArray(np.arange(data.sizes[T]), dims=T, coords={T: data[T]})


def _earlier(values: Any) -> Any:
    """The same values on the axis of earlier months."""
    return values.rename({T: EARLIER})


def _outlives(data: xr.Dataset) -> xr.DataArray:
    """Where the end of an accelerator's life says more than the balance of what is installed does."""
    fleet = data["fleet"]
    return (_month_numbers(data) >= data["life_months"]) | (fleet < fleet[:, :, 0].drop_vars(T))


# --- money ---


def costs(data: xr.Dataset) -> dict[str, xr.DataArray]:
    """USD of the month for one unit of each decision."""
    power_hour = data["electricity_price"] + data["carbon_price"] * data["grid_carbon"]
    power = data["pue"] * data["seconds"] * power_hour  # USD per watt of mean IT power over the month
    return {
        "draw": data["stack_price"],
        "stock": data["stack_holding"],
        "bought": data["accelerator_price"],
        "fitout": data["fitout_price"],
        "installed": data["upkeep"] + data["power_idle"] * power,
        "run": _running(data) / data["peak_to_mean"] * power,
    }


def residuals(data: xr.Dataset) -> dict[str, xr.DataArray]:
    """USD at the end of the horizon that is left of one unit of each decision."""
    return {
        "draw": data["accelerator_residual"] * data["stack_price"],
        "bought": data["accelerator_residual"] * data["accelerator_price"],
        "fitout": data["fitout_residual"] * data["fitout_price"],
    }


def _running(data: xr.Dataset) -> xr.DataArray:
    """Watts that running adds to an installed accelerator."""
    return data["power_busy"] - data["power_idle"]


def present_costs(data: xr.Dataset) -> dict[str, xr.DataArray]:
    """What one unit of each decision adds to the objective: costs, or unserved demand, less residual values."""
    found = costs(data) | {"unserved": data["unserved_price"] * data["seconds"] / DAY}
    found = {name: cost * data["discount"] for name, cost in found.items()}
    return found | {name: found[name] - value * data["discount"][-1] for name, value in residuals(data).items()}


# --- constraint families ---


def _before(x: Any) -> Any:
    """The month before; 0 in the first."""
    return x.shift({T: 1}).fillna(0)


def _stacks(data: xr.Dataset, x: Terms) -> Any:
    return x["stock"] - _before(x["stock"]) + x["draw"].sum(A) + x["released"]


def _packages(data: xr.Dataset, x: Terms) -> Any:
    return x["bought"] * data["stacks_per_package"] - x["draw"].sum(S)


def _packaging(data: xr.Dataset, x: Terms) -> Any:
    return (x["bought"] * data["wafers_per_package"]).sum(A)


def _orders(data: xr.Dataset, x: Terms) -> Any:
    return x["bought"]


def _arrivals(data: xr.Dataset, x: Terms) -> Any:
    month = _month_numbers(data)
    arrives = month - _earlier(month) == data["lead_months"]
    arrived = (_earlier(x["bought"]) * arrives.astype(float)).sum(EARLIER)
    return x["waiting"] - _before(x["waiting"]) - arrived + x["placed"].sum(SITE)


def _installed(data: xr.Dataset, x: Terms) -> Any:
    return x["installed"] - _before(x["installed"]) - x["placed"] + x["retired"]


def _life(data: xr.Dataset, x: Terms) -> Any:
    month = _month_numbers(data)
    age = month - _earlier(month)
    alive = (age >= 0) & (age < data["life_months"])
    return x["installed"] - (_earlier(x["placed"]) * alive.astype(float)).sum(EARLIER)


def _working(data: xr.Dataset, x: Terms) -> Any:
    return x["run"].sum(V) - x["installed"] * data["availability"]


def _site_power(data: xr.Dataset, x: Terms) -> Any:
    idle = (x["installed"] * (data["power_idle"] * data["pue"])).sum(A)
    return idle + (x["run"] * (_running(data) * data["pue"])).sum([A, V])


def _power(data: xr.Dataset, x: Terms) -> Any:
    return _site_power(data, x) - x["fitted"]


def _fitout(data: xr.Dataset, x: Terms) -> Any:
    return x["fitted"] - _before(x["fitted"]) - x["fitout"]


def _service(data: xr.Dataset, x: Terms) -> Any:
    return x["served"] - (x["run"] * (data["rate"] * DAY / data["peak_to_mean"])).sum([A, SITE])


def _demand(data: xr.Dataset, x: Terms) -> Any:
    return x["served"] + x["unserved"]


def _budget(data: xr.Dataset, x: Terms) -> Any:
    member = in_year(data).where(np.isfinite(data["budget"]), 0.0)
    spent = (x[name] * (cost * member) for name, cost in costs(data).items())
    return sum(term.sum([dim for dim in term.coord_dims if dim != Y]) for term in spent)


def _opening(data: xr.Dataset, amount: xr.DataArray) -> xr.DataArray:
    """An amount from before the horizon, in the first month; 0 in the others."""
    return amount * (_month_numbers(data) == 0)


FAMILIES: dict[str, Family] = {
    "stacks": Family(_stacks, "=", lambda d: d["stacks_delivered"] + _opening(d, d["stacks_start"]), "price_stack"),
    "packages": Family(_packages, "=", None, "price_package"),
    "packaging": Family(_packaging, "<=", lambda d: d["packaging_wafers"], "price_packaging"),
    "orders": Family(_orders, "<=", lambda d: d["orders_max"], "price_orders"),
    "arrivals": Family(_arrivals, "=", None, "price_ready"),
    "installed": Family(_installed, "=", lambda d: _opening(d, d["fleet"][:, :, 0].drop_vars(T)), "price_installed"),
    "life": Family(_life, "<=", lambda d: d["fleet"], "price_life"),
    "working": Family(_working, "<=", None, "price_working"),
    "power": Family(_power, "<=", None, "price_fitted"),
    "energised": Family(_site_power, "<=", lambda d: d["site_power"], "price_power"),
    "fitout": Family(_fitout, "=", lambda d: _opening(d, d["fitted_start"]), "price_fitout"),
    "service": Family(_service, "=", None, "price_service"),
    "demand": Family(_demand, "=", lambda d: d["demand"], "price_demand"),
    "budget": Family(_budget, "<=", lambda d: d["budget"], "price_budget"),
}


def right_sides(data: xr.Dataset) -> dict[str, xr.DataArray]:
    """The right-hand side of every family on the axes of its price."""
    found = {}
    for name, family in FAMILIES.items():
        dims = PRICES[family.price].dims
        zero = xr.DataArray(np.zeros([data.sizes[d] for d in dims]), dims=dims, coords={d: data[d] for d in dims})
        found[name] = zero if family.right is None else (zero + family.right(data)).transpose(*dims)
    return found
