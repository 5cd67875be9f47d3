"""The page on training runs as printed, and names functions that exist."""

import re
from pathlib import Path

import pytest

from stackyard.perf.calibration.training_check import held_out_table
from stackyard.perf.calibration.training_rows import excluded_rows, training_rows
from stackyard.perf.training import goodput, memory, rates, recipe, step, work

PAGE = Path(__file__).parents[2] / "docs" / "training.md"
TEXT = PAGE.read_text(encoding="utf-8")


def test_the_functions_and_the_counts_of_the_page_are_true():
    for name in (
        "count",
        "gathered",
        "exchanged",
        "model_flop",
        "_elementwise_bytes",
        "_layer_messages",
        "_step_messages",
    ):
        assert f"`{name}" in TEXT and hasattr(work, name)
    assert all(hasattr(step, name) for name in ("time", "overlapped", "message_time")) and hasattr(recipe, "bubble")
    assert hasattr(rates, "rates") and hasattr(memory, "training_memory") and hasattr(goodput, "best_interval")
    timed = sum(row.seconds is not None for row in training_rows())
    assert f"{timed} measured step times" in TEXT
    assert f"{len(excluded_rows())} more rows" in TEXT


def test_the_errors_of_the_page_are_those_that_the_fit_wrote():
    told = {(row["what"], row["left_out"]): row for row in held_out_table() if row["of"] == "all"}
    for how in ("model", "accelerator", "generation", "software"):
        step, memory = told["step time", how], told["memory", how]
        (line,) = re.findall(rf"^\| one {how} left out \| (.*)$", TEXT, re.MULTILINE)
        printed = [float(figure) / 100 for figure in re.findall(r"([+-]?[\d.]+)%", line)]
        names = ("bias", "median", "mean", "p90", "coverage")
        kept = [float(step[name]) for name in names] + [float(memory[name]) for name in ("bias", "mean")]
        assert printed == pytest.approx(kept, abs=0.006)
