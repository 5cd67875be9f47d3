"""Providers of performance: the seconds of an operation on a chip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple, Protocol

import numpy as np

from stackyard.catalog.entries import Accelerator
from stackyard.perf import constants
from stackyard.perf.collective import Fabric, beyond, fabric, within
from stackyard.perf.numeric import fourth_root, most, where
from stackyard.perf.op import Op
from stackyard.perf.precision import FOUR_BIT
from stackyard.quantity import BytePerSecond, FlopPerSecond, Fraction, Numeric, Second


class Provider(Protocol):
    """A source of performance.

    `seconds` is the time of all `op.count` repetitions on one `chip`, never negative and never shorter for more work;
    None, or nan for an element of an array, means "I do not know" and lets the next provider answer. Scalars and arrays
    give the same numbers.
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

    @property
    def seconds(self) -> Second:
        """(compute^4 + memory^4)^(1/4), or the link's time, and the overhead.

        A kernel overlaps arithmetic and memory traffic almost perfectly: where both would take the same time it takes
        19% more than either alone.
        """
        compute, memory, link, overhead = self
        square, other = compute * compute, memory * memory
        return fourth_root(square * square + other * other) + link + overhead


LIMITS = Terms._fields


class Reach(NamedTuple):
    """What an operation reaches of a chip's printed rates, and the fixed costs; numbers, or arrays for many at once."""

    compute: Fraction
    memory: Fraction
    overhead: Second
    padding: Numeric = 0.0  # rows of padding in each group of a matmul with many rows
    wave: Numeric = 0.0  # elements of output that the last, half-empty wave of tiles costs
    narrow: Numeric = 0.0  # width of an expert at which its arithmetic takes twice that of the same work in wide ones
    thin: Numeric = 0.0  # the same for reading its weights
    load: Numeric = 0.0  # of the busiest accelerator over the mean, less one, where whole experts are dealt out
    group: Second = 0.0  # that each group of a grouped matmul adds: its tiles start cold
    chunks: Numeric = np.inf  # of a sequence beyond which attention inside chunks reads the cache for each query head


_NONE = 1e-300  # FLOP: where there are no rows nothing is padded


def kernel(op: Op, flops: FlopPerSecond, bandwidth: BytePerSecond, reach: Reach) -> Terms:
    """Terms of a kernel: arithmetic with its padding, and memory traffic.

    compute = count (flop (1 + load uneven) (1 + n / width) + pad + elements wave) / (F c) and
    memory = count bytes (1 + t / width) / (B m): F, B are the chip's printed rates, c, m the shares of them that
    kernels of this kind reach, and width that of an expert's part. Matmuls pad each group to whole tiles of rows: half
    a tile in the mean, of a tile that libraries choose to suit the rows: pad = P flop / (P + flop), P = padding edge.
    The last wave of tiles leaves part of the chip idle; the accelerator with the busiest experts is waited for; narrow
    experts have short inner loops and short rows.

    >>> from stackyard import catalog
    >>> from stackyard.perf import constants
    >>> from stackyard.perf.op import matmul
    >>> chip = catalog.load().accelerator("h200")
    >>> op = matmul("up", 1.0, 8192.0, 8192.0, 1.0, "fp8")  # one row: memory is waited for
    >>> reached = reach(op, constants.values(chip))
    >>> found = kernel(op, chip.flops["fp8"], chip.bandwidth, reached)
    >>> bool(found.memory > found.compute), round(float(found.memory * chip.bandwidth * reached.memory / op.bytes), 9)
    (True, 1.0)
    """
    work, moved = op.flop, op.bytes
    if op.kind == "experts":
        work = work * (1.0 + reach.load * op.uneven) * (1.0 + reach.narrow * op.narrow)
        moved = moved * (1.0 + reach.thin * op.narrow)
    if op.kind == "decode":
        moved = moved * (1.0 + where(op.chunks > reach.chunks, op.again, 0.0))
    if op.kind in ("matmul", "experts"):
        padding = reach.padding * op.edge
        work = work + padding * op.flop / (padding + op.flop + _NONE) + reach.wave * op.wave
    count = op.count
    return Terms(
        work * (count * (1.0 / (flops * reach.compute))),
        moved * (count * (1.0 / (bandwidth * reach.memory))),
        0.0,
        count * (reach.overhead + op.groups * reach.group),
    )


def transfer(op: Op, fabric: Fabric, values: Mapping[str, float]) -> Terms:
    """Terms of a collective inside a domain (`collective.within`), for all its repetitions; of none, nothing.

    >>> from stackyard import catalog
    >>> from stackyard.perf import constants
    >>> from stackyard.perf.collective import fabric
    >>> from stackyard.perf.op import all_reduce
    >>> chip = catalog.load().accelerator("h200")
    >>> values = constants.values(chip)
    >>> near = fabric(chip, values)
    >>> once, twice = (transfer(all_reduce("sum", 1e6, 8.0, count), near, values) for count in (1.0, 2.0))
    >>> alone = transfer(all_reduce("sum", 1e6, 1.0), near, values)
    >>> float(twice.seconds / once.seconds), float(alone.seconds)
    (2.0, 0.0)
    """
    busy = op.count > 0
    sent, latency = within(op, fabric._replace(link=where(busy, fabric.link, 1.0)), values)
    return Terms(0.0, 0.0, op.count * where(busy, sent, 0.0), op.count * latency)


