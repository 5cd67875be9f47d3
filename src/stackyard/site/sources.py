"""Power that a site makes, stores or contracts beside its grid: what a kilowatt-hour costs and emits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np

from stackyard.catalog.table import table
from stackyard.quantity import YEAR, Fraction, Joule, Kilogram, Numeric, Usd, Watt
from stackyard.source import Fact

Kind = Literal["gas-turbine", "combined-cycle", "fuel-cell", "solar", "storage", "contract"]
GAS: tuple[Kind, ...] = ("gas-turbine", "combined-cycle", "fuel-cell")
_TABLE = Path(__file__).with_name("data") / "sources.yaml"


@lru_cache(maxsize=1)
def facts() -> Mapping[str, Fact]:
    """The constants of sources and buildings by path ('power.solar.price'), each with range, grade and source.

    >>> facts()["power.solar.price"].grade.label
    'published'
    """
    return table(_TABLE)


@dataclass(frozen=True)
class Power:
    """A way to have power at a site, per watt of its capacity."""

    kind: Kind
    price: float  # USD/W
    available: float  # mean output at most, over capacity
    firm: float  # share of capacity that the day's peak can count on
    loss: float  # mean watts drawn from the site for each watt of capacity: what storage loses
    shift: float  # mean watts that a watt of capacity moves between hours of the day
    energy_price: float  # USD/J of output: fuel, or the contract's price
    carbon: float  # kg/J of output, emitted at the site
    upkeep: float  # of the price, per second
    life: float  # s
    lead: float  # months from order to power
    facts: Mapping[str, Fact] = field(repr=False, compare=False)

    @property
    def over_the_grid(self) -> bool:
        """Whether its energy comes over the site's grid connection."""
        return self.kind == "contract"


def power(kind: Kind, constants: Mapping[str, Fact] | None = None) -> Power:
    """A kind of source from the table of constants.

    >>> [f"{power(kind).carbon * 3.6e6:.2f} kg/kWh" for kind in ("gas-turbine", "fuel-cell")]
    ['0.50 kg/kWh', '0.37 kg/kWh']
    """
    known = facts() if constants is None else constants
    used: dict[str, Fact] = {}

    def of(name: str, otherwise: float = 0.0) -> float:
        path = f"power.{kind}.{name}"
        if path not in known:
            return otherwise
        used[path] = known[path]
        return known[path].si

    energy, carbon, loss, shift, firm = of("energy"), of("carbon"), 0.0, 0.0, of("firm")
    if kind in GAS:
        used |= {f"power.gas.{name}": known[f"power.gas.{name}"] for name in ("price", "carbon")}
        energy, carbon = (float(fuel(known[f"power.gas.{name}"].si, of("efficiency"))) for name in ("price", "carbon"))
    if kind == "storage":
        loss = float(storage_loss(of("hours"), of("efficiency"), of("cycles")))
        shift = of("hours") * of("cycles")
        firm = float(storage_firm(of("hours"), of("peak")))
    return Power(
        kind=kind,
        price=of("price"),
        available=of("available", 1.0 if kind == "contract" else 0.0),
        firm=firm,
        loss=loss,
        shift=shift,
        energy_price=energy,
        carbon=carbon,
        upkeep=of("upkeep"),
        life=of("life", 20 * YEAR),
        lead=of("lead") / (YEAR / 12),
        facts=used,
    )


def fuel(of_heat: Numeric, efficiency: Fraction) -> Numeric:
    """What is stated for a joule of heat, for a joule of electricity: x / efficiency. Price, carbon; shapes broadcast.

    >>> float(fuel(56.1, 0.55))
    102.0
    """
    return np.divide(of_heat, efficiency)[()]


def storage_loss(seconds: Numeric, efficiency: Fraction, cycles: Numeric) -> Fraction:
    """Mean watts lost per watt of storage power: t (1 / eta - 1) n, t seconds at full power, n cycles a second.

    A cycle gives t joules for each watt and takes t / eta. Shapes broadcast.

    >>> from stackyard.quantity import DAY, HOUR
    >>> f"{storage_loss(4 * HOUR, 0.86, 1 / DAY):.4f}"
    '0.0271'
    """
    lost: Fraction = np.multiply(np.multiply(seconds, np.divide(1.0, efficiency) - 1), cycles)[()]
    return lost


def storage_firm(seconds: Numeric, peak: Numeric) -> Fraction:
    """Share of storage power that a peak of so many seconds can count on: min(1, t / peak).

    >>> from stackyard.quantity import HOUR
    >>> float(storage_firm(2 * HOUR, 4 * HOUR))
    0.5
    """
    return np.minimum(1.0, np.divide(seconds, peak))[()]


def levelised(
    price: Numeric, available: Fraction, energy_price: Numeric, upkeep: Numeric, life: Numeric, rate: float
) -> Numeric:
    """USD per joule over a source's life: (price (a + u) / (available)) + energy price.

    a is the annuity of the price over its life at a yearly `rate`, per second; u = `upkeep` a second; the output is
    `available` watts for each watt at all times. Shapes broadcast; infinite where nothing is put out.

    >>> from stackyard.quantity import KWH
    >>> found = levelised(1.4, 0.18, 0.0, 0.015 / YEAR, 30 * YEAR, 0.08)
    >>> round(float(found) * KWH * 1000)
    92
    """
    years = np.divide(life, YEAR)
    annuity = -rate / np.expm1(-years * np.log1p(rate)) if rate > 1e-9 else 1 / years
    yearly = np.multiply(price, annuity / YEAR + np.asarray(upkeep))
    with np.errstate(divide="ignore"):
        cost: Numeric = (np.divide(yearly, available) + energy_price)[()]
    return cost


def demand_charge(peak: Watt, charge: Numeric, months: Numeric = 1.0) -> Usd:
    """USD of a tariff's demand charge: the month's highest power x the charge in USD/W a month. Shapes broadcast.

    >>> float(demand_charge(10e6, 0.005))
    50000.0
    """
    return np.multiply(np.multiply(peak, charge), months)[()]


def market_carbon(grid: Joule, contracted: Joule, factor: Numeric, on_site: Kilogram = 0.0) -> Kilogram:
    """Kilograms of CO2e, market-based: what is not contracted at the grid's factor, contracted energy at none.

    max(grid - contracted, 0) x factor + on_site. Location-based (`account.carbon`) counts all of it at the factor.
    A residual mix would be above the factor; none is on record. Source: GHG Protocol, scope 2 guidance (2015).

    >>> float(market_carbon(100.0, 40.0, 0.5))
    30.0
    """
    return np.add(np.multiply(np.maximum(np.subtract(grid, contracted), 0.0), factor), on_site)[()]


def embodied(packages: Numeric, each: Numeric, built: Watt = 0.0, of_watt: Numeric = 0.0) -> Kilogram:
    """Kilograms of CO2e embodied in what was bought: packages x kg each + watts built x kg a watt. Shapes broadcast.

    >>> float(embodied(1000.0, 318.0))
    318000.0
    """
    return np.add(np.multiply(packages, each), np.multiply(built, of_watt))[()]
