"""The whole chain against what shipped: defects inferred from the record, and the record told again by them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from stackyard.catalog import Catalog
from stackyard.hbm import constants
from stackyard.hbm.chain import HIGH, LOW, Chain, chain
from stackyard.hbm.geometry import die_yield, known_good
from stackyard.hbm.stack import stack_yield
from stackyard.hbm.trade import implied_trade_ratio
from stackyard.quantity import BIT, GIGA, YEAR, Fraction, Numeric, SquareMetre
from stackyard.source import Fact

YIELD_2024 = "supply.yields.hbm3e-overall-industry-2024"
INDUSTRY_2026 = "supply.calibration.industry-2026-net-gb-per-wafer-start"
SAMSUNG_2026 = "supply.calibration.samsung-2026-net-gb-per-wafer-start"
LETTERS, LETTERS_COME_TO = "supply.capacity.openai-letter-of-intent", "supply.calibration.loi-900k-wafers-equivalent"
STACK_TEST = "makers.sk-hynix.yield_hbm4_12h_test"
GAP, AREA = "supply.yields.hbm-vs-ddr5-yield-gap", "supply.die-and-wafer.die-area-vs-ddr5-same-node-density"
QUOTED = "supply.trade-ratio.hbm3e-vs-ddr5-bits-per-wafer"
GIGABIT = GIGA * BIT


@dataclass(frozen=True)
class Check:
    """A figure of the record beside ours, both in `unit` as (value, low, high); ours is fitted where the figure of the
    record went into our constants."""

    what: str
    unit: str
    ours: tuple[float, float, float]
    record: tuple[float, float, float]
    fact: Fact
    fitted: bool = False

    @property
    def off(self) -> float:
        """Ours over the record's, less 1."""
        return self.ours[0] / self.record[0] - 1

    @property
    def agrees(self) -> bool:
        """Whether our central figure lies in the record's range."""
        return bool(self.record[1] <= self.ours[0] <= self.record[2])


def overall_yield(
    defects: Numeric,
    area: SquareMetre,
    height: int,
    *,
    coverage: Fraction,
    clustering: Numeric,
    bond: Fraction,
    test: Fraction,
) -> Fraction:
    """Share of gross core dies that ship in good stacks: kept x stack yield. Shapes broadcast; area m2, defects 1/m2.

    >>> f"{overall_yield(4000.0, 121e-6, 8, coverage=0.99, clustering=2.0, bond=0.99, test=0.95):.3f}"
    '0.547'
    """
    kept, quality = known_good(die_yield("negative-binomial", area, defects, clustering), coverage)
    return np.multiply(kept, stack_yield(height, bond, test, quality))[()]


def inferred_defects(overall: Fraction, area: SquareMetre, height: int) -> Numeric:
    """Defects per m2 at which `overall_yield` is a share, with the other constants of the chain, by bisection.

    >>> f"{inferred_defects(0.55, 121e-6, 8) / 1e4:.2f} per cm2"
    '0.40 per cm2'
    """
    known = constants.facts()
    coverage, clustering = known["chain.known_good.coverage"].si, known["chain.clustering"].si
    bond, test = known["chain.bond.yield"].si, known["chain.test"].si
    low, high = np.zeros(np.shape(overall)), np.full(np.shape(overall), 1e5)
    for _ in range(60):
        middle = (low + high) / 2
        found = overall_yield(middle, area, height, coverage=coverage, clustering=clustering, bond=bond, test=test)
        low, high = np.where(found > overall, middle, low), np.where(found > overall, high, middle)
    density: Numeric = ((low + high) / 2)[()]
    return density


def checks(catalog: Catalog) -> Iterator[Check]:
    """The chain against the top-down figures of the record, one by one.

    >>> from stackyard.catalog import load
    >>> [check.what for check in checks(load()) if not check.agrees]
    ['trade ratio of HBM3E by areas, yields and base dies', 'HBM4 12-high of SK hynix, share of stacks that pass']
    """
    hbm3e, hbm4, known = catalog.generation("hbm3e"), catalog.generation("hbm4"), catalog.fact

    def beside(what: str, unit: str, ours: tuple[float, float, float], path: str, factor: float, fitted: bool) -> Check:
        fact = known(path)
        low, value, high = sorted(factor * end for end in (fact.si_low, fact.si, fact.si_high))
        return Check(what, unit, ours, (value, low, high), fact, fitted)

    industry, samsung = chain(hbm3e, 12), chain(hbm3e, 12, "samsung")
    eight, tall = chain(hbm3e, 8), chain(hbm4, 12, "sk-hynix")
    letters = 12 * float(known(LETTERS).value)  # type: ignore[arg-type]  # wafers a year
    whole = _ratio(eight, "good stacks", "gross core dies", 8)
    gap, area = known(GAP), known(AREA)
    base = _ratio(eight, "base-die wafers", "wafers started")
    trade = implied_trade_ratio(
        np.array([area.si, area.si_low, area.si_high]),
        whole[0] + np.array([gap.si, gap.si_low, gap.si_high]),
        whole[0],
        np.array(base),
    )
    net = "Gb a wafer start"
    yield beside("HBM3E 8-high of the industry, from wafer to stack", "", whole, YIELD_2024, 1, True)
    yield beside("HBM3E 12-high of the industry, net", net, _net(industry), INDUSTRY_2026, 1 / GIGABIT, False)
    yield beside("HBM3E 12-high of Samsung, net", net, _net(samsung), SAMSUNG_2026, 1 / GIGABIT, True)
    year = tuple(letters * part / 1e9 for part in _net(industry))
    billions = YEAR / GIGABIT / 1e9
    yield beside("900,000 wafers a month, were all HBM3E", "billion Gb a year", year, LETTERS_COME_TO, billions, False)  # type: ignore[arg-type]
    yield beside("trade ratio of HBM3E by areas, yields and base dies", "", tuple(map(float, trade)), QUOTED, 1, False)  # type: ignore[arg-type]
    passing = _ratio(tall, "good stacks", "stacks started")
    yield beside("HBM4 12-high of SK hynix, share of stacks that pass", "", passing, STACK_TEST, 1, False)


def _net(found: Chain) -> tuple[float, float, float]:
    """Gigabits shipped for one of the wafers started, (value, low, high)."""
    step = found["capacity shipped"]
    return tuple(part / GIGABIT / found.wafers for part in (step.amount, step.low, step.high))  # type: ignore[return-value]


def _ratio(found: Chain, top: str, bottom: str, factor: float = 1.0) -> tuple[float, float, float]:
    """One step over another, (value, low, high)."""
    low, high = np.percentile(factor * found.samples[top] / found.samples[bottom], (LOW, HIGH))
    return factor * found[top].amount / found[bottom].amount, float(low), float(high)
