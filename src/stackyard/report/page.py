"""Report -> one self-contained HTML page: opens offline, prints, reads on a phone and with a screen reader."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from importlib.resources import files

from stackyard.report.cells import MARK, explained, shown
from stackyard.report.document import (
    Block,
    Cell,
    Column,
    Figure,
    KeyFigures,
    Note,
    Paragraph,
    Points,
    Report,
    Sankey,
    Section,
    Table,
    numbers,
)
from stackyard.source import Grade, Source

# Nothing may be fetched or sent: the page holds all it needs, and says so to the browser.
_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"


def page(report: Report) -> str:
    """The whole page as text. Plotly's script (4.8 MB, no partial bundle is shipped) is inlined once, if there is a
    figure to draw."""
    figures = report.figures
    script = _scripts() if figures else ""
    return f"""<!doctype html>
<html lang="{_text(report.language)}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="generator" content="Stackyard">
<title>{_text(report.title)}</title>
<link rel="icon" href="data:,">
<style>
{_file("page.css")}
</style>
</head>
<body>
<a class="skip" href="#main">{_say(report, "skip")}</a>
{_header(report)}
<div class="frame">
{_contents(report)}
<main id="main" tabindex="-1">
{sections(report)}
{_footer(report)}
</main>
</div>
{script}
</body>
</html>
"""


def sections(report: Report) -> str:
    """The sections and sources alone, for a page that has a frame and scripts of its own."""
    every = [_section(number, section, report) for number, section in enumerate(report.sections, 1)]
    return "\n".join([*every, _sources(report)])


# The few words of the page's own, by language.
_WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "skip": "Skip to the report",
        "contents": "Contents",
        "sources": "Sources",
        "behind": "{} documents stand behind the numbers.",
        "list": "List of sources",
        "numbers": "Numbers of this figure",
    },
    "de": {
        "skip": "Zum Bericht",
        "contents": "Inhalt",
        "sources": "Quellen",
        "behind": "{} Dokumente stehen hinter den Zahlen.",
        "list": "Liste der Quellen",
        "numbers": "Zahlen dieser Abbildung",
    },
    "ko": {
        "skip": "보고서로 건너뛰기",
        "contents": "목차",
        "sources": "출처",
        "behind": "수치의 근거가 되는 문서 {}건.",
        "list": "출처 목록",
        "numbers": "이 그림의 수치",
    },
}


def _say(report: Report, word: str) -> str:
    return _text(_WORDS.get(report.language, _WORDS["en"])[word])


def _text(text: str) -> str:
    return html.escape(text, quote=True)


def _file(name: str) -> str:
    return files("stackyard.report").joinpath(name).read_text(encoding="utf-8").strip()


def _header(report: Report) -> str:
    subtitle = f'<p class="subtitle">{_text(report.subtitle)}</p>' if report.subtitle else ""
    date = f'<p class="made">{_text(report.date)}</p>' if report.date else ""
    return f"""<header class="top"><div>
<p class="brand">Stackyard</p>
<h1>{_text(report.title)}</h1>
{subtitle}
{date}
</div></header>"""


def _footer(report: Report) -> str:
    """Which inputs the page was made from, as whoever compares two reports asks."""
    made = " · ".join(f"{_text(what)} {_text(digest)}" for what, digest in report.digests)
    return f'<footer class="made">Made with Stackyard · {made}</footer>' if made else ""


def _contents(report: Report) -> str:
    items = [f'<li><a href="#{_text(section.id)}">{_text(section.title)}</a></li>' for section in report.sections]
    if report.sources:
        items.append(f'<li><a href="#sources">{_say(report, "sources")}</a></li>')
    return f'<nav class="contents" aria-label="{_say(report, "contents")}"><ol>{"".join(items)}</ol></nav>'


def _section(number: int, section: Section, report: Report) -> str:
    palette = _palette(report)
    blocks = "\n".join(_block(block, palette, _say(report, "numbers")) for block in section.blocks)
    id_ = _text(section.id)
    return f"""<section id="{id_}" aria-labelledby="{id_}-title">
