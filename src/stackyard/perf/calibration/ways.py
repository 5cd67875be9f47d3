"""Measured rows of disaggregated, speculative and open-loop serving: compared with the model, never fitted to."""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from stackyard import catalog
from stackyard.perf import constants
from stackyard.perf.calibration.rows import COLUMNS, Row, row_of
from stackyard.perf.disaggregate import Disaggregated, Pool, Service, disaggregate
from stackyard.perf.layout import Layout
from stackyard.perf.serving import PLAIN, Serving
from stackyard.perf.stated import acceptance
from stackyard.quantity import Count

FILE = Path(__file__).parent / "data" / "inference_ways.csv"

SCENARIOS = (
    "closed_loop_concurrency_disagg",
    "closed_loop_concurrency_mtp",
    "closed_loop_concurrency_disagg_mtp",
    "online_poisson",
    "mlperf_server",
    "mlperf_interactive",
)
# Guessed tokens of InferenceX's recipes (SemiAnalysisAI/InferenceX, benchmarks/single_node/fixed_seq_len, the scripts
# dsr1_*_mtp.sh), by engine, vendor and whether attention is data-parallel; runs on two pools are taken to do the same.
_GUESSES = (
    ("tensorrt", "NVIDIA", True, 1.0),
    ("tensorrt", "NVIDIA", False, 3.0),
    ("sglang", "NVIDIA", None, 2.0),
    ("sglang", "AMD", None, 3.0),
    ("atom", "AMD", None, 3.0),
)
_POOL = r"(\d+)(?: worker\(s\))? x TP(\d+) EP(\d+) dp_attn=(True|False) on (\d+) GPUs"
_WORKERS = r"(\d+)x\(TP(\d+) DP(\d+) EP(\d+) bs\d+\)"


@dataclass(frozen=True)
class Way(Row):
    """A row whose tokens were guessed, or whose prompts had a pool of their own; the widths of Row are then decode's.

    `batch` is requests at once of both pools together; rates are over the accelerators of both. Of an open loop
    requests come at `arrivals` a second and replica, whoever waits.
    """

    draft: float = 0.0
    workers: float = 1.0
    prefill_tensor: float = 0.0  # 0 where one pool does both
    prefill_pipeline: float = 0.0
    prefill_data: float = 0.0
    prefill_expert: float = 0.0
    prefill_workers: float = 0.0
    arrivals: float = 0.0  # 0 where the number in progress is held

    @property
    def serving(self) -> Serving:
        if not self.draft:
            return PLAIN
        stated = acceptance(catalog.load().model(self.model))
        return Serving(self.draft, stated.si if stated else 0.0)

    @property
    def scenario(self) -> str:
        words = ["disaggregated"] if self.prefill_workers else []
        words += ["speculative"] if self.draft else []
        return ", ".join(words + (["open loop"] if self.arrivals else []))


OWN = tuple(field.name for field in fields(Way) if field.name not in COLUMNS)


def pools_of(notes: str) -> tuple[tuple[Layout, float], tuple[Layout, float]] | None:
    """(layout, workers) of the prefill and the decode pool as the published notes tell them; None where they do not.

    Attention that is data-parallel has one accelerator a group, and its experts are dealt over the whole worker where
    no narrower expert width is told.

    >>> text = "prefill 1 worker(s) x TP4 EP4 dp_attn=False on 4 GPUs; decode 2 x TP8 EP8 dp_attn=True on 16 GPUs"
    >>> pools_of(text)[1]
    (Layout(tensor=1.0, pipeline=1.0, data=8.0, expert=8.0), 2.0)
    >>> pools_of("prefill 1x(TP1 DP4 EP4 bs1) decode 5x(TP8 DP1 EP8 bs2)")[0]
    (Layout(tensor=1.0, pipeline=1.0, data=4.0, expert=4.0), 1.0)
    """
    pools = [_pool(name, notes) for name in ("prefill", "decode")]
    return None if pools[0] is None or pools[1] is None else (pools[0], pools[1])


def _pool(name: str, notes: str) -> tuple[Layout, float] | None:
    """One pool's layout and workers, in the wording of either source."""
    match = re.search(rf"{name} {_WORKERS}", notes)
    if match:
        workers, tensor, data, expert = (float(match[place]) for place in (1, 2, 3, 4))
        each, parallel = tensor * data, data > 1
    else:
        match = re.search(rf"{name} {_POOL}", notes)
        if match is None or match[1] == "0":
            return None
        workers, tensor, expert, count = (float(match[place]) for place in (1, 2, 3, 5))
        each, parallel = count / workers, match[4] == "True"
    if parallel:
        return Layout(1.0, 1.0, each, expert if expert > 1 else each), workers
    return Layout(tensor if tensor > 1 else each, 1.0, 1.0, max(expert, 1.0)), workers


