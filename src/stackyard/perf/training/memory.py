"""Memory of the fullest accelerator of a training run, by part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from stackyard.catalog.entries import Accelerator, Model
from stackyard.perf import architecture, counting
from stackyard.perf.op import ACTIVATION
from stackyard.perf.training import constants
from stackyard.perf.training.recipe import RECOMPUTE, Recipe
from stackyard.perf.training.work import expert_shards, expert_spread, head_dims, held_parameters, matrices, stages
from stackyard.quantity import Byte, Count, Numeric

FULL, HALF = 4.0, 2.0  # bytes of an fp32 and of a bf16 number


@dataclass(frozen=True)
class TrainingMemory:
    """Bytes of the fullest accelerator at its peak, by part; numbers or arrays."""

    weights: Byte
    gradients: Byte
    optimiser: Byte  # master weights and moments
    activations: Byte  # kept for the backward pass, and one layer at work
    logits: Byte  # scores of the vocabulary and their gradients, on the last stage
    buffers: Byte  # gathered layers, the driver, collectives and what the allocator holds back
    held_back: Byte  # part of the buffers that the allocator gives back when memory runs short
    available: Byte

    @property
    def total(self) -> Byte:
        """What a monitor shows at the peak."""
        return self.weights + self.gradients + self.optimiser + self.activations + self.logits + self.buffers

    @property
    def needed(self) -> Byte:
        """What the run cannot do without."""
        return self.total - self.held_back


def layer_bytes(model: Model, recipe: Recipe) -> tuple[Byte, Byte]:
    """What one layer keeps of one micro-batch for its backward pass, in bf16: everything, and its input alone.

    Of each token 8 hidden (inputs of two norms and two blocks, whole or split by sequence parallelism), queries, keys,
    values and the output of attention, and the inputs and output of the activation function, split by the tensor width
    (the inputs of the blocks and of the last matmul take half where it is done in fewer bits);
    scores of unfused attention 5 bytes each unless they are computed again. Korthikanti et al., arXiv:2205.05198,
    section 4.1, without dropout, for any number of key-value heads and for gated blocks and experts.

    >>> from stackyard import catalog
    >>> whole, entry = layer_bytes(catalog.load().model("llama-3.1-8b"), Recipe(8.0, 8192.0, 8.0))
    >>> float(whole) / 8192, float(entry) / 8192
    (139264.0, 8192.0)
    """
    r, a, h = recipe, model.attention, float(model.hidden)
    rows = r.micro_batch * r.sequence / r.context
    key, value = head_dims(model)
    sparse = architecture.expert_layers(model) / model.layers
    share = r.tensor if r.sequence_parallel else 1.0
    low = 1.0 if r.precision == "bf16" else 0.5  # operands of matmuls are kept in their own format
    wide = (1.0 if model.extra.get("ungated") else 2.0) + low
    width = wide * model.feed_forward * (1 - sparse)
    if model.experts:
        e = model.experts
        width += sparse * ((2.0 + low) * (e.active * e.width + e.shared_width) + (1.0 + low) * e.active * h)
    split = a.heads * (key + value) + min(a.kv_heads, a.heads) * (key + value) + width
    scores: Numeric = 0.0
    if r.attention == "unfused" and r.recompute == "none":
        scores = 5.0 * r.micro_batch * a.heads / r.tensor * r.sequence**2 / r.context
    return rows * ACTIVATION * ((2 + 2 * low) * h / share + split / r.tensor) + scores, rows * ACTIVATION * h / share


def in_flight(recipe: Recipe) -> Count:
    """Micro-batches whose activations the first stage holds at once, in units of all layers of that stage.

    p with 1F1B, p + (p - 1) / v with v chunks (Korthikanti et al., section 4.2.3); never more than there are.

    >>> from stackyard.perf.training.recipe import Recipe
    >>> float(in_flight(Recipe(accelerators=64, sequence=8192, global_batch=512, pipeline=8)))
    8.0
    """
    r = recipe
    more = np.where(np.greater(r.virtual, 1), (r.pipeline - 1) / r.virtual, 0.0)
    return np.minimum(r.pipeline + more, np.maximum(r.micro_batches, 1.0))


def training_memory(model: Model, chip: Accelerator, recipe: Recipe, values: Mapping[str, float]) -> TrainingMemory:
    """Peak memory of the fullest accelerator; the recipe's widths must be at least 1.

    zero-1 divides the optimiser's state among the accelerators that hold the same parameters, zero-2 the gradients too,
    zero-3 also the weights, then held in fp32 and gathered two layers at a time, or a stage at once where there is a
    pipeline (Rajbhandari et al., arXiv:1910.02054, section 5). Both the first stage (most micro-batches in flight) and
    the last (logits) may be the fullest.

    >>> from stackyard import catalog
    >>> from stackyard.perf.training import constants
    >>> from stackyard.perf.training.recipe import Recipe
    >>> recipe = Recipe(accelerators=64, sequence=8192, global_batch=256, tensor=8, pipeline=4)
    >>> model, chip = catalog.load().model("llama-3.1-70b"), catalog.load().accelerator("h100")
    >>> held = training_memory(model, chip, recipe, constants.values())
    >>> bool(30e9 < held.total < 80e9)
    True
    """
    r = recipe

    def of(name: str) -> float:
        return constants.of(values, name, r.software)

    weights, gradients, optimiser, gathered = _state(model, r, of("memory.gradient"))
    rows = r.micro_batch * r.sequence / r.context
    scores = rows * model.vocabulary / r.tensor * of("memory.logit")
    first, final = (of("memory.slack") * kept for kept in _activations(model, r))
    alone = np.equal(r.pipeline, 1)
    at_end = alone | (final + scores > first)
    activations = np.where(at_end, np.where(alone, first, final), first)[()]
    logits = np.where(at_end, scores, 0.0)[()]
    needed = weights + gradients + optimiser + activations + logits + gathered + of("memory.runtime")
    spare = max(of("memory.reserved") - of("memory.runtime"), 0.0)  # what the allocator takes where there is room
    held_back = np.clip(chip.memory - needed, 0.0, spare)
    return TrainingMemory(
        weights=weights,
        gradients=gradients,
        optimiser=optimiser,
        activations=activations,
        logits=logits,
        buffers=gathered + of("memory.runtime") + held_back,
        held_back=held_back,
        available=chip.memory + 0.0 * weights,
    )


def _state(model: Model, recipe: Recipe, gradient: float) -> tuple[Byte, Byte, Byte, Byte]:
    """Weights, gradients, the optimiser's state and what is gathered of them for use; `gradient` bytes each."""
    r = recipe
    held, spread = held_parameters(model, r)
    split = {"none": 0, "zero-1": 1, "zero-2": 2, "zero-3": 3}[r.sharding]

    def part(each: float, level: int) -> Byte:
        if split >= level:
            return each * (held / r.split + spread / expert_shards(r))
        return each * (held + spread)

    trained = 0.0 if r.adapters else 1.0
    here = 0.0 if r.offload and trained else trained
    master = split == 3 and not r.offload  # fp32 shards are weights and master weights at once
    gathered = 0.0 * held
    if split == 3:  # a pipeline keeps its layers gathered, and sums their gradients whole, until the last micro-batch
        whole_stage = (HALF + FULL * trained) * (held + spread)
        gathered = np.where(np.greater(r.pipeline, 1), whole_stage, 2.0 * HALF * _largest_layer(model, r))[()]
    weights = part(FULL if master else HALF, 3)
    return weights, here * part(FULL if master else gradient, 2), here * part(8.0 if master else 12.0, 1), gathered


def _activations(model: Model, recipe: Recipe) -> tuple[Byte, Byte]:
    """What the first stage keeps of the micro-batches in flight, and what the last does."""
    r = recipe
    whole, entry = layer_bytes(model, r)
    again = RECOMPUTE[r.recompute]
    kept = {0.0: whole, 0.5: entry + whole / 2, 1.0: entry}[again]
    stage, last = stages(model, r)
    working = whole if again else 0.0 * whole
    waiting = np.minimum(np.maximum(r.virtual, 1.0), in_flight(r))
    return kept * stage * in_flight(r) + working, kept * last * waiting + working


def _largest_layer(model: Model, recipe: Recipe) -> Count:
    """Parameters of one layer on one accelerator, its experts in."""
    dense: Numeric = 0.0
    for matrix in matrices(model):
        inner, outer = matrix.shape(recipe.tensor)
        dense = dense + inner * outer * np.ceil(matrix.layers / model.layers)
    if model.experts:
        dense = dense + model.experts.routed * counting.expert_parameters(model) / expert_spread(recipe)
    return dense
