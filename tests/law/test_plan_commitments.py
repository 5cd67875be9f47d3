"""Contracts, choices and training: what must hold of them in any plan, told in small scenarios."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from stackyard import api, catalog
from stackyard.errors import InputErrors, SolveError
from stackyard.plan.build import build
from stackyard.plan.check import audit
from stackyard.plan.problem import Problem
from stackyard.plan.scenario import load
from stackyard.plan.solve import Solved, solve_warm
from stackyard.plan.ways import cost
from stackyard.plan.whynot import conflict, feasible, why_not_option, why_not_place
from stackyard.verbs.what_ifs import explained_conflict

FIRST = yaml.safe_load((Path(__file__).parents[2] / "examples" / "first-plan.yaml").read_text(encoding="utf-8"))
Make = Callable[[dict[str, Any]], Problem]


def merged(base: Any, more: Any) -> Any:
    if isinstance(base, dict) and isinstance(more, dict):
        return {key: merged(base.get(key), more.get(key, base.get(key))) for key in {**base, **more}}
    return base if more is None else more


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def made(more: dict[str, Any]) -> Problem:
        file = tmp_path / "scenario.yaml"
        file.write_text(yaml.safe_dump(merged(copy.deepcopy(FIRST), more), sort_keys=False))
        return build(load(file, catalog.load()), catalog.load()).problem

    return made


def contract(**terms: Any) -> dict[str, Any]:
    return {"supplies": {"memory": {"contract": terms}}}


def planned(problem: Problem) -> Solved:
    solved = solve_warm(problem)
    assert audit(problem, solved.plan) == []
    return solved


def test_a_contract_without_terms_is_a_delivery(make: Make) -> None:
    """The same stacks at the same price: only when they are paid differs, so the plan serves nearly the same."""
    plain, signed = planned(make({})).plan, planned(make(contract(signed="yes"))).plan
    assert float(signed.decisions["served"].sum()) == pytest.approx(float(plain.decisions["served"].sum()), rel=0.02)
    assert float(signed.decisions["take"].sum()) == pytest.approx(float(signed.decisions["draw"].sum()), rel=1e-6)


def test_what_is_not_taken_of_a_minimum_is_paid_for(make: Make) -> None:
    """With no demand nothing is wanted: the whole minimum falls due, at its share of the price, in December."""
    idle = {"services": {"assistant": {"demand": "1 Mtoken/day"}}}
    problem = make(merged(idle, contract(minimum="50%", take_or_pay="40%")))
    plan = planned(problem).plan
    d = problem.data
    least = d["option_minimum"][0, 0].values
    assert (np.flatnonzero(least) % 12 == 11)[:-1].all() and least.sum() > 0
    paid = float((plan.decisions["short"] * d["short_price"]).sum())
    assert paid == pytest.approx(float((0.4 * d["take_price"][0] * least).sum()), rel=1e-3)


def test_a_dear_contract_is_not_signed_and_a_good_one_is(make: Make) -> None:
    for fee, signed in (("0 USD", 1.0), ("100 GUSD", 0.0)):
        solved = planned(make(contract(signed="choose", fee=fee)))
        assert solved.plan.decisions["chosen"].values.tolist() == [signed]
        assert (float(solved.plan.decisions["take"].sum()) > 0) == bool(signed)


def test_an_option_ends_with_its_expiry_and_its_total(make: Make) -> None:
    problem = make(contract(signed="yes", expires="2026-12", total="9000 stack"))
    take = planned(problem).plan.decisions["take"][0]
    assert float(take.sel(month=slice("2027-01", None)).sum()) == 0
    assert float(take.sum()) == pytest.approx(9000, rel=1e-6)


def test_lateness_is_paid_by_the_maker(make: Make) -> None:
    penalty = contract(signed="yes", late=2, late_penalty="10 USD/stack/month")
    problem, on_time = make(penalty), make(contract(signed="yes"))
    late, promised = (p.data["option_stacks"][0, 0].values for p in (problem, on_time))
    assert late[2:] == pytest.approx(promised[:-2]) and not late[:2].any()
    owed = np.cumsum(promised) - np.cumsum(late)
    assert -problem.data["option_fee"][0].values == pytest.approx(10 * owed)


def test_a_phase_is_opened_where_it_pays(make: Make) -> None:
    def phases(fee: str) -> dict[str, Any]:
        second = {"month": "2027-01", "power": "8 MW", "choose": True, "fee": fee}
        return {"sites": {"frankfurt": {"phases": [{"month": "2026-03", "power": "3 MW"}, second]}}}

    power = [float(planned(make(phases(fee))).plan.decisions["chosen"].sum()) for fee in ("0 USD", "100 GUSD")]
    assert power == [1.0, 0.0]


def test_one_hall_of_several_is_built(make: Make) -> None:
    hall = {"name": "liquid", "cooling": "liquid", "rack_limit": "100 kW/rack", "fitout": "9 USD/W", "fee": "1 MUSD"}
    problem = make({"sites": {"frankfurt": {"halls": {"liquid": hall}}}})
    plan = planned(problem).plan
    assert problem.data["site"].values.tolist() == ["frankfurt", "frankfurt/liquid"]
    assert float(plan.decisions["chosen"].sum()) == 1
    used = plan.flows["site_power_peak"].sum("month").values
    assert (used > 0).sum() == 1


def test_orders_are_whole_systems_where_they_must_be(make: Make) -> None:
    plan = planned(make({"accelerators": {"h200": {"whole_systems": True}}})).plan
    bought = plan.decisions["bought"].values
    assert bought.max() > 0 and np.abs(bought / 8 - np.round(bought / 8)).max() < 1e-6


def training(**more: Any) -> dict[str, Any]:
    stated = {
        "name": "A campaign",
        "flop": "1e23 FLOP",
        "precision": "bf16",
        "efficiency": "40%",
        "start": "2026-06",
        "deadline": "2026-12",
        "least": "64 package",
        "late_price": "50 MUSD/month",
    }
    return {"campaigns": {"run": {**stated, **more}}}


def test_a_campaign_is_done_in_time_in_one_place_on_its_least_cluster(make: Make) -> None:
    plan = planned(make(training())).plan
    cluster = plan.decisions["train"].sum(["accelerator", "site"])[0]
    assert float(plan.decisions["host"].sum()) == 1
    assert float(cluster.where(cluster > 0).min()) >= 64 - 1e-6
    assert float(plan.decisions["undone"].sel(month="2026-12").sum()) == pytest.approx(0, abs=1e14)
    assert float(cluster.sel(month=slice(None, "2026-05")).sum()) == 0
    done = plan.decisions["undone"][0].shift(month=1) <= 1e-6 * 1e23
    assert float(cluster.where(done, 0.0).sum()) == 0  # nobody trains what is trained


def test_a_campaign_that_no_site_can_hold_is_told_and_left_undone(make: Make, tmp_path: Path) -> None:
    problem = make(training(least="1 Mpackage"))
    plan = planned(problem).plan
    assert float(plan.decisions["host"].sum()) == 0
    assert float(plan.decisions["undone"][0, -1]) == pytest.approx(1e23)
    built = build(load(tmp_path / "scenario.yaml", catalog.load()), catalog.load())
    assert any("can run nowhere" in remark for remark in built.remarks)


def test_dearer_tiers_are_served_first(make: Make) -> None:
    tiers = [{"beyond": "30%", "price": "9 USD/Mtoken"}]
    with_tiers = planned(make({"services": {"assistant": {"tiers": tiers}}})).plan
    deep = with_tiers.decisions["deep"].sum()
    assert float(deep) > 0
    assert with_tiers.objective > planned(make({})).plan.objective


def others(*ways: dict[str, Any]) -> dict[str, Any]:
    return {"services": {"assistant": {"alternatives": list(ways)}}}


def test_an_alternative_model_is_taken_where_it_is_faster(make: Make) -> None:
    own = planned(make({})).plan
    faster = planned(make(others({"model": "llama-3.1-8b", "precision": "fp8"}))).plan
    slower = planned(make(others({"model": "llama-3.1-405b", "precision": "fp8"}))).plan
    assert float(faster.decisions["answered"][0].sum()) == 0 < float(faster.decisions["answered"][1].sum())
    assert faster.objective < own.objective
    assert float(slower.decisions["answered"][1].sum()) == 0
    assert slower.objective == pytest.approx(own.objective, rel=1e-6)


def test_what_an_alternative_is_worth_costs_and_may_serve_decides_how_much_it_does(make: Make) -> None:
    def share(**terms: Any) -> float:
        plan = planned(make(others({"model": "llama-3.1-8b", "precision": "fp8", **terms}))).plan
        return float(plan.decisions["answered"][1].sum() / plan.decisions["served"].sum())

    assert share(worth="99%") > 0.99
    assert share(worth="99%", most="30%") == pytest.approx(0.3, rel=1e-6)
    assert share(worth="1%") < 0.9
    assert share(fee="5 USD/Mtoken") == 0  # a token that is not served costs 1 USD a million


@pytest.mark.parametrize("seed", range(12))
def test_a_way_in_use_costs_what_a_token_served_is_worth_and_none_costs_less(
    seed: int, problem_of: Callable[[int], Problem], solved_of: Callable[[int], Solved]
) -> None:
    problem, plan = problem_of(seed), solved_of(seed).plan
    worth = (problem.data["way_service"] * plan.prices["price_service"]).sum("service").transpose("way", "month")
    each = (cost(problem, plan) + plan.prices["price_mix"]).values  # the share that is used up has a price of its own
    used = plan.decisions["answered"].values > 1e-6 * float(plan.decisions["answered"].max())
    np.testing.assert_allclose(each[used], worth.values[used], rtol=1e-6)
    known = np.isfinite(each)
    assert np.all(each[known] >= worth.values[known] * (1 - 1e-6) - 1e-15)


def test_why_not_an_option_costs_what_a_plan_with_it_costs(make: Make) -> None:
    problem = make(contract(signed="choose", fee="3 GUSD"))
    solved = planned(problem)
    assert float(solved.plan.decisions["chosen"][0]) == 0
    found = why_not_option(problem, solved.plan, "contract/memory")
    assert found.plan is not None and float(found.plan.decisions["chosen"][0]) == 1
    assert found.dearer > 0
    assert found.dearer == pytest.approx(found.plan.objective - solved.plan.objective)


def test_forcing_what_a_plan_has_anyway_costs_nothing(make: Make) -> None:
    problem = make({})
    found = why_not_place(problem, planned(problem), "h200", "frankfurt")
    assert abs(found.dearer) < 1e-6 * abs(found.plan.objective if found.plan else 1.0)


def test_hard_limits_that_contradict_each_other_are_named_and_no_others(make: Make) -> None:
    money = {"money": {"budget": {2026: "1 USD", 2027: "10 GUSD"}}}
    problem = make(merged(money, contract(signed="yes", minimum="50%", must_take=True)))
    assert not feasible(problem)
    found = conflict(problem)
    assert {line.split(":")[0] for line in found} == {
        "money.budget.2026",
        "supplies.memory.contract.minimum",
        "supplies.memory.contract.signed",
    }
    assert not any("2027" in line for line in found)
    assert conflict(make({})) == ()


def test_a_plan_that_cannot_be_says_which_lines_forbid_it(make: Make, tmp_path: Path) -> None:
    money = {"money": {"budget": {2026: "1 USD", 2027: "10 GUSD"}}}
    make(merged(money, contract(signed="yes", minimum="50%", must_take=True)))
    with pytest.raises(SolveError, match="cannot all be kept") as refused:
        api.plan(tmp_path / "scenario.yaml")
    lines = (tmp_path / "scenario.yaml").read_text().splitlines()
    place = re.search(r"scenario.yaml:(\d+): money.budget.2026", str(refused.value))
    assert place is not None and "2026" in lines[int(place[1]) - 1]


@pytest.mark.parametrize(
    ("more", "key", "told"),
    [
        (contract(must_take=True), "contract.must_take", "no minimum"),
        (contract(minimum="20%", must_take=True, take_or_pay="50%"), "contract.take_or_pay", "cannot be paid for"),
        (contract(minimum="90%", total="100 stack"), "contract.total", "the minimum asks for"),
        (contract(minimum="130%"), "contract.minimum", "130%"),
        ({"sites": {"frankfurt": {"grid_date": "2026-09"}}}, "phases[0].month", "before the grid connection"),
        (training(start="2026-12", deadline="2026-06"), "campaigns.run", "before the start"),
        (others({"model": "llama-3.1-70b", "precision": "fp8"}), "alternatives[0]", "stands there twice"),
        (others({"model": "llama-3.1-8b", "precision": "fp8", "worth": "120%"}), "worth", "above 1"),
        (training(sites=["berlin"]), "campaigns.run.sites[0]", "no site 'berlin'"),
        ({"services": {"assistant": {"tiers": [{"beyond": "50%", "price": "0.1 USD/Mtoken"}]}}}, "price", "below"),
    ],
)
def test_contradictions_are_refused_with_their_place(make: Make, more: dict[str, Any], key: str, told: str) -> None:
    with pytest.raises(InputErrors) as refused:
        make(more)
    assert any(key in fault.key and told in fault.message and fault.hint for fault in refused.value.faults), str(
        refused.value
    )


def test_a_conflict_tells_each_line_in_the_file_in_which_it_stands(tmp_path: Path) -> None:
    """Of a base with changes: what the changes state in theirs, what the base states in its own."""
    example = Path(__file__).parents[2] / "examples" / "openai-sk" / "scenario.yaml"
    changes = {
        "money.budget.2026": "0.1 GUSD",
        "supplies.samsung-hbm4-titan.contract.signed": "yes",
        "supplies.samsung-hbm4-titan.contract.take_or_pay": "100%",
        "services.chat.tail": None,
    }
    file = tmp_path / "both.yaml"
    file.write_text(yaml.safe_dump({"base": str(example), "changes": changes}, sort_keys=False), encoding="utf-8")
    scenario = load(file, catalog.load())
    problem = build(scenario, catalog.load()).problem
    told = str(explained_conflict(SolveError("infeasible"), scenario, problem)).splitlines()[1:]
    minimum = next(i for i, line in enumerate(example.read_text().splitlines(), 1) if "minimum: {value: 80%" in line)
    assert told[0].startswith(f"  {file}:3: money.budget.2026:")
    assert told[1].startswith(f"  {example}:{minimum}: supplies.samsung-hbm4-titan.contract.minimum:")
    assert told[2].startswith(f"  {file}:4: supplies.samsung-hbm4-titan.contract.signed:")
