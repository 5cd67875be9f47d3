"""What the fit leaves behind: data/inference.yaml, and the errors of rows predicted without their own kind."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from stackyard.perf import constants
from stackyard.perf.calibration.predict import Vector
from stackyard.perf.calibration.rows import HELD_OUT, TARGETS, Row
from stackyard.perf.interval import METRICS


def quantiles(rows: Sequence[Row], ratios: Vector) -> dict[str, list[float]]:
    """For each metric, rates as one, [low, high] factors on a prediction between which 80% of measured values lie."""
    metric: NDArray[np.str_] = np.array([METRICS[row.metric] for row in rows])
    cuts = {name: np.quantile(ratios[metric == name], (0.1, 0.9)) for name in dict.fromkeys(metric)}
    return {str(name): [round(float(cut), 3) for cut in pair] for name, pair in cuts.items()}


def write(
    values: Mapping[str, Mapping[str, float]], intervals: Mapping[str, Mapping[str, list[float]]], chips: list[str]
) -> None:
    """Writes inference.yaml again with these values; chips, relatives and engines stay as they stand there."""
    data = constants.fitted()
    lines = [_HEAD.rstrip(), "generations:"]
    for key, row in data["generations"].items():
        lines += [f"  {key}:", f"    chips: [{', '.join(row['chips'])}]", "    values:" + _block(values.get(key, {}))]
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
            f"    version: [{version}]",
        ]
        if row.get("stated"):
            lines.append("    stated:" + _block(row["stated"]))
        lines.append("    values:" + _block(values.get(key, {})))
    lines.append("means:  # of all chips, all software, a framework's releases; who was not measured takes them")
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


def write_held_out(rows: Sequence[Row], keys: Mapping[str, Sequence[str]], held: Mapping[str, Vector]) -> None:
    """Writes the errors of rows predicted without their model, chip or engine: by target, and by what was left out."""
    measured = np.array([row.value for row in rows])
    targets = tuple(name for name, _ in TARGETS)
    with HELD_OUT.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("left_out", "what", "rows", "bias", "median", "mean", "p90"))
        for kind, predicted in held.items():
            error = predicted / measured - 1.0
            cells: dict[str, list[int]] = {}
            for place, (row, key) in enumerate(zip(rows, keys[kind], strict=True)):
                for name in (*(name for name, test in TARGETS if test(row)), f"{key} {row.metric}"):
                    cells.setdefault(name, []).append(place)
            for name in (*targets, *sorted(cells.keys() - set(targets))):
                some = error[cells[name]]
                size = np.abs(some)
                told = (some.mean(), np.median(size), size.mean(), np.quantile(size, 0.9))
                writer.writerow((kind, name, len(some), *(f"{value:.3f}" for value in told)))


def _block(values: Mapping[str, float]) -> str:
    if not values:
        return " {}"
    return "".join(f"\n      {name}: {value!r}" for name, value in values.items())


_HEAD = """
# Constants fitted to measured serving (perf/calibration/data/inference.csv), in SI, by
# python -m stackyard.perf.calibration.fit. They stand over those of efficiency.yaml for a chip generation and an engine
# as of its release; `stated` is what an engine's documentation says. Do not edit `values`, `measured` or `intervals`:
# edit the table, the priors or the model, and run the fit again. perf/calibration/README.md says how.
"""
