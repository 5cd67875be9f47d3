"""A simulated service -> Report: latency against load with the knee marked, and occupancy over time."""

from __future__ import annotations

import math
from collections.abc import Sequence

from stackyard.quantity import show
from stackyard.report.document import Block, Column, Curves, Figure, Note, Paragraph, Report, Section, Series, Table
from stackyard.sim.ask import Service
from stackyard.sim.metrics import Objective, Simulation

KNEE = 2.0  # times its value at light load, where latency is said to turn
LATENCIES = (("ttft.p50", "TTFT, median"), ("ttft.p99", "TTFT, 99%"), ("tpot.p99", "time per output token, 99%"))


def knee(sweep: Sequence[tuple[float, Simulation]], name: str = "ttft.p99") -> float:
    """The rate from which on a latency is more than KNEE times that at light load, or the queue grows; inf if never."""
    base = sweep[0][1].figures[name].value
    for rate, found in sweep:
        if not found.stable or found.figures[name].value > KNEE * base:
            return rate
    return math.inf


def document(
    of: Service, promised: Objective, found: Simulation, sweep: Sequence[tuple[float, Simulation]], *, date: str
) -> Report:
    """The report of a simulation."""
    names = " and ".join(model.name for model in of.models)
    load = f"in a closed loop of {of.concurrency:,}" if of.concurrency else f"at {found.rate:.3g} a second"
    return Report(
        f"{names} on {found.accelerators} x {of.chip.name}: latency under load",
        f"{found.offered:,} requests {load}; {of.engine} scheduler, {of.router} router.",
        date,
        (_load(promised, found, sweep), _time(found)),
        (),
        (),
    )


def _load(promised: Objective, found: Simulation, sweep: Sequence[tuple[float, Simulation]]) -> Section:
    turns = knee(sweep)
    steady = [(rate, one) for rate, one in sweep if one.stable and one.figures["ttft.p99"].value < 60]
    x = tuple(f"{rate:.4g}" for rate, _ in steady)
    lines = tuple(
        Series(f"service/{key}", name, tuple(one.figures[key].value for _, one in steady)) for key, name in LATENCIES
    )
    limits = tuple(
        Series(f"limit/{name}", f"objective, {name}", (value,) * len(x))
        for name, value in (("TTFT", promised.ttft), ("TPOT", promised.tpot))
        if math.isfinite(value)
    )
    marks = ((turns, "knee"),) if math.isfinite(turns) else ()
    told = f"the 99th percentile doubles from {turns:.3g} requests a second on" if marks else "no knee was met"
    rows = tuple(
        (rate, *(one.figures[key].value for key, _ in LATENCIES), one.goodput.value, "yes" if one.stable else "no")
        for rate, one in sweep
    )
    columns = (
        Column("Load", "1/s", 2),
        *(Column(name, "s", 3) for _, name in LATENCIES),
        Column("Goodput", "", 3),
        Column("Stable"),
    )
    blocks: tuple[Block, ...] = (
        Figure(
            "latency-load",
            "Latency against load",
            Curves(x, lines, limits, "Latency", "s", False, "requests a second", marks),
            f"Latency against load: {told}.",
        ),
        Table("Each load", columns, rows, folded=True),
    )
    return Section("load", "Latency against load", f"At {found.rate:.3g} requests a second; {told}.", blocks)


def _time(found: Simulation) -> Section:
    series = found.series
    x = tuple(f"{second:.4g}" for second in series["seconds"])

    def of(*names: tuple[str, str]) -> tuple[Series, ...]:
        return tuple(Series(f"accelerator/{key}", words, tuple(series[key])) for key, words in names)

    requests = Curves(x, of(("running", "running"), ("waiting", "waiting")), (), "Requests", "", False, "seconds")
    cache = Curves(
        x, of(("held", "held by requests"), ("cached", "cached prefixes")), (), "Share of blocks", "", False, "seconds"
    )
    blocks: list[Block] = [
        Figure("requests", "Requests running and waiting", requests, "Requests running and waiting over time."),
        Figure("cache", "Cache blocks", cache, "Share of the cache's blocks held by requests and by cached prefixes."),
        Paragraph(f"Preemptions: {found.used.preemptions:,}; prompt tokens found: {found.used.hit_rate:.0%}."),
    ]
    if not found.stable:
        grows = f"The queue grows by {found.growth:.3g} requests a second: this load is beyond what the service can do."
        blocks.append(Note(grows, "warning"))
    lead = f"{found.used.running:.1f} requests in a step in the mean; energy {_energy(found)}."
    return Section("time", "Over time", lead, tuple(blocks))


def _energy(found: Simulation) -> str:
    each = found.joules_per_token
    return f"{show(each, 'J')} an output token" if math.isfinite(each) else "not known"
