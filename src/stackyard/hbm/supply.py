"""A memory line through time: wafers started, dies, stacks, and every loss and stock between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stackyard.hbm.lead import Weights, arrivals
from stackyard.hbm.stack import stack_yield, stacks_from
from stackyard.quantity import Count, Fraction, Numeric, Second, Usd

Series = NDArray[np.float64]


@dataclass(frozen=True)
class Line:
    """One maker's line for one product.

    Every amount and yield is a number or an array that broadcasts against `wafers`, whose last axis is the months; a
    yield counts in the month in which its step ends. A lead is whole months, or the weights of 0, 1, 2, ... months
    (`lead.LeadTime.weights`); it may exceed the horizon. Nothing is in the line before the first month except the
    opening stocks: to have shipments from the first month on, begin `lead` months earlier and cut the result. Raises
    ValueError for a yield outside 0..1, a height below 1, or a negative amount.
    """

    wafers: Series  # wafer starts by month (..., months)
    dies_per_wafer: Count  # gross dies
    die_yield: Fraction  # share of the dies that pass the wafer test
    height: int  # core dies in a stack
    bond_yield: Fraction  # of each layer
    test_yield: Fraction  # of the finished stack
    lead_fab: int | Weights  # months from wafer start to tested die
    lead_stack: int | Weights  # months from drawing the dies to a tested stack
    lead_ship: int | Weights = 0  # months from tested to shipped stack
    base_dies: Count = np.inf  # good base dies that arrive by month; infinite sets no limit
    core_dies_start: Count = 0.0  # good core dies in stock before the first month
    base_dies_start: Count = 0.0  # good base dies in stock before the first month
    stacks_start: Count = 0.0  # good stacks in stock before the first month; they ship in it
    die_quality: Fraction = 1.0  # of the dies that passed the wafer test, the share that is good
    base_quality: Fraction = 1.0  # the same of base dies
    bond_repair: Fraction = 0.0  # of failed joints, the share that spare vias mend
    maker: str = ""
    product: str = ""

    def __post_init__(self) -> None:
        faults = [
            f"{name} must be 0 or more and finite"
            for name in ("wafers", "dies_per_wafer", "core_dies_start", "base_dies_start", "stacks_start")
            if not np.all(np.isfinite(getattr(self, name)) & (np.asarray(getattr(self, name)) >= 0))
        ]
        for name in ("die_yield", "bond_yield", "test_yield", "die_quality", "base_quality", "bond_repair"):
            value = np.asarray(getattr(self, name))
            if not np.all((value >= 0) & (value <= 1)):
                faults.append(f"{name} must lie in 0..1")
        if not np.all(np.asarray(self.base_dies) >= 0):
            faults.append("base_dies must be 0 or more")
        if self.height < 1 or any(np.min(lead) < 0 for lead in (self.lead_fab, self.lead_stack, self.lead_ship)):
            faults.append("height must be 1 or more and leads 0 or more")
        if faults:
            raise ValueError("; ".join(faults))

    @property
    def lead(self) -> int:
        """Months from wafer start to the last shipped stack."""
        return sum(_longest(lead) for lead in (self.lead_fab, self.lead_stack, self.lead_ship))

    @property
    def stack_yield(self) -> Fraction:
        """Share of the stacks started that ship."""
        return stack_yield(
            self.height, self.bond_yield, self.test_yield, self.die_quality, self.base_quality, self.bond_repair
        )


def _longest(lead: int | Weights) -> int:
    return lead if isinstance(lead, int) else len(lead) - 1


@dataclass(frozen=True)
class Flow:
    """What a Line does by month, all of shape (..., months). Amounts in dies or stacks; stocks at the month's end."""

    line: Line
    dies_started: Series  # gross dies on the wafers started
    dies_good: Series
    dies_scrapped: Series
    stacks_started: Series
    stacks_good: Series
    stacks_scrapped: Series
    stacks_shipped: Series
    dies_in_fab: Series  # work in progress
    core_dies_in_stock: Series
    base_dies_in_stock: Series  # infinite where base dies set no limit
    stacks_in_assembly: Series  # work in progress
    stacks_in_stock: Series  # tested, not yet shipped


