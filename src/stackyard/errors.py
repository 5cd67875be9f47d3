"""Bad input is refused at once, with every problem, its place and the next step."""

from __future__ import annotations

import difflib
import re
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


TOLD = 40  # faults that are shown; more of them than fit a screen or two help nobody


class InputErrors(Exception):
    """Every fault of an input, raised once."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults: tuple[Fault, ...] = tuple(sorted(set(faults)))
        super().__init__(self.faults)

    def __str__(self) -> str:
        count = len(self.faults)
        head = "1 problem" if count == 1 else f"{count} problems"
        more = [f"  and {count - TOLD} more"] if count > TOLD else []
        return "\n".join([f"{head} in the input:", *(f"  {fault}" for fault in self.faults[:TOLD]), *more])


def refused(option: str, message: str, hint: str) -> InputErrors:
    """The refusal of one option of a verb.

    >>> str(refused("--tp", "3 does not divide 64 heads", "for example --tp 4")).splitlines()[0]
    '1 problem in the input:'
    """
    return InputErrors([Fault("command line", 0, option, message, hint)])


MANY = 100  # names of which a dozen would tell nothing


class Stopped(Exception):
    """Work was stopped by whom it was done for; nothing of it is kept."""


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


def nearest(word: str, known: Iterable[str], most: int = 12) -> str:
    """'did you mean ...?' for a word that is not among the known ones; `most` of them where none is close.

    In this order: the same but for case and punctuation; known names that begin with the word, the shortest first; the
    longest name that the word begins with; names that have all its parts; the closest by shared parts and letters.
    Empty where none is close and there are too many to list.

    >>> nearest("H2O0", ["H200", "B200"])
    "did you mean 'H200'?"
    >>> nearest("gb300-nvl72", ["gb200", "gb300", "nvl72-rack"])
    "did you mean 'gb300'?"
    >>> nearest("costs.korea", ["costs.korea-for-planning", "costs.norway"])
    "did you mean 'costs.korea-for-planning'?"
    """
    names = sorted({str(name) for name in known}, key=lambda name: (len(name), name))
    close = _close(word, names)[:3]
    if close:
        quoted = [f"'{name}'" for name in close]
        return f"did you mean {' or '.join([', '.join(quoted[:-1]), quoted[-1]] if quoted[1:] else quoted)}?"
    shown = ", ".join(sorted(names)[:most])
    return f"known: {shown}{', ...' if len(names) > most else ''}" if 0 < len(names) <= MANY else ""


def _close(word: str, names: list[str]) -> list[str]:
    """The names close to a word, the closest first; `names` come shortest first."""
    own, parts = "".join(_parts(word)), set(_parts(word))
    plain = {name: "".join(_parts(name)) for name in names}
    if not own:
        return []
    same = [name for name in names if plain[name] == own]
    longer = [name for name in names if len(own) > 2 and plain[name].startswith(own)]
    shorter = [name for name in reversed(names) if word.lower().startswith(tuple(name.lower() + end for end in "-_. "))]
    holding = [name for name in names if parts <= set(_parts(name))]
    return same or longer or shorter[:1] or holding or _alike(word, names)


def _alike(word: str, names: list[str]) -> list[str]:
    """The one name that is most like the word, by letters in order and by whole parts; none where nothing is."""
    parts = set(_parts(word))
    best, found = 0.0, []
    for name in names:
        letters = difflib.SequenceMatcher(None, word.lower(), name.lower()).ratio()
        both = (letters + len(parts & set(_parts(name))) / len(parts)) / 2
        if both >= best and max(letters, both) > 0.6:
            best, found = both, [name]
    return found


def _parts(name: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", name.lower())
