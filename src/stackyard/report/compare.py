"""Two plans compared, as a document: one table of who causes what, one waterfall, and what changed in words."""

from __future__ import annotations

from collections.abc import Mapping

from stackyard.plan.compare import Comparison
from stackyard.plan.headlines import Headline
from stackyard.report.document import Block, Cell, Column, Figure, Note, Report, Section, Table, Waterfall
from stackyard.report.scale import Scale, decimals, plain, say, scale
from stackyard.source import Source
from stackyard.words import capital, joined, listed, number, phrase
from stackyard.words import share as per_cent

# The figures of the lead and of the waterfalls: what it says where they rise, fall, and stay.
_TOLD = {
    "Net present cost": (
        phrase("net present cost rises by {amount} ({share})"),
        phrase("net present cost falls by {amount} ({share})"),
        phrase("net present cost stays the same"),
    ),
    "Tokens served": (
        phrase("tokens served rise by {amount} ({share})"),
        phrase("tokens served fall by {amount} ({share})"),
        phrase("tokens served stay the same"),
    ),
}
_SHOWN = tuple(_TOLD)
_STEPS = (*_SHOWN, "Spending", "HBM stacks drawn", "Accelerators in place at the end")


def document(
    found: Comparison, *, date: str = "", reproduce: str = "", digests: tuple[tuple[str, str], ...] = ()
) -> Report:
    """The report of a comparison."""
    title = phrase("{second}, against {first}", first=found.names[0], second=found.names[1])
    changed = [headline for headline in found.before if abs(_change(found, headline)) > 1e-9 * _size(found, headline)]
    blocks: tuple[Block, ...] = (
        _changes(found),
        steps(found),
        *(waterfall(found, headline) for headline in changed if headline.name in _SHOWN),
        Note(
            phrase(
                "Each share is the input's Shapley value: the mean, over all orders in which the inputs can change one "
                "after another, of what the figure changes by at its turn; {plans} plans were made. The shares of a "
                "figure add up to its change; the largest remainder is {remainder} of it (rounding of floats). "
                "Where plans cost the same, figures other than the cost may differ between them.",
                plans=found.plans,
                remainder=f"{_residual(found):.0e}",
            )
        ),
    )
    every = phrase("What each changed input does to every figure.")
    sections = (
        Section("compare", phrase("What changed, and why"), lead(found), blocks),
        Section(
            "limits", phrase("What limits each year"), phrase("Why demand is left, in either plan."), (_limits(found),)
        ),
        Section("figures", phrase("Every figure"), every, (table(found),)),
    )
    sources: tuple[Source, ...] = ()
    made = ((phrase("Reproduce"), reproduce), *digests) if reproduce else digests
    return Report(title, "", date, sections, sources, made)


def _changes(found: Comparison) -> Table:
    """What changed, in the words of the file."""
    rows: tuple[tuple[Cell, ...], ...] = tuple((each.label, each.name, each.told) for each in found.changes)
    heads = (phrase("Input"), phrase("Key"), phrase("Change"))
    return Table(phrase("What changed"), tuple(map(Column, heads)), rows)


def _where(found: Comparison) -> str:
    """The years in which something else limits the second plan, in a sentence."""
    years = [str(now.year) for was, now in zip(*found.limits, strict=True) if was.names != now.names]
    if not years:
        return phrase("The same limits hold in every year.")
    return phrase("Other limits hold in {years}.", years=listed(years))


def _limits(found: Comparison) -> Table:
    """What limits either plan, a row a year."""
    rows = tuple((str(was.year), capital(was.why), capital(now.why)) for was, now in zip(*found.limits, strict=True))
    heads = (phrase("Year"), *found.names)
    return Table(phrase("What limits each year"), tuple(map(Column, heads)), rows)


def _places(found: Comparison, headline: Headline, unit: Scale) -> int:
    """Decimals that show about three digits of the change."""
    change = abs(_change(found, headline)) / unit.factor
    return min(decimals([change]), 3) if change > 0 else 0


