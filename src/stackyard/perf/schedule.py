"""Batching: from the times of single passes to latency and throughput of a replica.

Three regimes. `concurrency`: a closed loop, whose requests come one by one and whose prompts are taken in, whole or in
chunks, by passes that also carry the others' decode step. `max load`: the same with a queue that is never empty, so
every such pass takes in all the prompt tokens it may. `fixed batch`: all prompts first, then all steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from stackyard.perf.layout import Layout
from stackyard.perf.numeric import least, most, where
from stackyard.quantity import Count, Numeric, Second, Token

REGIMES = ("concurrency", "max load", "fixed batch")
DECODE_POOL = "decode pool"  # a replica whose prompts come with their cache, from a prefill pool


@dataclass(frozen=True)
class Shape:
    """How a batch is cut into passes, in one tensor group."""

    group: Count  # sequences of one tensor group
    micro: Count  # sequences of one decode pass through one stage
    passes: Count  # decode passes in flight: at most one a stage
    prompts: Count  # prompts of one pass that takes prompts in; less than 1 where a prompt takes several passes
    room: Count  # prompts that such a pass holds
    aboard: Count  # sequences that such a pass decodes besides
    own: Count  # passes that take in one request's prompt
    others: Count  # passes that take in the other requests' prompts, in one request's life
    steps: Count  # decode steps of one request
    tokens: Token  # that those steps yield


def shape(
    layout: Layout,
    batch: Count,
    prompt: Token,
    output: Token,
    pass_tokens: Token,
    regime: str = "concurrency",
    gain: Numeric = 1.0,
) -> Shape:
    """A batch spread evenly over data groups, and over pipeline stages as micro-batches of at least one sequence.

    A pass takes in at most `pass_tokens` prompt tokens. Under `concurrency` it takes the prompts that have come since
    the last: group / (steps x pipeline), at least one if it fits; otherwise as many as fill it. A step yields `gain`
    tokens of a sequence.

    >>> found = shape(Layout(), 16.0, 1000.0, 101.0, 8000.0, "max load")
    >>> float(found.prompts), float(found.others), float(found.aboard)
    (8.0, 1.0, 8.0)
    """
    group = batch / layout.data
    micro = most(group / layout.pipeline, 1.0)
    tokens = most(output - 1.0, 0.0)
    steps = tokens / gain
    slots = steps * layout.pipeline
    full = least(pass_tokens / prompt, most(group, 1.0))
    come = most(group / most(slots, 1.0), 1.0)
    prompts = least(come, full) if regime == "concurrency" else full
    own = most(1.0 / prompts, 1.0)
    others = most(group / prompts - own, 0.0)
    if regime == DECODE_POOL:
        own, others = 0.0 * own, 0.0 * others
    if regime in ("fixed batch", DECODE_POOL):
        aboard: Count = 0.0 * prompts
    else:
        aboard = most(micro - prompts, 0.0) * least(slots / most(others, 1e-9), 1.0)
    passes = least(most(group, 1.0), layout.pipeline)
    return Shape(group, micro, passes, prompts, full, aboard, own, others, steps, tokens)


def host_seconds(layout: Layout, cut: Shape, values: Mapping[str, float]) -> Second:
    """What the host adds to each pass of a stage: a fixed part, and a part for each sequence of the pass.

    step + sequence group / pipeline: the parts of the engine that it does not hide behind the accelerator. Each stage
    has a host process of its own, and runs it for each pass.

    >>> cut = shape(Layout(pipeline=2), 16.0, 1000.0, 101.0, 8000.0, "concurrency")
    >>> values = {"overhead.step": 1e-3, "overhead.sequence": 1e-5}
    >>> round(float(host_seconds(Layout(pipeline=2), cut, values)), 9)  # 1 ms, and 10 us for each of the stage's eight
    0.00108
    """
    return values["overhead.step"] + values["overhead.sequence"] * cut.group / layout.pipeline


@dataclass(frozen=True)
class Service:
    """A replica that always has `batch` requests in progress, or works one batch off after the other."""

    cycle: Second  # in which every one of the batch's requests is prefilled and decoded once
    ttft: Second  # mean time from arrival to first token
    tpot: Second  # mean time between tokens of a request, other requests' prefill in
    output_rate: Numeric  # output tokens per second of the replica
    token_rate: Numeric  # prompt and output tokens per second of the replica
    prefill_share: Numeric  # of the time


def _crowd(requests: Count, each: Second, cycle: Second) -> Numeric:
    """How many times longer than alone a request is at a server in a closed loop (P. J. Schweitzer, 1979).

    R / D of R^2 + R (Z - n D) - D Z = 0 for n requests that need D there and Z elsewhere: 1 / (1 - n D / cycle) at
    light load, (n D - Z) / D where it never rests.

    >>> round(_crowd(1.0, 0.1, 1.0), 3), round(_crowd(100.0, 0.1, 1.0), 1)
    (1.0, 91.1)
    """
    elsewhere = most(cycle - each, 0.0)
    excess = requests * each - elsewhere
    return (excess + (excess**2 + 4.0 * each * elsewhere) ** 0.5) / (2.0 * each)


def serve(
    layout: Layout,
    cut: Shape,
    batch: Count,
    prompt: Token,
    output: Token,
    stage_mixed: Second,
    stage_decode: Second,
    regime: str = "concurrency",
) -> Service:
    """Latency and throughput from the times of a pass that takes prompts in (m) and of a decode pass (t), one stage.

    With P stages, S = output - 1 steps, fewer where a step yields several tokens, `own` and `others` passes that take
    in the own prompt and those of the others: first = (P - 1 + own) m; decode = max(S P - others, 0) t + others m;
    cycle = first + decode; tpot = decode / (output - 1); output rate = batch output / cycle. Under `fixed batch` all
    prompts come first: first = (P - 1 + own + others) m and decode = S P t; a decode pool has no `first`. The time to
    first token is `first`, half a running step of the others, and the wait for prompts before it, r / 2 own m R / D, at
    most all the others': r is the share of time in such passes, R / D how crowded they are by prompts of D = m / (as
    many as a pass holds) in this closed loop (`_crowd`). Where a pass holds one this is Pollaczek-Khinchine's wait for
    even service times; where it holds more, who comes waits for the running pass to end and goes with the next. Valid
    at steady load with requests of one length; the first token comes from the prefill, so one-token outputs have no
    decode steps.

    >>> one = Layout()
    >>> cut = shape(one, 10.0, 100.0, 101.0, 100.0, "max load")
    >>> found = serve(one, cut, 10.0, 100.0, 101.0, stage_mixed=0.02, stage_decode=0.01)
    >>> round(float(found.cycle), 6), round(float(found.tpot), 6)
    (1.11, 0.0109)
    """
    stages, slots = layout.pipeline, cut.steps * layout.pipeline
    first = (stages - 1.0 + cut.own) * stage_mixed
    filling = cut.others * stage_mixed
    decodes = cut.steps > 0
    if regime == "fixed batch":
        first, decode = first + filling, slots * stage_decode
        ttft = first
    elif regime == DECODE_POOL:
        first, decode = 0.0 * first, slots * stage_decode
    else:
        decode = most(slots - cut.others, 0.0) * stage_decode + filling
    cycle = first + decode
    share = (cut.own + cut.others) * stage_mixed / cycle
    if regime != "fixed batch":
        busy = filling / cycle
        crowd = _crowd(cut.group, stage_mixed / cut.room, cycle)
        queue = least(busy / 2.0 * cut.own * stage_mixed * crowd, filling)
        running = where(decodes, least(most(cut.group - 1.0, 0.0), 1.0), 0.0)
        ttft = first + queue + running * stages * stage_decode / 2.0
    tpot = where(decodes, decode / most(cut.tokens, 1.0), stages * stage_decode)
    return Service(cycle, ttft, tpot, batch * output / cycle, batch * (prompt + output) / cycle, share)
