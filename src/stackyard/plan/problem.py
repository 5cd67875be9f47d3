"""`Problem`, the waist of the planner: labelled coefficients with units, and nothing else.

The solver, the auditor and the explainer read only this. `SCHEMA` is the one table of what a Problem holds; a Problem
that does not match it exactly is refused. Amounts per month are per calendar month; demand and service are per day.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr

from stackyard.notebook import Labelled, card


class Column(NamedTuple):
    """One variable of a Problem or Plan: its axes, unit and meaning."""

    dims: tuple[str, ...]
    unit: str
    meaning: str


A, S, K, SITE, V, T, Y = "accelerator", "supply", "packaging", "site", "service", "month", "year"
R, O, N, G, C = "tier", "option", "needed option", "group", "campaign"  # noqa: E741 - as short as the others
P = "source"  # of power beside the grid, at one site
B = "block"  # hours of the day with one price
W = "way"  # a model and precision that stands for one service

SCHEMA: dict[str, Column] = {
    # demand
    "demand": Column((V, T), "token/day", "mean tokens asked for"),
    "unserved_price": Column((V, T), "USD/token", "what a token that is not served costs"),
    "peak_to_mean": Column((V,), "", "peak over mean of a day's demand; capacity is sized for the peak"),
    "tier_start": Column((V, R, T), "token/day", "tokens not served above which each costs more"),
    "tier_price": Column((V, R, T), "USD/token", "what a token not served above the tier's start costs more"),
    # ways to serve a service: a model and precision each
    "way_service": Column((W, V), "", "1 for the service that the way serves"),
    "way_fee": Column((W, T), "USD/token", "paid for a token that is served this way: a licence"),
    "way_loss": Column((W, T), "USD/token", "what a token served this way is worth less than one of the own model"),
    "way_most": Column((W,), "", "largest share of the service's served tokens that may go this way"),
    "rate": Column((A, W), "token/s/package", "tokens of one accelerator as planned; 0 = it cannot run the model"),
    "rate_mean": Column((A, W), "token/s/package", "the same where mean latencies meet the objective"),
    "rate_tail": Column((A, W), "token/s/package", "the same where the stated share of the requests meets it"),
    "tail_share": Column((W,), "", "that share of the requests; 0 where none is stated"),
    # memory and packages
    "stacks_delivered": Column((S, T), "stack", "HBM stacks that reach the alliance in the month"),
    "stacks_start": Column((S,), "stack", "HBM stacks in stock before the first month"),
    "wafers_per_stack": Column((S,), "wafer/stack", "DRAM wafers started for one stack; 0 = promised as stacks"),
    "stack_lead": Column((S,), "month", "from wafer start to the delivered stack; 0 = promised as stacks"),
    "stack_price": Column((S, T), "USD/stack", "paid when a stack is drawn; 0 under a contract"),
    "stack_value": Column((S, T), "USD/stack", "price of a stack, whenever it is paid"),
    "stack_holding": Column((S, T), "USD/stack", "cost of keeping a stack in stock over the month"),
    "fits_stack": Column((S, A), "", "1 where the accelerator takes this product"),
    "undrawable": Column((S, A, T), "", "1 in months before the maker's product is qualified for the accelerator"),
    "ddr5_per_stack": Column((S,), "B/stack", "bytes of DDR5 that the wafers of a stack would have been"),
    "stacks_per_package": Column((A,), "stack/package", "HBM stacks in one accelerator"),
    "packaging_wafers": Column((K, T), "wafer", "advanced-packaging wafers for the alliance in the month"),
    "wafers_per_package": Column((K, A), "wafer/package", "packaging wafers in one accelerator; 0 = not on this line"),
    # accelerators
    "orders_max": Column((A, T), "package", "most accelerators that can be started; 0 before launch, inf = no limit"),
    "lead_months": Column((A,), "month", "from drawing the stacks to an accelerator ready to install"),
    "life_months": Column((A,), "month", "an accelerator leaves service this long after it was installed"),
    "availability": Column((A,), "", "share of installed accelerators that work (the rest are spares or in repair)"),
    "accelerator_price": Column((A, T), "USD/package", "system and network for one accelerator, without its HBM"),
    "accelerator_residual": Column((A, T), "", "share of price and HBM still in life at the horizon's end"),
    "waiting_holding": Column((A, T), "USD/package", "cost of keeping an accelerator that is ready and not installed"),
    "embodied": Column((A,), "kg/package", "CO2e embodied in one accelerator; 0 where no figure is stated"),
    "upkeep": Column((A, T), "USD/package", "maintenance of one installed accelerator over the month"),
    "fleet": Column((A, SITE, T), "package", "accelerators installed before the horizon that are still in life"),
    "lot": Column((A,), "package", "accelerators of a system, if only whole ones can be started; 0 = any number"),
    # sites
    "site_power": Column((SITE, T), "W", "site power energised, cumulative"),
    "fitted_start": Column((SITE,), "W", "site power fitted out before the first month"),
    "fitout_price": Column((SITE, T), "USD/W", "building and fitting out one watt of site power"),
    "fitout_residual": Column((SITE, T), "", "share of the fit-out still in life at the horizon's end"),
    "pue": Column((SITE, T), "", "site power that a watt of IT power adds, mean of the month"),
    "pue_peak": Column((SITE, T), "", "site power that a watt of IT power adds in the worst hour of the month"),
    "pue_design": Column((SITE,), "", "site power over IT power at full load in the worst hour of the year"),
    "overhead": Column((SITE, T), "", "site power drawn for each watt fitted out whatever runs, mean of the month"),
    "overhead_peak": Column((SITE, T), "", "site power drawn for each watt fitted out in the worst hour of the month"),
    "allowed": Column((A, SITE), "", "1 where rack density and cooling let the accelerator be installed"),
    "power_busy": Column(
        (A, W), "W/package", "IT power of one accelerator at full load, its share of host and network in"
    ),
    "power_idle": Column((A,), "W/package", "IT power of one installed accelerator that serves nothing"),
    "electricity_price": Column((SITE, T), "USD/J", "price of site energy"),
    "demand_charge": Column((SITE, T), "USD/W", "price of the month's highest power from the grid"),
    "block_share": Column((SITE, B), "", "share of the day that a block of the tariff takes; 0 = there is none"),
    "block_premium": Column((SITE, B, T), "USD/J", "what energy costs more in a block than in the mean of the day"),
    "grid_carbon": Column((SITE, T), "kg/J", "CO2e of energy from the grid"),
    "water": Column((SITE, T), "m^3/J", "water used per joule of IT energy"),
    # contracts on supplies
    "take_price": Column((S, T), "USD/stack", "paid when a stack is taken under a contract"),
    "short_price": Column((S, T), "USD/stack", "paid for a stack of the minimum that is not taken"),
    # choices
    "option_least": Column((O,), "", "1 where the choice is made already, 0 where it is open"),
    "option_most": Column((O,), "", "1; 0 where the choice is ruled out"),
    "option_fee": Column((O, T), "USD", "paid in the month if it is chosen; below zero where it is received"),
    "option_left": Column((O,), "USD", "left of its fees at the horizon's end"),
    "option_power": Column((O, SITE, T), "W", "site power energised by it, cumulative"),
    "option_source": Column((O, P, T), "W", "capacity of a power source that it makes room for"),
    "option_stacks": Column((O, S, T), "stack", "stacks that may be taken in the month under the contract"),
    "option_total": Column((O, S), "stack", "stacks that may be taken in all; inf = no limit but the months'"),
    "option_minimum": Column((O, S, T), "stack", "stacks to be taken or paid for by the month, since the year began"),
    "option_needs": Column((O, N), "", "1 where an option can be chosen only together with another"),
    "option_group": Column((O, G), "", "1 for the members of a group of which at most one can be chosen"),
    # training
    "campaign_flop": Column((C,), "FLOP", "what the campaign has to compute"),
    "campaign_least": Column((C,), "package", "accelerators it runs on at least, whenever it runs"),
    "campaign_open": Column((C, T), "", "1 in months in which it may run"),
    "campaign_late": Column((C, T), "USD/FLOP", "price of a FLOP that is not done by the end of the month"),
    "cluster_most": Column((A, SITE, C), "package", "most accelerators it could use there; 0 = it cannot run"),
    "train_rate": Column((A, C), "FLOP/s/package", "what one accelerator computes, failures and overheads taken off"),
    "train_power": Column((A, C), "W/package", "IT power of one that trains, its share of host and network in"),
    # power beside the grid
    "source_site": Column((P, SITE), "", "1 where the source stands at the site"),
    "source_most": Column((P, T), "W", "most capacity that there can be; 0 before it can be had"),
    "source_price": Column((P, T), "USD/W", "building one watt of capacity"),
    "source_residual": Column((P, T), "", "share of the price still in life at the horizon's end"),
    "source_upkeep": Column((P, T), "USD/W", "upkeep of one watt of capacity over the month"),
    "source_yield": Column((P, T), "", "mean output at most, over capacity"),
    "source_firm": Column((P, T), "", "share of capacity that the day's peak can count on"),
    "source_loss": Column((P, T), "", "mean power drawn for each watt of capacity: what storage loses"),
    "source_shift": Column((P, T), "", "mean power that it can move between hours of the day, over capacity"),
    "source_energy_price": Column((P, T), "USD/J", "fuel, or the contract's price, for a joule of output"),
    "source_carbon": Column((P,), "kg/J", "CO2e emitted for a joule of output"),
    "source_wheeled": Column((P,), "", "1 where its energy comes over the grid: a purchase contract"),
    # money and time
    "seconds": Column((T,), "s", "length of the month"),
    "discount": Column((T,), "", "present value of one USD of the month"),
    "carbon_price": Column((T,), "USD/kg", "price of CO2e"),
    "budget": Column((Y,), "USD", "most that may be spent in the year; inf = no limit"),
}


@dataclass(frozen=True)
class Problem(Labelled):
    """A checked Dataset of coefficients. In its attributes, `labels` give each id its name, and `end` is the last month
    of the horizon: those after it are its run-out, planned so that the end of the data is not taken for the end of
    demand, and not reported."""

    data: xr.Dataset

    def __post_init__(self) -> None:
        faults = list(mismatches(self.data, SCHEMA))
        if faults:
            raise AssertionError("not a Problem: " + "; ".join(faults))

    @property
    def digest(self) -> str:
        """Short hash of every coefficient and label: equal digests mean equal problems."""
        return digest(self.data)

    @property
    def end(self) -> str:
        """The last month that is reported."""
        return str(self.data.attrs.get("end", self.data[T].values[-1]))

    def to_xarray(self) -> xr.Dataset:
        """All coefficients on their axes, with `units` and `long_name`."""
        return self.data

    def _repr_html_(self) -> str:
        sizes = {dim: size for dim, size in self.data.sizes.items() if size}
        rows = [
            ("months", f"{self.data[T].values[0]} to {self.end}, and on to {self.data[T].values[-1]}"),
            ("axes", ", ".join(f"{dim} {size}" for dim, size in sizes.items())),
            ("digest", self.digest),
        ]
        return card(str(self.data.attrs.get("name", "Problem")), rows, below=super()._repr_html_())

    def save(self, path: Path) -> None:
        self.data.to_netcdf(path, engine="netcdf4")

    @classmethod
    def load(cls, path: Path) -> Problem:
        return cls(xr.load_dataset(path, engine="netcdf4"))


def mismatches(data: xr.Dataset, schema: dict[str, Column]) -> list[str]:
    """Every way in which a Dataset departs from a schema: names, axes, units, or numbers that are not numbers.

    >>> from stackyard import api
    >>> problem = api.problem("first-plan").problem
    >>> mismatches(problem.data.drop_vars("rate"), SCHEMA)
    ['rate is missing']
    """
    found = [f"unknown variable {name}" for name in data.data_vars if name not in schema]
    for name, column in schema.items():
        if name not in data:
            found.append(f"{name} is missing")
            continue
        array = data[name]
        if array.dims != column.dims:
            found.append(f"{name} has axes {array.dims}, not {column.dims}")
        if array.attrs.get("units") != column.unit:
            found.append(f"{name} has unit {array.attrs.get('units')!r}, not {column.unit!r}")
        if bool(np.isnan(array.values).any()):
            found.append(f"{name} has nan")
    return found


def array(name: str, values: object, schema: dict[str, Column] | None = None) -> xr.Variable:
    """A variable of the schema with its axes and unit attached: `Dataset({name: array(name, values)})`.

    >>> array("rate", [[1000.0]]).attrs["units"]
    'token/s/package'
    """
    column = (schema or SCHEMA)[name]
    attributes = {"units": column.unit, "long_name": column.meaning}
    return xr.Variable(column.dims, np.asarray(values, dtype=float), attributes)


def digest(data: xr.Dataset) -> str:
    """Twelve hex digits that change when any coordinate or value changes.

    >>> from stackyard import api
    >>> problem = api.problem("first-plan").problem
    >>> digest(problem.data) == problem.digest
    True
    """
    total = hashlib.sha256()
    for name in sorted(map(str, data.variables)):
        values = data[name].values
        content = "\x1f".join(map(str, values.tolist())).encode() if values.dtype.kind in "OUS" else values.tobytes()
        total.update(name.encode() + content)
    return total.hexdigest()[:12]
