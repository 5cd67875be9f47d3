"""`python -m stackyard.sim.calibration.fit`: the simulator's own constants, fitted to the measured runs, and written.

Few constants: for each chip generation how much longer the device takes than the performance model says, and for an
engine release the seconds of its host: a step, a sequence in it, a step that takes prompts in, a request. Gauss-Newton
on log(predicted / measured) of mean inter-token, first-token and end-to-end times, each row with Huber's weight, every
constant drawn to its prior. Nothing belongs to a model, a row or a length. Run it again when perf moves.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stackyard.perf import constants
from stackyard.sim import serve, steps
from stackyard.sim.calibration.predict import errors, figures
from stackyard.sim.calibration.rows import DATA, Row, read
from stackyard.sim.trace import Requests

Vector = NDArray[np.float64]
WEIGHTS = {"itl_or_tpot_mean": 1.0, "ttft_mean": 0.5, "e2e_mean": 0.7}
HOST = ("request", "step", "sequence", "prompt_step")
PRIOR = {"request": 8e-3, "step": 6e-4, "sequence": 6e-6, "prompt_step": 1e-3, "scale": 1.0}
SPREAD = {"request": 6e-3, "step": 8e-4, "sequence": 1e-5, "prompt_step": 1e-3, "scale": 0.1}
ERROR, HUBER, ROUNDS, MOST = 0.08, 0.1, 4, 1500


@dataclass(frozen=True)
class Case:
    """A measured run, the performance model's table for it, and its first requests."""

    row: Row
    table: steps.Table
    requests: Requests
    generation: str
    engine: str


def cases(rows: Sequence[Row]) -> list[Case]:
    """What is fitted to: the rows that can be predicted, at most MOST requests of each."""
    found, known = [], {}
    for row in rows:
        if row.deployment is None or row.requests is None:
            continue
        of, asked = row.deployment, row.deployment.engines[0]
        longest = int((row.requests.prompt + row.requests.output).max())
        key = (asked.model.id, asked.chip.id, asked.layout, asked.precision, asked.engine, of.policy.tokens, longest)
        if key not in known:
            known[key] = steps.table(asked, float(of.policy.tokens), float(of.policy.sequences), float(longest))
        some = row.requests.first(MOST)
        found.append(Case(row, known[key], some, constants.generation(asked.chip).id, asked.engine))
    return found


def names(some: Sequence[Case]) -> list[tuple[str, str]]:
    """The constants: (engine, host's constant) and (generation, 'scale'), of what the cases ran on."""
    engines = sorted({case.engine for case in some})
    generations = sorted({case.generation for case in some})
    return [(engine, name) for engine in engines for name in HOST] + [(each, "scale") for each in generations]


def simulated(case: Case, values: dict[tuple[str, str], float]) -> dict[str, float]:
    """The case's latencies with these constants."""
    assert case.row.deployment
    own = {name: values[(case.engine, name)] for name in HOST}
    table = case.table.scaled(values[(case.generation, "scale")], (own["step"], own["sequence"]))
    of = replace(case.row.deployment, tables=(table,), overhead=(own["request"], own["prompt_step"]))
    return figures(serve.run(of, case.requests))


def residuals(some: Sequence[Case], values: dict[tuple[str, str], float]) -> Vector:
    """Weighted log(predicted / measured), one line a case and a column for each fitted figure; 0 where not measured."""
    out = np.zeros((len(some), len(WEIGHTS)))
    for i, case in enumerate(some):
        told = simulated(case, values)
        for j, (name, weight) in enumerate(WEIGHTS.items()):
            if name in case.row.measured and name in told:
                out[i, j] = weight * np.log(told[name] / case.row.measured[name])
    return out


def step(residual: Vector, slope: Vector, x: Vector, prior: Vector, spread: Vector, keep: NDArray[np.bool_]) -> Vector:
    """One step of Gauss-Newton over the cases that are kept, with the priors as further rows."""
    r, j = residual[keep].reshape(-1), slope[keep].reshape(-1, len(x))
    w = 1 / np.sqrt(np.maximum(1.0, np.abs(r) / HUBER))
    a = np.vstack([j * w[:, None] / ERROR, np.diag(1 / spread)])
    b = np.concatenate([-r * w / ERROR, (prior - x) / spread])
    moved: Vector = np.maximum(x + np.linalg.lstsq(a, b, rcond=None)[0], 0.0)
    return moved


@dataclass(frozen=True)
class Fit:
    """Fitted constants, and each case's errors as fitted and with its chip-and-model group left out."""

    values: dict[tuple[str, str], float]
    fitted: list[dict[str, float]]
    held_out: list[dict[str, float]]


def fit(some: Sequence[Case]) -> Fit:
    """The constants that the cases ask for; left-out errors from a further step without the group's rows."""
    keys = names(some)
    prior, spread = (np.array([table[name] for _, name in keys]) for table in (PRIOR, SPREAD))
    x, everything = prior.copy(), np.ones(len(some), bool)

    def at(point: Vector) -> dict[tuple[str, str], float]:
        return dict(zip(keys, point.tolist(), strict=True))

    for _ in range(ROUNDS):
        r = residuals(some, at(x))
        moves = [x + np.eye(len(x))[i] * 0.1 * spread[i] for i in range(len(x))]
        slope = np.stack([(residuals(some, at(y)) - r) / (0.1 * spread[i]) for i, y in enumerate(moves)], axis=-1)
        last, x = x, step(r, slope, x, prior, spread, everything)
    told = [errors(simulated(case, at(x)), case.row.measured) for case in some]
    left = []
    for case in some:
        keep = np.array([other.row.group != case.row.group for other in some])
        without = at(step(r, slope, last, prior, spread, keep))
        left.append(errors(simulated(case, without), case.row.measured))
    return Fit(at(x), told, left)


def write(found: Fit, some: Sequence[Case], folder: Path = DATA) -> None:
    """Writes fitted.yaml and held_out.csv."""
    lines = [
        "# Written by `python -m stackyard.sim.calibration.fit` from measured_latency.csv; do not edit by hand.",
        "# scale: the device's time over that of perf. request, step, sequence, prompt_step: seconds of the host.",
    ]
    for section, scale in (("generations", True), ("engines", False)):
        lines.append(f"{section}:")
        for owner in sorted({key for key, name in found.values if (name == "scale") == scale}):
            own = {
                name: value
                for (key, name), value in found.values.items()
                if key == owner and (name == "scale") == scale
            }
            lines.append(f"  {owner}: {{{', '.join(f'{name}: {value:.4g}' for name, value in own.items())}}}")
    (folder / "fitted.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with (folder / "held_out.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("point_id", "metric", "error_fitted", "error_left_out"))
        for case, told, left in zip(some, found.fitted, found.held_out, strict=True):
            writer.writerows((case.row.id, name, f"{told[name]:.4f}", f"{left[name]:.4f}") for name in told)


def main() -> None:
    """Fits, writes, and prints mean absolute errors as fitted and left out."""
    some = cases(read())
    found = fit(some)
    write(found, some)
    for name in ("e2e_mean", "itl_or_tpot_mean", "ttft_mean", "ttft_p99"):
        both = [np.mean([abs(row[name]) for row in rows if name in row]) for rows in (found.fitted, found.held_out)]
        sys.stdout.write(f"{name:18s} {both[0]:6.1%} fitted {both[1]:6.1%} left out\n")


if __name__ == "__main__":
    main()
