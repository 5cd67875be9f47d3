"""Outdoor air: wet bulb, humidity and enthalpy."""

from __future__ import annotations

import importlib.util
import sys
from functools import lru_cache
from typing import Any

import numpy as np

from stackyard.quantity import Celsius, Numeric

FREEZING = 273.15  # 0 deg C in kelvin, by definition


def wet_bulb(dry_bulb: Celsius, relative_humidity: Numeric, pressure: Numeric) -> Celsius:
    """Wet-bulb temperature of air from its dry bulb and relative humidity.

    deg C, humidity 0..1, pressure in Pa; shapes broadcast. ValueError for a humidity outside 0..1. By PsychroLib
    (ASHRAE Fundamentals 2017, ch. 1), which iterates on single numbers: meant for tables of months, not for hours by
    the million. A mean of wet bulbs is not the wet bulb of the means; for a month the difference is some tenths of 1 K.

    >>> f"{wet_bulb(25.0, 0.5, 101325.0):.1f}"
    '17.9'
    """
    humidity = np.asarray(relative_humidity)
    if not np.all((humidity >= 0) & (humidity <= 1)):
        raise ValueError("relative humidity must lie in 0..1")
    one_by_one: Any = np.frompyfunc(moist_air().GetTWetBulbFromRelHum, 3, 1)
    return np.asarray(one_by_one(dry_bulb, humidity, pressure), dtype=float)[()]


@lru_cache(maxsize=1)
def moist_air() -> Any:
    """A copy of PsychroLib of our own, in SI and interpreted: its unit system is a global that others may set, and
    with numba at hand it would compile itself anew, some seconds each time, whenever that is set.

    >>> round(moist_air().GetTWetBulbFromRelHum(30.0, 0.5, 101325.0), 1)  # deg C
    22.0
    """
    found = importlib.util.find_spec("psychrolib")
    assert found is not None and found.loader is not None
    copy, missing = importlib.util.module_from_spec(found), object()
    before = sys.modules.get("numba", missing)
    sys.modules["numba"] = None  # type: ignore[assignment]  # an import of it fails while this one runs
    try:
        found.loader.exec_module(copy)
    finally:
        if before is missing:
            del sys.modules["numba"]
        else:
            sys.modules["numba"] = before  # type: ignore[assignment]
    copy.SetUnitSystem(copy.SI)
    return copy


def saturated_humidity(temperature: Celsius, pressure: Numeric) -> Numeric:
    """Kilograms of vapour per kilogram of dry air when saturated: w = 0.62195 e / (p - e).

    e = 610.94 exp(17.625 t / (t + 243.04)) Pa, t in deg C, p in Pa. Source of e: Alduchov and Eskridge, "Improved
    Magnus form approximation of saturation vapor pressure", J. Appl. Meteorology 35 (1996) 601, eq. 21: 0.4% from
    -40 to 50 deg C, over water also below 0.

    >>> f"{saturated_humidity(30.0, 101325.0):.4f}"
    '0.0271'
    """
    t = np.asarray(temperature, dtype=float)
    vapour = 610.94 * np.exp(17.625 * t / (t + 243.04))
    share: Numeric = (0.62195 * vapour / (pressure - vapour))[()]
    return share


def humidity_ratio(dry_bulb: Celsius, wet: Celsius, pressure: Numeric) -> Numeric:
    """Kilograms of vapour per kilogram of dry air from dry and wet bulb (deg C, Pa); never below 0.

    w = ((2501 - 2.326 t*) w_s(t*) - 1.006 (t - t*)) / (2501 + 1.86 t - 4.186 t*). Source: ASHRAE Fundamentals 2017,
    ch. 1, eq. 33 (above freezing; used below as well, where it matters little to cooling).

    >>> f"{humidity_ratio(25.0, 18.0, 101325.0):.4f}"
    '0.0100'
    """
    t, star = np.asarray(dry_bulb, dtype=float), np.asarray(wet, dtype=float)
    top = (2501 - 2.326 * star) * saturated_humidity(star, pressure) - 1.006 * (t - star)
    ratio: Numeric = np.maximum(top / (2501 + 1.86 * t - 4.186 * star), 0.0)[()]
    return ratio


def enthalpy(dry_bulb: Celsius, humidity: Numeric) -> Numeric:
    """Joules per kilogram of dry air: h = 1006 t + w (2.501e6 + 1860 t), t in deg C. ASHRAE 2017, ch. 1, eq. 30.

    >>> f"{enthalpy(30.0, 0.02):.0f}"
    '81316'
    """
    t, w = np.asarray(dry_bulb, dtype=float), np.asarray(humidity, dtype=float)
    joules: Numeric = (1006 * t + w * (2.501e6 + 1860 * t))[()]
    return joules
