"""What a report says, as frozen values: sections of paragraphs, key figures, tables and figures. Knows no format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from stackyard.source import Grade, Source
from stackyard.words import joined, month, phrase
from stackyard.words.spoken import Words, say_in

# Text, a number in the column's unit, nothing known (None), or the documents that a number was read in.
Cell: TypeAlias = str | float | tuple[Source, ...] | None


@dataclass(frozen=True)
class Column:
    """A column of a table: its heading, the unit of its numbers, and how many decimals they are shown with.

    A column that is `aside` may be left out where there is little room, as in a terminal.
    """

    title: str
    unit: str = ""
    decimals: int = 0
    aside: bool = False

    @property
    def heading(self) -> str:
        return f"{self.title} ({self.unit})" if self.unit else self.title


@dataclass(frozen=True)
class Table:
    """Rows of cells under columns. `folded` tables are reference: formats may keep them closed until asked for.

    A `note_aside` is about columns that are `aside`: the note is left out with them.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    grade: Grade | None = None
    folded: bool = False
    note_aside: bool = False

    def __post_init__(self) -> None:
        ragged = [row for row in self.rows if len(row) != len(self.columns)]
        assert not ragged, f"{self.title}: a row has {len(ragged[0])} cells for {len(self.columns)} columns"


@dataclass(frozen=True)
class Series:
    """One line, area or set of bars; its id, `kind/name` such as `site/ulsan`, carries its colour between figures."""

    id: str
    name: str
    values: tuple[float, ...]


@dataclass(frozen=True)
class Lines:
    """Values over months ('2026-09'). Series in `limits` are drawn dashed: what was allowed, asked for or promised.

    With `steps` a value holds for its month and jumps to the next.
    """

    x: tuple[str, ...]
    series: tuple[Series, ...]
    limits: tuple[Series, ...]
    y_title: str
    unit: str
    steps: bool = False


@dataclass(frozen=True)
class StackedArea(Lines):
    """Series stacked on each other over months, with `limits` drawn over the stack."""


@dataclass(frozen=True)
class Bars(Lines):
    """Series stacked as bars over years."""


@dataclass(frozen=True)
class Curves(Lines):
    """Values over numbers, written as texts: load or seconds. `marks` are upright lines, (where, what they say)."""

    x_title: str = ""
    marks: tuple[tuple[float, str], ...] = ()


@dataclass(frozen=True)
class Strip:
    """How strongly each row binds in each month: `share` in 0 to 1 colours, `text` tells, `binding` marks one row."""

    x: tuple[str, ...]
    rows: tuple[str, ...]
    share: tuple[tuple[float, ...], ...]
    text: tuple[tuple[str, ...], ...]
    unit: str
    binding: tuple[int, ...] = ()


@dataclass(frozen=True)
class Waterfall:
    """From the first value to the last by steps: `values` are the first total, what each step adds, and the last.

    Steps up are drawn in the colour of what is worse, or with `rise_is_good` in that of what is better.
    """

    x: tuple[str, ...]
    values: tuple[float, ...]
    y_title: str
    unit: str
    rise_is_good: bool = False


@dataclass(frozen=True)
class Fan:
    """Percentiles over months: `bands` are (name, lowest, highest), widest first; `middle` is the median."""

    x: tuple[str, ...]
    bands: tuple[tuple[str, tuple[float, ...], tuple[float, ...]], ...]
    middle: tuple[float, ...]
    limits: tuple[Series, ...]
    y_title: str
    unit: str


@dataclass(frozen=True)
class Tornado:
    """How far a figure goes when each input goes to its low and its high end: (name, low, high), around `middle`."""

    rows: tuple[tuple[str, float, float], ...]
    middle: float
    x_title: str
    unit: str


@dataclass(frozen=True)
class Node:
    """A box of a Sankey diagram; `stage` counts the columns from the left."""

    id: str
    name: str
    stage: int


@dataclass(frozen=True)
class Sankey:
    """Flows between nodes, (from, to, amount): every stage in one and the same unit."""

    nodes: tuple[Node, ...]
    links: tuple[tuple[str, str, float], ...]
    unit: str


@dataclass(frozen=True)
class Spot:
    """A marked place on a map, with what is told of it; its id, `kind/name`, carries its colour."""

    id: str
    name: str
    x: float
    y: float
    text: str = ""


@dataclass(frozen=True)
class Map:
    """A height over two axes of ratios (both logarithmic), with marked spots; `height` has a row for each y.

    nan where there is no height. Axes are named with their units: 'HBM capacity (GB)'.
    """

    x: tuple[float, ...]
    y: tuple[float, ...]
    height: tuple[tuple[float, ...], ...]
    spots: tuple[Spot, ...]
    x_title: str
    y_title: str
    unit: str


@dataclass(frozen=True)
class Cloud:
    """Points of one group on a parity plot: measured, predicted, and what is told of each."""

    id: str
    name: str
    measured: tuple[float, ...]
    predicted: tuple[float, ...]
    texts: tuple[str, ...]


@dataclass(frozen=True)
class Parity:
    """Predicted over measured, both axes logarithmic: on the diagonal they agree; `band` is the factor of the lines."""

    clouds: tuple[Cloud, ...]
    unit: str
    band: float = 1.25


Data: TypeAlias = Lines | StackedArea | Bars | Strip | Sankey | Map | Parity | Waterfall | Fan | Tornado


@dataclass(frozen=True)
class Figure:
    """A picture of plain values. `alt` says in one sentence what it shows, for who cannot see it."""

    id: str
    title: str
    data: Data
    alt: str
    note: str = ""
    grade: Grade | None = None


