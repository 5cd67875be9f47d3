"""Scenario and Catalog -> Problem: every coefficient the planner uses, from performance, HBM supply and site physics.

One function for each part of `SCHEMA`; each returns plain arrays on the axes of the Problem. What the numbers were made
of is kept beside them as `Built.used`, and what a reader should know about the making as `Built.remarks`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stackyard.catalog import Catalog
from stackyard.catalog.entries import Accelerator, System
from stackyard.months import seconds_in, show_month, year_of
from stackyard.notebook import Labelled
from stackyard.perf.search import Best
from stackyard.plan import build_choices, build_site, build_tails, build_ways
from stackyard.plan.amounts import Months, usd
from stackyard.plan.build_choices import Options, Place, places
from stackyard.plan.build_site import sources
from stackyard.plan.build_supply import Delivered, ddr5, delivered
from stackyard.plan.inputs import Chip, Service, SitePlan, Supply
from stackyard.plan.problem import SITE, A, C, G, K, N, O, P, Problem, R, S, T, V, W, Y, array
from stackyard.plan.scenario import Scenario, facts_of
from stackyard.quantity import DAY, MONTH, YEAR
from stackyard.site import plant as plants
from stackyard.site.phases import residual
from stackyard.site.power import fits_rack
from stackyard.site.sources import power
from stackyard.source import Fact
from stackyard.words import month, phrase

Array = NDArray[np.float64]
Coefficients = dict[str, Any]

RUN_OUT = 12  # months planned after the last order of the horizon has arrived, at the demand of then; not reported


@dataclass(frozen=True)
class Used:
    """A number behind a problem: the fact, and which part of the problem it went into."""

    fact: Fact
    where: str


@dataclass(frozen=True)
class Built(Labelled):
    """A Problem with what it was made of: the best operating points, the facts used, and remarks for the reader."""

    problem: Problem
    points: Mapping[tuple[str, str], Best]  # (accelerator, way) -> operating point
    used: tuple[Used, ...]
    remarks: tuple[str, ...]

    def to_xarray(self) -> xr.Dataset:
        """The Problem's coefficients."""
        return self.problem.data

    def _repr_html_(self) -> str:
        return self.problem._repr_html_()


@dataclass(frozen=True)
class _Context:
    """What every part of the building needs."""

    scenario: Scenario
    catalog: Catalog

    @property
    def months(self) -> range:
        """The horizon and its run-out: months in which what is started last still arrives and works for a while."""
        return range(self.scenario.months.start, self.scenario.months.stop + self.lead + RUN_OUT)

    @property
    def lead(self) -> int:
        return max(chip.lead_months for chip in self.scenario.inputs.accelerators.values())

    @property
    def seconds(self) -> Array:
        return np.array([seconds_in(month) for month in self.months])

    @property
    def krw(self) -> float:
        rate = self.scenario.inputs.money.krw_per_usd
        return rate.si if rate is not None else float("nan")

    def series(self, value: Any) -> Months:
        """SI values by month; won are converted to dollars. What grows, grows until the last order of the horizon has
        arrived, and then stays."""
        by_month: Months = value.by_month(self.months[:-RUN_OUT], self.krw)
        return np.pad(by_month, (0, RUN_OUT), mode="edge")

    @property
    def places(self) -> list[Place]:
        """Every way to build every site: the site axis."""
        return places(self.sites)

    @property
    def sites(self) -> Mapping[str, SitePlan]:
        """The sites, their phases as late as they say."""
        return {key: build_site.slipped(site) for key, site in self.scenario.inputs.sites.items()}

    def residual(self, since: Array, life: float) -> Any:
        """Share of a price that is left at the end of all months of what is bought in month `since`."""
        return residual((self.months.stop - since) * MONTH, life, self.scenario.inputs.money.discount_rate.si)


