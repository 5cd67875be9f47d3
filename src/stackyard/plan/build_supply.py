"""What a supply delivers month by month: as promised, or what its wafers come to through yields and lead times."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stackyard.catalog import Catalog
from stackyard.catalog.entries import HbmGeneration
from stackyard.hbm.constants import trade_ratio
from stackyard.hbm.geometry import die_yield, gross_dies, known_good
from stackyard.hbm.lead import arrivals
from stackyard.hbm.learning import cumulative, learned_defects
from stackyard.hbm.ramp import slip
from stackyard.hbm.supply import Flow, Line, flow
from stackyard.plan.inputs import Supply
from stackyard.plan.supplying import Wafers
from stackyard.quantity import MONTH
from stackyard.source import Fact

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Delivered:
    """Stacks by month; DRAM wafers behind one of them, on the average, and months between the two; both 0 where stacks
    are promised."""

    stacks: Array
    wafers_per_stack: float
    lead: int
    flow: Flow | None = None  # of the wafers: every stock and loss on the way, from the first start on


def delivered(
    supply: Supply, catalog: Catalog, months: range, krw: float, promised: Array, slipped: bool = True
) -> Delivered:
    """What a supply delivers; `promised` are its deliveries by month where it states them.

    Without `slipped` the months by which the wafers come later are left out.
    """
    if supply.wafers is None:
        return Delivered(promised, 0.0, 0)
    wafers = supply.wafers
    late = wafers.slip if slipped else 0
    longest = sum(len(w) - 1 if not isinstance(w, int) else w for w in (lead.weights for lead in wafers.leads))
    clock = range(months.start - longest - late, months.stop)
    found = flow(line(supply, wafers, catalog.generation(supply.product), clock, krw))
    made = found.line
    tested = float((found.dies_good + found.dies_scrapped).sum())
    kept = float(found.dies_good.sum()) / tested if tested > 0 else float(np.max(made.die_yield))
    per_stack = made.height / (made.dies_per_wafer * kept * float(made.stack_yield)) if kept > 0 else 0.0
    whole = sum(lead.months for lead in wafers.leads) + late
    stacks = slip(found.stacks_shipped, late)[-len(months) :]
    return Delivered(stacks, float(per_stack), whole, found)


def line(supply: Supply, wafers: Wafers, generation: HbmGeneration, clock: range, krw: float) -> Line:
    """A supply's line over the months of a clock, which begins its leads before the plan."""
    area = wafers.die_area.si if wafers.die_area is not None else generation.die_area
    starts = wafers.starts.by_month(clock, krw) * MONTH
    kept, quality = known_good(_good(wafers, area, starts), wafers.test_coverage.si)
    fab, stack, ship = (lead.weights for lead in wafers.leads)
    return Line(
        wafers=starts,
        dies_per_wafer=float(gross_dies(wafers.wafer_diameter.si, area, wafers.edge_exclusion.si, wafers.scribe.si)),
        die_yield=kept if np.ndim(kept) == 0 else arrivals(kept * starts, fab) / _some(arrivals(starts, fab)),
        height=supply.height,
        bond_yield=wafers.bond_yield.si,
        test_yield=wafers.test_yield.si,
        lead_fab=fab,
        lead_stack=stack,
        lead_ship=ship,
        base_dies=_base_dies(wafers, clock, krw),
        maker=supply.maker,
        product=supply.name,
        die_quality=quality if np.ndim(quality) == 0 else float(np.average(quality, weights=_some(starts))),
        bond_repair=wafers.bond_repair.si,
    )


def _good(wafers: Wafers, area: float, starts: Array) -> Array | float:
    """Share of good dies on the wafers of each month: as stated, or from defects that fall with what was made."""
    if wafers.die_yield is not None:
        return wafers.die_yield.si
    assert wafers.defects is not None
    defects: Array | float = wafers.defects.si
    if wafers.learning.si > 0 and wafers.made is not None:
        made, floor = wafers.made.si, min(wafers.floor.si, wafers.defects.si)
        defects = learned_defects(wafers.defects.si, cumulative(starts, made), made, wafers.learning.si, floor)
    found: Array | float = die_yield(wafers.yield_model, area, defects, wafers.clustering.si)
    return found


def _base_dies(wafers: Wafers, clock: range, krw: float) -> Array | float:
    """Good base dies that arrive by month; without a line of their own they set no limit."""
    base = wafers.base_dies
    if base is None:
        return np.inf
    each = gross_dies(wafers.wafer_diameter.si, base.area.si, wafers.edge_exclusion.si, wafers.scribe.si)
    before = range(clock.start - LONG, clock.stop)  # those started before the clock have arrived
    dies = base.starts.by_month(before, krw) * MONTH * float(each) * base.die_yield.si
    return np.asarray(arrivals(dies, base.lead.weights)[LONG:])


LONG = 60  # months before the clock from which base dies may still arrive


def _some(values: Array) -> Array:
    """The values, 1 where they are 0: for shares of nothing."""
    return np.where(values > 0, values, 1.0)


def ddr5(supply: Supply, generation: HbmGeneration) -> tuple[float, Fact]:
    """Bytes of DDR5 that a stack displaces, and the trade ratio behind them: the scenario's or the record's.

    >>> from stackyard import api
    >>> read = api.scenario("first-plan")
    >>> from stackyard import catalog
    >>> supply = read.inputs.supplies["memory"]
    >>> displaced, ratio = ddr5(supply, catalog.load().hbm["hbm3e"])
    >>> 1 < ratio.si < 4, 50 < displaced / 1e9 < 150  # GB
    (True, True)
    """
    ratio = supply.trade_ratio if supply.trade_ratio is not None else trade_ratio(generation.id)
    return generation.capacity[supply.height] * ratio.si, ratio
