"""Sites of a scenario: tariffs, sources, ramps, slips, weather files, qualification: built, solved, audited."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from stackyard import catalog
from stackyard.errors import InputErrors
from stackyard.months import parse_month
from stackyard.plan.build import Built, build
from stackyard.plan.causes import QUALIFIED
from stackyard.plan.check import audit
from stackyard.plan.explain import explain
from stackyard.plan.plan import Plan
from stackyard.plan.scenario import load
from stackyard.plan.solve import solve, solve_warm
from stackyard.quantity import KWH

HEAD = (Path(__file__).parents[2] / "examples" / "first-plan.yaml").read_text(encoding="utf-8")
HALL = "halls:\n  wet: {name: Wet, cooling: liquid, rack_limit: 140 kW/rack, fitout: 12 USD/W}\n"
TURBINE = "turbine: {name: Turbine, kind: gas-turbine, limit: 10 MW, available: 2026-01, price: 0.5 USD/W}"


def made(tmp_path: Path, site: str = "", **changes: str) -> Built:
    """The first plan with lines more under its site, and texts changed."""
    text = HEAD.rstrip("\n") + "\n" + "".join(f"    {line}\n" for line in site.splitlines())
    for old, new in changes.items():
        lines = [line for line in text.splitlines() if line.strip().startswith(f"{old}:")]
        assert lines, old
        text = text.replace(lines[-1], lines[-1][: len(lines[-1]) - len(lines[-1].lstrip())] + new)
    file = tmp_path / "plan.yaml"
    file.write_text(text, encoding="utf-8")
    return build(load(file, catalog.load()), catalog.load())


def planned(built: Built) -> Plan:
    plan = solve(built.problem)
    assert audit(built.problem, plan) == []
    return plan


def test_site_power_is_fixed_and_proportional_and_the_worst_hour_is_the_limit(tmp_path: Path) -> None:
    built = made(tmp_path)
    d, plan = built.problem.data, planned(built)
    x, f = plan.decisions, plan.flows
    drawn = d["pue_peak"] * f["it_power_peak"] + d["overhead_peak"] * x["fitted"]
    np.testing.assert_allclose(f["site_power_peak"], drawn.transpose(*f["site_power_peak"].dims), rtol=1e-9)
    assert float((f["site_power_peak"] - d["site_power"]).max()) <= 1.0
    assert bool((d["pue_peak"] >= d["pue"] - 1e-9).all()) and float(d["overhead"].min()) > 0
    full = d["pue_peak"] + d["overhead_peak"] * d["pue_design"]
    assert float(full.max()) == pytest.approx(float(d["pue_design"].max()))


def test_a_demand_charge_is_paid_on_the_peak(tmp_path: Path) -> None:
    plain, charged = planned(made(tmp_path)), planned(made(tmp_path, "demand_charge: 7 USD/kW/month"))
    assert charged.objective > plain.objective
    peak = charged.decisions["grid_peak"].sum("site")
    used = charged.flows["site_power_peak"].sum("site")
    np.testing.assert_allclose(peak, used, rtol=1e-6, atol=1.0)
    paid = float((charged.flows["cost_energy"]).sum()) - 120e-3 / KWH * float(charged.flows["energy"].sum())
    assert paid == pytest.approx(7e-3 * float(peak.sum()), rel=0.01)


def test_a_source_relieves_the_grid_and_its_carbon_is_counted(tmp_path: Path) -> None:
    plain = planned(made(tmp_path))
    built = made(tmp_path, f"sources:\n  {TURBINE}")
    plan, d = planned(built), built.problem.data
    assert plan.objective < plain.objective
    assert float(plan.flows["site_power_peak"].max()) > 1.1 * float(d["site_power"].max())
    made_here = float(plan.flows["on_site"].sum())
    assert made_here > 0
    assert float((plan.flows["carbon"] - plan.flows["carbon_market"]).sum()) == pytest.approx(0.0, abs=1e-3)
    assert "frankfurt.turbine" in d["source"].values
    assert any(used.fact.path == "power.gas.carbon" for used in built.used)


def test_a_purchase_contract_cleans_the_market_based_carbon_only(tmp_path: Path) -> None:
    green = (
        "sources:\n  wind: {name: Wind, kind: contract, limit: 100 MW, available: 2026-01, energy_price: 10 USD/MWh}"
    )
    plan = planned(made(tmp_path, green))
    plain = planned(made(tmp_path))
    assert float(plan.flows["carbon_market"].sum()) < 0.01 * float(plan.flows["carbon"].sum())
    highest = [float(each.flows["site_power_peak"].max()) for each in (plan, plain)]
    assert highest[0] == pytest.approx(highest[1], rel=1e-3)
    assert float(plan.flows["on_site"].sum()) == 0


def test_storage_carries_a_peak_and_loses_energy(tmp_path: Path) -> None:
    store = "sources:\n  battery: {name: Battery, kind: storage, limit: 4 MW, available: 2026-03, price: 0.2 USD/W}"
    built = made(tmp_path, store)
    plan, d = planned(built), built.problem.data
    assert float(plan.decisions["capacity"].max()) > 0
    assert float(plan.decisions["output"].max()) == 0
    site = float((plan.flows["energy"] / d["seconds"]).sum())
    assert float(plan.decisions["grid"].sum()) == pytest.approx(site, rel=1e-6)


EVENING = "tariff: {evening: {hours: 6 hour, premium: 100 USD/MWh}}"
BATTERY = "sources:\n  battery: {name: Battery, kind: storage, limit: 4 MW, available: 2026-03, price: 0.2 USD/W}"


def test_storage_moves_energy_out_of_dear_hours_as_far_as_the_site_draws_there(tmp_path: Path) -> None:
    plain = planned(made(tmp_path, BATTERY))
    built = made(tmp_path, f"{BATTERY}\n{EVENING}")
    plan, d = planned(built), built.problem.data
    moved = plan.decisions["discharged"].sum(["source", "block"])
    grid = plan.decisions["grid"].sum("site")
    assert float(moved.sum()) > 0
    assert bool((moved <= 0.25 * grid * (1 + 1e-6)).all())  # a quarter of the day is dear
    hours = float((d["source_shift"] * plan.decisions["capacity"]).sum())
    assert float(moved.sum()) <= hours * (1 + 1e-6)  # four hours a day of its power
    assert plan.objective < plain.objective  # the mean price is the same: what is dear can be left out


def test_storage_moves_energy_between_any_number_of_blocks_of_a_tariff(tmp_path: Path) -> None:
    """With four prices it takes in the cheapest and gives in the dearest; equal prices are one block."""
    tariff = "tariff: {day: {hours: 9 hour, premium: 40 USD/MWh}, evening: {hours: 4 hour, premium: 140 USD/MWh}, "
    four = tariff + "noon: {hours: 3 hour, premium: 60 USD/MWh}}"
    built = made(tmp_path, f"{BATTERY}\n{four}")
    plan, d = planned(built), built.problem.data
    np.testing.assert_allclose((d["block_share"] * d["block_premium"]).sum("block"), 0.0, atol=1e-15)
    by_block = {name: plan.decisions[name].sum(["source", "month"]).values for name in ("charged", "discharged")}
    assert by_block["discharged"].argmax() == 2 and by_block["charged"].argmax() == 0
    np.testing.assert_allclose(by_block["charged"].sum(), by_block["discharged"].sum(), rtol=1e-6)
    grid = plan.decisions["grid"].sum("site")
    drawn = grid + (plan.decisions["charged"] - plan.decisions["discharged"]).sum("source") / d["block_share"].sum(
        "site"
    )
    peak = plan.decisions["grid_peak"].sum("site")
    assert bool((drawn <= peak * (1 + 1e-6) + 1).all())  # in no block more than the month's peak
    two = "tariff: {evening: {hours: 4 hour, premium: 100 USD/MWh}, late: {hours: 2 hour, premium: 100 USD/MWh}}"
    split, whole = (planned(made(tmp_path, f"{BATTERY}\n{each}")) for each in (two, EVENING))
    assert split.objective == pytest.approx(whole.objective, rel=1e-7)


def test_storage_takes_nothing_off_a_flat_load(tmp_path: Path) -> None:
    """What comes over the grid on average comes at its peak too: there is no trough in which to charge."""
    plan = planned(made(tmp_path, BATTERY, peak_to_mean="peak_to_mean: 1.0"))
    assert bool((plan.decisions["grid"] <= plan.decisions["grid_peak"] * (1 + 1e-6) + 1).all())
    assert float(plan.decisions["capacity"].max()) < 0.2 * float(plan.decisions["grid_peak"].max())


def test_the_sources_of_a_site_stand_in_the_hall_that_is_chosen(tmp_path: Path) -> None:
    plain = planned(made(tmp_path, HALL))
    built = made(tmp_path, HALL + f"sources:\n  {TURBINE}")
    plan, d = planned(built), built.problem.data
    assert list(d["source"].values) == ["frankfurt.turbine", "frankfurt/wet.turbine"]
    capacity = plan.decisions["capacity"].max("month")
    chosen = plan.decisions["chosen"].sel(option=["hall/frankfurt", "hall/frankfurt/wet"]).values
    assert chosen.sum() == 1
    assert float(capacity.values @ chosen) > 0 and float(capacity.values @ (1 - chosen)) == 0
    assert plan.objective < plain.objective


def test_power_ramps_and_slips(tmp_path: Path) -> None:
    power = made(tmp_path).problem.data["site_power"].values[0]
    ramped = made(tmp_path, "ramp: 1 MW/month").problem.data["site_power"].values[0]
    assert np.all(ramped <= power + 1e-6) and np.diff(ramped).max() <= 1e6 * 1.0001
    late = made(tmp_path, "slip: 3").problem.data["site_power"].values[0]
    np.testing.assert_allclose(late[3:], power[:-3])
    risky = made(tmp_path, "slip: {low: 0, likely: 3, high: 12, plan: p80}").problem.data["site_power"].values[0]
    assert np.all(risky <= late + 1e-6)


@pytest.mark.parametrize("halls", ["", HALL])
def test_phases_and_halls_to_choose_ramp_as_decided_ones_do(tmp_path: Path, halls: str) -> None:
    """What is open of the first phases is the ramp of these phases, whichever of them are chosen."""
    phases = [line for line in HEAD.splitlines() if "month:" in line and "power:" in line]
    ramp = "ramp: 1.5 MW/month"

    def of(count: int, choose: bool) -> Built:
        given = [f"      - {{month: 2026-0{m}, power: {p} MW}}" for m, p in ((3, 4), (5, 8), (8, 12))][:count]
        if choose:
            given[1:] = [line.replace("}", ", choose: true}") for line in given[1:]]
        changed = HEAD.replace("\n".join(phases), "\n".join(given))
        assert changed != HEAD
        file = tmp_path / "plan.yaml"
        more = "".join(f"    {line}\n" for line in f"{ramp}\n{halls if choose else ''}".splitlines())
        file.write_text(changed.rstrip("\n") + "\n" + more, encoding="utf-8")
        return build(load(file, catalog.load()), catalog.load())

    d = of(3, True).problem.data
    own = d["option_power"].isel(site=0)
    order = (["hall/frankfurt"] if halls else []) + ["phase/frankfurt/2026-05", "phase/frankfurt/2026-08"]
    for count in (1, 2, 3):
        chosen = order[: count if halls else count - 1]
        opened = d["site_power"].isel(site=0) + own.sel(option=chosen).sum("option")
        np.testing.assert_allclose(opened, of(count, False).problem.data["site_power"].isel(site=0), atol=1e-3)
    assert float(own.min()) >= 0
    planned(of(3, True))


def test_blocks_of_work_add_up_to_the_fit_out(tmp_path: Path) -> None:
    one = made(tmp_path).problem.data["fitout_price"].values
    parts = made(tmp_path, fitout="blocks: {shell: 3 USD/W, electrical: 5 USD/W, cooling: 3.6 USD/W}")
    np.testing.assert_allclose(parts.problem.data["fitout_price"].values, one)


def test_a_rack_limit_follows_from_the_cooling(tmp_path: Path) -> None:
    usual = made(tmp_path, rack_limit="fitout_life: 20 year")
    assert float(usual.problem.data["allowed"].max()) == 1  # a server of 10 kW in a hall of 30 kW racks
    assert any(used.fact.path == "facility.rack-density.rack-air-limit" for used in usual.used)


def test_a_maker_that_is_not_qualified_delivers_in_vain_until_it_is(tmp_path: Path) -> None:
    text = "price: {fact: hbm.hbm3e.price}"
    assert text in HEAD
    file = tmp_path / "plan.yaml"
    file.write_text(HEAD.replace(text, f"{text}\n    qualified: {{h200: 2026-07}}", 1), encoding="utf-8")
    built = build(load(file, catalog.load()), catalog.load())
    assert "HGX H200 takes HBM3E 8-high only from 2026-07 on: the maker's qualification." in built.remarks
    plan = planned(built)
    drawn = plan.decisions["draw"].sum(["supply", "accelerator"])
    assert float(drawn.sel(month=slice(None, "2026-06")).sum()) == 0
    assert float(drawn.sel(month=slice("2026-07", None)).sum()) > 0
    stock = plan.decisions["stock"].sel(month="2026-06")
    assert float(stock.sum()) > 0  # what came before is held


def test_ddr5_displaced_follows_the_stacks_drawn(tmp_path: Path) -> None:
    plan = planned(made(tmp_path))
    expected = 24e9 * catalog.load().fact("supply.trade-ratio.hbm3e-vs-ddr5-bits-per-wafer").si
    stacks = float(plan.decisions["draw"].sum())
    assert float(plan.flows["ddr5_displaced"].sum()) == pytest.approx(stacks * expected)


def test_packages_that_fail_take_stacks_and_wafers_with_them(tmp_path: Path) -> None:
    built = made(tmp_path, packages_per_wafer="packages_per_wafer: 28 package/wafer\n    package_yield: 80%")
    assert float(built.problem.data["stacks_per_package"][0]) == pytest.approx(6 / 0.8)
    assert float(built.problem.data["wafers_per_package"][0, 0]) == pytest.approx(1 / 28 / 0.8)


def test_a_weather_file_stands_for_the_climate(tmp_path: Path, weather: Callable[[Path, str], None]) -> None:
    weather(tmp_path / "cold.epw", "-5.0,-8.0")
    cold, mild = (made(tmp_path, line).problem.data for line in ("epw: cold.epw", ""))
    assert float(cold["pue_peak"].max()) < float(mild["pue_peak"].max())
    with pytest.raises(InputErrors, match=r"there is no file 'warm\.epw'"):
        made(tmp_path, "epw: warm.epw")
    (tmp_path / "bad.epw").write_text("nothing")
    with pytest.raises(InputErrors, match="is not an EPW file"):
        made(tmp_path, "epw: bad.epw")


@pytest.mark.parametrize(
    ("site", "told"),
    [
        ("blocks: {shell: 3 USD/W}", "needs either fitout or blocks"),
        ("sources:\n  x: {name: X, kind: coal, limit: 1 MW}", "kind"),
        ("sources:\n  x: {name: X, kind: solar}", "limit"),
        ("slip: {low: 9, likely: 3}", "not in order"),
        ("demand_charge: 7 USD/kW", "USD/kW/month"),
        ("tariff: {day: {hours: 16 hour, premium: 1 USD/MWh}, night: {hours: 9 hour, premium: 0 USD/MWh}}", "24 hours"),
        ("tariff: {day: {hours: 0 hour, premium: 1 USD/MWh}}", "not above 0"),
        ("tariff: {day: {hours: 12 hour, premium: 300 USD/MWh}}", r"the rest of the day cost -30 USD/MWh in 2026-01"),
        ("ramp: 0 MW/month", "lets no power rise"),
        ("sources:\n  x: {name: X, kind: solar, limit: 1 MW, firm: 120%}", "is above 1"),
    ],
)
def test_sites_that_cannot_be_are_refused(tmp_path: Path, site: str, told: str) -> None:
    with pytest.raises(InputErrors, match=told):
        made(tmp_path, site)


def test_the_first_phase_is_in_the_month_that_the_file_says(tmp_path: Path) -> None:
    data = made(tmp_path).problem.data
    energised = data["month"].values[data["site_power"].values[0] > 0][0]
    assert parse_month(str(energised)) == parse_month("2026-03")


def test_what_waits_for_a_qualification_is_explained_by_it(tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    text = "price: {fact: hbm.hbm3e.price}"
    file.write_text(HEAD.replace(text, f"{text}\n    qualified: {{h200: 2026-07}}", 1), encoding="utf-8")
    solved = solve_warm(build(load(file, catalog.load()), catalog.load()).problem)
    said = explain(solved.formulation.problem, solved.plan, solved.resolve)
    binds = said.data["left"].sum("service").sel(month="2026-08")
    assert str(binds["cause"].values[int(binds.values.argmax())]) == QUALIFIED


def test_power_beside_the_grid_that_is_short_is_named(tmp_path: Path) -> None:
    built = made(tmp_path, f"sources:\n  {TURBINE.replace('10 MW', '200 kW')}")
    solved = solve_warm(built.problem)
    assert audit(built.problem, solved.plan) == []
    assert float(solved.plan.prices["price_source"].max()) > 0
    said = explain(built.problem, solved.plan, solved.resolve)
    assert float(said.data["relief"].sel(resource="sources").max()) > 0  # with more of it more would be served
