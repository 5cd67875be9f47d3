"""Laws of the performance model: dimensions, monotonicity, limits, and one formula for scalars and arrays."""

import itertools
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stackyard import catalog
from stackyard.perf import architecture, constants, counting, energy, lower, schedule
from stackyard.perf.estimate import estimate
from stackyard.perf.layout import Layout, divides, layouts
from stackyard.perf.memory import weight_bytes
from stackyard.perf.op import Op, all_reduce, all_to_all, causal_pairs, touched
from stackyard.perf.precision import PRESETS
from stackyard.perf.provider import FirstOf, Roofline, reach
from stackyard.perf.search import best

KNOWN = catalog.load()
H200, H100, B200 = (KNOWN.accelerator(name) for name in ("h200", "h100", "b200"))
MODELLED = [model for model in KNOWN.models.values() if not architecture.unmodelled(model)]
DENSE, MLA, WINDOW = (KNOWN.model(name) for name in ("llama-3.1-70b", "deepseek-v3", "gpt-oss-120b"))
FREE = {name: 0.0 if name.startswith("overhead") else value for name, value in constants.values(B200).items()}

sizes = st.floats(1.0, 1e12)
factors = st.floats(1e-3, 1e3)


@given(flop=sizes, moved=sizes, sent=sizes, time=factors, byte=factors, work=factors)
def test_roofline_seconds_change_with_the_unit_of_time_and_no_other(flop, moved, sent, time, byte, work):
    chip = replace(
        H200,
        flops={name: value * work / time for name, value in H200.flops.items()},
        bandwidth=H200.bandwidth * byte / time,
        scale_up=H200.scale_up * byte / time,
        scale_out=H200.scale_out * byte / time,
    )
    values = constants.values(H200)
    timed = {name: v * time for name, v in values.items() if name.startswith("overhead") and name != "overhead.scale"}
    slower = Roofline({**values, **timed, "link.half": values["link.half"] * byte})
    for kind in ("matmul", "experts", "prefill", "decode", "permute", "collective"):
        op = Op("x", kind, "bf16", "bf16", flop, moved, sent=sent, peers=8.0, count=3.0)
        same = op._replace(flop=flop * work, bytes=moved * byte, sent=sent * byte)
        assert slower.seconds(same, chip) == pytest.approx(time * Roofline().seconds(op, H200), rel=1e-9)


@given(
    prefill=st.floats(1e-4, 10),
    decode=st.floats(1e-4, 1),
    batch=st.integers(1, 512),
    time=factors,
    regime=st.sampled_from(schedule.REGIMES),
)
def test_schedule_scales_with_time_and_obeys_littles_law(prefill, decode, batch, time, regime):
    layout, prompt, output = Layout(tensor=2.0, pipeline=2.0), 700.0, 300.0
    cut = schedule.shape(layout, float(batch), prompt, output, 8192.0, regime)
    one = schedule.serve(layout, cut, float(batch), prompt, output, prefill, decode, regime)
    other = schedule.serve(layout, cut, float(batch), prompt, output, prefill * time, decode * time, regime)
    for name in ("cycle", "ttft", "tpot"):
        assert getattr(other, name) == pytest.approx(time * getattr(one, name))
    assert other.output_rate * time == pytest.approx(one.output_rate)
    first = one.ttft if regime == "fixed batch" else (layout.pipeline - 1 + cut.own) * prefill
    residence = first + (output - 1) * one.tpot
    assert one.output_rate / output * residence == pytest.approx(batch)  # in progress = arrivals x residence
    assert one.token_rate / one.output_rate == pytest.approx((prompt + output) / output)


@pytest.mark.parametrize(
    ("prompt", "output", "room"), [(200.0, 200.0, 8192.0), (900.0, 1000.0, 8192.0), (2000.0, 50.0, 8192.0)]
)
def test_latency_does_not_jump_where_every_pass_begins_to_take_prompts_in(prompt, output, room):
    """A pass with room for several prompts is not full when one comes with every step."""
    near = np.arange(0.9, 1.1, 0.002)
    batch = output * near
    cut = schedule.shape(Layout(), batch, prompt, output, room)
    found = schedule.serve(Layout(), cut, batch, prompt, output, 0.02, 0.01)
    for times in (found.ttft, found.tpot):
        assert np.all(np.abs(np.diff(np.log(times))) < 0.1), times
    full = schedule.shape(Layout(), batch * room / prompt, prompt, output, room)  # where every pass is full
    times = schedule.serve(Layout(), full, batch * room / prompt, prompt, output, 0.02, 0.01).ttft
    assert np.all(np.abs(np.diff(np.log(times))) < 0.3), times