@dataclass(frozen=True)
class Paragraph:
    """Running text, without markup."""

    text: str


@dataclass(frozen=True)
class Points:
    """A short list: each point a word or two that the eye finds, such as a year, and its sentences."""

    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Note:
    """A remark set apart from the text; `kind` is 'info' or 'warning'."""

    text: str
    kind: str = "info"


@dataclass(frozen=True)
class KeyFigure:
    """One number to remember, already in words: '21.6 T tokens/day'."""

    label: str
    value: str
    unit: str = ""
    detail: str = ""


@dataclass(frozen=True)
class KeyFigures:
    """A handful of numbers shown large."""

    items: tuple[KeyFigure, ...]
    grade: Grade | None = None


Block: TypeAlias = Paragraph | Points | Note | KeyFigures | Table | Figure


@dataclass(frozen=True)
class Section:
    """A topic (`title`), what was found (`lead`, one sentence), and the blocks that show it."""

    id: str
    title: str
    lead: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Report:
    """A whole report. `digests` are (what, digest) pairs that say exactly which inputs it was made from.

    `sheets` are long tables for spreadsheets and programs alone: nobody reads them on a page. `language` is that of its
    words, as in HTML: 'en', 'de', 'ko'.
    """

    title: str
    subtitle: str
    date: str
    sections: tuple[Section, ...]
    sources: tuple[Source, ...]
    digests: tuple[tuple[str, str], ...]
    sheets: tuple[Table, ...] = ()
    language: str = "en"

    @property
    def figures(self) -> tuple[Figure, ...]:
        return tuple(block for section in self.sections for block in section.blocks if isinstance(block, Figure))

    @property
    def tables(self) -> Iterator[tuple[Section, Table]]:
        """Every table with its section; a figure counts as the table of its numbers."""
        words = Words(self.language)
        for section in self.sections:
            for block in section.blocks:
                if isinstance(block, Table):
                    yield section, block
                elif isinstance(block, Figure):
                    yield section, say_in(numbers(block), words)


def in_language(report: Report, code: str) -> Report:
    """The report with every text of it said in a language, 'de' or 'ko'; 'en' is as it was written.

    >>> from stackyard import api
    >>> report = api.plan("first-plan", steps=False).report
    >>> in_language(report, "de").sections[0].title
    'In einer Minute'
    """
    return replace(report if code == "en" else say_in(report, Words(code)), language=code)


def numbers(figure: Figure) -> Table:
    """The numbers behind a figure as a table: for spreadsheets, for print and for who cannot see the picture.

    >>> from stackyard import api
    >>> report = api.plan("first-plan", steps=False).report
    >>> [column.title for column in numbers(report.figures[0]).columns][:1]
    ['Month']
    """
    columns, rows = _numbers(figure.data)
    return Table(figure.title, columns, tuple(rows), note=figure.note, grade=figure.grade, folded=True)


def _numbers(data: Data) -> tuple[tuple[Column, ...], Iterable[tuple[Cell, ...]]]:
    """Columns and rows of what a figure draws."""
    columns: tuple[Column, ...]
    match data:
        case Sankey():
            names = {node.id: node.name for node in data.nodes}
            columns = (Column(phrase("From")), Column(phrase("To")), Column(phrase("Amount"), data.unit, 2))
            return columns, [(names[start], names[end], amount) for start, end, amount in data.links]
        case Strip():
            columns = (Column(phrase("Month")), *(Column(name) for name in data.rows))
            return columns, [(month(x), *(row[i] for row in data.text)) for i, x in enumerate(data.x)]
        case Waterfall():
            columns = (Column(phrase("Step")), Column(data.y_title, data.unit, 3))
            return columns, zip(data.x, data.values, strict=True)
        case Tornado():
            ends = (Column(phrase("Low end"), data.unit, 2), Column(phrase("High end"), data.unit, 2))
            return (Column(phrase("Input")), *ends), data.rows
        case Map():
            columns = (Column(data.y_title, "", 1), *(Column(f"{x:,.4g}", data.unit) for x in data.x))
            return columns, [(y, *line) for y, line in zip(data.y, data.height, strict=True)]
        case Parity():
            both = (Column(phrase("Measured"), data.unit, 4), Column(phrase("Predicted"), data.unit, 4))
            points = (
                (cloud.name, zip(cloud.measured, cloud.predicted, cloud.texts, strict=True)) for cloud in data.clouds
            )
            rows = [(name, *point) for name, each in points for point in each]
            return (Column(phrase("Group")), *both, Column(phrase("Run"))), rows
        case Fan():
            bands = [
                (joined(", ", [name, end]), values)
                for name, *both in data.bands
                for end, values in zip((phrase("low"), phrase("high")), both, strict=True)
            ]
            limits = ((each.name, each.values) for each in data.limits)
            return _over(
                phrase("Month"), map(month, data.x), [*bands, (phrase("Median"), data.middle), *limits], data.unit
            )
        case Curves():
            first, at = data.x_title, map(str, data.x)
        case _:
            first, at = phrase("Year") if isinstance(data, Bars) else phrase("Month"), map(month, data.x)
    return _over(first, at, [(each.name, each.values) for each in data.series + data.limits], data.unit)


def _over(
    first: str, at: Iterable[str], named: Sequence[tuple[str, Sequence[float]]], unit: str
) -> tuple[tuple[Column, ...], list[tuple[Cell, ...]]]:
    """A row for each place along an axis, a column for each series."""
    columns = (Column(first), *(Column(name, unit, 2) for name, _ in named))
    return columns, [(x, *(values[i] for _, values in named)) for i, x in enumerate(at)]
