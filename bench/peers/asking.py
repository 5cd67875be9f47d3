"""Asks peers about our measured rows, each in its own environment, and keeps what they said.

A peer is told the requests in progress that our own count of memory allows, because none of them has the engines'
limits; and requests that wait for room, and arrivals that an engine's settings let wait, are counted for all alike.
"""

from __future__ import annotations

import csv
import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stackyard import catalog
from stackyard.catalog.entries import Accelerator, Model
from stackyard.perf import architecture, silicon
from stackyard.perf.calibration.predict import Vector, answer, groups
from stackyard.perf.calibration.rows import Row

HERE = Path(__file__).parent
PEERS = {"aiconfigurator": "aiconfigurator", "genz-llm": "genz", "llm-analysis": "llm_analysis"}
LIMIT_S = 3600
SERVICE = ("ttft", "tpot", "output_rate", "filling")


@dataclass(frozen=True)
class Found:
    """What a peer said: by setting one value for each row (nan where none), reasons, and seconds by setting."""

    values: dict[str, Vector]
    reasons: tuple[str, ...]  # one for each row; '' where it has an answer
    seconds: dict[str, float]


def shape(model: Model) -> dict[str, Any]:
    a, e = model.attention, model.experts
    spans = architecture.spans(model)
    return {
        "layers": model.layers,
        "hidden": model.hidden,
        "heads": a.heads,
        "kv_heads": a.kv_heads,
        "head_dim": a.head_dim,
        "latent": a.latent,
        "windowed_layers": a.windowed_layers,
        "mixed_layers": len(spans) > 1,
        "feed_forward": model.feed_forward,
        "vocabulary": model.vocabulary,
        "experts": e.routed if e else 0,
        "active_experts": e.active if e else 0,
        "expert_width": e.width if e else 0,
        "shared_experts": e.shared if e else 0,
        "dense_layers": e.dense_layers if e else 0,
    }


def figures(chip: Accelerator) -> dict[str, float]:
    return {
        "bf16_flops": chip.flops["bf16"],
        "memory": chip.memory,
        "bandwidth": chip.bandwidth,
        "scale_up": chip.scale_up,
    }


def question(row: Row, batch: float) -> dict[str, Any]:
    known = catalog.load()
    names = ("id", "framework", "model", "chip", "weights", "cache", "compute", "regime")
    sizes = ("tensor", "pipeline", "data", "expert", "prompt", "output")
    told = {name: getattr(row, name) for name in (*names, *sizes)}
    shapes = {"model_shape": shape(known.model(row.model)), "chip_figures": figures(known.accelerator(row.chip))}
    return told | shapes | {"batch": batch, "silicon_system": silicon.SYSTEMS.get(row.chip, "")}


def ask(
    peer: str, questions: Sequence[dict[str, Any]], warm: Sequence[dict[str, Any]] = (), first: bool = False
) -> dict[str, Any]:
    """Its answers, and its seconds by setting after the questions of `warm`; an error of the runner ends everything.

    `first` asks under its first setting alone.
    """
    python = HERE / ".venvs" / peer / "bin" / "python"
    runner = HERE / f"ask_{PEERS[peer]}.py"
    text = json.dumps({"warm": list(warm), "questions": list(questions), "first": first})
    done = subprocess.run([python, runner], input=text, capture_output=True, text=True, timeout=LIMIT_S)
    if done.returncode:
        raise SystemExit(f"{runner.name} failed:\n{done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def asked(some: Sequence[Row]) -> list[dict[str, Any]]:
    batches = np.ones(len(some))
    for group in groups(some):
        batches[group.index] = group.batch
    return [question(row, float(batch)) for row, batch in zip(some, batches, strict=True)]


def answers(peer: str, some: Sequence[Row]) -> Found:
    """The peer's value for each row, with the same waiting for room as ours."""
    told = ask(peer, asked(some))
    place = {row.id: index for index, row in enumerate(some)}
    reasons = [""] * len(some)
    service: dict[str, dict[str, Vector]] = {}
    for one in told["answers"]:
        index = place[one["id"]]
        if "reason" in one:
            reasons[index] = one["reason"]
            continue
        columns = service.setdefault(one["setting"], {key: np.full(len(some), np.nan) for key in SERVICE})
        for key in SERVICE:
            columns[key][index] = one.get(key, 0.0)
    values = {name: np.full(len(some), np.nan) for name in service}
    for group in groups(some):
        i, batch = group.index, group.batch
        for name, columns in service.items():
            ttft, tpot, rate, filling = (columns[key][i] for key in SERVICE)
            both = rate * (group.prompt + group.output) / group.output
            values[name][i] = answer(group, batch, ttft, tpot, rate, both, filling)
    said = np.logical_or.reduce([np.isfinite(columns["tpot"]) for columns in service.values()])
    silent = tuple("" if has else reason for has, reason in zip(said, reasons, strict=True))
    return Found(values, silent, told["seconds"])


def pinned(peer: str) -> str:
    """Its version, from its pins."""
    lines = (HERE / f"{peer}.txt").read_text().lower().splitlines()
    return next(one.partition("==")[2] for one in lines if one.replace("_", "-").startswith(f"{peer}=="))


def save(folder: Path, peer: str, some: Sequence[Row], found: Found) -> None:
    """Writes its answers to rows, one column a setting, so that ours alone need be worked out again."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{peer}.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("id", *found.values, "reason"))
        for index, row in enumerate(some):
            said = [values[index] for values in found.values.values()]
            told = [f"{value:.6g}" if np.isfinite(value) else "" for value in said]
            writer.writerow((row.id, *told, found.reasons[index]))


def saved(folder: Path, peer: str, some: Sequence[Row]) -> Found:
    """What `save` wrote, without the seconds; rows that were not asked have a reason that says so."""
    with (folder / f"{peer}.csv").open(newline="", encoding="utf-8") as stream:
        table = csv.DictReader(stream)
        settings = [name for name in table.fieldnames or () if name not in ("id", "reason")]
        lines = {cells["id"]: cells for cells in table}
    none = dict.fromkeys(settings, "") | {"reason": NOT_ASKED}
    told = [lines.get(row.id, none) for row in some]
    values = {name: np.array([float(cells[name] or "nan") for cells in told]) for name in settings}
    return Found(values, tuple(cells["reason"] for cells in told), {})


NOT_ASKED = "not asked in this run"
