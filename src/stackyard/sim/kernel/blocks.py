"""The paged cache: blocks of an engine, and the tree of prompt blocks that requests share.

A tree node is a run of `node_blocks` blocks whose id stands for everything up to its end, so that a lookup walks ids
until one is missing. Unreferenced nodes stay, oldest first in a list, until blocks are needed; then they leave HBM for
the tiers below, each a list of its own.
"""

from __future__ import annotations

from stackyard.sim.kernel.compile import compiled
from stackyard.sim.kernel.state import HBM, NOWHERE, TIERS, Record, engines, hashes, nodes, slots, speeds, tiers


@compiled
def push(w: Record, row: int, tier: int, node: int) -> None:
    """Appends a node to the newest end of a tier's list."""
    newest = tiers(w, row, tier)["newest"]
    nodes(w, row, node)["before"] = newest
    nodes(w, row, node)["after"] = -1
    if newest >= 0:
        nodes(w, row, newest)["after"] = node
    else:
        tiers(w, row, tier)["oldest"] = node
    tiers(w, row, tier)["newest"] = node


@compiled
def unlink(w: Record, row: int, tier: int, node: int) -> None:
    """Takes a node out of a tier's list."""
    before, after = nodes(w, row, node)["before"], nodes(w, row, node)["after"]
    if before >= 0:
        nodes(w, row, before)["after"] = after
    else:
        tiers(w, row, tier)["oldest"] = after
    if after >= 0:
        nodes(w, row, after)["before"] = before
    else:
        tiers(w, row, tier)["newest"] = before


@compiled
def row_of(w: Record, e: int, tier: int) -> int:
    """The row of the node table that a tier of an engine lies in: its own, or the shared pool's."""
    return w["many_engines"] if tier == TIERS - 1 else e


@compiled
def demote(w: Record, e: int, node: int, tier: int) -> None:
    """Puts a node into the first tier from `tier` on that exists; what that pushes out falls further."""
    cost = w["node_blocks"]
    while tier < TIERS:
        row = row_of(w, e, tier)
        if tiers(w, row, tier)["size"] >= cost:
            if nodes(w, row, node)["tier"] == tier:
                return  # the shared pool has it
            pushed = -1
            if tiers(w, row, tier)["used"] + cost > tiers(w, row, tier)["size"]:
                pushed = tiers(w, row, tier)["oldest"]
                unlink(w, row, tier, pushed)
                nodes(w, row, pushed)["tier"] = NOWHERE
                tiers(w, row, tier)["used"] -= cost
            nodes(w, row, node)["tier"] = tier
            tiers(w, row, tier)["used"] += cost
            push(w, row, tier, node)
            if pushed < 0:
                return
            node = pushed
        tier += 1


@compiled
def take(w: Record, e: int, blocks: int) -> None:
    """Takes free blocks, evicting the longest unused nodes where too few are free; the caller has seen that it can."""
    engine = engines(w, e)
    cost = w["node_blocks"]
    while engine["free"] < blocks:
        node = tiers(w, e, HBM)["oldest"]
        unlink(w, e, HBM, node)
        nodes(w, e, node)["tier"] = NOWHERE
        engine["idle_nodes"] -= cost
        engine["free"] += cost
        demote(w, e, node, 2)
    engine["free"] -= blocks


@compiled
def spare(w: Record, e: int) -> int:
    """Blocks that could be taken now."""
    return engines(w, e)["free"] + engines(w, e)["idle_nodes"]


