"""What an explanation says follows from the plan, and what it says a step is worth is what the step is worth."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from stackyard.plan.explain import NOTHING, RESOURCES, STEP, Explanation, explain, prices_in
from stackyard.plan.plan import in_year
from stackyard.plan.problem import Problem
from stackyard.plan.record import load, store
from stackyard.plan.solve import Solved, solve

Problems = Callable[[int], Problem]
Plans = Callable[[int], Solved]
Explained = Callable[[int], Explanation]
SEEDS = range(12)


@pytest.fixture(scope="module")
def explained(problem_of: Problems, solved_of: Plans) -> Callable[[int], Explanation]:
    return cache(lambda seed: explain(problem_of(seed), solved_of(seed).plan, solved_of(seed).resolve))


@pytest.mark.parametrize("seed", SEEDS)
def test_what_binds_has_the_greatest_rent(
    seed: int, problem_of: Problems, solved_of: Plans, explained: Explained
) -> None:
    said, data = explained(seed), problem_of(seed).data
    plan = solved_of(seed).plan
    unserved = (plan.decisions["unserved"].sum("service") / data["demand"].sum("service").clip(1)).values
    for month, binds in enumerate(said.data["binds"].values):
        rents = said.data["rent"][:, month]
        if binds in RESOURCES:
            assert float(rents.sel(resource=binds)) == float(rents.max()) > 0
            assert float(said.data["share"][:, month].sum()) == pytest.approx(1)
        else:
            assert binds in NOTHING and float(rents.max()) == 0
            assert (binds == "demand") == (unserved[month] <= 1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_rents_are_price_times_amount(seed: int, problem_of: Problems, solved_of: Plans, explained: Explained) -> None:
    said, data, prices = explained(seed), problem_of(seed).data, solved_of(seed).plan.prices
    total = float(abs(said.data["rent_present"]).sum())
    stacks = float((prices["price_stack"] * data["stacks_delivered"] * data["discount"]).sum())
    assert float(said.data["rent_present"].sel(resource="hbm").sum()) == pytest.approx(stacks, abs=1e-5 * total + 1)
    member = in_year(data)
    present = (member * data["discount"]).sum("month") / member.sum("month")
    money = float((prices["price_budget"] * data["budget"].where(np.isfinite(data["budget"]), 0) * present).sum())
    assert float(said.data["rent_present"].sel(resource="money").sum()) == pytest.approx(money, abs=1e-5 * total + 1)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_step_saves_no_more_than_its_price_says(seed: int, solved_of: Plans, explained: Explained) -> None:
    size = solved_of(seed).plan.objective
    for worth in explained(seed).worths:
        assert -1e-9 * size <= worth.saved <= worth.predicted + 1e-9 * size


def test_a_step_is_worth_what_a_new_problem_says(problem_of: Problems, solved_of: Plans, explained: Explained) -> None:
    data = problem_of(5).data
    worth = next(w for w in explained(5).worths if w.resource == "hbm" and w.saved > 0)
    inside = in_year(data).sel(year=worth.year, drop=True)
    more = data["stacks_delivered"] * (1 + STEP * inside)
    plan = solve(Problem(data.assign(stacks_delivered=more.assign_attrs(data["stacks_delivered"].attrs))))
    assert solved_of(5).plan.objective - plan.objective == pytest.approx(worth.saved, rel=1e-6)
    assert worth.step == pytest.approx(float((more - data["stacks_delivered"]).sum()))


def test_sentences_name_the_limit_and_what_is_left(explained: Explained) -> None:
    for seed in SEEDS:
        said = explained(seed)
        for year in said.years:
            name = RESOURCES[year.resource].name if year.resource in RESOURCES else "no limit binds"
            assert year.sentence.startswith(f"{year.year}: {name}")
            assert "nan" not in year.sentence and "inf" not in year.sentence
        for shortage in said.shortages:
            assert 0 < shortage.share <= 1 + 1e-9 and (shortage.relief in RESOURCES or not shortage.relief)


def test_without_a_solver_steps_are_not_guessed(problem_of: Problems, solved_of: Plans) -> None:
    said = explain(problem_of(5), solved_of(5).plan)
    assert said.worths and all(np.isnan(worth.saved) for worth in said.worths)
    assert said.data["served_more"].isnull().all()


def test_a_stored_plan_comes_back_as_it_was(
    tmp_path: Path, problem_of: Problems, solved_of: Plans, explained: Explained
) -> None:
    problem, plan, said = problem_of(5), solved_of(5).plan, explained(5)
    store(tmp_path / "plan.nc", problem, plan, said)
    found_problem, found_plan, found = load(tmp_path / "plan.nc")
    assert found_problem.digest == problem.digest
    assert found_plan.objective == plan.objective and found_plan.notes == plan.notes
    for name in ("decisions", "flows", "prices"):
        xr.testing.assert_identical(getattr(found_plan, name), getattr(plan, name))
    assert (found.years, found.worths, found.shortages, found.notes) == (
        said.years,
        said.worths,
        said.shortages,
        said.notes,
    )
    xr.testing.assert_equal(found.data, said.data)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_month_s_prices_are_its_duals_dearest_rent_first(seed: int, problem_of: Problems, solved_of: Plans) -> None:
    problem, plan = problem_of(seed), solved_of(seed).plan
    for month in problem.data["month"].values:
        found = prices_in(problem, plan, str(month))
        rents = [price.worth * price.available for price in found]
        assert rents == sorted(rents, reverse=True) and all(rent > 0 for rent in rents)
        assert all(price.tokens > 0 for price in found)
        stacks = plan.prices["price_stack"].sel(month=month).values
        assert {price.worth for price in found if price.resource == "hbm"} <= set(stacks.tolist())
    with pytest.raises(KeyError):
        prices_in(problem, plan, "1999-01")


@pytest.mark.parametrize(
    "nothing", ["stacks_delivered", "packaging_wafers", "site_power", "budget", "rate", "availability"]
)
def test_where_nothing_can_be_built_it_is_not_said_that_building_does_not_pay(
    nothing: str, problem_of: Problems
) -> None:
    data = problem_of(0).data
    without = {nothing: 0 * data[nothing].where(np.isfinite(data[nothing]), 1.0).assign_attrs(data[nothing].attrs)}
    without |= {"stacks_start": 0 * data["stacks_start"], "fleet": 0 * data["fleet"]}
    for name, values in without.items():
        values.attrs.update(data[name].attrs)
    problem = Problem(data.assign(without))
    said = explain(problem, solve(problem))
    assert "missing" in said.data["binds"].values
    assert "cost" not in said.data["binds"].values
