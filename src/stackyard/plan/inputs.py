"""What may stand in a scenario file, part by part: the door through which its text becomes frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationInfo,
    model_validator,
)
from pydantic_core import CoreSchema, core_schema

from stackyard.catalog import Catalog, load
from stackyard.errors import InputErrors
from stackyard.months import show_month, span
from stackyard.plan.amounts import Door, MonthField, Series, Unit, preset, refuse
from stackyard.plan.commitments import Campaign, Contract, Cooling, Hall, Precision, Rejection, Tail, Tier, Way
from stackyard.plan.doubt import Doubt
from stackyard.plan.powering import Block, Source
from stackyard.plan.supplying import Months, Wafers
from stackyard.site.epw import read_epw
from stackyard.source import Fact


@dataclass(frozen=True)
class KnownIn:
    """Marks a text as an id of the catalogue (aliases are accepted): `kind` is the Catalog's method that finds it."""

    kind: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), "examples": sorted(getattr(load(), SECTIONS[self.kind]))}

    def check(self, name: str, info: ValidationInfo) -> str:
        """The id of a name; refused with the nearest where the catalogue has none."""
        catalog: Catalog = (info.context or {})["catalog"]
        try:
            return str(getattr(catalog, self.kind)(name).id)
        except Exception as error:
            faults = getattr(error, "faults", ())
            hint = faults[0].hint if faults else ""
            raise refuse(f"the catalogue has no {self.kind} '{name}'", hint or "see: stackyard facts") from None


SECTIONS = {"model": "models", "maker": "makers", "generation": "hbm", "accelerator": "accelerators"} | {
    kind: f"{kind}s" for kind in ("system", "climate", "grid")
}


def _weather_file(name: str, info: ValidationInfo) -> str:
    """A weather file beside the scenario: it is part of what the scenario's digest stands for."""
    context = info.context or {}
    path = Path(context["folder"]) / name
    if not path.is_file():
        raise refuse(
            f"there is no file '{name}' beside the scenario", "name an EPW file, for example weather/ulsan.epw"
        )
    context.setdefault("tables", []).append(path)
    try:
        read_epw(path)
    except InputErrors as errors:
        context["faults"].extend(errors.faults)
    return str(path)


class Horizon(Door):
    """The months that are planned, both ends included."""

    start: MonthField
    """The first month; nothing is ordered before it."""
    end: MonthField
    """The last month that is reported. The plan goes on past it, by the longest lead time and a year, so that what is
    ordered last is still used: what grows, grows on until that has arrived; then all stays as it is."""

    @model_validator(mode="after")
    def _ordered(self) -> Horizon:
        if self.end < self.start:
            raise refuse(f"ends in {show_month(self.end)}, before it starts", "put end after start")
        if self.end - self.start >= 240:
            raise refuse("is longer than 20 years", "plan at most 240 months")
        return self

    @property
    def months(self) -> range:
        return span(self.start, self.end)

    @property
    def told(self) -> str:
        """'the plan runs from 2026-01 to 2030-12'."""
        return f"the plan runs from {show_month(self.start)} to {show_month(self.end)}"


class Money(Door):
    """Discounting, exchange rate, price of carbon, and what may be spent in each year."""

    discount_rate: Annotated[Fact, Unit("")] = preset("8%")
    """How much less a dollar counts a year later."""
    krw_per_usd: Annotated[Fact, Unit("KRW/USD")] | None = None
    """The exchange rate; needed as soon as one number is in won."""
    carbon_price: Annotated[Series, Unit("USD/kgCO2e")] = preset("0 USD/kgCO2e")
    """What a kilogram of CO2 equivalent from the site's electricity costs."""
    budget: Mapping[int, Annotated[Fact, Unit("USD")]] = {}
    """The most that may be spent in a year: `{2026: 3 GUSD, 2027: 5 GUSD}`. A year left out has no limit."""


