"""Problem -> program, row for row as design/problem.md says it.

One function a constraint family, listed in `FAMILIES`; power is in `grid`, what is whole or chosen in `choices`.
Numbers are scaled in one place: `scales` chooses a power of two for each unit of `SCHEMA`, so that the solver sees
amounts near 1 and scaling back is exact.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stackyard.plan import choices, grid
from stackyard.plan.choices import EARLIER, Columns, Family, Named, Values, before, earlier, opening
from stackyard.plan.plan import DECISIONS, PRICES, WHOLE, in_year
from stackyard.plan.problem import SCHEMA, SITE, A, O, Problem, T, Y, array
from stackyard.plan.program import Array, Assembly, Program, Terms, gather
from stackyard.quantity import DAY


@dataclass(frozen=True)
class Formulation:
    """The program of a Problem, and the way back from the solver's numbers: `units` undoes its scales."""

    program: Program
    problem: Problem
    units: Mapping[str, float]

    def decisions(self, values: Array) -> xr.Dataset:
        """The solver's columns as decisions in SI; what the solver's tolerance left below zero is zero."""
        found = {name: self._read(name, values) for name in DECISIONS}
        found["unserved"] = found["unserved"] + beyond(self.problem.data).values
        for name in WHOLE:
            found[name] = np.round(found[name])
        return _dataset(self.problem, found, DECISIONS)

    def prices(self, duals: Array) -> xr.Dataset:
        """The solver's duals as prices in USD of the month; of today where a price has no month."""
        data, found = self.problem.data, {}
        member = in_year(data)
        years = (member * data["discount"]).sum(T) / np.maximum(member.sum(T), 1)  # mean discount of a year
        for name, family in FAMILIES.items():
            column = PRICES[family.price]
            worth = -gather(duals, self.program.rows[name]) * scale(column.unit, self.units)
            if name == "demand":
                worth = -worth
            if name in DAILY:
                worth = worth / (data["seconds"].values / DAY)
            if T in column.dims:
                worth = worth / data["discount"].values
            elif Y in column.dims:
                worth = worth / years.values
            found[family.price] = worth + 0.0
        return _dataset(self.problem, found, PRICES)

    def _read(self, name: str, values: Array) -> Array:
        unit = scale(DECISIONS[name].unit, self.units)
        return np.maximum(gather(values, self.program.columns[name]), 0.0) * unit


def formulate(problem: Problem, units: Mapping[str, float] | None = None) -> Formulation:
    """The program of a Problem. Decisions that cannot be non-zero and limits that are infinite are left out.

    `units` are the scales of another program, where this one is to be compared with it.

    >>> from stackyard import api
    >>> problem = api.problem("first-plan").problem
    >>> formulate(problem).program.shape
    (531, 603)
    """
    near = without_beyond(problem.data)
    units = scales(near) if units is None else units
    data = {name: near.variables[name] / scale(column.unit, units) for name, column in SCHEMA.items()}
    years = np.argmax(in_year(near).values, axis=0)
    data["year_number"] = xr.Variable((T,), years)
    assembly, exists = Assembly(), possible(data)
    x = {name: assembly.column(name, column.dims, exists[name]) for name, column in DECISIONS.items()}
    for name, right in right_sides(data).items():
        family = FAMILIES[name]
        kept = np.isfinite(right)
        if name == "life":
            kept &= _outlives(data)
        dims = PRICES[family.price].dims
        along = (T, years) if dims == (Y,) else None
        assembly.family(name, dims, family.left(data, x), family.sign, np.where(kept, right, 0.0), kept, along)
    present = {
        name: cost.set_dims(dict(zip(x[name].dims, x[name].shape, strict=True))).transpose(*x[name].dims).values
        for name, cost in present_costs(data).items()
    }
    program = assembly.program(present, choices.bounds(data), WHOLE)
    return Formulation(program, problem, units)