@compiled
def wanted(w: Record, s: int, tokens: int) -> int:
    """Blocks that a request lacks to hold `tokens` tokens."""
    block = w["block"]
    held = slots(w, s)["hits"] * w["node_blocks"] + slots(w, s)["private"]
    return max((tokens + block - 1) // block - held, 0)


@compiled
def grow(w: Record, e: int, s: int, tokens: int) -> None:
    """Gives a request the blocks that it lacks to hold `tokens` tokens."""
    blocks = wanted(w, s, tokens)
    if blocks > 0:
        take(w, e, blocks)
        slots(w, s)["private"] += blocks


@compiled
def where(w: Record, e: int, node: int) -> int:
    """The fastest tier that has the node for this engine."""
    tier = nodes(w, e, node)["tier"]
    if tier == NOWHERE and nodes(w, w["many_engines"], node)["tier"] != NOWHERE:
        return TIERS - 1
    return tier


@compiled
def matched(w: Record, e: int, s: int) -> int:
    """Nodes from the start of the prompt that the engine has in any tier; one token is always left to compute."""
    slot = slots(w, s)
    if w["prefix"] == 0:
        return 0
    each = w["node_blocks"] * w["block"]
    most = min((slot["target"] - 1) // each, slot["hash_n"])
    at, found = slot["hash_at"], 0
    while found < most and where(w, e, hashes(w, at + found)["node"]) != NOWHERE:
        found += 1
    return found


@compiled
def revival(w: Record, e: int, s: int, many: int) -> int:
    """Blocks that holding the first `many` nodes takes away from the spare ones."""
    cost, blocks = w["node_blocks"], 0
    for i in range(many):
        node = hashes(w, slots(w, s)["hash_at"] + i)["node"]
        if nodes(w, e, node)["tier"] != HBM or nodes(w, e, node)["users"] == 0:
            blocks += cost
    return blocks


@compiled
def hold(w: Record, e: int, s: int, many: int) -> float:
    """References the first `many` nodes of a request, bringing those of lower tiers up; returns the seconds of that."""
    slot = slots(w, s)
    cost, seconds = w["node_blocks"], 0.0
    size = engines(w, e)["token_bytes"] * cost * w["block"]
    at, slowest = slot["hash_at"], 0.0
    for i in range(many):  # first those in HBM, so that making room for the others does not evict them
        node = hashes(w, at + i)["node"]
        if nodes(w, e, node)["tier"] == HBM:
            if nodes(w, e, node)["users"] == 0:
                unlink(w, e, HBM, node)
                engines(w, e)["idle_nodes"] -= cost
            nodes(w, e, node)["users"] += 1
    for i in range(many):
        node = hashes(w, at + i)["node"]
        tier = where(w, e, node)
        if tier != HBM:
            if tier == NOWHERE:  # pushed out of its tier by room made for an earlier one
                slot["hits"] = i
                return seconds + slowest + forget(w, e, s, i + 1, many)
            seconds += size / speeds(w, tier)["rate"]
            slowest = max(slowest, speeds(w, tier)["latency"])
            if tier != TIERS - 1:
                unlink(w, e, tier, node)
                tiers(w, e, tier)["used"] -= cost
            nodes(w, e, node)["tier"] = HBM
            nodes(w, e, node)["users"] = 1
            take(w, e, cost)
    slot["hits"] = many
    return seconds + slowest


@compiled
def forget(w: Record, e: int, s: int, start: int, stop: int) -> float:
    """Drops the references to nodes start..stop that were held in HBM; returns no seconds."""
    for i in range(start, stop):
        node = hashes(w, slots(w, s)["hash_at"] + i)["node"]
        if nodes(w, e, node)["tier"] == HBM and nodes(w, e, node)["users"] > 0:
            drop(w, e, node)
    return 0.0


@compiled
def drop(w: Record, e: int, node: int) -> None:
    """Gives up one reference; the node stays cached until its blocks are needed."""
    nodes(w, e, node)["users"] -= 1
    if nodes(w, e, node)["users"] == 0:
        push(w, e, HBM, node)
        engines(w, e)["idle_nodes"] += w["node_blocks"]


@compiled
def share(w: Record, e: int, s: int) -> None:
    """Turns the full blocks that a request has computed into tree nodes, as far as nobody else has them."""
    slot = slots(w, s)
    if w["prefix"] == 0:
        return
    cost = w["node_blocks"]
    most = min(slot["done"] // (cost * w["block"]), slot["hash_n"])
    while slot["hits"] < most and slot["private"] >= cost:
        node = hashes(w, slot["hash_at"] + slot["hits"])["node"]
        tier = nodes(w, e, node)["tier"]
        if tier == HBM:
            return  # computed twice at the same time: the second keeps its own
        if tier != NOWHERE:
            unlink(w, e, tier, node)
            tiers(w, e, tier)["used"] -= cost
        nodes(w, e, node)["tier"] = HBM
        nodes(w, e, node)["users"] = 1
        slot["private"] -= cost
        slot["hits"] += 1


@compiled
def release(w: Record, e: int, s: int) -> None:
    """Gives back all blocks of a request; its nodes stay cached, the deepest the first to be evicted."""
    slot = slots(w, s)
    engines(w, e)["free"] += slot["private"]
    slot["private"] = 0
    at = slot["hash_at"]
    for i in range(slot["hits"] - 1, -1, -1):
        drop(w, e, hashes(w, at + i)["node"])
    slot["hits"] = 0


@compiled
def clear(w: Record, e: int) -> None:
    """Empties an engine's tree and tiers: it restarts."""
    engine = engines(w, e)
    for tier in range(1, TIERS - 1):
        while tiers(w, e, tier)["oldest"] >= 0:
            node = tiers(w, e, tier)["oldest"]
            unlink(w, e, tier, node)
            nodes(w, e, node)["tier"] = NOWHERE
            nodes(w, e, node)["users"] = 0
        if tier > HBM:
            tiers(w, e, tier)["used"] = 0
    engine["free"] += engine["idle_nodes"]
    engine["idle_nodes"] = 0
