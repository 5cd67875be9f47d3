"""(model, phase, layout, sizes) -> the operations of one accelerator of the group.

One pass through one pipeline stage: the stage has ceil(layers / pipeline) layers, and 1 / pipeline of the embedding and
output head (stages are balanced so in practice). Sizes are of one tensor group.
"""

from __future__ import annotations

import numpy as np

from stackyard.catalog.entries import Experts, Model
from stackyard.perf import architecture, constants, op
from stackyard.perf.architecture import Matrix
from stackyard.perf.layout import Layout, stage_share
from stackyard.perf.numeric import least, where
from stackyard.perf.op import ACTIVATION, Op
from stackyard.perf.precision import Precision
from stackyard.quantity import Byte, Count, Numeric, Token


def decode(
    model: Model,
    layout: Layout,
    precision: Precision,
    sequences: Count,
    context: Token,
    queries: Token = 1.0,
    longest: Token = 0.0,
) -> list[Op]:
    """`queries` new tokens for each of `sequences`, each with `context` tokens in its cache; more than one verifies.

    The `longest` sequence decides which kernels an engine takes for attention inside chunks.

    >>> from stackyard import catalog
    >>> from stackyard.perf.precision import PRESETS
    >>> ops = decode(catalog.load().model("llama-3.1-8b"), Layout(), PRESETS["bf16"], 1.0, 1000.0)
    >>> [op.name for op in ops if op.kind == "matmul"]
    ['qkv', 'attention_out', 'gate_up', 'down', 'head']
    """
    found = _blocks(model, layout, precision, sequences * queries, sequences * queries)
    return found + _attention(model, layout, precision, sequences, queries, context, longest=longest)


def prefill(
    model: Model, layout: Layout, precision: Precision, prompts: Count, prompt: Token, prefix: Token = 0.0
) -> list[Op]:
    """`prompts` prompts of `prompt` tokens each, up to their first token; parts of a prompt where it is below one.

    Each prompt also attends to `prefix` tokens before it, whose keys and values are in the cache.

    >>> from stackyard import catalog
    >>> from stackyard.perf.precision import PRESETS
    >>> model = catalog.load().model("llama-3.1-70b")
    >>> ops = prefill(model, Layout(tensor=8), PRESETS["fp8"], 1.0, 1000.0)
    >>> round(sum(float(op.flop * op.count) for op in ops) * 8 / (2 * 70e9 * 1000), 1)  # over 2 N D of all eight
    1.0
    """
    found = _blocks(model, layout, precision, prompts * prompt, prompts, prompts * prefix)
    return found + _attention(model, layout, precision, prompts, prompt, None, prefix)


