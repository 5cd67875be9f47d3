"""Processes and threads that a program starts to work for it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from types import ModuleType
from typing import TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")


def cores() -> int:
    """Processors that this program may use.

    >>> cores() >= 1
    True
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def at_once(
    work: Callable[[Item], Made],
    items: Iterable[Item],
    workers: int | None = None,
    failed: Callable[[], object] = lambda: None,
) -> list[Made]:
    """What `work` makes of each item, in their order: a thread for each core, for work that lets others run meanwhile.

    Each sees the caller's context variables. After the first error, or Ctrl-C, nothing more is begun, `failed` may stop
    what is running, and the error is raised when that has ended.

    >>> at_once(abs, [-1, 2])
    [1, 2]
    """
    with ThreadPoolExecutor(workers or cores()) as pool:
        waiting = [pool.submit(copy_context().run, work, item) for item in items]
        try:
            return [each.result() for each in waiting]
        except BaseException:
            for each in waiting:
                each.cancel()
            failed()
            raise


@contextmanager
def nameless() -> Iterator[None]:
    """While it lasts, processes that are started do not run the user's own script again before they work.

    Python does that with scripts that have no `if __name__ == "__main__"`, so that each process would start others in
    its turn. What a process is to do must stand in a module for that reason, not in the script.

    >>> with nameless():
    ...     hasattr(sys.modules["__main__"], "__file__")
    False
    """
    script = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = script
