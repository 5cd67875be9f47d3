"""A data centre's plant from the table of constants, and what it does in a climate, month by month."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stackyard.catalog.table import table
from stackyard.site.climate import FREEZING, over_month
from stackyard.site.cooling import Chiller, chiller_work, cooling_power, free_share, tower_water
from stackyard.site.power import pue
from stackyard.source import Fact

Cooling = Literal["air", "hybrid", "liquid", "legacy"]
Rejection = Literal["dry", "tower"]
Months = NDArray[np.float64]

_TABLE = Path(__file__).with_name("data") / "plant.yaml"
WATER_DENSITY = 1000.0  # kg/m3, rounded: 998 at 20 deg C


@lru_cache(maxsize=1)
def facts() -> Mapping[str, Fact]:
    """The constants of the plant by path ('plant.tower.approach'), each with its range, grade and source.

    A row of the table that names a `fact` is that fact of the catalogue.
    """
    return table(_TABLE)


@dataclass(frozen=True)
class Loop:
    """Water that takes heat from the servers, and what moves it."""

    supply: float
    rise: float
    economiser: float  # 1 where heat can leave without the chiller
    fans: float  # W per W of heat
    pumps: float  # W per W of heat


@dataclass(frozen=True)
class Plant:
    """How a site is cooled and fed. `loops` gives each water loop its share of the heat."""

    loops: tuple[tuple[float, Loop], ...]
    chiller: Chiller
    rejection: Rejection
    approach: float
    rejection_fans: float
    cycles: float  # of concentration in a tower; nan without one
    spread: float  # of the hours of a month about its mean: of the wet bulb for a tower, else of the dry bulb
    pressure: float
    ups_efficiency: float
    distribution: float
    other: float
    facts: Mapping[str, Fact] = field(repr=False, compare=False)  # the constants it was made from, by path


@dataclass(frozen=True)
class Conditions:
    """What a plant does in each month, (..., months)."""

    pue: Months
    water: Months  # m3 per joule of IT energy
    cooling: Months  # W per W of IT power
    mechanical: Months  # share of the heat that a chiller carries


def plant(cooling: Cooling, rejection: Rejection = "dry", constants: Mapping[str, Fact] | None = None) -> Plant:
    """The plant of a kind of cooling, from the table of constants or another one with the same paths.

    'air': chilled water to air handlers, with an economiser. 'liquid': warm water to cold plates, a little air.
    'hybrid': cold plates on the chips only. 'legacy': an older room, always on its chiller.

    >>> plant("liquid").loops[0][0]
    0.94
    """
    known = facts() if constants is None else constants
    used: dict[str, Fact] = {}

    def of(part: str, name: str) -> float:
        path = f"plant.{part}.{name}"
        fact = used[path] = known[path]
        return fact.si - FREEZING if fact.unit == "degC" else fact.si

    def part(name: str, *fields: str) -> dict[str, Any]:
        return {field: of(name, field) for field in fields}

    def loop(name: str) -> Loop:
        return Loop(**part(name, "supply", "rise", "economiser", "fans", "pumps"))

    legacy, tower = cooling == "legacy", rejection == "tower"
    liquid = of("liquid_share", cooling)
    shares = {"warm": liquid, "cold" if legacy else "chilled": 1 - liquid}
    return Plant(
        loops=tuple((share, loop(name)) for name, share in shares.items() if share > 0),
        chiller=Chiller(**part("chiller", "carnot", "evaporator", "condenser", "least_lift")),
        rejection=rejection,
        approach=of(rejection, "approach"),
        rejection_fans=of(rejection, "fans"),
        cycles=of("tower", "cycles") if tower else math.nan,
        spread=of("weather", "wet_bulb_spread" if tower else "dry_bulb_spread"),
        pressure=of("weather", "pressure"),
        ups_efficiency=of("power", "ups_double" if legacy else "ups_eco"),
        distribution=of("power", "distribution"),
        other=of("power", "other"),
        facts=used,
    )


def conditions(plant: Plant, dry_bulb: ArrayLike, wet_bulb: ArrayLike = ()) -> Conditions:
    """PUE, water and chiller share by month from monthly mean temperatures, each of shape (..., months) in deg C.

    Every hour of a month is taken at its own temperature, normal about the mean with `plant.spread`; dry and wet bulb
    depart from their means together. A plant without a tower does not need the wet bulb. Raises ValueError where a wet
    bulb is above its dry bulb, and for a tower without any.

    >>> found = conditions(plant("liquid"), dry_bulb=[2.0, 26.0], wet_bulb=[-2.0, 23.0])
    >>> [f"{value:.2f}" for value in found.pue]
    ['1.09', '1.10']
    """
    if plant.rejection == "tower" and np.size(wet_bulb) == 0:
        raise ValueError("a tower needs the wet bulb")
    dry = np.asarray(dry_bulb, dtype=float)[..., None]
    wet = np.asarray(wet_bulb, dtype=float)[..., None] if np.size(wet_bulb) else dry
    if np.any(wet > dry):
        raise ValueError("the wet bulb is never above the dry bulb")

    def hours(departure: Months) -> Months:
        parts = [share * _heat(plant, loop, dry + departure, wet + departure) for share, loop in plant.loops]
        return np.asarray(sum(parts))

    cooling, mechanical, water = over_month(hours, plant.spread)
    ratio = pue(cooling, plant.ups_efficiency, plant.distribution, plant.other)
    return Conditions(np.asarray(ratio), water / WATER_DENSITY, cooling, mechanical)


def _heat(plant: Plant, loop: Loop, dry: Months, wet: Months) -> Months:
    """Cooling power, share on the chiller and kilograms of water for one joule of heat in a loop: (3, ...)."""
    tower = plant.rejection == "tower"
    outside = wet if tower else dry
    mechanical = 1 - np.multiply(loop.economiser, free_share(outside, plant.approach, loop.supply, loop.rise))
    work = chiller_work(outside, plant.approach, loop.supply, plant.chiller)
    power = cooling_power(loop.fans + loop.pumps, mechanical, work, plant.rejection_fans)
    coldest = np.where(mechanical < 1, loop.supply, -np.inf)  # an economiser does not cool its water further than asked
    cold = np.maximum(outside + plant.approach, coldest)
    topped_up = tower_water(dry, wet, cold, loop.rise, plant.cycles, plant.pressure) if tower else 0.0
    return np.stack([np.asarray(power), mechanical, topped_up * (1 + mechanical * work)])
