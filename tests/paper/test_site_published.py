"""Published climate hours, PUE, WUE and node power against the site model. Differences are stated, not tuned away."""

import numpy as np
import pytest

from stackyard.catalog.load import load
from stackyard.quantity import DAY, HOUR, KWH, MEGA
from stackyard.site.account import carbon, site_energy
from stackyard.site.climate import seconds_above, wet_bulb
from stackyard.site.plant import Conditions, Cooling, Rejection, conditions, facts, plant
from stackyard.site.power import system_power

DAYS = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
THRESHOLDS = np.array([18.0, 20.0, 22.0, 24.0, 26.0])

# Monthly means of hourly weather files (EnergyPlus IWEC, 1982-1999); Abilene: means of published monthly maxima and
# minima, its wet bulb from an assumed humidity of 60%.
CLIMATES = {place: load().climate(place) for place in ("ulsan", "incheon", "gwangju", "frankfurt", "abilene")}


def published_hours(place: str, bulb: str) -> tuple[float, ...]:
    """Hours a year above 18, 20, 22, 24 and 26 deg C, counted in the hourly file."""
    return load().fact(f"climates.{place}.hours_{bulb}_bulb_above_18_to_26").value  # type: ignore[return-value]


def hours_above(means: tuple[float, ...], spread: float) -> np.ndarray:
    seconds = seconds_above(THRESHOLDS, np.array(means)[:, None], spread, DAYS[:, None] * DAY)
    return np.sum(seconds, axis=0) / HOUR


@pytest.mark.parametrize(
    ("place", "tolerance"), [("ulsan", 120), ("incheon", 70), ("gwangju", 165), ("frankfurt", 115)]
)
def test_mean_and_spread_give_the_hours_of_wet_bulb(place: str, tolerance: int) -> None:
    """Within 2% of the year at every threshold of every place.

    The real tail is shorter than the normal one: at Gwangju the model has 213 hours above 26 deg C, the file 62.
    """
    spread = facts()["plant.weather.wet_bulb_spread"].si
    found = hours_above(CLIMATES[place].wet_bulb, spread)
    np.testing.assert_allclose(found, published_hours(place, "wet"), atol=tolerance)


def test_mean_and_spread_give_the_hours_of_dry_bulb_at_ulsan() -> None:
    spread = facts()["plant.weather.dry_bulb_spread"].si
    found = hours_above(CLIMATES["ulsan"].dry_bulb, spread)
    np.testing.assert_allclose(found, published_hours("ulsan", "dry"), atol=60)


def test_wet_bulb_of_the_monthly_means_lies_near_the_mean_of_wet_bulbs() -> None:
    """Ulsan's mean humidity and dry bulb by month; the file's wet bulb was computed hour by hour."""
    humidity = np.array(load().fact("climates.ulsan.relative_humidity").si_series)
    found = wet_bulb(np.array(CLIMATES["ulsan"].dry_bulb), humidity, 101325.0)
    np.testing.assert_allclose(found, CLIMATES["ulsan"].wet_bulb, atol=0.7)


def year_at(place: str, cooling: Cooling, rejection: Rejection) -> Conditions:
    return conditions(plant(cooling, rejection), CLIMATES[place].dry_bulb, CLIMATES[place].wet_bulb)


def pue_of_year(place: str, cooling: Cooling, rejection: Rejection) -> float:
    return float(np.average(year_at(place, cooling, rejection).pue, weights=DAYS))


@pytest.mark.parametrize(
    ("published", "cooling", "rejection", "error"),
    [
        (1.10, "air", "tower", 0.04),  # Google fleet; best site 1.06
        (1.08, "air", "tower", 0.06),  # Meta fleet
        (1.15, "air", "dry", 0.05),  # AWS fleet 2023 and 2024
        (1.10, "liquid", "dry", 0.02),  # liquid-cooled AI halls, range 1.02 to 1.2
        (1.10, "hybrid", "dry", 0.03),  # SK Telecom's liquid-cooling demonstration, "about"
    ],
)
def test_pue_of_modern_sites(published: float, cooling: Cooling, rejection: Rejection, error: float) -> None:
    """Fleet means against our mean of a temperate (Frankfurt) and a hot (Abilene) climate; the tolerance is our error.

    Google and Meta cool much of their fleet with outside air, which we do not model: we are 0.02 to 0.04 above them.
    """
    ours = (pue_of_year("frankfurt", cooling, rejection) + pue_of_year("abilene", cooling, rejection)) / 2
    assert ours == pytest.approx(published, abs=error)


def test_pue_of_older_rooms_is_too_low_by_a_tenth() -> None:
    """Older air-cooled rooms: 1.5 (1.4 to 1.6); industry mean 1.56 (Uptime 2024). Ours: 1.37 to 1.47.

    The model is at design load; real rooms run part-loaded on fixed losses, which is most of what is missing.
    """
    for place in CLIMATES:
        for rejection in ("dry", "tower"):
            ours = pue_of_year(place, "legacy", rejection)  # type: ignore[arg-type]
            assert 1.35 < ours < 1.6
            assert -0.20 < ours - 1.56 < -0.08


def test_liquid_cooling_saves_most_of_the_cooling_power() -> None:
    """SK Telecom's demonstration: PUE from above 1.5 to about 1.1, 93% less cooling power; ours saves 85% or more."""
    before, after = (year_at("ulsan", "legacy", "dry"), year_at("ulsan", "liquid", "dry"))
    assert 0.85 < 1 - after.cooling.mean() / before.cooling.mean() < 0.95


@pytest.mark.parametrize("place", list(CLIMATES))
@pytest.mark.parametrize("cooling", ["air", "liquid", "legacy"])
def test_water_of_towers(place: str, cooling: Cooling) -> None:
    """Evaporative towers: 1.8 litres per IT kWh (1.0 to 2.5). Ours: 1.3 to 1.9, and a closed dry loop none.

    Another page's 26 million litres a MW-year (3.0 a kWh) is more than all the heat can evaporate at these cycles.
    """
    use = np.average(year_at(place, cooling, "tower").water, weights=DAYS)
    assert use * KWH * 1e3 == pytest.approx(1.8, abs=0.5)
    assert np.all(year_at(place, cooling, "dry").water == 0)


def test_idle_and_busy_power_of_published_systems() -> None:
    """GB200 tray (NVIDIA DPS): 6667 W for 4 GPUs of 1200 W, idle 1000 W with GPUs at 200 W: we say 11% more.

    8 x H100 (Latif 2025): 10.2 kW rated, 8.4 kW with all GPUs busy, the point that `rating_used` was taken from.
    Google's split of machine energy (2025): host 30% of host and accelerator; ours of the H100 server 33%.
    """
    idle = 4 * system_power(200.0, 1200.0, 6667.0, 4, 1.0)
    assert idle == pytest.approx(1000.0, rel=0.12)
    used = facts()["plant.power.rating_used"].si
    busy = 8 * system_power(700.0, 700.0, 10.2e3, 8, used)
    assert busy == pytest.approx(8.4e3, rel=0.005)
    assert 1 - 8 * 700.0 / busy == pytest.approx(0.30, abs=0.04)


def test_carbon_of_a_megawatt_year_on_the_korean_grid() -> None:
    """0.4173 t CO2e per MWh (Korea, 2023): 1 MW for 8760 hours is 3655.5 t."""
    year = site_energy(MEGA, 1.0, 8760 * HOUR)
    assert carbon(year, 417.3 / (1000 * KWH)) == pytest.approx(3_655_548.0)
