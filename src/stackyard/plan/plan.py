"""`Plan`: what was decided, what it costs, and the price of every limit. Never edited; a new plan is a new value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from stackyard.notebook import Labelled, card
from stackyard.plan.problem import SITE, A, B, C, Column, G, K, N, O, P, Problem, R, S, T, V, W, Y
from stackyard.quantity import show

DECISIONS: dict[str, Column] = {
    "draw": Column((S, A, T), "stack", "stacks taken from stock for packages of this accelerator"),
    "released": Column((S, T), "stack", "stacks delivered that the alliance leaves to others"),
    "stock": Column((S, T), "stack", "stacks in stock at the end of the month"),
    "bought": Column((A, T), "package", "accelerators started (stacks drawn) in the month"),
    "waiting": Column((A, T), "package", "accelerators ready but not installed at the end of the month"),
    "placed": Column((A, SITE, T), "package", "accelerators installed in the month"),
    "retired": Column((A, SITE, T), "package", "accelerators taken out in the month"),
    "installed": Column((A, SITE, T), "package", "accelerators in place during the month"),
    "run": Column((A, SITE, W, T), "package", "accelerators that serve this way"),
    "fitout": Column((SITE, T), "W", "site power fitted out in the month"),
    "fitted": Column((SITE, T), "W", "site power fitted out and kept running"),
    "grid_peak": Column((SITE, T), "W", "highest power drawn from the grid in the month"),
    "grid": Column((SITE, T), "W", "mean power drawn from the grid"),
    "built": Column((P, T), "W", "capacity of power sources built in the month"),
    "capacity": Column((P, T), "W", "capacity of power sources so far"),
    "output": Column((P, T), "W", "mean power put out by sources"),
    "charged": Column((P, B, T), "W", "mean power that storage takes in a block of the tariff"),
    "discharged": Column((P, B, T), "W", "mean power that storage gives in a block of the tariff"),
    "answered": Column((W, T), "token/day", "mean tokens served this way"),
    "served": Column((V, T), "token/day", "mean tokens served"),
    "unserved": Column((V, T), "token/day", "mean tokens asked for and not served"),
    "deep": Column((V, R, T), "token/day", "mean tokens not served above the start of a dearer tier"),
    "take": Column((S, T), "stack", "stacks taken under a contract"),
    "short": Column((S, T), "stack", "stacks of a contract's minimum that are paid for and not taken"),
    "chosen": Column((O,), "", "1 where an option is chosen"),
    "lots": Column((A, T), "", "whole systems started in the month"),
    "train": Column((A, SITE, C, T), "package", "accelerators that train for this campaign"),
    "host": Column((A, SITE, C), "", "1 where a campaign is placed: one kind of accelerator at one site"),
    "active": Column((C, T), "", "1 in months in which a campaign runs"),
    "undone": Column((C, T), "FLOP", "what a campaign has still to compute at the end of the month"),
}

WHOLE = ("chosen", "lots", "host", "active")  # decisions that are whole numbers; all but `lots` are 0 or 1

# Shadow prices, one for each constraint family: what one more unit on the right-hand side would save (for demand:
# cost), in USD of the month in question (not discounted). Those of limits are >= 0, those of balances of either sign.
PRICES: dict[str, Column] = {
    "price_stack": Column((S, T), "USD/stack", "worth of one more stack delivered, above its price"),
    "price_package": Column((A, T), "USD/stack", "worth of one more stack at the packaging line"),
    "price_packaging": Column((K, T), "USD/wafer", "worth of one more packaging wafer"),
    "price_orders": Column((A, T), "USD/package", "worth of being allowed one more accelerator"),
    "price_ready": Column((A, T), "USD/package", "worth of one more accelerator ready to install"),
    "price_installed": Column((A, SITE, T), "USD/package", "worth of one more accelerator in place from this month"),
    "price_life": Column((A, SITE, T), "USD/package", "worth of keeping one accelerator past its life this month"),
    "price_working": Column((A, SITE, T), "USD/package", "rent of one more working accelerator this month"),
    "price_fitted": Column((SITE, T), "USD/W", "rent of one more fitted-out watt this month"),
    "price_power": Column((SITE, T), "USD/W", "worth of one more energised watt in this month alone"),
    "price_peak": Column((SITE, T), "USD/W", "worth of one watt less at the month's peak"),
    "price_energy": Column((SITE, T), "USD/W", "worth of one more watt all month"),
    "price_output": Column((P, T), "USD/W", "worth of one more watt that a source could put out all month"),
    "price_capacity": Column((P, T), "USD/W", "worth of one more watt of a source from this month"),
    "price_source": Column((P, T), "USD/W", "worth of being allowed one more watt of a source in this month"),
    "price_fitout": Column((SITE, T), "USD/W", "worth of one more watt fitted out from this month"),
    "price_shift": Column((P, T), "USD/W", "worth of one more watt that storage could move all month"),
    "price_cycle": Column((P, T), "USD/W", "worth of one more watt charged all month"),
    "price_replaced": Column((SITE, B, T), "USD/W", "worth of one more watt drawn in a block of the tariff"),
    "price_mean": Column((SITE, B, T), "USD/W", "worth of one more watt that the grid could bring in a block"),
    "price_answered": Column((W, T), "USD/token", "worth of one more token served this way from elsewhere"),
    "price_mix": Column((W, T), "USD/token", "worth of one more token that may be served this way"),
    "price_service": Column((V, T), "USD/token", "worth of one more token served from elsewhere"),
    "price_demand": Column((V, T), "USD/token", "what one more token of demand would cost the plan"),
    "price_budget": Column((Y,), "USD/USD", "worth of one more dollar of budget, beyond the dollar"),
    "price_tier": Column((V, R, T), "USD/token", "worth of one more token not served before the dearer tier starts"),
    "price_offer": Column((S, T), "USD/stack", "worth of one more stack offered under a contract"),
    "price_total": Column((S,), "USD/stack", "worth of one more stack that a contract allows in all, in USD of today"),
    "price_minimum": Column((S, T), "USD/stack", "worth of one stack less in a contract's minimum"),
    "price_group": Column((G,), "USD", "worth of choosing one more of a group, in USD of today"),
    "price_needs": Column((O, N), "USD", "worth of choosing an option without the one that it needs, in USD of today"),
    "price_lot": Column((A, T), "USD/package", "worth of one more accelerator beside the whole systems"),
    "price_progress": Column((C, T), "USD/FLOP", "worth of one FLOP of a campaign done for it"),
    "price_host": Column((A, SITE, C, T), "USD/package", "worth of one accelerator of a campaign at another place"),
    "price_place": Column((C,), "USD", "worth of a second place for a campaign, in USD of today"),
    "price_least": Column((C, T), "USD/package", "worth of a campaign's cluster being one accelerator smaller"),
    "price_active": Column((C, T), "USD/package", "worth of one accelerator of a campaign while it pauses"),
}

# What the plan spends and uses by month; all USD of the month, not discounted.
FLOWS: dict[str, Column] = {
    "cost_hbm": Column((T,), "USD", "stacks drawn and held"),
    "cost_accelerators": Column((T,), "USD", "systems and network without HBM"),
    "cost_fitout": Column((T,), "USD", "buildings, power and cooling"),
    "cost_upkeep": Column((T,), "USD", "maintenance"),
    "cost_energy": Column((T,), "USD", "electricity, demand charges, fuel and purchased energy"),
    "cost_sources": Column((T,), "USD", "power sources beside the grid, and their upkeep"),
    "cost_carbon": Column((T,), "USD", "priced CO2e"),
    "cost_contracts": Column((T,), "USD", "stacks taken under contracts, minimums not taken, fees of what is chosen"),
    "cost_models": Column((T,), "USD", "fees for tokens served by other models"),
    "cost_quality": Column((T,), "USD", "what tokens served by other models are worth less"),
    "cost_unserved": Column((T,), "USD", "tokens not served at their price"),
    "cost_late": Column((T,), "USD", "training not done in time at its price"),
    "it_power_peak": Column((SITE, T), "W", "IT power at the day's peak"),
    "it_power_mean": Column((SITE, T), "W", "IT power, mean of the month"),
    "site_power_peak": Column((SITE, T), "W", "site power at the day's peak"),
    "energy": Column((SITE, T), "J", "site energy over the month"),
    "on_site": Column((SITE, T), "J", "energy made at the site over the month"),
    "carbon": Column((SITE, T), "kg", "CO2e over the month, location-based"),
    "carbon_market": Column((SITE, T), "kg", "CO2e over the month, market-based"),
    "carbon_embodied": Column((T,), "kg", "CO2e embodied in accelerators started, where a figure is stated"),
    "ddr5_displaced": Column((S, T), "B", "DDR5 that the wafers of the stacks drawn would have been"),
    "water_used": Column((SITE, T), "m^3", "water over the month"),
}


NOT_SPENT = ("cost_unserved", "cost_late", "cost_quality")  # prices that steer the plan; nobody pays them


@dataclass(frozen=True)
class Plan(Labelled):
    """Decisions, flows and prices on the Problem's axes, with how they were found.

    `objective` is the net present cost: discounted spending and unserved demand less residual values at the end of the
    horizon. `status` is 'optimal'; anything else is raised as SolveError, never returned. Where something whole had to
    be chosen, `gap` is how much cheaper than this plan any other can be, as a share of its cost, and the prices are
    those of the linear program in which the choices stand as they are.
    """

    decisions: xr.Dataset
    flows: xr.Dataset
    prices: xr.Dataset
    objective: float
    status: str
    gap: float
    seconds: float
    solver: str
    problem_digest: str
    residual_value: float  # USD of today credited for what is still in life at the end
    notes: Mapping[str, str]

    def to_xarray(self) -> xr.Dataset:
        """Decisions, flows and prices in one data set, with `units` and `long_name`; all months, the run-out too."""
        return xr.merge([self.decisions, self.flows, self.prices], combine_attrs="override", join="exact")

    def _repr_html_(self) -> str:
        rows = [
            ("net present cost", show(self.objective, "USD")),
            ("result", f"{self.status}, relative gap {self.gap:.1e}, {self.seconds:.1f} s, {self.solver}"),
            ("problem", self.problem_digest),
        ]
        return card("Plan", rows, below=super()._repr_html_())


def reported(problem: Problem, plan: Plan) -> tuple[Problem, Plan]:
    """The horizon without its run-out: the same amounts, and the net present cost of all months.

    >>> from stackyard import api
    >>> made = api.plan("first-plan", steps=False)
    >>> problem, plan = made.built.problem, made.plan
    >>> near, seen = reported(problem, plan)
    >>> str(near.data["month"].values[-1]), seen.objective == plan.objective
    ('2027-12', True)
    """

    def cut(data: xr.Dataset) -> xr.Dataset:
        years = {Y: slice(None, int(problem.end[:4]))} if Y in data.dims else {}
        return data.sel({T: slice(None, problem.end), **years})

    near = replace(plan, decisions=cut(plan.decisions), flows=cut(plan.flows), prices=cut(plan.prices))
    return Problem(cut(problem.data)), near


def in_year(data: xr.Dataset) -> xr.DataArray:
    """1 where a month (labelled '2026-09') lies in a year (labelled 2026), else 0; axes (year, month).

    >>> from stackyard import api
    >>> problem = api.problem("first-plan").problem
    >>> in_year(problem.data).sum("month").values[:2]
    array([12., 12.])
    """
    years = [str(year) for year in data[Y].values]
    member = [[float(str(month)[:4] == year) for month in data[T].values] for year in years]
    return xr.DataArray(np.array(member).reshape(len(years), -1), dims=(Y, T), coords={Y: data[Y], T: data[T]})
