"""(model, phase, layout, sizes) -> the operations of one accelerator of the group.

One pass through one pipeline stage: the stage has ceil(layers / pipeline) layers, and 1 / pipeline of the embedding and
output head (stages are balanced so in practice). Sizes are of one tensor group.
"""

from __future__ import annotations

import numpy as np

from stackyard.catalog.entries import Experts, Model
from stackyard.perf import architecture, op
from stackyard.perf.architecture import Matrix
from stackyard.perf.layout import Layout, stage_share
from stackyard.perf.op import ACTIVATION, Op
from stackyard.perf.precision import Precision
from stackyard.quantity import Byte, Count, Numeric, Token


def decode(model: Model, layout: Layout, precision: Precision, sequences: Count, context: Token) -> list[Op]:
    """One new token for each of `sequences`, each with `context` tokens in its cache.

    >>> from stackyard import catalog
    >>> from stackyard.perf.precision import PRESETS
    >>> ops = decode(catalog.load().model("llama-3.1-8b"), Layout(), PRESETS["bf16"], 1.0, 1000.0)
    >>> [op.name for op in ops if op.kind == "matmul"]
    ['qkv', 'attention_out', 'gate_up', 'down', 'head']
    """
    found = _blocks(model, layout, precision, sequences, sequences)
    return found + _attention(model, layout, precision, sequences, 1.0, context)


def prefill(model: Model, layout: Layout, precision: Precision, prompts: Count, prompt: Token) -> list[Op]:
    """`prompts` prompts of `prompt` tokens each, up to their first token; parts of a prompt where it is below one."""
    found = _blocks(model, layout, precision, prompts * prompt, prompts)
    return found + _attention(model, layout, precision, prompts, prompt, None)


def mixed(
    model: Model,
    layout: Layout,
    precision: Precision,
    prompts: Count,
    prompt: Token,
    sequences: Count,
    context: Token,
) -> list[Op]:
    """A prefill pass that carries a decode step of other `sequences`: weights are read once for both.

    >>> from stackyard import catalog
    >>> from stackyard.perf.precision import PRESETS
    >>> model, fp8 = catalog.load().model("llama-3.1-8b"), PRESETS["fp8"]
    >>> both = mixed(model, Layout(), fp8, 1.0, 1000.0, 8.0, 500.0)
    >>> apart = prefill(model, Layout(), fp8, 1.0, 1000.0) + decode(model, Layout(), fp8, 8.0, 500.0)
    >>> bool(sum(op.count * op.bytes for op in both) < sum(op.count * op.bytes for op in apart))
    True
    """
    found = _blocks(model, layout, precision, prompts * prompt + sequences, prompts + sequences)
    found += _attention(model, layout, precision, prompts, prompt, None)
    return found + _attention(model, layout, precision, sequences, 1.0, context)


def _blocks(model: Model, layout: Layout, precision: Precision, tokens: Token, sampled: Count) -> list[Op]:
    """Everything but attention for `tokens` tokens, of which `sampled` yield a next one."""
    share = stage_share(model, layout)
    t, hidden = layout.tensor, float(model.hidden)
    found: list[Op] = []
    matrices = architecture.matrices(model)
    for matrix in matrices:
        inner, outer = matrix.shape(t)
        formats = precision.weight_bytes, precision.compute, matrix.layers * share, precision.weights
        found.append(op.matmul(matrix.name, tokens, inner, outer, *formats))
    found += _gates(matrices, tokens, t, share)
    if model.experts:
        found += _experts(model, model.experts, layout, precision, tokens, share)
    found.append(op.norm("norm", tokens, hidden, 2.0 * model.layers * share))
    found.append(op.all_reduce("all_reduce", tokens * hidden * ACTIVATION, t, 2.0 * model.layers * share))
    part, span = 1.0 / layout.pipeline, t * layout.data * layout.pipeline
    found.append(op.embedding("embedding", tokens, hidden, part))
    found.append(op.matmul("head", sampled, hidden, model.vocabulary / t, ACTIVATION, "bf16", part))
    found.append(op.all_gather("head_gather", sampled * model.vocabulary * ACTIVATION, t, part))
    found.append(op.sample("sample", sampled, model.vocabulary / t, part))
    found.append(op.send("stage_send", tokens * hidden * ACTIVATION / t, layout.pipeline, span))
    return found


