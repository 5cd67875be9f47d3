"""What a simulation, a capacity and a comparison with measured serving say in the terminal. Computes nothing."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rich.table import Table

from stackyard.quantity import show
from stackyard.show.screen import console, rows

if TYPE_CHECKING:
    from pathlib import Path

    from stackyard.sim.ask import Service
    from stackyard.sim.calibration.validate import Comparison
    from stackyard.sim.capacity import Capacity
    from stackyard.sim.metrics import Figure, Objective, Simulation

NAMES = {
    "ttft": "time to first token",
    "tpot": "time per output token",
    "itl": "between two tokens",
    "e2e": "end to end",
}
SHORT = {"e2e_mean": "end to end", "itl_or_tpot_mean": "inter-token", "ttft_mean": "mean TTFT", "ttft_p99": "p99 TTFT"}


def _seconds(figure: Figure) -> str:
    """A time, and half the width of its interval as a share of it; 'unsure' where that is more than the time."""
    if not math.isfinite(figure.value):
        return "-"
    text = show(figure.value, "s")
    half = figure.high / figure.value - 1 if math.isfinite(figure.high) else math.nan
    return text if not math.isfinite(half) else f"{text} ±{half:.0%}" if half < 1 else f"{text}, unsure"


def simulation(
    found: Simulation, of: Service, promised: Objective, skipped: int, replications: int, written: Path | None
) -> None:
    """Latencies, goodput, use of the machines, energy and money; for an overload how fast the queue grows."""
    screen = console()
    names = " and ".join(model.name for model in of.models)
    screen.print(f"{names} on {found.accelerators} x {of.chip.name}, {of.engine} scheduler, {of.router}", markup=False)
    runs = f"{replications} independent runs" if replications > 1 else "one run, intervals by batch means"
    load = f"in a closed loop of {of.concurrency:,}" if of.concurrency else f"at {found.rate:.3g}/s"
    screen.print(f"{found.offered:,} requests {load}; {runs}\n")
    if not found.stable:
        screen.print(
            f"Unstable: the queue grows by {found.growth:.3g} requests/s: latencies have no limit and are not shown.\n"
            "    lower --rate, add --replicas, or ask: stackyard capacity\n",
            style="bold red",
        )
    else:
        table = Table(title="Latency (95% confidence)", title_justify="left", box=None, pad_edge=False)
        for name in ("", "mean", "p50", "p90", "p95", "p99"):
            table.add_column(name, justify="left" if not name else "right", style="cyan" if not name else None)
        for key, name in NAMES.items():
            told = [found.figures.get(f"{key}.{part}") for part in ("mean", "p50", "p90", "p95", "p99")]
            if any(told):
                table.add_row(name, *(_seconds(each) if each else "-" for each in told))
        screen.print(table)
    screen.print(rows("", _facts(found, promised, skipped)))
    if written:
        screen.print(f"\nPictures: {written}")


def _facts(found: Simulation, promised: Objective, skipped: int) -> dict[str, str]:
    used = found.used
    told = {"served": f"{found.served:,} of {found.offered:,}; {found.output_rate:,.0f} output tokens/s"}
    if found.too_long:
        told["turned away"] = f"{found.too_long:,} are longer than the cache"
    if found.shed:
        told["shed"] = f"{found.shed:,} were past their deadline before they began"
    if skipped:
        told["skipped lines"] = f"{skipped:,} of the trace were bad"
    if min(promised.ttft, promised.tpot) < math.inf:
        limits = [
            f"{name} {show(v, 's')}" for name, v in (("TTFT", promised.ttft), ("TPOT", promised.tpot)) if v < math.inf
        ]
        verdict = "kept" if found.goodput.value >= promised.percentile / 100 and found.stable else "missed"
        told["objective"] = (
            f"{' and '.join(limits)} for {promised.percentile:g}%: {verdict}; goodput {found.goodput.value:.1%}"
        )
    told["accelerators"] = (
        f"busy {used.busy:.0%}; compute {used.compute:.0%} and HBM bandwidth {used.bandwidth:.0%} of the printed rates"
    )
    hits = f"{used.hit_rate:.0%} of prompt tokens found; {used.preemptions:,} preemptions"
    told["cache"] = f"{used.cache:.0%} held by requests; {hits}"
    told["in a step"] = f"{used.running:.1f} requests in the mean of {used.steps:,} steps"
    if math.isfinite(found.watts):
        told["power and energy"] = f"{show(found.watts, 'W')}; {show(found.joules_per_token, 'J')} an output token"
    if math.isfinite(found.cost_per_million):
        told["cost"] = f"{found.cost_per_million:,.2f} USD a million output tokens (package and electricity)"
    return told


def capacity(found: Capacity, promised: Objective) -> None:
    """The largest rate, its interval, and the share of the full rate."""
    screen = console()
    if not found.rate.value > 0:
        screen.print("The objective is missed at any rate: a single request already takes longer.", style="bold red")
        return
    told = {
        "largest rate": f"{found.rate.value:.3g} requests/s{_within(found.rate)}",
        "full rate": f"{found.full_rate.value:.3g} requests/s{_within(found.full_rate)}, with no objective",
        "usable share": f"{found.utilisation:.0%}: what the objective leaves of the full rate",
    }
    screen.print(rows(f"{_limits(promised) or 'No objective'} for {promised.percentile:g}% of requests", told))


def _limits(promised: Objective) -> str:
    both = (("TTFT", promised.ttft), ("TPOT", promised.tpot))
    return " and ".join(f"{name} {show(value, 's')}" for name, value in both if value < math.inf)


def _within(figure: Figure) -> str:
    return f" [{figure.low:.3g} to {figure.high:.3g}]" if math.isfinite(figure.low) else ""


def _short(id_: str) -> str:
    """A run's name without what all of them begin with."""
    return id_.removeprefix("blis-").removeprefix("llmservingsim-")


