"""What the simulator says of a measured run, metric by metric."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from stackyard.sim import serve
from stackyard.sim.calibration.rows import Row
from stackyard.sim.kernel.state import SERVED
from stackyard.sim.policy import Deployment


def predict(row: Row, deployment: Deployment | None = None) -> dict[str, float]:
    """Seconds by metric; empty where the row cannot be predicted."""
    of = deployment or row.deployment
    if of is None or row.requests is None:
        return {}
    return figures(serve.run(of, row.requests))


def figures(outcome: serve.Outcome) -> dict[str, float]:
    """Means and percentiles of time to first token, between tokens and end to end; seconds."""
    left = outcome.left[outcome.left["status"] == SERVED]
    if not len(left):
        return {}
    ttft, e2e = left["first"] - left["arrival"] + outcome.overhead, left["last"] - left["arrival"] + outcome.overhead
    more = left["made"] > 1
    each = (left["last"] - left["first"])[more] / (left["made"][more] - 1)
    found: dict[str, float] = {}
    for name, values in (("ttft", ttft), ("itl_or_tpot", each), ("e2e", e2e)):
        if len(values):
            found[f"{name}_mean"] = float(values.mean())
            found |= {f"{name}_p{q}": float(np.quantile(values, q / 100)) for q in (50, 90, 95, 99)}
    return found


def errors(predicted: Mapping[str, float], measured: Mapping[str, float]) -> dict[str, float]:
    """Predicted over measured, less one, of what was measured."""
    return {name: predicted[name] / value - 1 for name, value in measured.items() if name in predicted}
