"""Speed of the supply chain and of a site's year, printed beside their targets. Noisy machines: medians of several."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np

from stackyard.catalog import load
from stackyard.hbm.chain import chain
from stackyard.hbm.lead import LeadTime
from stackyard.hbm.supply import Line, flow
from stackyard.site.places import weather
from stackyard.site.plant import plant
from stackyard.site.year import year


def median(run: Callable[[], object], times: int = 7) -> float:
    """Median seconds of a call, after one that warms up."""
    run()
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        run()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def main() -> None:
    known = load()
    hbm4, ulsan = known.generation("hbm4"), known.climate("ulsan")
    hours = weather(ulsan)
    lead = LeadTime(4, 4.5, 5.3).weights
    lines = Line(np.full((200, 84), 1e4), 440, 0.7, 12, 0.99, 0.95, lead, lead)
    for what, run, target in (
        ("a chain with its 80% intervals, 4,000 samples", lambda: chain(hbm4, 12, "sk-hynix", 1e4), 0.05),
        ("200 lines through 84 months, uncertain leads", lambda: flow(lines), 0.05),
        ("8,760 hours of a place from its means", lambda: weather(ulsan), 0.05),
        (
            "a plant through 8,760 hours, with the planner's line",
            lambda: year(plant("air", "tower"), hours, 0.75),
            0.05,
        ),
    ):
        print(f"{what:55} {1e3 * median(run):7.1f} ms   target {1e3 * target:.0f} ms")


if __name__ == "__main__":
    main()
