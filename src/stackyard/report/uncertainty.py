"""The fan, what matters in it, and the robust first step, as documents."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

from stackyard.plan.binding import NAMES
from stackyard.plan.problem import Problem
from stackyard.plan.uncertainty.fan import BANDS, Fan
from stackyard.plan.uncertainty.outcome import Outcome, percentiles, shares_of
from stackyard.plan.uncertainty.robust import FirstStep, Robust
from stackyard.plan.uncertainty.sensitivity import Sensitivity, Swing
from stackyard.report.document import (
    Block,
    Cell,
    Column,
    Figure,
    KeyFigure,
    KeyFigures,
    Note,
    Report,
    Section,
    Series,
    Table,
    Tornado,
)
from stackyard.report.document import Fan as Band
from stackyard.report.scale import decimals, say, scale, share
from stackyard.words import joined, listed, month, number, phrase, within
from stackyard.words import share as per_cent

Rows = tuple[tuple[Cell, ...], ...]
AT = (5.0, 25.0, 50.0, 75.0, 95.0)
LEFT = 0.01  # of a year's demand


def fan_report(
    found: Fan,
    problem: Problem,
    sensitivities: Sequence[Sensitivity],
    swings: tuple[float, Sequence[Swing]],
    *,
    date: str = "",
    reproduce: str = "",
) -> Report:
    """The fan of a plan, what binds in it, and what matters."""
    planned = found.planned
    months = tuple(str(month) for month in problem.data["month"].values if str(month) <= problem.end)
    years = list(dict.fromkeys(month[:4] for month in months))
    blocks: tuple[Block, ...] = (
        _keys(planned),
        _band(
            "served", phrase("Tokens served"), "tokens/day", months, [each.served for each in planned], _asked(planned)
        ),
        _band(
            "watts", phrase("Site power in use at the day's peak"), "W", months, [each.watts for each in planned], ()
        ),
        _costs(planned, years),
        _binds(planned, years),
        *_causes(planned, years),
        _inputs(found),
        Note(_notes(found)),
    )
    sections = [Section("fan", phrase("The fan"), _lead(found), blocks)]
    if sensitivities:
        sections.append(matters(sensitivities, swings))
    made = ((phrase("Scenario"), found.scenario.digest), (phrase("Reproduce"), reproduce))
    return Report(phrase("{plan}: what is not known", plan=found.scenario.name), "", date, tuple(sections), (), made)


def _figures(planned: list[Outcome], name: str) -> np.ndarray:
    return np.array([(each.figures or {})[name] for each in planned])


def _lead(found: Fan) -> str:
    planned = found.planned
    cost, tokens = (_figures(planned, name) for name in ("Net present cost", "Tokens served"))
    ends = [np.percentile(values, (5, 95)) for values in (cost, tokens)]
    told = phrase(
        "In 90% of {count} plans the net present cost is {low} to {high}, and {least} to {most} are served.",
        count=number(f"{len(planned):,}"),
        low=say(float(ends[0][0]), "USD"),
        high=say(float(ends[0][1]), "USD"),
        least=say(float(ends[1][0]), "tokens"),
        most=say(float(ends[1][1]), "tokens"),
    )
    lost, count = len(found.outcomes) - len(planned), number(f"{len(found.outcomes):,}")
    return joined(
        " ", (told, phrase("{lost} of {count} samples have no plan.", lost=lost, count=count) if lost else "")
    )


def _keys(planned: list[Outcome]) -> KeyFigures:
    items = []
    names = phrase("Net present cost"), phrase("Tokens served"), phrase("Spending")
    for name, unit in zip(names, ("USD", "tokens", "USD"), strict=True):
        low, middle, high = np.percentile(_figures(planned, name), (5, 50, 95)).tolist()
        ends = phrase("90% of cases: {low} to {high}", low=say(low, unit), high=say(high, unit))
        items.append(KeyFigure(name, say(middle, unit), "", ends))
    return KeyFigures(tuple(items))


def _asked(planned: list[Outcome]) -> tuple[tuple[str, list[float]], ...]:
    return ((phrase("Asked for, median"), percentiles([each.asked for each in planned], (50.0,))[0].tolist()),)


def _band(
    id_: str,
    title: str,
    unit: str,
    months: tuple[str, ...],
    values: list[tuple[float, ...]],
    limits: Sequence[tuple[str, list[float]]],
) -> Figure:
    rows = percentiles(values, AT)
    chosen = scale(rows[-1], unit)
    level = dict(zip(AT, rows, strict=True))
    bands = tuple((name, chosen.of(level[low]), chosen.of(level[high])) for name, low, high in BANDS)
    dashed = tuple(Series(f"limit/{id_}", name, chosen.of(line)) for name, line in limits)
    data = Band(months, bands, chosen.of(level[50.0]), dashed, title, chosen.unit)
    told = phrase(
        "Fan, {title}, by month; in the last, 90% of cases lie in {low} to {high}.",
        title=within(title),
        low=chosen.text(level[5.0][-1]),
        high=chosen.text(level[95.0][-1]),
    )
    return Figure(f"fan-{id_}", title, data, told)


def _costs(planned: list[Outcome], years: list[str]) -> Table:
    rows = percentiles([each.spent for each in planned], AT)
    unit = scale(rows[-1], "USD")
    places = decimals(unit.of(rows[-1]))
    heads = (Column(phrase("Year")), *(Column(per_cent(f"{at:.0f}%"), unit.unit, places) for at in AT))
    table: Rows = tuple((year, *(float(row[y] / unit.factor) for row in rows)) for y, year in enumerate(years))
    return Table(phrase("Spending by year: percentiles over the samples"), heads, table)


def _binds(planned: list[Outcome], years: list[str]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for y, year in enumerate(years):
        parts = shares_of(planned, y).items()
        told = [joined(" ", (NAMES[name] if name else phrase("none"), share(part))) for name, part in parts]
        rows.append((year, joined("; ", told)))
    note = phrase(
        "The limit with the greatest rent (its price times what there is of it) in the year; share of the samples. The "
        "causes in the report of a plan are found by planning again without each limit, up to 13 plans for one: "
        "`--causes 16` does so for the first 16 samples."
    )
    title = phrase("What binds: the dearest limit, in how many of the samples")
    return Table(title, (Column(phrase("Year")), Column(phrase("Limit"))), tuple(rows), note)


def _causes(planned: list[Outcome], years: list[str]) -> list[Block]:
    """What each cause leaves unserved, percentiles over the samples that were asked."""
    asked = [each for each in planned if each.left]
    if not asked:
        return []
    rows: list[tuple[Cell, ...]] = []
    for y, year in enumerate(years):
        parts = {key: [each.left.get(key, [0.0] * len(years))[y] for each in asked] for key in NAMES}
        for key in sorted(parts, key=lambda key: -np.mean(parts[key])):
            if max(parts[key]) >= LEFT:
                main = np.mean([parts[key][i] == max(each[i] for each in parts.values()) for i in range(len(asked))])
                low, middle, high = np.percentile(parts[key], (10, 50, 90)).tolist()
                rows.append((year, NAMES[key], *(100 * part for part in (low, middle, high)), 100 * float(main)))
    heads = (*(per_cent(f"{at}%") for at in (10, 50, 90)), phrase("greatest in"))
    note = phrase(
        "Found by planning each of the first {count} samples again without each limit, as in a plan's report. "
        "The first points of a Sobol sequence are themselves spread over all inputs; with so few of them percentiles "
        "are coarse. A cause that leaves less than 1% of a year's demand in all of them is not told.",
        count=len(asked),
    )
    columns = (Column(phrase("Year")), Column(phrase("Cause")), *(Column(head, "%", 1) for head in heads))
    title = phrase("What leaves demand unserved: share of the year's, percentiles")
    return [Table(title, columns, tuple(rows), note)]


def _inputs(found: Fan) -> Table:
    rows: Rows = tuple(
        (name, *(float(f"{value:.4g}") for value in np.percentile(found.values[:, i], AT, method="inverted_cdf")))
        for i, name in enumerate(found.names)
    )
    heads = (Column(phrase("Input")), *(Column(per_cent(f"{at:.0f}%"), "", 3) for at in AT))
    title = phrase("What is not known: percentiles of the samples, in the unit of the file")
    return Table(title, heads, rows, folded=True)


def _notes(found: Fan) -> str:
    doubt = found.scenario.inputs.uncertainty
    assert doubt is not None
    return phrase(
        "{count} points of a scrambled Sobol sequence (seed {seed}), correlated by a Gaussian copula; each was planned "
        "anew from the basis of the first plan, with the choices of that plan as they are. A plan knows its sample "
        "from the first month on: the fan shows how far plans differ, not what one made today would meet.",
        count=number(f"{len(found.outcomes):,}"),
        seed=doubt.seed,
    )


def matters(found: Sequence[Sensitivity], swings: tuple[float, Sequence[Swing]]) -> Section:
    """Sobol indices with the error of their surrogate, and the tornado."""
    blocks: list[Block] = []
    middle, rows = swings
    if rows:
        unit = scale([middle], "USD")
        names = tuple((_swing(swing), swing.low / unit.factor, swing.high / unit.factor) for swing in rows)
        told = phrase(
            "Tornado of the net present cost around {middle}; the widest is that of {name}.",
            middle=unit.text(middle),
            name=rows[0].name,
        )
        data = Tornado(names, middle / unit.factor, phrase("Net present cost"), unit.unit)
        note = phrase(
            "Each input at 10% and at 90% of its distribution, the others at their middle; planned anew each time."
        )
        blocks.append(Figure("tornado", phrase("What moves the cost most"), data, told, note))
    for each in found:
        cells: tuple[tuple[Cell, ...], ...] = tuple(
            (row.name, 100 * row.first, 100 * row.first_error, 100 * row.total, 100 * row.total_error)
            for row in each.indices
        )
        heads = (
            Column(phrase("Input")),
            Column(phrase("Alone"), "%", 1),
            Column("±", "%", 1),
            Column(phrase("With all others"), "%", 1),
            Column("±", "%", 1),
        )
        note = phrase(
            "Sobol indices, in percent of the variance, on a surrogate of {samples} plans that misses {unexplained} of "
            "the variance of plans that it was not fitted to ({error}): what is below that is not known. Inputs that "
            "are correlated count together.",
            samples=number(f"{each.samples:,}"),
            unexplained=per_cent(f"{each.unexplained:.1%}"),
            error=say(each.error, "tokens" if each.figure.startswith("Tokens") else "USD"),
        )
        title = phrase("{figure}: what its variance comes from", figure=each.figure)
        blocks.append(Table(title, heads, cells, note))
    top = found[0].indices[0]
    lead = phrase(
        "{name} explains most of the variance of the {figure}: {part} with its interplay.",
        name=top.name,
        figure=within(found[0].figure),
        part=share(min(max(top.total, 0.0), 1.0)),
    )
    return Section("matters", phrase("What matters"), lead, tuple(blocks))


def _swing(swing: Swing) -> str:
    ends = number(f"{swing.low_value:.3g}"), number(f"{swing.high_value:.3g}")
    return phrase("{name}: {low} to {high}", name=swing.name, low=ends[0], high=ends[1])


def robust_report(found: Robust, problem: Problem, *, date: str = "", reproduce: str = "") -> Report:
    """The robust first step beside the others, and what it is worth."""
    names: dict[str, str] = json.loads(str(problem.data.attrs.get("labels", "{}")))
    costs = (
        (phrase("Careful: with the tail"), found.cost_careful),
        (phrase("Neutral: the mean of all branches"), found.cost_neutral),
        (phrase("For the mean future"), found.cost_mean_plan),
        (phrase("Knowing the branch beforehand"), found.cost_knowing),
    )
    unit = scale(found.cost_neutral / 50, "USD")  # the differences are small beside the costs
    finite = [values for _, values in costs if np.isfinite(values).all()]
    places = max(decimals(unit.of(np.concatenate(finite))), 1)
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            name,
            *(float(value / unit.factor) for value in values),
            found.mean(values) / unit.factor,
            found.tail_mean(values) / unit.factor,
        )
        for name, values in costs
    )
    branches = (
        Column(joined("", (name, " (", per_cent(f"{chance:.0%}"), ")")), unit.unit, places)
        for name, chance in zip(found.names, found.chances, strict=True)
    )
    tail = phrase("Mean above {share}", share=per_cent(f"{found.tail:.0%}"))
    means = (Column(phrase("Mean"), unit.unit, places), Column(tail, unit.unit, places))
    title = phrase("Net present cost by branch, after each first step")
    table = Table(title, (Column(phrase("First step")), *branches, *means), rows)
    text = phrase(
        "Orders (paid for when placed) and fit-out of {first} to {last} are the same in all branches; all else is "
        "decided in each. Careful minimises {neutral} of the mean and {averse} of the mean of the costs above {tail} "
        "of probability. What is whole stands as in the plan.",
        first=month(found.months[0]),
        last=month(found.months[-1]),
        neutral=per_cent(f"{1 - found.aversion:.0%}"),
        averse=per_cent(f"{found.aversion:.0%}"),
        tail=per_cent(f"{found.tail:.0%}"),
    )
    steps = _steps(found, problem, names)
    lead = _robust_lead(found)
    section = Section("robust", phrase("A robust first step"), lead, (_values(found), table, steps, Note(text)))
    title = phrase("{plan}: a robust first step", plan=problem.data.attrs.get("name", ""))
    made = ((phrase("Problem"), problem.digest), (phrase("Reproduce"), reproduce))
    return Report(title, "", date, (section,), (), made)


def _values(found: Robust) -> KeyFigures:
    all_branches = phrase("planning for all branches, not for their mean")
    knowing = phrase("knowing the branch beforehand")
    return KeyFigures(
        (
            KeyFigure(phrase("Value of the stochastic solution"), say(found.vss, "USD"), "", all_branches),
            KeyFigure(phrase("Value of perfect information"), say(found.evpi, "USD"), "", knowing),
        )
    )


def _robust_lead(found: Robust) -> str:
    careful, neutral = found.tail_mean(found.cost_careful), found.tail_mean(found.cost_neutral)
    spared, price = neutral - careful, found.mean(found.cost_careful) - found.mean(found.cost_neutral)
    worth, safer, dearer = (say(max(value, 0.0), "USD") for value in (found.vss, spared, price))
    return phrase(
        "Planning the first step for {branches} together is worth {worth} against planning it for their mean; the "
        "careful step spares {safer} in the tail and costs {dearer} on average.",
        branches=listed(found.names),
        worth=worth,
        safer=safer,
        dearer=dearer,
    )


def _steps(found: Robust, problem: Problem, names: dict[str, str]) -> Table:
    """What is ordered and fitted out in the first months, step by step."""
    kinds: tuple[FirstStep, ...] = (found.careful, found.neutral, found.mean_plan)
    rows: list[tuple[Cell, ...]] = []
    for a, id_ in enumerate(map(str, problem.data["accelerator"].values)):
        totals = [float(step.orders[a].sum()) for step in kinds]
        if max(totals) > 1.0:
            what = phrase("Ordered: {what}", what=names.get(id_, id_))
            rows.append((what, *(say(total, "accelerators") for total in totals)))
    for i, id_ in enumerate(map(str, problem.data["site"].values)):
        totals = [float(step.fitout[i].sum()) for step in kinds]
        if max(totals) > 1e3:
            what = phrase("Fitted out: {what}", what=names.get(id_, id_))
            rows.append((what, *(say(total, "W") for total in totals)))
    heads = (phrase("In the first months"), phrase("Careful"), phrase("Neutral"), phrase("For the mean future"))
    return Table(phrase("The first step"), tuple(map(Column, heads)), tuple(rows))
