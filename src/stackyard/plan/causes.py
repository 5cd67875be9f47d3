"""Why demand is left in a month: what each cause leaves unserved, of every service that is short.

Asked in this order. Could one more accelerator serve the service by then at all? If not, the one thing without which it
cannot is the cause. How much would be served then without one limit, lifted throughout? That much is left for it. How
much without the two of which this is most? What each would do without the other counts for either of them; what only
both do, or all limits lifted, for several at once. The rest is left because serving it would cost more than the price
put on leaving it.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stackyard.plan.grid import most_power
from stackyard.plan.limits import RESOURCES, possible
from stackyard.plan.plan import Plan
from stackyard.plan.problem import SITE, A, K, Problem, S, T, V, W, Y
from stackyard.words import phrase

SHORT = 5e-3  # share of demand left in a month below which it counts as served
NOTICEABLE = 0.05  # part of a month's shortage below which lifting a limit does nothing: plans of equal cost differ so
ROUNDING = 1e-9  # part of a shortage that two solutions of one program may differ by

SERVED = "demand"
LEAD, LAUNCH, HALL, RATE, QUALIFIED = "lead time", "launch", "hall", "rate", "qualification"
MISSING, EITHER, SEVERAL, COST, UNASKED = "missing", "either", "together", "cost", "unasked"
# What is said where no single resource is the cause.
NOTHING: dict[str, str] = {
    SERVED: phrase("all demand is served"),
    LEAD: phrase("nothing that is ordered can have arrived"),
    LAUNCH: phrase("no accelerator that could serve it is on sale early enough"),
    QUALIFIED: phrase("no maker is qualified yet for an accelerator that could serve it"),
    HALL: phrase("no site with power takes the racks that could serve it: rack power or cooling"),
    RATE: phrase("no accelerator of the scenario can run it"),
    MISSING: phrase("more than one thing is missing that every accelerator for it needs"),
    EITHER: phrase("either of two limits leaves it: more of one of them would do"),
    SEVERAL: phrase("several limits hold at once"),
    COST: phrase(
        "serving it would cost more than the price put on leaving it, with any one limit lifted or all of them"
    ),
    UNASKED: phrase("no limit that was lifted in the time given would serve it"),
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
    single, together = part_of(plan, more["single"]), part_of(plan, more["together"])
    first, second = leading(single)
    one, two = single.max(axis=0), np.sort(single, axis=0)[-2]
    either = _either(plan, more)
    together = np.maximum(together, np.maximum(_both(plan, more), one))
    found = {
        name: np.where(first == r, _beyond(one, either), 0.0) + np.where(second == r, _beyond(two, either), 0.0)
        for r, name in enumerate(RESOURCES)
    }
    rest, told = _beyond(together, one + two - either), bool(more["together"].notnull().all())
    return found | {EITHER: either, SEVERAL: rest, COST if told else UNASKED: _beyond(1.0, together)}


def _beyond(part: Months | float, other: Months) -> Months:
    """By how much a part exceeds another; what rounding leaves of equal ones is nothing."""
    more = part - other
    return np.where(more > ROUNDING, more, 0.0)


def leading(single: Months) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The limits that alone would serve most and second most of what a month leaves, (service, month).

    >>> most, second = leading(np.array([[[5.0, 1.0]], [[3.0, 4.0]]]))
    >>> most.tolist(), second.tolist()
    ([[0, 1]], [[1, 0]])
    """
    order = np.argsort(-single, axis=0, kind="stable")
    return order[0], order[1]


def _both(plan: Plan, more: xr.Dataset) -> Months:
    """Part that is served without the two leading limits; what they do alone where that was not solved for."""
    single, pairs = part_of(plan, more["single"]), part_of(plan, more["pair"])
    first, second = leading(single)
    v, t = np.indices(first.shape)
    solved = np.isfinite(more["pair"].values[first, second, v, t])
    alone = single[first, v, t] + single[second, v, t]
    found: Months = np.where(solved, pairs[first, second, v, t], np.minimum(alone, 1.0))
    return found


def _either(plan: Plan, more: xr.Dataset) -> Months:
    """Part that each of the two leading limits would serve without the other: s1 + s2 - s12, from 0 to s2."""
    single = np.sort(part_of(plan, more["single"]), axis=0)
    found: Months = np.clip(single[-1] + single[-2] - _both(plan, more), 0.0, single[-2])
    return found


def tied(plan: Plan, more: xr.Dataset) -> xr.DataArray:
    """How much each limit is one of two of which either would do, (resource, month; tokens per day)."""
    tokens = _either(plan, more) * plan.decisions["unserved"].values
    first, second = leading(part_of(plan, more["single"]))
    found = [np.where((first == r) | (second == r), tokens, 0.0).sum(axis=0) for r in range(len(RESOURCES))]
    return more["single"].sum(V).copy(data=np.array(found))


def part_of(plan: Plan, more: xr.DataArray) -> Months:
    """Tokens more served as a part of what a month leaves unserved of a service; 0 where that is not noticeable."""
    unserved = np.maximum(plan.decisions["unserved"].values, 1e-30)
    part = np.clip(np.nan_to_num(more.values) / unserved, 0.0, 1.0)
    return np.where(part < NOTICEABLE, 0.0, part)


def needed(plan: Plan, more: xr.Dataset) -> xr.DataArray:
    """How much each of several limits holds, (resource, month; tokens per day): what lifting all the others leaves."""
    all_of_them, others = part_of(plan, more["together"]), part_of(plan, more["without"].fillna(more["together"]))
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
    own = d["way_service"].isel({V: service}, drop=True) > 0
    able = ((d["rate"] > 0) & own).any(W) & (d["availability"] > 0)
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