def build(
    scenario: Scenario,
    catalog: Catalog,
    progress: Callable[[str], None] | None = None,
    rated: dict[str, Best] | None = None,
) -> Built:
    """The Problem of a scenario. `progress` is told what is being done; `rated` keeps the operating points of one
    scenario for the next, by everything that they depend on.

    >>> from stackyard import api
    >>> read = api.scenario("first-plan")
    >>> from stackyard import catalog
    >>> built = build(read, catalog.load())
    >>> dict(built.problem.data.sizes)["accelerator"], built.problem.end
    (1, '2027-12')
    """
    tell = progress or (lambda text: None)
    here = _Context(scenario, catalog)
    inputs = scenario.inputs
    axes: dict[str, Any] = {
        V: list(inputs.services),
        W: [way.id for way in build_ways.ways(inputs.services)],
        P: [id_ for id_, *_ in sources(here.places)],
        S: list(inputs.supplies),
        K: list(inputs.packaging),
        A: list(inputs.accelerators),
        SITE: [place.key for place in here.places],
        T: [show_month(month) for month in here.months],
        Y: sorted({year_of(month) for month in here.months}),
    }
    chips = {key: _chip(chip, catalog) for key, chip in inputs.accelerators.items()}
    systems = {key: _system(chip, catalog) for key, chip in inputs.accelerators.items()}
    tell(phrase("Rating each accelerator on each service"))
    points = build_ways.points(inputs.services, chips, systems, catalog, {} if rated is None else rated)
    kept = build_tails.kept(inputs.services, points, chips, systems, catalog, tell)
    tell(phrase("Adding up HBM, packaging, sites and money"))
    values: Coefficients = {}
    values |= _demand(here)
    values |= build_ways.terms(inputs.services, here.series)
    values |= build_ways.rates(inputs.services, chips, systems, points, kept)
    options = Options(here.months, list(inputs.supplies), axes[SITE], axes[P], here.krw)
    values |= _supply(here, chips, options)
    values |= _accelerators(here, chips, systems)
    values |= _sites(here, systems, options)
    values |= _money(here)
    values |= options.coefficients()
    values |= _training(here, chips, systems, values)
    axes |= {R: [f"tier {r + 1}" for r in range(_tiers(here))], O: options.ids, N: options.ids}
    axes |= {G: list(options.groups), C: list(inputs.campaigns)}
    axes = {dim: ids or np.array(ids, dtype=str) for dim, ids in axes.items()}
    data = xr.Dataset({name: array(name, value) for name, value in values.items()}, coords=axes)
    labels = _labels(scenario) | {place.key: place.name for place in here.places} | options.names
    labels |= {id_: f"{source.name}, {place.name}" for id_, place, source in sources(here.places)}
    labels |= build_ways.labels(inputs.services, catalog)
    data.attrs["labels"] = json.dumps(labels, ensure_ascii=False)
    data.attrs["refused"] = json.dumps(build_ways.refusals(chips, points), ensure_ascii=False)
    data.attrs["name"] = scenario.name
    data.attrs["end"] = show_month(scenario.months[-1])
    remarks = (*_remarks(inputs.services, points, data), *build_tails.remarks(inputs.services, kept, data))
    return Built(Problem(data), points, tuple(_used(here, chips, points)), remarks)


def deliveries(scenario: Scenario, catalog: Catalog) -> dict[str, Array]:
    """HBM stacks that each supply brings, by month: the problem's `stacks_delivered`, without rating anything.

    >>> from stackyard import api
    >>> read = api.scenario("first-plan")
    >>> from stackyard import catalog
    >>> deliveries(read, catalog.load())["memory"][:2].round()
    array([1500., 1609.])
    """
    here = _Context(scenario, catalog)
    supplies = scenario.inputs.supplies.items()
    return {key: np.where(each.contract is not None, 0.0, _delivered(here, each).stacks) for key, each in supplies}


def _labels(scenario: Scenario) -> dict[str, str]:
    inputs = scenario.inputs
    groups: tuple[Mapping[str, Any], ...] = (
        inputs.services,
        inputs.supplies,
        inputs.packaging,
        inputs.accelerators,
        inputs.campaigns,
    )
    return {key: entry.name for group in groups for key, entry in group.items()}


def _chip(chip: Chip, catalog: Catalog) -> Accelerator:
    """The catalogue's accelerator, with the throughput that the scenario states instead of the published one."""
    entry = catalog.accelerator(chip.chip)
    stated: dict[str, float] = {precision: fact.si for precision, fact in chip.flops.items()}
    return replace(entry, flops={**entry.flops, **stated})


def _system(chip: Chip, catalog: Catalog) -> System:
    """The system the accelerator comes in: the catalogue's, or the one that the scenario states."""
    if chip.system is not None:
        return catalog.system(chip.system)
    assert chip.system_size is not None
    assert chip.system_power is not None
    facts = {"accelerators": chip.system_size, "max_power": chip.system_power}
    return System("", chip.name, facts, int(chip.system_size.si), chip.system_power.si, chip.system_cooling)


