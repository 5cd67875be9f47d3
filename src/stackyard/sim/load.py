"""What is asked of the simulator, from names and texts: a service, its load, its objective."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stackyard.sim import ask
from stackyard.sim.capacity import Capacity
from stackyard.sim.metrics import Simulation
from stackyard.sim.trace import Requests
from stackyard.sim.traffic import Lengths


@dataclass(frozen=True)
class Load:
    """Requests by seed; `fixed` where every seed has the same, `skipped` lines of a trace that were bad."""

    made: Callable[[int], Requests]
    skipped: int
    fixed: bool


def load(
    trace: Path | None,
    rate: str | None,
    requests: int,
    prompt: float,
    output: float,
    spread: float,
    arrivals: str,
    cv: float,
    shared: int,
    skip_bad: bool,
    clients: str = "",
    turns: float = 1.0,
    swing: float = 0.0,
) -> Load:
    """A trace at a rate, or synthetic requests. Raises InputErrors for what cannot be.

    >>> made = load(None, "5/s", 100, 1000.0, 200.0, 1.0, "poisson", 1.0, 0, False)
    >>> len(made.made(0).arrival), made.skipped
    (100, 0)
    """
    sizes = Lengths(prompt, spread), Lengths(output, spread)
    try:
        made, skipped = ask.offered(
            trace, rate, requests, *sizes, arrivals, cv, shared, skip_bad, clients, turns, swing
        )
    except ValueError as error:
        raise ask.fault("simulate", str(error), "see: stackyard simulate --help") from None
    fixed = trace is not None and made(0).arrival is made(1).arrival
    return Load(made, skipped, fixed)


def simulation_row(found: Simulation) -> dict[str, Any]:
    """A simulation as plain names and values for JSON; where the queue grows, latencies are left out."""
    told = asdict(found)
    told["stable"], told["joules_per_token"] = found.stable, found.joules_per_token
    told["cost_per_million_tokens"] = found.cost_per_million
    if not found.stable:
        told["figures"] = {}
    return told


def capacity_row(found: Capacity) -> dict[str, Any]:
    """A capacity as plain names and values for JSON."""
    return asdict(found) | {"utilisation": found.utilisation}


def write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table as CSV.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_csv(Path(folder) / "load.csv", ("rate", "ttft"), [(1.0, 0.2)])
    ...     told = (Path(folder) / "load.csv").read_text().split()
    >>> told
    ['rate,ttft', '1.0,0.2']
    """
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
