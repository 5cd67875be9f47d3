"""Both examples plan, pass their audit, and say what limits in each year."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stackyard import api, catalog
from stackyard.plan.causes import NOTHING
from stackyard.plan.check import audit
from stackyard.plan.limits import RESOURCES
from stackyard.plan.plan import reported
from stackyard.plan.scenario import load

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module", params=["first-plan.yaml", "openai-sk"])
def result(request: pytest.FixtureRequest) -> api.Result:
    return api.plan(EXAMPLES / request.param)


@pytest.mark.parametrize("changes", ["hbm4-slips.yaml", "other-models.yaml"])
def test_the_changes_of_the_example_read(changes: str) -> None:
    known = catalog.load()
    base, other = (load(EXAMPLES / "openai-sk" / name, known) for name in ("scenario.yaml", changes))
    assert other.digest != base.digest and other.months == base.months


def test_the_audit_finds_nothing(result: api.Result) -> None:
    assert audit(result.built.problem, result.plan) == []


def test_every_year_has_a_limit_or_says_that_none_binds(result: api.Result) -> None:
    horizon = result.scenario.months
    years = list(range(horizon.start // 12, horizon[-1] // 12 + 1))
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
    _, seen = reported(result.built.problem, result.plan)
    rows = said["decisions"]["bought"]["rows"]
    assert sum(row[-1] for row in rows) == pytest.approx(float(seen.decisions["bought"].sum()), rel=1e-6)
    problem, plan, explanation = api.explained(tmp_path)
    assert problem.digest == result.built.problem.digest
    assert plan.decisions.equals(result.plan.decisions)
    assert explanation.years == result.explanation.years


def test_a_token_unserved_costs_what_a_token_earns() -> None:
    """Prices times the example's own demand come to the record's revenue, in 2026-03 and over 2030; a token of a large
    model earns more than one of a small model."""
    data = api.problem(EXAMPLES / "openai-sk").problem.data
    facts = api.catalog().facts
    earned = (data["unserved_price"] * data["demand"]).sum("service") * data["seconds"] / 86400
    month = facts["demand.openai.revenue-per-month-2026-03"].value
    assert float(earned.sel(month="2026-03")) == pytest.approx(float(month), rel=0.15)
    year = facts["demand.openai.revenue-2030"].value
    assert float(earned.sel(month=slice("2030-01", "2030-12")).sum()) == pytest.approx(float(year), rel=0.15)
    price = data["unserved_price"]
    assert bool((price.sel(service="api-large") > price.sel(service="api-small")).all())


def test_a_dear_month_far_ahead_hides_no_limit_of_today(tmp_path: Path) -> None:
    text = (EXAMPLES / "first-plan.yaml").read_text(encoding="utf-8")
    (tmp_path / "long.yaml").write_text(text.replace("end: 2027-12", "end: 2038-12"), encoding="utf-8")
    found = api.plan(tmp_path / "long.yaml", steps=False)
    assert audit(found.built.problem, found.plan) == []
    assert found.explanation.data["binds"].sel(month="2026-06").item() == "hbm"


def test_a_longer_horizon_changes_little_of_what_limits_before(tmp_path: Path) -> None:
    """The end of the horizon is not taken for the end of demand: no shortage of its own in its last months."""
    folder = EXAMPLES / "openai-sk"
    text = (folder / "scenario.yaml").read_text(encoding="utf-8")
    assert "end: 2030-12" in text
    rows = (folder / "deliveries.csv").read_text(encoding="utf-8").splitlines()
    rows += [",".join([f"2031-{month:02d}", *rows[-1].split(",")[1:]]) for month in range(1, 13)]
    (tmp_path / "deliveries.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (tmp_path / "scenario.yaml").write_text(text.replace("end: 2030-12", "end: 2031-12"), encoding="utf-8")
    short, long = (api.plan(path, steps=False).explanation.years for path in (folder, tmp_path))
    assert all(set(year.main) & set(later.main) for year, later in zip(short, long, strict=False))
    assert short[0].resource == "hbm"
    for year, later in zip(short, long, strict=False):
        assert year.left == pytest.approx(later.left, abs=0.08)  # whole phases and racks move some of it between years
