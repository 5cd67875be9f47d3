"""What an explanation says follows from the plan, and what it says a step is worth is what the step is worth."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from stackyard.plan.binding import NAMES
from stackyard.plan.causes import COST, EITHER, NOTHING, SERVED, SEVERAL, SHORT
from stackyard.plan.check import audit
from stackyard.plan.explain import Explanation, explain
from stackyard.plan.limits import RESOURCES, most, prices_in
from stackyard.plan.patience import Patience
from stackyard.plan.plan import in_year, reported
from stackyard.plan.problem import Problem, T, V
from stackyard.plan.record import load, store
from stackyard.plan.relief import STEP, relief
from stackyard.plan.solve import Solved, solve, solve_warm

Problems = Callable[[int], Problem]
Plans = Callable[[int], Solved]
Explained = Callable[[int], Explanation]
SEEDS = range(12)


@pytest.fixture(scope="module")
def explained(problem_of: Problems, solved_of: Plans) -> Callable[[int], Explanation]:
    return cache(lambda seed: explain(problem_of(seed), solved_of(seed).plan, solved_of(seed).resolve))


@pytest.mark.parametrize("seed", SEEDS)
def test_every_token_left_unserved_has_one_cause(
    seed: int, problem_of: Problems, solved_of: Plans, explained: Explained
) -> None:
    said, asked = explained(seed).data, problem_of(seed).data["demand"]
    unserved = solved_of(seed).plan.decisions["unserved"]
    short = unserved.where(unserved > SHORT * asked, 0.0)
    np.testing.assert_allclose(said["left"].sum("cause").values, short.values, rtol=1e-9)
    assert float(said["left"].min()) >= 0
    for month, binds in enumerate(said["binds"].values):
        tokens = said["left"].sum("service")[:, month]
        assert (binds == SERVED) == (float(tokens.max()) == 0)
        assert binds == SERVED or float(tokens.sel(cause=binds)) == float(tokens.max())


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_left_for_a_limit_is_served_without_it(
    seed: int, problem_of: Problems, solved_of: Plans, explained: Explained
) -> None:
    """A fresh plan without the limit is cheaper, wherever the limit is said to leave something that can be served."""
    problem, plan = problem_of(seed), solved_of(seed).plan
    for name, resource in RESOURCES.items():
        gained = explained(seed).data["relief"].sel(resource=name)
        if float(gained.max()) <= 0:
            continue
        amount = problem.data[resource.amount]
        ever = amount.max(amount.dims[-1])
        ever = ever.where(np.isinf(ever), most(problem.data, resource))  # what contracts may add is in reach too
        enough = (0 * amount.where(np.isfinite(amount), 0) + ever * 1e4).transpose(*amount.dims)
        if name == "orders":
            enough = enough.where(amount > 0, 0.0)
        lifted = Problem(problem.data.assign({resource.amount: enough.assign_attrs(amount.attrs)}))
        assert solve(lifted).objective < plan.objective


@pytest.mark.parametrize("seed", SEEDS)
def test_a_limit_is_charged_to_a_service_only_for_what_that_service_gets_without_it(
    seed: int, problem_of: Problems, solved_of: Plans, explained: Explained
) -> None:
    """Lifting a limit may serve one service and not another: each has its own causes."""
    solved, left = solved_of(seed), explained(seed).data["left"]
    single = relief(problem_of(seed), solved.plan, solved.resolve, lambda text: None, Patience())["single"]
    unserved = solved.plan.decisions["unserved"].sel(month=left["month"])
    for name in RESOURCES:
        charged, gained = left.sel(cause=name), single.sel(resource=name, month=left["month"]).clip(min=0.0)
        all_of_it = charged >= unserved * (1 - 1e-9)  # nothing could serve it for want of this one thing
        assert bool((all_of_it | (charged <= gained * (1 + 1e-9))).all())


@pytest.mark.parametrize("seed", SEEDS)
def test_what_either_of_two_limits_leaves_each_of_them_serves_alone(
    seed: int, problem_of: Problems, solved_of: Plans, explained: Explained
) -> None:
    solved, said = solved_of(seed), explained(seed)
    found = relief(problem_of(seed), solved.plan, solved.resolve, lambda text: None, Patience())
    single, pair = (found[name].sel(month=said.data["month"]) for name in ("single", "pair"))
    unserved = solved.plan.decisions["unserved"].sel(month=said.data["month"])
    either = said.data["left"].sel(cause="either")
    second = single.clip(min=0.0).values
    second = np.sort(np.minimum(second, unserved.values), axis=0)[-2]
    assert bool((either <= second * (1 + 1e-6) + 1e-6 * float(unserved.max())).all())
    assert not bool((either > 0).any()) or bool(np.isfinite(pair).any())
    for binding in said.years:
        named = binding.causes.get("either", 0.0) > 0
        assert (len(binding.either) > 1) == named
        assert not named or set(binding.either) <= set(RESOURCES)


def test_the_format_that_no_accelerator_has_is_named(problem_of: Problems) -> None:
    data = problem_of(0).data
    ways = [
        f"{service}/a-model/fp4" for service in np.array(data["service"].values)[data["way_service"].argmax("service")]
    ]
    ways = [f"{way}" if ways.index(way) == i else f"{way}-{i}" for i, way in enumerate(ways)]
    lost = {"lacks": "format", "why": [["A chip has no fp4 arithmetic on record (it has bf16, fp8)", {}]]}
    refused = {way: {str(chip): lost for chip in data["accelerator"].values} for way in ways}
    none = (0 * data["rate"]).assign_attrs(data["rate"].attrs)
    changed = data.assign(rate=none).assign_coords(way=ways)
    changed.attrs = {**data.attrs, "refused": json.dumps(refused)}
    problem = Problem(changed)
    solved = solve_warm(problem)
    said = explain(problem, solved.plan, solved.resolve, steps=False)
    last = said.years[-1]
    assert last.name("rate").startswith("Number format (fp4")
    assert "A chip has no fp4 arithmetic on record" in last.sentence


@pytest.mark.parametrize("seed", SEEDS)
def test_rents_are_price_times_amount(seed: int, problem_of: Problems, solved_of: Plans, explained: Explained) -> None:
    said, data, prices = explained(seed), problem_of(seed).data, solved_of(seed).plan.prices
    total = float(abs(said.data["rent_present"]).sum())
    offered = (data["option_stacks"] * solved_of(seed).plan.decisions["chosen"]).sum("option")
    rent = prices["price_stack"] * data["stacks_delivered"] + prices["price_offer"] * offered
    stacks = float((rent * data["discount"]).sum())
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
    priced = solved_of(5).plan.prices["price_stack"] * data["stacks_delivered"] > 0
    more = data["stacks_delivered"] * (1 + STEP * inside * priced)
    plan = solve(Problem(data.assign(stacks_delivered=more.assign_attrs(data["stacks_delivered"].attrs))))
    assert solved_of(5).plan.objective - plan.objective == pytest.approx(worth.saved, rel=1e-6)
    assert worth.step == pytest.approx(float((more - data["stacks_delivered"]).sum()), rel=1e-3)


def test_sentences_name_the_limit_and_what_is_left(explained: Explained) -> None:
    for seed in SEEDS:
        said = explained(seed)
        for year in said.years:
            name = NAMES["power"] if year.resource == "power" else year.name(year.resource)
            name = name if year.resource != SERVED else "all" if year.left <= 1e-6 else "all but"
            assert year.sentence.startswith(f"{year.year}: {name}")
            assert "nan" not in year.sentence and "inf" not in year.sentence
            assert not year.causes or sum(year.causes.values()) == pytest.approx(1)
            assert (year.left > SHORT) or year.resource == SERVED
        for shortage in said.shortages:
            assert 0 < shortage.share <= 1 + 1e-9 and shortage.cause in {*RESOURCES, *NOTHING}


def test_without_steps_none_is_guessed(problem_of: Problems, solved_of: Plans) -> None:
    said = explain(problem_of(5), solved_of(5).plan, solved_of(5).resolve, steps=False)
    assert said.worths and all(np.isnan(worth.saved) for worth in said.worths)


def test_the_run_out_is_planned_and_not_reported(problem_of: Problems, solved_of: Plans) -> None:
    """A plan of which the last year is run-out says of the others what the whole says of them."""
    data = problem_of(5).data
    months = [str(month) for month in data["month"].values]
    end = months[len(months) // 2]
    problem, solved = Problem(data.assign_attrs(end=end)), solved_of(5)
    said = explain(problem, solved.plan, solved.resolve)
    assert [str(month) for month in said.data["month"].values] == months[: len(months) // 2 + 1]
    assert {year.year for year in said.years} <= {int(month[:4]) for month in months if month <= end}
    assert all(worth.year <= int(end[:4]) for worth in said.worths)
    near, seen = reported(problem, solved.plan)
    for name, values in seen.decisions.data_vars.items():
        whole = solved.plan.decisions[name]
        xr.testing.assert_equal(values, whole.sel(month=near.data["month"]) if "month" in whole.dims else whole)
    assert seen.problem_digest == problem.digest


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
        assert rents == sorted(rents, reverse=True)
        assert all(price.worth > 0 and price.tokens > 0 for price in found)  # also of what there is none of this month
        stacks = [plan.prices[name].sel(month=month).values.tolist() for name in ("price_stack", "price_offer")]
        assert {price.worth for price in found if price.resource == "hbm"} <= {*stacks[0], *stacks[1]}
    with pytest.raises(KeyError):
        prices_in(problem, plan, "1999-01")


@pytest.mark.parametrize(
    ("nothing", "cause"),
    [
        ("stacks_delivered", "hbm"),
        ("packaging_wafers", "packaging"),
        ("orders_max", "orders"),
        ("site_power", "power"),
        ("budget", "money"),
        ("allowed", "hall"),
        ("rate", "rate"),
    ],
)
def test_where_nothing_can_be_built_the_one_thing_that_is_missing_is_the_cause(
    nothing: str, cause: str, problem_of: Problems
) -> None:
    data = problem_of(0).data
    without = {name: 0 * data[name] for name in ("stacks_start", "fleet", "option_least", "option_most")}
    without |= {name: 0 * data[name] for name in ("option_stacks", "option_power", "source_most")}
    without["option_minimum"] = 0 * data["option_minimum"]
    without[nothing] = 0 * data[nothing].where(np.isfinite(data[nothing]), 1.0)
    problem = Problem(data.assign({n: values.assign_attrs(data[n].attrs) for n, values in without.items()}))
    solved = solve_warm(problem)
    binds = explain(problem, solved.plan, solved.resolve).data["binds"].values
    late = binds[int(data["lead_months"].min()) :]
    assert cause in late and set(late) <= {cause, "missing"}


def test_demand_beyond_all_numbers_is_still_planned_for(problem_of: Problems) -> None:
    """What no plan could serve costs what it costs, and changes nothing of what is served."""
    data = problem_of(3).data
    huge = Problem(data.assign(demand=(data["demand"] * 1e12).assign_attrs(data["demand"].attrs)))
    large = Problem(data.assign(demand=(data["demand"] * 1e6).assign_attrs(data["demand"].attrs)))
    for problem in (huge, large):
        assert audit(problem, solve(problem)) == []
    served = [float(solve(problem).decisions["served"].sum()) for problem in (huge, large)]
    assert served[0] == pytest.approx(served[1], rel=1e-6)


def test_what_there_is_no_time_to_ask_is_told_by_its_prices(problem_of: Problems, solved_of: Plans) -> None:
    """Without time every shortage is left for a limit that was not asked about, and worths are what prices predict."""
    seed = next(seed for seed in SEEDS if (solved_of(seed).plan.decisions["unserved"] > 0).any())
    problem, solved = problem_of(seed), solved_of(seed)
    whole = explain(problem, solved.plan, solved.resolve)
    hurried = explain(problem, solved.plan, solved.resolve, within=0.0)
    causes = hurried.data["left"].sum([V, T])
    asked = [str(key) for key in causes["cause"].values if key in RESOURCES or key in (COST, EITHER, SEVERAL)]
    assert float(causes.sel(cause=asked).sum()) == 0
    assert float(causes.sum()) == pytest.approx(float(whole.data["left"].sum()))
    assert [(w.resource, w.year, w.predicted) for w in hurried.worths] == [
        (w.resource, w.year, w.predicted) for w in whole.worths
    ]
    assert all(np.isnan(worth.saved) for worth in hurried.worths) and all(np.isnan(m.solved) for m in hurried.marginals)
    assert "Solving again was ended after 0 s" in hurried.notes[-1] and hurried.notes[-1] not in whole.notes


def test_long_moves_come_to_the_same_from_the_basis_from_scratch_and_without_crossover(
    problem_of: Problems, solved_of: Plans, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem, solved = problem_of(5), solved_of(5)
    lifted = {"orders_max": problem.data["orders_max"] * 100.0}
    basis, scratch = (solved.resolve(lifted, far=far).objective for far in (False, True))
    monkeypatch.setattr("stackyard.plan.highs.LARGE", 0)
    assert [scratch, solved.resolve(lifted, far=True).objective] == pytest.approx([basis, basis], rel=1e-6)
