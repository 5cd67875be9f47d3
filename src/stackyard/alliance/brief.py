"""The joint plan as one viewer may see it, page by page: each is a Report, so each has tables, figures and exports."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from stackyard.alliance.access import Input, Seen
from stackyard.alliance.minutes import cause, open_promises, plan_changes, slipping, slips
from stackyard.alliance.result import FIGURES, Result
from stackyard.alliance.words import Words
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
)
from stackyard.report.document import Lines as LineFigure
from stackyard.report.scale import Scale, scale
from stackyard.source import Grade, Source

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
    made = (("Ledger", f"{seen.state.seq} {seen.state.head[:12]}"),)
    return Report(title, subtitle, "", (*sections, *sure), cited, made, language=words.code)


def _grade(seen: Seen) -> Grade | None:
    grades = [i.fact.grade for i in seen.inputs if i.fact is not None]
    return max(grades) if grades else None


def hidden_note(seen: Seen, words: Words) -> tuple[Block, ...]:
    """Says that something was left out, where it was."""
    if seen.whole or not seen.hidden:
        return ()
    told = words("{n} items and results of others are not shown to you: see who may see what.", n=seen.hidden)
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
    lead = "" if not binds else "; ".join(f"{r.title}: {cause(r.text, words)}" for r in binds) + "."
    sections = [Section("now", words("In one minute"), lead, tuple(blocks) or _none(words))]
    demand = stacked(
        seen,
        words,
        "services",
        "served.",
        ("demand.total",),
        "demand",
        words("Tokens served, under what is asked for"),
        grade,
    )
    sections.append(Section("demand", words("Demand and service"), "", demand or _none(words)))
    power = stacked(
        seen,
        words,
        "sites",
        "used.",
        ("energised.total",),
        "power",
        words("Site power in use, under what is energised"),
        grade,
    )
    memory = stacked(
        seen,
        words,
        "supply",
        "drawn.",
        ("delivered.total",),
        "stacks",
        words("HBM stacks drawn, under what is delivered"),
        grade,
    )
    sections.append(Section("supply", words("Memory"), "", memory or _none(words)))
    sections.append(Section("power", words("Power"), "", power or _none(words)))
    money = yearly(seen, words, "money", "spending.", words("Spending by year"), grade)
    sections.append(Section("money", words("Money"), "", money or _none(words)))
    changed = plan_changes(seen, words, before or {}, changes)
    sections.append(Section("changed", words("Since the last meeting"), "", changed or _none(words)))
    slipped = slips(slipping(seen, today), seen, words)
    sections.append(Section("slips", words("Slipping deliveries"), "", slipped or _none(words)))
    sections.append(Section("open", words("Open promises"), "", open_promises(seen, words) or _none(words)))
    return report_of(seen, words, "overview", sections, words("The alliance's plan"))


def _none(words: Words) -> tuple[Block, ...]:
    return (Paragraph(words("Nothing on record.")),)


def _key(seen: Seen, words: Words, grade: Grade | None) -> tuple[Block, ...]:
    wanted = ("served_end", "served_share", "accelerators_end", "power_end", "stacks_drawn", "spending")
    beside = {"served_end": "asked_end", "power_end": "energised_end", "stacks_drawn": "stacks_delivered"}
    items = []
    for key in wanted:
        if key not in seen.figures:
            continue
        name, unit = FIGURES[key]
        number, _, rest = (
            words.amount(seen.figures[key], unit).partition(" ")
            if unit != "USD"
            else (
                words.amount(seen.figures[key], unit),
                "",
                "",
            )
        )
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
    lines: bool = False,
) -> tuple[Block, ...]:
    """A stacked area of the rows that may be seen, with totals as dashed lines; lines where they do not add up."""
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
    form = LineFigure if lines else StackedArea
    names = ", ".join(series.name for series in drawn)
    alt = f"{title}, {seen.picture.months[0]} – {seen.picture.months[-1]}: {names}."
    axis = words((rows or total or over)[0].title.partition(": ")[0])
    data = form(seen.picture.months, drawn, dashed, axis, unit.unit, steps=prefix == "drawn.")
    return (Figure(id_, title, data, alt, grade=grade),)


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
    return result.title.partition(": ")[2] or result.title


def supply(seen: Seen, words: Words) -> Report:
    """Memory: drawn and delivered, what is built with it, what limits are worth, and inputs with their sources."""
    grade = _grade(seen)
    blocks = [
        *stacked(
            seen,
            words,
            "supply",
            "drawn.",
            ("delivered.total",),
            "drawn",
            words("HBM stacks drawn, under what is delivered"),
            grade,
        ),
        *yearly(seen, words, "supply", "delivered.", words("HBM stacks delivered by year"), grade),
        *yearly(seen, words, "supply", "drawn.", words("HBM stacks drawn by year"), grade),
        *yearly(seen, words, "supply", "stock.", words("HBM stacks in stock at the end of the year"), grade, last=True),
    ]
    built = [
        *stacked(seen, words, "supply", "installed.", (), "installed", words("Accelerators in place"), grade),
        *yearly(
            seen, words, "supply", "installed.", words("Accelerators in place at the end of the year"), grade, last=True
        ),
    ]
    worth = [
        *yearly(
            seen, words, "prices", "worth.hbm.", words("What each supply's deliveries are worth by their price"), grade
        ),
        *yearly(seen, words, "prices", "worth.packaging.", words("What packaging is worth by its price"), grade),
    ]
    sections = [
        Section("stacks", words("Memory"), "", tuple(blocks) + hidden_note(seen, words) or _none(words)),
        Section("built", words("What is built"), "", tuple(built) or _none(words)),
        Section("worth", words("What more of it is worth"), _WORTH(words), tuple(worth) or _none(words)),
        Section(
            "inputs",
            words("Inputs"),
            "",
            inputs(seen, words, ("supplies", "packaging", "accelerators")) or _none(words),
        ),
    ]
    return report_of(seen, words, "supply", sections, words("Supply"))


def _WORTH(words: Words) -> str:  # noqa: N802
    return words("Price times amount: how much of the plan's cost hangs on a limit. Shown to who may see the limit.")


def sites(seen: Seen, words: Words) -> Report:
    """Power: in use and energised, energy, carbon and water, and the sites' inputs."""
    grade = _grade(seen)
    blocks = [
        *stacked(
            seen,
            words,
            "sites",
            "used.",
            ("energised.total",),
            "used",
            words("Site power in use, under what is energised"),
            grade,
        ),
        *yearly(seen, words, "sites", "energised.", words("Power energised at the end of the year"), grade, last=True),
        *yearly(seen, words, "sites", "used.", words("Power in use at the end of the year"), grade, last=True),
        *yearly(seen, words, "sites", "placed.", words("Accelerators at the end of the year"), grade, last=True),
        *yearly(seen, words, "sites", "energy.", words("Energy by year"), grade),
        *yearly(seen, words, "sites", "carbon.", words("CO2e by year"), grade),
        *yearly(seen, words, "sites", "water.", words("Water by year"), grade),
    ]
    worth = yearly(seen, words, "prices", "worth.power.", words("What each site's power is worth by its price"), grade)
    sections = [
        Section("power", words("Power"), "", tuple(blocks) + hidden_note(seen, words) or _none(words)),
        Section("worth", words("What more of it is worth"), _WORTH(words), worth or _none(words)),
        Section("inputs", words("Inputs"), "", inputs(seen, words, ("sites",)) or _none(words)),
    ]
    return report_of(seen, words, "sites", sections, words("Sites"))


