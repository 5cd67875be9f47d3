"""An accelerator with another memory: other stacks, or its own scaled. What is asked of it then is up to `estimate`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from stackyard.catalog.entries import Accelerator, HbmGeneration
from stackyard.perf import constants, energy
from stackyard.quantity import GIGA, convert, show
from stackyard.source import Fact, weakest


@dataclass(frozen=True)
class Variant:
    """An accelerator and the HBM on it: `estimate` takes both. `notes` say what was changed and what is not on record.

    The compute, links, idle and rated power stay those of the accelerator on record; a package that nobody sells has no
    price.
    """

    chip: Accelerator
    hbm: HbmGeneration | None
    notes: tuple[str, ...] = ()


def with_stacks(chip: Accelerator, generation: HbmGeneration, height: int, stacks: float) -> Variant:
    """The accelerator with `stacks` stacks of a generation, each `height` dies high.

    capacity = stacks x capacity of a stack of this height; bandwidth = stacks x pins x rate of a pin. Raises ValueError
    for a height that the generation does not come in and for less than one stack. Valid while the package has room
    for the stacks and the power for their traffic, which is not checked.

    >>> from stackyard import catalog
    >>> known = catalog.load()
    >>> found = with_stacks(known.accelerator("h200"), known.generation("hbm4"), height=12, stacks=8)
    >>> round(found.chip.memory / 1e9), round(found.chip.bandwidth / 1e12, 1)
    (288, 21.9)
    """
    if height not in generation.capacity:
        heights = ", ".join(map(str, generation.heights))
        close = min(generation.heights, key=lambda each: (abs(each - height), each))
        raise ValueError(f"{generation.name} has no {height}-high stack on record; the nearest is {close} ({heights})")
    if not (math.isfinite(stacks) and stacks >= 1 and stacks == int(stacks)):
        raise ValueError(f"{stacks:g} is not a whole number of stacks of at least 1")
    rate = generation.pin_speed * generation.interface_width
    name = f"{stacks:g} x {generation.name} {height}-high"
    changed = replace(
        chip,
        id=f"{chip.id}+{generation.id}-{height}h-x{stacks:g}",
        name=f"{chip.name} with {name}",
        facts=_facts(chip, generation, height, stacks),
        hbm=generation.id,
        stacks=float(stacks),
        stack_height=height,
        memory=stacks * generation.capacity[height],
        bandwidth=stacks * rate,
        price=math.nan,
        released=False,
    )
    pins = f"{generation.interface_width:,} pins x {generation.pin_speed * 8 / GIGA:g} Gb/s"
    notes = [f"{name}: {show(changed.memory, 'B')}, {show(changed.bandwidth, 'B/s')} ({pins} a stack)."]
    if chip.hbm == generation.id and chip.stacks:
        share = chip.bandwidth / chip.stacks / rate
        notes.append(f"{chip.name} runs its {generation.name} at {share:.0%} of this rate of a pin.")
    if math.isnan(generation.energy):
        used = constants.facts()["energy.hbm"]
        notes.append(f"The energy per bit of {generation.name} is not on record: {used.value:g} {used.unit} is used.")
    notes.append(f"Compute, links and rated power are those of {chip.name}; this package has no price on record.")
    return Variant(changed, generation, tuple(notes))


def scaled(of: Variant, capacity: float = 1.0, bandwidth: float = 1.0, energy_per_bit: float = 1.0) -> Variant:
    """The same with its memory's capacity, bandwidth and energy per bit times these factors.

    Raises ValueError for factors that are not positive and finite. Where the energy per bit is not on record, that of
    the performance model's constants is scaled.

    >>> from stackyard import catalog
    >>> known = catalog.load()
    >>> found = scaled(Variant(known.accelerator("h200"), known.generation("hbm3e")), bandwidth=1.5)
    >>> round(found.chip.bandwidth / 1e12, 1), found.chip.name
    (7.2, 'H200 SXM 141GB, bandwidth x1.5')
    """
    factors = {"capacity": capacity, "bandwidth": bandwidth, "energy per bit": energy_per_bit}
    bad = [f"{name} x{factor:g}" for name, factor in factors.items() if not (math.isfinite(factor) and factor > 0)]
    if bad:
        raise ValueError(f"a factor must be above 0 and finite, not {', '.join(bad)}")
    told = [f"{name} x{factor:.4g}" for name, factor in factors.items() if factor != 1.0]
    if not told:
        return of
    chip, facts = of.chip, dict(of.chip.facts)
    for name, factor in (("memory", capacity), ("bandwidth", bandwidth)):
        if name in facts and factor != 1.0:
            facts[name] = _times(facts[name], factor)
    hbm = of.hbm
    if hbm is not None and energy_per_bit != 1.0:
        hbm = replace(hbm, energy=memory_energy(hbm) * energy_per_bit)
    changed = replace(
        chip,
        id=f"{chip.id}+{'+'.join(told)}".replace(" ", "-"),
        name=f"{chip.name}, {', '.join(told)}",
        facts=MappingProxyType(facts),
        memory=chip.memory * capacity,
        bandwidth=chip.bandwidth * bandwidth,
        price=math.nan,
        released=False,
    )
    sizes = f"{show(changed.memory, 'B')}, {show(changed.bandwidth, 'B/s')}"
    bit = "" if hbm is None or math.isnan(hbm.energy) else f", {hbm.energy / convert(1, 'pJ/bit'):.3g} pJ/bit"
    return Variant(changed, hbm, (*of.notes, f"Scaled, not on record: {', '.join(told)}: {sizes}{bit}."))


def memory_energy(hbm: HbmGeneration | None) -> float:
    """Joules per byte that the memory itself takes: on record, or else the performance model's constant.

    >>> from stackyard import catalog
    >>> round(memory_energy(catalog.load().generation("hbm4")) / convert(1, "pJ/bit"), 2)
    2.8
    """
    return float(energy.traffic_energy(hbm, {**_plain(), "energy.path": 0.0}))


def _plain() -> dict[str, float]:
    """The model's constants before the fit, which leaves those of energy as they are."""
    return {name: fact.si for name, fact in constants.facts().items()}


