"""Rows of the table that say the same twice or contradict their neighbours, each with the reason why it does not count.

Defects that one published row shows by itself are named in `door`; these need the rows beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from stackyard.perf.calibration.rows import Row

REPRINTED = "the same figure is printed in the documentation of v1.1"
SLOW = (
    "two to three times slower than the same engine, model and layout disaggregated on the slower H100 (11 ms a token "
    "with 24 requests): a setting that the source does not state"
)
HELD_BACK = (
    "three times longer than with the same prompts, concurrency and date at 1024/8192, in every narrow layout: "
    "a setting that the source does not state"
)


def marked(rows: Sequence[Row]) -> list[Row]:
    """The rows with `excluded` filled in where a row beside them, or a stated comparison, speaks against them."""
    printed = {_case(row) for row in rows if row.source == "trtllm_v1.1"}
    found = []
    for row in rows:
        reason = row.excluded
        if row.source == "trtllm_v1.2pre" and _case(row) in printed:
            reason = reason or REPRINTED
        elif row.framework == "vLLM 0.12.0" and row.model == "qwen3-235b-a22b" and row.chip == "h200-sxm":
            reason = reason or SLOW
        elif _held_back(row):
            reason = reason or HELD_BACK
        found.append(replace(row, excluded=reason))
    return found


def _case(row: Row) -> tuple[object, ...]:
    sizes = row.tensor, row.pipeline, row.data, row.expert, row.prompt, row.output
    return row.model, row.chip, row.weights, row.cache, *sizes, row.metric, row.value


def _held_back(row: Row) -> bool:
    """TensorRT-LLM in InferenceX of 2025-10, 1024/1024 on up to four accelerators."""
    short = row.prompt < 1000 and row.output < 1000
    run = row.source == "ix_aic" and row.framework == "TensorRT-LLM" and row.date == "2025-10-29"
    return bool(run and short and row.metric == "ttft" and row.tensor < 8)