def serving(found: Comparison, written: Path | None) -> None:
    """Errors row by row, then by metric beside targets and other simulators."""
    screen = console()
    table = Table(title="Predicted over measured, less one", title_justify="left", box=None, pad_edge=False)
    for name in ("run", *SHORT.values()):
        fold = name == "run"
        table.add_column(
            name, justify="left" if fold else "right", no_wrap=not fold, overflow="fold" if fold else "ignore"
        )
    for row, each in zip(found.rows, found.errors, strict=True):
        cells = [f"{each[name]:+.1%}" if name in each else "-" for name in SHORT]
        table.add_row(_short(row.id), *cells) if not row.why else table.add_row(f"{_short(row.id)}: {row.why}")
    screen.print(table)
    table = Table(title="Mean absolute errors", title_justify="left", box=None, pad_edge=False)
    for name in ("metric", "rows", "mean", "median", "bias", "left out", "target"):
        table.add_column(name, justify="left" if name == "metric" else "right")
    for line in found.lines():
        cells = [f"{v:.1%}" if math.isfinite(v) else "" for v in (line.mean, line.median)]
        cells.append(f"{line.bias:+.1%}")
        cells += [f"{v:.1%}" if math.isfinite(v) else "" for v in (line.left_out, line.target)]
        table.add_row(line.metric, str(line.rows), *cells)
    screen.print(table)
    table = Table(title="Other simulators on such runs", title_justify="left", box=None, pad_edge=False)
    for name in ("simulator", "set", "metric", "rows", "median", "mean"):
        table.add_column(name, justify="right" if name in ("rows", "median", "mean") else "left")
    for peer in found.peers():
        if peer["metric"] in ("e2e_mean", "itl_mean", "ttft_mean", "ttft_p99"):
            errors = (f"{float(peer[f'{name}_APE_pct']):.1f}%" for name in ("median", "mean"))
            table.add_row(peer["simulator"], peer["set"], peer["metric"], peer["n"], *errors)
    screen.print(table)
    if written:
        screen.print(f"Predictions: {written}")
