"""What an engine does in its next step: which requests decode, which prompts are taken in, and how long that takes."""

from __future__ import annotations

from stackyard.sim.kernel import blocks, queue, table
from stackyard.sim.kernel.compile import compiled
from stackyard.sim.kernel.finish import emit
from stackyard.sim.kernel.state import (
    CLASSES,
    DECODE_FIRST,
    LOADED,
    MIXED,
    RECOMPUTE,
    SHED,
    Record,
    engines,
    hosts,
    queues,
    runs,
    slots,
)


@compiled
def preempt(w: Record, e: int) -> None:
    """Sends the request that was admitted last back to the head of its queue, without its blocks."""
    engine = engines(w, e)
    n = engine["running"] - 1
    s = runs(w, e, n)["slot"]
    engine["running"] = n
    engine["preemptions"] += 1
    engine["upset"] = 1
    if slots(w, s)["done"] < slots(w, s)["target"]:
        engine["prefilling"] -= 1
    slots(w, s)["preempted"] += 1
    blocks.release(w, e, s)
    slots(w, s)["target"] = slots(w, s)["prompt"] + slots(w, s)["made"]
    if w["swap"] != RECOMPUTE and slots(w, s)["done"] > 0:
        slots(w, s)["kept"] = slots(w, s)["done"]
        slots(w, s)["target"] = max(slots(w, s)["done"], slots(w, s)["prompt"])
        engine["extra"] += slots(w, s)["done"] * engine["token_bytes"] / w["swap_rate"]
    slots(w, s)["done"] = 0
    queue.prepend(w, e, s)


@compiled
def reserve(w: Record, e: int) -> bool:
    """Gives every decoding request the blocks of its next step, preempting the last ones where too few are left.

    Returns whether any was preempted.
    """
    preempted = False
    while True:
        need = 0
        for i in range(engines(w, e)["running"]):
            s = runs(w, e, i)["slot"]
            if slots(w, s)["done"] >= slots(w, s)["target"]:
                need += blocks.wanted(w, s, slots(w, s)["done"] + ahead(w, s))
        if need <= blocks.spare(w, e):
            break
        preempt(w, e)
        preempted = True
    if need > 0:
        for i in range(engines(w, e)["running"]):
            s = runs(w, e, i)["slot"]
            if slots(w, s)["done"] >= slots(w, s)["target"]:
                blocks.grow(w, e, s, slots(w, s)["done"] + ahead(w, s))
    return preempted


@compiled
def ahead(w: Record, s: int) -> int:
    """Tokens that a decoding request can gain in a step: its drafts and one more, never past its last."""
    return min(w["drafts"] + 1, slots(w, s)["output"] - slots(w, s)["made"])


@compiled
def promised(w: Record, e: int) -> float:
    """Blocks that the running requests may still come to need, by the share of their output that is reserved."""
    left = 0
    for i in range(engines(w, e)["running"]):
        s = runs(w, e, i)["slot"]
        left += slots(w, s)["prompt"] + slots(w, s)["output"] - max(slots(w, s)["done"], slots(w, s)["target"])
    return w["reserve"] * left / w["block"]


@compiled
def take_in(w: Record, e: int, s: int, budget: int) -> int:
    """Computes part of a running request's prompt in this step; returns its tokens, 0 where no block is free."""
    slot = slots(w, s)
    left = slot["target"] - slot["done"]
    tokens = min(left, budget)
    if w["long_chunk"] > 0:
        tokens = min(tokens, w["long_chunk"])
    if w["chunked"] == 0 and tokens < left:
        return 0
    need = blocks.wanted(w, s, slot["done"] + tokens)
    if need > blocks.spare(w, e):
        return 0
    blocks.grow(w, e, s, slot["done"] + tokens)
    slot["chunk"] = tokens
    return tokens


