"""Report -> bytes, one function for each format; `FORMATS` is the whole list."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from stackyard.report.document import (
    Cell,
    Column,
    Figure,
    KeyFigures,
    Note,
    Paragraph,
    Report,
    Table,
    numbers,
)
from stackyard.report.page import page, shown
from stackyard.source import Grade

if TYPE_CHECKING:
    from openpyxl.worksheet.worksheet import Worksheet
    from rich.console import Group

MARK = "◆"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a text that starts so would be computed by a spreadsheet


def to_html(report: Report) -> bytes:
    """One page that needs nothing else."""
    return page(report).encode()


def to_json(report: Report) -> bytes:
    """Every value of the report; each part names its kind, what is not a number is null."""
    return json.dumps(_plain(report), ensure_ascii=False, indent=1, allow_nan=False).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, Grade):
        return value.label
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {"kind": type(value).__name__} | ({"type": fields.pop("kind")} if "kind" in fields else {}) | fields
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def marked(grade: Grade | None) -> str:
    """The sign of an output that rests on estimated or assumed numbers, as in the HTML page."""
    return f"{MARK} {grade.label} inputs" if grade is not None and grade >= Grade.ESTIMATED else ""


def to_markdown(report: Report) -> bytes:
    """Plain Markdown with pipe tables; a figure is told by its sentence and its numbers."""
    parts = [f"# {_md(report.title)}", _md(report.subtitle), _md(report.date)]
    for number, section in enumerate(report.sections, 1):
        parts += [f"## {number}. {_md(section.title)}", f"**{_md(section.lead)}**"]
        for block in section.blocks:
            parts += _md_block(block)
    if report.sources:
        lines = [
            f"- {_md(str(source))}" + (f" <{source.url}>" if _web(source.url) else "") for source in report.sources
        ]
        parts += ["## Sources", "\n".join(lines)]
    return ("\n\n".join(part for part in parts if part) + "\n").encode()


def _web(url: str) -> bool:
    return re.fullmatch(r"https?://[^\s<>]+", url) is not None


def _md(text: str) -> str:
    """Text as Markdown shows it: no markup of its own, on one line."""
    escaped = re.sub(r"([\\`*_\[\]|])", r"\\\1", text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))
    return " ".join(escaped.split())


def _md_block(block: Any) -> list[str]:
    if isinstance(block, Paragraph):
        return [_md(block.text)]
    if isinstance(block, Note):
        return [f"> {_md(block.text)}"]
    if isinstance(block, KeyFigures):
        lines = [
            f"- {_md(i.label)}: **{_md(f'{i.value} {i.unit}'.strip())}** {_md(i.detail)}".rstrip() for i in block.items
        ]
        return ["\n".join(lines), marked(block.grade)]
    if isinstance(block, Figure):
        return [
            f"### {_md(block.title)}",
            _md(block.alt),
            _md_table(numbers(block)),
            _md(block.note),
            marked(block.grade),
        ]
    return [f"### {_md(block.title)}", _md_table(block), _md(block.note), marked(block.grade)]


def _md_table(table: Table) -> str:
    right = [any(isinstance(row[i], int | float) for row in table.rows) for i in range(len(table.columns))]
    lines = ["| " + " | ".join(_md(column.heading) for column in table.columns) + " |"]
    lines.append("|" + "|".join(" ---: " if r else " --- " for r in right) + "|")
    for row in table.rows:
        cells = (_md(words(cell, column)) for cell, column in zip(row, table.columns, strict=True))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def words(cell: Cell, column: Column) -> str:
    """A cell as plain text."""
    if cell is None:
        return "–"
    if isinstance(cell, str):
        return cell
    if isinstance(cell, tuple):
        return "; ".join(str(source) for source in cell)
    return shown(cell, column.decimals)


def to_csv(report: Report) -> bytes:
    """Every table in long form: section, table, row, column, unit, value."""
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow(("section", "table", "row", "column", "unit", "value"))
    for section, table in report.tables:
        for number, row in enumerate(table.rows, 1):
            for cell, column in zip(row, table.columns, strict=True):
                value: object = cell if isinstance(cell, int | float) else _tame(words(cell, column))
                writer.writerow(
                    (_tame(section.title), _tame(table.title), number, _tame(column.title), column.unit, value)
                )
    return stream.getvalue().encode("utf-8-sig")


def _tame(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def to_xlsx(report: Report) -> bytes:
    """A workbook: contents, one sheet a table (a figure counts as its numbers), and the sources."""
    from openpyxl import Workbook
    from openpyxl.styles import Font

    book = Workbook()
    first = book.worksheets[0]
    first.title = "Contents"
    rows: list[tuple[Cell, ...]] = []
    taken = {"contents", "sources"}
    for section, table in report.tables:
        name = _sheet_name(section.title, taken)
        rows.append((name, table.title, section.lead, marked(table.grade) or None))
        _sheet(book.create_sheet(name), table)
    heads = tuple(map(Column, ("Sheet", "Table", "Finding", "Mark")))
    note = " · ".join(part for part in (report.subtitle, report.date, *map(" ".join, report.digests)) if part)
    _sheet(first, Table(report.title, heads, tuple(rows), note))
    for row in first.iter_rows(min_row=first.max_row - len(rows) + 1, max_col=1):
        row[0].hyperlink = f"#'{row[0].value}'!A1"
        row[0].font = Font(color="1F4E79", underline="single")
    cited = tuple((source.title, source.date, source.url, source.kind) for source in report.sources)
    _sheet(
        book.create_sheet("Sources"), Table("Sources", tuple(map(Column, ("Title", "Date", "Address", "Kind"))), cited)
    )
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def _sheet_name(title: str, taken: set[str]) -> str:
    """A name that Excel accepts: at most 31 characters, none of []:*?/\\, and not used before."""
    stem = re.sub(r"[\[\]:*?/\\'\x00-\x1f]", " ", title).strip() or "Table"
    name, number = " ".join(stem.split())[:31].strip(), 1
    while name.lower() in taken:
        number += 1
        name = f"{stem[: 28 - len(str(number))].strip()} ({number})"
    taken.add(name.lower())
    return name


def _sheet(sheet: Worksheet, table: Table) -> None:
    """Title, note and mark, then the header row (frozen) with units, then the rows as numbers and text."""
    from openpyxl.styles import Alignment, Font
    from openpyxl.utils import get_column_letter

    top = [table.title, *(line for line in (marked(table.grade), table.note) if line), ""]
    for number, line in enumerate(top, 1):
        _put(sheet, number, 1, line)
    sheet.cell(1, 1).font = Font(bold=True, size=14)
    head = len(top) + 1
    for i, column in enumerate(table.columns, 1):
        _put(sheet, head, i, column.heading)
        sheet.cell(head, i).font = Font(bold=True)
        sheet.cell(head, i).alignment = Alignment(wrap_text=True, vertical="bottom")
        sheet.column_dimensions[get_column_letter(i)].width = _width(table, i - 1)
    for number, row in enumerate(table.rows, head + 1):
        for i, (cell, column) in enumerate(zip(row, table.columns, strict=True), 1):
            if isinstance(cell, int | float) and math.isfinite(cell):
                sheet.cell(number, i, cell).number_format = "#,##0" + (
                    "." + "0" * column.decimals if column.decimals else ""
                )
            elif cell is not None:
                _put(sheet, number, i, words(cell, column))
                sheet.cell(number, i).alignment = Alignment(wrap_text=True, vertical="top")
    sheet.freeze_panes = f"B{head + 1}"


def _put(sheet: Worksheet, row: int, column: int, text: str) -> None:
    """Writes text that stays text: never a formula, no control characters, no longer than a cell holds."""
    cell = sheet.cell(row, column, re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", "", text)[:32767])
    cell.data_type = "s"
    if text.startswith(_FORMULA):
        cell.quotePrefix = True


def _width(table: Table, index: int) -> float:
    longest = max((len(words(row[index], table.columns[index])) for row in table.rows), default=0)
    return float(min(60, max(10, longest + 2, min(24, len(table.columns[index].heading) + 2))))


FORMATS: Mapping[str, Callable[[Report], bytes]] = {
    "html": to_html,
    "xlsx": to_xlsx,
    "md": to_markdown,
    "json": to_json,
    "csv": to_csv,
}


def summary(report: Report) -> Group:
    """The report's first section for a terminal: the finding, the key figures and the first table."""
    from rich.console import Group
    from rich.table import Table as Grid
    from rich.text import Text

    section = report.sections[0]
    parts: list[Any] = [Text(report.title, style="bold"), Text(section.lead), Text("")]
    for block in section.blocks:
        if isinstance(block, Paragraph | Note):
            parts.append(Text(block.text))
        elif isinstance(block, KeyFigures):
            grid = Grid.grid(padding=(0, 2))
            for item in block.items:
                grid.add_row(
                    Text(item.label), Text(f"{item.value} {item.unit}", style="bold"), Text(item.detail, style="dim")
                )
            parts += [grid, Text("")]
        elif isinstance(block, Table):
            parts += [_grid(block), Text("")]
    return Group(*parts)


def _grid(table: Table) -> Any:
    """The table for a terminal; one that is wider than long is turned, so that its years stand side by side."""
    from rich.table import Table as Grid
    from rich.text import Text

    cells = [[words(cell, column) for cell, column in zip(row, table.columns, strict=True)] for row in table.rows]
    lines = [[column.heading for column in table.columns], *cells]
    turned = len(table.columns) > len(lines) + 2
    if turned:
        lines = [list(line) for line in zip(*lines, strict=True)]
    grid = Grid(title=Text(table.title), title_justify="left", box=None, pad_edge=False)
    for i, heading in enumerate(lines[0]):
        right = i > 0 if turned else any(isinstance(row[i], int | float) for row in table.rows)
        grid.add_column(Text(heading), justify="right" if right else "left")
    for line in lines[1:]:
        grid.add_row(*map(Text, line))
    return grid
