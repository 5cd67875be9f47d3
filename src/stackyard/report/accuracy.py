"""The performance models beside measurements -> Report: errors by target, accelerator and model; parity plots."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from stackyard import catalog
from stackyard.perf.calibration.power import LEFT_OUT as POWER_LEFT_OUT
from stackyard.perf.calibration.power import PowerLine
from stackyard.perf.calibration.rows import METRICS
from stackyard.perf.calibration.training_check import Compared
from stackyard.perf.calibration.validate import Comparison, Line
from stackyard.perf.constants import generation
from stackyard.report.document import Block, Cell, Cloud, Column, Figure, Note, Parity, Report, Section, Table

_TOLD = {
    "output_rate": ("Output tokens per second of one accelerator", "tokens/s"),
    "token_rate": ("Prompt and output tokens per second of one accelerator", "tokens/s"),
    "tpot": ("Time per output token", "ms"),
    "ttft": ("Time to first token", "ms"),
    "latency": ("Time of a whole request", "ms"),
}
_PLAIN = {
    "output_rate": "output tokens/s",
    "token_rate": "tokens/s",
    "tpot": "time per output token",
    "ttft": "time to first token",
    "latency": "request",
}
_COLOURS = {"NVIDIA": "service", "AMD": "supply"}  # families of colours by vendor; others are green
_ERRORS = (
    Column("rows", "", 0),
    Column("bias", "%", 1),
    Column("median", "%", 1),
    Column("mean", "%", 1),
    Column("90%", "%", 1, aside=True),
    Column("inside", "%", 1, aside=True),
)
_HOW = (
    "Bias is the mean of predicted over measured less one; median, mean and 90% are of its size. Inside: share of the "
    "measurements in the 80% interval. One prediction for each measured row."
)


def document(
    found: Comparison, training: Sequence[Compared], power: Sequence[PowerLine], *, date: str, title: str = ""
) -> Report:
    """The report of a comparison: what is met, where it is off, the pictures, and what could not be compared."""
    counted, gone = int(found.counts.sum()), sum(count for *_, count in found.left_out)
    sections = [
        Section("targets", "How far off", _headline(found), (_table("By target", ("what",), found.targets()),)),
        Section("parity", "Predicted beside measured", _PARITY, tuple(_pictures(found))),
        Section("where", "Where it is off", _HOW, tuple(_lines(found))),
    ]
    if power:
        sections.append(Section("power", "Power and energy", _POWER, (_power(power),)))
    if training:
        sections.append(Section("training", "Training", _HOW, (_training(training),)))
    sections.append(Section("not-compared", "What is not compared", _missing(found), tuple(_gone(found))))
    return Report(
        title or "The performance model beside measurements",
        f"{counted:,} measured serving rows, one prediction each; {gone:,} published rows left out, each for a reason.",
        date,
        tuple(sections),
        (),
        (),
    )


_PARITY = "Each dot is a measured run; on the line the model is right, between the dotted lines it is within a quarter."
_POWER = (
    "Watts of one accelerator and joules per output token of published runs; no constant is fitted to them. Joules "
    "carry the error of the time as well as that of the power."
)


def _headline(found: Comparison) -> str:
    met = [line for line in found.targets() if line.rows]
    told = [f"{line.name[0]}: {line.mean:.1%} over {line.rows:,} rows" for line in met]
    return ("Mean absolute error: " + "; ".join(told) + ".") if told else "No row can be compared."


def _missing(found: Comparison) -> str:
    kept_out = sum(count for *_, count in found.excluded())
    gone = sum(count for *_, count in found.left_out)
    return f"{kept_out:,} rows are kept out of every figure for a stated defect; {gone:,} cannot be expressed."


def _table(title: str, names: Sequence[str], lines: Iterable[Line], folded: bool = False) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for line in (line for line in lines if line.rows):
        shares = (line.bias, line.median, line.mean, line.p90, line.coverage)
        rows.append((*(_PLAIN.get(word, word) for word in line.name), line.rows, *(100 * each for each in shares)))
    return Table(title, (*(Column(name) for name in names), *_ERRORS), tuple(rows), folded=folded)


def _lines(found: Comparison) -> list[Block]:
    """Errors by accelerator, model and source, and of the ways of serving that are not fitted to."""
    blocks: list[Block] = [
        _table("By accelerator", ("accelerator", "metric"), found.lines("chip", "metric")),
        _table("By model", ("model", "metric"), found.lines("model", "metric"), folded=True),
        _table("By source", ("source", "metric"), found.lines("source", "metric"), folded=True),
    ]
    ways = found.lines("scenario", "metric")
    if ways:
        blocks.append(_table("Two pools or guessed tokens, not fitted to", ("served", "metric"), ways))
    return blocks


def _pictures(found: Comparison) -> list[Block]:
    blocks: list[Block] = []
    for metric in METRICS:
        title, unit = _TOLD[metric]
        clouds = _clouds(found, metric, 1e3 if unit == "ms" else 1.0)
        if clouds:
            count = sum(len(cloud.measured) for cloud in clouds)
            alt = f"{title}: predicted over measured for {count:,} runs, by generation of accelerator."
            blocks.append(Figure(f"parity-{metric}", title, Parity(clouds, unit), alt))
    return blocks or [Note("No row can be compared.", "warning")]


def _clouds(found: Comparison, metric: str, scale: float) -> tuple[Cloud, ...]:
    known, groups = catalog.load(), dict[str, list[int]]()
    for place in np.flatnonzero(found.counts):
        row = found.rows[place]
        if row.metric == metric:
            groups.setdefault(generation(known.accelerator(row.chip)).id, []).append(int(place))
    return tuple(
        Cloud(
            f"{_COLOURS.get(known.accelerator(found.rows[places[0]].chip).vendor, 'site')}/{name}",
            name,
            tuple(scale * float(found.rows[place].value) for place in places),
            tuple(scale * float(found.predicted[place]) for place in places),
            tuple(_run(found, place) for place in places),
        )
        for name, places in sorted(groups.items())
    )


def _run(found: Comparison, place: int) -> str:
    row = found.rows[place]
    batch = f"{float(row.batch):g} at once" if row.batch else "full load"
    lengths = f"{float(row.prompt):g}/{float(row.output):g}"
    return f"{row.id}: {row.model} on {row.chip}, {row.weights}, tensor {row.tensor:g}, {batch}, {lengths}"


def _power(power: Sequence[PowerLine]) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (line.what, line.chip or "all", line.rows, *(100 * e for e in (line.bias, line.median, line.mean, line.p90)))
        for line in power
    ]
    note = "Not compared: " + "; ".join(f"{place} ({why})" for place, why, _ in POWER_LEFT_OUT) + "."
    columns = (Column("what"), Column("accelerator"), *_ERRORS[:-1])
    return Table("Measured power", columns, tuple(rows), note)


def _training(training: Sequence[Compared]) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (
            line.what,
            line.source,
            " ".join(filter(None, (line.accelerator, line.model))),
            line.rows,
            *(100 * share for share in (line.bias, line.median, line.mean, line.p90, line.coverage)),
        )
        for line in training
    ]
    columns = (Column("what"), Column("source"), Column("accelerator and model"), *_ERRORS)
    return Table("Training, by source, accelerator and model", columns, tuple(rows), folded=True)


def _gone(found: Comparison) -> list[Block]:
    columns = (Column("source"), Column("reason"), Column("rows", "", 0))
    where = ("rows", "compared", "excluded", "without an answer", "not expressed")
    went: list[tuple[Cell, ...]] = [
        (line.source, line.rows, line.compared, line.excluded, line.unanswered, line.left_out)
        for line in found.account()
    ]
    return [
        Table("Where every row went", (Column("source"), *(Column(name, "", 0) for name in where)), tuple(went)),
        Table("Excluded for a stated defect", columns, tuple(found.excluded())),
        Table("Without an answer", columns, tuple(found.unanswered())),
        Table("Cannot be expressed", columns, tuple(found.left_out)),
    ]
