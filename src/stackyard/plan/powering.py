"""Tariffs and power beside the grid in a scenario file: turbines, fuel cells, solar, storage and purchase contracts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from stackyard.plan.amounts import Door, MonthField, Series, Unit
from stackyard.quantity import DAY
from stackyard.site.sources import Kind
from stackyard.source import Fact

Array = NDArray[np.float64]


class Block(Door):
    """Hours of the day in which electricity has a price of its own."""

    hours: Annotated[Fact, Unit("hour")]
    """How many hours of a day."""
    premium: Annotated[Series, Unit("USD/kWh")]
    """What electricity costs more in them than in the rest of the day, which are its cheapest hours."""


class Source(Door):
    """Power that the plan may build or contract at a site; what is left out is the table's for its kind."""

    name: str
    """As it stands in the report."""
    kind: Kind
    """`contract` is energy bought elsewhere and brought over the grid; the others stand at the site."""
    limit: Annotated[Series, Unit("W")]
    """The most capacity that there can be."""
    available: MonthField | None = None
    """First month in which there can be any; the kind's lead time after the start of the plan when left out."""
    price: Annotated[Series, Unit("USD/W")] | None = None
    """Price of a watt of capacity."""
    energy_price: Annotated[Series, Unit("USD/kWh")] | None = None
    """Fuel, or the contract's price, for what it puts out."""
    carbon: Annotated[Fact, Unit("kgCO2e/kWh")] | None = None
    """What it emits for what it puts out."""
    output: Annotated[Series, Unit("")] | None = None
    """Mean output at most, as a share of capacity: availability, or the capacity factor of solar by month."""
    firm: Annotated[Fact, Unit("")] | None = None
    """Share of capacity that the day's peak can count on."""
    upkeep: Annotated[Fact, Unit("1/year")] | None = None
    """Yearly upkeep as a share of the price."""
    life: Annotated[Fact, Unit("year")] | None = None
    """Over which it loses its worth."""


def premiums(tariff: Mapping[str, Block], months: range, krw: float) -> tuple[Array, Array]:
    """Share of the day of each block, what is left of the day first, and by (block, month) the USD/J that energy costs
    more in it than in the mean of the day.

    >>> shares, dear = premiums({}, range(24300, 24302), 1400.0)
    >>> shares, dear
    (array([1.]), array([[0., 0.]]))
    """
    named = np.array([block.hours.si / DAY for block in tariff.values()])
    share = np.array([max(1 - named.sum(), 0.0), *named])
    over = np.array([np.zeros(len(months)), *(block.premium.by_month(months, krw) for block in tariff.values())])
    return share, over - share @ over
