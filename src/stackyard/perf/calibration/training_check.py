"""Compares the training model with every measured row: `validate_training()`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stackyard.perf.calibration.training import LEFT_OUT, fit, fit_memory, fixed, grouped, held_out, rows_of
from stackyard.perf.calibration.training_rows import Measured, training_rows
from stackyard.perf.training import constants
from stackyard.perf.training.estimate import interval, train
from stackyard.perf.training.memory import training_memory

Array = NDArray[np.float64]


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
        kinds = ["experts" if row.model.experts else "dense" for row in rows.measured]
        wide = np.maximum(wide, [values[f"interval.{left_out}.{kind}"] for kind in kinds])
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


def memory_held_out(rows: Sequence[Measured], groups: Sequence[str]) -> Array:
    """Estimated bytes of every row by constants that were fitted without any row of its group."""
    found = np.empty(len(rows))
    for name in dict.fromkeys(groups):
        known = {**fixed(), **fit_memory([row for row, other in zip(rows, groups, strict=True) if other != name])}
        for index, row in enumerate(rows):
            if groups[index] == name:
                found[index] = float(training_memory(row.model, row.chip, row.recipe, known).total)
    return found
