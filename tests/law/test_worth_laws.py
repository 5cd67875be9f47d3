"""Laws of what memory is worth: never negative, nothing where nothing waits for it; the map agrees with the search."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stackyard import catalog
from stackyard.perf.estimate import estimate
from stackyard.perf.frontier import Workload
from stackyard.perf.layout import layouts
from stackyard.perf.memory_map import memory_map, merged, rates
from stackyard.perf.search import best
from stackyard.perf.whatif import Variant, scaled
from stackyard.perf.worth import optimum, worth

KNOWN = catalog.load()
MODELS = [KNOWN.model(name) for name in ("llama-3.1-8b", "llama-3.1-70b", "gpt-oss-120b", "deepseek-v3")]
CHIPS = [KNOWN.accelerator(name) for name in ("h100", "h200", "b200", "mi355x")]
models, chips = st.sampled_from(MODELS), st.sampled_from(CHIPS)


def own(chip):
    return Variant(chip, KNOWN.hbm[chip.hbm])


def service(model, tpot=0.05, ttft=2.0):
    return Workload(model, 900.0, 400.0, ttft, tpot)


@settings(max_examples=12, deadline=None)
@given(model=models, chip=chips, tpot=st.floats(0.02, 0.1))
def test_more_memory_is_never_worth_less_than_nothing_and_a_kept_point_gains_by_bandwidth_alone(model, chip, tpot):
    found = worth(service(model, tpot), own(chip), "fp8")
    if found is None:
        return
    regimes = {regime.name: {w.of: w for w in regime.worths} for regime in found.regimes}
    at = {regime.name: regime.at.rate for regime in found.regimes}
    assert at["full load"] >= at["objective"] * (1 - 1e-9)
    assert at["objective"] == pytest.approx(at["fixed"])
    for name, worths in regimes.items():
        for each in worths.values():
            assert each.elasticity >= -1e-9 or math.isnan(each.elasticity), (name, each)
    for name in ("fixed", "prefill", "decode"):
        assert regimes[name]["bandwidth"].elasticity <= 1 + 1e-9
        capacity = regimes[name]["capacity"].elasticity
        assert capacity == pytest.approx(0.0, abs=1e-9)
        assert regimes[name]["stack"].elasticity == pytest.approx(regimes[name]["bandwidth"].elasticity)


@settings(max_examples=10, deadline=None)
@given(model=models, chip=chips, by=st.floats(1.0, 3.0), which=st.sampled_from(["capacity", "bandwidth"]))
def test_the_optimum_never_falls_with_more_memory_and_is_no_worse_than_the_coarse_search(model, chip, by, which):
    asked, among = service(model), layouts(model, chip)
    less, more = (optimum(asked, each, "fp8", among) for each in (own(chip), scaled(own(chip), **{which: by})))
    coarse = best(model, chip, asked.prompt, asked.output, asked.ttft, asked.tpot, "fp8", among=among)
    if less is None:
        assert coarse.estimate is None
        return
    assert less.fits
    assert less.token_rate_per_accelerator >= coarse.token_rate
    assert more.token_rate_per_accelerator >= less.token_rate_per_accelerator * (1 - 5e-3)  # batches are a grid


@settings(max_examples=8, deadline=None)
@given(model=models, chip=chips, capacity=st.floats(2e10, 1e12), bandwidth=st.floats(1e12, 4e13))
def test_a_place_on_the_map_is_what_the_search_finds_with_that_memory(model, chip, capacity, bandwidth):
    asked, among = service(model), layouts(model, chip)
    sizes = np.array([capacity / 2, capacity, capacity * 2])
    here = rates(asked, own(chip), "fp8", sizes, np.array([bandwidth]), among)[0, 1]
    changed = replace(chip, memory=capacity, bandwidth=bandwidth)
    point = optimum(asked, Variant(changed, None), "fp8", among)
    assert (point is None) == math.isnan(here)
    if point is not None:
        step = 2 ** (1 / 32) - 1  # the map tries 32 batches to a doubling, and no rate rises faster than its batch
        assert here == pytest.approx(point.token_rate_per_accelerator, rel=step + 1e-6)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.id)
def test_the_map_rises_with_capacity_and_with_bandwidth_and_has_every_memory_on_record(model):
    found = memory_map(service(model), own(CHIPS[1]), "fp8", KNOWN.accelerators.values(), KNOWN.hbm.values(), points=7)
    plain = np.nan_to_num(found.rate, nan=0.0)
    assert (np.diff(plain, axis=0) >= 0).all()
    assert (np.diff(plain, axis=1) >= 0).all()
    names = {place.name for place in found.places}
    assert {chip.name for chip in CHIPS} <= names
    assert "with HBM4 12-high" in names
    assert all(fact.sources for place in found.places for fact in place.facts if place.kind == "stacks")
    groups = merged(found.places)
    assert sum(map(len, groups)) == len(found.places)
    assert [place.kind for place in groups[0]] == ["own"]
    assert found.capacity[0] < min(place.capacity for place in found.places)
    assert found.bandwidth[-1] > max(place.bandwidth for place in found.places)


def test_an_elasticity_is_the_slope_of_the_rate_and_the_other_worths_follow_from_it():
    chip = CHIPS[1]
    found = worth(service(MODELS[1]), own(chip), "fp8")
    fixed = found.regimes[2]
    bandwidth = fixed.worths[1]
    near = []
    for factor in (1.1, 0.9):
        changed = replace(chip, bandwidth=chip.bandwidth * factor)
        one = estimate(MODELS[1], changed, found.best.layout, found.best.batch, 900.0, 400.0, "fp8")
        near.append(math.log(one.token_rate_per_accelerator))
    assert bandwidth.elasticity == pytest.approx((near[0] - near[1]) / math.log(1.1 / 0.9))
    assert bandwidth.rate == pytest.approx(bandwidth.elasticity * fixed.at.rate * 1e12 / chip.bandwidth)
    assert bandwidth.break_even == pytest.approx(chip.price * bandwidth.rate / fixed.at.rate)
    assert bandwidth.rate_per_usd == pytest.approx(bandwidth.rate / chip.price)


def test_a_dollar_or_a_byte_of_another_size_changes_no_elasticity():
    chip = CHIPS[1]
    plain, other = (worth(service(MODELS[0]), own(each), "fp8") for each in (chip, replace(chip, price=chip.price / 3)))
    for one, two in zip(plain.regimes, other.regimes, strict=True):
        for a, b in zip(one.worths, two.worths, strict=True):
            assert (a.elasticity, a.rate) == (b.elasticity, b.rate)
            assert a.break_even == pytest.approx(3 * b.break_even)


def test_what_cannot_run_has_no_worth():
    assert worth(service(MODELS[1], tpot=1e-6), own(CHIPS[1]), "fp8") is None


def test_memory_that_is_not_stacked_has_no_worth_of_a_stack():
    found = worth(
        Workload(KNOWN.model("llama-3.1-8b"), 1000, 1000, 2.0, 0.05), Variant(KNOWN.accelerator("l40s"), None), "fp8"
    )
    assert found is not None
    assert {each.of for each in found.regimes[0].worths} == {"capacity", "bandwidth"}
