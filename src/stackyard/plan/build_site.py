"""What sites are and have, as coefficients: phases, plants through the year, tariffs, and power beside the grid."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackyard.catalog import Catalog
from stackyard.catalog.entries import Phase
from stackyard.plan.amounts import Series, usd
from stackyard.plan.build_choices import Options, Place
from stackyard.plan.inputs import SitePlan
from stackyard.plan.powering import Source, premiums
from stackyard.quantity import MONTH
from stackyard.site.building import density_limit, ramped
from stackyard.site.epw import read_epw
from stackyard.site.phases import power_by_month
from stackyard.site.places import weather
from stackyard.site.plant import plant
from stackyard.site.sources import Power, power
from stackyard.site.year import Year, year
from stackyard.source import Fact

Array = NDArray[np.float64]


def slipped(site: SitePlan) -> SitePlan:
    """The site with every phase as late as it says it will be.

    >>> from stackyard import api
    >>> read = api.scenario("first-plan")
    >>> site = read.inputs.sites["frankfurt"]
    >>> slipped(site).phases == site.phases  # nothing is said to be late
    True
    """
    late = site.slip.months
    if not late:
        return site
    phases = tuple(phase.model_copy(update={"month": phase.month + late}) for phase in site.phases)
    return site.model_copy(update={"phases": phases})


def rises(site: SitePlan, months: range) -> Array:
    """Watts by (phase, month) that each phase adds for the plan to those before it, as fast as the grid lets it rise.

    A phase is opened only after those before it, so what is open of the first k is their sum: the ramp of these k.

    >>> from stackyard import api
    >>> read = api.scenario("first-plan")
    >>> rises(read.inputs.sites["frankfurt"], read.months)[:, [0, 2, 12]] / 1e6  # MW, at first and as phases come
    array([[0., 3., 3.],
           [0., 0., 5.]])
    """
    phases = [Phase(phase.month, phase.power.si) for phase in site.phases]
    step = np.inf if site.ramp is None else site.ramp.si * MONTH
    before = range(min(months.start, *(phase.month for phase in site.phases)), months.stop)  # a ramp that began earlier
    reached = [ramped(power_by_month(phases[:k], before), step)[-len(months) :] for k in range(len(phases) + 1)]
    return np.diff(reached, axis=0) * site.share.si


def energised(site: SitePlan, months: range) -> Array:
    """Watts by month that are the plan's where nothing is to be chosen.

    >>> from stackyard import api
    >>> read = api.scenario("first-plan")
    >>> energised(read.inputs.sites["frankfurt"], read.months)[[0, 2, 12]] / 1e6  # MW
    array([0., 3., 8.])
    """
    found: Array = rises(site, months).sum(axis=0)
    return found


def plants(site: SitePlan, catalog: Catalog) -> Year:
    """The site's plant at full load through the hours of its climate, or of its weather file.

    >>> from stackyard import api
    >>> read = api.scenario("first-plan")
    >>> from stackyard import catalog
    >>> year = plants(read.inputs.sites["frankfurt"], catalog.load())
    >>> bool(1 < year.pue.mean() < 1.5)
    True
    """
    made = plant(site.cooling, site.heat_rejection)
    air = weather(catalog.climate(site.climate), made.wets) if site.epw is None else read_epw(Path(site.epw))
    return year(made, air)


def plant_rows(found: Year, clock: Array) -> dict[str, Array]:
    """How a plant's power follows fitted and IT power, by month of the plan: see `plan.grid`."""
    month = clock % 12
    design = float((found.fixed_peak + found.proportional_peak).max())
    return {
        "pue": found.proportional[month],
        "pue_peak": found.proportional_peak[month],
        "pue_design": np.asarray(design),
        "overhead": found.fixed[month] / design,
        "overhead_peak": found.fixed_peak[month] / design,
        "water": found.water[month],
    }


def rack_limit(site: SitePlan) -> Fact:
    """The most that a rack may draw: the scenario's, or the usual of the cooling.

    >>> from stackyard import api
    >>> read = api.scenario("first-plan")
    >>> rack_limit(read.inputs.sites["frankfurt"]).si
    40000.0
    """
    return site.rack_limit if site.rack_limit is not None else density_limit(site.cooling)


