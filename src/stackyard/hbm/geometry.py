"""From a wafer to its dies: how many there are room for, and the share that works."""

from __future__ import annotations

from collections.abc import Callable, Mapping

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


YIELD_MODELS: Mapping[str, Callable[[Numeric, Numeric, Numeric], Numeric]] = {
    "poisson": lambda area, defects, clustering: poisson_yield(area, defects),
    "murphy": lambda area, defects, clustering: murphy_yield(area, defects),
    "negative-binomial": negative_binomial_yield,
}


def die_yield(model: str, die_area: SquareMetre, defects: Numeric, clustering: Numeric = 2.0) -> Fraction:
    """Share of good dies by a named model: 'poisson', 'murphy' or 'negative-binomial', which alone uses `clustering`.

    A in m2, D in defects per m2. Raises KeyError for another name.

    >>> [f"{die_yield(name, 121e-6, 4000.0):.3f}" for name in YIELD_MODELS]
    ['0.616', '0.628', '0.648']
    """
    return YIELD_MODELS[model](die_area, defects, clustering)


def implied_defects(model: str, die_area: SquareMetre, share: Fraction, clustering: Numeric = 2.0) -> Numeric:
    """Defects per m2 at which a share of the dies is good: the inverse of `die_yield`, by bisection of A D in 0..50.

    Exact to 1e-12 of the range; a share of 1 gives 0 and one below what 50 faults a die leave gives their density.

    >>> f"{implied_defects('murphy', 121e-6, murphy_yield(121e-6, 3000.0)):.1f}"
    '3000.0'
    """
    low, high = np.zeros(np.shape(share)), np.full(np.shape(share), 50.0)
    for _ in range(60):
        middle = (low + high) / 2
        above = YIELD_MODELS[model](1.0, middle, clustering) > share
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    faults: Numeric = (np.divide((low + high) / 2, die_area))[()]
    return faults


def known_good(good: Fraction, coverage: Fraction, repair: Fraction = 0.0) -> tuple[Fraction, Fraction]:
    """What a wafer test with repair passes on: the share of dies kept, and the share of those that are really good.

    y' = y + (1 - y) r after spare rows mend the share r of the bad; kept = y' + (1 - y')(1 - c), quality = y' / kept,
    with c the share of bad dies that the test finds. Any shapes that broadcast, all in 0..1; a quality of 1 where
    nothing is kept. Good dies are never thrown away by mistake. Source: the escape rate of T. W. Williams and
    N. C. Brown, IEEE Trans. Computers C-30 (1981) 987, with faults that do not cluster in a die.

    >>> [f"{share:.3f}" for share in known_good(0.70, coverage=0.98)]
    ['0.706', '0.992']
    """
    mended = np.add(good, np.multiply(np.subtract(1.0, good), repair))
    kept = mended + (1 - mended) * np.subtract(1.0, coverage)
    quality = np.where(kept > 0, mended / np.where(kept > 0, kept, 1.0), 1.0)
    return kept[()], quality[()]
