"""A Dask cluster as a place to run sweeps: chunks are its tasks; the one place where `distributed` is met."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from stackyard.errors import Fault, InputErrors, SolveError
from stackyard.sweep.job import Chunk, Outcome, elsewhere
from stackyard.sweep.places import TICK, Deal, Done, Lost

AHEAD = 2  # chunks for each thread: one that is done and one that waits, so that none stands idle
PATIENCE = 10.0  # seconds to wait for the scheduler
POLL = 0.005  # seconds between looks for results: a hundredth of what a chunk takes
LOOK = 1.0  # seconds between looks at how many workers there are


class Cluster:
    """The workers of the scheduler at an address.

    Dask gives the tasks of a lost worker to another. It gives one up that lost several, and blames all that the dead
    worker held; so a chunk that was given up comes back to be tried with nothing else under way.
    """

    def __init__(self, address: str) -> None:
        try:
            from distributed import Client
        except ImportError:
            hint = "pip install 'stackyard[dask]'"
            raise InputErrors([Fault("command line", 0, "--on", "distributed is not installed", hint)]) from None
        self.address = address
        try:
            self._client: Any = Client(address, set_as_default=False, timeout=PATIENCE)  # type: ignore[no-untyped-call]
        except (OSError, TimeoutError, ValueError) as error:
            told = f"no Dask scheduler answers at {address} ({type(error).__name__})"
            hint = "start one: dask scheduler; and workers: dask worker ADDRESS --nthreads 1"
            raise InputErrors([Fault("command line", 0, "--on", told, hint)]) from None
        self._looked, self._threads = 0.0, 0
        self._flying: dict[Any, Chunk] = {}

    @property
    def target(self) -> float:
        """A task costs Dask some milliseconds."""
        return max(0.5, 0.03 * self._threads)

    @property
    def workers(self) -> int:
        """Threads of all workers, looked up once a second."""
        if time.monotonic() - self._looked > LOOK:
            self._threads = sum(self._client.nthreads().values())
            self._looked = time.monotonic()
        return self._threads

    def run(self, deal: Deal) -> Iterator[Done | None]:
        from distributed import as_completed

        finished: Any = as_completed([], loop=self._client.loop, with_results=True, raise_errors=False)  # type: ignore[no-untyped-call]
        held: Chunk | None = None  # one that is to be alone, until the others are done
        while True:
            while held is None and len(self._flying) < max(AHEAD * self.workers, 1):
                held = deal()
                if held is None or (held.alone and self._flying):
                    break
                alone = held.alone
                self._send(held, finished)
                held = None
                if alone:
                    break
            if not self._flying:
                if held is None:
                    return
                self._send(held, finished)
                held = None
            batch = _finished(finished)
            if not batch:
                yield None
            for future, result in batch:
                chunk = self._flying.pop(future)
                yield chunk, self._found(chunk, future, result)

    def close(self) -> None:
        """Takes back what is under way, and leaves the cluster to others."""
        if self._flying and self._client.status == "running":
            self._client.cancel(list(self._flying), force=True)
        self._client.close()

    def _send(self, chunk: Chunk, finished: Any) -> None:
        future = self._client.submit(elsewhere, chunk, pure=False, retries=0)
        self._flying[future] = chunk
        finished.add(future)

    def _found(self, chunk: Chunk, future: Any, result: Any) -> list[Outcome] | Lost:
        """Outcomes of a task, or that its workers died; raises what stops the whole sweep."""
        from distributed import KilledWorker

        if future.status == "finished":
            outcomes: list[Outcome] = result
            return outcomes
        error = result[1] if isinstance(result, tuple) and len(result) == 3 else result
        if isinstance(error, KilledWorker):
            deaths = self._client.run_on_scheduler(_allowed) + 1
            return Lost(deaths, certain=chunk.alone)
        if isinstance(error, InputErrors):
            raise error
        if future.status in ("cancelled", "lost"):
            told = f"the cluster at {self.address} went away"
            raise SolveError(f"{told}; what is done is kept: the same command goes on from there.")
        told = f"the workers at {self.address} cannot do it: {type(error).__name__}: {error}"
        raise SolveError(f"{told}\nThey and their scheduler need the same Stackyard and Python as here.")


def _finished(finished: Any) -> list[tuple[Any, Any]]:
    """Futures that are finished, with their results; none where a second passed without any."""
    end = time.monotonic() + TICK
    while time.monotonic() < end:
        batch: list[tuple[Any, Any]] = finished.next_batch(block=False)
        if batch:
            return batch
        time.sleep(POLL)
    return []


def _allowed(dask_scheduler: Any) -> int:
    """Workers that a task may lose before Dask gives it up."""
    return int(dask_scheduler.allowed_failures)
