"""Peers beside us on the same measured rows in one run: accuracy, and paired speed.

    python bench/peers/compare.py                     # asks everybody, keeps what they said, and prints the tables
    python bench/peers/compare.py --read              # the tables from what they said before: only ours is worked out
    python bench/peers/compare.py --peer genz-llm --every 8

Of each peer the setting counts that has the least mean error over all rows of a metric: chosen with the measurements
in view, which is more than a user of it could do. Our constants are fitted to these very rows, which no peer's are: so
ours stand twice, with the package's constants (`fitted`), and as the last fit predicted each row without any row of the
same model (`left out`).
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from asking import HERE, NOT_ASKED, PEERS, Found, answers, pinned, save, saved
from speed import speed

from stackyard.perf.calibration import aims
from stackyard.perf.calibration.predict import Vector, predict
from stackyard.perf.calibration.rows import Row, held_out_rows, rows

ANSWERS = HERE / "answers"
RESULTS = HERE.parent / "results" / "peers.json"
WHO = ("peer", "fitted", "left_out")


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


def left_out_predictions(some: Sequence[Row]) -> Vector:
    """Ours for each row by constants that saw no row of its model; nan where the last fit did not know the row."""
    told = held_out_rows()
    return np.array([told[row.id]["model"] if row.id in told else np.nan for row in some])


def errors(measured: Vector, *predicted: Vector) -> dict[str, Any]:
    """Bias, median and mean size of each one's error on the same rows, and how often ours is the nearer."""
    off = [one / measured - 1.0 for one in predicted]
    found: dict[str, Any] = {"rows": len(measured)}
    for who, error in zip(WHO, off, strict=True):
        size = np.abs(error)
        found[who] = None  # where the last fit did not know every row
        if np.isfinite(error).all():
            found[who] = {"bias": error.mean(), "median": float(np.median(size)), "mean": size.mean()}
    for who, error in zip(WHO[1:], off[1:], strict=True):
        found[f"{who}_nearer"] = None if found[who] is None else float(np.mean(np.abs(error) < np.abs(off[0])))
    return found


def accuracy(some: Sequence[Row], value: Vector, ours: Vector, held: Vector) -> Iterator[dict[str, Any]]:
    """Errors by metric, and by metric, chip and model, of the rows that the peer and we both answer."""
    measured = np.array([row.value for row in some])
    both = np.isfinite(value) & np.isfinite(ours)
    keys = [(row.metric, row.chip, row.model) for row in some]
    for width in (1, 3):
        for key in sorted({k[:width] for k, good in zip(keys, both, strict=True) if good}):
            here = both & np.array([k[:width] == key for k in keys])
            yield {"key": key} | errors(measured[here], value[here], ours[here], held[here])


def compared(peer: str, some: Sequence[Row], found: Found, ours: Vector, held: Vector) -> dict[str, Any]:
    """Everything that is told of a peer."""
    value, settings = best(found, some)
    silent = Counter(reason for reason in found.reasons if reason)
    return {
        "version": pinned(peer),
        "asked": len(some) - silent.pop(NOT_ASKED, 0),
        "settings": settings,
        "accuracy": list(accuracy(some, value, ours, held)),
        "not_expressed": dict(silent.most_common()),
    }


def three(error: dict[str, float] | None) -> str:
    if error is None:
        return f"{'-':>7} {'-':>7} {'-':>7}"
    return f"{error['bias']:+7.1%} {error['median']:7.1%} {error['mean']:7.1%}"


def told(results: dict[str, Any]) -> Iterator[str]:
    """The figures as tables of text."""
    for peer, one in results["peers"].items():
        columns = "  ".join(f"{who:<23}" for who in (f"{peer} {one['version']}", "ours, fitted", "ours, left out"))
        yield f"\n{'':<48}{columns}"
        yield "  ".join((f"{'':<40}  rows", *("   bias  median    mean",) * 3))
        for line in one["accuracy"]:
            cells = [three(line[who]) for who in WHO]
            label = "all " * (len(line["key"]) == 1) + " ".join(line["key"])
            yield "  ".join((f"{label:<40} {line['rows']:5d}", *cells))
        for reason, count in one["not_expressed"].items():
            yield f"  {count:5d} rows not expressed: {reason}"
    yield f"\nPoints per second, {results['speed']['query']}; medians of paired runs"
    for peer, pair in results["speed"]["pairs"].items():
        rates = f"{pair['peer']:12,.0f} {pair['ours']:12,.0f}"
        yield f"{peer:<20} {rates}   ours {pair['ratio']:,.0f} times ({pair['rounds']} pairs)"


def write_package_table(results: dict[str, Any]) -> None:
    """The totals, for the package to show beside its own: perf/calibration/data/peers.csv."""
    with aims.PEERS.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("peer", "version", "metric", "rows", "peer_error", "fitted", "left_out", "date"))
        for peer, one in results["peers"].items():
            for line in (line for line in one["accuracy"] if len(line["key"]) == 1):
                means = (f"{line[who]['mean']:.4f}" if line[who] else "" for who in WHO)
                writer.writerow((peer, one["version"], *line["key"], line["rows"], *means, results["date"]))


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--read", action="store_true", help="take what peers said before: nobody is asked")
    parser.add_argument("--peer", choices=sorted(PEERS), action="append", help="ask only these peers")
    parser.add_argument("--every", type=int, default=1, help="ask about every n-th row only")
    parser.add_argument("--no-speed", action="store_true", help="keep the speeds of the last run")
    parser.add_argument("--answers", type=Path, default=ANSWERS, help="where what peers said is kept")
    chosen = parser.parse_args(arguments)
    some = [row for row in rows() if not row.excluded]
    ours, held = predict(some), left_out_predictions(some)
    if not chosen.read:
        for peer in chosen.peer or PEERS:
            few = some[:: chosen.every]
            save(chosen.answers, peer, few, answers(peer, few))
    before = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    asked = [peer for peer in PEERS if (chosen.answers / f"{peer}.csv").exists()]
    here = [peer for peer in PEERS if (HERE / ".venvs" / peer / "stamp").exists()]
    results = {
        "date": date.today().isoformat(),
        "rows": len(some),
        "peers": {peer: compared(peer, some, saved(chosen.answers, peer, some), ours, held) for peer in asked},
        "speed": before.get("speed", speed([])) if chosen.no_speed or not here else speed(here),
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    write_package_table(results)
    sys.stdout.write("\n".join(told(results)) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
