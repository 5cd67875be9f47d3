"""Our moist air against PsychroLib."""

import numpy as np
import pytest

from stackyard.site.climate import enthalpy, humidity_ratio, moist_air, saturated_humidity, wet_bulb

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
