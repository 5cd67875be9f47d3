"""What limits the plan: the answer of the first minute, and the section of what binds when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from stackyard.plan.explain import NOTHING, RESOURCES, STEP, Binding, Explanation, Worth
from stackyard.quantity import DAY, MEGA
from stackyard.report.cells import MARK
from stackyard.report.document import Block, Cell, Column, Figure, Note, Points, Section, Strip, Table
from stackyard.report.scale import decimals, say, scale, share
from stackyard.report.view import NOTICEABLE, View, listed, spans

_NO_LIMIT = "No limit"
_FREE = {
    "demand": "no limit binds",
    "lead time": "nothing that is ordered can have arrived",
    "horizon": "what is started arrives after the horizon",
    "cost": "serving more would not pay",
}
# One more of a limit, in the amount that people trade in: (words, units of the Problem in it).
_ONE = {
    "stack": ("stack", 1.0),
    "wafer": ("wafer", 1.0),
    "package": ("accelerator", 1.0),
    "W": ("MW", MEGA),
    "USD": ("dollar", 1.0),
}


def name(resource: str) -> str:
    """What a reader calls a resource, or the reason why none limits."""
    return RESOURCES[resource].name if resource in RESOURCES else f"{_NO_LIMIT}: {NOTHING[resource]}"


def answer(years: Sequence[Binding]) -> str:
    """'HBM limits the plan in 2026 and 2028, power in 2029–2030; in 2027 no limit binds': each limit with its years."""
    when: dict[str, list[int]] = {}
    for binding in years:
        when.setdefault(binding.resource, []).append(binding.year)
    limited = [(RESOURCES[key].name, at) for key, at in when.items() if key in RESOURCES]
    free = [f"in {spans(at)} {_FREE.get(key, NOTHING[key])}" for key, at in when.items() if key in NOTHING]
    if not limited:
        return "No limit binds in any year" + (f": {listed(free)}" if set(when) != {"demand"} else "")
    told = [f"{_within(word, i)} {'limits the plan ' * (i == 0)}in {spans(at)}" for i, (word, at) in enumerate(limited)]
    clear = len(told) == 1 or not any(" and " in text for text in told)
    joined = listed(told) if clear else f"{', '.join(told[:-1])}, and {told[-1]}"
    return joined + (f"; {listed(free)}" if free else "")


def _within(word: str, position: int) -> str:
    """A name as it stands inside a sentence; acronyms stay."""
    return word if position == 0 or word.isupper() else word[0].lower() + word[1:]


def by_year_table(view: View, explanation: Explanation) -> Table:
    """Year by year: the limit, what one more of it is worth, and the tokens left unserved."""
    worths = {(worth.resource, worth.year): worth for worth in explanation.worths}
    unserved = view.yearly(view.tokens(view.array("unserved").sum(axis=0))) / view.yearly(view.seconds / DAY)
    unit = scale(unserved, "tokens/day")
    rows: list[tuple[Cell, ...]] = []
    for binding, left in zip(explanation.years, unserved, strict=True):
        worth = worths.get((binding.resource, binding.year))
        told = _one_more(view, worth) if worth is not None else (None, None, None)
        part = 100 * binding.share if binding.resource in RESOURCES else None
        mostly = binding.resource in NOTHING and binding.share < 1
        limit = f"{_NO_LIMIT} in most months" if mostly else name(binding.resource)
        rows.append((str(binding.year), limit, part, *told, left / unit.factor))
    columns = (
        Column("Year"),
        Column("What limits"),
        Column("Share of worth", "%", aside=True),
        Column("One more saves", aside=True),
        Column("and serves more", aside=True),
        Column("in", aside=True),
        Column("Left unserved", unit.unit, decimals(unit.of(unserved))),
    )
    solved = any(np.isfinite(worth.saved) for worth in explanation.worths)
    end = "USD of today, the price of unserved tokens included."
    how = f"From solving again with {STEP:.0%} more of the limit in that year, divided by the step; {end}"
    if not solved:
        how = f"Price of the limit, an upper bound; {end}"
    return Table("What limits the plan, year by year", columns, tuple(rows), how, view.grade)


def _one_more(view: View, worth: Worth) -> tuple[str, str | None, str | None]:
    """('USD 1,240 a stack', '2.1 M tokens/day', '2028'); None where no step was solved for."""
    word, size = _ONE[worth.unit]
    each = f"{'an' if word[0] == 'a' else 'a'} {word}"
    saved = worth.saved if np.isfinite(worth.saved) else worth.predicted
    gain = f"{say(saved / worth.step * size, 'USD')} {each}"
    if not np.isfinite(worth.tokens):
        return gain, None, None
    if worth.tokens <= NOTICEABLE * view.array("demand").max():
        return gain, "none", None
    more = worth.tokens / worth.step * size
    return gain, say(more, "tokens/day"), str(worth.tokens_year)


def reasons(explanation: Explanation) -> Points:
    """Why, in a few sentences for each year."""
    told = ((str(binding.year), binding.sentence.removeprefix(f"{binding.year}: ")) for binding in explanation.years)
    return Points(tuple((year, text[:1].upper() + text[1:]) for year, text in told))


def binds(view: View, explanation: Explanation) -> Section:
    """The strip of what binds when, what steps are worth, and which service goes short."""
    blocks: list[Block] = [_strip(view, explanation)]
    if explanation.worths:
        blocks.append(_worths(view, explanation.worths))
    if explanation.shortages:
        blocks.append(_shortages(view, explanation))
    blocks.append(Note(" ".join(note for note in explanation.notes if not note.startswith(MARK))))  # marks are shown
    return Section("binds", "What binds when", _lead(view, explanation), tuple(blocks))


def _lead(view: View, explanation: Explanation) -> str:
    months = Counter(str(key) for key in explanation.data["binds"].values)
    total = len(view.months)
    limits = [(key, count) for key, count in months.most_common() if key in RESOURCES]
    free = total - sum(count for _, count in limits)
    if not limits:
        return "No limit of memory, packaging, orders, power or money binds in any month."
    (first, count), *others = limits
    told = [f"{_within(RESOURCES[first].name, 1)} in {count} of {total} months"]
    told += [f"{_within(RESOURCES[key].name, 1)} in {count}" for key, count in others]
    ending = f"; in {free} no limit binds" if free else ""
    return f"The limit most worth lifting is {listed(told)}{ending}."


def _strip(view: View, explanation: Explanation) -> Figure:
    data = explanation.data
    parts, rents = data["share"].values, data["rent"].values
    keys = [str(key) for key in data["resource"].values]
    kept = [i for i, row in enumerate(parts) if row.any()]
    binding = [str(key) for key in data["binds"].values]
    rows = [RESOURCES[keys[i]].name for i in kept] + [_NO_LIMIT]
    text = [_told(rows[row], parts[i].tolist(), rents[i].tolist()) for row, i in enumerate(kept)]
    text.append(tuple(NOTHING.get(key, f"{name(key)} limits") for key in binding))
    places = {keys[i]: row for row, i in enumerate(kept)}
    strip = Strip(
        view.months,
        tuple(rows),
        (*(tuple(parts[i].tolist()) for i in kept), (0.0,) * len(view.months)),
        tuple(text),
        "share of the worth of all limits",
        tuple(places.get(key, len(kept)) for key in binding),
    )
    return Figure(
        "binds",
        "Which limit the plan would pay most to lift, month by month",
        strip,
        f"Strip of months {view.span} by limit, darker where it carries more of the worth of all limits: "
        f"{_lead(view, explanation)}",
        "Worth = price of the limit (its shadow price) × what there is of it. The dot marks the greatest of the month.",
        view.grade,
    )


def _told(limit: str, parts: Sequence[float], rents: Sequence[float]) -> tuple[str, ...]:
    return tuple(
        f"{limit}: {share(part)} of the worth of all limits, {say(rent, 'USD')}"
        for part, rent in zip(parts, rents, strict=True)
    )


def _worths(view: View, worths: Sequence[Worth]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for worth in worths:
        if worth.predicted <= 0:
            continue
        step = say(worth.step, worth.unit if worth.unit in ("USD", "W") else f"{_ONE[worth.unit][0]}s")
        rows.append((str(worth.year), RESOURCES[worth.resource].name, step, *_one_more(view, worth)))
    rows.sort(key=lambda row: str(row[0]))
    heads = ("Year", "Limit", f"{STEP:.0%} more", "Each one more saves", "and serves more", "in")
    title = f"What {STEP:.0%} more of each limit is worth"
    return Table(title, tuple(map(Column, heads)), tuple(rows), "", view.grade, folded=True)


def _shortages(view: View, explanation: Explanation) -> Table:
    unit = scale([short.unserved for short in explanation.shortages], "tokens/day")
    cost = scale([short.cost for short in explanation.shortages], "USD")
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            str(short.year),
            view.name(short.service),
            short.unserved / unit.factor,
            100 * short.share,
            short.cost / cost.factor,
            f"{RESOURCES[short.relief].name} in {short.relief_year}" if short.relief else "–",
        )
        for short in sorted(explanation.shortages, key=lambda short: short.year)
    )
    columns = (
        Column("Year"),
        Column("Service"),
        Column("Left unserved", unit.unit, decimals([short.unserved / unit.factor for short in explanation.shortages])),
        Column("of its demand", "%"),
        Column("Price put on it", cost.unit, decimals([short.cost / cost.factor for short in explanation.shortages])),
        Column("What relieves it most"),
    )
    return Table("Which service goes short", columns, rows, "", view.grade, len(rows) > 10)
