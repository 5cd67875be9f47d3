"""The best layout and batch of a model on a chip under a latency objective."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from stackyard.catalog.entries import Accelerator, HbmGeneration, Model
from stackyard.perf.estimate import Estimate, estimate
from stackyard.perf.layout import Layout, layouts
from stackyard.perf.precision import Precision
from stackyard.perf.provider import Provider
from stackyard.quantity import Numeric, Second, Token, Watt, show

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


def batches(layout: Layout, largest: int = _LARGEST) -> Numeric:
    """Batches to try for each layout: (layouts, batches). A group's share runs from 1 in steps of about 9%.

    >>> batches(Layout(tensor=1.0, pipeline=2.0, data=2.0), 2)
    array([[4., 8.]])
    """
    steps = np.unique(np.round(2 ** np.arange(0, math.log2(largest) + 0.5 / _FINENESS, 1 / _FINENESS)))
    groups = np.atleast_1d(np.asarray(layout.data * layout.pipeline, dtype=float))
    grid: Numeric = groups[:, None] * steps[None, :]
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
    for name, limit in (("ttft", ttft), ("tpot", tpot)):
        if not limit > 0:
            raise ValueError(f"{name} must be positive, not {limit}")
    every = layouts(model, chip, domain)
    wide = Layout(*(np.asarray(axis)[:, None] for axis in (every.tensor, every.pipeline, every.data, every.expert)))
    grid = batches(every)
    found = estimate(model, chip, wide, grid, prompt, output, precision, provider, hbm)
    fits, quick = np.asarray(found.fits), np.asarray((found.ttft <= ttft) & (found.tpot <= tpot))
    good = fits & quick & np.isfinite(found.token_rate)
    if not good.any():
        return Best(None, _none(found, fits, ttft, tpot), good.size, (ttft, tpot))
    rate = np.where(good, found.token_rate_per_accelerator, -1.0)
    index = np.unravel_index(int(np.argmax(rate)), rate.shape)
    return Best(found.at(tuple(int(i) for i in index)), (), good.size, (ttft, tpot))


def _none(found: Estimate, fits: np.typing.NDArray[np.bool_], ttft: Second, tpot: Second) -> tuple[str, ...]:
    """Why no point qualifies: what keeps every layout out, or how far the latencies are from the objective."""
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
