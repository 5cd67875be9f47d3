"""All layouts x batches x precisions of a service on an accelerator: the best, the Pareto set, and what was discarded.

Every point that was looked at is either kept or counted under the first reason that speaks against it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackyard.catalog.entries import Model
from stackyard.errors import nearest
from stackyard.notebook import Columns, Tabular
from stackyard.perf.cost import Prices, cost_per_token
from stackyard.perf.estimate import UNITS, Estimate, estimate
from stackyard.perf.layout import Layout, divides
from stackyard.perf.pareto import pareto
from stackyard.perf.precision import PRESETS, unsupported
from stackyard.perf.search import batches
from stackyard.perf.serving import PLAIN, Serving
from stackyard.perf.solve import BLOCK
from stackyard.perf.whatif import Variant
from stackyard.quantity import Count, show

Array = NDArray[np.float64]

_FINE = 576  # scale-up domains up to this size try every width that divides them, larger ones powers of two


@dataclass(frozen=True)
class Workload:
    """What a service asks of a replica: a model, the lengths of a request, and upper limits on mean latencies."""

    model: Model
    prompt: float = 1000.0  # tokens
    output: float = 1000.0  # tokens
    ttft: float = math.inf  # s
    tpot: float = math.inf  # s
    serving: Serving = PLAIN  # how requests are served besides batching

    def __post_init__(self) -> None:
        bad = [name for name in ("prompt", "output", "ttft", "tpot") if not getattr(self, name) > 0]
        if bad:
            raise ValueError(f"{', '.join(bad)} must be positive")


@dataclass(frozen=True)
class Points:
    """Points that fit and are quick enough: arrays of one axis. Rates and watts are of one accelerator."""

    tensor: Array
    pipeline: Array
    data: Array
    expert: Array
    batch: Array
    precision: Array  # place in `Frontier.precisions`
    ttft: Array  # s
    tpot: Array  # s
    output_rate: Array  # token/s
    token_rate: Array  # token/s, prompts in
    watts: Array
    joules_per_token: Array
    cost_per_token: Array  # USD; nan where no price is known


@dataclass(frozen=True)
class Frontier(Tabular):
    """What `frontier` found. `best` has an index into `points` for 'rate', 'cost', 'energy' and 'latency'.

    'cost' is missing where no price is on record, and all are where nothing qualifies; then `nearest` is the point that
    comes closest, and `why` says what is in the way. `tried` = points kept + the sum of `discarded`.
    """

    workload: Workload
    variant: Variant
    precisions: tuple[str, ...]
    prices: Prices
    points: Points
    pareto: NDArray[np.intp]  # in rate, time per output token and energy
    best: Mapping[str, int]
    discarded: Mapping[str, int]
    tried: int
    nearest: Estimate | None = field(default=None, repr=False)
    why: tuple[str, ...] = ()

    @property
    def curve(self) -> NDArray[np.intp]:
        """The part of the Pareto set that is so in rate against time per output token alone, the quickest first."""
        at = self.pareto
        costs = np.stack([self.points.tpot[at], -self.points.token_rate[at]], axis=1)
        return at[pareto(costs)]

    def at(self, index: int) -> Estimate:
        """The whole estimate of a point."""
        found = {f.name: float(getattr(self.points, f.name)[index]) for f in fields(Points)}
        layout = Layout(*(found[name] for name in ("tensor", "pipeline", "data", "expert")))
        name = self.precisions[int(found["precision"])]
        return _estimate(self.workload, self.variant, layout, found["batch"], name)

    def row(self, index: int) -> dict[str, Any]:
        """A point as plain names and values; SI units are in the names, what is not known is None."""
        found = {f.name: float(getattr(self.points, f.name)[index]) for f in fields(Points)}
        said: dict[str, Any] = {"precision": self.precisions[int(found.pop("precision"))]}
        widths = {name: int(found.pop(name)) for name in ("tensor", "pipeline", "data", "expert")}
        said |= {"layout": widths, "accelerators": int(widths["tensor"] * widths["pipeline"] * widths["data"])}
        said |= {_NAMES[name]: value if math.isfinite(value) else None for name, value in found.items()}
        return said

    def columns(self) -> Columns:
        """All points that qualify, as columns with units; `pareto` marks those of the Pareto set."""
        units = UNITS | {"cost_per_token": "USD/token"}
        every = {f.name: (getattr(self.points, f.name), units.get(f.name, "")) for f in fields(Points)}
        named = np.array(self.precisions, dtype=object)[np.asarray(self.points.precision, dtype=int)]
        chosen = np.isin(np.arange(len(self.points.tpot)), self.pareto)
        return {**every, "precision": (named, ""), "pareto": (chosen, "")}

    def summary(self) -> dict[str, Any]:
        """The search as plain names and values for JSON: the best of each kind, the Pareto set, what was discarded."""
        asked = self.workload
        near = self.nearest.summary() if self.nearest is not None else None
        return {
            "model": asked.model.id,
            "chip": self.variant.chip.id,
            "prompt_tokens": asked.prompt,
            "output_tokens": asked.output,
            "ttft_limit_s": asked.ttft if math.isfinite(asked.ttft) else None,
            "tpot_limit_s": asked.tpot if math.isfinite(asked.tpot) else None,
            "serving": asked.serving.summary(),
            "tried": self.tried,
            "kept": len(self.points.tpot),
            "best": {name: self.row(index) for name, index in self.best.items()},
            "pareto": [self.row(int(index)) for index in self.pareto],
            "discarded": dict(self.discarded),
            "why": list(self.why),
            "nearest": near,
            "prices": {
                fact.path: {"value": fact.value, "unit": fact.unit, "grade": fact.grade.label}
                for fact in self.prices.facts
            },
        }


_NAMES = {
    "batch": "batch",
    "ttft": "ttft_s",
    "tpot": "tpot_s",
    "output_rate": "output_tokens_per_s_per_accelerator",
    "token_rate": "tokens_per_s_per_accelerator",
    "watts": "watts_per_accelerator",
    "joules_per_token": "joules_per_token",
    "cost_per_token": "usd_per_token",
}


def candidates(model: Model, domain: int, most: int) -> Layout:
    """Layouts to look at, whether or not they suit the model: arrays of one axis, the narrowest first.

    tensor x data stay within `domain`, the whole replica within `most` accelerators. Widths are powers of two and
    divisors of the domain, pipelines powers of two up to 8; models without experts take no data or expert width.

    >>> from stackyard import catalog
    >>> candidates(catalog.load().model("llama-3.1-8b"), domain=8, most=8).tensor
    array([1., 1., 2., 1., 2., 4., 1., 2., 4., 8.])
    """
    powers = {2**i for i in range(domain.bit_length()) if 2**i <= domain}
    widths = sorted(powers | {n for n in range(1, domain + 1) if domain <= _FINE and domain % n == 0})
    rows = []
    for t in widths:
        for d in (n for n in widths if t * n <= domain) if model.experts else (1,):
            spread = sorted({*(e for e in widths if e <= t * d), t * d}) if model.experts else [1]
            rows += [(t, p, d, e) for p in (1, 2, 4, 8) if t * d * p <= most for e in spread]
    return Layout(*np.array(sorted(rows, key=lambda r: (r[0] * r[1] * r[2], r)), dtype=float).T)


def frontier(
    workload: Workload,
    variant: Variant,
    among: Layout,
    prices: Prices,
    precisions: Sequence[str] = tuple(PRESETS),
    shares: Array | None = None,
) -> Frontier:
    """Every one of the layouts `among` with every batch and every precision, worked as arrays.

    `shares` are the sequences of a stage of each tensor group; left out they are 1 to 4,096 in steps of about 9%.
    Raises ValueError for an unknown precision. About a microsecond a point (bench/bench_frontier.py).

    >>> from stackyard import catalog
    >>> known = catalog.load()
    >>> service = Workload(known.model("llama-3.1-70b"), 1000.0, 1000.0, ttft=2.0, tpot=0.03)
    >>> variant, prices = Variant(known.accelerator("h200"), known.generation("hbm3e")), Prices(32e3, 1.6e8, 1.4e-8)
    >>> found = frontier(service, variant, candidates(service.model, 8, 8), prices, ["fp8"])
    >>> found.tried == len(found.points.tpot) + sum(found.discarded.values())
    True
    """
    unknown = [name for name in precisions if name not in PRESETS]
    if unknown:
        raise ValueError(f"'{unknown[0]}' is not a precision I know: {nearest(unknown[0], PRESETS)}")
    groups = np.atleast_1d(np.asarray(among.data * among.pipeline, dtype=float))
    sizes = batches(among) if shares is None else groups[:, None] * shares[None, :]
    discarded: dict[str, int] = {}
    kept: list[dict[str, Any]] = []
    closest: tuple[float, Estimate] | None = None
    for place, name in enumerate(precisions):
        lacks = unsupported(variant.chip, PRESETS[name])
        if lacks:
            _count(discarded, lacks[0], sizes.size)
            continue
        for found in _blocks(workload, variant, among, sizes, name, discarded):
            good = _qualified(found, workload, discarded)
            if good.any():
                kept.append(_kept(found, good, place, prices))
            else:
                closest = _closer(closest, found, workload)
    points = _joined(kept)
    chosen, best = _chosen(points)
    near, why = (None, ()) if chosen.size else _nearest(workload, variant, among, precisions, closest, discarded)
    ordered = dict(sorted(discarded.items(), key=lambda item: -item[1]))
    names = tuple(precisions)
    return Frontier(workload, variant, names, prices, points, chosen, best, ordered, sizes.size * len(names), near, why)


def _estimate(workload: Workload, variant: Variant, layout: Layout, batch: Count, precision: str) -> Estimate:
    sizes = (layout, batch, workload.prompt, workload.output)
    return estimate(workload.model, variant.chip, *sizes, precision, hbm=variant.hbm, serving=workload.serving)


def _blocks(
    workload: Workload,
    variant: Variant,
    among: Layout,
    sizes: NDArray[np.float64],
    precision: str,
    discarded: dict[str, int],
) -> Iterator[Estimate]:
    """Estimates of blocks of layouts by batches; layouts that do not divide are counted and left out."""
    suits = np.ones(np.size(among.tensor), dtype=bool)
    for reason, mask in divides(workload.model, among).items():
        bad = np.broadcast_to(mask, suits.shape) & suits
        _count(discarded, reason, int(bad.sum()) * sizes.shape[1])
        suits &= ~bad
    kept, sizes = among.at(suits), sizes[suits]
    wide = min(sizes.shape[1], BLOCK)
    rows = max(1, BLOCK // wide)
    for start in range(0, len(sizes), rows):
        layout = kept.at(np.s_[start : start + rows, None])
        for left in range(0, sizes.shape[1], wide):
            batch = sizes[start : start + rows, left : left + wide]
            yield _estimate(workload, variant, layout, batch, precision)


def _qualified(found: Estimate, workload: Workload, discarded: dict[str, int]) -> NDArray[np.bool_]:
    """Where a point fits and is quick enough; the others are counted under their first reason."""
    against: dict[str, Any] = dict(found.reasons)
    for name, limit, times in (
        ("to the first token", workload.ttft, found.ttft),
        ("per output token", workload.tpot, found.tpot),
    ):
        against[f"over {show(float(limit), 's')} {name}"] = np.greater(times, limit)
    against["its rate is not known"] = ~np.isfinite(np.asarray(found.token_rate))
    good = np.ones(np.shape(found.fits), dtype=bool)
    for reason, mask in against.items():
        bad = np.broadcast_to(mask, good.shape) & good
        _count(discarded, reason, int(bad.sum()))
        good &= ~bad
    return good


def _count(discarded: dict[str, int], reason: str, points: int) -> None:
    if points:
        discarded[reason] = discarded.get(reason, 0) + points


def _kept(found: Estimate, good: NDArray[np.bool_], precision: int, prices: Prices) -> dict[str, Any]:
    each = {name: getattr(found.layout, name) for name in ("tensor", "pipeline", "data", "expert")}
    each |= {name: getattr(found, name) for name in ("batch", "ttft", "tpot", "watts", "joules_per_token")}
    each["output_rate"] = found.output_rate_per_accelerator
    each["token_rate"] = found.token_rate_per_accelerator
    picked: dict[str, Any] = {name: np.broadcast_to(value, good.shape)[good] for name, value in each.items()}
    picked["cost_per_token"] = cost_per_token(prices, picked["watts"], picked["token_rate"])
    picked["precision"] = np.full(picked["ttft"].shape, float(precision))
    return picked


def _joined(kept: Sequence[Mapping[str, Any]]) -> Points:
    names = [f.name for f in fields(Points)]
    return Points(*(np.concatenate([part[name] for part in kept]) if kept else np.empty(0) for name in names))


def _chosen(points: Points) -> tuple[NDArray[np.intp], dict[str, int]]:
    """The Pareto set, and the best of each kind: each of them is in it, as each rises with what the set weighs."""
    kinds = (points.tpot, -points.token_rate, points.joules_per_token)
    chosen = pareto(np.stack(kinds, axis=1))
    if not chosen.size:
        return chosen, {}
    rising = {
        "rate": -points.token_rate,
        "cost": points.cost_per_token,
        "energy": points.joules_per_token,
        "latency": points.tpot,
    }
    known = {name: values[chosen] for name, values in rising.items() if np.isfinite(values[chosen]).all()}
    return chosen, {name: int(chosen[int(np.argmin(values))]) for name, values in known.items()}


def _excess(found: Estimate, workload: Workload) -> NDArray[np.float64]:
    """How far the latencies are over the objective, as a factor; infinite where the point does not fit."""
    times = np.maximum(np.asarray(found.ttft) / workload.ttft, np.asarray(found.tpot) / workload.tpot)
    return np.where(np.asarray(found.fits) & np.isfinite(times), times, np.inf)


def _closer(closest: tuple[float, Estimate] | None, found: Estimate, workload: Workload) -> Any:
    excess = _excess(found, workload)
    least = float(excess.min(initial=np.inf))
    if not math.isfinite(least) or (closest is not None and closest[0] <= least):
        return closest
    index = tuple(int(i) for i in np.unravel_index(int(np.argmin(excess)), excess.shape))
    return least, found.at(index)


def _nearest(
    workload: Workload,
    variant: Variant,
    among: Layout,
    precisions: Sequence[str],
    closest: tuple[float, Estimate] | None,
    discarded: Mapping[str, int],
) -> tuple[Estimate | None, tuple[str, ...]]:
    """What comes closest: the least late of what fits; without one the narrowest layout that fits, wider than asked."""
    if closest is not None:
        late = closest[1]
        times = f"{show(float(late.ttft), 's')} to the first token, {show(float(late.tpot), 's')} per output token"
        return late, (f"no point that fits is quick enough; the nearest takes {times}",)
    widest = float(np.max(np.asarray(among.accelerators)))
    domain = int(np.max(np.asarray(among.tensor * among.data)))
    wide = candidates(workload.model, domain, int(8 * max(domain, widest)))
    narrowest: Estimate | None = None
    for name in precisions:
        if unsupported(variant.chip, PRESETS[name]):
            continue
        found = _estimate(workload, variant, wide, np.asarray(wide.data * wide.pipeline, dtype=float), name)
        fits = np.flatnonzero(np.asarray(found.fits))
        if fits.size:
            first = found.at(int(fits[np.argmin(np.asarray(found.accelerators)[fits])]))
            if narrowest is None or float(first.accelerators) < float(narrowest.accelerators):
                narrowest = first
    if narrowest is None:
        layout = divides(workload.model, among)
        against = tuple(reason for reason in discarded if reason not in layout)
        return None, ("no layout fits, of up to eight stages of the scale-up domain", *against)
    needs = f"{float(narrowest.accelerators):,.0f} accelerators"
    return narrowest, (f"nothing fits within {widest:,.0f} accelerators; the narrowest layout that fits takes {needs}",)
