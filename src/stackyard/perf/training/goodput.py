"""Goodput: the share of weeks of wall time that becomes progress, when accelerators fail and checkpoints cost time.

The process: work in stretches of length `interval`, after each a checkpoint that stops the work for `stall`. Failures
arrive as a Poisson process at all times, also in checkpoints and restarts. A failure throws the work back to the last
checkpoint that is safe and costs `restart`, which a further failure begins again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from stackyard.perf.training import constants
from stackyard.quantity import Byte, BytePerSecond, Count, Fraction, Numeric, Second


@dataclass(frozen=True)
class Goodput:
    """A run over weeks: what fails, what a checkpoint costs, the interval between checkpoints, and what is left."""

    between_failures: Second  # mean time between interruptions of the whole job
    restart: Second  # from a failure until work goes on
    stall: Second  # a checkpoint stops the work for so long
    lag: Second  # and is safe only after so much more
    interval: Second  # work between checkpoints
    share: Fraction  # of wall time that becomes progress


def failure_rate(accelerators: Count, each: Numeric) -> Numeric:
    """Interruptions per second of a job that stops when any of its accelerators fails: N r.

    Independent failures at a constant rate. Raises nothing; valid where one failure stops the job.

    >>> round(1 / float(failure_rate(16384, constants.values()["failure.rate"])) / 3600, 2)
    3.09
    """
    return accelerators * each


def wall_time(interval: Second, stall: Second, restart: Second, rate: Numeric) -> Second:
    """Expected wall time of a stretch of work with its checkpoint.

    T = e^(rate restart) (e^(rate (interval + stall)) - 1) / rate; interval + stall where nothing fails.
    Source: Daly, A higher order estimate of the optimum checkpoint interval, Future Gener. Comput. Syst. 22 (3), 2006.
    Exact for the process above when checkpoints are safe at once.

    >>> round(float(wall_time(3600.0, 0.0, 300.0, 1 / 7200)), 1)
    4869.5
    """
    length = interval + stall
    tiny = np.maximum(rate, 1e-300)
    grown = np.exp(rate * restart) * np.expm1(rate * length) / tiny
    return np.where(np.greater(rate * length, 1e-12), grown, length * np.exp(rate * restart))[()]


def best_interval(stall: Second, rate: Numeric) -> Second:
    """The interval that makes wall_time per interval least: x = rate interval solves (1 - x) e^x = e^(-rate stall).

    Newton's steps from Young's sqrt(2 stall / rate), which it approaches as stall becomes small (Young, Commun. ACM
    17 (9), 1974). It does not depend on the restart. inf where nothing fails, 0 where a checkpoint costs nothing.

    >>> round(float(best_interval(60.0, 1 / 36000)))
    2039
    """
    cost = np.asarray(rate * stall, dtype=float)
    x = np.minimum(np.sqrt(2 * cost), 1 - 0.5 * np.exp(-1 - cost))
    for _ in range(30):
        miss = (1 - x) * np.exp(x) - np.exp(-cost)
        x = np.clip(x + miss / np.maximum(x * np.exp(x), 1e-300), 0.0, 1.0)
    busy = np.greater(cost, 0)
    free = np.where(np.greater(rate, 0), 0.0, np.inf)
    return np.where(busy, x / np.where(busy, np.maximum(rate, 1e-300), 1.0), free)[()]


def share(interval: Second, stall: Second, restart: Second, rate: Numeric, lag: Second = 0.0) -> Fraction:
    """Share of wall time that becomes progress: interval / wall_time.

    A checkpoint that is safe only `lag` after its stall lets a failure in that time undo one stretch more; to first
    order that is `lag` more work to repeat at each failure, and is counted as a longer restart.

    >>> round(float(share(3600.0, 0.0, 300.0, 1 / 6646)), 2)
    0.72
    """
    return interval / wall_time(interval, stall, restart + lag, rate)


def restart_time(accelerators: Count, state: Byte, bandwidth: BytePerSecond, values: Mapping[str, float]) -> Second:
    """From a failure until work goes on: detect, find the cause, schedule again, and read the checkpoint.

    detection + localisation + time (N / size)^growth + state / bandwidth (perf/data/training.yaml).

    >>> from stackyard.perf.training import constants
    >>> values = constants.values()
    >>> bool(restart_time(16384, 5e12, 1e12, values) > restart_time(1024, 5e12, 1e12, values))
    True
    """
    again = values["restart.time"] * (accelerators / values["restart.size"]) ** values["restart.growth"]
    return values["failure.detection"] + values["failure.localisation"] + again + state / bandwidth


def goodput(
    accelerators: Count,
    parameters: Count,
    interval: Second | None = None,
    bandwidth: BytePerSecond | None = None,
    asynchronous: bool = True,
    rate: Numeric | None = None,
) -> Goodput:
    """Goodput of a job over weeks: the best checkpoint interval unless one is given.

    `bandwidth` is of the storage as a whole; without one, storage grows with the job as in Llama 3's cluster. An
    asynchronous checkpoint stops the work while each accelerator copies its share of the state to its host, and is safe
    when the storage has it; a blocking one stops the work until then. `rate` is failures per
    second of one accelerator. ValueError for numbers that are not positive.

    >>> found = goodput(16384, 405e9)
    >>> round(found.between_failures / 3600, 1), round(float(found.share), 2)
    (3.1, 0.88)
    """
    values = constants.values()
    if np.any(np.less_equal(accelerators, 0)) or np.any(np.less_equal(parameters, 0)):
        raise ValueError("accelerators and parameters must be above 0")
    state = values["state.checkpoint"] * parameters
    speed = accelerators * values["storage.bandwidth"] / values["storage.size"] if bandwidth is None else bandwidth
    if np.any(np.less_equal(speed, 0)) or (interval is not None and np.any(np.less_equal(interval, 0))):
        raise ValueError("the storage's bandwidth and the interval must be above 0")
    failing = failure_rate(accelerators, values["failure.rate"] if rate is None else rate)
    write = state / speed
    copied = values["checkpoint.stall"] + state / accelerators / values["host.link"]
    stall = np.minimum(copied, write) if asynchronous else write
    lag = write - stall
    restart = restart_time(accelerators, state, speed, values)
    chosen = np.maximum(best_interval(stall, failing), write) if interval is None else interval
    return Goodput(1 / failing, restart, stall, lag, chosen, share(chosen, stall, restart, failing, lag))
