"""Latencies, goodput and utilisation of a run, with confidence intervals; and whether it was stable at all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackyard.notebook import Columns, Tabular, by_rows
from stackyard.sim.kernel import state
from stackyard.sim.serve import Outcome

QUANTILES = (50, 90, 95, 99)
NAMES = ("ttft", "tpot", "itl", "e2e")
STUDENT = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.20, 2.18, 2.16, 2.14, 2.13, 2.12, 2.11, 2.10)
BATCHES, FEW = 10, 200  # parts of a single run, and requests below which it is not cut


@dataclass(frozen=True)
class Figure:
    """A number and where its true value lies with 95% confidence; nan bounds where that cannot be told."""

    value: float
    low: float = math.nan
    high: float = math.nan


def student(samples: int) -> float:
    """The 97.5% quantile of Student's law with samples - 1 degrees of freedom.

    >>> student(5)
    2.78
    """
    return STUDENT[samples - 2] if samples - 2 < len(STUDENT) else 1.96


def interval(values: Sequence[float], value: float | None = None) -> Figure:
    """A mean of independent values (or the stated value) with its 95% interval, mean -+ t s / sqrt(n).

    >>> found = interval([1.0, 2.0, 3.0])
    >>> found.value, round(found.high - found.value, 2)
    (2.0, 2.48)
    """
    good = np.array([each for each in values if np.isfinite(each)])
    if not len(good):
        return Figure(math.nan if value is None else value)
    centre = float(good.mean()) if value is None else value
    if len(good) < 2:
        return Figure(centre)
    half = student(len(good)) * float(good.std(ddof=1)) / math.sqrt(len(good))
    return Figure(centre, centre - half, centre + half)


def latencies(left: NDArray[Any], overhead: float) -> dict[str, NDArray[np.float64]]:
    """Seconds of each served request: to the first token, a token after it (those with one), and to the last."""
    more = left["made"] > 1
    each = (left["last"] - left["first"])[more] / (left["made"][more] - 1)
    return {
        "ttft": left["first"] - left["arrival"] + overhead,
        "tpot": each,
        "e2e": left["last"] - left["arrival"] + overhead,
    }


def summary(values: NDArray[np.float64]) -> dict[str, float]:
    """Mean and percentiles by name.

    >>> summary(np.array([1.0, 2.0, 3.0]))["mean"]
    2.0
    """
    if not len(values):
        return {}
    told = {f"p{q}": float(np.quantile(values, q / 100)) for q in QUANTILES}
    return {"mean": float(values.mean()), **told}


def gap_summary(counts: NDArray[np.int64]) -> dict[str, float]:
    """The same of inter-token gaps, from their histogram; each within 0.5%."""
    total = int(counts.sum())
    if not total:
        return {}
    middle, passed = state.gap_values(), np.cumsum(counts)
    told = {f"p{q}": float(middle[np.searchsorted(passed, q / 100 * total)]) for q in QUANTILES}
    return {"mean": float((middle * counts).sum() / total), **told}


def measured(outcome: Outcome) -> dict[str, float]:
    """Every latency figure of one run, as 'ttft.p99'.

    >>> from stackyard import api
    >>> from stackyard.sim.ask import deployment
    >>> from stackyard.sim.serve import run
    >>> from stackyard.sim.traffic import Lengths, synthetic
    >>> of = deployment(api.service("llama-3.1-8b", "h200"), longest=2000)
    >>> requests = synthetic(5.0, 100, Lengths(1000.0), Lengths(200.0))
    >>> measured(run(of, requests))["ttft.p50"] < 0.1
    True
    """
    left = outcome.left[outcome.left["status"] == state.SERVED]
    found = {name: summary(values) for name, values in latencies(left, outcome.overhead).items()}
    found["itl"] = gap_summary(outcome.world["gaps"]["count"])
    return {f"{name}.{key}": value for name, part in found.items() for key, value in part.items()}


def parts(outcome: Outcome) -> list[dict[str, float]]:
    """The same of consecutive parts of a run, by arrival: batch means for its intervals.

    >>> from stackyard import api
    >>> from stackyard.sim.ask import deployment
    >>> from stackyard.sim.serve import run
    >>> from stackyard.sim.traffic import Lengths, synthetic
    >>> of = deployment(api.service("llama-3.1-8b", "h200"), longest=2000)
    >>> requests = synthetic(5.0, 100, Lengths(1000.0), Lengths(200.0))
    >>> ["ttft.p99" in part for part in parts(run(of, requests))]
    []
    """
    left = outcome.left[outcome.left["status"] == state.SERVED]
    if len(left) < FEW:
        return []
    order = np.argsort(left["arrival"], kind="stable")
    found = []
    for chosen in np.array_split(order, BATCHES):
        values = latencies(left[chosen], outcome.overhead)
        found.append({f"{n}.{k}": v for n, each in values.items() for k, v in summary(each).items()})
    return found


def growth(outcome: Outcome) -> float:
    """How fast the queue grew while requests came, in requests a second; 0 where it did not.

    (mean waiting in the last tenth of the arrivals' time - that around its middle) over the time between. Only growth
    beyond 2% of the rate that ends in more than 20 waiting counts: a burst is not an overload.

    >>> from stackyard import api
    >>> from stackyard.sim.ask import deployment
    >>> from stackyard.sim.serve import run
    >>> from stackyard.sim.traffic import Lengths, synthetic
    >>> of = deployment(api.service("llama-3.1-8b", "h200"), longest=2000)
    >>> requests = synthetic(5.0, 100, Lengths(1000.0), Lengths(200.0))
    >>> growth(run(of, requests))
    0.0
    """
    series, one = outcome.world["moments"], outcome.world.record[0]
    width = float(one["width"])
    used = round(width and outcome.span / width)
    if used < 20:
        return 0.0
    waiting = series["waiting"][:used] / width
    end, middle = waiting[-used // 10 :].mean(), waiting[int(used * 0.4) : int(used * 0.6)].mean()
    rate = (end - middle) / (outcome.span * 0.45)
    offered = outcome.offered / outcome.span
    return float(rate) if rate > 0.02 * offered and end > 1.3 * middle + 20 else 0.0


@dataclass(frozen=True)
class Utilisation:
    """Shares of the engines' time and means over it; of all engines together."""

    busy: float
    compute: float  # of printed arithmetic
    bandwidth: float  # of printed HBM bandwidth
    cache: float  # blocks held by requests
    running: float  # requests in a step
    hit_rate: float  # prompt tokens found in the cache
    preemptions: float
    steps: float
    compute_busy: float  # seconds of arithmetic at printed rates over seconds, one accelerator
    traffic: float  # bytes a second of one accelerator


def utilisation(outcome: Outcome, bandwidth: float) -> Utilisation:
    """What the engines did, over the time from the start to the last completion.

    >>> from stackyard import api
    >>> from stackyard.sim.ask import deployment
    >>> from stackyard.sim.serve import run
    >>> from stackyard.sim.traffic import Lengths, synthetic
    >>> of = deployment(api.service("llama-3.1-8b", "h200"), longest=2000)
    >>> requests = synthetic(5.0, 100, Lengths(1000.0), Lengths(200.0))
    >>> found = utilisation(run(of, requests), bandwidth=4.8e12)
    >>> 0 < found.busy < 1
    True
    """
    e = outcome.world["engines"]
    time = max(outcome.seconds, 1e-12) * len(e)
    looked = e["lookup_tokens"].sum()
    traffic = float(e["bytes"].sum() / time)
    return Utilisation(
        busy=float(e["busy"].sum() / time),
        compute=float(e["compute"].sum() / time),
        bandwidth=traffic / bandwidth if bandwidth else math.nan,
        cache=float((e["block_seconds"] / np.maximum(e["total"], 1)).sum() / time),
        running=float(e["sequence_seconds"].sum() / max(float(e["busy"].sum()), 1e-12)),
        hit_rate=float(e["cached_tokens"].sum() / looked) if looked else 0.0,
        preemptions=int(e["preemptions"].sum()),
        steps=int(e["steps"].sum()),
        compute_busy=float(e["compute"].sum() / time),
        traffic=traffic,
    )


@dataclass(frozen=True)
class Objective:
    """What a service promises: seconds to the first token and a token, at a percentile of the requests."""

    ttft: float = math.inf
    tpot: float = math.inf
    e2e: float = math.inf
    percentile: float = 99.0

    def met(self, outcome: Outcome) -> float:
        """Share of the offered requests that were served within all of it."""
        left = outcome.left[outcome.left["status"] == state.SERVED]
        if not outcome.offered:
            return 0.0
        values = latencies(left, outcome.overhead)
        good = (values["ttft"] <= self.ttft) & (values["e2e"] <= self.e2e)
        each = np.zeros(len(left))
        each[left["made"] > 1] = values["tpot"]
        return float((good & (each <= self.tpot)).sum() / outcome.offered)

    def holds(self, outcome: Outcome) -> bool:
        """Whether the stated percentile of requests meets it and the queue does not grow."""
        return self.met(outcome) >= self.percentile / 100 and growth(outcome) == 0.0


@dataclass(frozen=True)
class Simulation(Tabular):
    """What a service does at a load: latencies with intervals, what was served, how the machines were used."""

    figures: dict[str, Figure]
    offered: float
    served: float
    too_long: float
    shed: float
    rate: float  # requests offered a second
    output_rate: float  # tokens a second
    goodput: Figure  # share of the requests within the objective
    growth: float  # of the queue, requests a second; 0 where it is stable
    used: Utilisation
    accelerators: float
    paid: float  # share of the time for which replicas were paid: below 1 under an autoscaler
    watts: float = math.nan  # of all accelerators
    cost: float = math.nan  # USD a second of all accelerators
    series: dict[str, list[float]] = field(default_factory=dict, repr=False)

    @property
    def stable(self) -> bool:
        return self.growth == 0.0

    def columns(self) -> Columns:
        """Every latency figure in seconds and its 95% interval; none where the queue grows without end."""
        rows = self.figures.items() if self.stable else ()
        listed = [{"figure": name, "value": f.value, "low": f.low, "high": f.high} for name, f in rows]
        return by_rows(listed, dict.fromkeys(("value", "low", "high"), "s"))

    @property
    def joules_per_token(self) -> float:
        """Of one generated token, all accelerators."""
        return self.watts / self.output_rate if self.output_rate else math.nan

    @property
    def cost_per_million(self) -> float:
        """USD of a million generated tokens."""
        return self.cost / self.output_rate * 1e6 if self.output_rate else math.nan


def gathered(outcomes: Sequence[Outcome], objective: Objective, bandwidth: float, accelerators: float) -> Simulation:
    """One answer from independent replications: means over them with intervals; of one run, by batch means.

    >>> from stackyard import api
    >>> from stackyard.sim.ask import deployment
    >>> from stackyard.sim.serve import run
    >>> from stackyard.sim.traffic import Lengths, synthetic
    >>> of = deployment(api.service("llama-3.1-8b", "h200"), longest=2000)
    >>> requests = synthetic(5.0, 100, Lengths(1000.0), Lengths(200.0))
    >>> found = gathered([run(of, requests, seed) for seed in range(2)], Objective(ttft=1.0), 4.8e12, 1)
    >>> found.goodput.value
    1.0
    """
    told = [measured(one) for one in outcomes]
    first = outcomes[0]
    pieces = told if len(outcomes) > 1 else parts(first)
    names = {name for each in told for name in each}
    figures = {
        name: interval(
            [each[name] for each in pieces if name in each],
            float(np.mean([each[name] for each in told if name in each])),
        )
        for name in sorted(names)
    }
    status = np.concatenate([one.left["status"] for one in outcomes])
    made = sum(int(one.left["made"].sum()) for one in outcomes)
    seconds = sum(one.seconds for one in outcomes)
    return Simulation(
        figures=figures,
        offered=sum(one.offered for one in outcomes),
        served=int((status == state.SERVED).sum()),
        too_long=int((status == state.TOO_LONG).sum()),
        shed=int((status == state.SHED).sum()),
        rate=float(np.mean([one.offered / one.span if one.span else math.nan for one in outcomes])),
        output_rate=made / seconds if seconds else math.nan,
        goodput=interval([objective.met(one) for one in outcomes]),
        growth=max(growth(one) for one in outcomes),
        used=utilisation(first, bandwidth),
        accelerators=accelerators,
        paid=first.replica_seconds / max(first.seconds * len(np.unique(first.world["engines"]["host"])), 1e-12),
        series=over_time(first),
    )


def over_time(outcome: Outcome) -> dict[str, list[float]]:
    """Requests running and waiting, and shares of the cache held and cached, by interval.

    >>> from stackyard import api
    >>> from stackyard.sim.ask import deployment
    >>> from stackyard.sim.serve import run
    >>> from stackyard.sim.traffic import Lengths, synthetic
    >>> of = deployment(api.service("llama-3.1-8b", "h200"), longest=2000)
    >>> requests = synthetic(5.0, 100, Lengths(1000.0), Lengths(200.0))
    >>> sorted(over_time(run(of, requests)))
    ['cached', 'held', 'running', 'seconds', 'waiting']
    """
    series, one = outcome.world["moments"], outcome.world.record[0]
    width = float(one["width"])
    many = min(math.ceil(outcome.seconds / width) if width else 0, len(series))
    blocks = max(int(outcome.world["engines"]["total"].sum()), 1)
    told = {name: (series[name][:many] / width).tolist() for name in ("running", "waiting")}
    told |= {name: (series[name][:many] / width / blocks).tolist() for name in ("held", "cached")}
    return {"seconds": ((np.arange(many) + 0.5) * width).tolist(), **told}
