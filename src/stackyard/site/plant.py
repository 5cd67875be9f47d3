"""A data centre's plant from the table of constants, and what it does in the air of an hour, at any load."""

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
from stackyard.quantity import Fraction
from stackyard.site.climate import FREEZING
from stackyard.site.cooling import (
    Chiller,
    chiller_work,
    cooling_power,
    free_share,
    pad_water,
    tower_water,
    wetted,
)
from stackyard.site.losses import Curve, conversion
from stackyard.source import Fact

Cooling = Literal["air", "outside-air", "hybrid", "liquid", "legacy"]
Rejection = Literal["dry", "adiabatic", "tower"]
Hours = NDArray[np.float64]

COOLINGS: Mapping[str, str] = {
    "air": "chilled water to air handlers",
    "outside-air": "outside air, wetted when it is hot",
    "hybrid": "cold plates on the chips, air for the rest",
    "liquid": "warm water to cold plates",
    "legacy": "an older room, always on its chiller",
}
REJECTIONS: Mapping[str, str] = {
    "dry": "dry coolers",
    "adiabatic": "coolers wetted when it is hot",
    "tower": "cooling towers",
}

_TABLE = Path(__file__).with_name("data") / "plant.yaml"
WATER_DENSITY = 1000.0  # kg/m3, rounded: 998 at 20 deg C


@lru_cache(maxsize=1)
def facts() -> Mapping[str, Fact]:
    """The constants of the plant by path ('plant.tower.approach'), each with its range, grade and source.

    A row of the table that names a `fact` is that fact of the catalogue.

    >>> facts()["plant.tower.approach"].unit
    'K'
    """
    return table(_TABLE)


@dataclass(frozen=True)
class Loop:
    """Water or air that takes heat from the servers, and what moves it."""

    supply: float
    rise: float
    economiser: float  # 1 where heat can leave without the chiller
    fans: float  # W per W of heat
    pumps: float  # W per W of heat


@dataclass(frozen=True)
class Plant:
    """How a site is cooled and fed. `loops` gives each loop its share of the heat."""

    name: str  # in words
    loops: tuple[tuple[float, Loop], ...]
    chiller: Chiller
    rejection: str  # 'dry', 'adiabatic', 'tower', or 'open' for outside air
    approach: float
    rejection_fans: float
    cycles: float  # of concentration in a tower; nan without one
    effectiveness: float  # of wetted pads; nan without them
    pad_rise: float  # K of the air through them
    pressure: float
    ups_efficiency: float
    ups_spare: float  # rating over design load
    distribution: float
    other: float
    curves: Mapping[str, Curve]  # ups, transformer, movers, chiller
    facts: Mapping[str, Fact] = field(repr=False, compare=False)  # the constants it was made from, by path

    @property
    def wets(self) -> bool:
        """Whether it uses water, and so needs the wet bulb."""
        return self.rejection != "dry"


@dataclass(frozen=True)
class Conditions:
    """What a plant does in each hour given, (...); at the load asked."""

    pue: Hours
    water: Hours  # m3 per joule of IT energy
    cooling: Hours  # W per W of IT power
    mechanical: Hours  # share of the heat that a chiller carries
    site: Hours  # W of site power per W of design IT power