def _demand(here: _Context) -> Coefficients:
    services = here.scenario.inputs.services.values()
    demand = np.array([here.series(service.demand) * DAY for service in services])
    start = np.zeros((len(services), _tiers(here), len(here.months)))
    dearer = np.zeros_like(start)
    for v, service in enumerate(services):
        below = here.series(service.unserved_price)
        for r, tier in enumerate(service.tiers):
            price = here.series(tier.price)
            start[v, r], dearer[v, r], below = tier.beyond.si * demand[v], np.maximum(price - below, 0.0), price
    return {
        "demand": demand,
        "tier_start": start,
        "tier_price": dearer,
        "unserved_price": [here.series(service.unserved_price) for service in services],
        "peak_to_mean": [service.peak_to_mean.si for service in services],
    }


def _tiers(here: _Context) -> int:
    return max(len(service.tiers) for service in here.scenario.inputs.services.values())


def _supply(here: _Context, chips: Mapping[str, Accelerator], options: Options) -> Coefficients:
    supplies = here.scenario.inputs.supplies
    price = np.array([here.series(supply.price) for supply in supplies.values()])
    holding = np.array([[supply.holding.si] for supply in supplies.values()])
    fits = np.array([[_fits(supply, chip) for chip in chips.values()] for supply in supplies.values()])
    came = [_delivered(here, supply) for supply in supplies.values()]
    under = np.array([[supply.contract is not None] for supply in supplies.values()])
    for key, supply in supplies.items():
        if supply.contract is not None:
            promised, late = (_delivered(here, supply, slipped).stacks for slipped in (False, True))
            build_choices.contract(options, key, supply, supply.contract, promised, late)
    packaging = here.scenario.inputs.packaging
    per_package = [
        [
            1 / (chip.packages_per_wafer.si * chip.package_yield.si) if chip.packaging == line else 0.0
            for chip in _orders(here).values()
        ]
        for line in packaging
    ]
    return {
        "stacks_delivered": np.where(under, 0.0, [each.stacks for each in came]),
        "wafers_per_stack": [each.wafers_per_stack for each in came],
        "stack_lead": [each.lead for each in came],
        "stacks_start": [supply.stock.si for supply in supplies.values()],
        "stack_price": np.where(under, 0.0, price),
        "stack_value": price,
        "take_price": np.where(under, price, 0.0),
        "short_price": [
            build_choices.short_price(supply.contract, each)
            for supply, each in zip(supplies.values(), price, strict=True)
        ],
        "stack_holding": price * holding * here.seconds,
        "fits_stack": fits,
        "undrawable": _undrawable(here),
        "ddr5_per_stack": [ddr5(each, here.catalog.generation(each.product))[0] for each in supplies.values()],
        "stacks_per_package": [chips[key].stacks / chip.package_yield.si for key, chip in _orders(here).items()],
        "packaging_wafers": [here.series(line.wafers) * MONTH for line in packaging.values()],
        "wafers_per_package": per_package,
    }


def _undrawable(here: _Context) -> Array:
    """1 in months before a maker's product is qualified for an accelerator, (supply, accelerator, month)."""
    supplies, orders = here.scenario.inputs.supplies.values(), _orders(here)
    first = np.array([[each.qualified.get(key, 0) for key in orders] for each in supplies])
    return (np.array(here.months) < first[..., None]).astype(float)


def _orders(here: _Context) -> Mapping[str, Chip]:
    return here.scenario.inputs.accelerators


def _fits(supply: Supply, chip: Accelerator) -> bool:
    """An accelerator takes a stack of its own generation and height."""
    return supply.product == chip.hbm and supply.height == chip.stack_height


def _delivered(here: _Context, supply: Supply, slipped: bool = True) -> Delivered:
    promised = np.zeros(0) if supply.deliveries is None else here.series(supply.deliveries) * MONTH
    return delivered(supply, here.catalog, here.months, here.krw, promised, slipped)


