"""What the auditor adds up: rows of terms that should leave nothing over, and how a break of one is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]
Values: TypeAlias = Mapping[str, Array]


@dataclass(frozen=True)
class Violation:
    """A balance or limit that a plan breaks: by how much, where, and how much would have been tolerated."""

    family: str
    place: str
    amount: float
    tolerance: float

    def __str__(self) -> str:
        where = f" at {self.place}" if self.place else ""
        return f"{self.family}{where}: off by {self.amount:.6g}, tolerated {self.tolerance:.3g}"


@dataclass(frozen=True)
class Row:
    """What a family leaves over, element by element: `excess` should be 0, `size` is the sum of the terms' sizes."""

    family: str
    dims: tuple[str, ...]
    excess: Array
    size: Array


def balance(family: str, dims: tuple[str, ...], *terms: Array) -> Row:
    """Terms that should add up to nothing.

    >>> row = balance("stacks", ("month",), np.array([3.0, 1.0]), np.array([-3.0, -2.0]))
    >>> row.excess.tolist()
    [0.0, 1.0]
    """
    return Row(family, dims, np.abs(sum(terms)), np.asarray(sum(np.abs(term) for term in terms)))


def limit(family: str, dims: tuple[str, ...], most: Array, *terms: Array) -> Row:
    """Terms that should add up to no more than `most`, which may be infinite.

    >>> row = limit("power", ("site",), np.array([5.0]), np.array([4.0]), np.array([3.0]))
    >>> row.excess.tolist()
    [2.0]
    """
    total = np.asarray(sum(terms))
    size = np.asarray(sum(np.abs(term) for term in terms)) + np.where(np.isfinite(most), np.abs(most), 0.0)
    return Row(family, dims, np.maximum(total - most, 0.0), size)


def before(values: Array, start: Array | float = 0.0) -> Array:
    """The month before; `start` in the first.

    >>> before(np.array([1.0, 2.0, 3.0]), 7.0)
    array([7., 1., 2.])
    """
    found = np.zeros_like(values)
    found[..., 1:] = values[..., :-1]
    found[..., 0] = start
    return found


def after(values: Array) -> Array:
    """The month after; 0 in the last.

    >>> after(np.array([1.0, 2.0, 3.0]))
    array([2., 3., 0.])
    """
    found = np.zeros_like(values)
    found[..., :-1] = values[..., 1:]
    return found


def year_so_far(years: Array) -> Array:
    """1 where an earlier month (second axis) lies in the year of a month (first) and not after it.

    >>> year_so_far(np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])).tolist()
    [[[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]], [[0.0, 0.0, 0.0], [1.0, 1.0, 0.0]]]
    """
    same = years[:, None] == years[None, :]
    return np.tril(same.astype(float))
