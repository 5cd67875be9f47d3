"""What limits the plan: the answer of the first minute, and the section of what binds when."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stackyard.plan.causes import NOTHING, SERVED, SEVERAL
from stackyard.plan.explain import NAMES, TOLD, Binding, Explanation, within
from stackyard.plan.limits import RESOURCES
from stackyard.plan.marginal import MORE
from stackyard.plan.relief import STEP, Worth, worth_of
from stackyard.quantity import MEGA
from stackyard.report.cells import MARK, listed
from stackyard.report.document import Block, Cell, Column, Figure, Note, Points, Section, Strip, Table
from stackyard.report.scale import decimals, say, scale, share
from stackyard.report.view import NOTICEABLE, View, spans

# One more of a limit, in the amount that people trade in: (words, units of the Problem in it).
_ONE = {
    "stack": ("stack", 1.0),
    "wafer": ("wafer", 1.0),
    "package": ("accelerator", 1.0),
    "W": ("MW", MEGA),
    "USD": ("dollar", 1.0),
}


def answer(years: Sequence[Binding]) -> str:
    """'HBM limits the plan most in 2026 (32% of demand is left unserved); power in 2029-2030 (4 to 9%); in 2027-2028
    all demand is served': the greatest cause of each year's shortage, and the second where it is great."""
    when: dict[str, list[Binding]] = {}
    for binding in years:
        when.setdefault(_named(binding), []).append(binding)
    served = when.pop(NAMES[SERVED], [])
    if not when:
        return f"{_served(served)} in every year"
    told = []
    for i, (name, at) in enumerate(when.items()):
        many = " together" in name or (" and " in name and not name.endswith(","))
        verb = "" if i else "limit the plan most " if many else "limits the plan most "
        told.append(f"{within(name) if i else name} {verb}in {spans([year.year for year in at])} ({_left(at, i == 0)})")
    free = spans([binding.year for binding in served])
    return "; ".join(told) + (f"; in {free} {within(_served(served))}" if served else "")


def _named(binding: Binding) -> str:
    """'Power', 'HBM and lead time', 'Power, alone and with HBM,', 'Cost of serving, then HBM and power together': the
    main causes of a year."""
    first, *second = map(binding.name, binding.main)
    if not second:
        return first
    if SEVERAL not in binding.main:
        return f"{first} and {within(second[0])}"
    alone = next(key for key in binding.main if key != SEVERAL)
    others = [within(NAMES[key]) for key in binding.together if key != alone][:2]
    if alone in binding.together and others:
        return f"{binding.name(alone)}, alone and with {listed(others)},"
    return f"{first}, then {within(second[0])}"


def _served(years: Sequence[Binding]) -> str:
    least = 1 - max(binding.left for binding in years)
    return NAMES[SERVED] if least > 1 - 1e-6 else f"Over {100 * least - 0.05:.1f}% of demand is served"


def _left(years: Sequence[Binding], first: bool) -> str:
    """'4 to 9% of demand is left unserved'."""
    parts = sorted(share(binding.left) for binding in (min(years, key=_size), max(years, key=_size)))
    said = parts[0] if parts[0] == parts[-1] else f"{parts[0].removesuffix('%')} to {parts[-1]}"
    return f"{said} of demand is left unserved" if first else said


def _size(binding: Binding) -> float:
    return binding.left


def by_year_table(view: View, explanation: Explanation) -> Table:
    """Year by year: what is left unserved, its main causes, and what one more of the first limit is worth."""
    rows: list[tuple[Cell, ...]] = []
    for binding in explanation.years:
        worth = worth_of(explanation.worths, binding.limit, binding.year)
        told = _one_more(view, worth) if worth is not None else (None, None, None)
        parts = [
            f"{binding.name(key) if i == 0 else within(binding.name(key))} {share(binding.causes[key])}"
            for i, (key, part) in enumerate(binding.causes.items())
            if binding.resource != SERVED and (i == 0 or part >= TOLD)
        ]
        rows.append((str(binding.year), 100 * binding.left, "; ".join(parts) or NAMES[SERVED], *told))
    columns = (
        Column("Year"),
        Column("Left unserved", "%", 1),
        Column("because of (share of it)"),
        Column("One more saves", aside=True),
        Column("and serves more", aside=True),
        Column("in", aside=True),
    )
    solved = any(np.isfinite(worth.saved) for worth in explanation.worths)
    end = "USD of today, the price of unserved tokens included."
    how = (
        f"One more: from solving again with {STEP:.0%} more of the limit where it is short, divided by the step; {end}"
    )
    if not solved:
        how = f"One more: the price of the limit, an upper bound; {end}"
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
        blocks.append(worths(view, explanation.worths))
    if explanation.chains:
        blocks.append(_chains(view, explanation))
    if explanation.marginals:
        blocks.append(_marginals(view, explanation))
    if explanation.shortages:
        blocks.append(_shortages(view, explanation))
    blocks.append(Note(" ".join(note for note in explanation.notes if not note.startswith(MARK))))  # marks are shown
    return Section("binds", "What binds when", _lead(view, explanation), tuple(blocks))


def _chains(view: View, explanation: Explanation) -> Table:
    """For each year the chain from the service to the place that is short, and what its next amount is worth."""
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            str(found.year),
            f"{found.chain[:1].upper()}{found.chain[1:]}.",
            found.amount if found.resource == "money" else f"{found.amount} in {found.months}",
            say(found.saved, "USD"),
            say(found.tokens, "tokens/day") if found.tokens > NOTICEABLE * view.array("demand").max() else "none",
        )
        for found in explanation.chains
    )
    columns = tuple(map(Column, ("Year", "Why", "The next", "saves", "and serves more in the year")))
    note = "Solved again with this amount more; USD of today, the price of unserved tokens included."
    return Table("Why tokens are short, and what the next amount is worth", columns, rows, note, view.grade)


def _marginals(view: View, explanation: Explanation) -> Table:
    """What a million tokens more of each service cost, year by year."""
    years = sorted({found.year for found in explanation.marginals})
    cost = {(found.service, found.year): found for found in explanation.marginals}
    rows: list[tuple[Cell, ...]] = []
    for id_ in view.ids("service"):
        for what in ("solved", "price", "served"):
            known = [cost.get((id_, year)) for year in years]
            name = {"solved": "USD, solved again", "price": "USD, by its price", "served": "% of the step served"}[what]
            scaled = [getattr(each, what) * (100 if what == "served" else 1) if each else None for each in known]
            rows.append((f"{view.name(id_)}: {name}", *scaled))
    columns = (Column("One million tokens more"), *(Column(str(year), "", 3) for year in years))
    note = (
        f"Solved again with {MORE:.0%} more of the year's demand, USD of the year. What the step does not get served "
        "costs its price of being left: where nothing of it is served, that price is the marginal cost."
    )
    return Table("Marginal cost of a million tokens", columns, tuple(rows), note, view.grade, folded=True)


def _lead(view: View, explanation: Explanation) -> str:
    left = explanation.data["left"].sum("service").values
    keys = [str(key) for key in explanation.data["cause"].values]
    tokens = view.tokens(left).sum(axis=1)
    total = float(view.tokens(view.array("unserved").sum(axis=0)).sum())
    if tokens.sum() <= 0:
        return "All demand is served: no limit of memory, packaging, orders, power or money leaves any of it."
    order = [int(i) for i in np.argsort(-tokens) if tokens[i] >= 0.01 * tokens.sum()]
    told = [f"{within(NAMES[keys[i]])} ({share(float(tokens[i] / tokens.sum()))})" for i in order]
    return f"{say(total, 'tokens')} are left unserved in {view.span}: for {listed(told)}."


def _strip(view: View, explanation: Explanation) -> Figure:
    data = explanation.data
    asked = view.array("demand").sum(axis=0)
    parts = data["left"].sum("service").values / np.where(asked > 0, asked, 1.0)
    keys = [str(key) for key in data["cause"].values]
    kept = [i for i, row in enumerate(parts) if row.any()]
    rows = [NAMES[keys[i]] for i in kept] + [NAMES[SERVED]]
    text = [tuple(_told(keys[i], part) for part in parts[i].tolist()) for i in kept]
    binding = [str(key) for key in data["binds"].values]
    text.append(tuple(NOTHING[SERVED] if key == SERVED else f"{NAMES[key]}, see its row" for key in binding))
    places = {keys[i]: row for row, i in enumerate(kept)}
    top = max(float(parts.sum(axis=0).max()), 1e-9)
    strip = Strip(
        view.months,
        tuple(rows),
        (*(tuple((parts[i] / top).tolist()) for i in kept), (0.0,) * len(view.months)),
        tuple(text),
        "share of demand left unserved",
        tuple(places.get(key, len(kept)) for key in binding),
    )
    return Figure(
        "binds",
        "How much demand each limit leaves unserved, month by month",
        strip,
        f"Strip of months {view.span} by cause, darker where more of the demand is left for it: "
        f"{_lead(view, explanation)}",
        f"Darkest: {share(top)} of the month's demand. The dot marks the cause of most. A limit's row holds what would "
        f"be served in that month without it: with far more of it than any plan needs, in every month.",
        view.grade,
    )


def _told(key: str, part: float) -> str:
    words = NAMES[key] if key in RESOURCES else NOTHING[key]
    return f"{words}: {share(part)} of demand" if part > 0 else f"nothing left for {within(NAMES[key])}"


def worths(view: View, steps: Sequence[Worth]) -> Table:
    """What a step of each limit in each year saves, and serves more."""
    rows: list[tuple[Cell, ...]] = []
    for worth in steps:
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
            NAMES[short.cause] if short.cause != SERVED else "–",
        )
        for short in sorted(explanation.shortages, key=lambda short: short.year)
    )
    columns = (
        Column("Year"),
        Column("Service"),
        Column("Left unserved", unit.unit, decimals([short.unserved / unit.factor for short in explanation.shortages])),
        Column("of its demand", "%"),
        Column("Price put on it", cost.unit, decimals([short.cost / cost.factor for short in explanation.shortages])),
        Column("Main cause"),
    )
    return Table("Which service goes short", columns, rows, "", view.grade, len(rows) > 10)
