"""Prices that prove that no plan with the same choices costs less: weak duality, by plain summation.

Limits have prices >= 0, no decision gains at these prices, and the prices add up to the objective. For any such prices,
worth of all limits and demand at them <= the cost of any feasible plan; where it equals the cost of this one, none is
cheaper. A decision gains where its reduced cost (its own cost and the prices of what it takes, less the prices of what
it gives) is below zero. What is whole stands as it is: its reduced cost counts as part of the objective.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from stackyard.plan import check_grid
from stackyard.plan.check_rows import Array, Row, Values, after, balance, year_so_far
from stackyard.plan.plan import DECISIONS, PRICES, WHOLE
from stackyard.plan.problem import T, Y
from stackyard.quantity import DAY

LIMITS = (
    *("packaging", "orders", "life", "working", "fitted", "power", "budget", "tier", "offer", "total", "minimum"),
    *("fitout", "peak", "output", "source", "shift", "replaced", "mean", "mix"),
    *("group", "needs", "progress", "host", "place", "least", "active"),
)


def certificate(d: Values, x: Values, prices: Values, member: Array, objective: float) -> Iterator[Row]:
    """Rows that are 0 where the prices are such a proof."""
    present = np.where(member.any(axis=0), d["discount"], 1.0)
    yearly = (member * present).sum(axis=1) / np.maximum(member.sum(axis=1), 1)
    p = {
        name: values * (yearly if PRICES[name].dims == (Y,) else present if T in PRICES[name].dims else 1.0)
        for name, values in prices.items()
    }
    for name in ("price_demand", "price_tier", "price_answered", "price_service", "price_mix"):
        p[name] = p[name] * (d["seconds"] / DAY)
    for name in LIMITS:
        price = p[f"price_{name}"]
        yield Row(f"price_{name} below zero", PRICES[f"price_{name}"].dims, np.maximum(-price, 0.0), np.abs(price))
    can, costs = _can(d, x), _costs(d, p["price_budget"] @ member)
    held = []
    for name, (gives, *takes) in _exchanges(d, p, member).items():
        if name in WHOLE:
            held.append(-((costs[name] - gives + sum(takes)) * x[name]).sum())
            continue
        shape = [part.shape for part in (can[name], costs[name], gives, *takes)]
        terms = [np.broadcast_to(term, np.broadcast_shapes(*shape)) for term in (costs[name], -gives, *takes)]
        gain = np.where(can[name], np.maximum(-sum(terms), 0.0), 0.0)
        size = np.asarray(sum(np.abs(term) for term in terms))
        yield Row(f"{name} would lower the cost", DECISIONS[name].dims, gain, size)
    yield balance("prices add up to the objective", (), np.asarray(objective), *_worths(d, p), *map(np.asarray, held))


def _can(d: Values, x: Values) -> dict[str, Array]:
    """Where a decision can be non-zero at all; nobody trains where the choices of the plan have no campaign."""
    months = np.arange(d["seconds"].size)
    arrives = months + d["lead_months"][:, None]
    bought = (d["orders_max"] > 0) & (arrives < months.size)
    first = np.where(bought, arrives, np.inf).min(axis=1)
    ready = months >= first[:, None]
    placed = ready[:, None, :] & (d["allowed"] > 0)[:, :, None]
    installed = placed | (d["fleet"][:, :, :1] > 0)
    offered, counted = (d["option_stacks"] > 0).any(axis=0), (d["option_minimum"] > 0).any(axis=0)
    runs = (d["campaign_open"] > 0) & ((x["active"] > 0) | (d["campaign_least"] <= 0)[:, None])
    hosts = ((d["cluster_most"] > 0) & (x["host"] > 0))[..., None] & runs
    return (
        dict.fromkeys(DECISIONS, np.asarray(True))
        | {
            "deep": d["tier_price"] > 0,
            "take": offered,
            "short": counted & np.isfinite(d["short_price"]),
            "train": installed[:, :, None, :] & hosts,
            "draw": (d["fits_stack"] > 0)[:, :, None] & bought & (d["undrawable"] == 0),
            "bought": bought,
            "waiting": ready,
            "placed": placed,
            "retired": installed,
            "installed": installed,
            "run": installed[:, :, None, :] & (d["rate"] > 0)[:, None, :, None],
            "answered": np.asarray((d["rate"] > 0).any(axis=0))[:, None],
        }
        | check_grid.can(d)
    )


def _costs(d: Values, budget: Array) -> dict[str, Array]:
    """Present cost of one unit of each decision: spending at 1 + the price of the budget, less residual values."""
    money, end = d["discount"] + budget, d["discount"][-1]
    nothing = dict.fromkeys(DECISIONS, np.zeros(1))
    return (
        nothing
        | check_grid.costs(d, money, end)
        | {
            "draw": d["stack_price"][:, None, :] * money
            - end * d["accelerator_residual"] * d["stack_value"][:, None, :],
            "stock": d["stack_holding"] * money,
            "bought": d["accelerator_price"] * (money - end * d["accelerator_residual"]),
            "fitout": d["fitout_price"] * (money - end * d["fitout_residual"]),
            "waiting": d["waiting_holding"] * money,
            "installed": (d["upkeep"] * money)[:, None, :],
            "unserved": d["unserved_price"] * d["discount"] * (d["seconds"] / DAY),
            "deep": d["tier_price"] * d["discount"] * (d["seconds"] / DAY),
            "take": d["take_price"] * money,
            "short": np.where(np.isfinite(d["short_price"]), d["short_price"], 0.0) * money,
            "chosen": (d["option_fee"] * money).sum(axis=1) - end * d["option_left"],
            "undone": d["campaign_late"] * d["discount"],
            "answered": (d["way_fee"] * money + d["way_loss"] * d["discount"]) * (d["seconds"] / DAY),
        }
    )


def _exchanges(d: Values, p: Values, member: Array) -> dict[str, tuple[Array, ...]]:
    """For each decision what one unit gives (first), and what it takes, at these prices."""
    stack, package, ready, installed, fitout = (
        p[f"price_{name}"] for name in ("stack", "package", "ready", "installed", "fitout")
    )
    n = d["seconds"].size
    arriving, outlived = np.zeros_like(ready), np.zeros_like(p["price_life"])
    for a, (lead, life) in enumerate(zip(d["lead_months"].astype(int), d["life_months"].astype(int), strict=True)):
        arriving[a, : max(n - lead, 0)] = ready[a, lead:]
        for t in range(n):
            outlived[a, :, t] = p["price_life"][a, :, t : t + life].sum(axis=1)
    peak, mean = check_grid.watt(d, p)
    watt = peak + mean
    extra = d["power_busy"] - d["power_idle"][:, None]
    peaked = check_grid.peak_over_mean(d)
    tokens, of = d["rate"] * DAY / peaked, d["way_service"]
    return (
        _committed(d, p, member, watt)
        | check_grid.exchanges(d, p)
        | {
            "draw": (package, stack[:, None, :]),
            "released": (np.zeros(1), stack),
            "stock": (after(stack), stack),
            "bought": (
                arriving,
                d["stacks_per_package"][:, None] * package,
                np.einsum("ka,kt->at", d["wafers_per_package"], p["price_packaging"]),
                p["price_orders"],
                p["price_lot"],
            ),
            "waiting": (after(ready), ready),
            "placed": (installed + outlived, ready[:, None, :]),
            "retired": (np.zeros(1), installed),
            "installed": (
                after(installed) + d["availability"][:, None, None] * p["price_working"],
                installed,
                p["price_life"],
                d["power_idle"][:, None, None] * watt,
            ),
            "run": (
                tokens[:, None, :, None] * p["price_answered"],
                p["price_working"][:, :, None, :],
                extra[:, None, :, None] * (peak[:, None, :] + mean[:, None, :] / peaked[:, None]),
            ),
            "fitout": (fitout, np.zeros(1)),
            "answered": (of @ p["price_service"], p["price_answered"], p["price_mix"]),
            "served": (p["price_demand"] + (d["way_most"][:, None] * of).T @ p["price_mix"], p["price_service"]),
            "unserved": (p["price_demand"], p["price_tier"].sum(axis=1)),
        }
    )


def _committed(d: Values, p: Values, member: Array, watt: Array) -> dict[str, tuple[Array, ...]]:
    """The same for contracts, choices, whole systems and training."""
    counted = np.einsum("tu,st->su", year_so_far(member.argmax(axis=0)), p["price_minimum"])
    offers = (d["option_stacks"] > 0).any(axis=2)
    total = np.where(offers & np.isfinite(d["option_total"]), d["option_total"], 0.0)
    training = (d["train_power"] - d["power_idle"][:, None])[:, None, :, None]
    opened = (
        np.einsum("oit,it->o", d["option_power"], p["price_power"])
        + np.einsum("opt,pt->o", d["option_source"], p["price_source"])
        + np.einsum("ost,st->o", d["option_stacks"], p["price_offer"])
        + total @ p["price_total"]
        + (d["option_needs"] * p["price_needs"]).sum(axis=0)
    )
    return {
        "deep": (p["price_tier"], np.zeros(1)),
        "take": (p["price_stack"] + counted, p["price_offer"], p["price_total"][:, None]),
        "short": (p["price_minimum"], np.zeros(1)),
        "chosen": (
            opened,
            np.einsum("ost,st->o", d["option_minimum"], p["price_minimum"]),
            d["option_group"] @ p["price_group"],
            (d["option_needs"] * p["price_needs"]).sum(axis=1),
        ),
        "lots": (d["lot"][:, None] * p["price_lot"], np.zeros(1)),
        "train": (
            (d["train_rate"][:, :, None] * d["seconds"] * p["price_progress"])[:, None] + p["price_least"],
            p["price_working"][:, :, None, :],
            training * watt[:, None, :],
            p["price_host"],
            p["price_active"],
        ),
        "host": ((d["cluster_most"][..., None] * p["price_host"]).sum(axis=-1), p["price_place"]),
        "active": (
            d["cluster_most"].max(axis=(0, 1), initial=0.0)[:, None] * p["price_active"],
            d["campaign_least"][:, None] * p["price_least"],
        ),
        "undone": (p["price_progress"], after(p["price_progress"])),
    }


def _worths(d: Values, p: Values) -> list[Array]:
    """Worth of every limit, and less that of demand, at these prices; with the objective they add up to nothing."""

    def worth(price: str, amount: Array) -> Array:
        return np.asarray((p[price] * np.where(np.isfinite(amount), amount, 0.0)).sum())

    return [
        -worth("price_demand", d["demand"]),
        worth("price_stack", d["stacks_delivered"]),
        np.asarray((p["price_stack"][:, 0] * d["stacks_start"]).sum()),
        worth("price_packaging", d["packaging_wafers"]),
        worth("price_orders", d["orders_max"]),
        np.asarray((p["price_installed"][:, :, 0] * d["fleet"][:, :, 0]).sum()),
        worth("price_life", d["fleet"]),
        worth("price_power", d["site_power"]),
        worth("price_source", d["source_most"]),
        np.asarray((p["price_fitout"][:, 0] * d["fitted_start"]).sum()),
        worth("price_budget", d["budget"]),
        worth("price_tier", d["tier_start"]),
        worth("price_group", np.ones_like(p["price_group"])),
        worth("price_place", np.ones_like(p["price_place"])),
        -np.asarray((p["price_progress"][:, 0] * d["campaign_flop"]).sum()),
    ]
