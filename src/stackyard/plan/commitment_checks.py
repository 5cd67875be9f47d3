"""What one part of a scenario says about another where something is contracted, chosen or trained."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from stackyard.catalog import Catalog
from stackyard.errors import nearest
from stackyard.months import show_month
from stackyard.plan.inputs import Inputs, Service, SitePlan, Supply

Add = Callable[[tuple[Any, ...], str, str], None]


def check(inputs: Inputs, catalog: Catalog, add: Add) -> None:
    """Tells `add` of every contradiction: key path, what is wrong, and the next step."""
    for key, supply in inputs.supplies.items():
        for field, told, hint in _contract(supply, inputs):
            add(("supplies", key, "contract", field), told, hint)
    for key, site in inputs.sites.items():
        _site(("sites", key), site, add)
    for key, service in inputs.services.items():
        _service(("services", key), service, inputs, catalog, add)
    _campaigns(inputs, add)


def _contract(supply: Supply, inputs: Inputs) -> Iterator[tuple[str, str, str]]:
    terms = supply.contract
    if terms is None:
        return
    for field in ("minimum", "take_or_pay"):
        if getattr(terms, field).si > 1:
            yield field, f"is {getattr(terms, field).si:.0%}", "a share between 0 and 100%"
    if terms.must_take and terms.minimum.si == 0:
        yield "must_take", "is stated, but there is no minimum to take", "add minimum: 80%, or leave must_take out"
    if terms.must_take and "take_or_pay" in terms.model_fields_set:
        told = "a minimum that must be taken cannot be paid for instead"
        yield "take_or_pay", told, "leave out must_take or take_or_pay"
    if terms.expires is not None and terms.expires < inputs.horizon.start:
        yield "expires", f"in {show_month(terms.expires)}, before the plan starts", "a month of the horizon"
    if terms.total is not None and terms.minimum.si > 0 and supply.deliveries is not None:
        months = inputs.horizon.months
        rate = inputs.money.krw_per_usd
        stacks = supply.deliveries.by_month(months, rate.si if rate else float("nan")) * 86400 * 365.25 / 12
        within = stacks[: (terms.expires or months[-1]) - months[0] + 1]
        least = terms.minimum.si * float(within.sum())
        if least > terms.total.si * (1 + 1e-9):
            told = f"allows {terms.total.si:,.0f} stacks, and the minimum asks for {least:,.0f}"
            yield "total", told, "raise total, or lower minimum"


def _site(path: tuple[str, ...], site: SitePlan, add: Add) -> None:
    chosen = [phase.choose for phase in site.phases]
    for i, phase in enumerate(site.phases):
        if site.grid_date is not None and phase.month < site.grid_date:
            told = f"{show_month(phase.month)} is before the grid connection of {show_month(site.grid_date)}"
            add((*path, "phases", i, "month"), told, "move the phase, or correct grid_date")
        if not phase.choose and any(chosen[:i]):
            told = "is decided, but a phase before it is still to choose"
            add((*path, "phases", i), told, "add choose: true: power is cumulative, so it needs the ones before it")
        if not phase.choose and phase.fee.si > 0:
            add((*path, "phases", i, "fee"), "is stated, but the phase is decided", "add choose: true")
    if site.halls and (site.fleet or site.fitted.si > 0):
        told = "are stated, but something stands at the site already"
        add((*path, "halls"), told, "leave out halls, or fleet and fitted")
    for key, hall in site.halls.items():
        if "/" in key:
            add((*path, "halls", key), "has a / in its name", "use letters, digits and -")
        if hall.rack_limit.si <= 0:
            add((*path, "halls", key, "rack_limit"), "must be above 0", "for example 140 kW/rack")


def _service(path: tuple[str, ...], service: Service, inputs: Inputs, catalog: Catalog, add: Add) -> None:
    shares = [tier.beyond.si for tier in service.tiers]
    if any(not 0 < share < 1 for share in shares) or shares != sorted(set(shares)):
        add((*path, "tiers"), "do not rise between 0 and 100% of demand", "for example beyond: 50%, then beyond: 80%")
    months = inputs.horizon.months
    rate = inputs.money.krw_per_usd
    krw = rate.si if rate is not None else float("nan")
    below = service.unserved_price.by_month(months, krw)
    for i, tier in enumerate(service.tiers):
        price = tier.price.by_month(months, krw)
        if np.any(price < below * (1 - 1e-9)):
            told = "is below the price of the part before it: the cheaper part would be left last"
            add((*path, "tiers", i, "price"), told, "order the parts from cheap to dear")
        below = price
    seen = {(service.model, service.precision)}
    for i, way in enumerate(service.alternatives):
        if (way.model, way.precision) in seen:
            told = "is the service's own model and precision, or stands there twice"
            add((*path, "alternatives", i), told, "keep one of them, or state another precision")
        seen.add((way.model, way.precision))
        if way.worth.si > 1:
            add((*path, "alternatives", i, "worth"), "is above 1", "a share of what a token of its own model is worth")
        if not 0 < way.most.si <= 1:
            add((*path, "alternatives", i, "most"), "is not above 0 and at most 1", "for example 40%")
        if way.model not in catalog.models and way.model not in catalog.aliases.get("models", ()):
            hint = nearest(way.model, catalog.models)
            add((*path, "alternatives", i, "model"), f"the catalogue has no model '{way.model}'", hint)


def _campaigns(inputs: Inputs, add: Add) -> None:
    for key, campaign in inputs.campaigns.items():
        path = ("campaigns", key)
        for field, example in (("flop", "5e25 FLOP"), ("efficiency", "35%")):
            if getattr(campaign, field).si <= 0:
                add((*path, field), "must be above 0", f"for example {example}")
        if campaign.efficiency.si > 1:
            add((*path, "efficiency"), "is above 1", "MFU times goodput, for example 35%")
        for i, name in enumerate(campaign.sites):
            if name not in inputs.sites:
                add((*path, "sites", i), f"no site '{name}'", nearest(name, inputs.sites))
        if campaign.deadline > inputs.horizon.end or campaign.start < inputs.horizon.start:
            told = f"runs from {show_month(campaign.start)} to {show_month(campaign.deadline)}, outside the horizon"
            end = f"{show_month(inputs.horizon.start)} to {show_month(inputs.horizon.end)}"
            add((*path, "deadline"), told, f"the plan runs from {end}")
