"""Writes docs/benchmarks.md from bench/results: nothing is run again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE / "results"
TARGET = HERE.parent / "docs" / "benchmarks.md"

_NAMES = {
    "output_rate": "output rate",
    "token_rate": "token rate",
    "tpot": "time per output token",
    "ttft": "time to first token",
    "latency": "latency of a fixed batch",
}
# What each bench is about, and what was aimed at; a bench without a line here stands under its own name.
_ABOUT = {
    "perf": "One estimate (aim 0.3 ms), a million layouts (1.5 s of one core, 1 GB), search, validate",
    "train": "Training: one run, and 100,000 as arrays",
    "frontier": "Search of all layouts, batches and formats",
    "example": "The packaged example: built (3 s) and solved (20 s)",
    "plan": "Solving a plan again with other numbers",
    "fan": "Many samples of what is not known",
    "scale": "Programs of growing size",
    "sim": "The serving simulator",
    "supply": "The supply chain with its intervals",
    "web": "The page under load",
    "sweep": "Many runs on many workers",
}


def read(name: str) -> dict[str, Any] | None:
    path = RESULTS / f"{name}.json"
    found: dict[str, Any] | None = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
    return found


def on(run: dict[str, Any]) -> str:
    """Where and when, in a line."""
    m = run["machine"]
    return (
        f"{run['date']}; {m['processor']}, {m['cores']} cores, load {m['load']:g} at the start; Python {m['python']}, "
        f"numpy {m['numpy']}; {run['seconds']:,.0f} s in all."
    )


def peers(found: dict[str, Any]) -> Iterator[str]:
    """Speed and accuracy beside others' programs."""
    yield "## Beside others' programs"
    run = read("peers-run")
    yield f"{on(run) if run else found['date']} `bench/peers/README.md` says what each is asked and its best chance."
    yield "### Speed"
    query = found["speed"]["query"]
    yield f"Points per second on one query: {query}. Ours and its own in turns; medians, also of the ratios."
    lines = ["| peer | its points/s | ours | ours over it | pairs |", "|---|---|---|---|---|"]
    for name, pair in found["speed"]["pairs"].items():
        title = f"{name} {found['peers'][name]['version']}" if name in found["peers"] else name
        rates = f"{pair['peer']:,.0f} | {pair['ours']:,.0f} | {pair['ratio']:,.0f}"
        lines.append(f"| {title} | {rates} | {pair['rounds']} |")
    yield "\n".join(lines)
    yield "### Accuracy"
    yield (
        "Rows that both answer, one prediction each. Mean absolute error, median in brackets; `fitted` is what the "
        "package answers, `left out` what the last fit predicted without any row of the same model. `nearer` is the "
        "share of rows on which ours, fitted and left out, is the nearer of the two. In bold where ours is the worse."
    )
    head = "| peer | on the rows of | rows | peer | fitted | left out | nearer |"
    yield "\n".join([head, "|---|---|---|---|---|---|---|", *totals(found)])
    for name, one in found["peers"].items():
        yield f"<details><summary>{name}: by metric, accelerator and model</summary>"
        head = "| | rows | peer: bias | median | mean | fitted: bias | median | mean | left out: bias | median | mean |"
        yield "\n".join([head, "|---" * 11 + "|", *cells(one["accuracy"])])
        yield "</details>"
        silent = "; ".join(f"{count:,} {reason}" for reason, count in one["not_expressed"].items())
        asked = f"{name} was asked about {one['asked']:,} of {found['rows']:,} rows."
        yield f"{asked} Not expressed: {silent}." if silent else asked


def totals(found: dict[str, Any]) -> Iterator[str]:
    for name, one in found["peers"].items():
        for line in (line for line in one["accuracy"] if len(line["key"]) == 1):
            theirs = line["peer"]
            told = [f"{theirs['mean']:.1%} ({theirs['median']:.1%})"]
            for who in ("fitted", "left_out"):
                mark = "**" if line[who]["mean"] > theirs["mean"] else ""
                known = line[who]["mean"] == line[who]["mean"]
                told.append(f"{mark}{line[who]['mean']:.1%}{mark} ({line[who]['median']:.1%})" if known else "–")
            nearer = [line[f"{who}_nearer"] for who in ("fitted", "left_out")]
            told.append(", ".join(f"{share:.0%}" for share in nearer) if told[-1] != "–" else f"{nearer[0]:.0%}")
            yield f"| {name} | {_NAMES[line['key'][0]]} | {line['rows']:,} | {' | '.join(told)} |"


def cells(accuracy: list[dict[str, Any]]) -> Iterator[str]:
    for line in (line for line in accuracy if len(line["key"]) > 1):
        told = [
            f"{line[who][name]:+.1%}" if name == "bias" else f"{line[who][name]:.1%}"
            for who in ("peer", "fitted", "left_out")
            for name in ("bias", "median", "mean")
        ]
        yield f"| {' '.join(line['key'])} | {line['rows']} | {' | '.join(told).replace('nan%', '–')} |"


def own(run: dict[str, Any]) -> Iterator[str]:
    yield f"## {_ABOUT.get(run['bench'], run['bench'])}"
    yield f"`bench/bench_{run['bench']}.py`, {on(run)}"
    yield "```\n" + "\n".join(run["said"]) + "\n```"


def main() -> None:
    parts = [
        "# Benchmarks",
        "Written by `bench/page.py` from `bench/results`; `make bench` runs everything again, builds the environments "
        "of others' programs, and writes this page. A machine with other work on it is named by its load; the times of "
        "`bench_perf` are processor seconds.",
    ]
    found = read("peers")
    parts += peers(found) if found else []
    known = [name for name in _ABOUT if (RESULTS / f"{name}.json").exists()]
    more = sorted({p.stem for p in RESULTS.glob("*.json")} - {*_ABOUT, "peers", "peers-run"})
    for name in (*known, *more):
        run = read(name)
        parts += own(run) if run else []
    TARGET.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
