"""Peers beside us on the same measured rows, each in its own environment, and points per second of one sweep.

    make peers                                           # asks everybody, and prints the tables
    .venv/bin/python bench/peers/compare.py --save DIR   # also writes every prediction
    .venv/bin/python bench/peers/compare.py --read DIR   # prints the tables of written predictions

A peer is told the requests in progress that our own count of memory allows, because none of them has the engines'
limits; and requests that wait for room are counted for all alike. Of each peer the setting counts that has the least
mean error over all rows of a metric: chosen with the measurements in view, which is more than a user of it could do.
Our constants are fitted to these very rows, which no peer's are: so ours stand twice, with the package's constants
(`fitted`), and with those of a fit that never saw a row of the same model (`left out`).
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from stackyard import catalog
from stackyard.catalog.entries import Accelerator, Model
from stackyard.perf import architecture, silicon
from stackyard.perf.calibration import fit
from stackyard.perf.calibration.predict import Vector, answer, groups, predict
from stackyard.perf.calibration.rows import Row, rows
from stackyard.perf.estimate import estimate
from stackyard.perf.layout import Layout

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


def ask(peer: str, questions: Sequence[dict[str, Any]], warm: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """Its answers, and its seconds by setting after the questions of `warm`; an error of the runner ends everything."""
    python = HERE / ".venvs" / peer / "bin" / "python"
    runner = HERE / f"ask_{PEERS[peer]}.py"
    text = json.dumps({"warm": list(warm), "questions": list(questions)})
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


def best(found: Found, some: Sequence[Row]) -> tuple[Vector, dict[str, str]]:
    """The values of the setting with the least mean error over the rows of each metric, and its name."""
    measured = np.array([row.value for row in some])
    metrics = np.array([row.metric for row in some])
    value, chosen = np.full(len(some), np.nan), {}
    for metric in sorted(set(metrics)):
        here = metrics == metric
        errors = {
            name: float(np.nanmean(np.abs(values[here] / measured[here] - 1)))
            for name, values in found.values.items()
            if np.isfinite(values[here]).any()
        }
        if errors:
            chosen[metric] = min(errors, key=lambda name: errors[name])
            value[here] = found.values[chosen[metric]][here]
    return value, chosen


def line(name: str, *errors: Vector) -> str:
    def cells(e: Vector) -> str:
        size = np.abs(e)
        return f"{e.mean():+7.1%} {np.median(size):7.1%} {size.mean():7.1%}"

    return "  ".join((f"{name:<42} {len(errors[0]):5d}", *(cells(e) for e in errors)))


def left_out_predictions(some: Sequence[Row]) -> Vector:
    """Ours for each row, by constants fitted without any row of its model."""
    problem = fit.Problem(some)
    asked = fit.unknowns(problem.pairs)
    return fit.left_out(problem, asked, fit.fit(problem, asked), lambda row: row.model)


def tables(peer: str, some: Sequence[Row], value: Vector, ours: Vector, held: Vector) -> Iterator[str]:
    """Lines for each (metric, chip, model) that both can express, and totals by metric."""
    measured = np.array([row.value for row in some])
    errors = [one / measured - 1 for one in (value, ours, held)]
    both = np.logical_and.reduce([np.isfinite(error) for error in errors])
    yield "\n" + "  ".join((" " * 48, *(f"{who:<23}" for who in (f"{peer} {pinned(peer)}", "fitted", "left out"))))
    yield "  ".join((f"{'':<42}  rows", *("   bias  median    mean",) * 3))
    keys = [(row.metric, row.chip, row.model) for row in some]
    for width in (3, 1):
        for key in sorted({k[:width] for k in keys}):
            here = both & np.array([k[:width] == key for k in keys])
            if here.any():
                label = " ".join(key) if width == 3 else f"all {key[0]}"
                yield line(label, *(error[here] for error in errors))
    if both.any():
        yield line("all", *(error[both] for error in errors))


def pinned(peer: str) -> str:
    lines = (HERE / f"{peer}.txt").read_text().lower().splitlines()
    return next(one.partition("==")[2] for one in lines if one.replace("_", "-").startswith(f"{peer}=="))


def sweep(batches: Sequence[float] = tuple(np.arange(1.0, 65.0))) -> list[Row]:
    """One layout x batch sweep: Llama 70B in fp8 on H200, 4 widths x 64 batches."""
    first = next(row for row in rows() if (row.model, row.chip, row.weights) == ("llama-3.1-70b", "h200-sxm", "fp8"))
    return [
        Row(**(vars(first) | {"id": f"{t}x{b}", "tensor": t, "data": 1.0, "expert": 1.0, "batch": b} | SIZES))
        for t in (1.0, 2.0, 4.0, 8.0)
        for b in batches
    ]


SIZES = {"prompt": 1024.0, "output": 1024.0, "regime": "concurrency", "metric": "tpot", "requests": 0.0}


def speed() -> Iterator[str]:
    """Points per second; a peer's under its first setting, with its tables loaded and its models built."""
    points = sweep()
    yield f"\nPoints per second: {len(points)} points, 4 widths x 64 batches, Llama 3.1 70B fp8 on H200, one process"
    known = catalog.load()
    model, chip = known.model(points[0].model), known.accelerator(points[0].chip)
    layout = Layout(np.array([p.tensor for p in points]))
    batch = np.array([p.batch for p in points])
    spent = []
    for _ in range(20):
        start = time.perf_counter()
        estimate(model, chip, layout, batch, 1024.0, 1024.0, "fp8")
        spent.append(time.perf_counter() - start)
    yield f"{'stackyard':<20} {len(points) / np.median(spent):12,.0f}   the whole sweep {np.median(spent) * 1e3:.2f} ms"
    for peer in PEERS:
        told = ask(peer, *([question(p, float(p.batch)) for p in some] for some in (points, sweep((65.0,)))))
        setting, seconds = next(iter(told["seconds"].items()))
        done = sum(one["setting"] == setting and "reason" not in one for one in told["answers"])
        yield f"{peer:<20} {done / seconds:12,.0f}   {done} points in {seconds * 1e3:.0f} ms, {setting}"


