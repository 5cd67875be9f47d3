"""Engines by name: the scheduler settings that their documentation gives as defaults, each with its source."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from stackyard.catalog.entries import Accelerator
from stackyard.errors import nearest
from stackyard.quantity import GIGA
from stackyard.sim.policy import Policy

DATA = Path(__file__).parent / "data"


@lru_cache(maxsize=1)
def engines() -> dict[str, Any]:
    """The presets' file: settings with source, and constants by engine release."""
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
            if chip.memory >= rule["from_gb"] * GIGA:
                settings |= {key: row["value"] for key, row in rule["settings"].items()}
    return replace(Policy(name=name), **settings)


def preset_of(engine: str, chip: Accelerator) -> Policy:
    """The preset that a printed engine name and version means; vLLM's where nothing is said."""
    plain = engine.lower().replace("-", "").replace(" ", "")
    for name, start in (("sglang", "sglang"), ("trtllm", "tensorrtllm"), ("trtllm", "trtllm")):
        if start in plain:
            return preset(name, chip)
    return preset("vllm", chip)
