"""Many plans of one scenario: comparison adds up, a fan is the same for any workers and after a kill, changes apply."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from stackyard import catalog
from stackyard.errors import InputErrors
from stackyard.plan.build import build
from stackyard.plan.causes import SHORT
from stackyard.plan.compare import compare
from stackyard.plan.explain import explain
from stackyard.plan.scenario import Scenario, load
from stackyard.plan.solve import solve_warm
from stackyard.plan.uncertainty.fan import fan
from stackyard.plan.uncertainty.sample import Sampler, independent
from stackyard.plan.uncertainty.unknown import contradiction, correlation

FIRST = (Path(__file__).parents[2] / "examples" / "first-plan.yaml").read_text(encoding="utf-8")
DOUBT = {
    "seed": 7,
    "samples": 24,
    "inputs": {
        "growth": {"of": ["services.assistant.demand.growth"], "shape": "triangular"},
        "price": {"of": ["services.assistant.unserved_price"]},
        "delay": {"of": ["sites.frankfurt.phases[1].month"], "events": {0: "60%", 3: "40%"}},
    },
    "correlations": [{"between": ["growth", "price"], "value": 0.5}],
}
Write = Callable[[dict[str, Any]], Path]


@pytest.fixture
def unsure(tmp_path: Path) -> Write:
    """The first plan with ranges, and with what is not known."""

    def written(doubt: dict[str, Any]) -> Path:
        data = yaml.safe_load(FIRST)
        service = data["services"]["assistant"]
        service["demand"]["growth"] = {"value": 4, "low": 2, "high": 6}
        service["unserved_price"] = {"value": "1 USD/Mtoken", "low": "0.5 USD/Mtoken", "high": "2 USD/Mtoken"}
        file = tmp_path / "scenario.yaml"
        file.write_text(yaml.safe_dump({**data, "uncertainty": doubt}, sort_keys=False))
        return file

    return written


def overlay(folder: Path, changes: dict[str, Any]) -> Scenario:
    (folder / "base.yaml").write_text(FIRST)
    file = folder / "changed.yaml"
    file.write_text(yaml.safe_dump({"base": "base.yaml", "name": "Changed", "changes": changes}))
    return load(file, catalog.load())


def test_changes_are_read_over_their_base(tmp_path: Path) -> None:
    found = overlay(
        tmp_path, {"sites.frankfurt.phases[1].month": "2027-06", "packaging.cowos.wafers": "40 wafer/month"}
    )
    assert found.name == "Changed"
    assert found.inputs.sites["frankfurt"].phases[1].month == 12 * 2027 + 5
    with pytest.raises(InputErrors, match="is not in the base"):
        overlay(tmp_path, {"sites.paris.share": 0.5})


def test_a_comparison_adds_up_whatever_changed(tmp_path: Path) -> None:
    changes = {
        "sites.frankfurt.phases[1].month": "2027-06",
        "supplies.memory.price": "900 USD/stack",
        "services.assistant.demand.growth": 6,
    }
    second = overlay(tmp_path, changes)
    first = load(tmp_path / "base.yaml", catalog.load())
    found = compare(first, second, catalog.load())
    assert [change.name for change in found.changes] == ["services.assistant", "supplies.memory", "sites.frankfurt"]
    assert found.plans == 8
    assert [change.told for change in found.changes][1:] == [
        "price: 300 USD/stack to 900 USD/stack",
        "phases[1].month: 2027-01 to 2027-06",
    ]
    for headline, before in found.before.items():
        size = max(abs(before), abs(found.after[headline]), 1.0)
        assert abs(found.residual(headline)) <= 1e-9 * size, headline
    plan = solve_warm(build(second, catalog.load()).problem).plan
    (cost,) = (value for headline, value in found.after.items() if headline.name == "Net present cost")
    assert cost == pytest.approx(plan.objective, rel=1e-7)


def test_nothing_changed_is_nothing_to_share_out(tmp_path: Path) -> None:
    same = overlay(tmp_path, {})
    found = compare(load(tmp_path / "base.yaml", catalog.load()), same, catalog.load())
    assert found.changes == () and found.before == found.after


def test_a_fan_is_the_same_for_any_workers_and_after_a_kill(unsure: Write, tmp_path: Path) -> None:
    scenario, known = load(unsure(DOUBT), catalog.load()), catalog.load()
    solved = solve_warm(build(scenario, known).problem)
    alone = fan(scenario, known, solved, workers=1, store=tmp_path / "one.jsonl")
    together = fan(scenario, known, solved, workers=2)
    assert alone.outcomes == together.outcomes
    assert len({each.figures["Net present cost"] for each in alone.planned if each.figures}) > 20
    lines = (tmp_path / "one.jsonl").read_text().split("\n")
    (tmp_path / "killed.jsonl").write_text("\n".join(lines[:10]) + "\n" + lines[10][:30])
    told: list[str] = []
    resumed = fan(scenario, known, solved, workers=1, store=tmp_path / "killed.jsonl", progress=told.append)
    assert resumed.outcomes == alone.outcomes
    assert "9 known already" in told[0]


def test_what_a_sample_leaves_is_what_its_plan_s_causes_leave(unsure: Write, tmp_path: Path) -> None:
    """Causes of the first samples add up to what their plans leave, and are those that `explain` finds there."""
    scenario, known = load(unsure(DOUBT), catalog.load()), catalog.load()
    solved = solve_warm(build(scenario, known).problem)
    store = tmp_path / "fan.jsonl"
    plain = fan(scenario, known, solved, samples=16, workers=1, store=store)
    asked = fan(scenario, known, solved, samples=16, causes=4, workers=1, store=store)  # takes the other twelve over
    assert [bool(each.left) for each in asked.outcomes] == [True] * 4 + [False] * 12
    assert [each.figures for each in asked.outcomes] == [each.figures for each in plain.outcomes]
    first, sampler = asked.outcomes[0], Sampler.of(scenario, known)
    problem = sampler.problem(asked.shares[0])
    plan = solved.again(problem, only_upper=True)
    said = explain(problem, plan, solved.around(problem, only_upper=True), steps=False)
    for y, binding in enumerate(said.years):
        total = sum(parts[y] for parts in first.left.values())
        assert total == pytest.approx(binding.left, abs=2 * SHORT)
        if total > 0.01:
            assert max(first.left, key=lambda key: first.left[key][y]) == next(iter(binding.causes))


def test_samples_are_correlated_as_stated(unsure: Write) -> None:
    sampler = Sampler.of(load(unsure(DOUBT), catalog.load()), catalog.load())
    shares = sampler.correlated(independent(2048, 3, 1))
    from scipy.stats import norm

    scores = norm.ppf(shares)
    assert np.corrcoef(scores.T)[0, 1] == pytest.approx(0.5, abs=0.01)
    assert np.corrcoef(scores.T)[0, 2] == pytest.approx(0.0, abs=0.01)
    assert sampler.groups() == ["growth with price", "growth with price", "delay"]


def test_a_sample_is_the_scenario_with_its_numbers_changed(unsure: Write) -> None:
    scenario = load(unsure(DOUBT), catalog.load())
    sampler = Sampler.of(scenario, catalog.load())
    data = sampler.located(np.array([0.5, 0.5, 0.9])).data
    assert data["sites"]["frankfurt"]["phases"][1]["month"] == "2027-04"
    late = sampler.problem(np.array([0.5, 0.5, 0.9])).data["site_power"]
    assert float(late.sel(month="2027-03").sum()) == 3e6 and float(late.sel(month="2027-04").sum()) == 8e6


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"inputs": {"x": {"of": ["sites.nowhere.share"]}}, "correlations": []}, "not in the file"),
        ({"inputs": {"x": {"of": ["packaging.cowos.wafers"]}}, "correlations": []}, "states no low and high"),
        (
            {
                "inputs": {"x": {"of": ["sites.frankfurt.phases[1].month"], "events": {0: "60%", 3: "60%"}}},
                "correlations": [],
            },
            "add up to 120%",
        ),
        ({"correlations": [{"between": ["growth", "nobody"], "value": 0.5}]}, "no uncertain input 'nobody'"),
        (
            {
                "correlations": [
                    {"between": ["growth", "price"], "value": 0.9},
                    {"between": ["price", "delay"], "value": 0.9},
                    {"between": ["growth", "delay"], "value": -0.9},
                ]
            },
            "growth with delay -0.9",
        ),
    ],
)
def test_impossible_uncertainty_is_refused(unsure: Write, change: dict[str, Any], told: str) -> None:
    with pytest.raises(InputErrors) as refused:
        load(unsure({**DOUBT, **change}), catalog.load())
    assert told in str(refused.value)


def test_a_matrix_is_named_where_it_is_not_possible() -> None:
    names = ["a", "b", "c", "d"]
    possible = correlation(names, {("a", "b"): 0.9, ("b", "c"): 0.9, ("a", "c"): 0.7})
    assert contradiction(names, possible) == ()
    assert contradiction(names, correlation(names, {("a", "b"): 0.9, ("b", "c"): 0.9})) == ("a", "b", "c")
