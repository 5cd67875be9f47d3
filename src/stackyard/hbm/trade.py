"""What HBM takes from commodity DRAM: bits of DDR5 not made, and what they would have earned."""

from __future__ import annotations

import numpy as np

from stackyard.quantity import Byte, Fraction, Numeric, Usd


def displaced(shipped: Byte, trade_ratio: Numeric) -> Byte:
    """Bytes of DDR5 that the same wafers would have been: ratio x bytes of HBM shipped. Shapes broadcast.

    The ratio counts larger dies, lower yields and the stacks lost; makers quote it as bits of DDR5 for a bit of HBM.

    >>> float(displaced(36e9, 3.3)) / 1e9
    118.8
    """
    return np.multiply(shipped, trade_ratio)[()]


def implied_trade_ratio(area: Numeric, commodity: Fraction, overall: Fraction, base_wafers: Numeric = 0.0) -> Numeric:
    """Trade ratio that die areas, yields and base dies come to: r = (a y5 / y) (1 + b).

    `area` is an HBM die's over that of a DDR5 die of the same node and density, y5 = `commodity` the yield of DDR5 from
    wafer to good die and y = `overall` that of HBM from wafer to good stack; b = `base_wafers` are wafers of base dies
    for one of core dies, where the maker's DRAM lines make them: up to HBM3E, at Micron also for HBM4 (Digital Daily by
    TrendForce, 2025-08-29). Shapes broadcast. It leaves out what extra test and process steps take of the fab, so it is
    a lower bound to what makers quote.

    >>> round(float(implied_trade_ratio(1.4, 0.80, 0.55)), 2)
    2.04
    """
    return np.multiply(np.divide(np.multiply(area, commodity), overall), np.add(1.0, base_wafers))[()]


def forgone(shipped: Byte, trade_ratio: Numeric, ddr5: Numeric, hbm: Numeric) -> Usd:
    """USD of sales that a maker gives up by making HBM: bytes x (ratio x DDR5's price - HBM's price), in USD/byte.

    Below 0 HBM earns more on the same wafers. Shapes broadcast. Costs of making either are left out.

    >>> float(forgone(36e9, 3.3, 15.6e-9, 16.7e-9)).__round__(1)
    1252.1
    """
    return np.multiply(shipped, np.multiply(trade_ratio, ddr5) - hbm)[()]
