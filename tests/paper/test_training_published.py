"""Published training figures: parameters, FLOP a token, activation memory, step times, and the error we publish."""

import numpy as np
import pytest

from stackyard import catalog
from stackyard.perf.calibration.training import NAMES, fit, fit_memory, rows_of, values_of
from stackyard.perf.calibration.training_check import held_out_table, validate_training
from stackyard.perf.calibration.training_rows import excluded_rows, training_rows
from stackyard.perf.training import constants
from stackyard.perf.training.estimate import CALIBRATED
from stackyard.perf.training.memory import layer_bytes
from stackyard.perf.training.rates import generation, rates
from stackyard.perf.training.recipe import Recipe
from stackyard.perf.training.step import message_time
from stackyard.perf.training.work import gathered, model_flop, parameters

KNOWN = catalog.load()
BY_NAME = {row.model.id: row.model for row in training_rows()}


@pytest.mark.parametrize(
    ("name", "printed"),
    [("GPT-175B", 175e9), ("GPT-530B", 530e9), ("GPT-1T", 1008e9), ("nemotron4-340b", 341e9), ("llama-2-70b", 69e9)],
)
def test_parameters_of_models_outside_the_catalogue(name, printed):
    """arXiv:2205.05198 Table 3, arXiv:2406.11704, arXiv:2307.09288."""
    assert parameters(BY_NAME[name]) == pytest.approx(printed, rel=0.02)


@pytest.mark.parametrize(
    ("model", "sequence", "convention", "printed"),
    [
        ("llama-3.1-8b", 8192.0, "flop_full", 5.79e10),  # NeMo 24.07
        ("llama-3.1-8b", 8192.0, "flop_causal", 5.147e10),  # Megatron Bridge
        ("llama-3.1-405b", 8192.0, "flop_causal", 2.525e12),
        ("deepseek-v3", 4096.0, "flop_causal", 2.50e11),
    ],
)
def test_flop_a_token_by_both_conventions(model, sequence, convention, printed):
    flop = model_flop(KNOWN.model(model), Recipe(8.0, sequence, 8.0))
    assert float(flop[convention]) / (8 * sequence) == pytest.approx(printed, rel=0.01)


@pytest.mark.parametrize(
    ("name", "micro", "printed"),
    [("GPT-22B", 4.0, 16.18), ("GPT-175B", 1.0, 18.49), ("GPT-530B", 1.0, 20.27), ("GPT-1T", 1.0, 20.27)],
)
def test_activations_kept_with_sequence_parallelism_and_selective_recomputation(name, micro, printed):
    """Percent of the tensor-parallel baseline, arXiv:2205.05198 figure 7; we count no dropout masks: 34 becomes 32."""
    model = BY_NAME[name]
    base = Recipe(8.0, 2048.0, micro, micro_batch=micro, tensor=8.0, attention="unfused", sequence_parallel=False)
    whole, _ = layer_bytes(model, base)
    kept, _ = layer_bytes(
        model, Recipe(8.0, 2048.0, micro, micro_batch=micro, tensor=8.0, attention="unfused", recompute="selective")
    )
    assert 100 * float(kept / whole) == pytest.approx(printed, rel=0.12)


def test_step_times_and_memory_of_all_sources_are_within_what_we_publish():
    """The targets: step time 8% with 3% bias; memory 10% with 5% bias; 80% intervals that hold at least that many."""
    everything = {row.what: row for row in validate_training() if row.source == "all"}
    step, memory = everything["step time"], everything["memory"]
    assert step.rows > 700 and step.mean < 0.07 and abs(step.bias) < 0.02
    assert memory.rows > 80 and memory.mean < 0.08 and abs(memory.bias) < 0.03
    assert step.coverage >= 0.8 and memory.coverage >= 0.8


def test_rows_left_out_of_the_fit_are_within_what_we_publish():
    """Step time 8% by model and 9% by accelerator with 3% of bias; memory 10%; 80% of rows inside their interval."""
    told = {(row["what"], row["left_out"], row["of"]): row for row in held_out_table()}
    assert {how for _, how, _ in told} == {"model", "accelerator", "generation", "software"}
    for how, mean in (("model", 0.08), ("accelerator", 0.09), ("software", 0.09)):
        step, memory = told["step time", how, "all"], told["memory", how, "all"]
        assert float(step["mean"]) < mean and abs(float(step["bias"])) < 0.03
        assert float(memory["mean"]) < 0.10 and abs(float(memory["bias"])) < 0.05
        assert float(step["coverage"]) > 0.795 and float(memory["coverage"]) > 0.795


def test_a_group_left_out_again_gives_the_errors_that_are_kept():
    """One of them: rows of V100, by constants fitted without that generation."""
    rows = rows_of(training_rows())
    known = dict(zip(NAMES, np.log([constants.values()[name] for name in NAMES]), strict=True))
    kept = np.array([generation(row.chip) != "volta" for row in rows.measured])
    fitted = rows.times(values_of(fit(rows, kept * 1.0, np.array(list(known.values())), steps=15)))
    error = (fitted / rows.seconds - 1)[~kept]
    assert len(error) == 4 and np.abs(error).mean() < 0.25


def test_the_fit_gives_the_constants_that_are_kept():
    found = dict(zip(NAMES, fit(rows_of(training_rows())), strict=True))
    import math

    for name, value in found.items():
        assert math.exp(value) == pytest.approx(constants.values()[name], rel=2e-3), name
    for name, value in fit_memory(training_rows()).items():
        assert value == pytest.approx(constants.values()[name], rel=2e-3), name


def test_every_excluded_row_has_a_reason():
    assert len(excluded_rows()) > 100
    assert all(row.reason and row.source for row in excluded_rows())


@pytest.mark.parametrize(
    ("chip", "peers", "local", "size", "measured"),
    [
        ("h100", 8, 8, 2**24, 123.0e-6),  # nccl-tests on one node, NVIDIA dgxc-benchmarking
        ("h100", 8, 8, 2**26, 324.7e-6),
        ("h100", 96, 8, 2**31, 11163e-6),  # CoreWeave, 12 nodes on InfiniBand NDR
        ("h100", 96, 8, 2**33, 43980e-6),
        ("gb200", 72, 72, 2**33, 20006e-6),  # CoreWeave, one NVL72
        ("gb200", 128, 64, 2**34, 41557e-6),  # and two
    ],
)
def test_all_reduce_takes_as_long_as_measured(chip, peers, local, size, measured):
    """As a reduce-scatter and an all-gather, with the links and waits that training reaches; in-switch sums are faster.

    Below 4 MB on one node and over 1,000 accelerators the measured waits are not ours (27 us where we say 47; 7.1 ms
    for 512 MB over 1,440 GB200 where we say 1.6): such messages are hidden or rare in training.
    """
    part = KNOWN.accelerator(chip)
    recipe = Recipe(8.0, 1024.0, 8.0)
    time = 2 * message_time(gathered(float(size), float(peers), float(local)), rates(part, recipe, constants.values()))
    assert time == pytest.approx(measured, rel=0.2)


def test_the_chips_said_to_be_measured_are_those_that_were():
    assert {row.chip.id for row in training_rows() if row.seconds is not None} == CALIBRATED