def _accelerators(here: _Context, chips: Mapping[str, Accelerator], systems: Mapping[str, System]) -> Coefficients:
    orders = _orders(here)
    limit, price, left, upkeep = [], [], [], []
    for key, chip in orders.items():
        most = np.full(len(here.months), np.inf) if chip.limit is None else here.series(chip.limit) * MONTH
        limit.append(np.where(np.array(here.months) >= chip.available, most, 0.0))
        own = here.series(chip.system_price) / systems[key].accelerators + here.series(chip.network_price)
        price.append(np.maximum(own - chips[key].stacks * usd(chip.hbm_in_price, here.krw), 0.0))
        left.append(here.residual(np.array(here.months) + chip.lead_months, chip.life.si))
        upkeep.append(own * chip.upkeep.si * here.seconds)
    return {
        "orders_max": limit,
        "lead_months": [chip.lead_months for chip in orders.values()],
        "life_months": [max(1, round(chip.life.si / MONTH)) for chip in orders.values()],
        "availability": [chip.working.si for chip in orders.values()],
        "waiting_holding": [
            each * chip.holding.si * here.seconds for each, chip in zip(price, orders.values(), strict=True)
        ],
        "embodied": [chip.embodied.si for chip in orders.values()],
        "lot": [systems[key].accelerators if chip.whole_systems else 0 for key, chip in orders.items()],
        "accelerator_price": price,
        "accelerator_residual": left,
        "upkeep": upkeep,
        "fleet": _fleet(here),
    }


def _fleet(here: _Context) -> Array:
    orders, ways = _orders(here), here.places
    fleet = np.zeros((len(orders), len(ways), len(here.months)))
    index = {key: i for i, key in enumerate(orders)}
    for j, way in enumerate(ways):
        for group in way.plan.fleet if way.hall is None else ():
            i = index[group.accelerator]
            until = group.since + round(orders[group.accelerator].life.si / MONTH)
            fleet[i, j] += np.where(np.array(here.months) < until, group.count.si, 0.0)
    return fleet


def _sites(here: _Context, systems: Mapping[str, System], options: Options) -> Coefficients:
    ways = here.places
    sites = [way.plan for way in ways]
    clock = np.array(here.months)
    anyway: dict[str, Array] = {}
    for key, site in here.sites.items():
        own = [way for way in ways if way.site == key]
        if len(own) == 1 and not any(phase.choose for phase in site.phases):
            anyway[key] = build_site.energised(site, here.months)
        else:
            anyway |= build_choices.site_options(
                options, key, site, own, build_site.rises(site, here.months), here.residual
            )
    power = np.array([anyway[way.key] for way in ways])
    rows = [build_site.plant_rows(build_site.plants(site, here.catalog), clock) for site in sites]
    beside = build_site.Here(here.months, here.seconds, here.series, here.residual, here.krw)
    found = build_site.source_rows(beside, ways, options)
    found |= build_site.tariff_rows(beside, sites)
    found |= {name: [row[name] for row in rows] for name in rows[0]}
    return found | {
        "site_power": power,
        "fitted_start": [min(site.fitted.si, p[0]) for site, p in zip(sites, power, strict=True)],
        "fitout_price": [sum(here.series(part) for part in build_site.fitout(site)) for site in sites],
        "fitout_residual": [here.residual(clock, site.fitout_life.si) for site in sites],
        "demand_charge": [here.series(site.demand_charge) * MONTH for site in sites],
        "allowed": [[_may_stand(system, site) for site in sites] for system in systems.values()],
        "electricity_price": [here.series(site.electricity) for site in sites],
        "grid_carbon": [np.full(len(clock), here.catalog.grid(site.grid).carbon) for site in sites],
    }


def _training(
    here: _Context, chips: Mapping[str, Accelerator], systems: Mapping[str, System], values: Coefficients
) -> Coefficients:
    power = {key: build_ways.with_host(chip, systems[key]) for key, chip in chips.items()}
    ever = (values["site_power"] + values["option_power"].sum(axis=0)).max(axis=1)
    campaigns = here.scenario.inputs.campaigns
    return build_choices.training(campaigns, here.months, here.places, chips, power, ever, here.krw)


def _may_stand(system: System, site: SitePlan) -> bool:
    """Whether a hall takes the system: its power within the rack limit, and liquid where it needs liquid."""
    cooled = system.cooling != "liquid" or site.cooling in ("hybrid", "liquid")
    return bool(cooled and fits_rack(system.max_power, build_site.rack_limit(site).si))


