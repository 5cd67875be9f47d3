"""What it takes to carry heat outside: economiser, chiller, fans and pumps, all per watt of heat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stackyard.quantity import Celsius, Fraction, Kelvin, Numeric
from stackyard.site.climate import FREEZING, enthalpy, humidity_ratio, saturated_humidity


def free_share(outside: Celsius, approach: Kelvin, supply: Celsius, rise: Kelvin) -> Fraction:
    """Share of the heat that leaves without a chiller: f = clip((s + r - o - a) / r, 0, 1).

    The water returns at s + r and the outdoors can cool it to o + a; a chiller does what remains down to s. `outside`
    is the wet bulb for a tower and the dry bulb for a dry cooler. Shapes broadcast. An economiser in series with the
    chiller; fouling and control bands are not modelled.

    >>> float(free_share(outside=24.0, approach=6.0, supply=28.0, rise=8.0))
    0.75
    """
    warmest = np.add(supply, rise) - np.add(outside, approach)
    share: Fraction = np.clip(warmest / rise, 0.0, 1.0)[()]
    return share


@dataclass(frozen=True)
class Chiller:
    """A compression chiller between the water it cools and the water that carries its heat outside."""

    carnot: Fraction  # share of the ideal (Carnot) coefficient of performance that is reached, at every load
    evaporator: Kelvin  # refrigerant below the water it cools
    condenser: Kelvin  # refrigerant above the water from outside
    least_lift: Kelvin  # between the two refrigerant temperatures


def chiller_work(outside: Celsius, approach: Kelvin, supply: Celsius, chiller: Chiller) -> Fraction:
    """Compressor watts per watt of heat: w = max(Tc - Te, least_lift) / (c Te).

    Te = supply - evaporator and Tc = outside + approach + condenser, in kelvin; c = carnot. Shapes broadcast. Part load
    and staging are not modelled. The least lift makes it finite and positive in any weather.

    >>> f"{chiller_work(25.0, 5.0, 22.0, Chiller(0.5, 2.0, 8.0, 12.0)):.3f}"
    '0.123'
    """
    cold = np.subtract(supply, chiller.evaporator)
    lift = np.maximum(np.add(outside, approach) + chiller.condenser - cold, chiller.least_lift)
    work: Fraction = (lift / np.multiply(chiller.carnot, cold + FREEZING))[()]
    return work


def cooling_power(
    transport: Fraction,
    mechanical: Fraction,
    work: Fraction,
    rejection: Fraction,
    movers: Fraction = 1.0,
    machine: Fraction = 1.0,
) -> Fraction:
    """Watts of cooling per watt of heat: p = v transport + k m w + v rejection (1 + m w).

    Fans and pumps that bring the heat to the plant, the chiller for the mechanical share m, and the fans outside, which
    also carry off the chiller's own heat. v and k say how much more, per watt of heat, fans and pumps and the chiller
    take at part load (`losses.Curve`); 1 at full load. Shapes broadcast.

    >>> f"{cooling_power(0.044, 0.5, 0.12, 0.012):.4f}"
    '0.1167'
    """
    compressor = np.multiply(mechanical, work)
    moved = np.multiply(movers, np.add(transport, np.multiply(rejection, 1 + compressor)))
    power: Fraction = np.add(moved, np.multiply(machine, compressor))[()]
    return power


def tower_water(
    dry_bulb: Celsius, wet_bulb: Celsius, water_out: Celsius, rise: Kelvin, cycles: Numeric, pressure: Numeric
) -> Numeric:
    """Kilograms of water a tower is topped up with per joule it rejects.

    M = (w2 - w1) / (h2 - h1) x cycles / (cycles - 1): the air enters with humidity w1 and leaves saturated, w2, at the
    mean temperature of the water, `water_out` + rise / 2; h1 and h2 are the enthalpies of saturated air at the wet bulb
    and there (Merkel: the wet bulb alone fixes the enthalpy, within 1%). Blowdown keeps the salts at `cycles` times
    those of the supply. deg C, K, Pa; shapes broadcast; `water_out` above the wet bulb. Drift is not modelled. Source:
    ASHRAE HVAC Systems and Equipment 2016, ch. 40. In cold weather much of the heat goes without vapour, as it should.

    >>> f"{tower_water(25.0, 20.0, 25.5, 8.0, 4.0, 101325.0) * 3.6e6:.2f} kg/kWh"
    '1.67 kg/kWh'
    """
    leaving = np.add(water_out, np.divide(rise, 2))
    enters, leaves = humidity_ratio(dry_bulb, wet_bulb, pressure), saturated_humidity(leaving, pressure)
    gained = enthalpy(leaving, leaves) - enthalpy(wet_bulb, saturated_humidity(wet_bulb, pressure))
    evaporated = np.maximum(np.subtract(leaves, enters), 0.0) / gained
    makeup: Numeric = (evaporated * (np.divide(cycles, np.subtract(cycles, 1.0))))[()]
    return makeup


LATENT = 2.45e6  # J/kg, heat that takes a kilogram of water into air at about 20 deg C


def wetted(dry_bulb: Celsius, wet_bulb: Celsius, needed: Celsius, effectiveness: Fraction) -> Celsius:
    """Air temperature behind wetted pads that run only as far as is needed: max(needed, t - e (t - t*)), at most t.

    deg C; shapes broadcast. The wet bulb stays what it was. Source: ASHRAE HVAC Systems and Equipment 2016, ch. 41.

    >>> [float(wetted(dry, 20.0, 27.0, 0.85)) for dry in (25.0, 30.0, 40.0)]
    [25.0, 27.0, 27.0]
    """
    dry = np.asarray(dry_bulb, dtype=float)
    coldest = dry - np.multiply(effectiveness, np.subtract(dry, wet_bulb))
    found: Celsius = np.minimum(dry, np.maximum(needed, coldest))[()]
    return found


def pad_water(dry_bulb: Celsius, behind: Celsius, rise: Kelvin) -> Numeric:
    """Kilograms of water that pads take per joule of heat the air then carries: (t - t_behind) / (rise x LATENT).

    The air takes up the heat over `rise` kelvin; bleed-off is not counted. Shapes broadcast.

    >>> f"{pad_water(35.0, 27.0, 12.0) * 3.6e6:.2f} kg/kWh"
    '0.98 kg/kWh'
    """
    return np.divide(np.subtract(dry_bulb, behind), np.multiply(rise, LATENT))[()]
