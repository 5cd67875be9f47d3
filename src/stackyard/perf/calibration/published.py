"""What the fit leaves behind: data/inference.yaml, and the errors of rows predicted without their own kind."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from stackyard.perf import constants
from stackyard.perf.calibration.predict import Vector
from stackyard.perf.calibration.rows import HELD_OUT, HELD_OUT_ROWS, TARGETS, Row
from stackyard.perf.interval import METRICS, joined


def quantiles(rows: Sequence[Row], keys: Sequence[str], ratios: Vector) -> dict[str, tuple[float, float]]:
    """For each metric, rates as one, (low, high) factors on a prediction between which 80% of measured values lie.

    Quantiles over rows, of which those of one key (a model, a chip, an engine) weigh the square root of their number:
    the next key is not one of these, and the largest would otherwise speak for all.
    """
    metric = np.array([METRICS[row.metric] for row in rows])
    return {str(name): _cuts(np.array(keys)[metric == name], ratios[metric == name]) for name in dict.fromkeys(metric)}


def inside(rows: Sequence[Row], keys: Sequence[str], ratios: Vector) -> NDArray[np.bool_]:
    """Where the ratio lies between the quantiles of the other keys' rows: coverage that no row had a say in."""
    metric, key = np.array([METRICS[row.metric] for row in rows]), np.array(keys)
    found = np.zeros(len(rows), dtype=bool)
    for place in {(str(m), str(k)) for m, k in zip(metric, key, strict=True)}:
        own = (metric == place[0]) & (key == place[1])
        others = (metric == place[0]) & ~own
        low, high = _cuts(key[others], ratios[others]) if others.any() else (0.0, 0.0)
        found[own] = (low <= ratios[own]) & (ratios[own] <= high)
    return found


def inside_joined(
    rows: Sequence[Row],
    generations: Sequence[str],
    intervals: Mapping[str, Mapping[str, tuple[float, float]]],
    ratios: Vector,
) -> NDArray[np.bool_]:
    """Where the ratio lies in the interval for a new model, chip (alone of its generation or not) and engine."""
    chips: dict[str, set[str]] = {}
    for row, generation in zip(rows, generations, strict=True):
        chips.setdefault(generation, set()).add(row.chip)
    found = []
    for row, generation, ratio in zip(rows, generations, ratios, strict=True):
        name = METRICS[row.metric]
        kinds = ("model", "chip" if len(chips[generation]) > 1 else "generation", "engine")
        low, high = joined(intervals["seen"][name], [intervals[kind][name] for kind in kinds])
        found.append(low <= ratio <= high)
    return np.array(found)


def _cuts(keys: NDArray[np.str_], ratios: Vector) -> tuple[float, float]:
    """The 10% and 90% quantiles of ratios whose keys weigh the square root of their rows."""
    _, at, counts = np.unique(keys, return_inverse=True, return_counts=True)
    order = np.argsort(ratios)
    weights = (counts**-0.5)[at][order]
    shares = (np.cumsum(weights) - weights / 2) / weights.sum()
    low, high = np.exp(np.interp((0.1, 0.9), shares, np.log(ratios[order])))
    return round(float(low), 3), round(float(high), 3)


def write(
    values: Mapping[str, Mapping[str, float]],
    intervals: Mapping[str, Mapping[str, tuple[float, float]]],
    chips: list[str],
    latest: Mapping[str, tuple[str, tuple[int, ...]]],
) -> None:
    """Writes inference.yaml again with these values; chips, relatives and engines stay as they stand there.

    `latest` are the month of an engine's last measured run and the newest version of one.
    """
    data = constants.fitted()
    lines = [_HEAD.rstrip(), "generations:"]
    for key, row in data["generations"].items():
        lines += [f"  {key}:", f"    chips: [{', '.join(row['chips'])}]"]
        lines += ["    stated:" + _block(row["stated"])] if row.get("stated") else []
        lines.append("    values:" + _block(values.get(key, {})))
    lines.append("relatives:  # chips nobody measured -> the generation whose constants they take")
    lines += [f"  {chip}: {key}" for chip, key in data["relatives"].items()]
    lines.append("engines:")
    for key, row in data["engines"].items():
        version = ", ".join(str(part) for part in row["version"])
        lines += [
            f"  {key}:",
            f"    framework: {row['framework']}",
            f"    vendor: {row['vendor']}",
            f"    released: '{row['released']}'",
            f"    until: '{latest[key][0]}'",
            f"    last: [{', '.join(str(part) for part in latest[key][1])}]",
            f"    version: [{version}]",
        ]
        if row.get("stated"):
            lines.append("    stated:" + _block(row["stated"]))
        lines.append("    values:" + _block(values.get(key, {})))
    lines.append("means:  # of all chips, all software, a framework's releases, and what a year changes")
    for key in sorted(values.keys() - data["generations"].keys() - data["engines"].keys()):
        lines += [f"  {key}:", "    values:" + _block(values[key])]
    lines.append(f"measured: [{', '.join(chips)}]")
    lines.append(
        "intervals:  # factors on a prediction between which 80% of the measured values left out of the fit lie"
    )
    for kind, metrics in intervals.items():
        lines.append(f"  {kind}:")
        lines += [f"    {metric}: [{low}, {high}]" for metric, (low, high) in metrics.items()]
    (constants.FOLDER / "inference.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_held_out(
    rows: Sequence[Row],
    keys: Mapping[str, Sequence[str]],
    held: Mapping[str, Vector],
    within: Mapping[str, NDArray[np.bool_]],
) -> None:
    """Writes the errors of rows predicted without their model, chip or engine, or all of these: by target and by key.

    `within` is where the measured value lies in the interval; what has no `keys` has lines by target alone.
    """
    measured = np.array([row.value for row in rows])
    targets = tuple(name for name, _ in TARGETS)
    with HELD_OUT.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("left_out", "what", "rows", "bias", "median", "mean", "p90", "inside"))
        for kind, predicted in held.items():
            error, covered = predicted / measured - 1.0, within[kind]
            cells: dict[str, list[int]] = {}
            for place, row in enumerate(rows):
                own = (f"{keys[kind][place]} {row.metric}",) if kind in keys else ()
                for name in (*(name for name, test in TARGETS if test(row)), *own):
                    cells.setdefault(name, []).append(place)
            for name in (*targets, *sorted(cells.keys() - set(targets))):
                some = error[cells[name]]
                size = np.abs(some)
                told = (some.mean(), np.median(size), size.mean(), np.quantile(size, 0.9), covered[cells[name]].mean())
                writer.writerow((kind, name, len(some), *(f"{value:.3f}" for value in told)))


def write_each(rows: Sequence[Row], held: Mapping[str, Vector]) -> None:
    """Writes what rows are predicted without their model, chip or engine, row by row."""
    with HELD_OUT_ROWS.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("id", *held))
        for place, row in enumerate(rows):
            writer.writerow((row.id, *(f"{predicted[place]:.5g}" for predicted in held.values())))


def _block(values: Mapping[str, float]) -> str:
    if not values:
        return " {}"
    return "".join(f"\n      {name}: {value!r}" for name, value in values.items())


_HEAD = """
# Constants fitted to measured serving (perf/calibration/data/inference.csv), in SI, by
# python -m stackyard.perf.calibration.fit. They stand over those of efficiency.yaml for a chip generation and an engine
# as of its release; `stated` is what an engine's documentation says, or what a chip's process makes of energy.path
# as efficiency.yaml has it. Do not edit `values`, `measured` or `intervals`:
# edit the table, the priors or the model, and run the fit again. perf/calibration/README.md says how.
"""
