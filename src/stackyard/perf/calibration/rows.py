"""Measured rows: one published or private measurement each, in SI, in the names of the catalogue."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path

from stackyard.perf.layout import Layout
from stackyard.perf.precision import Precision
from stackyard.perf.serving import PLAIN, Serving
from stackyard.quantity import Count, Numeric, Token

FILE = Path(__file__).parent / "data" / "inference.csv"
HELD_OUT = Path(__file__).parent / "data" / "inference_held_out.csv"
HELD_OUT_ROWS = Path(__file__).parent / "data" / "inference_held_out_rows.csv"
LEFT_OUT = Path(__file__).parent / "data" / "inference_left_out.csv"
PUBLISHED = Path(__file__).parent / "data" / "inference_published.csv"

REGIMES = ("max load", "fixed batch", "concurrency")
METRICS = ("output_rate", "token_rate", "tpot", "ttft", "latency")  # per accelerator in tokens/s; seconds


@dataclass(frozen=True)
class Row:
    """One measurement. `batch` is requests of the whole replica at once, 0 where the engine takes all it can.

    Rates are tokens per second of one accelerator, times are seconds; `prompt` and `output` are mean lengths.
    `requests` is how many the run had in all, 0 where that is not known. `excluded` says why a row with a stated defect
    is kept out of every figure; empty where it counts. `wait` is the decode steps that an arrival waits before the
    engine looks at it, by the source's scripts (`recipes`).
    """

    id: str
    source: str
    date: str
    framework: str
    model: str
    chip: str
    weights: str
    cache: str
    compute: str
    tensor: float
    pipeline: float
    data: float
    expert: float
    batch: Count
    prompt: Token
    output: Token
    regime: str
    metric: str
    value: Numeric
    requests: float = 0.0
    excluded: str = ""
    wait: float = 0.0

    @property
    def precision(self) -> Precision:
        return Precision(self.weights, self.cache, self.compute)

    @property
    def layout(self) -> Layout:
        return Layout(self.tensor, self.pipeline, self.data, self.expert)

    @property
    def serving(self) -> Serving:
        return PLAIN

    @property
    def scenario(self) -> str:
        """How it was served besides batching; empty where plainly."""
        return ""


TARGETS: tuple[tuple[str, Callable[[Row], bool]], ...] = (
    (
        "maximum load, NVIDIA v0.17 to v1.2",
        lambda row: row.regime == "max load" and row.source.startswith("trtllm"),
    ),
    ("time per output token, fixed batch or concurrency", lambda row: row.metric == "tpot"),
    ("time to first token, concurrency 1 to 16", lambda row: row.metric == "ttft" and 1 <= float(row.batch) <= 16),
    ("latency of a fixed batch", lambda row: row.metric == "latency"),
)

COLUMNS = tuple(field.name for field in fields(Row))
_NUMBERS = ("tensor", "pipeline", "data", "expert", "batch", "prompt", "output", "value", "requests", "wait")


def row_of(cells: Mapping[str, str]) -> Row:
    """A row from the text of our own columns; ValueError where a number is none."""
    found = {
        name: float(cells[name] or "nan") if name in _NUMBERS else cells[name] for name in COLUMNS if name in cells
    }
    return Row(**found)  # type: ignore[arg-type]


def write(path: Path, rows: Iterable[Row]) -> None:
    """Writes rows in our own columns; numbers with six digits."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(tuple(_text(getattr(row, name)) for name in COLUMNS) for row in rows)


def _text(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _read(path: Path) -> Iterator[Mapping[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        yield from csv.DictReader(stream)


@lru_cache(maxsize=1)
def rows() -> tuple[Row, ...]:
    """Every row of the package's table, excluded ones in.

    >>> {row.regime for row in rows()} <= set(REGIMES)
    True
    """
    return tuple(row_of(cells) for cells in _read(FILE))


@lru_cache(maxsize=1)
def left_out() -> tuple[tuple[str, str, int], ...]:
    """(source, reason, rows) of the published rows that the model cannot express, which the table does not hold."""
    return tuple((cells["source"], cells["reason"], int(cells["rows"])) for cells in _read(LEFT_OUT))


@lru_cache(maxsize=1)
def published() -> tuple[tuple[str, str, int], ...]:
    """(file, source, rows) of the published tables that ours were made from."""
    return tuple((cells["file"], cells["source"], int(cells["rows"])) for cells in _read(PUBLISHED))


@lru_cache(maxsize=1)
def held_out_rows() -> Mapping[str, Mapping[str, float]]:
    """By a row's id, what it is predicted without its model, chip or engine, as the last fit wrote it."""
    lines = (dict(cells) for cells in _read(HELD_OUT_ROWS))
    return {cells.pop("id"): {name: float(told) for name, told in cells.items()} for cells in lines}


@lru_cache(maxsize=1)
def held_out() -> tuple[dict[str, str], ...]:
    """Errors of rows predicted by constants fitted without their model, chip or engine, as the last fit wrote them."""
    return tuple(dict(cells) for cells in _read(HELD_OUT))
