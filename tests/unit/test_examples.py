"""Both examples plan, pass their audit, and say what limits in each year."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stackyard import api
from stackyard.plan.check import audit
from stackyard.plan.explain import NOTHING, RESOURCES

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module", params=["first-plan.yaml", "openai-sk"])
def result(request: pytest.FixtureRequest) -> api.Result:
    return api.plan(EXAMPLES / request.param)


def test_the_audit_finds_nothing(result: api.Result) -> None:
    assert audit(result.built.problem, result.plan) == []


def test_every_year_has_a_limit_or_says_that_none_binds(result: api.Result) -> None:
    years = [int(year) for year in result.built.problem.data["year"].values]
    assert [binding.year for binding in result.explanation.years] == years
    assert {binding.resource for binding in result.explanation.years} <= {*RESOURCES, *NOTHING}
    assert any(binding.resource in RESOURCES for binding in result.explanation.years)


def test_the_assumed_numbers_are_counted_in_every_answer(result: api.Result) -> None:
    assert "numbers behind this are assumed" in result.explanation.notes[-1]


def test_the_json_is_the_plan(result: api.Result, tmp_path: Path) -> None:
    written = {path.name: path for path in result.write(tmp_path)}
    said = json.loads(written["plan.json"].read_text(encoding="utf-8"))
    assert said["digests"]["problem"] == result.built.problem.digest == result.plan.problem_digest
    assert said["net_present_cost_usd"] == result.plan.objective
    rows = said["decisions"]["bought"]["rows"]
    assert sum(row[-1] for row in rows) == pytest.approx(float(result.plan.decisions["bought"].sum()), rel=1e-6)
    problem, plan, explanation = api.explained(tmp_path)
    assert problem.digest == result.built.problem.digest
    assert plan.decisions.equals(result.plan.decisions)
    assert explanation.years == result.explanation.years
