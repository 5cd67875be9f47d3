"""Training by other routes: a step by hand, and a pipeline walked through micro-batch by micro-batch."""

import numpy as np
import pytest

from stackyard import catalog
from stackyard.perf.training import constants
from stackyard.perf.training.estimate import train
from stackyard.perf.training.memory import training_memory
from stackyard.perf.training.recipe import Recipe, bubble

KNOWN = catalog.load()


def walked(stages: int, micro_batches: int, forward: float, backward: float) -> float:
    """End of a 1F1B pipeline: each stage does its forwards and backwards in order, when their inputs are there."""
    ends: dict[tuple[str, int, int], float] = {}
    orders = []
    for stage in range(stages):
        ahead = min(stages - stage, micro_batches)
        order = [("f", i) for i in range(ahead)]
        for i in range(micro_batches):
            order.append(("b", i))
            if ahead + i < micro_batches:
                order.append(("f", ahead + i))
        orders.append(order)
    free, at = [0.0] * stages, [0] * stages
    while any(at[s] < len(orders[s]) for s in range(stages)):
        for stage in range(stages):
            while at[stage] < len(orders[stage]):
                kind, i = orders[stage][at[stage]]
                needs = ("f", stage - 1, i) if kind == "f" else ("b", stage + 1, i)
                first = stage == 0 if kind == "f" else stage == stages - 1
                if not first and needs not in ends:
                    break
                start = max(free[stage], 0.0 if first else ends[needs])
                free[stage] = ends[kind, stage, i] = start + (forward if kind == "f" else backward)
                at[stage] += 1
    return max(free)


@pytest.mark.parametrize(("stages", "micro_batches"), [(2, 4), (4, 4), (4, 16), (8, 32)])
def test_bubble_is_what_a_walk_through_the_pipeline_waits(stages, micro_batches):
    recipe = Recipe(float(stages), 1.0, float(micro_batches), pipeline=float(stages))
    assert walked(stages, micro_batches, 1.0, 2.0) == pytest.approx(3.0 * (micro_batches + float(bubble(recipe))))


def test_llama_8b_matmuls_by_hand():
    """One H100, bf16: 6 flop a parameter and token over the reached rate, and every matrix through memory."""
    values = {**constants.values(), "launch": 0.0, "operands.bandwidth": 1e9}
    found = train(KNOWN.model("llama-3.1-8b"), KNOWN.accelerator("h100"), Recipe(1.0, 4096.0, 1.0), values)
    layer = 2 * 4096 * 4096 + 2 * 4096 * 1024 + 3 * 4096 * 14336
    reached = 989e12 * values["best.bf16.hopper"] * values["reach.bf16"] * values["reach.hopper"]
    ripe = 1 - values["young.lack"] * np.exp(-(2026.5 - 2022.7) / values["young.years"])
    assert found.step.matmul == pytest.approx(6 * 32 * layer * 4096 / (reached * ripe), rel=1e-3)


def test_states_of_zero_by_hand():
    """405B over 512 accelerators, TP 8, PP 8, 8 replicas: 2 bytes of weights and 12 / 8 of the optimiser."""
    model, chip = KNOWN.model("llama-3.1-405b"), KNOWN.accelerator("h100")
    held = training_memory(model, chip, Recipe(512.0, 8192.0, 64.0, tensor=8.0, pipeline=8.0), constants.values())
    layer = 2 * 16384 * 16384 + 2 * 16384 * 1024 + 3 * 16384 * 53248
    each = (16 * layer + 128256 * 16384) / 8
    assert held.weights == pytest.approx(2 * each, rel=1e-3)
    assert held.optimiser == pytest.approx(12 * each / 8, rel=1e-3)
