"""Sheets of an XLSX workbook as tables, with the cell of every fault: planners keep demand and deliveries there."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from stackyard.errors import Fault, Faults, InputErrors, nearest
from stackyard.files import Table

MOST_BYTES = 200e6  # of a workbook, unpacked
MOST_ROWS, MOST_COLUMNS = 5000, 200
MENDED = "open it in a spreadsheet program and save it as .xlsx"


def read_sheet(path: Path, sheet: str, required: tuple[str, ...], name: str = "") -> Table:
    """A sheet whose first filled row names the columns, the first sheet where none is named.

    Months may be dates or text, amounts numbers or what a formula last came to. Raises InputErrors for a workbook that
    cannot be read or is too large, a sheet or a column that is not there, and cells that hold an error.

    >>> from tempfile import TemporaryDirectory
    >>> from openpyxl import Workbook
    >>> book = Workbook()
    >>> book.active.append(["month", "stacks"])
    >>> book.active.append(["2027-01", 1000])
    >>> with TemporaryDirectory() as folder:
    ...     book.save(Path(folder) / "supply.xlsx")
    ...     found = read_sheet(Path(folder) / "supply.xlsx", "", ("month", "stacks"))
    >>> found.rows[0][1]["stacks"]
    '1000'
    """
    file, faults = name or str(path), Faults()
    found, rows = _rows(path, sheet, file)
    place = f"{file} [{found}]"
    number, head = next(((n, row) for n, row in rows if any(value is not None for value in row)), (0, ()))
    header = tuple("" if value is None else str(value).strip() for value in head)
    for column in required:
        if column not in header:
            shown = nearest(column, filter(None, header)) or f"row {number} has: {', '.join(filter(None, header))}"
            faults.add(place, 0, column, "no column has this name in the first row that is filled", shown)
        elif header.count(column) > 1:
            faults.add(place, 0, column, f"{header.count(column)} columns have this name", "give each its own")
    faults.raise_any()
    cells = {column: header.index(column) + 1 for column in required}
    table = Table(place, tuple(required), (), cells)
    kept: list[tuple[int, dict[str, str]]] = []
    for n, row in rows:
        values = {column: row[at - 1] if at <= len(row) else None for column, at in cells.items()}
        if all(value is None for value in values.values()):
            continue
        for column, value in values.items():
            fault = _fault(value)
            if fault:
                faults.add(*table.place(n, column), *fault)
        kept.append((n, {column: _text(value) for column, value in values.items()}))
    if not kept:
        faults.add(place, 0, "", "has no rows", f"add at least one row below row {number}")
    faults.raise_any()
    return replace(table, rows=tuple(kept))


def _fault(value: Any) -> tuple[str, str] | None:
    """What is wrong with a cell, whatever its column, and the next step."""
    if value is None:
        return "is empty, or a formula that was never calculated", f"fill it; if it is a formula, {MENDED}"
    if isinstance(value, bool):
        return f"is {str(value).upper()}", "write a number, or a month as 2026-09"
    if isinstance(value, str) and value.startswith("#"):
        return f"holds the error {value}", "mend its formula"
    return None


def _text(value: Any) -> str:
    """A cell as it would stand in a CSV file: dates as months."""
    if isinstance(value, date):
        return f"{value.year}-{value.month:02d}"
    return "" if value is None else str(value).strip()


def _rows(path: Path, sheet: str, file: str) -> tuple[str, Iterator[tuple[int, tuple[Any, ...]]]]:
    """Name of the sheet, and its rows with their numbers; bounded before anything is unpacked."""

    def refuse(message: str, hint: str) -> InputErrors:
        return InputErrors([Fault(file, 0, "", message, hint)])

    from openpyxl import load_workbook

    try:
        with zipfile.ZipFile(path) as packed:
            if sum(part.file_size for part in packed.infolist()) > MOST_BYTES:
                raise refuse(f"is more than {MOST_BYTES / 1e6:.0f} MB unpacked", "keep the table in a workbook alone")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # styles and extensions that the reader leaves out
            book = load_workbook(path, read_only=True, data_only=True)
            names = book.sheetnames
            if sheet and sheet not in names:
                raise refuse(f"has no sheet '{sheet}'", nearest(sheet, names) or f"it has: {', '.join(names)}")
            chosen = book[sheet or names[0]]
            if not hasattr(chosen, "iter_rows"):
                raise refuse(f"'{chosen.title}' is a chart, not a table", f"it has: {', '.join(names)}")
            values = list(chosen.iter_rows(max_row=MOST_ROWS + 1, max_col=MOST_COLUMNS, values_only=True))
            book.close()
    except InputErrors:
        raise
    except Exception as error:  # whatever a damaged workbook makes of its reader
        raise refuse(f"is not a workbook that can be read ({type(error).__name__})", MENDED) from None
    if len(values) > MOST_ROWS:
        raise refuse(f"'{chosen.title}' has more than {MOST_ROWS:,} rows", "a plan has one row a month")
    return str(chosen.title), iter(enumerate(values, 1))
