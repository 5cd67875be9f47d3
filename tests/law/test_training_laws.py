"""Laws of the training model: monotonicity, units, conservation, limits, and one formula for scalars and arrays."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stackyard import catalog
from stackyard.perf.training import constants, work
from stackyard.perf.training.estimate import interval, nearest_fit, train
from stackyard.perf.training.goodput import goodput
from stackyard.perf.training.recipe import CHOICES, Recipe, bubble
from stackyard.perf.training.step import PARTS, Step
from stackyard.perf.training.work import Traffic, count, exchanged, gathered

KNOWN = catalog.load()
H100, GB200 = KNOWN.accelerator("h100"), KNOWN.accelerator("gb200")
DENSE, SPARSE, LATENT = (KNOWN.model(name) for name in ("llama-3.1-70b", "qwen3-30b-a3b", "deepseek-v3"))
TIMES = ("wait.up", "wait.out", "launch", "host.layer", "host.expert", "step", "host.update")

widths = st.sampled_from([1.0, 2.0, 4.0, 8.0])


@st.composite
def runs(draw):
    """A model and a recipe of any shape; many of them would not fit, but all of them have a time."""
    model = draw(st.sampled_from([DENSE, SPARSE, LATENT]))
    tensor, pipeline, context, replicas = (draw(widths) for _ in range(4))
    recipe = Recipe(
        accelerators=tensor * pipeline * context * replicas,
        sequence=draw(st.sampled_from([1024.0, 8192.0])),
        global_batch=replicas * draw(st.sampled_from([1.0, 8.0, 64.0])),
        tensor=tensor,
        pipeline=pipeline,
        virtual=draw(st.sampled_from([1.0, 2.0])) if pipeline > 1 else 1.0,
        context=context,
        expert=draw(widths) if model.experts else 1.0,
        precision=draw(st.sampled_from(["bf16", "fp8", "mxfp8"])),
        recompute=draw(st.sampled_from(CHOICES["recompute"])),
        sharding=draw(st.sampled_from(CHOICES["sharding"])),
        schedule=draw(st.sampled_from(CHOICES["schedule"])),
        attention=draw(st.sampled_from(CHOICES["attention"])),
        offload=draw(st.booleans()),
        software=draw(st.sampled_from(CHOICES["software"])),
    )
    return model, recipe


def faster(chip, compute=1.0, bandwidth=1.0, up=1.0, out=1.0):
    return replace(
        chip,
        flops={name: value * compute for name, value in chip.flops.items()},
        bandwidth=chip.bandwidth * bandwidth,
        scale_up=chip.scale_up * up,
        scale_out=chip.scale_out * out,
        tdp=chip.tdp * compute,
    )


@given(run=runs(), more=st.floats(1.0, 10.0))
@settings(max_examples=60, deadline=None)
def test_more_of_anything_is_never_slower(run, more):
    model, recipe = run
    here = train(model, H100, recipe)
    for kind in ("compute", "bandwidth", "up", "out"):
        assert train(model, faster(H100, **{kind: more}), recipe).seconds <= here.seconds * (1 + 1e-9)
    roomy = train(model, replace(H100, memory=H100.memory * more), recipe)
    assert roomy.seconds == here.seconds
    assert roomy.fits >= here.fits


@given(run=runs(), factor=st.floats(0.1, 10.0))
@settings(max_examples=40, deadline=None)
def test_clocks_and_bandwidths_times_a_factor_divide_the_time_by_it(run, factor):
    """With the fixed times of launches, messages and the host divided too."""
    model, recipe = run
    values = constants.values()
    quick = {**values, **{name: values[name] / factor for name in TIMES}}
    chip = faster(H100, factor, factor, factor, factor)
    assert train(model, chip, recipe, quick).seconds * factor == pytest.approx(train(model, H100, recipe).seconds)


@given(run=runs())
@settings(max_examples=60, deadline=None)
def test_parts_add_up_and_none_is_negative(run):
    model, recipe = run
    found = train(model, H100, recipe).step
    parts = [getattr(found, name) for name in PARTS]
    assert sum(parts) == pytest.approx(found.seconds)
    assert min(parts) >= -1e-9 * found.seconds


@given(precision=st.sampled_from(["bf16", "fp8"]), sharding=st.sampled_from(CHOICES["sharding"]))
def test_one_accelerator_sends_nothing(precision, sharding):
    recipe = Recipe(1.0, 4096.0, 8.0, precision=precision, sharding=sharding)
    for model in (DENSE, SPARSE):
        counted = count(model, H100, recipe)
        sent = [value for f in fields(counted) if isinstance(value := getattr(counted, f.name), Traffic)]
        assert len(sent) == 7
        assert all(float(part) == 0 for traffic in sent for part in traffic)
        assert bubble(recipe) == 0


def test_arrays_and_scalars_give_the_same_numbers():
    tensor, batch = np.meshgrid([1.0, 2.0, 4.0, 8.0], [64.0, 128.0, 512.0])
    for model, chip in ((DENSE, H100), (LATENT, GB200)):
        recipe = Recipe(64.0, 4096.0, batch, tensor=tensor, pipeline=2.0, precision="fp8", recompute="full")
        many = train(model, chip, recipe)
        for at in np.ndindex(tensor.shape):
            one = train(model, chip, replace(recipe, tensor=float(tensor[at]), global_batch=float(batch[at])))
            for f in fields(Step):
                assert getattr(many.step, f.name)[at] == pytest.approx(getattr(one.step, f.name))
            assert many.memory.total[at] == pytest.approx(one.memory.total)
            assert bool(many.fits[at]) == one.fits
            assert [why for why, mask in many.why.items() if mask[at]] == one.why


@given(run=runs())
@settings(max_examples=40, deadline=None)
def test_sharding_more_and_recomputing_more_never_take_more_memory(run):
    model, recipe = run
    recipe = replace(recipe, offload=False, pipeline=1.0, virtual=1.0, software="megatron-lm")
    held = [train(model, H100, replace(recipe, sharding=s)).memory for s in ("none", "zero-1", "zero-2")]
    assert held[0].total >= held[1].total >= held[2].total
    alone = replace(recipe, recompute="none", attention="flash-3")
    assert (
        train(model, H100, alone).memory.total * 1.2
        >= train(model, H100, replace(alone, recompute="full")).memory.total
    )


@given(size=st.floats(1.0, 1e9), local=widths, domains=widths)
def test_messages_are_conserved(size, local, domains):
    """An all-gather over domains: each accelerator takes in what it lacks, at most the other peers' shares."""
    peers = local * domains
    sent = gathered(size, peers, local)
    assert float(sent.out) * local == pytest.approx(size * (1 - 1 / domains))
    if local > 1:
        assert float(sent.up) == pytest.approx(size * (peers - 1) / peers)
    both = exchanged(size, peers, local)
    assert float(both.up + both.out) == pytest.approx(size * (peers - 1) / peers)


