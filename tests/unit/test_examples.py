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


def test_a_token_unserved_costs_what_a_token_earns() -> None:
    """The alliance's price is the record's revenue over the example's own demand, in 2026-03 and over 2030."""
    data = api.problem(EXAMPLES / "openai-sk").problem.data
    facts = api.catalog().facts
    tokens = data["demand"].sum("service") * data["seconds"] / 86400
    price = data["unserved_price"].isel(service=0)
    assert len({tuple(row) for row in data["unserved_price"].values.tolist()}) == 1
    month, year = {"month": "2026-03"}, {"month": slice("2030-01", "2030-12")}
    earned = facts["demand.openai.revenue-per-month-2026-03"].value / tokens.sel(month)
    assert float(price.sel(month)) == pytest.approx(float(earned), rel=0.05)
    later = facts["demand.openai.revenue-2030"].value / tokens.sel(year).sum()
    assert float(price.sel({"month": "2030-06"})) == pytest.approx(float(later), rel=0.05)


def test_a_dear_month_far_ahead_hides_no_limit_of_today(tmp_path: Path) -> None:
    text = (EXAMPLES / "first-plan.yaml").read_text(encoding="utf-8")
    (tmp_path / "long.yaml").write_text(text.replace("end: 2027-12", "end: 2036-12"), encoding="utf-8")
    found = api.plan(tmp_path / "long.yaml", steps=False)
    assert found.explanation.data["binds"].sel(month="2026-02").item() == "hbm"
