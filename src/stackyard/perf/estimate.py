"""`estimate`: what one replica of a model does on a chip: seconds, bytes, watts, whether it fits, and why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from stackyard.catalog.entries import Accelerator, HbmGeneration, Model
from stackyard.errors import nearest
from stackyard.notebook import Columns, Tabular, card
from stackyard.perf import constants, energy, schedule
from stackyard.perf.basis import Basis, basis_of
from stackyard.perf.interval import factors
from stackyard.perf.layout import Layout
from stackyard.perf.memory import Memory
from stackyard.perf.op import Op
from stackyard.perf.precision import Precision, precision_of
from stackyard.perf.provider import LIMITS, Provider, Roofline
from stackyard.perf.serving import PLAIN, Serving
from stackyard.perf.solve import Mask, Query, at_least_one, lowered, seconds, solve, widths
from stackyard.quantity import Count, Fraction, Joule, Numeric, Second, Token, Watt, show

__all__ = ["Basis", "Estimate", "Part", "estimate", "lowered"]


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
class Estimate(Tabular):
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
    prefill_watts: Watt  # of one accelerator in a pass that takes prompts in
    decode_watts: Watt  # of one accelerator in a decode step
    clock: Fraction  # of the boost clock, that the power limit leaves in the phase that draws more
    watts: Watt
    joules_per_token: Joule
    memory: Memory
    reasons: Mapping[str, Mask] = field(repr=False)
    fits: Mask
    regime: str = "concurrency"
    engine: str = ""
    serving: Serving = PLAIN

    @property
    def accelerators(self) -> Count:
        return np.maximum(self.layout.accelerators, 1.0)

    @property
    def parts(self) -> tuple[Part, ...]:
        """Every operation of a prefill pass and a decode step, worked out again when asked for."""
        lay, batch, prompt, output = at_least_one(self.layout, self.batch, self.prompt, self.output)
        values = constants.values(self.chip, self.engine)
        sizes = (lay, batch, prompt, output, self.regime, self.serving)
        _, filling, stepping = lowered(self.model, self.precision, values, *sizes)
        stages = lay.pipeline
        parts = []
        for phase, ops in (("prefill", filling), ("decode", stepping)):
            for op in ops:
                each = seconds(self.provider, op, self.chip)
                if np.any(np.greater(op.count, 0)):
                    parts.append(Part(phase, op, each * stages, self.chip))
        return tuple(parts)

    @property
    def basis(self) -> Basis:
        """What the estimate rests on."""
        return basis_of(self.provider, self.model, self.chip, self.engine, [part.op for part in self.parts])

    @property
    def output_rate_per_accelerator(self) -> Numeric:
        return self.output_rate / self.accelerators

    @property
    def token_rate_per_accelerator(self) -> Numeric:
        """Prompt and generated tokens per second of one accelerator: what a planner multiplies by."""
        return self.token_rate / self.accelerators

    def interval(self, metric: str = "output_rate") -> tuple[Numeric, Numeric]:
        """Where 80% of measurements of a metric lie, by those left out of the fit; rates, 'tpot' or 'ttft'."""
        low, high = factors(self.chip, metric, self.serving.scenario, self.engine)
        value: Numeric = getattr(self, metric)
        return value * low, value * high

    @property
    def low(self) -> float:
        """Factor on the rates below which one measurement in ten lies."""
        return factors(self.chip, "output_rate", self.serving.scenario, self.engine)[0]

    @property
    def high(self) -> float:
        """Factor on the rates above which one measurement in ten lies."""
        return factors(self.chip, "output_rate", self.serving.scenario, self.engine)[1]

    @property
    def why(self) -> Any:
        """Reasons why it does not fit: a list for one estimate, reason -> mask for arrays."""
        if np.ndim(self.fits):
            return {reason: mask for reason, mask in self.reasons.items() if np.any(mask)}
        return [reason for reason, holds in self.reasons.items() if holds]

    def columns(self) -> Columns:
        """The estimate, or all points of an array of estimates, as columns with units."""
        widths = {f.name: (getattr(self.layout, f.name), "") for f in fields(self.layout)}
        sizes = {"accelerators": (self.accelerators, ""), "batch": (self.batch, "")}
        found = {name: (getattr(self, name), unit) for name, unit in UNITS.items()}
        return {**widths, **sizes, **found, "memory": (self.memory.total, "B"), "fits": (self.fits, "")}

    def _repr_html_(self) -> str:
        if np.ndim(self.fits):
            return card(f"{np.size(self.fits):,} estimates", [("of which fit", f"{int(np.sum(self.fits)):,}")])
        low, high = self.interval()
        wide = {f.name: int(getattr(self.layout, f.name)) for f in fields(self.layout)}
        rows = [
            ("layout", ", ".join(f"{name} {width}" for name, width in wide.items() if width > 1) or "one accelerator"),
            ("requests at once", f"{self.batch:,.0f}"),
            ("output", f"{self.output_rate:,.0f} tokens/s (80% interval {low:,.0f} to {high:,.0f})"),
            ("time to first token", show(float(self.ttft), "s")),
            ("time per output token", show(float(self.tpot), "s")),
            ("memory", f"{show(float(self.memory.total), 'B')} of an accelerator"),
            (
                "power",
                f"{show(float(self.watts), 'W')} an accelerator, {show(float(self.joules_per_token), 'J')}/token",
            ),
        ]
        note = "" if self.fits else "Not possible: " + "; ".join(self.why)
        return card(f"{self.model.name} on {self.chip.name}, {self.precision.weights}", rows, note)

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
        lay, mem, rests = self.layout, self.memory, self.basis
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
            "regime": self.regime,
            "serving": self.serving.summary(),
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
            "watts_in_prefill": _told(self.prefill_watts),
            "watts_in_decode": _told(self.decode_watts),
            "clock_under_power_limit": _told(self.clock),
            "joules_per_token": _told(self.joules_per_token),
            "interval_80": {
                name: [_told(value) for value in self.interval(name)]
                for name in ("ttft", "tpot", "output_rate", "token_rate")
            },
            "basis": {
                "engine": self.engine,
                "engine_measured": constants.engine_named(self.engine).measured,
                "constants_of": constants.generation(self.chip).id,
                "chip_measured": constants.measured(self.chip),
                "provider": rests.provider,
                "grade": rests.grade.label,
                "constants": {fact.path: fact.value for fact in rests.constants},
            },
            "parts": [
                {"phase": p.phase, "name": p.op.name, "seconds": _told(p.seconds), "limit": str(p.limit)}
                for p in self.parts
            ],
        }


UNITS = {  # of the columns that are fields of an Estimate
    "prompt": "token",
    "output": "token",
    "ttft": "s",
    "tpot": "s",
    "prefill_seconds": "s",
    "step_seconds": "s",
    "output_rate": "token/s",
    "token_rate": "token/s",
    "watts": "W",
    "joules_per_token": "J/token",
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
    serving: Serving = PLAIN,
    power: float = np.inf,
) -> Estimate:
    """Time, memory, power and throughput of one replica of `model` with `batch` requests in progress.

    Layout fields, batch and lengths may be arrays that broadcast; then every field of the result is an array of that
    shape. What cannot be is said in `why`; numbers that are not finite or negative raise ValueError, as does an unknown
    precision. Decode is timed at the mean context, prompt + output / 2; memory is kept for full length,
    prompt + output, so that no request is ever evicted. Experts are taken to be chosen evenly. `regime` is one of
    schedule.REGIMES, or its DECODE_POOL; `engine` an id of constants.engines(), by default the newest that suits the
    chip; `serving` says how requests are served besides batching; `power` is a limit in W below the rated power.

    >>> from stackyard import catalog
    >>> known = catalog.load()
    >>> model, chip = known.model("llama-3.1-70b"), known.accelerator("h200")
    >>> found = estimate(model, chip, Layout(tensor=8), batch=64, prompt=1000, output=1000, precision="fp8")
    >>> found.fits, 8e-3 < found.tpot < 20e-3
    (True, True)
    """
    if regime not in (*schedule.REGIMES, schedule.DECODE_POOL):
        raise ValueError(f"'{regime}' is not a regime I know: {nearest(regime, schedule.REGIMES)}")
    engine = engine or constants.newest_engine(chip).id
    values = constants.values(chip, engine)
    if not power > energy.idle_watts(chip, values):
        raise ValueError(
            f"the power limit of {power:g} W is not above the {energy.idle_watts(chip, values):g} W of idle"
        )
    chosen, source = precision_of(precision), provider or Roofline(values)
    sizes, size = _plain(layout, batch, prompt, output)
    numbers, reasons = solve(Query(model, chip, source, chosen, hbm, values, regime, serving, power), sizes, size)

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
        serving=serving,
        **counts,
        **numbers,
    )


def _plain(layout: Layout, *numbers: Numeric) -> tuple[tuple[Numeric, ...], tuple[int, ...]]:
    """Inputs as floats or arrays of floats, and their common shape; ValueError names every bad one."""
    given = (*widths(layout), *numbers)
    if all(type(number) in (int, float) and 0 <= number < np.inf for number in given):
        return tuple(float(number) for number in given), ()
    names = ("tensor", "pipeline", "data", "expert", "batch", "prompt", "output")
    arrays = [np.asarray(number, dtype=float) for number in given]
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
