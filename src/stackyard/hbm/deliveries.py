"""Promised stacks by month, read from a planner's CSV table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stackyard.errors import Faults, nearest
from stackyard.files import read_csv
from stackyard.months import Month, parse_month, show_month
from stackyard.quantity import UnitError, split

COLUMNS = ("supply", "month", "stacks")


def read_deliveries(
    path: Path, supplies: Sequence[str], months: Sequence[Month], name: str = ""
) -> NDArray[np.float64]:
    """Stacks by (supply, month) from a CSV table with the columns supply, month, stacks.

    A month without a row delivers nothing. Raises InputErrors with every unknown supply, bad or repeated month, month
    outside `months`, amount that is not a number >= 0, and supply without any row.
    """
    table = read_csv(path, COLUMNS, name)
    faults = Faults()
    result = np.zeros((len(supplies), len(months)))
    row_of = {supply: index for index, supply in enumerate(supplies)}
    column_of = {month: index for index, month in enumerate(months)}
    first_line: dict[tuple[str, Month], int] = {}
    for line, row in table.rows:
        supply = row["supply"]
        if supply not in row_of:
            faults.add(table.file, line, "supply", f"'{supply}' is unknown", nearest(supply, supplies))
        month = _month(row["month"], months, table.file, line, faults)
        stacks = _stacks(row["stacks"], table.file, line, faults)
        if supply not in row_of or month is None:
            continue
        if (supply, month) in first_line:
            hint = f"line {first_line[supply, month]} has it already: add the two, or drop one"
            faults.add(table.file, line, "month", f"second row for {supply} in {show_month(month)}", hint)
        first_line.setdefault((supply, month), line)
        result[row_of[supply], column_of[month]] = stacks
    named = {row["supply"] for _, row in table.rows}
    for supply in supplies:
        if supply not in named:
            faults.add(table.file, 0, supply, "has no row", "add its deliveries, or a row with 0 stacks")
    faults.raise_any()
    return result


def _month(text: str, months: Sequence[Month], file: str, line: int, faults: Faults) -> Month | None:
    try:
        month = parse_month(text)
    except ValueError as error:
        faults.add(file, line, "month", str(error), "write a year and a month, such as 2026-09")
        return None
    if month in months:
        return month
    horizon = f"{show_month(months[0])} to {show_month(months[-1])}"
    faults.add(file, line, "month", f"{text} is outside the horizon {horizon}", "change the row or the horizon")
    return None


def _stacks(text: str, file: str, line: int, faults: Faults) -> float:
    try:
        number, unit = split(text)
    except UnitError:
        number, unit = math.nan, ""
    if unit or not math.isfinite(number) or number < 0:
        faults.add(file, line, "stacks", f"'{text}' is not a number of stacks", "write a plain number, 0 or more")
        return 0.0
    return number
