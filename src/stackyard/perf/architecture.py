"""Model -> its weight matrices and kinds of layers: what operations, memory and `counting` share.

A model's layers are listed once, as `Matrix` rows; parameters, weight bytes and matmuls are all read from that list, so
they cannot disagree. A family that is not in `FAMILIES` is not modelled: its figures are nan and `unmodelled` says why.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any, TypeVar

from stackyard.catalog.entries import Model
from stackyard.perf.numeric import least
from stackyard.quantity import Byte, Count

Found = TypeVar("Found")

# Families whose blocks are all modelled. What differs inside a family is in the extra of the model's entry.
FAMILIES: frozenset[str] = frozenset(
    (
        "gpt",  # plain and gated blocks of any kind, with dense attention
        "llama3",
        "llama4",
        "mixtral",
        "qwen2",
        "qwen3",
        "qwen3_moe",
        "qwen3_next",
        "qwen3_5",
        "qwen3_5_moe",
        "gemma2",
        "gemma3",
        "gemma4",
        "deepseek_mla_moe",
        "deepseek_v4",
        "kimi_k3",
        "glm4_moe",
        "minimax_m2",
        "gpt_oss",
    )
)
STATE: Byte = 4.0  # bytes of an element of a linear attention's state: engines keep it in 32 bits


@dataclass(frozen=True)
class Matrix:
    """A weight matrix: `inner` x (`outer` + `kv_outer`), once in each of `layers` layers.

    `cut` says which side tensor parallelism divides: 'outer', 'inner', or '' where every accelerator holds it whole.
    `kv_outer` columns belong to key-value heads: they are divided by at most `kv_heads`.
    """

    name: str
    inner: float
    outer: float
    layers: float
    cut: str = "outer"
    kv_outer: float = 0.0
    kv_heads: float = 1.0

    @property
    def elements(self) -> float:
        return self.inner * (self.outer + self.kv_outer) * self.layers

    def shape(self, tensor: Count) -> tuple[Count, Count]:
        """(inner, outer) of the part that one of `tensor` accelerators holds.

        >>> inner, outer = Matrix("qkv", 8.0, 16.0, 1.0, kv_outer=4.0, kv_heads=2.0).shape(4.0)
        >>> float(outer)
        6.0
        """
        if self.cut == "inner":
            return self.inner / tensor, self.outer
        if self.cut == "outer":
            kv = self.kv_outer / least(tensor, self.kv_heads) if self.kv_outer else 0.0
            return self.inner, self.outer / tensor + kv
        return self.inner, self.outer


@dataclass(frozen=True)
class Span:
    """Layers whose attention is of one kind, and what a token leaves in the cache of one of them.

    A query sees at most `window` tokens back (inf = all), or only its own chunk where `chunked`. Where the cache is
    compressed, `stride` tokens share an entry, of which a query sees the `top` best ones that an indexer finds, and
    the last `local` tokens besides, uncompressed.
    """

    layers: float
    window: float = math.inf
    chunked: bool = False
    head_dim: float = 0.0
    kv_heads: float = 1.0
    width: float = 0.0  # elements of an entry of the cache
    stride: float = 1.0
    top: float = math.inf
    local: float = 0.0

    @property
    def compressed(self) -> bool:
        return self.stride > 1


@dataclass(frozen=True)
class Indexer:
    """Layers whose queries score every entry of the cache (of `stride` tokens) to find the best ones."""

    layers: float
    stride: float
    heads: float
    dim: float


@dataclass(frozen=True)
class Linear:
    """Layers of linear attention: a state of key_dim x value_dim for each value head instead of a cache.

    Gated delta rule (arXiv:2412.06464) and its kin; `conv` tokens back are mixed by a short convolution before.
    """

    layers: float
    key_heads: float
    value_heads: float
    key_dim: float
    value_dim: float
    conv: float
    gate_rank: float = 0.0  # > 0: gates of each channel, through a narrow matrix (Kimi delta attention)

    @property
    def channels(self) -> float:
        """Queries, keys and values of one token."""
        return 2 * self.key_heads * self.key_dim + self.value_heads * self.value_dim

    @property
    def state_bytes(self) -> Byte:
        """State of one sequence in one layer: the heads' matrices, and the convolution's last tokens in bf16."""
        matrix = self.value_heads * self.key_dim * self.value_dim * STATE
        return matrix + (self.conv - 1) * self.channels * 2.0


def unmodelled(model: Model) -> list[str]:
    """Why this model's family cannot be estimated yet; empty where it can.

    A new family needs one word in `FAMILIES` if its blocks exist.

    >>> from stackyard import catalog
    >>> unmodelled(catalog.load().model("deepseek-v3"))
    []
    """
    if model.family in FAMILIES:
        return []
    return [f"the blocks of family '{model.family}' are not modelled yet"]


def is_latent(model: Model) -> bool:
    """True where attention is multi-head latent attention (MLA).

    >>> from stackyard import catalog
    >>> [is_latent(catalog.load().model(name)) for name in ("deepseek-v3", "llama-3.1-70b")]
    [True, False]
    """
    return model.attention.latent > 0


def remembered(work: Callable[[Model], Found]) -> Callable[[Model], Found]:
    """`work` done once for each model: models cannot change, so that what is counted of one stays true.

    >>> from stackyard import catalog
    >>> asked = []
    >>> layers = remembered(lambda model: asked.append(model.id) or model.layers)
    >>> model = catalog.load().model("llama-3.1-8b")
    >>> layers(model), layers(model), asked
    (32, 32, ['llama-3.1-8b'])
    """
    kept: dict[int, tuple[Model, Found]] = {}

    @wraps(work)
    def told(model: Model) -> Found:
        found = kept.get(id(model))
        if found is None or found[0] is not model:
            if len(kept) >= 512:  # models that were made for one question
                kept.clear()
            found = kept[id(model)] = (model, work(model))
        return found[1]

    return told


def expert_layers(model: Model) -> int:
    """Layers with a mixture of experts.

    >>> from stackyard import catalog
    >>> expert_layers(catalog.load().model("deepseek-v3"))
    58
    """
    return model.layers - model.experts.dense_layers if model.experts else 0


def expert_hidden(model: Model) -> float:
    """Width that routed experts work in: the model's, or a narrower one that tokens are projected to.

    >>> from stackyard import catalog
    >>> expert_hidden(catalog.load().model("deepseek-v3"))
    7168.0
    """
    return float(model.extra.get("expert_hidden", model.hidden))


def scales_found(model: Model, compute: str) -> bool:
    """True where the scales of activations are found as they come, in a kernel before each matmul.

    So it is with four-bit arithmetic, and with checkpoints in FP8 whose scales are of blocks, not of whole matrices.

    >>> from stackyard import catalog
    >>> [scales_found(catalog.load().model(name), "fp8") for name in ("deepseek-v3", "llama-3.1-70b")]
    [True, False]
    """
    return compute == "fp4" or (compute == "fp8" and model.extra.get("fp8_scales") == "blocks")


def reductions(model: Model) -> float:
    """Sums over the tensor group in each layer: one where attention and feed-forward run side by side, else two.

    >>> from stackyard import catalog
    >>> reductions(catalog.load().model("llama-3.1-70b"))
    2.0
    """
    return 1.0 if model.extra.get("parallel_blocks") else 2.0


@remembered
def linear(model: Model) -> Linear | None:
    """The layers of linear attention; None where there are none.

    >>> from stackyard import catalog
    >>> [linear(catalog.load().model(name)) is None for name in ("llama-3.1-70b", "kimi-k3")]
    [True, False]
    """
    shape = model.extra.get("linear_attention")
    if not shape:
        return None
    layers = float(model.layers - model.extra["full_attention_layers"])
    heads = shape.get("heads", 0)
    return Linear(
        layers,
        key_heads=float(shape.get("key_heads", heads)),
        value_heads=float(shape.get("value_heads", heads)),
        key_dim=float(shape.get("key_head_dim", shape.get("head_dim", 0))),
        value_dim=float(shape.get("value_head_dim", shape.get("head_dim", 0))),
        conv=float(shape["conv_kernel"]),
        gate_rank=float(shape.get("gate_rank", 0.0)),
    )


def cache_width(model: Model) -> float:
    """Elements that one token leaves in one layer's cache: 2 kv_heads head_dim, or latent + rope for MLA.

    >>> from stackyard import catalog
    >>> cache_width(catalog.load().model("deepseek-v3")), cache_width(catalog.load().model("llama-3.1-70b"))
    (576.0, 2048.0)
    """
    a = model.attention
    return float(a.latent + a.rope_dim) if is_latent(model) else 2.0 * a.kv_heads * a.head_dim


@remembered
def spans(model: Model) -> list[Span]:
    """The model's layers of softmax attention, grouped by their kind.

    >>> from stackyard import catalog
    >>> [span.layers for span in spans(catalog.load().model("llama-3.1-70b"))]
    [80.0]
    """
    a, extra = model.attention, model.extra
    layers = float(extra.get("full_attention_layers", model.layers))
    if is_latent(model):
        top = float(sparse(model).get("top_k_tokens", math.inf))
        return [Span(layers, head_dim=float(a.head_dim), width=cache_width(model), top=top)]
    whole = Span(layers, head_dim=float(a.head_dim), kv_heads=float(a.kv_heads), width=cache_width(model))
    if extra.get("layers_by_compression"):
        return _compressed_spans(model, replace(whole, width=float(a.head_dim)))  # an entry is both key and value
    chunk = extra.get("attention_chunk")
    if chunk:  # Llama 4: three layers of four attend inside a chunk
        local = a.windowed_layers or model.layers * 3 // 4
        inside = replace(whole, layers=float(local), window=float(chunk), chunked=True)
        return [replace(whole, layers=layers - local), inside]
    if a.window and a.windowed_layers:
        inside = replace(whole, layers=float(a.windowed_layers), window=float(a.window))
        if extra.get("global_kv_heads"):  # Gemma 4: layers that see all have fewer and wider heads
            heads, dim = float(extra["global_kv_heads"]), float(extra["global_head_dim"])
            whole = replace(whole, head_dim=dim, kv_heads=heads, width=2.0 * heads * dim)
        return [replace(whole, layers=layers - a.windowed_layers), inside]
    return [whole]


def _compressed_spans(model: Model, like: Span) -> list[Span]:
    """DeepSeek-V4: layers of a strongly compressed cache see all of it, the others what the indexer picks."""
    extra = model.extra
    local, top = float(extra["sliding_window"]), float(extra["top_k_entries"])
    found = []
    for ratio, layers in extra["layers_by_compression"].items():
        stride = float(ratio)
        if stride == 0.0:
            found.append(replace(like, layers=float(layers), window=local))
            continue
        reach = top if stride == min(float(r) for r in extra["layers_by_compression"] if r != "0") else math.inf
        found.append(replace(like, layers=float(layers), stride=stride, top=reach, local=local))
    return found


def sparse(model: Model) -> dict[str, Any]:
    """Shape of the sparse attention's indexer (DeepSeek-V3.2); {} where attention is dense.

    >>> from stackyard import catalog
    >>> sorted(sparse(catalog.load().model("deepseek-v3.2")))
    ['indexer_head_dim', 'indexer_heads', 'top_k_tokens']
    """
    return dict(model.extra.get("sparse_attention") or {})


@remembered
def indexers(model: Model) -> list[Indexer]:
    """The indexers of sparse attention; none where attention is dense.

    >>> from stackyard import catalog
    >>> len(indexers(catalog.load().model("deepseek-v3.2"))), indexers(catalog.load().model("deepseek-v3"))
    (1, [])
    """
    index = sparse(model) or model.extra
    if "indexer_heads" not in index:
        return []
    heads, dim = float(index["indexer_heads"]), float(index["indexer_head_dim"])
    return [Indexer(span.layers, span.stride, heads, dim) for span in spans(model) if span.top < math.inf]


@remembered
def matrices(model: Model) -> list[Matrix]:
    """Every weight matrix of the layers, routed experts and embeddings excepted.

    >>> from stackyard import catalog
    >>> [matrix.name for matrix in matrices(catalog.load().model("llama-3.1-70b"))]
    ['qkv', 'attention_out', 'gate_up', 'down']
    """
    h = float(model.hidden)
    found = _attention_matrices(model) + _linear_matrices(model)
    dense = model.layers - (0 if model.extra.get("dense_beside_experts") else expert_layers(model))
    if dense and model.extra.get("ungated"):
        found.append(Matrix("up", h, model.feed_forward, dense))
    elif dense:
        found.append(Matrix("gate_up", h, 2.0 * model.feed_forward, dense))
    if dense:
        found.append(Matrix("down", model.feed_forward, h, dense, cut="inner"))
    if model.experts and model.experts.shared_width:
        sparse_layers, width = float(expert_layers(model)), float(model.experts.shared_width)
        found.append(Matrix("shared_gate_up", h, 2.0 * width, sparse_layers))
        found.append(Matrix("shared_down", width, h, sparse_layers, cut="inner"))
    if expert_hidden(model) != h:
        found.append(Matrix("experts_in", h, expert_hidden(model), expert_layers(model), cut=""))
        found.append(Matrix("experts_out", expert_hidden(model), h, expert_layers(model), cut=""))
    return found


def _attention_matrices(model: Model) -> list[Matrix]:
    a, h, extra = model.attention, float(model.hidden), model.extra
    layers = float(extra.get("full_attention_layers", model.layers))
    if is_latent(model):
        query, nope = a.query_rank or 0, a.head_dim - a.rope_dim
        found = [
            Matrix("latent_down", h, query + a.latent + a.rope_dim, layers, cut=""),
            Matrix("query_up", query or h, a.heads * a.head_dim, layers),
            Matrix("key_value_up", a.latent, a.heads * (nope + a.value_dim), layers),
            Matrix("attention_out", a.heads * a.value_dim, h, layers, cut="inner"),
        ]
        index = sparse(model)
        if index:
            heads, dim = index["indexer_heads"], index["indexer_head_dim"]
            found.append(Matrix("indexer_query", query, heads * dim, layers, cut=""))
            found.append(Matrix("indexer_key", h, dim + heads, layers, cut=""))
        return found
    if extra.get("layers_by_compression"):
        return _compressed_matrices(model)
    kinds: dict[tuple[float, float], float] = {}
    for span in spans(model):
        kind = span.head_dim, span.kv_heads
        kinds[kind] = kinds.get(kind, 0.0) + span.layers
    found = []
    for (dim, heads), number in kinds.items():
        shared = extra.get("k_equals_v_on_global_layers") and heads == extra["global_kv_heads"]
        queries = a.heads * dim * (2.0 if extra.get("output_gate") else 1.0)
        kv = (1.0 if shared else 2.0) * heads * dim
        found.append(Matrix("qkv", h, queries, number, kv_outer=kv, kv_heads=heads))
        found.append(Matrix("attention_out", a.heads * dim, h, number, cut="inner"))
    return found


def _compressed_matrices(model: Model) -> list[Matrix]:
    """DeepSeek-V4: low-rank queries, one key-value head, compressors of the cache, grouped output (arXiv:2606.19348).

    A compressor weighs `stride` tokens by channel; that of stride 4 overlaps, so it has twice the columns. The indexer
    of those layers has a compressor of its own.
    """
    a, h, layers, extra = model.attention, float(model.hidden), float(model.layers), model.extra
    wide, rank, groups = float(a.heads * a.head_dim), float(extra["output_rank"]), float(extra["output_groups"])
    found = [
        Matrix("latent_down", h, a.query_rank + a.head_dim, layers, cut=""),
        Matrix("query_up", a.query_rank, wide, layers),
        Matrix("attention_groups", wide / groups, groups * rank, layers),
        Matrix("attention_out", groups * rank, h, layers, cut="inner"),
    ]
    heads, dim = float(extra["indexer_heads"]), float(extra["indexer_head_dim"])
    for span in (span for span in spans(model) if span.compressed):
        overlap = 2.0 if span.top < math.inf else 1.0
        found.append(Matrix(f"compress_{span.stride:g}", h, 2.0 * overlap * a.head_dim, span.layers, cut=""))
        if span.top < math.inf:
            found.append(Matrix("indexer_query", a.query_rank, heads * dim, span.layers, cut=""))
            found.append(Matrix("indexer_key", h, 2.0 * overlap * dim + heads, span.layers, cut=""))
    return found


def _linear_matrices(model: Model) -> list[Matrix]:
    """Projections of the linear attention: queries, keys, values, the output's gate, and the gates of the state."""
    found, h = linear(model), float(model.hidden)
    if found is None:
        return []
    wide = found.value_heads * found.value_dim
    out = Matrix("linear_out", wide, h, found.layers, cut="inner")
    if found.gate_rank:
        narrow = Matrix("linear_gates_down", h, 2 * found.gate_rank + found.value_heads, found.layers, cut="")
        gates = Matrix("linear_gates_up", found.gate_rank, 2 * wide, found.layers)
        return [Matrix("linear_in", h, found.channels, found.layers), narrow, gates, out]
    return [Matrix("linear_in", h, found.channels + wide + 2 * found.value_heads, found.layers), out]
