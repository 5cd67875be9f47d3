"""What is refused, and what is answered with a reason."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from stackyard import catalog
from stackyard.perf import constants
from stackyard.perf.estimate import estimate
from stackyard.perf.layout import Layout, layouts
from stackyard.perf.precision import Precision
from stackyard.perf.search import best, offered

KNOWN = catalog.load()
LLAMA, H200 = KNOWN.model("llama-3.1-70b"), KNOWN.accelerator("h200")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch": math.nan}, "batch is not finite"),
        ({"prompt": math.inf}, "prompt is not finite"),
        ({"output": -1}, "output is negative"),
        ({"layout": Layout(tensor=-2)}, "tensor is negative"),
        ({"batch": np.array([1.0, -1.0])}, "batch is negative"),
        ({"precision": "fp9"}, "did you mean 'fp8'"),
    ],
)
def test_numbers_that_are_none_are_refused(changes, message):
    inputs = {"layout": Layout(tensor=8), "batch": 8, "prompt": 100, "output": 100, "precision": "fp8"} | changes
    with pytest.raises(ValueError, match=message):
        estimate(LLAMA, H200, **inputs)


def test_every_bad_number_is_named_at_once():
    with pytest.raises(ValueError, match=r"pipeline is negative; batch is not finite"):
        estimate(LLAMA, H200, Layout(pipeline=-1), math.nan, 1, 1)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"batch": 0}, "the batch is empty"),
        ({"prompt": 0}, "the prompt is empty"),
        ({"prompt": 131072}, "context of 131,072"),
        ({"layout": Layout(tensor=0)}, "whole numbers of at least 1"),
        ({"layout": Layout(tensor=2.5)}, "whole numbers of at least 1"),
        ({"layout": Layout(tensor=3)}, "does not divide the attention heads"),
        ({"layout": Layout(tensor=8, expert=2)}, "no experts to spread"),
        ({"layout": Layout(tensor=1, pipeline=100)}, "more pipeline stages than layers"),
        ({"layout": Layout(tensor=1), "precision": "bf16"}, "the weights exceed the memory: 141 GB a chip"),
        ({"batch": 50_000}, "29,966 sequences fit"),
        ({"precision": "fp4"}, "no fp4 arithmetic"),
        ({"layout": Layout(tensor=8, data=16)}, "fewer sequences than data groups"),
    ],
)
def test_what_cannot_be_is_a_reason(changes, reason):
    inputs = {"layout": Layout(tensor=8), "batch": 8, "prompt": 100, "output": 100, "precision": "fp8"} | changes
    found = estimate(LLAMA, H200, **inputs)
    assert not found.fits
    assert any(reason in why for why in found.why), found.why
    json.dumps(found.summary(), allow_nan=False)


def test_the_largest_batch_is_the_last_that_fits():
    first = estimate(LLAMA, H200, Layout(tensor=2), 64, 1000, 9000, "fp8")
    most = first.memory.largest_batch
    fits = [estimate(LLAMA, H200, Layout(tensor=2), batch, 1000, 9000, "fp8").fits for batch in (most, most + 1)]
    assert fits == [True, False]


def test_a_family_that_is_not_modelled_says_so():
    found = estimate(replace(LLAMA, family="mamba"), H200, Layout(tensor=8), 8, 100, 100, "fp8")
    assert found.why == ["the blocks of family 'mamba' are not modelled yet"]
    assert math.isnan(found.token_rate)
    assert math.isnan(found.memory.weights)


def test_a_figure_that_is_not_on_record_is_a_reason_where_it_is_needed():
    silent = replace(H200, scale_up=math.nan, scale_out=math.nan)
    assert estimate(LLAMA, silent, Layout(), 8, 100, 100, "fp8").fits
    shared = estimate(LLAMA, silent, Layout(tensor=8), 8, 100, 100, "fp8")
    assert shared.why == ["the scale-up bandwidth of H200 SXM 141GB is not on record"]
    wide = estimate(LLAMA, silent, Layout(tensor=8, pipeline=2), 8, 100, 100, "fp8")
    assert len(wide.why) == 2
    bare = estimate(LLAMA, replace(H200, memory=math.nan), Layout(), 8, 100, 100, "fp8")
    assert bare.why == ["the memory of H200 SXM 141GB is not on record"]


def test_no_best_has_reasons_and_a_rate_of_nothing():
    slow = best(LLAMA, H200, 1000, 1000, ttft=1e-3, tpot=1e-3, precision="fp8")
    assert slow.estimate is None
    assert slow.token_rate == 0
    assert any("first token" in why for why in slow.why)
    assert best(LLAMA, H200, 1000, 1000, precision="fp4").why == (
        "H200 SXM 141GB has no fp4 arithmetic on record (it has bf16, fp8, int8)",
    )
    with pytest.raises(ValueError, match="ttft must be positive"):
        best(LLAMA, H200, 1000, 1000, ttft=0)


def test_the_best_batch_of_one_layout_meets_the_objective_or_says_what_it_misses():
    eight = offered(LLAMA, H200, tensor=8)
    chosen = best(LLAMA, H200, 1000, 1000, ttft=2.0, tpot=0.02, precision="fp8", among=eight).estimate
    assert chosen is not None and chosen.fits
    assert chosen.tpot <= 0.02 < estimate(LLAMA, H200, chosen.layout, 1.2 * chosen.batch, 1000, 1000, "fp8").tpot
    missed = best(LLAMA, H200, 1000, 1000, ttft=1e-3, tpot=1e-3, precision="fp8", among=eight).nearest
    assert missed is not None
    assert (missed.fits, missed.batch, len(missed.why)) == (False, 1, 3)
    broken = best(LLAMA, H200, 1000, 1000, precision="fp8", among=offered(LLAMA, H200, tensor=3)).nearest
    assert broken is not None
    assert "tensor width does not divide the attention heads" in broken.why


def test_the_nearest_point_exceeds_the_objective_least_of_all_that_fit():
    found = best(LLAMA, H200, 1000, 1000, ttft=0.1, tpot=1e-3, precision="fp8")
    assert found.estimate is None and found.nearest is not None
    every = layouts(LLAMA, H200)
    for width, stages in zip(every.tensor, every.pipeline, strict=True):
        other = estimate(LLAMA, H200, Layout(width, stages), stages, 1000, 1000, "fp8")
        if other.fits:
            times = (found.nearest.ttft / 0.1, found.nearest.tpot / 1e-3)
            assert max(times) <= max(other.ttft / 0.1, other.tpot / 1e-3)
    assert not found.nearest.fits
    assert f"{found.nearest.tpot * 1e3:.3g} ms per output token" in found.nearest.why[-1]


def test_widths_and_a_batch_that_are_given_are_kept_and_the_others_are_found():
    found = best(LLAMA, H200, 1000, 1000, 2.0, 0.05, "fp8", among=offered(LLAMA, H200, pipeline=3), batch=60.0)
    assert found.estimate is not None
    assert (found.estimate.layout.pipeline, found.estimate.batch) == (3, 60)
    experts = KNOWN.model("deepseek-v3")
    spread = best(experts, H200, 1000, 1000, 2.0, 0.05, "fp8", among=offered(experts, H200, expert=16)).estimate
    assert spread is not None
    assert (spread.layout.expert, spread.layout.tensor * spread.layout.data) == (16, 16)
    none = best(LLAMA, H200, 1000, 1000, precision="fp8", among=offered(LLAMA, H200, expert=4))
    assert none.why == ("the model has no experts to spread",)


def test_a_summary_is_plain_and_names_its_basis():
    text = json.dumps(estimate(LLAMA, H200, Layout(tensor=8), 64, 1000, 1000, "fp8").summary(), allow_nan=False)
    told = json.loads(text)
    assert told["layout"] == {"tensor": 8, "pipeline": 1, "data": 1, "expert": 1}
    assert told["basis"]["grade"] == "assumed"
    assert told["tokens_per_s"] == pytest.approx(2 * told["output_tokens_per_s"])
    assert sum(p["seconds"] for p in told["parts"] if p["phase"] == "decode") < told["step_s"]


def test_every_constant_has_a_source_and_lies_in_its_range():
    for name, fact in constants.facts().items():
        assert fact.sources, name
        assert fact.low <= fact.value <= fact.high, name


def test_weights_only_fp4_needs_no_fp4_arithmetic():
    found = estimate(LLAMA, H200, Layout(), 8, 1000, 1000, Precision("fp4", "fp8", "bf16"))
    assert found.fits
