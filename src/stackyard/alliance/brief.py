"""The joint plan as one viewer may see it, page by page: each is a Report, so each has tables, figures and exports."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from stackyard.alliance.access import Input, Seen
from stackyard.alliance.minutes import cause, first_of, of_ledger, open_promises, plan_changes, slipping, slips
from stackyard.alliance.result import FIGURES, Result
from stackyard.plan.labels import label
from stackyard.report.confidence import confidence, distinct, sources
from stackyard.report.document import (
    Block,
    Cell,
    Column,
    Figure,
    KeyFigure,
    KeyFigures,
    Note,
    Paragraph,
    Report,
    Section,
    Series,
    StackedArea,
    Table,
    in_language,
)
from stackyard.report.scale import Scale, scale
from stackyard.source import Grade, Source
from stackyard.words import phrase
from stackyard.words.spoken import Words

UNITS: Mapping[str, str] = {
    "token/day": "tokens/day",
    "stack": "stacks",
    "package": "accelerators",
    "W": "W",
    "USD": "USD",
    "J": "J",
    "kg": "kg",
    "m^3": "m³",
}


def report_of(
    seen: Seen, words: Words, id_: str, sections: Iterable[Section], title: str, subtitle: str = ""
) -> Report:
    """A report of some sections, with the sources of the inputs that the viewer may see."""
    facts = distinct([i.fact for i in seen.inputs if i.fact is not None])
    cited = sources(facts)
    sure = (confidence(facts, len(cited)),) if facts else ()
    return in_language(Report(title, subtitle, "", (*sections, *sure), cited, of_ledger(seen)), words.code)


def _grade(seen: Seen) -> Grade | None:
    grades = [i.fact.grade for i in seen.inputs if i.fact is not None]
    return max(grades) if grades else None


def hidden_note(seen: Seen, words: Words) -> tuple[Block, ...]:
    """Says that something was left out, where it was."""
    if seen.whole or not seen.hidden:
        return ()
    told = (
        words("One item or result of others is not shown to you: see who may see what.")
        if seen.hidden == 1
        else words("{n} items and results of others are not shown to you: see who may see what.", n=seen.hidden)
    )
    return (Note(told),)


def overview(
    seen: Seen,
    words: Words,
    *,
    today: str,
    before: Mapping[str, float] | None = None,
    changes: Sequence[tuple[str, Mapping[str, float]]] = (),
) -> Report:
    """Demand against served, what binds when, power, stacks, money, the next meeting, what slipped and what changed."""
    grade = _grade(seen)
    blocks: list[Block] = [*_key(seen, words, grade), *hidden_note(seen, words)]
    binds = seen.results("limits", "year.binds.")
    lead = "" if not binds else "; ".join(f"{r.title}: {cause(first_of(r.text), words)}" for r in binds) + "."
    sections = [Section("now", words("In one minute"), lead, tuple(blocks))] if blocks else []
    if seen.picture is not None:
        sections += _plan(seen, words, grade)
        changed = plan_changes(seen, words, before or {}, changes)
        sections.append(Section("changed", words("Since the last meeting"), "", changed or _none(words)))
    slipped = slips(slipping(seen, today), seen, words)
    sections.append(Section("slips", words("Slipping deliveries"), "", slipped or _none(words)))
    sections.append(Section("open", words("Open promises"), "", open_promises(seen, words) or _none(words)))
    return report_of(seen, words, "overview", sections, words("The alliance's plan"))


def _plan(seen: Seen, words: Words, grade: Grade | None) -> list[Section]:
    money = yearly(seen, words, "money", "spending.", words("Spending by year"), grade)
    return [
        _section(seen, words, "demand", phrase("Demand and service"), served(seen, words)),
        _section(seen, words, "supply", phrase("Memory"), drawn(seen, words)),
        _section(seen, words, "power", phrase("Power"), used(seen, words)),
        _section(seen, words, "money", phrase("Money"), money),
    ]


def shown(seen: Seen, words: Words) -> Report:
    """The plan that a viewer could make from what they may see (`Workspace.shown`)."""
    grade = _grade(seen)
    sections = [Section("now", words("In one minute"), "", _key(seen, words, grade)), *_plan(seen, words, grade)]
    return report_of(seen, words, "shown", sections, words("The plan on what you may see"))


def _none(words: Words) -> tuple[Block, ...]:
    return (Paragraph(words("Nothing on record.")),)


def _unseen(seen: Seen, words: Words) -> tuple[Block, ...]:
    if seen.whole or not seen.hidden:
        return _none(words)
    return (
        Paragraph(words("Nothing of this is shown to you: it rests on amounts of others, which would follow from it.")),
    )


def _key(seen: Seen, words: Words, grade: Grade | None) -> tuple[Block, ...]:
    wanted = ("served_end", "served_share", "accelerators_end", "power_end", "stacks_drawn", "spending")
    beside = {"served_end": "asked_end", "power_end": "energised_end", "stacks_drawn": "stacks_delivered"}
    items = []
    for key in wanted:
        if key not in seen.figures:
            continue
        name, unit = FIGURES[key]
        number, rest = words.figure(seen.figures[key], unit)
        other = beside.get(key, "")
        of = seen.figures.get(other)
        detail = words("of {amount}", amount=words.amount(of, FIGURES[other][1])) if of is not None else ""
        items.append(KeyFigure(words(name), number, rest, detail))
    return (KeyFigures(tuple(items), grade),) if items else ()


def _unit(results: Iterable[Result]) -> Scale:
    every = [r for r in results if r.values]
    total = np.sum([r.values for r in every], axis=0) if every else np.zeros(1)
    return scale(total, UNITS.get(every[0].unit, every[0].unit) if every else "")


def stacked(
    seen: Seen,
    words: Words,
    group: str,
    prefix: str,
    limits: tuple[str, ...],
    id_: str,
    title: str,
    grade: Grade | None,
) -> tuple[Block, ...]:
    """A stacked area of the rows that may be seen, with totals as dashed lines."""
    if seen.picture is None:
        return ()
    every = seen.results(group, prefix)
    rows = [r for r in every if not r.id.endswith(".total") and any(r.values)]
    total = [r for r in every if r.id.endswith(".total")]
    over = [r for name in limits if (r := seen.result(name)) is not None]
    if not rows and not total and not over:
        return ()
    unit = _unit([*(over or total or rows)])
    kind = {"served.": "service", "drawn.": "supply", "used.": "site", "installed.": "accelerator"}.get(prefix, "total")
    drawn = tuple(Series(f"{kind}/{r.id}", r.title.partition(": ")[2] or r.title, unit.of(r.values)) for r in rows)
    if not drawn:
        drawn = tuple(Series(f"total/{r.id}", words("All"), unit.of(r.values)) for r in total)
    dashed = tuple(Series(f"limit/{r.id}", words(r.title.partition(": ")[0]), unit.of(r.values)) for r in over)
    axis = words((rows or total or over)[0].title.partition(": ")[0])
    if not drawn:  # only what it would be under may be seen
        title = axis
    names = ", ".join(series.name for series in drawn or dashed)
    first, last = words.month(seen.picture.months[0]), words.month(seen.picture.months[-1])
    alt = f"{title}, {first} – {last}: {names}."
    data = StackedArea(seen.picture.months, drawn, dashed, axis, unit.unit, steps=prefix == "drawn.")
    return (Figure(id_, title, data, alt, grade=grade),)


def served(seen: Seen, words: Words) -> tuple[Block, ...]:
    """What is served of each service, under what is asked for."""
    title = words("Tokens served, under what is asked for")
    return stacked(seen, words, "services", "served.", ("demand.total",), "demand", title, _grade(seen))


def drawn(seen: Seen, words: Words) -> tuple[Block, ...]:
    """Stacks drawn of each supply, beside what is delivered: they differ by what goes into stock and out of it."""
    title = words("HBM stacks drawn, and what is delivered; stock takes up the difference")
    return stacked(seen, words, "supply", "drawn.", ("delivered.total",), "stacks", title, _grade(seen))


def placed(seen: Seen, words: Words) -> tuple[Block, ...]:
    """Accelerators in place, of each kind."""
    return stacked(seen, words, "supply", "installed.", (), "installed", words("Accelerators in place"), _grade(seen))


def used(seen: Seen, words: Words) -> tuple[Block, ...]:
    """Power in use at each site, under what is energised."""
    title = words("Site power in use, under what is energised")
    return stacked(seen, words, "sites", "used.", ("energised.total",), "power", title, _grade(seen))


def yearly(
    seen: Seen, words: Words, group: str, prefix: str, title: str, grade: Grade | None, last: bool = False
) -> tuple[Block, ...]:
    """A table with a column for each year: sums over the year, or values of its last month."""
    rows = [r for r in seen.results(group, prefix) if r.values and any(r.values)]
    if not rows or seen.picture is None:
        return ()
    months, years = seen.picture.months, seen.picture.years
    member = np.array([[month.startswith(year) for month in months] for year in years], dtype=float)
    found = {}
    for r in rows:
        values = np.asarray(r.values)
        found[r.id] = (
            np.array([values[max(i for i, inside in enumerate(year) if inside)] for year in member])
            if last
            else member @ values
        )
    unit = scale(np.concatenate(list(found.values())), UNITS.get(rows[0].unit, rows[0].unit))
    top = max(float(np.max(v)) for v in found.values()) / unit.factor
    columns = (Column(unit.unit), *(Column(year, "", 0 if top >= 100 else 1 if top >= 10 else 2) for year in years))
    listed: tuple[tuple[Cell, ...], ...] = tuple((_row_name(r, words), *unit.of(found[r.id])) for r in rows)
    return (Table(title, columns, listed, grade=grade),)


def _row_name(result: Result, words: Words) -> str:
    """What a row of a table is called: its place, or 'Total'."""
    if result.id.endswith(".total"):
        return words("Total")
    name = result.title.partition(": ")[2] or result.title
    return words(name) if result.group == "money" else name  # kinds of cost are ours, the rest has names of its own


class Rows(NamedTuple):
    """A table by year of the results of a group whose ids begin with a prefix; `last`: at the end of each year."""

    group: str
    prefix: str
    title: str
    last: bool = False


STACKS = (
    Rows("supply", "delivered.", phrase("HBM stacks delivered by year")),
    Rows("supply", "drawn.", phrase("HBM stacks drawn by year")),
    Rows("supply", "stock.", phrase("HBM stacks in stock at the end of the year"), last=True),
)
BUILT = (Rows("supply", "installed.", phrase("Accelerators in place at the end of the year"), last=True),)
POWER = (
    Rows("sites", "energised.", phrase("Power energised at the end of the year"), last=True),
    Rows("sites", "used.", phrase("Power in use at the end of the year"), last=True),
    Rows("sites", "placed.", phrase("Accelerators at the end of the year"), last=True),
    Rows("sites", "energy.", phrase("Energy by year")),
    Rows("sites", "carbon.", phrase("CO2e by year")),
    Rows("sites", "water.", phrase("Water by year")),
)
SERVED = (
    Rows("services", "demand.", phrase("Asked for, in December"), last=True),
    Rows("services", "served.", phrase("Served, in December"), last=True),
)
SUPPLY_WORTH = (
    Rows("prices", "worth.hbm.", phrase("What each supply's deliveries are worth by their price")),
    Rows("prices", "worth.packaging.", phrase("What packaging is worth by its price")),
)
SITE_WORTH = (Rows("prices", "worth.power.", phrase("What each site's power is worth by its price")),)
WORTH = phrase("Price times amount: how much of the plan's cost hangs on a limit. Shown to who may see the limit.")


def tables(seen: Seen, words: Words, rows: Sequence[Rows]) -> tuple[Block, ...]:
    """The tables of some rows, of what may be seen."""
    grade = _grade(seen)
    made = (yearly(seen, words, r.group, r.prefix, words(r.title), grade, r.last) for r in rows)
    return tuple(block for blocks in made for block in blocks)


def supply(seen: Seen, words: Words) -> Report:
    """Memory: drawn and delivered, what is built with it, what limits are worth, and inputs with their sources."""
    return report_of(
        seen,
        words,
        "supply",
        [
            _section(
                seen,
                words,
                "stacks",
                phrase("Memory"),
                drawn(seen, words),
                tables(seen, words, STACKS),
                hidden_note(seen, words),
            ),
            _section(seen, words, "built", phrase("What is built"), placed(seen, words), tables(seen, words, BUILT)),
            _section(
                seen, words, "worth", phrase("What more of it is worth"), tables(seen, words, SUPPLY_WORTH), lead=WORTH
            ),
            _section(
                seen, words, "inputs", phrase("Inputs"), inputs(seen, words, ("supplies", "packaging", "accelerators"))
            ),
        ],
        words("Supply"),
    )


def sites(seen: Seen, words: Words) -> Report:
    """Power: in use and energised, energy, carbon and water, and the sites' inputs."""
    return report_of(
        seen,
        words,
        "sites",
        [
            _section(
                seen,
                words,
                "power",
                phrase("Power"),
                used(seen, words),
                tables(seen, words, POWER),
                hidden_note(seen, words),
            ),
            _section(
                seen, words, "worth", phrase("What more of it is worth"), tables(seen, words, SITE_WORTH), lead=WORTH
            ),
            _section(seen, words, "inputs", phrase("Inputs"), inputs(seen, words, ("sites",))),
        ],
        words("Sites"),
    )


