"""Our moist air against PsychroLib, and our month against a month of very many hours."""

from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest

from stackyard.quantity import HOUR
from stackyard.site.climate import enthalpy, humidity_ratio, moist_air, saturated_humidity, seconds_above, wet_bulb
from stackyard.site.plant import Cooling, Plant, Rejection, conditions, plant

SEA = 101325.0


def test_humidity_and_enthalpy_agree_with_ashrae() -> None:
    psychrolib = moist_air()
    for dry in np.arange(2.0, 46.0, 4.0):
        assert saturated_humidity(dry, SEA) == pytest.approx(psychrolib.GetSatHumRatio(dry, SEA), rel=0.01)
        for gap in (0.5, 4.0, 8.0):
            if dry - gap <= 0.5:
                continue
            ours, theirs = humidity_ratio(dry, dry - gap, SEA), psychrolib.GetHumRatioFromTWetBulb(dry, dry - gap, SEA)
            assert ours == pytest.approx(theirs, rel=0.01, abs=2e-5)
            assert enthalpy(dry, ours) == pytest.approx(psychrolib.GetMoistAirEnthalpy(dry, ours), rel=1e-3)


def test_our_copy_of_the_library_is_in_si_and_not_the_one_that_others_import() -> None:
    import psychrolib

    assert moist_air() is not psychrolib
    assert moist_air().GetUnitSystem() is moist_air().SI
    assert not moist_air().has_numba
    assert wet_bulb(25.0, 0.5, SEA) == pytest.approx(17.9, abs=0.1)


def hourly(here: Plant, dry: float, wet: float) -> tuple[float, float]:
    """PUE and water of a month from 4001 equally likely hours, each a month without spread."""
    still = replace(here, spread=0.0)
    quantiles = (np.arange(4001) + 0.5) / 4001
    departure = here.spread * np.array([NormalDist().inv_cdf(q) for q in quantiles])
    found = conditions(still, dry + departure, wet + departure)
    return float(found.pue.mean()), float(found.water.mean())


@pytest.mark.parametrize("cooling", ["air", "hybrid", "liquid", "legacy"])
@pytest.mark.parametrize("rejection", ["dry", "tower"])
@pytest.mark.parametrize(("dry", "wet"), [(2.0, -2.0), (14.0, 11.0), (20.0, 17.0), (26.0, 23.0), (32.0, 20.0)])
def test_the_quadrature_agrees_with_hours(cooling: Cooling, rejection: Rejection, dry: float, wet: float) -> None:
    here = plant(cooling, rejection)
    found, (ratio, water) = conditions(here, [dry], [wet]), hourly(here, dry, wet)
    assert found.pue[0] == pytest.approx(ratio, rel=1e-3)
    assert found.water[0] == pytest.approx(water, rel=5e-3)


def test_time_above_a_threshold_agrees_with_counted_hours() -> None:
    hours = np.random.default_rng(7).normal(20.0, 3.0, 200_000)
    for threshold in (15.0, 20.0, 24.0):
        counted = (hours > threshold).mean() * HOUR
        assert seconds_above(threshold, 20.0, 3.0, HOUR) == pytest.approx(counted, rel=0.02)
