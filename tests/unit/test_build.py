"""From a scenario to a Problem: every coefficient traces back to a formula, a fact and the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stackyard import catalog
from stackyard.months import parse_month
from stackyard.plan import build, scenario
from stackyard.plan.problem import Problem
from stackyard.quantity import DAY
from stackyard.source import Grade

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def first() -> build.Built:
    return build.build(scenario.load(EXAMPLES / "first-plan.yaml", catalog.load()), catalog.load())


@pytest.fixture(scope="module")
def alliance() -> build.Built:
    return build.build(scenario.load(EXAMPLES / "openai-sk", catalog.load()), catalog.load())


def test_the_first_plan_s_coefficients_are_what_its_file_says(first: build.Built) -> None:
    data = first.problem.data
    assert (first.problem.end, data.sizes["month"]) == ("2027-12", 24 + 3 + build.RUN_OUT)
    growth = data["demand"].sel(service="assistant")
    assert float(growth[0]) == pytest.approx(200e9)
    assert float(growth[12]) == pytest.approx(800e9)
    assert data["stacks_delivered"].sel(supply="memory").values[[0, -1]] == pytest.approx([1500.0, 4000.0])
    assert data["packaging_wafers"].values == pytest.approx(50.0)
    assert float(data["wafers_per_package"][0, 0]) == pytest.approx(1 / 28)
    power = data["site_power"].sel(site="frankfurt").values
    assert power[[0, 2, 11, 12]] == pytest.approx([0.0, 3e6, 3e6, 8e6])
    # a server of eight at 350 kUSD, USD 5,000 of network, less six stacks at the catalogue's price
    own = 350e3 / 8 + 5e3 - 6 * catalog.load().facts["hbm.hbm3e.price"].si
    assert data["accelerator_price"].values == pytest.approx(own)
    assert float(data["lead_months"][0]) == 3
    assert float(data["life_months"][0]) == 60
    assert (data["pue"].values > 1).all()


def test_rate_and_power_are_those_of_the_best_operating_point(first: build.Built) -> None:
    point = first.points["h200", "assistant/llama-3.1-70b/fp8"]
    assert point.estimate is not None
    data = first.problem.data
    assert float(data["rate"][0, 0]) == point.token_rate > 0
    assert point.estimate.tpot <= 0.050
    assert point.estimate.ttft <= 2.0
    busy, idle = float(data["power_busy"][0, 0]), float(data["power_idle"][0])
    assert float(point.watts) < busy < 10.2e3 / 8
    assert 0 < idle < busy


def test_the_letters_wafers_become_stacks_after_yields_and_six_months(alliance: build.Built) -> None:
    data = alliance.problem.data
    stacks = data["stacks_delivered"].sel(supply="sk-hynix-hbm4").values
    # wafers rise in a straight line from 0 in 2025-10; what ships in a month was started six months before
    months_after_start = np.arange(stacks.size) + 3 - 6
    wafers = np.clip(months_after_start, 0, 50) / 50 * 900e3 * 0.43 * 0.10
    dies = np.pi * 0.147**2 / 135e-6 - np.pi * 0.294 / np.sqrt(2 * 135e-6)
    assert stacks == pytest.approx(wafers * dies * 0.70 / 12 * 0.99**12 * 0.95, rel=1e-9)


def test_rack_limits_keep_dense_racks_out_of_ulsan_but_not_servers(alliance: build.Built) -> None:
    allowed = alliance.problem.data["allowed"].sel(site="ulsan")
    assert float(allowed.sel(accelerator="gb300-nvl72")) == 0
    assert float(allowed.sel(accelerator="b300-hgx8")) == 1
    assert any("Ulsan" in remark for remark in alliance.remarks)


def test_a_stack_fits_only_accelerators_of_its_generation_and_height(alliance: build.Built) -> None:
    fits = alliance.problem.data["fits_stack"]
    assert float(fits.sel(supply="sk-hynix-hbm3e", accelerator="gb300-nvl72")) == 1
    assert float(fits.sel(supply="sk-hynix-hbm3e", accelerator="gb200-nvl72")) == 0  # 8-high
    assert float(fits.sel(supply="sk-hynix-hbm4", accelerator="gb300-nvl72")) == 0


def test_won_become_dollars_at_the_stated_rate(alliance: build.Built) -> None:
    price = alliance.problem.data["electricity_price"].sel(site="ulsan").values
    assert price == pytest.approx(182.7 / 1530 / 3.6e6)


def test_every_number_used_is_kept_with_its_grade(alliance: build.Built) -> None:
    used = {each.where: each.fact for each in alliance.used}
    assert used["sites.abilene.fitout"].sources
    grades = {u.fact.grade for u in alliance.used}
    assert Grade.ASSUMED in grades
    assert Grade.PUBLISHED in grades


def test_a_problem_survives_its_file_and_every_change_shows_in_its_digest(first: build.Built, tmp_path: Path) -> None:
    first.problem.save(tmp_path / "problem.nc")
    again = Problem.load(tmp_path / "problem.nc")
    assert again.digest == first.problem.digest
    changed = again.data.copy(deep=True)
    changed["demand"][0, 3] *= 1.0000001
    assert Problem(changed).digest != first.problem.digest


def test_growth_by_period_multiplies_through(alliance: build.Built) -> None:
    demand = alliance.problem.data["demand"].sel(service="api-large").values
    at = {month: parse_month(month) - parse_month("2026-01") for month in ("2026-03", "2027-03", "2028-03", "2029-03")}
    growth = catalog.load().facts["demand.openai.api-growth"].si
    base = demand[at["2026-03"]]
    assert base == pytest.approx(0.5 * catalog.load().facts["demand.openai.api-tokens-per-day-2026-03"].si * DAY)
    assert demand[at["2027-03"]] / base == pytest.approx(growth)
    assert demand[at["2029-03"]] / base == pytest.approx(growth * 3 * 2.5)
    assert demand[0] / base == pytest.approx(growth ** (-2 / 12))


def test_monthly_amounts_are_those_of_the_table(alliance: build.Built) -> None:
    rows = [line.split(",") for line in (EXAMPLES / "openai-sk" / "deliveries.csv").read_text().splitlines()[2:]]
    promised = [float(row[1]) for row in rows]
    assert alliance.problem.data["stacks_delivered"].sel(supply="sk-hynix-hbm3e").values[:60] == pytest.approx(promised)


def test_the_constants_behind_the_rates_are_among_the_numbers_used(alliance: build.Built) -> None:
    used = {used.fact.path: used.fact.grade for used in alliance.used}
    assert used["perf.compute.elementwise"] is Grade.ASSUMED
    assert "perf.memory.decode" in used
    assert "perf.compute.matmul.int8" not in used  # no service runs in int8
