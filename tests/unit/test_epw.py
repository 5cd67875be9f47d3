"""Weather files as EnergyPlus and the climate services write them: 8 lines of header, 35 values an hour, its own marks
for what is missing. The year in it is ours, made from means, so that what is read is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stackyard.catalog.load import load
from stackyard.errors import InputErrors
from stackyard.site.climate import moist_air
from stackyard.site.epw import read_epw
from stackyard.site.places import weather
from stackyard.site.plant import plant
from stackyard.site.weather import DAYS, Weather
from stackyard.site.year import year

HEADER = (
    "LOCATION,Ulsan,-,KOR,Custom-471520,471520,35.55,129.32,9.0,34.6",
    "DESIGN CONDITIONS,1,Climate Design Data 2009 ASHRAE Handbook,,Heating,1,-6.8,-5.2,Cooling,8,33,25.2,Extremes,9",
    "TYPICAL/EXTREME PERIODS,2,Summer - Week Nearest Max Temperature For Period,Extreme,8/ 3,8/ 9,"
    "Winter - Week Nearest Average Temperature For Period,Typical,1/ 6,1/12",
    "GROUND TEMPERATURES,1,.5,,,,3.46,4.09,6.97,10.22,17.53,22.35,24.76,24.16,20.49,15.20,9.37,5.31",
    "HOLIDAYS/DAYLIGHT SAVINGS,No,0,0,0",
    "COMMENTS 1,Custom/User Format -- WMO#471520; an hour is the mean of the hour that ends then",
    "COMMENTS 2, -- Ground temps produced with a standard soil diffusivity of 2.3225760E-03 {m**2/day}",
    "DATA PERIODS,1,1,Data,Sunday, 1/ 1,12/31",
)
FLAGS = "?9?9?9?9E0?9?9?9?9?9?9?9?9?9?9?9?9?9?9?9*9*9?9?9?9"
MISSING = {"dry": "99.9", "dew": "99.9", "humidity": "999", "pressure": "999999"}


def hours(air: Weather) -> list[str]:
    """The lines of a year, values rounded as these files round them."""
    humidity = np.frompyfunc(moist_air().GetRelHumFromTWetBulb, 3, 1)(air.dry, air.wet, air.pressure).astype(float)
    dew = np.frompyfunc(moist_air().GetTDewPointFromTWetBulb, 3, 1)(air.dry, air.wet, air.pressure).astype(float)
    lines, hour = [], 0
    for month, days in enumerate(DAYS, start=1):
        for day in range(1, days + 1):
            for clock in range(1, 25):
                seen = f"{air.dry[hour]:.1f},{dew[hour]:.1f},{100 * humidity[hour]:.0f},{air.pressure[hour]:.0f}"
                sky = "0,0,308,0,0,0,0,0,0,0,240,2.6,7,7,9.9,77777,9,999999999,60,0.1310,0,88,999.000,999.0,99.0"
                lines.append(f"{1983 + month % 9},{month},{day},{clock},0,{FLAGS},{seen},{sky}")
                hour += 1
    assert all(line.count(",") == 34 for line in lines)
    return lines


@pytest.fixture(scope="module")
def air() -> Weather:
    return weather(load().climate("ulsan"))


@pytest.fixture(scope="module")
def lines(air: Weather) -> list[str]:
    return hours(air)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_file_in_the_true_format_is_read_as_it_was_written(
    tmp_path: Path, air: Weather, lines: list[str], end: str
) -> None:
    file = tmp_path / "KOR_Ulsan.471520_TMY.epw"
    file.write_bytes((end.join([*HEADER, *lines]) + end).encode("latin-1"))
    found = read_epw(file)
    assert found.place == "Ulsan, KOR" and found.origin == file.name
    np.testing.assert_allclose(found.dry, air.dry, atol=0.051)  # a decimal is printed
    warm = air.wet > 1.0  # at freezing a wet bulb jumps by half a kelvin, from ice to water
    np.testing.assert_allclose(found.wet[warm], air.wet[warm], atol=0.15)  # whole per cents of humidity
    np.testing.assert_allclose(found.wet, air.wet, atol=0.5)
    made = plant("hybrid", "dry")
    assert year(made, found).pue == pytest.approx(year(made, air).pue, abs=2e-4)


def test_what_is_missing_follows_from_the_rest_or_is_told_with_its_line(tmp_path: Path, lines: list[str]) -> None:
    def without(line: str, *names: str) -> str:
        cells = line.split(",")
        for name in names:
            cells[{"dry": 6, "dew": 7, "humidity": 8, "pressure": 9}[name]] = MISSING[name]
        return ",".join(cells)

    file = tmp_path / "gaps.epw"
    mended = [*lines[:100], without(lines[100], "humidity", "pressure"), *lines[101:]]
    file.write_text("\n".join([*HEADER, *mended]))
    whole = tmp_path / "whole.epw"
    whole.write_text("\n".join([*HEADER, *lines]))
    assert read_epw(file).wet[100] == pytest.approx(read_epw(whole).wet[100], abs=0.3)
    for names, told in ((("dry",), "dry bulb"), (("dew", "humidity"), "relative humidity")):
        file.write_text("\n".join([*HEADER, *lines[:7], without(lines[7], *names), *lines[8:]]))
        with pytest.raises(InputErrors, match="is missing") as refused:
            read_epw(file)
        assert [(fault.line, fault.key) for fault in refused.value.faults] == [(16, told)]
