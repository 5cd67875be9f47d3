"""How far off the models are, in the terminal: every comparison, and at its end what was aimed at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from stackyard.quantity import show
from stackyard.show.screen import console
from stackyard.show.training import validated_training

if TYPE_CHECKING:
    from stackyard.perf.calibration.aims import Aim, Error, PeerLine
    from stackyard.perf.calibration.power import PowerLine
    from stackyard.perf.calibration.training_check import Validated
    from stackyard.perf.calibration.validate import Comparison, Line


def validation(
    found: Comparison,
    training: Validated | None,
    power: Sequence[PowerLine],
    written: Sequence[Path],
    aimed: Sequence[Aim] = (),
    peers: Sequence[PeerLine] = (),
) -> None:
    """The performance models beside measurements, what was excluded and left out and why; at the end what was aimed at.

    Without `aimed` the table is a user's own: then its rows are told one by one where they are few.
    """
    screen = console()
    rows_left = sum(count for *_, count in found.left_out)
    last = "; what was aimed at, and peers, stand at the end" if aimed else ""
    counted = int(found.counts.sum())
    screen.print(f"[bold]{counted:,} measured rows[/bold], one prediction each; {rows_left:,} left out{last}")
    if not aimed:
        _one_by_one(screen, found)
    for title, lines in (
        ("what", found.targets()),
        ("source", found.lines("source", "metric")),
        ("accelerator", found.lines("chip", "metric")),
        ("model", found.lines("model", "metric")),
        ("two pools or guessed tokens, not fitted to", found.lines("scenario", "metric")),
        ("the same by accelerator", found.lines("scenario", "chip", "metric")),
    ):
        _errors(screen, title, [line for line in lines if line.rows])
    _validated_power(screen, power)
    if training is not None:
        validated_training(training)
    if aimed:
        _left_out_of_the_fit(screen, found)
    for title, reasons in (
        ("Excluded for a stated defect", found.excluded()),
        ("Without an answer", found.unanswered()),
        ("Not expressed", found.left_out),
    ):
        if not reasons:
            continue
        table = Table(box=None, pad_edge=False, title=title, title_justify="left")
        for name in ("source", "reason", "rows"):
            table.add_column(name, justify="right" if name == "rows" else "left", overflow="fold")
        for source, reason, count in reasons:
            table.add_row(source, reason, str(count))
        screen.print(table)
        screen.print()
    _accounted(screen, found)
    _peers(screen, peers)
    _aims(screen, aimed)
    for path in written:
        screen.print(f"Written: {path}")


def _errors(screen: Console, title: str, lines: Sequence[Line]) -> None:
    if not lines:
        return
    table = Table(box=None, pad_edge=False)
    table.add_column(title, style="cyan")
    for name in ("rows", "bias", "median", "mean", "90%", "in interval"):
        table.add_column(name, justify="right")
    for line in lines:
        told = [f"{share:.1%}" for share in (line.median, line.mean, line.p90, line.coverage)]
        table.add_row(" ".join(line.name), str(line.rows), f"{line.bias:+.1%}", *told)
    screen.print(table)
    screen.print()


_FEW = 60  # rows that are told one by one


def _one_by_one(screen: Console, found: Comparison) -> None:
    """Each row of a small table: measured, predicted with its interval, and how far off."""
    if not 0 < len(found.rows) <= _FEW:
        return
    table = Table(box=None, pad_edge=False)
    for name in ("row", "what", "measured", "predicted", "80% interval", "off by"):
        table.add_column(name, justify="left" if name in ("row", "what") else "right", overflow="fold")
    for row, value, low, high in zip(found.rows, found.predicted, found.low, found.high, strict=True):
        unit = "s" if row.metric in ("ttft", "tpot", "latency") else "token/s"
        measured, told, *ends = (show(float(each), unit) for each in (row.value, value, *sorted((low, high))))
        off = f"{value / float(row.value) - 1.0:+.1%}" if row.value > 0 else "-"
        what = f"{row.metric} {row.model} {row.chip}"
        if not value > 0:
            told, ends, off = "no steady answer", ["", ""], "-"
        table.add_row(row.id, what, measured if row.value > 0 else "-", told, " to ".join(filter(None, ends)), off)
    screen.print(table)
    screen.print()


def _aims(screen: Console, aimed: Sequence[Aim]) -> None:
    """Mean absolute error, and bias in brackets, beside what was aimed at."""
    if not aimed:
        return
    title = "What was aimed at: mean absolute error (bias), as fitted, and where the fit had not seen the row's"
    table = Table(box=None, pad_edge=False, title=title, title_justify="left")
    table.add_column("what", style="cyan", overflow="fold")
    for name in ("rows", "as fitted", "model", "chip", "release", "aim", ""):
        table.add_column(name, justify="right", overflow="fold")
    for line in aimed:
        told = [_error(line.left_out.get(name)) for name in ("model", "chip", "engine")]
        aim = f"{line.aimed.mean:.0%} ({line.aimed.bias:.0%})"
        what = line.what if line.what.startswith("training") else line.what.split(",")[0]
        table.add_row(what, f"{line.rows:,}", _error(line.fitted), *told, aim, "met" if line.met else "missed")
    screen.print(table)
    screen.print(
        "bias: mean of predicted / measured - 1; median, mean and 90% of its size; interval: 80% expected. An aim is "
        "met where model and chip are within it.",
        style="dim",
    )


def _error(error: Error | None) -> str:
    return "-" if error is None else f"{error.mean:.1%} ({error.bias:+.1%})"


def _peers(screen: Console, lines: Sequence[PeerLine]) -> None:
    """Others' programs and ours on the same rows, by the last run of bench/peers."""
    if not lines:
        return
    title = f"Peers on the same rows, mean absolute error ({lines[0].date}; docs/benchmarks.md)"
    table = Table(box=None, pad_edge=False, title=title, title_justify="left")
    table.add_column("peer", style="cyan")
    for name in ("metric", "rows", "peer", "ours", "ours without its model"):
        table.add_column(name, justify="left" if name == "metric" else "right", overflow="fold")
    for line in lines:
        errors = (f"{share:.1%}" for share in (line.peer_error, line.fitted, line.left_out))
        table.add_row(f"{line.peer} {line.version}", line.metric, f"{line.rows:,}", *errors)
    screen.print(table)
    screen.print()


