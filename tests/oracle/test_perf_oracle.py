"""Other routes to the same numbers."""

import numpy as np
import pytest

from stackyard import catalog
from stackyard.perf import constants
from stackyard.perf.estimate import estimate
from stackyard.perf.layout import Layout
from stackyard.perf.op import touched
from stackyard.perf.search import best

KNOWN = catalog.load()


def test_best_is_what_a_loop_over_single_estimates_finds():
    model, chip = KNOWN.model("llama-3.1-8b"), KNOWN.accelerator("h100")
    found = best(model, chip, 600, 200, ttft=0.5, tpot=0.03, precision="fp8", domain=4)
    rates = [0.0]
    for tensor in (1, 2, 4):
        for pipeline in (1, 2, 4, 8):
            for batch in (1, 8, 64, 128, 256, 512, 1024, 2048):
                one = estimate(model, chip, Layout(tensor, pipeline), batch, 600, 200, "fp8")
                if one.fits and one.ttft <= 0.5 and one.tpot <= 0.03:
                    rates.append(one.token_rate_per_accelerator)
    assert max(rates) <= found.token_rate <= 1.2 * max(rates)  # the search has a finer grid of batches
    again = estimate(model, chip, found.estimate.layout, found.estimate.batch, 600, 200, "fp8")
    assert again.token_rate_per_accelerator == pytest.approx(found.token_rate)


def test_touched_experts_match_random_routing():
    draw = np.random.default_rng(1)
    routed, active, tokens = 64, 6, 20
    counts = [
        len({int(e) for _ in range(tokens) for e in draw.choice(routed, active, replace=False)}) for _ in range(300)
    ]
    assert np.mean(counts) == pytest.approx(touched(routed, active, tokens), rel=0.01)


def test_llama_70b_decode_step_by_hand():
    """Batch 1 on one H200, fp8: the weights once through HBM, and the launches of 80 layers."""
    model, chip = KNOWN.model("llama-3.1-70b"), KNOWN.accelerator("h200")
    weights = 80 * (2 * 8192 * 8192 + 2 * 8192 * 1024 + 3 * 8192 * 28672) + 2 * 128256 * 8192
    of = constants.values(chip)
    launches = (80 * (4 * 4e-6 + 10e-6 + 3 * 2.5e-6) + 4e-6 + 2 * 2.5e-6) * of["overhead.scale"]
    host = of["overhead.step"] + of["overhead.sequence"]
    reached = of["memory.matmul"] * of["format.fp8"] * of["engine.kernels"]
    reached /= (1 + reached**16) ** (1 / 16)  # never more than the printed bandwidth
    one = estimate(model, chip, Layout(), 1, 1, 1, "fp8")
    assert one.step_seconds == pytest.approx(weights / (reached * 4.8e12) + launches + host, rel=0.01)
