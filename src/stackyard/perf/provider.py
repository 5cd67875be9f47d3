"""Providers of performance: the seconds of an operation on a chip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np

from stackyard.catalog.entries import Accelerator
from stackyard.perf import constants
from stackyard.perf.op import Op
from stackyard.quantity import Numeric, Second


class Provider(Protocol):
    """A source of performance.

    `seconds` is the time of all `op.count` repetitions on one `chip`, never negative and never shorter for more work;
    None means "I do not know" and lets the next provider answer. Scalars and arrays give the same numbers.
    """

    @property
    def name(self) -> str: ...

    def seconds(self, op: Op, chip: Accelerator) -> Second | None: ...


class Terms(NamedTuple):
    """What an operation would take on each resource alone, for all its repetitions; seconds."""

    compute: Second
    memory: Second
    link: Second
    overhead: Second


LIMITS = Terms._fields


@dataclass(frozen=True)
class Roofline:
    """The slowest of compute, memory and link, plus a fixed cost of each launch.

    seconds = count (max(flop / (F c), bytes / (B m), sent / (L l)) + overhead), where F, B, L are the chip's printed
    rates and c, m, l the shares of them that kernels of this kind reach (perf/data/efficiency.yaml). L is the scale-up
    link inside the scale-up domain and the scale-out link for wider groups. After Williams, Waterman and Patterson,
    Commun. ACM 52 (4), 2009. Kernels are taken to overlap perfectly inside and not at all with each other. None for a
    precision that the chip has no figure for; nan for a link.
    """

    values: Mapping[str, float] = field(default_factory=constants.values, repr=False)
    name: str = "roofline"

    def terms(self, op: Op, chip: Accelerator) -> Terms | None:
        flops = chip.flops.get(op.precision)
        if op.kind == "collective":
            outside = np.greater(op.peers, max(chip.scale_up_domain, 1))
            slow = chip.scale_out * self.values["link.scale_out"]
            link = np.where(outside, slow, chip.scale_up * self.values["link.scale_up"])
            return Terms(
                0.0, 0.0, op.count * _ratio(op.sent, link, op.count), op.count * self.values["overhead.collective"]
            )
        reached = self.values.get(f"compute.{op.kind}.{op.precision}")
        if flops is None or reached is None:
            return None
        return Terms(
            op.count * op.flop / (flops * reached),
            op.count * op.bytes / (chip.bandwidth * self.values[f"memory.{op.kind}"]),
            0.0,
            op.count * self.values[f"overhead.{op.kind}"],
        )

    def seconds(self, op: Op, chip: Accelerator) -> Second | None:
        terms = self.terms(op, chip)
        if terms is None:
            return None
        return np.maximum(np.maximum(terms.compute, terms.memory), terms.link) + terms.overhead


def _ratio(sent: Numeric, link: Numeric, count: Numeric) -> Numeric:
    """sent / link where anything is sent at all; 0 elsewhere, whatever the link."""
    busy = np.greater(count, 0)
    return np.where(busy, sent / np.where(busy, link, 1.0), 0.0)


@dataclass(frozen=True)
class FirstOf:
    """The first of several providers that knows the operation."""

    providers: tuple[Provider, ...]

    @property
    def name(self) -> str:
        return " else ".join(provider.name for provider in self.providers)

    def seconds(self, op: Op, chip: Accelerator) -> Second | None:
        for provider in self.providers:
            found = provider.seconds(op, chip)
            if found is not None:
                return found
        return None
