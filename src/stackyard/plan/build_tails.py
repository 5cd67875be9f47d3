"""What an accelerator may do so that a share of a service's requests keeps its objective: asked of the simulator."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import numpy as np
import xarray as xr

from stackyard.catalog import Catalog
from stackyard.catalog.entries import Accelerator, System
from stackyard.perf.estimate import Estimate
from stackyard.perf.layout import layouts
from stackyard.perf.search import Best, best
from stackyard.plan.build_ways import Kept, ways
from stackyard.plan.commitments import Precision, Tail
from stackyard.plan.inputs import Service
from stackyard.words import phrase, share

WIDTHS = (1.0, 2.0, 4.0, 8.0)  # tensor widths among which tails choose


def kept(
    services: Mapping[str, Service],
    rated: Mapping[tuple[str, str], Best],
    chips: Mapping[str, Accelerator],
    systems: Mapping[str, System],
    catalog: Catalog,
    tell: Callable[[str], None],
) -> dict[tuple[str, str], Kept]:
    """The rate that keeps the tail of each (accelerator, way) whose service states one.

    The first time this takes seconds for each; then it is read from disk.
    """
    found: dict[tuple[str, str], Kept] = {}
    for key, chip in chips.items():
        domain = min(chip.scale_up_domain, systems[key].accelerators)
        for way in ways(services):
            service = services[way.service]
            if service.tail is None or rated[key, way.id].estimate is None:
                continue
            tell(phrase("Simulating {service} on {chip}", service=service.name, chip=chip.name))
            lengths, objective = (service.prompt.si, service.output.si), (service.ttft.si, service.tpot.si)
            among = candidates(catalog, way.model, chip, domain, lengths, objective, way.precision)
            found[key, way.id] = _kept(among, service, service.tail)
    return found


def _kept(among: list[Estimate], service: Service, tail: Tail) -> Kept:
    from stackyard.sim.tails import Tail as Promise
    from stackyard.sim.tails import held

    promise = Promise(service.ttft.si, service.tpot.si, tail.share.si, tail.gaps.si, tail.spread.si)
    answer = held(among, promise)
    return Kept(answer.rate, among[answer.candidate])


def candidates(
    catalog: Catalog,
    model: str,
    chip: Accelerator,
    domain: int,
    lengths: tuple[float, float],
    objective: tuple[float, float],
    precision: Precision,
) -> list[Estimate]:
    """The point that is best in the mean at each tensor width: wider ones have shorter tails.

    `lengths` are prompt and output tokens, `objective` seconds to the first token and per output token.
    """
    shape = catalog.model(model)
    every, found = layouts(shape, chip, domain), []
    for width in WIDTHS:
        keep = np.asarray(every.tensor) == width
        if keep.any():
            among = every.at(keep)
            memory = catalog.hbm.get(chip.hbm)
            point = best(shape, chip, *lengths, *objective, precision=precision, hbm=memory, among=among)
            found += [point.estimate] if point.estimate is not None else []
    return found


def remarks(services: Mapping[str, Service], found: Mapping[tuple[str, str], Kept], data: xr.Dataset) -> list[str]:
    """Which accelerator keeps a service's tail at no load."""
    names = json.loads(data.attrs["labels"])
    told = []
    for (chip, id_), each in found.items():
        service = next(services[way.service] for way in ways(services) if way.id == id_)
        if each.rate == 0 and service.tail is not None:
            told.append(
                phrase(
                    "{chip} cannot serve {service}: at no load do {part} of its requests keep the objective, by the "
                    "layouts that were simulated.",
                    chip=names[chip],
                    service=service.name,
                    part=share(f"{service.tail.share.si:.0%}"),
                )
            )
    return told
