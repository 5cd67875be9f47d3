"""Other people's tables of training measurements: what is read, what is refused, and with which reason."""

import pytest

from stackyard.perf.calibration.training_check import compare_training, predicted, validate_training
from stackyard.perf.calibration.training_table import measurements, read_measurements, released

GOOD = {
    "source_id": "someone",
    "source": "report.md L1",
    "date_or_version": "NeMo container 25.04",
    "framework": "NeMo",
    "model": "LLAMA3.1_70B",
    "seq_len": "8192",
    "precision": "FP8",
    "accelerator": "H100-80GB",
    "n_accelerators": "64",
    "tp": "4",
    "pp": "8",
    "vp": "5",
    "global_batch": "128",
    "micro_batch": "1",
    "metric": "step_time_s",
    "value": "9.86",
}


def one(**changes):
    rows, left = measurements([{**GOOD, **changes}])
    assert len(rows) + len(left) == 1
    return rows[0] if rows else left[0].reason


def test_a_row_is_read_and_its_estimate_is_near():
    row = one()
    assert row.model.id == "llama-3.1-70b" and row.chip.id == "h100-sxm" and row.recipe.precision == "fp8"
    assert predicted(row) == pytest.approx(9.86, rel=0.1)


def test_rates_and_memory_are_the_same_figures_in_other_units():
    rate = 128 * 8192 / 9.86
    assert one(metric="tokens_per_s_total", value=str(rate)).seconds == pytest.approx(9.86)
    assert one(metric="tokens_per_s_per_gpu", value=str(rate / 64)).seconds == pytest.approx(9.86)
    assert one(metric="peak_mem_gib_per_gpu", value="70").memory == 70 * 2**30


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"accelerator": "Abacus 9000"}, "not in the catalogue"),
        ({"model": "Nobody-7B"}, "not known"),
        ({"precision": "FP8 or FP4"}, "ambiguous"),
        ({"seq_len": ""}, "seq_len is not given"),
        ({"global_batch": "", "micro_batch": ""}, "neither the global batch"),
        ({"metric": "tflops_per_gpu_model"}, "how its FLOP/s count"),
        ({"global_batch": "one"}, "not a number"),
        ({"metric": "mfu"}, "not compared"),
        ({"global_batch": "1"}, "contradicts"),
        ({"tp": "", "pp": "", "n_accelerators": "8"}, "layout is not given"),
    ],
)
def test_what_cannot_be_expressed_comes_back_with_its_reason(changes, word):
    assert word in one(**changes)


def test_a_shape_in_the_row_stands_for_a_model_that_is_not_known():
    shape = {"model": "Nobody-7B", "n_layers": "32", "d_model": "4096", "n_heads": "32", "d_ff": "11008"}
    assert one(**shape).model.layers == 32
    assert one(model="LLAMA3.1_70B", n_layers="8").model.layers == 8


@pytest.mark.parametrize(
    ("accelerator", "chip"),
    [
        ("NVIDIA H200", "h200-sxm"),
        ("B200-SXM-180GB", "b200-hgx"),
        ("TPU v6e (Trillium)", "tpu-v6e"),
        ("MI300X", "mi300x"),
    ],
)
def test_chips_are_known_by_the_names_that_people_print(accelerator, chip):
    assert one(accelerator=accelerator, precision="BF16").chip.id == chip


def test_adapters_are_seen_in_the_name_or_the_notes():
    row = one(model="Llama-2-70B LoRA", seq_len="8192")
    assert row.recipe.adapters and row.recipe.sample == float("inf") and row.model.id == "llama-2-70b"
    assert one(notes="task=LoRA", seq_len="4096").recipe.sample == 512


def test_flop_rates_and_samples_are_times_in_other_words():
    slice_ = {
        "source_id": "maxtext-v5e",
        "framework": "MaxText",
        "model": "MaxText-16B",
        "precision": "BF16",
        "seq_len": "2048",
        "accelerator": "TPU v5e",
        "n_accelerators": "512",
        "tp": "",
        "pp": "",
        "vp": "",
        "zero_or_fsdp": "FSDP 256",
        "global_batch": "",
        "micro_batch": "",
        "recompute": "remat_policy=full",
        "metric": "tflops_per_gpu_model",
        "value": "117",
        "notes": "per_device_batch_size=6",
    }
    row = one(**slice_)
    assert row.recipe.software == "maxtext" and row.recipe.recompute == "full"
    assert (row.recipe.global_batch, row.recipe.micro_batch, row.recipe.shard_width) == (3072, 6, 256)
    assert predicted(row) == pytest.approx(row.seconds, rel=0.15)
    assert one(metric="samples_per_s", value=str(128 / 9.86)).seconds == pytest.approx(9.86)


def test_int8_is_for_chips_that_have_it():
    assert one(accelerator="TPU v5p", precision="INT8").recipe.precision == "int8"


def test_dates_and_releases_become_years():
    assert released("2025-04") == pytest.approx(2025.29, abs=0.01)
    assert released("NeMo container 26.06.01") == pytest.approx(2026.46, abs=0.01)


def test_a_file_is_read_and_compared(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text(",".join(GOOD) + "\n" + ",".join(GOOD.values()) + "\n", encoding="utf-8")
    rows, left = read_measurements(path)
    assert not left
    each, everything = compare_training(rows)
    assert (each.rows, everything.source) == (1, "all") and each.mean == everything.mean


def test_only_known_things_can_be_left_out():
    with pytest.raises(ValueError, match="cannot be left out"):
        validate_training("rows")
