"""Units that read well: one factor and one label for a whole axis, column or sentence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stackyard.quantity import GIGA, KILO, KWH, MEGA, PETA, TERA
from stackyard.words import amount, label, number, phrase, significant
from stackyard.words import share as per_cent

Values: TypeAlias = Sequence[float] | NDArray[np.float64]

_PREFIXES = ((PETA, "P"), (TERA, "T"), (GIGA, "G"), (MEGA, "M"), (KILO, "k"), (1.0, ""))


class Scale(NamedTuple):
    """A display unit: number shown = SI value / factor, and `base` the unit without its prefix."""

    factor: float
    unit: str
    base: str = ""

    def of(self, values: Values) -> tuple[float, ...]:
        return tuple((np.asarray(values, dtype=float).ravel() / self.factor).tolist())

    def text(self, value: float, digits: int = 3) -> str:
        """'21.6 T tokens/day': the value with this unit."""
        return amount(f"{plain(value / self.factor, digits)} {self.unit}".rstrip(), value, self.base or "number")


# How a prefix is written in front of each unit: 'T tokens/day' is a prefixed count, 'GW' a prefixed symbol, and money
# and energy have habits of their own.
_MONEY = ((TERA, "USD trillion"), (GIGA, "USD bn"), (MEGA, "USD m"), (1.0, "USD"))
_ENERGY = tuple((float(factor * KWH / KILO), f"{prefix}Wh") for factor, prefix in _PREFIXES)
_MASS = ((GIGA, "Mt"), (MEGA, "kt"), (KILO, "t"), (1.0, "kg"))
_VOLUME = ((GIGA, "billion m³"), (MEGA, "million m³"), (KILO, "thousand m³"), (1.0, "m³"))
_SYMBOLS = ("W", "J", "g", "B")


def scale(values: Values, unit: str) -> Scale:
    """The display unit in which the largest of the values reads as 1 to 999.

    >>> scale([2.16e13, 1e12], "tokens/day").text(2.16e13)
    '21.6 T tokens/day'
    >>> scale([3.2e9], "USD").text(3.2e9)
    '3.2 USD bn'
    """
    array = np.abs(np.asarray(values, dtype=float))
    array = array[np.isfinite(array)]
    top = float(array.max()) if array.size else 0.0
    steps = _steps(unit)
    factor, text = next((step for step in steps if top >= 0.9995 * step[0]), steps[-1])
    return Scale(factor, label(text, factor, unit), unit)


def _steps(unit: str) -> tuple[tuple[float, str], ...]:
    if unit == "USD":
        return _MONEY
    if unit == "J":
        return _ENERGY
    if unit == "m³":
        return _VOLUME
    if unit.startswith("kg"):
        return tuple((factor, text + unit.removeprefix("kg")) for factor, text in _MASS)
    prefixes = [step for step in _PREFIXES if step[0] < PETA or unit in _SYMBOLS]  # nobody counts in quadrillions
    gap = "" if unit in _SYMBOLS else " "
    return tuple((factor, f"{prefix}{gap if prefix else ''}{unit}".strip()) for factor, prefix in prefixes)


def say(value: float, unit: str = "") -> str:
    """A single value in words, money with its sign of currency in front.

    >>> say(1.24e9, "W"), say(4.1e10, "USD"), say(3_400_000, "stacks"), say(9_770, "stacks")
    ('1.24 GW', 'USD 41 bn', '3.4 M stacks', '9,770 stacks')
    """
    chosen = scale([value], unit)
    if unit == "USD":
        step = chosen.unit.removeprefix("USD").strip()
        return amount(f"USD {plain(value / chosen.factor)} {step}".rstrip(), value, unit)
    if unit and unit not in _SYMBOLS and chosen.factor == KILO:
        return amount(f"{plain(value)} {unit}", value, unit)
    return chosen.text(value)


def plain(value: float, digits: int = 3) -> str:
    """A number with so many significant digits, never in powers of ten, with thousands separated.

    >>> plain(1234.5), plain(0.01234), plain(41.0), plain(0)
    ('1,230', '0.0123', '41', '0')
    """
    if not math.isfinite(value):
        return "–" if math.isnan(value) else phrase("no limit")
    return number(significant(value, digits))


def decimals(values: Values) -> int:
    """Decimals that show about three digits of the largest value: one choice for a whole column.

    >>> decimals([1234.0, 12.0]), decimals([0.123])
    (0, 2)
    """
    array = np.abs(np.asarray(values, dtype=float))
    array = array[np.isfinite(array)]
    top = float(array.max()) if array.size else 0.0
    return 0 if top >= 100 or top == 0 else 1 if top >= 10 else 2 if top >= 0.1 else 3


def share(value: float) -> str:
    """A fraction in percent, careful never to call nearly all 'all' nor nearly none 'none'.

    >>> share(0.9996), share(0.5), share(0.0004), share(1.0)
    ('over 99.9%', '50%', 'under 0.1%', '100%')
    """
    if math.isnan(value):
        return "–"
    if 0.9995 <= value < 1 - 1e-9:
        return phrase("over {share}", share=per_cent("99.9%"))
    if 1e-9 < value < 0.0005:
        return phrase("under {share}", share=per_cent("0.1%"))
    return per_cent(f"{plain(100 * value, 3 if value > 0.99 else 2)}%")