def guesses(framework: str, vendor: str, data_parallel: bool) -> float:
    """Tokens that the source's recipe has guessed before each step; 0 where no recipe is on record."""
    for name, maker, parallel, count in _GUESSES:
        if name in framework.lower() and maker == vendor and parallel in (None, data_parallel):
            return count
    return 0.0


def read(path: Path) -> Iterator[Way]:
    """Rows in our own columns."""
    with path.open(newline="", encoding="utf-8") as stream:
        for cells in csv.DictReader(stream):
            yield way_of(cells)


def way_of(cells: Mapping[str, str]) -> Way:
    """A row from the text of our own columns; ValueError where a number is none."""
    found: dict[str, Any] = {**vars(row_of(cells)), **{name: float(cells.get(name) or 0.0) for name in OWN}}
    return Way(**found)


def write(path: Path, rows: Iterable[Way]) -> None:
    """Writes rows in our own columns; numbers with six digits."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow((*COLUMNS, *OWN))
        for row in rows:
            values = (getattr(row, name) for name in (*COLUMNS, *OWN))
            writer.writerow(f"{value:.6g}" if isinstance(value, float) else value for value in values)


@lru_cache(maxsize=1)
def ways() -> tuple[Way, ...]:
    """Every row of the package's table of disaggregated and speculative runs."""
    return tuple(read(FILE))


def settled(rows: Sequence[Way]) -> Disaggregated:
    """The two pools of rows that share model, chip, formats, engine and way of serving, as arrays."""
    known, row = catalog.load(), rows[0]
    chip = known.accelerator(row.chip)

    def column(name: str) -> Count:
        return np.array([getattr(row, name) for row in rows], dtype=float)

    engine = constants.engine_of(row.framework, row.date, chip).id
    lengths = column("prompt"), column("output")
    service = Service(known.model(row.model), chip, *lengths, row.precision, row.serving, engine)
    layouts = [
        Layout(*(column(prefix + name) for name in ("tensor", "pipeline", "data", "expert")))
        for prefix in ("prefill_", "")
    ]
    pools = (Pool(layouts[0], column("prefill_workers")), Pool(layouts[1], column("workers")))
    return disaggregate(service, *pools, column("batch"))


def predict(rows: Sequence[Way]) -> list[float]:
    """One prediction for each row of two pools, in its unit.

    The first wave of requests comes at once, so that it waits for half of all its prompts, as in `predict.answer`.
    """
    found = [np.nan] * len(rows)
    for places in _alike(rows):
        some = [rows[place] for place in places]
        told = settled(some)
        requests = np.array([row.requests for row in some], dtype=float)
        waves = np.where(requests > 0, np.asarray(told.batch) / np.maximum(requests, 1.0), 0.0)
        first = told.ttft + waves * np.asarray(told.batch) * told.busy / np.maximum(told.requests, 1e-12) / 2.0
        answers = {
            "ttft": first,
            "tpot": told.tpot,
            "latency": first + (told.service.output - 1.0) * told.tpot,
            "output_rate": told.output_rate_per_decode_accelerator,
            "token_rate": told.token_rate_per_accelerator,
        }
        for place, row in enumerate(some):
            found[places[place]] = float(np.asarray(answers[row.metric])[place])
    return found


def quantiles(rows: Sequence[Way], predicted: Sequence[float]) -> dict[tuple[str, str], tuple[float, float]]:
    """(scenario, metric) -> 10% and 90% quantile of measured over predicted, of rows that count and have an answer."""
    ratios: dict[tuple[str, str], list[float]] = {}
    for row, value in zip(rows, predicted, strict=True):
        if not row.excluded:
            ratios.setdefault((row.scenario, row.metric), []).append(float(row.value) / value)
    told = {key: [ratio for ratio in found if np.isfinite(ratio)] for key, found in sorted(ratios.items())}
    ends = {key: np.quantile(found, [0.1, 0.9]) for key, found in told.items() if found}
    return {key: (float(low), float(high)) for key, (low, high) in ends.items()}


def main() -> int:
    """Prints the quantiles for perf/data/ways.yaml."""
    from stackyard.perf.calibration import ways as module  # not this one, which runs under another name
    from stackyard.perf.calibration.predict import predict as of_all

    rows = module.ways()
    for (scenario, metric), (low, high) in quantiles(rows, list(of_all(rows))).items():
        sys.stdout.write(f"{scenario}: {metric}: [{low:.3f}, {high:.3f}]\n")
    return 0


def _alike(rows: Sequence[Way]) -> list[list[int]]:
    known = catalog.load()
    groups: dict[tuple[object, ...], list[int]] = {}
    for place, row in enumerate(rows):
        engine = constants.engine_of(row.framework, row.date, known.accelerator(row.chip)).id
        key = (row.model, row.chip, row.precision, engine, row.draft)
        groups.setdefault(key, []).append(place)
    return list(groups.values())


if __name__ == "__main__":
    sys.exit(main())
