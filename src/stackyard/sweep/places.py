"""Where jobs are done: here, or by processes of this machine; a Dask cluster has a file of its own.

A place is told where the next chunk comes from and gives back chunks with their outcomes, or with why they were lost.
Which place it was makes no difference to an outcome.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.connection import wait
from pickle import PicklingError
from queue import Empty, SimpleQueue
from typing import Protocol

from stackyard.children import cores, nameless
from stackyard.errors import Fault, InputErrors, SolveError
from stackyard.sweep.job import Chunk, Outcome, work

PRELOADED = ["stackyard.sweep.file", "stackyard.plan.build", "stackyard.plan.solve"]  # once for all local processes
Deal = Callable[[], Chunk | None]  # the next chunk; None where there is none now


@dataclass(frozen=True)
class Lost:
    """Workers died over a chunk: how many, and whether it is `certain` that they died of it."""

    deaths: int = 1
    certain: bool = True


Done = tuple[Chunk, list[Outcome] | Lost]
TICK = 1.0  # seconds after which a place says that nothing has finished


class Place(Protocol):
    """A place to run sweeps: it takes chunks until none is left and none is under way."""

    @property
    def target(self) -> float:
        """Seconds that a chunk should take, so that handing all of them out costs this program little of its time."""

    @property
    def workers(self) -> int:
        """How many jobs are done at once."""

    def run(self, deal: Deal) -> Iterator[Done | None]:
        """Chunks with what became of them, as they finish; None where nothing finished for a second."""

    def close(self) -> None:
        """Ends what is under way."""


def place_of(on: str) -> Place:
    """'here', 'processes', 'processes:8', or the address of a Dask scheduler; InputErrors for anything else.

    >>> place_of("processes:3").workers
    3
    """
    word, _, count = on.partition(":")
    if on == "here":
        return Here()
    if word == "processes" and (count.isdecimal() or not count) and count != "0":
        return Processes(int(count) if count else cores())
    if word in ("tcp", "tls", "ws", "wss", "ucx"):
        from stackyard.sweep.cluster import Cluster

        return Cluster(on)
    hint = "one of: here, processes, processes:8, tcp://scheduler:8786"
    raise InputErrors([Fault("command line", 0, "--on", f"'{on}' is no place to run a sweep", hint)])


class Here:
    """In this program itself: a job that ends it ends the sweep, which goes on when it is started again."""

    target = 0.1
    workers = 1

    def run(self, deal: Deal) -> Iterator[Done | None]:
        while (chunk := deal()) is not None:
            yield chunk, work(chunk)

    def close(self) -> None:
        """Nothing is under way outside `run`."""


class Processes:
    """Processes of this machine. Each is a pool of its own, so that a death is known to be of its chunk and costs no
    other; the dead are replaced, and all of them end when this program does, however it ends."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.target = max(0.2, 0.01 * workers)  # a chunk costs about a millisecond here
        methods = multiprocessing.get_all_start_methods()
        self._context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
        if "forkserver" in methods:
            self._context.set_forkserver_preload(PRELOADED)
        self._flying: dict[Future[list[Outcome]], tuple[ProcessPoolExecutor, Chunk]] = {}
        self._idle: list[ProcessPoolExecutor | None] = [None] * workers  # None: not started yet, or dead
        self._done: SimpleQueue[Future[list[Outcome]]] = SimpleQueue()

    def _worker(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(1, mp_context=self._context, initializer=_end_with_parent)

    def _hand_out(self, deal: Deal) -> None:
        """A chunk for each worker that has none, while there are any."""
        while self._idle and (chunk := deal()) is not None:
            worker = self._idle.pop() or self._worker()
            with nameless():  # the first chunk of a worker starts it
                future = worker.submit(work, chunk)
            self._flying[future] = worker, chunk
            future.add_done_callback(self._done.put)

    def run(self, deal: Deal) -> Iterator[Done | None]:
        while True:
            self._hand_out(deal)
            if not self._flying:
                return
            try:
                future = self._done.get(timeout=TICK)
            except Empty:
                yield None
                continue
            worker, chunk = self._flying.pop(future)
            try:
                found: list[Outcome] | Lost = future.result()
                self._idle.append(worker)
            except BrokenProcessPool:
                found = Lost()
                worker.shutdown(wait=False)
                self._idle.append(None)
            except (ImportError, AttributeError, PicklingError) as error:
                told = f"the processes cannot do it: {type(error).__name__}: {error}"
                raise SolveError(
                    f"{told}\nA verb of your own is a function of a module that they can import."
                ) from None
            self._hand_out(deal)  # before the results are kept, so that the worker does not wait for that
            yield chunk, found

    def close(self) -> None:
        """Kills what is under way, and waits for the end of all processes."""
        for worker, _ in self._flying.values():
            for process in list((worker._processes or {}).values()):
                process.kill()
        for each in [*(worker for worker, _ in self._flying.values()), *filter(None, self._idle)]:
            each.shutdown(wait=True, cancel_futures=True)


def _end_with_parent() -> None:
    """In a worker: ends it when the program that started it is gone, however that ended; and leaves Ctrl-C to that."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_watch, args=(parent.sentinel,), daemon=True).start()


def _watch(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
