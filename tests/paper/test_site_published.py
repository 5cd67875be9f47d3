"""Published climate hours, PUE, WUE and node power against the site model. Differences are stated, not tuned away."""

import numpy as np
import pytest

from stackyard.quantity import DAY, HOUR, KWH, MEGA
from stackyard.site.account import carbon, site_energy
from stackyard.site.climate import seconds_above, wet_bulb
from stackyard.site.plant import Cooling, Rejection, conditions, facts, plant
from stackyard.site.power import system_power

DAYS = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
THRESHOLDS = np.array([18.0, 20.0, 22.0, 24.0, 26.0])

# Monthly means of the EnergyPlus IWEC files (1982-1999); Abilene: mean of published monthly maxima and minima, wet bulb
# from an assumed humidity of 60%.
DRY = {
    "Ulsan": (1.9, 3.7, 7.8, 13.3, 17.7, 20.9, 24.5, 26.0, 21.7, 15.9, 10.0, 4.4),
    "Incheon": (-2.2, -0.3, 4.8, 10.8, 15.8, 20.5, 23.6, 25.0, 20.8, 14.5, 7.6, 1.2),
    "Gwangju": (0.6, 2.8, 7.5, 13.2, 17.9, 22.1, 25.8, 26.0, 22.0, 15.8, 9.5, 3.7),
    "Frankfurt": (2.4, 1.7, 5.5, 9.2, 14.7, 16.4, 19.5, 18.6, 15.0, 10.7, 4.8, 1.7),
    "Abilene": (6.0, 9.0, 13.5, 18.5, 22.5, 26.5, 28.5, 28.5, 24.5, 19.0, 12.5, 7.5),
}
WET = {
    "Ulsan": (-1.7, -0.1, 4.4, 9.4, 14.1, 17.3, 21.7, 22.9, 19.1, 12.0, 6.6, 0.4),
    "Incheon": (-4.8, -2.4, 2.3, 7.9, 12.9, 17.2, 21.8, 22.7, 17.4, 11.0, 5.1, -1.1),
    "Gwangju": (-1.4, 0.3, 4.2, 9.2, 14.4, 19.1, 23.5, 23.1, 19.0, 12.2, 7.2, 1.8),
    "Frankfurt": (1.3, 0.4, 3.4, 6.4, 11.3, 13.1, 15.3, 14.7, 11.9, 9.1, 3.9, 0.8),
    "Abilene": (2.4, 5.1, 9.2, 13.7, 17.3, 20.9, 22.6, 22.6, 19.1, 14.1, 8.3, 3.8),
}


def hours_above(means: tuple[float, ...], spread: float) -> np.ndarray:
    seconds = seconds_above(THRESHOLDS, np.array(means)[:, None], spread, DAYS[:, None] * DAY)
    return np.sum(seconds, axis=0) / HOUR


@pytest.mark.parametrize(
    ("place", "published", "tolerance"),
    [
        ("Ulsan", (2169, 1659, 963, 515, 98), 120),
        ("Incheon", (2064, 1427, 863, 363, 39), 70),
        ("Gwangju", (2628, 2027, 1331, 603, 62), 165),
        ("Frankfurt", (312, 66, 3, 0, 0), 115),
    ],
)
def test_mean_and_spread_give_the_hours_of_wet_bulb(place: str, published: tuple[int, ...], tolerance: int) -> None:
    """Hours a year above 18, 20, 22, 24, 26 deg C of the hourly files: within 2% of the year everywhere.

    The real tail is shorter than the normal one: at Gwangju the model has 213 hours above 26 deg C, the file 62.
    """
    spread = facts()["plant.weather.wet_bulb_spread"].si
    np.testing.assert_allclose(hours_above(WET[place], spread), published, atol=tolerance)


def test_mean_and_spread_give_the_hours_of_dry_bulb_at_ulsan() -> None:
    spread = facts()["plant.weather.dry_bulb_spread"].si
    np.testing.assert_allclose(hours_above(DRY["Ulsan"], spread), (3323, 2668, 1986, 1288, 776), atol=60)


def test_wet_bulb_of_the_monthly_means_lies_near_the_mean_of_wet_bulbs() -> None:
    """Ulsan's mean humidity and dry bulb by month; the file's wet bulb was computed hour by hour."""
    humidity = np.array([41.4, 46.2, 59.6, 62.1, 70.7, 72.0, 79.9, 78.4, 80.0, 65.0, 62.2, 43.2]) / 100
    np.testing.assert_allclose(wet_bulb(DRY["Ulsan"], humidity, 101325.0), WET["Ulsan"], atol=0.7)


def pue_of_year(place: str, cooling: Cooling, rejection: Rejection) -> float:
    return float(np.average(conditions(plant(cooling, rejection), DRY[place], WET[place]).pue, weights=DAYS))


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
    ours = (pue_of_year("Frankfurt", cooling, rejection) + pue_of_year("Abilene", cooling, rejection)) / 2
    assert ours == pytest.approx(published, abs=error)


def test_pue_of_older_rooms_is_too_low_by_a_tenth() -> None:
    """Older air-cooled rooms: 1.5 (1.4 to 1.6); industry mean 1.56 (Uptime 2024). Ours: 1.37 to 1.47.

    The model is at design load; real rooms run part-loaded on fixed losses, which is most of what is missing.
    """
    for place in DRY:
        for rejection in ("dry", "tower"):
            ours = pue_of_year(place, "legacy", rejection)  # type: ignore[arg-type]
            assert 1.35 < ours < 1.6
            assert -0.20 < ours - 1.56 < -0.08


def test_liquid_cooling_saves_most_of_the_cooling_power() -> None:
    """SK Telecom's demonstration: PUE from above 1.5 to about 1.1, 93% less cooling power; ours saves 85% or more."""
    before, after = (conditions(plant(kind, "dry"), DRY["Ulsan"], WET["Ulsan"]) for kind in ("legacy", "liquid"))
    assert 0.85 < 1 - after.cooling.mean() / before.cooling.mean() < 0.95


@pytest.mark.parametrize("place", list(DRY))
@pytest.mark.parametrize("cooling", ["air", "liquid", "legacy"])
def test_water_of_towers(place: str, cooling: Cooling) -> None:
    """Evaporative towers: 1.8 litres per IT kWh (1.0 to 2.5). Ours: 1.3 to 1.9, and a closed dry loop none.

    Another page's 26 million litres a MW-year (3.0 a kWh) is more than all the heat can evaporate at these cycles.
    """
    use = np.average(conditions(plant(cooling, "tower"), DRY[place], WET[place]).water, weights=DAYS)
    assert use * KWH * 1e3 == pytest.approx(1.8, abs=0.5)
    assert np.all(conditions(plant(cooling, "dry"), DRY[place], WET[place]).water == 0)


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
