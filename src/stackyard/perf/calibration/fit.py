"""Fits the constants of chip generations and engines to the measured rows: python -m stackyard.perf.calibration.fit.

Minimises sum over rows of w rho(predicted / measured - 1) + sum over constants of (log(constant / parent) / sigma)^2
by damped Gauss-Newton steps on the logarithms of the constants. The parent of a generation's constant is the mean of
all chips, of a release's the mean of its framework, of that the mean of all software, and of these means the prior: who
has no rows takes the mean. A release's parent is its framework's mean at its date: what a year changes in YEARLY is
fitted too, one factor for all software. rho is Cauchy's loss, scale^2 log(1 + (error / scale)^2). Each cell (source,
model, chip, metric) of n rows has the weight n^(1/2) in all, so that no table drowns the others. Nothing is random: the
same table gives the same constants.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackyard.perf import constants, schedule
from stackyard.perf.calibration.predict import Group, Vector, answer, groups, whole_run
from stackyard.perf.calibration.published import inside, inside_joined, quantiles, write, write_each, write_held_out
from stackyard.perf.calibration.rows import Row
from stackyard.perf.calibration.rows import rows as measured_rows
from stackyard.perf.collective import Fabric, fabric
from stackyard.perf.layout import Layout
from stackyard.perf.op import Op
from stackyard.perf.provider import kernel, reach, transfer
from stackyard.perf.solve import lowered

# Relative error at which a row pulls hardest: beyond it, it is rather another case than a large error of this one.
SCALE = {"ttft": 0.3}
USUAL = 0.15
# Rows of a cell share their circumstances, so that they count for fewer than they are; and owners of constants (chip
# generations, releases) are as far from their mean as this share of what the mean may be from the prior. Both were
# chosen by the errors of whole models, chips and engines left out.
STRENGTH = 0.45
OWN = 1.3
RELEASE = 0.7  # the same of releases of one framework
# Standard deviation of the logarithm of a mean around the prior, the value of efficiency.yaml.
GENERATION = {
    "compute.bf16": 0.08,
    "compute.fp8": 0.15,
    "compute.fp4": 0.25,
    "compute.experts": 0.1,
    "compute.narrow": 0.5,
    "memory.narrow": 0.5,
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
    "memory.elementwise": 0.3,
    "padding.experts": 0.5,
    "overhead.group": 0.7,
    "overhead.experts": 0.3,
}
ENGINE = {
    "engine.kernels": 0.15,
    "engine.experts": 0.3,
    "overhead.scale": 0.5,
    "overhead.step": 0.7,
    "overhead.sequence": 0.5,
    "overhead.request": 0.7,
}
# Standard deviation of the logarithm of what a year changes, for what newer software is known to lower: kernels are
# fused, recorded once and started by the one before them, so that less time passes between them.
YEARLY = {"overhead.scale": 1.0}
ALL = "model, chip and engine"  # left out at once
# Weight of a row: whole runs average more than single times do, and queues are the least certain part of the model.
_TRUST = {"output_rate": 2.0, "latency": 2.0, "ttft": 0.5}
_SIZES = (
    "flop",
    "bytes",
    "edge",
    "wave",
    "narrow",
    "groups",
    "uneven",
    "sent",
    "peers",
    "count",
    "sums",
    "chunks",
    "again",
)


@dataclass(frozen=True)
class Constant:
    """One constant to fit: of a generation, an engine, or what these have in common.

    It is drawn to that of the same name of its `parent`, or to the prior where that is ''; a release's to what the
    yearly factor makes of its parent in `years`.
    """

    owner: str
    name: str
    prior: float
    sigma: float
    low: float
    high: float
    parent: str = ""
    years: float = 0.0


class Gathered(Mapping[str, Any]):
    """Constants as arrays: for each operation those of its row's generation and engine."""

    def __init__(self, table: Mapping[str, Vector], at: NDArray[np.intp]) -> None:
        self.table, self.at = table, at
        self.read: set[str] = set()  # names that were asked for

    def __getitem__(self, name: str) -> Any:
        self.read.add(name)
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
    fabric: Fabric  # printed
    outside: NDArray[np.bool_]  # of the scale-up domain


