"""Makes the package's table of measurements from published ones: python -m stackyard.perf.calibration.table FOLDER."""

from __future__ import annotations

import csv
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from stackyard.perf.calibration import ways
from stackyard.perf.calibration.door import newest, read
from stackyard.perf.calibration.rows import FILE, LEFT_OUT, PUBLISHED, Row, write
from stackyard.perf.calibration.ways import Way

FILES = (
    "trtllm_ifb_v0.17-v1.2.csv",
    "trtllm_static_v0.5-v0.9.csv",
    "trtllm_online_serving_v0.14.csv",
    "amd_vllm_mi300x.csv",
    "splitwise_profile_a100_h100.csv",
    "inferencex_dsr1_api.csv",
    "inferencex_aic_silicon_sample.csv",
    "inferencex_tpu_gaudi_preview.csv",
    "mlperf_inference_llm.csv",
    "misc_published.csv",
)

# Beside the tables of measurements: (file, what its lines are)
COPIES = (
    ("core_validation_rows.csv", "copies of rows of the other tables"),
    ("mlperf_workloads.csv", "lengths and limits of a workload: nothing measured"),
)
REPEATED = "the same configuration was measured again later: the newest counts"
FOLLOWS = "follows from the other numbers of the same run"
REPRINTED = "the same figure is printed in the documentation of v1.1"
ROUNDED = 0.006  # times of two decimals in ms


def main(arguments: Sequence[str]) -> int:
    """Reads the published tables of a folder and writes inference.csv and inference_left_out.csv."""
    folder = Path(arguments[0])
    kept: list[Row] = []
    apart: list[Way] = []
    gone: list[tuple[str, str, int]] = []
    published: list[tuple[str, str, int]] = []
    for name in FILES:
        reading = read(folder / name)
        published += [(name, source, count) for source, count in reading.sources.items()]
        rows = tuple(row for row in reading.rows if not _follows(row))
        gone += _fewer(FOLLOWS, reading.rows, rows)
        if name.startswith("inferencex"):
            rows, before = newest(rows), rows
            gone += _fewer(REPEATED, before, rows)
        kept += [row for row in rows if not isinstance(row, Way)]
        apart += [row for row in rows if isinstance(row, Way)]
        gone += reading.left_out
    for name, reason in COPIES:
        count = sum(1 for _ in csv.DictReader((folder / name).open(encoding="utf-8")))
        published.append((name, name.removesuffix(".csv"), count))
        gone.append((name.removesuffix(".csv"), reason, count))
    kept = once(kept)
    write(FILE, kept)
    ways.write(ways.FILE, apart)
    for path, header, lines in ((LEFT_OUT, ("source", "reason"), gone), (PUBLISHED, ("file", "source"), published)):
        with path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow((*header, "rows"))
            writer.writerows(lines)
    sys.stdout.write(
        f"{len(kept)} rows kept, {len(apart)} to compare only, {sum(count for *_, count in gone)} left out\n"
    )
    return 0


def _fewer(reason: str, before: Sequence[Row], after: Sequence[Row]) -> list[tuple[str, str, int]]:
    """Under this reason, the rows of each source that are gone."""
    gone = Counter(row.source for row in before)
    gone.subtract(row.source for row in after)
    return [(source, reason, count) for source, count in sorted(gone.items()) if count]


def once(rows: Sequence[Row]) -> list[Row]:
    """The rows, with those marked that another table has too.

    InferenceX runs in NVIDIA's sample, rounded and without their lengths, and figures printed again in a later release.
    """
    printed = {_case(row) for row in rows if row.source == "trtllm_v1.1"}
    known: dict[tuple[object, ...], list[float]] = {}
    for row in rows:
        if row.source.startswith("ix_") and row.metric == "tpot":
            known.setdefault(_run(row, 1.0), []).append(float(row.value))
    found = []
    for row in rows:
        if row.source == "nv_aic" and row.metric == "tpot" and not row.excluded:
            same = [abs(float(row.value) / value - 1.0) < ROUNDED for value in known.get(_run(row, 0.9), ())]
            row = replace(row, excluded="the same run is in the InferenceX table, rounded") if any(same) else row
        elif row.source == "trtllm_v1.2pre" and _case(row) in printed:
            row = replace(row, excluded=row.excluded or REPRINTED)
        found.append(row)
    return found


def _case(row: Row) -> tuple[object, ...]:
    sizes = row.tensor, row.pipeline, row.data, row.expert, row.prompt, row.output
    return row.model, row.chip, row.weights, row.cache, *sizes, row.metric, row.value


def _run(row: Row, share: float) -> tuple[object, ...]:
    sizes = (row.tensor, row.data, row.batch, round(float(row.prompt) * share), round(float(row.output) * share))
    return (row.model, row.chip, row.weights, *sizes)


def _follows(row: Row) -> bool:
    """True for a number that its table has twice: rates of a closed loop, and runs summed from their tokens.

    The rate of two pools is kept over all accelerators, as that is their point.
    """
    apart = isinstance(row, Way) and row.prefill_workers
    rates = ("output_rate",) if apart else ("output_rate", "token_rate")
    if isinstance(row, Way) and row.arrivals and row.metric in ("output_rate", "token_rate"):
        return True  # what is offered is served
    loop = row.metric in rates and row.regime == "concurrency" and row.source.startswith("ix_")
    return loop or (row.source == "splitwise" and row.metric == "latency")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
