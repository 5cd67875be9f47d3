"""From stacks to accelerator packages: what memory allows and what advanced packaging allows."""

from __future__ import annotations

import numpy as np

from stackyard.quantity import Count, Fraction


def packages(stacks: Count, stacks_per_package: Count, package_yield: Fraction = 1.0) -> Count:
    """Good packages that a number of stacks is enough for: P = S / s x y.

    s stacks in a package; y is the share of packages that survive assembly (a failed one takes its stacks with it).

    >>> float(packages(stacks=800.0, stacks_per_package=8, package_yield=0.75))
    75.0
    """
    return np.divide(np.multiply(stacks, package_yield), stacks_per_package)[()]


def packaging_limit(wafers: Count, packages_per_wafer: Count, package_yield: Fraction = 1.0) -> Count:
    """Good packages that a number of packaging wafers is enough for: P = W n y.

    n package sites on a wafer (`geometry.gross_dies` with the interposer's area estimates it where it is not known).

    >>> float(packaging_limit(wafers=1000.0, packages_per_wafer=9))
    9000.0
    """
    return np.multiply(np.multiply(wafers, packages_per_wafer), package_yield)[()]
