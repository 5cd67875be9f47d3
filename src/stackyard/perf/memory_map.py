"""The capacity-bandwidth map of a service: the best rate at the compute of one accelerator, over its memory."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from stackyard.catalog.entries import Accelerator, HbmGeneration
from stackyard.perf import search
from stackyard.perf.estimate import estimate
from stackyard.perf.frontier import Workload
from stackyard.perf.layout import Layout, layouts
from stackyard.perf.precision import Precision
from stackyard.perf.solve import BLOCK
from stackyard.perf.whatif import Variant, with_stacks
from stackyard.perf.worth import optimum
from stackyard.source import Fact

Array = NDArray[np.float64]

_FINENESS = 32  # batches tried per doubling
_NEAR = 0.06  # places that differ by less are one mark on the map


@dataclass(frozen=True)
class Place:
    """Where memory stands on the map: of the accelerator itself, of other stacks on it, or of another accelerator.

    `rate` is tokens per second of one accelerator, prompts in: at the compute of the map's accelerator for 'own' and
    'stacks', and at its own compute for 'accelerator'; nan where the service cannot run so.
    """

    name: str
    kind: str  # 'own', 'stacks' or 'accelerator'
    capacity: float  # byte
    bandwidth: float  # byte/s
    rate: float
    facts: tuple[Fact, ...] = field(default=(), repr=False)  # what it rests on


@dataclass(frozen=True)
class MemoryMap:
    """`rate` is (bandwidth, capacity): tokens per second of one accelerator; nan where nothing fits the objective."""

    workload: Workload
    variant: Variant
    precision: str | Precision
    capacity: Array  # byte
    bandwidth: Array  # byte/s
    rate: Array
    places: tuple[Place, ...]


def rates(
    workload: Workload, variant: Variant, precision: str | Precision, capacity: Array, bandwidth: Array, among: Layout
) -> Array:
    """Best token rate of one accelerator under the objective for each (bandwidth, capacity); nan where none is.

    Layout and batch (32 to a doubling) are chosen anew for each. Time follows from the bandwidth alone and what fits
    from the capacity alone, so each bandwidth is worked once, at the largest capacity.

    >>> from stackyard import catalog
    >>> known = catalog.load()
    >>> model, chip = known.model("llama-3.1-8b"), known.accelerator("h200")
    >>> found = rates(
    ...     Workload(model), Variant(chip, None), "fp8", np.array([1e10, 1e11]), np.array([4e12]), layouts(model, chip)
    ... )
    >>> found.shape, bool(found[0, 1] > found[0, 0])
    ((1, 2), True)
    """
    found = np.full((bandwidth.size, capacity.size), -1.0)
    sizes = search.batches(among, fineness=_FINENESS)
    largest = float(capacity.max())
    rows = max(1, BLOCK // sizes.shape[1])
    for place, moved in enumerate(bandwidth):
        chip = replace(variant.chip, memory=largest, bandwidth=float(moved))
        for start in range(0, np.size(among.tensor), rows):
            layout = among.at(np.s_[start : start + rows, None])
            lengths = (workload.prompt, workload.output)
            batch = sizes[start : start + rows]
            one = estimate(workload.model, chip, layout, batch, *lengths, precision, hbm=variant.hbm)
            rate = search.rates(one, workload.ttft, workload.tpot)
            need = one.memory.total / one.memory.available * largest
            for column, held in enumerate(capacity):
                most = float(np.max(rate, where=need <= held, initial=-1.0))
                found[place, column] = max(found[place, column], most)
    return np.where(found > 0, found, np.nan)


def memory_map(
    workload: Workload,
    variant: Variant,
    precision: str | Precision,
    accelerators: Iterable[Accelerator],
    generations: Iterable[HbmGeneration],
    points: int = 25,
    among: Layout | None = None,
) -> MemoryMap:
    """The map over all memories on record: those of other accelerators, and all stacks that could be on this one.

    `among` are the layouts to choose from on this accelerator, all if left out.
    """
    among = layouts(workload.model, variant.chip) if among is None else among
    own = Place(variant.chip.name, "own", variant.chip.memory, variant.chip.bandwidth, math.nan)
    marks = [own, *_stacked(variant, generations)]
    others = [chip for chip in accelerators if chip.id != variant.chip.id]
    for chip in others:
        rate_there = _own_rate(workload, chip, precision)
        known = tuple(chip.facts.values())
        marks.append(Place(chip.name, "accelerator", chip.memory, chip.bandwidth, rate_there, known))
    marks = [mark for mark in marks if math.isfinite(mark.capacity) and math.isfinite(mark.bandwidth)]
    capacity, bandwidth = (
        np.geomspace(0.85 * min(values), 1.15 * max(values), points)
        for values in ([mark.capacity for mark in marks], [mark.bandwidth for mark in marks])
    )
    rate = rates(workload, variant, precision, capacity, bandwidth, among)
    told = []
    for mark in marks:
        if mark.kind != "accelerator":
            chip = replace(variant.chip, memory=mark.capacity, bandwidth=mark.bandwidth)
            point = optimum(workload, Variant(chip, variant.hbm), precision, among)
            mark = replace(mark, rate=math.nan if point is None else float(point.token_rate_per_accelerator))
        told.append(mark)
    return MemoryMap(workload, variant, precision, capacity, bandwidth, rate, tuple(told))


def _stacked(variant: Variant, generations: Iterable[HbmGeneration]) -> list[Place]:
    """The accelerator with as many stacks of every product that is on record with a capacity of its own."""
    found: list[Place] = []
    if not variant.chip.stacks:
        return found
    for generation in generations:
        for height in generation.heights:
            if f"capacity.{height}" in generation.facts:
                chip = with_stacks(variant.chip, generation, height, variant.chip.stacks).chip
                name = f"with {generation.name} {height}-high"
                known = (chip.facts["memory"], chip.facts["bandwidth"])
                found.append(Place(name, "stacks", chip.memory, chip.bandwidth, math.nan, known))
    return found


def _own_rate(workload: Workload, chip: Accelerator, precision: str | Precision) -> float:
    lengths = (workload.prompt, workload.output, workload.ttft, workload.tpot)
    found = search.best(workload.model, chip, *lengths, precision, domain=min(chip.scale_up_domain, 72))
    return found.token_rate or math.nan


def merged(places: Iterable[Place]) -> list[tuple[Place, ...]]:
    """Places that stand on one spot (within 6% in both), together; the accelerator's own first.

    >>> known = {"A": (80e9, 3.0e12), "B": (82e9, 3.1e12), "C": (288e9, 8e12)}
    >>> spots = [Place(name, "accelerator", *memory, rate=1.0) for name, memory in known.items()]
    >>> [[place.name for place in together] for together in merged(spots)]
    [['A', 'B'], ['C']]
    """
    groups: list[list[Place]] = []
    for place in places:
        for group in groups:
            first = group[0]
            apart = (abs(math.log(place.capacity / first.capacity)), abs(math.log(place.bandwidth / first.bandwidth)))
            if max(apart) < _NEAR and "own" not in (place.kind, first.kind):
                group.append(place)
                break
        else:
            groups.append([place])
    return [tuple(group) for group in groups]
