"""The page on ways of serving runs as printed, names what exists, and tells the errors there are."""

import re
from pathlib import Path

import numpy as np
import pytest

from stackyard.perf import collective, disaggregate, energy, overflow, pools, serving
from stackyard.perf.calibration.validate import compare
from stackyard.perf.calibration.ways import ways

PAGE = Path(__file__).parents[2] / "docs" / "serving.md"
TEXT = PAGE.read_text(encoding="utf-8")


def test_the_functions_of_the_page_exist():
    homes = (serving, overflow, energy, disaggregate, pools, collective)
    for name in ("accepted", "guesses", "guesser_bytes", "primed", "read_seconds", "transfer_seconds", "best_pools"):
        assert f"`{name}`" in TEXT and any(hasattr(home, name) for home in homes)


def test_the_errors_of_the_page_are_those_of_today():
    told = compare([way for way in ways() if not way.arrivals])
    assert f"{int(told.counts.sum()):,} published" in TEXT
    lines = {line.name: line for line in told.lines("scenario", "metric")}
    for title, scenario in (("next-token layer", "speculative"), ("two pools", "disaggregated")):
        (row,) = re.findall(rf"^\| {title}.*$", TEXT, re.MULTILINE)
        cells = [cell.strip() for cell in row.split("|")][2:]
        line = lines[scenario, "tpot"]
        assert int(cells[0]) == line.rows
        mean = float(cells[1].split("%")[0]) / 100
        assert line.mean == pytest.approx(mean, abs=0.02)
    closed = [row.scenario != "open loop" for row in told.rows]  # an open loop may be offered more than it serves
    assert np.isfinite(told.predicted[closed]).all()
