"""What one more gigabyte, one more terabyte a second and one more stack are worth to a service, regime by regime."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stackyard.notebook import Columns, Tabular, by_rows
from stackyard.perf.estimate import Estimate, estimate
from stackyard.perf.frontier import Workload
from stackyard.perf.layout import Layout, layouts
from stackyard.perf.precision import Precision
from stackyard.perf.search import climb, highest
from stackyard.perf.whatif import Variant, scaled
from stackyard.quantity import GIGA, TERA
from stackyard.words import phrase

STEP = 0.1  # of a quantity, each way, for a central difference: batches are whole, and smaller steps see their jumps


class Rates(NamedTuple):
    """Tokens per second of one accelerator, and tokens per joule (nan where a phase alone is told)."""

    rate: float
    tokens_per_joule: float


@dataclass(frozen=True)
class Worth:
    """What `size` more of a resource is worth: 1 GB of 'capacity', 1 TB/s of 'bandwidth', or one 'stack' of both.

    `elasticity` is d ln(rate) / d ln(x), and `energy_elasticity` d ln(tokens per joule) / d ln(x); the others follow
    from them: rate elasticity size / x tokens per second, and so on. `break_even` is the USD that it may cost before a
    token takes more of the package's price: elasticity size / x price. nan where a price or the energy is not known.
    """

    of: str
    size: float  # in SI; stacks for 'stack'
    elasticity: float
    energy_elasticity: float
    rate: float  # tokens/s of one accelerator
    tokens_per_joule: float
    rate_per_usd: float  # tokens/s for each USD of the package
    break_even: float  # USD


@dataclass(frozen=True)
class Regime:
    """A way to run the service: what it does with the memory it has, and what more of it is worth."""

    name: str
    about: str
    at: Rates
    worths: tuple[Worth, ...]


@dataclass(frozen=True)
class MemoryWorth(Tabular):
    """The regimes of a service on an accelerator, its best point under the objective, and what holds it there."""

    workload: Workload
    variant: Variant
    best: Estimate
    binds: tuple[str, ...]
    regimes: tuple[Regime, ...]
    among: Layout  # layouts to choose from

    def columns(self) -> Columns:
        """What `size` more of each resource is worth in each regime, a row each."""
        return by_rows(
            {"regime": each.name} | {f.name: getattr(worth, f.name) for f in fields(worth)}
            for each in self.regimes
            for worth in each.worths
        )

    def summary(self) -> dict[str, Any]:
        """Plain names and values for JSON, SI units in the names; what is not known is None."""

        def known(values: Mapping[str, Any]) -> dict[str, Any]:
            return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in values.items()}

        told = {
            "rate": "tokens_per_s_per_accelerator",
            "rate_per_usd": "tokens_per_s_per_usd",
            "break_even": "break_even_usd",
            "size": "size_si",
        }
        rows = [
            {
                "regime": each.name,
                "about": each.about,
                **known({told.get(name, name): value for name, value in each.at._asdict().items()}),
                "one_more": {
                    w.of: known({told.get(f.name, f.name): getattr(w, f.name) for f in fields(w) if f.name != "of"})
                    for w in each.worths
                },
            }
            for each in self.regimes
        ]
        return {"best": self.best.summary(), "binds": list(self.binds), "step": STEP, "regimes": rows}


def optimum(workload: Workload, variant: Variant, precision: str | Precision, among: Layout) -> Estimate | None:
    """The highest token rate per accelerator under the objective: coarse batches for all layouts, then finer ones.

    None where nothing fits and is quick enough. In steps of one request, as `search.best` is not, so that small changes
    of the memory show.

    >>> from stackyard import catalog
    >>> known = catalog.load()
    >>> asked = Workload(known.model("llama-3.1-8b"), prompt=1000.0, output=100.0, tpot=0.02)
    >>> best = optimum(asked, Variant(known.accelerator("h200"), None), "fp8", Layout(*np.ones((4, 1))))
    >>> bool(0.015 < best.tpot <= 0.02)
    True
    """
    lengths = (workload.prompt, workload.output)

    def ask(layout: Layout, sizes: NDArray[np.float64]) -> Estimate:
        hbm, serving = variant.hbm, workload.serving
        return estimate(workload.model, variant.chip, layout, sizes, *lengths, precision, hbm=hbm, serving=serving)

    found, rate, _ = climb(ask, among, workload.ttft, workload.tpot)
    return found.at(highest(rate)) if rate.max() > 0 else None


def worth(
    workload: Workload, variant: Variant, precision: str | Precision = "bf16", among: Layout | None = None
) -> MemoryWorth | None:
    """What more memory is worth to a service, in five regimes; None where the service does not fit or is too slow.

    d ln(rate) / d ln(x) by central difference, x 10% up and down: capacity alone, bandwidth alone, and both (stacks).
    'objective' and 'full load' choose layout and batch again at each x, with and without the latency objective;
    'fixed', 'prefill' and 'decode' keep those of the best point, and the last two tell one phase alone.

    >>> from stackyard import catalog
    >>> known = catalog.load()
    >>> service = Workload(known.model("llama-3.1-70b"), 1000.0, 1000.0, ttft=2.0, tpot=0.05)
    >>> found = worth(service, Variant(known.accelerator("h200"), known.generation("hbm3e")), "fp8")
    >>> fixed = found.regimes[2]
    >>> {w.of: 0.0 < w.elasticity < 1.0 for w in fixed.worths}  # no more requests fit the batch that is kept
    {'capacity': False, 'bandwidth': True, 'stack': True}
    """
    every = layouts(workload.model, variant.chip) if among is None else among
    free = Workload(workload.model, workload.prompt, workload.output)
    best = optimum(workload, variant, precision, every)
    if best is None:
        return None

    def chosen(asked: Workload) -> Callable[[Variant], Rates]:
        def rates(changed: Variant) -> Rates:
            found = optimum(asked, changed, precision, every)
            return Rates(math.nan, math.nan) if found is None else _whole(found)

        return rates

    def kept(of: Callable[[Estimate], Rates]) -> Callable[[Variant], Rates]:
        lengths = (workload.prompt, workload.output)
        return lambda changed: of(
            estimate(workload.model, changed.chip, best.layout, best.batch, *lengths, precision, hbm=changed.hbm)
        )

    ways = {
        "objective": (phrase("batch and layout chosen again, latencies within the objective"), chosen(workload)),
        "full load": (phrase("batch and layout chosen again, no latency objective"), chosen(free)),
        "fixed": (phrase("batch and layout kept as they are best now"), kept(_whole)),
        "prefill": (phrase("the same point, prompts alone"), kept(_prefill)),
        "decode": (phrase("the same point, generation alone"), kept(_decode)),
    }
    regimes = tuple(Regime(name, about, *_worths(variant, rates)) for name, (about, rates) in ways.items())
    return MemoryWorth(workload, variant, best, _binds(workload, variant, precision, best), regimes, every)


def _whole(found: Estimate) -> Rates:
    return Rates(float(found.token_rate_per_accelerator), 1.0 / float(found.joules_per_token))


def _prefill(found: Estimate) -> Rates:
    """Prompt tokens per second of one accelerator while it prefills."""
    share = found.prompt / (found.prompt + found.output) / found.prefill_share
    return Rates(float(found.token_rate_per_accelerator * share), math.nan)


def _decode(found: Estimate) -> Rates:
    """Output tokens per second of one accelerator while it decodes."""
    return Rates(float(found.output_rate_per_accelerator / (1.0 - found.prefill_share)), math.nan)


def _worths(variant: Variant, rates: Callable[[Variant], Rates]) -> tuple[Rates, tuple[Worth, ...]]:
    at, chip = rates(variant), variant.chip
    sizes = {"capacity": (GIGA, chip.memory), "bandwidth": (TERA, chip.bandwidth), "stack": (1.0, chip.stacks)}
    found = []
    for of, (size, own) in sizes.items():
        if not own:  # memory that is not stacked
            continue
        up, down = (rates(scaled(variant, *_factors(of, factor))) for factor in (1 + STEP, 1 - STEP))
        span = math.log((1 + STEP) / (1 - STEP))
        slope, saved = (
            (math.log(more / less) / span if more > 0 and less > 0 else math.nan)
            for more, less in zip(up, down, strict=True)
        )
        part = size / own
        more = slope * at.rate * part
        found.append(
            Worth(
                of,
                size,
                slope,
                saved,
                more,
                saved * at.tokens_per_joule * part,
                more / chip.price,
                slope * part * chip.price,
            )
        )
    return at, tuple(found)


def _factors(of: str, factor: float) -> tuple[float, float]:
    """Factors of capacity and bandwidth."""
    return (1.0 if of == "bandwidth" else factor, 1.0 if of == "capacity" else factor)


def _binds(workload: Workload, variant: Variant, precision: str | Precision, best: Estimate) -> tuple[str, ...]:
    """What a batch 5% larger (at least one request a group) would run against, in the best point's layout."""
    more = best.batch + max(0.05 * best.batch, float(best.layout.data))
    lengths = (workload.prompt, workload.output)
    next_ = estimate(
        workload.model, variant.chip, best.layout, more, *lengths, precision, hbm=variant.hbm, serving=workload.serving
    )
    against = {
        phrase("memory capacity"): not next_.fits,
        phrase("time to first token"): next_.ttft > workload.ttft,
        phrase("time per output token"): next_.tpot > workload.tpot,
    }
    return tuple(name for name, holds in against.items() if holds)