@compiled
def admit(w: Record, e: int, s: int, budget: int, now: float) -> int:
    """Lets the head of the queue in, if it fits; returns its tokens in this step, or -1 where it must wait.

    A request whose cache comes along needs blocks for all of it; one whose prefix lies in a lower tier waits for that.
    """
    engine = engines(w, e)
    slot = slots(w, s)
    floor = w["watermark"] * engine["total"] + (promised(w, e) if w["reserve"] > 0 else 0.0)
    if engine["running"] == 0:
        floor = 0.0
    own = w["reserve"] * (slot["output"] - slot["made"]) / w["block"] if floor > 0 else 0.0
    if slot["kept"] > 0:
        engine["lack"] = blocks.wanted(w, s, along(w, s)) + floor + own - blocks.spare(w, e)
        return -1 if engine["lack"] > 0 else come_along(w, e, s)
    nodes = slot["hits"] if slot["hits"] > 0 else blocks.matched(w, e, s)
    node_tokens = w["node_blocks"] * w["block"]
    left = slot["target"] - nodes * node_tokens
    tokens = min(left, budget)
    if w["long_chunk"] > 0:
        tokens = min(tokens, w["long_chunk"])
    if w["chunked"] == 0 and tokens < left and engine["tokens"] > 0:
        return -1
    if w["chunked"] == 0:
        tokens = left
    whole = tokens if floor == 0.0 or w["reserve"] == 0 else left
    need = (nodes * node_tokens + whole + w["block"] - 1) // w["block"] - nodes * w["node_blocks"]
    fresh = slot["hits"] == 0
    revived = blocks.revival(w, e, s, nodes) if fresh else 0
    engine["lack"] = need + revived + floor + own - blocks.spare(w, e)
    if engine["lack"] > 0:
        return -1
    queue.pop(w, e, s)
    if fresh and nodes > 0:
        seconds = blocks.hold(w, e, s, nodes)
        if seconds > 0:
            start = max(now, engine["tier_free"])
            engine["tier_free"] = start + seconds
            queue.later(w, start + seconds, s, LOADED)
            return 0
    enter(w, e, s)
    slot["done"] = slot["hits"] * node_tokens
    slot["cached"] = slot["done"] if slot["preempted"] == 0 else slot["cached"]
    engine["cached_tokens"] += slot["done"]
    engine["lookup_tokens"] += slot["target"]
    engine["prefilling"] += 1
    tokens = min(tokens, slot["target"] - slot["done"])
    blocks.grow(w, e, s, slot["done"] + tokens)
    slot["chunk"] = tokens
    return tokens


@compiled
def enter(w: Record, e: int, s: int) -> None:
    """Puts a request at the end of the running ones."""
    runs(w, e, engines(w, e)["running"])["slot"] = s
    engines(w, e)["running"] += 1
    slots(w, s)["chunk"] = 0


@compiled
def along(w: Record, s: int) -> int:
    """Tokens for which a request whose cache comes along needs room: with its prompt read it decodes in this step."""
    kept = slots(w, s)["kept"]
    return kept + ahead(w, s) if kept >= slots(w, s)["target"] else kept


@compiled
def come_along(w: Record, e: int, s: int) -> int:
    """Admits a request whose cache was swapped out or sent: no token of it is computed again."""
    engine = engines(w, e)
    slot = slots(w, s)
    queue.pop(w, e, s)
    enter(w, e, s)
    kept = slot["kept"]
    blocks.grow(w, e, s, along(w, s))
    if slot["preempted"] > 0 and w["swap"] != RECOMPUTE:
        engine["extra"] += kept * engine["token_bytes"] / w["swap_rate"]
    slot["done"], slot["kept"] = kept, 0
    if kept < slot["target"]:
        engine["prefilling"] += 1
    return 0


@compiled
def fill(w: Record, e: int, budget: int, now: float, may_admit: bool) -> int:
    """Takes prompts in up to the budget: first those begun, then those that wait; returns the tokens."""
    engine = engines(w, e)
    used = 0
    if engine["prefilling"] > 0:
        for i in range(engine["running"]):
            s = runs(w, e, i)["slot"]
            slots(w, s)["chunk"] = 0
            if slots(w, s)["done"] < slots(w, s)["target"] and used < budget:
                used += take_in(w, e, s, budget - used)
                engine["tokens"] = used
    while may_admit and used < budget and engine["running"] < w["sequences"]:
        s = queue.head(w, e)
        if s < 0 or not visible(w, e, s):
            break
        if w["shed"] == 1 and slots(w, s)["made"] == 0 and now > slots(w, s)["arrival"] + slots(w, s)["deadline"]:
            queue.pop(w, e, s)
            blocks.release(w, e, s)
            emit(w, e, s, SHED)
            continue
        taken = admit(w, e, s, budget - used, now)
        if taken < 0:
            break
        used += taken
        engine["tokens"] = used
    return used


@compiled
def visible(w: Record, e: int, s: int) -> bool:
    """Whether a waiting request can be in the next step: engines that schedule ahead saw the queue a step ago."""
    return w["ahead"] == 0 or slots(w, s)["queued"] <= engines(w, e)["seen"] or engines(w, e)["running"] == 0


@compiled
def decoding(w: Record, e: int) -> int:
    """Running requests whose prompt is read."""
    return int(engines(w, e)["running"] - engines(w, e)["prefilling"])


