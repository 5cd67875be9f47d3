"""Laws of a site through a year: hours keep their means, load and losses rank, bad weather files are refused."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stackyard.catalog.load import load
from stackyard.errors import InputErrors
from stackyard.site.climate import wet_bulb
from stackyard.site.cooling import pad_water, wetted
from stackyard.site.epw import HEADER, read_epw
from stackyard.site.losses import Curve, conversion, line
from stackyard.site.places import weather
from stackyard.site.plant import Cooling, Rejection, conditions, plant
from stackyard.site.weather import DAYS, HOURS, MONTH_OF_HOUR, Weather, by_month, hours_from_means, synthetic
from stackyard.site.year import year

KINDS: list[Cooling] = ["air", "outside-air", "hybrid", "liquid", "legacy"]
REJECTIONS: list[Rejection] = ["dry", "adiabatic", "tower"]
share = st.floats(0.0, 1.0)
means = st.lists(st.floats(-20, 35), min_size=12, max_size=12)


@settings(max_examples=30, deadline=None)
@given(means, st.floats(0, 6), st.floats(0, 8), st.floats(-10, 10))
def test_hours_keep_the_means_they_were_made_from(
    monthly: list[float], spread: float, swing: float, shift: float
) -> None:
    hours = hours_from_means(monthly, spread, swing)
    assert hours.shape == (HOURS,) == MONTH_OF_HOUR.shape and DAYS.sum() == 365
    np.testing.assert_allclose(by_month(hours), monthly, atol=1e-6)
    np.testing.assert_allclose(hours_from_means([m + shift for m in monthly], spread, swing), hours + shift, atol=1e-6)
    assert hours.std() <= hours_from_means(monthly, spread + 1, swing + 1).std()


@settings(max_examples=15, deadline=None)
@given(st.floats(-5, 25), st.floats(0, 8))
def test_the_wet_bulb_of_made_hours_is_never_above_the_dry(mean: float, gap: float) -> None:
    found = synthetic("x", [mean] * 12, [mean - gap] * 12, spread=(3.0, 2.0), swing=(3.0, 1.5))
    assert np.all(found.wet <= found.dry)
    assert np.all(by_month(found.wet) <= mean - gap + 1e-6)


@given(st.floats(0.05, 1.0), st.floats(0.8, 0.999), st.floats(1.0, 3.0), st.floats(0, 1), share)
def test_losses_grow_with_load_and_weigh_more_below_it(
    part: float, efficiency: float, spare: float, fixed: float, rest: float
) -> None:
    curve = Curve(fixed, rest * (1 - fixed))
    full, less = conversion(1.0, efficiency, spare, curve), conversion(part, efficiency, spare, curve)
    assert 0 <= less <= full + 1e-12
    assert curve.at(1.0) == pytest.approx(1.0)
    if rest == 0:
        assert less / part >= full - 1e-12
    assert conversion(part, 1.0, spare, curve) == 0


@given(st.floats(0.1, 0.9), st.floats(0.1, 1.0), st.floats(1.0, 2.0))
def test_the_line_meets_the_curve_at_both_loads(low: float, at_low: float, at_full: float) -> None:
    fixed, proportional = line(low, at_low, at_full)
    assert fixed + proportional * low == pytest.approx(at_low)
    assert fixed + proportional == pytest.approx(at_full)


@pytest.mark.parametrize("cooling", KINDS)
@pytest.mark.parametrize("rejection", REJECTIONS)
def test_the_line_is_close_to_the_curve_between_its_ends(cooling: Cooling, rejection: Rejection) -> None:
    """Within 1% of site power from 40% to full load, and 4% at 30%."""
    here, hot = plant(cooling, rejection), np.array([-5.0, 15.0, 25.0, 33.0])
    full, less = (conditions(here, hot, hot - 4, at).site for at in (1.0, 0.4))
    fixed, proportional = line(0.4, less, full)
    for part, within in ((0.3, 0.04), (0.5, 0.01), (0.7, 0.01), (0.9, 0.01)):
        np.testing.assert_allclose(fixed + proportional * part, conditions(here, hot, hot - 4, part).site, rtol=within)
    assert np.all(np.asarray(fixed) > 0) and np.all(np.asarray(proportional) > 1)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(KINDS), st.sampled_from(REJECTIONS), st.floats(-20, 38), st.floats(0, 10), st.floats(0.1, 1), share
)
def test_more_load_takes_more_power_and_less_is_less_efficient_at_the_low_end(
    cooling: Cooling, rejection: Rejection, dry: float, gap: float, part: float, other: float
) -> None:
    here, low = plant(cooling, rejection), part * max(other, 0.05)
    some, less = (conditions(here, dry, dry - gap, at) for at in (part, low))
    assert some.site >= less.site - 1e-12
    assert conditions(here, dry, dry - gap, 0.1).pue > conditions(here, dry, dry - gap, 0.5).pue
    assert np.isclose(some.pue * part, some.site)


@given(st.floats(-10, 45), st.floats(0, 20), st.floats(10, 35), share)
def test_wetted_air_lies_between_the_bulbs_and_takes_the_water_that_cools_it(
    dry: float, gap: float, needed: float, effectiveness: float
) -> None:
    behind = wetted(dry, dry - gap, needed, effectiveness)
    assert dry - gap - 1e-9 <= behind <= dry
    assert behind == dry or behind >= needed - 1e-9
    assert pad_water(dry, behind, 10.0) == pytest.approx(2 * pad_water(dry, behind, 20.0))
    assert (pad_water(dry, behind, 10.0) > 0) == (behind < dry)


@pytest.mark.parametrize("cooling", KINDS)
@pytest.mark.parametrize("rejection", REJECTIONS)
def test_the_hours_of_a_month_are_all_of_one_mode_or_another(cooling: Cooling, rejection: Rejection) -> None:
    place = weather(load().climate("ulsan"))
    found = year(plant(cooling, rejection), place, 0.7)
    np.testing.assert_allclose(found.free + found.partial + found.mechanical, DAYS * 24)
    assert np.all(found.fixed_peak + found.proportional_peak >= found.fixed + found.proportional - 1e-12)
    hours = conditions(plant(cooling, rejection), place.dry, place.wet, 0.7)
    assert found.mean("pue") == pytest.approx(hours.pue.mean())
    assert found.mean("water") == pytest.approx(hours.water.mean())
    if cooling == "legacy":
        assert found.mechanical.sum() == HOURS


def test_a_warmer_place_never_cools_more_freely() -> None:
    here, place = plant("air", "dry"), weather(load().climate("frankfurt"))
    warmer = Weather("warmer", place.dry + 3, place.wet + 3, place.pressure, "")
    assert year(here, warmer).free.sum() <= year(here, place).free.sum()
    assert np.all(year(here, warmer).pue >= year(here, place).pue - 1e-12)


def test_a_climate_without_wet_bulbs_serves_a_dry_plant_only() -> None:
    seoul = load().climate("seoul")
    assert year(plant("liquid"), weather(seoul, wets=False)).mean("pue") < 1.2
    with pytest.raises(InputErrors, match="no wet bulbs"):
        weather(seoul)


# --- weather files, synthesised in the published format ---


def epw(hours: int = HOURS, edit: dict[int, dict[int, str]] | None = None) -> str:
    """A small EPW file: 20 degC, 50%, sea level, but warmer by the hour of day; `edit` sets fields of lines."""
    head = ["LOCATION,Testville,-,KOR,Custom,000000,35.5,129.3,9.0,10.0"]
    head += [f"HEADER {i}" for i in range(2, HEADER + 1)]
    rows = []
    days = [(month + 1, day + 1) for month, count in enumerate(DAYS) for day in range(count)]
    for i in range(hours):
        (month, day), hour = days[(i // 24) % 365], i % 24 + 1
        cells = ["1999", str(month), str(day), str(hour), "0", "?9", f"{15 + hour * 0.2:.1f}", "8.0", "50", "101325"]
        cells += ["0"] * 25
        for field, text in (edit or {}).get(i, {}).items():
            cells[field] = text
        rows.append(",".join(cells))
    return "\n".join([*head, *rows]) + "\n"


def test_a_weather_file_is_read_as_printed(tmp_path: Path) -> None:
    file = tmp_path / "a.epw"
    file.write_text(epw(edit={5: {8: "999"}, 7: {9: "999999"}}))
    found = read_epw(file)
    assert found.place == "Testville, KOR" and found.origin == "a.epw"
    assert found.dry[0] == pytest.approx(15.2) and found.dry[23] == pytest.approx(19.8)
    assert found.wet[0] == pytest.approx(wet_bulb(15.2, 0.5, 101325.0), abs=1e-6)
    assert found.wet[5] < found.dry[5] and found.pressure[7] == 101325.0
    assert year(plant("air"), found).free.sum() == pytest.approx(HOURS, abs=HOURS)


def test_a_leap_day_is_left_out(tmp_path: Path) -> None:
    lines = epw().splitlines()
    leap = [line.replace("1999,2,28,", "1999,2,29,") for line in lines if line.startswith("1999,2,28,")]
    at = next(i for i, text in enumerate(lines) if text.startswith("1999,3,1,"))
    file = tmp_path / "leap.epw"
    file.write_text("\n".join([*lines[:at], *leap, *lines[at:]]))
    assert read_epw(file).dry.size == HOURS


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is not an EPW file"),
        ("month,dry\n1,2\n" * 20, "is not an EPW file"),
        (epw(8000), "has 8000 hours, not 8760"),
        (epw(edit={3: {6: "warm"}}), r"a.epw:12: dry bulb: 'warm' is not a number"),
        (epw(edit={3: {6: "99.9"}}), r"a.epw:12: dry bulb: is missing"),
        (epw(edit={3: {7: "99.9", 8: "999"}}), r"a.epw:12: relative humidity: is missing"),
        (epw(edit={3: {9: "200"}}), r"a.epw:12: pressure: 200 Pa is out of range"),
        (epw() + "1999,1,1\n", "has 3 values"),
        (epw(edit={i: {6: "x"} for i in range(40)}), "30 more lines have faults"),
    ],
)
def test_a_bad_weather_file_is_refused_with_its_lines(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "a.epw"
    file.write_text(text)
    with pytest.raises(InputErrors, match=told):
        read_epw(file)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputErrors, match="No such file"):
        read_epw(tmp_path / "none.epw")
