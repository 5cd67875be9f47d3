"""A linear or integer program as plain arrays, put together from labelled terms.

A term is a coefficient and the columns that it multiplies, both on named axes. A row family is a list of terms on named
axes; every axis of a term that is not one of its rows' is summed over. This is all of linear algebra that planning
needs, and it is so little that a program of 14,000 columns is assembled in a tenth of a second: plans are solved again
by the hundred (design/solvers.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
import xarray as xr
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]
Places: TypeAlias = NDArray[np.int64]
Terms: TypeAlias = Sequence[tuple[xr.Variable | float, xr.Variable]]  # coefficient, columns (-1: none)


@dataclass(frozen=True)
class Program:
    """Minimise cost x with low <= A x <= high for the rows and least <= x <= most for the columns.

    `columns` and `rows` say where each decision and row stands, on its own axes, -1 where there is none; `whole` marks
    columns that must be whole numbers. A is stored by rows (`starts`, `at`, `values`).
    """

    cost: Array
    least: Array
    most: Array
    whole: NDArray[np.bool_]
    low: Array
    high: Array
    starts: Places
    at: Places
    values: Array
    columns: Mapping[str, Places]
    rows: Mapping[str, Places]

    @property
    def shape(self) -> tuple[int, int]:
        return self.low.size, self.cost.size

    def fixed(self, choices: Mapping[str, Array], only_upper: bool = False) -> Program:
        """The same program with decisions held at values: what is left is linear where all whole ones are held.

        With `only_upper` they may also be less, so that a program with less of something stays feasible.
        """
        least, most, whole = self.least.copy(), self.most.copy(), self.whole.copy()
        for name, values in choices.items():
            places = self.columns[name]
            there = places >= 0
            most[places[there]] = values[there]
            least[places[there]] = np.minimum(least[places[there]], values[there]) if only_upper else values[there]
            whole[places[there]] = False
        return replace(self, least=least, most=most, whole=whole)

    def same_shape(self, other: Program) -> bool:
        """Whether columns and rows stand where they stand in another program: a basis of one is one of the other."""
        return self.shape == other.shape and all(
            np.array_equal(self.columns[name], other.columns[name]) for name in self.columns
        )


@dataclass
class Assembly:
    """A program while it is put together: first columns, then rows, then `program`."""

    columns: dict[str, Places] = field(default_factory=dict)
    rows: dict[str, Places] = field(default_factory=dict)
    _count: int = 0
    _height: int = 0
    _parts: list[tuple[Places, Places, Array]] = field(default_factory=list)
    _bounds: list[tuple[Array, Array]] = field(default_factory=list)

    def column(self, name: str, dims: tuple[str, ...], exists: NDArray[np.bool_]) -> xr.Variable:
        """Columns for a decision where it exists; their places, -1 elsewhere."""
        self.columns[name] = _numbered(exists, self._count)
        self._count += int(exists.sum())
        return xr.Variable(dims, self.columns[name])

    def family(
        self,
        name: str,
        dims: tuple[str, ...],
        terms: Terms,
        sign: str,
        right: Array,
        kept: NDArray[np.bool_],
        along: tuple[str, Places] | None = None,
    ) -> None:
        """Rows `terms sign right` on the axes `dims` where `kept`, without those in which nothing stands.

        `along` are an axis and, for each of its places, the place on the only row axis that it counts in.
        """
        number = np.where(kept, np.arange(kept.size).reshape(kept.shape), -1)
        where = xr.Variable(dims, number) if along is None else xr.Variable((along[0],), number[along[1]])
        parts = [_triplets(where, places, coefficient) for coefficient, places in terms]
        if not parts:
            self.rows[name] = np.full(kept.shape, -1)
            return
        row, column, value = (np.concatenate([part[i] for part in parts]) for i in range(3))
        used = np.zeros(kept.size, dtype=bool)
        used[row] = True
        place = _numbered(used.reshape(kept.shape), self._height)
        self.rows[name] = place
        self._height += int(used.sum())
        self._parts.append((place.ravel()[row], column, value))
        amount = right.ravel()[used]
        self._bounds.append((amount if sign == "=" else np.full_like(amount, -np.inf), amount))

    def program(
        self, costs: Mapping[str, Array], bounds: Mapping[str, tuple[Any, Any]], whole: Iterable[str]
    ) -> Program:
        """The finished program. `costs` are by decision, on its axes; `bounds` its (least, most) where that is not 0
        and infinite; decisions named in `whole` are whole numbers where their bounds leave a choice."""
        import scipy.sparse

        cost, least, most = np.zeros(self._count), np.zeros(self._count), np.full(self._count, np.inf)
        for name, values in costs.items():
            there = self.columns[name] >= 0
            cost[self.columns[name][there]] = values[there]
        for name, (low, high) in bounds.items():
            there = self.columns[name] >= 0
            places = self.columns[name][there]
            least[places] = np.broadcast_to(low, there.shape)[there]
            most[places] = np.broadcast_to(high, there.shape)[there]
        marks = np.zeros(self._count, dtype=bool)
        for name in whole:
            marks[self.columns[name][self.columns[name] >= 0]] = True
        row, column, value = (np.concatenate([part[i] for part in self._parts]) for i in range(3))
        matrix = scipy.sparse.coo_array((value, (row, column)), shape=(self._height, self._count)).tocsr()
        matrix.sum_duplicates()
        low, high = (np.concatenate([bound[i] for bound in self._bounds]) for i in range(2))
        return Program(
            cost,
            least,
            most,
            marks & (least < most),
            low,
            high,
            matrix.indptr,
            matrix.indices,
            matrix.data,
            self.columns,
            self.rows,
        )


def _numbered(exists: NDArray[np.bool_], start: int) -> Places:
    """Running numbers from `start` where something exists, -1 elsewhere."""
    found = np.full(exists.shape, -1, dtype=np.int64)
    found[exists] = start + np.arange(int(exists.sum()))
    return found


def _spread(*parts: xr.Variable | float) -> list[NDArray[Any]]:
    """Arrays of the same shape from variables on different axes."""
    named: list[Any] = [part if isinstance(part, xr.Variable) else xr.Variable((), part) for part in parts]
    sizes = {dim: size for part in named for dim, size in part.sizes.items()}
    return [part.set_dims(sizes).transpose(*sizes).values for part in named]


def _triplets(rows: xr.Variable, columns: xr.Variable, coefficient: xr.Variable | float) -> tuple[Any, Any, Any]:
    row, column, value = _spread(rows, columns, coefficient)
    there = (row >= 0) & (column >= 0) & (value != 0)
    return row[there], column[there], value[there].astype(float)


def gather(values: Array, places: Places) -> Array:
    """The values at places; 0 where there is none.

    >>> gather(np.array([5.0, 7.0]), np.array([1, -1]))
    array([7., 0.])
    """
    return np.where(places >= 0, np.append(values, 0.0)[places], 0.0)
