"""Power as rows of the program: what a plant draws, its peak from the grid, and sources beside the grid.

Site power = overhead x fitted + pue x IT power: the plant that is built draws its fixed part whatever runs, and the
rest rises with IT power. `pue` and `overhead` are means of the month, for energy; `pue_peak` and `overhead_peak` those
of its worst hour, for limits. `pue_design` is site power over IT power in the worst hour of the year at full load:
fitted power is counted in it, so IT power is at most fitted / pue_design in every month.

A source stands at one site, in one of its halls. What it can put out, what of it a peak can count on and what it loses
go with its capacity. Storage makes a cycle a day: it carries a part of the peak, and moves energy between the blocks of
the tariff, each so many hours of the day with one price. What comes over the grid in a block is never above its peak on
average, and storage gives no more in a block than the site draws there.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from stackyard.plan import choices
from stackyard.plan.choices import Columns, Family, Named, Values, before
from stackyard.plan.problem import SITE, B, O, P, V
from stackyard.plan.program import Terms


def peak_over_mean(data: Values) -> Named:
    """Peak of the day over its mean, of the service of each way.

    >>> from stackyard import api
    >>> problem = api.problem("first-plan").problem
    >>> float(peak_over_mean(problem.data).max())
    1.6
    """
    return (data["way_service"] * data["peak_to_mean"]).sum(V)


def premium(data: Values) -> Named:
    """USD/J that energy costs more than its mean at the site of each source, (source, block, month)."""
    return (data["source_site"] * data["block_premium"]).sum(SITE)


def beside(data: Values) -> Named:
    """Whether a site may have power beside its grid."""
    return (data["source_site"] > 0).any(P)


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
        "charged": premium(data) * data["seconds"],
        "discharged": -premium(data) * data["seconds"],
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
        *it_power(data, x, data["pue"], 1.0 / peak_over_mean(data)),
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
    return [(1.0, x["capacity"]), (-data["option_source"], x["chosen"])]


def _shift(data: Values, x: Columns) -> Terms:
    return [(1.0, x["discharged"]), (-data["source_shift"], x["capacity"])]


def _cycle(data: Values, x: Columns) -> Terms:
    return [(1.0, x["discharged"]), (-1.0, x["charged"])]


def _replaced(data: Values, x: Columns) -> Terms:
    return [(data["source_site"], x["discharged"]), (-data["block_share"], x["grid"])]


def _mean(data: Values, x: Columns) -> Terms:
    share, here = data["block_share"], data["source_site"]
    return [
        (share, x["grid"]),
        (share * here * data["source_wheeled"], x["output"]),
        (here, x["charged"]),
        (-here, x["discharged"]),
        (-share, x["grid_peak"]),
    ]


def can_move(data: Values) -> tuple[Named, Named]:
    """Where storage can earn by charging and by discharging, (source, block, month): blocks of the tariff that are not
    the dearest, and those that are not the cheapest."""
    there = (data["source_shift"] > 0) & ((data["source_site"] * data["block_share"]).sum(SITE) > 0)
    over = premium(data)
    highest, lowest = over.where(there, -np.inf).max(B), over.where(there, np.inf).min(B)
    return there & (over < highest), there & (over > lowest)


def _where(there: Named, like: Named) -> Named:
    """A right-hand side of 0 where there is such a row, none elsewhere."""
    return xr.zeros_like(like, dtype=float).where(there, np.inf)


def _blocks(data: Values) -> Named:
    """Blocks of the tariffs of sites that may have power beside the grid, (site, block)."""
    return beside(data) & (data["block_share"] > 0)


def most_power(data: xr.Dataset) -> xr.DataArray:
    """The most site power that the sources of a site could ever carry beside its grid, (site, month)."""
    most = data["source_most"] + data["option_source"].sum(O)
    found: xr.DataArray = (data["source_site"] * data["source_firm"] * most).sum(P)
    return found.transpose(SITE, ...)


FAMILIES: dict[str, Family] = {
    "power": Family(_power, "<=", None, "price_fitted"),
    "peak": Family(_peak, "<=", None, "price_peak"),
    "energised": Family(_energised, "<=", lambda d: d["site_power"], "price_power"),
    "energy": Family(_energy, "=", None, "price_energy"),
    "output": Family(_output, "<=", None, "price_output"),
    "capacity": Family(_capacity, "=", None, "price_capacity"),
    "source": Family(_source, "<=", lambda d: d["source_most"], "price_source"),
    "shift": Family(_shift, "<=", lambda d: _where(can_move(d)[1].any(B), d["source_most"]), "price_shift"),
    "cycle": Family(_cycle, "=", None, "price_cycle"),
    "replaced": Family(_replaced, "<=", lambda d: _where(_blocks(d), d["block_premium"]), "price_replaced"),
    "mean": Family(_mean, "<=", lambda d: _where(_blocks(d), d["block_premium"]), "price_mean"),
}
