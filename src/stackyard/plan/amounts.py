"""Numbers in a scenario file: an `Amount` is a Fact with a unit that was checked, a `Series` is one by month.

An amount is written in one of three ways: as your own number, which counts as assumed; with its range, grade and source
(`date` and `note` may stand there too); or as a fact of the catalogue, or an end of its range:

    power: 41 MW
    power: {value: 41 MW, low: 40 MW, high: 45 MW, grade: published, source: "SK and Ulsan city, 2025-06"}
    power: {fact: sites.stargate-korea.initial_power, at: high}

A series is written in one of four ways: as an amount, the same in every month; as amounts at months, with straight
lines between them and level before the first and after the last; as an amount that grows by a factor a year, or by
several factors, each from its month on; or as a column of a CSV file or of a workbook's sheet, with a row a month:

    price: 330 USD/stack
    price: {points: {2026-01: 330 USD/stack, 2029-12: 250 USD/stack}}
    demand: {from: 2026-03, value: 21.6 Ttoken/day, growth: 3}
    demand: {from: 2026-03, value: 21.6 Ttoken/day, growth: {2026-03: 6, 2027-03: 3}}
    demand: {csv: demand.csv, column: chat, unit: token/day}
    demand: {xlsx: demand.xlsx, sheet: Demand, column: chat, unit: token/day}

To any of the forms with braces, `times` adds factors, each an amount or a series without a unit:

    starts: {points: {2026-01: 10 kwafer/month, 2029-12: 90 kwafer/month}, times: [10%]}
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from stackyard import quantity
from stackyard.catalog import Catalog
from stackyard.errors import Faults, InputErrors, nearest
from stackyard.files import NOTHING, Table, read_csv
from stackyard.months import Month, parse_month, show_month
from stackyard.quantity import UnitError
from stackyard.sheets import read_sheet
from stackyard.source import Fact, Grade, Source

Months = NDArray[np.float64]


class Door(BaseModel):
    """A part of a scenario file: unknown keys are refused, values are frozen once read."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        validate_default=True,
        arbitrary_types_allowed=True,
        use_attribute_docstrings=True,  # the text below a key is its meaning: in docs/scenario.md and in refusals
    )


def refuse(message: str, hint: str = "") -> PydanticCustomError:
    """A validation problem in our words; the hint reaches the reader as the next step.

    >>> refuse("is not a month", "write 2026-09").message()
    'is not a month'
    """
    return PydanticCustomError("stackyard", "{message}", {"message": message, "hint": hint})


def _catalog(info: ValidationInfo) -> Catalog:
    catalog: Catalog = (info.context or {})["catalog"]
    return catalog


def _same_dimension(unit: str, like: str) -> bool:
    """Same physical dimension; KRW may stand where USD is asked for, the scenario's exchange rate converts it."""
    found, asked = quantity.dimension(unit), quantity.dimension(like)
    return found == asked or found.replace("KRW", "USD") == asked


# How people write the money that we do not convert, and the units whose letters they write in another case.
_CURRENCIES = re.compile(r"(?<![A-Za-z])(EUR|GBP|JPY|CNY|RMB|TWD|INR|SGD|CHF|AED|SAR|CAD|AUD)(?![A-Za-z])|[€£¥]")
_USUAL = (
    *(
        "W",
        "kW",
        "MW",
        "GW",
        "kWh",
        "MWh",
        "GWh",
        "USD",
        "kUSD",
        "MUSD",
        "GUSD",
        "KRW",
        "s",
        "ms",
        "day",
        "month",
        "year",
    ),
    *("token", "ktoken", "Mtoken", "Gtoken", "Ttoken", "stack", "kstack", "wafer", "kwafer", "package", "rack", "mm"),
    *("FLOPS", "TFLOPS", "PFLOPS", "kgCO2e", "tCO2e", "GB", "TB"),
)


def _example(like: str) -> str:
    return f"for example '1 {like}'" if like else "write a bare number such as 0.5, or a percentage such as 50%"