@given(watt=factors, byte=factors, busy=st.floats(0, 1), traffic=st.floats(0, 4e12))
def test_power_scales_with_its_unit_and_lies_between_idle_and_rated(watt, byte, busy, traffic):
    values = constants.values(H200)
    chip = replace(H200, tdp=H200.tdp * watt, idle=100.0 * watt)
    scaled = {**values, **{name: values[name] * watt / byte for name in ("energy.hbm", "energy.path")}}
    plain = energy.watts(replace(H200, idle=100.0), busy, traffic, values)
    assert energy.watts(chip, busy, traffic * byte, scaled) == pytest.approx(watt * plain)
    assert 100.0 <= plain <= H200.tdp


def test_no_product_of_shares_passes_what_the_pins_carry_or_the_units_do():
    kinds = ("matmul", "experts", "prefill", "decode", "permute", "elementwise")
    formats = ("bf16", "fp8", "int8", "fp4", "mxfp4", "int4")
    reached = 0
    for generation in constants.generations().values():
        for engine in constants.engines().values():
            values = {**constants.plain(), **generation.values, **engine.values}
            for kind, precision, stored in itertools.product(kinds, ("bf16", "fp8", "int8", "fp4"), formats):
                if kind == "decode" and f"cache.{stored}" not in values:
                    continue
                found = reach(Op("x", kind, precision, stored), values)
                assert found is not None and 0 < found.memory <= 1 and 0 < found.compute <= 1
                reached += 1
    assert reached > 10_000


@given(awake=st.floats(0, 1), more=st.floats(0, 1), busy=st.floats(0, 1), traffic=st.floats(0, 4e12))
def test_a_chip_whose_kernels_run_longer_draws_no_less_and_one_that_rests_its_idle_power(awake, more, busy, traffic):
    values = constants.values(H200)
    low, high = sorted((awake, more))
    one, other = (energy.watts(H200, busy, traffic, values, awake=share) for share in (low, high))
    assert one <= other <= H200.tdp
    assert energy.watts(H200, 0.0, 0.0, values, awake=0.0) == energy.idle_watts(H200, values)


@settings(max_examples=30, deadline=None)
@given(
    which=st.sampled_from(["flops", "bandwidth", "scale_up", "scale_out", "memory"]),
    by=st.floats(1.0, 8.0),
    model=st.sampled_from(MODELLED),
    tensor=st.sampled_from([1, 2, 8]),
    batch=st.integers(1, 300),
)
def test_a_better_chip_is_never_slower_and_never_fits_less(which, by, model, tensor, batch):
    better = (
        replace(B200, flops={name: value * by for name, value in B200.flops.items()})
        if which == "flops"
        else replace(B200, **{which: getattr(B200, which) * by})
    )
    layout = Layout(tensor=tensor, pipeline=2)
    old, new = (estimate(model, chip, layout, batch, 900, 300, "fp8") for chip in (B200, better))
    assert new.prefill_seconds <= old.prefill_seconds * (1 + 1e-12)
    assert new.step_seconds <= old.step_seconds * (1 + 1e-12)
    assert new.token_rate >= old.token_rate * (1 - 1e-12)
    assert new.fits >= old.fits


@pytest.mark.parametrize("model", MODELLED, ids=lambda model: model.id)
def test_twice_the_rates_halve_every_operation_without_overheads(model):
    twice = replace(
        B200,
        flops={name: 2 * value for name, value in B200.flops.items()},
        bandwidth=2 * B200.bandwidth,
        scale_up=2 * B200.scale_up,
        scale_out=2 * B200.scale_out,
    )
    roofline = Roofline(FREE)
    for op in lower.decode(model, Layout(8.0, 2.0, 2.0, 16.0), PRESETS["fp8"], 32.0, 4000.0):
        assert roofline.seconds(op, twice) == pytest.approx(roofline.seconds(op, B200) / 2)


