"""Axes and samples -> jobs by their index: every combination of the axes' values, and at each of them every sample.

The first axis changes slowest and samples fastest, as digits of a number do; nothing is listed before it is needed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from stackyard.errors import nearest
from stackyard.plan.uncertainty.sample import correlated, independent
from stackyard.plan.uncertainty.shapes import SHAPES, Array, steps
from stackyard.sweep.fields import Refusal, affixed, written
from stackyard.sweep.job import Inputs, Value, digest

METHODS = ("sobol", "random")


@dataclass(frozen=True)
class Axis:
    """Keys that move together: `values[i]` holds one value of each key; `told` is how it stands in the table."""

    name: str
    keys: tuple[str, ...]
    values: tuple[tuple[Any, ...], ...]
    told: Mapping[str, tuple[Value, ...]]


@dataclass(frozen=True)
class Grid:
    """The jobs of one part: fixed inputs, axes, and samples, which are one more axis whose values are drawn."""

    fixed: Inputs
    axes: tuple[Axis, ...] = ()

    @cached_property
    def shape(self) -> tuple[int, ...]:
        return tuple(len(axis.values) for axis in self.axes)

    @property
    def sizes(self) -> dict[str, int]:
        """Values of each axis, by its name; those that are drawn are 'sample'."""
        return {axis.name: size for axis, size in zip(self.axes, self.shape, strict=True)}

    def __len__(self) -> int:
        return math.prod(self.shape)

    @cached_property
    def _digits(self) -> list[tuple[int, list[dict[str, Any]]]]:
        """Of each axis: after how many jobs it changes, and the inputs that each of its values sets."""
        return [
            (math.prod(self.shape[i + 1 :]), [dict(zip(axis.keys, value, strict=True)) for value in axis.values])
            for i, axis in enumerate(self.axes)
        ]

    def inputs(self, index: int) -> dict[str, Any]:
        """The inputs of a job.

        >>> axis = Axis("x", ("x",), ((1,), (2,), (3,)), {})
        >>> Grid({"y": 0}, (axis,)).inputs(2)
        {'y': 0, 'x': 3}
        """
        found = dict(self.fixed)
        for each, values in self._digits:
            found.update(values[index // each % len(values)])
        return found

    def names(self, setting: str) -> list[str]:
        """The digest of every job."""
        return [digest(setting, self.inputs(index)) for index in range(len(self))]

    def columns(self) -> dict[str, list[Value]]:
        """What the jobs differ in, by column of the table."""
        found: dict[str, list[Value]] = {}
        size = len(self)
        for i, axis in enumerate(self.axes):
            each = math.prod(self.shape[i + 1 :])
            at = [index // each % self.shape[i] for index in range(size)]
            for name, told in axis.told.items():
                found[name] = [told[k] for k in at]
        return found


def spaced(start: Any, end: Any, count: int, spacing: str) -> list[Any]:
    """`count` values from start to end with equal steps or ('log') equal factors, both ends in; with the unit of both.

    >>> spaced(1, 64, 4, "log")
    [1.0, 4.0, 16.0, 64.0]
    >>> spaced("2 MW", "3 MW", 3, "linear")
    ['2.0 MW', '2.5 MW', '3.0 MW']
    """
    (before, low, unit), (other, high, its) = affixed(start), affixed(end)
    if (before, unit) != (other, its):
        raise Refusal(f"runs from '{start}' to '{end}' in two units", "write both ends in the same one")
    if spacing == "log" and not (low > 0 and high > 0):
        raise Refusal("equal factors need ends above 0", "spacing: linear")
    values = np.geomspace(low, high, count) if spacing == "log" else np.linspace(low, high, count)
    rounded = [float(f"{value:.12g}") for value in values]
    return [written(before, value, unit) for value in rounded]


def shown(name: str, values: Sequence[Any]) -> dict[str, tuple[Value, ...]]:
    """A column of the table: numbers where all values are of one unit, which the name then says; text otherwise.

    >>> shown("tpot", ["20 ms", "50 ms"])
    {'tpot [ms]': (20.0, 50.0)}
    >>> shown("chip", ["h100", "h200"])
    {'chip': ('h100', 'h200')}
    """
    if all(isinstance(value, bool) for value in values) or all(type(value) is int for value in values):
        return {name: tuple(values)}
    try:
        parts = [affixed(value) for value in values]
    except Refusal:
        return {name: tuple(_text(value) for value in values)}
    if len({(before, unit) for before, _, unit in parts}) > 1 or any(isinstance(value, bool) for value in values):
        return {name: tuple(_text(value) for value in values)}
    before, _, unit = parts[0]
    sign = " ".join(part for part in (before and "factor", unit) if part)
    return {f"{name} [{sign}]" if sign else name: tuple(number for _, number, _ in parts)}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)


# --- samples ---


@dataclass(frozen=True)
class Drawn:
    """One input that is drawn: its quantile function, as a shape between ends or as values with chances."""

    name: str
    keys: tuple[str, ...]
    shape: str = "pert"
    ends: tuple[float, float, float] = (0.0, 0.0, 0.0)
    chances: Mapping[Any, float] = field(default_factory=dict)

    def quantile(self, p: Array) -> list[Any]:
        """Values at shares of probability; values with chances are taken in rising order, words as they stand."""
        if not self.chances:
            return [float(value) for value in SHAPES[self.shape](p, *self.ends)]
        values = list(self.chances)
        if all(isinstance(value, int | float) for value in values):
            values.sort()
        picked = steps(p, {float(i): self.chances[value] for i, value in enumerate(values)})
        return [values[int(i)] for i in picked]


def points(method: str, count: int, inputs: int, seed: int, matrix: Array | None = None) -> Array:
    """Shares of probability of each sample, (samples, inputs), with a correlation matrix where one is stated.

    >>> points("sobol", 4, 2, 1).shape
    (4, 2)
    """
    if method not in METHODS:
        raise Refusal(f"'{method}' is not a way to sample", nearest(method, METHODS))
    if method == "sobol":
        found = independent(count, inputs, seed)
    else:
        found = np.clip(np.random.default_rng(seed).random((count, inputs)), 1e-6, 1 - 1e-6)
    return found if matrix is None else correlated(found, matrix)