class Problem:
    """Rows lowered once: what remains to be done for other constants is a few dozen array operations."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = tuple(rows)  # what is fitted to is measured: its release is not one that nobody measured
        self.groups = tuple(replace(group, engine=group.engine.partition("@")[0]) for group in groups(rows))
        self.pairs: list[tuple[str, str]] = sorted({(constants.generation(g.chip).id, g.engine) for g in self.groups})
        self.measured = np.array([row.value for row in rows])
        self.pair_of_row = np.zeros(len(rows), dtype=np.intp)
        loose: dict[tuple[str, str, str], list[tuple[Op, Group, NDArray[np.intp], int]]] = {}
        shaped: dict[str, list[tuple[Group, Vector, schedule.Shape]]] = {}
        lasting: list[tuple[Group, Vector, schedule.Shape]] = []
        for group in self.groups:
            pair = self.pairs.index((constants.generation(group.chip).id, group.engine))
            self.pair_of_row[group.index] = pair
            values = constants.values(group.chip, group.engine)
            found = [(group.batch, 0, shaped.setdefault(group.regime, []))]
            if group.regime == "max load":
                found.append((group.rest, 2 * len(rows), lasting))
            for batch, shift, parts in found:
                sizes = (group.layout, batch, group.prompt, group.output, group.regime)
                cut, *passes = lowered(group.model, group.precision, values, *sizes)
                parts.append((group, batch, cut))
                for which, ops in enumerate(passes):
                    for op in ops:
                        place = shift + 2 * group.index + which
                        loose.setdefault((op.kind, op.precision, op.stored), []).append((op, group, place, pair))
        self.bunches = [_bunch(key, parts) for key, parts in loose.items()]
        self.regimes = [_together(parts) for parts in shaped.values()]
        self.last = _together(lasting) if lasting else None
        self.weights = _weights(rows)
        self._known: tuple[Mapping[str, Vector], list[tuple[Vector, set[str]]]] = ({}, [])

    def predict(self, table: Mapping[str, Vector]) -> Vector:
        """Predictions with these constants: name -> array over pairs of generation and engine."""
        stage: Vector = np.sum([seconds for seconds, _ in self._stages(table)], axis=0)
        found = np.empty(len(self.rows))
        for group, batch, cut in self.regimes:
            values = Gathered(table, self.pair_of_row[group.index])
            mixed, served = self._served(values, stage, group, batch, cut)
            front = 0.0 if group.regime == "fixed batch" else values["overhead.request"]
            first = np.asarray(served.ttft) + front
            rates = np.asarray(served.output_rate), np.asarray(served.token_rate)
            if group.regime == "max load" and self.last is not None:
                _, last = self._served(values, stage[2 * len(self.rows) :], *self.last)
                share = whole_run(group, batch, np.asarray(served.cycle), np.asarray(last.cycle))
                rates = rates[0] * share, rates[1] * share
            filling = cut.group / cut.prompts * mixed
            found[group.index] = answer(group, batch, first, np.asarray(served.tpot), *rates, filling)
        return found

    @staticmethod
    def _served(
        values: Gathered, stage: Vector, group: Group, batch: Vector, cut: schedule.Shape
    ) -> tuple[Vector, schedule.Service]:
        """Seconds of a pass that takes prompts in, and the service, from the seconds of all rows' passes."""
        host = schedule.host_seconds(group.layout, cut, values)
        mixed, decode = stage[2 * group.index] + host, stage[2 * group.index + 1] + host
        sizes = (group.layout, cut, batch, group.prompt, group.output)
        return mixed, schedule.serve(*sizes, mixed, decode, group.regime)

    def _stages(self, table: Mapping[str, Vector]) -> list[tuple[Vector, set[str]]]:
        """Seconds of the passes by bunch, and the constants each reads; only what changed since is worked out again."""
        old, known = self._known
        changed = {name for name, column in table.items() if name not in old or not np.array_equal(column, old[name])}
        found = []
        for place, bunch in enumerate(self.bunches):
            if known and not known[place][1] & changed:
                found.append(known[place])
                continue
            values = Gathered(table, bunch.pair)
            seconds: Vector = np.bincount(bunch.place, _seconds(bunch, values), 4 * len(self.rows)).astype(float)
            found.append((seconds, values.read))
        if len(changed) != 1:  # a table with one change is a step of a slope: the next one starts from the same place
            self._known = (dict(table), found)
        return found


