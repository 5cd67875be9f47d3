"""What a site's IT power comes to over a month: energy, money, carbon and water. All shapes broadcast."""

from __future__ import annotations

import numpy as np

from stackyard.quantity import CubicMetre, Fraction, Joule, Kilogram, Numeric, Second, Usd, Watt


def site_energy(it_power: Watt, pue: Fraction, seconds: Second) -> Joule:
    """Joules at the meter: E = P x PUE x t, with P the mean IT power.

    >>> float(site_energy(1e6, 1.5, 3600.0))
    5400000000.0
    """
    return np.multiply(np.multiply(it_power, pue), seconds)[()]


def electricity_cost(energy: Joule, tariff: Numeric) -> Usd:
    """USD for site energy at a tariff in USD/J, the mean of the month. Demand charges are not modelled.

    >>> from stackyard.quantity import KWH
    >>> float(electricity_cost(100 * KWH, 0.125 / KWH))
    12.5
    """
    return np.multiply(energy, tariff)[()]


def fitout_cost(power: Watt, price: Numeric) -> Usd:
    """USD for building and fitting out site power at a price in USD/W.

    >>> float(fitout_cost(103e6, 13.0))
    1339000000.0
    """
    return np.multiply(power, price)[()]


def carbon(energy: Joule, grid: Numeric) -> Kilogram:
    """Kilograms of CO2e of site energy at the grid's mean factor in kg/J: location-based, as GHG Protocol scope 2.

    Contracts for clean power and the carbon embodied in what was built are not in it.

    >>> from stackyard.quantity import KWH
    >>> float(carbon(1000 * KWH, 0.4173 / KWH))
    417.3
    """
    return np.multiply(energy, grid)[()]


def water_volume(it_energy: Joule, water: Numeric) -> CubicMetre:
    """Cubic metres of water for IT energy at a use in m3/J (`plant.Conditions.water`).

    >>> from stackyard.quantity import KWH
    >>> float(water_volume(1000 * KWH, 0.0015 / KWH))
    1.5
    """
    return np.multiply(it_energy, water)[()]
