"""What limits the plan: the answer of the first minute, and the section of what binds when."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stackyard.plan.binding import NAMES, TOLD, Binding
from stackyard.plan.causes import EITHER, NOTHING, SERVED, SEVERAL
from stackyard.plan.explain import Explanation
from stackyard.plan.limits import RESOURCES
from stackyard.plan.marginal import MORE, Marginal
from stackyard.plan.relief import STEP, Worth, worth_of
from stackyard.quantity import MEGA
from stackyard.report.cells import MARK
from stackyard.report.document import Block, Cell, Column, Figure, Note, Points, Section, Strip, Table
from stackyard.report.scale import decimals, say, scale, share
from stackyard.report.view import NOTICEABLE, View, spans
from stackyard.words import capital, joined, listed, number, phrase, within
from stackyard.words import share as per_cent

# One more of a limit, in the amount that people trade in: what its worth is called, and units of the Problem in it.
_ONE = {
    "stack": (phrase("{money} a stack"), 1.0),
    "wafer": (phrase("{money} a wafer"), 1.0),
    "package": (phrase("{money} an accelerator"), 1.0),
    "W": (phrase("{money} a MW"), MEGA),
    "USD": (phrase("{money} a dollar"), 1.0),
}
_COUNTED = {"stack": "stacks", "wafer": "wafers", "package": "accelerators"}


def answer(years: Sequence[Binding]) -> str:
    """'HBM limits the plan most in 2026 (32% of demand is left unserved); power in 2029-2030 (4 to 9%); in 2027-2028
    all demand is served': the greatest cause of each year's shortage, and the second where it is great.

    >>> from stackyard import api
    >>> made = api.plan("first-plan", steps=False)
    >>> str(answer(made.explanation.years[1:]))[:21]
    'Power limits the plan'
    """
    when: dict[str, list[Binding]] = {}
    for binding in years:
        when.setdefault(_named(binding), []).append(binding)
    served = when.pop(NAMES[SERVED], [])
    if not when:
        least = _least(served)
        if least is None:
            return phrase("All demand is served in every year")
        return phrase("Over {part} of demand is served in every year", part=least)
    told = []
    for i, (name, at) in enumerate(when.items()):
        many = name == NAMES[SEVERAL] or " together" in name or (" and " in name and not name.endswith(","))
        said = {"cause": within(name) if i else name, "years": spans([year.year for year in at]), "part": _left(at)}
        if i:
            told.append(phrase("{cause} in {years} ({part})", **said))
        elif many:
            told.append(phrase("{cause} limit the plan most in {years} ({part} of demand is left unserved)", **said))
        else:
            told.append(phrase("{cause} limits the plan most in {years} ({part} of demand is left unserved)", **said))
    if served:
        free, least = spans([binding.year for binding in served]), _least(served)
        told.append(
            phrase("in {years} all demand is served", years=free)
            if least is None
            else phrase("in {years} over {part} of demand is served", years=free, part=least)
        )
    return joined("; ", told)


def _named(binding: Binding) -> str:
    """'Power', 'HBM and lead time', 'Power, alone and with HBM,', 'Cost of serving, then HBM and power together': the
    main causes of a year."""
    first, *second = map(binding.name, binding.main)
    if not second:
        return first
    if EITHER in binding.main:
        other = next(key for key in binding.main if key != EITHER)
        rest = [key for key in binding.either if key != other]
        if other in binding.either and rest:
            return phrase("{cause} (or, for a part, {other})", cause=binding.name(other), other=within(NAMES[rest[0]]))
        return phrase("{first}, then {second}", first=first, second=within(second[0]))
    if SEVERAL not in binding.main:
        return phrase("{first} and {last}", first=first, last=within(second[0]))
    alone = next(key for key in binding.main if key != SEVERAL)
    others = [within(NAMES[key]) for key in binding.together if key != alone][:2]
    if alone in binding.together and others:
        return phrase("{cause}, alone and with {others},", cause=binding.name(alone), others=listed(others))
    return phrase("{first}, then {second}", first=first, second=within(second[0]))


def _least(years: Sequence[Binding]) -> str | None:
    """What is served at least, in per cent, of years that count as served; None where it is all."""
    least = 1 - max(binding.left for binding in years)
    return None if least > 1 - 1e-6 else per_cent(f"{100 * least - 0.05:.1f}%")


def _left(years: Sequence[Binding]) -> str:
    """'4 to 9%'."""
    parts = sorted(share(binding.left) for binding in (min(years, key=_size), max(years, key=_size)))
    if parts[0] == parts[-1]:
        return parts[0]
    low = number(parts[0].removesuffix("%")) if parts[0][0].isdigit() else parts[0]
    return phrase("{low} to {high}", low=low, high=parts[-1])


def _size(binding: Binding) -> float:
    return binding.left


def by_year_table(view: View, explanation: Explanation) -> Table:
    """Year by year: what is left unserved, its main causes, and what one more of the first limit is worth."""
    rows: list[tuple[Cell, ...]] = []
    for binding in explanation.years:
        worth = worth_of(explanation.worths, binding.limit, binding.year)
        told = _one_more(view, worth) if worth is not None else (None, None, None)
        parts = [
            joined(" ", [binding.name(key) if i == 0 else within(binding.name(key)), share(binding.causes[key])])
            for i, (key, part) in enumerate(binding.causes.items())
            if binding.resource != SERVED and (i == 0 or part >= TOLD)
        ]
        rows.append((str(binding.year), 100 * binding.left, joined("; ", parts) or NAMES[SERVED], *told))
    columns = (
        Column(phrase("Year")),
        Column(phrase("Left unserved"), "%", 1),
        Column(phrase("because of (share of it)")),
        Column(phrase("One more saves"), aside=True),
        Column(phrase("and serves more"), aside=True),
        Column(phrase("in"), aside=True),
    )
    solved = any(np.isfinite(worth.saved) for worth in explanation.worths)
    how = phrase(
        "One more: from solving again with {step} more of the limit where it is short, divided by the step; USD of "
        "today, the price of unserved tokens included.",
        step=per_cent(f"{STEP:.0%}"),
    )
    if not solved:
        how = phrase(
            "One more: the price of the limit, an upper bound; USD of today, the price of unserved tokens included."
        )
    return Table(phrase("What limits the plan, year by year"), columns, tuple(rows), how, view.grade, note_aside=True)


def _one_more(view: View, worth: Worth) -> tuple[str, str | None, str | None]:
    """('USD 1,240 a stack', '2.1 M tokens/day', '2028'); None where no step was solved for."""
    each, size = _ONE[worth.unit]
    saved = worth.saved if np.isfinite(worth.saved) else worth.predicted
    gain = each.format(money=say(saved / worth.step * size, "USD"))
    if not np.isfinite(worth.tokens):
        return phrase("at most {gain}", gain=gain), None, None
    if worth.tokens <= NOTICEABLE * view.array("demand").max():
        return gain, phrase("none"), None
    more = worth.tokens / worth.step * size
    return gain, say(more, "tokens/day"), str(worth.tokens_year)


def reasons(explanation: Explanation) -> Points:
    """Why, in a few sentences for each year.

    >>> from stackyard import api
    >>> made = api.plan("first-plan", steps=False)
    >>> reasons(made.explanation).items[0][0]
    '2026'
    """
    return Points(tuple((str(binding.year), capital(binding.why)) for binding in explanation.years))


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
    blocks.append(
        Note(joined(" ", [note for note in explanation.notes if not note.startswith(MARK)]))
    )  # marks are shown
    return Section("binds", phrase("What binds when"), _lead(view, explanation), tuple(blocks))


def _chains(view: View, explanation: Explanation) -> Table:
    """For each year the chain from the service to the place that is short, and what its next amount is worth."""
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            str(found.year),
            joined("", [capital(found.chain), "."]),
            found.amount
            if found.resource == "money"
            else phrase("{amount} in {months}", amount=found.amount, months=found.months),
            say(found.saved, "USD"),
            say(found.tokens, "tokens/day")
            if found.tokens > NOTICEABLE * view.array("demand").max()
            else phrase("none"),
        )
        for found in explanation.chains
    )
    heads = (phrase("Year"), phrase("Why"), phrase("The next"), phrase("saves"), phrase("and serves more in the year"))
    columns = tuple(map(Column, heads))
    note = phrase("Solved again with this amount more; USD of today, the price of unserved tokens included.")
    return Table(phrase("Why tokens are short, and what the next amount is worth"), columns, rows, note, view.grade)


def _marginals(view: View, explanation: Explanation) -> Table:
    """What a million tokens more of each service cost, year by year."""
    years = sorted({found.year for found in explanation.marginals})
    cost = {(found.service, found.year): found for found in explanation.marginals}
    rows: list[tuple[Cell, ...]] = []
    names = {
        "solved": phrase("USD, solved again"),
        "price": phrase("USD, by its price"),
        "served": phrase("% of the step served"),
    }
    for id_ in view.ids("service"):
        for what in ("solved", "price", "served"):
            known = [cost.get((id_, year)) for year in years]
            scaled = [_known(each, what) for each in known]
            rows.append((joined(": ", [view.name(id_), names[what]]), *scaled))
    columns = (Column(phrase("One million tokens more")), *(Column(str(year), "", 3) for year in years))
    note = phrase(
        "Solved again with {step} more of the year's demand, USD of the year. What the step does not get served costs "
        "its price of being left: where nothing of it is served, that price is the marginal cost.",
        step=per_cent(f"{MORE:.0%}"),
    )
    return Table(phrase("Marginal cost of a million tokens"), columns, tuple(rows), note, view.grade, folded=True)


def _known(found: Marginal | None, what: str) -> float | None:
    """A figure of a marginal cost, shares in per cent; None where it was not solved for."""
    value = getattr(found, what) * (100 if what == "served" else 1) if found else np.nan
    return value if np.isfinite(value) else None


def _lead(view: View, explanation: Explanation) -> str:
    left = explanation.data["left"].sum("service").values
    keys = [str(key) for key in explanation.data["cause"].values]
    tokens = view.tokens(left).sum(axis=1)
    total = float(view.tokens(view.array("unserved").sum(axis=0)).sum())
    if tokens.sum() <= 0:
        return phrase("All demand is served: no limit of memory, packaging, orders, power or money leaves any of it.")
    order = [int(i) for i in np.argsort(-tokens) if tokens[i] >= 0.01 * tokens.sum()]
    told = [
        phrase("{cause} ({part})", cause=within(NAMES[keys[i]]), part=share(float(tokens[i] / tokens.sum())))
        for i in order
    ]
    return phrase(
        "{tokens} are left unserved in {years}: for {causes}.",
        tokens=say(total, "tokens"),
        years=view.span,
        causes=listed(told),
    )


def _strip(view: View, explanation: Explanation) -> Figure:
    data = explanation.data
    asked = view.array("demand").sum(axis=0)
    parts = data["left"].sum("service").values / np.where(asked > 0, asked, 1.0)
    keys = [str(key) for key in data["cause"].values]
    kept = [i for i, row in enumerate(parts) if row.any()]
    rows = [NAMES[keys[i]] for i in kept] + [NAMES[SERVED]]
    text = [tuple(_told(keys[i], part) for part in parts[i].tolist()) for i in kept]
    binding = [str(key) for key in data["binds"].values]
    text.append(
        tuple(NOTHING[SERVED] if key == SERVED else phrase("{cause}, see its row", cause=NAMES[key]) for key in binding)
    )
    places = {keys[i]: row for row, i in enumerate(kept)}
    top = max(float(parts.sum(axis=0).max()), 1e-9)
    strip = Strip(
        view.months,
        tuple(rows),
        (*(tuple((parts[i] / top).tolist()) for i in kept), (0.0,) * len(view.months)),
        tuple(text),
        phrase("share of demand left unserved"),
        tuple(places.get(key, len(kept)) for key in binding),
    )
    return Figure(
        "binds",
        phrase("How much demand each limit leaves unserved, month by month"),
        strip,
        phrase(
            "Strip of months {years} by cause, darker where more of the demand is left for it: {lead}",
            years=view.span,
            lead=_lead(view, explanation),
        ),
        phrase(
            "Darkest: {part} of the month's demand. The dot marks the cause of most. A limit's row holds what would be "
            "served in that month without it: with far more of it than any plan needs, in every month.",
            part=share(top),
        ),
        view.grade,
    )


def _told(key: str, part: float) -> str:
    if part <= 0:
        return phrase("nothing left for {cause}", cause=within(NAMES[key]))
    cause = NAMES[key] if key in RESOURCES else NOTHING[key]
    return phrase("{cause}: {part} of demand", cause=cause, part=share(part))


def worths(view: View, steps: Sequence[Worth]) -> Table:
    """What a step of each limit in each year saves, and serves more."""
    rows: list[tuple[Cell, ...]] = []
    for worth in steps:
        step = say(worth.step, _COUNTED.get(worth.unit, worth.unit))
        rows.append((str(worth.year), RESOURCES[worth.resource].name, step, *_one_more(view, worth)))
    rows.sort(key=lambda row: str(row[0]))
    each = per_cent(f"{STEP:.0%}")
    heads = (
        phrase("Year"),
        phrase("Limit"),
        phrase("{step} more", step=each),
        phrase("Each one more saves"),
        phrase("and serves more"),
        phrase("in"),
    )
    title = phrase("What {step} more of each limit is worth", step=each)
    note = phrase(
        "Of power at a site that has none yet in the months in which it is short: {step} of what it is to have.",
        step=each,
    )
    return Table(title, tuple(map(Column, heads)), tuple(rows), note, view.grade, folded=True)


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
        Column(phrase("Year")),
        Column(phrase("Service")),
        Column(
            phrase("Left unserved"),
            unit.unit,
            decimals([short.unserved / unit.factor for short in explanation.shortages]),
        ),
        Column(phrase("of its demand"), "%"),
        Column(
            phrase("Price put on it"),
            cost.unit,
            decimals([short.cost / cost.factor for short in explanation.shortages]),
        ),
        Column(phrase("Main cause")),
    )
    return Table(phrase("Which service goes short"), columns, rows, "", view.grade, len(rows) > 10)
