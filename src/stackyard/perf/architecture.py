"""Model -> its weight matrices, parameters and cache: the counting that operations and memory share.

A model's layers are listed once, as `Matrix` rows; parameters, weight bytes and matmuls are all read from that list, so
they cannot disagree. A family that is not in `FAMILIES` is not modelled: its figures are nan and `unmodelled` says why.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

from stackyard.catalog.entries import Model
from stackyard.perf.numeric import least
from stackyard.quantity import Byte, Count, Numeric, Token

Found = TypeVar("Found")

# Families whose blocks are all modelled. What differs inside a family is in the extra of the model's entry.
FAMILIES: frozenset[str] = frozenset(
    (
        "llama3",
        "llama4",
        "mixtral",
        "qwen3",
        "qwen3_moe",
        "gemma3",
        "deepseek_mla_moe",
        "glm4_moe",
        "minimax_m2",
        "gpt_oss",
    )
)


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
    """Layers that see at most `window` tokens back (inf = all); `chunked` where they see only their own chunk."""

    layers: float
    window: float = math.inf
    chunked: bool = False


def unmodelled(model: Model) -> list[str]:
    """Why this model's family cannot be estimated yet; empty where it can.

    A new family needs one word in `FAMILIES` if its blocks exist.
    """
    if model.family in FAMILIES:
        return []
    return [f"the blocks of family '{model.family}' are not modelled yet"]


def is_latent(model: Model) -> bool:
    """True where attention is multi-head latent attention (MLA)."""
    return model.attention.latent > 0


def remembered(work: Callable[[Model], Found]) -> Callable[[Model], Found]:
    """`work` done once for each model: models cannot change, so that what is counted of one stays true."""
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
    """Layers with a mixture of experts."""
    return model.layers - model.experts.dense_layers if model.experts else 0


@remembered
def spans(model: Model) -> list[Span]:
    """The model's layers grouped by how far back they see."""
    a = model.attention
    chunk = model.extra.get("attention_chunk")
    if chunk:  # Llama 4: three layers of four attend inside a chunk
        local = a.windowed_layers or model.layers * 3 // 4
        return [Span(model.layers - local), Span(local, float(chunk), chunked=True)]
    if a.window and a.windowed_layers:
        return [Span(model.layers - a.windowed_layers), Span(a.windowed_layers, float(a.window))]
    return [Span(model.layers)]


def sparse(model: Model) -> dict[str, Any]:
    """Shape of the sparse attention's indexer (DeepSeek-V3.2); {} where attention is dense."""
    return dict(model.extra.get("sparse_attention") or {})


@remembered
def matrices(model: Model) -> list[Matrix]:
    """Every weight matrix of the layers, routed experts and embeddings excepted."""
    a, h, layers = model.attention, float(model.hidden), float(model.layers)
    found: list[Matrix] = []
    if is_latent(model):
        query = a.query_rank or 0
        found.append(Matrix("latent_down", h, query + a.latent + a.rope_dim, layers, cut=""))
        found.append(Matrix("query_up", query or h, a.heads * a.head_dim, layers))
        nope = a.head_dim - a.rope_dim
        found.append(Matrix("key_value_up", a.latent, a.heads * (nope + a.value_dim), layers))
        found.append(Matrix("attention_out", a.heads * a.value_dim, h, layers, cut="inner"))
        index = sparse(model)
        if index:
            heads, dim = index["indexer_heads"], index["indexer_head_dim"]
            found.append(Matrix("indexer_query", query, heads * dim, layers, cut=""))
            found.append(Matrix("indexer_key", h, dim + heads, layers, cut=""))
    else:
        kv = 2.0 * a.kv_heads * a.head_dim
        found.append(Matrix("qkv", h, a.heads * a.head_dim, layers, kv_outer=kv, kv_heads=float(a.kv_heads)))
        found.append(Matrix("attention_out", a.heads * a.head_dim, h, layers, cut="inner"))
    dense = layers - expert_layers(model)
    if dense:
        found.append(Matrix("gate_up", h, 2.0 * model.feed_forward, dense))
        found.append(Matrix("down", model.feed_forward, h, dense, cut="inner"))
    if model.experts and model.experts.shared_width:
        sparse_layers, width = float(expert_layers(model)), float(model.experts.shared_width)
        found.append(Matrix("shared_gate_up", h, 2.0 * width, sparse_layers))
        found.append(Matrix("shared_down", width, h, sparse_layers, cut="inner"))
    return found


def expert_parameters(model: Model) -> float:
    """Parameters of one routed expert of one layer: gate, up and down."""
    if not model.experts:
        return 0.0
    biases = 2 * model.experts.width + model.hidden if model.extra.get("expert_bias") else 0
    return 3.0 * model.hidden * model.experts.width + biases


def embedding_parameters(model: Model) -> float:
    """Parameters of one embedding table: vocabulary x hidden."""
    return float(model.vocabulary) * model.hidden


@remembered
def small_parameters(model: Model) -> float:
    """Norms, biases, attention sinks and routers: counted for exactness, negligible in time."""
    a, extra = model.attention, model.extra
    each = extra.get("norms_per_layer", 2) * model.hidden
    if is_latent(model):
        each += a.query_rank + a.latent
    if extra.get("qk_norm"):
        each += 2 * a.head_dim
    if extra.get("attention_bias"):
        each += (a.heads + 2 * a.kv_heads) * a.head_dim + model.hidden
    if a.sinks:
        each += a.heads
    total = each * model.layers + model.hidden
    if model.experts:
        bias = 1 if extra.get("router_bias") else 0
        total += expert_layers(model) * model.experts.routed * (model.hidden + bias)
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


def cache_width(model: Model) -> float:
    """Elements that one token leaves in one layer's cache: 2 kv_heads head_dim, or latent + rope for MLA."""
    a = model.attention
    return float(a.latent + a.rope_dim) if is_latent(model) else 2.0 * a.kv_heads * a.head_dim


def cache_elements_per_token(model: Model) -> float:
    """Keys and values that one more token adds, over all layers whose cache grows with the context.

    Chunked layers count as growing: their cache is full only at the end of a chunk. nan where it is not known.
    """
    full = model.extra.get("full_attention_layers")
    if unmodelled(model) and not full:
        return math.nan
    growing = sum(span.layers for span in spans(model) if span.window == math.inf or span.chunked)
    return cache_width(model) * (full if full else growing)


def cache_bytes_per_token(model: Model, bytes_per_element: Byte) -> Byte:
    """Bytes that one more token adds to the cache: elements x bytes per element."""
    return cache_elements_per_token(model) * bytes_per_element


def cache_bytes(model: Model, context: Token, bytes_per_element: Byte) -> Byte:
    """Bytes of one sequence's cache at a context length: layers with a window keep at most the window.

    sum over spans of layers min(context, window) cache_width bytes, plus the indexer's keys where attention is sparse.

    >>> from stackyard import catalog
    >>> float(cache_bytes(catalog.load().model("gpt-oss-120b"), 1000.0, 1.0))
    20791296.0
    """
    tokens: Numeric = sum(span.layers * least(context, span.window) for span in spans(model))
    index = sparse(model)
    keys = context * model.layers * index["indexer_head_dim"] if index else 0.0
    return (tokens * cache_width(model) + keys) * bytes_per_element
