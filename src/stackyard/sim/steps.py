"""The seconds of one engine step: from the performance model as tables, or from the user's own measured steps.

A step takes q prompt tokens (in chunks that each have p tokens in the cache already) and n sequences that decode at a
mean context of c tokens:

    seconds = blocks(q + n) + head(prompts that end + n) + attention(q, p) + attention(n, c) + host

Everything but attention depends on tokens only, the output head on the tokens that are sampled; so four small tables
say all that the performance model says, at any mixture. With P pipeline stages, P micro-batches are on their way: a
round is P stages' passes over 1/P of the tokens.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stackyard.catalog.entries import Accelerator, Model
from stackyard.errors import Fault, InputErrors
from stackyard.perf import constants, lower
from stackyard.perf.layout import Layout
from stackyard.perf.op import Op
from stackyard.perf.precision import Precision
from stackyard.perf.provider import Provider, Roofline
from stackyard.quantity import Numeric

Vector = NDArray[np.float64]
_HEAD = ("head", "head_gather", "sample")


@dataclass(frozen=True)
class Asked:
    """What an engine runs: one data group of a replica."""

    model: Model
    chip: Accelerator
    layout: Layout
    precision: Precision
    engine: str  # an id of perf.constants.engines()

    @property
    def values(self) -> Mapping[str, float]:
        return constants.values(self.chip, self.engine)


def axis(most: float, ratio: float) -> Vector:
    """0, 1, 2, ... as far as `ratio` allows no whole step, then each point `ratio` times the last, past `most`.

    >>> axis(8.0, 2.0)
    array([0., 1., 2., 4., 8.])
    """
    points = [0.0, 1.0]
    while points[-1] < most:
        points.append(float(max(points[-1] + 1, np.ceil(points[-1] * ratio))))
    return np.array(points)


@dataclass(frozen=True)
class Table:
    """Seconds, busy compute seconds and bytes of one accelerator, by tokens, sequences and contexts."""

    axes: tuple[Vector, ...]  # tokens, sequences, context, chunk, prior context
    flat: Vector  # [2, tokens, 3]: all but attention, by tokens; the head, by sampled tokens
    decode: Vector  # [sequences, context, 3]
    prefill: Vector  # [chunk, prior, 3]
    grid: Vector  # [chunk, sequences, context]: whole measured steps; [1, 1, 1] of zero for a model's table
    host: tuple[float, float] = (0.0, 0.0)  # seconds a step, and a sequence

    def scaled(self, factor: float, host: tuple[float, float]) -> Table:
        """The table with all seconds of the device times a factor, and these seconds of the host."""
        parts = {name: getattr(self, name).copy() for name in ("flat", "decode", "prefill")}
        for part in parts.values():
            part[..., 0] *= factor
        return replace(self, **parts, host=host)


def cost(ops: list[Op], asked: Asked, provider: Provider, stages: Numeric) -> tuple[Numeric, Numeric, Numeric]:
    """Seconds, busy compute seconds and bytes of operations in all stages.

    Compute is counted at the chip's printed rate, so that its share of the time is a utilisation.
    """
    seconds: Numeric = 0.0
    busy: Numeric = 0.0
    moved: Numeric = 0.0
    for op in ops:
        told = provider.seconds(op, asked.chip)
        if told is None:
            raise ValueError(f"{asked.chip.name} has no time for {op.name} in {op.precision}")
        seconds = seconds + told
        if op.kind != "collective":
            busy = busy + op.count * op.flop / asked.chip.flops.get(op.precision, np.nan)
            moved = moved + op.count * op.bytes
    return seconds * stages, busy * stages, moved * stages


def blocks(asked: Asked, tokens: Numeric, provider: Provider, head: bool) -> tuple[Numeric, ...]:
    """Everything but attention for `tokens` tokens (head False), or the output head for as many sampled ones."""
    stages = asked.layout.pipeline
    ops = lower.decode(asked.model, asked.layout, asked.precision, np.maximum(tokens / stages, 1.0), 1.0)
    chosen = [op for op in ops if op.kind not in ("decode", "prefill") and (op.name in _HEAD) == head]
    return tuple(value * np.greater(tokens, 0) for value in cost(chosen, asked, provider, stages))


def decode_attention(asked: Asked, sequences: Numeric, context: Numeric, provider: Provider) -> tuple[Numeric, ...]:
    """Attention of `sequences` sequences that each read `context` cached tokens."""
    stages = asked.layout.pipeline
    ops = lower.decode(asked.model, asked.layout, asked.precision, np.maximum(sequences / stages, 1.0), context)
    chosen = [op for op in ops if op.kind == "decode"]
    return tuple(value * np.greater(sequences, 0) for value in cost(chosen, asked, provider, stages))


def prefill_attention(asked: Asked, tokens: Numeric, before: Numeric, provider: Provider) -> tuple[Numeric, ...]:
    """Attention of a chunk of `tokens` prompt tokens with `before` in the cache.

    flop = flop(before + tokens) - flop(before); bytes = bytes(tokens) + what reading `before` cached tokens moves.
    """
    stages = asked.layout.pipeline
    share = 1.0 / stages
    parts = [
        lower.prefill(asked.model, asked.layout, asked.precision, share, length)
        for length in (np.maximum(tokens, 1.0), before + tokens, np.maximum(before, 1.0))
    ]
    reads = [
        lower.decode(asked.model, asked.layout, asked.precision, share, length) for length in (before, 0.0 * before)
    ]
    alone, whole, prior = ([op for op in ops if op.kind == "prefill"] for ops in parts)
    far, none = ([op for op in ops if op.kind == "decode"] for ops in reads)
    chosen = []
    for op, long, short, read, zero in zip(alone, whole, prior, far, none, strict=True):
        flop = long.flop - short.flop * np.greater(before, 0)
        chosen.append(op._replace(flop=flop, bytes=op.bytes + read.bytes - zero.bytes))
    return tuple(value * np.greater(tokens, 0) for value in cost(chosen, asked, provider, stages))


def direct(
    asked: Asked, tokens: Numeric, before: Numeric, ends: Numeric, sequences: Numeric, context: Numeric
) -> Numeric:
    """Seconds of a step by the formulas themselves, without tables; one chunk of `tokens`, `before` cached.

    >>> from stackyard import api
    >>> from stackyard.sim.ask import deployment
    >>> of = deployment(api.service("llama-3.1-8b", "h200"), longest=2000)
    >>> bool(0 < direct(of.engines[0], 512.0, 0.0, 1.0, 0.0, 0.0) < 0.1)
    True
    """
    provider = Roofline(asked.values)
    seconds = blocks(asked, tokens + sequences, provider, head=False)[0]
    seconds = seconds + blocks(asked, ends + sequences, provider, head=True)[0]
    seconds = seconds + prefill_attention(asked, tokens, before, provider)[0]
    seconds = seconds + decode_attention(asked, sequences, context, provider)[0]
    step, each = host_seconds(asked)
    told: Numeric = seconds + step + each * (sequences + ends)
    return told


def host_seconds(asked: Asked) -> tuple[float, float]:
    """What the host adds to a step, and for each sequence of it; of perf.schedule.host_seconds, all stages.

    >>> from stackyard import api
    >>> from stackyard.sim.ask import deployment
    >>> of = deployment(api.service("llama-3.1-8b", "h200"), longest=2000)
    >>> all(0 < seconds < 0.01 for seconds in host_seconds(of.engines[0]))
    True
    """
    return asked.values["overhead.step"], asked.values["overhead.sequence"]


def table(asked: Asked, tokens: float, sequences: float, context: float) -> Table:
    """The tables of a model on a chip, up to these sizes; beyond them the last line goes on.

    >>> from stackyard import api
    >>> from stackyard.sim.ask import deployment
    >>> of = deployment(api.service("llama-3.1-8b", "h200"), longest=2000)
    >>> made = table(of.engines[0], 1000.0, 8.0, 1000.0)
    >>> len(made.axes)
    5
    """
    provider = Roofline(asked.values)
    axes = (
        axis(tokens + sequences, 1.03),
        axis(sequences, 1.06),
        axis(context, 1.09),
        axis(tokens, 1.06),
        axis(context, 1.12),
    )
    by_tokens, by_sequences, by_context, by_chunk, by_prior = axes
    flat = np.stack([np.stack(blocks(asked, by_tokens, provider, head), axis=-1) for head in (False, True)])
    decode = decode_attention(asked, by_sequences[:, None], by_context[None, :], provider)
    prefill = prefill_attention(asked, by_chunk[:, None], by_prior[None, :], provider)
    both = [np.stack(np.broadcast_arrays(*found), axis=-1).astype(float) for found in (decode, prefill)]
    return Table(axes, flat, both[0], both[1], np.zeros((1, 1, 1)), host_seconds(asked))


COLUMNS = ("prefill_tokens", "decode_sequences", "context_tokens", "seconds")


def measured(path: Path) -> Table:
    """The user's own steps: a CSV of prefill_tokens, decode_sequences, context_tokens (their mean) and seconds.

    The rows are a full grid: every combination of the values that occur, at least two of each. Between its points
    the seconds are trilinear; beyond it the outermost line goes on. Raises InputErrors that name the missing ones.
    """
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    if not rows or any(name not in rows[0] for name in COLUMNS):
        raise InputErrors([Fault(str(path), 1, "", f"needs the columns {', '.join(COLUMNS)}", "")])
    faults, points = [], []
    for line, row in enumerate(rows, 2):
        try:
            point = tuple(float(row[name]) for name in COLUMNS)
        except (TypeError, ValueError):
            faults.append(Fault(str(path), line, "", "a value is not a number", ""))
            continue
        if not all(np.isfinite(point)) or min(point[:3]) < 0 or point[3] <= 0:
            faults.append(Fault(str(path), line, "", "values must be finite, sizes at least 0 and seconds above 0", ""))
        points.append(point)
    if faults:
        raise InputErrors(faults)
    known = np.array(points)
    chunk, sequences, context = (np.unique(known[:, i]) for i in range(3))
    shape = (len(chunk), len(sequences), len(context))
    if min(shape) < 2 or len(known) != int(np.prod(shape)):
        told = (
            f"{len(known)} rows, but {' x '.join(map(str, shape))} values: a full grid of at least 2 x 2 x 2 is needed"
        )
        raise InputErrors([Fault(str(path), 0, "", told, "measure every combination")])
    grid = np.full(shape, np.nan)
    places = (np.searchsorted(a, known[:, i]) for i, a in enumerate((chunk, sequences, context)))
    grid[tuple(places)] = known[:, 3]
    if np.isnan(grid).any():
        raise InputErrors([Fault(str(path), 0, "", "a combination of sizes occurs twice and another is missing", "")])
    plain = np.array([0.0, 1.0])
    return Table(
        (plain, sequences, context, chunk, plain),
        np.zeros((2, 2, 3)),
        np.zeros((len(sequences), len(context), 3)),
        np.zeros((len(chunk), 2, 3)),
        grid,
    )


SIZES = ("tokens_n", "sequences_n", "context_n", "chunk_n", "prior_n", "grid_n")


def sizes(tables: list[Table]) -> tuple[int, ...]:
    """Points of the longest axis, of each axis, and of the measured grid; the kernel's names are SIZES."""
    lengths = [len(a) for a in tables[0].axes]
    return max(lengths), *lengths, tables[0].grid.size if tables[0].grid.size > 1 else 0


def packed(tables: list[Table]) -> dict[str, Vector]:
    """The arrays that the kernel reads, of the tables of all models of a run; their axes must be the same."""
    axes = tables[0].axes
    for other in tables[1:]:
        if any(len(a) != len(b) or (a != b).any() for a, b in zip(axes, other.axes, strict=True)):
            raise ValueError("the models' tables must be over the same sizes")
    points = max(len(a) for a in axes)
    padded = np.array([np.pad(a, (0, points - len(a)), constant_values=np.inf) for a in axes])
    names = {"flats": "flat", "decodes": "decode", "prefills": "prefill", "grids": "grid"}
    stacked = {name: np.stack([getattr(t, own) for t in tables]) for name, own in names.items()}
    return {"axes": padded, **stacked}
