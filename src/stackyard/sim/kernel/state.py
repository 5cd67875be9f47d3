"""What the kernel computes on: arrays of records with named fields, and the World, a record that says where they lie.

A slot is one request in the system; an engine one scheduler with its cache (a data-parallel replica, or one model on a
shared host); a host is what engines take turns on. Tokens and blocks are whole numbers, times are seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackyard.sim.kernel.compile import element, fetcher

Record = Any  # one record, read and written in place
Array = NDArray[Any]

MIXED, PREFILL_FIRST, DECODE_FIRST = 0, 1, 2  # policies
RECOMPUTE, SWAP = 0, 1  # preemption
ROUND_ROBIN, LEAST, POWER_OF_TWO, PREFIX, KV_AWARE = 0, 1, 2, 3, 4  # routers
SERVED, TOO_LONG, SHED = 0, 1, 2  # how a request left
NOWHERE, HBM = 0, 1  # tiers; 2 host memory, 3 SSD, 4 remote pool
TIERS = 5
CLASSES = 4  # priorities; 0 is served first
LOADED, SENT, TURN = 0, 1, 2  # what a pending request waits for: its prefix, its cache to be sent, its turn
LINE_BYTES = 64  # of memory that a processor fetches at once
GAP_LOW, GAP_RATIO, GAPS = 1e-6, 1.01, 2400  # bins of gaps: from a microsecond on, each 1% wider than the last


def _record(whole: str = "", real: str = "", short: str = "") -> np.dtype[Any]:
    kinds = ((whole, np.int64), (real, np.float64), (short, np.int32))
    return np.dtype([(name, kind) for names, kind in kinds for name in names.split()], align=True)


# made: tokens generated; done: tokens in the cache; target: tokens that the cache needs before the next is generated;
# kept: tokens whose cache comes along (swapped or sent); hits: tree nodes held; private: blocks held; chunk: prompt
# tokens of the running step; queued: when it came to its engine
# Each step reads the first line of memory of every running slot, and with many engines that is what takes the time.
_HOT = _record("done target chunk made output hits private", "last")
_COLD = _record(
    "id prompt kept klass model engine hash_at hash_n cached preempted next session", "arrival first deadline queued"
)
SLOT = np.dtype(_HOT.descr + _COLD.descr, align=True)
# role: 0 takes requests, 1 takes requests and hands them over after the prompt, 2 decodes what is handed over. free
# blocks hold nothing; idle_nodes are cached but unreferenced blocks, which can be evicted; upset: a request was
# preempted for this step, so the next may differ; seen: what came later is not in the next step, scheduled ahead; lack:
# blocks that the head of the queue was short of; pool, place: the pool that it is a member of, and which
ENGINE = _record(
    "host model role up running waiting outstanding prefilling total free idle_nodes tokens decoding upset steps "
    "preemptions pool place",
    "ready link_free tier_free extra seen lack token_bytes busy compute bytes prefill_tokens decode_tokens "
    "cached_tokens lookup_tokens block_seconds sequence_seconds",
)
# a plan that runs: `steps` steps of step + slope i seconds each, from start to end; moved: bytes of one
HOST = _record("engine steps turn first count", "start step slope end compute moved")
QUEUE = _record("first last")  # waiting slots, by engine and class
NODE = _record("tier users before after")  # by engine and id; after the engines' rows that of the remote pool
TIER = _record("oldest newest used size")  # blocks, by engine (and the pool) and tier
SPEED = _record(real="rate latency")  # by tier
RUN = _record("slot")  # by engine, in order of admission
POOL = _record("first members active turn")
SESSION = _record("busy first last")  # requests of one session come one after the other; first..last wait for it
MEMBER = _record("engine")
HASH = _record("node")  # ids of the requests' prompt blocks, request after request
POINT = _record(real="at")  # of the axes
COST = _record(real="seconds compute bytes")  # of the tables
GRID = _record(real="seconds")  # of measured steps
DRAW = _record(real="value")  # uniform numbers, used by place
LEAF = _record("host")  # winner tree over the hosts' next events
RANK = _record("member")  # winner tree over a pool's members by requests, a row for each pool
HEAP = _record("slot kind", "time")
OUTAGE = _record("engine back", "time")
GAP = _record("count")
MOMENT = _record(real="running waiting held cached busy")  # time-weighted sums of one interval
LINE = _record("id prompt output klass model hash_at hash_n session", "arrival deadline")  # a request that comes
REQUEST = _record("id", "arrival first last", "prompt output made cached preempted engine klass model status")

ARRAYS: dict[str, np.dtype[Any]] = {
    "slots": SLOT,
    "engines": ENGINE,
    "hosts": HOST,
    "queues": QUEUE,
    "nodes": NODE,
    "tiers": TIER,
    "speeds": SPEED,
    "runs": RUN,
    "pools": POOL,
    "sessions": SESSION,
    "members": MEMBER,
    "hashes": HASH,
    "axes": POINT,
    "flats": COST,
    "decodes": COST,
    "prefills": COST,
    "grids": GRID,
    "draws": DRAW,
    "leaves": LEAF,
    "ranks": RANK,
    "heap": HEAP,
    "outages": OUTAGE,
    "gaps": GAP,
    "moments": MOMENT,
    "lines": LINE,
    "outs": REQUEST,
}
# sizes: many_X records of X; seats: of a row of runs; ranked: records of a pool's tree, 0 where members are looked at
# one by one; points: of an axis row; tokens_n ...: points in use of each axis
WORLD = _record(
    " ".join(f"at_{name} many_{name}" for name in ARRAYS)
    + " policy tokens sequences block node_blocks swap router prefix drafts shed closed chunked long_chunk least ahead"
    " node_ids classes levels ranked seats points tokens_n sequences_n context_n chunk_n prior_n grid_n"
    " live vacant pending broken left peak",
    "watermark reserve accept draft step sequence swap_rate link_rate link_latency tick high low start_up width"
    " affinity prompt_step now look_at paid",
)


def _at(name: str, row: str = "") -> Callable[..., Record]:
    return element(WORLD, name, ARRAYS[name], row)


slots, engines, hosts, pools, members, hashes = map(_at, ("slots", "engines", "hosts", "pools", "members", "hashes"))
flats, decodes, prefills, grids = map(_at, ("flats", "decodes", "prefills", "grids"))
speeds, draws, leaves, heap, outages, gaps = map(_at, ("speeds", "draws", "leaves", "heap", "outages", "gaps"))
moments, lines, outs, sessions = map(_at, ("moments", "lines", "outs", "sessions"))
queues, nodes, tiers = _at("queues", "classes"), _at("nodes", "node_ids"), _at("tiers", "levels")
fetch = fetcher()
runs, axes, ranks = _at("runs", "seats"), _at("axes", "points"), _at("ranks", "ranked")


def seats(sequences: int) -> int:
    """Places of an engine's row of runs: an odd number of cache lines, or the rows of many engines push each other out.

    >>> seats(1024) * 8 // LINE_BYTES
    129
    """
    line = LINE_BYTES // RUN.itemsize
    return (-(-sequences // line) | 1) * line


def gap_values() -> NDArray[np.float64]:
    """The middle of each bin of gaps; seconds."""
    return np.asarray(GAP_LOW * GAP_RATIO ** (np.arange(GAPS) + 0.5), np.float64)