def _dataset(problem: Problem, values: Mapping[str, Any], schema: Mapping[str, Any]) -> xr.Dataset:
    coords = {dim: problem.data[dim] for dim in problem.data.dims}
    return xr.Dataset({name: array(name, value, dict(schema)) for name, value in values.items()}, coords=coords)


# --- demand beyond reach ---


REACH = ("power_busy", "pue_peak", "rate", "peak_to_mean", "way_service", "site_power", "option_power")


def beyond(data: xr.Dataset) -> xr.DataArray:
    """Demand that no plan could serve, (service, month): what exceeds twice the most that all power, run by the best
    accelerator, serves of any service in any month. It is unserved in every plan, so the program leaves it out.

    >>> from stackyard import api
    >>> problem = api.problem("first-plan").problem
    >>> float(beyond(problem.data).sum())  # tokens per day: all of it is within reach
    0.0
    """
    d: dict[str, Named] = {name: data.variables[name] for name in REACH}
    watts = d["power_busy"] * d["pue_peak"].min(T)  # (accelerator, way, site)
    tokens = (d["rate"] * DAY / grid.peak_over_mean(d) / watts.where(watts > 0)).fillna(np.inf)
    powers = (d["site_power"] + d["option_power"].sum(O) + grid.most_power(data).variable).max(T)
    most = (tokens.where(d["rate"] > 0, 0.0).max(A) * powers).fillna(0.0).sum(SITE).max()
    reach = 2 * float(most) or np.inf
    return data["demand"].copy(data=np.maximum(data["demand"].values - reach, 0.0))


def without_beyond(data: xr.Dataset) -> xr.Dataset:
    """The same coefficients with demand within reach; tiers of what is not served start so much lower.

    >>> from stackyard import api
    >>> problem = api.problem("first-plan").problem
    >>> bool((without_beyond(problem.data)["demand"] == problem.data["demand"]).all())
    True
    """
    excess = beyond(data)
    if not excess.values.any():
        return data
    return data.assign(
        demand=data["demand"].copy(data=data["demand"].values - excess.values),
        tier_start=data["tier_start"].copy(data=data["tier_start"].values - excess.values[:, None, :]),
    )


# --- scales ---


def scales(data: xr.Dataset) -> dict[str, float]:
    """The solver's unit for each unit of SCHEMA, a power of two: the largest amounts of a plan become about a thousand.

    All follow from the largest demand D and the coefficients: packages = D / (best rate x 86400), stacks, wafers and
    watts = packages x their largest use, USD = 30 D x the largest price of an unserved token.

    >>> from stackyard import api
    >>> problem = api.problem("first-plan").problem
    >>> found = scales(problem.data)
    >>> all(np.log2(scale) % 1 == 0 for scale in found.values())
    True
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
        "FLOP": largest("campaign_flop"),
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
    """The coefficients in the solver's units.

    >>> from stackyard import api
    >>> problem = api.problem("first-plan").problem
    >>> units = scales(problem.data)
    >>> small = scaled(problem.data, units)["stacks_delivered"]
    >>> float((problem.data["stacks_delivered"] / small).max()) == units["stack"]
    True
    """
    return data.assign({name: data[name] / scale(column.unit, units) for name, column in SCHEMA.items()})


# --- what can be non-zero ---


def possible(data: Values) -> dict[str, NDArray[np.bool_]]:
    """Where each decision can be non-zero: what fits, may be ordered and arrives in the horizon, is allowed, runs."""
    month = _month_numbers(data)
    bought = (data["orders_max"] > 0) & (month + data["lead_months"] < month.size)
    due = xr.Variable((EARLIER,), month.values)
    ready = (earlier(bought) & (month - due >= data["lead_months"])).any(EARLIER)
    placed = ready & (data["allowed"] > 0)
    installed = placed | (data["fleet"].isel({T: 0}) > 0)
    found = (
        choices.possible(data, bought, installed)
        | {
            "draw": (data["fits_stack"] > 0) & bought & (data["undrawable"] == 0),
            "bought": bought,
            "waiting": ready,
            "placed": placed,
            "retired": installed,
            "installed": installed,
            "run": installed & (data["rate"] > 0),
            "answered": (data["rate"] > 0).any(A),
        }
        | dict(zip(("charged", "discharged"), grid.can_move(data), strict=True))
    )
    sizes = {dim: size for values in data.values() for dim, size in values.sizes.items()}
    masks = {}
    for name, column in DECISIONS.items():
        mask: Named = found.get(name, xr.Variable((), True))
        masks[name] = mask.set_dims({dim: sizes[dim] for dim in column.dims}).transpose(*column.dims).values
    return masks


def _month_numbers(data: Values) -> Named:
    return xr.Variable((T,), np.arange(data["seconds"].size))


def _outlives(data: Values) -> NDArray[np.bool_]:
    """Where the end of an accelerator's life says more than the balance of what is installed does."""
    fleet = data["fleet"]
    found = (_month_numbers(data) >= data["life_months"]) | (fleet < fleet.isel({T: 0}))
    return np.asarray(found.transpose(*fleet.dims).values, dtype=bool)


