"""Laws of guessed tokens, prompts found in a cache, and a cache that overflows: limits, monotonicity, counting."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stackyard import catalog
from stackyard.perf import architecture, lower
from stackyard.perf.estimate import estimate
from stackyard.perf.layout import Layout
from stackyard.perf.memory import weight_bytes
from stackyard.perf.op import causal_pairs
from stackyard.perf.overflow import Store
from stackyard.perf.precision import PRESETS
from stackyard.perf.serving import PLAIN, Serving, accepted, guesser_bytes, guesses

KNOWN = catalog.load()
B200 = KNOWN.accelerator("b200")
MLA, DENSE, WINDOW = (KNOWN.model(name) for name in ("deepseek-v3", "llama-3.1-70b", "gpt-oss-120b"))
SMALL = KNOWN.model("llama-3.1-8b")
FP8 = PRESETS["fp8"]

shares = st.floats(0.0, 1.0)


def asked(model=MLA, serving=PLAIN, layout=None, batch=64, prompt=4000, output=500, **more):
    return estimate(model, B200, layout or Layout(8, 1, 1, 8), batch, prompt, output, "fp8", serving=serving, **more)


@given(draft=st.integers(0, 12), acceptance=shares)
def test_a_step_yields_between_one_token_and_all(draft, acceptance):
    by_terms = sum(acceptance**place for place in range(draft + 1))
    assert accepted(float(draft), acceptance) == pytest.approx(by_terms, rel=1e-6)
    assert 1.0 <= accepted(float(draft), acceptance) <= draft + 1 + 1e-9


@given(acceptance=shares)
def test_no_guesses_are_plain_serving(acceptance):
    plain, none = asked(), asked(serving=Serving(draft=0.0, acceptance=acceptance))
    assert (none.ttft, none.tpot, none.output_rate, none.watts) == (
        plain.ttft,
        plain.tpot,
        plain.output_rate,
        plain.watts,
    )


@settings(max_examples=20, deadline=None)
@given(draft=st.integers(1, 6), batch=st.integers(1, 256))
def test_guesses_that_never_hold_only_cost(draft, batch):
    plain, wrong = asked(batch=batch), asked(batch=batch, serving=Serving(float(draft), 0.0))
    assert wrong.tpot > plain.tpot and wrong.output_rate < plain.output_rate
    assert wrong.memory.total > plain.memory.total


@settings(max_examples=20, deadline=None)
@given(draft=st.integers(1, 6), low=shares, high=shares)
def test_more_acceptance_is_never_slower(draft, low, high):
    low, high = sorted((low, high))
    slow, fast = (asked(serving=Serving(float(draft), share)) for share in (low, high))
    assert fast.tpot <= slow.tpot * (1 + 1e-9) and fast.output_rate >= slow.output_rate * (1 - 1e-9)


def test_verifying_reads_the_cache_once_and_scores_every_guess():
    one, four = (lower.decode(DENSE, Layout(), FP8, 8.0, 1000.0, queries) for queries in (1.0, 4.0))
    before, after = (next(op for op in ops if op.kind == "decode") for ops in (one, four))
    assert after.flop / before.flop == pytest.approx(4 * (1000 + 1.5) / 1000)
    assert after.bytes < 1.1 * before.bytes
    head = [next(op for op in ops if op.name == "head").flop for ops in (one, four)]
    assert head[1] == 4 * head[0]


def test_a_guess_of_the_next_token_layer_is_one_layer_a_projection_and_the_head():
    layout, hidden = Layout(), float(MLA.hidden)
    ops = guesses(MLA, layout, FP8, Serving(1.0, 0.8), 1.0, 1000.0)
    whole = lower.decode(MLA, layout, FP8, 1.0, 1000.0)
    experts = next(op for op in whole if op.name == "experts")
    own = next(op for op in ops if op.name == "draft_experts")
    assert own.flop == experts.flop and own.count == 1.0 and experts.count == MLA.layers - MLA.experts.dense_layers
    assert next(op for op in ops if op.name == "draft_project").flop == 2 * 2 * hidden * hidden
    weights, cache = guesser_bytes(MLA, layout, FP8, Serving(1.0, 0.8), 1000.0)
    layer = 11.6e9  # DeepSeek-V3's next-token layer: 14B with the tables that it shares (arXiv:2412.19437: 685B - 671B)
    assert weights == pytest.approx(layer, rel=0.05)
    assert cache == 1000.0 * (MLA.attention.latent + MLA.attention.rope_dim)


def test_a_drafter_adds_its_weights_and_must_share_the_vocabulary():
    serving = Serving(4.0, 0.7, SMALL)
    plain, drafted = (asked(DENSE, way, Layout(8)) for way in (PLAIN, serving))
    assert drafted.memory.weights - plain.memory.weights == pytest.approx(weight_bytes(SMALL, Layout(8), FP8))
    assert drafted.fits
    assert asked(WINDOW, serving, Layout(8)).why[0].startswith("the draft model Llama-3.1-8B has another vocabulary")
    assert "no next-token layer" in asked(DENSE, Serving(1.0, 0.5), Layout(8)).why[0]


@settings(max_examples=30, deadline=None)
@given(new=st.integers(1, 5000), prefix=st.integers(0, 5000), window=st.sampled_from([np.inf, 128.0, 2000.0]))
def test_a_prefix_and_the_rest_are_the_whole_prompt(new, prefix, window):
    whole = causal_pairs(float(prefix + new), window) - causal_pairs(float(prefix), window)
    by_token = sum(min(place, window) for place in range(prefix + 1, prefix + new + 1))
    assert whole == pytest.approx(by_token)


@settings(max_examples=20, deadline=None)
@given(low=shares, high=shares, model=st.sampled_from([MLA, DENSE, WINDOW]))
def test_more_hits_are_never_slower_and_take_the_same_cache(low, high, model):
    low, high = sorted((low, high))
    cold, warm = (asked(model, Serving(prefix=share), Layout(8)) for share in (low, high))
    assert warm.ttft <= cold.ttft * (1 + 1e-9)
    assert warm.output_rate >= cold.output_rate * (1 - 1e-9)
    assert warm.memory.cache == cold.memory.cache


def test_no_hits_are_plain_serving_and_a_hit_prompt_is_still_attended_to():
    assert asked(serving=Serving(prefix=0.0)).ttft == asked().ttft
    ops = lower.prefill(DENSE, Layout(), FP8, 1.0, 100.0, 900.0)
    attention = next(op for op in ops if op.kind == "prefill")
    alone = next(op for op in lower.prefill(DENSE, Layout(), FP8, 1.0, 100.0) if op.kind == "prefill")
    assert attention.flop / alone.flop == pytest.approx(
        (causal_pairs(1000.0) - causal_pairs(900.0)) / causal_pairs(100.0)
    )


@settings(max_examples=20, deadline=None)
@given(batch=st.integers(1, 4000), rate=st.floats(1e9, 1e12))
def test_overflow_holds_what_memory_cannot_and_a_slow_store_is_waited_for(batch, rate):
    store = Store(1e12, rate)
    plain, behind = (asked(DENSE, way, Layout(8), batch, 4000, 500) for way in (PLAIN, Serving(store=store)))
    whole = plain.memory.cache
    assert behind.memory.cache + behind.memory.overflow == pytest.approx(whole)
    assert behind.memory.largest_batch > plain.memory.largest_batch
    assert behind.step_seconds == pytest.approx(max(plain.step_seconds, behind.memory.overflow / rate))
    if plain.fits:
        assert behind.memory.overflow == 0 and behind.tpot == plain.tpot


def test_overflow_does_not_hold_weights():
    big = KNOWN.model("llama-3.1-405b")
    assert not asked(big, Serving(store=Store(1e13, 1e12)), Layout(1), 1).fits


def test_arrays_are_scalars_in_every_way_of_serving():
    ways = (Serving(3.0, 0.7), Serving(prefix=0.4), Serving(store=Store(2e11, 5e10)), Serving(2.0, 0.6, None, 0.3))
    for serving in ways:
        batches = np.array([1.0, 37.0, 900.0])
        many = asked(serving=serving, batch=batches)
        for place, batch in enumerate(batches):
            one = asked(serving=serving, batch=float(batch))
            for name in ("ttft", "tpot", "output_rate", "watts"):
                assert getattr(many, name)[place] == pytest.approx(getattr(one, name), rel=1e-12)


@pytest.mark.parametrize(
    "bad", [{"draft": 1.5}, {"draft": -1.0}, {"acceptance": 1.2}, {"prefix": -0.1}, {"prefix": np.nan}]
)
def test_shares_outside_their_range_are_refused(bad):
    with pytest.raises(ValueError):
        Serving(**bad)


@settings(max_examples=20, deadline=None)
@given(limit=st.floats(250.0, 1200.0), batch=st.integers(1, 512))
def test_a_power_limit_holds_and_lengthens(limit, batch):
    free, held = asked(batch=batch), asked(batch=batch, power=limit)
    for phase in ("prefill_watts", "decode_watts"):
        assert getattr(held, phase) <= min(limit, B200.tdp) * (1 + 1e-9)
    assert held.tpot >= free.tpot * (1 - 1e-12) and held.clock <= free.clock
    same = (held.tpot, held.ttft) == pytest.approx((free.tpot, free.ttft), rel=1e-9)
    assert same == (held.clock == pytest.approx(free.clock, rel=1e-9))


def test_at_the_rated_power_time_is_what_was_measured():
    chip = replace(B200, tdp=B200.tdp)
    assert estimate(MLA, chip, Layout(8, 1, 1, 8), 64, 4000, 500, "fp8", power=B200.tdp).tpot == asked().tpot


@pytest.mark.parametrize(
    "model", [m for m in KNOWN.models.values() if not architecture.unmodelled(m)], ids=lambda m: m.id
)
def test_every_modelled_model_serves_with_hits_and_a_store(model):
    found = asked(model, Serving(prefix=0.5, store=Store(1e11, 1e11)), Layout(8), 4, 1000, 100)
    assert np.isfinite(found.output_rate) and found.output_rate > 0
