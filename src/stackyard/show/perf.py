"""Estimates of serving and training, and how far off they are, in the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from stackyard.quantity import show
from stackyard.show.screen import console, grade, number, rows
from stackyard.source import Grade

if TYPE_CHECKING:
    from stackyard.perf.calibration.training_check import Compared
    from stackyard.perf.calibration.validate import Comparison
    from stackyard.perf.estimate import Estimate
    from stackyard.perf.training.estimate import Training


def estimate(answer: Estimate, verbose: bool = False, notes: Sequence[str] = ()) -> None:
    """One estimate: rate, latency, memory, power, what limits, and what it rests on; all its parts with `verbose`."""
    screen = console()
    said = answer.summary()
    widths = ", ".join(f"{name} {width}" for name, width in said["layout"].items() if width > 1)
    alone = said["accelerators"] == 1
    size = "1 accelerator" if alone else f"{said['accelerators']:,} accelerators ({widths})"
    at_once = "1 request" if said["batch"] == 1 else f"{said['batch']:,.0f} requests"
    screen.print(f"[bold]{answer.model.name} on {answer.chip.name}: {size}[/bold], {at_once} at once")
    screen.print(
        f"{said['prompt_tokens']:,.0f} prompt and {said['output_tokens']:,.0f} output tokens; "
        + ", ".join(f"{part} in {kind}" for part, kind in said["precision"].items())
    )
    for note in notes:
        screen.print(f"• {note}", markup=False)
    if not answer.fits:
        screen.print("Not possible:", style="bold red")
        for reason in said["why"]:
            screen.print(f"  • {reason}")
        return
    screen.print(rows("", _figures(answer, said)))
    screen.print(_parts(said, None if verbose else 6))
    basis = said["basis"]
    screen.print(
        f"Basis: {basis['provider']}, {len(basis['constants'])} constants, weakest grade ",
        grade(Grade.named(basis["grade"])),
        ". In brackets the 80% interval, from measured rows left out of the fit: stackyard validate.",
        sep="",
    )
    if verbose:
        for fact in answer.basis.constants:
            screen.print(f"  {fact.path} {number(fact)} ", grade(fact.grade), sep="")


def _figures(answer: Estimate, said: Mapping[str, Any]) -> dict[str, str]:
    """The figures of an estimate that fits, by name."""
    sizes = said["memory_bytes"].items()
    held = ", ".join(f"{name} {show(size, 'B')}" for name, size in sizes if size and name != "available")
    used, whole = show(said["memory_used_bytes"], "B"), show(answer.chip.memory, "B")
    own = f"{said['output_tokens_per_s_per_accelerator']:,.0f} output tokens/s"
    low, high = (float(end) / said["accelerators"] for end in answer.interval())
    step, each = said["step_s"], said["tpot_s"]
    between = f": a decode step of {show(step, 's')}, the rest waits for prefills of other requests"
    return {
        "rate of one accelerator": f"{own} [{low:,.0f} to {high:,.0f}]; "
        f"{said['tokens_per_s_per_accelerator']:,.0f} with prompts",
        "rate of the replica": f"{said['output_tokens_per_s']:,.0f} output tokens/s",
        "time to first token": show(said["ttft_s"], "s") + _between(answer, "ttft"),
        "time per output token": show(each, "s") + _between(answer, "tpot") + (between if each > 1.001 * step else ""),
        "time in prefill": f"{said['prefill_share']:.0%}",
        "memory of one accelerator": f"{used} of {whole} ({held}); room for {said['largest_batch']:,.0f} requests",
        "power of one accelerator": f"{show(said['watts_per_accelerator'], 'W')} of {show(answer.chip.tdp, 'W')}",
        "energy": f"{show(said['joules_per_token'], 'J')} a token",
        "what limits": _limits(said),
    }


def _between(answer: Estimate, metric: str) -> str:
    low, high = (show(float(end), "s") for end in answer.interval(metric))
    return f" [{low} to {high}]"


def _limits(said: Mapping[str, Any]) -> str:
    """How much of each phase waits for compute, memory, links and overheads, the most first."""
    told = []
    for phase in ("prefill", "decode"):
        waits: dict[str, float] = {}
        for part in said["parts"]:
            if part["phase"] == phase:
                waits[part["limit"]] = waits.get(part["limit"], 0.0) + part["seconds"]
        total = sum(waits.values()) or 1.0
        most = sorted(waits.items(), key=lambda item: -item[1])
        shares = ", ".join(f"{limit} {seconds / total:.0%}" for limit, seconds in most if seconds / total >= 0.005)
        told.append(f"{phase} waits for {shares}")
    return "; ".join(told)


def _parts(said: Mapping[str, Any], count: int | None) -> Table:
    """Where the time goes: the longest operations of each phase (all for None), and what each waits for."""
    table = Table(title="Where the time goes", title_justify="left", box=None, pad_edge=False)
    for name in ("phase", "operation", "time", "share", "waits for"):
        table.add_column(name, justify="right" if name in ("time", "share") else "left")
    for phase in ("prefill", "decode"):
        parts = sorted((p for p in said["parts"] if p["phase"] == phase), key=lambda p: -p["seconds"])
        total = sum(part["seconds"] for part in parts) or 1.0
        for part in parts[:count]:
            share = part["seconds"] / total
            table.add_row(phase, part["name"], show(part["seconds"], "s"), f"{share:.0%}", part["limit"])
    return table


def training(answer: Training) -> None:
    """One training run: step time, tokens, MFU, memory, where the time goes, and goodput; or why it cannot be."""
    screen = console()
    said = answer.summary()
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
    weeks, day = said["goodput"], 86400.0
    figures = {
        "step": f"{show(said['step_s'], 's')} (80% interval {show(said['step_low_s'], 's')} to "
        f"{show(said['step_high_s'], 's')})",
        "tokens": f"{show(said['tokens_per_s'], 'token/s')}, "
        f"{said['tokens_per_s_per_accelerator']:,.0f} an accelerator",
        "MFU, all pairs of attention counted": f"{said['mfu_full']:.1%} of {said['precision']} peak",
        "MFU, pairs under the causal mask": f"{said['mfu_causal']:.1%}; with recomputation {said['hfu']:.1%}",
        "memory of one accelerator": f"{show(said['memory_used_bytes'], 'B')} of "
        f"{show(said['memory_bytes']['available'], 'B')} ({held})",
        "interruptions": f"one in {show(weeks['between_failures'] / 3600, 'h')}, "
        f"{show(weeks['restart'], 's')} to restart",
        "checkpoints": f"best every {show(weeks['interval'], 's')}",
        "goodput over weeks": f"{weeks['share']:.1%}: {show(said['tokens_per_s'] * weeks['share'] * day, 'token/day')}",
    }
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


def validation(found: Comparison, training: Sequence[Compared], written: Path | None) -> None:
    """The performance models beside measurements, with what was excluded and left out, and why."""
    screen = console()
    rows_left = sum(count for *_, count in found.left_out)
    screen.print(f"[bold]{int(found.counts.sum()):,} measured rows[/bold], one prediction each; {rows_left:,} left out")
    for title, lines in (
        ("what", found.targets()),
        ("source", found.lines("source", "metric")),
        ("accelerator", found.lines("chip", "metric")),
        ("model", found.lines("model", "metric")),
    ):
        table = Table(box=None, pad_edge=False)
        table.add_column(title, style="cyan")
        for name in ("rows", "bias", "median", "mean", "90%", "in interval"):
            table.add_column(name, justify="right")
        for line in lines:
            if line.rows:
                shares = (line.bias, line.median, line.mean, line.p90, line.coverage)
                table.add_row(
                    " ".join(line.name),
                    str(line.rows),
                    *(f"{share:+.1%}" if i == 0 else f"{share:.1%}" for i, share in enumerate(shares)),
                )
        screen.print(table)
        screen.print()
    _validated_training(screen, training)
    held = [cells for cells in found.held_out() if cells["what"] in {line.name[0] for line in found.targets()}]
    table = Table(box=None, pad_edge=False, title="Left out of the fit (the built-in table)", title_justify="left")
    for name in ("without its", "what", "rows", "bias", "median", "mean", "90%", "in interval"):
        table.add_column(name, justify="left" if name in ("without its", "what") else "right")
    for cells in held:
        told = [float(cells[name]) for name in ("bias", "median", "mean", "p90", "inside")]
        table.add_row(cells["left_out"], cells["what"], cells["rows"], *(f"{share:.1%}" for share in told))
    screen.print(table)
    screen.print(
        "bias: mean of predicted / measured - 1; median, mean and 90% of its size; interval: 80% expected.", style="dim"
    )
    for title, counted in (("Excluded for a stated defect", found.excluded()), ("Not expressed", found.left_out)):
        table = Table(box=None, pad_edge=False, title=title, title_justify="left")
        for name in ("source", "reason", "rows"):
            table.add_column(name, justify="right" if name == "rows" else "left", overflow="fold")
        for source, reason, count in counted:
            table.add_row(source, reason, str(count))
        screen.print(table)
    if written is not None:
        screen.print(f"Predictions beside the measurements: {written}")


def _validated_training(screen: Console, compared: Sequence[Compared]) -> None:
    """Step time and memory of training, by source, accelerator and model."""
    for what in dict.fromkeys(line.what for line in compared):
        table = Table(box=None, pad_edge=False)
        table.add_column(f"training, {what}", style="cyan")
        for name in ("rows", "bias", "median", "mean", "90%", "in interval"):
            table.add_column(name, justify="right")
        for line in (line for line in compared if line.what == what):
            shares = (line.bias, line.median, line.mean, line.p90, line.coverage)
            told = [f"{share:+.1%}" if i == 0 else f"{share:.1%}" for i, share in enumerate(shares)]
            table.add_row(" ".join(filter(None, (line.source, line.accelerator, line.model))), str(line.rows), *told)
        screen.print(table)
        screen.print()
