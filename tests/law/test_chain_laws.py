"""Laws of the longer chain: tests, learning, lead times, packages, trade; nothing appears, order is kept."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stackyard.catalog import load
from stackyard.hbm.chain import chain
from stackyard.hbm.constants import facts
from stackyard.hbm.geometry import YIELD_MODELS, die_yield, implied_defects, known_good
from stackyard.hbm.lead import LeadTime, arrivals
from stackyard.hbm.learning import cumulative, learned_defects
from stackyard.hbm.packaging import packages_from, stacks_lost
from stackyard.hbm.stack import stack_yield
from stackyard.hbm.supply import Line, balance, flow, holding_cost
from stackyard.hbm.trade import displaced, forgone, implied_trade_ratio
from stackyard.source import Grade

share = st.floats(0.0, 1.0)
models = st.sampled_from(sorted(YIELD_MODELS))


@st.composite
def leads(draw: st.DrawFn) -> LeadTime:
    low, likely, high = sorted(draw(st.lists(st.floats(0, 12), min_size=3, max_size=3)))
    return LeadTime(low, likely, high)


@given(models, st.floats(20e-6, 900e-6), st.floats(0.01, 0.999), st.floats(0.5, 10))
def test_a_yield_names_its_defects(model: str, area: float, good: float, clustering: float) -> None:
    defects = implied_defects(model, area, good, clustering)
    if area * float(defects) < 49:
        assert die_yield(model, area, defects, clustering) == pytest.approx(good, rel=1e-6)


def test_an_unknown_yield_model_is_refused() -> None:
    with pytest.raises(KeyError):
        die_yield("seeds-and-hope", 1e-4, 1.0)


@given(share, share, share)
def test_a_wafer_test_keeps_the_good_and_some_of_the_bad(good: float, coverage: float, repair: float) -> None:
    kept, quality = known_good(good, coverage, repair)
    assert good - 1e-12 <= kept <= 1 + 1e-12
    assert 0 <= quality <= 1 + 1e-12
    assert kept * quality == pytest.approx(good + (1 - good) * repair)
    assert known_good(good, 1.0, repair)[1] == pytest.approx(1.0)
    assert known_good(good, 1.0)[0] == pytest.approx(good)


@given(st.integers(1, 16), share, share, share, share, share)
def test_better_dies_and_repair_never_lose_stacks(
    height: int, bond: float, test: float, quality: float, base: float, repair: float
) -> None:
    plain = stack_yield(height, bond, test, quality, base, repair)
    assert 0 <= plain <= stack_yield(height, bond, test, 1.0, base, repair) + 1e-12
    assert plain <= stack_yield(height, bond, test, quality, base, min(1.0, repair + 0.1)) + 1e-12
    assert stack_yield(height, bond, test, repair=1.0) == pytest.approx(test)


@given(st.floats(1, 1e5), st.floats(1, 1e4), st.floats(0, 0.9), share)
def test_learning_only_lowers_defects_and_stops_at_the_floor(
    first: float, volume: float, rate: float, low: float
) -> None:
    floor = low * first
    here, later = learned_defects(first, np.array([volume, 2 * volume]), 1.0, rate, floor)
    assert floor * (1 - 1e-9) <= later <= here * (1 + 1e-12) <= first * (1 + 1e-9)
    assert later - floor == pytest.approx((here - floor) * (1 - rate), rel=1e-9, abs=1e-9 * first)
    assert learned_defects(first, 0.5, 1.0, rate, floor) == pytest.approx(first)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=24), st.floats(0, 1e7))
def test_cumulative_volume_ends_half_a_month_before_the_total(starts: list[float], before: float) -> None:
    made = cumulative(np.array(starts), before)
    assert made[-1] == pytest.approx(before + sum(starts) - starts[-1] / 2)
    assert np.all(np.diff(made) >= -1e-6)


@given(leads())
def test_weights_of_a_lead_time_are_a_distribution_with_its_mean(lead: LeadTime) -> None:
    weights = lead.weights
    assert np.all(weights >= -1e-12) and weights.sum() == pytest.approx(1)
    assert np.arange(len(weights)) @ weights == pytest.approx(lead.mean, abs=0.51)  # whole months stand for half ones
    for part in (0.1, 0.5, 0.9):
        assert lead.low - 1e-6 <= lead.quantile(part) <= lead.high + 1e-6
        if lead.high > lead.low + 0.01:
            assert lead.share_by(lead.quantile(part)) == pytest.approx(part, abs=1e-6)


@given(leads(), st.lists(st.floats(0, 1e6), min_size=1, max_size=40))
def test_what_enters_a_step_leaves_it_later_or_is_inside(lead: LeadTime, entered: list[float]) -> None:
    values = np.array(entered)
    left = arrivals(values, lead.weights)
    assert left.sum() <= values.sum() * (1 + 1e-9)
    assert np.all(np.cumsum(left) <= np.cumsum(values) * (1 + 1e-9) + 1e-9)
    longer = np.append(values, np.zeros(len(lead.weights)))
    assert arrivals(longer, lead.weights).sum() == pytest.approx(values.sum())


@given(st.integers(0, 12), st.lists(st.floats(0, 1e6), min_size=1, max_size=24))
def test_a_certain_lead_time_is_a_delay(months: int, entered: list[float]) -> None:
    certain = LeadTime(months, months, months).weights
    np.testing.assert_allclose(arrivals(entered, certain), arrivals(entered, months))


def test_lead_times_out_of_order_and_weights_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="low <= likely <= high"):
        LeadTime(5, 4, 6)
    with pytest.raises(ValueError, match="sum to 1"):
        arrivals([1.0], [0.5, 0.4])


@settings(max_examples=60, deadline=None)
@given(leads(), leads(), share, share, st.lists(st.floats(0, 1e5), min_size=1, max_size=18))
def test_a_line_with_uncertain_leads_and_bad_dies_keeps_its_balance(
    fab: LeadTime, stack: LeadTime, quality: float, repair: float, wafers: list[float]
) -> None:
    line = Line(
        np.array(wafers), 500, 0.7, 12, 0.98, 0.9, fab.weights, stack.weights, die_quality=quality, bond_repair=repair
    )
    found = flow(line)
    assert np.all(np.abs(balance(found)) < 1e-9 * (found.dies_started.sum() + 1))
    assert found.stacks_shipped.sum() <= found.dies_started.sum() / 12 + 1e-9
    for name in ("dies_in_fab", "core_dies_in_stock", "stacks_in_assembly", "stacks_in_stock"):
        assert np.all(getattr(found, name) >= -1e-6), name


@given(st.floats(0, 1e7), st.integers(1, 16), st.floats(0.1, 1), st.floats(0, 1e5), st.floats(1, 30))
def test_packages_use_no_more_than_there_is(
    stacks: float, each: int, good: float, wafers: float, per_wafer: float
) -> None:
    made = packages_from(stacks, each, good, wafers, per_wafer)
    assert made * each + stacks_lost(made, each, good) <= stacks * (1 + 1e-9) + 1e-9
    assert made / good <= wafers * per_wafer * (1 + 1e-9) + 1e-300


@given(st.floats(0, 1e18), st.floats(1, 6), st.floats(1e-9, 3e-8), st.floats(1e-9, 3e-8))
def test_displaced_bits_and_sales_follow_the_ratio(shipped: float, ratio: float, ddr5: float, hbm: float) -> None:
    assert displaced(shipped, ratio) == pytest.approx(ratio * shipped)
    assert forgone(shipped, ratio, ddr5, ratio * ddr5) == pytest.approx(0, abs=1e-9 * shipped * ddr5 + 1e-12)
    assert forgone(shipped, ratio, ddr5, hbm) >= forgone(shipped, ratio, ddr5, 2 * hbm)
    assert implied_trade_ratio(1.0, 0.6, 0.6) == pytest.approx(1.0)


@given(st.floats(0, 1e6), st.floats(0, 1e3), st.floats(0, 1e-8))
def test_holding_costs_its_worth_in_proportion(stock: float, worth: float, rate: float) -> None:
    once = holding_cost(stock, worth, rate, 1e6)
    assert once == pytest.approx(2 * holding_cost(stock, worth, rate, 0.5e6))


@pytest.mark.parametrize("maker", ["industry", "sk-hynix", "samsung", "micron"])
@pytest.mark.parametrize("product", ["hbm3", "hbm3e", "hbm4", "hbm4e"])
def test_a_chain_is_proportional_to_its_wafers_and_never_grows(product: str, maker: str) -> None:
    generation = load().generation(product)
    for height in generation.heights:
        one, many = chain(generation, height, maker), chain(generation, height, maker, 1e4)
        for step, other in zip(one.steps, many.steps, strict=True):
            assert other.amount == pytest.approx(1e4 * step.amount)
            assert step.low <= step.high
        dies, passed = one["gross core dies"].amount, one["dies after wafer test"].amount
        assert dies >= passed >= one["good stacks"].amount * height
        assert one["stacks started"].amount * height == pytest.approx(passed)
        assert chain(generation, height, maker, volume=2.0)["good stacks"].amount > one["good stacks"].amount
        assert one["capacity shipped"].amount == pytest.approx(one["good stacks"].amount * generation.capacity[height])


def test_a_chain_tells_the_same_interval_each_time_and_what_it_rests_on() -> None:
    first, again = (chain(load().generation("hbm4"), 12, "samsung", 1e4) for _ in range(2))
    assert first.steps == again.steps
    paths = {fact.path for fact in first.facts}
    assert {"hbm.hbm4.die_area", "chain.defects.samsung", "supply.yields.per-layer-bond-yield"} <= paths
    for model in YIELD_MODELS:
        assert chain(load().generation("hbm4"), 12, model=model)["good stacks"].amount > 0  # type: ignore[arg-type]


def test_a_chain_that_cannot_be_is_refused() -> None:
    generation = load().generation("hbm4")
    with pytest.raises(ValueError, match="does not come with 10"):
        chain(generation, 10)
    with pytest.raises(ValueError, match="below 1"):
        chain(generation, 12, volume=0.5)


def test_every_constant_of_the_chain_has_a_source_or_a_reason_and_lies_in_its_range() -> None:
    for path, fact in facts().items():
        assert fact.sources or (fact.grade is Grade.ASSUMED and fact.note), path
        assert fact.si_low <= fact.si <= fact.si_high, path
