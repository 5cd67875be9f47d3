"""The best two pools under a latency objective: their layouts, their ratio and their load."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stackyard.perf import constants
from stackyard.perf.disaggregate import SPARSE, Disaggregated, Pool, Service, disaggregate, transfer_seconds
from stackyard.perf.estimate import Estimate
from stackyard.perf.layout import Layout, layouts
from stackyard.perf.refusal import LATE_EACH, LATE_FIRST, seconds
from stackyard.perf.search import batches
from stackyard.quantity import Second, show
from stackyard.words import phrase

_LOADS = 96  # numbers of requests tried between one and all that the decode pool holds


@dataclass(frozen=True)
class Chosen:
    """Two pools at work, or why there are none."""

    found: Disaggregated | None
    why: tuple[str, ...] = ()


def loaded(service: Service, prefill: Pool, decode: Pool, ttft: Second, tpot: Second) -> Chosen:
    """The load of two pools at which they serve the most requests within the objective.

    >>> from stackyard import catalog
    >>> known = catalog.load()
    >>> asked = Service(known.model("llama-3.1-70b"), known.accelerator("h200"), 4000.0, 500.0, "fp8")
    >>> chosen = loaded(asked, Pool(Layout(tensor=4.0)), Pool(Layout(tensor=4.0)), 1.0, 0.03)
    >>> bool(chosen.found.ttft <= 1.0 and chosen.found.tpot <= 0.03)
    True
    """
    most = max(float(service.decode(decode.layout, 1.0).memory.largest_batch), 1.0) * float(decode.workers)
    tried = disaggregate(service, prefill, decode, np.geomspace(1.0, 2.0 * most, _LOADS))
    quick = np.less_equal(tried.ttft, ttft) & np.less_equal(tried.tpot, tpot)
    good = np.broadcast_to(np.asarray(tried.fits), quick.shape) & quick
    if not good.any():
        why = [reason for reason, mask in tried.reasons.items() if np.all(mask)]
        for late, times, limit in ((LATE_FIRST, tried.ttft, ttft), (LATE_EACH, tried.tpot, tpot)):
            least = float(np.min(np.asarray(times)))
            if least > limit:
                why.append(late.format(least=seconds(least), limit=seconds(float(limit))))
        return Chosen(None, tuple(why or [phrase("no load meets both latencies at once")]))
    best = int(np.argmax(np.where(good, np.broadcast_to(tried.requests, quick.shape), -1.0)))
    return Chosen(disaggregate(service, prefill, decode, float(np.asarray(tried.batch)[best])))


def best_pools(service: Service, ttft: Second, tpot: Second, most: int, domain: int | None = None) -> Chosen:
    """The two pools with the highest token rate per accelerator within the objective, of at most `most` accelerators.

    Of each size of worker the best layout is kept: for decode by requests a second within `tpot`; for prefill by the
    same at the busy share r that its wait allows, r = 2 w / (2 w + s') with w = ttft - prompt alone - transfer. Of
    their pairs, with any numbers of workers that `most` allows, the one counts that serves the most per accelerator,
    at the load that meets both. Valid where neither pool's layout changes the other's times.

    >>> from stackyard import catalog
    >>> known = catalog.load()
    >>> asked = Service(known.model("llama-3.1-70b"), known.accelerator("h200"), 4000.0, 500.0, "fp8")
    >>> found = best_pools(asked, 2.0, 0.03, 64).found
    >>> found.fits, found.accelerators <= 64
    (True, True)
    """
    every = layouts(service.model, service.chip, domain)
    keep = np.asarray(every.accelerators) < most
    every = every.at(keep)
    if not keep.any():
        return Chosen(None, (f"two pools take two accelerators or more, and there are {most}",))
    takers = _decoding(service, every, tpot)
    if isinstance(takers, tuple):
        return Chosen(None, takers)
    makers = _filling(service, every, takers[-1], ttft)
    if isinstance(makers, tuple):
        return Chosen(None, makers)
    pairs = [_workers(first, then, most) for first in makers for then in takers]
    prefill, decode, _ = max(pairs, key=lambda pair: pair[2])
    return loaded(service, prefill, decode, ttft, tpot)


@dataclass(frozen=True)
class _Worker:
    layout: Layout
    requests: float  # per second of one worker


def _decoding(service: Service, every: Layout, tpot: Second) -> list[_Worker] | tuple[str, ...]:
    found = service.decode(every.at(np.s_[:, None]), batches(every))
    quick = np.less_equal(found.tpot, tpot)
    good = np.asarray(found.fits) & quick & np.isfinite(np.asarray(found.output_rate))
    if not good.any():
        return _none("decode pool", found, f"no layout takes {show(float(tpot), 's')} per output token or less")
    rate = np.max(np.where(good, np.asarray(found.output_rate), -1.0), axis=1) / float(service.output)
    return _of_each_size(every, rate)


def _filling(service: Service, every: Layout, then: _Worker, ttft: Second) -> list[_Worker] | tuple[str, ...]:
    found = service.prefill(every)
    against = [np.asarray(mask) for reason, mask in found.reasons.items() if reason != SPARSE]
    fits = ~np.logical_or.reduce(np.broadcast_arrays(*against))
    alone = service.worker(every, every.data, 1.0, "concurrency", found.serving).ttft
    sending = transfer_seconds(service, Pool(every), Pool(then.layout))
    tokens = constants.values(service.chip, service.engine)["prefill.tokens"]
    each = found.prefill_seconds / every.pipeline * service.computed / tokens
    slack = np.asarray(ttft - alone - sending)
    busy = (
        np.where(np.isinf(slack), 1.0, 2.0 * slack / (2.0 * slack + each))
        if math.isfinite(ttft)
        else np.ones_like(fits)
    )
    good = fits & (slack > 0)
    if not good.any():
        return _none("prefill pool", found, f"no layout takes {show(float(ttft), 's')} to the first token or less")
    return _of_each_size(every, np.where(good, busy * found.output_rate, -1.0))


def _of_each_size(every: Layout, rate: NDArray[np.float64]) -> list[_Worker]:
    """The layout with the highest rate of each number of accelerators, the narrowest first."""
    sizes = np.asarray(every.accelerators)
    found = []
    for size in np.unique(sizes[rate > 0]):
        best = int(np.argmax(np.where(sizes == size, rate, -1.0)))
        found.append(_Worker(every.at(best), float(rate[best])))
    return found


def _none(pool: str, found: Estimate, late: str) -> tuple[str, ...]:
    masks = {reason: np.asarray(mask) for reason, mask in found.reasons.items() if reason != SPARSE}
    if np.asarray(found.fits).any():
        return (f"{pool}: {late}",)
    always = [f"{pool}: {reason}" for reason, mask in masks.items() if mask.all()]
    return tuple(always or [f"{pool}: {reason}" for reason, mask in masks.items() if mask.any()])


def _workers(first: _Worker, then: _Worker, most: int) -> tuple[Pool, Pool, float]:
    """Whole numbers of workers that serve the most requests per accelerator, and how many that is.

    Of those within 1% of the best the fewest accelerators count; pairs that `most` does not allow serve none.
    """
    sizes = [float(worker.layout.accelerators) for worker in (first, then)]
    counts: list[NDArray[np.float64]] = [np.arange(1.0, max(most // size, 1) + 1) for size in sizes]
    makers, takers = counts[0][:, None], counts[1][None, :]
    whole = makers * sizes[0] + takers * sizes[1]
    rate = np.minimum(makers * first.requests, takers * then.requests) / whole
    rate = np.where(whole <= most, rate, -1.0)
    near = np.where(rate >= rate.max() * 0.99, whole, np.inf) if rate.max() > 0 else whole
    i, j = (int(place) for place in np.unravel_index(int(np.argmin(near)), near.shape))
    return Pool(first.layout, float(counts[0][i])), Pool(then.layout, float(counts[1][j])), float(rate.max())
