"""What happens when a step ends: tokens are counted, requests leave or go on to another engine."""

from __future__ import annotations

import math

from stackyard.sim.kernel import blocks, queue
from stackyard.sim.kernel.compile import compiled
from stackyard.sim.kernel.state import (
    GAP_LOW,
    GAP_RATIO,
    GAPS,
    SENT,
    SERVED,
    TURN,
    Record,
    draws,
    engines,
    fetch,
    gaps,
    hosts,
    moments,
    outs,
    runs,
    sessions,
    slots,
)

RATIO = math.log(GAP_RATIO)
AHEAD = 16  # running requests whose memory is asked for before they are looked at


@compiled
def emit(w: Record, e: int, s: int, status: int) -> None:
    """Writes down how a request fared and frees its slot."""
    left, slot = outs(w, w["left"]), slots(w, s)
    w["left"] += 1
    left["id"], left["prompt"], left["output"] = slot["id"], slot["prompt"], slot["output"]
    left["made"], left["cached"], left["preempted"] = slot["made"], slot["cached"], slot["preempted"]
    left["engine"], left["klass"], left["model"], left["status"] = e, slot["klass"], slot["model"], status
    left["arrival"], left["first"], left["last"] = slot["arrival"], slot["first"], slot["last"]
    queue.count(w, e, -1)
    if slot["session"] >= 0:
        session = sessions(w, slot["session"])
        following = session["first"]
        if following < 0:
            session["busy"] = 0
        else:
            session["first"] = slots(w, following)["next"]
            queue.later(w, w["now"], following, TURN)
    queue.give(w, s)


@compiled
def bin_of(gap: float) -> int:
    """The bin that a gap falls into."""
    if gap <= GAP_LOW:
        return 0
    return min(int(math.log(gap / GAP_LOW) / RATIO), GAPS - 1)


@compiled
def accepted(w: Record, s: int) -> int:
    """Tokens that a request gains in one step: drafts are kept up to the first that is refused, and one more."""
    slot = slots(w, s)
    kept, size = 0, w["many_draws"]
    while kept < w["drafts"]:
        place = slot["id"] * 7919 + (slot["made"] + kept) * 104729 + 17
        if draws(w, place % size)["value"] >= w["accept"]:
            break
        kept += 1
    return min(kept + 1, slot["output"] - slot["made"])


@compiled
def prompt_done(w: Record, e: int, s: int, now: float) -> bool:
    """Counts a request's chunk; the last one yields a token. True where the request leaves the running ones."""
    engine = engines(w, e)
    slot = slots(w, s)
    slot["done"] += slot["chunk"]
    slot["chunk"] = 0
    blocks.share(w, e, s)
    if slot["done"] < slot["target"]:
        return False
    engine["prefilling"] -= 1
    if slot["made"] == 0:
        slot["first"] = now
    else:
        gaps(w, bin_of(now - slot["last"]))["count"] += 1
    slot["made"] += 1
    slot["last"] = now
    if slot["made"] >= slot["output"]:
        return depart(w, e, s)
    if engine["role"] == 1:
        start = max(now, engine["link_free"])
        size = slot["done"] * engine["token_bytes"]
        engine["link_free"] = start + size / w["link_rate"]
        queue.later(w, engine["link_free"] + w["link_latency"], s, SENT)
        return True
    return False


@compiled
def depart(w: Record, e: int, s: int) -> bool:
    """A request has all its tokens."""
    blocks.share(w, e, s)
    blocks.release(w, e, s)
    emit(w, e, s, SERVED)
    return True


@compiled
def complete(w: Record, h: int) -> None:
    """Ends the running step, or steps, of a host."""
    host, e = hosts(w, h), hosts(w, h)["engine"]
    now, steps, kept = host["end"], host["steps"], 0
    decoding, speculative = engines(w, e)["decoding"] > 0, w["drafts"] > 0
    account(w, h)
    last_gap, last_bin, many = -1.0, 0, 0
    rest = bin_of((now - host["start"] - host["step"]) / (steps - 1)) if steps > 1 else 0
    for i in range(min(engines(w, e)["running"], AHEAD)):
        fetch(slots(w, runs(w, e, i)["slot"]))
    for i in range(engines(w, e)["running"]):
        fetch(slots(w, runs(w, e, min(i + AHEAD, w["sequences"] - 1))["slot"]))
        s = runs(w, e, i)["slot"]
        slot, leaves = slots(w, s), False
        if slot["chunk"] > 0:
            leaves = prompt_done(w, e, s, now)
        elif decoding and slot["done"] >= slot["target"]:
            gained = accepted(w, s) if speculative else steps
            gap = host["start"] + host["step"] - slot["last"]
            if gap != last_gap:
                if many > 0:
                    gaps(w, last_bin)["count"] += many
                last_gap, last_bin, many = gap, bin_of(gap), 0
            many += 1
            if steps > 1:
                gaps(w, rest)["count"] += steps - 1
                blocks.grow(w, e, s, slot["done"] + steps)
            slot["done"] += gained
            slot["made"] += gained
            slot["last"] = now
            engines(w, e)["decode_tokens"] += gained
            if slot["made"] >= slot["output"]:
                leaves = depart(w, e, s)
        if not leaves:
            runs(w, e, kept)["slot"] = s
            kept += 1
    if many > 0:
        gaps(w, last_bin)["count"] += many
    engines(w, e)["running"] = kept


@compiled
def account(w: Record, h: int) -> None:
    """Adds what the ended steps took to the engine's sums and to the series over time."""
    host, engine = hosts(w, h), engines(w, hosts(w, h)["engine"])
    seconds = host["end"] - host["start"]
    held = engine["total"] - engine["free"] - engine["idle_nodes"]
    engine["busy"] += seconds
    engine["steps"] += host["steps"]
    engine["compute"] += host["compute"] * host["steps"]
    engine["bytes"] += host["moved"] * host["steps"]
    engine["prefill_tokens"] += engine["tokens"]
    engine["block_seconds"] += held * seconds
    engine["sequence_seconds"] += engine["running"] * seconds
    width, at = w["width"], host["start"]
    while at < host["end"]:
        i = int(min(at / width, w["many_moments"] - 1.0))
        if (i + 1) * width <= at and i < w["many_moments"] - 1:
            i += 1  # `at` is the very end of interval i
        stop = host["end"] if i == w["many_moments"] - 1 else min((i + 1) * width, host["end"])
        part = stop - at
        moments(w, i)["running"] += engine["running"] * part
        moments(w, i)["waiting"] += engine["waiting"] * part
        moments(w, i)["held"] += held * part
        moments(w, i)["cached"] += engine["idle_nodes"] * part
        moments(w, i)["busy"] += part
        at = stop
