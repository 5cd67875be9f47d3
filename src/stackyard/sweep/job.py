"""A job: a verb with its inputs, named by a digest of both, of the program and of all that it knows.

What a job gives depends on nothing else, so it may be done anywhere, in any order, again after a loss, or not at all
where a store has it.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import math
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from stackyard.errors import Fault, InputErrors, SolveError

Inputs = Mapping[str, Any]
Value = bool | int | float | str | None
Row = Mapping[str, Value]
Doing = Callable[[Inputs], Row]  # one job: inputs -> what is kept of the answer


@dataclass(frozen=True)
class Shared:
    """What all jobs of a part have in common: plain data, and files by name, which a worker elsewhere has not."""

    data: Any = None
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    @property
    def digest(self) -> str:
        """Of everything in it."""
        total = hashlib.sha256(_canonical(self.data).encode())
        for name, content in sorted(self.files.items()):
            total.update(f"\x1f{name}\x1f{len(content)}\x1f".encode() + content)
        return total.hexdigest()[:16]


@dataclass(frozen=True)
class Setting:
    """The verb of a part with what its jobs share, as it travels to a worker: `begin` and it are found by name there.

    `begin(data, folder)` gives the function that does one job; `folder` is where the files of `shared` stand.
    """

    verb: str
    begin: Callable[[Any, Path], Doing]
    shared: Shared
    stamp: str

    @property
    def digest(self) -> str:
        """Of the verb, of what its jobs share, and of the program."""
        told = (self.verb, f"{self.begin.__module__}.{self.begin.__qualname__}", self.shared.digest, self.stamp)
        return hashlib.sha256("\x1f".join((*told, _source(self.begin))).encode()).hexdigest()[:16]


class Outcome(NamedTuple):
    """What became of one job: a row, or the reason why there is none; `again` where another try may help."""

    job: int
    seconds: float
    row: Row | None
    reason: str = ""
    again: bool = False


@dataclass(frozen=True)
class Chunk:
    """Jobs of one part that are handed to a worker at once; `alone` where one of them may have cost a worker."""

    setting: Setting
    name: str  # digest of the setting: a worker prepares each once
    jobs: tuple[tuple[int, Inputs], ...]
    part: int = 0
    alone: bool = False


def digest(setting: str, inputs: Inputs) -> str:
    """The name of a job: twenty hex digits of its setting's digest and its inputs.

    >>> digest("a", {"x": 1, "y": 2}) == digest("a", {"y": 2, "x": 1}) != digest("b", {"x": 1, "y": 2})
    True
    """
    return hashlib.sha256(f"{setting}\x1f{_canonical(inputs)}".encode()).hexdigest()[:20]


_WRITTEN = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=str).encode


def _canonical(value: Any) -> str:
    try:
        return _WRITTEN(value)
    except TypeError:  # keys of several kinds, such as years beside words, cannot be sorted
        return _WRITTEN(_with_text_keys(value))


def _with_text_keys(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _with_text_keys(each) for key, each in value.items()}
    return [_with_text_keys(each) for each in value] if isinstance(value, list | tuple) else value


def _source(function: Callable[..., Any]) -> str:
    """Text of a function that is not the package's own: the stamp does not cover it."""
    if function.__module__.startswith("stackyard."):
        return ""
    try:
        return inspect.getsource(function)
    except (OSError, TypeError):
        return ""


@lru_cache(maxsize=1)
def stamp() -> str:
    """Digest of the program: its version, code and data (the catalogue's in), and the libraries of its arithmetic.

    A result is used again only under the same stamp, and a worker with another one is refused.

    >>> len(stamp())
    12
    """
    from importlib.metadata import PackageNotFoundError, version

    total = hashlib.sha256()
    for library in ("stackyard", "numpy", "scipy", "highspy", "numba", "xarray"):
        try:
            total.update(f"\x1f{library} {version(library)}".encode())
        except PackageNotFoundError:
            continue
    root = Path(__file__).parents[1]
    shown = ("cli", "show", "web", "report")  # these only show what others compute
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.suffix in (".py", ".yaml", ".csv") and not name.startswith(shown):
            total.update(f"\x1f{name}\x1f".encode() + path.read_bytes())
    return total.hexdigest()[:12]


# --- in a worker ---


def elsewhere(chunk: Chunk) -> list[Outcome]:
    """`work` on a machine that may have another program than the driver's: InputErrors where it has."""
    if chunk.setting.stamp != stamp():
        told = f"a worker runs another Stackyard ({stamp()}) than this one ({chunk.setting.stamp})"
        hint = "install the same version, with the same numpy, scipy and highspy, on all machines"
        raise InputErrors([Fault("--on", 0, "", told, hint)])
    return work(chunk)


def work(chunk: Chunk) -> list[Outcome]:
    """Does the jobs of a chunk one after the other; what goes wrong in a job is its outcome."""
    doing = _prepared(chunk)
    return [attempt(doing, index, inputs) for index, inputs in chunk.jobs]


def attempt(doing: Doing, index: int, inputs: Inputs) -> Outcome:
    """One job, and the reason why it has no row where it has none.

    What the verb refuses it would refuse again; what the machine could not do, for want of memory, of a file or of a
    connection, may succeed another time.
    """
    start = time.perf_counter()
    try:
        row, reason, again = doing(inputs), "", False
    except (InputErrors, SolveError) as error:
        row, reason, again = None, _told(error), False
    except (OSError, MemoryError) as error:
        row, reason, again = None, f"{type(error).__name__}: {error}".strip(": "), True
    except Exception as error:
        row, reason, again = None, f"{type(error).__name__}: {error}".strip(": "), False
    return Outcome(index, time.perf_counter() - start, row, reason, again)


def _told(error: InputErrors | SolveError) -> str:
    """A refusal on one line."""
    if isinstance(error, InputErrors):
        return "; ".join(": ".join(part for part in (fault.key, fault.message) if part) for fault in error.faults[:5])
    return "; ".join(line.strip() for line in str(error).splitlines()[:5])


_PREPARED: dict[str, tuple[Doing, Any]] = {}  # of a worker: settings that it has begun, with their folders
_KEPT = 8


def _prepared(chunk: Chunk) -> Doing:
    """The function that does the jobs of a chunk: begun once by every worker."""
    known = _PREPARED.get(chunk.name)
    if known is not None:
        return known[0]
    while len(_PREPARED) >= _KEPT:
        _PREPARED.pop(next(iter(_PREPARED)))
    folder, files = Path(), chunk.setting.shared.files
    held = tempfile.TemporaryDirectory(prefix="stackyard-sweep-") if files else None
    if held is not None:
        folder = Path(held.name)
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
    doing = chunk.setting.begin(chunk.setting.shared.data, folder)
    _PREPARED[chunk.name] = doing, held
    return doing


def number(value: Any) -> float | None:
    """A number of a row: None where it is not known or not finite.

    >>> number(2), number(float("inf"))
    (2.0, None)
    """
    if value is None:
        return None
    found = float(value)
    return found if math.isfinite(found) else None


def joined(reasons: Sequence[str]) -> str:
    """Reasons as one text of a row.

    >>> joined(["too large", "no such width"])
    'too large; no such width'
    """
    return "; ".join(reasons)
