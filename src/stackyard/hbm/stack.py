"""From good dies to good stacks, and what a wafer start is worth in the end."""

from __future__ import annotations

import numpy as np

from stackyard.quantity import Byte, Count, Fraction


def stack_yield(
    height: Count,
    bond_yield: Fraction,
    test_yield: Fraction,
    die_quality: Fraction = 1.0,
    base_quality: Fraction = 1.0,
    repair: Fraction = 0.0,
) -> Fraction:
    """Share of assembled stacks that ship: Y = (q b')^h q0 t with b' = 1 - (1 - b)(1 - r).

    h core dies, each joined with yield b (through-silicon vias included), of which spare vias and pads mend the share
    r of the failures; q is the share of the core dies, and q0 of the base dies, that are really good after the wafer
    test (`geometry.known_good`); t is the yield of the test of the whole stack. Any shapes that broadcast, all in 0..1.
    With q = q0 = 1 the dies count as known good, and die yields belong to the wafer alone. Faults of one layer do not
    make those of another likelier.

    >>> f"{stack_yield(12, 0.99, 1.0):.3f}"
    '0.886'
    >>> f"{stack_yield(12, 0.99, 0.95, die_quality=0.995):.3f}"
    '0.793'
    """
    layer = np.multiply(die_quality, 1 - np.subtract(1.0, bond_yield) * np.subtract(1.0, repair))
    share: Fraction = (np.power(layer, height) * np.multiply(base_quality, test_yield))[()]
    return share


def stacks_from(core_dies: Count, height: Count, base_dies: Count = np.inf) -> Count:
    """Stacks that can be assembled from good dies: n = min(core / h, base); infinite `base_dies` set no limit.

    >>> float(stacks_from(core_dies=1200.0, height=12, base_dies=90.0))
    90.0
    """
    return np.minimum(np.divide(core_dies, height), base_dies)[()]


def net_bytes_per_wafer(dies_per_wafer: Count, die_yield: Fraction, stacked: Fraction, die_capacity: Byte) -> Byte:
    """Bytes shipped for one wafer start: B = N y Y c.

    N gross dies, y die yield, Y stack yield (`stack_yield`), c bytes in a die. Any shapes that broadcast.

    >>> from stackyard.quantity import BIT, GIGA
    >>> f"{net_bytes_per_wafer(501, 0.8, 0.62, 24 * GIGA * BIT) / (GIGA * BIT):.0f} Gb"
    '5964 Gb'
    """
    return np.multiply(np.multiply(dies_per_wafer, die_yield), np.multiply(stacked, die_capacity))[()]


def implied_die_yield(net_bytes: Byte, dies_per_wafer: Count, stacked: Fraction, die_capacity: Byte) -> Fraction:
    """Die yield that makes shipments agree with wafer starts: y = B / (N Y c), the inverse of `net_bytes_per_wafer`.

    A result above 1 says that the other figures cannot all be true.

    >>> float(implied_die_yield(600.0, dies_per_wafer=100, stacked=0.75, die_capacity=10.0))
    0.8
    """
    return np.divide(net_bytes, net_bytes_per_wafer(dies_per_wafer, 1.0, stacked, die_capacity))[()]
