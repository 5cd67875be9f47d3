"""What may stand as an input of a verb: each reads a value as a file has it into the one that the verb takes.

The value is the same however it was written (64, 64.0 or '64'), so that a job has one name. What cannot be is a
ValueError or InputErrors with the next step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from stackyard.catalog import load
from stackyard.errors import InputErrors, nearest
from stackyard.quantity import UnitError, parse, split
from stackyard.sweep.job import Shared

Reading = Callable[[Any], Any]
Fields = Mapping[str, Reading]


class Refusal(ValueError):
    """A value that cannot be, and the next step."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def refusal(error: ValueError | InputErrors) -> Refusal:
    """Any refusal of a value as one of ours."""
    if isinstance(error, InputErrors):
        fault = error.faults[0]
        about = "" if fault.key.startswith("-") else f"{fault.key} "
        return Refusal(f"{about}{fault.message}", fault.hint)
    return error if isinstance(error, Refusal) else Refusal(str(error))


@dataclass(frozen=True)
class Whole:
    """Reads a whole number of at least so much."""

    least: int

    def __call__(self, value: Any) -> int:
        number = _number(value)
        if number is None or number != int(number):
            raise Refusal(f"'{value}' is not a whole number", "write digits only, for example 8")
        if number < self.least:
            raise Refusal(f"'{value}' is below {self.least}", f"write {self.least} or more")
        return int(number)


def real(least: float = 0.0, most: float = math.inf) -> Reading:
    """A number within bounds; thousands may be set apart.

    >>> real(0.0, 1.0)("0.5")
    0.5
    """

    def read(value: Any) -> float:
        number = _number(value)
        if number is None:
            raise Refusal(f"'{value}' is not a number", "write a number without a unit, for example 1500")
        if not least <= number <= most:
            raise Refusal(f"'{value}' is not from {least:g} to {most:g}", "correct the value")
        return number

    return read


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number, unit = split(value)
    except UnitError:
        return None
    return number if math.isfinite(number) and unit in ("", "token", "tokens") else None


def text(value: Any) -> str:
    """Any text.

    >>> text("Frankfurt")
    'Frankfurt'
    """
    if not isinstance(value, str):
        raise Refusal(f"'{value}' is not text", "put it in quotes")
    return value


def word(known: Iterable[str] = ()) -> Reading:
    """One of the known words; any text where none are told.

    >>> word(("bf16", "fp8"))("fp8")
    'fp8'
    """
    names = tuple(known)

    def read(value: Any) -> str:
        if names and text(value) not in names:
            raise Refusal(f"'{value}' is none of them", nearest(value, names))
        return text(value)

    return read


def words(known: Iterable[str] = ()) -> Reading:
    """One word, or several of them as a list.

    >>> words(("bf16", "fp8"))(["fp8", "bf16"])
    ['fp8', 'bf16']
    """
    one = word(known)

    def read(value: Any) -> list[str]:
        return [one(each) for each in value] if isinstance(value, list) else [one(value)]

    return read


def flag(value: Any) -> bool:
    """True or false.

    >>> flag(True), flag(False)
    (True, False)
    """
    if not isinstance(value, bool):
        raise Refusal(f"'{value}' is neither true nor false", "write true or false")
    return value


def quantity(like: str, example: str, factors: bool = False) -> Reading:
    """A quantity of a dimension, above 0, as text with its unit; with `factors` also x1.5.

    >>> quantity("s", "2 s")("500 ms")
    '500 ms'
    """

    def read(value: Any) -> str:
        stated = str(value).strip()
        if factors and stated[:1] in ("x", "×", "*"):
            number = _number(stated[1:].strip())
            if number is None or number <= 0:
                raise Refusal(f"'{value}' is not a factor above 0", "for example x1.5")
            return stated
        try:
            if not 0 < parse(stated, like) < math.inf:
                raise Refusal(f"'{value}' is not above 0", f"for example {example}")
        except UnitError as error:
            raise Refusal(str(error), f"for example {example}") from None
        return stated

    return read


def share(value: Any) -> str:
    """A share from 0 to 1, or in percent, as text.

    >>> share("70%")
    '70%'
    """
    from stackyard.perf.asked import share as read

    read("--share", str(value))
    return str(value)


