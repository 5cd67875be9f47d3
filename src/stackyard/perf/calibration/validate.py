"""The model beside measurements: one prediction for each row, and how far off they are by source, chip and model."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stackyard import catalog
from stackyard.perf import constants
from stackyard.perf.calibration import door
from stackyard.perf.calibration.predict import Vector, predict
from stackyard.perf.calibration.rows import TARGETS, Row, held_out, left_out, rows
from stackyard.perf.calibration.ways import ways
from stackyard.perf.interval import factors

OVERLOADED = "more requests arrive than are served by the model: the time to the first token grows with the run"


@dataclass(frozen=True)
class Line:
    """Errors of some rows: fractions of the measured value, predicted minus measured."""

    name: tuple[str, ...]
    rows: int
    bias: float  # mean signed error
    median: float  # of the absolute errors
    mean: float
    p90: float
    coverage: float  # share of rows whose measured value lies in the 80% interval


@dataclass(frozen=True)
class Account:
    """Rows of a source by what became of them."""

    source: str
    compared: int = 0  # predicted, in the figures
    excluded: int = 0  # for a stated defect
    unanswered: int = 0  # without a value, or without a steady answer
    left_out: int = 0  # not expressed, each for a reason

    @property
    def rows(self) -> int:
        """All of them, as the source has them."""
        return self.compared + self.excluded + self.unanswered + self.left_out


@dataclass(frozen=True)
class Comparison:
    """Measured rows with one prediction each; excluded ones have a reason, and `left_out` are those without a row."""

    rows: tuple[Row, ...]
    predicted: Vector
    low: Vector
    high: Vector
    left_out: tuple[tuple[str, str, int], ...]

    @property
    def counts(self) -> NDArray[np.bool_]:
        """Rows that count: not excluded, and predicted."""
        good = np.array([not row.excluded and row.value > 0 for row in self.rows], dtype=bool)
        return good & np.isfinite(self.predicted)

    def line(self, name: tuple[str, ...], chosen: NDArray[np.bool_]) -> Line:
        """The errors of the chosen rows that count."""
        chosen = chosen & self.counts
        measured = np.array([row.value for row in self.rows], dtype=float)[chosen]
        error = self.predicted[chosen] / measured - 1.0
        if not len(error):
            return Line(name, 0, np.nan, np.nan, np.nan, np.nan, np.nan)
        size = np.abs(error)
        inside = (self.low[chosen] <= measured) & (measured <= self.high[chosen])
        told = (error.mean(), np.median(size), size.mean(), np.quantile(size, 0.9), inside.mean())
        return Line(name, len(error), *(float(value) for value in told))

    def lines(self, *by: str) -> list[Line]:
        """One line for each combination of these attributes of a row, sorted.

        With 'scenario' among them they are of disaggregated and speculative rows, without it of all others.
        """
        keys = [tuple(str(getattr(row, name)) for name in by) for row in self.rows]
        apart = np.array([bool(row.scenario) for row in self.rows]) == ("scenario" in by)
        found = [self.line(key, apart & np.array([key == other for other in keys])) for key in sorted(set(keys))]
        return [line for line in found if line.rows]

    def targets(self) -> list[Line]:
        """One line for each published target."""
        plain = np.array([not row.scenario for row in self.rows], dtype=bool)
        met = {name: np.array([test(row) for row in self.rows], dtype=bool) for name, test in TARGETS}
        return [self.line((name,), plain & mask) for name, mask in met.items()]

    def held_out(self) -> tuple[dict[str, str], ...]:
        """Errors of the package's rows predicted without their model, chip or engine, as the last fit wrote them."""
        return held_out()

    def account(self) -> list[Account]:
        """Where each row of each source went, and of all together: nothing is dropped in silence."""
        found: dict[str, Counter[str]] = {}
        for row, good in zip(self.rows, self.counts, strict=True):
            place = "compared" if good else "excluded" if row.excluded else "unanswered"
            found.setdefault(row.source, Counter())[place] += 1
        for source, _, count in self.left_out:
            found.setdefault(source, Counter())["left_out"] += count
        total: Counter[str] = sum(found.values(), Counter())
        return [Account(source, **each) for source, each in (*sorted(found.items()), ("all", total))]

    def excluded(self) -> list[tuple[str, str, int]]:
        """(source, stated defect, rows) of the rows kept out of every figure."""
        return _counted((row.source, row.excluded) for row in self.rows if row.excluded)

    def unanswered(self) -> list[tuple[str, str, int]]:
        """(source, reason, rows) of the rows that neither count nor are excluded."""
        silent = (row for row, good in zip(self.rows, self.counts, strict=True) if not good and not row.excluded)
        return _counted((row.source, OVERLOADED if row.value > 0 else "no value to compare with") for row in silent)


def _counted(named: Iterable[tuple[str, str]]) -> list[tuple[str, str, int]]:
    return [(*key, count) for key, count in sorted(Counter(named).items())]


def compare(some: Sequence[Row], gone: tuple[tuple[str, str, int], ...] = ()) -> Comparison:
    """The comparison of these rows."""
    predicted = predict(some)
    known = catalog.load()
    both = []
    for row in some:
        chip = known.accelerator(row.chip)
        engine = constants.engine_of(row.framework, row.date, chip).id
        both.append(factors(chip, row.metric, row.scenario, engine))
    edges = np.array(both).reshape(-1, 2)
    return Comparison(tuple(some), predicted, predicted * edges[:, 0], predicted * edges[:, 1], gone)


def validate(path: Path | None = None) -> Comparison:
    """Compares a table of measurements with the model; without one the package's own."""
    if path is None:
        return compare((*rows(), *ways()), left_out())
    reading = door.read(path)
    return compare(reading.rows, reading.left_out)


def write_predictions(path: Path, target: Path) -> int:
    """Writes the table again with predicted, low, high, engine and reason beside each line; returns how many have one.

    Predictions are in the line's own unit.
    """
    reading = door.read(path)
    told = compare(reading.rows)
    answers: Iterator[tuple[Row, float, float, float]] = iter(
        zip(told.rows, told.predicted, told.low, told.high, strict=True)
    )
    with target.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow((*reading.header, "predicted", "low", "high", "engine", "reason"))
        for cells, row, reason in reading.lines:
            texts = [cells[name] for name in reading.header]
            if row is None:
                writer.writerow((*texts, "", "", "", "", reason))
                continue
            _, *values = next(answers)
            middle, *ends = (door.in_unit(cells, value) for value in values)
            numbers = [f"{value:.6g}" if np.isfinite(value) else "" for value in (middle, *sorted(ends))]
            chip = catalog.load().accelerator(row.chip)
            engine = constants.engine_of(row.framework, row.date, chip).id
            why = row.excluded or (OVERLOADED if not numbers[0] else "")
            writer.writerow((*texts, *numbers, engine, why))
    return int(np.isfinite(told.predicted).sum())
