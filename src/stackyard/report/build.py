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
    """The report of a plan. `year` chooses the Sankey's December; without an explanation its sections are left out."""
    facts = distinct(provenance)
    view = View.of(problem, plan, weakest(fact.grade for fact in facts) if facts else None)
    cited = sources(facts)
    made = [("Problem", plan.problem_digest), *digests]
    solver = [
        ("Solver", plan.solver),
        ("Result", f"{plan.status}, relative gap {plan.gap:.1e}, {plan.seconds:.1f} s"),
        *((("Choices", plan.notes["choices"]),) if "choices" in plan.notes else ()),
        ("Net present cost", _objective(view, plan)),
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
    return Report(title, subtitle, date, tuple(sections), cited, tuple(made), (monthly(view),))


def headline(view: View, explanation: Explanation | None) -> Section:
    """What limits the plan in each year and why, and the figures to remember."""
    blocks: list[Block] = [key_figures(view)]
    if explanation is not None:
        blocks += [limits.by_year_table(view, explanation), limits.reasons(explanation)]
    blocks.append(by_year_table(view))
    return Section("headline", "In one minute", _answer(view, explanation), tuple(blocks))


def _answer(view: View, explanation: Explanation | None) -> str:
    served, asked = (view.array(name).sum(axis=0) for name in ("served", "demand"))
    part = share(float(served[-1] / asked[-1])) if asked[-1] > 0 else "–"
    what = f"the plan serves {say(float(served[-1]), 'tokens/day')}, {part} of what is asked for."
    limited = "" if explanation is None else f"{limits.answer(explanation.years)}. "
    return f"{limited}By {view.months[-1]} {what}"


def key_figures(view: View) -> KeyFigures:
    """The horizon in six numbers."""
    served, asked = view.array("served").sum(axis=0), view.array("demand").sum(axis=0)
    total = float(view.tokens(served).sum() / max(float(view.tokens(asked).sum()), 1e-30))
    used, energised = view.array("site_power_peak").sum(axis=0)[-1], view.energised.sum(axis=0)[-1]
    drawn, delivered = view.array("draw").sum(), view.delivered.sum()
    end, firm = view.months[-1], view.array("capacity").any()
    room = f"of {say(float(energised), 'W')} energised{' from the grid' if firm else ''}"
    items = (
        _key("Tokens served", float(served[-1]), "tokens/day", f"in {end}, of {say(float(asked[-1]), 'tokens/day')}"),
        KeyFigure("Share of demand served", share(total), "", f"of all tokens asked for in {view.span}"),
        _key("Accelerators in place", float(view.installed[:, -1].sum()), "accelerators", f"in {end}"),
        _key("Site power in use", float(used), "W", f"at peak in {end}, {room}"),
        _key("HBM stacks drawn", float(drawn), "stacks", f"of {say(float(delivered), 'stacks')} delivered"),
        _key("Spending", float(spend(view).sum()), "USD", f"{view.span}; USD of today: {say(_present(view), 'USD')}"),
    )
    return KeyFigures(items, view.grade)


def _present(view: View) -> float:
    """Spending of the horizon in USD of its first month."""
    return float((spend(view) * view.array("discount")).sum())


def _objective(view: View, plan: Plan) -> str:
    """What the plan minimises, in words and dollars."""
    assert view.whole is not None
    return (
        f"{say(plan.objective, 'USD')} of today: all months to {view.whole.months[-1]}, the price of unserved tokens "
        f"included, less {say(plan.residual_value, 'USD')} of what is still in life then"
    )


def _key(label: str, value: float, unit: str, detail: str) -> KeyFigure:
    words = say(value, unit)
    if unit == "USD":
        return KeyFigure(label, words, "", detail)
    number, _, rest = words.partition(" ")
    return KeyFigure(label, number, rest, detail)


def by_year_table(view: View) -> Table:
    """The same figures year by year."""
    served, asked = view.array("served").sum(axis=0), view.array("demand").sum(axis=0)
    used, energised = view.array("site_power_peak").sum(axis=0), view.energised.sum(axis=0)
    kinds = (
        ("Asked for*", "tokens/day", view.year_end(asked)),
        ("Served*", "tokens/day", view.year_end(served)),
        ("Share served", "%", 100 * view.served_share),
        ("Accelerators*", "accelerators", view.year_end(view.installed.sum(axis=0))),
        ("Power energised*", "W", view.year_end(energised)),
        ("Power in use*", "W", view.year_end(used)),
        ("Stacks delivered", "stacks", view.yearly(view.delivered.sum(axis=0))),
        ("Stacks drawn", "stacks", view.yearly(view.array("draw").sum(axis=(0, 1)))),
        ("Spending", "USD", view.yearly(spend(view))),
    )
    units = [Scale(1.0, "%") if unit == "%" else scale(values, unit) for _, unit, values in kinds]
    shown = [unit.of(values) for unit, (_, _, values) in zip(units, kinds, strict=True)]
    columns = [Column(kinds[i][0], units[i].unit, decimals(shown[i])) for i in range(len(kinds))]
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (year, *(values[k] for values in shown)) for k, year in enumerate(view.years)
    )
    note = "* In December, power at the day's peak; the rest over the year."
    return Table("The plan by year", (Column("Year"), *columns), rows, note, view.grade)