def save(folder: Path, peer: str, some: Sequence[Row], found: Found, ours: Vector) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{peer}.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("id", "metric", "measured", "stackyard", *found.values, "reason"))
        for index, row in enumerate(some):
            told = [f"{values[index]:.6g}" for values in found.values.values()]
            writer.writerow((row.id, row.metric, row.value, f"{ours[index]:.6g}", *told, found.reasons[index]))


def saved(folder: Path, peer: str, some: Sequence[Row]) -> Found:
    """What `save` wrote, without the seconds."""
    with (folder / f"{peer}.csv").open(newline="", encoding="utf-8") as stream:
        lines = {cells["id"]: cells for cells in csv.DictReader(stream)}
    told = [lines[row.id] for row in some]
    settings = [name for name in told[0] if name not in ("id", "metric", "measured", "stackyard", "reason")]
    values = {name: np.array([float(cells[name]) for cells in told]) for name in settings}
    return Found(values, tuple(cells["reason"] for cells in told), {})


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--save", type=Path, help="folder for one table of predictions for each peer")
    parser.add_argument("--read", type=Path, help="folder of such tables: nobody is asked again")
    parser.add_argument("--peer", choices=sorted(PEERS), action="append", help="only these peers")
    parser.add_argument("--every", type=int, default=1, help="only every n-th row, to try things out")
    parser.add_argument("--speed", action="store_true", help="only the points per second")
    chosen = parser.parse_args(arguments)
    some = [row for row in rows() if not row.excluded][:: chosen.every]
    ours = predict(some)
    print(f"stackyard {version('stackyard')}: {len(some)} rows, {int(np.isfinite(ours).sum())} of them predicted")
    peers = () if chosen.speed else chosen.peer or PEERS
    held = left_out_predictions(some) if peers else ours
    for peer in peers:
        found = saved(chosen.read, peer, some) if chosen.read else answers(peer, some)
        if chosen.save:
            save(chosen.save, peer, some, found, ours)
        value, settings = best(found, some)
        print(*tables(peer, some, value, ours, held), sep="\n")
        print("  settings:", "; ".join(f"{metric}: {name}" for metric, name in settings.items()))
        for reason, count in Counter(reason for reason in found.reasons if reason).most_common():
            print(f"  {count:5d} rows not expressed: {reason}")
    if chosen.speed or not chosen.peer:
        print(*speed(), sep="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
