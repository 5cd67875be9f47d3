"""`estimate`: what one replica of a model does on a chip: seconds, bytes, watts, whether it fits, and why not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackyard.catalog.entries import Accelerator, HbmGeneration, Model
from stackyard.errors import nearest
from stackyard.perf import architecture, constants, energy, lower, refusal, schedule
from stackyard.perf.interval import factors
from stackyard.perf.layout import Layout, divides
from stackyard.perf.memory import Memory, memory
from stackyard.perf.op import Op
from stackyard.perf.precision import FOUR_BIT, Precision, precision_of, unsupported
from stackyard.perf.provider import LIMITS, Provider, Roofline
from stackyard.quantity import Count, Joule, Numeric, Second, Token, Watt
from stackyard.source import Fact, Grade, weakest

Mask = bool | NDArray[np.bool_]


@dataclass(frozen=True)
class Part:
    """One operation of a phase and its seconds in one pass through all stages."""

    phase: str  # 'prefill' or 'decode'
    op: Op  # of one accelerator
    seconds: Second
    chip: Accelerator = field(repr=False)

    @property
    def limit(self) -> Any:
        """What it waits for by the roofline: 'compute', 'memory', 'link' or 'overhead'; an array of them for arrays."""
        terms = Roofline().terms(self.op, self.chip)
        if terms is None:
            return "unknown"
        names = np.array(LIMITS)
        found = names[np.argmax(np.broadcast_arrays(*terms), axis=0)]
        return found if np.ndim(found) else str(found)


@dataclass(frozen=True)
class Basis:
    """What an estimate rests on: the provider, the constants it used, and the weakest grade among all inputs."""

    provider: str
    constants: tuple[Fact, ...] = field(repr=False)
    grade: Grade

    def __str__(self) -> str:
        return f"{self.provider}, {len(self.constants)} constants, weakest grade {self.grade.label}"


@dataclass(frozen=True)
class Estimate:
    """One replica at steady load with `batch` requests in progress; every number is a float, or an array of one shape.

    `output_rate` counts generated tokens, `token_rate` prompt and generated tokens; both are tokens per second of the
    replica. `watts` is one accelerator's mean; `joules_per_token` is of the replica, over the tokens of token_rate.
    Where the model cannot be laid out so, `fits` is False and the times are what they would be if it could (nan where
    the chip lacks the arithmetic or the model's blocks are not modelled).
    """

    model: Model = field(repr=False)
    chip: Accelerator = field(repr=False)
    provider: Provider
    precision: Precision
    layout: Layout
    batch: Count
    prompt: Token
    output: Token
    prefill_seconds: Second  # of one prefill pass through all stages
    step_seconds: Second  # of one decode step through all stages
    ttft: Second
    tpot: Second
    output_rate: Numeric
    token_rate: Numeric
    prefill_share: Numeric  # of the time
    watts: Watt
    joules_per_token: Joule
    memory: Memory
    reasons: Mapping[str, Mask] = field(repr=False)
    fits: Mask
    regime: str = "concurrency"
    engine: str = ""

    @property
    def accelerators(self) -> Count:
        return np.maximum(self.layout.accelerators, 1.0)

    @property
    def parts(self) -> tuple[Part, ...]:
        """Every operation of a prefill pass and a decode step, worked out again when asked for."""
        lay, batch, prompt, output = _at_least_one(self.layout, self.batch, self.prompt, self.output)
        values = constants.values(self.chip, self.engine)
        sizes = (lay, batch, prompt, output, self.regime)
        _, filling, stepping = lowered(self.model, self.precision, values, *sizes)
        stages = lay.pipeline
        parts = []
        for phase, ops in (("prefill", filling), ("decode", stepping)):
            for op in ops:
                seconds = _seconds(self.provider, op, self.chip)
                if np.any(np.greater(op.count, 0)):
                    parts.append(Part(phase, op, seconds * stages, self.chip))
        return tuple(parts)

    @property
    def basis(self) -> Basis:
        """What the estimate rests on."""
        return _basis(self.provider, self.model, self.chip, self.engine, [part.op for part in self.parts])

    @property
    def output_rate_per_accelerator(self) -> Numeric:
        return self.output_rate / self.accelerators

    @property
    def token_rate_per_accelerator(self) -> Numeric:
        """Prompt and generated tokens per second of one accelerator: what a planner multiplies by."""
        return self.token_rate / self.accelerators

    def interval(self, metric: str = "output_rate") -> tuple[Numeric, Numeric]:
        """Where 80% of measurements of a metric lie, by those left out of the fit; rates, 'tpot' or 'ttft'."""
        low, high = factors(self.chip, metric, self.engine)
        value: Numeric = getattr(self, metric)
        return value * low, value * high

    @property
    def low(self) -> float:
        """Factor on the rates below which one measurement in ten lies."""
        return factors(self.chip, "output_rate", self.engine)[0]

    @property
    def high(self) -> float:
        """Factor on the rates above which one measurement in ten lies."""
        return factors(self.chip, "output_rate", self.engine)[1]

    @property
    def why(self) -> Any:
        """Reasons why it does not fit: a list for one estimate, reason -> mask for arrays."""
        if np.ndim(self.fits):
            return {reason: mask for reason, mask in self.reasons.items() if np.any(mask)}
        return [reason for reason, holds in self.reasons.items() if holds]

    def at(self, index: int | tuple[int, ...]) -> Estimate:
        """The estimate at one index of an array estimate."""

        def pick(value: Any) -> Any:
            if isinstance(value, np.ndarray) and value.ndim:
                return np.broadcast_to(value, np.shape(self.fits))[index].item()
            return value

        def pick_all(value: Any) -> Any:
            return replace(value, **{f.name: pick(getattr(value, f.name)) for f in fields(value)})

        reasons = {reason: pick(mask) for reason, mask in self.reasons.items()}
        parts = {"layout": pick_all(self.layout), "memory": pick_all(self.memory), "reasons": reasons}
        found: Estimate = replace(pick_all(self), **parts)
        return found

    def summary(self) -> dict[str, Any]:
        """One estimate as plain names and values, ready to print or to write as JSON; SI units are in the names.

        A number that is not known is None.
        """
        if np.ndim(self.fits):
            raise ValueError("an array of estimates has no summary: take one with .at(index)")
        lay, mem, basis = self.layout, self.memory, self.basis
        sizes = [f.name for f in fields(mem) if f.name != "largest_batch"]
        return {
            "model": self.model.id,
            "chip": self.chip.id,
            "precision": {f.name: getattr(self.precision, f.name) for f in fields(self.precision)},
            "layout": {f.name: _told(getattr(lay, f.name)) for f in fields(lay)},
            "accelerators": _told(self.accelerators),
            "batch": _told(self.batch),
            "prompt_tokens": _told(self.prompt),
            "output_tokens": _told(self.output),
            "fits": bool(self.fits),
            "why": self.why,
            "ttft_s": _told(self.ttft),
            "tpot_s": _told(self.tpot),
            "prefill_s": _told(self.prefill_seconds),
            "step_s": _told(self.step_seconds),
            "prefill_share": _told(self.prefill_share),
            "output_tokens_per_s": _told(self.output_rate),
            "tokens_per_s": _told(self.token_rate),
            "output_tokens_per_s_per_accelerator": _told(self.output_rate_per_accelerator),
            "tokens_per_s_per_accelerator": _told(self.token_rate_per_accelerator),
            "memory_bytes": {name: _told(getattr(mem, name)) for name in sizes},
            "memory_used_bytes": _told(mem.total),
            "largest_batch": _told(mem.largest_batch),
            "watts_per_accelerator": _told(self.watts),
            "joules_per_token": _told(self.joules_per_token),
            "interval_80": {
                name: [_told(value) for value in self.interval(name)]
                for name in ("ttft", "tpot", "output_rate", "token_rate")
            },
            "basis": {
                "engine": self.engine,
                "constants_of": constants.generation(self.chip).id,
                "chip_measured": constants.measured(self.chip),
                "provider": basis.provider,
                "grade": basis.grade.label,
                "constants": {fact.path: fact.value for fact in basis.constants},
            },
            "parts": [
                {"phase": p.phase, "name": p.op.name, "seconds": _told(p.seconds), "limit": str(p.limit)}
                for p in self.parts
            ],
        }


def _told(value: Any) -> float | int | None:
    """A plain number: whole ones as int, unknown ones as None."""
    number = float(value)
    if not np.isfinite(number):
        return None
    return int(number) if number == int(number) else number


def estimate(
    model: Model,
    chip: Accelerator,
    layout: Layout,
    batch: Count,
    prompt: Token,
    output: Token,
    precision: str | Precision = "bf16",
    provider: Provider | None = None,
    hbm: HbmGeneration | None = None,
    regime: str = "concurrency",
    engine: str = "",
) -> Estimate:
    """Time, memory, power and throughput of one replica of `model` with `batch` requests in progress.

    Layout fields, batch and lengths may be arrays that broadcast; then every field of the result is an array of that
    shape. What cannot be is said in `why`; numbers that are not finite or negative raise ValueError, as does an unknown
    precision. Decode is timed at the mean context, prompt + output / 2; memory is kept for full length,
    prompt + output, so that no request is ever evicted. Experts are taken to be chosen evenly. `regime` is one of
    schedule.REGIMES; `engine` an id of constants.engines(), by default the newest that suits the chip.

    >>> from stackyard import catalog
    >>> known = catalog.load()
    >>> model, chip = known.model("llama-3.1-70b"), known.accelerator("h200")
    >>> found = estimate(model, chip, Layout(tensor=8), batch=64, prompt=1000, output=1000, precision="fp8")
    >>> found.fits, 8e-3 < found.tpot < 20e-3
    (True, True)
    """
    if regime not in schedule.REGIMES:
        raise ValueError(f"'{regime}' is not a regime I know: {nearest(regime, schedule.REGIMES)}")
    engine = engine or constants.newest_engine(chip).id
    values = constants.values(chip, engine)
    chosen, source = precision_of(precision), provider or Roofline(values)
    query = Query(model, chip, source, chosen, hbm, values, regime)
    sizes, size = _plain(layout, batch, prompt, output)
    if np.prod(size, dtype=int) <= _BLOCK:
        numbers, reasons = _solve(query, *sizes)
    else:
        numbers, reasons = _solve_in_blocks(query, sizes, size)

    def shaped(value: Any) -> Any:
        return np.broadcast_to(value, size) if size else float(value)

    numbers = {name: shaped(value) for name, value in numbers.items()}
    held = Memory(**{f.name: numbers.pop(f.name) for f in fields(Memory)})
    lay = Layout(*(shaped(width) for width in sizes[:4]))
    masks: dict[str, Mask] = {
        reason: np.broadcast_to(mask, size) if size else bool(mask) for reason, mask in reasons.items()
    }
    fits = ~np.logical_or.reduce([np.asarray(mask) for mask in masks.values()]) if size else not any(masks.values())
    counts = {name: shaped(value) for name, value in zip(("batch", "prompt", "output"), sizes[4:], strict=True)}
    return Estimate(
        model=model,
        chip=chip,
        provider=source,
        precision=chosen,
        layout=lay,
        memory=held,
        reasons=masks,
        fits=fits,
        regime=regime,
        engine=engine,
        **counts,
        **numbers,
    )


_BLOCK = 16384  # array elements worked on at a time: temporaries stay in the processor's cache


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


def _solve_in_blocks(
    query: Query, sizes: tuple[Numeric, ...], size: tuple[int, ...]
) -> tuple[dict[str, Numeric], dict[str, Mask]]:
    flat = [np.broadcast_to(value, size).reshape(-1) for value in sizes]
    total = int(np.prod(size, dtype=int))
    results = [_solve(query, *(value[start : start + _BLOCK] for value in flat)) for start in range(0, total, _BLOCK)]

    def joined(pieces: list[Any]) -> Any:
        if all(np.ndim(piece) == 0 for piece in pieces):
            return pieces[0]
        return np.concatenate(pieces).reshape(size)

    numbers = {name: joined([result[0][name] for result in results]) for name in results[0][0]}
    reasons = {name: joined([result[1][name] for result in results]) for name in results[0][1]}
    return numbers, reasons


def lowered(
    model: Model,
    precision: Precision,
    values: Mapping[str, float],
    layout: Layout,
    batch: Count,
    prompt: Token,
    output: Token,
    regime: str = "concurrency",
) -> tuple[schedule.Shape, list[Op], list[Op]]:
    """How the batch is cut, and the operations of one stage's pass that takes prompts in and of its decode pass."""
    cut = schedule.shape(layout, batch, prompt, output, values["prefill.tokens"], regime)
    context = prompt + output / 2.0
    if regime == "fixed batch":
        filling = lower.prefill(model, layout, precision, cut.prompts, prompt)
    else:
        filling = lower.mixed(model, layout, precision, cut.prompts, prompt, cut.aboard, context)
    return cut, filling, lower.decode(model, layout, precision, cut.micro, context)


def _seconds(provider: Provider, op: Op, chip: Accelerator) -> Second:
    seconds = provider.seconds(op, chip)
    return np.nan if seconds is None else seconds


def _solve(
    query: Query,
    tensor: Count,
    pipeline: Count,
    data: Count,
    expert: Count,
    batch: Count,
    prompt: Token,
    output: Token,
) -> tuple[dict[str, Numeric], dict[str, Mask]]:
    """Every number of the estimate, and every reason why it may not fit, for floats or arrays."""
    model, chip, provider, precision, values = query.model, query.chip, query.provider, query.precision, query.values
    missing = architecture.unmodelled(model)
    reasons: dict[str, Mask] = dict.fromkeys((*missing, *unsupported(chip, precision)), True)
    layout = Layout(tensor, pipeline, data, expert)
    reasons |= refusal.sizes(model, layout, batch, prompt, output)
    reasons |= refusal.unrecorded(chip, layout)
    layout, batch, prompt, output = _at_least_one(layout, batch, prompt, output)
    reasons |= divides(model, layout)

    cut, filling, stepping = lowered(model, precision, values, layout, batch, prompt, output, query.regime)
    known = np.nan if missing else 1.0
    host = schedule.host_seconds(layout, cut, values)
    stage_mixed = known * (sum(_seconds(provider, op, chip) for op in filling) + host)
    stage_decode = known * (sum(_seconds(provider, op, chip) for op in stepping) + host)
    served = schedule.serve(layout, cut, batch, prompt, output, stage_mixed, stage_decode, query.regime)
    pass_tokens = np.minimum(cut.prompts * prompt, values["prefill.tokens"])
    held = memory(model, chip, layout, precision, batch, prompt + output, pass_tokens, values)
    reasons |= refusal.too_large(held)
    drawn = _watts(chip, cut, served, filling, stepping, values, query.hbm)
    numbers: dict[str, Numeric] = {
        "prefill_seconds": stage_mixed * layout.pipeline,
        "step_seconds": stage_decode * layout.pipeline,
        "ttft": served.ttft + values["overhead.request"],
        "tpot": served.tpot,
        "output_rate": served.output_rate,
        "token_rate": served.token_rate,
        "prefill_share": served.prefill_share,
        "watts": drawn,
        "joules_per_token": drawn * layout.accelerators / served.token_rate,
    }
    return numbers | {f.name: known * getattr(held, f.name) for f in fields(Memory)}, reasons


def _widths(layout: Layout) -> tuple[Count, ...]:
    return layout.tensor, layout.pipeline, layout.data, layout.expert


def _at_least_one(layout: Layout, *numbers: Numeric) -> tuple[Layout, Numeric, Numeric, Numeric]:
    """Sizes below one are a reason not to fit; they are worked as one so that the other reasons are told too."""
    batch, prompt, output = (np.maximum(number, 1.0) for number in numbers)
    return Layout(*(np.maximum(width, 1.0) for width in _widths(layout))), batch, prompt, output


def _plain(layout: Layout, *numbers: Numeric) -> tuple[tuple[Numeric, ...], tuple[int, ...]]:
    """Inputs as floats or arrays of floats, and their common shape; ValueError names every bad one."""
    names = ("tensor", "pipeline", "data", "expert", "batch", "prompt", "output")
    arrays = [np.asarray(number, dtype=float) for number in (*_widths(layout), *numbers)]
    faults = []
    for name, array in zip(names, arrays, strict=True):
        if not np.isfinite(array).all():
            faults.append(f"{name} is not finite")
        elif (array < 0).any():
            faults.append(f"{name} is negative")
    if faults:
        raise ValueError("; ".join(faults))
    size = np.broadcast_shapes(*(array.shape for array in arrays))
    return tuple(array if size else float(array) for array in arrays), size


def _watts(
    chip: Accelerator,
    cut: schedule.Shape,
    served: schedule.Service,
    filling: list[Op],
    stepping: list[Op],
    values: Mapping[str, float],
    hbm: HbmGeneration | None,
) -> Watt:
    """Mean power over a cycle: its passes with prompts and its pure decode passes through this accelerator's stage."""
    busy: Numeric = 0.0
    moved: Numeric = 0.0
    taking = cut.own + cut.others
    steps = np.maximum(cut.steps * cut.passes - cut.others * np.greater(cut.aboard, 0), 0.0)
    for passes, ops in ((taking, filling), (steps, stepping)):
        for op in ops:
            if op.kind == "collective":
                continue
            sustained = chip.flops.get(op.precision, np.nan) * values[f"compute.{op.precision}"]
            busy = busy + passes * (op.count * op.flop / sustained)
            moved = moved + passes * (op.count * op.bytes)
    return energy.watts(chip, busy / served.cycle, moved / served.cycle, values, hbm)


def _basis(provider: Provider, model: Model, chip: Accelerator, engine: str, ops: Iterable[Op]) -> Basis:
    names = set(_ALWAYS)
    for op in ops:
        names |= {f"overhead.{op.kind}"}
        if op.kind == "collective":
            names |= {"link.scale_up", "link.scale_out", "link.half", "overhead.ramp"}
        elif op.kind in ("matmul", "experts"):
            names |= {f"compute.{op.precision}", f"memory.{op.kind}", f"format.{op.stored}", f"padding.{op.kind}"}
            names |= {"compute.dequantise"} if op.stored in FOUR_BIT and op.precision != "fp4" else set()
            grouped = ("compute.experts", "compute.narrow", "memory.narrow", "load.experts", "overhead.group")
            names |= {"compute.wave"} if op.kind == "matmul" else set(grouped)
        else:
            names |= {f"compute.{op.kind}", f"memory.{op.kind}"}
            names |= {f"cache.{op.stored}"} if op.kind == "decode" else set()
    if np.isnan(chip.idle):
        names.add("power.idle")
    used = constants.used(chip, engine, names)
    facts = (*used, *model.facts.values(), *chip.facts.values())
    return Basis(provider.name, used, weakest(fact.grade for fact in facts))


_ALWAYS = (
    "overhead.step",
    "overhead.sequence",
    "overhead.request",
    "overhead.scale",
    "engine.kernels",
    "memory.usable",
    "memory.runtime",
    "prefill.tokens",
    "energy.hbm",
    "energy.path",
)
