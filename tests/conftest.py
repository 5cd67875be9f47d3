"""Fixtures that several areas share."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import settings

from stackyard.months import parse_month, seconds_in, show_month
from stackyard.plan.problem import SCHEMA, SITE, A, C, G, K, N, O, P, Problem, R, S, T, V, W, Y, array
from stackyard.plan.solve import Solved, solve_warm

# In CI the same examples every time: a failure there is a fact about the change. At home the search goes on.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI") == "true":
    settings.load_profile("ci")

SMALL = {A: (2, 3), S: (2, 3), K: (1, 2), SITE: (2, 3), V: (2, 3), T: (4, 8)}


def random_problem(
    seed: int, sizes: dict[str, tuple[int, int]] = SMALL, life: tuple[int, int] = (3, 7), whole: bool = False
) -> Problem:
    """A Problem of plausible magnitudes in which any of the limits may bind, or none; the same for the same seed.

    Tiers and signed contracts are in all; choices, whole systems and training only in those that are `whole`.
    """
    draw = np.random.default_rng(seed)
    n = {dim: int(draw.integers(low, high + 1)) for dim, (low, high) in sizes.items()}
    first = parse_month("2026-01") + int(draw.integers(12))
    months = range(first, first + n[T])
    years = sorted({month // 12 for month in months})
    coords: dict[str, list[str] | list[int]] = {d: [f"{d}-{i}" for i in range(count)] for d, count in n.items()}
    coords |= {T: [show_month(month) for month in months], Y: years}

    def uniform(low: float, high: float, *dims: str) -> np.ndarray:
        return draw.uniform(low, high, [n[d] for d in dims])

    def chance(share: float, *dims: str) -> np.ndarray:
        return (uniform(0, 1, *dims) < share).astype(float)

    seconds = np.array([seconds_in(month) for month in months])
    elapsed = np.arange(n[T])
    rate = uniform(1e3, 1e4, A, V) * chance(0.85, A, V)
    rate[0] = np.maximum(rate[0], 2e3)  # something can run every service
    demand = uniform(2e11, 3e12, V)[:, None] * (1 + elapsed / n[T] * uniform(0, 3, V)[:, None])
    packages = (demand.max(axis=1) / rate.max(axis=0) / 86400).sum()  # about what the demand needs
    lives = draw.integers(life[0], life[1] + 1, n[A]).astype(float)
    leads = draw.integers(0, 4, n[A]).astype(float)
    price = uniform(2e4, 6e4, A)
    per_token = price.mean() / (lives.mean() * 30 * 86400 * rate.max(axis=0))
    remaining = 1 - (n[T] - elapsed[None, :] - leads[:, None]) / lives[:, None]
    launch = draw.integers(0, max(n[T] // 3, 1), n[A])
    most = np.where(chance(0.6, A)[:, None] > 0, packages / n[T] * uniform(0.5, 4, A, T), np.inf)
    orders = np.where(elapsed >= launch[:, None], most, 0.0)
    stacks = 8.0 * packages / n[T] / n[S]
    fits = np.maximum(chance(0.7, S, A), np.eye(n[S], n[A]))
    power = uniform(1e3, 1.6e3, A, V)
    need = packages * 1.3e3
    end = 1 - n[T] / uniform(8, 240, SITE)[:, None] + elapsed / 240
    spend = packages * price.mean() / len(years)
    values = {
        "demand": demand * (uniform(0, 1, V, T) < 0.95),
        "unserved_price": (per_token * uniform(0.3, 4, V))[:, None] * np.ones(n[T]),
        "peak_to_mean": uniform(1, 2, V),
        "rate": rate,
        "stacks_delivered": stacks * uniform(0, 3, S, T),
        "stacks_start": stacks * uniform(0, 2, S),
        "wafers_per_stack": np.full(n[S], 0.05),
        "stack_lead": np.full(n[S], 3),
        "stack_price": uniform(300, 900, S, T),
        "stack_holding": uniform(0, 10, S, T),
        "fits_stack": fits,
        "stacks_per_package": draw.choice([4.0, 8.0, 12.0], n[A]),
        "packaging_wafers": packages / 16 / n[T] * uniform(0.3, 3, K, T),
        "wafers_per_package": uniform(0.03, 0.08, K, A) * (draw.integers(0, n[K], n[A]) == np.arange(n[K])[:, None]),
        "orders_max": orders,
        "lead_months": leads,
        "life_months": lives,
        "availability": uniform(0.9, 1, A),
        "accelerator_price": price[:, None] * (1 - 0.01 * elapsed),
        "accelerator_residual": np.clip(remaining, 0, 1),
        "upkeep": price[:, None] * 0.002 * np.ones(n[T]),
        "fleet": packages * 0.1 * uniform(0, 1, A, SITE)[:, :, None] * np.maximum(0, 1 - elapsed / n[T]),
        "site_power": need / n[SITE] * uniform(0, 1.5, SITE)[:, None] * (1 + np.floor(3 * elapsed / n[T])),
        "fitted_start": need / n[SITE] * uniform(0, 0.4, SITE),
        "fitout_price": uniform(2, 12, SITE)[:, None] * np.ones(n[T]),
        "fitout_residual": np.clip(end, 0, 1),
        "pue": uniform(1.1, 1.5, SITE, T),
        "allowed": np.maximum(chance(0.8, A, SITE), np.eye(n[A], n[SITE])),
        "power_busy": power,
        "power_idle": power.min(axis=1) * 0.3,
        "electricity_price": uniform(1e-8, 4e-8, SITE, T),
        "grid_carbon": uniform(1e-8, 2e-7, SITE, T),
        "water": uniform(0, 1e-9, SITE, T),
        "seconds": seconds,
        "discount": 1.1 ** (-elapsed / 12),
        "carbon_price": np.full(n[T], draw.choice([0.0, 0.1])),
        "budget": np.where(uniform(0, 1, T)[: len(years)] < 0.5, np.inf, spend * draw.uniform(0.1, 2, len(years))),
    }
    values, n[W] = with_ways(np.random.default_rng([seed, 13]), values, n, per_token)
    coords[W] = [f"{W}-{i}" for i in range(n[W])]
    values, powers = with_power(np.random.default_rng([seed, 11]), values, n, need)
    n[P] = len(powers[P])
    values, more = with_choices(np.random.default_rng([seed, 7]), values, n, years, months, packages, whole)
    coords |= more | powers
    return Problem(xr.Dataset({name: array(name, values[name]) for name in SCHEMA}, coords=coords))


def with_ways(
    draw: np.random.Generator, values: dict[str, Any], n: dict[str, int], price: np.ndarray
) -> tuple[dict[str, Any], int]:
    """The same with up to two other models that may stand for a service, and the number of ways."""
    values = dict(values)
    other = draw.integers(0, n[V], draw.integers(0, 3))
    of = np.append(np.arange(n[V]), other)  # the service of each way
    months = np.ones(n[T])
    for name, low, high in (("rate", 0.3, 3.0), ("power_busy", 0.9, 1.1)):
        values[name] = np.hstack([values[name], values[name][:, other] * draw.uniform(low, high, (n[A], other.size))])
    values["power_busy"] = np.maximum(values["power_busy"], values["power_idle"][:, None])
    extra = (np.arange(of.size) >= n[V]) * price[of]
    for name in ("way_fee", "way_loss"):
        values[name] = (extra * draw.uniform(0, 0.3, of.size))[:, None] * months
    values["way_service"] = np.eye(n[V])[of]
    values["tail_share"] = 0.99 * (of == 0)  # the first service states a tail
    values["rate_mean"], values["rate_tail"] = 1.5 * values["rate"], values["rate"] * (of == 0)
    values["way_most"] = np.append(np.ones(n[V]), draw.choice([0.3, 1.0], other.size))
    return values, int(of.size)


def with_power(
    draw: np.random.Generator, values: dict[str, Any], n: dict[str, int], need: float
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The same with plants that draw power at any load, demand charges, sources, qualification; and the new ids."""
    values = dict(values)
    size = (n[SITE], n[T])
    values["pue_peak"] = values["pue"] * draw.uniform(1.0, 1.15, size)
    values["overhead"] = draw.uniform(0, 0.1, (n[SITE], 1)) * np.ones(size)
    values["overhead_peak"] = values["overhead"] * draw.uniform(1.0, 1.2, size)
    values["pue_design"] = (values["pue_peak"] / (1 - values["overhead_peak"])).max(axis=1)
    values["demand_charge"] = draw.uniform(0.0005, 0.01, (n[SITE], 1)) * np.ones(size)
    sources = int(draw.integers(0, 4))
    whole = (sources, n[T])
    place = np.eye(n[SITE])[draw.integers(0, n[SITE], sources)]
    begin = draw.integers(0, n[T], sources)
    some = (np.arange(n[T]) >= begin[:, None]) * draw.uniform(0.1, 1, (sources, 1))
    elapsed = np.arange(n[T])
    left = np.clip(1 - (n[T] - elapsed) / draw.uniform(8, 240, (sources, 1)), 0, 1)
    unit = np.ones(whole)
    dear, dearer = draw.uniform(0.1, 0.4, n[SITE]), draw.choice([0.0, 2e-8, 4e-7], (n[SITE], 1))
    share = np.stack([1 - 1.5 * dear, dear, 0.5 * dear], axis=1)  # usual hours, dear ones, and shoulders at half of it
    over = dearer * (np.array([0.0, 1.0, 0.5]) - (share @ [0.0, 1.0, 0.5])[:, None])
    values |= {
        "block_share": share,
        "block_premium": over[..., None] * np.ones(n[T]),
        "source_site": place.reshape(sources, n[SITE]),
        "source_most": some * need / n[SITE],
        "source_price": draw.uniform(0, 4, (sources, 1)) * unit,
        "source_residual": left,
        "source_upkeep": draw.uniform(0, 0.01, (sources, 1)) * unit,
        "source_yield": draw.choice([0.0, 0.2, 0.9], (sources, 1)) * unit,
        "source_firm": draw.choice([0.0, 0.5, 0.9], (sources, 1)) * unit,
        "source_loss": draw.choice([0.0, 0.03], (sources, 1)) * unit,
        "source_shift": draw.choice([0.0, 0.17], (sources, 1)) * unit,
        "source_energy_price": draw.uniform(0, 4e-8, (sources, 1)) * unit,
        "source_carbon": draw.choice([0.0, 1.2e-7], sources),
        "source_wheeled": draw.choice([0.0, 1.0], sources),
        "waiting_holding": draw.uniform(0, 300, (n[A], 1)) * np.ones((n[A], n[T])),
        "embodied": draw.choice([0.0, 318.0], n[A]),
        "ddr5_per_stack": np.full(n[S], 36e9 * 3.3),
        "undrawable": np.arange(n[T]) < draw.integers(0, 3, (n[S], n[A], 1)) * (draw.random((n[S], n[A], 1)) < 0.3),
    }
    return values, {P: np.array([f"{P}-{i}" for i in range(sources)], dtype=str)}


