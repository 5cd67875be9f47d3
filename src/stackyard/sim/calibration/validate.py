"""The simulator beside measured serving runs: errors by row and by metric, other simulators' beside them."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stackyard.sim.calibration.predict import errors, predict
from stackyard.sim.calibration.rows import DATA, METRICS, Row, read
from stackyard.sim.load import write_csv

TARGETS = {"e2e_mean": 0.07, "itl_or_tpot_mean": 0.07, "ttft_mean": 0.15, "ttft_p99": 0.30}


@dataclass(frozen=True)
class Line:
    """Errors of one metric over the rows that have it."""

    metric: str
    rows: int
    mean: float  # of the absolute errors
    median: float
    bias: float
    left_out: float  # mean absolute error of rows predicted without their chip and model; nan for a user's rows
    target: float  # nan where none is set


@dataclass(frozen=True)
class Comparison:
    """Rows, each with its predictions and errors."""

    rows: tuple[Row, ...]
    predicted: tuple[dict[str, float], ...]
    own: bool  # the package's own table

    @property
    def errors(self) -> tuple[dict[str, float], ...]:
        return tuple(errors(told, row.measured) for row, told in zip(self.rows, self.predicted, strict=True))

    def lines(self) -> list[Line]:
        """One line for each metric that was measured."""
        held = _held_out() if self.own else {}
        found = []
        for metric in METRICS:
            values = np.array([each[metric] for each in self.errors if metric in each])
            if len(values):
                size = np.abs(values)
                told = float(size.mean()), float(np.median(size)), float(values.mean())
                left = float(np.mean(np.abs(held[metric]))) if metric in held else np.nan
                found.append(Line(metric, len(values), *told, left, TARGETS.get(metric, np.nan)))
        return found

    def peers(self) -> list[dict[str, str]]:
        """What other simulators reached on such runs (eval-36, or train-13 where nothing else is told)."""
        with (DATA / "peers.csv").open(newline="", encoding="utf-8") as stream:
            return list(csv.DictReader(stream))

    def summary(self) -> dict[str, Any]:
        """Plain names and values for JSON."""
        rows = [
            {"id": row.id, "why": row.why, "predicted": told, "error": each}
            for row, told, each in zip(self.rows, self.predicted, self.errors, strict=True)
        ]
        return {"metrics": [vars(line) for line in self.lines()], "rows": rows, "peers": self.peers()}


def _held_out() -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    with (DATA / "held_out.csv").open(newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            found.setdefault(row["metric"], []).append(float(row["error_left_out"]))
    return found


def validate(path: Path | None = None) -> Comparison:
    """Predicts the rows of a table in the columns of the built-in one; of the built-in one without a path."""
    rows = read(path)
    return Comparison(rows, tuple(predict(row) for row in rows), path is None)


def write_predictions(found: Comparison, path: Path) -> None:
    """Writes the rows again with a predicted column for each metric (ms) and the reason where there is none."""
    names = list(found.rows[0].cells) if found.rows else []
    body: list[Sequence[object]] = []
    for row, told in zip(found.rows, found.predicted, strict=True):
        numbers = [f"{told[name] * 1e3:.6g}" if name in told else "" for name in METRICS]
        body.append([*row.cells.values(), *numbers, row.why])
    write_csv(path, [*names, *(f"predicted_{name}_ms" for name in METRICS), "reason"], body)