@pytest.mark.parametrize("model", MODELLED, ids=lambda model: model.id)
def test_one_chip_sends_nothing(model):
    for op in lower.decode(model, Layout(), PRESETS["fp8"], 4.0, 100.0):
        assert op.count * op.sent == 0
        if op.kind == "collective":
            assert Roofline().seconds(op, replace(H200, scale_up=0.0, scale_out=0.0)) == 0


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), model=st.sampled_from(MODELLED), chip=st.sampled_from([H100, H200, B200]))
def test_arrays_give_what_scalars_give(seed, model, chip):
    draw = np.random.default_rng(seed)
    widths = [draw.integers(0, 9, 7) for _ in range(4)]
    batch, prompt, output = draw.integers(0, 600, 7), draw.integers(0, 30_000, 7), draw.integers(0, 3000, 7)
    many = estimate(model, chip, Layout(*widths), batch, prompt, output, "fp8")
    for i in range(7):
        lay = Layout(*(int(width[i]) for width in widths))
        one = estimate(model, chip, lay, int(batch[i]), int(prompt[i]), int(output[i]), "fp8")
        picked = many.at(i)
        assert one.fits == picked.fits
        for name in ("ttft", "tpot", "output_rate", "token_rate", "watts", "joules_per_token", "step_seconds"):
            assert getattr(picked, name) == pytest.approx(getattr(one, name), rel=1e-12)
        for f in fields(one.memory):
            assert getattr(picked.memory, f.name) == pytest.approx(getattr(one.memory, f.name), rel=1e-12)
        assert [str(part.limit) for part in picked.parts] == [str(part.limit) for part in one.parts]
        assert len(picked.why) == len(one.why)


def test_blocks_of_a_large_array_join_to_the_same_numbers():
    batch = np.arange(1, 40_001, dtype=float).reshape(2, 20_000)
    many = estimate(DENSE, H200, Layout(tensor=8), batch, 1000, 1000, "fp8")
    assert np.shape(many.ttft) == np.shape(many.fits) == (2, 20_000)
    few = estimate(DENSE, H200, Layout(tensor=8), batch[1, 19_990:], 1000, 1000, "fp8")
    assert np.array_equal(many.token_rate[1, 19_990:], few.token_rate)
    assert many.why.keys() == {"weights and cache exceed the memory"}


@pytest.mark.parametrize("model", MODELLED, ids=lambda model: model.id)
def test_prefill_does_two_flop_per_active_parameter_and_token_plus_attention(model):
    tokens = 512.0
    ops = lower.prefill(model, Layout(), PRESETS["bf16"], 1.0, tokens)
    dense = sum(op.count * op.flop for op in ops if op.kind in ("matmul", "experts") and op.name != "head")
    tables = counting.embedding_parameters(model) * (1 if model.tied_embeddings else 2)
    tables += model.extra.get("positions", 0) * model.hidden
    assert dense == pytest.approx(2 * tokens * (counting.active_parameters(model) - tables), rel=2e-3)


@pytest.mark.parametrize("model", MODELLED, ids=lambda model: model.id)
def test_a_large_decode_batch_reads_all_weights_and_the_cache_once(model):
    sequences, context = 4096.0, 3000.0
    ops = lower.decode(model, Layout(), PRESETS["fp8"], sequences, context)
    weights = sum(op.count * op.bytes for op in lower.decode(model, Layout(), PRESETS["fp8"], 1e-9, 1.0))
    if not model.experts:  # with hardly any token, only weights are left to read
        table = counting.embedding_parameters(model) * (0 if model.tied_embeddings else 2)
        table += model.extra.get("positions", 0) * model.hidden * 2
        assert weights == pytest.approx(weight_bytes(model, Layout(), PRESETS["fp8"]) - table, rel=1e-3)
    states = counting.cache_bytes(model, 0.0, 1.0) * sequences
    if not architecture.indexers(model):  # sparse attention reads fewer keys than it keeps
        read = sum(op.count * op.bytes for op in ops if op.kind == "decode" and op.name != "linear_attention")
        cache = sequences * counting.cache_bytes(model, context, 1.0) - states
        assert read == pytest.approx(cache, rel=0.25)
        assert read >= cache
    swept = sum(op.count * op.bytes for op in ops if op.name == "linear_attention")
    assert swept == pytest.approx(2 * states, rel=0.05)  # the state of linear attention is read and written


def test_work_of_a_tensor_group_adds_up_to_the_work_of_one_chip():
    for model in MODELLED:
        repeated = any(matrix.cut == "" for matrix in architecture.matrices(model))  # narrow ones, of MLA and its kin
        if repeated or any(span.kv_heads < 4 for span in architecture.spans(model)):
            continue
        alone, shared = (
            sum(op.count * op.flop for op in lower.prefill(model, Layout(tensor), PRESETS["bf16"], 1.0, 1000.0)
                if op.kind in ("matmul", "experts", "prefill") and op.name != "router")
            for tensor in (1.0, 4.0)
        )  # fmt: skip
        assert 4 * shared == pytest.approx(alone)


