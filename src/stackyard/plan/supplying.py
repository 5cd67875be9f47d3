"""Wafers in a scenario file: the part of `Inputs` from which a supply's deliveries follow."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from stackyard.hbm.lead import LeadTime
from stackyard.plan.amounts import Door, Series, Unit, preset, refuse
from stackyard.quantity import MONTH
from stackyard.source import Fact

LONGEST = 60  # months that a step may take
QUANTILES = {"p50": 0.5, "p80": 0.8, "p90": 0.9}


class Lead(Door):
    """Months that a step takes: a whole number in its place, or a range over which they are spread."""

    low: Annotated[Fact, Unit("month")] | None = None
    """The least; `likely` when left out."""
    likely: Annotated[Fact, Unit("month")]
    """The likeliest."""
    high: Annotated[Fact, Unit("month")] | None = None
    """The most; `likely` when left out."""
    plan: Literal["mean", "p50", "p80", "p90", "spread"] = "mean"
    """What the plan counts with: a whole number of months by mean or percentile, or what leaves spread over them."""

    @model_validator(mode="after")
    def _ordered(self) -> Lead:
        low, likely, high = self._ends
        if not low <= likely <= high:
            raise refuse("months are not in order", "low <= likely <= high, for example {low: 3, likely: 4, high: 6}")
        if high > LONGEST:
            raise refuse(f"{high:g} months are too long", f"at most {LONGEST} months")
        return self

    @property
    def _ends(self) -> tuple[float, float, float]:
        likely = self.likely.si / MONTH
        low, high = (likely if end is None else end.si / MONTH for end in (self.low, self.high))
        return low, likely, high

    @property
    def time(self) -> LeadTime:
        """The distribution of the months."""
        return LeadTime(*self._ends)

    @property
    def months(self) -> int:
        """Whole months that stand for it: the mean rounded, or the percentile rounded up."""
        if self.plan in QUANTILES:
            return int(-(-self.time.quantile(QUANTILES[self.plan]) // 1))
        return round(self.time.mean)

    @property
    def weights(self) -> Any:
        """What the plan counts with: whole months, or with `plan: spread` the weights of each number of months."""
        return self.time.weights if self.plan == "spread" else self.months


def _lead(raw: Any) -> Any:
    """A whole number of months is the shortest way to write a Lead; bare numbers inside one are months."""
    if isinstance(raw, bool) or raw is None:
        raise refuse("is not a number of months", "for example 4, or {low: 3, likely: 4, high: 6}")
    if isinstance(raw, int):
        if not 0 <= raw <= LONGEST:
            raise refuse(f"{raw} is not a number of months between 0 and {LONGEST}", "for example 4")
        return {"likely": f"{raw} month"}
    if isinstance(raw, float | str):
        raise refuse("is not a whole number of months", "for example 4, or {low: 3, likely: 4, high: 6}")
    if isinstance(raw, dict):
        bare = ("low", "likely", "high")
        return {k: f"{v} month" if k in bare and isinstance(v, int | float) else v for k, v in raw.items()}
    return raw


Months = Annotated[Lead, BeforeValidator(_lead), WithJsonSchema({"form": "lead"})]


class BaseDies(Door):
    """Base dies of their own process, one under each stack."""

    starts: Annotated[Series, Unit("wafer/month")]
    """Wafers of base dies started for this product."""
    area: Annotated[Fact, Unit("mm^2")]
    """Area of a base die."""
    die_yield: Annotated[Fact, Unit("")]
    """Share of its dies that are good, above 0 and at most 1."""
    lead: Months = Field(default=0)  # type: ignore[assignment]
    """Months from wafer start to tested base die."""


class Wafers(Door):
    """A supply derived from wafer starts: the chain of yields and lead times from wafer to shipped stack."""

    starts: Annotated[Series, Unit("wafer/month")]
    """DRAM wafers started for this product."""
    wafer_diameter: Annotated[Fact, Unit("mm")] = preset("300 mm")
    """Diameter of the wafer."""
    edge_exclusion: Annotated[Fact, Unit("mm")] = preset("3 mm")
    """Rim of the wafer without dies."""
    scribe: Annotated[Fact, Unit("mm")] = preset("0 mm")
    """Street between dies, on top of their area."""
    die_area: Annotated[Fact, Unit("mm^2")] | None = None
    """Area of a core die; the catalogue's for the product when left out."""
    die_yield: Annotated[Fact, Unit("")] | None = None
    """Share of a wafer's dies that are good, above 0 and at most 1. Either this or `defects`."""
    defects: Annotated[Fact, Unit("cm^-2")] | None = None
    """Defects left after repair with spare rows, for example `0.4 cm^-2`. Either this or `die_yield`."""
    yield_model: Literal["poisson", "murphy", "negative-binomial"] = "negative-binomial"
    """How a yield follows from `defects`."""
    clustering: Annotated[Fact, Unit("")] = preset(2.0)
    """Of the negative binomial: smaller where defects cluster more."""
    learning: Annotated[Fact, Unit("")] = preset(0.0)
    """Share of the defects above the floor that each doubling of the wafers made takes off; with `defects` only."""
    floor: Annotated[Fact, Unit("cm^-2")] = preset("0 cm^-2")
    """Defects that learning does not take off."""
    made: Annotated[Fact, Unit("wafer")] | None = None
    """Wafers made before the first start of this plan, at which `defects` holds; needed for `learning`."""
    test_coverage: Annotated[Fact, Unit("")] = preset(1.0)
    """Share of bad dies that the wafer test finds; the rest spoil the stacks they come into."""
    bond_yield: Annotated[Fact, Unit("")]
    """Share of the layers bonded well: a stack of h dies survives with this to the power h."""
    bond_repair: Annotated[Fact, Unit("")] = preset(0.0)
    """Share of failed bonds that spare vias mend."""
    test_yield: Annotated[Fact, Unit("")]
    """Share of the bonded stacks that pass the test."""
    base_dies: BaseDies | None = None
    """Base dies; as many as are needed when left out."""
    wafer_to_die: Months
    """Months from wafer start to tested die."""
    die_to_stack: Months
    """Months from die to tested stack."""
    stack_to_shipment: Months
    """Months from stack to delivery."""
    slip: int = Field(default=0, ge=0, le=60)
    """Months by which everything comes later than that."""

    @model_validator(mode="after")
    def _one_of(self) -> Wafers:
        if (self.die_yield is None) == (self.defects is None):
            raise refuse("needs either die_yield or defects, not both and not neither", "keep one of the two keys")
        if self.learning.si > 0 and (self.defects is None or self.made is None):
            raise refuse("learning needs defects and made", "state both, or leave learning out")
        return self

    @property
    def leads(self) -> tuple[Lead, Lead, Lead]:
        """From wafer start to die, to stack, to delivery."""
        return self.wafer_to_die, self.die_to_stack, self.stack_to_shipment


SHARES = ("die_yield", "bond_yield", "test_yield")  # above 0 and at most 1
PARTS = ("test_coverage", "bond_repair", "learning")  # between 0 and 1
