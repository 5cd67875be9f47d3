"""What a scenario lets the plan choose, as coefficients: contracts, phases, halls, whole systems, tiers, training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stackyard.catalog.entries import Accelerator
from stackyard.months import Month, show_month
from stackyard.plan.amounts import usd
from stackyard.plan.commitments import Campaign, Contract, Hall
from stackyard.plan.inputs import SitePlan, Supply
from stackyard.quantity import MONTH, YEAR
from stackyard.source import Fact

Array = NDArray[np.float64]
GIVEN_UP = 12  # months after its deadline, after which a campaign does not run any more
PHASE_LIFE = 20 * YEAR  # over which the fee of a phase or hall loses its worth, as fit-out by default


class Place(NamedTuple):
    """One way to build a site: the site's own hall, or another of its halls under the site's key and its own."""

    key: str
    site: str
    plan: SitePlan
    hall: Hall | None

    @property
    def name(self) -> str:
        return self.plan.name if self.hall is None else f"{self.plan.name}, {self.hall.name}"


def places(sites: Mapping[str, SitePlan]) -> list[Place]:
    """Every way to build every site, each a place on the site axis.

    >>> from stackyard import api
    >>> read = api.scenario("first-plan")
    >>> [place.key for place in places(read.inputs.sites)]
    ['frankfurt']
    """
    found = []
    for key, site in sites.items():
        found.append(Place(key, key, site, None))
        for name, hall in site.halls.items():
            own = {field: getattr(hall, field) for field in ("cooling", "heat_rejection", "rack_limit", "fitout")}
            found.append(Place(f"{key}/{name}", key, site.model_copy(update=own), hall))
    return found


@dataclass
class Options:
    """Options while they are gathered: ids, names, and coefficients by (kind, option, ...)."""

    months: range
    supplies: list[str]
    sites: list[str]
    sources: list[str]
    krw: float
    ids: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    groups: dict[str, list[str]] = field(default_factory=dict)
    needs: dict[str, list[str]] = field(default_factory=dict)
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add(self, id_: str, name: str, decided: str) -> dict[str, Any]:
        """A new option with no effect yet: 'yes' is chosen, 'no' ruled out, 'choose' left to the plan."""
        months = len(self.months)
        self.ids.append(id_)
        self.names[id_] = name
        self.rows[id_] = {
            "least": float(decided == "yes"),
            "most": float(decided != "no"),
            "fee": np.zeros(months),
            "left": 0.0,
            "power": np.zeros((len(self.sites), months)),
            "source": np.zeros((len(self.sources), months)),
            "stacks": np.zeros((len(self.supplies), months)),
            "total": np.full(len(self.supplies), np.inf),
            "minimum": np.zeros((len(self.supplies), months)),
        }
        return self.rows[id_]

    def pay(self, row: dict[str, Any], month: Month, fee: Fact, left: float = 0.0) -> None:
        """A fee paid in a month, in the first of the plan where it is before; `left` is its share left at the end.

        What falls due after the last month is not paid in this plan.
        """
        if month in self.months or month < self.months.start:
            amount = usd(fee, self.krw)
            row["fee"][max(month - self.months.start, 0)] += amount
            row["left"] += left * amount

    def coefficients(self) -> dict[str, Any]:
        """The arrays of the Problem's SCHEMA."""
        sizes: dict[str, tuple[int, ...]] = {
            "power": (len(self.sites), len(self.months)),
            "source": (len(self.sources), len(self.months)),
            "stacks": (len(self.supplies), len(self.months)),
        }
        sizes |= {"minimum": sizes["stacks"], "total": (len(self.supplies),), "fee": (len(self.months),)}
        found: dict[str, Any] = {}
        for name in ("least", "most", "fee", "left", "power", "source", "stacks", "total", "minimum"):
            values = [self.rows[id_][name] for id_ in self.ids]
            found[f"option_{name}"] = np.array(values).reshape(len(self.ids), *sizes.get(name, ()))
        place = {id_: i for i, id_ in enumerate(self.ids)}
        needs = np.zeros((len(self.ids), len(self.ids)))
        for id_, others in self.needs.items():
            for other in others:
                needs[place[id_], place[other]] = 1.0
        group = np.zeros((len(self.ids), len(self.groups)))
        for g, members in enumerate(self.groups.values()):
            group[[place[id_] for id_ in members], g] = 1.0
        return found | {"option_needs": needs, "option_group": group}


