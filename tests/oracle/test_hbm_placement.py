"""Gross dies against dies counted on a wafer."""

import numpy as np
import pytest

from stackyard.hbm.geometry import gross_dies


def most_dies(diameter: float, width: float, height: float, steps: int = 12) -> int:
    """The most whole dies inside a circle over a grid of offsets of the die pattern."""
    reach = int(diameter / min(width, height)) + 2
    best = 0
    for right in np.arange(steps) / steps:
        for up in np.arange(steps) / steps:
            x = (np.arange(-reach, reach) + right) * width
            y = (np.arange(-reach, reach) + up) * height
            far_x, far_y = np.maximum(abs(x), abs(x + width)), np.maximum(abs(y), abs(y + height))
            best = max(best, int((far_x[:, None] ** 2 + far_y**2 <= diameter**2 / 4).sum()))
    return best


@pytest.mark.parametrize("area", [50e-6, 100e-6, 121e-6, 135e-6, 145e-6])
@pytest.mark.parametrize("aspect", [1.0, 1.5])
def test_the_formula_is_at_most_4_percent_below_a_counted_placement(area: float, aspect: float) -> None:
    width = (area * aspect) ** 0.5
    counted = most_dies(0.294, width, area / width)
    assert -0.045 < gross_dies(0.3, area, 0.003) / counted - 1 < 0.0