def _unit_hint(text: str, like: str) -> str:
    """The next step for a text whose unit is not known: what was probably meant, or an example."""
    if re.fullmatch(r"\s*[\d.]+\s*[-–]\s*\d.*", text):
        return "write a range as {value: 4 MW, low: 3 MW, high: 5 MW}"
    if re.search(r"(?i)thousand|million|billion|trillion", text):
        return "write k, M, G or T right before the unit: 200 Gtoken/day, 3 USD/Mtoken"
    usual = {unit.lower(): unit for unit in _USUAL}
    mended = re.sub(r"[A-Za-z]+", lambda word: usual.get(word.group().lower(), word.group()), text)
    return f"did you mean '{mended}'?" if mended != text else _example(like)


def _number(text: Any, like: str) -> tuple[float, str]:
    if text is None:
        raise refuse(*NOTHING)
    if not isinstance(text, str | int | float):
        raise refuse("is not an amount", f"{_example(like)}, or {{fact: ...}}")
    if isinstance(text, str) and ("$" in text or "₩" in text):
        raise refuse(f"'{text}' has a currency sign", "write the code after the number, for example 120 USD/MWh")
    if isinstance(text, str) and _CURRENCIES.search(text):
        message = f"'{text}' is not in a currency that the plan converts"
        raise refuse(message, "write USD, or KRW with money.krw_per_usd; convert others yourself and note the rate")
    try:
        number, unit = quantity.split(text)
        if not math.isfinite(number):
            raise refuse(f"'{text}' is not a finite number", _example(like))
        if not _same_dimension(unit, like):
            found = f"'{unit}'" if unit else "no unit"
            needed = f"a quantity in {like}" if like else "a number without a unit"
            raise refuse(f"'{text}' has {found} where {needed} is needed", _example(like))
    except UnitError as error:
        raise refuse(str(error), _unit_hint(str(text), like)) from None
    if number < 0:
        raise refuse(f"'{text}' is negative", "amounts here are zero or more")
    return number, unit


def _from_catalog(entry: dict[str, Any], like: str, catalog: Catalog) -> Fact:
    path, end = str(entry["fact"]), str(entry.get("at", "value"))
    known = catalog.facts
    if path not in known:
        alike = [name for name, fact in known.items() if _same_dimension(fact.unit, like)]
        hint = nearest(path, alike) or f"search for one: stackyard facts {path.replace('.', ' ')}"
        raise refuse(f"no fact '{path}' in the catalogue", hint)
    fact = known[path]
    if isinstance(fact.value, tuple) or fact.value is None:
        raise refuse(f"the fact '{path}' is not a single known number", "state a value instead")
    if not _same_dimension(fact.unit, like):
        raise refuse(f"the fact '{path}' is in '{fact.unit}', not in '{like}'", "take another fact or state a value")
    if end not in ("value", "low", "high"):
        raise refuse(f"at: '{end}'", "one of: value, low, high")
    chosen = {"value": fact.value, "low": fact.low, "high": fact.high}[end]
    if chosen is None:
        raise refuse(f"the fact '{path}' has no {end} end", "take its value, or state a number")
    return replace(fact, value=chosen)


_STATED = ("value", "low", "high", "grade", "source", "date", "note")


