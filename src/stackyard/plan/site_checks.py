"""What cannot be of a site: phases out of order, shares above 1, a tariff of more than a day or below nothing."""

from __future__ import annotations

from typing import Any

import numpy as np

from stackyard.months import show_month
from stackyard.plan.inputs import Inputs, SitePlan
from stackyard.plan.powering import premiums
from stackyard.quantity import DAY, KWH

LEAST_RACK = 1e3  # W: no server draws less
LEAST_SITE = 1e3  # W: a site with less is a slip of the unit


def check(key: str, site: SitePlan, inputs: Inputs, add: Any) -> None:
    """Every fault of one site, told by `add(path, message, hint)`."""
    _check_power(key, site, inputs, add)
    months = [phase.month for phase in site.phases]
    powers = [phase.power.si for phase in site.phases]
    if months != sorted(set(months)):
        add(("sites", key, "phases"), "are not in the order of their months", "one phase a month, earliest first")
    if powers != sorted(powers):
        add(("sites", key, "phases"), "power falls from one phase to the next", "power is cumulative at the site")
    if 0 < max(powers) < LEAST_SITE:
        add(("sites", key, "phases"), f"never have more than {max(powers):.1g} W", "MW is mega, mW is milli")
    if not site.share.si <= 1:
        add(("sites", key, "share"), "is above 1", "the share of the site that is the plan's, for example 50%")
    if site.fitout_life.si <= 0:
        add(("sites", key, "fitout_life"), "must be above 0", "for example 20 year")
    for i, month in enumerate(months):
        if month > inputs.horizon.end:
            add(("sites", key, "phases", i, "month"), f"{show_month(month)} is after the horizon", inputs.horizon.told)
    for i, fleet in enumerate(site.fleet):
        if fleet.since > inputs.horizon.start:
            add(("sites", key, "fleet", i, "since"), "is after the start", "a fleet stands there before the horizon")


def _check_power(key: str, site: SitePlan, inputs: Inputs, add: Any) -> None:
    if site.rack_limit is not None and site.rack_limit.si < LEAST_RACK:
        add(("sites", key, "rack_limit"), "no system could stand here", "for example 140 kW/rack")
    if site.ramp is not None and not site.ramp.si > 0:
        add(("sites", key, "ramp"), "lets no power rise", "must be above 0, for example 20 MW/month")
    _check_tariff(key, site, inputs, add)
    for name, source in site.sources.items():
        if source.firm is not None and source.firm.si > 1:
            add(("sites", key, "sources", name, "firm"), "is above 1", "a share of capacity, for example 90%")
        if source.life is not None and source.life.si <= 0:
            add(("sites", key, "sources", name, "life"), "must be above 0", "for example 25 year")


def _check_tariff(key: str, site: SitePlan, inputs: Inputs, add: Any) -> None:
    """Blocks that fit a day, and no hour in which electricity would be paid for being used."""
    for name, block in site.tariff.items():
        if not block.hours.si > 0:
            add(("sites", key, "tariff", name, "hours"), "is not above 0", "for example 6 hour")
    if sum(block.hours.si for block in site.tariff.values()) > DAY * (1 + 1e-9):
        add(("sites", key, "tariff"), "has more than 24 hours in a day", "leave the hours of the usual price out")
        return
    months, rate = inputs.horizon.months, inputs.money.krw_per_usd
    krw = rate.si if rate is not None else np.nan
    share, over = premiums(site.tariff, months, krw)
    price = site.electricity.by_month(months, krw) + over
    price = np.where((share[:, None] > 0) & np.isfinite(price), price, np.inf)  # won without a rate are told elsewhere
    if price.min() < -1e-9 * np.abs(over).max():
        which, t = map(int, np.unravel_index(price.argmin(), price.shape))
        name = ["the rest of the day", *(f"'{each}'" for each in site.tariff)][which]
        cost = f"{price[which, t] * KWH * 1000:.3g} USD/MWh in {show_month(months[t])}"
        told = f"makes electricity of {name} cost {cost}, and the plan would be paid for using it"
        hint = "lower the premiums or their hours, or raise electricity, which is the mean of all hours"
        add(("sites", key, "tariff"), told, hint)