@given(run=runs(), width=st.sampled_from([1.0, 2.0, 8.0, 64.0]))
@settings(max_examples=40, deadline=None)
def test_hybrid_sharding_lies_between_copies_and_full_sharding(run, width):
    """The state is split by no more than the width; a width of all accelerators is full sharding."""
    model, recipe = run
    full = replace(recipe, sharding="zero-3")
    some, all_ = replace(full, shard_width=width), train(model, H100, full)
    found = train(model, H100, some)
    assert found.memory.weights >= all_.memory.weights * (1 - 1e-9)
    if width >= recipe.shards:
        assert found.seconds == all_.seconds
    gathered_by_fewer = count(model, H100, some).shard
    assert gathered_by_fewer.out <= count(model, H100, full).shard.out * (1 + 1e-9)


@given(run=runs(), more=st.floats(1.0, 10.0))
@settings(max_examples=40, deadline=None)
def test_power_lies_between_idle_and_rated_and_energy_is_power_times_time(run, more):
    model, recipe = run
    found = train(model, H100, recipe)
    assert 0 < found.watts <= H100.tdp * (1 + 1e-9)
    assert found.joules_per_token * found.token_rate == pytest.approx(found.watts * recipe.accelerators)
    short, long = found.campaign(1e9), found.campaign(1e9 * more)
    assert long.joules == pytest.approx(short.joules * more) and long.seconds == pytest.approx(short.seconds * more)


