"""Fits the constants of chip generations and engines to the measured rows: python -m stackyard.perf.calibration.fit.

Minimises sum over rows of w rho(log(predicted / measured)) + sum over constants of (log(constant / prior) / sigma)^2 by
damped Gauss-Newton steps on the logarithms of the constants, with rho Huber's loss. Each cell (source, model, chip,
metric) of n rows has the weight n^(1/2) in all, so that no table drowns the others. Nothing is random: the same table
gives the same constants.
"""

from __future__ import annotations

import csv
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackyard.perf import constants, schedule
from stackyard.perf.calibration.predict import Group, Vector, answer, groups
from stackyard.perf.calibration.rows import HELD_OUT, TARGETS, Row
from stackyard.perf.calibration.rows import rows as measured_rows
from stackyard.perf.estimate import lowered
from stackyard.perf.interval import METRICS
from stackyard.perf.op import Op
from stackyard.perf.provider import kernel, reach, transfer

HUBER = 0.15  # |log error| above which a row pulls with constant force
# Standard deviation of the logarithm around the prior, the value of efficiency.yaml.
GENERATION = {
    "compute.bf16": 0.08,
    "compute.fp8": 0.15,
    "compute.fp4": 0.25,
    "compute.experts": 0.4,
    "load.experts": 0.7,
    "compute.dequantise": 0.5,
    "compute.prefill": 0.4,
    "compute.decode": 0.4,
    "compute.wave": 0.7,
    "memory.matmul": 0.1,
    "memory.experts": 0.3,
    "memory.decode": 0.1,
    "cache.fp8": 0.2,
    "format.fp4": 0.15,
    "format.mxfp4": 0.3,
    "format.int4": 0.3,
    "link.scale_up": 0.2,
    "overhead.collective": 0.5,
    "overhead.ramp": 0.5,
    "memory.permute": 0.5,
    "padding.experts": 0.5,
    "overhead.group": 0.7,
}
ENGINE = {
    "engine.kernels": 0.15,
    "engine.experts": 0.4,
    "overhead.experts": 0.8,
    "overhead.scale": 0.5,
    "overhead.step": 0.7,
    "overhead.sequence": 1.0,
    "overhead.request": 1.0,
}
REFERENCE = "trtllm-2025-09"  # whose kernels count as 1
# Weight of a row: whole runs average more than single times do, and queues are the least certain part of the model.
_TRUST = {"output_rate": 2.0, "latency": 2.0, "ttft": 0.2}
_SIZES = ("flop", "bytes", "edge", "wave", "groups", "uneven", "sent", "peers", "count")


@dataclass(frozen=True)
class Constant:
    """One constant to fit: of a generation or an engine."""

    owner: str
    name: str
    prior: float
    sigma: float
    low: float
    high: float


class Gathered(Mapping[str, Any]):
    """Constants as arrays: for each operation those of its row's generation and engine."""

    def __init__(self, table: Mapping[str, Vector], at: NDArray[np.intp]) -> None:
        self.table, self.at = table, at

    def __getitem__(self, name: str) -> Any:
        return self.table[name][self.at]

    def __iter__(self) -> Iterator[str]:
        return iter(self.table)

    def __len__(self) -> int:
        return len(self.table)


@dataclass(frozen=True)
class Bunch:
    """All operations of one kind, arithmetic and storage, of all rows: one array operation."""

    op: Op
    place: NDArray[np.intp]  # 2 row + (0 in a pass that takes prompts in, 1 in a decode pass)
    pair: NDArray[np.intp]  # of generation and engine
    flops: Vector
    bandwidth: Vector
    link: Vector  # printed
    outside: NDArray[np.bool_]  # of the scale-up domain