def _together(parts: Sequence[tuple[Group, Vector, schedule.Shape]]) -> tuple[Group, Vector, schedule.Shape]:
    """Groups of one regime as one group of arrays, with their batches and cuts."""

    def joined(values: Sequence[Any]) -> Any:
        sizes = [len(group.index) for group, *_ in parts]
        return np.concatenate([np.broadcast_to(value, size) for value, size in zip(values, sizes, strict=True)])

    def all_of(things: Sequence[Any]) -> dict[str, Any]:
        return {f.name: joined([getattr(thing, f.name) for thing in things]) for f in fields(things[0])}

    some = [group for group, *_ in parts]
    names = ("index", "asked", "prompt", "output", "metric", "requests", "wait")
    arrays = {name: joined([getattr(group, name) for group in some]) for name in names}
    layout = Layout(**all_of([group.layout for group in some]))
    cut = schedule.Shape(**all_of([cut for *_, cut in parts]))
    return replace(some[0], layout=layout, **arrays), joined([batch for _, batch, _ in parts]), cut


def _bunch(key: tuple[str, str, str], parts: list[tuple[Op, Group, NDArray[np.intp], int]]) -> Bunch:
    kind, precision, stored = key

    def joined(values: list[tuple[object, int]]) -> Vector:
        return np.concatenate([np.broadcast_to(np.asarray(value, dtype=float), size) for value, size in values])

    fields = {name: joined([(getattr(op, name), len(place)) for op, _, place, _ in parts]) for name in _SIZES}
    chips = [(group.chip, len(place)) for _, group, place, _ in parts]
    domain = joined([(max(chip.scale_up_domain, 1), size) for chip, size in chips])
    outside = fields["peers"] > domain
    near = [(fabric(chip, {"link.scale_up": 1.0}), size) for chip, size in chips]
    inside, adds, mates = (joined([(each[part], size) for each, size in near]) for part in range(3))
    return Bunch(
        Op(kind, kind, precision, stored, **fields),
        np.concatenate([place for *_, place, _ in parts]),
        np.concatenate([np.full(len(place), pair) for *_, place, pair in parts]),
        joined([(chip.flops.get(precision, np.nan), size) for chip, size in chips]),
        joined([(chip.bandwidth, size) for chip, size in chips]),
        Fabric(
            np.where(outside, joined([(chip.scale_out, size) for chip, size in chips]), inside),
            np.where(outside, 0.0, adds),
            np.where(outside, 0.0, mates),
        ),
        outside,
    )


def _seconds(bunch: Bunch, values: Gathered) -> Vector:
    if bunch.op.kind == "collective":
        share = np.where(bunch.outside, values["link.scale_out"], values["link.scale_up"])
        return np.asarray(transfer(bunch.op, bunch.fabric._replace(link=bunch.fabric.link * share), values).seconds)
    reached = reach(bunch.op, values)
    assert reached is not None
    return np.asarray(kernel(bunch.op, bunch.flops, bunch.bandwidth, reached).seconds)


def _weights(rows: Sequence[Row]) -> Vector:
    cells = [(row.source, row.model, row.chip, row.metric) for row in rows]
    counts = {cell: cells.count(cell) for cell in set(cells)}
    each: Vector = np.array([counts[cell] ** -0.5 for cell in cells])
    each *= np.array([_TRUST.get(row.metric, 1.0) for row in rows])
    found: Vector = each * len(rows) / each.sum() * STRENGTH
    return found


def unknowns(pairs: Sequence[tuple[str, str]]) -> list[Constant]:
    """The constants of these pairs of generation and engine, and of what they have in common, with their priors.

    Fewer rows of an owner leave it nearer to its parent.
    """
    facts, engines = constants.facts(), constants.engines()
    generations = sorted({key for key, _ in pairs} - {constants.CHIPS})
    owners = [(constants.CHIPS, "", GENERATION)] + [(key, constants.CHIPS, GENERATION) for key in generations]
    frameworks = {key: engines[key].framework for _, key in sorted(pairs) if key != constants.SOFTWARE}
    owners += [(constants.SOFTWARE, "", ENGINE)]
    owners += [(key, constants.SOFTWARE, ENGINE) for key in sorted(set(frameworks.values()))]
    owners += [(key, frameworks[key], ENGINE) for key in engines if key in frameworks]
    found = [Constant(constants.YEARLY, name, 1.0, sigma, 0.1, 10.0) for name, sigma in YEARLY.items()]
    for owner, parent, names in owners:
        for name, sigma in names.items():
            fact = facts[name]
            limits = max(fact.si_low, fact.si / 100.0), fact.si_high
            share = 1.0 if not parent else RELEASE if owner in engines else OWN
            years = engines[owner].years if parent and owner in engines and name in YEARLY else 0.0
            found.append(Constant(owner, name, fact.si, sigma * share, *limits, parent, years))
    return found


