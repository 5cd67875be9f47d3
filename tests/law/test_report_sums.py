"""What the report says adds up to what the plan says, whatever the plan."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import pytest

from stackyard.alliance.picture import headlines, picture
from stackyard.months import parse_month
from stackyard.plan.causes import SERVED
from stackyard.plan.explain import Explanation, explain
from stackyard.plan.plan import NOT_SPENT, Plan
from stackyard.plan.problem import Problem
from stackyard.plan.solve import solve, solve_warm
from stackyard.quantity import DAY
from stackyard.report.build import build
from stackyard.report.document import Figure, Report, Sankey, StackedArea, Strip, Table
from stackyard.report.monthly import KINDS
from stackyard.report.scale import scale
from stackyard.report.sites import kilowatt, verdicts
from stackyard.report.view import View
from stackyard.report.wafers import started
from stackyard.source import Fact, Grade

FACTS = (Fact("a", 1.0, "W", Grade.PUBLISHED), Fact("b", 4.0, "", Grade.ASSUMED, (), 2.0, 8.0))
SEEDS = range(5)
Made = tuple[Problem, Plan, Explanation, Report]


@pytest.fixture(scope="module")
def made(problem_of: Callable[[int], Problem]) -> Callable[[int], Made]:
    @functools.cache
    def make(seed: int) -> Made:
        problem = problem_of(seed)
        solved = solve_warm(problem)
        why = explain(problem, solved.plan, solved.resolve)
        return problem, solved.plan, why, build(problem, solved.plan, why, FACTS, title="A plan")

    return make


def figure(report: Report, id_: str) -> Figure:
    return next(figure for figure in report.figures if figure.id == id_)


def factor(unit: str, of: str) -> float:
    """The factor behind a display unit, found by asking for it at every size."""
    return next(found.factor for size in range(-3, 19) if (found := scale([10.0**size], of)).unit == unit)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("id_", "variable", "axis", "unit"),
    [("demand-served", "served", "service", "tokens/day"), ("power", "site_power_peak", "site", "W")],
)
def test_stacked_areas_add_up_to_the_plan(
    seed: int, id_: str, variable: str, axis: str, unit: str, made: Callable[[int], Made]
) -> None:
    _, plan, _, report = made(seed)
    data = figure(report, id_).data
    assert isinstance(data, StackedArea)
    total = np.sum([series.values for series in data.series], axis=0) * factor(data.unit, unit)
    values = (plan.decisions if variable in plan.decisions else plan.flows)[variable].sum(axis).values
    np.testing.assert_allclose(total, values, rtol=1e-4, atol=1e-4 * values.max())


@pytest.mark.parametrize("seed", SEEDS)
def test_sankey_loses_no_stack(seed: int, made: Callable[[int], Made]) -> None:
    _, _, _, report = made(seed)
    data = figure(report, "chain").data
    assert isinstance(data, Sankey)
    stage = {node.id: node.stage for node in data.nodes}
    by_stage = np.zeros(max(stage.values()))
    for start, stop, amount in data.links:
        assert stage[stop] == stage[start] + 1 and amount > 0
        by_stage[stage[start]] += amount
    np.testing.assert_allclose(by_stage[-3:], by_stage[-3:].mean(), rtol=0.01)  # hairlines are left out
    wafers = {stop: amount for start, stop, amount in data.links if start.startswith("wafer/")}
    drawn = {id_: sum(amount for start, _, amount in data.links if start == id_) for id_ in wafers}
    assert wafers == pytest.approx(drawn, rel=0.01) and len(by_stage) == (4 if wafers else 3)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_stack_has_its_wafers_a_lead_time_earlier(seed: int, made: Callable[[int], Made]) -> None:
    problem, plan, _, report = made(seed)
    d = problem.data
    stacks = (d["stacks_delivered"] + plan.decisions["take"]).values
    months, promised = started(View.of(problem, plan), stacks)
    delivered = stacks * d["wafers_per_stack"].values[:, None]
    np.testing.assert_allclose(promised.sum(axis=1), delivered.sum(axis=1))
    when = np.array([parse_month(month) for month in months])
    arrival = np.array([parse_month(str(month)) for month in d["month"].values])
    for i, lead in enumerate(d["stack_lead"].values):
        np.testing.assert_allclose((promised[i] * (when + lead)).sum(), (delivered[i] * arrival).sum())
    table = next(table for _, table in report.tables if table.title.startswith("DRAM wafer starts by year"))
    needed, available = (
        [float(str(row[-1])) for row in table.rows if str(row[0]).endswith(f"· {kind}")]
        for kind in ("needed", "promised")
    )
    assert all(few <= many * (1 + 1e-6) for few, many in zip(needed, available, strict=True))
    assert all(sum(map(float, map(str, row[1:-1]))) == pytest.approx(float(str(row[-1]))) for row in table.rows)


@pytest.mark.parametrize("seed", SEEDS)
def test_monthly_sheet_adds_up_to_the_plan(seed: int, made: Callable[[int], Made]) -> None:
    _, plan, _, report = made(seed)
    (sheet,) = report.sheets
    for name, kind in KINDS.items():
        shown = sum(float(str(row[-2])) for row in sheet.rows if row[1] == kind.name) * kind.factor
        assert shown == pytest.approx(float(plan.decisions[name].sum()), rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_why_a_site_is_idle_follows_from_the_problem(seed: int, made: Callable[[int], Made]) -> None:
    problem, plan, _, _ = made(seed)
    view = View.of(problem, plan)
    cost = dict(zip(map(view.name, view.ids("site")), kilowatt(view), strict=True))
    power, used = problem.data["site_power"].values[:, -1], plan.flows["site_power_peak"].values[:, -1]
    for i, verdict in enumerate(verdicts(view)):
        assert (verdict.kind == "full") == (used[i] >= 0.98 * power[i] > 0)
        if verdict.than:
            assert cost[view.name(view.ids("site")[i])] == pytest.approx(cost[verdict.than] * (1 + verdict.dearer))
            assert verdict.dearer > 0


def test_a_site_where_nothing_may_stand_is_told_so(made: Callable[[int], Made]) -> None:
    problem, _, _, _ = made(1)
    data = problem.data.copy(deep=True)
    data["fleet"].values[:] = 0.0
    data["site_power"].values[:] = data["site_power"].values.max()
    data["allowed"].values[:, -1] = 0.0
    barred = Problem(data)
    assert verdicts(View.of(barred, solve(barred)))[-1].kind == "barred"


def test_power_that_comes_after_the_last_installation_is_told_so(made: Callable[[int], Made]) -> None:
    problem, _, _, _ = made(1)
    data = problem.data.copy(deep=True)
    data["fleet"].values[:, -1] = 0.0
    data["lead_months"].values[:] = 0.0
    data["orders_max"].values[:, -1] = 0.0  # nothing can be started in the month in which the site gets its power
    data["stacks_start"].values[:] = 0.0
    data["site_power"].values[-1] = 0.0
    data["site_power"].values[:-1] = data["site_power"].values.max()
    data["site_power"].values[-1, -1] = 1e6
    data["source_most"].values[:] = 0.0
    late = Problem(data)
    plan = solve(late)
    assert float(plan.decisions["placed"].sum()) > 0
    assert verdicts(View.of(late, plan))[-1].kind == "late"


def test_a_kilowatt_costs_its_fit_out_and_its_energy(made: Callable[[int], Made]) -> None:
    problem, plan, _, _ = made(3)
    data = problem.data.copy(deep=True)
    for name, value in (
        ("discount", 1.0),
        ("pue", 1.25),
        ("pue_design", 1.25),
        ("overhead", 0.0),
        ("fitout_price", 10.0),
    ):
        data[name].values[:] = value
    for name, value in (("electricity_price", 2e-8), ("carbon_price", 0.0), ("demand_charge", 0.0)):
        data[name].values[:] = value
    months = data.sizes["month"]
    data["fitout_residual"].values[:] = 0.5 + 0.1 * np.arange(months) / months  # a tenth is written off over them
    hours = float(data["seconds"].sum())
    expected = 1000 * 1.25 * (10.0 * 0.1 + 2e-8 * hours)
    np.testing.assert_allclose(kilowatt(View.of(Problem(data), plan)), expected)


@pytest.mark.parametrize("seed", SEEDS)
def test_yearly_table_adds_up_to_the_plan(seed: int, made: Callable[[int], Made]) -> None:
    problem, plan, _, report = made(seed)
    table = next(table for _, table in report.tables if table.title == "The plan by year")

    def total(title: str, unit: str) -> float:
        index = next(i for i, column in enumerate(table.columns) if column.title == title)
        return sum(float(str(row[index])) for row in table.rows) * factor(table.columns[index].unit, unit)

    paid = sum(float(plan.flows[name].sum()) for name in plan.flows if str(name).startswith("cost_"))
    assert total("Stacks drawn", "stacks") == pytest.approx(float(plan.decisions["draw"].sum()), rel=1e-4)
    assert total("Stacks delivered", "stacks") == pytest.approx(
        float(problem.data["stacks_delivered"].sum() + plan.decisions["take"].sum())
    )
    assert total("Spending", "USD") == pytest.approx(
        paid - sum(float(plan.flows[n].sum()) for n in NOT_SPENT), rel=1e-4
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_share_served_is_tokens_over_tokens(seed: int, made: Callable[[int], Made]) -> None:
    problem, plan, _, report = made(seed)
    days = problem.data["seconds"] / DAY
    part = float((plan.decisions["served"] * days).sum() / (problem.data["demand"] * days).sum())
    table = next(table for _, table in report.tables if table.title.startswith("Share of demand served"))
    shown = [float(str(cell)) for cell in table.rows[-1][1:] if cell is not None]
    assert min(shown) - 1e-6 <= 100 * part <= max(shown) + 1e-6


@pytest.mark.parametrize("seed", SEEDS)
def test_the_first_sentence_names_every_limit_of_every_year(seed: int, made: Callable[[int], Made]) -> None:
    _, _, why, report = made(seed)
    head = report.sections[0]
    for binding in why.years:
        word = binding.name(binding.resource)
        table = next(b for b in head.blocks if isinstance(b, Table) and b.title.startswith("What limits"))
        row = next(row for row in table.rows if row[0] == str(binding.year))
        assert str(row[2]).startswith(word)
        assert float(str(row[1])) == pytest.approx(100 * binding.left)
        assert word.lower() in head.lead.lower() or binding.resource == SERVED


@pytest.mark.parametrize("seed", SEEDS)
def test_strip_marks_the_greatest_share_of_each_month(seed: int, made: Callable[[int], Made]) -> None:
    _, _, _, report = made(seed)
    data = figure(report, "binds").data
    assert isinstance(data, Strip)
    shares = np.array(data.share)
    for month, row in enumerate(data.binding):
        assert shares[row, month] == pytest.approx(shares[:, month].max())


@pytest.mark.parametrize("seed", SEEDS)
def test_weakest_grade_marks_every_table_and_figure_of_the_plan(seed: int, made: Callable[[int], Made]) -> None:
    _, _, _, report = made(seed)
    for section in report.sections:
        for block in section.blocks:
            if isinstance(block, Table | Figure) and section.id not in ("confidence", "method"):
                assert block.grade is Grade.ASSUMED, block.title


def test_same_plan_gives_the_same_report(made: Callable[[int], Made]) -> None:
    problem, plan, why, report = made(1)
    assert build(problem, plan, why, FACTS, title="A plan") == report
    assert "binds" not in {section.id for section in build(problem, plan, None, FACTS, title="A plan").sections}


def test_a_plan_that_builds_nothing_is_told_as_such(made: Callable[[int], Made]) -> None:
    problem, _, _, _ = made(2)
    data = problem.data.copy(deep=True)
    for name in ("orders_max", "fleet"):
        data[name].values[:] = 0.0
    bare = Problem(data)
    report = build(bare, solve(bare), title="Nothing")
    told = {section.id: section.lead for section in report.sections}
    assert told["built"] == "The plan buys no accelerators."
    assert told["chain"].startswith("No accelerator is in place")


@pytest.mark.parametrize("seed", SEEDS)
def test_the_pages_rows_are_the_reports_with_what_is_chosen_in_them(seed: int, made: Callable[[int], Made]) -> None:
    """Power of chosen phases and stacks under contracts are there: use and draws never stand above them."""
    problem, plan, _, _ = made(seed)
    rows = {r.id: np.array(r.values) for r in picture(None, problem, plan, None).results if r.values}  # type: ignore[arg-type]
    view = View.of(problem, plan)
    np.testing.assert_allclose(rows["energised.total"], view.energised.sum(axis=0))
    np.testing.assert_allclose(rows["delivered.total"], view.delivered.sum(axis=0))
    assert (rows["used.total"] <= rows["energised.total"] * (1 + 1e-6)).all()
    start = float(problem.data["stacks_start"].sum())
    assert (rows["drawn.total"].cumsum() <= (start + rows["delivered.total"].cumsum()) * (1 + 1e-6)).all()
    figures = headlines(problem, plan)
    assert figures["energised_end"] == pytest.approx(rows["energised.total"][-1])
    assert figures["stacks_delivered"] == pytest.approx(rows["delivered.total"].sum())
