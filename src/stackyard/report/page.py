"""Report -> one self-contained HTML page: opens offline, prints, reads on a phone and with a screen reader."""

from __future__ import annotations

import html
import json
import re
from importlib.resources import files

from stackyard.report.cells import MARK, explained, mark, shown
from stackyard.report.document import (
    Block,
    Cell,
    Column,
    Figure,
    KeyFigure,
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
from stackyard.words.spoken import Words, say_in

# Nothing may be fetched or sent: the page holds all it needs, and says so to the browser.
_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"


def page(report: Report) -> str:
    """The whole page as text. Plotly's script (4.8 MB, no partial bundle is shipped) is inlined once, if there is a
    figure to draw.

    >>> from stackyard import api
    >>> report = api.plan("first-plan", steps=False).report
    >>> page(report).count("<h1")
    1
    """
    figures, words = report.figures, Words(report.language)
    script = _scripts() if figures else ""
    skip = _text(words("Skip to the report"))
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
<a class="skip" href="#main">{skip}</a>
{_header(report)}
<div class="frame">
{_contents(report, words)}
<main id="main" tabindex="-1">
{sections(report)}
{_footer(report, words)}
</main>
</div>
{script}
</body>
</html>
"""


def sections(report: Report) -> str:
    """The sections and sources alone, for a page that has a frame and scripts of its own.

    >>> from stackyard import api
    >>> report = api.plan("first-plan", steps=False).report
    >>> "<section" in sections(report)
    True
    """
    words = Words(report.language)
    every = [_section(number, section, report, words) for number, section in enumerate(report.sections, 1)]
    return "\n".join([*every, _sources(report, words), _calendar(words) if report.figures else ""])


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


def _footer(report: Report, words: Words) -> str:
    """Which inputs the page was made from, as whoever compares two reports asks."""
    made = " · ".join(f"{_text(what)} {_text(digest)}" for what, digest in report.digests)
    ours = _text(words("Made with Stackyard"))
    return f'<footer class="made">{ours} · {made}</footer>' if made else ""


def _contents(report: Report, words: Words) -> str:
    items = [f'<li><a href="#{_text(section.id)}">{_text(section.title)}</a></li>' for section in report.sections]
    if report.sources:
        cited = _text(words("Sources"))
        items.append(f'<li><a href="#sources">{cited}</a></li>')
    contents = _text(words("Contents"))
    return f'<nav class="contents" aria-label="{contents}"><ol>{"".join(items)}</ol></nav>'


def _section(number: int, section: Section, report: Report, words: Words) -> str:
    palette = _palette(report)
    blocks = "\n".join(_block(block, palette, words) for block in section.blocks)
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


def _block(block: Block, palette: dict[str, str], words: Words) -> str:
    if isinstance(block, Paragraph):
        return f"<p>{_text(block.text)}</p>"
    if isinstance(block, Points):
        items = "".join(f"<li><b>{_text(head)}</b> <span>{_text(text)}</span></li>" for head, text in block.items)
        return f'<ul class="points">{items}</ul>'
    if isinstance(block, Note):
        return f'<p class="note {_text(block.kind)}">{_text(block.text)}</p>'
    if isinstance(block, KeyFigures):
        return _key_figures(block, words)
    if isinstance(block, Table):
        table = _table(block, words)
        if not block.folded:
            return table
        return f'<details class="reference"><summary>{_text(block.title)}</summary>{table}</details>'
    return _figure(block, palette, words)


def _mark(grade: Grade | None, words: Words) -> str:
    """The sign that an output rests on numbers of this grade; nothing where every number is at least reported."""
    said = _text(words(mark(grade)))
    if grade is None or not said:
        return ""
    return f'<a class="mark {grade.label}" href="#confidence"><span aria-hidden="true">{MARK}</span> {said}</a>'


def _set_off(mark: str) -> str:
    return f"&ensp;{mark}" if mark else ""


def _key_figures(block: KeyFigures, words: Words) -> str:
    items = "".join(
        f'<div><dt>{_text(item.label)}</dt><dd><span class="value">{_text(value)}</span>'
        f' <span class="unit">{_text(unit)}</span><span class="detail">{_text(item.detail)}</span></dd></div>'
        for item in block.items
        for value, unit in (_large(item),)
    )
    sign, why = _mark(block.grade, words), ""
    if sign:
        which = _text(words("Which ones"))
        why = f'<p class="remark">{sign} {_text(explained(block.grade, words))} <a href="#confidence">{which}</a></p>'
    return f'<dl class="key">{items}</dl>{why}'


def _large(item: KeyFigure) -> tuple[str, str]:
    """What is set large of a number to remember, and what small after it: the unit, where the number comes first."""
    if item.unit or not item.value[:1].isdigit():
        return item.value, item.unit
    value, _, unit = item.value.partition(" ")
    return value, unit


def _table(table: Table, words: Words, caption: str = "") -> str:
    kinds = [_kind([row[i] for row in table.rows]) + " aside" * column.aside for i, column in enumerate(table.columns)]
    head = "".join(_heading(column, kind) for column, kind in zip(table.columns, kinds, strict=True))
    rows = "".join(_row(row, table.columns, kinds, words) for row in table.rows)
    kind = "remark aside" if table.note_aside else "remark"
    note = f'<p class="{kind}">{_text(table.note)}</p>' if table.note and not caption else ""
    title = caption or table.title
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{_text(title)}"><table>'
        f"<caption><span>{_text(title)}{'' if caption else _set_off(_mark(table.grade, words))}</span></caption>"
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


def _row(row: tuple[Cell, ...], columns: tuple[Column, ...], kinds: list[str], words: Words) -> str:
    cells = [_cell(cell, column, words) for cell, column in zip(row, columns, strict=True)]
    first = f'<th scope="row" class="{kinds[0]}">{cells[0]}</th>'
    total = ' class="total"' if isinstance(row[0], str) and _sum(row[0], words) else ""
    rest = "".join(f'<td class="{kind}">{cell}</td>' for kind, cell in zip(kinds[1:], cells[1:], strict=True))
    return f"<tr{total}>{first}{rest}</tr>"


def _sum(name: str, words: Words) -> bool:
    """Whether a row adds up the others."""
    sums = ("All services", "All supplies", "Total", "Total spent")
    return name.startswith(tuple(words(each) for each in sums))


def _cell(cell: Cell, column: Column, words: Words) -> str:
    if cell is None:
        return "–"
    if isinstance(cell, str):
        first, _, rest = cell.partition("\n")
        return _path(first) + (f"<small>{_text(rest)}</small>" if rest else "")
    if isinstance(cell, tuple):
        return "; ".join(_cited(source) for source in cell)
    return _text(shown(cell, column.decimals, words))


def _path(text: str) -> str:
    """Text; the path of a number, such as hbm.hbm4.price, is set as code that may break after its dots."""
    if re.fullmatch(r"[A-Za-z][\w-]*(\[\d+\])?(\.[\w-]+(\[\d+\])?)+", text) is None:
        return _text(text)
    return f"<code>{_text(text).replace('.', '.<wbr>')}</code>"


def _cited(source: Source) -> str:
    text = _text(str(source))
    web = source.url.startswith(("https://", "http://"))
    return f'<a href="{_text(source.url)}" rel="noreferrer">{text}</a>' if web else text


def _sources(report: Report, words: Words) -> str:
    if not report.sources:
        return ""
    items = "".join(f"<li>{_cited(source)}</li>" for source in report.sources)
    title, listed = _text(words("Sources")), _text(words("List of sources"))
    behind = _text(words("{n} documents stand behind the numbers.", n=len(report.sources)))
    return f"""<section id="sources" aria-labelledby="sources-title">
<h2 id="sources-title"><span class="topic">{title}</span> {behind}</h2>
<details class="reference"><summary>{listed}</summary><ol class="sources">{items}</ol></details>
</section>"""


def _figure(figure: Figure, palette: dict[str, str], words: Words) -> str:
    from stackyard.report import chart

    spec = json.loads(chart.draw(figure, palette, words, with_legend=False).to_json())
    data = json.dumps(spec, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    keys = "".join(
        f'<li><span class="swatch {dash}" data-colour="{colour}"></span>{_text(name)}</li>'
        for name, colour, dash in chart.legend(figure, palette, words)
    )
    legend = f'<ul class="legend" aria-hidden="true">{keys}</ul>' if keys else ""
    note = f'<p class="remark">{_text(figure.note)}</p>' if figure.note else ""
    wide = " wide" if isinstance(figure.data, Sankey) else ""
    height = int(spec["layout"].get("height", 360))
    sideways, told = _text(words("Diagram, scrolls sideways")), _text(words("Numbers of this figure"))
    behind = _table(say_in(numbers(figure), words), words, figure.title)
    id_ = _text(figure.id)
    return f"""<figure id="figure-{id_}">
<figcaption>{_text(figure.title)}{_set_off(_mark(figure.grade, words))}</figcaption>
{legend}
<div class="scroll"{f' tabindex="0" role="region" aria-label="{sideways}"' if wide else ""}>
<div class="chart{wide}" role="img" aria-label="{_text(figure.alt)}" data-height="{height}"></div></div>
<script type="application/json" class="spec">{data}</script>
{note}
<details class="data"><summary>{told}</summary>{behind}</details>
</figure>"""


def _scripts() -> str:
    from stackyard.report import chart

    return f"<script>{chart.library()}</script>\n<script>{_file('page.js')}</script>"


def _calendar(words: Words) -> str:
    """The names of months for the figures' script, as data; nothing in English, which it knows."""
    if words.code == "en":
        return ""
    said = json.dumps(words.calendar(), ensure_ascii=False).replace("<", "\\u003c")
    return f'<script type="application/json" id="calendar">{said}</script>'
