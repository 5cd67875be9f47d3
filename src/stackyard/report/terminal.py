"""The report's first section for a terminal: the finding, the key figures, the tables and the points."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stackyard.report.cells import explained, marked, text
from stackyard.report.document import KeyFigures, Note, Paragraph, Points, Report, Table
from stackyard.words.spoken import Words

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, Group, RenderResult

_GAP = 1  # characters between columns
_ROOM = 30  # characters in which words wrap well


def summary(report: Report) -> Group:
    """What a terminal shows of a report; tables fit themselves to its width.

    >>> from stackyard import api
    >>> report = api.plan("first-plan", steps=False).report
    >>> len(summary(report).renderables) > 3
    True
    """
    from rich.console import Group
    from rich.table import Table as Grid
    from rich.text import Text

    section, words = report.sections[0], Words(report.language)
    parts: list[Any] = [Text(report.title, style="bold"), Text(section.lead), Text("")]
    for block in section.blocks:
        if isinstance(block, Paragraph | Note):
            parts += [Text(block.text), Text("")]
        elif isinstance(block, Points):
            grid = Grid.grid(padding=(0, 2))
            for head, said in block.items:
                grid.add_row(Text(head, style="bold"), Text(said))
            parts += [grid, Text("")]
        elif isinstance(block, KeyFigures):
            grid = Grid.grid(padding=(0, 2))
            for item in block.items:
                value = f"{item.value} {item.unit}".strip()
                grid.add_row(Text(item.label), Text(value, style="bold"), Text(item.detail, style="dim"))
            parts += [grid, Text("")]
            if sign := marked(block.grade, words):
                parts += [Text(f"{sign}: {explained(block.grade, words)}", style="dim"), Text("")]
        elif isinstance(block, Table):
            parts += [Fitted(block, words), Text("")]
    return Group(*parts)


class Fitted:
    """A table that fits itself to the terminal.

    One of numbers that is wider than long is turned, so that its years stand side by side, in as many parts as the
    width needs; of another, the columns that are `aside` are left out where the width does not do.
    """

    def __init__(self, table: Table, words: Words | None = None) -> None:
        self.table, self.lines = table, _lines(table, words or Words("en"))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.text import Text

        table, width = self.table, options.max_width
        yield Text(table.title, style="italic")
        columns = list(range(len(table.columns)))
        if len(columns) > len(table.rows) + 3 and all(_number(table, i) for i in columns[1:]):
            yield from _turned(self.lines, width)
        else:
            whole = _widths(self.lines, columns, width)
            kept = [i for i in columns if not table.columns[i].aside]
            yield self._grid(columns, whole) if whole else self._grid(kept, _widths(self.lines, kept, width))
            if not whole and table.note_aside:
                return
        if table.note:
            yield Text(table.note, style="dim")

    def _grid(self, columns: list[int], widths: list[int]) -> Any:
        """The columns in these widths; without widths, as rich finds them."""
        from rich.table import Table as Grid
        from rich.text import Text

        table, lines = self.table, self.lines
        grid = Grid(box=None, pad_edge=False, padding=(0, _GAP, 0, 0))
        for k, i in enumerate(columns):
            head, wide = Text(lines[0][i]), widths[k] if widths else None
            grid.add_column(head, justify="right" if _number(table, i) else "left", width=wide, overflow="fold")
        for line in lines[1:]:
            grid.add_row(*(Text(line[i]) for i in columns))
        return grid


def _lines(table: Table, words: Words) -> list[list[str]]:
    """Headings, then rows, as text."""
    cells = [[text(cell, column, words) for cell, column in zip(row, table.columns, strict=True)] for row in table.rows]
    return [[column.heading for column in table.columns], *cells]


def _number(table: Table, column: int) -> bool:
    return any(isinstance(row[column], int | float) for row in table.rows)


def _widths(lines: list[list[str]], columns: list[int], width: int) -> list[int]:
    """Characters for each column, none where they do not fit: headings break between words, cells where they are long;
    what is left goes to the columns from the left."""
    heads, *rows = lines
    longest = [max(len(heads[i]), 0, *(len(row[i]) for row in rows)) for i in columns]
    found = [max(_word(heads[i]), 0, *(min(len(row[i]), _ROOM) for row in rows)) for i in columns]
    spare = width - sum(found) - _GAP * (len(columns) - 1)
    if spare < 0:
        return []
    for k, most in enumerate(longest):
        more = min(most - found[k], spare)
        found[k], spare = found[k] + more, spare - more
    return found


def _word(said: str) -> int:
    return max(map(len, said.split()), default=0)


def _turned(lines: list[list[str]], width: int) -> list[Any]:
    """Rows become columns; as many stand side by side as the width takes, the rest below."""
    from rich.table import Table as Grid
    from rich.text import Text

    heads, *rows = lines
    label = max(map(len, heads))
    each = max((len(cell) for row in rows for cell in row), default=1) + 2 * _GAP
    count = max(1, (width - label) // each)
    grids = []
    for start in range(0, len(rows), count):
        part = rows[start : start + count]
        grid = Grid(box=None, pad_edge=False, padding=(0, 0, 0, 2 * _GAP))
        grid.add_column(Text(heads[0]), no_wrap=True)
        for row in part:
            grid.add_column(Text(row[0]), justify="right", no_wrap=True)
        for i, head in enumerate(heads[1:], 1):
            grid.add_row(Text(head), *(Text(row[i]) for row in part))
        grids.append(grid)
    return grids
