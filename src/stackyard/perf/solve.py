"""From a query to numbers: lowering, times of passes, schedule, memory and power of one replica, by arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackyard.catalog.entries import Accelerator, HbmGeneration, Model
from stackyard.perf import architecture, energy, lower, refusal, schedule
from stackyard.perf.layout import Layout, divides
from stackyard.perf.memory import Memory, memory
from stackyard.perf.numeric import least, most
from stackyard.perf.op import Op
from stackyard.perf.overflow import read_seconds
from stackyard.perf.precision import Precision, unsupported
from stackyard.perf.provider import Provider
from stackyard.perf.serving import PLAIN, Serving, guesser_bytes, guesses, primed, unserved
from stackyard.quantity import Count, Numeric, Second, Token

Mask = bool | NDArray[np.bool_]
Numbers = dict[str, Numeric]

BLOCK = 49_152  # array elements worked on at a time: temporaries stay in the processor's cache


@dataclass(frozen=True)
class Query:
    """What is asked, sizes apart."""

    model: Model
    chip: Accelerator
    provider: Provider
    precision: Precision
    hbm: HbmGeneration | None
    values: Mapping[str, float]
    regime: str
    serving: Serving = PLAIN
    power: float = np.inf  # limit below the rated power


def solve(query: Query, sizes: tuple[Numeric, ...], size: tuple[int, ...]) -> tuple[Numbers, dict[str, Mask]]:
    """Every number and every reason for sizes that broadcast to `size`, in blocks where there are many."""
    if not size or np.prod(size, dtype=int) <= BLOCK:
        return _solve(query, *sizes)
    return _solve_in_blocks(query, sizes, size)


def _solve_in_blocks(
    query: Query, sizes: tuple[Numeric, ...], size: tuple[int, ...]
) -> tuple[Numbers, dict[str, Mask]]:
    flat = [np.broadcast_to(value, size).reshape(-1) for value in sizes]
    total = int(np.prod(size, dtype=int))
    whole: tuple[dict[str, Any], dict[str, Any]] = {}, {}
    for start in range(0, total, BLOCK):
        stop = min(start + BLOCK, total)
        told: tuple[dict[str, Any], dict[str, Any]] = _solve(query, *(value[start:stop] for value in flat))
        for kept, pieces in zip(whole, told, strict=True):
            for name, piece in pieces.items():
                if np.ndim(piece) == 0:  # the same for every block
                    kept[name] = piece
                    continue
                if start == 0:
                    kept[name] = np.empty(total, dtype=piece.dtype)
                kept[name][start:stop] = piece
    for kept in whole:
        kept.update({name: value.reshape(size) for name, value in kept.items() if np.ndim(value)})
    return whole


def lowered(
    model: Model,
    precision: Precision,
    values: Mapping[str, float],
    layout: Layout,
    batch: Count,
    prompt: Token,
    output: Token,
    regime: str = "concurrency",
    serving: Serving = PLAIN,
) -> tuple[schedule.Shape, list[Op], list[Op]]:
    """How the batch is cut, and the operations of one stage's pass that takes prompts in and of its decode pass.

    >>> from stackyard import catalog
    >>> from stackyard.perf import constants
    >>> from stackyard.perf.precision import PRESETS
    >>> known = catalog.load()
    >>> model, values = known.model("llama-3.1-8b"), constants.values(known.accelerator("h200"))
    >>> cut, mixed, decode = lowered(model, PRESETS["fp8"], values, Layout(), 8.0, 1000.0, 100.0)
    >>> work = [sum(float(op.flop * op.count) for op in ops) for ops in (mixed, decode)]
    >>> work[0] > 100 * work[1]  # a prompt of 1,000 tokens beside steps of one
    True
    """
    new = most(prompt * (1.0 - serving.prefix), 1.0) if serving.prefix else prompt
    prefix = prompt - new if serving.prefix else 0.0
    cut = schedule.shape(layout, batch, new, output, values["prefill.tokens"], regime, serving.gain)
    context, sizes = prompt + output / 2.0, (model, layout, precision)
    if regime == "fixed batch":
        filling = lower.prefill(*sizes, cut.prompts, new, prefix)
    else:
        filling = lower.mixed(*sizes, cut.prompts, new, cut.aboard, context, serving.queries, prefix, prompt + output)
        filling += guesses(*sizes, serving, cut.aboard, context)
    filling += primed(*sizes, serving, cut.prompts, new, prefix)
    stepping = lower.decode(*sizes, cut.micro, context, serving.queries, prompt + output)
    return cut, filling, stepping + guesses(*sizes, serving, cut.micro, context)


def seconds(provider: Provider, op: Op, chip: Accelerator) -> Second:
    """Seconds of all repetitions of an operation; nan where the provider does not know.

    >>> from stackyard import catalog
    >>> from stackyard.perf import constants
    >>> from stackyard.perf.op import matmul
    >>> from stackyard.perf.provider import Roofline
    >>> chip = catalog.load().accelerator("h200")
    >>> provider = Roofline(constants.values(chip))
    >>> ops = [matmul("up", 8.0, 8192.0, 8192.0, 1.0, "fp8", count) for count in (1.0, 2.0)]
    >>> one, two = (seconds(provider, op, chip) for op in ops)
    >>> float(two / one)
    2.0
    """
    if type(op.count) is float and op.count == 0.0:
        return 0.0
    found = provider.seconds(op, chip)
    return np.nan if found is None else found


def _solve(
    query: Query,
    tensor: Count,
    pipeline: Count,
    data: Count,
    expert: Count,
    batch: Count,
    prompt: Token,
    output: Token,
) -> tuple[Numbers, dict[str, Mask]]:
    """Every number of the estimate, and every reason why it may not fit, for floats or arrays."""
    model, chip, provider, precision, values = query.model, query.chip, query.provider, query.precision, query.values
    missing = architecture.unmodelled(model)
    reasons: dict[str, Mask] = dict.fromkeys((*missing, *unsupported(chip, precision)), True)
    layout = Layout(tensor, pipeline, data, expert)
    reasons |= refusal.sizes(model, layout, batch, prompt, output)
    reasons |= refusal.unrecorded(chip, layout)
    layout, batch, prompt, output = at_least_one(layout, batch, prompt, output)
    reasons |= divides(model, layout) | unserved(model, layout, query.serving)

    sizes = (layout, batch, prompt, output)
    cut, filling, stepping = lowered(model, precision, values, *sizes, query.regime, query.serving)
    held = _held(query, cut, *sizes)
    reasons |= refusal.too_large(held)
    known, host = np.nan if missing else 1.0, schedule.host_seconds(layout, cut, values)
    mixed = known * (sum(seconds(provider, op, chip) for op in filling) + host)
    step = known * (sum(seconds(provider, op, chip) for op in stepping) + host)
    if query.serving.store is not None:
        read = read_seconds(held.overflow, cut.passes, query.serving.store)
        mixed, step = most(mixed, read * least(cut.aboard / cut.micro, 1.0)), most(step, read)
    mixed_power, step_power = (
        energy.drawn(chip, ops, time, values, query.hbm, query.power)
        for ops, time in ((filling, mixed), (stepping, step))
    )
    mixed, step = mixed * mixed_power.stretch, step * step_power.stretch
    served = schedule.serve(layout, cut, batch, prompt, output, mixed, step, query.regime)
    share = served.prefill_share
    drawn = share * mixed_power.watts + (1.0 - share) * step_power.watts
    front = 0.0 if query.regime == "fixed batch" else values["overhead.request"]  # a batch is given, not sent for
    numbers: Numbers = {
        "prefill_seconds": mixed * layout.pipeline,
        "step_seconds": step * layout.pipeline,
        "ttft": served.ttft + front,
        "tpot": served.tpot,
        "output_rate": served.output_rate,
        "token_rate": served.token_rate,
        "prefill_share": share,
        "prefill_watts": mixed_power.watts,
        "decode_watts": step_power.watts,
        "clock": least(mixed_power.clock, step_power.clock),
        "watts": drawn,
        "joules_per_token": drawn * layout.accelerators / served.token_rate,
    }
    return numbers | {f.name: known * getattr(held, f.name) for f in fields(Memory)}, reasons


def _held(query: Query, cut: schedule.Shape, layout: Layout, batch: Count, prompt: Token, output: Token) -> Memory:
    """Memory of one accelerator, with what the guessing of tokens adds."""
    model, precision, values, serving = query.model, query.precision, query.values, query.serving
    pass_tokens = least(cut.prompts * prompt * (1.0 - serving.prefix), values["prefill.tokens"])
    more = guesser_bytes(model, layout, precision, serving, prompt + output)
    sizes = (layout, precision, batch, prompt + output, pass_tokens)
    return memory(model, query.chip, *sizes, values, more, serving.store)


def widths(layout: Layout) -> tuple[Count, ...]:
    """Tensor, pipeline, data and expert width.

    >>> widths(Layout(tensor=8, expert=8))
    (8, 1, 1, 8)
    """
    return layout.tensor, layout.pipeline, layout.data, layout.expert


def at_least_one(layout: Layout, *numbers: Numeric) -> tuple[Layout, Numeric, Numeric, Numeric]:
    """Sizes below one are a reason not to fit; they are worked as one so that the other reasons are told too.

    >>> layout, batch, prompt, output = at_least_one(Layout(tensor=0), 0.0, 1000.0, 0.5)
    >>> float(layout.tensor), float(batch), float(prompt), float(output)
    (1.0, 1.0, 1000.0, 1.0)
    """
    batch, prompt, output = (most(number, 1.0) for number in numbers)
    return Layout(*(most(width, 1.0) for width in widths(layout))), batch, prompt, output