def with_choices(
    draw: np.random.Generator,
    values: dict[str, Any],
    n: dict[str, int],
    years: list[int],
    months: range,
    packages: float,
    whole: bool,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The same with tiers, contracts, phases, whole systems and a campaign; and the ids of the new axes."""
    values = dict(values)
    tiers, price = int(draw.integers(0, 3)), values["unserved_price"]
    start = np.sort(draw.uniform(0.1, 0.9, (n[V], tiers, 1)), axis=1) * values["demand"][:, None, :]
    dearer = draw.uniform(0, 2, (n[V], tiers, 1)) * (draw.random((n[V], tiers, 1)) < 0.7) * price[:, None, :]
    values |= {"tier_start": start, "tier_price": dearer, "stack_value": values["stack_price"].copy()}
    signed = draw.random(n[S]) < 0.5
    values["take_price"] = values["stack_price"] * draw.uniform(0.7, 1.1, (n[S], 1)) * signed[:, None]
    values["short_price"] = 0.5 * values["take_price"]
    values["short_price"][draw.random(n[S]) < 0.2] = np.inf
    count, last = (
        n[S] + 2 * n[SITE],
        [t for t in range(n[T]) if t == n[T] - 1 or months[t] // 12 != months[t + 1] // 12],
    )
    option = {name: np.zeros((count, *size)) for name, size in OPTIONS(n).items()}
    option["total"][:] = np.inf
    for s in np.flatnonzero(signed):
        offered = values["stacks_delivered"][s] * draw.uniform(0.5, 2)
        option["stacks"][s, s] = offered
        option["fee"][s, 0] = 0.02 * (values["take_price"][s] * offered).sum() * draw.random()
        if draw.random() < 0.5:
            option["total"][s, s] = 0.4 * offered.sum()
        begin = 0
        for t in last:
            option["minimum"][s, s, t] = 0.3 * offered[begin : t + 1].sum() * (draw.random() < 0.7)
            begin = t + 1
        values["stacks_delivered"][s] = 0.0
        values["stack_price"][s] = 0.0
    for i in range(n[SITE]):
        for k in (0, 1):
            at, since = n[S] + 2 * i + k, int(draw.integers(0, n[T]))
            size = values["site_power"][i].max() * draw.uniform(0.3, 1)
            option["power"][at, i, since:] = size
            option["source"][at, values["source_site"][:, i] > 0, since:] = size / 2
            option["fee"][at, since] = size * draw.uniform(0, 6)
            option["left"][at] = 0.5 * option["fee"][at, since]
        option["group"][n[S] + 2 * i, i % 2] = option["group"][n[S] + 2 * (i - 1) % (2 * n[SITE]), i % 2] = 1.0
        option["needs"][n[S] + 2 * i + 1, n[S] + 2 * i] = 1.0
    if whole:
        option["most"][:] = 1.0
        option["least"][: n[S]] = (draw.random(n[S]) < 0.3) & ~np.isinf(values["short_price"]).any(axis=1)
    else:
        option["most"][: n[S]] = option["least"][: n[S]] = ~np.isinf(values["short_price"]).any(axis=1)
        option["most"][n[S] :: 2] = option["least"][n[S] :: 2] = np.arange(n[SITE]) == 0
    values |= {f"option_{name}": value for name, value in option.items()}
    campaigns = int(whole and draw.random() < 0.7)
    rate = draw.uniform(3e14, 1e15, (n[A], campaigns))
    flop = packages * 0.2 * 6e14 * 2.6e6 * draw.uniform(0.5, 2, campaigns)
    opened = np.zeros((campaigns, n[T]))
    opened[:, 1:] = 1.0
    late = np.zeros((campaigns, n[T]))
    late[:, n[T] // 2 :] = 0.3 * (values["accelerator_price"].mean() / (6e14 * 2.6e6)) / n[T]
    values |= {
        "lot": (draw.random(n[A]) < 0.5) * whole * np.round(packages / 30 + 1),
        "campaign_flop": flop,
        "campaign_least": packages * draw.uniform(0, 0.1, campaigns),
        "campaign_open": opened,
        "campaign_late": late,
        "cluster_most": packages * 2 * np.ones((n[A], n[SITE], campaigns)) * (draw.random((n[A], 1, campaigns)) < 0.9),
        "train_rate": rate,
        "train_power": values["power_busy"].max(axis=1)[:, None] * np.ones((n[A], campaigns)),
    }
    ids = {R: tiers, O: count, N: count, G: 2, C: campaigns}
    return values, {dim: np.array([f"{dim}-{i}" for i in range(size)], dtype=str) for dim, size in ids.items()}


def OPTIONS(n: dict[str, int]) -> dict[str, tuple[int, ...]]:  # noqa: N802 - a table that needs the sizes
    """Axes of the coefficients of options behind their own."""
    return {
        "least": (),
        "most": (),
        "fee": (n[T],),
        "left": (),
        "power": (n[SITE], n[T]),
        "source": (n[P], n[T]),
        "stacks": (n[S], n[T]),
        "total": (n[S],),
        "minimum": (n[S], n[T]),
        "needs": (n[S] + 2 * n[SITE],),
        "group": (2,),
    }


@pytest.fixture(scope="session")
def problem_of() -> Callable[[int], Problem]:
    """Small random problems by seed."""
    return random_problem


@pytest.fixture(scope="session")
def solved_of() -> Callable[[int], Solved]:
    """The same problems solved, each once a session."""
    return cache(lambda seed: solve_warm(random_problem(seed)))


@pytest.fixture(scope="session")
def whole_of() -> Callable[[int], Problem]:
    """Small random problems in which something whole is to be chosen."""
    return lambda seed: random_problem(seed, whole=True)


@pytest.fixture(scope="session")
def chosen_of() -> Callable[[int], Solved]:
    """The same problems solved, all but exactly."""
    return cache(lambda seed: solve_warm(random_problem(seed, whole=True), gap=1e-6))


@pytest.fixture(scope="session")
def problem_with() -> Callable[..., Problem]:
    """Random problems of other sizes."""
    return random_problem


def same_weather(path: Path, temperatures: str) -> None:
    """Writes a weather file with the same dry-bulb and dew-point temperatures, '10.0,5.0', in every hour of a year."""
    head = ["LOCATION,Here,-,DEU,Custom,0,50,8,1,100", *[f"LINE {i}" for i in range(2, 9)]]
    days = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    rows = [
        f"1999,{month},{day + 1},{hour + 1},0,?,{temperatures},70,101325"
        for month, count in enumerate(days, start=1)
        for day in range(count)
        for hour in range(24)
    ]
    path.write_text("\n".join(head + rows))


@pytest.fixture
def weather() -> Callable[[Path, str], None]:
    """`same_weather`, for any area."""
    return same_weather