def services(seen: Seen, words: Words) -> Report:
    """Demand: asked for and served, by service, and the services' inputs."""
    grade = _grade(seen)
    blocks = [
        *stacked(
            seen,
            words,
            "services",
            "served.",
            ("demand.total",),
            "served",
            words("Tokens served, under what is asked for"),
            grade,
        ),
        *yearly(seen, words, "services", "demand.", words("Asked for, in December"), grade, last=True),
        *yearly(seen, words, "services", "served.", words("Served, in December"), grade, last=True),
    ]
    why = [(r.title, r.text) for r in seen.results("limits", "year.why.")]
    told = (
        Table(words("Why demand is left"), (Column(words("Year")), Column(words("Why"))), tuple(why)) if why else None
    )
    sections = [
        Section("served", words("Demand and service"), "", tuple(blocks) + hidden_note(seen, words) or _none(words)),
        Section("why", words("What limits each year"), "", (told,) if told else _none(words)),
        Section("inputs", words("Inputs"), "", inputs(seen, words, ("services", "money")) or _none(words)),
    ]
    return report_of(seen, words, "services", sections, words("Services"))


def inputs(seen: Seen, words: Words, sections: Sequence[str]) -> tuple[Block, ...]:
    """The scenario's numbers that may be seen: value, range, grade and sources; or the range alone."""
    rows = [_input(i, words) for i in seen.inputs if i.item.partition(".")[0] in sections]
    if not rows:
        return ()
    columns = tuple(Column(words(n)) for n in ("Input", "Value", "Range", "Unit", "Confidence", "Source"))
    return (Table(words("Inputs of the plan"), columns, tuple(rows), folded=True),)


def _input(shown: Input, words: Words) -> tuple[Cell, ...]:
    low, high = shown.low, shown.high
    between = f"{words.number(low, 4)} – {words.number(high, 4)}" if low is not None and high is not None else "–"
    if shown.fact is None:
        return (shown.path, words("not shown"), between, shown.unit, "", None)
    value = shown.fact.value
    if isinstance(value, tuple):
        said = f"{words.number(min(value), 4)} … {words.number(max(value), 4)}"
    else:
        said = "–" if value is None else words.number(value, 4)
    sources: tuple[Source, ...] | None = shown.fact.sources or None
    return (shown.path, said, between, shown.unit, words(shown.grade), sources)
