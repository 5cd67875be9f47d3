"""Bad input is refused at once, with every problem, its place and the next step."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Fault:
    """One thing wrong with an input: where it is, what it is, and what to do about it."""

    file: str
    line: int  # 1-based; 0 when the fault is about the file as a whole
    key: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        head = ": ".join(part for part in (place, self.key, self.message) if part)
        return f"{head}\n    {self.hint}" if self.hint else head


class InputErrors(Exception):
    """Every fault of an input, raised once."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults: tuple[Fault, ...] = tuple(sorted(set(faults)))
        super().__init__(self.faults)

    def __str__(self) -> str:
        count = len(self.faults)
        head = "1 problem" if count == 1 else f"{count} problems"
        return "\n".join([f"{head} in the input:", *(f"  {fault}" for fault in self.faults)])


class SolveError(Exception):
    """The solver stopped without a usable plan; says what was reached and where the Problem was saved."""


class Faults:
    """Collects faults while an input is read, so that all of them can be told together."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, file: str, line: int, key: str, message: str, hint: str = "") -> None:
        self._faults.append(Fault(file, line, key, message, hint))

    def extend(self, faults: Iterable[Fault]) -> None:
        self._faults.extend(faults)

    def __iter__(self) -> Iterator[Fault]:
        return iter(self._faults)

    def __bool__(self) -> bool:
        return bool(self._faults)

    def raise_any(self) -> None:
        if self._faults:
            raise InputErrors(self._faults)


def nearest(word: str, known: Iterable[str]) -> str:
    """'did you mean ...?' for a word that is not among the known ones; lists a few when nothing is close.

    >>> nearest("H2O0", ["H200", "B200"])
    "did you mean 'H200'?"
    """
    names = sorted({str(name) for name in known})
    folded = {name.lower(): name for name in names}
    close = difflib.get_close_matches(word.lower(), list(folded), n=1, cutoff=0.6)
    if close:
        return f"did you mean '{folded[close[0]]}'?"
    shown = ", ".join(names[:12])
    return f"known: {shown}{', ...' if len(names) > 12 else ''}" if names else ""
