"""From a wafer to its dies: how many there are room for, and the share that works."""

from __future__ import annotations

import numpy as np

from stackyard.quantity import Fraction, Numeric, SquareMetre


def gross_dies(
    wafer_diameter: Numeric, die_area: SquareMetre, edge_exclusion: Numeric, scribe: Numeric = 0.0
) -> Numeric:
    """Dies that a round wafer has room for.

    N = pi (d/2)^2 / A - pi d / sqrt(2 A), with d = wafer_diameter - 2 edge_exclusion and A the area of a square die
    that is `scribe` wider than the bare one in both directions. Lengths in m, area in m2, any shapes that broadcast.
    Not rounded, and never below 0; 0 where the edge takes the whole wafer. Source: D. K. de Vries, "Investigation of
    gross die per wafer formulas", IEEE Trans. Semiconductor Manufacturing 18 (2005) 136. For dies of 50 to 150 mm2 on a
    300 mm wafer it lies 1 to 4% below the best placement that can be counted, and 10% below it at 800 mm2; fields cut
    by the edge are not modelled.

    >>> f"{gross_dies(0.300, 121e-6, 0.003):.1f}"
    '501.7'
    """
    usable = np.maximum(np.subtract(wafer_diameter, np.multiply(2.0, edge_exclusion)), 0.0)
    area = np.square(np.sqrt(die_area) + scribe)
    dies: Numeric = np.maximum(np.pi * np.square(usable / 2) / area - np.pi * usable / np.sqrt(2 * area), 0.0)[()]
    return dies


def poisson_yield(die_area: SquareMetre, defects: Numeric) -> Fraction:
    """Share of dies without a defect when defects fall independently: Y = exp(-A D).

    A in m2, D in defects per m2. Real defects cluster, so this is a lower bound. Source: C. H. Stapper, F. M. Armstrong
    and K. Saji, "Integrated circuit yield statistics", Proc. IEEE 71 (1983) 453.

    >>> f"{poisson_yield(121e-6, 2000.0):.3f}"
    '0.785'
    """
    return np.exp(-np.multiply(die_area, defects))[()]


def murphy_yield(die_area: SquareMetre, defects: Numeric) -> Fraction:
    """Share of good dies when the defect density itself varies as a triangle: Y = ((1 - exp(-A D)) / (A D))^2.

    A in m2, D in defects per m2. Source: B. T. Murphy, "Cost-size optima of monolithic integrated circuits",
    Proc. IEEE 52 (1964) 1537.

    >>> f"{murphy_yield(121e-6, 2000.0):.3f}"
    '0.789'
    """
    faults = np.multiply(die_area, defects)
    some = np.where(faults > 0, faults, 1.0)
    share: Fraction = np.where(faults > 0, np.square(-np.expm1(-some) / some), 1.0)[()]
    return share


def negative_binomial_yield(die_area: SquareMetre, defects: Numeric, clustering: Numeric) -> Fraction:
    """Share of good dies when defects cluster: Y = (1 + A D / a)^-a.

    A in m2, D in defects per m2, a > 0 the clustering parameter (about 2 to 3 in practice; infinite gives Poisson).
    Source: Stapper, Armstrong and Saji (1983), as for `poisson_yield`.

    >>> f"{negative_binomial_yield(121e-6, 2000.0, 2.0):.3f}"
    '0.796'
    """
    share: Fraction = np.power(1 + np.multiply(die_area, defects) / clustering, np.negative(clustering))[()]
    return share