def _stated(entry: dict[str, Any], like: str, file: str) -> Fact:
    unknown = [key for key in entry if key not in _STATED]
    if unknown:
        raise refuse(f"unknown key '{unknown[0]}'", nearest(unknown[0], (*_STATED, "fact", "at")))
    if "value" not in entry:
        raise refuse("has no value", "add 'value: ...' or name a catalogue fact with 'fact: ...'")
    number, unit = _number(entry["value"], like)
    ends: dict[str, float | None] = {"low": None, "high": None}
    for end in ends:
        if end in entry:
            other, its_unit = _number(entry[end], like)
            ends[end] = quantity.convert(other, its_unit) / quantity.convert(1.0, unit)
    low, high = ends["low"], ends["high"]
    if (low is not None and low > number) or (high is not None and high < number):
        raise refuse(f"value {number:g} is outside its own range", "low <= value <= high")
    label = str(entry.get("grade", "assumed"))
    if label.upper() not in Grade.__members__:
        raise refuse(f"'{label}' is not a grade", nearest(label, [grade.label for grade in Grade]))
    grade = Grade.named(label)
    source = str(entry.get("source", ""))
    if grade is not Grade.ASSUMED and not source:
        raise refuse(f"is graded {label} but names no source", "add 'source: ...', or grade it assumed")
    sources = (Source(id="scenario", title=source, date=str(entry.get("date", ""))),) if source else ()
    date, note = str(entry.get("date", "")), str(entry.get("note", ""))
    return Fact("", number, unit, grade, sources, low, high, date, note, file)


def read_amount(raw: Any, like: str, info: ValidationInfo) -> Fact:
    """The Fact of one amount as written in a scenario, its dimension checked against `like`."""
    if isinstance(raw, Fact):
        return raw
    if isinstance(raw, dict):
        if "fact" in raw:
            return _from_catalog(raw, like, _catalog(info))
        return _stated(raw, like, str((info.context or {}).get("file", "")))
    number, unit = _number(raw, like)
    return Fact("", number, unit, Grade.ASSUMED, place=str((info.context or {}).get("file", "")))


def month_number(raw: Any) -> Month:
    """A month of the file; refused with an example when it is not one."""
    if isinstance(raw, int) and 12 * 1900 < raw < 12 * 2200:
        return raw
    try:
        return parse_month(raw)
    except ValueError as error:
        raise refuse(str(error), "write a month as 2026-09") from None


MonthField = Annotated[int, BeforeValidator(month_number), WithJsonSchema({"form": "month"})]


class Series(Door):
    """A number for every month: straight lines between points, or growth from one, times constant factors."""

    points: dict[Month, Fact] = {}
    growth: dict[Month, Fact] = {}  # factor per year, each from its month on; before the first, the first
    times: tuple[Series, ...] = ()
    table: Fact | None = None  # a column of a table, one value a month from `table_start` on
    table_start: Month = 0

    def by_month(self, months: range, krw_per_usd: float = math.nan) -> Months:
        """SI values on the months given; flat before the first and after the last point; won become dollars."""
        clock = np.array(months, dtype=float)
        at = sorted(self.points)
        shape: Months
        if self.table is not None:
            values = np.asarray(self.table.si_series) / _won_in_a_unit(self.table, krw_per_usd)
            shape = np.interp(clock, self.table_start + np.arange(len(values)), values)
        elif self.growth:
            shape = usd(self.points[at[0]], krw_per_usd) * (self._grown(clock) / self._grown(np.array([at[0]])))
        else:
            shape = np.interp(clock, at, [usd(self.points[month], krw_per_usd) for month in at])
        for factor in self.times:
            shape = shape * factor.by_month(months)
        return shape

    def _grown(self, clock: Months) -> Months:
        """Growth since the first month of `growth`: the product of each period's factor to the years spent in it."""
        begins = sorted(self.growth)
        ends = [*begins[1:], np.inf]
        grown: Months = np.ones_like(clock, dtype=float)
        for i, (begin, end) in enumerate(zip(begins, ends, strict=True)):
            spent = np.minimum(clock, end) - begin if i == 0 else np.clip(clock, begin, end) - begin
            grown = grown * self.growth[begin].si ** (spent / 12)
        return grown


UNREADABLE = Series(points={0: Fact("", 1.0, "", Grade.ASSUMED)})  # stands in for a bad table while the rest is checked


