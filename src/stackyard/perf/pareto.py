"""What is not bettered in everything at once."""

from __future__ import annotations

from bisect import bisect_right

import numpy as np
from numpy.typing import NDArray

# Weights whose least weighted sums are points that dominate many others: the middle first, then towards each corner.
_WEIGHTS = ((1, 1, 1), (4, 1, 1), (1, 4, 1), (1, 1, 4), (16, 1, 1), (1, 16, 1), (1, 1, 16), (9, 9, 1), (1, 9, 9))


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
    ranks = np.zeros((len(costs), 3), dtype=np.intp)
    for kind, column in enumerate(costs.T):
        ranks[:, kind] = np.unique(column, return_inverse=True)[1]
    left = _undominated_by_some(ranks)
    ordered = left[np.lexsort((left, *ranks[left].T[::-1]))]
    second: list[int] = []  # the staircase: second cost rising, third falling
    third: list[int] = []
    found = []
    for index, (_, x, y) in zip(ordered.tolist(), ranks[ordered].tolist(), strict=True):
        place = bisect_right(second, x)
        if place and third[place - 1] <= y:
            continue
        found.append(index)
        start = place - 1 if place and second[place - 1] == x else place
        stop = place
        while stop < len(third) and third[stop] >= y:
            stop += 1
        second[start:stop], third[start:stop] = [x], [y]
    return np.array(found, dtype=np.intp)


def _undominated_by_some(ranks: NDArray[np.intp]) -> NDArray[np.intp]:
    """Indices that are left when what a few strong points dominate is struck out: most of a large set goes here."""
    left = np.arange(len(ranks))
    for weights in _WEIGHTS:
        if not left.size:
            break
        at = int(np.argmin(ranks[left] @ np.array(weights)))
        better = (ranks[left] < ranks[left[at]]).any(axis=1)
        better[at] = True
        left = left[better]
    return left
