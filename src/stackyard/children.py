"""Processes that a program starts to work for it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType


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