def _table_series(raw: dict[str, Any], like: str, info: ValidationInfo) -> Series:
    """A column of a table with a month column: one row for every month of the horizon, none outside it."""
    context = info.context or {}
    kind = "csv" if "csv" in raw else "xlsx"
    own = ("csv",) if kind == "csv" else ("xlsx", "sheet")
    _known(raw, (*own, "column", "unit", "times", "grade", "source", "date", "note"))
    if "column" not in raw:
        raise refuse("names no column of the table", "{csv: deliveries.csv, column: ...}")
    column, unit = str(raw["column"]), str(raw.get("unit", like))
    if not _same_dimension(unit, like):
        raise refuse(f"unit '{unit}' where {like or 'no unit'} is needed", f"for example unit: {like}")
    name, faults = str(raw[kind]), context["faults"]
    path = Path(context["folder"]) / name
    if not path.is_file():
        raise refuse(f"there is no file '{name}'", f"name a {kind.upper()} file by its path from the scenario's folder")
    try:
        if kind == "csv":
            table = read_csv(path, ("month", column), name, ragged=faults)
        else:
            table = read_sheet(path, str(raw.get("sheet", "")), ("month", column), name)
    except InputErrors as errors:
        faults.extend(errors.faults)
        return UNREADABLE
    months: range = context.get("months") or range(0)
    found = _rows_by_month(table, column, months, faults)
    gaps = _spans([month for month in months if month not in found])
    if gaps and found:
        hint = f"one row for every month from {show_month(months[0])} to {show_month(months[-1])}"
        faults.add(table.file, 0, column, f"no row for {', '.join(gaps)}", hint)
    context.setdefault("tables", []).append(path)
    stated = {key: value for key, value in raw.items() if key in _STATED}
    fact = _stated({"value": f"0 {unit}", **stated}, like, name)
    return Series(table=replace(fact, value=tuple(found.get(m, 0.0) for m in months)), table_start=months.start)


def _spans(months: list[Month]) -> list[str]:
    """Months as text, those in a row as 'first to last'.

    >>> _spans([24300, 24301, 24302, 24310])
    ['2025-01 to 2025-03', '2025-11']
    """
    starts = [month for month in months if month - 1 not in months]
    ends = [month for month in months if month + 1 not in months]
    pairs = zip(starts, ends, strict=True)
    return [show_month(a) if a == b else f"{show_month(a)} to {show_month(b)}" for a, b in pairs]


_ROWS_TOLD = 5  # faulty rows of one table that are told one by one


def _rows_by_month(table: Table, column: str, months: range, faults: Faults) -> dict[Month, float]:
    """Month -> value of a column; the first faulty rows are told one by one, the others counted."""
    found: dict[Month, float] = {}
    bad = 0
    for line, row in table.rows:
        month, value, fault = _read_row(row, column, months)
        if not fault and month in found:
            fault = ("month", f"{row['month']} stands there twice", "keep one row a month")
        if fault:
            bad += 1
            if bad <= _ROWS_TOLD:
                faults.add(*table.place(line, fault[0]), *fault[1:])
        if month is not None:
            found[month] = value
    if bad > _ROWS_TOLD:
        faults.add(table.file, 0, column, f"{bad - _ROWS_TOLD} more rows have faults", "mend the rows told here first")
    return found


def _read_row(
    row: Mapping[str, str], column: str, months: range
) -> tuple[Month | None, float, tuple[str, str, str] | None]:
    """Month and value of a row, and what is wrong with it: column, message and next step."""
    try:
        month = parse_month(row["month"])
    except ValueError:
        return None, 0.0, ("month", f"'{row['month']}' is not a month", "write months as 2026-09")
    try:
        value = float(row[column])
    except ValueError:
        hint = "write digits only, for example 1200; the unit stands in the scenario, not in the table"
        return month, 0.0, (column, f"'{row[column]}' is not a number", hint)
    if months and month not in months:
        hint = f"the plan runs from {show_month(months[0])} to {show_month(months[-1])}"
        return month, value, ("month", f"{row['month']} is outside the horizon", hint)
    if not math.isfinite(value) or value < 0:
        return month, value, (column, f"'{row[column]}' is not a number of zero or more", "correct the cell")
    return month, value, None


