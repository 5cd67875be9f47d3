"""From chips to the meter: IT power of an accelerator in its system, PUE, and what a rack may hold."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stackyard.quantity import Count, Fraction, Watt


def system_power(chip: Watt, tdp: Watt, system_max: Watt, accelerators: Count, rating_used: Fraction) -> Watt:
    """IT power of one accelerator with its share of host, network and fans: P = chip u S / (n T), at least chip.

    `chip` is what the accelerator draws now (busy or idle), T its design power, S the rated power of a system of n
    accelerators, u the share of the rating that is drawn when all of them are at T. The rest of the system follows
    the chip: that is within 12% of the idle and busy figures published for GB200 trays and H100 servers (see
    tests/paper). Shapes broadcast.

    >>> f"{system_power(700.0, tdp=700.0, system_max=10.2e3, accelerators=8, rating_used=0.824):.0f}"
    '1051'
    """
    ratio = np.multiply(rating_used, system_max) / np.multiply(accelerators, tdp)
    watts: Watt = np.multiply(chip, np.maximum(ratio, 1.0))[()]
    return watts


def it_power(installed: Count, running: Count, busy: Watt, idle: Watt) -> Watt:
    """IT power of accelerators of which some run: P = idle x installed + (busy - idle) x running.

    `busy` and `idle` per accelerator, its share of the system in (`system_power`). Shapes broadcast.

    >>> float(it_power(installed=100.0, running=60.0, busy=1000.0, idle=200.0))
    68000.0
    """
    return np.add(np.multiply(idle, installed), np.multiply(np.subtract(busy, idle), running))[()]


def pue(cooling: Fraction, ups_efficiency: Fraction, distribution_loss: Fraction, other: Fraction) -> Fraction:
    """Site power over IT power: PUE = (1 / e + c + o) / (1 - l).

    IT is fed through the UPS of efficiency e; cooling c and everything else o, in watts per IT watt, are not; l is lost
    between the meter and all of them. Shapes broadcast. At design load: fixed losses at part load are not modelled.

    >>> f"{pue(0.05, 0.985, 0.02, 0.01):.3f}"
    '1.097'
    """
    ratio: Fraction = ((np.divide(1.0, ups_efficiency) + cooling + other) / np.subtract(1.0, distribution_loss))[()]
    return ratio


def fits_rack(unit: Watt, limit: Watt) -> NDArray[np.bool_] | np.bool_:
    """Whether the smallest part that cannot be divided (a server, or a whole rack system) stays within a rack's limit.

    >>> [bool(fits_rack(unit, 30e3)) for unit in (14.3e3, 132e3)]
    [True, False]
    """
    return np.less_equal(unit, limit)