def table(problem: Problem, asked: Sequence[Constant], logs: Vector) -> dict[str, Vector]:
    """Constants by name, as arrays over the problem's pairs of generation and engine."""
    found = {name: np.full(len(problem.pairs), value) for name, value in constants.plain().items()}
    for place, pair in enumerate(problem.pairs):
        for name, value in constants.stated(*pair).items():
            found[name][place] = value
    for constant, log in zip(asked, logs, strict=True):
        found[constant.name][[constant.owner in pair for pair in problem.pairs]] = math.exp(log)
    return found


def slope(problem: Problem, asked: Sequence[Constant], logs: Vector, errors: Vector) -> Vector:
    """d (predicted / measured) / d log(constant), rows x constants.

    Constants of one name touch different rows, because a row has one generation and one engine: one step for each name.
    """
    found = np.zeros((len(errors), len(asked)))
    owners = {owner for pair in problem.pairs for owner in pair}
    for name in dict.fromkeys(constant.name for constant in asked):
        own = [place for place, constant in enumerate(asked) if constant.name == name and constant.owner in owners]
        moved = logs.copy()
        moved[own] += _STEP
        change: Vector = (_errors(problem, asked, moved) - errors) / _STEP
        for place in own:
            touched = np.array([asked[place].owner in pair for pair in problem.pairs])[problem.pair_of_row]
            found[touched, place] = change[touched]
    return found


_STEP = 1e-4
_LONGEST = 0.7  # step of one logarithm


def pull(asked: Sequence[Constant]) -> tuple[Vector, Vector]:
    """(P, c) of the penalty sum ((log constant - log parent) / sigma)^2 = |P x - c|^2 for logarithms x."""
    places = {(each.owner, each.name): place for place, each in enumerate(asked)}
    relation, offset = np.zeros((len(asked), len(asked))), np.zeros(len(asked))
    for place, each in enumerate(asked):
        relation[place, place] = 1.0 / each.sigma
        if each.parent:
            relation[place, places[each.parent, each.name]] = -1.0 / each.sigma
            if each.years:
                relation[place, places[constants.YEARLY, each.name]] = -each.years / each.sigma
        else:
            offset[place] = math.log(each.prior) / each.sigma
    return relation, offset


def fit(
    problem: Problem,
    asked: Sequence[Constant],
    start: Vector | None = None,
    steps: int = 60,
    weights: Vector | None = None,
) -> Vector:
    """Logarithms of the best constants; rows of weight 0 are left out."""
    prior = np.log([constant.prior for constant in asked])
    relation, offset = pull(asked)
    low, high = (np.log([getattr(constant, side) for constant in asked]) for side in ("low", "high"))
    logs, damping = np.array(prior if start is None else start), 1e-3
    weights = (problem.weights if weights is None else weights) / USUAL**2
    scale = np.array([SCALE.get(row.metric, USUAL) for row in problem.rows])

    def loss(error: Vector, at: Vector) -> float:
        rows = weights * scale**2 * np.log1p((error / scale) ** 2)
        return float(np.sum(rows) + np.sum((relation @ at - offset) ** 2))

    error = _errors(problem, asked, logs)
    best = loss(error, logs)
    for _ in range(steps):
        steep = slope(problem, asked, logs, error)
        weight = weights / (1.0 + (error / scale) ** 2)
        measured = steep.T @ (steep * weight[:, None])
        force = steep.T @ (weight * error) + relation.T @ (relation @ logs - offset)
        within = np.maximum(low - logs, -_LONGEST), np.minimum(high - logs, _LONGEST)
        before = best
        while damping < 1e4:
            normal = measured + relation.T @ relation + damping * np.diag(np.diag(measured))
            tried = logs + _bounded(normal, force, *within)
            new = _errors(problem, asked, tried)
            if loss(new, tried) < best:
                logs, error, best, damping = tried, new, loss(new, tried), max(damping / 10, 1e-6)
                break
            damping *= 10
        if before - best < 1e-6 * before:
            break
    return np.asarray(logs)


