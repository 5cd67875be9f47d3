"""From good dies to good stacks, and what a wafer start is worth in the end."""

from __future__ import annotations

import numpy as np

from stackyard.quantity import Byte, Count, Fraction


def stack_yield(height: Count, bond_yield: Fraction, test_yield: Fraction) -> Fraction:
    """Share of assembled stacks that ship: Y = b^h t.

    h core dies, each joined with yield b (through-silicon vias included); t is the yield of the test of the whole
    stack. Any shapes that broadcast. Dies are taken as tested before bonding, so die yields do not enter: those of the
    core die belong to the wafer, that of the base die to the number of good base dies. Repair is not modelled.

    >>> f"{stack_yield(12, 0.99, 1.0):.3f}"
    '0.886'
    """
    return np.multiply(np.power(bond_yield, height), test_yield)[()]


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