# --- money ---


def costs(data: Values) -> dict[str, Named]:
    """USD of the month for one unit of each decision."""
    return (
        choices.costs(data)
        | grid.costs(data)
        | {
            "draw": data["stack_price"],
            "stock": data["stack_holding"],
            "bought": data["accelerator_price"],
            "fitout": data["fitout_price"],
            "waiting": data["waiting_holding"],
            "installed": data["upkeep"],
            "answered": data["way_fee"] * data["seconds"] / DAY,
        }
    )


def residuals(data: Values) -> dict[str, Named]:
    """USD at the end of the horizon that is left of one unit of each decision."""
    return grid.residuals(data) | {
        "draw": data["accelerator_residual"] * data["stack_value"],
        "bought": data["accelerator_residual"] * data["accelerator_price"],
        "fitout": data["fitout_residual"] * data["fitout_price"],
        "chosen": data["option_left"],
    }


def steering(data: Values) -> dict[str, Named]:
    """USD of the month put on one unit of what is left undone; nobody pays it."""
    days = data["seconds"] / DAY
    return {
        "unserved": data["unserved_price"] * days,
        "deep": data["tier_price"] * days,
        "undone": data["campaign_late"],
        "answered": data["way_loss"] * days,
    }


def present_costs(data: Values) -> dict[str, Named]:
    """What one unit of each decision adds to the objective: costs, or what is left undone, less residual values."""
    paid, weighed = costs(data), steering(data)
    both = paid | weighed | {name: paid[name] + weighed[name] for name in paid.keys() & weighed.keys()}
    found = {name: cost * data["discount"] for name, cost in both.items()}
    found["chosen"] = found["chosen"].sum(T)
    end = data["discount"][-1]
    return found | {name: found[name] - value * end for name, value in residuals(data).items()}


# --- constraint families ---


def _stacks(data: Values, x: Columns) -> Terms:
    return [(1.0, x["stock"]), (-1.0, before(x["stock"])), (1.0, x["draw"]), (1.0, x["released"]), (-1.0, x["take"])]


def _packages(data: Values, x: Columns) -> Terms:
    return [(data["stacks_per_package"], x["bought"]), (-1.0, x["draw"])]


def _packaging(data: Values, x: Columns) -> Terms:
    return [(data["wafers_per_package"], x["bought"])]


def _orders(data: Values, x: Columns) -> Terms:
    return [(1.0, x["bought"])]


def _arrivals(data: Values, x: Columns) -> Terms:
    month = _month_numbers(data)
    arrives = month - xr.Variable((EARLIER,), month.values) == data["lead_months"]
    arrived = (-1.0 * arrives.astype(float), earlier(x["bought"]))
    return [(1.0, x["waiting"]), (-1.0, before(x["waiting"])), arrived, (1.0, x["placed"])]


