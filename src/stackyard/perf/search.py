"""The best layout and batch of a model on a chip under a latency objective."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from stackyard.catalog.entries import Accelerator, HbmGeneration, Model
from stackyard.perf.estimate import Estimate, estimate
from stackyard.perf.layout import Layout, layouts
from stackyard.perf.precision import Precision
from stackyard.perf.provider import Provider
from stackyard.quantity import Second, Token, Watt, show

_FINENESS = 8  # batches tried per doubling
_LARGEST = 4096  # sequences of one tensor group


@dataclass(frozen=True)
class Best:
    """The chosen point, or why there is none. `tried` is the number of layouts times batches looked at."""

    estimate: Estimate | None
    why: tuple[str, ...]  # why no point qualifies; empty where one does
    tried: int
    objective: tuple[Second, Second] = field(default=(math.inf, math.inf))  # time to first token, time per token

    @property
    def token_rate(self) -> float:
        """Prompt and generated tokens per second of one accelerator; 0 where nothing qualifies."""
        return float(self.estimate.token_rate_per_accelerator) if self.estimate else 0.0

    @property
    def output_rate(self) -> float:
        """Generated tokens per second of one accelerator; 0 where nothing qualifies."""
        return float(self.estimate.output_rate_per_accelerator) if self.estimate else 0.0

    @property
    def watts(self) -> Watt:
        """Mean power of one accelerator at this point; nan where nothing qualifies."""
        return self.estimate.watts if self.estimate else math.nan


def batches(layout: Layout, largest: int = _LARGEST) -> NDArray[np.float64]:
    """Batches to try for each layout: (layouts, batches). A group's share runs from 1 in steps of about 9%.

    >>> batches(Layout(tensor=1.0, pipeline=2.0, data=2.0), 2)
    array([[4., 8.]])
    """
    steps = np.unique(np.round(2 ** np.arange(0, math.log2(largest) + 0.5 / _FINENESS, 1 / _FINENESS)))
    groups = np.atleast_1d(np.asarray(layout.data * layout.pipeline, dtype=float))
    grid: NDArray[np.float64] = groups[:, None] * steps[None, :]
    return grid


def best(
    model: Model,
    chip: Accelerator,
    prompt: Token,
    output: Token,
    ttft: Second = math.inf,
    tpot: Second = math.inf,
    precision: str | Precision = "bf16",
    domain: int | None = None,
    provider: Provider | None = None,
    hbm: HbmGeneration | None = None,
) -> Best:
    """The layout and batch with the highest token rate per accelerator whose mean latencies meet the objective.

    Tries tensor, pipeline and expert widths inside the scale-up domain (`domain` accelerators if given) times batches
    up to the memory, all in one call of `estimate`; among equal rates the smallest replica wins. `ttft` and `tpot` are
    upper limits on the means in seconds. Raises ValueError for numbers that are not positive.

    >>> from stackyard import catalog
    >>> known = catalog.load()
    >>> found = best(known.model("llama-3.1-70b"), known.accelerator("h200"), 1000, 1000, 2.0, 0.05, "fp8")
    >>> int(found.estimate.accelerators), found.token_rate > 1000
    (1, True)
    """
    every = layouts(model, chip, domain)
    wide = Layout(*(np.asarray(axis)[:, None] for axis in (every.tensor, every.pipeline, every.data, every.expert)))
    found = estimate(model, chip, wide, batches(every), prompt, output, precision, provider, hbm)
    index = _fastest(found, ttft, tpot)
    tried = int(np.size(found.fits))
    if index is None:
        return Best(None, _none(found, ttft, tpot), tried, (ttft, tpot))
    return Best(found.at(index), (), tried, (ttft, tpot))


def best_batch(
    model: Model,
    chip: Accelerator,
    layout: Layout,
    prompt: Token,
    output: Token,
    ttft: Second = math.inf,
    tpot: Second = math.inf,
    precision: str | Precision = "bf16",
    provider: Provider | None = None,
    hbm: HbmGeneration | None = None,
) -> Estimate:
    """One layout at the batch with the highest token rate that meets the objective.

    Where no batch does, the smallest batch, which does not fit, with the latencies it misses among the reasons.

    >>> from stackyard import catalog
    >>> known = catalog.load()
    >>> model, chip = known.model("llama-3.1-70b"), known.accelerator("h200")
    >>> best_batch(model, chip, Layout(tensor=8), 1000, 1000, tpot=1e-3, precision="fp8").fits
    False
    """
    found = estimate(model, chip, layout, batches(layout)[0], prompt, output, precision, provider, hbm)
    index = _fastest(found, ttft, tpot)
    if index is not None:
        return found.at(index)
    smallest = estimate(model, chip, layout, batches(layout)[0, 0], prompt, output, precision, provider, hbm)
    if not smallest.fits:
        return smallest
    return replace(smallest, fits=False, reasons={**smallest.reasons, **dict.fromkeys(_none(found, ttft, tpot), True)})


def _fastest(found: Estimate, ttft: Second, tpot: Second) -> tuple[int, ...] | None:
    """Where the token rate per accelerator is highest among points that fit and are quick enough; None if none are."""
    for name, limit in (("ttft", ttft), ("tpot", tpot)):
        if not limit > 0:
            raise ValueError(f"{name} must be positive, not {limit}")
    good = found.fits & np.less_equal(found.ttft, ttft) & np.less_equal(found.tpot, tpot)
    good = np.asarray(good & np.isfinite(found.token_rate))
    if not good.any():
        return None
    rate = np.where(good, found.token_rate_per_accelerator, -1.0)
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(rate)), rate.shape))


def _none(found: Estimate, ttft: Second, tpot: Second) -> tuple[str, ...]:
    """Why no point qualifies: what keeps every layout out, or how far the latencies are from the objective."""
    fits = np.asarray(found.fits)
    if not fits.any():
        masks = {reason: np.asarray(mask) for reason, mask in found.reasons.items()}
        always = [reason for reason, mask in masks.items() if mask.all()]
        return tuple(always or [reason for reason, mask in masks.items() if mask.any()])
    why = []
    for name, times, limit in (("first", found.ttft, ttft), ("each output", found.tpot, tpot)):
        least = float(np.min(np.asarray(times)[fits]))
        if least > limit:
            why.append(f"time to {name} token is {show(least, 's')} at best, over {show(float(limit), 's')}")
    return tuple(why or ["no layout meets both latencies at once"])
