"""Reads one table of months and amounts, in a process with little memory and time; prints rows or reasons as JSON."""

from __future__ import annotations

import csv
import json
import math
import re
import resource
import sys
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

from stackyard.web.uploads import MEMORY, MOST_ROWS, SECONDS
from stackyard.words import pattern, phrase


def main() -> None:
    """Entry point of the process."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    path, name = Path(sys.argv[1]), sys.argv[2]
    rows, reasons = rows_of(path, name)
    sys.stdout.write(json.dumps({"rows": rows, "reasons": [pattern(reason) for reason in reasons]}))


def rows_of(path: Path, name: str) -> tuple[list[tuple[str, float]], list[str]]:
    """(month, amount) of every row, or every reason against the table."""
    try:
        lines = list(_sheet(path) if _is_workbook(path) else _csv(path))
    except UnicodeDecodeError:
        return [], [phrase("the table is not UTF-8 text and not an XLSX workbook")]
    except csv.Error as error:
        return [], [phrase("the table is not CSV: {error}", error=str(error))]
    except Exception as error:  # whatever a damaged workbook makes of its reader
        return [], [
            phrase(
                "the workbook cannot be read ({fault}): save it again as .xlsx, or send CSV", fault=type(error).__name__
            )
        ]
    if not lines:
        return [], [phrase("the table is empty")]
    head = [str(cell or "").strip().lower() for cell in lines[0]]
    if "month" not in head or "amount" not in head:
        return [], [
            phrase(
                "the first row must name the columns month and amount; it has: {names}",
                names=", ".join(head[:10])[:200],
            )
        ]
    if len(lines) - 1 > MOST_ROWS:
        return [], [
            phrase("the table has {n} rows; at most {most} are taken", n=f"{len(lines) - 1:,}", most=f"{MOST_ROWS:,}")
        ]
    return _checked(lines[1:], head.index("month"), head.index("amount"))


def _is_workbook(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(4) == b"PK\x03\x04"


def _csv(path: Path) -> Iterator[list[Any]]:
    with path.open(newline="", encoding="utf-8-sig") as stream:
        for number, row in enumerate(csv.reader(stream)):
            if number > MOST_ROWS + 1:
                return
            if row and not row[0].lstrip().startswith("#"):
                yield row


def _sheet(path: Path) -> Iterator[list[Any]]:
    from openpyxl import load_workbook

    with path.open("rb") as stream:  # by its content, not by its name
        book = load_workbook(stream, read_only=True, data_only=True)
        for number, row in enumerate(book.worksheets[0].iter_rows(values_only=True, max_col=50)):
            if number > MOST_ROWS + 1:
                return
            if any(cell is not None for cell in row):
                yield list(row)


def _checked(lines: Iterable[list[Any]], month: int, amount: int) -> tuple[list[tuple[str, float]], list[str]]:
    rows: list[tuple[str, float]] = []
    reasons: list[str] = []
    for number, line in enumerate(lines, 2):
        when = line[month] if month < len(line) else None
        if isinstance(when, date | datetime):
            when = f"{when.year:04d}-{when.month:02d}"
        text = str(when or "").strip()[:7]
        try:
            value = float(str(line[amount]).replace(",", ""))
        except (ValueError, IndexError):
            value = math.nan
        if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", text):
            reasons.append(phrase("row {number}: '{text}' is not a month such as 2027-03", number=number, text=text))
        elif not math.isfinite(value) or value < 0:
            reasons.append(phrase("row {number}: the amount is not a number of zero or more", number=number))
        else:
            rows.append((text, value))
    if not rows and not reasons:
        reasons.append(phrase("the table has no rows below its head"))
    return rows, reasons[:20]


if __name__ == "__main__":
    main()
