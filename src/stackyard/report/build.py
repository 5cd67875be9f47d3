"""Problem, Plan, Explanation and the facts behind them -> Report: what a reader with one minute needs, first."""

from __future__ import annotations

from collections.abc import Sequence

from stackyard.plan.explain import Explanation
from stackyard.plan.plan import Plan
from stackyard.plan.problem import Problem
from stackyard.report import limits
from stackyard.report.choices import choices
from stackyard.report.confidence import confidence, distinct, method, sources
from stackyard.report.document import Block, Cell, Column, KeyFigure, KeyFigures, Report, Section, Table
from stackyard.report.flow import chain
from stackyard.report.models import models
from stackyard.report.monthly import monthly
from stackyard.report.scale import Scale, decimals, say, scale, share
from stackyard.report.sections import built, demand, footprint, memory, money, spend
from stackyard.report.sites import power
from stackyard.report.tails import tails
from stackyard.report.view import View
from stackyard.source import Fact, weakest
from stackyard.words import day, joined, month, number, phrase


def build(
    problem: Problem,
    plan: Plan,
    explanation: Explanation | None = None,
    provenance: Sequence[Fact] = (),
    *,
    title: str,
    subtitle: str = "",
    date: str = "",
    year: str = "",
    not_modelled: Sequence[str] = (),
    remarks: Sequence[str] = (),
    audit: str = "",
    reproduce: str = "",
    digests: Sequence[tuple[str, str]] = (),
) -> Report:
    """The report of a plan. `year` chooses the Sankey's December; without an explanation its sections are left out.

    Its texts remember how they were made: `document.in_language` says them in another language.
    """
    facts = distinct(provenance)
    view = View.of(problem, plan, weakest(fact.grade for fact in facts) if facts else None)
    cited = sources(facts)
    made = [(phrase("Problem"), plan.problem_digest), *digests]
    solver = [
        (phrase("Solver"), plan.solver),
        (
            phrase("Result"),
            phrase(
                "{status}, relative gap {gap}, {seconds} s",
                status=phrase("optimal") if plan.status == "optimal" else plan.status,
                gap=number(f"{plan.gap:.1e}"),
                seconds=number(f"{plan.seconds:.1f}"),
            ),
        ),
        *(((phrase("Choices"), plan.notes["choices"]),) if "choices" in plan.notes else ()),
        (phrase("Net present cost"), _objective(view, plan)),
    ]
    sections = [
        headline(view, explanation),
        demand(view),
        memory(view),
        power(view),
        *([limits.binds(view, explanation)] if explanation is not None else []),
        chain(view, year),
        built(view),
        *models(view, problem, plan),
        *tails(view),
        *choices(view, plan),
        money(view),
        footprint(view),
    ]
    if facts:
        sections.append(confidence(facts, len(cited)))
    sections.append(method(not_modelled, remarks, audit, solver, made, reproduce))
    return Report(title, subtitle, day(date), tuple(sections), cited, tuple(made), (monthly(view),))


def headline(view: View, explanation: Explanation | None) -> Section:
    """What limits the plan in each year and why, and the figures to remember.

    >>> from stackyard import api
    >>> made = api.plan("first-plan", steps=False)
    >>> view = View.of(made.built.problem, made.plan)
    >>> str(headline(view, None).title)
    'In one minute'
    """
    blocks: list[Block] = [key_figures(view)]
    if explanation is not None:
        blocks += [limits.by_year_table(view, explanation), limits.reasons(explanation)]
    blocks.append(by_year_table(view))
    return Section("headline", phrase("In one minute"), _answer(view, explanation), tuple(blocks))


def _answer(view: View, explanation: Explanation | None) -> str:
    served, asked = (view.array(name).sum(axis=0) for name in ("served", "demand"))
    part = share(float(served[-1] / asked[-1])) if asked[-1] > 0 else "–"
    serves = phrase(
        "By {month} the plan serves {tokens}, {part} of what is asked for.",
        month=month(view.months[-1]),
        tokens=say(float(served[-1]), "tokens/day"),
        part=part,
    )
    return serves if explanation is None else joined(". ", [limits.answer(explanation.years), serves])