class Problem:
    """Rows lowered once: what remains to be done for other constants is a few dozen array operations."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows, self.groups = tuple(rows), tuple(groups(rows))
        self.pairs: list[tuple[str, str]] = sorted({(constants.generation(g.chip).id, g.engine) for g in self.groups})
        self.measured = np.array([row.value for row in rows])
        self.pair_of_row = np.zeros(len(rows), dtype=np.intp)
        self.cuts: list[schedule.Shape] = []
        loose: dict[tuple[str, str, str], list[tuple[Op, Group, NDArray[np.intp], int]]] = {}
        for group in self.groups:
            pair = self.pairs.index((constants.generation(group.chip).id, group.engine))
            self.pair_of_row[group.index] = pair
            values = constants.values(group.chip, group.engine)
            sizes = (group.layout, group.batch, group.prompt, group.output, group.regime)
            cut, *passes = lowered(group.model, group.precision, values, *sizes)
            self.cuts.append(cut)
            for which, ops in enumerate(passes):
                for op in ops:
                    loose.setdefault((op.kind, op.precision, op.stored), []).append(
                        (op, group, 2 * group.index + which, pair)
                    )
        self.bunches = [_bunch(key, parts) for key, parts in loose.items()]
        self.weights = _weights(rows)

    def predict(self, table: Mapping[str, Vector]) -> Vector:
        """Predictions with these constants: name -> array over pairs of generation and engine."""
        stage = np.zeros(2 * len(self.rows))
        for bunch in self.bunches:
            stage += np.bincount(bunch.place, _seconds(bunch, Gathered(table, bunch.pair)), len(stage))
        found = np.empty(len(self.rows))
        for group, cut in zip(self.groups, self.cuts, strict=True):
            pair = self.pair_of_row[group.index[0]]
            values = {name: float(column[pair]) for name, column in table.items()}
            host = schedule.host_seconds(group.layout, cut, values)
            mixed, decode = stage[2 * group.index] + host, stage[2 * group.index + 1] + host
            batch = group.batch
            served = schedule.serve(group.layout, cut, batch, group.prompt, group.output, mixed, decode, group.regime)
            first = np.asarray(served.ttft) + values["overhead.request"]
            rates = np.asarray(served.tpot), np.asarray(served.output_rate), np.asarray(served.token_rate)
            found[group.index] = answer(group, batch, first, *rates, cut.group / cut.prompts * mixed)
        return found


def _bunch(key: tuple[str, str, str], parts: list[tuple[Op, Group, NDArray[np.intp], int]]) -> Bunch:
    kind, precision, stored = key

    def joined(values: list[tuple[object, int]]) -> Vector:
        return np.concatenate([np.broadcast_to(np.asarray(value, dtype=float), size) for value, size in values])

    fields = {name: joined([(getattr(op, name), len(place)) for op, _, place, _ in parts]) for name in _SIZES}
    chips = [(group.chip, len(place)) for _, group, place, _ in parts]
    domain = joined([(max(chip.scale_up_domain, 1), size) for chip, size in chips])
    outside = fields["peers"] > domain
    inside = joined([(chip.scale_up, size) for chip, size in chips])
    return Bunch(
        Op(kind, kind, precision, stored, **fields),
        np.concatenate([place for *_, place, _ in parts]),
        np.concatenate([np.full(len(place), pair) for *_, place, pair in parts]),
        joined([(chip.flops.get(precision, np.nan), size) for chip, size in chips]),
        joined([(chip.bandwidth, size) for chip, size in chips]),
        np.where(outside, joined([(chip.scale_out, size) for chip, size in chips]), inside),
        outside,
    )


def _seconds(bunch: Bunch, values: Gathered) -> Vector:
    if bunch.op.kind == "collective":
        share = np.where(bunch.outside, values["link.scale_out"], values["link.scale_up"])
        return np.asarray(transfer(bunch.op, bunch.link * share, values).seconds)
    reached = reach(bunch.op, values)
    assert reached is not None
    return np.asarray(kernel(bunch.op, bunch.flops, bunch.bandwidth, reached).seconds)


def _weights(rows: Sequence[Row]) -> Vector:
    cells = [(row.source, row.model, row.chip, row.metric) for row in rows]
    counts = {cell: cells.count(cell) for cell in set(cells)}
    each: Vector = np.array([counts[cell] ** -0.5 for cell in cells])
    each *= np.array([_TRUST.get(row.metric, 1.0) for row in rows])
    found: Vector = each * len(rows) / each.sum()
    return found


def unknowns(pairs: Sequence[tuple[str, str]]) -> list[Constant]:
    """The constants of these pairs of generation and engine, with their priors."""
    facts = constants.facts()
    owners = [(key, GENERATION) for key in sorted({pair[0] for pair in pairs})]
    owners += [(key, ENGINE) for key in sorted({pair[1] for pair in pairs})]
    found = []
    for owner, names in owners:
        for name, sigma in names.items():
            if owner != REFERENCE or not name.startswith("engine"):
                fact = facts[name]
                found.append(Constant(owner, name, fact.si, sigma, max(fact.si_low, fact.si / 100.0), fact.si_high))
    return found


def table(problem: Problem, asked: Sequence[Constant], logs: Vector) -> dict[str, Vector]:
    """Constants by name, as arrays over the problem's pairs of generation and engine."""
    found = {name: np.full(len(problem.pairs), value) for name, value in constants.plain().items()}
    for constant, log in zip(asked, logs, strict=True):
        found[constant.name][[constant.owner in pair for pair in problem.pairs]] = math.exp(log)
    return found


