"""Operations that take one number without numpy's overhead, and arrays with it; nan stays nan."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from stackyard.quantity import Numeric


def least(a: Numeric, b: Numeric) -> Numeric:
    """The lesser of two, element by element.

    >>> least(1.0, 2.0), least(np.array([1.0, 3.0]), 2.0)
    (1.0, array([1., 2.]))
    """
    if type(a) is float and type(b) is float:
        return a if a < b else b if b <= a else math.nan
    found: Numeric = np.minimum(a, b)
    return found


def most(a: Numeric, b: Numeric) -> Numeric:
    """The greater of two, element by element.

    >>> most(1.0, math.nan)
    nan
    """
    if type(a) is float and type(b) is float:
        return a if a > b else b if b >= a else math.nan
    found: Numeric = np.maximum(a, b)
    return found


def ceiling(a: Numeric) -> Numeric:
    """The next whole number.

    >>> ceiling(1.2), ceiling(np.array([2.0, 2.5]))
    (2.0, array([2., 3.]))
    """
    return float(math.ceil(a)) if type(a) is float and math.isfinite(a) else np.ceil(a)


def fourth_root(a: Numeric) -> Numeric:
    """Fourth root of what is not negative.

    >>> fourth_root(16.0)
    2.0
    """
    return math.sqrt(math.sqrt(a)) if type(a) is float else np.sqrt(np.sqrt(a))


def indivisible(a: Numeric, b: Numeric) -> Any:
    """Where b does not divide a, both whole numbers; of arrays a division costs a tenth of a remainder.

    >>> indivisible(8.0, 3.0), indivisible(8.0, np.array([2.0, 3.0]))
    (True, array([False,  True]))
    """
    parts = a / b
    return not parts.is_integer() if isinstance(parts, float) else parts != np.floor(parts)


def log(a: Numeric) -> Numeric:
    """Natural logarithm; -inf for 0.

    >>> log(1.0), log(0.0)
    (0.0, -inf)
    """
    if type(a) is float:
        return math.log(a) if a > 0 else -math.inf
    with np.errstate(divide="ignore"):
        return np.log(a)


def where(condition: Any, yes: Numeric, no: Numeric) -> Numeric:
    """One of two, element by element.

    >>> where(True, 1.0, 2.0)
    1.0
    """
    if type(condition) is bool:
        return yes if condition else no
    found: Numeric = np.where(condition, yes, no)
    return found
