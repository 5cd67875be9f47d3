"""Why demand is left in a month: what each cause leaves unserved, of every service that is short.

Asked in this order. Could one more accelerator serve the service by then at all? If not, the one thing without which it
cannot is the cause. How much would be served then without one limit, lifted throughout? That much is left for the limit
of which this is most. How much with all limits lifted? What this adds is left for several limits at once.
The rest is left because serving it would cost more than the price put on leaving it.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stackyard.plan.grid import most_power
from stackyard.plan.limits import RESOURCES, possible
from stackyard.plan.plan import Plan
from stackyard.plan.problem import SITE, A, K, Problem, S, T, V, Y
from stackyard.words import phrase

SHORT = 5e-3  # share of demand left in a month below which it counts as served
NOTICEABLE = 0.05  # part of a month's shortage below which lifting a limit does nothing: plans of equal cost differ so

SERVED = "demand"
LEAD, LAUNCH, HALL, RATE, QUALIFIED = "lead time", "launch", "hall", "rate", "qualification"
MISSING, SEVERAL, COST = "missing", "together", "cost"
# What is said where no single resource is the cause.
NOTHING: dict[str, str] = {
    SERVED: phrase("all demand is served"),
    LEAD: phrase("nothing that is ordered can have arrived"),
    LAUNCH: phrase("no accelerator that could serve it is on sale early enough"),
    QUALIFIED: phrase("no maker is qualified yet for an accelerator that could serve it"),
    HALL: phrase("no site with power takes the racks that could serve it: rack power or cooling"),
    RATE: phrase("no accelerator of the scenario can run it: number format, memory or latency"),
    MISSING: phrase("more than one thing is missing that every accelerator for it needs"),
    SEVERAL: phrase("several limits hold at once"),
    COST: phrase(
        "serving it would cost more than the price put on leaving it, with any one limit lifted or all of them"
    ),
}

Flags: TypeAlias = NDArray[np.bool_]
Words: TypeAlias = NDArray[np.str_]
Months: TypeAlias = NDArray[np.float64]


def left(problem: Problem, plan: Plan, more: xr.Dataset) -> xr.DataArray:
    """Tokens per day left unserved for each cause, (cause, service, month); `more` is what `relief` found.

    The causes are the keys of RESOURCES and those of NOTHING but SERVED; services with less than SHORT of their demand
    left have none.
    """
    d = problem.data
    keys = [*RESOURCES, *(key for key in NOTHING if key != SERVED)]
    unserved = plan.decisions["unserved"].values
    short = np.where(unserved > SHORT * d["demand"].values, unserved, 0.0)
    found = np.zeros((len(keys), *short.shape))
    parts = _parts(plan, more)
    for v, tokens in enumerate(short):
        lacking = _lacking(d, v)
        for k, key in enumerate(keys):
            found[k, v] = tokens * np.where(lacking == "", parts[key][v] if key in parts else 0.0, lacking == key)
    coords = {"cause": keys, V: d[V], T: d[T]}
    return xr.DataArray(found, dims=("cause", V, T), coords=coords, attrs={"units": "token/day"})


def _parts(plan: Plan, more: xr.Dataset) -> dict[str, Months]:
    """Part of a service's shortage in a month that is left for each cause, (service, month): they add up to 1."""
    single, together = _part(plan, more["single"]), _part(plan, more["together"])
    most, best = single.max(axis=0), single.argmax(axis=0)
    together = np.maximum(together, most)
    found = {name: np.where(best == r, single[r], 0.0) for r, name in enumerate(RESOURCES)}
    return found | {SEVERAL: together - most, COST: 1.0 - together}


def _part(plan: Plan, more: xr.DataArray) -> Months:
    """Tokens more served as a part of what a month leaves unserved of a service; 0 where that is not noticeable."""
    unserved = np.maximum(plan.decisions["unserved"].values, 1e-30)
    part = np.clip(more.values / unserved, 0.0, 1.0)
    return np.where(part < NOTICEABLE, 0.0, part)


def needed(plan: Plan, more: xr.Dataset) -> xr.DataArray:
    """How much each of several limits holds, (resource, month; tokens per day): what lifting all the others leaves."""
    all_of_them, others = _part(plan, more["together"]), _part(plan, more["without"])
    lost = np.where(all_of_them - others >= NOTICEABLE, all_of_them - others, 0.0)
    return more["without"].copy(data=lost * plan.decisions["unserved"].values).sum(V)


def _lacking(d: xr.Dataset, service: int) -> Words:
    """What one more accelerator for the service lacks in each month; '' where it lacks nothing."""
    conditions = _conditions(d, service)
    short = ~_possible(d, conditions)
    early = np.arange(d.sizes[T]) < d["lead_months"].values.min()
    found = np.where(short, np.where(early, LEAD, MISSING), "").astype(object)
    for name in reversed(list(conditions)):
        found = np.where(short & _possible(d, _without(d, conditions, name)), name, found)
    return found


def _conditions(d: xr.Dataset, service: int) -> dict[str, Flags]:
    """What one more accelerator needs, (accelerator, month): in the month in which it is started; a hall with power
    that takes it, in the month in which it serves."""
    stacks = possible(d, RESOURCES["hbm"]).cumsum(T) + d["stacks_start"] > 0
    stacks = stacks & (d["fits_stack"] > 0)
    packed = ((d["wafers_per_package"] == 0) | (d["packaging_wafers"] > 0)).all(K)
    months = d.sizes[T]
    paid = [float(d["budget"].sel({Y: int(str(month)[:4])})) > 0 for month in d[T].values]
    able = (d["rate"].isel({V: service}) > 0) & (d["availability"] > 0)
    sold = d["orders_max"] > 0
    powered = possible(d, RESOURCES["power"]) + most_power(d) > 0
    fits = d["fits_stack"] > 0
    qualified = (fits & (d["undrawable"] == 0)).any(S) | ~fits.any(S)
    wide = np.ones((d.sizes[A], months), dtype=bool)
    return {
        "hbm": stacks.any(S).transpose(A, T).values,
        "packaging": packed.transpose(A, T).values,
        "orders": wide & sold.any(T).values[:, None],
        QUALIFIED: qualified.transpose(A, T).values,
        LAUNCH: (sold | ~sold.any(T)).transpose(A, T).values,
        "money": wide & np.array(paid),
        RATE: wide & able.values[:, None],
        HALL: (powered & (d["allowed"] > 0)).any(SITE).transpose(A, T).values,
        "power": wide & powered.any(SITE).values,
    }


def _without(d: xr.Dataset, conditions: dict[str, Flags], name: str) -> dict[str, Flags]:
    """The conditions but one. Power where there is none is of use only to what may stand at one of the sites."""
    rest = {key: met for key, met in conditions.items() if key != name}
    if name == "power":
        rest[HALL] = np.broadcast_to((d["allowed"] > 0).any(SITE).values[:, None], rest[HALL].shape)
    return rest


def _possible(d: xr.Dataset, conditions: dict[str, Flags]) -> Flags:
    """Months in which an accelerator started in time, with all conditions met, could serve."""
    months = d.sizes[T]
    later = np.ones((d.sizes[A], months), dtype=bool)
    start = later.copy()
    for name, met in conditions.items():
        if name in (HALL, "power"):
            later = later & met
        else:
            start = start & met
    found = np.zeros(months, dtype=bool)
    for a, lead in enumerate(d["lead_months"].values.astype(int)):
        ready = np.zeros(months, dtype=bool)
        ready[lead:] = np.logical_or.accumulate(start[a])[: max(months - lead, 0)]
        found |= ready & later[a]
    return found
