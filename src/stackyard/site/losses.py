"""What a plant draws below its design load: conversion losses and fans that do not fall as the load does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stackyard.quantity import Fraction


@dataclass(frozen=True)
class Curve:
    """How a part's power falls with its load x = power over rating: p(x) / p(1) = f + (1 - f - s) x + s x^2.

    f is what it draws without load, s the part that goes with the square of the current. Source of the form: V. Avelar,
    "Making large UPS systems more efficient", Schneider Electric white paper 108 (no-load, proportional and square-law
    losses); L. A. Pelley et al., "Understanding and abstracting total data center power", WEED 2009.
    """

    fixed: float
    square: float = 0.0

    def at(self, load: Fraction) -> Fraction:
        """Share of the power at full load that is drawn at this load; shapes as those of `load`.

        >>> Curve(0.4, 0.2).at(0.5)
        np.float64(0.65)
        """
        x = np.asarray(load, dtype=float)
        share: Fraction = (self.fixed + (1 - self.fixed - self.square) * x + self.square * x * x)[()]
        return share


def conversion(load: Fraction, efficiency: Fraction, spare: Fraction, curve: Curve) -> Fraction:
    """Watts lost in conversion per watt of design load: L = (1 / e - 1) R c(l / R).

    A converter rated R times the design load (R > 1 where some stand by), of efficiency e at its own full load, feeds
    the share l = `load` of the design load; c is its curve. Shapes broadcast.

    >>> f"{conversion(0.5, 0.95, 2.0, Curve(0.4, 0.2)) / 0.5:.3f}"
    '0.108'
    """
    lost = np.divide(1.0, efficiency) - 1
    watts: Fraction = np.multiply(np.multiply(lost, spare), curve.at(np.divide(load, spare)))[()]
    return watts


def line(low: Fraction, at_low: Fraction, at_full: Fraction) -> tuple[Fraction, Fraction]:
    """Fixed and proportional part of site power, per watt of design IT load: the line through two loads.

    S(l) = F + P l with P = (S(1) - S(low)) / (1 - low) and F = S(1) - P. Where S is convex the line lies above it
    between the two loads and below it under `low`; it is exact at both. Shapes broadcast.

    >>> [round(float(part), 3) for part in line(0.5, 0.6, 1.1)]
    [0.1, 1.0]
    """
    slope = np.divide(np.subtract(at_full, at_low), np.subtract(1.0, low))
    return np.subtract(at_full, slope)[()], slope[()]
