"""What an estimate rests on: the provider, the constants it used, and the weakest grade among all inputs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from stackyard.catalog.entries import Accelerator, Model
from stackyard.perf import constants
from stackyard.perf.op import Op
from stackyard.perf.precision import FOUR_BIT
from stackyard.perf.provider import Provider
from stackyard.source import Fact, Grade, weakest


@dataclass(frozen=True)
class Basis:
    """What an estimate rests on: the provider, the constants it used, and the weakest grade among all inputs."""

    provider: str
    constants: tuple[Fact, ...] = field(repr=False)
    grade: Grade

    def __str__(self) -> str:
        return f"{self.provider}, {len(self.constants)} constants, weakest grade {self.grade.label}"


def basis_of(provider: Provider, model: Model, chip: Accelerator, engine: str, ops: Iterable[Op]) -> Basis:
    """The basis of an estimate of these operations."""
    names = set(_ALWAYS)
    for op in ops:
        names |= {f"overhead.{op.kind}"}
        if op.kind == "collective":
            names |= {"link.scale_up", "link.scale_out", "link.half", "link.switch", "overhead.ramp", "overhead.hop"}
        elif op.kind in ("matmul", "experts"):
            names |= {f"compute.{op.precision}", f"memory.{op.kind}", f"format.{op.stored}", f"padding.{op.kind}"}
            names |= {"compute.dequantise"} if op.stored in FOUR_BIT and op.precision != "fp4" else set()
            names |= {"compute.wave"} if op.kind == "matmul" else set(_GROUPED)
        else:
            names |= {f"compute.{op.kind}", f"memory.{op.kind}"}
            names |= {f"cache.{op.stored}"} if op.kind == "decode" else set()
    if np.isnan(chip.idle):
        names.add("power.idle")
    used = constants.used(chip, engine, names)
    facts = (*used, *model.facts.values(), *chip.facts.values())
    return Basis(provider.name, used, weakest(fact.grade for fact in facts))


_GROUPED = (
    "compute.experts",
    "compute.narrow",
    "memory.narrow",
    "load.experts",
    "overhead.group",
    "experts.popularity",
)
_ALWAYS = (
    "overhead.step",
    "overhead.sequence",
    "overhead.request",
    "overhead.scale",
    "engine.kernels",
    "memory.usable",
    "memory.runtime",
    "prefill.tokens",
    "power.awake",
    "energy.hbm",
    "energy.path",
    "energy.link",
)