def _money(here: _Context) -> Coefficients:
    money = here.scenario.inputs.money
    years = sorted({year_of(month) for month in here.months})
    stated = [min(year, year_of(here.scenario.months[-1])) for year in years]  # the run-out has the last year's budget
    elapsed = np.arange(len(here.months)) * MONTH / YEAR
    return {
        "seconds": here.seconds,
        "discount": (1 + money.discount_rate.si) ** -elapsed,
        "carbon_price": here.series(money.carbon_price),
        "budget": [usd(money.budget[year], here.krw) if year in money.budget else np.inf for year in stated],
    }


def _used(here: _Context, chips: Mapping[str, Accelerator], points: Mapping[Any, Best]) -> list[Used]:
    """Every fact behind the problem: the scenario's own numbers, and the catalogue's that it computes with."""
    inputs = here.scenario.inputs
    used = [Used(fact, where) for where, fact in facts_of(inputs)]
    entries: list[tuple[str, Mapping[str, Fact]]] = []
    for key, chip in inputs.accelerators.items():
        entries.append((f"accelerators.{key}", chips[key].facts))
        if chip.system is not None:
            entries.append((f"accelerators.{key}", here.catalog.system(chip.system).facts))
    ways = build_ways.ways(inputs.services)
    entries += [(f"services.{way.service}", here.catalog.model(way.model).facts) for way in ways]
    for key, _, site, _ in here.places:
        entries.append((f"sites.{key}", here.catalog.climate(site.climate).facts))
        entries.append((f"sites.{key}", here.catalog.grid(site.grid).facts))
        entries.append((f"sites.{key}", plants.plant(site.cooling, site.heat_rejection).facts))
        if site.rack_limit is None:
            entries.append((f"sites.{key}", {"rack_limit": build_site.rack_limit(site)}))
    for id_, _, source in sources(here.places):
        entries.append((f"sites.{id_}", power(source.kind).facts))
    for key, supply in inputs.supplies.items():
        if supply.trade_ratio is None:
            ratio = ddr5(supply, here.catalog.generation(supply.product))[1]
            entries.append((f"supplies.{key}", {"trade_ratio": ratio}))
    rating = plants.facts()["plant.power.rating_used"]
    entries.append(("accelerators", {"rating_used": rating}))
    rated = [point.estimate for point in points.values() if point.estimate is not None]
    entries.append(("rates", {fact.path: fact for found in rated for fact in found.basis.constants}))
    used += [Used(fact, where) for where, facts in entries for fact in facts.values()]
    return used


def _remarks(services: Mapping[str, Service], points: Mapping[Any, Best], data: xr.Dataset) -> list[str]:
    """What a reader should know: which pairs cannot run and why, which accelerators have no memory or no hall."""
    names: dict[str, str] = json.loads(data.attrs["labels"])
    remarks = build_ways.remarks(services, points, names)
    for key in data[A].values:
        if not bool(data["fits_stack"].sel({A: key}).any()):
            remarks.append(
                phrase(
                    "No supply has the HBM that {accelerator} takes, so none can be ordered.",
                    accelerator=names[str(key)],
                )
            )
        halls = data["allowed"].sel({A: key})
        closed = [names[str(site)] for site in data[SITE].values if not bool(halls.sel({SITE: site}))]
        if closed:
            remarks.append(
                phrase(
                    "{accelerator} cannot stand at {sites}: rack power or cooling.",
                    accelerator=names[str(key)],
                    sites=", ".join(closed),
                )
            )
    for i, supply in enumerate(data[S].values):
        for j, chip in enumerate(data[A].values):
            shut = data["undrawable"].values[i, j] > 0
            if shut.any() and bool(data["fits_stack"].values[i, j]):
                who = {"accelerator": names[str(chip)], "supply": names[str(supply)]}
                first = month(str(data[T].values[int(np.argmin(shut))]))
                remarks.append(
                    phrase("{accelerator} takes {supply} never: the maker's qualification.", **who)
                    if shut.all()
                    else phrase(
                        "{accelerator} takes {supply} only from {month} on: the maker's qualification.",
                        month=first,
                        **who,
                    )
                )
    nowhere = [str(key) for key in data[C].values if not bool((data["cluster_most"].sel({C: key}) > 0).any())]
    return remarks + [
        phrase("{campaign} can run nowhere: no site has the power for its least cluster.", campaign=names[key])
        for key in nowhere
    ]
