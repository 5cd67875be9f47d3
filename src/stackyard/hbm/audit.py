"""The memory facts of the catalogue against the memory formulas: dies on a wafer, and the yield of what shipped."""

from __future__ import annotations

from collections.abc import Iterator

from stackyard.catalog import Catalog
from stackyard.catalog.audit import Finding
from stackyard.hbm.geometry import gross_dies
from stackyard.hbm.stack import implied_die_yield
from stackyard.source import Fact

DIAMETER, EDGE = 0.300, 0.003  # m: the wafer that the record's die counts are for
COUNTED_WITHIN = 0.01  # printed die counts are whole numbers
# What shipped for a wafer start in 2026 was mostly HBM3E; its overall yield is reported from wafer to stack.
SHIPPED = (
    "supply.calibration.industry-2026-net-gb-per-wafer-start",
    "supply.calibration.samsung-2026-net-gb-per-wafer-start",
)
PRODUCT, OVERALL = "hbm3e", "supply.yields.hbm3e-overall-industry-2024"


def audit(catalog: Catalog) -> list[Finding]:
    """Every finding about the memory facts of a catalogue.

    >>> from stackyard.catalog import load
    >>> [finding.path for finding in audit(load())]
    ['supply.calibration.samsung-2026-net-gb-per-wafer-start']
    """
    return [*_dies(catalog), *_shipped(catalog)]


def _dies(catalog: Catalog) -> Iterator[Finding]:
    """Dies on a wafer as printed against those that the die's area leaves room for."""
    for generation in catalog.hbm.values():
        printed = generation.facts.get("gross_dies")
        if printed is None or not generation.die_area > 0:
            continue
        counted = float(gross_dies(DIAMETER, generation.die_area, EDGE))
        if abs(printed.si / counted - 1) > COUNTED_WITHIN:
            message = f"{generation.die_area * 1e6:.4g} mm^2 leave room for {counted:,.0f} dies, not {printed.si:,.0f}"
            yield Finding(printed.path, "dies per wafer", message)


def _shipped(catalog: Catalog) -> Iterator[Finding]:
    """The share of gross dies that must have shipped in stacks: at most 1, and not far from the yield reported."""
    product, reported = catalog.generation(PRODUCT), catalog.fact(OVERALL)
    dies = product.facts["gross_dies"].si
    for path in SHIPPED:
        net = catalog.fact(path)
        least, share, most = (
            float(implied_die_yield(amount, dies, 1.0, product.die_capacity))
            for amount in (net.si_low, net.si, net.si_high)
        )
        told = f"{share:.0%} ({least:.0%} to {most:.0%}) of the gross dies of {product.name} must have shipped"
        if share > 1:
            yield Finding(path, "implied yield", f"{told}: more than a wafer has")
        elif most < reported.si_low or reported.si_high < least:
            yield Finding(
                path, "implied yield", f"{told}, against {_range(reported)} reported for the industry", "note"
            )


def _range(fact: Fact) -> str:
    return f"{fact.si_low:.0%} to {fact.si_high:.0%}"
