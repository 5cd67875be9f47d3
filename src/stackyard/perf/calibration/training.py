"""Fits the constants of the training model to measured steps: `python -m stackyard.perf.calibration.training`.

The least of the sum of weighted, robust squared log errors of step times and of squared distances from what is
expected of each constant before the rows are seen, by Gauss-Newton with damping. A source's rows of one model on one
accelerator weigh as the square root of their number, because they repeat each other. Writes data/training_fit.yaml;
running it again writes the same figures.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stackyard.perf.calibration.training_rows import Measured, training_rows
from stackyard.perf.training import constants, step
from stackyard.perf.training.estimate import joined
from stackyard.perf.training.memory import training_memory
from stackyard.perf.training.rates import generation, rates
from stackyard.perf.training.step import Rates
from stackyard.perf.training.work import Work, count, stacked

Array = NDArray[np.float64]
ERROR = 0.06  # spread of log errors that the fit expects of a row
RAN = 0.3  # weight of a run of which it is only known that it fitted
ROBUST = 1.5  # errors beyond so many spreads count linearly


@dataclass(frozen=True)
class Prior:
    """What is expected of a constant before the rows are seen: a value, and the spread of its logarithm.

    With `like` the value is that of another constant, whatever the rows make of it: a software or generation without
    rows of its own takes what the others have.
    """

    value: float
    spread: float
    unit: str = ""
    note: str = ""
    like: str = ""


def _priors() -> dict[str, Prior]:
    found = {
        "reach.bf16": Prior(0.9, 0.15, note="of the best single matmul"),
        "reach.fp8": Prior(0.9, 0.15, note="of the best single matmul"),
        "reach.fp4": Prior(0.8, 0.2, note="of the best single matmul"),
        "power.exponent": Prior(0.6, 0.2, note="of power over rated power, for the clock"),
        "experts.share": Prior(0.75, 0.2, note="grouped matmuls against dense ones"),
        "experts.copies": Prior(2.5, 0.4, note="passes over routed rows, software before 2026-06"),
        "experts.copies.late": Prior(1.0, 0.4, note="the same from 2026-06, fused"),
        "host.expert": Prior(8e-3, 0.2, "s", "least time of a layer with experts and a micro-batch"),
        "stream": Prior(0.6, 0.4, note="of bandwidth in elementwise kernels"),
        "link.up": Prior(0.8, 0.1, note="of the printed scale-up rate"),
        "link.out": Prior(0.85, 0.15, note="of the printed scale-out rate"),
        "link.out.deepspeed-zero-3": Prior(0.85, 0.8, note="DeepSpeed ZeRO-3 of 2021"),
        "wait.up": Prior(2e-5, 0.4, "s", "of one message within a scale-up domain"),
        "wait.out": Prior(4e-5, 0.5, "s", "of one message between domains"),
        "launch": Prior(5e-6, 0.4, "s", "of one matmul"),
        "step": Prior(0.02, 0.7, "s", "fixed time of a step"),
        "cast.fp8": Prior(3.0, 0.3, "B", "moved for each operand element, whole tensors scaled"),
        "cast.mxfp8": Prior(4.5, 0.3, "B", "moved for each operand element, blocks scaled"),
        "cast.fp4": Prior(7.0, 0.3, "B", "moved for each operand element"),
        "ragged": Prior(0.2, 0.5, note="more time of a matmul with a side that is not a multiple of 64"),
        "misaligned": Prior(5.0, 0.5, note="more time of attention with a head not a multiple of 8"),
        "young.lack": Prior(0.25, 0.4, note="lost at a chip's launch"),
        "young.years": Prior(1.0, 0.4, note="years in which that becomes a third"),
        "expert.exposed": Prior(0.6, 0.4, note="of the exchange with experts"),
        "expert.exposed.deepseek": Prior(0.1, 0.4, note="DualPipe hides the exchange"),
        "send.exposed": Prior(0.4, 0.5, note="of sends between stages"),
        "tensor.exposed": Prior(0.5, 0.3, note="of the tensor group's messages"),
        "tensor.exposed.megatron-lm": Prior(1.0, 0.1, note="no overlap in 2021 and 2022"),
        "tensor.exposed.torchtitan": Prior(0.8, 0.2, note="most of it: only some runs overlap"),
        "tensor.exposed.deepspeed": Prior(1.0, 0.1, note="no overlap in 2021 and 2022"),
        "leak": Prior(0.3, 0.5, note="of the shorter of two that overlap"),
        "leak.ring": Prior(0.2, 0.5, note="the same of keys and values, which copies move beside attention"),
        "host.update": Prior(2e-9, 0.4, "s", "one parameter updated on the host"),
        "spread": Prior(0.003, 0.7, note="more time for each doubling of accelerators"),
    }
    for kind, flash1, flash2, flash3 in (
        ("ampere", 0.38, 0.62, 0.6),
        ("hopper", 0.24, 0.4, 0.58),
        ("blackwell", 0.15, 0.2, 0.58),
    ):
        found[f"reach.{kind}"] = Prior(1.0, 0.05, note="matmuls of the generation against all")
        found[f"attention.flash-1.{kind}"] = Prior(flash1, 0.3, note="of bf16 arithmetic, pairs under the mask")
        found[f"attention.flash-2.{kind}"] = Prior(flash2, 0.3, note="of bf16 arithmetic, pairs under the mask")
        found[f"attention.flash-3.{kind}"] = Prior(flash3, 0.3, note="of bf16 arithmetic, pairs under the mask")
        found[f"attention.unfused.{kind}"] = Prior(0.4, 0.3, note="of bf16 arithmetic, all pairs")
    for kind in ("volta", "tpu", "trainium"):
        found[f"reach.{kind}"] = Prior(1.0, 0.1, note="matmuls of the generation against all")
    found["attention.flash-3.tpu"] = Prior(0.4, 0.3, note="of bf16 arithmetic, pairs under the mask")
    for software in ("megatron-lm", "deepspeed", "llm-foundry", "torchtitan"):
        found[f"stream.{software}"] = Prior(0.6, 0.3, note="of bandwidth in elementwise kernels", like="stream")
    found["operands.bandwidth.deepspeed"] = Prior(0.8, 0.4, note="of bandwidth in softmax kernels")
    return found


MEMORY = {
    "memory.reserved": Prior(9e9, 0.3, "B", "driver, collectives, fragments"),
    "memory.slack": Prior(1.1, 0.1, note="activations held over those counted"),
    "memory.logit.torchtitan": Prior(12.0, 0.2, "B", "of one score, 2024: bf16, two in fp32, and a gradient"),
    "memory.logit.torchtitan-2025": Prior(4.0, 0.3, "B", "of one score where the loss is compiled"),
    "memory.logit": Prior(10.0, 0.2, "B", "of one score: bf16 and fp32 copies, and gradients"),
    "memory.logit.zero-offload": Prior(0.5, 0.7, "B", "of one score where the loss is computed in tiles"),
}
PRIORS = _priors()
NAMES = tuple(PRIORS)
START = np.log([prior.value for prior in PRIORS.values()])
PARENT = np.array([NAMES.index(prior.like or name) for name, prior in PRIORS.items()])  # itself where it has none
SPREAD = np.array([prior.spread for prior in PRIORS.values()])


@dataclass(frozen=True)
class Rows:
    """Measured steps, counted once: their work as arrays, and which of a few kinds of rates each row has."""

    measured: tuple[Measured, ...]
    work: Work
    seconds: Array
    kinds: tuple[Measured, ...]  # one row of each kind of chip and recipe that rates can tell apart
    kind: NDArray[np.intp]

    def times(self, values: Mapping[str, float]) -> Array:
        """Estimated seconds of every row."""
        each = [rates(row.chip, row.recipe, values) for row in self.kinds]
        joined = Rates(**{f.name: np.array([getattr(r, f.name) for r in each])[self.kind] for f in fields(Rates)})
        return np.asarray(step.time(self.work, joined).seconds)


def rows_of(measured: Sequence[Measured]) -> Rows:
    """Rows with a step time, ready to be fitted."""
    timed = tuple(row for row in measured if row.seconds is not None)
    kinds: dict[tuple[object, ...], int] = {}
    firsts: list[Measured] = []
    index = []
    for row in timed:
        r = row.recipe
        key = (row.chip.id, r.precision, r.attention, r.software, r.released)
        if key not in kinds:
            kinds[key] = len(kinds)
            firsts.append(row)
        index.append(kinds[key])
    work = stacked([count(row.model, row.chip, row.recipe) for row in timed])
    return Rows(timed, work, np.array([row.seconds for row in timed]), tuple(firsts), np.array(index))


def weights(measured: Sequence[Measured]) -> Array:
    """One over the square root of how many rows a source has of the same model on the same accelerator."""
    keys = [(row.source, row.accelerator, row.model.id) for row in measured]
    number = Counter(keys)
    raw = np.array([number[key] ** -0.25 for key in keys])
    return np.asarray(raw / np.sqrt(np.mean(raw**2)))


def fixed() -> dict[str, float]:
    """The constants that are read, not fitted, in SI."""
    return {name: fact.si for name, fact in constants.read(constants.READ).items()}


def fit(rows: Rows, kept: Array | None = None, start: Array | None = None, steps: int = 60) -> Array:
    """Logarithms of the constants, in the order of NAMES; `kept` is 1 for rows that count and 0 for those left out."""
    given = fixed()
    weight = weights(rows.measured) * (1.0 if kept is None else kept) * 0.5
    measured = np.log(rows.seconds)

    def misses(x: Array) -> Array:
        found = (np.log(rows.times({**given, **dict(zip(NAMES, np.exp(x), strict=True))})) - measured) * weight / ERROR
        far = np.abs(found) > ROBUST
        bent = np.sign(found) * np.sqrt(np.maximum(2 * ROBUST * np.abs(found) - ROBUST**2, 0.0))
        return np.concatenate([np.where(far, bent, found), surprises(x) / SPREAD])

    return descend(misses, START if start is None else start, steps)


def surprises(x: Array) -> Array:
    """How far each constant is from what is expected of it, in logarithms."""
    off = x - START
    return off - np.where(np.arange(len(x)) == PARENT, 0.0, off[PARENT])


def descend(misses: Callable[[Array], Array], start: Array, steps: int) -> Array:
    """The least sum of squared misses from a start: Gauss-Newton steps, damped until they help (Levenberg, 1944)."""
    x = start.copy()
    now, damping = misses(x), 1e-2
    for _ in range(steps):
        slope = np.stack([(misses(x + 1e-4 * unit) - now) / 1e-4 for unit in np.eye(len(x))], axis=1)
        bend, pull = slope.T @ slope, slope.T @ now
        while damping < 1e7:
            tried = x - np.linalg.solve(bend + damping * np.diag(np.diag(bend)), pull)
            then = misses(tried)
            if then @ then < now @ now:
                break
            damping *= 4
        gain = now @ now - then @ then
        if gain <= 0:
            break
        x, now, damping = tried, then, max(damping / 5, 1e-6)
        if gain < 1e-6 * (now @ now):
            break
    return x


def fit_memory(measured: Sequence[Measured]) -> dict[str, float]:
    """The constants of memory, fitted in the same way to the rows with a peak; in SI.

    A dense run whose step time was measured did fit; one that is estimated not to counts as an error of that size.
    """
    rows = [row for row in measured if row.memory is not None]
    ran = list({row.recipe: row for row in measured if row.memory is None and row.model.experts is None}.values())
    given, names = fixed(), tuple(MEMORY)
    expected = np.log([prior.value for prior in MEMORY.values()])
    loose = np.array([prior.spread for prior in MEMORY.values()])
    weight, peak = weights(rows) / ERROR, np.log([row.memory or np.nan for row in rows])

    def misses(x: Array) -> Array:
        values = {**given, **dict(zip(names, np.exp(x), strict=True))}
        found = [training_memory(row.model, row.chip, row.recipe, values).total for row in rows]
        over = []
        for row in ran:
            held = training_memory(row.model, row.chip, row.recipe, values)
            over.append(np.log(max(float(held.needed / held.available), 1.0)) / ERROR)
        bent = np.sqrt(np.where(np.array(over) > ROBUST, 2 * ROBUST * np.array(over) - ROBUST**2, np.square(over)))
        misses = (np.log(np.array(found, dtype=float)) - peak) * weight
        return np.concatenate([misses, bent * RAN, (x - expected) / loose])

    found = np.exp(descend(misses, expected, 30)) if rows else np.exp(expected)
    return {name: float(f"{value:.4g}") for name, value in zip(names, found, strict=True)}


def values_of(x: Array) -> dict[str, float]:
    """Every constant, read and fitted, in SI."""
    return {**fixed(), **{name: float(f"{value:.4g}") for name, value in zip(NAMES, np.exp(x), strict=True)}}


def held_out(rows: Rows, groups: Sequence[str], start: Array) -> Array:
    """Estimated seconds of every row by constants that were fitted without any row of its group."""
    labels = np.array(groups)
    found = np.empty(len(labels))
    for group in dict.fromkeys(groups):
        out = labels == group
        found[out] = rows.times(values_of(fit(rows, (~out).astype(float), start, steps=15)))[out]
    return found


def write(path: Path, fitted: Mapping[str, float]) -> None:
    """Writes the fitted constants as a data file."""
    lines = [
        "# Written by `python -m stackyard.perf.calibration.training`; how it fits is said there. Do not edit by hand.",
        "sources:",
        "  fit:",
        "    title: Fit to the measured training steps of perf/calibration/data/training.csv",
        f"    date: '{max(row.date for row in training_rows())}'",
        "    kind: derived",
        "",
        "constants:",
    ]
    for name, value in fitted.items():
        prior = {**PRIORS, **MEMORY}.get(name)
        unit, note = "''", INTERVALS.get(name, "")
        if prior:
            note = f"{prior.note}; {prior.value:g} was expected, within a factor {np.exp(prior.spread):.2f}"
            unit = prior.unit or unit
        quoted = note.replace("'", "''")
        lines += [
            f"  {name}: {{value: {value:.4g}, unit: {unit}, grade: estimated, sources: [fit],",
            f"    note: '{quoted}'}}",
        ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def grouped(rows: Sequence[Measured], how: str) -> list[str]:
    """What each row is left out together with, by 'model', 'accelerator', 'generation' or 'software'."""
    named: dict[str, Callable[[Measured], str]] = {
        "model": lambda row: row.family,
        "accelerator": lambda row: row.maker,
        "generation": lambda row: generation(row.chip),
        "software": lambda row: row.recipe.software,
    }
    return [named[how](row) for row in rows]


def share_within(errors: Array, groups: Sequence[str], share: float = 0.8) -> float:
    """The least error that a share of the rows do not exceed, nor when a group of n rows counts as sqrt(n): a new
    model or chip is one more group, not one more row."""
    number = Counter(groups)
    order = np.argsort(errors)
    weight = np.array([number[group] ** -0.5 for group in groups])[order]
    by_group = float(errors[order][np.searchsorted(np.cumsum(weight), share * weight.sum())])
    return max(by_group, float(np.quantile(errors, share, method="higher")))


@dataclass(frozen=True)
class HeldOut:
    """Measured rows and what was estimated for each with its group left out of the fit."""

    what: str  # 'step time' or 'memory'
    how: str  # of LEFT_OUT
    rows: tuple[Measured, ...]
    groups: tuple[str, ...]
    estimated: Array
    measured: Array

    @property
    def misses(self) -> Array:
        """Absolute errors of the logarithm."""
        return np.asarray(np.abs(np.log(self.estimated / self.measured)))


def all_held_out(rows: Rows, x: Array) -> list[HeldOut]:
    """Step times and peaks of memory, each kind of group left out in turn."""
    held = [row for row in training_rows() if row.memory is not None]
    peaks = np.array([row.memory for row in held], dtype=float)
    found = []
    for how in LEFT_OUT:
        groups = tuple(grouped(rows.measured, how))
        found.append(HeldOut("step time", how, rows.measured, groups, held_out(rows, groups, x), rows.seconds))
        groups = tuple(grouped(held, how))
        found.append(HeldOut("memory", how, tuple(held), groups, memory_held_out(held, groups), peaks))
    return found


def memory_held_out(rows: Sequence[Measured], groups: Sequence[str]) -> Array:
    """Estimated bytes of every row by constants that were fitted without any row of its group."""
    found = np.empty(len(rows))
    for name in dict.fromkeys(groups):
        known = {**fixed(), **fit_memory([row for row, other in zip(rows, groups, strict=True) if other != name])}
        for index, row in enumerate(rows):
            if groups[index] == name:
                found[index] = float(training_memory(row.model, row.chip, row.recipe, known).total)
    return found


def intervals(found: Sequence[HeldOut]) -> dict[str, float]:
    """Half-widths of 80% intervals of logarithms by what is left out of the fit: step time dense and with experts, and
    memory by software."""
    wide = {}
    for held in found:
        expert = np.array([row.model.experts is not None for row in held.rows])
        groups = np.array(held.groups)
        if held.what == "step time":
            for kind, of in (("dense", ~expert), ("experts", expert)):
                wide[f"interval.{held.how}.{kind}"] = share_within(held.misses[of], list(groups[of]))
        elif held.how in ("model", "software"):
            within = share_within(held.misses, held.groups)
            wide["interval.memory"] = max(wide.get("interval.memory", 0.0), within)
    return wide


HELD_OUT = Path(__file__).parent / "data" / "training_held_out.csv"
FAMILIES = {"dense models": False, "models with experts": True}


def write_held_out(path: Path, found: Sequence[HeldOut], wide: Mapping[str, float]) -> None:
    """Writes errors of held-out rows: one line for each kind of group left out, all rows and by family."""
    lines = ["what,left_out,of,rows,bias,median,mean,p90,coverage"]
    for held in found:
        expert = np.array([row.model.experts is not None for row in held.rows])
        allowed = np.array([_allowed(wide, held, bool(kind)) for kind in expert])
        parts = {"all": np.full(len(expert), True), **{name: expert == kind for name, kind in FAMILIES.items()}}
        for name, of in parts.items():
            if of.any():
                error = (held.estimated / held.measured - 1)[of]
                size = np.abs(error)
                figures = (error.mean(), np.median(size), size.mean(), np.quantile(size, 0.9))
                inside = (held.misses[of] <= allowed[of] * (1 + 1e-3)).mean()
                told = ",".join(f"{figure:.4f}" for figure in (*figures, inside))
                lines.append(f"{held.what},{held.how},{name},{of.sum()},{told}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _allowed(wide: Mapping[str, float], held: HeldOut, experts: bool) -> float:
    """The interval that an answer of this kind has, when its group was never measured."""
    if held.what == "memory":
        return wide["interval.memory"]
    levels = {"model": (), "generation": ("accelerator", "generation")}.get(held.how, (held.how,))
    return joined(wide, levels, "experts" if experts else "dense")


LEFT_OUT = ("model", "accelerator", "generation", "software")
INTERVALS = {
    f"interval.{how}.{kind}": f"80% of errors (of log time) of {what} are smaller where the {how} is left out"
    for how in LEFT_OUT
    for kind, what in (("dense", "dense models"), ("experts", "models with experts"))
} | {"interval.memory": "80% of the errors of peak memory are smaller where the model or the software is left out"}


def main() -> None:
    """Fits and writes."""
    rows = rows_of(training_rows())
    x = fit(rows)
    known = dict(zip(NAMES, np.exp(x), strict=True))
    found = all_held_out(rows, x)
    wide = intervals(found)
    write(constants.FITTED, {**known, **fit_memory(training_rows()), **wide})
    write_held_out(HELD_OUT, found, wide)


if __name__ == "__main__":
    main()
