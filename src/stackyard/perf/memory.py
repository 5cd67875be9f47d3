"""Memory of one accelerator: weights, cache, activations and runtime, and the largest batch that fits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stackyard.catalog.entries import Accelerator, Model
from stackyard.perf import architecture, counting
from stackyard.perf.layout import Layout, stage_share
from stackyard.perf.numeric import ceiling, least, most, where
from stackyard.perf.op import ACTIVATION
from stackyard.perf.overflow import Store, spilled
from stackyard.perf.precision import Precision
from stackyard.quantity import Byte, Count, Numeric, Token


@dataclass(frozen=True)
class Memory:
    """Bytes of the fullest accelerator of a replica, and how many sequences the replica could hold."""

    weights: Byte
    cache: Byte
    activations: Byte
    runtime: Byte
    available: Byte
    largest_batch: Count  # sequences of full length that the replica can hold; 0 where the weights do not fit
    overflow: Byte = 0.0  # cache in the store behind the accelerator, not counted in `total`

    @property
    def total(self) -> Byte:
        return self.weights + self.cache + self.activations + self.runtime

    @property
    def fits(self) -> bool | NDArray[np.bool_]:
        fits: bool | NDArray[np.bool_] = np.less_equal(self.total, self.available)
        return fits


def weight_bytes(model: Model, layout: Layout, precision: Precision) -> Byte:
    """Weights that one accelerator holds: its share of each matrix and expert, norms and tables in bf16.

    Matrices split by tensor width, experts by their spread, layers by ceil(layers / pipeline), and the embedding and
    output tables by tensor x pipeline.

    >>> from stackyard import catalog
    >>> from stackyard.perf.precision import PRESETS
    >>> bytes_each = weight_bytes(catalog.load().model("llama-3.1-70b"), Layout(tensor=8), PRESETS["bf16"])
    >>> round(float(bytes_each) / 1e9, 1)
    17.6
    """
    t, share = layout.tensor, stage_share(model, layout)
    elements: Numeric = 0.0
    for matrix in architecture.matrices(model):
        inner, outer = matrix.shape(t)
        elements = elements + inner * outer * matrix.layers
    if model.experts:
        routed = model.experts.routed * counting.expert_parameters(model) * architecture.expert_layers(model)
        elements = elements + routed / layout.expert_spread
    tables = counting.embedding_parameters(model) * (1 if model.tied_embeddings else 2)
    plain = counting.small_parameters(model) * share + tables / (t * layout.pipeline)
    return elements * share * precision.weight_bytes + plain * ACTIVATION


def sequence_bytes(model: Model, layout: Layout, precision: Precision, context: Token, freed: bool = True) -> Byte:
    """Cache of one sequence of `context` tokens on one accelerator of its tensor group.

    Key-value heads split over at most kv_heads accelerators; MLA's latent cache is held by each of them whole. `freed`
    is False for engines that keep what a window has passed (`cache.windowed`).

    >>> from stackyard import catalog
    >>> from stackyard.perf.precision import PRESETS
    >>> float(sequence_bytes(catalog.load().model("llama-3.1-70b"), Layout(tensor=8), PRESETS["bf16"], 1000.0))
    40960000.0
    """
    whole = counting.cache_bytes(model, context, precision.cache_bytes, layout.tensor, freed)
    return whole * stage_share(model, layout)


def activation_bytes(model: Model, layout: Layout, tokens: Token) -> Byte:
    """Working space of a pass over `tokens`: residual and norm, and the widest of the blocks' intermediate results.

    tokens (4 hidden + widest) x 2 bytes, where widest = (3 width) / tensor of the feed-forward block or of the active
    experts. Valid for engines that reuse one workspace for all layers.

    >>> from stackyard import catalog
    >>> from stackyard.perf.precision import PRESETS
    >>> model = catalog.load().model("llama-3.1-70b")
    >>> round(float(activation_bytes(model, Layout(tensor=8), 8192)) / 1e9, 2)  # GB
    0.71
    """
    width = float(model.feed_forward)
    if model.experts:
        width = max(width, float(model.experts.active * model.experts.width + model.experts.shared_width))
    return tokens * (4.0 * model.hidden + 3.0 * width / layout.tensor) * ACTIVATION


def memory(
    model: Model,
    chip: Accelerator,
    layout: Layout,
    precision: Precision,
    batch: Count,
    context: Token,
    pass_tokens: Token,
    values: Mapping[str, float],
    more: tuple[Byte, Byte] = (0.0, 0.0),
    store: Store | None = None,
) -> Memory:
    """Memory of `batch` sequences per replica, all grown to `context` tokens, with passes of `pass_tokens` tokens.

    The cache may take a share of what weights, activations and runtime leave free; what it needs beyond goes to the
    `store`, as far as that goes. `more` are weights, and cache of a sequence, of a model that guesses tokens.

    >>> from stackyard import catalog
    >>> from stackyard.perf import constants
    >>> from stackyard.perf.precision import PRESETS
    >>> model, chip = catalog.load().model("llama-3.1-70b"), catalog.load().accelerator("h200")
    >>> held = memory(model, chip, Layout(tensor=4), PRESETS["fp8"], 64.0, 2000.0, 8192.0, constants.values(chip))
    >>> round(float(held.weights) / 1e9), round(float(held.cache) / 1e9, 1)  # GB of each accelerator
    (18, 5.2)
    """
    weights = weight_bytes(model, layout, precision) + more[0]
    each = sequence_bytes(model, layout, precision, context, values["cache.windowed"] > 0.0) + more[1]
    activations = activation_bytes(model, layout, pass_tokens)
    runtime = values["memory.runtime"]
    fixed = weights + activations + runtime
    room = most(chip.memory - fixed, 0.0) * values["memory.usable"]
    available = least(fixed + room, chip.memory)
    cache = each * ceiling(batch / layout.data)
    overflow = spilled(cache, room, store)
    behind = 0.0 if store is None else where(chip.memory > fixed, store.capacity, 0.0)
    largest = -ceiling(-(room + behind) / each * (1 + 1e-12)) * layout.data
    return Memory(weights, cache - overflow, activations, runtime, available, largest, overflow)


def capacity(
    model: Model,
    chip: Accelerator,
    layout: Layout,
    precision: Precision,
    context: Token,
    values: Mapping[str, float],
    more: tuple[Byte, Byte] = (0.0, 0.0),
) -> Count:
    """Sequences of `context` tokens that a replica can hold while it takes in prompts in passes of full size.

    >>> from stackyard import catalog
    >>> from stackyard.perf import constants
    >>> from stackyard.perf.precision import PRESETS
    >>> known = catalog.load()
    >>> model, chip = known.model("llama-3.1-70b"), known.accelerator("h200")
    >>> float(capacity(model, chip, Layout(tensor=8.0), PRESETS["fp8"], 2000.0, constants.values(chip))) > 2000
    True
    """
    sizes = (model, chip, layout, precision, 1.0, context, values["prefill.tokens"], values)
    return memory(*sizes, more=more).largest_batch
