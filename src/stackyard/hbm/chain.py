"""What wafers of a maker come to: dies, stacks, gigabytes and the DDR5 they displace, each step with its sources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from stackyard.catalog.entries import HbmGeneration
from stackyard.hbm import constants
from stackyard.hbm.geometry import die_yield, gross_dies, known_good
from stackyard.hbm.learning import learned_defects
from stackyard.hbm.stack import stack_yield
from stackyard.hbm.trade import displaced, forgone
from stackyard.quantity import Numeric
from stackyard.source import Fact, Grade, weakest

SAMPLES, SEED = 4000, 7
PRICED = 12  # dies of the stack that prices on record are of
INFERRED_WITH = "hbm3e"  # the generation whose yields and shipments the defects were inferred from
LOW, HIGH = 10.0, 90.0  # percentiles of an interval
YieldModel = Literal["poisson", "murphy", "negative-binomial"]

Values = Mapping[str, Numeric]


@dataclass(frozen=True)
class Step:
    """One amount along the chain: central, its 80% interval, how it follows, and the facts that it adds."""

    name: str
    unit: str
    amount: float
    low: float
    high: float
    how: str
    facts: tuple[Fact, ...]

    @property
    def grade(self) -> Grade:
        """Of the facts of this step alone; `Chain.grade` is that of the whole."""
        return weakest(fact.grade for fact in self.facts)


@dataclass(frozen=True)
class Chain:
    """What a number of wafer starts of one maker and product comes to."""

    generation: HbmGeneration
    height: int
    maker: str
    wafers: float
    steps: tuple[Step, ...]
    samples: Mapping[str, NDArray[np.float64]] = field(repr=False, compare=False)  # step -> amounts, (SAMPLES,)

    def __getitem__(self, name: str) -> Step:
        return next(step for step in self.steps if step.name == name)

    @property
    def facts(self) -> tuple[Fact, ...]:
        return tuple(dict.fromkeys(fact for step in self.steps for fact in step.facts))

    @property
    def grade(self) -> Grade:
        return weakest(fact.grade for fact in self.facts)


# name, unit, how it follows, and the constants of `_facts` that it adds
STEPS: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ("wafers started", "wafer", "as asked", ()),
    ("gross core dies", "die", "room on a wafer less its rim", ("diameter", "edge", "scribe", "die_area")),
    (
        "dies after wafer test",
        "die",
        "yield of the die, and what the test lets by",
        ("defects", "clustering", "coverage"),
    ),
    ("stacks started", "stack", "dies over the height, base dies enough", ()),
    ("base-die wafers", "wafer", "a good base die under each", ("area_ratio", "base_defects", "base_coverage")),
    ("good stacks", "stack", "every layer good, bonded, tested", ("bond_yield", "bond_repair", "test")),
    ("capacity shipped", "B", "stacks times what one holds", ("capacity",)),
    ("DDR5 displaced", "B", "times the trade ratio", ("trade",)),
    ("sales forgone", "USD", "DDR5 displaced less the HBM, at their prices", ("module", "module_size", "price")),
)


def chain(
    generation: HbmGeneration,
    height: int,
    maker: str = constants.INDUSTRY,
    wafers: float = 1.0,
    *,
    model: YieldModel = "negative-binomial",
    volume: float = 1.0,
) -> Chain:
    """The chain of a product from wafers started to bytes shipped, with 80% intervals.

    `maker` is an id of the catalogue, or 'industry'. `volume` is what the maker has made since its yield was reported,
    over what it had made then: defects fall along the experience curve (`learned_defects`); 1 keeps the yield
    reported. Intervals take every constant as triangular over its range, independent of the others but for defects and
    the die area that they were inferred with (`_together`), in samples that are the same each time; facts without a
    range are certain. Raises ValueError for a generation without a die area or
    a height that it does not have.

    >>> from stackyard.catalog import load
    >>> found = chain(load().generation("hbm4"), 12, "sk-hynix", 10_000)
    >>> round(found["gross core dies"].amount / 10_000), found["good stacks"].amount > 2e5
    (440, True)
    """
    if height not in generation.heights:
        raise ValueError(f"{generation.name} does not come with {height} dies")
    if not generation.die_area > 0:
        raise ValueError(f"no die area of {generation.name} is on record")
    if not volume >= 1:
        raise ValueError(f"what was made since is at least what was made then: {volume:g} is below 1")
    facts = _facts(generation, height, maker)
    random = np.random.default_rng(SEED)
    central = amounts({name: fact.si for name, fact in facts.items()}, height, wafers, model, volume)
    drawn = _together({name: draw(fact, random) for name, fact in facts.items()}, generation.id, facts["die_area"].si)
    sampled = amounts(drawn, height, wafers, model, volume)
    steps, samples = [], {}
    for name, unit, how, used in STEPS:
        if name not in central:
            continue
        samples[name] = np.broadcast_to(sampled[name], (SAMPLES,))
        low, high = np.percentile(samples[name], (LOW, HIGH))
        added = tuple(facts[key] for key in used) + (
            (facts["learning"], facts["floor"]) if _learns(name, volume) else ()
        )
        steps.append(Step(name, unit, float(central[name]), float(low), float(high), how, added))
    return Chain(generation, height, maker, wafers, tuple(steps), samples)


def _together(drawn: dict[str, Numeric], generation: str, area: float) -> dict[str, Numeric]:
    """Samples in which the defects go with the die area that they were inferred with: the record tells a yield, so that
    what is known is defects x area, and a die that is larger than its fact has fewer defects for each cm2."""
    if generation != INFERRED_WITH:
        return drawn
    return drawn | {"defects": np.multiply(drawn["defects"], np.divide(area, drawn["die_area"]))}


def amounts(v: Values, height: int, wafers: Numeric, model: str, volume: float) -> dict[str, Numeric]:
    """Every step's amount from the constants of the chain, floats or arrays; money only where prices are known."""
    defects = learned_defects(v["defects"], volume, 1.0, v["learning"], np.minimum(v["floor"], v["defects"]))
    gross = gross_dies(v["diameter"], v["die_area"], v["edge"], v["scribe"])
    kept, quality = known_good(die_yield(model, v["die_area"], defects, v["clustering"]), v["coverage"])
    area = np.multiply(v["die_area"], v["area_ratio"])
    base_gross = gross_dies(v["diameter"], area, v["edge"], v["scribe"])
    base_kept, base_quality = known_good(die_yield(model, area, v["base_defects"], v["clustering"]), v["base_coverage"])
    shipped = stack_yield(height, v["bond_yield"], v["test"], quality, base_quality, v["bond_repair"])
    started = wafers * gross * kept / height
    held = started * shipped * v["capacity"]
    found = {
        "wafers started": np.asarray(wafers, dtype=float),
        "gross core dies": wafers * gross,
        "dies after wafer test": wafers * gross * kept,
        "stacks started": started,
        "base-die wafers": started / (base_gross * base_kept),
        "good stacks": started * shipped,
        "capacity shipped": held,
        "DDR5 displaced": displaced(held, v["trade"]),
    }
    if "price" in v:
        ddr5, hbm = v["module"] / v["module_size"], v["price"] / v["priced"]
        found["sales forgone"] = forgone(held, v["trade"], ddr5, hbm)
    return found