def slope(problem: Problem, asked: Sequence[Constant], logs: Vector, errors: Vector) -> Vector:
    """d log(predicted) / d log(constant), rows x constants.

    Constants of one name touch different rows, because a row has one generation and one engine: one step for each name.
    """
    found = np.zeros((len(errors), len(asked)))
    for name in dict.fromkeys(constant.name for constant in asked):
        own = [place for place, constant in enumerate(asked) if constant.name == name]
        moved = logs.copy()
        moved[own] += _STEP
        change: Vector = (np.log(problem.predict(table(problem, asked, moved)) / problem.measured) - errors) / _STEP
        for place in own:
            touched = np.array([asked[place].owner in pair for pair in problem.pairs])[problem.pair_of_row]
            found[touched, place] = change[touched]
    return found


_STEP = 1e-4


def fit(
    problem: Problem,
    asked: Sequence[Constant],
    start: Vector | None = None,
    steps: int = 30,
    weights: Vector | None = None,
) -> Vector:
    """Logarithms of the best constants; rows of weight 0 are left out."""
    prior = np.log([constant.prior for constant in asked])
    sigma = np.array([constant.sigma for constant in asked])
    low, high = (np.log([getattr(constant, side) for constant in asked]) for side in ("low", "high"))
    logs, damping = np.array(prior if start is None else start), 1e-2
    weights = (problem.weights if weights is None else weights) / HUBER**2

    def loss(error: Vector, at: Vector) -> float:
        size = np.abs(error)
        huber = np.where(size < HUBER, error**2, HUBER * (2 * size - HUBER))
        return float(np.sum(weights * huber) + np.sum(((at - prior) / sigma) ** 2))

    error = _errors(problem, asked, logs)
    best = loss(error, logs)
    for _ in range(steps):
        steep = slope(problem, asked, logs, error)
        weight = weights * np.minimum(1.0, HUBER / np.maximum(np.abs(error), 1e-12))
        normal = steep.T @ (steep * weight[:, None]) + np.diag(sigma**-2)
        force = steep.T @ (weight * error) + (logs - prior) / sigma**2
        before = best
        while damping < 1e6:
            change = np.linalg.solve(normal + damping * np.diag(np.diag(normal)), -force)
            tried = np.clip(logs + np.clip(change, -0.7, 0.7), low, high)
            new = _errors(problem, asked, tried)
            if loss(new, tried) < best:
                logs, error, best, damping = tried, new, loss(new, tried), max(damping / 5, 1e-4)
                break
            damping *= 5
        if before - best < 1e-4 * before:
            break
    return np.asarray(logs)


