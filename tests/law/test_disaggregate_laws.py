"""Laws of two pools: conservation, limits, monotonicity, the transfer, and vector = scalar."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stackyard import catalog
from stackyard.perf import schedule
from stackyard.perf.disaggregate import Pool, Service, disaggregate, transfer_seconds
from stackyard.perf.estimate import estimate
from stackyard.perf.layout import Layout
from stackyard.perf.memory import sequence_bytes
from stackyard.perf.pools import best_pools, loaded
from stackyard.perf.precision import PRESETS
from stackyard.perf.serving import Serving

KNOWN = catalog.load()
MODEL, MLA = KNOWN.model("llama-3.1-70b"), KNOWN.model("deepseek-v3")
H200, GB200 = KNOWN.accelerator("h200"), KNOWN.accelerator("gb200")
ASKED = Service(MODEL, H200, 4000.0, 500.0, "fp8")
FOUR = Layout(tensor=4.0)


@settings(max_examples=25, deadline=None)
@given(batch=st.integers(1, 2000), makers=st.integers(1, 6), workers=st.integers(1, 6))
def test_every_request_is_in_one_place_and_no_pool_does_more_than_it_can(batch, makers, workers):
    found = disaggregate(ASKED, Pool(FOUR, float(makers)), Pool(FOUR, float(workers)), float(batch))
    life = found.ttft + (ASKED.output - 1.0) * found.tpot
    assert found.requests * life == pytest.approx(batch, rel=1e-3)
    assert 0 < found.busy <= 1.0
    most = makers * found.prefill.output_rate  # one-token outputs: requests a second of full passes
    assert found.requests <= most * (1 + 1e-2)


@settings(max_examples=20, deadline=None)
@given(batch=st.integers(1, 1500), more=st.integers(1, 4))
def test_more_workers_and_more_requests_never_serve_less(batch, more):
    service = replace(ASKED, chip=GB200)  # all in one scale-up domain: wider pools of an HGX send over slower links
    base = disaggregate(service, Pool(FOUR), Pool(FOUR), float(batch)).requests
    assert disaggregate(service, Pool(FOUR, 1.0 + more), Pool(FOUR), float(batch)).requests >= base * (1 - 1e-6)
    assert disaggregate(service, Pool(FOUR), Pool(FOUR, 1.0 + more), float(batch)).requests >= base * (1 - 1e-6)
    assert disaggregate(service, Pool(FOUR), Pool(FOUR), float(batch + more)).requests >= base * (1 - 1e-6)


def test_with_prefill_to_spare_the_decode_pool_is_all_decode():
    many = disaggregate(ASKED, Pool(FOUR, 1000.0), Pool(FOUR), 64.0)
    alone = ASKED.decode(FOUR, float(many.decode.batch))
    assert many.tpot == alone.tpot
    plain = estimate(MODEL, H200, FOUR, float(many.decode.batch), 4000.0, 500.0, "fp8")
    assert many.tpot == pytest.approx(plain.step_seconds)  # a decode step that no prefill of others interrupts
    assert many.tpot < plain.tpot


def test_a_decode_pool_takes_no_prompts():
    found = ASKED.decode(FOUR, 32.0)
    assert found.regime == schedule.DECODE_POOL and found.prefill_share == 0
    assert found.output_rate == pytest.approx(32.0 * 500.0 / (499.0 * found.tpot))


@settings(max_examples=25, deadline=None)
@given(factor=st.floats(1.0, 1e6))
def test_a_faster_fabric_only_takes_the_transfer_away(factor):
    slow = disaggregate(ASKED, Pool(FOUR), Pool(FOUR, 2.0), 16.0)
    quick = replace(ASKED, chip=replace(H200, scale_out=H200.scale_out * factor))
    fast = disaggregate(quick, Pool(FOUR), Pool(FOUR, 2.0), 16.0)
    assert fast.transfer_seconds == pytest.approx(slow.transfer_seconds / factor)
    assert fast.ttft <= slow.ttft * (1 + 1e-6) and fast.requests >= slow.requests * (1 - 1e-6)


def test_the_cache_is_what_is_sent_and_one_domain_sends_it_by_its_own_links():
    precision = PRESETS["fp8"]
    held = sequence_bytes(MODEL, FOUR, precision, 4000.0)
    across = transfer_seconds(ASKED, Pool(FOUR), Pool(FOUR, 2.0))
    inside = transfer_seconds(ASKED, Pool(FOUR), Pool(FOUR))
    assert inside / across == pytest.approx(H200.scale_out / H200.scale_up, rel=0.5)
    assert across * H200.scale_out > held  # never faster than the printed rate
    latent = Service(MLA, GB200, 4000.0, 500.0, "fp8")
    wide, narrow = (transfer_seconds(latent, Pool(FOUR), Pool(Layout(tensor=t), 1.0)) for t in (8.0, 4.0))
    assert wide == narrow  # a latent cache is held whole by every accelerator of a tensor group


def test_arrays_are_scalars():
    batches, workers = np.array([1.0, 40.0, 900.0]), np.array([1.0, 2.0, 5.0])
    layout = Layout(*(np.full(3, width) for width in (4.0, 1.0, 1.0, 1.0)))
    many = disaggregate(ASKED, Pool(layout), Pool(layout, workers), batches)
    for place in range(3):
        one = disaggregate(ASKED, Pool(FOUR), Pool(FOUR, float(workers[place])), float(batches[place]))
        for name in ("ttft", "tpot", "requests", "busy", "watts"):
            assert np.broadcast_to(getattr(many, name), 3)[place] == pytest.approx(getattr(one, name), rel=1e-6)


def test_guesses_and_hits_help_the_pool_they_belong_to():
    service = Service(MLA, GB200, 4000.0, 500.0, "fp8")
    pools = Pool(Layout(8.0, 1.0, 1.0, 8.0)), Pool(Layout(8.0, 1.0, 1.0, 8.0), 2.0)
    plain, guessed, hit = (
        disaggregate(replace(service, serving=way), *pools, 16.0)
        for way in (Serving(), Serving(2.0, 0.8), Serving(prefix=0.5))
    )
    assert guessed.tpot < plain.tpot and guessed.transfer_seconds == plain.transfer_seconds
    assert hit.busy < plain.busy and hit.ttft < plain.ttft


@pytest.mark.parametrize(
    ("service", "pool", "batch"),
    [
        (replace(ASKED, output=1.0), Pool(FOUR), 8.0),
        (ASKED, Pool(FOUR, 0.0), 8.0),
        (ASKED, Pool(FOUR, np.nan), 8.0),
        (ASKED, Pool(FOUR), -1.0),
        (ASKED, Pool(FOUR), np.inf),
    ],
)
def test_pools_that_are_none_are_refused(service, pool, batch):
    with pytest.raises(ValueError):
        disaggregate(service, pool, Pool(FOUR), batch)


def test_what_does_not_fit_says_in_which_pool():
    found = disaggregate(ASKED, Pool(Layout(tensor=3.0)), Pool(Layout(tensor=1.0)), 100000.0)
    assert not found.fits
    assert any(reason.startswith("prefill pool: tensor width") for reason in found.why)


def test_no_pair_of_pools_that_is_tried_beats_the_best_by_much():
    service, most = Service(MLA, GB200, 4000.0, 500.0, "fp8"), 72
    best = best_pools(service, 2.0, 0.03, most).found
    assert best.fits and best.accelerators <= most and best.ttft <= 2.0 and best.tpot <= 0.03
    layouts = [Layout(t, 1.0, d, t * d) for t, d in ((8.0, 1.0), (4.0, 2.0), (1.0, 8.0), (1.0, 16.0), (1.0, 32.0))]
    for first in layouts:
        for then in layouts:
            room = int((most - float(then.accelerators)) // float(first.accelerators))
            for makers in {1, max(room // 2, 1), max(room, 1)}:
                pools = Pool(first, float(makers)), Pool(then)
                if sum(float(pool.accelerators) for pool in pools) > most:
                    continue
                other = loaded(service, *pools, 2.0, 0.03).found
                if other is not None:
                    assert other.token_rate_per_accelerator <= 1.05 * best.token_rate_per_accelerator


def test_pools_that_cannot_be_say_why():
    assert "two pools take two accelerators" in best_pools(ASKED, 2.0, 0.05, 1).why[0]
    assert best_pools(ASKED, 2.0, 1e-6, 64).why[0].startswith("decode pool")
    assert best_pools(ASKED, 1e-6, 0.05, 64).why[0].startswith("prefill pool")