def precision(value: Any) -> str:
    """A preset of number formats, or weights/cache/compute.

    >>> precision("fp8")
    'fp8'
    """
    from stackyard.perf.precision import precision_of

    name = text(value).lower()
    precision_of(name)
    return name


def model(value: Any) -> str:
    """A model of the catalogue, by its id.

    >>> model("llama-3.1-8b")
    'llama-3.1-8b'
    """
    return load().model(text(value)).id


def chip(value: Any) -> str:
    """An accelerator of the catalogue, or a system of it; as it is called.

    >>> chip("h200")
    'h200'
    """
    from stackyard.perf.asked import accelerator

    accelerator(load(), text(value))
    return text(value)


def product(value: Any) -> str:
    """An HBM generation, with its height if wanted: hbm4, hbm4-12h.

    >>> product("hbm4-12h")
    'hbm4-12h'
    """
    from stackyard.perf.asked import product as read

    load().generation(read(text(value))[0])
    return text(value)


# --- what a part's keys and values are held against ---


class Taking(Protocol):
    """How a verb takes what a file states: keys and values, each refused where it cannot be."""

    def key(self, stated: str) -> str:
        """The input that a key stands for."""

    def fixed(self, stated: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Refusal]]:
        """The values of the inputs that are the same in all jobs, and which of them cannot be."""

    def value(self, key: str, stated: Any) -> Any:
        """The value of an input that differs."""

    def drawn(self, key: str, number: float, lead: str, unit: str) -> Any:
        """A number that was drawn, as the input's value."""

    def ends(self, key: str) -> tuple[float | None, float, float | None, str] | None:
        """Low, value, high and unit that are on record for an input; None where nothing is."""

    def shared(self) -> Shared:
        """What all jobs need, once every key was read."""


@dataclass(frozen=True)
class ByFields:
    """Inputs by name, each with its reading; any input as it stands where no fields are told."""

    fields: Fields

    def key(self, stated: str) -> str:
        if self.fields and stated not in self.fields:
            raise Refusal("is not an input of this verb", nearest(stated, self.fields, len(self.fields)))
        return stated

    def fixed(self, stated: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Refusal]]:
        values, refused = {}, {}
        for key, value in stated.items():
            try:
                values[key] = self.value(key, value)
            except (ValueError, InputErrors) as error:
                refused[key] = refusal(error)
        return values, refused

    def value(self, key: str, stated: Any) -> Any:
        return self.fields[key](stated) if self.fields else stated

    def drawn(self, key: str, number: float, lead: str, unit: str) -> Any:
        if isinstance(self.fields.get(key), Whole):
            return self.value(key, round(number))
        return self.value(key, written(lead, number, unit))

    def ends(self, key: str) -> None:
        return None

    def shared(self) -> Shared:
        return Shared()


def affixed(value: Any) -> tuple[str, float, str]:
    """What stands before a number, the number, and its unit.

    >>> affixed("x1.5"), affixed("50 ms")
    (('x', 1.5, ''), ('', 50.0, 'ms'))
    """
    stated = value.strip() if isinstance(value, str) else value
    before = stated[0] if isinstance(stated, str) and stated[:1] in ("x", "×") and stated[1:] else ""
    try:
        number, unit = split(stated[1:].strip() if before else stated)
    except (UnitError, TypeError):
        raise Refusal(f"'{value}' is not a number", "write a number with its unit, for example 50 ms") from None
    if not math.isfinite(number):
        raise Refusal(f"'{value}' is not a finite number", "correct the value")
    return before, number, unit


def written(before: str, value: float, unit: str) -> Any:
    """A number as a file has it; a bare number where nothing stands before or after it.

    >>> written("x", 1.5, ""), written("", 50.0, "ms"), written("", 2.0, "")
    ('x1.5', '50.0 ms', 2.0)
    """
    return f"{before}{value!r} {unit}".strip() if before or unit else value


def row(told: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Chosen numbers of a summary under the names of columns; floats, None where they are not known.

    >>> row({"tpot": 0.01, "why": None}, {"tpot": "tpot_s"})
    {'tpot_s': 0.01}
    """
    return {name: None if told[key] is None else float(told[key]) for key, name in names.items()}
