"""What must hold for the best plan of any problem."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from stackyard.plan.check import audit
from stackyard.plan.formulate import scaled
from stackyard.plan.plan import DECISIONS, NOT_SPENT, WHOLE, in_year
from stackyard.plan.problem import Problem, V
from stackyard.plan.solve import Solved, solve

SEEDS = range(40)  # those of tests/oracle/test_plan_linprog.py, solved once for both
LIMITS = {  # coefficient -> price of one more unit of it
    "stacks_delivered": "price_stack",
    "packaging_wafers": "price_packaging",
    "orders_max": "price_orders",
    "site_power": "price_power",
    "budget": "price_budget",
}
Problems = Callable[[int], Problem]
Plans = Callable[[int], Solved]


def close(found: float, expected: float, size: float) -> bool:
    return abs(found - expected) <= 1e-6 * abs(size)


def times(data: xr.Dataset, **factors: float) -> Problem:
    return Problem(data.assign({name: data[name].copy(data=data[name].values * f) for name, f in factors.items()}))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_plan_passes_its_audit(seed: int, problem_of: Problems, solved_of: Plans) -> None:
    assert audit(problem_of(seed), solved_of(seed).plan) == []


@pytest.mark.parametrize("seed", range(30))
def test_a_plan_with_choices_passes_its_audit(seed: int, whole_of: Problems, chosen_of: Plans) -> None:
    plan = chosen_of(seed).plan
    assert audit(whole_of(seed), plan) == []
    assert plan.gap <= 1e-6


def test_every_limit_and_decision_matters_in_some_problem(solved_of: Plans, chosen_of: Plans) -> None:
    """But for the prices of limits between choices: these stand as they are, so nothing hangs on such a limit."""
    plans = [solved_of(seed).plan for seed in SEEDS] + [chosen_of(seed).plan for seed in range(30)]
    among = {"price_group", "price_needs", "price_place"}
    prices = {
        name: sum(float(abs(plan.prices[name]).sum()) for plan in plans)
        for name in plans[0].prices
        if name not in among
    }
    decisions = {name: sum(float(plan.decisions[name].sum()) for plan in plans) for name in DECISIONS}
    assert all(prices.values()) and all(decisions.values())


@pytest.mark.parametrize("seed", range(0, 40, 3))
def test_more_of_a_limit_never_costs_and_helps_less_and_less(seed: int, solved_of: Plans, problem_of: Problems) -> None:
    solved, data = solved_of(seed), problem_of(seed).data
    size = float((data["unserved_price"] * data["demand"] * 30).sum())
    for name in LIMITS:
        first, second = (solved.plan.objective - solved.resolve({name: data[name] * f}).objective for f in (1.1, 1.2))
        assert first >= -1e-9 * size
        assert second <= 2 * first + 1e-8 * size


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 39), name=st.sampled_from([*LIMITS, "demand"]), change=st.integers(0, 2**32 - 1))
def test_prices_bound_what_any_change_can_save(
    seed: int, name: str, change: int, solved_of: Plans, problem_of: Problems
) -> None:
    data, solved = problem_of(seed).data, solved_of(seed)
    factor = np.random.default_rng(change).uniform(0.5, 1.5, data[name].shape)
    step = (data[name] * (factor - 1)).where(np.isfinite(data[name]), 0.0)
    member = in_year(data)
    present = {
        "budget": (member * data["discount"]).sum("month") / member.sum("month"),
        "demand": -data["discount"] * data["seconds"] / 86400,
    }.get(name, data["discount"])
    price = solved.plan.prices[LIMITS.get(name, "price_demand")]
    predicted = float((price * present * step).sum())
    found = solved.plan.objective - solved.resolve({name: data[name] * factor}).objective
    assert found <= predicted + 1e-6 * (abs(predicted) + abs(solved.plan.objective))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_limit_that_is_not_used_up_has_no_price(seed: int, problem_of: Problems, solved_of: Plans) -> None:
    data, plan = problem_of(seed).data, solved_of(seed).plan
    x = plan.decisions
    spent = sum(plan.flows[name] for name in plan.flows if name.startswith("cost_") and name not in NOT_SPENT)
    used = {
        "packaging_wafers": (x["bought"] * data["wafers_per_package"]).sum("accelerator"),
        "orders_max": x["bought"],
        "site_power": x["grid_peak"],
        "budget": (spent * in_year(data)).sum("month"),
    }
    for name, amount in used.items():
        spare = (data[name] - amount).where(np.isfinite(data[name]), 1e30)
        idle = spare > 1e-5 * data[name].where(np.isfinite(data[name]), 1.0)
        assert float(abs(plan.prices[LIMITS[name]].where(idle, 0.0)).max()) <= 1e-6 * float(
            abs(plan.prices[LIMITS[name]]).max()
        )
    assert float((plan.prices["price_stack"] * x["released"]).sum()) <= 1e-6 * plan.objective


def unsigned(data: xr.Dataset) -> xr.Dataset:
    """Without contracts, and so without what was paid for before anything was asked for."""
    return times(data, option_least=0.0, option_most=0.0, stack_value=0.0).data


def test_zero_demand_costs_nothing(solved_of: Plans, problem_of: Problems) -> None:
    for seed in range(0, 40, 5):
        plan = solve(times(unsigned(problem_of(seed).data), demand=0.0))
        assert close(plan.objective, 0.0, solved_of(seed).plan.objective)


def test_nothing_is_bought_when_unserved_tokens_are_free(problem_of: Problems) -> None:
    free = {"unserved_price": 0.0, "tier_price": 0.0, "block_premium": 0.0}  # nor may cheap hours pay for being used
    plan = solve(times(unsigned(problem_of(1).data), **free))
    assert float(plan.decisions["bought"].sum()) == 0
    assert plan.objective == pytest.approx(0, abs=1.0)


@pytest.mark.parametrize(
    ("unit", "others"), [("USD", ()), ("stack", ()), ("package", ()), ("token", ()), ("W", ("J",))]
)
def test_change_of_units(unit: str, others: tuple[str, ...], problem_of: Problems, solved_of: Plans) -> None:
    factor = 7.0
    plan = solve(Problem(scaled(problem_of(6).data, dict.fromkeys((unit, *others), factor))))
    expected = solved_of(6).plan.objective / (factor if unit == "USD" else 1.0)
    assert plan.objective == pytest.approx(expected, rel=1e-9)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 39),
    name=st.sampled_from([name for name in DECISIONS if name not in WHOLE]),
    place=st.floats(0, 1, exclude_max=True),
    change=st.floats(0.001, 1) | st.floats(-1, -0.001) | st.just(float("nan")),
)
def test_the_audit_sees_any_changed_decision(
    seed: int, name: str, place: float, change: float, solved_of: Plans, problem_of: Problems
) -> None:
    plan = solved_of(seed).plan
    values = plan.decisions[name].values.copy()
    assume(values.size)
    index = int(place * values.size)
    alike = [other for other, column in DECISIONS.items() if column.unit == DECISIONS[name].unit]
    size = max(
        float(plan.decisions[other].values.max(initial=0.0)) for other in alike
    )  # a thousandth of it is far above the tolerance
    values.flat[index] += change * max(size, 1.0)
    assert audit(
        problem_of(seed), replace(plan, decisions=plan.decisions.assign({name: plan.decisions[name].copy(data=values)}))
    )


def test_the_audit_sees_any_changed_flow(solved_of: Plans, problem_of: Problems) -> None:
    plan = solved_of(3).plan
    for name in plan.flows:
        values = plan.flows[name].values.copy()
        values.flat[values.argmax()] += 0.01 * max(values.max(), 1.0)
        assert audit(problem_of(3), replace(plan, flows=plan.flows.assign({name: plan.flows[name].copy(data=values)})))


@pytest.mark.parametrize("limit", [*LIMITS, "demand"])
def test_the_audit_sees_any_changed_price_of_a_limit(limit: str, solved_of: Plans, problem_of: Problems) -> None:
    plan, amounts = solved_of(3).plan, problem_of(3).data[limit].values
    price = plan.prices[LIMITS.get(limit, "price_demand")]
    worth = 0.001 * plan.objective  # the prices no longer add up
    place = np.where(np.isfinite(amounts), amounts, 0).argmax()
    values = price.values.copy()
    values.flat[place] += worth / amounts.flat[place]
    assert audit(problem_of(3), replace(plan, prices=plan.prices.assign({price.name: price.copy(data=values)})))


def test_the_audit_sees_another_objective_or_problem(solved_of: Plans, problem_of: Problems) -> None:
    plan = solved_of(3).plan
    assert audit(problem_of(3), replace(plan, objective=plan.objective * 0.999))
    assert audit(problem_of(3), replace(plan, residual_value=plan.residual_value * 1.001))
    assert audit(problem_of(4), plan)


def test_a_resolved_plan_passes_its_audit_and_leaves_no_trace(solved_of: Plans, problem_of: Problems) -> None:
    data, solved = problem_of(5).data, solved_of(5)
    slipped = data["stacks_delivered"] * 0.5
    problem = Problem(data.assign(stacks_delivered=slipped.assign_attrs(data["stacks_delivered"].attrs)))
    plan = solved.resolve({"stacks_delivered": slipped})
    assert audit(problem, plan) == []
    assert plan.objective == pytest.approx(solve(problem).objective, rel=1e-9)
    xr.testing.assert_identical(solved.resolve({}).decisions[V], solved.plan.decisions[V])
    assert solved.resolve({}).objective == pytest.approx(solved.plan.objective, rel=1e-12)