def key_figures(view: View) -> KeyFigures:
    """The horizon in six numbers.

    >>> from stackyard import api
    >>> made = api.plan("first-plan", steps=False)
    >>> view = View.of(made.built.problem, made.plan)
    >>> [str(item.label) for item in key_figures(view).items][:2]
    ['Tokens served', 'Share of demand served']
    """
    served, asked = view.array("served").sum(axis=0), view.array("demand").sum(axis=0)
    total = float(view.tokens(served).sum() / max(float(view.tokens(asked).sum()), 1e-30))
    used, energised = view.array("site_power_peak").sum(axis=0)[-1], view.energised.sum(axis=0)[-1]
    drawn, delivered = view.array("draw").sum(), view.delivered.sum()
    end, there = month(view.months[-1]), say(float(energised), "W")
    firm = view.array("capacity").any()
    room = (
        phrase("at peak in {month}, of {power} energised from the grid", month=end, power=there)
        if firm
        else phrase("at peak in {month}, of {power} energised", month=end, power=there)
    )
    of = phrase("in {month}, of {tokens}", month=end, tokens=say(float(asked[-1]), "tokens/day"))
    paid = phrase("{years}; USD of today: {money}", years=view.span, money=say(_present(view), "USD"))
    items = (
        KeyFigure(phrase("Tokens served"), say(float(served[-1]), "tokens/day"), "", of),
        KeyFigure(
            phrase("Share of demand served"),
            share(total),
            "",
            phrase("of all tokens asked for in {years}", years=view.span),
        ),
        KeyFigure(
            phrase("Accelerators in place"),
            say(float(view.installed[:, -1].sum()), "accelerators"),
            "",
            phrase("in {month}", month=end),
        ),
        KeyFigure(phrase("Site power in use"), say(float(used), "W"), "", room),
        KeyFigure(
            phrase("HBM stacks drawn"),
            say(float(drawn), "stacks"),
            "",
            phrase("of {stacks} delivered", stacks=say(float(delivered), "stacks")),
        ),
        KeyFigure(phrase("Spending"), say(float(spend(view).sum()), "USD"), "", paid),
    )
    return KeyFigures(items, view.grade)


def _present(view: View) -> float:
    """Spending of the horizon in USD of its first month."""
    return float((spend(view) * view.array("discount")).sum())


def _objective(view: View, plan: Plan) -> str:
    """What the plan minimises, in words and dollars."""
    assert view.whole is not None
    return phrase(
        "{cost} of today: all months to {month}, the price of unserved tokens included, less {rest} of what is still "
        "in life then",
        cost=say(plan.objective, "USD"),
        month=month(view.whole.months[-1]),
        rest=say(plan.residual_value, "USD"),
    )


def by_year_table(view: View) -> Table:
    """The same figures year by year.

    >>> from stackyard import api
    >>> made = api.plan("first-plan", steps=False)
    >>> view = View.of(made.built.problem, made.plan)
    >>> [column.title for column in by_year_table(view).columns][:3]
    ['Year', 'Asked for*', 'Served*']
    """
    served, asked = view.array("served").sum(axis=0), view.array("demand").sum(axis=0)
    used, energised = view.array("site_power_peak").sum(axis=0), view.energised.sum(axis=0)
    kinds = (
        (phrase("Asked for*"), "tokens/day", view.year_end(asked)),
        (phrase("Served*"), "tokens/day", view.year_end(served)),
        (phrase("Share served"), "%", 100 * view.served_share),
        (phrase("Accelerators*"), "accelerators", view.year_end(view.installed.sum(axis=0))),
        (phrase("Power energised*"), "W", view.year_end(energised)),
        (phrase("Power in use*"), "W", view.year_end(used)),
        (phrase("Stacks delivered"), "stacks", view.yearly(view.delivered.sum(axis=0))),
        (phrase("Stacks drawn"), "stacks", view.yearly(view.array("draw").sum(axis=(0, 1)))),
        (phrase("Spending"), "USD", view.yearly(spend(view))),
    )
    units = [Scale(1.0, "%") if unit == "%" else scale(values, unit) for _, unit, values in kinds]
    shown = [unit.of(values) for unit, (_, _, values) in zip(units, kinds, strict=True)]
    columns = [Column(kinds[i][0], units[i].unit, decimals(shown[i])) for i in range(len(kinds))]
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (year, *(values[k] for values in shown)) for k, year in enumerate(view.years)
    )
    note = phrase("* In December, power at the day's peak; the rest over the year.")
    return Table(phrase("The plan by year"), (Column(phrase("Year")), *columns), rows, note, view.grade)