def plant(cooling: Cooling, rejection: Rejection = "dry", constants: Mapping[str, Fact] | None = None) -> Plant:
    """The plant of a kind of cooling, from the table of constants or another one with the same paths.

    'air': chilled water to air handlers, with an economiser. 'outside-air': outside air to the servers, wetted when it
    is hot, with a chiller for what is left; `rejection` is not used then. 'liquid': warm water to cold plates, a little
    air. 'hybrid': cold plates on the chips only. 'legacy': an older room, always on its chiller.

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

    def curve(name: str, old: str = "") -> Curve:
        return Curve(
            of("part_load", f"{name}_fixed{old}"),
            0.0 if old or name == "chiller" else of("part_load", f"{name}_square"),
        )

    legacy, how = cooling == "legacy", "open" if cooling == "outside-air" else rejection
    liquid, pads = of("liquid_share", cooling), how in ("adiabatic", "open")
    rest = {"legacy": "cold", "outside-air": "outside"}.get(cooling, "chilled")
    shares, old = {"warm": liquid, rest: 1 - liquid}, "_legacy" if legacy else ""
    return Plant(
        name=f"{COOLINGS[cooling]}{'' if how == 'open' else f', {REJECTIONS[how]}'}",
        loops=tuple((share, loop(name)) for name, share in shares.items() if share > 0),
        chiller=Chiller(**part("chiller", "carnot", "evaporator", "condenser", "least_lift")),
        rejection=how,
        approach=of(how, "approach"),
        rejection_fans=of(how, "fans"),
        cycles=of("tower", "cycles") if how == "tower" else math.nan,
        effectiveness=of("pads", "effectiveness") if pads else math.nan,
        pad_rise=of("pads", "rise") if pads else math.nan,
        pressure=of("weather", "pressure"),
        ups_efficiency=of("power", "ups_double" if legacy else "ups_eco"),
        ups_spare=of("power", f"spare{old or '_modern'}"),
        distribution=of("power", "distribution"),
        other=of("power", "other"),
        curves={
            name: curve(name, old if name in ("movers", "chiller") else "")
            for name in ("ups", "transformer", "movers", "chiller")
        },
        facts=used,
    )


def conditions(plant: Plant, dry_bulb: ArrayLike, wet_bulb: ArrayLike = (), load: Fraction = 1.0) -> Conditions:
    """What a plant does in air of these temperatures (...) in deg C, at a load: IT power over design IT power.

    Per watt of design load l = `load` reaches the servers through a UPS that loses `conversion`, cooling and the rest
    are not on it: l + L + l c + o is fed. Transformers and cables lose the share d of what is fed at full load, along
    their curve. S is the sum. Cooling c per watt of IT: fans and pumps along their curve, the compressor along its own.
    PUE = S / l. A plant that uses no water does not need the wet bulb. Raises ValueError where a wet bulb is above its
    dry bulb, where a plant that wets gets none, and for a load outside 0..1. Approaches and set points are those of
    full load; control bands and start-up are not modelled.

    >>> found = conditions(plant("liquid"), dry_bulb=[2.0, 26.0], wet_bulb=[-2.0, 23.0])
    >>> [f"{value:.2f}" for value in found.pue]
    ['1.09', '1.10']
    >>> bool(conditions(plant("legacy"), 26.0, load=0.5).pue > conditions(plant("legacy"), 26.0).pue)
    True
    """
    if plant.wets and np.size(wet_bulb) == 0:
        raise ValueError(f"{'a tower' if plant.rejection == 'tower' else 'wetted air'} needs the wet bulb")
    if not np.all((np.asarray(load) > 0) & (np.asarray(load) <= 1)):
        raise ValueError("the load must be above 0 and at most 1")
    dry = np.asarray(dry_bulb, dtype=float)
    wet = np.asarray(wet_bulb, dtype=float) if np.size(wet_bulb) else dry
    if np.any(wet > dry):
        raise ValueError("the wet bulb is never above the dry bulb")
    cooling, mechanical, water = _all_heat(plant, dry, wet, load)
    full = _all_heat(plant, dry, wet, 1.0)[0]

    def fed(at: Fraction, cooled: Hours) -> Hours:
        ups = conversion(at, plant.ups_efficiency, plant.ups_spare, plant.curves["ups"])
        return np.asarray(at + ups + np.multiply(at, cooled) + plant.other)

    lost = plant.distribution / (1 - plant.distribution) * plant.curves["transformer"].at(load)
    site = np.asarray(fed(load, cooling) + lost * fed(1.0, full))
    return Conditions(np.asarray(site / load), water / WATER_DENSITY, cooling, mechanical, site)


def _all_heat(plant: Plant, dry: Hours, wet: Hours, load: Fraction) -> Hours:
    """The loops together, each with its share of the heat: (3, ...) as `_heat`."""
    return np.asarray(np.sum([share * _heat(plant, loop, dry, wet, load) for share, loop in plant.loops], axis=0))


def _heat(plant: Plant, loop: Loop, dry: Hours, wet: Hours, load: Fraction) -> Hours:
    """Cooling power, share on the chiller and kilograms of water for one joule of heat in a loop: (3, ...)."""
    outside, padded = dry, np.zeros_like(dry)
    if plant.rejection == "tower":
        outside = wet
    elif plant.wets:
        rise = loop.rise if plant.rejection == "open" else plant.pad_rise
        outside = np.asarray(wetted(dry, wet, loop.supply - plant.approach, plant.effectiveness))
        padded = np.asarray(pad_water(dry, outside, rise))
    mechanical = 1 - np.multiply(loop.economiser, free_share(outside, plant.approach, loop.supply, loop.rise))
    work = chiller_work(outside, plant.approach, loop.supply, plant.chiller)
    movers, machine = (plant.curves[name].at(load) / load for name in ("movers", "chiller"))
    power = cooling_power(loop.fans + loop.pumps, mechanical, work, plant.rejection_fans, movers, machine)
    coldest = np.where(mechanical < 1, loop.supply, -np.inf)  # an economiser does not cool its water further than asked
    cold = np.maximum(outside + plant.approach, coldest)
    tower = plant.rejection == "tower"
    topped_up = tower_water(dry, wet, cold, loop.rise, plant.cycles, plant.pressure) if tower else padded
    return np.stack(np.broadcast_arrays(np.asarray(power), mechanical, topped_up * (1 + mechanical * work)))