def left_out(problem: Problem, asked: Sequence[Constant], start: Vector, by: Callable[[Row], str]) -> Vector:
    """Predictions of every row by constants fitted without the rows that share its key (its model, its chip)."""
    keys = np.array([by(row) for row in problem.rows])
    found = np.empty(len(keys))
    prior = np.log([constant.prior for constant in asked])
    for key in sorted(set(keys)):
        inside = keys == key
        weights = np.where(inside, 0.0, problem.weights)
        informed = np.array([_informed(problem, constant, ~inside) for constant in asked])
        logs = fit(problem, asked, np.where(informed, start, prior), 6, weights)
        found[inside] = problem.predict(table(problem, asked, logs))[inside]
    return found


def _informed(problem: Problem, constant: Constant, kept: NDArray[np.bool_]) -> bool:
    own = np.array([constant.owner in pair for pair in problem.pairs])
    return bool((own[problem.pair_of_row] & kept).any())


def quantiles(rows: Sequence[Row], ratios: Vector) -> dict[str, list[float]]:
    """For each metric, rates as one, [low, high] factors on a prediction between which 80% of measured values lie."""
    metric = np.array([METRICS[row.metric] for row in rows])
    cuts = {name: np.quantile(ratios[metric == name], (0.1, 0.9)) for name in dict.fromkeys(metric)}
    return {name: [round(float(cut), 3) for cut in pair] for name, pair in cuts.items()}


def main() -> int:
    """Fits, leaves out, and writes data/inference.yaml."""
    rows = [row for row in measured_rows() if not row.excluded]
    problem = Problem(rows)
    asked = unknowns(problem.pairs)
    best = fit(problem, asked)
    used = np.abs(slope(problem, asked, best, np.zeros(len(rows)) + _errors(problem, asked, best))).sum(axis=0) > 0
    values: dict[str, dict[str, float]] = {}
    for constant, log, known in zip(asked, best, used, strict=True):
        if known:
            values.setdefault(constant.owner, {})[constant.name] = float(f"{math.exp(log):.4g}")
    held = {
        "model": left_out(problem, asked, best, lambda row: row.model),
        "chip": left_out(problem, asked, best, lambda row: row.chip),
    }
    intervals = {kind: quantiles(rows, problem.measured / predicted) for kind, predicted in held.items()}
    write(values, intervals, sorted({row.chip for row in rows}))
    write_held_out(rows, held)
    sys.stdout.write(f"{int(used.sum())} constants fitted to {len(rows)} rows\n")
    return 0


def _errors(problem: Problem, asked: Sequence[Constant], logs: Vector) -> Vector:
    found: Vector = np.log(problem.predict(table(problem, asked, logs)) / problem.measured)
    return found


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
    lines.append(f"measured: [{', '.join(chips)}]")
    lines.append(
        "intervals:  # factors on a prediction between which 80% of the measured values left out of the fit lie"
    )
    for kind, metrics in intervals.items():
        lines.append(f"  {kind}:")
        lines += [f"    {metric}: [{low}, {high}]" for metric, (low, high) in metrics.items()]
    (constants.FOLDER / "inference.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_held_out(rows: Sequence[Row], held: Mapping[str, Vector]) -> None:
    """Writes the errors of rows predicted without their model, or their chip: by target, and by what was left out."""
    measured = np.array([row.value for row in rows])
    with HELD_OUT.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("left_out", "what", "rows", "bias", "median", "mean", "p90"))
        for kind, predicted in held.items():
            error = predicted / measured - 1.0
            cells: dict[str, list[int]] = {}
            for place, row in enumerate(rows):
                for name in (*(name for name, test in TARGETS if test(row)), f"{getattr(row, kind)} {row.metric}"):
                    cells.setdefault(name, []).append(place)
            for name in (*(name for name, _ in TARGETS), *sorted(cells.keys() - {name for name, _ in TARGETS})):
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

if __name__ == "__main__":
    sys.exit(main())
