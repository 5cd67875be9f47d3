"""Contracts, choices and training in a scenario file: the parts of `Inputs` that a plan may decide on as a whole."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from stackyard.months import show_month
from stackyard.plan.amounts import Door, MonthField, Series, Unit, preset, refuse
from stackyard.source import Fact

Cooling = Literal["air", "outside-air", "hybrid", "liquid"]
Rejection = Literal["dry", "adiabatic", "tower"]
Precision = Literal["bf16", "fp8", "fp4"]


class Contract(Door):
    """A contract on a supply: what it delivers may be taken at its price, a part of it must be paid for.

    An option is a contract with a premium (`fee`), a strike (the supply's `price`), an expiry and no `minimum`.
    """

    signed: Literal["yes", "no", "choose"] = "yes"
    """`choose` leaves it to the plan."""
    fee: Annotated[Fact, Unit("USD")] = preset("0 USD")
    """Paid on signing, in the first month: a premium or a prepayment."""
    minimum: Annotated[Fact, Unit("")] = preset(0.0)
    """Share of each year's deliveries that must be taken."""
    take_or_pay: Annotated[Fact, Unit("")] = preset(1.0)
    """Share of the price that is due, in December, for what is below the minimum and not taken."""
    must_take: bool = False
    """The minimum must be taken, and cannot be paid for instead."""
    total: Annotated[Fact, Unit("stack")] | None = None
    """The most that may be taken in all."""
    expires: MonthField | None = None
    """The last month in which stacks may be taken."""
    late: int = Field(default=0, ge=0, le=60)
    """Months by which the maker delivers later than promised."""
    late_penalty: Annotated[Fact, Unit("USD/stack/month")] = preset("0 USD/stack/month")
    """Received for each month by which a promised stack is late."""


class Way(Door):
    """Another model or precision that may stand for a service."""

    model: str
    """The architecture: an id of `stackyard facts models`."""
    precision: Precision
    """Number format of weights, cache and arithmetic."""
    worth: Annotated[Fact, Unit("")] = preset(1.0)
    """What a token of it is worth, of one of the service's own model; the rest is lost at the price of a token not
    served."""
    fee: Annotated[Series, Unit("USD/token")] = preset("0 USD/token")
    """Paid for each token that it serves: a licence."""
    most: Annotated[Fact, Unit("")] = preset(1.0)
    """Largest share of the service's served tokens that it may serve."""


class Tier(Door):
    """A part of a service that it is dearer to leave unserved: what is left is left of the cheaper part first."""

    beyond: Annotated[Fact, Unit("")]
    """Share of demand left unserved above which this price holds, for example 80% for the last fifth."""
    price: Annotated[Series, Unit("USD/token")]
    """What a token of this part costs that is not served; above that of the parts before it."""


class Hall(Door):
    """Another way to build a site: the plan chooses one of the site's own hall and these."""

    name: str
    """As it stands in the report."""
    cooling: Cooling
    """As of a site."""
    heat_rejection: Rejection = "dry"
    """As of a site."""
    rack_limit: Annotated[Fact, Unit("kW/rack")]
    """As of a site."""
    fitout: Annotated[Series, Unit("USD/W")]
    """As of a site."""
    fee: Annotated[Fact, Unit("USD")] = preset("0 USD")
    """Paid once if it is chosen, in the month of the site's first phase."""


class Campaign(Door):
    """A training campaign: so much arithmetic by a date, on one kind of accelerator at one site."""

    name: str
    """As it stands in the report."""
    flop: Annotated[Fact, Unit("FLOP")]
    """What it computes, without what is lost to failures and recomputation."""
    precision: Precision
    """Number format of its arithmetic."""
    efficiency: Annotated[Fact, Unit("")]
    """Share of the accelerators' dense peak that it keeps over weeks: MFU times goodput, see `stackyard train`."""
    start: MonthField
    """The first month in which it may run."""
    deadline: MonthField
    """The last month of which it may make use without being late. A year after it, it is given up."""
    least: Annotated[Fact, Unit("package")] = preset("0 package")
    """Accelerators on which it runs at least, whenever it runs."""
    late_price: Annotated[Fact, Unit("USD/month")]
    """What a month costs by which the whole campaign is late; half as much where half of it is done."""
    sites: tuple[str, ...] = ()
    """Names under `sites` where it may run; all when left out."""

    @model_validator(mode="after")
    def _ordered(self) -> Campaign:
        if self.deadline < self.start:
            told = f"the deadline {show_month(self.deadline)} is before the start {show_month(self.start)}"
            raise refuse(told, "put the deadline after the start")
        return self
