"""What is not bettered in everything at once."""

from __future__ import annotations

from bisect import bisect_right

import numpy as np
from numpy.typing import NDArray

_WEIGHTS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)  # of the third cost against the second, to find strong points


def pareto(costs: NDArray[np.float64]) -> NDArray[np.intp]:
    """Indices of the points that no other point dominates, in the order of their first cost.

    `costs` is (points, kinds) with at most three kinds, finite, less is better; raises ValueError otherwise. A point
    dominates another that it is nowhere worse than and somewhere better; of points that are equal the first is kept. In
    the order of the first cost a point is dominated exactly if an earlier one is nowhere worse in the others, which a
    staircase of them tells (Kung, Luccio and Preparata, J. ACM 22 (4), 1975). Time n log n.

    >>> pareto(np.array([[1.0, 3.0], [2.0, 2.0], [2.0, 4.0], [3.0, 1.0], [2.0, 2.0]]))
    array([0, 1, 3])
    """
    if not np.isfinite(costs).all() or costs.shape[1] > 3:
        raise ValueError("costs must be finite, of at most three kinds")
    first, second, third = (*costs.T, *np.zeros((3 - costs.shape[1], len(costs))))
    left = np.lexsort((third, second, first))  # stable: of equal points the first stays first
    for weight in _WEIGHTS:
        left = left[_undominated(second[left], third[left], weight)]
    found: list[int] = []
    steps: list[float] = []  # the staircase: second cost rising
    heights: list[float] = []  # and third falling
    for index, x, y in zip(left.tolist(), second[left].tolist(), third[left].tolist(), strict=True):
        place = bisect_right(steps, x)
        if place and heights[place - 1] <= y:
            continue
        found.append(index)
        start = place - 1 if place and steps[place - 1] == x else place
        stop = place
        while stop < len(heights) and heights[stop] >= y:
            stop += 1
        steps[start:stop], heights[start:stop] = [x], [y]
    return np.array(found, dtype=np.intp)


def _undominated(second: NDArray[np.float64], third: NDArray[np.float64], weight: float) -> NDArray[np.bool_]:
    """Which points the strongest before them, by the weighted sum of both costs, does not dominate; a quick sieve."""
    if not second.size:
        return np.ones(0, dtype=bool)
    spread = [np.ptp(kind) or 1.0 for kind in (second, third)]
    total = (1 - weight) * (second - second.min()) / spread[0] + weight * (third - third.min()) / spread[1]
    order = np.arange(total.size)
    lower = np.r_[True, total[1:] < np.minimum.accumulate(total)[:-1]]
    strongest = np.maximum.accumulate(np.where(lower, order, 0))
    kept: NDArray[np.bool_] = (strongest == order) | (second < second[strongest]) | (third < third[strongest])
    return kept
