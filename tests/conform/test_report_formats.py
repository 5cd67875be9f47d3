"""Every output format takes a report with every element, and keeps or escapes every character."""

from __future__ import annotations

import csv
import io
import itertools
import json
import zipfile
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from openpyxl import load_workbook

from stackyard.report.confidence import confidence
from stackyard.report.document import (
    Bars,
    Block,
    Cloud,
    Column,
    Curves,
    Fan,
    Figure,
    KeyFigure,
    KeyFigures,
    Lines,
    Map,
    Node,
    Note,
    Paragraph,
    Parity,
    Points,
    Report,
    Sankey,
    Section,
    Series,
    Spot,
    StackedArea,
    Strip,
    Table,
    Tornado,
    Waterfall,
)
from stackyard.report.formats import FORMATS, summary
from stackyard.source import Fact, Grade, Source

NASTY = "<script>alert(1)</script> | 울산 & \"q\" 'a' `b` *c* %{y}\nnew line"
FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", '=HYPERLINK("http://example.com")')
MONTHS = ("2026-01", "2026-02", "2026-03")
BAD_SOURCE = Source("s", "Title <b>", "javascript:alert(1)", "2026")
GOOD_SOURCE = Source("t", "A fair source", "https://example.com/?a=1&b=<2>", "2025")


def every_element(text: str = NASTY) -> Report:
    """A report that has each block, each figure and each kind of cell, with the text everywhere."""
    one = Series("service/a", text, (1.0, 2.0, 3.0))
    two = Series("service/b", "b", (3.0, 0.0, float("nan")))
    limit = Series("limit/x", text, (5.0, float("inf"), 5.0))
    drawn = (
        Waterfall(("before", text, "after"), (3.0, -1.25, 1.75), text, "USD bn"),
        Fan(MONTHS, ((text, (1.0, 1.0, 1.0), (3.0, 4.0, 5.0)),), (2.0, 2.0, 2.0), (limit,), text, "GW"),
        Tornado(((text, 1.0, 3.0),), 2.0, text, "USD bn"),
        Lines(MONTHS, (one, two), (limit,), text, text),
        StackedArea(MONTHS, (one, two), (limit,), "y", "GW", steps=True),
        Curves(("1", "2", "3"), (one, two), (limit,), text, "s", False, text, ((1.5, text),)),
        Bars(("2026", "2027", "2028"), (one, two), (limit,), "y", "USD bn"),
        Strip(MONTHS, (text, "power"), ((0.0, 0.5, 1.0), (0.0, 0.0, 0.0)), ((text, "b", "c"), ("", "", "")), "share"),
        Sankey((Node("supply/s", text, 0), Node("site/t", "t", 1)), (("supply/s", "site/t", 2.0),), "stacks"),
        Map(
            (1.0, 2.0),
            (1.0, 4.0),
            ((1.0, float("nan")), (3.0, 4.0)),
            (Spot("own/a", text, 1.5, 2.0, text),),
            text,
            "y",
            "t/s",
        ),
        Parity((Cloud("accelerator/a", text, (1.0, 2.0), (1.1, 1.8), (text, "b")),), text),
    )
    figures = tuple(Figure(f"f{i}", text, data, text, text, Grade.ASSUMED) for i, data in enumerate(drawn))
    cells = Table(
        text,
        (Column(text, text), Column("number", "GW", 2), Column("documents"), Column("/*?:[]")),
        (
            (text, 1234.5, (BAD_SOURCE, GOOD_SOURCE), None),
            ("", float("inf"), None, float("nan")),
            ("", 1e-9, (GOOD_SOURCE,), -2.5),
            *((formula, 0.0, None, formula) for formula in FORMULAS),
        ),
        note=text,
        grade=Grade.ASSUMED,
    )
    empty = Table(text, (Column("nothing"),), (), folded=True)
    words: tuple[Block, ...] = (
        Paragraph(text),
        Points((("2026", text), (text, "b"))),
        Note(text, "warning"),
        KeyFigures((KeyFigure(text, text, text, text),), Grade.ESTIMATED),
    )
    section = Section("first", text, text, (*words, cells, empty, *figures))
    sheet = Table(text, (Column("what"), Column("Value", "W")), (("only in a spreadsheet", 1.0),) * 50)
    return Report(text, text, "2026-11-23", (section,), (BAD_SOURCE, GOOD_SOURCE), (("Problem", "abc"),), (sheet,))


@pytest.fixture(scope="module")
def written() -> dict[str, bytes]:
    report = every_element()
    return {name: write(report) for name, write in FORMATS.items()}


@pytest.mark.parametrize("name", FORMATS)
def test_takes_a_report_without_anything(name: str) -> None:
    empty = Report("", "", "", (Section("s", "", "", ()),), (), ())
    assert FORMATS[name](empty)


@pytest.mark.parametrize("name", ["html", "md", "json", "csv"])
def test_text_formats_keep_korean_and_let_no_markup_through(name: str, written: dict[str, bytes]) -> None:
    text = written[name].decode("utf-8-sig")
    assert "울산" in text
    if name in ("html", "md"):
        assert "<script>alert" not in text