def _installed(data: Values, x: Columns) -> Terms:
    return [
        (1.0, x["installed"]),
        (-1.0, before(x["installed"])),
        (-1.0, x["placed"]),
        (1.0, x["retired"]),
    ]


def _life(data: Values, x: Columns) -> Terms:
    month = _month_numbers(data)
    age = month - xr.Variable((EARLIER,), month.values)
    alive = (age >= 0) & (age < data["life_months"])
    return [(1.0, x["installed"]), (-1.0 * alive.astype(float), earlier(x["placed"]))]


def _working(data: Values, x: Columns) -> Terms:
    return [(1.0, x["run"]), (1.0, x["train"]), (-data["availability"], x["installed"])]


def _fitout(data: Values, x: Columns) -> Terms:
    return [(1.0, x["fitted"]), (-1.0, before(x["fitted"])), (-1.0, x["fitout"])]


def _answered(data: Values, x: Columns) -> Terms:
    return [(1.0, x["answered"]), (-(data["rate"] * DAY / grid.peak_over_mean(data)), x["run"])]


def _service(data: Values, x: Columns) -> Terms:
    return [(1.0, x["served"]), (-data["way_service"], x["answered"])]


def _mix(data: Values, x: Columns) -> Terms:
    return [(1.0, x["answered"]), (-data["way_most"] * data["way_service"], x["served"])]


def _demand(data: Values, x: Columns) -> Terms:
    return [(1.0, x["served"]), (1.0, x["unserved"])]


def _budget(data: Values, x: Columns) -> Terms:
    month = xr.Variable((T,), np.ones(data["seconds"].size))
    return [(month * cost, x[name]) for name, cost in costs(data).items()]


DAILY = ("demand", "tiers", "answered", "service", "mix")  # families of tokens a day: their duals are of a day's tokens

FAMILIES: dict[str, Family] = {
    "stacks": Family(_stacks, "=", lambda d: d["stacks_delivered"] + opening(d, d["stacks_start"]), "price_stack"),
    "packages": Family(_packages, "=", None, "price_package"),
    "packaging": Family(_packaging, "<=", lambda d: d["packaging_wafers"], "price_packaging"),
    "orders": Family(_orders, "<=", lambda d: d["orders_max"], "price_orders"),
    "arrivals": Family(_arrivals, "=", None, "price_ready"),
    "installed": Family(_installed, "=", lambda d: opening(d, d["fleet"].isel({T: 0})), "price_installed"),
    "life": Family(_life, "<=", lambda d: d["fleet"], "price_life"),
    "working": Family(_working, "<=", None, "price_working"),
    "fitout": Family(_fitout, "<=", lambda d: opening(d, d["fitted_start"]), "price_fitout"),
    "answered": Family(_answered, "=", None, "price_answered"),
    "service": Family(_service, "=", None, "price_service"),
    "mix": Family(_mix, "<=", lambda d: xr.zeros_like(d["way_fee"]).where(d["way_most"] < 1, np.inf), "price_mix"),
    "demand": Family(_demand, "=", lambda d: d["demand"], "price_demand"),
    "budget": Family(_budget, "<=", lambda d: d["budget"], "price_budget"),
    **grid.FAMILIES,
    **choices.FAMILIES,
}


def right_sides(data: Values) -> dict[str, Array]:
    """The right-hand side of every family on the axes of its price."""
    sizes = {dim: size for values in data.values() for dim, size in values.sizes.items()} | {Y: data["budget"].size}
    found = {}
    for name, family in FAMILIES.items():
        dims = PRICES[family.price].dims
        right: Named = xr.Variable((), 0.0) if family.right is None else family.right(data)
        found[name] = right.set_dims({dim: sizes[dim] for dim in dims}).transpose(*dims).values
    return found
