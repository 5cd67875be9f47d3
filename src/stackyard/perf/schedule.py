"""Continuous batching: from the times of single passes to latency and throughput of a replica at full load."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stackyard.perf.layout import Layout
from stackyard.quantity import Count, Numeric, Second, Token


@dataclass(frozen=True)
class Shape:
    """How a batch is cut into passes, in one tensor group."""

    group: Count  # sequences of one tensor group
    micro: Count  # sequences of one decode pass through one stage
    passes: Count  # decode passes in flight: at most one a stage
    prompts: Count  # prompts of one prefill pass; less than 1 where a prompt takes several passes


def shape(layout: Layout, batch: Count, prompt: Token, pass_tokens: Token) -> Shape:
    """A batch spread evenly over data groups, and over pipeline stages as micro-batches of at least one sequence.

    A prefill pass takes as many prompts as fill `pass_tokens`, at most the group's, at least one whole prompt.
    """
    group = batch / layout.data
    micro = np.maximum(group / layout.pipeline, 1.0)
    prompts = np.maximum(np.minimum(pass_tokens / prompt, group), 1.0)
    return Shape(group, micro, np.minimum(np.maximum(group, 1.0), layout.pipeline), prompts)


@dataclass(frozen=True)
class Service:
    """A replica that always has `batch` requests in progress."""

    cycle: Second  # in which every one of the batch's requests is prefilled and decoded once
    ttft: Second  # mean time from arrival to first token
    tpot: Second  # mean time between tokens of a request, other requests' prefill in
    output_rate: Numeric  # output tokens per second of the replica
    token_rate: Numeric  # prompt and output tokens per second of the replica
    prefill_share: Numeric  # of the time


def serve(
    layout: Layout, cut: Shape, batch: Count, prompt: Token, output: Token, stage_prefill: Second, stage_decode: Second
) -> Service:
    """Latency and throughput when prefill passes go before decode steps.

    With S = output - 1 decode steps of t = pipeline x stage_decode, and prefill at p = stage_prefill / prompts a
    request: cycle = S t + group p; output rate = batch output / cycle; token rate = batch (prompt + output) / cycle;
    tpot = t + (group - 1) p / S. The time to first token is half a running step, the wait for the prefill passes before
    it, r / (2 (1 - r)) stage_prefill with r the share of time in prefill (Pollaczek-Khinchine for even service times,
    at most the prefill of the whole group), and its own pass through all stages. Valid at steady load with requests of
    one length; the first token comes from the prefill, so one-token outputs have no decode steps.

    >>> one = Layout()
    >>> found = serve(one, shape(one, 10.0, 100.0, 100.0), 10.0, 100.0, 101.0, stage_prefill=0.1, stage_decode=0.01)
    >>> float(found.cycle), round(float(found.tpot), 3), float(found.output_rate)
    (2.0, 0.019, 505.0)
    """
    step = layout.pipeline * stage_decode
    steps = np.maximum(output - 1.0, 0.0)
    each = stage_prefill / cut.prompts
    filling = cut.group * each
    cycle = steps * step + filling
    rest = np.maximum(cut.group - 1.0, 0.0) * each
    decodes = np.greater(steps, 0)
    tpot = step + rest / np.maximum(steps, 1.0) * decodes
    share = filling / cycle
    idle = np.maximum(1.0 - share, 1e-9)
    queue = np.minimum(share / (2.0 * idle) * stage_prefill, rest)
    ttft = layout.pipeline * stage_prefill + queue + step / 2.0 * decodes
    return Service(cycle, ttft, tpot, batch * output / cycle, batch * (prompt + output) / cycle, share)