def _bounded(normal: Vector, force: Vector, low: Vector, high: Vector) -> Vector:
    """The step s that makes s normal s / 2 + force s least, between bounds, near enough: what passes one stays."""
    found, stays = np.zeros(len(force)), np.zeros(len(force), dtype=bool)
    for _ in range(len(force)):
        free = ~stays
        pushed = force[free] + normal[np.ix_(free, stays)] @ found[stays]
        found[free] = np.linalg.solve(normal[np.ix_(free, free)], -pushed)
        passed = free & ((found < low) | (found > high))
        if not passed.any():
            break
        found = np.clip(found, low, high)
        stays |= passed
    return found


def left_out(problem: Problem, asked: Sequence[Constant], *by: Sequence[str]) -> Vector:
    """Predictions of every row by constants fitted without the rows that share a key with it.

    Its model, chip or engine; of several keys, without the rows that share any of them. Every such fit starts from the
    priors: one that starts from constants that saw the row may stay near them.
    """
    keys = np.array(by)
    found = np.empty(keys.shape[1])
    alike = [keys == np.array(own)[:, None] for own in sorted(set(zip(*by, strict=True)))]
    weights = [np.where(same.any(axis=0), 0.0, problem.weights) for same in alike]
    with ProcessPoolExecutor(initializer=_take, initargs=(problem, asked)) as workers:
        for same, predicted in zip(alike, workers.map(_without, weights), strict=True):
            inside = same.all(axis=0)
            found[inside] = predicted[inside]
    return found


_taken: list[tuple[Problem, Sequence[Constant]]] = []  # of a worker


def _take(problem: Problem, asked: Sequence[Constant]) -> None:
    _taken.append((problem, asked))


def _without(weights: Vector) -> Vector:
    """Predictions of every row by constants fitted with these weights."""
    problem, asked = _taken[-1]
    return problem.predict(table(problem, asked, fit(problem, asked, weights=weights)))


def _errors(problem: Problem, asked: Sequence[Constant], logs: Vector) -> Vector:
    """Relative errors, predicted / measured - 1: what the targets are stated in, and what is fitted."""
    found: Vector = problem.predict(table(problem, asked, logs)) / problem.measured - 1.0
    return found


def _latest(rows: Sequence[Row], engines: Sequence[str]) -> dict[str, tuple[str, tuple[int, ...]]]:
    """The month of each engine's last measured run (of its release, where none tells its month), the newest version."""
    found: dict[str, tuple[str, tuple[int, ...]]]
    found = {key: (engine.released, ()) for key, engine in constants.engines().items()}
    for row, key in zip(rows, engines, strict=True):
        version = constants.version_of(constants.engines()[key].framework, row.framework, row.date)
        found[key] = max(found[key][0], constants.month_of(row.date)), max(found[key][1], version)
    return found


def main() -> int:
    """Fits, leaves out, and writes data/inference.yaml and the errors of what was left out."""
    rows = [row for row in measured_rows() if not row.excluded]
    problem = Problem(rows)
    asked = unknowns(problem.pairs)
    best = fit(problem, asked)
    values: dict[str, dict[str, float]] = {}
    for constant, log in zip(asked, best, strict=True):
        values.setdefault(constant.owner, {})[constant.name] = float(f"{math.exp(log):.4g}")
    keys = {
        "model": [row.model for row in rows],
        "chip": [row.chip for row in rows],
        "engine": [problem.pairs[place][1] for place in problem.pair_of_row],
        "generation": [problem.pairs[place][0] for place in problem.pair_of_row],
    }
    held = {kind: left_out(problem, asked, key) for kind, key in keys.items()}
    ratios = {kind: problem.measured / predicted for kind, predicted in held.items()}
    within = {kind: inside(rows, keys[kind], ratio) for kind, ratio in ratios.items()}
    ratios["seen"] = problem.measured / problem.predict(table(problem, asked, best))
    intervals = {kind: quantiles(rows, keys.get(kind, keys["model"]), ratio) for kind, ratio in ratios.items()}
    write(values, intervals, sorted({row.chip for row in rows}), _latest(rows, keys["engine"]))
    held[ALL] = left_out(problem, asked, *(keys[kind] for kind in ("model", "chip", "engine")))
    within[ALL] = inside_joined(rows, keys["generation"], intervals, problem.measured / held[ALL])
    write_held_out(rows, keys, held, within)
    write_each(rows, held)
    touched = np.any(slope(problem, asked, best, _errors(problem, asked, best)) != 0, axis=0)
    sys.stdout.write(f"{int(touched.sum())} constants of {len(asked)} touch the {len(rows)} rows\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