def read_series(raw: Any, like: str, info: ValidationInfo) -> Series:
    """The Series of a scenario field, in one of the four forms of this module's head."""
    if isinstance(raw, Series):
        return raw
    if not isinstance(raw, dict):
        return Series(points={0: read_amount(raw, like, info)})
    if "csv" in raw or "xlsx" in raw:
        return _table_series(raw, like, info).model_copy(update={"times": _times(raw, info)})
    if "points" in raw:
        _known(raw, ("points", "times"))
        if not isinstance(raw["points"], dict) or not raw["points"]:
            raise refuse("has no points", "points: {2026-01: ..., 2030-12: ...}")
        points = {month_number(key): read_amount(value, like, info) for key, value in raw["points"].items()}
        return Series(points=points, times=_times(raw, info))
    if "from" in raw:
        _known(raw, ("from", "value", "growth", "times"))
        if "value" not in raw:
            raise refuse("has no value", "{from: 2026-03, value: ..., growth: ...}")
        start = month_number(raw["from"])
        point = {start: read_amount(raw["value"], like, info)}
        return Series(points=point, growth=_growth(raw.get("growth"), start, info), times=_times(raw, info))
    constant = {key: value for key, value in raw.items() if key != "times"}
    return Series(points={0: read_amount(constant, like, info)}, times=_times(raw, info))


def _growth(raw: Any, start: Month, info: ValidationInfo) -> dict[Month, Fact]:
    """One factor per year, or one from each of several months on."""
    if raw is None:
        return {}
    several = isinstance(raw, dict) and not {"value", "fact"} & set(raw)
    written = {month_number(key): value for key, value in raw.items()} if several else {start: raw}
    if any("%" in str(value) for value in written.values()):
        hint = "write a factor: 1.5 for half as much again each year, 3 for three times as much"
        raise refuse("growth in percent can be read in two ways", hint)
    growth = {month: read_amount(value, "", info) for month, value in written.items()}
    if any(factor.si <= 0 for factor in growth.values()):
        raise refuse("growth is a factor per year and must be above 0", "3 means three times as much each year")
    return growth


def _times(raw: dict[str, Any], info: ValidationInfo) -> tuple[Series, ...]:
    times = raw.get("times", [])
    if not isinstance(times, list):
        raise refuse("times is not a list", "times: [10%, {fact: ...}]")
    return tuple(read_series(factor, "", info) for factor in times)


def _known(raw: dict[str, Any], keys: tuple[str, ...]) -> None:
    unknown = [key for key in raw if key not in keys]
    if unknown:
        raise refuse(f"unknown key '{unknown[0]}'", nearest(str(unknown[0]), keys))


@dataclass(frozen=True)
class Unit:
    """Marks a Fact or Series field as a number with the dimension of `like`: `Annotated[Fact, Unit("W")]`."""

    like: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        read = read_series if source is Series else read_amount
        form = {"form": "series" if source is Series else "amount", "unit": self.like}
        return core_schema.with_info_plain_validator_function(
            lambda raw, info: read(raw, self.like, info), metadata=form
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        told = schema.get("metadata", {})
        return {"form": told["form"], "unit": told["unit"]}  # `plan.schema` says what the forms are


def preset(written: str | float) -> Any:
    """Default of an amount, as it would be written in the file; graded assumed like any number without a source."""
    return Field(default=written)


def usd(fact: Fact, krw_per_usd: float) -> float:
    """SI value of a fact; one in won is divided by the exchange rate, all others are left as they are.

    >>> from stackyard import catalog
    >>> fact = catalog.load().fact("hbm.hbm3e.price")
    >>> usd(fact, 1400.0) == fact.si
    True
    """
    return fact.si / _won_in_a_unit(fact, krw_per_usd)


def _won_in_a_unit(fact: Fact, krw_per_usd: float) -> float:
    """What a fact is divided by to read in dollars: the exchange rate where it is in won, else 1."""
    return krw_per_usd if "KRW" in fact.unit else 1.0
