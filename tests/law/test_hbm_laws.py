"""Laws of the memory chain: conservation, monotony, limits, units, vector = scalar."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stackyard.hbm.geometry import gross_dies, murphy_yield, negative_binomial_yield, poisson_yield
from stackyard.hbm.ramp import ramp, slip
from stackyard.hbm.stack import implied_die_yield, net_bytes_per_wafer, stack_yield, stacks_from
from stackyard.hbm.supply import Line, balance, flow

share = st.floats(0.0, 1.0)
area = st.floats(20e-6, 400e-6)


@st.composite
def many_lines(draw: st.DrawFn) -> Line:
    """Three lines at once, with leads that may reach beyond the horizon."""
    months = draw(st.integers(1, 12))
    numbers = st.lists(st.floats(0, 1e5), min_size=3 * months, max_size=3 * months)
    each = st.lists(share, min_size=3, max_size=3).map(lambda values: np.array(values)[:, None])
    return Line(
        wafers=np.array(draw(numbers)).reshape(3, months),
        dies_per_wafer=draw(st.floats(100, 700)),
        die_yield=draw(each),
        height=draw(st.sampled_from([4, 8, 12, 16])),
        bond_yield=draw(each),
        test_yield=draw(each),
        lead_fab=draw(st.integers(0, 14)),
        lead_stack=draw(st.integers(0, 14)),
        lead_ship=draw(st.integers(0, 2)),
        base_dies=draw(st.one_of(st.just(np.inf), st.floats(0, 1e6))),
        core_dies_start=draw(st.floats(0, 1e6)),
        stacks_start=draw(st.floats(0, 1e5)),
    )


@settings(max_examples=150, deadline=None)
@given(many_lines())
def test_what_starts_is_shipped_scrapped_or_still_there(line: Line) -> None:
    found = flow(line)
    size = found.dies_started.sum() + line.core_dies_start + line.height * float(line.stacks_start) + 1
    assert np.all(np.abs(balance(found)) < 1e-9 * size)
    for name in ("dies_scrapped", "stacks_scrapped", "stacks_shipped", "dies_in_fab", "core_dies_in_stock"):
        assert np.all(getattr(found, name) >= -1e-9 * size), name


@settings(max_examples=50, deadline=None)
@given(many_lines())
def test_many_lines_at_once_equal_one_by_one(line: Line) -> None:
    together = flow(line).stacks_shipped
    for i in range(3):
        alone = Line(
            wafers=line.wafers[i],
            **{name: np.asarray(getattr(line, name))[i] for name in ("die_yield", "bond_yield", "test_yield")},
            **{name: getattr(line, name) for name in ("dies_per_wafer", "height", "lead_fab", "lead_stack")},
            **{name: getattr(line, name) for name in ("lead_ship", "base_dies", "core_dies_start", "stacks_start")},
        )
        np.testing.assert_allclose(together[i], flow(alone).stacks_shipped, rtol=1e-12)


@given(months=st.integers(1, 20), fab=st.integers(0, 30), stack=st.integers(0, 30))
def test_nothing_ships_before_the_lead_has_passed(months: int, fab: int, stack: int) -> None:
    line = Line(np.full(months, 10.0), 500, 0.8, 12, 0.99, 0.7, lead_fab=fab, lead_stack=stack)
    shipped = flow(line).stacks_shipped
    assert np.all(shipped[: line.lead] == 0)
    assert np.all(shipped[line.lead :] > 0)


def test_a_line_says_everything_that_is_wrong_with_it() -> None:
    with pytest.raises(ValueError, match=r"wafers must be 0 or more.*die_yield must lie in 0\.\.1.*leads 0 or more"):
        Line(np.array([-1.0, np.nan]), 500, 1.2, 12, 0.99, 0.7, lead_fab=-1, lead_stack=2)


@given(area, st.floats(1.01, 3))
def test_larger_dies_are_fewer_and_yield_less(small: float, factor: float) -> None:
    assert gross_dies(0.3, small * factor, 0.003) < gross_dies(0.3, small, 0.003)
    assert gross_dies(0.3, small, 0.003, scribe=1e-4) < gross_dies(0.3, small, 0.003)
    for shape in (poisson_yield, murphy_yield, lambda a, d: negative_binomial_yield(a, d, 2.0)):
        assert shape(small * factor, 2000.0) < shape(small, 2000.0)


@given(area, st.floats(0, 1e5))
def test_clustered_defects_spare_more_dies_and_no_clustering_is_poisson(die: float, defects: float) -> None:
    independent = poisson_yield(die, defects)
    assert 0 <= independent <= murphy_yield(die, defects) + 1e-12
    assert independent <= negative_binomial_yield(die, defects, 2.0) + 1e-12
    assert negative_binomial_yield(die, defects, 1e9) == pytest.approx(independent, rel=1e-5, abs=1e-9)
    assert murphy_yield(die, 0.0) == poisson_yield(die, 0.0) == 1.0


@given(area, st.floats(0, 1e4), st.sampled_from([1e-3, 1e3]))
def test_formulas_do_not_care_for_the_unit_of_length(die: float, defects: float, unit: float) -> None:
    assert gross_dies(0.3 * unit, die * unit**2, 0.003 * unit, 1e-4 * unit) == pytest.approx(
        gross_dies(0.3, die, 0.003, 1e-4), rel=1e-9
    )
    for shape in (poisson_yield, murphy_yield, lambda a, d: negative_binomial_yield(a, d, 2.0)):
        assert shape(die * unit**2, defects / unit**2) == pytest.approx(shape(die, defects), rel=1e-9)


@given(st.integers(1, 20), share, share)
def test_a_higher_stack_never_yields_more(height: int, bond: float, test: float) -> None:
    assert stack_yield(height + 1, bond, test) <= stack_yield(height, bond, test) <= test
    assert stack_yield(height, 1.0, 1.0) == 1.0


@given(st.floats(0, 1e9), st.floats(0, 1e8), st.integers(1, 16))
def test_the_scarcer_die_sets_the_number_of_stacks(core: float, base: float, height: int) -> None:
    stacks = stacks_from(core, height, base)
    assert stacks <= base
    assert stacks * height <= core * (1 + 1e-12) + 1e-300  # the smallest numbers have no digits left to divide
    assert stacks in (base, core / height)


@given(st.floats(100, 700), st.floats(0.01, 1), st.floats(0.01, 1), st.floats(1e8, 1e10))
def test_implied_yield_undoes_net_bytes(dies: float, die_yield: float, stacked: float, capacity: float) -> None:
    net = net_bytes_per_wafer(dies, die_yield, stacked, capacity)
    assert implied_die_yield(net, dies, stacked, capacity) == pytest.approx(die_yield)


def test_arrays_give_what_numbers_give() -> None:
    areas = np.array([92e-6, 121e-6, 145e-6])
    for formula in (
        lambda a: gross_dies(0.3, a, 0.003),
        lambda a: murphy_yield(a, 2000.0),
        lambda a: negative_binomial_yield(a, 2000.0, 2.0),
    ):
        np.testing.assert_array_equal(formula(areas), [formula(a) for a in areas])
        assert isinstance(formula(areas[0]), float)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=30), st.integers(0, 40))
def test_a_slip_moves_and_never_makes(values: list[float], months: int) -> None:
    late = slip(values, months)
    assert late.shape == (len(values),)
    np.testing.assert_array_equal(late[months:], values[: max(len(values) - months, 0)])
    assert np.all(late[:months] == 0)
    with pytest.raises(ValueError, match="cannot slip"):
        slip(values, -1)


@pytest.mark.parametrize("shape", ["linear", "s"])
def test_ramps_start_low_end_high_and_never_turn(shape: str) -> None:
    months = range(-3, 20)
    found = ramp(months, start=2, duration=9, low=10.0, high=40.0, shape=shape)  # type: ignore[arg-type]
    assert np.all(found[:6] == 10.0)
    assert np.all(found[14:] == 40.0)
    assert np.all(np.diff(found) >= 0)
    assert found[5:15].sum() == pytest.approx(250.0)  # both shapes move the same total
    several = ramp(months, 2, 9, np.array([10.0, 50.0]), np.array([40.0, 0.0]), shape)  # type: ignore[arg-type]
    np.testing.assert_array_equal(several[0], found)
    assert several.shape == (2, len(months))


def test_a_ramp_without_duration_is_a_step() -> None:
    assert ramp(range(4), 1, 0, 0.0, 1.0).tolist() == [0.0, 0.0, 1.0, 1.0]


def test_a_wafer_that_is_all_edge_has_no_dies():
    assert gross_dies(0.0, 121e-6, 0.003) == 0.0
    assert gross_dies(0.3, 121e-6, 0.2) == 0.0
