"""How far wafers reach: what wafer starts of a maker mean in stacks, accelerators, megawatts and tokens a day."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stackyard.catalog import Catalog
from stackyard.catalog.entries import Accelerator, HbmGeneration
from stackyard.errors import refused
from stackyard.hbm import constants
from stackyard.hbm.chain import HIGH, LOW, SEED, Chain, Step, chain, draw
from stackyard.hbm.packaging import packages_from
from stackyard.notebook import Columns, Tabular, by_rows
from stackyard.perf.asked import product
from stackyard.perf.search import Best, best
from stackyard.quantity import DAY, MONTH, UnitError, convert, dimension, split
from stackyard.site import plant as plants
from stackyard.site.power import system_power
from stackyard.source import Fact, Grade, weakest

PUE = "facility.pue.liquid-cooled-ai"
OBJECTIVE = (2.0, 0.05)  # s to the first token and per output token
REQUEST = (1000.0, 1000.0)  # tokens of prompt and output


@dataclass(frozen=True)
class Reach(Tabular):
    """What wafers come to: the memory chain, and the steps after it where an accelerator and a model are named.

    `monthly` where the wafers are those of every month: then amounts are of one month's starts, and `months` of them
    make a year. `remarks` tell what the steps after the stacks rest on.
    """

    chain: Chain
    steps: tuple[Step, ...]
    monthly: bool
    remarks: tuple[str, ...]

    @property
    def facts(self) -> tuple[Fact, ...]:
        return tuple(dict.fromkeys(fact for step in self.steps for fact in step.facts))

    @property
    def grade(self) -> Grade:
        return weakest(fact.grade for fact in self.facts)

    def columns(self) -> Columns:
        """The steps in their order: what there is of it, its 80% interval, unit and grade."""
        return by_rows(
            {
                "step": step.name,
                "amount": step.amount,
                "low": step.low,
                "high": step.high,
                "unit": step.unit,
                "grade": step.grade.label if step.facts else "",
            }
            for step in self.steps
        )

    def summary(self) -> dict[str, object]:
        """Plain names and values for JSON."""
        return {
            "product": f"{self.chain.generation.id}-{self.chain.height}h",
            "maker": self.chain.maker,
            "monthly": self.monthly,
            "grade": self.grade.label,
            "steps": [
                {
                    "name": step.name,
                    "unit": step.unit,
                    "value": step.amount,
                    "low": step.low,
                    "high": step.high,
                    "how": step.how,
                    "grade": step.grade.label if step.facts else None,
                    "facts": [fact.path for fact in step.facts],
                }
                for step in self.steps
            ],
            "remarks": list(self.remarks),
        }


def reach(
    known: Catalog,
    text: str,
    wafers: str,
    maker: str = "",
    *,
    height: int | None = None,
    chip: str | None = None,
    model: str | None = None,
    precision: str = "fp8",
    made: float = 1.0,
) -> Reach:
    """The chain of a product ('hbm4-12h') from wafers ('10000', '900 kwafer/month') as far as is asked.

    With `chip` on to packages, packaging wafers, systems and power; with `model` to tokens a day at full load under
    the usual objective. Without `maker` the industry's yields are taken; without a height the tallest on record up to
    12. `made` is what the maker has made since its yield was reported, over what it had made then. Raises InputErrors.

    >>> from stackyard.catalog import load
    >>> found = reach(load(), "hbm4-12h", "900 kwafer/month", chip="rubin-vr200")
    >>> [step.name for step in found.steps][-2:]
    ['IT power', 'site power']
    """
    generation, high = _product(known, text, height)
    who = known.maker(maker).id if maker else constants.INDUSTRY
    count, monthly = _wafers(wafers)
    try:
        found = chain(generation, high, who, count, volume=made)
    except ValueError as error:
        raise refused("--made" if "made" in str(error) else "PRODUCT", str(error), "see: stackyard facts hbm") from None
    if chip is None and model is None:
        return Reach(found, found.steps, monthly, ())
    part = _taking(known, chip, generation, high)
    after, remarks = _packages(known, found, part)
    if model is not None:
        point = best(
            known.model(model),
            part,
            *REQUEST,
            *OBJECTIVE,
            precision,
            domain=max(part.scale_up_domain, 1),
            hbm=generation,
        )
        tokens, told = _tokens(after[0], point, model, precision, part)
        after, remarks = (*after, *tokens), (*remarks, told)
    return Reach(found, (*found.steps, *after), monthly, remarks)


def _product(known: Catalog, text: str, height: int | None) -> tuple[HbmGeneration, int]:
    word, told = product(text)
    generation = known.generation(word)
    if height is not None and told not in (None, height):
        raise refused("--height", f"{height} is not the height of '{text}'", "leave one of the two out")
    usual = max((h for h in generation.heights if h <= 12), default=generation.heights[0])
    return generation, height or told or usual


def _wafers(text: str) -> tuple[float, bool]:
    """Wafers, and whether they are those of each month."""
    hint = "for example --wafers 10000, or --wafers '900 kwafer/month'"
    try:
        number, unit = split(text)
        per_month = dimension(unit) == dimension("wafer/month") if unit else False
        count = number if not unit else convert(number, unit) * (MONTH if per_month else 1.0)
        if unit and not per_month and dimension(unit) != dimension("wafer"):
            raise UnitError(f"'{text}' is not a number of wafers")
    except UnitError as error:
        raise refused("--wafers", str(error), hint) from None
    if not 0 < count < 1e12:
        raise refused("--wafers", f"'{text}' is not a number of wafers above 0", hint)
    return count, per_month


def _taking(known: Catalog, chip: str | None, generation: HbmGeneration, height: int) -> Accelerator:
    """The accelerator named, which must take this stack."""
    taking = [
        part.id for part in known.accelerators.values() if (part.hbm, part.stack_height) == (generation.id, height)
    ]
    fitting = (
        f"those that do: {', '.join(taking)}"
        if taking
        else f"no accelerator on record takes {height}-high {generation.name}"
    )
    if chip is None:
        raise refused("--chip", "a model runs on an accelerator: name one", fitting)
    part = known.accelerator(chip)
    if part.id not in taking:
        raise refused("--chip", f"{part.name} does not take {height}-high {generation.name}", fitting)
    return part


def _packages(known: Catalog, found: Chain, part: Accelerator) -> tuple[tuple[Step, ...], tuple[str, ...]]:
    """Packages, packaging wafers, systems, IT and site power."""
    table = constants.facts()
    good = table["chain.package.yield"]
    each = table.get(f"chain.package.per_wafer.{part.id}", table["chain.package.per_wafer.other"])
    random = np.random.default_rng(SEED + 1)
    stacks, drawn = found.samples["good stacks"], draw(good, random)
    central = float(packages_from(found["good stacks"].amount, part.stacks, good.si))
    sampled = np.asarray(packages_from(stacks, part.stacks, drawn))
    made = f"{part.stacks:g} stacks on each {part.name}, assembled"
    carried = "packages on an advanced-packaging wafer"
    wafers = central / good.si / each.si, sampled / drawn / draw(each, random)
    steps = (
        _step("packages", "package", central, sampled, made, (part.facts["stacks"], good)),
        _step("packaging wafers", "wafer", *wafers, carried, (each,)),
    )
    tsmc, others = table["chain.packaging.tsmc"].si * MONTH, table["chain.packaging.others"].si * MONTH
    room = (
        f"Advanced packaging of all customers at the end of 2026: {tsmc / 1e3:,.0f} kwafers a month at TSMC "
        f"(supply.packaging.tsmc-cowos-end2026) and about {others / 1e3:,.0f} elsewhere."
    )
    if not part.system or not known.system(part.system).max_power > 0:
        return steps, (room, f"No system with a power on record is listed for {part.name}: power is not told.")
    return (*steps, *_systems(known, part, central, sampled, random)), (room,)


def _systems(
    known: Catalog, part: Accelerator, central: float, sampled: NDArray[np.float64], random: np.random.Generator
) -> tuple[Step, ...]:
    """Systems, IT and site power of packages."""
    system, pue, rating = known.system(part.system), known.fact(PUE), plants.facts()["plant.power.rating_used"]
    racks = central / system.accelerators, sampled / system.accelerators
    watts = float(system_power(part.tdp, part.tdp, system.max_power, system.accelerators, rating.si))
    power, drawn = central * watts, sampled * watts * (draw(rating, random) / rating.si)
    site = power * pue.si, drawn * draw(pue, random)
    rated = "each at its design power, its share of the system in"
    facts = (part.facts["tdp"], system.facts["max_power"], rating)
    return (
        _step("systems", "rack", *racks, f"{system.accelerators} in each {system.name}", ()),
        _step("IT power", "W", power, drawn, rated, facts),
        _step("site power", "W", *site, "times the PUE of liquid-cooled AI halls", (pue,)),
    )


def _tokens(packages: Step, point: Best, model: str, precision: str, part: Accelerator) -> tuple[tuple[Step, ...], str]:
    """Tokens a day at full load, with the interval of the rate and of the packages together; or why there are none."""
    if point.estimate is None:
        return (), f"{part.name} cannot serve {model} in {precision}: {'; '.join(point.why)}."
    rate = point.token_rate * DAY
    low, high = (float(end) / float(point.estimate.output_rate) for end in point.estimate.interval())
    step = Step(
        "tokens a day",
        "token/day",
        packages.amount * rate,
        packages.low * rate * low,
        packages.high * rate * high,
        f"{model} in {precision} on every one of them, busy all day",
        point.estimate.basis.constants,
    )
    first, tpot = OBJECTIVE
    told = (
        f"Tokens: prompts and outputs, {REQUEST[0]:,.0f} each, within {first:g} s to the first token and "
        f"{tpot * 1e3:g} ms per output token; the ends take packages and rate at their own ends. A service with a "
        "daily peak, spares and a tail objective gets a third to a half of it."
    )
    return (step,), told


def _step(name: str, unit: str, amount: float, samples: object, how: str, facts: tuple[Fact, ...]) -> Step:
    low, high = np.percentile(np.asarray(samples), (LOW, HIGH))
    return Step(name, unit, amount, float(low), float(high), how, facts)