def _facts(chip: Accelerator, generation: HbmGeneration, height: int, stacks: float) -> Mapping[str, Fact]:
    """The chip's facts with those of its memory derived from the generation's: capacity, bandwidth, energy, stacks."""
    own, made = generation.facts, dict(chip.facts)
    for gone in ("stacks", "memory", "bandwidth", "price"):
        made.pop(gone, None)
    stated = own.get(f"capacity.{height}", own.get("die_capacity"))
    each = f"{stacks:g} stacks x {generation.capacity[height] / GIGA:g} GB"
    wide = f"{stacks:g} stacks x {generation.interface_width:,} pins x {generation.pin_speed * 8 / GIGA:g} Gb/s"
    total = stacks * generation.pin_speed * generation.interface_width
    parts = {
        "memory": (stacks * generation.capacity[height] / GIGA, "GB", each, (stated,)),
        "bandwidth": (total / GIGA, "GB/s", wide, (own.get("pin_speed"), own.get("interface_width"))),
    }
    for name, (value, unit, note, behind) in parts.items():
        known = [fact for fact in behind if fact is not None]
        sources = tuple(dict.fromkeys(source for fact in known for source in fact.sources))
        grade = weakest(fact.grade for fact in known)
        made[name] = Fact(f"accelerators.{chip.id}.what-if.{name}", value, unit, grade, sources, note=note)
    if "energy" in own and own["energy"].value is not None:
        made["hbm_energy"] = own["energy"]
    return MappingProxyType(made)


def _times(fact: Fact, factor: float) -> Fact:
    """A fact times a factor that somebody asked for: its range goes with it."""
    value, low, high = (
        None if number is None or isinstance(number, tuple) else number * factor
        for number in (fact.value, fact.low, fact.high)
    )
    return replace(fact, path=f"{fact.path}.what-if", value=value, low=low, high=high, note=f"x{factor:.4g}, asked for")