def _accounted(screen: Console, found: Comparison) -> None:
    """Where every row of every source went."""
    title = "Where every row of the tables went"
    table = Table(box=None, pad_edge=False, title=title, title_justify="left")
    for name in ("source", "rows", "compared", "excluded", "without an answer", "not expressed"):
        table.add_column(name, justify="left" if name == "source" else "right")
    for line in found.account():
        counts = (line.rows, line.compared, line.excluded, line.unanswered, line.left_out)
        bold = "bold" if line.source == "all" else ""
        table.add_row(line.source, *(f"{count:,}" if count else "-" for count in counts), style=bold)
    screen.print(table)
    screen.print()


def _validated_power(screen: Console, power: Sequence[PowerLine]) -> None:
    """Power of one accelerator and joules per output token; no constant is fitted to them."""
    if not power:
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("power, not fitted to", style="cyan")
    for name in ("rows", "bias", "median", "mean", "90%"):
        table.add_column(name, justify="right")
    for line in power:
        told = [f"{line.bias:+.1%}", *(f"{share:.1%}" for share in (line.median, line.mean, line.p90))]
        table.add_row(f"{line.what} {line.chip}".strip(), str(line.rows), *told)
    screen.print(table)
    screen.print()


def _left_out_of_the_fit(screen: Console, found: Comparison) -> None:
    """Errors on rows whose model, chip or engine the fit has not seen."""
    held = [cells for cells in found.held_out() if cells["what"] in {line.name[0] for line in found.targets()}]
    table = Table(box=None, pad_edge=False, title="Left out of the fit (the built-in table)", title_justify="left")
    for name in ("without its", "what", "rows", "bias", "median", "mean", "90%", "in interval"):
        table.add_column(name, justify="left" if name in ("without its", "what") else "right")
    for cells in held:
        told = [float(cells[name]) for name in ("bias", "median", "mean", "p90", "inside")]
        table.add_row(cells["left_out"], cells["what"], cells["rows"], *(f"{share:.1%}" for share in told))
    screen.print(table)
    screen.print()
