"""What a scenario says is not known: which of its numbers move, how, and together with which."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from stackyard import quantity
from stackyard.catalog import Catalog
from stackyard.errors import Faults, nearest
from stackyard.files import Located, Path_, dotted
from stackyard.months import parse_month, show_month
from stackyard.plan.overlay import at, place, stands
from stackyard.plan.uncertainty.shapes import SHAPES, Array, steps

if TYPE_CHECKING:
    from stackyard.plan.doubt import Correlated, Doubt

_MONTH = re.compile(r"\d{4}-\d{2}")


@dataclass(frozen=True)
class Unknown:
    """One input that is not known: the keys that it moves, and its distribution in the unit of the file.

    `kind` is 'amount', 'count' (a whole number) or 'month' (then the values are months later).
    """

    name: str
    keys: tuple[str, ...]
    kind: str
    unit: str
    shape: str
    ends: tuple[float, float, float]  # low, value, high
    chances: Mapping[float, float]

    def quantile(self, p: Array) -> Array:
        """Values at shares of probability."""
        return steps(p, self.chances) if self.chances else SHAPES[self.shape](p, *self.ends)

    def written(self, value: float, raw: Any) -> Any:
        """A value as it would stand in the file in the place of `raw`."""
        if self.kind == "month":
            return show_month(parse_month(str(raw)) + round(value))
        if self.kind == "count":
            return round(value)
        text = f"{value!r} {self.unit}".strip()
        kept = {key: raw[key] for key in ("times",) if key in raw} if isinstance(raw, dict) else {}
        return {**kept, "value": text} if kept else text


def unknowns(located: Located, doubt: Doubt | None, catalog: Catalog) -> tuple[list[Unknown], Faults]:
    """Every unknown of a scenario, and what is wrong with how they are stated."""
    faults, found = Faults(), []
    for name, stated in (doubt.inputs if doubt is not None else {}).items():
        path: Path_ = ("uncertainty", "inputs", name)

        def add(message: str, hint: str, path: Path_ = path) -> None:
            faults.add(located.file, located.line(path), dotted(path), message, hint)

        raws = []
        for key in stated.of:
            where = place(located.data, key)
            try:
                raws.append(at(located.data, where))
            except KeyError:
                last = next(i for i in range(len(where) - 1, -1, -1) if stands(located.data, where[:i]))
                owner: Any = at(located.data, where[:last])
                hint = nearest(str(where[last]), map(str, owner)) if isinstance(owner, dict) else ""
                add(f"moves '{key}', which is not in the file", hint or "write a key as sites.ulsan.share")
        if len(raws) < len(stated.of):
            continue
        if stated.events:
            chances = {value: share.si for value, share in stated.events.items()}
            if abs(sum(chances.values()) - 1) > 1e-6:
                add(f"its chances add up to {sum(chances.values()):.0%}", "events: {0: 80%, 3: 20%}")
                continue
            kind = kind_of(raws)
            number, unit = _split(raws[0], catalog) if kind == "amount" else (0.0, "")
            values = sorted(chances)
            found.append(Unknown(name, stated.of, kind, unit, "", (values[0], number, values[-1]), chances))
            continue
        try:
            low, value, high, unit = ends_of(raws[0], catalog)
        except (ValueError, KeyError, TypeError):
            add(f"'{stated.of[0]}' is not a number with a range", "add low and high to it, or state events")
            continue
        if low is None or high is None:
            add(f"'{stated.of[0]}' states no low and high", "{value: 70%, low: 60%, high: 80%}")
            continue
        for message, hint in impossible(stated.shape, low, value, high):
            add(message, hint)
        if not list(impossible(stated.shape, low, value, high)):
            found.append(Unknown(name, stated.of, "amount", unit, stated.shape, (low, value, high), {}))
    return found, faults


def kind_of(raws: list[Any]) -> str:
    """'month', 'count' or 'amount', as numbers stand in a file.

    >>> kind_of(["2026-09", "2026-12"]), kind_of([1, 3]), kind_of(["3 MW", "4 MW"])
    ('month', 'count', 'amount')
    """
    if all(isinstance(raw, str) and _MONTH.fullmatch(raw) for raw in raws):
        return "month"
    return "count" if all(isinstance(raw, int) for raw in raws) else "amount"


def impossible(shape: str, low: float, value: float, high: float) -> Iterator[tuple[str, str]]:
    """Why no number can be spread like this, each with the next step.

    >>> list(impossible("triangular", 3.0, 2.0, 5.0))
    [('its value 2 is outside 3 to 5', 'low <= value <= high')]
    """
    if not low < high:
        yield f"its low end {low:g} is not below its high end {high:g}", "a range has a width"
    elif not low <= value <= high:
        yield f"its value {value:g} is outside {low:g} to {high:g}", "low <= value <= high"
    elif shape == "lognormal" and low <= 0:
        yield "a lognormal number is above 0, its low end is not", "take shape: pert or triangular"


def _split(raw: Any, catalog: Catalog) -> tuple[float, str]:
    _, value, _, unit = ends_of(raw, catalog)
    return value, unit


def ends_of(raw: Any, catalog: Catalog) -> tuple[float | None, float, float | None, str]:
    """Low, value, high and unit of a number as it stands in the file.

    >>> from stackyard import catalog
    >>> ends_of({"low": "1 MW", "value": "2 MW", "high": "4 MW"}, catalog.load())
    (1.0, 2.0, 4.0, 'MW')
    """
    if isinstance(raw, dict) and "fact" in raw:
        fact = catalog.facts[str(raw["fact"])]
        if not isinstance(fact.value, float | int):
            raise ValueError(raw)
        return fact.low, float(fact.value), fact.high, fact.unit
    stated = raw if isinstance(raw, dict) else {"value": raw}
    value, unit = quantity.split(stated["value"])
    ends: list[float | None] = []
    for end in ("low", "high"):
        if end not in stated:
            ends.append(None)
            continue
        number, own = quantity.split(stated[end])
        ends.append(quantity.convert(number, own) / quantity.convert(1.0, unit) if own != unit else number)
    return ends[0], value, ends[1], unit


# --- correlations ---


def correlation(names: list[str], pairs: Mapping[tuple[str, str], float]) -> Array:
    """The correlation matrix of the inputs: 1 on the diagonal, 0 where nothing is said.

    >>> correlation(["price", "yield"], {("price", "yield"): 0.5})
    array([[1. , 0.5],
           [0.5, 1. ]])
    """
    matrix = np.eye(len(names))
    for (one, two), value in pairs.items():
        i, j = names.index(one), names.index(two)
        matrix[i, j] = matrix[j, i] = value
    return matrix


def contradiction(names: list[str], matrix: Array) -> tuple[str, ...]:
    """The entries that cannot all hold: those that weigh in the direction in which the variance would be below zero.

    >>> contradiction(["a", "b", "c"], np.array([[1, 0.9, 0], [0.9, 1, 0.9], [0, 0.9, 1]]))
    ('a', 'b', 'c')
    >>> contradiction(["a", "b"], np.array([[1, 0.5], [0.5, 1]]))
    ()
    """
    values, vectors = np.linalg.eigh(matrix)
    if values[0] >= -1e-9:
        return ()
    weight = np.abs(vectors[:, 0])
    return tuple(name for name, each in zip(names, weight, strict=True) if each > 0.05)


def pairs_of(doubt: Doubt) -> dict[tuple[str, str], float]:
    """Every pair of inputs with a stated correlation."""
    return pairs_in(doubt.correlations)


def pairs_in(groups: Iterable[Correlated]) -> dict[tuple[str, str], float]:
    """Every pair of names in groups that move together."""
    found = {}
    for group in groups:
        for i, one in enumerate(group.between):
            for two in group.between[i + 1 :]:
                found[one, two] = group.value
    return found


def check(located: Located, doubt: Doubt | None, catalog: Catalog) -> Faults:
    """What is wrong with the uncertainty of a scenario."""
    _, faults = unknowns(located, doubt, catalog)
    if doubt is None:
        return faults
    path: Path_ = ("uncertainty", "correlations")
    names, line = list(doubt.inputs), located.line(path)
    strangers = {name for group in doubt.correlations for name in group.between if name not in names}
    for name in sorted(strangers):
        faults.add(located.file, line, dotted(path), f"no uncertain input '{name}'", nearest(name, names))
    if not strangers and names:
        wrong = contradiction(names, correlation(names, pairs_of(doubt)))
        if wrong:
            pairs = [f"{a} with {b} {value:g}" for (a, b), value in pairs_of(doubt).items() if {a, b} <= {*wrong}]
            told = f"no numbers can be correlated like this: {', '.join(pairs)}"
            faults.add(
                located.file, line, dotted(path), told, "lower the correlations between them, or state all pairs"
            )
    return faults
