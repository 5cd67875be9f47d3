"""Contracts, choices, whole systems, tiers and training campaigns of a plan, added up again by plain summation."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from stackyard.plan.check_rows import Array, Row, Values, balance, before, limit, year_so_far
from stackyard.plan.plan import DECISIONS, WHOLE
from stackyard.plan.problem import SITE, A, C, G, N, O, R, S, T, V


def rows(d: Values, x: Values, member: Array) -> Iterator[Row]:
    """Every balance and limit of what is chosen, contracted or trained."""
    yield from _whole(d, x)
    yield from _contracts(d, x, member)
    yield from _training(d, x)
    yield limit("tiers", (V, R, T), np.where(d["tier_price"] > 0, d["tier_start"], np.inf), _deep(x))


def _deep(x: Values) -> Array:
    found: Array = x["unserved"][:, None, :] - x["deep"]
    return found


def _whole(d: Values, x: Values) -> Iterator[Row]:
    for name in WHOLE:
        yield Row(
            f"{name} not whole", DECISIONS[name].dims, np.abs(x[name] - np.round(x[name])), np.zeros_like(x[name])
        )
    for name in ("host", "active"):
        yield Row(f"{name} above 1", DECISIONS[name].dims, np.maximum(x[name] - 1.0, 0.0), np.zeros_like(x[name]))
    out = np.maximum(x["chosen"] - d["option_most"], d["option_least"] - x["chosen"])
    yield Row("an option that is made or ruled out already", (O,), np.maximum(out, 0.0), np.zeros_like(out))
    members = d["option_group"] * x["chosen"][:, None]
    yield limit("group", (G,), np.ones(members.shape[1]), members.sum(axis=0))
    lacking = d["option_needs"] * np.maximum(x["chosen"][:, None] - x["chosen"][None, :], 0.0)
    yield Row("needs", (O, N), lacking, np.zeros_like(lacking))
    whole = d["lot"][:, None] * x["lots"]
    yield balance("lot", (A, T), np.where(d["lot"][:, None] > 0, x["bought"], 0.0), -whole)


def _contracts(d: Values, x: Values, member: Array) -> Iterator[Row]:
    offered = np.einsum("ost,o->st", d["option_stacks"], x["chosen"])
    yield limit("offer", (S, T), offered, x["take"])
    offers = (d["option_stacks"] > 0).any(axis=2)
    most = np.where(offers, d["option_total"], 0.0)
    limited = np.isfinite(most).all(axis=0) & offers.any(axis=0)
    total = np.where(np.isfinite(most), most, 0.0).T @ x["chosen"]
    yield limit("total", (S,), np.where(limited, total, np.inf), x["take"].sum(axis=1))
    counted = np.einsum("tu,su->st", year_so_far(member.argmax(axis=0)), x["take"])
    least = np.einsum("ost,o->st", d["option_minimum"], x["chosen"])
    yield limit("minimum", (S, T), counted + x["short"], least)


def _training(d: Values, x: Values) -> Iterator[Row]:
    work = np.einsum("ac,aict->ct", d["train_rate"], x["train"]) * d["seconds"]
    yield limit("progress", (C, T), x["undone"] + work, before(x["undone"], d["campaign_flop"]))
    yield limit("host", (A, SITE, C, T), (d["cluster_most"] * x["host"])[..., None] + 0 * x["train"], x["train"])
    yield limit("place", (C,), np.ones(x["host"].shape[-1]), x["host"].sum(axis=(0, 1)))
    cluster = x["train"].sum(axis=(0, 1))
    yield limit("shut", (C, T), np.where(d["campaign_open"] > 0, np.inf, 0.0), cluster)
    needs = (d["campaign_least"] > 0)[:, None]
    yield limit("least", (C, T), cluster, np.where(needs, d["campaign_least"][:, None] * x["active"], 0.0))
    most = d["cluster_most"].max(axis=(0, 1), initial=0.0)[:, None] * x["active"]
    yield limit("active", (C, T), np.where(needs, most, np.inf), cluster)
