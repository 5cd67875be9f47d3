"""The what-if desk: changes read from a query, and the plan with them beside the plan as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.datastructures import QueryParams

from stackyard.alliance.access import Seen
from stackyard.alliance.change import NotPossible, WhatIf
from stackyard.alliance.minutes import noticed, partner_name
from stackyard.alliance.result import named
from stackyard.alliance.workspace import Tried
from stackyard.errors import SolveError
from stackyard.report.document import (
    Block,
    Cell,
    Column,
    Figure,
    Paragraph,
    Report,
    Section,
    Series,
    Table,
    in_language,
)
from stackyard.report.document import Lines as LineFigure
from stackyard.report.scale import scale
from stackyard.web.app import Server
from stackyard.web.who import Who
from stackyard.words import phrase
from stackyard.words.spoken import Words

NOTHING = 1e-6  # of all spending: what two solutions of the same plan may differ by

# What can be tried: kind -> (label, what is changed, unit of the value, an example).
KINDS: Mapping[str, tuple[str, str, str, str]] = {
    "slip": (phrase("Move a delivery"), "supplies", phrase("months later; a minus for earlier"), "3"),
    "scale": (phrase("More or less of a supply or a demand"), "supplies services", phrase("times"), "0.9"),
    "yield": (phrase("Change a die yield"), "supplies", phrase("share of good dies, 0 to 1"), "0.65"),
    "phase": (phrase("Move the power of a site"), "sites", phrase("months later; a minus for earlier"), "6"),
    "growth": (phrase("Change a growth rate"), "services", phrase("times the growth a year"), "1.1"),
}


def read_what_ifs(query: QueryParams) -> list[tuple[str, str, str]]:
    """(kind, item, value) of every line of the form that was filled in."""
    kinds, items, values = (query.getlist(name)[:10] for name in ("kind", "item", "value"))
    return [(k, i, v.strip()) for k, i, v in zip(kinds, items, values, strict=False) if v.strip()]


def choices(parts: Server, me: Who, seen: Seen) -> dict[str, list[tuple[str, str]]]:
    """Of each kind, the items that the viewer may change."""
    inputs = parts.workspace.inputs(me.viewer)
    found: dict[str, list[tuple[str, str]]] = {}
    for kind, (_, sections, _, _) in KINDS.items():
        rows = []
        for item, name in sorted(seen.items.items()):
            section, _, key = item.partition(".")
            if section not in sections.split():
                continue
            if kind == "yield" and inputs.supplies[key].wafers is None:
                continue
            if kind == "growth" and not inputs.services[key].demand.growth:
                continue
            rows.append((item, name))
        found[kind] = rows
    return found


def desk_values(
    parts: Server, me: Who, asked: list[tuple[str, str, str]], words: Words, anew: bool = False
) -> dict[str, Any]:
    """What the desk's page shows: the form, and the answer where something was asked; its choices made `anew`."""
    seen = parts.workspace.view(me.viewer)
    values: dict[str, Any] = {
        "kinds": KINDS,
        "choices": choices(parts, me, seen),
        "asked": {kind: (item, value) for kind, item, value in asked},
        "problems": (),
        "tried": None,
        "report": None,
        "body": "",
        "kept": [],
        "others": [],
    }
    if not asked:
        return values
    wrong, what_ifs = [], []
    for kind, item, value in asked:
        try:
            if kind not in KINDS:
                raise ValueError
            what_ifs.append(WhatIf(kind, item, float(value.replace("%", "e-2"))))  # type: ignore[arg-type]
        except ValueError:
            said = KINDS[kind][2] if kind in KINDS else phrase("choose what to change")
            wrong.append(phrase("'{value}' is not a number: {unit}", value=value, unit=said))
    if wrong:
        return {**values, "problems": tuple(wrong)}
    try:
        tried = parts.workspace.what_if(me.viewer, what_ifs, anew=anew)
    except NotPossible as error:
        return {**values, "problems": (error.args[0],)}
    except SolveError as error:
        return {**values, "problems": (phrase("there is no plan with that: {error}", error=error),)}
    report = answer(tried, words, anew)
    own = [w for w in what_ifs if me.actor.host or _owned(seen, w.item, me.actor.partner)]
    kept = own if me.actor.may_write else []
    others = [_others(seen, w.item) for w in what_ifs if w not in kept]
    told = {"tried": tried, "report": report, "body": parts.render.body(report), "kept": kept, "others": others}
    told["alone"] = not (seen.whole or me.viewer.host)
    return {**values, **told}