class Outline(HTMLParser):
    """Collects what a page is made of, and refuses tags that are not closed in order."""

    VOID = frozenset({"meta", "link", "br", "wbr"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_html_is_well_formed_and_needs_no_network(written: dict[str, bytes]) -> None:
    outline = Outline()
    outline.feed(written["html"].decode())
    assert outline.open == []
    tags = [tag for tag, _ in outline.seen]
    assert tags.count("h1") == 1 and tags.count("figure") == 11
    addresses = [value for _, attrs in outline.seen for key, value in attrs.items() if key in ("src", "href", "srcset")]
    assert all(a is not None and a.startswith(("#", "https://example.com", "data:,")) for a in addresses)
    ids = [attrs["id"] for _, attrs in outline.seen if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert {"lang": "en"} in [attrs for tag, attrs in outline.seen if tag == "html"]


def test_markdown_rows_have_as_many_cells_as_their_header(written: dict[str, bytes]) -> None:
    lines = written["md"].decode().replace("\\|", "").splitlines()
    for before, line in itertools.pairwise(lines):
        if before.startswith("|") and line.startswith("|"):
            assert before.count("|") == line.count("|")


def test_json_is_strict_and_names_each_kind(written: dict[str, bytes]) -> None:
    report = json.loads(written["json"], parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))
    blocks = report["sections"][0]["blocks"]
    assert {block["kind"] for block in blocks} == {"Paragraph", "Points", "Note", "KeyFigures", "Table", "Figure"}
    assert report["title"] == NASTY and blocks[4]["grade"] == "assumed"


def test_workbook_has_numbers_as_numbers_and_no_formula(written: dict[str, bytes]) -> None:
    book = load_workbook(io.BytesIO(written["xlsx"]))
    assert book.sheetnames[0] == "Contents" and book.sheetnames[-1] == "Sources"
    assert len(book.sheetnames) == 2 + 1 + 2 + 11  # contents and sources, the sheet, tables, figures
    assert book.worksheets[1].auto_filter.ref and "only in a spreadsheet" not in written["html"].decode()
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row if cell.value is not None]
    assert all(cell.data_type != "f" for cell in cells)
    texts = {str(cell.value) for cell in cells}
    assert set(FORMULAS) <= texts and any("울산" in text for text in texts)
    assert all(cell.quotePrefix for cell in cells if str(cell.value) in FORMULAS)
    assert any(cell.value == 1234.5 and cell.number_format == "#,##0.00" for cell in cells)
    assert all(sheet.freeze_panes for sheet in book)
    with zipfile.ZipFile(io.BytesIO(written["xlsx"])) as archive:
        assert not any(b"<f>" in archive.read(name) for name in archive.namelist() if "sheet" in name)


def test_csv_is_one_long_table_without_formulas(written: dict[str, bytes]) -> None:
    rows = list(csv.reader(io.StringIO(written["csv"].decode("utf-8-sig"))))
    assert rows[0] == ["section", "table", "row", "column", "unit", "value"]
    assert all(len(row) == 6 for row in rows)
    number = [row for row in rows if row[5].startswith("-")]
    assert all(float(row[5]) < 0 for row in number) and len(number) == 2
    assert not any(cell.startswith(("=", "+", "@")) for row in rows for cell in row)


@pytest.mark.parametrize("name", ["html", "md", "xlsx"])
def test_an_assumed_number_leaves_its_mark(name: str, written: dict[str, bytes]) -> None:
    if name == "xlsx":
        book = load_workbook(io.BytesIO(written["xlsx"]))
        assert sum(any("◆ assumed" in str(row[0].value) for row in sheet.iter_rows(max_row=4)) for sheet in book) == 12
    else:
        assert written[name].decode().count("assumed") >= 6 and "◆" in written[name].decode()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_terminal_summary_shows_the_first_section_and_cuts_no_word(width: int) -> None:
    from rich.console import Console

    years = tuple(Column(f"Accelerators {year}", "M accelerators", 2) for year in range(2026, 2036))
    wide = Table("Year by year", (Column("Year"), *years), (("2026", *map(float, range(10))),) * 6)
    reason = "No limit: serving more would cost more within the horizon than leaving it unserved"
    aside = (Column("One more saves", aside=True), Column("and serves more", aside=True))
    limits = Table("Limits", (Column("Year"), Column("What limits"), *aside), (("2026", reason, "USD 1 a", "2"),) * 9)
    report = every_element("plain [bold]words[/bold]")
    section = report.sections[0]
    report = replace(report, sections=(replace(section, blocks=(*section.blocks, wide, limits)),))
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    console.print(summary(report))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "plain [bold]words[/bold]" in shown and "1,234.50" in shown and "2035" in shown
    assert "…" not in shown and max(map(len, shown.splitlines())) <= width


def test_numbers_used_in_many_places_are_told_once_and_a_free_one_first() -> None:
    free = {"low": 2.0, "high": 100.0, "note": "FREE PARAMETER - share that becomes HBM"}
    facts = [
        Fact("a.life", 5.0, "year", Grade.ASSUMED, (), 1.0, 90.0),
        Fact("b.share[1]", 10.0, "%", Grade.ASSUMED, (), **free),
        Fact("c.share[1]", 10.0, "%", Grade.ASSUMED, (), **free),
        Fact("d.heads", 64.0, "", Grade.PUBLISHED),
        Fact("e.heads", 64.0, "", Grade.PUBLISHED),
    ]
    section = confidence(facts, 0)
    assert section.lead.startswith(
        "The free parameter is the share that becomes HBM, 10% (2 to 100%). 2 of the 4 different"
    )
    first = next(block for block in section.blocks if isinstance(block, Table)).rows[0]
    assert str(first[0]).startswith("b.share[1]\n") and str(first[0]).endswith("and in 1 more place")
