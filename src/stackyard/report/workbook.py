"""Report -> a workbook: the only module that knows openpyxl. Numbers stay numbers, text never becomes a formula."""

from __future__ import annotations

import io
import math
import re
from typing import TYPE_CHECKING

from stackyard.report.cells import marked, text
from stackyard.report.document import Cell, Column, Report, Table
from stackyard.words.spoken import Words

if TYPE_CHECKING:
    from openpyxl.worksheet.worksheet import Worksheet

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a text that starts so would be computed by a spreadsheet
_LINKS = frozenset(("a", "an", "and", "at", "by", "each", "in", "is", "of", "the", "to", "what"))  # end no name
_LONG = 40  # rows from which a table gets filters


def to_xlsx(report: Report) -> bytes:
    """Contents, the sheets for spreadsheets alone, one sheet a table (a figure counts as its numbers), the sources.

    >>> from stackyard import api
    >>> report = api.plan("first-plan", steps=False).report
    >>> to_xlsx(report)[:2]  # a workbook is a zip file
    b'PK'
    """
    from openpyxl import Workbook
    from openpyxl.styles import Font

    book = Workbook()
    first = book.worksheets[0]
    words = Words(report.language)
    first.title, last = words("Contents"), words("Sources")
    taken = {first.title.lower(), last.lower()}
    rows: list[tuple[Cell, ...]] = []
    found = [("", table) for table in report.sheets]
    found += [(section.lead, table) for section, table in report.tables]
    for lead, table in found:
        name = _sheet_name(table.title, taken)
        rows.append((name, table.title, lead or None, marked(table.grade, words) or None))
        _sheet(book.create_sheet(name), table, words)
    heads = tuple(map(Column, (words("Sheet"), words("Table"), words("Finding"), words("Mark"))))
    note = " · ".join(part for part in (report.subtitle, report.date, *map(" ".join, report.digests)) if part)
    _sheet(first, Table(report.title, heads, tuple(rows), note), words)
    for row in first.iter_rows(min_row=first.max_row - len(rows) + 1, max_col=1):
        row[0].hyperlink = f"#'{row[0].value}'!A1"
        row[0].font = Font(color="1F4E79", underline="single")
    heads = tuple(map(Column, (words("Title"), words("Date"), words("Address"), words("Kind"))))
    cited = tuple((source.title, source.date, source.url, source.kind) for source in report.sources)
    _sheet(book.create_sheet(last), Table(last, heads, cited), words)
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def _sheet_name(title: str, taken: set[str]) -> str:
    """A name that Excel accepts: at most 31 characters, none of []:*?/\\, and not used before."""
    stem = re.sub(r"[\[\]:*?/\\'\x00-\x1f]", " ", title).strip() or "Table"
    name, number = _cut(" ".join(stem.split()), 31), 1
    while name.lower() in taken:
        number += 1
        name = f"{_cut(stem, 28 - len(str(number)))} ({number})"
    taken.add(name.lower())
    return name


def _cut(said: str, length: int) -> str:
    """The text, cut after a whole word where it is too long; the last word is one that can stand there."""
    if len(said) <= length:
        return said.strip()
    kept = (said[:length].rpartition(" ")[0] or said[:length]).partition(" (")[0].split()
    while len(kept) > 1 and kept[-1] in _LINKS:
        kept.pop()
    return " ".join(kept).strip(" ,")


def _sheet(sheet: Worksheet, table: Table, words: Words) -> None:
    """Title, note and mark, then the header row (frozen) with units, then the rows as numbers and text."""
    from openpyxl.styles import Alignment, Font
    from openpyxl.utils import get_column_letter

    top = [table.title, *(line for line in (marked(table.grade, words), table.note) if line), ""]
    for number, line in enumerate(top, 1):
        _put(sheet, number, 1, line)
    sheet.cell(1, 1).font = Font(bold=True, size=14)
    head = len(top) + 1
    bold, low = Font(bold=True), Alignment(wrap_text=True, vertical="bottom")
    for i, column in enumerate(table.columns, 1):
        _put(sheet, head, i, column.heading)
        sheet.cell(head, i).font = bold
        sheet.cell(head, i).alignment = low
        sheet.column_dimensions[get_column_letter(i)].width = _width(table, i - 1, words)
    year = words("Year")
    wrapped = Alignment(wrap_text=True, vertical="top")
    shown = ["#,##0" + ("." + "0" * column.decimals if column.decimals else "") for column in table.columns]
    for number, row in enumerate(table.rows, head + 1):
        for i, (cell, column) in enumerate(zip(row, table.columns, strict=True), 1):
            if isinstance(cell, int | float) and math.isfinite(cell):
                sheet.cell(number, i, cell).number_format = shown[i - 1]
            elif column.title == year and isinstance(cell, str) and cell.isdigit():
                sheet.cell(number, i, int(cell)).number_format = "0"
            elif cell is not None:
                _put(sheet, number, i, text(cell, column, words))
            sheet.cell(number, i).alignment = wrapped
    sheet.freeze_panes = f"B{head + 1}"
    if len(table.rows) > _LONG:
        sheet.auto_filter.ref = f"A{head}:{get_column_letter(len(table.columns))}{head + len(table.rows)}"


def _put(sheet: Worksheet, row: int, column: int, said: str) -> None:
    """Writes text that stays text: never a formula, no control characters, no longer than a cell holds."""
    cell = sheet.cell(row, column, re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", "", said)[:32767])
    cell.data_type = "s"
    if said.startswith(FORMULA):
        cell.quotePrefix = True


def _width(table: Table, index: int, words: Words) -> float:
    """Characters: wide enough for the longest cell and the longest word of the heading, 60 at most."""
    column = table.columns[index]
    lines = [line for row in table.rows for line in text(row[index], column, words).split("\n")]
    longest = max(map(len, lines), default=0)
    return float(min(60, max(10, longest + 2, min(24, len(column.heading) + 2))))