class Service(Door):
    """A service: the model that stands for it, its requests, its latency objective and its demand."""

    name: str
    """As it stands in the report."""
    model: Annotated[str, KnownIn("model")]
    """The architecture that stands for the service: an id of `stackyard facts models`."""
    precision: Precision
    """Number format of weights, cache and arithmetic; the accelerator must have it."""
    prompt: Annotated[Fact, Unit("token")]
    """Mean prompt of a request."""
    output: Annotated[Fact, Unit("token")]
    """Mean answer of a request."""
    ttft: Annotated[Fact, Unit("s")]
    """Objective: mean time from request to first token, at most."""
    tpot: Annotated[Fact, Unit("s")]
    """Objective: mean time per output token after the first, at most."""
    demand: Annotated[Series, Unit("token/day")]
    """Prompt and output tokens asked for, the mean over a month."""
    peak_to_mean: Annotated[Fact, Unit("")] = preset(1.0)
    """Peak of the day over its mean: accelerators are sized for the peak."""
    usable: Annotated[Fact, Unit("")] = preset(1.0)
    """Share of the full-load rate that is planned with; the rest is kept for tail latency."""
    tail: Tail | None = None
    """Where stated, the objective holds for a share of the requests instead of the mean, and the serving simulator says
    how far each accelerator may be used; `usable` is a further share."""
    unserved_price: Annotated[Series, Unit("USD/token")]
    """What a token that is not served costs you. The plan weighs it against building more."""
    tiers: tuple[Tier, ...] = ()
    """Parts of the demand that it is dearer to leave, the cheapest first."""
    alternatives: tuple[Way, ...] = ()
    """Other models or precisions that may stand for it: the plan chooses which serves how much, where and when."""


class Supply(Door):
    """One maker's product for the alliance: promised deliveries, or wafers that become stacks."""

    name: str
    """As it stands in the report."""
    maker: Annotated[str, KnownIn("maker")]
    """An id of `stackyard facts makers`."""
    product: Annotated[str, KnownIn("generation")]
    """HBM generation, an id of `stackyard facts hbm`. An accelerator takes only its own generation and height."""
    height: int = Field(ge=1)
    """Dies in a stack; one of the heights in which the generation comes."""
    price: Annotated[Series, Unit("USD/stack")]
    """Price of a stack in the month in which it is drawn."""
    holding: Annotated[Fact, Unit("1/year")] = preset("10%/year")
    """What it costs to hold a stack in stock, as a share of its price."""
    stock: Annotated[Fact, Unit("stack")] = preset("0 stack")
    """Stacks in stock before the first month."""
    deliveries: Annotated[Series, Unit("stack/month")] | None = None
    """Stacks delivered. Either this or `wafers`."""
    wafers: Wafers | None = None
    """Wafer starts from which the deliveries follow. Either this or `deliveries`."""
    qualified: Mapping[str, MonthField] = {}
    """First month in which an accelerator takes this maker's stacks, by its name under `accelerators`; those left out
    take them from the start."""
    trade_ratio: Annotated[Fact, Unit("")] | None = None
    """Bits of DDR5 given up for a bit of this product; the record's for the generation when left out."""
    contract: Contract | None = None
    """What is delivered is offered under a contract, and paid for when it is taken."""

    @model_validator(mode="after")
    def _one_of(self) -> Supply:
        if (self.deliveries is None) == (self.wafers is None):
            raise refuse("needs either deliveries or wafers, not both and not neither", "keep one of the two keys")
        return self


class Packaging(Door):
    """An advanced-packaging line: wafers a month for the alliance."""

    name: str
    """As it stands in the report."""
    wafers: Annotated[Series, Unit("wafer/month")]
    """Wafers that the line can take for the plan."""


