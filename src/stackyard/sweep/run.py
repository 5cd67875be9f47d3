"""The run of a sweep: jobs dealt out in chunks, results kept as they come, what was lost tried again, with a limit."""

from __future__ import annotations

import math
import tempfile
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from stackyard.quantity import HOUR, MINUTE
from stackyard.sweep.file import Asked, read
from stackyard.sweep.job import Chunk, Outcome
from stackyard.sweep.places import Lost, Place, place_of
from stackyard.sweep.store import Store
from stackyard.sweep.table import Swept, gathered
from stackyard.sweep.verbs import Verb

RETRIES = 2
DEADLY = "its worker died whenever it was tried"
NORMAL_90 = 1.2816  # standard normal quantile of 90%: of both ends of an 80% interval
_GROWTH = 4  # most by which a chunk is larger than what its part has finished
_PARTS = 4  # chunks that each worker should still get of what is left


@dataclass(frozen=True)
class Progress:
    """Where a run stands. `left` is how many seconds are left: low, middle and high with 80%; None while not known."""

    total: int
    known: int
    done: int
    failed: int
    lost: int
    workers: int
    left: tuple[float, float, float] | None

    @property
    def sentence(self) -> str:
        """All of it in words."""
        told = f"{self.known + self.done:,} of {self.total:,} jobs"
        told += f", {self.failed:,} failed" if self.failed else ""
        told += f", {self.lost} worker{'s' * (self.lost > 1)} lost" if self.lost else ""
        if self.known + self.done == self.total:
            return told
        if not self.workers:
            return f"{told}; no worker is there: waiting for one"
        if self.left is None:
            return f"{told}; time left not known yet"
        low, middle, high = map(span, self.left)
        return f"{told}; about {middle} left" + (f" ({low} to {high})" if low != high else "")


Tell = Callable[[Progress], None]


def span(seconds: float) -> str:
    """A duration as people say it.

    >>> span(8), span(200), span(9000)
    ('8 s', '3 min', '2.5 h')
    """
    if seconds < 1.5 * MINUTE:
        return f"{math.ceil(seconds)} s"
    return f"{seconds / MINUTE:.0f} min" if seconds < 1.5 * HOUR else f"{seconds / HOUR:.1f} h"


