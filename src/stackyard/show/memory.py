"""What a search and a memory what-if say in the terminal. Computes nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table
from rich.text import Text

from stackyard.quantity import show
from stackyard.show.screen import console

if TYPE_CHECKING:
    from pathlib import Path

    from stackyard.perf.frontier import Frontier, Workload
    from stackyard.perf.worth import MemoryWorth

MILLION = 1e6
KINDS = {"rate": "most tokens", "cost": "least cost", "energy": "least energy", "latency": "quickest"}
_SHORT = {"tensor": "tp", "pipeline": "pp", "data": "dp", "expert": "ep"}
_ROWS = 12  # of the Pareto curve in the terminal; --json has all


def frontier(found: Frontier) -> None:
    """The best of each kind, the Pareto curve, what was discarded and why; the nearest where nothing qualifies."""
    screen = console()
    for line in _asked(found.workload, found.variant.chip.name):
        screen.print(line, markup=False)
    for note in found.variant.notes:
        screen.print(f"• {note}", markup=False)
    if found.best:
        table = _table("", *_COLUMNS)
        for kind, index in found.best.items():
            table.add_row(KINDS[kind], *_cells(found.row(index)))
        screen.print(table)
        screen.print(_money(found), style="dim")
        curve = found.curve
        shown = curve[np.unique(np.linspace(0, len(curve) - 1, min(_ROWS, len(curve))).round().astype(int))]
        left = f", {len(shown)} of {len(curve)} points" if len(shown) < len(curve) else ""
        screen.print(f"\nRate against time per output token, the Pareto set{left}", style="italic")
        table = _table(*_COLUMNS)
        for index in shown:
            table.add_row(*_cells(found.row(int(index))))
        screen.print(table)
    else:
        _nothing(found)
    screen.print(f"\n{found.tried:,} points tried, {len(found.points.tpot):,} kept; discarded, by first reason:")
    table = _table("points", "of all", "reason", left=("reason",))
    for reason, count in found.discarded.items():
        table.add_row(f"{count:,}", f"{count / found.tried:.1%}", Text(reason))
    screen.print(table)


def memory(found: MemoryWorth, written: Path | None) -> None:
    """The best point, what holds it there, what more memory is worth, and where the map is."""
    from stackyard.report.memory import headline, worths
    from stackyard.report.terminal import Fitted

    screen = console()
    for line in _asked(found.workload, found.variant.chip.name):
        screen.print(line, markup=False)
    for note in found.variant.notes:
        screen.print(f"• {note}", markup=False)
    screen.print(f"{headline(found)}\n", style="bold", markup=False)
    screen.print(Fitted(worths(found)))
    if written is not None:
        screen.print(f"  {written}", style="cyan", markup=False)


_COLUMNS = ("layout", "format", "batch", "tok/s", "TPOT", "TTFT", "J/tok", "USD/Mtok")


def _asked(asked: Workload, chip: str) -> tuple[str, str]:
    limits = [
        f"{show(limit, 's')} {name}"
        for limit, name in ((asked.ttft, "to the first token"), (asked.tpot, "per output token"))
        if math.isfinite(limit)
    ]
    lengths = f"{asked.prompt:,.0f} prompt and {asked.output:,.0f} output tokens"
    return f"{asked.model.name} on {chip}", "; at most ".join([lengths, ", ".join(limits)] if limits else [lengths])


def _nothing(found: Frontier) -> None:
    screen = console()
    screen.print("Not possible:", style="bold red")
    for reason in found.why:
        screen.print(f"  • {reason}", markup=False)
    near = found.nearest
    if near is None:
        return
    said = near.summary()
    batch = f"{said['batch']:,} at once"
    screen.print(f"Nearest: {_layout(said['layout'])}, weights in {said['precision']['weights']}, {batch}.")


def _money(found: Frontier) -> str:
    rated = "Rates, with prompts, and energy of one accelerator; every format counts as equally good."
    facts = {fact.path.rpartition(".")[2]: fact for fact in found.prices.facts}
    if "cost" not in found.best:
        return f"{rated} No price of this package is on record, so no cost is told."
    life, power = facts["economic-life-central"], facts["2026"]
    return (
        f"{rated} Cost: {show(found.prices.package, 'USD')} a package over {life.value:g} {life.unit}s "
        f"({life.grade.label}) and electricity at {power.value:g} {power.unit}; no host, network or building."
    )


def _cells(row: dict[str, Any]) -> Sequence[str]:
    cost = row["usd_per_token"]
    return (
        _layout(row["layout"]),
        row["precision"],
        f"{row['batch']:,.0f}",
        f"{row['tokens_per_s_per_accelerator']:,.0f}",
        show(row["tpot_s"], "s"),
        show(row["ttft_s"], "s"),
        f"{row['joules_per_token']:.3g}",
        "–" if cost is None else f"{cost * MILLION:.3g}",
    )


def _layout(widths: dict[str, int]) -> str:
    """'tp8 ep16': the widths that are not 1, in the field's short names."""
    return " ".join(f"{_SHORT[name]}{width}" for name, width in widths.items() if width > 1) or "1 chip"


def _table(*names: str, left: Sequence[str] = ("", "layout", "format")) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for name in names:
        table.add_column(name, justify="left" if name in left else "right", overflow="fold")
    return table
