"""Power of a plan added up again: what plants draw, peaks and energy from the grid, and sources beside it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from stackyard.plan.check_rows import Array, Row, Values, after, balance, before, limit
from stackyard.plan.problem import SITE, B, P, T


def it_power(d: Values, x: Values, load: Array) -> Array:
    """IT power of each site when each way loads what runs it to `load` (by way)."""
    extra = (d["power_busy"] - d["power_idle"][:, None]) * load[None, :]
    idle = np.einsum("a,ait->it", d["power_idle"], x["installed"])
    training = np.einsum("ac,aict->it", d["train_power"] - d["power_idle"][:, None], x["train"])
    total: Array = idle + np.einsum("av,aivt->it", extra, x["run"]) + training
    return total


def peak_over_mean(d: Values) -> Array:
    """Peak of the day over its mean, of the service of each way.

    >>> from stackyard import api
    >>> problem = api.problem("first-plan").problem
    >>> peak_over_mean({name: each.values for name, each in problem.data.items()})
    array([1.6])
    """
    found: Array = d["way_service"] @ d["peak_to_mean"]
    return found


def at_sites(d: Values, each: Array, amount: Array) -> Array:
    """An amount of every source times `each`, summed at its site: (site, month)."""
    found: Array = np.einsum("pi,pt->it", d["source_site"], each * amount)
    return found


def premium(d: Values) -> Array:
    """USD/J that energy costs more than its mean at the site of each source, (source, block, month)."""
    found: Array = np.einsum("pi,ibt->pbt", d["source_site"], d["block_premium"])
    return found


def can(d: Values) -> dict[str, Array]:
    """Where storage can earn by charging and by discharging: blocks that are not the dearest, not the cheapest."""
    there = (d["source_shift"] > 0)[:, None] & (d["source_site"] @ d["block_share"] > 0)[..., None]
    over = premium(d)
    highest = np.where(there, over, -np.inf).max(axis=1, keepdims=True)
    lowest = np.where(there, over, np.inf).min(axis=1, keepdims=True)
    return {"charged": there & (over < highest), "discharged": there & (over > lowest)}


def rows(d: Values, x: Values) -> Iterator[Row]:
    """Every balance and limit of power."""
    peak, mean = (it_power(d, x, load) for load in (np.ones_like(peak_over_mean(d)), 1 / peak_over_mean(d)))
    yield limit("power", (SITE, T), x["fitted"], d["pue_design"][:, None] * peak)
    drawn = d["pue_peak"] * peak + d["overhead_peak"] * x["fitted"]
    firm = at_sites(d, d["source_firm"], x["capacity"])
    yield limit("peak", (SITE, T), x["grid_peak"] + firm, drawn)
    opened = np.einsum("oit,o->it", d["option_power"], x["chosen"])
    yield limit("energised", (SITE, T), d["site_power"] + opened, x["grid_peak"])
    lost, made = at_sites(d, d["source_loss"], x["capacity"]), at_sites(d, np.ones(1), x["output"])
    yield balance("energy", (SITE, T), d["pue"] * mean, d["overhead"] * x["fitted"], lost, -made, -x["grid"])
    yield limit("output", (P, T), d["source_yield"] * x["capacity"], x["output"])
    yield balance("capacity", (P, T), before(x["capacity"]), x["built"], -x["capacity"])
    allowed = d["source_most"] + np.einsum("opt,o->pt", d["option_source"], x["chosen"])
    yield limit("source", (P, T), allowed, x["capacity"])
    given, taken = x["discharged"].sum(axis=1), x["charged"].sum(axis=1)
    yield limit("shift", (P, T), d["source_shift"] * x["capacity"], given)
    yield balance("cycle", (P, T), given, -taken)
    share = d["block_share"][..., None]
    there = np.asarray(d["source_site"].any(axis=0))[:, None, None] & (share > 0)
    inward, outward = (np.einsum("pi,pbt->ibt", d["source_site"], x[name]) for name in ("charged", "discharged"))
    drawn = np.where(there, share * x["grid"][:, None], np.inf)
    yield limit("replaced", (SITE, B, T), drawn, outward)
    over = share * (x["grid"] + at_sites(d, d["source_wheeled"][:, None], x["output"]))[:, None]
    most = np.where(there, share * x["grid_peak"][:, None], np.inf)
    yield limit("mean", (SITE, B, T), most, over, inward, -outward)


def flows(d: Values, x: Values) -> dict[str, Array]:
    """What a plan's power costs, uses and emits, by month."""
    peak, mean = (it_power(d, x, load) for load in (np.ones_like(peak_over_mean(d)), 1 / peak_over_mean(d)))
    seconds, sites = d["seconds"], d["source_site"]
    grid, output = x["grid"] * seconds, x["output"] * seconds
    over = at_sites(d, d["source_wheeled"][:, None], output)
    emitted = np.einsum("pi,pt->it", sites * d["source_carbon"][:, None], output)
    market = d["grid_carbon"] * grid + emitted
    return {
        "cost_energy": (d["electricity_price"] * grid).sum(axis=0)
        + (d["demand_charge"] * x["grid_peak"]).sum(axis=0)
        + (d["source_energy_price"] * output).sum(axis=0)
        + (premium(d) * (x["charged"] - x["discharged"]) * seconds).sum(axis=(0, 1)),
        "cost_sources": (d["source_price"] * x["built"] + d["source_upkeep"] * x["capacity"]).sum(axis=0),
        "cost_carbon": d["carbon_price"] * market.sum(axis=0),
        "it_power_peak": peak,
        "it_power_mean": mean,
        "site_power_peak": d["pue_peak"] * peak + d["overhead_peak"] * x["fitted"],
        "energy": (d["pue"] * mean + d["overhead"] * x["fitted"] + at_sites(d, d["source_loss"], x["capacity"]))
        * seconds,
        "on_site": at_sites(d, 1 - d["source_wheeled"][:, None], output),
        "carbon": market + d["grid_carbon"] * over,
        "carbon_market": market,
        "water_used": mean * seconds * d["water"],
    }


