"""Laws of the search over layouts, batches and precisions: nothing is lost, nothing kept is bettered, arrays agree."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stackyard import catalog
from stackyard.perf import architecture
from stackyard.perf.cost import Prices, cost_per_token
from stackyard.perf.frontier import Workload, candidates, frontier
from stackyard.perf.layout import layouts
from stackyard.perf.pareto import pareto
from stackyard.perf.whatif import Variant

KNOWN = catalog.load()
MODELLED = [model for model in KNOWN.models.values() if not architecture.unmodelled(model)]
CHIPS = [KNOWN.accelerator(name) for name in ("h200", "b200", "mi355x")]
PRICES = Prices(40_000.0, 1.6e8, 1.4e-8)


def search(model, chip, ttft=2.0, tpot=0.05, precisions=("bf16", "fp8"), prices=PRICES, prompt=900.0, output=300.0):
    asked = Workload(model, prompt, output, ttft, tpot)
    among = candidates(model, 8, 16)
    return frontier(asked, Variant(chip, KNOWN.hbm[chip.hbm]), among, prices, precisions)


points = st.lists(st.tuples(*[st.integers(0, 6)] * 3), max_size=60)


@given(points)
def test_the_pareto_set_is_what_a_double_loop_finds(rows):
    costs = np.array(rows, dtype=float).reshape(-1, 3)
    found = {tuple(costs[i]) for i in pareto(costs)}
    every = {tuple(row) for row in costs}
    worse = {a for a in every for b in every if b != a and all(x <= y for x, y in zip(b, a, strict=True))}
    never = every - worse
    assert found == never
    assert len(found) == len(pareto(costs))  # of equal points one


@given(points, st.floats(1e-3, 1e3))
def test_other_units_leave_the_pareto_set_as_it_is(rows, factor):
    costs = np.array(rows, dtype=float).reshape(-1, 3)
    assert np.array_equal(pareto(costs), pareto(costs * np.array([factor, 1.0, 1 / factor])))


def test_costs_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="finite"):
        pareto(np.array([[1.0, math.nan]]))


@settings(max_examples=15, deadline=None)
@given(
    model=st.sampled_from(MODELLED),
    chip=st.sampled_from(CHIPS),
    ttft=st.floats(0.05, 5),
    tpot=st.floats(0.004, 0.1),
)
def test_every_point_is_kept_or_counted_and_no_kept_one_is_dominated(model, chip, ttft, tpot):
    found = search(model, chip, ttft, tpot)
    kept = found.points
    assert found.tried == len(kept.tpot) + sum(found.discarded.values())
    assert (kept.ttft <= ttft).all()
    assert (kept.tpot <= tpot).all()
    costs = np.stack([kept.tpot, -kept.token_rate, kept.joules_per_token], axis=1)
    for i in found.pareto:
        better = (costs <= costs[i]).all(axis=1) & (costs < costs[i]).any(axis=1)
        assert not better.any()
    values = {
        "rate": -kept.token_rate,
        "cost": kept.cost_per_token,
        "energy": kept.joules_per_token,
        "latency": kept.tpot,
    }
    for kind, index in found.best.items():
        assert index in found.pareto
        assert values[kind][index] == values[kind].min()
    assert set(found.curve) <= set(found.pareto)
    if len(kept.tpot):
        assert found.best.keys() == values.keys()
        assert found.nearest is None
    else:
        assert found.why
        assert not found.best


@settings(max_examples=10, deadline=None)
@given(model=st.sampled_from(MODELLED), chip=st.sampled_from(CHIPS), seed=st.integers(0, 1000))
def test_a_point_is_what_one_estimate_gives(model, chip, seed):
    found = search(model, chip, math.inf, math.inf)
    if not len(found.points.tpot):
        return
    index = int(np.random.default_rng(seed).integers(len(found.points.tpot)))
    one = found.at(index)
    assert one.fits
    for name, value in (
        ("ttft", one.ttft),
        ("tpot", one.tpot),
        ("token_rate", one.token_rate_per_accelerator),
        ("watts", one.watts),
        ("joules_per_token", one.joules_per_token),
        ("cost_per_token", cost_per_token(PRICES, one.watts, one.token_rate_per_accelerator)),
    ):
        assert getattr(found.points, name)[index] == pytest.approx(value, rel=1e-12)
    row = found.row(index)
    assert row["accelerators"] == one.accelerators


@settings(max_examples=10, deadline=None)
@given(
    model=st.sampled_from(MODELLED),
    which=st.sampled_from(["bandwidth", "memory"]),
    by=st.floats(1.0, 4.0),
    tpot=st.floats(0.01, 0.1),
)
def test_more_bandwidth_or_capacity_never_lowers_the_best_rate(model, which, by, tpot):
    chip = CHIPS[0]
    old = search(model, chip, tpot=tpot)
    new = search(model, replace(chip, **{which: getattr(chip, which) * by}), tpot=tpot)
    assert len(new.points.tpot) >= len(old.points.tpot)
    if old.best:
        assert new.points.token_rate[new.best["rate"]] >= old.points.token_rate[old.best["rate"]] * (1 - 1e-12)


@given(dollar=st.floats(1e-3, 1e3), watts=st.floats(1, 3e3), rate=st.floats(1, 1e5))
def test_cost_scales_with_the_dollar_and_is_unknown_without_a_price(dollar, watts, rate):
    other = Prices(PRICES.package * dollar, PRICES.life, PRICES.electricity * dollar)
    assert cost_per_token(other, watts, rate) == pytest.approx(dollar * cost_per_token(PRICES, watts, rate))
    assert math.isnan(cost_per_token(Prices(math.nan, 1.0, 1.0), watts, rate))


def test_without_a_price_there_is_no_cheapest_and_the_rest_is_the_same():
    model, chip = KNOWN.model("llama-3.1-8b"), CHIPS[0]
    known, unknown = search(model, chip), search(model, chip, prices=Prices(math.nan, 1.6e8, 1.4e-8))
    assert set(known.best) - set(unknown.best) == {"cost"}
    assert np.array_equal(known.pareto, unknown.pareto)
    assert unknown.row(unknown.best["rate"])["usd_per_token"] is None
    assert unknown.summary()["best"].keys() == unknown.best.keys()


@pytest.mark.parametrize("model", MODELLED, ids=lambda model: model.id)
def test_every_layout_that_best_looks_at_is_among_the_candidates(model):
    every, some = candidates(model, 8, 64), layouts(model, CHIPS[0])
    here, known = (
        set(map(tuple, np.stack([each.tensor, each.pipeline, each.data, each.expert], axis=1).tolist()))
        for each in (every, some)
    )
    assert {row for row in known if row[0] in (1, 2, 4, 8)} <= here


def test_where_nothing_fits_the_narrowest_wider_layout_is_told():
    found = search(KNOWN.model("llama-3.1-405b"), KNOWN.accelerator("h100"), precisions=("bf16",))
    assert found.nearest is None or found.nearest.fits
    narrow = frontier(
        Workload(KNOWN.model("llama-3.1-405b")),
        Variant(KNOWN.accelerator("h100"), None),
        candidates(KNOWN.model("llama-3.1-405b"), 8, 8),
        PRICES,
        ["bf16"],
    )
    assert narrow.nearest.fits
    assert float(narrow.nearest.accelerators) == 16
    assert "16 accelerators" in narrow.why[0]
    late = search(KNOWN.model("llama-3.1-8b"), CHIPS[0], tpot=1e-6)
    assert late.nearest.tpot > 1e-6
    assert "quick enough" in late.why[0]


def test_bad_questions_are_refused():
    model = KNOWN.model("llama-3.1-8b")
    with pytest.raises(ValueError, match="prompt, tpot must be positive"):
        Workload(model, prompt=0, tpot=-1)
    with pytest.raises(ValueError, match="did you mean 'fp8'"):
        search(model, CHIPS[0], precisions=["fp9"])
