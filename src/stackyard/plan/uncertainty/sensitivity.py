"""Which unknowns matter: Sobol indices on a surrogate of the fan, with its error, and a tornado of re-solved plans."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from stackyard.plan.solve import Solved
from stackyard.plan.uncertainty.fan import Fan
from stackyard.plan.uncertainty.outcome import attempt, solved_with
from stackyard.plan.uncertainty.sample import Sampler, independent
from stackyard.plan.uncertainty.shapes import Array

FOLDS = 5
KEYS = ("S1", "S1_conf", "ST", "ST_conf")  # of SALib's answer
POINTS = 1024  # of the Saltelli sequence, for each input and twice


@dataclass(frozen=True)
class Index:
    """How much of a figure's variance an input (or inputs that move together) explains: alone, and with all others.

    `first` and `total` with half the width of their 95% intervals, from the resampling of the surrogate's values.
    """

    name: str
    first: float
    first_error: float
    total: float
    total_error: float


@dataclass(frozen=True)
class Sensitivity:
    """The indices of one figure, and how well the surrogate tells plans that it was not fitted to.

    `unexplained` is the share of the variance that it misses, by cross-validation in FOLDS parts: what an index below
    it says is not known. `error` is the root mean square of what it misses, in the unit of the figure.
    """

    figure: str
    indices: tuple[Index, ...]
    unexplained: float
    error: float
    samples: int


@dataclass(frozen=True)
class Swing:
    """A figure where one input goes to its 10% and 90% and the others stay at the middle: plans, not the surrogate."""

    name: str
    low: float
    high: float
    low_value: float
    high_value: float


def surrogate(points: Array, values: Array) -> Callable[[Array], Array]:
    """A smooth function through samples: a plane and cubic radial functions, smoothed as cross-validation asks for.

    >>> points = np.random.default_rng(1).random((64, 2))
    >>> smooth = surrogate(points, 3 * points[:, 0])
    >>> float(np.abs(smooth(points) - 3 * points[:, 0]).max()) < 0.01
    True
    """
    from scipy.interpolate import RBFInterpolator

    scores = _scores(points)
    best = min((0.0, 1e-2, 1.0, 1e2), key=lambda smoothing: missed(points, values, smoothing))
    fitted = RBFInterpolator(scores, values, kernel="cubic", smoothing=best * len(values) / 100)

    def predicted(at: Array) -> Array:
        return np.concatenate(
            [np.asarray(fitted(part)) for part in np.array_split(_scores(at), max(len(at) // 4096, 1))]
        )

    return predicted


def missed(points: Array, values: Array, smoothing: float | None = None) -> float:
    """Mean square of what a surrogate misses of samples that it was not fitted to.

    >>> points = np.random.default_rng(1).random((64, 2))
    >>> missed(points, 3 * points[:, 0]) < 1e-3
    True
    """
    from scipy.interpolate import RBFInterpolator

    scores, wrong = _scores(points), 0.0
    for fold in range(FOLDS):
        out = np.arange(len(values)) % FOLDS == fold
        if smoothing is None:
            guess = surrogate(points[~out], values[~out])(points[out])
        else:
            kept = values[~out]
            fitted = RBFInterpolator(scores[~out], kept, kernel="cubic", smoothing=smoothing * len(kept) / 100)
            guess = fitted(scores[out])
        wrong += float(((guess - values[out]) ** 2).sum())
    return wrong / len(values)


def _scores(points: Array) -> Array:
    """Shares of probability, centred and to unit size."""
    return np.asarray((points - 0.5) * np.sqrt(12.0))


def indices(
    names: list[str], groups: list[str], figure: str, points: Array, values: Array, seed: int = 1
) -> Sensitivity:
    """Sobol indices of a figure from samples at independent shares of probability, (samples, inputs).

    Saltelli's sequence and estimators, from SALib; inputs of one group count together, for what each of several that
    are correlated explains is not defined.
    """
    from SALib.analyze import sobol as analyze
    from SALib.sample import sobol as sample

    scale = float(np.std(values)) or 1.0
    centre = float(np.mean(values))
    scaled = (values - centre) / scale
    fitted, wrong = surrogate(points, scaled), missed(points, scaled)
    problem: dict[str, Any] = {
        "num_vars": len(names),
        "names": names,
        "bounds": [[0.0, 1.0]] * len(names),
        "groups": groups,
    }
    drawn = sample.sample(problem, POINTS, calc_second_order=False, seed=seed)
    found = analyze.analyze(problem, fitted(drawn), calc_second_order=False, seed=seed)
    unique = list(dict.fromkeys(groups))
    rows = [Index(name, *(float(found[key][i]) for key in KEYS)) for i, name in enumerate(unique)]
    order = tuple(sorted(rows, key=lambda row: -row.total))
    return Sensitivity(figure, order, wrong, float(np.sqrt(wrong)) * scale, len(values))


def sensitivities(fan: Fan, sampler: Sampler, figures: tuple[str, ...]) -> tuple[Sensitivity, ...]:
    """The indices of several figures of a fan, on its independent shares (before they were correlated)."""
    doubt = fan.scenario.inputs.uncertainty
    assert doubt is not None
    points = independent(len(fan.outcomes), len(fan.names), doubt.seed)
    kept = [each.index for each in fan.planned]
    found = []
    for figure in figures:
        values = np.array([(each.figures or {})[figure] for each in fan.planned])
        found.append(indices(list(fan.names), sampler.groups(), figure, points[kept], values, doubt.seed))
    return tuple(found)


def tornado(sampler: Sampler, solved: Solved, figure: str) -> tuple[float, tuple[Swing, ...]]:
    """The figure with every input at its middle, and the swing of each; the widest first."""
    base = solved_with(solved.formulation.problem, solved.choices)
    count = len(sampler.names)

    def figure_at(shares: Array) -> float:
        return (attempt(0, sampler, base, shares).figures or {}).get(figure, float("nan"))

    middle = figure_at(np.full(count, 0.5))
    swings = []
    for i, name in enumerate(sampler.names):
        ends = [np.where(np.arange(count) == i, share, 0.5) for share in (0.1, 0.9)]
        values = sampler.values(np.array(ends))[:, i]
        swings.append(Swing(name, *(figure_at(end) for end in ends), *map(float, values)))
    return middle, tuple(sorted(swings, key=lambda swing: -abs(swing.high - swing.low)))
