"""What is chosen, contracted or trained, as rows of the program: options, contracts, whole systems, tiers, campaigns.

An option is a phase of a site, another hall at a site, or a contract: chosen or not, at a fee, it adds site power or
stacks that may be taken. Options may need another, and of a group at most one is chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import xarray as xr

from stackyard.plan.problem import SITE, A, N, O, T
from stackyard.plan.program import Terms

Named: TypeAlias = Any  # an xr.Variable, whose methods are not typed
Values: TypeAlias = Mapping[str, Named]
Columns: TypeAlias = Mapping[str, Named]
EARLIER = "earlier month"  # a second month axis, for what was started or placed before


class Family(NamedTuple):
    """One constraint family: its left side, its relation, its right side (None is 0) and the name of its price."""

    left: Callable[[Values, Columns], Terms]
    sign: str
    right: Callable[[Values], Named] | None
    price: str


def before(columns: Named) -> Named:
    """The columns of the month before; none in the first."""
    return columns.shift({T: 1}, fill_value=-1)


def earlier(values: Named) -> Named:
    """The same on the axis of earlier months."""
    return _renamed(values, T, EARLIER)


def opening(data: Values, amount: Named) -> Named:
    """An amount from before the horizon, in the first month; 0 in the others."""
    return amount * xr.Variable((T,), (np.arange(data["seconds"].size) == 0).astype(float))


def _renamed(values: Named, old: str, new: str) -> Named:
    return xr.Variable([new if dim == old else str(dim) for dim in values.dims], values.values)


def possible(data: Values, bought: Named, installed: Named) -> dict[str, Named]:
    """Where decisions of this module can be non-zero."""
    hosts = data["cluster_most"] > 0
    return {
        "deep": data["tier_price"] > 0,
        "take": (data["option_stacks"] > 0).any(O),
        "short": (data["option_minimum"] > 0).any(O) & np.isfinite(data["short_price"]),
        "lots": bought & (data["lot"] > 0),
        "host": hosts,
        "train": installed & hosts & (data["campaign_open"] > 0),
        "active": (data["campaign_open"] > 0) & (data["campaign_least"] > 0),
    }


def bounds(data: Values) -> dict[str, tuple[Any, Any]]:
    """Least and most of the decisions that are bounded otherwise than by 0."""
    return {
        "chosen": (data["option_least"].values, data["option_most"].values),
        "host": (0.0, 1.0),
        "active": (0.0, 1.0),
    }


def training(data: Values) -> Named:
    """Watts that training adds to an installed accelerator, (accelerator, campaign)."""
    return data["train_power"] - data["power_idle"]


def costs(data: Values) -> dict[str, Named]:
    """USD of the month for one unit of each decision of this module."""
    short = data["short_price"]
    return {
        "take": data["take_price"],
        "short": short.where(np.isfinite(short), 0.0),
        "chosen": data["option_fee"],
    }


def _finite(values: Named, there: Named) -> Named:
    """0 where there is such a row, infinite (no row) elsewhere."""
    return xr.zeros_like(values, dtype=float).where(there, np.inf)


def _tiers(data: Values, x: Columns) -> Terms:
    return [(1.0, x["unserved"]), (-1.0, x["deep"])]


def _offer(data: Values, x: Columns) -> Terms:
    return [(1.0, x["take"]), (-data["option_stacks"], x["chosen"])]


def _most_in_all(data: Values) -> Named:
    """Stacks that each option allows in all of each supply; 0 where it offers none of it."""
    return data["option_total"].where((data["option_stacks"] > 0).any(T), 0.0)


def _total(data: Values, x: Columns) -> Terms:
    most = _most_in_all(data)
    return [(1.0, x["take"]), (-most.where(np.isfinite(most), 0.0), x["chosen"])]


def _total_right(data: Values) -> Named:
    most = _most_in_all(data)
    return _finite(most.sum(O), np.isfinite(most).all(O) & (data["option_stacks"] > 0).any([O, T]))


def year_so_far(data: Values) -> Named:
    """1 where an earlier month lies in the year of a month, and not after it: (month, earlier month)."""
    year = data["year_number"]
    month = np.arange(year.size)
    inside = (year.values[:, None] == year.values[None, :]) & (month[None, :] <= month[:, None])
    return xr.Variable((T, EARLIER), inside.astype(float))


def _minimum(data: Values, x: Columns) -> Terms:
    taken = (-1.0 * year_so_far(data), earlier(x["take"]))
    return [taken, (-1.0, x["short"]), (data["option_minimum"], x["chosen"])]


def _group(data: Values, x: Columns) -> Terms:
    return [(data["option_group"], x["chosen"])]


def _needs(data: Values, x: Columns) -> Terms:
    needs = data["option_needs"]
    return [(needs, x["chosen"]), (-needs, _renamed(x["chosen"], O, N))]


def _lot(data: Values, x: Columns) -> Terms:
    return [(1.0, x["bought"]), (-data["lot"], x["lots"])]


def _progress(data: Values, x: Columns) -> Terms:
    return [
        (-1.0, x["undone"]),
        (1.0, before(x["undone"])),
        (-data["train_rate"] * data["seconds"], x["train"]),
    ]


def _host(data: Values, x: Columns) -> Terms:
    return [(1.0, x["train"]), (-data["cluster_most"], x["host"])]


def _place(data: Values, x: Columns) -> Terms:
    return [(1.0, x["host"])]


def _least(data: Values, x: Columns) -> Terms:
    return [(data["campaign_least"], x["active"]), (-1.0, x["train"])]


def _active(data: Values, x: Columns) -> Terms:
    return [(1.0, x["train"]), (-data["cluster_most"].max([A, SITE]), x["active"])]


def _cluster(data: Values) -> Named:
    """Rows for campaigns that need a least cluster, in the months in which they may run."""
    return _finite(data["campaign_open"], (data["campaign_least"] > 0) & (data["campaign_open"] > 0))


FAMILIES: dict[str, Family] = {
    "tiers": Family(_tiers, "<=", lambda d: d["tier_start"].where(d["tier_price"] > 0, np.inf), "price_tier"),
    "offer": Family(_offer, "<=", lambda d: _finite(d["take_price"], (d["option_stacks"] > 0).any(O)), "price_offer"),
    "total": Family(_total, "<=", _total_right, "price_total"),
    "minimum": Family(
        _minimum, "<=", lambda d: _finite(d["take_price"], (d["option_minimum"] > 0).any(O)), "price_minimum"
    ),
    "group": Family(_group, "<=", lambda d: xr.ones_like(d["option_group"].sum(O)), "price_group"),
    "needs": Family(_needs, "<=", None, "price_needs"),
    "lot": Family(_lot, "=", lambda d: _finite(d["orders_max"], d["lot"] > 0), "price_lot"),
    "progress": Family(_progress, "<=", lambda d: opening(d, -d["campaign_flop"]), "price_progress"),
    "host": Family(_host, "<=", None, "price_host"),
    "place": Family(_place, "<=", lambda d: xr.ones_like(d["campaign_flop"]), "price_place"),
    "least": Family(_least, "<=", _cluster, "price_least"),
    "active": Family(_active, "<=", _cluster, "price_active"),
}