def test_a_latent_cache_is_small_and_every_tensor_rank_holds_it_whole():
    assert counting.cache_bytes_per_token(MLA, 2.0) == 61 * (512 + 64) * 2
    held = [estimate(MLA, B200, Layout(tensor=t), 8, 1000, 1000, "fp8").memory.cache for t in (1, 8)]
    assert held[0] == held[1]
    split = [estimate(DENSE, B200, Layout(tensor=t), 8, 1000, 1000, "fp8").memory.cache for t in (1, 8, 16)]
    assert split[0] == 8 * split[1] == 8 * split[2]  # eight key-value heads split eight ways at most


@given(context=st.floats(129.0, 1e5), more=st.floats(0.0, 1e4))
def test_layers_with_a_window_stop_growing(context, more):
    grown = counting.cache_bytes(WINDOW, context + more, 2.0) - counting.cache_bytes(WINDOW, context, 2.0)
    assert grown == pytest.approx(more * counting.cache_bytes_per_token(WINDOW, 2.0), abs=1e-3)


@given(tokens=st.integers(1, 300), window=st.integers(1, 300))
def test_causal_pairs_are_what_a_loop_counts(tokens, window):
    assert causal_pairs(float(tokens), float(window)) == sum(min(i, window) for i in range(1, tokens + 1))


@given(routed=st.integers(2, 512), tokens=st.integers(1, 5000), share=st.floats(0.001, 0.99), spread=st.floats(1e-3, 4))
def test_touched_experts_lie_between_those_of_one_token_and_all(routed, tokens, share, spread):
    active = min(max(1, round(share * routed)), routed - 1)
    even, uneven = touched(routed, active, tokens), touched(routed, active, tokens, spread)
    assert active * (1 - 1e-12) <= uneven <= even * (1 + 1e-9) <= min(routed, tokens * active) * (1 + 2e-9)
    assert touched(routed, active, tokens, 1e-9) == pytest.approx(even, rel=1e-4)


@given(size=sizes, peers=st.integers(1, 512))
def test_an_exchange_sends_less_than_twice_its_size_and_alone_nothing(size, peers):
    reduced, moved = all_reduce("r", size, float(peers)), all_to_all("a", size, float(peers))
    assert 0 <= reduced.sent < 2 * size
    assert 0 <= moved.sent < size
    assert (reduced.count > 0) == (peers > 1)


def test_every_layout_offered_divides_and_none_is_missing_for_a_dense_model():
    for model in MODELLED:
        offered = layouts(model, H200)
        assert not any(np.any(mask) for mask in divides(model, offered).values())
    offered = layouts(DENSE, H200, pipeline=1)
    assert list(offered.tensor) == [1, 2, 4, 8]


def test_the_first_provider_that_knows_answers():
    class Silent:
        name = "silent"

        def seconds(self, op, chip):
            return None

    op = Op("x", "matmul", "bf16", "bf16", 1e12, 1e9)
    chain = FirstOf((Silent(), Roofline()))
    assert chain.seconds(op, H200) == Roofline().seconds(op, H200)
    assert FirstOf((Silent(),)).seconds(op, H200) is None
    assert Roofline().seconds(op._replace(precision="fp4"), H200) is None  # an H200 has no fp4 arithmetic


@settings(max_examples=15, deadline=None)
@given(model=st.sampled_from(MODELLED), ttft=st.floats(0.2, 5), tpot=st.floats(0.01, 0.1), ease=st.floats(1, 4))
def test_a_looser_objective_never_lowers_the_best_rate(model, ttft, tpot, ease):
    tight = best(model, B200, 1000, 500, ttft, tpot, "fp8")
    loose = best(model, B200, 1000, 500, ttft * ease, tpot * ease, "fp8")
    assert loose.token_rate >= tight.token_rate
    if tight.estimate:
        assert tight.estimate.fits
        assert tight.estimate.ttft <= ttft
        assert tight.estimate.tpot <= tpot
        assert not tight.why
    else:
        assert tight.why


@given(flop=sizes, moved=sizes, width=st.floats(16, 1e5), by=st.floats(1, 100), rows=st.floats(1, 1e4))
def test_narrower_experts_are_never_faster_and_padding_never_exceeds_its_limit(flop, moved, width, by, rows):
    def seconds(narrow, edge):
        op = Op("experts", "experts", "fp8", "fp8", flop, moved, edge=edge, narrow=narrow, groups=1.0)
        return Roofline().terms(op, H200)

    wide, thin = seconds(1 / width, 0.0), seconds(by / width, 0.0)
    assert thin.compute >= wide.compute
    assert thin.memory >= wide.memory
    padded = seconds(1 / width, flop / rows)
    most = constants.values(H200)["padding.experts"] * flop / rows / (H200.flops["fp8"] * 0.01)
    assert 0.0 <= padded.compute - wide.compute <= most