def residual(d: Values, x: Values) -> float:
    """USD at the horizon's end that is left of the sources built."""
    return float((d["source_residual"] * d["source_price"] * x["built"]).sum())


def costs(d: Values, money: Array, end: float) -> dict[str, Array]:
    """Present cost of one unit of each decision about power, at a price of money by month."""
    carbon = d["carbon_price"]
    return {
        "grid_peak": d["demand_charge"] * money,
        "grid": d["seconds"] * (d["electricity_price"] + carbon * d["grid_carbon"]) * money,
        "output": d["seconds"] * (d["source_energy_price"] + carbon * d["source_carbon"][:, None]) * money,
        "charged": premium(d) * d["seconds"] * money,
        "discharged": -premium(d) * d["seconds"] * money,
        "capacity": d["source_upkeep"] * money,
        "built": d["source_price"] * (money - end * d["source_residual"]),
    }


def watt(d: Values, p: Values) -> tuple[Array, Array]:
    """What a watt of IT power takes at these prices, (site, month): at its peak, and of its mean."""
    peak = d["pue_design"][:, None] * p["price_fitted"] + d["pue_peak"] * p["price_peak"]
    return peak, d["pue"] * p["price_energy"]


def exchanges(d: Values, p: Values) -> dict[str, tuple[Array, ...]]:
    """For each decision about power what one unit gives (first), and what it takes, at these prices."""
    fitout, sites = p["price_fitout"], d["source_site"]
    share = d["block_share"][..., None]
    mean = (share * p["price_mean"]).sum(axis=1)
    of_sites = {"mean": mean} | {name: p[name] for name in ("price_peak", "price_energy")}
    here = {name: np.einsum("pi,it->pt", sites, values) for name, values in of_sites.items()}
    by_block = {name: np.einsum("pi,ibt->pbt", sites, p[name]) for name in ("price_mean", "price_replaced")}
    return {
        "fitted": (
            after(fitout) + p["price_fitted"],
            fitout,
            d["overhead_peak"] * p["price_peak"],
            d["overhead"] * p["price_energy"],
        ),
        "grid_peak": (p["price_peak"] + mean, p["price_power"]),
        "grid": (p["price_energy"] + (share * p["price_replaced"]).sum(axis=1), mean),
        "output": (here["price_energy"], p["price_output"], d["source_wheeled"][:, None] * here["mean"]),
        "charged": (p["price_cycle"][:, None], by_block["price_mean"]),
        "discharged": (
            by_block["price_mean"],
            p["price_cycle"][:, None],
            p["price_shift"][:, None],
            by_block["price_replaced"],
        ),
        "capacity": (
            d["source_firm"] * here["price_peak"]
            + d["source_yield"] * p["price_output"]
            + d["source_shift"] * p["price_shift"]
            + after(p["price_capacity"]),
            p["price_capacity"],
            p["price_source"],
            d["source_loss"] * here["price_energy"],
        ),
        "built": (p["price_capacity"], np.zeros(1)),
    }
