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


def test_a_whole_run_tells_days_energy_and_accelerator_hours():
    asked = [*GOOD, "--tokens", "1e12", "--checkpoint-every", "20 min", "--storage", "10 GB/s"]
    said = json.loads(CliRunner().invoke(app, [*asked, "--json"]).output)
    run, weeks = said["campaign"], said["goodput"]
    assert weeks["interval"] == 1200
    assert run["seconds"] == pytest.approx(1e12 / (said["tokens_per_s"] * weeks["share"]))
    assert 0.9 * said["watts"] < run["joules"] / run["accelerator_seconds"] <= said["watts"]
    told = CliRunner().invoke(app, asked).output
    assert "accelerator-hours" in told and "GWh" in told and "every 20 min" in told


@pytest.mark.parametrize("option", [["--storage", "10 kg"], ["--checkpoint-every", "0 s"]])
def test_weeks_are_asked_in_units(option):
    with pytest.raises(InputErrors, match="for example"):
        CliRunner().invoke(app, [*GOOD, *option], catch_exceptions=False)


def test_chips_that_only_training_knows_can_be_asked():
    answer = api.train("llama-3.1-8b", "tpu-v5e", accelerators=256, sharding="zero-3", recompute="full", sequence=2048)
    assert answer.fits and answer.chip.id == "tpu-v5e"
    with pytest.raises(InputErrors, match="train"):
        api.train("llama-3.1-8b", "h100", accelerators=8, colour="red")


def test_adapters_train_faster_and_hold_less_than_all_weights():
    whole, few = (api.train("llama-3.1-8b", "h100", accelerators=8, batch=64, adapters=a) for a in (False, True))
    assert few.seconds < whole.seconds and few.memory.total < whole.memory.total


def test_a_table_of_training_is_validated_and_predicted(tmp_path):
    path = tmp_path / "runs.csv"
    names = "source_id,date_or_version,framework,model,seq_len,precision,accelerator,n_accelerators,tp,pp,vp,"
    names += "global_batch,micro_batch,metric,value"
    good = "mine,NeMo 25.04,NeMo,LLAMA3.1_70B,8192,FP8,H100,64,4,8,5,128,1,step_time_s,9.86"
    path.write_text(f"{names}\n{good}\n{good.replace('H100', 'Abacus')}\n", encoding="utf-8")
    result = CliRunner().invoke(app, ["validate", str(path), "--predict"])
    assert result.exit_code == 0, result.output
    assert "training, step time" in result.output and "not in the catalogue" in " ".join(result.output.split())
    first, second = (tmp_path / "runs-predicted.csv").read_text(encoding="utf-8").splitlines()[1:]
    measured, predicted, low, high = (float(cell) for cell in first.split(",")[5:9])
    assert measured == 9.86 and low < predicted < high and "Abacus" in second
    said = json.loads(CliRunner().invoke(app, ["validate", str(path), "--json"]).output)
    assert said["compared"][-1]["rows"] == 1
    path.write_text(f"{names}\n{good.replace('H100', 'Abacus')}\n", encoding="utf-8")
    with pytest.raises(InputErrors, match="no row of training"):
        CliRunner().invoke(app, ["validate", str(path)], catch_exceptions=False)


def test_a_cluster_too_small_for_its_layout_is_told():
    answer = api.train("llama-3.1-8b", "h100", accelerators=4, tensor=8)
    assert not answer.fits
    assert any("does not divide the accelerators" in why for why in answer.why)
