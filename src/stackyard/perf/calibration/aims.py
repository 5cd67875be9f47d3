"""What was aimed at, how far the model is from it, and others' programs on the same rows."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stackyard.perf.calibration.training_check import Validated
    from stackyard.perf.calibration.validate import Comparison

PEERS = Path(__file__).parent / "data" / "peers.csv"
LEFT_OUT = ("model", "chip", "engine")  # an engine is a release; training says accelerator and software
_TRAINING = {"model": "model", "accelerator": "chip", "software": "engine"}
# what -> mean absolute error and bias that were aimed at, left out of the fit by model and by chip
_AIMED = {
    "maximum load, NVIDIA v0.17 to v1.2": (0.08, 0.03),
    "time per output token, fixed batch or concurrency": (0.10, 0.05),
    "time to first token, concurrency 1 to 16": (0.15, 0.08),
    "training, step time": (0.08, 0.03),
    "training, memory": (0.10, 0.05),
}


@dataclass(frozen=True)
class Error:
    """Mean absolute error and bias, as fractions of the measured values."""

    mean: float
    bias: float


@dataclass(frozen=True)
class Aim:
    """Errors of one kind of measurement beside what was aimed at; by what the fit had not seen."""

    what: str
    rows: int
    aimed: Error
    fitted: Error
    left_out: Mapping[str, Error]  # LEFT_OUT -> error of rows predicted without any row of theirs

    @property
    def met(self) -> bool:
        """Whether rows left out by model and by chip are within it, in error and in bias."""
        told = [self.left_out[name] for name in ("model", "chip") if name in self.left_out]
        return all(e.mean <= self.aimed.mean and abs(e.bias) <= self.aimed.bias for e in told)


@dataclass(frozen=True)
class PeerLine:
    """A peer and ours on the same rows: mean absolute errors; `left_out` is ours without any row of the model."""

    peer: str
    version: str
    metric: str
    rows: int
    peer_error: float
    fitted: float
    left_out: float
    date: str


def aims(found: Comparison, training: Validated | None = None) -> list[Aim]:
    """One line for each published aim; of the package's own tables, whose held-out errors the last fits wrote."""
    return [*_serving(found), *(_of_training(training) if training else ())]


def _serving(found: Comparison) -> Iterable[Aim]:
    for line in found.targets():
        what = line.name[0]
        if what in _AIMED and line.rows:
            told = (cells for cells in found.held_out() if cells["what"] == what)
            yield Aim(what, line.rows, Error(*_AIMED[what]), Error(line.mean, line.bias), _errors(told))


def _of_training(found: Validated) -> Iterable[Aim]:
    for what in ("step time", "memory"):
        whole = next(line for line in found.compared if line.what == what and line.source == "all")
        told = [cells for cells in found.left_out if cells["what"] == what and cells["of"] == "all"]
        named = ({**cells, "left_out": _TRAINING.get(cells["left_out"], "")} for cells in told)
        name = f"training, {what}"
        yield Aim(name, whole.rows, Error(*_AIMED[name]), Error(whole.mean, whole.bias), _errors(named))


def _errors(lines: Iterable[Mapping[str, str]]) -> dict[str, Error]:
    return {
        cells["left_out"]: Error(float(cells["mean"]), float(cells["bias"]))
        for cells in lines
        if cells["left_out"] in LEFT_OUT
    }


@lru_cache(maxsize=1)
def peers() -> tuple[PeerLine, ...]:
    """The last paired run of bench/peers; empty where the table is not there."""
    if not PEERS.exists():
        return ()
    with PEERS.open(newline="", encoding="utf-8") as stream:
        return tuple(_line(cells) for cells in csv.DictReader(stream))


def _line(cells: Mapping[str, str]) -> PeerLine:
    peer, fitted, held = (float(cells[name]) for name in ("peer_error", "fitted", "left_out"))
    named = cells["peer"], cells["version"], cells["metric"]
    return PeerLine(*named, int(cells["rows"]), peer, fitted, held, cells["date"])
