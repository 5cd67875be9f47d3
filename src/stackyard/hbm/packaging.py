"""From stacks to accelerator packages: whichever of stacks and packaging wafers runs out first, and what fails."""

from __future__ import annotations

import numpy as np

from stackyard.quantity import Count, Fraction


def packages_from(
    stacks: Count,
    stacks_each: Count,
    assembly_yield: Fraction = 1.0,
    wafers: Count = np.inf,
    packages_per_wafer: Count = 1.0,
) -> Count:
    """Good packages: n = y min(stacks / s, w p), with s stacks on each and p sites on a packaging wafer.

    A package that fails takes its stacks with it. Infinite `wafers` set no limit. Shapes broadcast.

    >>> float(packages_from(8000.0, 8, 0.95, wafers=100.0, packages_per_wafer=9.0))
    855.0
    """
    sites = np.multiply(wafers, packages_per_wafer)
    return np.multiply(assembly_yield, np.minimum(np.divide(stacks, stacks_each), sites))[()]


def stacks_lost(packages: Count, stacks_each: Count, assembly_yield: Fraction) -> Count:
    """Good stacks that fail with the packages they were put on: s n (1 / y - 1) for n good packages.

    >>> round(float(stacks_lost(855.0, 8, 0.95)))
    360
    """
    lost: Count = np.multiply(np.multiply(packages, stacks_each), np.divide(1.0, assembly_yield) - 1)[()]
    return lost
