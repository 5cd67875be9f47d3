"""Report -> bytes, one function for each format; `FORMATS` is the whole list."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from stackyard.report.cells import explained, marked, text
from stackyard.report.document import Figure, KeyFigures, Note, Paragraph, Points, Report, Table, numbers
from stackyard.report.page import page
from stackyard.report.terminal import summary
from stackyard.report.workbook import FORMULA, to_xlsx
from stackyard.source import Grade
from stackyard.words.spoken import Words, say_in

__all__ = ["FORMATS", "summary"]


def to_html(report: Report) -> bytes:
    """One page that needs nothing else.

    >>> from stackyard import api
    >>> report = api.plan("first-plan", steps=False).report
    >>> to_html(report)[:15]
    b'<!doctype html>'
    """
    return page(report).encode()


def to_json(report: Report) -> bytes:
    """Every value of the report; each part names its kind, what is not a number is null.

    >>> from stackyard import api
    >>> report = api.plan("first-plan", steps=False).report
    >>> sorted(json.loads(to_json(report)))[:3]
    ['date', 'digests', 'kind']
    """
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


def to_markdown(report: Report) -> bytes:
    """Plain Markdown with pipe tables; a figure is told by its sentence and its numbers.

    >>> from stackyard import api
    >>> report = api.plan("first-plan", steps=False).report
    >>> to_markdown(report).splitlines()[0]
    b'# A first plan'
    """
    words = Words(report.language)
    parts = [f"# {_md(report.title)}", _md(report.subtitle), _md(report.date)]
    for number, section in enumerate(report.sections, 1):
        parts += [f"## {number}. {_md(section.title)}", f"**{_md(section.lead)}**" if section.lead else ""]
        for block in section.blocks:
            parts += _md_block(block, words)
    if report.sources:
        lines = [
            f"- {_md(str(source))}" + (f" <{source.url}>" if _web(source.url) else "") for source in report.sources
        ]
        title = words("Sources")
        parts += [f"## {title}", "\n".join(lines)]
    return ("\n\n".join(part for part in parts if part) + "\n").encode()


def _web(url: str) -> bool:
    return re.fullmatch(r"https?://[^\s<>]+", url) is not None


def _md(said: str) -> str:
    """Text as Markdown shows it: no markup of its own, on one line."""
    escaped = re.sub(r"([\\`*_\[\]|])", r"\\\1", said.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))
    return " ".join(escaped.split())


def _md_block(block: Any, words: Words) -> list[str]:
    if isinstance(block, Paragraph):
        return [_md(block.text)]
    if isinstance(block, Note):
        return [f"> {_md(block.text)}"]
    if isinstance(block, Points):
        return ["\n".join(f"- **{_md(head)}** {_md(said)}" for head, said in block.items)]
    if isinstance(block, KeyFigures):
        lines = [
            f"- {_md(i.label)}: **{_md(f'{i.value} {i.unit}'.strip())}** {_md(i.detail)}".rstrip() for i in block.items
        ]
        sign = marked(block.grade, words)
        return ["\n".join(lines), f"{sign}: {explained(block.grade, words)}" if sign else ""]
    if isinstance(block, Figure):
        return [
            f"### {_md(block.title)}",
            _md(block.alt),
            _md_table(say_in(numbers(block), words), words),
            _md(block.note),
            marked(block.grade, words),
        ]
    return [f"### {_md(block.title)}", _md_table(block, words), _md(block.note), marked(block.grade, words)]


def _md_table(table: Table, words: Words) -> str:
    right = [any(isinstance(row[i], int | float) for row in table.rows) for i in range(len(table.columns))]
    lines = ["| " + " | ".join(_md(column.heading) for column in table.columns) + " |"]
    lines.append("|" + "|".join(" ---: " if r else " --- " for r in right) + "|")
    for row in table.rows:
        cells = (_md(text(cell, column, words)) for cell, column in zip(row, table.columns, strict=True))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def to_csv(report: Report) -> bytes:
    """Every table in long form: section, table, row, column, unit, value.

    >>> from stackyard import api
    >>> report = api.plan("first-plan", steps=False).report
    >>> to_csv(report).splitlines()[0]
    b'\xef\xbb\xbfsection,table,row,column,unit,value'
    """
    stream = io.StringIO()
    writer = csv.writer(stream)
    words = Words(report.language)
    writer.writerow(("section", "table", "row", "column", "unit", "value"))
    every = [(section.title, table) for section, table in report.tables]
    for title, table in every + [(table.title, table) for table in report.sheets]:
        for number, row in enumerate(table.rows, 1):
            for cell, column in zip(row, table.columns, strict=True):
                value: object = cell if isinstance(cell, int | float) else _tame(text(cell, column, words))
                writer.writerow((_tame(title), _tame(table.title), number, _tame(column.title), column.unit, value))
    return stream.getvalue().encode("utf-8-sig")


def _tame(said: str) -> str:
    return f"'{said}" if said.startswith(FORMULA) else said


FORMATS: Mapping[str, Callable[[Report], bytes]] = {
    "html": to_html,
    "xlsx": to_xlsx,
    "md": to_markdown,
    "json": to_json,
    "csv": to_csv,
}