def _section(seen: Seen, words: Words, id_: str, title: str, *blocks: tuple[Block, ...], lead: str = "") -> Section:
    """A section of blocks, or one that says that there is nothing."""
    every = tuple(block for group in blocks for block in group)
    return Section(id_, words(title), words(lead) if lead else "", every or _unseen(seen, words))


def services(seen: Seen, words: Words) -> Report:
    """Demand: asked for and served, by service, and the services' inputs."""
    sections = [
        _section(
            seen,
            words,
            "served",
            phrase("Demand and service"),
            served(seen, words),
            tables(seen, words, SERVED),
            hidden_note(seen, words),
        ),
        _section(seen, words, "why", phrase("What limits each year"), _limits(seen, words)),
        _section(seen, words, "inputs", phrase("Inputs"), inputs(seen, words, ("services", "money"))),
    ]
    return report_of(seen, words, "services", sections, words("Services"))


def _limits(seen: Seen, words: Words) -> tuple[Block, ...]:
    """Why demand is left, year by year; the names of the limits alone for who may not see all that the reasons name."""
    year = Column(words("Year"))
    why = [(r.title, r.said.get(words.code, r.text)) for r in seen.results("limits", "year.why.")]
    if why:
        return (Table(words("Why demand is left"), (year, Column(words("Why"))), tuple(why)),)
    binds = [(r.title, cause(r.text, words)) for r in seen.results("limits", "year.binds.")]
    return (Table(words("What limits each year"), (year, Column(words("Limit"))), tuple(binds)),) if binds else ()


