"""Yield learning: defects fall with every doubling of what a line has made."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stackyard.quantity import Count, Fraction, Numeric


def learned_defects(
    first: Numeric, volume: Count, reference: Count, learning: Fraction, floor: Numeric = 0.0
) -> Numeric:
    """Defect density after a cumulative volume: D = F + (D0 - F) (V / V0)^-b with b = -log2(1 - l).

    `first` is D0, at the cumulative volume V0 = `reference` > 0; each doubling takes the share l = `learning` off what
    lies above the floor F. Any shapes that broadcast; the unit of `first` is that of the result. Below V0 it is D0:
    the curve is not followed backwards. The experience curve of T. P. Wright, "Factors affecting the cost of
    airplanes", J. Aeronautical Sciences 3 (1936) 122. It holds within one process; a new one starts again.

    >>> [round(learned_defects(4000.0, volume, 1e6, 0.2)) for volume in (0.5e6, 1e6, 2e6, 4e6)]
    [4000, 4000, 3200, 2560]
    """
    doublings = np.log2(np.maximum(np.divide(volume, reference), 1.0))
    density: Numeric = (floor + np.subtract(first, floor) * np.power(np.subtract(1.0, learning), doublings))[()]
    return density


def cumulative(starts: NDArray[np.float64], before: Count = 0.0) -> NDArray[np.float64]:
    """Volume made by the middle of each month from monthly starts (..., months): `before`, all earlier, half this.

    >>> cumulative(np.array([10.0, 10.0, 20.0]), before=100.0).tolist()
    [105.0, 115.0, 130.0]
    """
    made: NDArray[np.float64] = np.cumsum(starts, axis=-1) - np.divide(starts, 2) + np.asarray(before)[..., None]
    return made
