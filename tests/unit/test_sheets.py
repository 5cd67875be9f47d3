"""Demand and deliveries from a workbook: read as from CSV, and every mistake told with its cell."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from openpyxl import Workbook

from stackyard import catalog, sheets
from stackyard.errors import InputErrors
from stackyard.plan import scenario as scenarios

FIRST_PLAN = (Path(__file__).parents[2] / "examples" / "first-plan.yaml").read_text(encoding="utf-8")
MONTHS = [(year, month) for year in (2026, 2027) for month in range(1, 13)]


def book(path: Path, rows: list[tuple[Any, ...]], title: str = "Supply", above: int = 0) -> None:
    made = Workbook()
    made.active.title = "Cover"
    made.active["A1"] = "Our plan"
    sheet = made.create_sheet(title)
    for _ in range(above):
        sheet.append(())
    for row in rows:
        sheet.append(row)
    made.save(path)


def read(folder: Path, written: str) -> scenarios.Scenario:
    line = "    deliveries: {points: {2026-01: 1500 stack/month, 2027-12: 4000 stack/month}}"
    assert line in FIRST_PLAN
    (folder / "plan.yaml").write_text(FIRST_PLAN.replace(line, f"    deliveries: {written}"), encoding="utf-8")
    return scenarios.load(folder / "plan.yaml", catalog.load())


def told(folder: Path, written: str) -> str:
    with pytest.raises(InputErrors) as caught:
        read(folder, written)
    return str(caught.value)


def test_a_sheet_reads_as_the_same_table_in_csv(tmp_path: Path) -> None:
    dates = [datetime(year, month, 1) for year, month in MONTHS]
    book(tmp_path / "t.xlsx", [("note", "month", "memory"), *(("", d, 1000 + i) for i, d in enumerate(dates))], above=2)
    lines = "".join(f"{d.year}-{d.month:02d},{1000 + i}\n" for i, d in enumerate(dates))
    (tmp_path / "t.csv").write_text(f"month,memory\n{lines}")
    one = read(tmp_path, "{xlsx: t.xlsx, sheet: Supply, column: memory, unit: stack/month, times: [90%]}")
    two = read(tmp_path, "{csv: t.csv, column: memory, unit: stack/month, times: [90%]}")
    series = [each.inputs.supplies["memory"].deliveries for each in (one, two)]
    assert series[0] is not None and series[1] is not None
    assert np.array_equal(series[0].by_month(one.months), series[1].by_month(two.months))
    assert one.tables == (tmp_path / "t.xlsx",) and one.digest != two.digest


def test_every_mistake_is_told_at_once_with_its_cell(tmp_path: Path) -> None:
    rows: list[tuple[Any, ...]] = [(f"{year}-{month:02d}", 1000) for year, month in MONTHS]
    rows[2], rows[3], rows[4] = ("March", 1000), ("2026-04", "many"), ("2026-05", -3)
    book(tmp_path / "t.xlsx", [("month", "memory"), *rows])
    said = told(tmp_path, "{xlsx: t.xlsx, sheet: Supply, column: memory}")
    assert "t.xlsx [Supply]: cell A4: 'March' is not a month" in said
    assert "t.xlsx [Supply]: cell B5: 'many' is not a number" in said
    assert "t.xlsx [Supply]: cell B6: '-3' is not a number of zero or more" in said
    assert "no row for 2026-03" in said


def test_cells_that_hold_nothing_or_an_error_are_told(tmp_path: Path) -> None:
    rows: list[tuple[Any, ...]] = [(f"{year}-{month:02d}", 1000) for year, month in MONTHS]
    rows[0], rows[1], rows[5] = ("2026-01", None), ("2026-02", "=B2*2"), ("2026-06", "#REF!")
    book(tmp_path / "t.xlsx", [("month", "memory"), *rows])
    said = told(tmp_path, "{xlsx: t.xlsx, sheet: Supply, column: memory}")
    assert "cell B2: is empty, or a formula that was never calculated" in said
    assert "cell B3: is empty, or a formula that was never calculated" in said
    assert "cell B7: holds the error #REF!" in said


def test_sheets_columns_and_workbooks_that_are_not_there(tmp_path: Path) -> None:
    book(tmp_path / "t.xlsx", [("month", "memory", "memory"), ("2026-01", 1, 2)])
    assert "has no sheet 'Suply'" in (said := told(tmp_path, "{xlsx: t.xlsx, sheet: Suply, column: memory}"))
    assert "did you mean 'Supply'" in said
    assert "2 columns have this name" in told(tmp_path, "{xlsx: t.xlsx, sheet: Supply, column: memory}")
    assert "no column has this name" in told(tmp_path, "{xlsx: t.xlsx, column: memory}")
    assert "there is no file 'u.xlsx'" in told(tmp_path, "{xlsx: u.xlsx, column: memory}")
    (tmp_path / "u.xlsx").write_bytes(b"PK\x03\x04 not a workbook")
    assert "is not a workbook that can be read" in told(tmp_path, "{xlsx: u.xlsx, column: memory}")
    assert "unknown key 'sheets'" in told(tmp_path, "{xlsx: t.xlsx, sheets: Supply, column: memory}")


def test_what_is_too_large_is_refused_before_it_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book(tmp_path / "t.xlsx", [("month", "memory"), *(("2026-01", i) for i in range(30))])
    monkeypatch.setattr(sheets, "MOST_ROWS", 20)
    assert "has more than 20 rows" in told(tmp_path, "{xlsx: t.xlsx, sheet: Supply, column: memory}")
    monkeypatch.setattr(sheets, "MOST_BYTES", 1000)
    assert "unpacked" in told(tmp_path, "{xlsx: t.xlsx, sheet: Supply, column: memory}")