def inputs(seen: Seen, words: Words, sections: Sequence[str]) -> tuple[Block, ...]:
    """The scenario's numbers that may be seen: value, range, grade and sources; or the range alone."""
    rows = [_input(i, seen, words) for i in seen.inputs if i.item.partition(".")[0] in sections]
    if not rows:
        return ()
    heads = (
        phrase("Input"),
        phrase("Value"),
        phrase("Range"),
        phrase("Unit"),
        phrase("Confidence"),
        phrase("Source"),
    )
    columns = (*(Column(words(head)) for head in heads), Column(words("Key in the scenario"), aside=True))
    return (Table(words("Inputs of the plan"), columns, tuple(rows), folded=True),)


def _input(shown: Input, seen: Seen, words: Words) -> tuple[Cell, ...]:
    low, high = shown.low, shown.high
    between = f"{words.number(low, 4)} – {words.number(high, 4)}" if low is not None and high is not None else "–"
    name = label(shown.path) or shown.path
    if shown.item in seen.items and "." in shown.item:
        name = phrase("{item}: {what}", item=seen.items[shown.item], what=name)
    if shown.fact is None:
        return (words(name), words("not shown"), between, shown.unit, "", None, shown.path)
    value = shown.fact.value
    if isinstance(value, tuple):
        said = f"{words.number(min(value), 4)} … {words.number(max(value), 4)}"
    else:
        said = "–" if value is None else words.number(value, 4)
    sources: tuple[Source, ...] | None = shown.fact.sources or None
    return (words(name), said, between, shown.unit, words(shown.grade), sources, shown.path)
