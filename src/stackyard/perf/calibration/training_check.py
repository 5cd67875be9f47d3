"""Compares the training model with every measured row: `validate_training()`."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stackyard.errors import Fault, InputErrors
from stackyard.perf.calibration.training import HELD_OUT, LEFT_OUT, fit, grouped, held_out, memory_held_out, rows_of
from stackyard.perf.calibration.training_rows import Excluded, Measured, excluded_rows, training_rows
from stackyard.perf.calibration.training_table import read_measurements
from stackyard.perf.training import constants
from stackyard.perf.training.estimate import interval, joined, train
from stackyard.perf.training.memory import training_memory

Array = NDArray[np.float64]
COLUMNS = ("source", "place", "accelerator", "model", "what", "measured", "predicted", "low", "high", "note")


@dataclass(frozen=True)
class Compared:
    """Errors of one source, accelerator and model: estimate over measurement less 1; one estimate for each row."""

    what: str  # 'step time' or 'memory'
    source: str
    accelerator: str
    model: str
    rows: int
    bias: float  # mean error
    median: float  # of the absolute errors, like the next two
    mean: float
    p90: float
    coverage: float  # share of measurements inside the 80% interval


@dataclass(frozen=True)
class Validated:
    """Measured rows beside their estimates: lines of errors, errors with groups left out, and rows not compared."""

    compared: tuple[Compared, ...]
    left_out: tuple[Mapping[str, str], ...]  # of the last fit; empty for a user's own table
    excluded: tuple[tuple[str, str, int], ...]  # source, reason, rows


def validated(path: Path | None = None, predict: Path | None = None) -> Validated:
    """The package's rows against its constants, or those of a user's table; `predict` is where estimates are written.

    Raises InputErrors where no row of the table can be compared.
    """
    if path is None:
        rows, left = training_rows(), excluded_rows()
        compared, held = validate_training(), held_out_table()
    else:
        rows, left = read_measurements(path)
        compared, held = compare_training(rows), []
    if not rows:
        hint = "; ".join(sorted({row.reason for row in left})[:5]) or "the table is empty"
        raise InputErrors([Fault(str(path), 0, "", "has no row of training that can be compared", hint)])
    if predict is not None:
        write_predictions(rows, left, predict)
    reasons = Counter((row.source, row.reason) for row in left)
    return Validated(tuple(compared), tuple(held), tuple((*key, number) for key, number in sorted(reasons.items())))


def errors_of(what: str, rows: Sequence[Measured], estimated: Array, measured: Array, wide: Array) -> list[Compared]:
    """One Compared for each source, accelerator and model, in the order of the rows, and one for all of them."""
    error = estimated / measured - 1
    inside = np.abs(np.log(estimated / measured)) <= wide
    groups: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for index, row in enumerate(rows):
        groups[row.source, row.accelerator, row.model.id].append(index)
    groups["all", "", ""] = list(range(len(rows)))

    def compared(key: tuple[str, str, str], at: list[int]) -> Compared:
        size = np.abs(error[at])
        figures = (error[at].mean(), np.median(size), size.mean(), np.quantile(size, 0.9), inside[at].mean())
        return Compared(what, *key, len(at), *(float(figure) for figure in figures))

    return [compared(key, at) for key, at in groups.items() if at]


def validate_training(left_out: str = "") -> list[Compared]:
    """Errors of step time and of memory, by source, accelerator and model.

    With the constants of the package; or, for `left_out` of 'model', 'accelerator', 'generation' or 'software', with
    constants fitted without the rows of that one, and its intervals (takes some seconds). ValueError for another word.
    """
    if left_out and left_out not in LEFT_OUT:
        raise ValueError(f"'{left_out}' cannot be left out: choose one of {', '.join(LEFT_OUT)}")
    rows = rows_of(training_rows())
    held = [row for row in training_rows() if row.memory is not None]
    values = constants.values()
    wide = np.array([interval(row.model, row.chip, row.recipe, values) for row in rows.measured])
    if left_out:
        times = held_out(rows, grouped(rows.measured, left_out), fit(rows))
        memory = memory_held_out(held, grouped(held, left_out))
        levels = {"model": [], "generation": ["accelerator", "generation"]}.get(left_out, [left_out])
        wide = np.array([joined(values, levels, "experts" if r.model.experts else "dense") for r in rows.measured])
    else:
        times = rows.times(values)
        memory = np.array([float(training_memory(r.model, r.chip, r.recipe, values).total) for r in held])
    peaks = np.array([row.memory for row in held], dtype=float)
    widths = np.full(len(held), values["interval.memory"])
    return [
        *errors_of("step time", rows.measured, times, rows.seconds, wide),
        *errors_of("memory", held, memory, peaks, widths),
    ]


def compare_training(rows: Sequence[Measured]) -> list[Compared]:
    """Errors of any measured rows against the package's constants, by source, accelerator and model."""
    values = constants.values()
    found: list[Compared] = []
    for what in ("step time", "memory"):
        timed = [row for row in rows if (row.seconds if what == "step time" else row.memory) is not None]
        if timed:
            estimated = np.array([predicted(row) for row in timed])
            measured = np.array([row.seconds if row.seconds is not None else row.memory for row in timed], dtype=float)
            known = np.array([interval(row.model, row.chip, row.recipe, values) for row in timed])
            wide = known if what == "step time" else np.full(len(timed), values["interval.memory"])
            found += errors_of(what, timed, estimated, measured, wide)
    return found


def predicted(row: Measured) -> float:
    """What the package estimates for a row: seconds of a step, or bytes of peak memory."""
    run = train(row.model, row.chip, row.recipe)
    return float(run.seconds if row.seconds is not None else run.memory.total)


def held_out_table() -> list[dict[str, str]]:
    """Errors of rows left out of the fit, as the last fit wrote them, for each of LEFT_OUT."""
    with HELD_OUT.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write_predictions(rows: Sequence[Measured], left: Sequence[Excluded], path: Path) -> None:
    """Writes one line for each measured row with its estimate and 80% interval, and one for each left out."""
    values = constants.values()
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        for row in rows:
            timed = row.seconds is not None
            wide = interval(row.model, row.chip, row.recipe, values) if timed else values["interval.memory"]
            estimate, measured = predicted(row), row.seconds if timed else row.memory
            figures = (measured, estimate, estimate / np.exp(wide), estimate * np.exp(wide))
            what = "step seconds" if timed else "peak bytes"
            told = (f"{figure:.6g}" for figure in figures if figure is not None)
            table.writerow((row.source, row.place, row.accelerator, row.model.id, what, *told, row.note))
        for other in left:
            named = (other.source, other.place, other.accelerator, other.model)
            table.writerow((*named, "", "", "", "", "", other.reason))