@dataclass
class _Pace:
    """Seconds of a part's finished jobs: number, mean and sum of squared differences (B. P. Welford, 1962)."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def add(self, seconds: float) -> None:
        self.count += 1
        off = seconds - self.mean
        self.mean += off / self.count
        self.squares += off * (seconds - self.mean)

    def left(self, jobs: int) -> tuple[float, float]:
        """Mean and variance of the seconds that so many more jobs take.

        Their sum scatters with n s^2, and the mean of those finished is off by s^2 / m, times n^2.
        """
        variance = self.squares / max(self.count - 1, 1)
        return jobs * self.mean, variance * (jobs + jobs**2 / max(self.count, 1))


@dataclass
class _Hand:
    """Jobs of one part that are to be done, in an order that makes the finished ones a fair sample of all."""

    part: int
    jobs: deque[int]
    total: int
    pace: _Pace = field(default_factory=_Pace)
    flying: int = 0

    @property
    def share(self) -> float:
        """How much of it was handed out."""
        return 1 - len(self.jobs) / self.total


class Run:
    """One sweep while it runs."""

    def __init__(self, asked: Asked, place: Place, store: Store, retries: int, again: bool, tell: Tell) -> None:
        self.asked, self.place, self.store, self.retries, self.tell = asked, place, store, retries, tell
        self.settings = [part.setting.digest for part in asked.parts]
        self.names = [part.grid.names(name) for part, name in zip(asked.parts, self.settings, strict=True)]
        self.tries: dict[tuple[int, int], int] = {}
        self.done = self.failed = self.lost = 0
        known = store.known(name for mine in self.names for name in mine)
        if again:
            failed = [name for name, kept in known.items() if kept.reason]
            store.forget(failed)
            known = {name: kept for name, kept in known.items() if not kept.reason}
        self.hands = [self._hand(i, known) for i in range(len(asked.parts))]
        self.suspects: deque[tuple[int, int]] = deque()
        self.known = len(asked) - sum(hand.total for hand in self.hands)
        self.begun = time.monotonic()
        self.busy = 0.0

    def _hand(self, part: int, known: Mapping[str, Any]) -> _Hand:
        """What a part has to do: each job once, even where two of them are the same."""
        first = {name: i for i, name in reversed(list(enumerate(self.names[part]))) if name not in known}
        jobs = np.array(sorted(first.values()), dtype=np.int64)
        np.random.default_rng(1).shuffle(jobs)
        return _Hand(part, deque(jobs.tolist()), len(jobs))

    # --- dealing ---

    def deal(self) -> Chunk | None:
        """The next chunk: of the part of which the least was handed out; suspects come last, one by one."""
        hands = [hand for hand in self.hands if hand.jobs]
        if hands:
            hand = min(hands, key=lambda each: each.share)
            jobs = [hand.jobs.popleft() for _ in range(self._size(hand))]
            return self._chunk(hand, jobs)
        if self.suspects:
            part, job = self.suspects.popleft()
            return self._chunk(self.hands[part], [job], alone=True)
        return None

    def _chunk(self, hand: _Hand, jobs: list[int], alone: bool = False) -> Chunk:
        part = self.asked.parts[hand.part]
        hand.flying += len(jobs)
        inputs = tuple((job, part.grid.inputs(job)) for job in jobs)
        return Chunk(part.setting, self.settings[hand.part], inputs, hand.part, alone)

    def _size(self, hand: _Hand) -> int:
        """Jobs that take the place's target together; fewer for want of evidence, or for an even end, to a tenth."""
        if not hand.pace.count:
            return 1
        fitting = self.place.target / max(hand.pace.mean, 1e-9)
        even = math.ceil(len(hand.jobs) / (_PARTS * max(self.place.workers, 1)))
        return int(max(1, min(fitting, _GROWTH * hand.pace.count, max(even, fitting / 10), len(hand.jobs))))

    # --- results ---

    def go(self) -> None:
        """Runs all that is to be done."""
        self.tell(self.progress())
        for finished in self.place.run(self.deal):
            if finished is not None:
                chunk, found = finished
                if isinstance(found, Lost):
                    self._lose(chunk, found)
                else:
                    self._keep(chunk, found)
            at = self.progress()
            if at.known + at.done == at.total:
                self.store.flush()  # before anybody is told that all is done
            else:
                self.store.due()
            self.tell(at)

    def _keep(self, chunk: Chunk, found: list[Outcome]) -> None:
        hand = self.hands[chunk.part]
        hand.flying -= len(chunk.jobs)
        for each in found:
            hand.pace.add(each.seconds)
            self.busy += each.seconds
            tries = self.tries.get((chunk.part, each.job), 0) + 1
            if each.again and tries <= self.retries:
                self.tries[chunk.part, each.job] = tries
                self.suspects.append((chunk.part, each.job))
                continue
            self._finish(chunk.part, each.job, each, tries)

    def _finish(self, part: int, job: int, outcome: Outcome, tries: int) -> None:
        self.done += 1
        self.failed += bool(outcome.reason)
        self.store.add(self.names[part][job], outcome.row, outcome.reason, tries, outcome.seconds)

    def _lose(self, chunk: Chunk, lost: Lost) -> None:
        """Jobs over which a worker died: each is tried again by itself, up to the limit."""
        self.lost += lost.deaths
        self.hands[chunk.part].flying -= len(chunk.jobs)
        blamed = lost.deaths if len(chunk.jobs) == 1 and lost.certain else 0
        for job, _ in chunk.jobs:
            tries = self.tries.get((chunk.part, job), 0) + blamed
            self.tries[chunk.part, job] = tries
            if blamed and tries > self.retries:
                self._finish(chunk.part, job, Outcome(job, 0.0, None, DEADLY), tries)
            else:
                self.suspects.append((chunk.part, job))

    def progress(self) -> Progress:
        """Where the run stands."""
        total, workers = len(self.asked), self.place.workers
        return Progress(total, self.known, self.done, self.failed, self.lost, workers, self.left())

    def left(self) -> tuple[float, float, float] | None:
        """Seconds left: what the jobs left should take, over as many at once as there were so far."""
        mean = variance = 0.0
        suspects = [part for part, _ in self.suspects]
        for hand in self.hands:
            jobs = len(hand.jobs) + hand.flying + suspects.count(hand.part)
            if jobs and not hand.pace.count:
                return None
            each, spread = hand.pace.left(jobs)
            mean, variance = mean + each, variance + spread
        if not self.busy:
            return None
        at_once = self.busy / (time.monotonic() - self.begun)
        half = NORMAL_90 * math.sqrt(variance)
        return max(mean - half, 0.0) / at_once, mean / at_once, (mean + half) / at_once


def sweep(
    source: Path | str | Mapping[str, Any],
    *,
    on: str = "processes",
    store: Path | str | None = None,
    retries: int = RETRIES,
    again: bool = False,
    progress: Tell | None = None,
    verbs: Mapping[str, Verb] | None = None,
) -> Swept:
    """Does all jobs of a sweep file, or of the same as plain data, and gives their table.

    `on` is 'here', 'processes', 'processes:8' or the address of a Dask scheduler; the table is the same everywhere.
    What `store`, a folder, has of these jobs is not done again; a run that was killed goes on there. A job whose worker
    died is tried `retries` times more; one that raises is not, unless the machine was at fault. Both end as failures
    with their reason; `again` tries those on record once more. `verbs` are more verbs by name, functions of modules
    that workers can import. Raises InputErrors with every fault of the file, and SolveError where a cluster goes away.

    >>> axes = {"chip": ["h100", "h200"], "batch": [8, 16]}
    >>> fixed = {"model": "llama-3.1-70b", "tensor": 4, "precision": "fp8"}
    >>> found = sweep({"verb": "estimate", "inputs": fixed, "axes": axes}, on="here")
    >>> found.table.num_rows, found.to_xarray()["tpot_s"].dims
    (4, ('chip', 'batch'))
    """
    asked = read(source, verbs)
    start = time.monotonic()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory())) if store is None else Path(store)
        kept = stack.enter_context(Store(folder))
        place = stack.enter_context(closing(place_of(on)))
        run = Run(asked, place, kept, retries, again, progress or (lambda at: None))
        run.go()
        kept.flush()
        table, failures, shapes = gathered(asked, run.names, kept)
    seconds = time.monotonic() - start
    return Swept(asked.name, table, failures, run.done, run.known, seconds, run.busy, run.lost, shapes)