def fitout(site: SitePlan) -> tuple[Series, ...]:
    """What a watt costs: one price, or those of the blocks of work, which add up.

    >>> from stackyard import api
    >>> read = api.scenario("first-plan")
    >>> [price.by_month(read.months)[0] for price in fitout(read.inputs.sites["frankfurt"])]
    [np.float64(11.6)]
    """
    return (site.fitout,) if site.fitout is not None else tuple(site.blocks.values())


@dataclass(frozen=True)
class Here:
    """What coefficients of sources need of the scenario: its months, and its series, residuals and exchange rate."""

    months: range
    seconds: Array
    series: Any
    residual: Any
    krw: float


def tariff_rows(here: Here, sites: Sequence[SitePlan]) -> dict[str, Array]:
    """The blocks of every tariff; those that a site does not have take no part of its day."""
    found = [premiums(site.tariff, here.months, here.krw) for site in sites]
    count = max(share.size for share, _ in found)
    share = np.zeros((len(sites), count))
    premium = np.zeros((len(sites), count, len(here.months)))
    for i, (part, over) in enumerate(found):
        share[i, : part.size], premium[i, : part.size] = part, over
    return {"block_share": share, "block_premium": premium}


def sources(places: Sequence[Place]) -> Iterator[tuple[str, Place, Source]]:
    """(id, place, source) of every source of power of every way to build every site."""
    for place in places:
        for name, source in place.plan.sources.items():
            yield f"{place.key}.{name}", place, source


def source_rows(here: Here, places: Sequence[Place], options: Options) -> dict[str, Any]:
    """Coefficients of power beside the grid; what the scenario leaves out is the table's for the kind. Where a site has
    several halls, the choice of one makes room for its sources (`options`)."""
    named = [(id_, place, source, power(source.kind)) for id_, place, source in sources(places)]
    each = [(place.key, source, table) for _, place, source, table in named]
    clock, unit, count = np.array(here.months), np.ones(len(here.months)), len(each)

    def by_month(values: list[Array]) -> Array:
        return np.array(values).reshape(count, len(here.months))

    price = by_month([_series(here, source.price, table.price) * unit for _, source, table in each])
    upkeep = [table.upkeep if source.upkeep is None else source.upkeep.si for _, source, table in each]
    life = [table.life if source.life is None else source.life.si for _, source, table in each]
    firm = [table.firm if source.firm is None else source.firm.si for _, source, table in each]
    return {
        "source_site": np.array([[float(site == place.key) for place in places] for site, *_ in each]).reshape(
            count, len(places)
        ),
        "source_most": by_month([_unless_chosen(here, options, *row) for row in named]),
        "source_price": price,
        "source_residual": by_month([here.residual(clock, lasts) * unit for lasts in life]),
        "source_upkeep": price * np.array(upkeep).reshape(count, 1) * here.seconds,
        "source_yield": by_month([_series(here, source.output, table.available) * unit for _, source, table in each]),
        "source_firm": by_month([share * unit for share in firm]),
        "source_loss": by_month([table.loss * unit for *_, table in each]),
        "source_shift": by_month([table.shift * unit for *_, table in each]),
        "source_energy_price": by_month(
            [_series(here, source.energy_price, table.energy_price) * unit for _, source, table in each]
        ),
        "source_carbon": [
            table.carbon if source.carbon is None else usd(source.carbon, here.krw) for _, source, table in each
        ],
        "source_wheeled": [float(table.over_the_grid) for *_, table in each],
    }


def _unless_chosen(here: Here, options: Options, id_: str, place: Place, source: Source, table: Power) -> Array:
    """The most capacity by month; nothing where it comes with the choice of a hall, which is then told of it."""
    clock = np.array(here.months)
    most = np.asarray(np.where(clock >= _first(here, source, table), here.series(source.limit), 0.0))
    hall = options.rows.get(f"hall/{place.key}")
    if hall is None:
        return most
    hall["source"][options.sources.index(id_)] = most
    return 0.0 * most


def _series(here: Here, stated: Series | None, otherwise: float) -> Any:
    return otherwise if stated is None else here.series(stated)


def _first(here: Here, source: Source, table: Power) -> int:
    """First month in which there can be any: as stated, or the lead time of the kind after the start."""
    return source.available if source.available is not None else here.months.start + round(table.lead)