def reach(op: Op, values: Mapping[str, float]) -> Reach | None:
    """What this kind of operation reaches by the constants; None for a precision that they do not have.

    Shares multiply, and no product of them passes what the pins carry or the units do: at most 1.

    >>> from stackyard import catalog
    >>> from stackyard.perf import constants
    >>> from stackyard.perf.op import matmul
    >>> chip = catalog.load().accelerator("h200")
    >>> found = reach(matmul("down", 64, 8192, 8192, weight=1, precision="fp8"), constants.values(chip))
    >>> bool(0.0 < found.memory <= 1.0), bool(0.0 < found.compute <= 1.0)
    (True, True)
    """
    engine, launch = values["engine.kernels"], values[f"overhead.{op.kind}"] * values["overhead.scale"]
    if op.kind not in ("matmul", "experts"):
        read: Fraction = values[f"memory.{op.kind}"] * (values[f"cache.{op.stored}"] if op.kind == "decode" else 1.0)
        plain = values["compute.elementwise" if op.kind == "permute" else f"compute.{op.kind}"]
        whole = most(values["chunks.engine"], values["chunks.chip"])
        return Reach(_share(plain * engine), _share(read * engine), launch, chunks=whole)
    best = values.get(f"compute.{op.precision}")
    if best is None:
        return None
    if op.stored in FOUR_BIT and op.precision != "fp4":
        best = best * values["compute.dequantise"]
    best = best * engine
    if op.kind == "experts":
        engine = engine * values["engine.experts"]
        best = best * values["engine.experts"]
    read = _share(values[f"memory.{op.kind}"] * values[f"format.{op.stored}"] * engine)
    tiles = values[f"padding.{op.kind}"], values["compute.wave"]
    if op.kind == "matmul":
        return Reach(_share(best), read, launch, *tiles)
    width = values["compute.narrow"], values["memory.narrow"]
    cold = values["load.experts"], values["overhead.group"]
    return Reach(_share(best * values["compute.experts"]), read, launch, *tiles, *width, *cold)


def _share(product: Fraction) -> Fraction:
    """p / (1 + p^16)^(1/16): the product where it is well below 1, never more than 1, and smooth, as a fit needs it."""
    square = product * product
    fourth = square * square
    eighth = fourth * fourth
    return product / fourth_root(fourth_root(1.0 + eighth * eighth))


def _known(op: Op, values: Mapping[str, float]) -> Reach | None:
    """`reach`, remembered for constants that cannot change: it depends on the operation's kind and formats alone."""
    if type(values) is not MappingProxyType:
        return reach(op, values)
    key = (id(values), op.kind, op.precision, op.stored)
    found = _KNOWN.get(key)
    if found is None or found[0] is not values:
        found = _KNOWN[key] = (values, reach(op, values))
    return found[1]


_KNOWN: dict[tuple[int, str, str, str], tuple[Mapping[str, float], Reach | None]] = {}


@dataclass(frozen=True)
class Roofline:
    """A smooth roofline: the slower of compute and memory, or the link, plus a fixed cost of each launch.

    `values` are the constants (perf/data); without them those of the chip's generation and its newest engine. The link
    is the scale-up link inside the scale-up domain; wider groups work in two tiers (perf/collective.py). After
    Williams, Waterman and Patterson, Commun. ACM 52 (4), 2009. Kernels do not overlap with each other. None for a
    precision that the chip has no figure for; nan for a link.
    """

    values: Mapping[str, float] | None = field(default=None, repr=False)
    name: str = "roofline"

    def terms(self, op: Op, chip: Accelerator) -> Terms | None:
        values = self.values or constants.values(chip)
        if op.kind == "collective":
            inside = transfer(op, fabric(chip, values), values)
            outside = op.peers > max(chip.scale_up_domain, 1)
            if outside is False or not np.any(outside):
                return inside
            pairs = zip((inside.link, inside.overhead), beyond(op, chip, values), strict=True)
            return Terms(0.0, 0.0, *(where(outside, op.count * far, near) for near, far in pairs))
        flops, reached = chip.flops.get(op.precision), _known(op, values)
        return None if flops is None or reached is None else kernel(op, flops, chip.bandwidth, reached)

    def seconds(self, op: Op, chip: Accelerator) -> Second | None:
        terms = self.terms(op, chip)
        return None if terms is None else terms.seconds


@dataclass(frozen=True)
class FirstOf:
    """The first of several providers that knows the operation; of arrays, for each element."""

    providers: tuple[Provider, ...]

    @property
    def name(self) -> str:
        return " else ".join(provider.name for provider in self.providers)

    def seconds(self, op: Op, chip: Accelerator) -> Second | None:
        found = None
        for provider in self.providers:
            told = provider.seconds(op, chip)
            if told is not None:
                found = told if found is None else np.where(np.isnan(found), told, found)
            if found is not None and not np.isnan(found).any():
                break
        return found
