"""Laws of goodput: limits, monotonicity, units, and one formula for scalars and arrays."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackyard.perf.training.goodput import best_interval, goodput, share, wall_time

stalls = st.floats(0.01, 600)
rates = st.floats(1e-8, 1e-3)
times = st.floats(1.0, 1e5)


@given(stall=stalls, rate=rates)
def test_no_other_interval_is_better(stall, rate):
    best = best_interval(stall, rate)
    kept = share(best, stall, 300.0, rate)
    assert all(kept >= share(best * factor, stall, 300.0, rate) * (1 - 1e-12) for factor in (0.5, 0.9, 1.1, 2.0))


@given(stall=stalls, rate=rates, factor=st.floats(1e-3, 1e3))
def test_a_change_of_the_unit_of_time_changes_nothing(stall, rate, factor):
    assert best_interval(stall * factor, rate / factor) == pytest.approx(factor * best_interval(stall, rate), rel=1e-6)
    here = share(3600.0, stall, 300.0, rate)
    assert share(3600.0 * factor, stall * factor, 300.0 * factor, rate / factor) == pytest.approx(here)


def test_youngs_interval_is_the_limit_of_cheap_checkpoints():
    assert best_interval(0.01, 1e-6) == pytest.approx(np.sqrt(2 * 0.01 / 1e-6), rel=1e-3)


def test_without_failures_only_the_stall_is_lost():
    assert wall_time(90.0, 10.0, 1e6, 0.0) == 100.0
    assert share(90.0, 10.0, 1e6, 0.0) == 0.9
    assert best_interval(10.0, 0.0) == np.inf


@given(stall=stalls, rate=rates, interval=times, restart=times, more=st.floats(1.0, 10.0))
def test_more_failures_and_longer_stalls_and_restarts_never_help(stall, rate, interval, restart, more):
    if rate * more * (interval + stall * more + restart * more) > 200:
        return
    here = share(interval, stall, restart, rate)
    assert share(interval, stall, restart, rate * more) <= here * (1 + 1e-9)
    assert share(interval, stall * more, restart, rate) <= here * (1 + 1e-9)
    assert share(interval, stall, restart * more, rate) <= here * (1 + 1e-9)


def test_arrays_and_scalars_give_the_same_numbers():
    counts = np.array([64.0, 1024.0, 16384.0])
    many = goodput(counts, 405e9)
    for index, count in enumerate(counts):
        one = goodput(float(count), 405e9)
        for name in ("between_failures", "restart", "stall", "lag", "interval", "share"):
            assert getattr(many, name)[index] == pytest.approx(getattr(one, name))
    assert np.all(np.diff(many.share) < 0)


def test_numbers_that_cannot_be_are_refused():
    for bad in ((0, 1e9), (8, -1.0)):
        with pytest.raises(ValueError, match="above 0"):
            goodput(*bad)
    with pytest.raises(ValueError, match="interval"):
        goodput(8, 1e9, interval=0.0)
