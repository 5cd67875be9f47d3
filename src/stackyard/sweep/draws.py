"""Samples in a sweep file -> one axis whose values are drawn, with the shapes and correlations of a scenario's own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from pydantic import Field

from stackyard.errors import nearest
from stackyard.files import Path_
from stackyard.plan.amounts import Door
from stackyard.plan.doubt import Correlated
from stackyard.plan.uncertainty import unknown
from stackyard.plan.uncertainty.shapes import SHAPES, Array
from stackyard.sweep import grid
from stackyard.sweep.fields import Refusal, Taking, affixed, written
from stackyard.sweep.grid import Axis, Drawn

_DRAWN = ("of", "shape", "low", "value", "high", "events")
_LIKE = "{shape: pert, low: 500, value: 1000, high: 2000}"
_EVENTS = "events: {0: 80%, 3: 20%}"
AT: Path_ = ("samples", "of")


class Samples(Door):
    """Inputs that are drawn at random, each with its distribution."""

    count: int = Field(default=64, ge=1, le=10_000_000)
    """Samples at every combination of the axes; with sobol a power of two spreads best."""
    method: Literal["sobol", "random"] = "sobol"
    """Points of a scrambled Sobol sequence, or independent ones."""
    seed: int = Field(default=1, ge=0)
    """The same seed, the same samples."""
    of: Mapping[str, Any] = Field(min_length=1)
    """Keys, or names of your own with `of: key`, and below each its distribution."""
    correlations: tuple[Correlated, ...] = ()
    """Which of them move together."""


class Reading(Protocol):
    """What is needed of the reader of a part."""

    def add(self, path: Path_, message: str, hint: str = "") -> None: ...
    def key(self, stated: str, path: Path_) -> str | None: ...
    def value(self, name: str, stated: Any, path: Path_) -> tuple[Any] | None: ...
    def keys(self, raw: Any, name: str) -> tuple[str, ...]: ...
    def unknown(self, raw: Mapping[Any, Any], known: tuple[str, ...], path: Path_) -> bool: ...


@dataclass(frozen=True)
class _Input:
    """One drawn input: its distribution, and what stands around its numbers in a file."""

    drawn: Drawn
    lead: str
    unit: str

    def told(self, values: list[Any]) -> dict[str, tuple[Any, ...]]:
        """Its column of the table."""
        stated = [written(self.lead, value, self.unit) if isinstance(value, float) else value for value in values]
        return grid.shown(self.drawn.name, stated)

    def taken(self, taking: Taking, value: Any) -> list[Any]:
        """A value for each of its keys, as the verb takes it."""
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return [taking.drawn(key, float(value), self.lead, self.unit) if number else value for key in self.drawn.keys]


def drawn_axis(reader: Reading, taking: Taking, asked: Samples) -> Axis | None:
    """The samples; None, and faults, where they are not stated well."""
    found = [_input(reader, taking, name, raw) for name, raw in asked.of.items()]
    try:
        matrix = _matrix(list(asked.of), asked.correlations)
    except Refusal as refused:
        reader.add(("samples", "correlations"), str(refused), refused.hint)
        return None
    inputs = [each for each in found if each is not None]
    if len(inputs) < len(found):
        return None
    shares = grid.points(asked.method, asked.count, len(inputs), asked.seed, matrix)
    columns = [each.drawn.quantile(shares[:, i]) for i, each in enumerate(inputs)]
    told = {
        name: values for each, column in zip(inputs, columns, strict=True) for name, values in each.told(column).items()
    }
    taken = tuple(
        tuple(one for each, value in zip(inputs, row, strict=True) for one in each.taken(taking, value))
        for row in zip(*columns, strict=True)
    )
    return Axis("sample", tuple(key for each in inputs for key in each.drawn.keys), taken, told)


def _input(reader: Reading, taking: Taking, name: str, raw: Any) -> _Input | None:
    """One drawn input; its ends are tried, as the value of an axis is."""
    path = (*AT, name)
    if not isinstance(raw, dict):
        reader.add(path, "is not a group of keys", _LIKE)
        return None
    wrong = reader.unknown(raw, _DRAWN, path)
    keys = [key for key in (reader.key(stated, path) for stated in reader.keys(raw, name)) if key is not None]
    if wrong or len(keys) < len(reader.keys(raw, name)):
        return None
    try:
        found = _spread(taking, name, tuple(keys), raw)
        drawn = found.drawn
        for value in list(drawn.chances) or dict.fromkeys(drawn.ends):
            for key, one in zip(keys, found.taken(taking, value), strict=True):
                if reader.value(key, one, path) is None:
                    return None
        return found
    except Refusal as refused:
        reader.add(path, str(refused), refused.hint)
        return None


def _spread(taking: Taking, name: str, keys: tuple[str, ...], raw: Mapping[str, Any]) -> _Input:
    """The distribution as stated; Refusal where it cannot be."""
    if "events" in raw:
        return _Input(Drawn(name, keys, chances=_chances(raw["events"])), "", _unit(taking, keys[0]))
    shape = str(raw.get("shape", "pert"))
    if shape not in SHAPES:
        raise Refusal(f"'{shape}' is not a shape", nearest(shape, SHAPES))
    lead, ends, unit = _ends(taking, keys[0], raw, shape)
    for message, hint in unknown.impossible(shape, *ends):
        raise Refusal(message, hint)
    return _Input(Drawn(name, keys, shape, ends), lead, unit)


def _unit(taking: Taking, key: str) -> str:
    """The unit in which the record has an input: events are stated in it."""
    known = taking.ends(key)
    return known[3] if known is not None else ""


def _ends(taking: Taking, key: str, raw: Mapping[str, Any], shape: str) -> tuple[str, tuple[float, float, float], str]:
    """What stands before, low, value and high, and their unit: as stated, or the range that is on record."""
    if not {"low", "high"} & set(raw):
        known = taking.ends(key)
        if known is None or known[0] is None or known[2] is None:
            raise Refusal("states no low and high", _LIKE)
        return "", (known[0], known[1], known[2]), known[3]
    missing = [end for end in ("low", "high") if end not in raw]
    if missing:
        raise Refusal(f"has no {missing[0]}", _LIKE)
    if "value" not in raw and shape != "uniform":
        raise Refusal(f"has no value, which {shape} needs", "add value: the most likely one, or shape: uniform")
    low, high = affixed(raw["low"]), affixed(raw["high"])
    middle = affixed(raw["value"]) if "value" in raw else (low[0], (low[1] + high[1]) / 2, low[2])
    if len({each[0::2] for each in (low, middle, high)}) > 1:
        raise Refusal("has low, value and high in several units", "write all of them in one unit")
    return low[0], (low[1], middle[1], high[1]), low[2]


def _chances(raw: Any) -> dict[Any, float]:
    """Values with their chances, which add up to 1."""
    if not isinstance(raw, dict) or not raw:
        raise Refusal("has events that are not a group of values with their chances", _EVENTS)
    found = {}
    for value, chance in raw.items():
        _, number, unit = affixed(chance)
        found[value] = number / 100 if unit == "%" else number
    total = sum(found.values())
    if not all(share >= 0 for share in found.values()) or not math.isclose(total, 1.0, abs_tol=1e-6):
        raise Refusal(f"its chances add up to {total:.0%}", _EVENTS)
    return found


def _matrix(names: list[str], groups: tuple[Correlated, ...]) -> Array | None:
    """The correlation matrix, None where nothing is said; Refusal where it cannot be."""
    for name in sorted({name for group in groups for name in group.between if name not in names}):
        raise Refusal(f"no sampled input '{name}'", nearest(name, names))
    if not groups:
        return None
    matrix = unknown.correlation(names, unknown.pairs_in(groups))
    wrong = unknown.contradiction(names, np.asarray(matrix))
    if wrong:
        told = f"no numbers can be correlated like this: {', '.join(wrong)}"
        raise Refusal(told, "lower the correlations between them, or state all pairs")
    return matrix
