"""`train`: what a training run does on a cluster: step time, tokens, MFU, memory, whether it fits, and why not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from stackyard.catalog.entries import Accelerator, Model
from stackyard.notebook import Columns, Tabular
from stackyard.perf import constants as perf_constants
from stackyard.perf.energy import idle_watts
from stackyard.perf.training import constants
from stackyard.perf.training.energy import Campaign, campaign, package_watts
from stackyard.perf.training.goodput import Goodput, goodput
from stackyard.perf.training.memory import TrainingMemory, training_memory
from stackyard.perf.training.rates import generation, rates
from stackyard.perf.training.recipe import ARITHMETIC, WIDTHS, Mask, Recipe, faults, unmodelled
from stackyard.perf.training.step import PARTS, Step, time
from stackyard.perf.training.work import count, parameters
from stackyard.quantity import Fraction, Numeric, Second
from stackyard.source import Fact, Grade, weakest

# Chips with measured training steps in perf/calibration/data, variants in.
CALIBRATED = frozenset(
    (
        "a100-80g",
        "a100-40gb",
        "a100-jeanzay",
        "h100-sxm",
        "h100-96gb-hbm2e",
        "h800",
        "h200-sxm",
        "b200-hgx",
        "b200-gb200",
        "a100-2020",
        "v100",
        "tpu-v4",
        "tpu-v5e",
        "trainium1",
    )
)
MEASURED_GENERATIONS = frozenset(("volta", "ampere", "hopper", "blackwell", "tpu", "trainium"))


@dataclass(frozen=True)
class Training(Tabular):
    """One training run at steady state; every number is a float, or an array of one shape.

    `low` and `high` bound `seconds` with 80% of held-out measurements between them. MFU is model FLOP over the printed
    peak of the matmuls' format: `mfu_full` counts attention over all pairs, `mfu_causal` over those under the mask,
    `hfu` what is done in fact, recomputation in. Where the run cannot be, `fits` is False and `why` says every reason.
    """

    model: Model = field(repr=False)
    chip: Accelerator = field(repr=False)
    recipe: Recipe
    step: Step
    low: Second
    high: Second
    mfu_full: Fraction
    mfu_causal: Fraction
    hfu: Fraction
    watts: Numeric  # of one package, mean of a step
    memory: TrainingMemory
    reasons: Mapping[str, Mask] = field(repr=False)
    fits: Mask

    @property
    def seconds(self) -> Second:
        """Of one step."""
        return self.step.seconds

    @property
    def token_rate(self) -> Numeric:
        """Tokens per second of the whole run."""
        return self.recipe.tokens / self.step.seconds

    @property
    def token_rate_per_accelerator(self) -> Numeric:
        """Tokens per second of one accelerator."""
        return self.token_rate / self.recipe.accelerators

    @property
    def joules_per_token(self) -> Numeric:
        """Of the packages, at steady state."""
        return self.watts * self.recipe.accelerators / self.token_rate

    @property
    def why(self) -> Any:
        """Reasons why it cannot be: a list for one run, reason -> mask for arrays."""
        if np.ndim(self.fits):
            return {reason: mask for reason, mask in self.reasons.items() if np.any(mask)}
        return [reason for reason, holds in self.reasons.items() if np.any(holds)]

    @property
    def basis(self) -> tuple[Fact, ...]:
        """The constants that training rests on."""
        return tuple(fact for name, fact in constants.facts().items() if not name.startswith(_OF_WEEKS))

    @property
    def grade(self) -> Grade:
        """The weakest grade among constants, chip and model."""
        return weakest([self.chip.grade, *([self.model.grade] if self.model.facts else []), Grade.ESTIMATED])

    def over_weeks(self, **choices: Any) -> Goodput:
        """Goodput of the same run with failures and checkpoints; choices as in `goodput`."""
        return goodput(self.recipe.accelerators, parameters(self.model), **choices)

    def campaign(self, tokens: Numeric, **choices: Any) -> Campaign:
        """Wall time, accelerator-seconds and energy of packages to train on so many tokens; choices as in `goodput`."""
        share = self.over_weeks(**choices).share
        idle = idle_watts(self.chip, perf_constants.values(self.chip))
        return campaign(tokens, self.token_rate, share, self.recipe.accelerators, self.watts, idle)

    def columns(self) -> Columns:
        """The run, or all of an array of runs, as columns with units."""
        widths = {name: (getattr(self.recipe, name), "") for name in WIDTHS}
        found = {name: (getattr(self, name), unit) for name, unit in UNITS.items()}
        return {**widths, **found, "memory": (self.memory.total, "B"), "fits": (self.fits, "")}

    def summary(self, **choices: Any) -> dict[str, Any]:
        """One run as plain names and values, ready to print or to write as JSON; SI units are in the names.

        Choices are those of `goodput`: interval, bandwidth, asynchronous, rate.
        """
        if np.ndim(self.fits):
            raise ValueError("an array of runs has no summary")
        r, weeks = self.recipe, self.over_weeks(**choices)
        held = {f.name: _told(getattr(self.memory, f.name)) for f in fields(self.memory)}
        layout = {name: _told(getattr(r, name)) for name in WIDTHS}
        words = {name: getattr(r, name) for name in ("precision", "recompute", "sharding", "schedule", "attention")}
        return {
            "model": self.model.id,
            "chip": self.chip.id,
            "software": r.software,
            **layout,
            "data": _told(r.replicas),
            **words,
            "released": r.released,
            "adapters": r.adapters,
            "shard_width": _told(r.shard_width),
            "sequence_parallel": r.sequence_parallel,
            "offload": r.offload,
            "fits": bool(self.fits),
            "why": self.why,
            "step_s": _told(self.seconds),
            "step_low_s": _told(self.low),
            "step_high_s": _told(self.high),
            "tokens_per_s": _told(self.token_rate),
            "tokens_per_s_per_accelerator": _told(self.token_rate_per_accelerator),
            "mfu_full": _told(self.mfu_full),
            "mfu_causal": _told(self.mfu_causal),
            "hfu": _told(self.hfu),
            "watts": _told(self.watts),
            "joules_per_token": _told(self.joules_per_token),
            "memory_bytes": held,
            "memory_used_bytes": _told(self.memory.total),
            "parts_s": {name: _told(getattr(self.step, name)) for name in PARTS},
            "goodput": {f.name: _told(getattr(weeks, f.name)) for f in fields(weeks)},
            "grade": self.grade.label,
        }


UNITS = {  # of the columns that are a run's own
    "seconds": "s",
    "low": "s",
    "high": "s",
    "token_rate": "token/s",
    "token_rate_per_accelerator": "token/s",
    "mfu_full": "",
    "mfu_causal": "",
    "hfu": "",
    "watts": "W",
    "joules_per_token": "J/token",
}
_OF_WEEKS = ("failure", "restart", "state", "storage", "checkpoint")


def _told(value: Any) -> float | int | None:
    number = float(value)
    if not np.isfinite(number):
        return None
    return int(number) if number == int(number) else number


def train(model: Model, chip: Accelerator, recipe: Recipe, values: Mapping[str, float] | None = None) -> Training:
    """Step time, tokens, MFU and memory of one training run, or of many whose numbers are arrays that broadcast.

    What cannot be is said in `why`; numbers that are not finite or negative are refused by Recipe.

    >>> from stackyard import catalog
    >>> known = catalog.load()
    >>> recipe = Recipe(64.0, 8192.0, 128.0, tensor=4.0, pipeline=4.0, virtual=5.0, context=2.0, precision="fp8")
    >>> found = train(known.model("llama-3.1-70b"), known.accelerator("h100"), recipe)
    >>> found.fits, round(float(found.seconds))
    (True, 10)
    """
    known = constants.values() if values is None else values
    reasons = faults(model, chip, recipe)
    safe = replace(recipe, **{name: np.maximum(getattr(recipe, name), 1.0) for name in WIDTHS})
    work = count(model, chip, safe)
    reached = rates(chip, safe, known)
    timed = time(work, reached)
    held = training_memory(model, chip, safe, known)
    state = held.weights + held.gradients + held.optimiser + held.buffers - held.held_back
    reasons["weights, gradients and the optimiser do not fit in memory"] = state > held.available
    reasons["the activations do not fit in memory besides"] = (state <= held.available) & (held.needed > held.available)
    size = np.broadcast_shapes(*(np.shape(value) for value in (timed.seconds, held.total, *reasons.values())))
    missing = np.nan if unmodelled(model) else 1.0

    def shaped(value: Any) -> Any:
        return np.broadcast_to(value * missing, size) if size else float(value) * missing

    masks: dict[str, Mask] = {
        reason: np.broadcast_to(mask, size) if size else bool(mask) for reason, mask in reasons.items()
    }
    bad = np.logical_or.reduce([np.asarray(mask) for mask in masks.values()])
    peak = safe.accelerators * chip.flops.get(ARITHMETIC[safe.precision], np.nan) * timed.seconds
    wide = np.exp(interval(model, chip, recipe, known))
    return Training(
        model=model,
        chip=chip,
        recipe=recipe,
        step=Step(**{f.name: shaped(getattr(timed, f.name)) for f in fields(Step)}),
        low=shaped(timed.seconds / wide),
        high=shaped(timed.seconds * wide),
        mfu_full=shaped(work.flop_full / peak),
        mfu_causal=shaped(work.flop_causal / peak),
        hfu=shaped(work.flop_hardware / peak),
        watts=shaped(package_watts(chip, work, timed, reached)),
        memory=TrainingMemory(**{f.name: shaped(getattr(held, f.name)) for f in fields(TrainingMemory)}),
        reasons=masks,
        fits=~bad if size else not bad,
    )


def interval(model: Model, chip: Accelerator, recipe: Recipe, values: Mapping[str, float]) -> float:
    """Half-width of the 80% interval of log step time, from measurements held out of the fit.

    The error seen where a model is left out, dense or with experts, and what a chip, a generation of chips or a
    software without measured steps adds to it.

    >>> from stackyard import catalog
    >>> from stackyard.perf.training import constants
    >>> known, recipe = catalog.load(), Recipe(accelerators=64, sequence=8192, global_batch=256)
    >>> model, values = known.model("llama-3.1-70b"), constants.values()
    >>> near, far = (interval(model, known.accelerator(chip), recipe, values) for chip in ("h100", "rubin"))
    >>> near < far
    True
    """
    held = []
    if chip.id not in CALIBRATED:
        held += ["accelerator"] if generation(chip) in MEASURED_GENERATIONS else ["accelerator", "generation"]
    if recipe.software == "other":
        held.append("software")
    return joined(values, held, "experts" if model.experts else "dense")


def joined(values: Mapping[str, float], unmeasured: Sequence[str], kind: str) -> float:
    """Width of an interval for what was never measured: w^2 = m^2 + sum of (w_i^2 - m^2), where that is above 0.

    m is seen where a model is left out and w_i where what is named is; surprises of a chip and of a software are taken
    as independent, so that their variances add.

    >>> round(joined({"interval.model.dense": 0.3, "interval.software.dense": 0.5}, ["software"], "dense"), 3)
    0.5
    """
    least = values[f"interval.model.{kind}"] ** 2
    more = (values[f"interval.{how}.{kind}"] ** 2 - least for how in unmeasured)
    return float(np.sqrt(least + sum(max(part, 0.0) for part in more)))


def nearest_fit(model: Model, chip: Accelerator, recipe: Recipe) -> Training | None:
    """The run that fits with the fewest changes of layout, micro-batch, sharding and recomputation, then the fastest.

    None where none of those tried fits. Tensor widths are powers of two inside the scale-up domain.
    """
    domain = int(min(chip.scale_up_domain or 1, recipe.accelerators, 64))
    tensor = 2.0 ** np.arange(int(np.log2(max(domain, 1))) + 1)
    micro = np.unique([1.0, float(recipe.micro_batch)])
    grid = np.meshgrid(tensor, 2.0 ** np.arange(7), micro, indexing="ij")
    best: tuple[tuple[int, float], Training] | None = None
    for recompute in dict.fromkeys((recipe.recompute, "full")):
        for sharding in dict.fromkeys((recipe.sharding, "zero-1", "zero-3")):
            tried = replace(recipe, virtual=1.0, recompute=recompute, sharding=sharding)
            words = (recompute != recipe.recompute) + (sharding != recipe.sharding)
            widths = dict(zip(("tensor", "pipeline", "micro_batch"), grid, strict=True))
            many: dict[str, Any] = dict(widths)
            found = train(model, chip, replace(tried, **many))
            changed = sum(np.not_equal(value, getattr(recipe, name)) * 1 for name, value in widths.items()) + words
            for at in zip(*np.nonzero(np.asarray(found.fits)), strict=True):
                cost = (int(changed[at]), float(np.asarray(found.seconds)[at]))
                if best is None or cost < best[0]:
                    one: dict[str, Any] = {name: float(value[at]) for name, value in widths.items()}
                    best = cost, train(model, chip, replace(tried, **one))
    return best[1] if best else None
