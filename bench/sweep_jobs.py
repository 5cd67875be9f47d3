"""Jobs for the bench of sweeps, in a module of their own that workers import: nothing at all, and sleep."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from stackyard.sweep.verbs import Verb


def begin_nothing(data: Any, folder: Path) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    return lambda inputs: {"x": inputs["at"] * 0.1}


def begin_sleep(data: Any, folder: Path) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    def doing(inputs: Mapping[str, Any]) -> dict[str, Any]:
        time.sleep(inputs["seconds"])
        return {"x": inputs["at"] * 0.1}

    return doing


VERBS = {"nothing": Verb(begin_nothing), "sleep": Verb(begin_sleep)}
