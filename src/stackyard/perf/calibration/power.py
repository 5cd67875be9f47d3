"""Measured power beside the model: python -m stackyard.perf.calibration.power FOLDER makes the table.

Mean and peak power of an accelerator and joules per output token of published serving runs. No constant is fitted to
them: those of energy (efficiency.yaml) were set from two points of another source, which are here too and marked.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stackyard import catalog
from stackyard.perf.calibration.door import translated
from stackyard.perf.calibration.predict import Vector, groups
from stackyard.perf.calibration.rows import Row, row_of, write
from stackyard.perf.estimate import estimate

FILE = Path(__file__).parent / "data" / "power.csv"
MEAN, PEAK, JOULES = "mean power", "peak power", "joules a token"
_SHARES = {"avg_power_fraction_of_tdp": MEAN, "peak_power_fraction_of_tdp": PEAK}
_DECODE = (  # vLLM semantic-router's power model, citing ML.ENERGY v3.0: watts of an H100 in decode by batch
    (1.0, 300.0),
    (128.0, 600.0),
)
IDLE = 0.25  # of rated power: an A100 that works draws more
LOW = "mean power of an idle chip while it works: sampled outside of the run"
SET_FROM = "the constants of energy were set from this point"
# Published figures that the model of one package cannot express.
LEFT_OUT = (
    ("systems.dgx-h100", "node power in training: power of hosts and fans is not modelled", 2),
    ("demand.energy-per-request", "energy of a request of undisclosed models on undisclosed machines", 1),
)


@dataclass(frozen=True)
class PowerLine:
    """Errors of some power figures: fractions of the measured value, predicted minus measured."""

    what: str
    chip: str
    rows: int
    bias: float
    median: float
    mean: float
    p90: float


@lru_cache(maxsize=1)
def rows() -> tuple[Row, ...]:
    """Every measured power figure, excluded ones in; watts of one accelerator, and joules per output token.

    >>> {row.metric for row in rows()} == {MEAN, PEAK, JOULES}
    True
    """
    with FILE.open(newline="", encoding="utf-8") as stream:
        return tuple(row_of(cells) for cells in csv.DictReader(stream))


def predict(some: Sequence[Row]) -> Vector:
    """One prediction for each row: mean power of a run, its higher phase's power, or joules per output token."""
    found = np.full(len(some), np.nan)
    known = catalog.load()
    for group in groups(some):
        sizes = (group.layout, group.batch, group.prompt, group.output)
        told = estimate(
            group.model,
            group.chip,
            *sizes,
            precision=group.precision,
            regime=group.regime,
            engine=group.engine,
            hbm=known.hbm.get(group.chip.hbm),
        )
        mean = np.asarray(told.watts)
        answers = {
            MEAN: mean,
            PEAK: np.maximum(told.prefill_watts, told.decode_watts),
            JOULES: mean * group.layout.accelerators / told.output_rate,
        }
        found[group.index] = np.select([group.metric == name for name in answers], list(answers.values()), np.nan)
    return found


def lines() -> list[PowerLine]:
    """Errors by figure, and by figure and chip; rows that constants were set from do not count.

    >>> [line.what for line in lines() if not line.chip]
    ['joules a token', 'mean power', 'peak power']
    """
    counted = [row for row in rows() if not row.excluded]
    predicted = predict(counted)
    error = predicted / np.array([row.value for row in counted], dtype=float) - 1.0
    keys = sorted({(row.metric, chip) for row in counted for chip in ("", row.chip)})
    return [_line(what, chip, counted, error) for what, chip in keys]


def _line(what: str, chip: str, counted: Sequence[Row], error: NDArray[np.float64]) -> PowerLine:
    chosen = np.array([row.metric == what and chip in ("", row.chip) for row in counted])
    size = np.abs(error[chosen])
    told = (error[chosen].mean(), np.median(size), size.mean(), np.quantile(size, 0.9))
    return PowerLine(what, chip, int(chosen.sum()), *(float(value) for value in told))


def published(folder: Path) -> Iterator[Row]:
    """Power figures of the published tables as rows of ours."""
    with (folder / "splitwise_profile_a100_h100.csv").open(newline="", encoding="utf-8") as stream:
        table = list(csv.DictReader(stream))
    runs = {_run(cells): float(cells["value"]) for cells in table if cells["metric"] == "e2e_latency_ms"}
    for cells in table:
        what = _SHARES.get(cells["metric"])
        if what is None:
            continue
        row = translated({**cells, "metric": "ttft_ms"})
        watts = float(cells["value"]) * catalog.load().accelerator(row.chip).tdp
        idle = float(cells["value"]) < IDLE and what == MEAN
        row = replace(row, excluded=LOW if idle else row.excluded)
        yield replace(row, metric=what, value=watts)
        seconds = runs.get(_run(cells))
        if what == MEAN and seconds is not None:
            tokens = float(row.batch) * float(row.output)
            value = watts * float(row.tensor) * seconds / 1e3 / tokens
            yield replace(row, id=f"{row.id}-joules", metric=JOULES, value=value)
    for batch, watts in _DECODE:
        yield Row(
            f"vllm_power#{batch:g}", "vllm_power", "2026", "vLLM", "llama-3.1-8b", "h100-sxm", "bf16", "bf16", "bf16",
            1.0, 1.0, 1.0, 1.0, batch, 128.0, 1024.0, "fixed batch", MEAN, watts, 0.0, SET_FROM,
        )  # fmt: skip


def _run(cells: Mapping[str, str]) -> tuple[str, ...]:
    names = ("model", "accelerator", "tp", "batch_or_concurrency", "input_len", "output_len")
    return tuple(cells[name] for name in names)


if __name__ == "__main__":
    write(FILE, published(Path(sys.argv[1])))
