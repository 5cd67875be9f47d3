"""Ways to serve services, as coefficients: what each accelerator does with each model and precision that may stand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stackyard.catalog import Catalog
from stackyard.catalog.entries import Accelerator, System
from stackyard.perf.estimate import Estimate
from stackyard.perf.precision import precision_of, unsupported
from stackyard.perf.search import Best, best
from stackyard.plan.commitments import Precision, Way
from stackyard.plan.inputs import Service
from stackyard.site import plant as plants
from stackyard.site.power import system_power
from stackyard.words import joined, listed, pattern, phrase

Array = NDArray[np.float64]


class Stands(NamedTuple):
    """A model and precision that stands for a service; `terms` are None for the service's own."""

    service: str
    model: str
    precision: Precision
    terms: Way | None

    @property
    def id(self) -> str:
        return f"{self.service}/{self.model}/{self.precision}"


class Kept(NamedTuple):
    """Tokens a second of one accelerator that keep a service's tail, and the layout that reaches them."""

    rate: float
    point: Estimate


def ways(services: Mapping[str, Service]) -> list[Stands]:
    """Every way to serve every service, its own model first.

    >>> from stackyard import api
    >>> read = api.scenario("first-plan")
    >>> [way.id for way in ways(read.inputs.services)]
    ['assistant/llama-3.1-70b/fp8']
    """
    found = []
    for key, service in services.items():
        found.append(Stands(key, service.model, service.precision, None))
        found += [Stands(key, way.model, way.precision, way) for way in service.alternatives]
    return found


def labels(services: Mapping[str, Service], catalog: Catalog) -> dict[str, str]:
    """What a reader calls each way.

    >>> from stackyard import api
    >>> read = api.scenario("first-plan")
    >>> from stackyard import catalog
    >>> labels(read.inputs.services, catalog.load())
    {'assistant/llama-3.1-70b/fp8': 'Llama-3.1-70B, fp8'}
    """
    return {way.id: f"{catalog.model(way.model).name}, {way.precision}" for way in ways(services)}


def points(
    services: Mapping[str, Service],
    chips: Mapping[str, Accelerator],
    systems: Mapping[str, System],
    catalog: Catalog,
    known: dict[str, Best],
) -> dict[tuple[str, str], Best]:
    """The best operating point of each accelerator on each way, within the scale-up domain of its system; `known` keeps
    them by everything that they depend on."""
    found: dict[tuple[str, str], Best] = {}
    for key, chip in chips.items():
        domain = min(chip.scale_up_domain, systems[key].accelerators)
        for way in ways(services):
            service = services[way.service]
            asked = (service.prompt.si, service.output.si, service.ttft.si, service.tpot.si)
            depends = repr((chip.id, sorted(chip.flops.items()), domain, asked, way.model, way.precision))
            if depends not in known:
                known[depends] = best(
                    catalog.model(way.model),
                    chip,
                    service.prompt.si,
                    service.output.si,
                    ttft=service.ttft.si,
                    tpot=service.tpot.si,
                    precision=way.precision,
                    domain=domain,
                    hbm=catalog.hbm.get(chip.hbm),
                )
            found[key, way.id] = known[depends]
    return found


def rates(
    services: Mapping[str, Service],
    chips: Mapping[str, Accelerator],
    systems: Mapping[str, System],
    rated: Mapping[tuple[str, str], Best],
    tails: Mapping[tuple[str, str], Kept],
) -> dict[str, Any]:
    """Tokens per second and IT watts of one accelerator at its operating point, its share of the system in."""
    each = ways(services)
    rate, busy, mean, tail = (np.zeros((len(chips), len(each))) for _ in range(4))
    idle = np.zeros(len(chips))
    for i, (key, chip) in enumerate(chips.items()):
        shared = with_host(chip, systems[key])
        idle[i] = chip.idle * shared
        for j, way in enumerate(each):
            point = rated[key, way.id].estimate
            if point is not None:
                mean[i, j] = full = rated[key, way.id].token_rate
                if (key, way.id) in tails:
                    full, point = tails[key, way.id]
                    tail[i, j] = full
                rate[i, j] = full * services[way.service].usable.si
                busy[i, j] = max(point.watts, chip.idle) * shared
    found = {"rate": rate, "rate_mean": mean, "rate_tail": tail, "power_busy": busy, "power_idle": idle}
    shares = [services[way.service].tail for way in each]
    return found | {"tail_share": [0.0 if one is None else one.share.si for one in shares]}


def terms(services: Mapping[str, Service], series: Any) -> dict[str, Any]:
    """Whom each way serves, what a token costs and loses that is served by it, and how many may be; `series` are SI
    values by month."""
    each, keys = ways(services), list(services)
    price = {key: series(service.unserved_price) for key, service in services.items()}
    return {
        "way_service": [[float(way.service == key) for key in keys] for way in each],
        "way_fee": [0 * price[way.service] if way.terms is None else series(way.terms.fee) for way in each],
        "way_loss": [
            price[way.service] * (0.0 if way.terms is None else max(1.0 - way.terms.worth.si, 0.0)) for way in each
        ],
        "way_most": [1.0 if way.terms is None else way.terms.most.si for way in each],
    }


def with_host(chip: Accelerator, system: System) -> float:
    """IT watts for each watt of an accelerator at full load: its share of what else the system draws is in.

    >>> from stackyard import catalog
    >>> known = catalog.load()
    >>> round(with_host(known.accelerator("h200"), known.system("dgx-h200")), 2)
    1.5
    """
    used = plants.facts()["plant.power.rating_used"].si
    return float(system_power(1.0, chip.tdp, system.max_power, system.accelerators, used))


def remarks(
    services: Mapping[str, Service], rated: Mapping[tuple[str, str], Best], names: Mapping[str, str]
) -> list[str]:
    """Which accelerator cannot run which models, and why: one sentence for those that it cannot run for one reason."""
    by_id = {way.id: way for way in ways(services)}
    refused: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (chip, id_), point in rated.items():
        if point.estimate is None:
            alike = refused.setdefault((chip, tuple(dict.fromkeys(point.why))), [])
            alike.append(_told(by_id[id_], services, names))
    return [
        phrase(
            "{accelerator} cannot serve {service}: {why}.",
            accelerator=names[chip],
            service=listed(alike),
            why=joined("; ", why),
        )
        for (chip, why), alike in refused.items()
    ]


def _told(way: Stands, services: Mapping[str, Service], names: Mapping[str, str]) -> str:
    service = services[way.service]
    if not service.alternatives:
        return service.name
    return phrase("{service} with {model}", service=service.name, model=names[way.id])


def refusals(
    chips: Mapping[str, Accelerator], rated: Mapping[tuple[str, str], Best]
) -> dict[str, dict[str, dict[str, Any]]]:
    """Why an accelerator cannot run a way, and what it lacks: format, memory or latency; way -> accelerator -> both."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for (chip, id_), point in rated.items():
        if point.estimate is None:
            wrong = unsupported(chips[chip], precision_of(id_.rsplit("/", 1)[-1]))
            lacks = "format" if wrong else "latency" if point.late else "memory"
            found.setdefault(id_, {})[chip] = {
                "lacks": lacks,
                "why": [pattern(said) for said in wrong or dict.fromkeys(point.why)],
            }
    return found