def contract(options: Options, key: str, supply: Supply, terms: Contract, promised: Array, delivered: Array) -> None:
    """The option that a contract is. `promised` are the stacks of each month without any slip, `delivered` with it."""
    at, clock = options.supplies.index(key), np.array(options.months)
    row = options.add(f"contract/{key}", f"Contract: {supply.name}", terms.signed)
    comes = np.zeros(clock.size)
    comes[terms.late :] = delivered[: clock.size - terms.late]
    late = np.maximum(np.cumsum(promised) - np.cumsum(comes), 0.0)
    row["fee"] -= usd(terms.late_penalty, options.krw) * MONTH * late
    options.pay(row, options.months.start, terms.fee)
    row["stacks"][at] = offered = np.where(clock <= (terms.expires or clock[-1]), comes, 0.0)
    if terms.total is not None:
        row["total"][at] = terms.total.si
    years = clock // 12
    for t in np.flatnonzero(np.append(years[1:] != years[:-1], True)):
        row["minimum"][at, t] = terms.minimum.si * offered[years == years[t]].sum()


def short_price(terms: Contract | None, price: Array) -> Array:
    """What a stack of the minimum costs that is not taken: a share of the price; no price where it must be taken.

    >>> short_price(None, np.array([400.0, 410.0]))
    array([0., 0.])
    """
    if terms is None:
        return np.zeros_like(price)
    return np.full_like(price, np.inf) if terms.must_take else terms.take_or_pay.si * price


def site_options(
    options: Options, key: str, site: SitePlan, ways: list[Place], rises: Array, residual: Any
) -> dict[str, Array]:
    """The options of one site, and the power that each of its places has anyway; `rises` are watts that each phase
    adds, by month.

    A site with one hall and no phase to choose has none. With several halls, each brings the decided phases with it and
    at most one is chosen; a phase to choose is an option in each hall, and needs that hall and the phase before it.
    """
    anyway = {way.key: np.zeros(len(options.months)) for way in ways}
    if len(ways) > 1:
        options.groups[key] = []
    for way in ways:
        at, needed = options.sites.index(way.key), ""
        if len(ways) > 1:
            needed = f"hall/{way.key}"
            row = options.add(needed, f"Hall: {way.name}", "choose")
            options.groups[key].append(needed)
            first = max(site.phases[0].month, options.months.start)
            if way.hall is not None:
                options.pay(row, first, way.hall.fee, float(residual(np.array(first), PHASE_LIFE)))
        for phase, here in zip(site.phases, rises, strict=True):
            if phase.choose:
                id_ = f"phase/{way.key}/{show_month(phase.month)}"
                row = options.add(id_, f"Phase of {show_month(phase.month)}: {way.name}", "choose")
                options.needs[id_] = [needed] if needed else []
                options.pay(row, phase.month, phase.fee, float(residual(np.array(phase.month), PHASE_LIFE)))
                row["power"][at], needed = here, id_
            elif needed:
                options.rows[needed]["power"][at] += here
            else:
                anyway[way.key] += here
    return anyway


def training(
    campaigns: Mapping[str, Campaign],
    months: range,
    ways: list[Place],
    chips: Mapping[str, Accelerator],
    power: Mapping[str, float],
    site_power: Array,
    krw: float,
) -> dict[str, Any]:
    """Coefficients of the campaigns. `power` are watts of a busy accelerator, `site_power` the most that each place may
    ever have: what bounds the largest cluster there."""
    clock = np.array(months)
    count, kinds = len(campaigns), len(chips)
    rate, watts = np.zeros((kinds, count)), np.zeros((kinds, count))
    most = np.zeros((kinds, len(ways), count))
    opened, late = np.zeros((count, len(clock))), np.zeros((count, len(clock)))
    for c, campaign in enumerate(campaigns.values()):
        opened[c] = (clock >= campaign.start) & (clock <= campaign.deadline + GIVEN_UP)
        late[c] = np.where(clock >= campaign.deadline, usd(campaign.late_price, krw) * MONTH / campaign.flop.si, 0.0)
        for a, (key, chip) in enumerate(chips.items()):
            rate[a, c] = chip.flops.get(campaign.precision, 0.0) * campaign.efficiency.si
            watts[a, c] = power[key]
            for i, way in enumerate(ways):
                allowed = not campaign.sites or way.site in campaign.sites
                if rate[a, c] > 0 and allowed:
                    most[a, i, c] = min(campaign.flop.si / (rate[a, c] * MONTH), site_power[i] / power[key])
    least = np.array([campaign.least.si for campaign in campaigns.values()])
    most = np.where(most >= least, most, 0.0)
    return {
        "campaign_flop": [campaign.flop.si for campaign in campaigns.values()],
        "campaign_least": least,
        "campaign_open": opened,
        "campaign_late": late,
        "cluster_most": most,
        "train_rate": rate,
        "train_power": watts,
    }
