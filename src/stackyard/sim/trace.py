"""Requests as arrays: when they come, how long prompt and output are, and which prefix blocks they share.

`read` takes the published traces as they are (Azure's CSV, Mooncake's and ShareGPT-derived JSON lines) and plain CSV or
JSON lines, gzipped or not.
"""

from __future__ import annotations

import csv
import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackyard.errors import Fault, InputErrors, nearest
from stackyard.sim.kernel.state import LINE

Whole = NDArray[np.int64]
Vector = NDArray[np.float64]


def _no_hashes() -> Whole:
    return np.zeros(0, np.int64)


@dataclass(frozen=True)
class Requests:
    """Requests in order of arrival; seconds from the first moment of the trace.

    `hashes` are ids of prompt blocks of `hash_tokens` tokens, 0 up to nodes - 1, of all requests one after the other;
    request i has those from hash_at[i] on, hash_n[i] of them. Equal ids mean equal prompts up to the block's end.
    """

    arrival: Vector
    prompt: Whole
    output: Whole
    klass: Whole | None = None
    model: Whole | None = None
    deadline: Vector | None = None
    session: Whole | None = None  # requests of one session wait for each other; -1: of none
    hashes: Whole = field(default_factory=_no_hashes)
    hash_n: Whole | None = None
    hash_tokens: int = 16

    def __len__(self) -> int:
        return len(self.arrival)

    @property
    def duration(self) -> float:
        """From the start of the trace to the last arrival, and one mean gap after it."""
        n = len(self)
        return float(self.arrival[-1]) * n / max(n - 1, 1) if n else 0.0

    @property
    def rate(self) -> float:
        """Requests a second."""
        return len(self) / self.duration if len(self) and self.duration > 0 else np.nan

    @property
    def nodes(self) -> int:
        return int(self.hashes.max()) + 1 if len(self.hashes) else 0

    def first(self, many: int) -> Requests:
        """The first requests."""
        if many >= len(self):
            return self
        names = ("arrival", "prompt", "output", "klass", "model", "deadline", "hash_n", "session")
        cut = {name: value[:many] for name in names if (value := getattr(self, name)) is not None}
        hashes = self.hashes if self.hash_n is None else self.hashes[: int(self.hash_n[:many].sum())]
        return replace(self, **cut, hashes=hashes)

    def at_rate(self, rate: float) -> Requests:
        """The same requests, times stretched evenly to `rate` requests a second: burstiness stays as it is.

        >>> import numpy as np
        >>> some = Requests(np.array([0.0, 1.0, 3.0, 4.0]), np.ones(4, np.int64), np.ones(4, np.int64))
        >>> round(some.at_rate(2 * some.rate).rate / some.rate, 6)
        2.0
        """
        if not (np.isfinite(rate) and rate > 0):
            raise ValueError("a rate must be above 0 and finite")
        return replace(self, arrival=self.arrival * (self.rate / rate))

    def in_blocks(self, block: int) -> Requests:
        """The same with prefix ids of at least `block` tokens: an id stands for all before it: every n-th will do."""
        if self.hash_n is None or self.hash_tokens >= block:
            return self
        n = block // self.hash_tokens
        starts, many = np.cumsum(self.hash_n) - self.hash_n, self.hash_n // n
        place = np.arange(int(many.sum())) - np.repeat(np.cumsum(many) - many, many)
        return replace(
            self, hashes=self.hashes[np.repeat(starts, many) + (place + 1) * n - 1], hash_n=many, hash_tokens=block
        )

    def lines(self) -> NDArray[Any]:
        """What the kernel reads: state.LINE records."""
        out = np.zeros(len(self), LINE)
        out["id"] = np.arange(len(self))
        out["arrival"], out["prompt"], out["output"], out["deadline"] = self.arrival, self.prompt, self.output, np.inf
        if self.klass is not None:
            out["klass"] = self.klass
        if self.model is not None:
            out["model"] = self.model
        if self.deadline is not None:
            out["deadline"] = self.deadline
        out["session"] = -1 if self.session is None else self.session
        if self.hash_n is not None:
            out["hash_n"] = self.hash_n
            out["hash_at"] = np.cumsum(self.hash_n) - self.hash_n
        return out


ARRIVAL = {
    "arrival_s": 1.0,
    "arrival": 1.0,
    "arrived_at": 1.0,
    "timestamp": 1e-3,
    "timestamp_ns": 1e-9,
    "TIMESTAMP": 0.0,
}
PROMPT = (
    "prompt",
    "input_length",
    "input_tokens",
    "ContextTokens",
    "num_prefill_tokens",
    "prompt_tokens",
    "input_toks",
)
OUTPUT = ("output", "output_length", "output_tokens", "GeneratedTokens", "num_decode_tokens", "output_toks")
LONGEST = 10_000_000  # tokens: more is a mistake of units


@dataclass(frozen=True)
class Read:
    """A trace that was read: its requests, and how many lines were skipped as bad."""

    requests: Requests
    skipped: int
    timed: bool  # False where the file has lengths only


