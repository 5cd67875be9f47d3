"""`Measured`: a provider that interpolates a user's own measurements of kernels, and knows nothing outside them.

A table of measurements is a CSV file with the columns of COLUMNS, one timed kernel a row:

- chip: an accelerator of the catalogue; kind, precision, stored: those of the operation (perf/op.py);
- shape and size: what stays the same along a curve, and what grows along it; by kind
  matmul: elements of the weight matrix, rows; prefill, decode, elementwise, permute: FLOP per byte moved, bytes moved;
  collective: accelerators in the group, bytes sent by each;
- seconds: of one execution.

Grouped matmuls of experts are not among them: their time has two sizes, rows and experts reached.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stackyard import catalog
from stackyard.catalog.entries import Accelerator
from stackyard.errors import Faults, InputErrors, nearest
from stackyard.files import Table, read_csv
from stackyard.perf.op import Op
from stackyard.perf.precision import BYTES
from stackyard.quantity import Numeric, Second

COLUMNS = ("chip", "kind", "precision", "stored", "shape", "size", "seconds")
KINDS = ("matmul", "prefill", "decode", "elementwise", "permute", "collective")
NEAR = 0.02  # relative difference of shapes that count as one: attention's FLOP per byte moves a little with length

Key = tuple[str, str, str, str]
Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """Seconds of one kernel of one shape at growing sizes; two points or more."""

    shape: float
    size: Vector
    seconds: Vector

    def at(self, size: Numeric) -> Vector:
        """Seconds at a size: linear in the logarithms of both between two measurements; nan outside the measured sizes.

        >>> curve = Curve(1.0, np.array([1.0, 100.0]), np.array([1.0, 4.0]))
        >>> float(curve.at(10.0)), float(curve.at(101.0))
        (2.0, nan)
        """
        log = np.log(np.maximum(size, np.finfo(float).tiny))
        return np.exp(np.interp(log, np.log(self.size), np.log(self.seconds), left=np.nan, right=np.nan))


def shape_and_size(op: Op) -> tuple[Numeric, Numeric]:
    """(shape, size) of an operation, as the table counts them; nan where the operation has none.

    >>> from stackyard.perf.op import all_reduce, matmul
    >>> shape_and_size(matmul("down", 64.0, 1000.0, 2000.0, weight=1.0))
    (2000000.0, 64.0)
    >>> shape_and_size(all_reduce("sum", 100.0, 4.0))
    (4.0, 150.0)
    """
    if op.kind == "matmul":
        return op.edge / 2, op.flop / op.edge
    if op.kind == "collective":
        return op.peers, op.sent
    return op.flop / np.maximum(op.bytes, np.finfo(float).tiny), op.bytes


@dataclass(frozen=True)
class Measured:
    """Measured seconds where a curve of the operation's shape reaches its size; None, or nan in arrays, elsewhere.

    Between two measurements the logarithm of the seconds is linear in the logarithm of the size, so that the answer
    rises wherever the measurements do.
    """

    curves: Mapping[Key, tuple[Curve, ...]] = field(repr=False)
    name: str = "measured"

    def seconds(self, op: Op, chip: Accelerator) -> Second | None:
        curves = self.curves.get((chip.id, op.kind, op.precision, op.stored))
        if not curves:
            return None
        shape, size = np.broadcast_arrays(*(np.asarray(value, dtype=float) for value in shape_and_size(op)))
        shapes = np.array([curve.shape for curve in curves])
        apart = np.abs(shape[..., None] / shapes - 1.0)
        chosen, near = np.argmin(apart, axis=-1), np.min(apart, axis=-1) <= NEAR
        found = np.full(shape.shape, np.nan)
        for place, curve in enumerate(curves):
            found = np.where(near & (chosen == place), curve.at(size), found)
        told = np.where(np.equal(op.count, 0), 0.0, op.count * found)
        if np.isnan(told).all():
            return None
        return told if told.ndim else float(told)


def read(path: Path) -> Measured:
    """The provider of a table of measurements; raises InputErrors with every fault of the file."""
    table = read_csv(path, COLUMNS)
    faults, known = Faults(), catalog.load()
    points: dict[tuple[Key, float], dict[float, float]] = {}
    for line, cells in table.rows:
        numbers = _numbers(table, line, cells, faults)
        for column, names in (("kind", KINDS), ("precision", BYTES), ("stored", BYTES)):
            if cells[column] not in names:
                faults.add(table.file, line, column, f"'{cells[column]}' is not known", nearest(cells[column], names))
        try:
            chip = known.accelerator(cells["chip"]).id
        except InputErrors as error:
            faults.extend(error.faults)
            continue
        key = (chip, cells["kind"], cells["precision"], cells["stored"])
        curve = points.setdefault((key, numbers["shape"]), {})
        if numbers["size"] in curve:
            faults.add(table.file, line, "size", "measured twice on one curve", "keep one row, or their mean")
        curve[numbers["size"]] = numbers["seconds"]
    for (key, shape), curve in points.items():
        if len(curve) < 2:
            what = f"{' '.join(key)}, shape {shape:g}"
            faults.add(table.file, 0, "size", f"one size only: {what}", "a curve takes two measurements")
    faults.raise_any()
    curves: dict[Key, list[Curve]] = {}
    for (key, shape), curve in sorted(points.items()):
        sizes = np.array(sorted(curve))
        curves.setdefault(key, []).append(Curve(shape, sizes, np.array([curve[size] for size in sizes])))
    return Measured({key: tuple(found) for key, found in curves.items()}, f"measured ({path.name})")


def _numbers(table: Table, line: int, cells: Mapping[str, str], faults: Faults) -> dict[str, float]:
    """Shape, size and seconds; what is not a positive number is a fault and nan. Only a shape may be 0."""
    found = {}
    for column in ("shape", "size", "seconds"):
        try:
            value = float(cells[column])
        except ValueError:
            value = np.nan
        if not (np.isfinite(value) and (value > 0 or (value == 0 and column == "shape"))):
            faults.add(table.file, line, column, f"'{cells[column]}' is not a positive number", "give a number in SI")
            value = np.nan
        found[column] = value
    return found
