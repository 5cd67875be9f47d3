"""Power as rows of the program: what a plant draws, its peak from the grid, and sources beside the grid.

Site power = overhead x fitted + pue x IT power: the plant that is built draws its fixed part whatever runs, and the
rest rises with IT power. `pue` and `overhead` are means of the month, for energy; `pue_peak` and `overhead_peak` those
of its worst hour, for limits. `pue_design` is site power over IT power in the worst hour of the year at full load:
fitted power is counted in it, so IT power is at most fitted / pue_design in every month.

A source stands at one site. What it can put out, what of it a peak can count on and what it loses go with its capacity.
"""

from __future__ import annotations

import xarray as xr

from stackyard.plan import choices
from stackyard.plan.choices import Columns, Family, Named, Values, before
from stackyard.plan.problem import SITE
from stackyard.plan.program import Terms


def running(data: Values) -> Named:
    """Watts that running adds to an installed accelerator."""
    return data["power_busy"] - data["power_idle"]


def it_power(data: Values, x: Columns, each: Named, load: Named | float = 1.0) -> Terms:
    """IT power times `each` (site, month); `load` is the share of its peak that a service runs at."""
    return [
        (data["power_idle"] * each, x["installed"]),
        (running(data) * load * each, x["run"]),
        (choices.training(data) * each, x["train"]),
    ]


def costs(data: Values) -> dict[str, Named]:
    """USD of the month for one unit of each decision of this module."""
    carbon = data["carbon_price"]
    return {
        "grid_peak": data["demand_charge"],
        "grid": data["seconds"] * (data["electricity_price"] + carbon * data["grid_carbon"]),
        "output": data["seconds"] * (data["source_energy_price"] + carbon * data["source_carbon"]),
        "capacity": data["source_upkeep"],
        "built": data["source_price"],
    }


def residuals(data: Values) -> dict[str, Named]:
    """USD at the end of the horizon that is left of one unit of each decision of this module."""
    return {"built": data["source_residual"] * data["source_price"]}


def _power(data: Values, x: Columns) -> Terms:
    return [*it_power(data, x, data["pue_design"]), (-1.0, x["fitted"])]


def _peak(data: Values, x: Columns) -> Terms:
    return [
        *it_power(data, x, data["pue_peak"]),
        (data["overhead_peak"], x["fitted"]),
        (-(data["source_site"] * data["source_firm"]), x["capacity"]),
        (-1.0, x["grid_peak"]),
    ]


def _energised(data: Values, x: Columns) -> Terms:
    return [(1.0, x["grid_peak"]), (-data["option_power"], x["chosen"])]


def _energy(data: Values, x: Columns) -> Terms:
    return [
        *it_power(data, x, data["pue"], 1.0 / data["peak_to_mean"]),
        (data["overhead"], x["fitted"]),
        (data["source_site"] * data["source_loss"], x["capacity"]),
        (-data["source_site"], x["output"]),
        (-1.0, x["grid"]),
    ]


def _output(data: Values, x: Columns) -> Terms:
    return [(1.0, x["output"]), (-data["source_yield"], x["capacity"])]


def _capacity(data: Values, x: Columns) -> Terms:
    return [(1.0, x["capacity"]), (-1.0, before(x["capacity"])), (-1.0, x["built"])]


def _source(data: Values, x: Columns) -> Terms:
    return [(1.0, x["capacity"])]


def most_power(data: xr.Dataset) -> xr.DataArray:
    """The most site power that the sources of a site could ever carry beside its grid, (site, month)."""
    found: xr.DataArray = (data["source_site"] * data["source_firm"] * data["source_most"]).sum("source")
    return found.transpose(SITE, ...)


FAMILIES: dict[str, Family] = {
    "power": Family(_power, "<=", None, "price_fitted"),
    "peak": Family(_peak, "<=", None, "price_peak"),
    "energised": Family(_energised, "<=", lambda d: d["site_power"], "price_power"),
    "energy": Family(_energy, "=", None, "price_energy"),
    "output": Family(_output, "<=", None, "price_output"),
    "capacity": Family(_capacity, "=", None, "price_capacity"),
    "source": Family(_source, "<=", lambda d: d["source_most"], "price_source"),
}
