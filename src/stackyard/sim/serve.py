"""Runs requests through a deployment: puts the kernel's World together, feeds it, and hands back what happened."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackyard.perf.memory import activation_bytes, sequence_bytes, weight_bytes
from stackyard.sim import steps
from stackyard.sim.kernel import state
from stackyard.sim.policy import POLICIES, ROUTERS, TIER_NAMES, Deployment, Policy
from stackyard.sim.presets import constants_of
from stackyard.sim.steps import Asked
from stackyard.sim.trace import Requests

BINS = 400  # points of the series over time
ENGINE_BYTES: float = 1.4e9  # driver context, graphs and workspace beside weights and activations
SWAP_RATE = 50e9  # bytes a second between HBM and host memory: PCIe 5 x16 as reached
VISIBLE = 1.062  # bytes that software sees of a printed gigabyte of HBM: GiB less what error correction keeps


def cache_blocks(asked: Asked, policy: Policy) -> float:
    """Blocks of the cache that an engine has: its share of the memory less weights, activations and its own needs.

    blocks = (share memory - weights - activations - own) / bytes of a block; all of one accelerator. Where the share is
    of what is left, as TensorRT-LLM's, blocks = share (memory - weights - activations - own) / bytes. vLLM 0.15 on H100
    prints 7,463 blocks for Llama-2-7B, 30,251 for Llama-3.1-70B on four and 65,352 for Qwen2.5-7B.

    >>> from stackyard import api
    >>> from stackyard.sim.ask import deployment
    >>> of = deployment(api.service("llama-3.1-8b", "h200"), longest=2000)
    >>> cache_blocks(of.engines[0], of.policy) > 10_000
    True
    """
    memory, share = asked.chip.memory * VISIBLE, policy.memory_share
    taken = ENGINE_BYTES + float(weight_bytes(asked.model, asked.layout, asked.precision))
    taken += float(activation_bytes(asked.model, asked.layout, min(policy.tokens, 8192)))
    room = share * (memory - taken) if policy.of_free else share * memory - taken
    block = float(sequence_bytes(asked.model, asked.layout, asked.precision, float(policy.block)))
    return max(math.floor(room / block), 0)


def overhead(of: Deployment) -> tuple[float, float]:
    """Seconds of the host before a request is queued, and more in a step that takes prompts in.

    >>> from stackyard import api
    >>> from stackyard.sim.ask import deployment
    >>> of = deployment(api.service("llama-3.1-8b", "h200"), longest=2000)
    >>> all(0 <= seconds < 0.1 for seconds in overhead(of))
    True
    """
    if of.overhead is not None:
        return of.overhead
    if not of.engines or of.tables:
        return 0.0, 0.0
    own = constants_of(of.engines[0])
    return own.request, own.prompt_step


def token_bytes(asked: Asked) -> float:
    """Bytes of one token's cache over all accelerators that hold a part of it.

    >>> from stackyard import api
    >>> from stackyard.sim.ask import deployment
    >>> of = deployment(api.service("llama-3.1-8b", "h200"), longest=2000)
    >>> token_bytes(of.engines[0]) / 1024  # KiB: 32 layers, 8 heads of 128, keys and values, 2 bytes
    128.0
    """
    each = float(sequence_bytes(asked.model, asked.layout, asked.precision, 1000.0)) / 1000.0
    return each * float(asked.layout.tensor * asked.layout.pipeline)


def tables(of: Deployment, longest: int) -> list[steps.Table]:
    """The step tables of the deployment's engines: those given, else the performance model's.

    >>> from stackyard import api
    >>> from stackyard.sim.ask import deployment
    >>> of = deployment(api.service("llama-3.1-8b", "h200"), longest=2000)
    >>> len(tables(of, longest=2000))
    1
    """
    if of.tables:
        return list(of.tables)
    most = float(max(of.policy.tokens, 1) if of.policy.chunked else max(of.policy.tokens, longest))
    drafts = 1 + (of.speculation.drafts if of.speculation else 0)
    sizes = most, float(of.policy.sequences) * drafts, float(longest)
    return [fitted(steps.table(asked, *sizes), asked) for asked in of.engines]


def fitted(table: steps.Table, asked: Asked) -> steps.Table:
    """The performance model's table with the simulator's own constants of the generation and the engine release.

    Device time is scaled by generation; the host's seconds a step and a sequence are those of the engine release.
    """
    own, step = constants_of(asked), table.host
    return table.scaled(
        own.scale,
        (own.step if own.step is not None else step[0], own.sequence if own.sequence is not None else step[1]),
    )


class World:
    """The arrays of a run and the record that tells the kernel where they lie; they live as long as this does."""

    def __init__(self, arrays: dict[str, NDArray[Any]]) -> None:
        self.record = np.zeros(1, state.WORLD)
        self.arrays: dict[str, NDArray[Any]] = {}
        for name in state.ARRAYS:
            self.place(name, arrays.get(name, np.zeros(0)))

    def place(self, name: str, values: NDArray[Any]) -> None:
        """Puts an array (records, or their only field's values) where the kernel finds it."""
        dtype = state.ARRAYS[name]
        if values.dtype != dtype:
            plain = np.ascontiguousarray(values, dtype[0]).reshape(-1)
            values = plain.view(dtype)
        self.arrays[name] = values
        self.record[0][f"at_{name}"], self.record[0][f"many_{name}"] = values.ctypes.data, len(values)

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.arrays[name]


def _rules(of: Deployment, one: Any, requests: Requests, width: float, host: tuple[float, float]) -> None:
    """The scheduler's settings as the kernel reads them."""
    p = of.policy
    one["policy"], one["router"] = POLICIES.index(p.policy), ROUTERS.index(of.router)
    one["tokens"], one["sequences"], one["block"] = p.tokens, p.sequences, p.block
    one["chunked"], one["long_chunk"], one["swap"], one["ahead"] = p.chunked, p.long_chunk, p.swap, p.ahead
    one["watermark"], one["reserve"] = p.watermark, p.reserve
    one["node_blocks"] = max(requests.hash_tokens // int(p.block), 1)
    one["classes"], one["levels"], one["seats"] = state.CLASSES, state.TIERS, state.seats(p.sequences)
    if of.autoscale is None and of.failures is None:  # then every member is usable
        one["ranked"] = 2 << max(of.groups - 1, 0).bit_length()
    one["prefix"], one["node_ids"] = p.prefix_cache and requests.nodes > 0, max(requests.nodes, 1)
    one["swap_rate"], one["affinity"], one["width"] = SWAP_RATE, of.affinity, width
    (one["step"], one["sequence"]), one["prompt_step"] = host, overhead(of)[1]
    one["closed"], one["shed"], one["look_at"] = of.closed, of.shed, np.inf
    if of.speculation:
        one["drafts"], one["accept"], one["draft"] = of.speculation.drafts, of.speculation.accept, of.speculation.draft
    if of.split:
        one["link_rate"], one["link_latency"] = of.split.rate, of.split.latency
    if of.autoscale:
        a = of.autoscale
        one["tick"], one["high"], one["low"], one["start_up"], one["least"] = (
            a.every,
            a.high,
            a.low,
            a.start_up,
            a.least,
        )
        one["look_at"] = a.every


def _engines(of: Deployment, models: int) -> dict[str, NDArray[Any]]:
    """Engines, hosts, pools and their members: every host runs each model; pools are (model, takes or decodes)."""
    many = of.groups
    leaves = 1 << max(many - 1, 0).bit_length()
    engine, host = np.zeros(many * models, state.ENGINE), np.zeros(leaves, state.HOST)
    host["engine"], host["end"] = -1, np.inf
    member: list[int] = []
    pool = np.zeros(2 * models, state.POOL)
    sizes = [of.blocks or int(cache_blocks(of.engines[m], of.policy)) // models for m in range(models)]
    for h in range(many):
        host[h]["first"], host[h]["count"] = h * models, models
        for m in range(models):
            one = engine[h * models + m]
            one["host"], one["model"], one["up"] = h, m, 1
            one["role"] = 0 if of.split is None else (1 if h < of.split.prefill else 2)
            one["total"] = one["free"] = sizes[m]
    if of.engines:
        engine["token_bytes"] = np.tile([token_bytes(asked) for asked in of.engines], many)
    else:
        engine["token_bytes"] = 1.0
    for p in range(2 * models):
        own = [i for i, one in enumerate(engine) if one["model"] == p // 2 and (one["role"] == 2) == bool(p % 2)]
        active = min(of.autoscale.least, len(own)) if of.autoscale else len(own)
        pool[p] = len(member), len(own), active, 0
        engine["pool"][own], engine["place"][own] = p, np.arange(len(own))
        member += own
    tree = np.zeros(2 * leaves, np.int64)
    tree[leaves:] = np.arange(leaves)
    for i in range(leaves - 1, 0, -1):
        tree[i] = tree[2 * i]
    ranks = np.tile(tree, 2 * models)
    arrays = {"engines": engine, "hosts": host, "pools": pool, "members": np.array(member)}
    return arrays | {"leaves": tree, "ranks": ranks}


def _tiers(of: Deployment, engines: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Lists and sizes of the tiers of each engine and of the shared pool, in blocks."""
    tier = np.zeros((len(engines) + 1, state.TIERS), state.TIER)
    tier["oldest"] = tier["newest"] = -1
    speed = np.ones(state.TIERS, state.SPEED)
    for i, name in enumerate(TIER_NAMES, 2):
        if name in of.tiers:
            tier["size"][:, i] = int(of.tiers[name].size / (engines[0]["token_bytes"] * of.policy.block))
            speed[i] = of.tiers[name].rate, of.tiers[name].latency
    return {"tiers": tier.reshape(-1), "speeds": speed}


def _outages(of: Deployment, seconds: float, rng: np.random.Generator) -> NDArray[Any]:
    """Failures and returns of every engine over twice the trace's time, in order."""
    found: list[tuple[int, int, float]] = []
    for e in range(of.groups * max(len(of.engines), 1) if of.failures else 0):
        assert of.failures
        at = rng.exponential(of.failures.between)
        while at < 2 * seconds:
            found += [(e, 0, at), (e, 1, at + of.failures.restart)]
            at += of.failures.restart + rng.exponential(of.failures.between)
    return np.array(sorted(found, key=lambda each: (each[2], each[0])), state.OUTAGE)


def _sessions(requests: Requests) -> NDArray[Any]:
    found = np.zeros(0 if requests.session is None else int(requests.session.max()) + 1, state.SESSION)
    found["first"] = -1
    return found


def world(of: Deployment, requests: Requests, seed: int, seconds: float, slots: int = 4096) -> World:
    """Everything the kernel computes on, at the start of a run."""
    longest = int((requests.prompt + requests.output).max()) if len(requests) else 1
    found, rng = tables(of, max(longest, 16)), np.random.default_rng(seed)
    parts = _engines(of, len(found))
    engines = parts["engines"]
    slot = empty_slots(slots)
    slot["next"] = np.append(np.arange(1, slots), -1)
    queue = np.zeros(len(engines) * state.CLASSES, state.QUEUE)
    queue["first"] = queue["last"] = -1
    arrays = parts | _tiers(of, engines) | steps.packed(found)
    made = World(
        arrays
        | {
            "slots": slot,
            "queues": queue,
            "sessions": _sessions(requests),
            "nodes": np.zeros((len(engines) + 1) * max(requests.nodes, 1), state.NODE),
            "runs": np.zeros(len(engines) * state.seats(of.policy.sequences), np.int64),
            "hashes": requests.hashes,
            "draws": rng.random(1 << 16),
            "heap": np.zeros(slots, state.HEAP),
            "outages": _outages(of, seconds, rng),
            "gaps": np.zeros(state.GAPS, np.int64),
            "moments": np.zeros(BINS, state.MOMENT),
        }
    )
    one = made.record[0]
    _rules(of, one, requests, max(seconds, 1e-9) * 1.25 / BINS, found[0].host)
    for name, value in zip(("points", *steps.SIZES), steps.sizes(found), strict=True):
        one[name] = value
    return made


def empty_slots(many: int) -> NDArray[Any]:
    """Slots of which each begins with a line of memory, so that what every step reads of one is one line."""
    raw = np.zeros(many * state.SLOT.itemsize + state.LINE_BYTES, np.uint8)
    start = -raw.ctypes.data % state.LINE_BYTES
    return raw[start : start + many * state.SLOT.itemsize].view(state.SLOT)


def larger(w: World) -> None:
    """Doubles the slots."""
    n = len(w["slots"])
    slot = empty_slots(2 * n)
    slot[:n] = w["slots"]
    slot["next"][n:] = np.append(np.arange(n + 1, 2 * n), w.record[0]["vacant"])
    w.record[0]["vacant"] = n
    w.place("slots", slot)
    w.place("heap", np.concatenate([w["heap"], np.zeros(n, state.HEAP)]))


@dataclass(frozen=True)
class Outcome:
    """What happened: the requests that left, in order of leaving, and the World at the end."""

    left: NDArray[Any]  # state.REQUEST
    world: World
    seconds: float  # from the trace's start to the last completion
    offered: int
    span: float  # seconds in which requests came
    overhead: float  # seconds of the host before a request is queued: to be added to what `left` says
    replica_seconds: float  # for which replicas were paid


def feed(w: World, requests: NDArray[Any], final: bool) -> NDArray[Any]:
    """Runs one batch of requests (state.LINE); returns those that left (state.REQUEST)."""
    from stackyard.sim.kernel.loop import advance

    one, parts, i = w.record[0], [], 0
    w.place("lines", requests)
    while True:
        w.place("outs", np.zeros(len(requests) - i + int(one["live"]) + 1, state.REQUEST))
        one["left"] = 0
        i = int(advance(w.record, i, final))
        parts.append(w["outs"][: int(one["left"])])
        if i >= len(requests) or one["vacant"] >= 0:
            return parts[0] if len(parts) == 1 else np.concatenate(parts)
        larger(w)


def run(of: Deployment, requests: Requests, seed: int = 0) -> Outcome:
    """Serves the requests and returns what happened.

    >>> from stackyard import api
    >>> from stackyard.sim.ask import deployment
    >>> from stackyard.sim.serve import run
    >>> from stackyard.sim.traffic import Lengths, synthetic
    >>> of = deployment(api.service("llama-3.1-8b", "h200"), longest=2000)
    >>> requests = synthetic(5.0, 100, Lengths(1000.0), Lengths(200.0))
    >>> len(run(of, requests).left)
    100
    """
    requests = requests.in_blocks(int(of.policy.block))
    w = world(of, requests, seed, requests.duration)
    left = feed(w, requests.lines(), True)
    assert len(left) == len(requests), f"{len(requests) - len(left)} requests never leave"
    seconds = float(left["last"].max()) if len(left) else 0.0
    paid = seconds * of.groups
    if of.autoscale:  # up to the last tick, and as it stands from there
        one = w.record[0]
        rest = max(seconds - float(one["look_at"] - one["tick"]), 0.0)
        paid = float(one["paid"]) + rest * int(w["pools"]["active"].sum())
    return Outcome(left, w, seconds, len(requests), requests.duration, overhead(of)[0], paid)


def stream(
    of: Deployment, batches: Iterable[Requests], seconds: float, seed: int = 0
) -> Iterator[tuple[World, NDArray[Any]]]:
    """Serves batches of requests one after the other, each after the last in time; yields those that leave.

    Memory is that of one batch and of the requests in progress. Batches share no prefixes.

    >>> from stackyard import api
    >>> from stackyard.sim.ask import deployment
    >>> from stackyard.sim.serve import run
    >>> from stackyard.sim.traffic import Lengths, synthetic
    >>> of = deployment(api.service("llama-3.1-8b", "h200"), longest=2000)
    >>> requests = synthetic(5.0, 100, Lengths(1000.0), Lengths(200.0))
    >>> sum(len(left) for _, left in stream(of, [requests], seconds=60.0))
    100
    """
    w: World | None = None
    batches, at = iter(batches), 0
    batch = next(batches, None)
    while batch is not None:
        following = next(batches, None)
        w = world(of, batch, seed, seconds) if w is None else w
        lines = batch.lines()
        lines["id"] += at
        at += len(batch)
        yield w, feed(w, lines, following is None)
        batch = following


def with_policy(of: Deployment, **changes: Any) -> Deployment:
    """The deployment with some settings of its policy changed.

    >>> from stackyard import api
    >>> from stackyard.sim.ask import deployment
    >>> of = deployment(api.service("llama-3.1-8b", "h200"), longest=2000)
    >>> with_policy(of, sequences=64).policy.sequences
    64
    """
    return replace(of, policy=replace(of.policy, **changes))