def test_what_was_never_measured_has_a_wider_interval():
    """A chip of a measured generation, a chip of another one, and another software, each at least as wide."""
    values, recipe = constants.values(), Recipe(64.0, 8192.0, 64.0)
    width = {
        name: interval(DENSE, KNOWN.accelerator(name), recipe, values) for name in ("h100", "gb300", "mi355x", "gaudi3")
    }
    assert width["h100"] < width["gb300"] < width["mi355x"] == width["gaudi3"]
    other = replace(recipe, software="other")
    assert interval(DENSE, KNOWN.accelerator("mi355x"), other, values) > width["mi355x"]
    assert interval(DENSE, H100, replace(recipe, software="other"), values) > width["h100"]
    assert interval(SPARSE, H100, recipe, values) > width["h100"]


@pytest.mark.parametrize("chip", [chip.id for chip in KNOWN.accelerators.values() if "bf16" in chip.flops])
def test_every_chip_of_the_catalogue_can_be_asked_and_stays_below_its_peak(chip):
    found = train(DENSE, KNOWN.accelerator(chip), Recipe(512.0, 4096.0, 512.0, tensor=8.0, sharding="zero-3"))
    assert 0.05 < found.mfu_causal < 0.95
    assert 0 < found.low < found.seconds < found.high


def test_arrays_of_cluster_sizes_give_arrays_of_goodput():
    sizes = np.array([256.0, 4096.0, 65536.0])
    many = goodput(sizes, 405e9)
    for at, size in enumerate(sizes):
        one = goodput(size, 405e9)
        assert many.share[at] == pytest.approx(float(one.share))
        assert many.interval[at] == pytest.approx(float(one.interval))
    assert np.all(np.diff(many.share) < 0)


def test_bubbles_shrink_with_chunks_and_with_the_zero_bubble_schedule():
    one = Recipe(8.0, 1024.0, 64.0, pipeline=8.0)
    assert bubble(one) == 7
    assert bubble(replace(one, virtual=7.0)) == 1
    assert bubble(replace(one, schedule="zero-bubble")) == pytest.approx(7 / 3)


def test_flop_conventions_differ_by_attention_and_recomputation_only():
    recipe = Recipe(8.0, 8192.0, 8.0, recompute="full")
    flop = work.model_flop(DENSE, recipe)
    assert flop["flop_full"] > flop["flop_causal"]
    assert flop["flop_hardware"] == pytest.approx(4 / 3 * flop["flop_causal"])
    found = train(DENSE, H100, recipe)
    assert found.mfu_full / found.mfu_causal == pytest.approx(flop["flop_full"] / flop["flop_causal"])


def test_every_reason_is_told_at_once_and_the_nearest_fit_fits():
    bad = train(DENSE, H100, Recipe(24.0, 8192.0, 7.0, tensor=3.0, precision="fp4", expert=2.0))
    assert not bad.fits
    told = "; ".join(bad.why)
    for word in ("attention heads", "global batch", "no fp4", "no experts", "do not fit in memory"):
        assert word in told
    near = nearest_fit(KNOWN.model("llama-3.1-405b"), H100, Recipe(512.0, 8192.0, 512.0, tensor=8.0))
    assert near is not None and near.fits
    assert near.recipe.tensor == 8.0  # only what had to change


@pytest.mark.parametrize(
    "bad",
    [
        {"accelerators": np.nan},
        {"sequence": -1.0},
        {"recompute": "ful"},
        {"tensor": np.inf},
        {"shard_width": 0.0},
        {"sample": np.nan},
    ],
)
def test_numbers_that_are_not_and_words_that_are_not_known_are_refused(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        Recipe(**{"accelerators": 8.0, "sequence": 1024.0, "global_batch": 8.0, **bad})