class Chip(Door):
    """An accelerator that can be ordered, in a stated system."""

    name: str
    """As it stands in the report."""
    chip: Annotated[str, KnownIn("accelerator")]
    """An id of `stackyard facts accelerators`."""
    system: Annotated[str, KnownIn("system")] | None = None
    """The server or rack it comes in: an id of `stackyard facts systems`. Or state the next three keys."""
    system_size: Annotated[Fact, Unit("package/rack")] | None = None
    """Accelerators in a system that is not listed."""
    system_power: Annotated[Fact, Unit("W/rack")] | None = None
    """Rated power of a system that is not listed."""
    system_cooling: Literal["air", "liquid"] = "liquid"
    """Cooling of a system that is not listed; a liquid-cooled one cannot stand where there is only air."""
    available: MonthField
    """First month in which one can be started."""
    limit: Annotated[Series, Unit("package/month")] | None = None
    """Packages that may be started; no limit when left out."""
    packaging: str
    """The packaging line that it needs: a name under `packaging`."""
    packages_per_wafer: Annotated[Fact, Unit("package/wafer")]
    """Packages from one packaging wafer."""
    package_yield: Annotated[Fact, Unit("")] = preset(1.0)
    """Share of assembled packages that are good; the others take stacks and packaging with them."""
    lead_months: int = Field(ge=0, le=36)
    """Months from the start, when stacks and packaging are drawn, to work at a site."""
    life: Annotated[Fact, Unit("year")]
    """Time in service, after which it is retired."""
    working: Annotated[Fact, Unit("")] = preset("95%")
    """Share of the installed ones that work; the rest are spares or in repair."""
    system_price: Annotated[Series, Unit("USD/rack")]
    """Price of a whole system, in the month of the start."""
    network_price: Annotated[Series, Unit("USD/package")] = preset("0 USD/package")
    """Network and storage for one accelerator, on top of the system's price."""
    whole_systems: bool = False
    """Only whole systems can be started: an order is a whole number of them in each month."""
    hbm_in_price: Annotated[Fact, Unit("USD/stack")] = preset("0 USD/stack")
    """Price of a stack within `system_price`; it is taken off, for the plan buys the stacks itself."""
    upkeep: Annotated[Fact, Unit("1/year")] = preset("3%/year")
    """Yearly upkeep as a share of the price of system and network."""
    holding: Annotated[Fact, Unit("1/year")] = preset("10%/year")
    """What it costs to keep one that is ready and not installed, as a share of its price."""
    embodied: Annotated[Fact, Unit("kgCO2e/package")] = preset("0 kgCO2e/package")
    """CO2 equivalent embodied in one, for example {fact: costs.embodied-carbon.a100}; counted, not priced."""
    flops: Mapping[Precision, Annotated[Fact, Unit("FLOPS/package")]] = {}
    """Dense arithmetic by precision, instead of the catalogue's: `{fp8: 10 PFLOPS/package}`."""

    @model_validator(mode="after")
    def _system_known(self) -> Chip:
        if self.system is None and (self.system_size is None or self.system_power is None):
            raise refuse("names no system", "system: ..., or both system_size and system_power")
        return self


class SitePhase(Door):
    """Site power that is energised from a month on, cumulative."""

    month: MonthField
    """The month from which it is there."""
    power: Annotated[Fact, Unit("W")]
    """All power of the site from then on, cooling included; not what is added."""
    choose: bool = False
    """The plan decides whether this phase is opened; it needs the ones before it."""
    fee: Annotated[Fact, Unit("USD")] = preset("0 USD")
    """Paid once if it is opened, in its month: land, grid connection, shells."""


class Installed(Door):
    """Accelerators in place before the horizon starts."""

    accelerator: str
    """A name under `accelerators`."""
    count: Annotated[Fact, Unit("package")]
    """How many."""
    since: MonthField
    """The month from which they have worked; they retire at the end of their life."""