def flow(line: Line) -> Flow:
    """Sends a line's wafers through fab, stacking and shipping as fast as the leads and the base dies allow.

    With cumulative sums in capitals, the stacks started are B_t = min(C_t / h, Z_t): the opening stock and arrivals of
    core dies C over the height, or those of base dies Z, whichever is fewer. The rest is delay and yield.

    >>> line = Line(np.array([10.0, 10.0, 0.0]), 500, 0.8, 8, 1.0, 0.9, lead_fab=1, lead_stack=1)
    >>> flow(line).stacks_shipped.tolist()
    [0.0, 0.0, 450.0]
    >>> flow(line).stacks_in_assembly.tolist()
    [0.0, 500.0, 500.0]
    """
    shipped = line.stack_yield
    inputs = (line.wafers, line.dies_per_wafer, line.die_yield, shipped, line.base_dies)
    shape = np.broadcast_shapes(*(np.shape(value) for value in inputs))
    dies_started = np.broadcast_to(np.multiply(line.wafers, line.dies_per_wafer), shape).astype(float)
    dies_out = arrivals(dies_started, line.lead_fab)
    dies_good = dies_out * line.die_yield

    core = np.cumsum(dies_good, axis=-1) + line.core_dies_start
    base = np.cumsum(np.broadcast_to(line.base_dies, shape), axis=-1) + line.base_dies_start
    started = stacks_from(core, line.height, base)
    stacks_started = np.diff(started, axis=-1, prepend=0.0)
    stacks_out = arrivals(stacks_started, line.lead_stack)
    stacks_good = stacks_out * shipped
    stacks_shipped = arrivals(stacks_good, line.lead_ship)
    stacks_shipped[..., :1] += line.stacks_start
    return Flow(
        line=line,
        dies_started=dies_started,
        dies_good=dies_good,
        dies_scrapped=dies_out - dies_good,
        stacks_started=stacks_started,
        stacks_good=stacks_good,
        stacks_scrapped=stacks_out - stacks_good,
        stacks_shipped=stacks_shipped,
        dies_in_fab=_underway(dies_started, line.lead_fab),
        core_dies_in_stock=core - line.height * started,
        base_dies_in_stock=base - started,
        stacks_in_assembly=_underway(stacks_started, line.lead_stack),
        stacks_in_stock=_underway(stacks_good, line.lead_ship),
    )


def _underway(entered: Series, lead: int | Weights) -> Series:
    """What entered a step and has not left it by the end of each month."""
    total = np.cumsum(entered, axis=-1)
    return total - arrivals(total, lead)


def balance(flow: Flow) -> Series:
    """Core dies that came in less those accounted for, by month: zero but for rounding, or the flow is wrong.

    In: opening stock, dies on started wafers. Accounted for: shipped, scrapped, in stock and in progress; a stack
    counts as `height` dies. Shape (..., months).

    >>> line = Line(np.full(24, 10.0), 500, 0.8, 12, 0.99, 0.7, lead_fab=4, lead_stack=2, stacks_start=5.0)
    >>> float(np.abs(balance(flow(line))).max()) < 1e-6
    True
    """
    line = flow.line
    entered = np.cumsum(flow.dies_started, axis=-1) + line.core_dies_start + line.height * np.asarray(line.stacks_start)
    gone = np.cumsum(flow.dies_scrapped + line.height * (flow.stacks_scrapped + flow.stacks_shipped), axis=-1)
    held = flow.dies_in_fab + flow.core_dies_in_stock + line.height * (flow.stacks_in_assembly + flow.stacks_in_stock)
    return np.asarray(entered - gone - held)


def holding_cost(stock: Count, worth: Numeric, rate: Numeric, seconds: Second) -> Usd:
    """USD for holding a stock over a time: stock x worth x rate x seconds.

    `stock` by month as in `Flow`, `worth` in USD of one of it at that stage, `rate` in 1/s (10% a year of its worth).
    Shapes broadcast. A half-made die is worth what was spent on it so far, less than its share of a stack's price.

    >>> from stackyard.quantity import YEAR
    >>> float(holding_cost(1000.0, 600.0, 0.10 / YEAR, YEAR / 12))
    5000.0
    """
    return np.multiply(np.multiply(stock, worth), np.multiply(rate, seconds))[()]