def mixed(
    model: Model,
    layout: Layout,
    precision: Precision,
    prompts: Count,
    prompt: Token,
    sequences: Count,
    context: Token,
    queries: Token = 1.0,
    prefix: Token = 0.0,
    longest: Token = 0.0,
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
    stepping = sequences * queries
    found = _blocks(model, layout, precision, prompts * prompt + stepping, prompts + stepping, prompts * prefix)
    found += _attention(model, layout, precision, prompts, prompt, None, prefix)
    return found + _attention(model, layout, precision, sequences, queries, context, longest=longest)


def _blocks(
    model: Model, layout: Layout, precision: Precision, tokens: Token, sampled: Count, cached: Token = 0.0
) -> list[Op]:
    """Everything but attention for `tokens` tokens, of which `sampled` yield a next one.

    `cached` tokens are attended to besides: where the cache is latent, prefill makes their keys and values again.
    """
    share = stage_share(model, layout)
    t, hidden = layout.tensor, float(model.hidden)
    found: list[Op] = []
    matrices = architecture.matrices(model)
    weight, compute, stored = precision.weight_bytes, precision.compute, precision.weights
    for matrix in matrices:
        rows, (inner, outer) = _rows(matrix, tokens, cached), matrix.shape(t)
        found.append(op.matmul(matrix.name, rows, inner, outer, weight, compute, matrix.layers * share, stored))
    found += _gates(matrices, tokens, t, share)
    if model.experts:
        found += _experts(model, model.experts, layout, precision, tokens, share)
    if architecture.scales_found(model, precision.compute):
        found.append(_quantised(model, matrices, tokens, cached, t, share))
    sums = architecture.reductions(model) * model.layers * share
    found.append(op.norm("norm", tokens, hidden, sums))
    found.append(op.all_reduce("all_reduce", tokens * hidden * ACTIVATION, t, sums))
    found += _head_norms(model, tokens, t, share)
    part, span = 1.0 / layout.pipeline, t * layout.data * layout.pipeline
    found.append(op.embedding("embedding", tokens, hidden, part))
    found.append(op.matmul("head", sampled, hidden, model.vocabulary / t, ACTIVATION, "bf16", part))
    found.append(op.all_gather("head_gather", sampled * model.vocabulary * ACTIVATION, t, part))
    found.append(op.sample("sample", sampled, model.vocabulary / t, part))
    found.append(op.send("stage_send", tokens * hidden * ACTIVATION / t, layout.pipeline, span))
    return found


def _rows(matrix: Matrix, tokens: Token, cached: Token) -> Token:
    """Rows that come to a matrix: keys and values are made again of what is `cached`."""
    return tokens + cached if matrix.name == "key_value_up" else tokens


def _quantised(model: Model, matrices: list[Matrix], tokens: Token, cached: Token, tensor: Count, share: Numeric) -> Op:
    """The inputs of every matmul, quantised as they come: a kernel each, as one operation of their mean size."""
    elements: Numeric = 0.0
    for matrix in matrices:
        elements = elements + _rows(matrix, tokens, cached) * matrix.shape(tensor)[0] * matrix.layers
    kernels = sum(matrix.layers for matrix in matrices)
    if model.experts:  # what comes to the experts, and what their first matmuls yield
        wide = model.experts.active * model.experts.width / tensor
        elements = elements + tokens * (architecture.expert_hidden(model) + wide) * architecture.expert_layers(model)
        kernels = kernels + 2.0 * architecture.expert_layers(model)
    return op.quantise("quantise", 1.0, elements / kernels, kernels * share)


def _head_norms(model: Model, tokens: Token, tensor: Count, share: Numeric) -> list[Op]:
    """Norms of queries and keys, where there are any: of each head, or of all at once, whose squares the group sums."""
    kind, a = model.extra.get("qk_norm"), model.attention
    if not kind:
        return []
    layers = float(model.extra.get("full_attention_layers", model.layers)) * share
    width = (a.heads / tensor + a.kv_heads / least(tensor, float(a.kv_heads))) * a.head_dim
    found = [op.norm("head_norm", tokens, width / 2.0, layers)]  # without the residual
    if kind == "layer":
        found.append(op.all_reduce("head_norm_sum", tokens * 2.0 * 4.0, tensor, layers))
    return found


def _attention(
    model: Model,
    layout: Layout,
    precision: Precision,
    sequences: Count,
    queries: Token,
    context: Token | None,
    prefix: Token = 0.0,
    longest: Token = 0.0,
) -> list[Op]:
    """Attention of every span of layers; `context` None means prefill: the queries, after `prefix` cached tokens.

    Of the several queries of a verifying step the i-th sees i - 1 tokens more than the first.
    """
    a, t, share = model.attention, layout.tensor, stage_share(model, layout)
    latent = architecture.is_latent(model)
    heads: Numeric = a.heads / t
    kind = "prefill" if context is None else "decode"
    found = []
    for span in architecture.spans(model):
        width: Numeric = span.width / least(t, span.kv_heads)  # a latent cache is held whole
        key_dim, value_dim = span.head_dim, span.head_dim
        if latent:
            whole = context is not None or span.top < np.inf  # absorbed in decode, and where sparse attention picks
            key_dim, value_dim = (span.width, float(a.latent)) if whole else (span.head_dim, float(a.value_dim))
        stride, window = span.stride, min(span.window, span.top)
        if context is None:
            keys: Numeric = (queries + least(prefix, window * stride)) / stride
            pairs = _pairs(queries, prefix, window * stride, span.chunked) / stride
        else:
            keys = least(context / stride, window)
            pairs = queries * least((context + (queries - 1.0) / 2.0) / stride, window)
        if span.compressed:  # besides the compressed entries, the last tokens
            last = queries if context is None else least(context, span.local)
            keys = keys + last
            pairs = pairs + (_pairs(queries, prefix, span.local, False) if context is None else queries * last)
        name = "attention" if span.window == np.inf else "attention_window"
        sizes = (sequences, queries, pairs, keys, heads, key_dim, value_dim, width, precision.cache_bytes)
        chunks, again = (longest / span.window, a.heads / span.kv_heads - 1.0) if span.chunked else (0.0, 0.0)
        count = span.layers * share
        found.append(
            op.attention(name, *sizes, count=count, kind=kind, stored=precision.cache, chunks=chunks, again=again)
        )
    for indexer in architecture.indexers(model):  # a score of every entry for every head, on every accelerator
        keys = (queries + prefix if context is None else context) / indexer.stride
        seen = _pairs(queries, prefix, np.inf, False) if context is None else queries * context
        count, pairs, dim = indexer.layers * share, seen / indexer.stride, indexer.dim
        sizes = (sequences, queries, pairs, keys, indexer.heads, dim, 0.0, dim, precision.cache_bytes)
        found.append(op.attention("indexer", *sizes, count=count, kind=kind, stored=precision.cache))
    return found + _linear(model, layout, sequences, queries, kind)


def _linear(model: Model, layout: Layout, sequences: Count, queries: Token, kind: str) -> list[Op]:
    """Layers of linear attention: each accelerator has its share of the heads' states."""
    shape = architecture.linear(model)
    if shape is None:
        return []
    split = least(layout.tensor, shape.value_heads)
    heads, keys = shape.value_heads / split, shape.key_heads / least(layout.tensor, shape.key_heads)
    sizes = (sequences, queries, heads, keys, shape.key_dim, shape.value_dim, architecture.STATE)
    return [op.linear_attention("linear_attention", *sizes, shape.layers * stage_share(model, layout), kind)]


def _pairs(queries: Token, prefix: Token, window: Numeric, chunked: bool) -> Numeric:
    """Pairs of the queries with what they see: those of the whole prompt less those of its cached prefix."""
    pairs = op.chunked_pairs if chunked else op.causal_pairs
    whole = pairs(prefix + queries, window)
    return whole if isinstance(prefix, float) and prefix == 0.0 else whole - pairs(prefix, window)


_GATES = {"gate_up": "gate", "shared_gate_up": "shared_gate"}


def _gates(matrices: list[Matrix], tokens: Token, tensor: Count, share: Numeric) -> list[Op]:
    wide = [matrix for matrix in matrices if matrix.name in _GATES]
    return [op.gate(_GATES[m.name], tokens, m.outer / 2 / tensor, m.layers * share) for m in wide]


def _experts(
    model: Model, experts: Experts, layout: Layout, precision: Precision, tokens: Token, share: Numeric
) -> list[Op]:
    hidden, layers = architecture.expert_hidden(model), architecture.expert_layers(model) * share
    groups, spread, t = layout.expert_groups, layout.expert_spread, layout.tensor
    routed, active = float(experts.routed), float(experts.active)
    sizes = (tokens, tokens * groups, hidden, float(experts.width), routed, active, t, spread)
    # where groups share experts, each token goes to the accelerators of its experts and comes back, each way once
    # per expert; an accelerator sends its 1/t of its group's tokens
    reached = op.touched(spread, least(1.0, spread), least(active, spread))
    size = tokens / t * reached * hidden
    peers = where(groups > 1, spread, 1.0)
    return [
        op.router("router", tokens, float(model.hidden), routed, layers),
        op.permute("permute", tokens, hidden, active, t, layers),
        op.experts(
            "experts",
            *sizes,
            precision.weight_bytes,
            precision.compute,
            layers,
            precision.weights,
            layout.expert,
            _popular(model),
        ),
        op.all_to_all("dispatch", size * _activation(precision), peers, layers),
        op.all_to_all("combine", size * ACTIVATION, peers, layers),
    ]


def _popular(model: Model) -> Numeric:
    """Squared coefficient of variation of how often experts are chosen in one service's texts; 0 where evenly.

    A router that was balanced over a whole batch of training, not within each text, sends texts of a kind to experts of
    their kind (arXiv:2501.11873).
    """
    return constants.plain()["experts.popularity"] if model.extra.get("balanced_over") == "global batch" else 0.0


def _activation(precision: Precision) -> Byte:
    """Bytes of an activation sent to the experts: as the matmuls take it, at least one byte."""
    return 1.0 if precision.compute in ("fp8", "int8", "fp4") else ACTIVATION
