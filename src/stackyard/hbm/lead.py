"""Lead times that are not one number: months from one step to the next as a distribution."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stackyard.hbm.ramp import slip
from stackyard.quantity import Fraction, Numeric

CERTAIN = 1e-6  # months: a narrower range is one number

Months = NDArray[np.float64]
Weights = NDArray[np.float64]


@dataclass(frozen=True)
class LeadTime:
    """Months that a step takes: triangular from `low` over `likely` to `high`; all equal where it is certain.

    Raises ValueError unless 0 <= low <= likely <= high.
    """

    low: float
    likely: float
    high: float

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.likely <= self.high < np.inf:
            raise ValueError(f"months must be 0 <= low <= likely <= high, not {self.low}, {self.likely}, {self.high}")

    @property
    def mean(self) -> float:
        """(low + likely + high) / 3."""
        return (self.low + self.likely + self.high) / 3

    def share_by(self, months: Numeric) -> Fraction:
        """Share of what entered that has left after so many months: the cumulative distribution.

        >>> LeadTime(3.0, 4.0, 6.0).share_by(4.0).round(3)
        np.float64(0.333)
        """
        x, width = np.asarray(months, dtype=float), self.high - self.low
        if width <= CERTAIN:
            certain: Fraction = (x >= self.likely).astype(float)[()]
            return certain
        up, down = self.likely - self.low, self.high - self.likely
        rising = np.square(np.clip(x - self.low, 0, up)) / (width * up) if up > CERTAIN**2 else np.zeros_like(x)
        rest = np.square(np.clip(self.high - x, 0, down)) / (width * down) if down > CERTAIN**2 else np.zeros_like(x)
        share: Fraction = np.where(x < self.low, 0.0, np.where(x < self.likely, rising, 1 - rest))[()]
        return share

    def quantile(self, share: float) -> float:
        """Months within which this share of what entered has left: the inverse of `share_by`.

        >>> round(LeadTime(3.0, 4.0, 6.0).quantile(1 / 3), 6)
        4.0
        """
        width, up, down = self.high - self.low, self.likely - self.low, self.high - self.likely
        if width <= CERTAIN:
            return self.likely
        if share < up / width:
            return float(self.low + np.sqrt(share * width * up))
        return float(self.high - np.sqrt((1 - share) * width * down))

    @property
    def weights(self) -> Weights:
        """Share that leaves 0, 1, 2, ... whole months later, (months,): between half a month before and after.

        >>> LeadTime(3.0, 4.0, 6.0).weights.round(3).tolist()
        [0.0, 0.0, 0.0, 0.083, 0.542, 0.333, 0.042]
        """
        edges = np.arange(int(np.floor(self.high + 0.5)) + 1, dtype=np.float64) + 0.5
        shares = np.diff(np.asarray(self.share_by(edges)), prepend=0.0)
        shares[-1] += 1 - shares.sum()
        return shares


def arrivals(entered: ArrayLike, lead: int | ArrayLike) -> Months:
    """What leaves a step in each month: what entered (..., months), put off by its lead time.

    `lead` is whole months, or the weights w of 0, 1, 2, ... months (`LeadTime.weights`), which sum to 1:
    out_t = sum_k w_k in_(t-k). What would leave after the last month is underway, not lost: the total of what entered
    is that of what left and what is still inside. Raises ValueError for weights below 0 or of another sum.

    >>> arrivals([100.0, 0.0, 0.0], [0.0, 0.75, 0.25]).tolist()
    [0.0, 75.0, 25.0]
    """
    if isinstance(lead, int):
        return slip(entered, lead)
    weights = np.asarray(lead, dtype=float)
    if weights.ndim != 1 or np.any(weights < 0) or abs(weights.sum() - 1) > 1e-9:
        raise ValueError(f"the weights of a lead time must be 0 or more and sum to 1, not {weights}")
    values = np.asarray(entered, dtype=float)
    found = np.zeros_like(values)
    for months, share in enumerate(weights):
        if share > 0:
            found = found + share * slip(values, months)
    return found