def _learns(step: str, volume: float) -> bool:
    return step == "dies after wafer test" and volume > 1


def _facts(generation: HbmGeneration, height: int, maker: str) -> dict[str, Fact]:
    """The facts that the chain computes with, by the name in `amounts`."""
    known = constants.facts()
    found = {
        "diameter": known["chain.wafer.diameter"],
        "edge": known["chain.wafer.edge"],
        "scribe": known["chain.wafer.scribe"],
        "die_area": generation.facts["die_area"],
        "defects": constants.of_maker("chain.defects", maker),
        "clustering": known["chain.clustering"],
        "coverage": known["chain.known_good.coverage"],
        "area_ratio": known["chain.base.area_ratio"],
        "base_defects": constants.of_maker("chain.base.defects", maker),
        "base_coverage": known["chain.base.coverage"],
        "bond_yield": known["chain.bond.yield"],
        "bond_repair": known["chain.bond.repair"],
        "test": known["chain.test"],
        "capacity": _capacity(generation, height),
        "trade": constants.trade_ratio(generation.id),
        "learning": known["chain.learning.share"],
        "floor": known["chain.learning.floor"],
        "module": known["chain.ddr5.module"],
        "module_size": known["chain.ddr5.size"],
    }
    price = generation.facts.get("price")
    return found if price is None else found | {"price": price, "priced": _capacity(generation, PRICED)}


def _capacity(generation: HbmGeneration, height: int) -> Fact:
    """What a stack holds: as printed for the height, or the height times what a die holds."""
    printed, die = generation.facts.get(f"capacity.{height}"), generation.facts["die_capacity"]
    if printed is not None:
        return printed
    note = f"{height} x {die.path}"
    return Fact(f"{die.path} x {height}", height * die.si, "B/stack", die.grade, die.sources, note=note)


def draw(fact: Fact, random: np.random.Generator) -> Numeric:
    """SAMPLES of a fact: triangular over its range, or its value where it has none.

    >>> fact = Fact("dies", 10.0, "", Grade.ASSUMED, low=8.0, high=12.0)
    >>> found = draw(fact, np.random.default_rng(1))
    >>> bool(found.min() >= 8.0), bool(found.max() <= 12.0), len(found) == SAMPLES
    (True, True, True)
    """
    low, value, high = fact.si_low, fact.si, fact.si_high
    return random.triangular(low, value, high, SAMPLES) if high > low else value