def read(path: Path, skip_bad: bool = False) -> Read:
    """A trace file. Times in seconds (arrival_s), ms or ns (timestamp, timestamp_ns), or dates (TIMESTAMP).

    A line with a missing, negative, absurd or unsorted value is refused with its number; with `skip_bad` it is left out
    and counted. Raises InputErrors, also for an empty trace and a file that breaks off.
    """
    faults: list[Fault] = []
    rows: list[tuple[float, int, int, int, float, int]] = []
    hashes: list[list[int]] = []
    names: tuple[str, str, str] | None = None
    last = -np.inf
    for line, cells in _lines(path):
        if names is None:
            names = _columns(path, cells)
        told = cells.get("") or _faulty(cells, names, last)
        if told:
            faults.append(Fault(str(path), line, "", told, "" if skip_bad else "--skip-bad leaves such lines out"))
            continue
        at, prompt, output = (_value(cells, name) for name in names)
        last = max(last, at)
        klass, deadline = int(cells.get("priority") or 0), float(cells.get("deadline_s") or np.inf)
        rows.append((at, int(prompt), int(output), klass, deadline, int(cells.get("session") or -1)))
        hashes.append(cells.get("hash_ids") or [])
    if faults and not skip_bad:
        raise InputErrors(faults)
    if not rows or names is None:
        raise InputErrors([Fault(str(path), 0, "", "the trace is empty", "a trace has at least one request")])
    block = 512 if names[0] == "timestamp" else 16
    return Read(_requests(rows, hashes, block), len(faults), bool(names[0]))


def _requests(rows: list[tuple[float, int, int, int, float, int]], hashes: list[list[int]], block: int) -> Requests:
    at, prompt, output, klass, deadline, session = (np.array(column) for column in zip(*rows, strict=True))
    whole = {"prompt": prompt, "output": output, "klass": np.clip(klass, 0, 3), "session": session}
    parts: dict[str, Any] = {name: values.astype(np.int64) for name, values in whole.items()}
    if (parts["session"] < 0).all():
        parts["session"] = None
    if any(hashes):
        flat = np.array([each for ids in hashes for each in ids], np.int64)
        parts["hashes"] = np.unique(flat, return_inverse=True)[1].astype(np.int64)
        parts["hash_n"] = np.array([len(ids) for ids in hashes], np.int64)
        parts["hash_tokens"] = block
    return Requests(np.asarray(at - at[0], float), deadline=np.asarray(deadline, float), **parts)


def _lines(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Number and cells of each line; cells[''] says what is wrong with a line that is not one."""
    try:
        with (
            gzip.open(path, "rt", encoding="utf-8-sig")
            if path.suffix == ".gz"
            else path.open(encoding="utf-8-sig") as stream
        ):
            if ".json" in "".join(path.suffixes[-2:]):
                for line, text in enumerate(stream, 1):
                    if text.strip():
                        yield line, _parsed(text)
            else:
                reader = csv.DictReader(stream)
                for cells in reader:
                    yield reader.line_num, {key: value for key, value in cells.items() if key}
    except (EOFError, zlib.error, gzip.BadGzipFile) as fault:
        hint = "copy the file again"
        raise InputErrors(
            [Fault(str(path), 0, "", f"the compressed file breaks off or is damaged ({fault})", hint)]
        ) from None
    except (UnicodeDecodeError, csv.Error) as fault:
        raise InputErrors([Fault(str(path), 0, "", f"is not a text of lines ({fault})")]) from None
    except FileNotFoundError:
        raise InputErrors([Fault(str(path), 0, "", "no such file")]) from None


def _parsed(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except json.JSONDecodeError as fault:
        return {"": f"is not JSON: {fault.msg}"}
    return found if isinstance(found, dict) else {"": "is not a JSON object"}


def _columns(path: Path, cells: Mapping[str, Any]) -> tuple[str, str, str]:
    """The names of arrival ('' where there is none), prompt and output in this file."""
    found = [next((name for name in table if name in cells), "") for table in (ARRIVAL, PROMPT, OUTPUT)]
    if not (found[1] and found[2]):
        missing = " and ".join(what for what, name in zip(("prompt", "output"), found[1:], strict=True) if not name)
        hint = nearest(next(iter(cells), ""), (*ARRIVAL, *PROMPT, *OUTPUT)) or "columns: arrival_s, prompt, output"
        raise InputErrors([Fault(str(path), 1, "", f"no column of {missing} tokens", hint)])
    return found[0], found[1], found[2]


def _value(cells: Mapping[str, Any], name: str) -> float:
    """The number in a cell, times in seconds; nan where there is none."""
    text = cells.get(name) if name else 0.0
    if text is None or text == "":
        return np.nan
    try:
        if name == "TIMESTAMP":
            return datetime.fromisoformat(str(text)[:26]).timestamp()
        return float(text) * ARRIVAL.get(name, 1.0)
    except (TypeError, ValueError):
        return np.nan


def _faulty(cells: Mapping[str, Any], names: tuple[str, str, str], last: float) -> str:
    """What is wrong with a line; empty where nothing is."""
    for name, lowest in zip(names, (-np.inf, 1.0, 1.0), strict=True):
        value = _value(cells, name)
        if not np.isfinite(value):
            return f"{name} is missing or not a number: '{cells.get(name)}'"
        if value < lowest or (name == names[0] and value < 0):
            return f"{name} is {value:g}: it must be at least {max(lowest, 0.0):g}"
        if lowest > 0 and value > LONGEST:
            return f"{name} is {value:g} tokens: more than {LONGEST:,} is taken for a mistake"
    if _value(cells, names[0]) < last:
        return f"{names[0]} is before that of the line above: a trace is in order of arrival"
    return ""
