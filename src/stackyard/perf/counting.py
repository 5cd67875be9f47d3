"""Model -> its parameters and the bytes of its cache, counted from the lists of `architecture`."""

from __future__ import annotations

import math

from stackyard.catalog.entries import Model
from stackyard.perf.architecture import (
    expert_hidden,
    expert_layers,
    indexers,
    is_latent,
    linear,
    matrices,
    remembered,
    spans,
    unmodelled,
)
from stackyard.perf.numeric import least
from stackyard.quantity import Byte, Count, Numeric, Token


def expert_parameters(model: Model) -> float:
    """Parameters of one routed expert of one layer: gate, up and down.

    >>> from stackyard import catalog
    >>> expert_parameters(catalog.load().model("deepseek-v3")) == 3 * 7168 * 2048
    True
    """
    if not model.experts:
        return 0.0
    hidden = expert_hidden(model)
    biases = 2 * model.experts.width + hidden if model.extra.get("expert_bias") else 0
    return 3.0 * hidden * model.experts.width + biases


def embedding_parameters(model: Model) -> float:
    """Parameters of one embedding table: vocabulary x hidden.

    >>> from stackyard import catalog
    >>> embedding_parameters(catalog.load().model("llama-3.1-70b")) == 128256 * 8192
    True
    """
    return float(model.vocabulary) * model.hidden


@remembered
def small_parameters(model: Model) -> float:
    """Norms, biases, positions, attention sinks, convolutions and routers: for exactness, negligible in time.

    >>> from stackyard import catalog
    >>> model = catalog.load().model("llama-3.1-70b")
    >>> small_parameters(model) / parameters(model) < 1e-4
    True
    """
    a, extra, h = model.attention, model.extra, model.hidden
    norm = 2 * h if extra.get("norm_bias") else h
    each = float(extra.get("norms_per_layer", 2) * norm)
    if is_latent(model):
        each += a.query_rank + a.latent
    if extra.get("qk_norm"):  # of each head, or of all at once
        each += (a.heads + a.kv_heads if extra["qk_norm"] == "layer" else 2) * a.head_dim
    if extra.get("attention_bias") or extra.get("qkv_bias"):
        each += (a.heads + 2 * a.kv_heads) * a.head_dim
    if extra.get("attention_bias"):
        each += h
    if extra.get("mlp_bias"):
        each += model.feed_forward * (1 if extra.get("ungated") else 2) + h
    if a.sinks:
        each += a.heads
    total = each * model.layers + norm * (2 if extra.get("embedding_norm") else 1)
    total += extra.get("positions", 0) * h + (model.vocabulary if extra.get("head_bias") else 0)
    state = linear(model)
    if state:
        total += state.layers * (state.channels * state.conv + 2 * state.value_heads + state.value_dim)
    if model.experts:
        bias = 1 if extra.get("router_bias") else 0
        total += expert_layers(model) * model.experts.routed * (h + bias)
        total += expert_layers(model) * h if extra.get("shared_expert_gate") else 0
    return float(total)


def _counted(model: Model, experts_each: float) -> float:
    if unmodelled(model):
        return math.nan
    tables = 1 if model.tied_embeddings else 2
    return (
        sum(matrix.elements for matrix in matrices(model))
        + tables * embedding_parameters(model)
        + expert_layers(model) * experts_each * expert_parameters(model)
        + small_parameters(model)
    )


def parameters(model: Model) -> float:
    """Parameters of the whole model; nan for a family that is not modelled. Draft layers and vision towers are out.

    >>> from stackyard import catalog
    >>> parameters(catalog.load().model("llama-3.1-8b"))
    8030261248.0
    """
    return _counted(model, model.experts.routed if model.experts else 0)


def active_parameters(model: Model) -> float:
    """Parameters that one token uses, input embedding in; nan for a family that is not modelled.

    >>> from stackyard import catalog
    >>> active_parameters(catalog.load().model("mixtral-8x7b"))
    12879925248.0
    """
    return _counted(model, model.experts.active if model.experts else 0)


def cache_elements_per_token(model: Model) -> float:
    """Keys and values that one more token adds, over all layers whose cache grows with the context.

    Chunked layers count as growing: their cache is full only at the end of a chunk. nan where it is not known.

    >>> from stackyard import catalog
    >>> cache_elements_per_token(catalog.load().model("llama-3.1-70b")) == 80 * 2 * 8 * 128
    True
    """
    if unmodelled(model):
        return math.nan
    growing = (span for span in spans(model) if span.window == math.inf or span.chunked)
    return sum(span.layers * span.width / span.stride for span in growing)


def cache_bytes_per_token(model: Model, bytes_per_element: Byte) -> Byte:
    """Bytes that one more token adds to the cache: elements x bytes per element.

    >>> from stackyard import catalog
    >>> cache_bytes_per_token(catalog.load().model("llama-3.1-70b"), 2.0)
    327680.0
    """
    return cache_elements_per_token(model) * bytes_per_element


def cache_bytes(model: Model, context: Token, bytes_per_element: Byte, tensor: Count = 1.0, freed: bool = True) -> Byte:
    """Bytes of one sequence's cache at a context length that one of `tensor` accelerators holds.

    sum over spans of layers entries width bytes, where entries = min(context / stride, window) + min(context, local);
    plus the indexer's keys where attention is sparse, and the states of linear attention, whatever the context.
    Key-value heads and states split over the accelerators; MLA's latent is held whole by each. An engine that does not
    free (`freed`) what a window has passed holds min(context / stride, inf) entries.

    >>> from stackyard import catalog
    >>> float(cache_bytes(catalog.load().model("gpt-oss-120b"), 1000.0, 1.0))
    20791296.0
    """
    total: Numeric = 0.0
    for span in spans(model):
        entries = least(context / span.stride, span.window if freed or span.compressed else math.inf)
        if span.compressed:
            entries = entries + least(context, span.local)
        total = total + span.layers * entries * span.width / least(tensor, span.kv_heads)
    for indexer in indexers(model):
        total = total + indexer.layers * context / indexer.stride * indexer.dim
    found = linear(model)
    states = found.layers * found.state_bytes / least(tensor, found.value_heads) if found else 0.0
    return total * bytes_per_element + states