def _attention(
    model: Model, layout: Layout, precision: Precision, sequences: Count, queries: Token, context: Token | None
) -> list[Op]:
    """Attention of every span of layers; `context` None means prefill, where the queries are their own context."""
    a, t, share = model.attention, layout.tensor, stage_share(model, layout)
    latent, index = architecture.is_latent(model), architecture.sparse(model)
    heads: Numeric = a.heads / t
    width: Numeric = architecture.cache_width(model)
    key_dim: Numeric = float(a.head_dim)
    value_dim: Numeric = float(a.head_dim)
    if latent:  # the latent cache is held whole by every accelerator of the tensor group
        key_dim, value_dim = width, float(a.latent)
        if context is None and not index:  # a prompt's keys and values are expanded, unless sparse attention picks some
            key_dim, value_dim = float(a.head_dim), float(a.value_dim)
    else:
        width = width / np.minimum(t, float(a.kv_heads))
    reach = float(index["top_k_tokens"]) if index else np.inf
    kind = "prefill" if context is None else "decode"
    found = []
    for span in architecture.spans(model):
        window = min(span.window, reach)
        keys: Numeric = queries if context is None else np.minimum(context, window)
        pairs = keys if context is not None else _pairs(queries, window, span.chunked)
        name = "attention" if span.window == np.inf else "attention_window"
        sizes = (sequences, queries, pairs, keys, heads, key_dim, value_dim, width, precision.cache_bytes)
        found.append(op.attention(name, *sizes, count=span.layers * share, kind=kind, stored=precision.cache))
    if index:  # one score of every cached key for every head, on every accelerator; keys only
        keys = queries if context is None else context
        pairs = op.causal_pairs(queries) if context is None else context
        dim, scorers = float(index["indexer_head_dim"]), float(index["indexer_heads"])
        sizes = (sequences, queries, pairs, keys, scorers, dim, 0.0, dim, precision.cache_bytes)
        found.append(op.attention("indexer", *sizes, count=model.layers * share, kind=kind, stored=precision.cache))
    return found


def _pairs(queries: Token, window: Numeric, chunked: bool) -> Numeric:
    return op.chunked_pairs(queries, window) if chunked else op.causal_pairs(queries, window)


def _gates(matrices: list[Matrix], tokens: Token, tensor: Count, share: Numeric) -> list[Op]:
    widths = {"gate_up": "gate", "shared_gate_up": "shared_gate"}
    wide = [matrix for matrix in matrices if matrix.name in widths]
    return [op.gate(widths[m.name], tokens, m.outer / 2 / tensor, m.layers * share) for m in wide]


def _experts(
    model: Model, experts: Experts, layout: Layout, precision: Precision, tokens: Token, share: Numeric
) -> list[Op]:
    hidden, layers = float(model.hidden), architecture.expert_layers(model) * share
    groups, spread, t = layout.expert_groups, layout.expert_spread, layout.tensor
    routed, active = float(experts.routed), float(experts.active)
    sizes = (tokens, tokens * groups, hidden, float(experts.width), routed, active, t, spread)
    # where groups share experts, each token goes to the accelerators of its experts and comes back, each way once
    # per expert; an accelerator sends its 1/t of its group's tokens
    reached = op.touched(spread, np.minimum(1.0, spread), np.minimum(active, spread))
    size = tokens / t * reached * hidden
    peers = np.where(np.greater(groups, 1), spread, 1.0)
    return [
        op.router("router", tokens, hidden, routed, layers),
        op.permute("permute", tokens, hidden, active, t, layers),
        op.experts(
            "experts", *sizes, precision.weight_bytes, precision.compute, layers, precision.weights, layout.expert
        ),
        op.all_to_all("dispatch", size * _activation(precision), peers, layers),
        op.all_to_all("combine", size * ACTIVATION, peers, layers),
    ]


def _activation(precision: Precision) -> Byte:
    """Bytes of an activation sent to the experts: as the matmuls take it, at least one byte."""
    return 1.0 if precision.compute in ("fp8", "int8", "fp4") else ACTIVATION
