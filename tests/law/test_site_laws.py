"""Laws of a site: heat flows downhill, nothing is free, units do not matter, arrays are many numbers."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stackyard.catalog.entries import Phase
from stackyard.quantity import HOUR, KWH, MEGA, YEAR
from stackyard.site.account import carbon, electricity_cost, fitout_cost, site_energy, water_volume
from stackyard.site.climate import wet_bulb
from stackyard.site.cooling import Chiller, chiller_work, cooling_power, free_share, tower_water
from stackyard.site.phases import power_by_month, residual
from stackyard.site.plant import Cooling, Rejection, conditions, facts, plant
from stackyard.site.power import fits_rack, it_power, pue, system_power
from stackyard.source import Grade

KINDS: list[Cooling] = ["air", "outside-air", "hybrid", "liquid", "legacy"]
REJECTIONS: list[Rejection] = ["dry", "adiabatic", "tower"]
kind = st.sampled_from(KINDS)
rejection = st.sampled_from(REJECTIONS)
celsius = st.floats(-25, 38)
drier = st.floats(0, 12)  # wet bulb below dry bulb
power = st.floats(1.0, 1e9)
share = st.floats(0.0, 1.0)


@settings(max_examples=100, deadline=None)
@given(kind, rejection, celsius, drier, st.floats(0, 20))
def test_hotter_air_never_lowers_pue_or_the_chillers_share(
    cooling: Cooling, rejection: Rejection, dry: float, gap: float, warmer: float
) -> None:
    found = conditions(plant(cooling, rejection), [dry, dry + warmer], [dry - gap, dry + warmer - gap])
    assert found.pue[1] >= found.pue[0] - 1e-12
    assert found.mechanical[1] >= found.mechanical[0] - 1e-12


@settings(max_examples=100, deadline=None)
@given(kind, rejection, celsius, drier)
def test_pue_is_above_one_and_only_what_wets_drinks(
    cooling: Cooling, rejection: Rejection, dry: float, gap: float
) -> None:
    here = plant(cooling, rejection)
    found = conditions(here, [dry], [dry - gap])
    assert found.pue[0] > 1
    assert 0 <= found.mechanical[0] <= 1 + 1e-12
    assert found.water[0] == 0 or here.wets
    if here.rejection == "tower":
        assert found.water[0] > 0


@given(celsius, drier)
def test_better_kinds_of_cooling_rank_as_named(dry: float, gap: float) -> None:
    for how in REJECTIONS:
        liquid, hybrid, air, legacy = (
            conditions(plant(cooling, how), [dry], [dry - gap]).pue[0]
            for cooling in ("liquid", "hybrid", "air", "legacy")
        )
        assert liquid < hybrid < air < legacy


def test_many_months_and_sites_at_once_equal_one_by_one() -> None:
    dry = np.array([[2.0, 14.0, 26.0], [-5.0, 10.0, 31.0]])
    wet = dry - 3.0
    for cooling in KINDS:
        for how in REJECTIONS:
            here = plant(cooling, how)
            together = conditions(here, dry, wet)
            assert together.pue.shape == together.water.shape == dry.shape
            for name in ("pue", "water", "cooling", "mechanical"):
                alone = [getattr(conditions(here, d, w), name) for d, w in zip(dry.flat, wet.flat, strict=True)]
                np.testing.assert_allclose(getattr(together, name).ravel(), alone, rtol=1e-12, atol=1e-18)


def test_a_wet_bulb_above_the_dry_bulb_is_refused() -> None:
    with pytest.raises(ValueError, match="never above"):
        conditions(plant("air"), [10.0], [11.0])


def test_only_what_wets_needs_the_wet_bulb() -> None:
    np.testing.assert_array_equal(conditions(plant("air"), [30.0]).pue, conditions(plant("air"), [30.0], [20.0]).pue)
    for here in (plant("air", "tower"), plant("air", "adiabatic"), plant("outside-air")):
        with pytest.raises(ValueError, match="needs the wet bulb"):
            conditions(here, [30.0])
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        conditions(plant("air"), [30.0], load=0.0)


@given(celsius, st.floats(1, 15), st.floats(5, 45), st.floats(1, 15), st.floats(0.1, 30))
def test_shifting_every_temperature_leaves_the_economiser_alone(
    outside: float, approach: float, supply: float, rise: float, shift: float
) -> None:
    share = free_share(outside, approach, supply, rise)
    assert 0 <= share <= 1
    assert free_share(outside + shift, approach, supply + shift, rise) == pytest.approx(share, abs=1e-9)
    assert free_share(outside + shift, approach, supply, rise) <= share
    assert free_share(supply - approach, approach, supply, rise) == pytest.approx(1.0)
    assert free_share(supply + rise - approach, approach, supply, rise) == pytest.approx(0.0, abs=1e-12)


@given(celsius, st.floats(5, 45), st.floats(0.2, 1.0))
def test_no_chiller_beats_carnot(outside: float, supply: float, carnot: float) -> None:
    work = chiller_work(outside, 5.0, supply, Chiller(carnot, 0.0, 0.0, 1e-6))
    ideal = max((outside + 5.0 - supply) / (supply + 273.15), 0.0)
    assert work >= ideal * (1 - 1e-12)
    assert work == pytest.approx(ideal / carnot, rel=1e-9, abs=1e-6)


@given(celsius, st.floats(0.05, 1.0), st.floats(2, 10), st.floats(2, 12))
def test_a_tower_never_evaporates_more_than_the_heat_allows(
    dry: float, humidity: float, approach: float, rise: float
) -> None:
    """Where the air leaves no colder than it came, vapour takes at most all of the heat: 2.4 MJ for each kilogram."""
    wet = min(wet_bulb(dry, humidity, 101325.0), dry)
    evaporated = tower_water(dry, wet, wet + approach, rise, 1e12, 101325.0)
    assert evaporated >= 0
    if wet + approach + rise / 2 >= dry:
        assert evaporated <= 1 / 2.4e6
    assert tower_water(dry, wet, wet + approach, rise, 3.0, 101325.0) == pytest.approx(1.5 * evaporated, rel=1e-6)


@given(share, share, st.floats(0, 0.5), st.floats(0, 0.1))
def test_cooling_power_grows_with_each_of_its_parts(a: float, b: float, c: float, d: float) -> None:
    base = cooling_power(a, b, c, d)
    assert base >= a + d - 1e-12
    for more in (cooling_power(a + 0.1, b, c, d), cooling_power(a, b, c, d + 0.1), cooling_power(a, b, c + 0.1, d)):
        assert more >= base


@given(share, st.floats(0.8, 1.0), st.floats(0, 0.1), st.floats(0, 0.1))
def test_pue_is_one_only_for_a_site_without_losses(cooling: float, ups: float, loss: float, other: float) -> None:
    found = pue(cooling, ups, loss, other)
    assert found >= 1
    assert pue(0.0, 1.0, 0.0, 0.0) == 1.0
    assert pue(cooling + 0.01, ups, loss, other) > found


@given(power, power, power, st.integers(1, 72), st.floats(0.5, 1.0), st.sampled_from([1e-3, 1e3]))
def test_system_power_does_not_care_for_the_unit_of_power(
    chip: float, tdp: float, rated: float, count: int, used: float, unit: float
) -> None:
    found = system_power(chip, tdp, rated, count, used)
    assert found >= chip
    assert system_power(chip * unit, tdp * unit, rated * unit, count, used) == pytest.approx(found * unit, rel=1e-9)
    busy, idle = max(chip, tdp), min(chip, tdp)
    assert it_power(10.0, 4.0, busy * unit, idle * unit) == pytest.approx(unit * it_power(10.0, 4.0, busy, idle))


@given(power, st.floats(1, 2), share, share)
def test_more_machines_or_more_work_never_take_less_power(idle: float, factor: float, some: float, more: float) -> None:
    low, high = sorted((some, more))
    assert it_power(100, 100 * high, idle * factor, idle) >= it_power(100, 100 * low, idle * factor, idle)
    assert it_power(101, 50, idle * factor, idle) > it_power(100, 50, idle * factor, idle)


@given(power, power, st.floats(1, 2))
def test_more_power_is_never_less_energy_money_carbon_or_water(first: float, second: float, ratio: float) -> None:
    low, high = sorted((first, second))
    small, large = site_energy(low, ratio, HOUR), site_energy(high, ratio, HOUR)
    assert large >= small >= low * HOUR
    for price in (electricity_cost, carbon, water_volume, fitout_cost):
        assert price(large, 0.3) >= price(small, 0.3) >= 0
        assert price(large * 1e-3, 0.3 / 1e-3) == pytest.approx(price(large, 0.3))  # the unit of energy cancels
    assert electricity_cost(KWH, 0.13 / KWH) == pytest.approx(0.13)


@given(st.lists(st.tuples(st.integers(0, 40), st.floats(0, 1e9)), max_size=5), st.integers(0, 12))
def test_energised_power_never_falls_and_a_slip_only_delays(steps: list[tuple[int, float]], slip: int) -> None:
    phases = [Phase(month, watts) for month, watts in steps]
    found = power_by_month(phases, range(60))
    assert np.all(np.diff(found) >= 0)
    assert found[-1] == max((watts for _, watts in steps), default=0.0)
    late = power_by_month(phases, range(60), slip)
    assert np.all(late <= found)
    np.testing.assert_array_equal(late[slip:], found[: 60 - slip])


def test_a_straight_line_from_all_to_nothing() -> None:
    np.testing.assert_allclose(residual(np.array([0.0, 2.5, 5.0, 9.0]), 5.0), [1.0, 0.5, 0.0, 0.0])


@given(st.floats(0.001, 0.5), st.integers(2, 30), st.data())
def test_an_investment_costs_the_same_in_every_year_of_its_life(rate: float, life: int, data: st.DataObject) -> None:
    ages = np.arange(life + 1) * YEAR
    left = np.asarray(residual(ages, life * YEAR, rate))
    cost = left[:-1] - left[1:] / (1 + rate)  # paid at the start of the year, what is left sold at its end
    np.testing.assert_allclose(cost, cost[0], rtol=1e-6)
    assert left[0] == pytest.approx(1) and left[-1] == pytest.approx(0, abs=1e-12)
    age = data.draw(st.floats(0, 2)) * life * YEAR
    assert float(residual(age, life * YEAR, 1e-9)) == pytest.approx(float(residual(age, life * YEAR)), abs=1e-6)


@given(st.floats(-10, 40), st.floats(0.05, 1.0))
def test_the_wet_bulb_lies_below_the_dry_one_and_meets_it_when_saturated(dry: float, humidity: float) -> None:
    found = wet_bulb(dry, humidity, 101325.0)
    assert found <= dry + 1e-9
    assert wet_bulb(dry, 1.0, 101325.0) == pytest.approx(dry, abs=0.01)
    many = wet_bulb(np.array([dry, dry]), np.array([humidity, 1.0]), 101325.0)
    np.testing.assert_allclose(many, [found, wet_bulb(dry, 1.0, 101325.0)])


def test_a_humidity_in_percent_is_refused() -> None:
    with pytest.raises(ValueError, match=r"0\.\.1"):
        wet_bulb(20.0, 60.0, 101325.0)


def test_racks_hold_what_stays_within_their_limit() -> None:
    assert fits_rack(np.array([14.3e3, 30e3, 132e3]), 30e3).tolist() == [True, True, False]


def test_every_constant_of_the_plant_has_a_source_or_a_reason_and_lies_in_its_range() -> None:
    for path, fact in facts().items():
        assert fact.sources or (fact.grade is Grade.ASSUMED and fact.note), path
        assert fact.si_low <= fact.si <= fact.si_high, path
        assert fact.place.startswith(("plant.yaml:", "facility.yaml:")), path


def test_a_plant_names_the_constants_it_was_made_from() -> None:
    assert "plant.dry.approach" in plant("liquid", "dry").facts
    assert "plant.tower.cycles" not in plant("liquid", "dry").facts
    assert "plant.warm.supply" not in plant("air").facts
    assert set(plant("legacy", "tower").facts) < set(facts())


def test_another_table_of_constants_makes_another_plant() -> None:
    worst = replace(facts()["plant.tower.approach"], value=7.0)
    table = {**facts(), "plant.tower.approach": worst}
    assert plant("air", "tower", table).approach == 7.0
    hot = ([30.0], [26.0])
    assert conditions(plant("air", "tower", table), *hot).pue[0] > conditions(plant("air", "tower"), *hot).pue[0]
    assert plant("air", "tower").pressure == pytest.approx(0.1013 * MEGA)
