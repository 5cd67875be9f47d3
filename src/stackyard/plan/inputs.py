"""What may stand in a scenario file, part by part: the door through which its text becomes frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, model_validator

from stackyard.catalog import Catalog
from stackyard.months import show_month, span
from stackyard.plan.amounts import Door, MonthField, Series, Unit, preset, refuse
from stackyard.source import Fact

Cooling = Literal["air", "hybrid", "liquid"]
Precision = Literal["bf16", "fp8", "fp4"]


def _known_in(section: str) -> AfterValidator:
    """An id that must be in a section of the catalogue (aliases are accepted)."""

    def check(name: str, info: ValidationInfo) -> str:
        catalog: Catalog = (info.context or {})["catalog"]
        try:
            return str(getattr(catalog, section)(name).id)
        except Exception as error:
            faults = getattr(error, "faults", ())
            hint = faults[0].hint if faults else ""
            raise refuse(f"the catalogue has no {section} '{name}'", hint or "see: stackyard facts") from None

    return AfterValidator(check)


class Horizon(Door):
    """The months that are planned, both ends included."""

    start: MonthField
    end: MonthField

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


class Money(Door):
    """Discounting, exchange rate, price of carbon, and what may be spent in each year."""

    discount_rate: Annotated[Fact, Unit("")] = preset("8%")
    krw_per_usd: Annotated[Fact, Unit("KRW/USD")] | None = None
    carbon_price: Annotated[Series, Unit("USD/kgCO2e")] = preset("0 USD/kgCO2e")
    budget: Mapping[int, Annotated[Fact, Unit("USD")]] = {}


class Service(Door):
    """A service: the model that stands for it, its requests, its latency objective and its demand."""

    name: str
    model: Annotated[str, _known_in("model")]
    precision: Precision
    prompt: Annotated[Fact, Unit("token")]
    output: Annotated[Fact, Unit("token")]
    ttft: Annotated[Fact, Unit("s")]
    tpot: Annotated[Fact, Unit("s")]
    demand: Annotated[Series, Unit("token/day")]
    peak_to_mean: Annotated[Fact, Unit("")] = preset(1.0)
    usable: Annotated[Fact, Unit("")] = preset(1.0)  # share of the full-load rate that tail latency leaves usable
    unserved_price: Annotated[Series, Unit("USD/token")]


class Wafers(Door):
    """A supply derived from wafer starts: the chain of yields and lead times from wafer to shipped stack."""

    starts: Annotated[Series, Unit("wafer/month")]
    wafer_diameter: Annotated[Fact, Unit("mm")] = preset("300 mm")
    edge_exclusion: Annotated[Fact, Unit("mm")] = preset("3 mm")
    die_area: Annotated[Fact, Unit("mm^2")] | None = None
    die_yield: Annotated[Fact, Unit("")]
    bond_yield: Annotated[Fact, Unit("")]
    test_yield: Annotated[Fact, Unit("")]
    wafer_to_die: int = Field(ge=0, le=36)  # months
    die_to_stack: int = Field(ge=0, le=36)
    stack_to_shipment: int = Field(ge=0, le=36)
    slip: int = Field(default=0, ge=0, le=60)


class Supply(Door):
    """One maker's product for the alliance: promised deliveries, or wafers that become stacks."""

    name: str
    maker: Annotated[str, _known_in("maker")]
    product: Annotated[str, _known_in("generation")]
    height: int = Field(ge=1)  # dies in a stack
    price: Annotated[Series, Unit("USD/stack")]
    holding: Annotated[Fact, Unit("1/year")] = preset("10%/year")
    stock: Annotated[Fact, Unit("stack")] = preset("0 stack")
    deliveries: Annotated[Series, Unit("stack/month")] | None = None
    wafers: Wafers | None = None

    @model_validator(mode="after")
    def _one_of(self) -> Supply:
        if (self.deliveries is None) == (self.wafers is None):
            raise refuse("needs either deliveries or wafers, not both and not neither", "keep one of the two keys")
        return self


class Packaging(Door):
    """An advanced-packaging line: wafers a month for the alliance."""

    name: str
    wafers: Annotated[Series, Unit("wafer/month")]


class Chip(Door):
    """An accelerator that can be ordered, in a stated system."""

    name: str
    chip: Annotated[str, _known_in("accelerator")]
    system: Annotated[str, _known_in("system")] | None = None
    system_size: Annotated[Fact, Unit("package/rack")] | None = None  # with system_power: where no system is listed
    system_power: Annotated[Fact, Unit("W/rack")] | None = None
    system_cooling: Literal["air", "liquid"] = "liquid"  # of a stated system
    available: MonthField  # first month in which one can be started
    limit: Annotated[Series, Unit("package/month")] | None = None
    packaging: str
    packages_per_wafer: Annotated[Fact, Unit("package/wafer")]
    lead_months: int = Field(ge=0, le=36)
    life: Annotated[Fact, Unit("year")]
    working: Annotated[Fact, Unit("")] = preset("95%")
    system_price: Annotated[Series, Unit("USD/rack")]
    network_price: Annotated[Series, Unit("USD/package")] = preset("0 USD/package")
    hbm_in_price: Annotated[Fact, Unit("USD/stack")] = preset("0 USD/stack")
    upkeep: Annotated[Fact, Unit("1/year")] = preset("3%/year")
    flops: Mapping[Precision, Annotated[Fact, Unit("FLOPS/package")]] = {}

    @model_validator(mode="after")
    def _system_known(self) -> Chip:
        if self.system is None and (self.system_size is None or self.system_power is None):
            raise refuse("names no system", "system: ..., or both system_size and system_power")
        return self


class SitePhase(Door):
    """Site power that is energised from a month on, cumulative."""

    month: MonthField
    power: Annotated[Fact, Unit("W")]


class Installed(Door):
    """Accelerators in place before the horizon starts."""

    accelerator: str
    count: Annotated[Fact, Unit("package")]
    since: MonthField


class SitePlan(Door):
    """A site: when which power is there, how it is cooled, and what its energy and its halls cost."""

    name: str
    phases: tuple[SitePhase, ...] = Field(min_length=1)
    share: Annotated[Fact, Unit("")] = preset(1.0)
    climate: Annotated[str, _known_in("climate")]
    grid: Annotated[str, _known_in("grid")]
    cooling: Cooling
    heat_rejection: Literal["dry", "tower"] = "dry"
    rack_limit: Annotated[Fact, Unit("kW/rack")]
    electricity: Annotated[Series, Unit("USD/kWh")]
    fitout: Annotated[Series, Unit("USD/W")]
    fitout_life: Annotated[Fact, Unit("year")] = preset("20 year")
    fitted: Annotated[Fact, Unit("W")] = preset("0 W")
    fleet: tuple[Installed, ...] = ()


class Inputs(Door):
    """The whole scenario file."""

    name: str
    about: str = ""
    horizon: Horizon
    money: Money = Money()
    services: Mapping[str, Service] = Field(min_length=1)
    supplies: Mapping[str, Supply] = Field(min_length=1)
    packaging: Mapping[str, Packaging] = Field(min_length=1)
    accelerators: Mapping[str, Chip] = Field(min_length=1)
    sites: Mapping[str, SitePlan] = Field(min_length=1)
    absent: tuple[str, ...] = ()  # what this scenario leaves out, said in the report
