"""Hourly weather in the EPW format of EnergyPlus: 8 lines of header, then a line an hour of a typical year."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from stackyard.errors import Fault, Faults, InputErrors
from stackyard.site.climate import wet_bulb
from stackyard.site.weather import HOURS, Weather

HEADER = 8
FIELDS = 35  # of a line; files of some tools stop earlier, ours needs the first ten
LEAST_FIELDS = 10
_TOLD = 10  # faulty lines that are told one by one
_LEAP = 24  # hours of 29 February, which a file of a leap year has more


class _Column(NamedTuple):
    """A value that is read: where it stands, what it may be, and from which number on it counts as missing."""

    name: str
    field: int
    low: float
    high: float
    missing: float
    unit: str


# EnergyPlus Auxiliary Programs, "EnergyPlus Weather File (EPW) Data Dictionary".
_COLUMNS = (
    _Column("dry bulb", 6, -70.0, 70.0, 99.9, "degC"),
    _Column("dew point", 7, -70.0, 70.0, 99.9, "degC"),
    _Column("relative humidity", 8, 0.0, 110.0, 999.0, "%"),
    _Column("pressure", 9, 31000.0, 120000.0, 999999.0, "Pa"),
)
_MONTH, _DAY, _HOUR = 1, 2, 3


def read_epw(path: Path) -> Weather:
    """The year of an EPW file: dry bulb as printed, wet bulb from humidity and pressure hour by hour.

    A humidity that is missing follows from the dew point; a pressure that is missing is that of the hour before.
    29 February is left out. Raises InputErrors with every fault: no file, no header, too few or too many hours, a line
    that is cut, a number that is none, is out of range or is missing and cannot be replaced.
    """
    faults = Faults()
    lines = _lines(path)
    if len(lines) <= HEADER or not lines[0].upper().startswith("LOCATION"):
        hint = "an EPW file begins with LOCATION, has 8 lines of header and then a line an hour"
        raise InputErrors([Fault(str(path), 1, "", "is not an EPW file", hint)])
    rows = _rows(path, lines, faults)
    if not faults and len(rows) != HOURS:
        hint = "one line for every hour of one year, 1 January 1 o'clock to 31 December 24 o'clock"
        faults.add(str(path), 0, "", f"has {len(rows)} hours, not {HOURS}", hint)
    faults.raise_any()
    dry, dew, humidity, pressure = np.array(rows).T
    wet = np.minimum(np.asarray(wet_bulb(dry, _humidity(dry, dew, humidity), pressure)), dry)
    return Weather(_place(lines[0]), dry, wet, pressure, path.name)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    except OSError as error:
        hint = "name an EPW file, for example --epw KOR_Ulsan.epw"
        raise InputErrors([Fault(str(path), 0, "", error.strerror or "cannot be read", hint)]) from None


def _place(line: str) -> str:
    """City and country of the header."""
    parts = [part.strip() for part in line.split(",")]
    return ", ".join(part for part in (*parts[1:2], *parts[3:4]) if part and part != "-") or "EPW file"


def _rows(path: Path, lines: list[str], faults: Faults) -> list[tuple[float, ...]]:
    """Dry bulb, dew point, humidity and pressure of each hour; the first faulty lines are told."""
    rows: list[tuple[float, ...]] = []
    bad = 0
    for line, text in enumerate(lines[HEADER:], start=HEADER + 1):
        cells = [cell.strip() for cell in text.split(",")]
        if cells == [""]:
            continue
        if len(cells) < LEAST_FIELDS:
            bad += 1
            if bad <= _TOLD:
                faults.add(
                    str(path), line, "", f"has {len(cells)} values", f"an hour has {FIELDS}, of which 10 are used"
                )
            continue
        if (cells[_MONTH], cells[_DAY]) == ("2", "29"):
            continue
        values, wrong = _read(cells, rows[-1] if rows else ())
        if wrong:
            bad += 1
            if bad <= _TOLD:
                faults.add(str(path), line, *wrong)
        rows.append(values)
    if bad > _TOLD:
        faults.add(str(path), 0, "", f"{bad - _TOLD} more lines have faults", "mend the lines told here first")
    return rows


def _read(cells: list[str], before: tuple[float, ...]) -> tuple[tuple[float, ...], tuple[str, str, str] | None]:
    """The values of an hour, and the first thing wrong with it: column, message, next step."""
    values: list[float] = []
    for place, column in enumerate(_COLUMNS):
        try:
            value = float(cells[column.field])
        except ValueError:
            return (), (
                column.name,
                f"'{cells[column.field]}' is not a number",
                f"column {column.field + 1} of the line",
            )
        if value >= column.missing or np.isnan(value):
            value = before[place] if column.name == "pressure" and before else np.nan
        elif not column.low <= value <= column.high:
            told = f"{value:g} {column.unit} is out of range"
            return (), (column.name, told, f"{column.low:g} to {column.high:g} {column.unit}")
        values.append(value)
    dry, dew, humidity, pressure = values
    lacking = [
        name
        for name, gone in (("dry bulb", dry), ("pressure", pressure), ("relative humidity", max(dew, humidity)))
        if np.isnan(gone) and not (name == "relative humidity" and not (np.isnan(dew) and np.isnan(humidity)))
    ]
    if lacking:
        return (), (lacking[0], "is missing", "fill the gap, or take a file without gaps")
    return (dry, dew, humidity, pressure), None


def _humidity(dry: np.ndarray, dew: np.ndarray, percent: np.ndarray) -> np.ndarray:
    """Relative humidity 0..1: as printed, or from the dew point over water where it is missing (Magnus)."""
    vapour = np.exp(17.625 * dew / (243.04 + dew) - 17.625 * dry / (243.04 + dry))
    return np.clip(np.where(np.isnan(percent), vapour, percent / 100), 0.0, 1.0)
