"""The verb `train`: what it prints, its exit codes, and its JSON."""

import json

import pytest
from typer.testing import CliRunner

from stackyard import api
from stackyard.cli import app
from stackyard.errors import InputErrors

GOOD = ["train", "llama-3.1-8b", "h100", "--gpus", "8", "--cp", "2", "--batch", "128"]


def test_a_run_that_fits_tells_time_interval_memory_and_goodput():
    result = CliRunner().invoke(app, GOOD)
    assert result.exit_code == 0, result.output
    for word in ("80% interval", "MFU", "causal", "optimiser", "goodput", "matmul"):
        assert word in result.output


def test_json_names_si_units_and_has_every_part():
    result = CliRunner().invoke(app, [*GOOD, "--json"])
    said = json.loads(result.output)
    assert said["step_low_s"] < said["step_s"] < said["step_high_s"]
    assert sum(said["parts_s"].values()) == pytest.approx(said["step_s"])
    assert said["tokens_per_s"] == pytest.approx(128 * 8192 / said["step_s"])


def test_a_run_that_does_not_fit_exits_1_with_the_nearest_that_does():
    result = CliRunner().invoke(app, ["train", "llama-3.1-405b", "h100", "--gpus", "512", "--tp", "8"])
    assert result.exit_code == 1
    assert "Does not fit" in result.output and "The nearest that fits" in " ".join(result.output.split())


def test_words_that_are_not_known_are_refused_with_a_hint():
    with pytest.raises(InputErrors, match="recompute"):
        api.train("llama-3.1-8b", "h100", accelerators=8, recompute="most")
    with pytest.raises(InputErrors, match="llama"):
        api.train("llama-3.1-8", "h100", accelerators=8)


def test_a_cluster_too_small_for_its_layout_is_told():
    answer = api.train("llama-3.1-8b", "h100", accelerators=4, tensor=8)
    assert not answer.fits
    assert any("does not divide the accelerators" in why for why in answer.why)
