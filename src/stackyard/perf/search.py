"""The best layout and batch of a model on a chip under a latency objective."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from stackyard.catalog.entries import Accelerator, HbmGeneration, Model
from stackyard.perf.estimate import Estimate, estimate
from stackyard.perf.layout import Layout, layouts
from stackyard.perf.precision import Precision
from stackyard.perf.provider import Provider
from stackyard.perf.refusal import LATE_EACH, LATE_FIRST, seconds
from stackyard.perf.serving import PLAIN, Serving
from stackyard.quantity import Count, Numeric, Second, Token, Watt, show
from stackyard.words import phrase

_FINENESS = 8  # batches tried per doubling: steps of about 9%
_LARGEST = 4096  # sequences of one tensor group
_CLOSE = 0.85  # of the best rate: layouts that may win with batches between those tried
_FINER = 49  # batches tried between two of them


@dataclass(frozen=True)
class Best:
    """The chosen point, or why there is none. `tried` is the number of layouts times batches looked at."""

    estimate: Estimate | None
    why: tuple[str, ...]  # why no point qualifies; empty where one does
    tried: int
    objective: tuple[Second, Second] = field(default=(math.inf, math.inf))  # time to first token, time per token
    nearest: Estimate | None = None  # where none qualifies: the point that comes closest, which does not fit
    late: bool = False  # where none qualifies: some fit the memory, and none is quick enough

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


def batches(layout: Layout, largest: int = _LARGEST, fineness: int = _FINENESS) -> NDArray[np.float64]:
    """Batches to try for each layout: (layouts, batches). A group's share runs from 1, `fineness` of them per doubling.

    >>> batches(Layout(tensor=1.0, pipeline=2.0, data=2.0), 2)
    array([[4., 8.]])
    """
    steps = np.unique(np.round(2 ** np.arange(0, math.log2(largest) + 0.5 / fineness, 1 / fineness)))
    groups = np.atleast_1d(np.asarray(layout.data * layout.pipeline, dtype=float))
    grid: NDArray[np.float64] = groups[:, None] * steps[None, :]
    return grid


def climb(
    ask: Callable[[Layout, NDArray[np.float64]], Estimate],
    among: Layout,
    ttft: Second,
    tpot: Second,
    whole: NDArray[np.float64] | float = 1.0,
) -> tuple[Estimate, NDArray[np.float64], int]:
    """Estimates around the best batch of each layout that may be best, their `rates`, and how many points were asked.

    First the `batches` of all layouts, then those `between` them in multiples of `whole`; where no rate is positive,
    the first alone.

    >>> from stackyard import catalog
    >>> known = catalog.load()
    >>> model, chip = known.model("llama-3.1-8b"), known.accelerator("h200")
    >>> found, rate, tried = climb(lambda layout, n: estimate(model, chip, layout, n, 1000.0, 100.0), offered(
    ...     model, chip, tensor=1), 2.0, 0.02)
    >>> tried, bool(rate.max() > 10_000)
    (177, True)
    """
    sizes = batches(among)
    found = ask(among.at(np.s_[:, None]), sizes)
    rate = rates(found, ttft, tpot)
    tried = int(np.size(found.fits))
    if rate.max() > 0:
        close, finer = between(sizes, rate, whole)
        found = ask(among.at((close, None)), finer)
        rate = rates(found, ttft, tpot)
        tried += int(np.size(found.fits))
    return found, rate, tried


def between(
    coarse: NDArray[np.float64], rate: NDArray[np.float64], whole: NDArray[np.float64] | float = 1.0
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """The layouts that may be best by these rates, and batches on both sides of the best of each, in multiples of
    `whole`: (layouts, 2 x 49).

    >>> rows, finer = between(np.array([[64.0, 128.0, 192.0]]), np.array([[1.0, 3.0, 2.0]]))
    >>> rows, finer[0, :2], finer[0, -2:]
    (array([0]), array([64., 65.]), array([191., 192.]))
    """
    tops = rate.max(axis=1)
    close = np.flatnonzero(tops >= _CLOSE * tops.max())
    at = np.argmax(rate[close], axis=1)
    low, mid, high = (coarse[close, np.clip(at + step, 0, coarse.shape[1] - 1)] for step in (-1, 0, 1))
    share = np.linspace(0.0, 1.0, _FINER)[:, None]
    finer = np.concatenate([a + (b - a) * share for a, b in ((low, mid), (mid, high))]).T
    unit = np.broadcast_to(whole, coarse.shape[:1])[close, None]
    return close, np.round(finer / unit) * unit


def offered(
    model: Model,
    chip: Accelerator,
    domain: int | None = None,
    tensor: int | None = None,
    pipeline: int | None = None,
    expert: int | None = None,
    data: int | None = None,
) -> Layout:
    """Layouts to choose among, as arrays of one axis, with the widths that are given fixed.

    With `tensor` that is one layout, its other widths 1 where they are not given; without, those of `layouts`. An
    expert width above the tensor width takes expert / tensor data groups where no data width is given. Whether the
    widths suit the model and each other is left to `estimate` to say.

    >>> from stackyard import catalog
    >>> known = catalog.load()
    >>> model, chip = known.model("deepseek-v3"), known.accelerator("h200")
    >>> offered(model, chip, tensor=8, expert=16)
    Layout(tensor=array([8.]), pipeline=array([1.]), data=array([2.]), expert=array([16.]))
    >>> found = offered(model, chip, pipeline=3)
    >>> {float(stages) for stages in found.pipeline}
    {3.0}
    """
    if tensor is not None:
        groups = max(1, (expert or 1) // max(tensor, 1)) if data is None else data
        rows = [(tensor, 1 if pipeline is None else pipeline, groups, 1 if expert is None else expert)]
        return Layout(*np.array(rows, dtype=float).T)
    every = layouts(model, chip, domain, 8 if pipeline is None else 1)
    if pipeline is not None:
        every = replace(every, pipeline=np.full_like(every.pipeline, pipeline))
    if data is not None:
        kept = np.unique(np.stack([every.tensor, every.pipeline], axis=1), axis=0)
        rows = [(t, p, data, t * data if expert is None and model.experts else expert or 1) for t, p in kept]
        return Layout(*np.array(sorted(rows, key=lambda r: (r[0] * r[1] * r[2], r)), dtype=float).T)
    if expert is None:
        return every
    pairs = np.unique(np.stack([every.tensor, every.pipeline], axis=1), axis=0)
    rows = [(t, p, max(1, expert // t), expert) for t, p in pairs]
    return Layout(*np.array(sorted(rows, key=lambda r: (r[0] * r[1] * r[2], r)), dtype=float).T)


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
    among: Layout | None = None,
    batch: Count | None = None,
    regime: str = "concurrency",
    engine: str = "",
    serving: Serving = PLAIN,
    power: float = math.inf,
) -> Best:
    """The layout and batch with the highest token rate per accelerator whose mean latencies meet the objective.

    Tries tensor, pipeline and expert widths inside the scale-up domain (`domain` accelerators if given), or the layouts
    `among` (arrays of one axis, see `offered`), times batches up to the memory, or the one `batch`, in one call of
    `estimate`, which explains the other parameters; then batches between those, of the layouts that come near. Among
    equal rates the smallest replica wins. `ttft` and `tpot` are upper limits on the means in seconds. Raises ValueError
    for numbers that are not positive.

    >>> from stackyard import catalog
    >>> known = catalog.load()
    >>> found = best(known.model("llama-3.1-70b"), known.accelerator("h200"), 1000, 1000, 2.0, 0.05, "fp8")
    >>> int(found.estimate.accelerators), found.token_rate > 1000
    (1, True)
    """
    every = layouts(model, chip, domain) if among is None else among
    more = (precision, provider, hbm, regime, engine, serving, power)

    def ask(layout: Layout, sizes: Numeric) -> Estimate:
        return estimate(model, chip, layout, sizes, prompt, output, *more)

    if batch is None:
        found, rate, tried = climb(ask, every, ttft, tpot, np.asarray(every.data * every.pipeline, dtype=float))
    else:
        found = ask(every.at(np.s_[:, None]), np.full((np.size(every.tensor), 1), float(batch)))
        rate, tried = rates(found, ttft, tpot), int(np.size(found.fits))
    if rate.max() > 0:
        return Best(found.at(highest(rate)), (), tried, (ttft, tpot))
    why, close = _none(found, ttft, tpot), found.at(_closest(found, ttft, tpot))
    if not close.fits:  # a single estimate tells its reasons with their figures
        nearest = ask(close.layout, close.batch)
    else:
        times = f"{show(float(close.ttft), 's')} to the first token, {show(float(close.tpot), 's')} per output token"
        nearest = replace(close, fits=False, reasons=dict.fromkeys((*why, f"this is the nearest: {times}"), True))
    return Best(None, why, tried, (ttft, tpot), nearest, late=bool(np.any(found.fits)))


def rates(found: Estimate, ttft: Second, tpot: Second) -> NDArray[np.float64]:
    """Token rates of one accelerator where a point fits and is quick enough, -1 elsewhere.

    >>> from stackyard import catalog
    >>> known = catalog.load()
    >>> model, chip = known.model("llama-3.1-8b"), known.accelerator("h200")
    >>> found = estimate(model, chip, Layout(), np.array([8.0, 4096.0]), 1000.0, 100.0)
    >>> rates(found, 2.0, 0.05) > 0
    array([ True, False])
    """
    for name, limit in (("ttft", ttft), ("tpot", tpot)):
        if not limit > 0:
            raise ValueError(f"{name} must be positive, not {limit}")
    good = found.fits & np.less_equal(found.ttft, ttft) & np.less_equal(found.tpot, tpot)
    return np.where(good & np.isfinite(found.token_rate), found.token_rate_per_accelerator, -1.0)


def highest(rate: NDArray[np.float64]) -> tuple[int, ...]:
    """Where the highest rate is; the first of equal ones.

    >>> highest(np.array([[1.0, 3.0], [3.0, 2.0]]))
    (0, 1)
    """
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(rate)), rate.shape))


def _closest(found: Estimate, ttft: Second, tpot: Second) -> tuple[int, ...]:
    """Where the latencies exceed the objective least among points that fit; without one, where memory is least short.

    Layouts with more reasons against them come later; among equals the narrowest comes first.
    """
    if np.any(found.fits):
        times = np.maximum(np.asarray(found.ttft) / ttft, np.asarray(found.tpot) / tpot)
        excess = np.where(np.asarray(found.fits) & np.isfinite(times), times, np.inf)
    else:
        lacks = sum(np.asarray(mask, dtype=float) for mask in found.reasons.values())
        short = np.maximum(np.nan_to_num(found.memory.total / found.memory.available), 1.0)
        excess = lacks * (1.0 + np.max(short)) + short
    return tuple(int(i) for i in np.unravel_index(int(np.argmin(excess)), np.shape(excess)))


def _none(found: Estimate, ttft: Second, tpot: Second) -> tuple[str, ...]:
    """Why no point qualifies: what keeps every layout out, or how far the latencies are from the objective."""
    fits = np.asarray(found.fits)
    if not fits.any():
        masks = {reason: np.asarray(mask) for reason, mask in found.reasons.items()}
        always = [reason for reason, mask in masks.items() if mask.all()]
        return tuple(always or [reason for reason, mask in masks.items() if mask.any()])
    why = []
    for late, times, limit in ((LATE_FIRST, found.ttft, ttft), (LATE_EACH, found.tpot, tpot)):
        least = float(np.min(np.asarray(times)[fits]))
        if least > limit:
            why.append(late.format(least=seconds(least), limit=seconds(float(limit))))
    return tuple(why or [phrase("no layout meets both latencies at once")])
