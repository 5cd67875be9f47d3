"""Makes the package's table of measurements from published ones: python -m stackyard.perf.calibration.table FOLDER."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from pathlib import Path

from stackyard.perf.calibration.defects import marked
from stackyard.perf.calibration.door import newest, read
from stackyard.perf.calibration.rows import FILE, LEFT_OUT, Row, write

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

REPEATED = "the same configuration measured again, or a rate that follows from the time per token"


def main(arguments: Sequence[str]) -> int:
    """Reads the published tables of a folder and writes inference.csv and inference_left_out.csv."""
    folder = Path(arguments[0])
    kept: list[Row] = []
    gone: list[tuple[str, str, int]] = []
    for name in FILES:
        reading = read(folder / name)
        rows = tuple(row for row in reading.rows if row.metric not in ("output_rate", "token_rate") or not _loop(row))
        repeated = len(reading.rows) - len(rows)
        if name.startswith("inferencex"):
            repeated, rows = repeated + len(rows) - len(newest(rows)), newest(rows)
        if repeated:
            gone.append(
                (rows[0].source, "same configuration measured again, or a rate that follows from tpot", repeated)
            )
        kept += rows
        gone += reading.left_out
    write(FILE, marked(kept))
    with LEFT_OUT.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("source", "reason", "rows"))
        writer.writerows(gone)
    sys.stdout.write(f"{len(kept)} rows kept, {sum(count for *_, count in gone)} left out\n")
    return 0


def _loop(row: Row) -> bool:
    return row.regime == "concurrency" and row.source.startswith("ix_")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