def _others(seen: Seen, item: str) -> str:
    """Why a what-if of an item is not the reader's to keep, and who could."""
    share = seen.state.shares.get(item)
    name = seen.items[item]
    if share is None:
        return phrase("{name} is nobody's: the host can make a proposal of it", name=name)
    who = partner_name(seen, share.partner)
    return phrase("{name} is {who}'s: who writes for them, or the host, can make a proposal of it", name=name, who=who)


def _owned(seen: Seen, item: str, partner: str) -> bool:
    share = seen.state.shares.get(item)
    return share is not None and share.partner == partner


def answer(tried: Tried, words: Words, anew: bool = False) -> Report:
    """The figures of both plans, and what is served, month by month; `anew`: with the choices made again for it."""
    before, after = tried.before, tried.after
    rows: list[tuple[Cell, ...]] = []
    for key, (name, _, unit) in named(before.figures.keys() & after.figures.keys()).items():
        old, new = before.figures[key], after.figures[key]
        by = words.change(noticed(new - old, old, unit), unit)
        rows.append((words(name), words.amount(old, unit), words.amount(new, unit), by))
    heads = (words("Figure"), words("As it is"), words("With the change"), words("Difference"))
    columns = tuple(map(Column, heads))
    least = words(
        "Each plan is the one of least net present cost, what is not served priced in: a single figure can move "
        "against the change."
    )
    blocks: list[Block] = [Table(words("Both plans"), columns, tuple(rows)), Paragraph(least)]
    blocks += [*_lines(tried, words, "anew-" if anew else ""), *_bars(tried, words)]
    lead = "; ".join(map(words, tried.told)) + f" ({words.number(tried.seconds, 1)} s)"
    id_, title = ("anew", words("Choices made anew")) if anew else ("answer", words("Answer"))
    made = Report(
        words("What if"),
        "",
        "",
        (Section(id_, title, lead, tuple(blocks)),),
        (),
        (),
        language=words.code,
    )
    return in_language(made, words.code)


def _lines(tried: Tried, words: Words, prefix: str) -> list[Block]:
    found: list[Block] = []
    for id_, title in (
        ("served.total", phrase("Tokens served")),
        ("installed.total", phrase("Accelerators in place")),
        ("used.total", phrase("Site power in use")),
    ):
        old, new = tried.before.result(id_), tried.after.result(id_)
        if old is None or new is None or tried.before.picture is None:
            continue
        unit = scale(
            [*old.values, *new.values], {"token/day": "tokens/day", "package": "accelerators"}.get(old.unit, old.unit)
        )
        lines = (Series("total/after", words("With the change"), unit.of(new.values)),)
        limits = (Series("limit/before", words("As it is"), unit.of(old.values)),)
        data = LineFigure(tried.before.picture.months, lines, limits, words(title), unit.unit)
        alt = words("{title}: the plan with the change beside the plan as it is, month by month.", title=words(title))
        found.append(Figure(f"what-if-{prefix}{id_.partition('.')[0]}", words(title), data, alt))
    return found


def _bars(tried: Tried, words: Words) -> list[Block]:
    """What the change costs or saves in spending, year by year."""
    old, new = tried.before.result("spending.total"), tried.after.result("spending.total")
    picture = tried.before.picture
    if old is None or new is None or picture is None:
        return []
    by = dict.fromkeys(picture.years, 0.0)
    for month, was, now in zip(picture.months, old.values, new.values, strict=True):
        by[month[:4]] += now - was
    least = NOTHING * max(sum(old.values), 1.0)
    by = {year: value if abs(value) >= least else 0.0 for year, value in by.items()}
    if not any(by.values()):
        return []
    unit = scale(list(by.values()), "USD")
    table = Table(
        words("Spending with the change, less spending as it is"),
        (Column(unit.unit), *(Column(year, "", 2) for year in by)),
        ((words("Difference"), *(value / unit.factor for value in by.values())),),
    )
    return [table]
