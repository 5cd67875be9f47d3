"""Series of months: ramps and delays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stackyard.months import Month
from stackyard.quantity import Numeric

SHAPES: Mapping[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "linear": lambda x: x,
    "s": lambda x: x * x * (3 - 2 * x),  # slow, fast, slow; the same total as the straight line
}


def ramp(
    months: Sequence[Month],
    start: Month,
    duration: int,
    low: Numeric,
    high: Numeric,
    shape: Literal["linear", "s"] = "linear",
) -> NDArray[np.float64]:
    """A change from `low`, up to and in month `start`, to `high`, reached `duration` months later and kept.

    Value = low + (high - low) f(x), x = clip((month - start) / duration, 0, 1), with f(x) = x or 3x^2 - 2x^3.
    `low` and `high` may be arrays (lines,); the result is (..., months). A duration of 0 is a step after `start`.

    >>> ramp(range(5), start=1, duration=2, low=0.0, high=10.0).tolist()
    [0.0, 0.0, 5.0, 10.0, 10.0]
    """
    done = np.clip((np.asarray(months, dtype=float) - start) / max(duration, 1e-9), 0.0, 1.0)
    first = np.asarray(low, dtype=float)[..., None]
    result: NDArray[np.float64] = first + (np.asarray(high, dtype=float)[..., None] - first) * SHAPES[shape](done)
    return result


def slip(series: ArrayLike, months: int, before: Numeric = 0.0) -> NDArray[np.float64]:
    """The same series `months` later, of the same length (..., months); the gap is filled with `before`.

    What slips beyond the last month leaves the series: it is late, not lost, and the horizon does not see it.

    >>> slip([1.0, 2.0, 3.0], 1).tolist()
    [0.0, 1.0, 2.0]
    """
    if months < 0:
        raise ValueError(f"a series cannot slip by {months} months")
    values = np.asarray(series, dtype=float)
    kept = values.shape[-1] - min(months, values.shape[-1])
    result = np.broadcast_to(np.asarray(before, dtype=float), values.shape).copy()
    result[..., months:] = values[..., :kept]
    return result
