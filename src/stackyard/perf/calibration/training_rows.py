"""Measured training steps and peak memory: the rows of data/training.csv, each as a recipe that can be estimated."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from stackyard import catalog
from stackyard.catalog.entries import Accelerator, Attention, Model
from stackyard.perf.training.recipe import WIDTHS, Recipe

DATA = Path(__file__).parent / "data"


@dataclass(frozen=True)
class Measured:
    """One measured run: what was run, its step time or its peak memory, and where the figure was read."""

    source: str
    place: str  # document and line or table
    date: str
    accelerator: str  # as named in the table
    model: Model
    chip: Accelerator
    recipe: Recipe
    seconds: float | None  # of a step
    memory: float | None  # byte of one accelerator
    note: str

    @property
    def family(self) -> str:
        """The model, or the series of near copies that it belongs to, which are left out of a fit together."""
        series = ("bloom-", "mcore-", "GPT-")
        return next((name.rstrip("-") for name in series if self.model.id.startswith(name)), self.model.id)

    @property
    def maker(self) -> str:
        """The chip of the catalogue that this one is, or is a variant of; itself where it has arithmetic of its own."""
        variant = variants().get(self.accelerator, {})
        return self.accelerator if variant.get("bf16_tflops") else variant.get("base", self.accelerator)


@dataclass(frozen=True)
class Excluded:
    """A measured row that is not compared, and why."""

    source: str
    place: str
    accelerator: str
    model: str
    reason: str


def training_rows() -> tuple[Measured, ...]:
    """Every row that can be expressed, one for each figure."""
    return _read()[0]


def excluded_rows() -> tuple[Excluded, ...]:
    """Rows that are not compared: a defect of the source, or something the model cannot express."""
    return _read()[1]


def _table(name: str) -> Iterator[dict[str, str]]:
    with (DATA / name).open(newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)


@lru_cache(maxsize=1)
def variants() -> Mapping[str, dict[str, str]]:
    """Variants of the catalogue's chips that only measured rows use, by name, as the table has them."""
    return {row["accelerator"]: row for row in _table("training_chips.csv")}


@lru_cache(maxsize=1)
def known_models() -> Mapping[str, Model]:
    """Models of the table that the catalogue does not hold: plain GPT and Llama blocks."""
    found = {}
    for row in _table("training_models.csv"):
        heads, kv_heads, dim = int(row["heads"]), int(row["kv_heads"]), int(float(row["head_dim"]))
        found[row["model"]] = Model(
            id=row["model"],
            name=row["model"],
            facts={},
            family="gpt",
            layers=int(row["layers"]),
            hidden=int(row["hidden"]),
            attention=Attention(heads, kv_heads, dim),
            feed_forward=int(row["feed_forward"]),
            experts=None,
            vocabulary=int(row["vocabulary"]),
            tied_embeddings=row["tied"] == "1",
            max_context=1 << 20,
            parameters_published=float("nan"),
            active_published=float("nan"),
            extra={} if row["gated"] == "1" else {"ungated": True},
        )
    return found


def chip_named(name: str) -> Accelerator:
    """A chip of the catalogue, or a variant of one that only measured rows use."""
    row = variants().get(name)
    if row is None:
        return catalog.load().accelerator(name)
    base = catalog.load().accelerator(row["base"])
    giga, own = 1e9, {form: row[f"{form}_tflops"] for form in ("bf16", "int8")}
    flops = {form: float(rate) * 1e12 for form, rate in own.items() if rate}
    return replace(
        base,
        name=f"{name} (from {base.name})" if not flops else name,
        flops=MappingProxyType(flops) if flops else base.flops,
        scale_up_domain=int(row["domain"] or base.scale_up_domain),
        id=name,
        memory=float(row["memory_gb"]) * giga,
        bandwidth=float(row["bandwidth_gbs"]) * giga,
        scale_up=float(row["scale_up_gbs"]) * giga,
        scale_out=float(row["scale_out_gbs"]) * giga,
        tdp=float(row["tdp_w"]),
    )


def shortened(model: Model, layers: int) -> Model:
    """The same model with fewer layers, as some benchmarks run it; kinds of layers keep their shares."""
    share = layers / model.layers
    experts = model.experts and replace(model.experts, dense_layers=round(model.experts.dense_layers * share))
    attention = replace(model.attention, windowed_layers=round(model.attention.windowed_layers * share))
    return replace(model, layers=layers, experts=experts, attention=attention)


def year(date: str) -> float:
    """'2025-04' as a number: the middle of that month."""
    parts = date.split("-")
    return int(parts[0]) + ((int(parts[1]) - 0.5) / 12 if len(parts) > 1 else 0.5)


def _recipe(row: Mapping[str, str]) -> Recipe:
    numbers = {name: float(row[name]) for name in WIDTHS}
    return Recipe(
        **numbers,
        precision=row["precision"],
        recompute=row["recompute"],
        sharding=row["sharding"],
        schedule="zero-bubble" if "DualPipe" in row["note"] else "1f1b",
        attention=row["attention"],
        sequence_parallel=row["sequence_parallel"] == "1",
        sample=float(row["sample"] or "inf"),
        shard_width=float(row["shard_width"] or "inf"),
        adapters=row["adapters"] == "1",
        offload=row["offload"] == "1",
        software=row["software"],
        released=year(row["date"]),
    )


@lru_cache(maxsize=1)
def _read() -> tuple[tuple[Measured, ...], tuple[Excluded, ...]]:
    known, own = catalog.load(), known_models()
    rows: list[Measured] = []
    left: list[Excluded] = []
    for row in _table("training.csv"):
        if row["excluded"]:
            left.append(Excluded(row["source"], row["place"], row["accelerator"], row["model"], row["excluded"]))
            continue
        model = own.get(row["model"]) or known.model(row["model"])
        rows.append(
            Measured(
                source=row["source"],
                place=row["place"],
                date=row["date"],
                accelerator=row["accelerator"],
                model=shortened(model, int(row["layers"])) if row["layers"] else model,
                chip=chip_named(row["accelerator"]),
                recipe=_recipe(row),
                seconds=float(row["step_s"]) if row["step_s"] else None,
                memory=float(row["memory_gb"]) * 1e9 if row["memory_gb"] else None,
                note=row["note"],
            )
        )
    return tuple(rows), tuple(left)