@compiled
def choose(w: Record, e: int, now: float) -> bool:
    """Forms the next step by the policy: who decodes and which prompt tokens it takes; False where it is idle."""
    policy, engine = w["policy"], engines(w, e)
    engine["tokens"], engine["decoding"], engine["upset"], engine["lack"] = 0, 0, 0, 0.0
    if policy == MIXED:
        preempted = reserve(w, e)
        fill(w, e, max(w["tokens"] - decoding(w, e) * (w["drafts"] + 1), 0), now, not preempted)
        engine["decoding"] = decoding(w, e)
    elif policy == DECODE_FIRST and decoding(w, e) > 0 and engine["prefilling"] == 0:
        reserve(w, e)
        engine["decoding"] = decoding(w, e)
    else:
        fill(w, e, w["tokens"], now, True)
        if engine["tokens"] == 0:
            reserve(w, e)
            engine["decoding"] = decoding(w, e)
    if engine["tokens"] == 0 and engine["decoding"] == 0 and engine["running"] + engine["waiting"] > 0:
        return stuck(w, e, now)
    return bool(engine["tokens"] > 0 or engine["decoding"] > 0)


@compiled
def stuck(w: Record, e: int, now: float) -> bool:
    """Nothing can go on: prefixes held for waiting requests are let go, then the last half-read prompt gives way.

    What comes in with its cache takes no tokens in as it comes: read to its end it decodes, else it is read on.
    """
    engine = engines(w, e)
    if let_go(w, e) or engine["running"] == 0:
        fill(w, e, w["tokens"], now, True)
    if engine["tokens"] == 0 and engine["prefilling"] > 0:
        fill(w, e, w["tokens"], now, False)
    while engine["tokens"] == 0 and decoding(w, e) == 0 and engine["running"] > 1:
        preempt(w, e)
        fill(w, e, w["tokens"], now, False)
    if engine["tokens"] == 0 and decoding(w, e) > 0:
        reserve(w, e)
        engine["decoding"] = decoding(w, e)
    return bool(engine["tokens"] > 0 or engine["decoding"] > 0)


@compiled
def let_go(w: Record, e: int) -> bool:
    """Makes the prefixes that waiting requests hold evictable; returns whether there were any."""
    any_held = False
    for c in range(CLASSES):
        s = queues(w, e, c)["first"]
        while s >= 0:
            any_held = any_held or slots(w, s)["hits"] > 0
            blocks.release(w, e, s)
            s = slots(w, s)["next"]
    return any_held


@compiled
def price(w: Record, e: int, h: int) -> None:
    """Seconds, compute seconds and bytes of the step that was formed, into the host's plan."""
    engine, host = engines(w, e), hosts(w, h)
    m, n, q = engine["model"], engine["decoding"], engine["tokens"]
    host["step"], host["slope"], host["compute"], host["moved"] = 0.0, 0.0, 0.0, 0.0
    ends, kv, most = 0, 0, 1 << 40
    for i in range(engine["running"]):
        slot = slots(w, runs(w, e, i)["slot"])
        if slot["chunk"] > 0:
            ends += 1 if slot["done"] + slot["chunk"] >= slot["target"] else 0
            table.chunk(w, host, m, slot["chunk"], slot["done"])
        elif n > 0 and slot["done"] >= slot["target"]:
            kv += slot["done"] + 1
            most = min(most, slot["output"] - slot["made"])
    wide = n * (w["drafts"] + 1)
    table.flat(w, host, m, 0, q + wide)
    table.flat(w, host, m, 1, ends + wide)
    if n > 0:
        table.decode(w, host, m, n, kv / n)
    table.measured(w, host, m, q, n, kv / max(n, 1))
    host["step"] += w["step"] + w["sequence"] * (n + ends) + (w["prompt_step"] if q > 0 else 0.0)
    if n > 0:
        host["step"] *= 1.0 + w["draft"] * w["drafts"]
    host["steps"] = jump(w, e, n, kv, most) if q == 0 and engine["extra"] == 0.0 else 1
    host["step"] += engine["extra"]
    engine["extra"] = 0.0


@compiled
def jump(w: Record, e: int, n: int, kv: int, most: int) -> int:
    """Steps that can be made at once: nothing completes, no cell of the table ends and blocks suffice.

    Where other engines share the host, steps draw drafts or a request was preempted it is one.
    """
    engine = engines(w, e)
    if w["drafts"] > 0 or engine["upset"] == 1 or hosts(w, engine["host"])["count"] > 1:
        return 1
    if w["ahead"] == 1 and engine["waiting"] > 0 and not visible(w, e, queue.head(w, e)):
        return 1
    steps = max(min(most, int(table.room(w, kv / n))), 1)
    lack = engine["lack"]
    if lack > 0 and w["reserve"] > 0:  # each token that comes is one less to keep room for
        steps = max(min(steps, int(lack * w["block"] / (w["reserve"] * n))), 1)
    while steps > 1 and n * (steps // w["block"] + 1) > blocks.spare(w, e):
        need = 0
        for i in range(engine["running"]):
            s = runs(w, e, i)["slot"]
            if slots(w, s)["done"] >= slots(w, s)["target"]:
                need += blocks.wanted(w, s, slots(w, s)["done"] + steps)
        if need <= blocks.spare(w, e):
            break
        steps //= 2
    return steps
