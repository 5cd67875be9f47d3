"""Training runs, and how far off their estimates are, in the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from stackyard.quantity import show
from stackyard.show.screen import console, grade, rows

if TYPE_CHECKING:
    from stackyard.perf.calibration.training_check import Validated
    from stackyard.perf.training.estimate import Training


def training(answer: Training, tokens: float | None = None, weeks: Mapping[str, Any] | None = None) -> None:
    """One training run: step time, tokens, MFU, memory, power, where the time goes, and goodput; or why it cannot be.

    `weeks` are choices of goodput; with `tokens` the days, energy and accelerator-hours of the whole run are told.
    """
    screen = console()
    said = answer.summary(**(weeks or {}))
    widths = ", ".join(
        f"{name} {said[name]:g}" for name in ("tensor", "pipeline", "virtual", "context", "expert", "data")
    )
    head = f"Training {answer.model.name} on {said['accelerators']:,.0f} {answer.chip.name} ({widths})"
    screen.print(f"[bold]{head}[/bold]")
    screen.print(
        f"{said['global_batch']:,.0f} sequences of {said['sequence']:,.0f} tokens a step; {said['precision']}, "
        f"recompute {said['recompute']}, {said['sharding']}, {said['schedule']}; constants of {said['software']}"
    )
    if not answer.fits:
        _no_training(screen, answer)
        return
    held = ", ".join(
        f"{name} {show(size, 'B')}"
        for name, size in said["memory_bytes"].items()
        if size and name not in ("available", "held_back")
    )
    over, day = said["goodput"], 86400.0
    figures = {
        "step": f"{show(said['step_s'], 's')} (80% interval {show(said['step_low_s'], 's')} to "
        f"{show(said['step_high_s'], 's')})",
        "tokens": f"{show(said['tokens_per_s'], 'token/s')}, "
        f"{said['tokens_per_s_per_accelerator']:,.0f} an accelerator",
        "MFU, all pairs of attention counted": f"{said['mfu_full']:.1%} of {said['precision']} peak",
        "MFU, pairs under the causal mask": f"{said['mfu_causal']:.1%}; with recomputation {said['hfu']:.1%}",
        "memory of one accelerator": f"{show(said['memory_used_bytes'], 'B')} of "
        f"{show(said['memory_bytes']['available'], 'B')} ({held})",
        "power of one package": f"{show(said['watts'], 'W')} of {show(answer.chip.tdp, 'W')}; "
        f"{show(said['joules_per_token'], 'J')} a token",
        "interruptions": f"one in {show(over['between_failures'] / 3600, 'h')}, "
        f"{show(over['restart'], 's')} to restart",
        "checkpoints": f"{'every' if (weeks or {}).get('interval') else 'best every'} {over['interval'] / 60:,.0f} min",
        "goodput over weeks": f"{over['share']:.1%}: {show(said['tokens_per_s'] * over['share'] * day, 'token/day')}",
    }
    if tokens:
        run = answer.campaign(tokens, **(weeks or {}))
        figures[f"{show(tokens, 'token')}"] = (
            f"{run.seconds / day:,.1f} days, {run.accelerator_seconds / 3600:,.0f} accelerator-hours, "
            f"{run.joules / 3.6e12:,.2f} GWh of packages"
        )
    screen.print(rows("", figures))
    table = Table(title="Where the time goes", title_justify="left", box=None, pad_edge=False)
    for name in ("part", "time", "share"):
        table.add_column(name, justify="left" if name == "part" else "right")
    for name, seconds in sorted(said["parts_s"].items(), key=lambda part: -part[1]):
        if seconds > 0.001 * said["step_s"]:
            table.add_row(name, show(seconds, "s"), f"{seconds / said['step_s']:.0%}")
    screen.print(table)
    screen.print("Basis: counted work over fitted rates, weakest grade ", grade(answer.grade), ".", sep="")


def _no_training(screen: Console, answer: Training) -> None:
    """Every reason, and the nearest run that would fit."""
    from stackyard.api import nearest_training

    screen.print("Does not fit:", style="bold red")
    for reason in answer.why:
        screen.print(f"  • {reason}")
    near = nearest_training(answer)
    if near is None:
        screen.print("No layout nearby fits: give it more accelerators.")
        return
    r = near.recipe
    screen.print(
        f"The nearest that fits: --tp {r.tensor:g} --pp {r.pipeline:g} --micro {r.micro_batch:g} "
        f"--recompute {r.recompute} --sharding {r.sharding}  ({show(float(near.seconds), 's')} a step)"
    )


def validated_training(found: Validated, written: Path | None = None) -> None:
    """Step time and memory of training by source, accelerator and model; what is left out of the fit; and why not."""
    screen = console()
    for what in dict.fromkeys(line.what for line in found.compared):
        table = _table(f"training, {what}")
        for line in (line for line in found.compared if line.what == what):
            shares = (line.bias, line.median, line.mean, line.p90, line.coverage)
            named = " ".join(filter(None, (line.source, line.accelerator, line.model)))
            table.add_row(named, str(line.rows), *_shares(shares))
        screen.print(table)
        screen.print()
    if found.left_out:
        table = _table("training, each left out of the fit in turn")
        for cells in found.left_out:
            told = tuple(float(cells[name]) for name in ("bias", "median", "mean", "p90", "coverage"))
            table.add_row(f"{cells['what']}, {cells['left_out']}: {cells['of']}", cells["rows"], *_shares(told))
        screen.print(table)
        screen.print()
    table = Table(box=None, pad_edge=False, title="Training rows not compared", title_justify="left")
    for name in ("source", "reason", "rows"):
        table.add_column(name, justify="right" if name == "rows" else "left", overflow="fold")
    for source, reason, number in found.excluded:
        table.add_row(source, reason, str(number))
    screen.print(table)
    if written is not None:
        screen.print(f"Predictions beside the measurements: {written}")


def _table(title: str) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column(title, style="cyan")
    for name in ("rows", "bias", "median", "mean", "90%", "in interval"):
        table.add_column(name, justify="right")
    return table


def _shares(shares: tuple[float, ...]) -> list[str]:
    return [f"{share:+.1%}" if index == 0 else f"{share:.1%}" for index, share in enumerate(shares)]
