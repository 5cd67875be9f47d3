"""The event loop: the earliest of arrivals, ends of steps, transfers, failures and ticks of the autoscaler is next."""

from __future__ import annotations

import math

from stackyard.sim.kernel import blocks, finish, plan, queue, route
from stackyard.sim.kernel.compile import compiled, entry
from stackyard.sim.kernel.state import (
    SENT,
    TOO_LONG,
    TURN,
    WORLD,
    Record,
    engines,
    heap,
    hosts,
    leaves,
    lines,
    outages,
    runs,
    sessions,
    slots,
)


@compiled
def lasts(w: Record, h: int, steps: int) -> float:
    """Seconds of the first steps of a host's running plan."""
    return hosts(w, h)["step"] * steps + hosts(w, h)["slope"] * (steps * (steps - 1) // 2)


@compiled
def start(w: Record, h: int, now: float) -> None:
    """Lets the next engine of an idle host that has work begin a step."""
    host = hosts(w, h)
    seen = host["start"] if host["engine"] >= 0 else now
    seen += lasts(w, h, host["steps"] - 1) if host["engine"] >= 0 else 0.0
    host["engine"], host["end"] = -1, math.inf
    for j in range(host["count"]):
        e = host["first"] + (host["turn"] + j) % host["count"]
        engines(w, e)["seen"] = seen
        if engines(w, e)["up"] == 1 and plan.choose(w, e, now):
            plan.price(w, e, h)
            host["engine"], host["start"] = e, now
            host["turn"] = (host["turn"] + j + 1) % host["count"]
            host["end"] = now + lasts(w, h, host["steps"])
            break
    queue.play(w, h)


@compiled
def cut(w: Record, h: int, now: float) -> None:
    """Ends a row of steps with the one that runs now, because a request has come."""
    host = hosts(w, h)
    a, b, past = host["step"] - host["slope"] / 2, host["slope"], now - host["start"]
    steps = past / a if abs(b) * past < 1e-9 * a * a else (math.sqrt(max(a * a + 2 * b * past, 0.0)) - a) / b
    n = max(int(steps), 1)
    while n > 1 and lasts(w, h, n - 1) >= past:
        n -= 1
    while n < host["steps"] and lasts(w, h, n) < past:
        n += 1
    if n < host["steps"]:
        host["steps"] = n
        host["end"] = host["start"] + lasts(w, h, n)
        queue.play(w, h)


@compiled
def wake(w: Record, e: int, now: float) -> None:
    """Something has come to an engine: an idle host begins at once, a row of steps ends early."""
    h = engines(w, e)["host"]
    if hosts(w, h)["engine"] < 0:
        hosts(w, h)["end"] = now
        queue.play(w, h)
    elif hosts(w, h)["engine"] == e and hosts(w, h)["steps"] > 1:
        cut(w, h, now)


@compiled
def arrive(w: Record, i: int, now: float) -> None:
    """A request enters: it is routed and queued, or turned away because no cache could ever hold it."""
    s = queue.claim(w)
    slot, line = slots(w, s), lines(w, i)
    slot["id"], slot["prompt"], slot["output"], slot["klass"] = (
        line["id"],
        line["prompt"],
        line["output"],
        line["klass"],
    )
    slot["model"], slot["hash_at"], slot["hash_n"] = line["model"], line["hash_at"], line["hash_n"]
    slot["session"] = line["session"]
    slot["made"], slot["done"], slot["kept"], slot["target"] = 0, 0, 0, slot["prompt"]
    slot["hits"], slot["private"], slot["cached"], slot["preempted"], slot["chunk"] = 0, 0, 0, 0, 0
    slot["first"], slot["deadline"] = math.nan, line["deadline"]
    w["peak"] = max(w["peak"], w["live"])
    if slot["session"] >= 0:
        session = sessions(w, slot["session"])
        if session["busy"] == 1:
            slot["next"] = -1
            if session["first"] < 0:
                session["first"] = s
            else:
                slots(w, session["last"])["next"] = s
            session["last"] = s
            return
        session["busy"] = 1
    begin(w, s, now)


@compiled
def begin(w: Record, s: int, now: float) -> None:
    """A request is sent: what follows counts as its latency."""
    slot = slots(w, s)
    slot["arrival"], slot["last"] = now, now
    e = enqueue(w, 2 * slot["model"], s)
    final = slot["prompt"] + slot["output"] - 1
    if (final + w["block"] - 1) // w["block"] > engines(w, e)["total"]:
        finish.emit(w, e, s, TOO_LONG)
        return
    queue.append(w, e, s)
    wake(w, e, now)


@compiled
def enqueue(w: Record, p: int, s: int) -> int:
    """Routes a request within a pool and counts it there; returns the engine."""
    e = route.route(w, p, s)
    slots(w, s)["engine"] = e
    queue.count(w, e, 1)
    return e


@compiled
def transferred(w: Record, now: float) -> None:
    """The earliest wait is over: a prefix is up in HBM, a cache is with the engine that decodes, a session is free."""
    s, kind = heap(w, 0)["slot"], heap(w, 0)["kind"]
    queue.remove(w)
    if kind == TURN:
        begin(w, s, now)
        return
    e = slots(w, s)["engine"]
    if kind == SENT:
        blocks.release(w, e, s)
        queue.count(w, e, -1)
        wake(w, e, now)
        slots(w, s)["kept"], slots(w, s)["done"] = slots(w, s)["done"], 0
        e = enqueue(w, 2 * slots(w, s)["model"] + 1, s)
        queue.append(w, e, s)
    else:
        queue.prepend(w, e, s)
    wake(w, e, now)


@compiled
def move(w: Record, e: int, s: int, now: float) -> None:
    """Sends a request of a failed engine elsewhere; what it generated stays, its cache is gone."""
    blocks.release(w, e, s)
    slot = slots(w, s)
    slot["target"], slot["done"], slot["kept"], slot["chunk"] = slot["prompt"] + slot["made"], 0, 0, 0
    slot["preempted"] += 1
    queue.count(w, e, -1)
    p = 2 * slot["model"] + (1 if engines(w, e)["role"] == 2 else 0)
    other = enqueue(w, p, s)
    queue.append(w, other, s)
    if other != e:
        wake(w, other, now)


@compiled
def outage(w: Record, now: float) -> None:
    """An engine fails, losing its cache and its running step, or comes back empty."""
    at = w["broken"]
    w["broken"] += 1
    e, h = outages(w, at)["engine"], engines(w, outages(w, at)["engine"])["host"]
    if outages(w, at)["back"] > 0:
        engines(w, e)["up"] = 1
        wake(w, e, now)
        return
    engines(w, e)["up"] = 0
    if hosts(w, h)["engine"] == e:
        hosts(w, h)["engine"], hosts(w, h)["end"] = -1, now
        queue.play(w, h)
    running, waiting = engines(w, e)["running"], engines(w, e)["waiting"]
    engines(w, e)["running"], engines(w, e)["prefilling"] = 0, 0
    for i in range(running):
        move(w, e, runs(w, e, i)["slot"], now)
    for _ in range(waiting):
        s = queue.head(w, e)
        queue.pop(w, e, s)
        move(w, e, s, now)
    blocks.clear(w, e)


@compiled
def due(w: Record, i: int) -> float:
    """When the next request comes: at its time, or in a closed loop as soon as fewer than `closed` are in progress."""
    if i >= w["many_lines"]:
        return math.inf
    if w["closed"] > 0:
        return w["now"] if w["live"] < w["closed"] else math.inf
    return lines(w, i)["arrival"]


@entry(WORLD)
def advance(w: Record, i: int, final: int) -> int:
    """Runs the batch's requests from i on through the engines; returns the first that has not entered.

    Stops when the batch is used up, unless it is the final one: then when all have left; or when slots run out.
    """
    n = w["many_lines"]
    while True:
        if i >= n and (final == 0 or w["live"] == 0):
            return i
        if i < n and w["vacant"] < 0:
            return i
        h = leaves(w, 1)["host"]
        coming, ending = due(w, i), hosts(w, h)["end"]
        sent = heap(w, 0)["time"] if w["pending"] > 0 else math.inf
        broken = outages(w, w["broken"])["time"] if w["broken"] < w["many_outages"] else math.inf
        now = min(coming, ending, sent, broken, w["look_at"])
        if min(coming, ending, sent, broken) == math.inf:
            return i
        w["now"] = now
        if now == coming:
            arrive(w, i, now)
            i += 1
        elif now == sent:
            transferred(w, now)
        elif now == broken:
            outage(w, now)
        elif now == w["look_at"]:
            route.scale(w)
        else:
            if hosts(w, h)["engine"] >= 0:
                finish.complete(w, h)
            start(w, h, now)
