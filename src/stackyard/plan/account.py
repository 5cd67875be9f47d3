"""What decisions cost and use, by plain arithmetic: the flows of a plan, and what is left of it at the end."""

from __future__ import annotations

import numpy as np
import xarray as xr

from stackyard.plan import grid as power
from stackyard.plan.choices import Named
from stackyard.plan.plan import FLOWS
from stackyard.plan.problem import SITE, A, B, C, O, P, Problem, R, S, V, W, array
from stackyard.quantity import DAY


def flows(problem: Problem, decisions: xr.Dataset) -> xr.Dataset:
    """Costs, power, energy, carbon and water that decisions cause, by month (FLOWS).

    >>> from stackyard import api
    >>> made = api.plan("first-plan", steps=False)
    >>> problem, plan = made.built.problem, made.plan
    >>> found = flows(problem, plan.decisions)
    >>> bool((found["site_power_peak"] >= found["it_power_peak"]).all())
    True
    """
    d: Named = problem.data.variables
    x: Named = decisions.variables
    short = d["short_price"].where(np.isfinite(d["short_price"]), 0.0) * x["short"]
    lost = (d["unserved_price"] * x["unserved"]).sum(V) + (d["tier_price"] * x["deep"]).sum([V, R])
    found = _power(d, x) | {
        "cost_hbm": (d["stack_price"] * x["draw"].sum(A) + d["stack_holding"] * x["stock"]).sum(S),
        "cost_accelerators": (d["accelerator_price"] * x["bought"] + d["waiting_holding"] * x["waiting"]).sum(A),
        "carbon_embodied": (d["embodied"] * x["bought"]).sum(A),
        "ddr5_displaced": d["ddr5_per_stack"] * x["draw"].sum(A),
        "cost_fitout": (d["fitout_price"] * x["fitout"]).sum(SITE),
        "cost_upkeep": (d["upkeep"] * x["installed"].sum(SITE)).sum(A),
        "cost_contracts": (d["take_price"] * x["take"] + short).sum(S) + (d["option_fee"] * x["chosen"]).sum(O),
        "cost_unserved": lost * d["seconds"] / DAY,
        "cost_models": (d["way_fee"] * x["answered"]).sum(W) * d["seconds"] / DAY,
        "cost_quality": (d["way_loss"] * x["answered"]).sum(W) * d["seconds"] / DAY,
        "cost_late": (d["campaign_late"] * x["undone"]).sum(C),
    }
    coords = {dim: problem.data[dim] for dim in problem.data.dims}
    return xr.Dataset({n: array(n, v.transpose(*FLOWS[n].dims), FLOWS) for n, v in found.items()}, coords=coords)


def _power(d: Named, x: Named) -> dict[str, Named]:
    """What plants and sources draw, cost and emit."""
    idle = (x["installed"] * d["power_idle"]).sum(A)
    extra = d["power_busy"] - d["power_idle"]
    training = (x["train"] * (d["train_power"] - d["power_idle"])).sum([A, C])
    peak = idle + (x["run"] * extra).sum([A, W]) + training
    mean = idle + (x["run"] * extra / power.peak_over_mean(d)).sum([A, W]) + training
    seconds, here = d["seconds"], d["source_site"]
    output = x["output"] * seconds
    grid, lost = x["grid"] * seconds, (here * d["source_loss"] * x["capacity"]).sum(P)
    over = (here * d["source_wheeled"] * output).sum(P)
    market = d["grid_carbon"] * grid + (here * d["source_carbon"] * output).sum(P)
    charged = (d["electricity_price"] * grid + d["demand_charge"] * x["grid_peak"]).sum(SITE)
    return {
        "cost_energy": charged
        + (d["source_energy_price"] * output).sum(P)
        + (power.premium(d) * (x["charged"] - x["discharged"]) * seconds).sum([P, B]),
        "cost_sources": (d["source_price"] * x["built"] + d["source_upkeep"] * x["capacity"]).sum(P),
        "cost_carbon": d["carbon_price"] * market.sum(SITE),
        "it_power_peak": peak,
        "it_power_mean": mean,
        "site_power_peak": d["pue_peak"] * peak + d["overhead_peak"] * x["fitted"],
        "energy": (d["pue"] * mean + d["overhead"] * x["fitted"] + lost) * seconds,
        "on_site": (here * (1 - d["source_wheeled"]) * output).sum(P),
        "carbon": market + d["grid_carbon"] * over,
        "carbon_market": market,
        "water_used": mean * seconds * d["water"],
    }


def residual_value(problem: Problem, decisions: xr.Dataset) -> float:
    """USD of today for what is still in life at the end of the horizon.

    >>> from stackyard import api
    >>> made = api.plan("first-plan", steps=False)
    >>> problem, plan = made.built.problem, made.plan
    >>> 0 < residual_value(problem, plan.decisions) < plan.objective
    True
    """
    d: Named = problem.data.variables
    x: Named = decisions.variables
    hbm = (d["stack_value"] * x["draw"]).sum(S)
    left = (d["accelerator_residual"] * (d["accelerator_price"] * x["bought"] + hbm)).sum()
    left = left + (d["fitout_residual"] * d["fitout_price"] * x["fitout"]).sum()
    left = left + (d["source_residual"] * d["source_price"] * x["built"]).sum()
    left = left + (d["option_left"] * x["chosen"]).sum()
    return float(left * d["discount"][-1])
