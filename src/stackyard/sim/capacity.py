"""The largest rate at which a deployment keeps its objective, and the share of its full rate that this is.

Bisection with common random numbers: every rate sees the same requests, their times stretched, so that more rate is
never luck; each replication has its own answer, and those give the interval.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from stackyard.children import at_once
from stackyard.notebook import Columns, Tabular, by_rows
from stackyard.sim import serve
from stackyard.sim.kernel import state
from stackyard.sim.metrics import Figure, Objective, interval
from stackyard.sim.policy import Deployment
from stackyard.sim.presets import DATA
from stackyard.sim.trace import Requests

TIGHT = 0.02  # relative width at which bisection stops
LEAST = 1e-4  # requests a second below which an objective counts as out of reach


@dataclass(frozen=True)
class Capacity(Tabular):
    """Requests a second within the objective, the full rate without one, and their ratio."""

    rate: Figure
    full_rate: Figure
    requests: int  # of one replication

    def columns(self) -> Columns:
        """Both rates in requests a second with their 95% intervals."""
        rows = {"within the objective": self.rate, "full": self.full_rate}
        listed = [{"rate": name, "value": f.value, "low": f.low, "high": f.high} for name, f in rows.items()]
        return by_rows(listed, dict.fromkeys(("value", "low", "high"), "request/s"))

    @property
    def utilisation(self) -> float:
        """Share of the full rate at which the objective still holds."""
        return self.rate.value / self.full_rate.value if self.full_rate.value else 0.0


def full_rate(of: Deployment, requests: Requests, seed: int = 0) -> float:
    """Requests a second of a queue that is never empty: completions over time, without the first and last tenth.

    >>> from stackyard import api
    >>> from stackyard.sim.ask import deployment
    >>> from stackyard.sim.serve import run
    >>> from stackyard.sim.traffic import Lengths, synthetic
    >>> of = deployment(api.service("llama-3.1-8b", "h200"), longest=2000)
    >>> requests = synthetic(5.0, 100, Lengths(1000.0), Lengths(200.0))
    >>> full_rate(of, requests) > 10
    True
    """
    outcome = serve.run(replace(of, closed=0, shed=False), replace(requests, arrival=np.zeros(len(requests))), seed)
    ended = np.sort(outcome.left["last"][outcome.left["status"] == state.SERVED])
    if len(ended) < 20:
        return math.nan
    low, high = ended[len(ended) // 10], ended[len(ended) * 9 // 10]
    return float(0.8 * len(ended) / (high - low)) if high > low else math.nan


def largest(holds: Callable[[float], bool], start: float, tight: float = TIGHT) -> float:
    """The largest rate at which something holds, if it holds below a rate and not above it; 0 where it never does.

    >>> round(largest(lambda rate: rate <= 3.0, start=1.0, tight=1e-6), 3)
    3.0
    """
    low, high = 0.0, start
    while holds(high):
        low, high = high, 2 * high
        if high > 1e9 * start:
            return math.inf
    while high > LEAST and (low == 0.0 or high / low > 1 + tight):
        middle = math.sqrt(low * high) if low else high / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def capacity(
    of: Deployment, replications: Sequence[Requests], objective: Objective, seed: int = 0, workers: int | None = None
) -> Capacity:
    """The largest rate that meets the objective; one bisection for each replication, on all cores."""

    def one(i: int) -> tuple[float, float]:
        some = replications[i]
        most = full_rate(of, some, seed + i)

        def holds(rate: float) -> bool:
            return objective.holds(serve.run(of, some.at_rate(rate), seed + i))

        start = most / 2 if math.isfinite(most) else 1.0
        return min(largest(holds, start), most), most

    rates, most = zip(*at_once(one, range(len(replications)), workers), strict=True)
    return Capacity(interval(rates), interval(most), len(replications[0]))


def digest(of: Deployment, replications: Sequence[Requests], objective: Objective, seed: int) -> str:
    """A name for the question: everything that the answer depends on, the constants and the kernel included.

    >>> from stackyard import api
    >>> from stackyard.sim.ask import deployment
    >>> from stackyard.sim.serve import run
    >>> from stackyard.sim.traffic import Lengths, synthetic
    >>> of = deployment(api.service("llama-3.1-8b", "h200"), longest=2000)
    >>> requests = synthetic(5.0, 100, Lengths(1000.0), Lengths(200.0))
    >>> from stackyard.sim.metrics import Objective
    >>> len(digest(of, [requests], Objective(ttft=1.0), seed=0))
    64
    """
    h = hashlib.sha256()
    for asked in of.engines:
        chip = (asked.chip.id, asked.chip.memory, asked.chip.bandwidth, sorted(asked.chip.flops.items()))
        h.update(repr((asked.model.id, chip, asked.layout, asked.precision, sorted(asked.values.items()))).encode())
    plain = {name: getattr(of, name) for name in of.__dataclass_fields__ if name not in ("engines", "tables")}
    h.update(repr((plain, objective, seed)).encode())
    for table in of.tables:
        for part in (*table.axes, table.flat, table.decode, table.prefill, table.grid):
            h.update(np.ascontiguousarray(part).tobytes())
    for some in replications:
        h.update(some.lines().tobytes() + some.hashes.tobytes())
    fitted = DATA / "fitted.yaml"
    h.update(fitted.read_bytes() if fitted.exists() else b"")
    for path in sorted((DATA.parent / "kernel").glob("*.py")):
        h.update(path.read_bytes())
    return h.hexdigest()


def cached(
    of: Deployment,
    replications: Sequence[Requests],
    objective: Objective,
    seed: int = 0,
    workers: int | None = None,
    folder: Path | None = None,
) -> Capacity:
    """The same, kept on disk by its digest: asked again, it is read. A folder that cannot be written is no matter."""
    user = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "stackyard" / "capacity"
    path = (folder or user) / f"{digest(of, replications, objective, seed)}.json"
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        return Capacity(Figure(**told["rate"]), Figure(**told["full_rate"]), told["requests"])
    except (OSError, ValueError, KeyError, TypeError):
        found = capacity(of, replications, objective, seed, workers)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(f".{os.getpid()}")
        beside.write_text(json.dumps(_plain(found)), encoding="utf-8")
        beside.replace(path)
    except OSError:
        pass
    return found


def _plain(found: Capacity) -> dict[str, Any]:
    return asdict(found)
