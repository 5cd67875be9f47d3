"""Verbs for the tests of sweeps: jobs that take time, that fail, and that kill their worker."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from stackyard.errors import InputErrors, SolveError
from stackyard.sweep.verbs import Verb


def begin(data: Any, folder: Path) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    return job


def job(inputs: Mapping[str, Any]) -> dict[str, Any]:
    time.sleep(inputs.get("seconds", 0.0))
    x, how = inputs["x"], inputs.get("how", "fine")
    if "flag" in inputs:  # leaves word that it began
        Path(inputs["flag"]).touch()
    if how == "raises":
        raise ValueError(f"no value at {x}")
    if how == "refuses":
        raise InputErrors([])
    if how == "unsolved":
        raise SolveError("there is no plan")
    if how == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "dies once" and first(Path(inputs["mark"]), x):
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "short of memory once" and first(Path(inputs["mark"]), x):
        raise MemoryError
    if how == "short of memory":
        raise MemoryError
    return {"square": int(x * x), "third": x / 3, "even": x % 2 == 0, "word": f"n{x}"}


def first(mark: Path, x: Any) -> bool:
    """Whether this is the first try of a job."""
    try:
        (mark / str(x)).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


VERBS = {"try": Verb(begin)}
