"""Requests as arrays: when they come, how long prompt and output are, and which prefix blocks they share."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackyard.quantity import Second
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
    def duration(self) -> Second:
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
