"""Where a number comes from: `Source`, `Grade` and `Fact`."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum


class Grade(IntEnum):
    """How far a number can be trusted, best first; when facts combine, the weakest (largest) grade wins.

    >>> max(Grade.MEASURED, Grade.ASSUMED).label
    'assumed'
    """

    MEASURED = 0  # somebody measured it and said how
    PUBLISHED = 1  # standard body, vendor, operator or regulator, or arithmetic on their figures
    REPORTED = 2  # named analyst, or press quoting a company or ministry
    ESTIMATED = 3  # one unnamed source, a blog, or inferred from something else
    ASSUMED = 4  # our own judgement; marked in every output that used it

    @property
    def label(self) -> str:
        return self.name.lower()

    @classmethod
    def named(cls, label: str) -> Grade:
        return cls[label.upper()]


def weakest(grades: Iterable[Grade]) -> Grade:
    """The grade of a result made from these: the worst of them. Nothing at all counts as assumed.

    >>> weakest([Grade.MEASURED, Grade.REPORTED]).label, weakest([]).label
    ('reported', 'assumed')
    """
    return max(grades, default=Grade.ASSUMED)


@dataclass(frozen=True)
class Source:
    """A document that a number was read in."""

    id: str
    title: str
    url: str = ""
    date: str = ""
    kind: str = ""

    def __str__(self) -> str:
        return self.title + (f" ({self.date})" if self.date else "")


@dataclass(frozen=True)
class Fact:
    """A number with its range, unit, grade, sources and date.

    `value`, `low` and `high` are as printed, in `unit`; `si`, `si_low` and `si_high` are the same in SI and are what
    formulas use. `value` is a tuple for a series (twelve months). A `value` of None says that the number is known to be
    unknown. `path` names the fact in its catalogue or file, and `place` says where in which file it is written.
    """

    path: str
    value: float | tuple[float, ...] | None
    unit: str
    grade: Grade
    sources: tuple[Source, ...] = ()
    low: float | None = None
    high: float | None = None
    date: str = ""
    note: str = ""
    place: str = field(default="", compare=False)

    @property
    def si(self) -> float:
        """SI value of a single number; nan where the value is not known."""
        if isinstance(self.value, tuple):
            raise TypeError(f"{self.path} is a series: use si_series")
        return math.nan if self.value is None else self._convert(self.value)

    @property
    def si_series(self) -> tuple[float, ...]:
        """SI values of a series; one number counts as a series of one."""
        values = self.value if isinstance(self.value, tuple) else (self.si,)
        return tuple(self._convert(v) for v in values) if isinstance(self.value, tuple) else values

    @property
    def si_low(self) -> float:
        return self.si if self.low is None else self._convert(self.low)

    @property
    def si_high(self) -> float:
        return self.si if self.high is None else self._convert(self.high)

    @property
    def relative_range(self) -> float:
        """(high - low) / |value|: how much of the number is in doubt; 0 where no range is stated."""
        if self.low is None or self.high is None or isinstance(self.value, tuple) or not self.value:
            return 0.0
        return abs(self.si_high - self.si_low) / abs(self.si)

    @property
    def dimension(self) -> str:
        from stackyard import quantity

        return quantity.dimension(self.unit)

    def _convert(self, value: float) -> float:
        from stackyard import quantity

        return quantity.convert(value, self.unit)