def lead(found: Comparison) -> str:
    """The change of the cost and of what is served, in a sentence."""
    told = []
    for headline in found.before:
        if headline.name in _SHOWN:
            change = _change(found, headline)
            rises, falls, same = _TOLD[headline.name]
            share = abs(change) / max(abs(found.before[headline]), 1e-30)
            said = rises if change > 0 else falls
            parts = {"amount": say(abs(change), headline.unit), "share": per_cent(f"{share:.1%}")}
            told.append(said.format(**parts) if share > 1e-9 else same)
    cost, tokens = told
    said = phrase("{cost} and {tokens}.", cost=capital(cost), tokens=tokens)
    return joined(" ", (said, _where(found)))


def steps(found: Comparison) -> Table:
    """From the first plan to the second, a row for each changed input: the figures that matter most."""
    shown = [headline for headline in found.before if headline.name in _STEPS]
    units = {headline: scale([found.before[headline], found.after[headline]], headline.unit) for headline in shown}
    places = {h: _places(found, h, units[h]) for h in shown}

    def total(values: Mapping[Headline, float]) -> list[Cell]:
        return [number(f"{values[h] / units[h].factor:,.{places[h]}f}") for h in shown]

    rows: list[tuple[Cell, ...]] = [(found.names[0], *total(found.before))]
    rows += [
        (change.label, *(_signed(change.shares[h] / units[h].factor, places[h]) for h in shown))
        for change in found.changes
    ]
    rows.append((found.names[1], *total(found.after)))
    heads = (Column(phrase("Plan and changed input")), *(Column(h.name, units[h].unit) for h in shown))
    return Table(phrase("From one plan to the other"), heads, tuple(rows))


def table(found: Comparison) -> Table:
    """A row for each figure: before, what each input adds, after."""
    rows: list[tuple[Cell, ...]] = []
    for headline in found.before:
        before, after = found.before[headline], found.after[headline]
        unit = scale([before, after], headline.unit)
        places = _places(found, headline, unit)
        cells = [number(f"{value / unit.factor:,.{places}f}") for value in (before, after)]
        parts = [_signed(change.shares[headline] / unit.factor, places) for change in found.changes]
        total = _signed((after - before) / unit.factor, places)
        figure = joined(" ", (headline.name, joined("", ("(", unit.unit, ")"))))
        rows.append((figure, cells[0], *parts, cells[1], total))
    changes = (change.label for change in found.changes)
    heads = (phrase("Figure"), found.names[0], *changes, found.names[1], phrase("Change"))
    return Table(phrase("What each changed input does"), tuple(map(Column, heads)), tuple(rows))


def _signed(value: float, places: int) -> str:
    text = f"{value:+,.{places}f}"
    return "0" if not text.strip("+-0.,") else number(text)


def waterfall(found: Comparison, headline: Headline) -> Figure:
    """The way from one plan's figure to the other's, an input at a time."""
    values = [found.before[headline], *(change.shares[headline] for change in found.changes), found.after[headline]]
    unit = scale([values[0], values[-1]], headline.unit)
    names = (found.names[0], *(change.label for change in found.changes), found.names[1])
    steps = tuple(unit.of(values))
    told = joined("; ", [joined(" ", (name, plain(value))) for name, value in zip(names, steps, strict=True)])
    return Figure(
        f"waterfall-{headline.name.lower().replace(' ', '-')}",
        phrase("{figure}: from one plan to the other", figure=headline.name),
        Waterfall(names, steps, headline.name, unit.unit, rise_is_good=headline.name == "Tokens served"),
        phrase("Waterfall, {figure} in {unit}: {steps}.", figure=headline.name, unit=unit.unit, steps=told),
    )


def _change(found: Comparison, headline: Headline) -> float:
    return found.after[headline] - found.before[headline]


def _size(found: Comparison, headline: Headline) -> float:
    return max(abs(found.before[headline]), abs(found.after[headline]), 1e-30)


def _residual(found: Comparison) -> float:
    return max(abs(found.residual(headline)) / _size(found, headline) for headline in found.before)
