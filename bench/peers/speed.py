"""Points per second of one sweep, ours and a peer's in turns; what counts is the median of the ratios."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import numpy as np
from asking import ask, question

from stackyard import catalog
from stackyard.perf.calibration.rows import Row, rows
from stackyard.perf.estimate import estimate
from stackyard.perf.layout import Layout

ROUNDS = 5
WIDTHS, BATCHES = (1.0, 2.0, 4.0, 8.0), tuple(range(1, 65))
SIZES = {"prompt": 1024.0, "output": 1024.0, "regime": "concurrency", "metric": "tpot", "requests": 0.0, "wait": 0.0}
QUERY = "4 widths x 64 batches, Llama 3.1 70B fp8 on H200, 1024/1024, one process"


def sweep(batches: Iterable[float]) -> list[Row]:
    """Rows to ask about: Llama 70B in fp8 on H200, each width with each batch."""
    first = next(row for row in rows() if (row.model, row.chip, row.weights) == ("llama-3.1-70b", "h200-sxm", "fp8"))
    same = vars(first) | SIZES | {"data": 1.0, "expert": 1.0}
    return [Row(**(same | {"id": f"{t}x{b}", "tensor": t, "batch": float(b)})) for t in WIDTHS for b in batches]


def own_rate() -> float:
    """Ours: the whole sweep as one call with arrays, median of a few."""
    points, known = sweep(BATCHES), catalog.load()
    model, chip = known.model(points[0].model), known.accelerator(points[0].chip)
    layout, batch = Layout(np.array([p.tensor for p in points])), np.array([p.batch for p in points])
    spent = []
    for _ in range(20):
        start = time.perf_counter()
        estimate(model, chip, layout, batch, 1024.0, 1024.0, "fp8")
        spent.append(time.perf_counter() - start)
    return len(points) / float(np.median(spent))


def peer_rate(peer: str) -> float:
    """A peer's, under its first setting, with its tables loaded and its models built."""
    points, warm = ([question(p, float(p.batch)) for p in sweep(some)] for some in (BATCHES, (65,)))
    told = ask(peer, points, warm, first=True)
    (setting, seconds), *_ = told["seconds"].items()
    done = sum(one["setting"] == setting and "reason" not in one for one in told["answers"])
    return float(done / seconds)


def speed(peers: Iterable[str]) -> dict[str, Any]:
    """Rates of each pair of runs, and the medians."""
    pairs: dict[str, Any] = {}
    own_rate()
    for peer in peers:
        runs = [(own_rate(), peer_rate(peer)) for _ in range(ROUNDS)]
        ours, theirs = np.array(runs).T
        ratio = float(np.median(ours / theirs))
        figures = {"ours": float(np.median(ours)), "peer": float(np.median(theirs)), "ratio": ratio}
        pairs[peer] = figures | {"rounds": ROUNDS, "runs": runs}
    return {"query": QUERY, "pairs": pairs}
