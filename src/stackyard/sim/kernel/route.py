"""Which engine a request goes to, and how many engines of a pool take requests."""

from __future__ import annotations

from stackyard.sim.kernel import blocks
from stackyard.sim.kernel.compile import compiled
from stackyard.sim.kernel.state import (
    KV_AWARE,
    POWER_OF_TWO,
    PREFIX,
    ROUND_ROBIN,
    Record,
    draws,
    engines,
    members,
    pools,
    ranks,
    slots,
)


@compiled
def usable(w: Record, e: int) -> bool:
    """Whether an engine runs and has started up."""
    return bool(engines(w, e)["up"] == 1 and engines(w, e)["ready"] <= w["now"])


@compiled
def turn(w: Record, p: int, start: int) -> int:
    """The first usable engine of a pool from a place on, round and round; the place itself where none is."""
    first, active = pools(w, p)["first"], pools(w, p)["active"]
    for j in range(active):
        e = members(w, first + (start + j) % active)["engine"]
        if usable(w, e):
            return e
    return members(w, first + start % active)["engine"]


@compiled
def least(w: Record, p: int) -> int:
    """The usable engine with the fewest requests; the first of equals. By the pool's tree where all are usable."""
    pool = pools(w, p)
    if w["ranked"] > 0:
        return members(w, pool["first"] + ranks(w, p, 1)["member"])["engine"]
    best = turn(w, p, 0)
    for j in range(pool["active"]):
        e = members(w, pool["first"] + j)["engine"]
        if usable(w, e) and engines(w, e)["outstanding"] < engines(w, best)["outstanding"]:
            best = e
    return best


@compiled
def score(w: Record, e: int, s: int) -> float:
    """What a request costs there, in tokens: its prompt less the cached prefix, and by the router how full it is."""
    engine = engines(w, e)
    each = w["node_blocks"] * w["block"]
    fresh = slots(w, s)["target"] - blocks.matched(w, e, s) * each
    if w["router"] == PREFIX:
        return float(fresh)
    held = engine["total"] - engine["free"] - engine["idle_nodes"]
    return w["affinity"] * fresh + held * w["block"]


@compiled
def best(w: Record, p: int, s: int) -> int:
    """The engine of the lowest score; of equals the one with the fewest requests."""
    emptiest = least(w, p)
    if w["router"] == PREFIX and (w["prefix"] == 0 or slots(w, s)["hash_n"] == 0):
        return emptiest  # nobody can have any of its prompt
    chosen, low = emptiest, score(w, emptiest, s)
    for j in range(pools(w, p)["active"]):
        e = members(w, pools(w, p)["first"] + j)["engine"]
        if usable(w, e):
            cost = score(w, e, s)
            if cost < low:
                chosen, low = e, cost
    if w["router"] == PREFIX:
        ahead = engines(w, chosen)["outstanding"] - engines(w, emptiest)["outstanding"]
        if ahead > w["affinity"]:
            return emptiest
    return chosen


@compiled
def route(w: Record, p: int, s: int) -> int:
    """The engine of a pool that a request goes to."""
    pool = pools(w, p)
    router, active = w["router"], pool["active"]
    if pool["members"] == 1:
        return members(w, pool["first"])["engine"]
    if router == ROUND_ROBIN:
        pool["turn"] += 1
        return turn(w, p, pool["turn"] - 1)
    if router == POWER_OF_TWO:
        place = slots(w, s)["id"] * 2
        one = turn(w, p, int(draws(w, place % w["many_draws"])["value"] * active))
        other = turn(w, p, int(draws(w, (place + 1) % w["many_draws"])["value"] * active))
        return other if engines(w, other)["outstanding"] < engines(w, one)["outstanding"] else one
    if router in (PREFIX, KV_AWARE):
        return best(w, p, s)
    return least(w, p)


@compiled
def scale(w: Record) -> None:
    """Adds an engine to a pool whose active ones have more than `high` requests each, takes one off below `low`.

    An added engine takes requests after the start-up delay; one that is taken off finishes what it has.
    """
    now = w["now"]
    for p in range(w["many_pools"]):
        active, requests = pools(w, p)["active"], 0
        w["paid"] += active * w["tick"]
        for j in range(pools(w, p)["members"]):
            requests += engines(w, members(w, pools(w, p)["first"] + j)["engine"])["outstanding"]
        if requests > w["high"] * active and active < pools(w, p)["members"]:
            pools(w, p)["active"] = active + 1
            engines(w, members(w, pools(w, p)["first"] + active)["engine"])["ready"] = now + w["start_up"]
        elif requests < w["low"] * active and active > w["least"]:
            pools(w, p)["active"] = active - 1
    w["look_at"] += w["tick"]