class SitePlan(Door):
    """A site: when which power is there, how it is cooled, and what its energy and its halls cost."""

    name: str
    """As it stands in the report."""
    phases: tuple[SitePhase, ...] = Field(min_length=1)
    """When which power is energised, earliest first."""
    grid_date: MonthField | None = None
    """The month in which the grid connection is there: no phase can be before it."""
    share: Annotated[Fact, Unit("")] = preset(1.0)
    """Share of the site's power that is the plan's."""
    slip: Months = Field(default=0)  # type: ignore[assignment]
    """Months by which every phase comes later than stated."""
    ramp: Annotated[Fact, Unit("W/month")] | None = None
    """The most by which the grid lets the power rise in a month; no limit when left out."""
    climate: Annotated[str, KnownIn("climate")]
    """Twelve monthly temperatures: an id of `stackyard facts climates`."""
    epw: Annotated[str, AfterValidator(_weather_file)] | None = None
    """A file of hourly weather (EPW) beside the scenario, instead of the climate's means."""
    grid: Annotated[str, KnownIn("grid")]
    """Carbon intensity: an id of `stackyard facts grids`."""
    cooling: Cooling
    """Chilled water to `air`, `outside-air`, cold plates on the chips only (`hybrid`), or `liquid`; see docs/sites.md.
    Liquid-cooled systems need one of the last two."""
    heat_rejection: Rejection = "dry"
    """How heat leaves the site: dry coolers, coolers wetted when it is hot (`adiabatic`), or towers; the last two use
    water."""
    rack_limit: Annotated[Fact, Unit("kW/rack")] | None = None
    """The most power that a rack may draw; a system above it cannot stand here. The cooling's usual when left out."""
    electricity: Annotated[Series, Unit("USD/kWh")]
    """Price of electricity from the grid, the mean of a month."""
    demand_charge: Annotated[Series, Unit("USD/kW/month")] = preset("0 USD/kW/month")
    """The tariff's charge for the month's highest power."""
    tariff: Mapping[str, Block] = {}
    """Blocks of the day in which electricity is dearer than in the rest; `electricity` is the mean of all hours."""
    sources: Mapping[str, Source] = {}
    """Power beside the grid that the plan may build or contract."""
    fitout: Annotated[Series, Unit("USD/W")] | None = None
    """Price of a watt fitted out for accelerators: halls, power and cooling. Either this or `blocks`."""
    blocks: Mapping[str, Annotated[Series, Unit("USD/W")]] = {}
    """The same by block of work, under names of your own: `{shell: 3 USD/W, electrical: 5 USD/W}`."""
    fitout_life: Annotated[Fact, Unit("year")] = preset("20 year")
    """Over which the fit-out loses its worth."""
    fitted: Annotated[Fact, Unit("W")] = preset("0 W")
    """Power that is fitted out and paid for before the first month."""
    fleet: tuple[Installed, ...] = ()
    """Accelerators in place before the first month."""
    halls: Mapping[str, Hall] = {}
    """Other ways to build and cool the site; the plan chooses one of them or its own."""

    @model_validator(mode="after")
    def _one_price(self) -> SitePlan:
        if (self.fitout is None) == (not self.blocks):
            raise refuse("needs either fitout or blocks, not both and not neither", "keep one of the two keys")
        return self


class Inputs(Door):
    """The whole scenario file."""

    name: str
    """Title of the report."""
    about: str = ""
    """A paragraph under the title."""
    horizon: Horizon
    """The months to plan."""
    money: Money = Money()
    """Discounting, exchange rate, carbon price and budget."""
    services: Mapping[str, Service] = Field(min_length=1)
    """What is asked for."""
    supplies: Mapping[str, Supply] = Field(min_length=1)
    """HBM stacks: who delivers how many, when."""
    packaging: Mapping[str, Packaging] = Field(min_length=1)
    """Advanced-packaging lines."""
    accelerators: Mapping[str, Chip] = Field(min_length=1)
    """What can be ordered."""
    sites: Mapping[str, SitePlan] = Field(min_length=1)
    """Where it can stand."""
    campaigns: Mapping[str, Campaign] = {}
    """Training that is to be done beside the services."""
    uncertainty: Doubt | None = None
    """What is not known."""
    absent: tuple[str, ...] = ()
    """What this scenario leaves out, a sentence each; said in the report."""