<h2 id="{id_}-title"><span class="topic">{number}&ensp;{_text(section.title)}</span> {_text(section.lead)}</h2>
{blocks}
</section>"""


def _palette(report: Report) -> dict[str, str]:
    if not report.figures:
        return {}
    from stackyard.report import chart

    return dict(chart.colours(report))


def _block(block: Block, palette: dict[str, str], numbers_word: str) -> str:
    if isinstance(block, Paragraph):
        return f"<p>{_text(block.text)}</p>"
    if isinstance(block, Points):
        items = "".join(f"<li><b>{_text(head)}</b> <span>{_text(text)}</span></li>" for head, text in block.items)
        return f'<ul class="points">{items}</ul>'
    if isinstance(block, Note):
        return f'<p class="note {_text(block.kind)}">{_text(block.text)}</p>'
    if isinstance(block, KeyFigures):
        return _key_figures(block)
    if isinstance(block, Table):
        table = _table(block)
        if not block.folded:
            return table
        return f'<details class="reference"><summary>{_text(block.title)}</summary>{table}</details>'
    return _figure(block, palette, numbers_word)


def _mark(grade: Grade | None) -> str:
    """The sign that an output rests on numbers of this grade; nothing where every number is at least reported."""
    if grade is None or grade < Grade.ESTIMATED:
        return ""
    words = f"{grade.label} inputs"
    return f'<a class="mark {grade.label}" href="#confidence"><span aria-hidden="true">{MARK}</span> {words}</a>'


def _set_off(mark: str) -> str:
    return f"&ensp;{mark}" if mark else ""


def _key_figures(block: KeyFigures) -> str:
    items = "".join(
        f'<div><dt>{_text(item.label)}</dt><dd><span class="value">{_text(item.value)}</span>'
        f' <span class="unit">{_text(item.unit)}</span><span class="detail">{_text(item.detail)}</span></dd></div>'
        for item in block.items
    )
    mark = _mark(block.grade)
    why = f'<p class="remark">{mark} {explained(block.grade)} <a href="#confidence">Which ones</a></p>' if mark else ""
    return f'<dl class="key">{items}</dl>{why}'


def _table(table: Table, caption: str = "") -> str:
    kinds = [_kind([row[i] for row in table.rows]) + " aside" * column.aside for i, column in enumerate(table.columns)]
    head = "".join(_heading(column, kind) for column, kind in zip(table.columns, kinds, strict=True))
    rows = "".join(_row(row, table.columns, kinds) for row in table.rows)
    note = f'<p class="remark">{_text(table.note)}</p>' if table.note and not caption else ""
    title = caption or table.title
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{_text(title)}"><table>'
        f"<caption><span>{_text(title)}{'' if caption else _set_off(_mark(table.grade))}</span></caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>{note}"
    )


def _kind(cells: list[Cell]) -> str:
    """How a column is set: numbers to the right, short words on one line, long words with room to wrap."""
    if any(isinstance(cell, int | float) for cell in cells):
        return "n"
    if any(isinstance(cell, tuple) for cell in cells):
        return "w"
    longest = max((len(cell) for cell in cells if isinstance(cell, str)), default=0)
    return "w" if longest > 40 else "" if longest >= 30 else "s" if longest > 10 else "s tight"


def _heading(column: Column, kind: str) -> str:
    unit = f' <span class="unit">{_text(column.unit)}</span>' if column.unit else ""
    return f'<th scope="col" class="{kind}">{_text(column.title)}{unit}</th>'


def _row(row: tuple[Cell, ...], columns: tuple[Column, ...], kinds: list[str]) -> str:
    cells = [_cell(cell, column) for cell, column in zip(row, columns, strict=True)]
    first = f'<th scope="row" class="{kinds[0]}">{cells[0]}</th>'
    total = ' class="total"' if isinstance(row[0], str) and row[0].startswith(("All ", "Total")) else ""
    rest = "".join(f'<td class="{kind}">{cell}</td>' for kind, cell in zip(kinds[1:], cells[1:], strict=True))
    return f"<tr{total}>{first}{rest}</tr>"


def _cell(cell: Cell, column: Column) -> str:
    if cell is None:
        return "–"
    if isinstance(cell, str):
        first, _, rest = cell.partition("\n")
        return _words(first) + (f"<small>{_text(rest)}</small>" if rest else "")
    if isinstance(cell, tuple):
        return "; ".join(_cited(source) for source in cell)
    return _text(shown(cell, column.decimals))


def _words(text: str) -> str:
    """Text; the path of a number, such as hbm.hbm4.price, is set as code that may break after its dots."""
    if re.fullmatch(r"[A-Za-z][\w-]*(\[\d+\])?(\.[\w-]+(\[\d+\])?)+", text) is None:
        return _text(text)
    return f"<code>{_text(text).replace('.', '.<wbr>')}</code>"


def _cited(source: Source) -> str:
    text = _text(str(source))
    web = source.url.startswith(("https://", "http://"))
    return f'<a href="{_text(source.url)}" rel="noreferrer">{text}</a>' if web else text


def _sources(report: Report) -> str:
    if not report.sources:
        return ""
    items = "".join(f"<li>{_cited(source)}</li>" for source in report.sources)
    behind = _say(report, "behind").format(len(report.sources))
    return f"""<section id="sources" aria-labelledby="sources-title">
<h2 id="sources-title"><span class="topic">{_say(report, "sources")}</span> {behind}</h2>
<details class="reference"><summary>{_say(report, "list")}</summary><ol class="sources">{items}</ol></details>
</section>"""


def _figure(figure: Figure, palette: dict[str, str], numbers_word: str) -> str:
    from stackyard.report import chart

    spec = json.loads(chart.draw(figure, palette, with_legend=False).to_json())
    data = json.dumps(spec, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    keys = "".join(
        f'<li><span class="swatch {dash}" data-colour="{colour}"></span>{_text(name)}</li>'
        for name, colour, dash in chart.legend(figure, palette)
    )
    legend = f'<ul class="legend" aria-hidden="true">{keys}</ul>' if keys else ""
    note = f'<p class="remark">{_text(figure.note)}</p>' if figure.note else ""
    wide = " wide" if isinstance(figure.data, Sankey) else ""
    height = int(spec["layout"].get("height", 360))
    id_ = _text(figure.id)
    return f"""<figure id="figure-{id_}">
<figcaption>{_text(figure.title)}{_set_off(_mark(figure.grade))}</figcaption>
{legend}
<div class="scroll"{' tabindex="0" role="region" aria-label="Diagram, scrolls sideways"' if wide else ""}>
<div class="chart{wide}" role="img" aria-label="{_text(figure.alt)}" data-height="{height}"></div></div>
<script type="application/json" class="spec">{data}</script>
{note}
<details class="data"><summary>{numbers_word}</summary>{_table(numbers(figure), figure.title)}</details>
</figure>"""


def _scripts() -> str:
    from stackyard.report import chart

    return f"<script>{chart.library()}</script>\n<script>{_file('page.js')}</script>"
