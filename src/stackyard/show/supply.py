"""What wafers come to, in the terminal. Computes nothing."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from stackyard.quantity import show
from stackyard.show.screen import cited, console, grade

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stackyard.hbm.calibration import Check
    from stackyard.hbm.chain import Step
    from stackyard.reach import Reach

YEAR_OF_MONTHS = 12


def supply(found: Reach, sources: bool = False) -> None:
    """The chain step by step with intervals, what a year of it comes to, and with `sources` every fact behind it."""
    screen = console()
    chain = found.chain
    who = "the industry's yields" if chain.maker == "industry" else chain.maker
    each = " started each month" if found.monthly else ""
    screen.print(
        f"[bold]{chain.generation.name} {chain.height}-high, {who}[/bold]: {show(chain.wafers, 'wafers', 6)}{each}"
    )
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    names = ["", "of one month" if found.monthly else "comes to", "80% interval"]
    for name in (*names, *(("of a year",) if found.monthly else ()), "from", "grade"):
        table.add_column(name, justify="left" if name in ("", "from", "grade") else "right", overflow="fold")
    table.columns[1].no_wrap = table.columns[2].no_wrap = True
    for step in found.steps:
        cells: list[str | Text] = [step.name, show(step.amount, _UNITS.get(step.unit, step.unit)), _interval(step)]
        if found.monthly:
            year = YEAR_OF_MONTHS * step.amount
            cells.append(show(year, _UNITS.get(step.unit, step.unit)))
        table.add_row(*cells, step.how, grade(step.grade) if step.facts else "")
    screen.print(table)
    for remark in found.remarks:
        screen.print(f"• {remark}", markup=False)
    screen.print(
        f"Basis: {len(found.facts)} facts, weakest grade ",
        grade(found.grade),
        ". Intervals: every fact triangular over its range, independent; facts without a range count as certain.",
        sep="",
    )
    if sources:
        screen.print(cited(found.facts))
    else:
        screen.print("Every fact with its source: add --sources.", style="dim")


def _interval(step: Step) -> str:
    """'4.05 to 4.69' in the prefix that the amount is shown with; nothing where it is certain."""
    if not step.low < step.high or step.amount <= 0:
        return ""
    factor = 1000.0 ** max(int(math.log10(step.amount * 1.0005) // 3), 0)
    return " to ".join(f"{end / factor:.3g}" for end in (step.low, step.high))


_UNITS = {"die": "dies", "stack": "stacks", "wafer": "wafers", "package": "packages", "rack": "racks"}


def checks(found: Iterable[Check]) -> None:
    """The chain beside the top-down figures of the record."""
    screen = console()
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("the record and the chain", "ours", "80% interval", "record", "its range", "off", ""):
        table.add_column(name, justify="left" if name in ("the record and the chain", "") else "right", overflow="fold")
    for check in found:
        ours, record = ([f"{part:,.4g}" for part in parts] for parts in (check.ours, check.record))
        verdict = "fitted to it" if check.fitted else "agrees" if check.agrees else "does not agree"
        table.add_row(
            f"{check.what}, {check.unit}".rstrip(", "),
            ours[0],
            f"{ours[1]} to {ours[2]}",
            record[0],
            f"{record[1]} to {record[2]}",
            f"{check.off:+.1%}",
            verdict,
        )
    screen.print(table)
