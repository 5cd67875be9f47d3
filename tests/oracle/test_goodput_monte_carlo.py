"""Goodput against a simulation of the same process, one failure after the other."""

import numpy as np
import pytest

from stackyard.perf.training.goodput import best_interval, share


def simulated(interval: float, stall: float, restart: float, rate: float, lag: float, seed: int) -> float:
    """Share of wall time that is progress over 20,000 stretches: clock, work, checkpoints, failures, restarts."""
    draw = np.random.default_rng(seed)
    clock, done, since_checkpoint = 0.0, 0, np.inf  # `done` stretches are behind; the last checkpoint is so old
    failure = draw.exponential(1 / rate)
    while done < 20_000:
        end = clock + interval + stall
        if failure >= end:
            clock, done, since_checkpoint = end, done + 1, 0.0
            continue
        if since_checkpoint + (failure - clock) < lag:
            done -= 1  # the newest checkpoint was not safe yet
        clock, since_checkpoint = failure, np.inf
        while True:  # a failure in a restart begins it again
            failure = clock + draw.exponential(1 / rate)
            if failure >= clock + restart:
                clock += restart
                break
            clock = failure
    return done * interval / clock


@pytest.mark.parametrize(
    ("interval", "stall", "restart", "rate", "lag"),
    [
        (3600.0, 60.0, 300.0, 1 / 20000, 0.0),
        (900.0, 30.0, 1500.0, 1 / 11000, 0.0),
        (7200.0, 5.0, 600.0, 1 / 5000, 0.0),
        (600.0, 1.0, 900.0, 1 / 11000, 120.0),
    ],
)
def test_share_is_what_the_simulation_finds(interval, stall, restart, rate, lag):
    found = [simulated(interval, stall, restart, rate, lag, seed) for seed in range(4)]
    spread = np.std(found, ddof=1) / 2
    assert share(interval, stall, restart, rate, lag) == pytest.approx(np.mean(found), abs=4 * spread + 0.003)


def test_the_best_interval_beats_its_neighbours_in_the_simulation():
    stall, restart, rate = 120.0, 600.0, 1 / 7200
    best = best_interval(stall, rate)
    kept = {
        factor: np.mean([simulated(best * factor, stall, restart, rate, 0.0, s) for s in range(4)])
        for factor in (0.4, 1.0, 2.5)
    }
    assert kept[1.0] > kept[0.4] and kept[1.0] > kept[2.5]
