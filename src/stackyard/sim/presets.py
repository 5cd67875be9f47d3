"""Engines by name: the scheduler settings that their documentation gives as defaults, each with its source."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from stackyard.catalog.entries import Accelerator
from stackyard.errors import nearest
from stackyard.perf import constants
from stackyard.quantity import GIGA
from stackyard.sim.policy import Policy
from stackyard.sim.steps import Asked

DATA = Path(__file__).parent / "data"


@dataclass(frozen=True)
class Own:
    """The simulator's constants: of a chip generation (scale) and of an engine release (seconds of its host)."""

    scale: float = 1.0  # of the device's time
    step: float | None = None  # of the host for a step; None: the performance model's
    sequence: float | None = None  # of the host for a sequence in a step
    request: float = 0.0  # before a request is queued
    prompt_step: float = 0.0  # more in a step that takes prompts in


@lru_cache(maxsize=1)
def fitted() -> dict[str, Any]:
    """The fitted constants' file, as `python -m stackyard.sim.calibration.fit` writes it.

    >>> sorted(fitted())
    ['engines', 'generations']
    """
    from stackyard.files import read_yaml

    path = DATA / "fitted.yaml"
    data: dict[str, Any] = read_yaml(path, "sim/data/fitted.yaml").data if path.exists() else {}
    return data


def constants_of(asked: Asked) -> Own:
    """The constants of what an engine runs on; those of its vendor's measured relatives where it was not measured."""
    found = fitted()
    generation = constants.generation(asked.chip).id
    scale = found.get("generations", {}).get(generation, {}).get("scale", 1.0)
    engine = constants.engine_named(asked.engine)
    rows = found.get("engines", {})
    own = rows.get(asked.engine)
    if own is None:  # the framework's measured release, else that of any engine
        own = next((rows[key] for key in rows if constants.engines()[key].framework == engine.framework), None)
    if own is None:
        own = next(iter(rows.values()), {})
    return Own(scale=scale, **own)


@lru_cache(maxsize=1)
def engines() -> dict[str, Any]:
    """The presets' file: settings with source, and constants by engine release.

    >>> sorted(engines()["presets"])
    ['sglang', 'trtllm', 'vllm']
    """
    from stackyard.files import read_yaml

    data: dict[str, Any] = read_yaml(DATA / "engines.yaml", "sim/data/engines.yaml").data
    return data


def preset(name: str, chip: Accelerator | None = None) -> Policy:
    """The policy of an engine: vllm, sglang or trtllm; settings that depend on the chip's memory follow it.

    >>> preset("trtllm").reserve
    1.0
    """
    known = engines()["presets"]
    if name not in known:
        raise ValueError(f"'{name}' is not an engine I know: {nearest(name, known)}")
    settings = {key: row["value"] for key, row in known[name]["settings"].items()}
    if chip is not None:
        for rule in known[name].get("by_memory", ()):
            if chip.memory >= rule["from_gb"] * GIGA and rule.get("except", " ") not in chip.id:
                settings |= {key: row["value"] for key, row in rule["settings"].items()}
    return replace(Policy(name=name), **settings)


def preset_of(engine: str, chip: Accelerator) -> Policy:
    """The preset that a printed engine name and version means; vLLM's where nothing is said.

    >>> from stackyard import catalog
    >>> preset_of("vllm-0.11", catalog.load().accelerator("h100")).name
    'vllm'
    """
    plain = engine.lower().replace("-", "").replace(" ", "")
    for name, start in (("sglang", "sglang"), ("trtllm", "tensorrtllm"), ("trtllm", "trtllm")):
        if start in plain:
            return preset(name, chip)
    return preset("vllm", chip)
