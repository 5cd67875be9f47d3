"""What a step asks of one accelerator: arithmetic, memory traffic and messages, counted and not yet timed.

Everything is of one layer and one micro-batch on one accelerator, forward, backward and recomputation together, unless
its name says otherwise. Nothing here depends on a measured constant.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import numpy as np

from stackyard.catalog.entries import Accelerator, Model
from stackyard.perf import architecture, counting
from stackyard.perf.architecture import Matrix
from stackyard.perf.op import ACTIVATION, causal_pairs, chunked_pairs
from stackyard.perf.training.recipe import RECOMPUTE, Recipe, bubble, inside
from stackyard.quantity import Byte, Count, Flop, Numeric, Token

GRADIENT: Byte = 4.0  # gradients are summed in fp32
UPDATE: Byte = 30.0  # Adam: reads gradient, master weight and two moments (16), writes three of them and bf16 (14)
GROUPS = {"deepseek_mla_moe": 4.0}  # most nodes that a token is sent to (DeepSeek-V3, arXiv:2412.19437, section 2.1.2)
TILE: Token = 128.0  # keys that a fused kernel of attention takes in at once; on the diagonal half of them are masked
STATE: Byte = 12.0  # master weight and two moments, fp32


class Traffic(NamedTuple):
    """Bytes that one accelerator sends: on its scale-up link, on its scale-out link, and messages on each."""

    up: Byte
    out: Byte
    up_count: Count
    out_count: Count


def gathered(size: Byte, peers: Count, local: Count, count: Count = 1.0) -> Traffic:
    """All-gather or reduce-scatter of `size` bytes over `peers`, `local` of which share a scale-up domain.

    Each sends (peers - 1) / peers size on scale-up, where more than one is local; and the domain as a whole takes in
    what it lacks over `local` scale-out links at once: (1 - local / peers) size / local on each.

    >>> float(gathered(800.0, 8.0, 8.0).up), float(gathered(800.0, 16.0, 8.0).out)
    (700.0, 50.0)
    """
    wide, far = np.greater(local, 1) * 1.0, np.greater(peers, local) * 1.0
    up = size * (peers - 1) / peers * wide
    out = size * (1 - local / peers) / local * far
    return Traffic(count * up, count * out, count * wide, count * far)


def exchanged(size: Byte, peers: Count, local: Count, count: Count = 1.0) -> Traffic:
    """All-to-all: each holds `size` bytes addressed evenly to all `peers`; nothing is shared on the way out.

    >>> float(exchanged(800.0, 16.0, 8.0).out)
    400.0
    """
    wide, far = np.greater(local, 1) * 1.0, np.greater(peers, local) * 1.0
    return Traffic(
        count * size * (local - 1) / peers * wide, count * size * (1 - local / peers) * far, count * wide, count * far
    )


@dataclass(frozen=True)
class Work:
    """A step, counted; fields are floats or arrays of one shape."""

    matmul_flop: Flop
    matmul_bytes: Byte
    matmul_count: Count
    expert_flop: Flop
    expert_bytes: Byte
    expert_count: Count
    expert_layer: Count  # 1 where every layer has experts
    attention_flop: Flop
    exponentials: Count  # of scores, in kernels that keep them on the chip
    attention_bytes: Byte  # of scores, where attention is not fused
    misaligned: Flop  # of attention whose head dimension is not a multiple of 8
    ragged: Flop  # of matmuls with a side that is not a multiple of 64
    elementwise_bytes: Byte
    copied_bytes: Byte  # of routed rows: sorted by expert and back, padded, biased, clamped
    cast_elements: Count  # of matmul operands that are brought to a lower format
    head_flop: Flop  # output head and loss of one micro-batch, on the last stage
    head_bytes: Byte
    tensor: Traffic
    tensor_hidden: Traffic  # of the tensor group, beside a matmul that does not wait for it
    ring: Traffic  # keys and values around the context group
    dispatch: Traffic  # tokens to experts and back
    shard: Traffic  # parameters and gradients of one layer around its replicas (zero-3)
    stage_send: Traffic  # activations to the next stage and back, of one micro-batch and chunk
    reduce: Traffic  # gradients and parameters of the whole accelerator, once a step
    update_bytes: Byte  # of the optimiser, once a step
    host_elements: Count  # parameters that the host updates, once a step
    layers: Count  # of the fullest stage
    last_layers: Count  # of the stage that also has the output head
    micro_batches: Count
    bubble: Numeric
    virtual: Count
    accelerators: Count
    tokens: Token
    flop_full: Flop  # of the model, all accelerators, one step: attention over all pairs
    flop_causal: Flop  # the same over the pairs that a causal mask leaves
    flop_hardware: Flop  # done in fact, recomputation in


def matrices(model: Model) -> list[Matrix]:
    """The weight matrices of the layers; plain GPT blocks have one matrix up instead of gate and up.

    >>> from stackyard import catalog
    >>> len(matrices(catalog.load().model("llama-3.1-70b")))
    4
    """
    found = architecture.matrices(model)
    if not model.extra.get("ungated"):
        return found
    return [replace(m, name="up", outer=m.outer / 2) if m.name == "gate_up" else m for m in found]


def parameters(model: Model) -> float:
    """Parameters of the whole model.

    >>> from stackyard import catalog
    >>> round(parameters(catalog.load().model("llama-3.1-405b")) / 1e9)
    406
    """
    tables = (1 if model.tied_embeddings else 2) * counting.embedding_parameters(model)
    experts = architecture.expert_layers(model) * (model.experts.routed if model.experts else 0)
    return (
        sum(matrix.elements for matrix in matrices(model))
        + tables
        + experts * counting.expert_parameters(model)
        + counting.small_parameters(model)
    )


def _pairs(model: Model, recipe: Recipe) -> tuple[Numeric, Numeric]:
    """Pairs (query, key) of one sequence and layer, mean over the layers: under the causal mask, and all of them.

    Samples packed into one sequence do not see each other.
    """
    sequence = np.minimum(recipe.sequence, recipe.sample)
    samples = recipe.sequence / sequence
    seen: Numeric = 0.0
    for span in architecture.spans(model):
        part = chunked_pairs(sequence, span.window) if span.chunked else causal_pairs(sequence, span.window)
        seen = seen + part * span.layers / model.layers
    return samples * seen, samples * sequence * sequence


def stages(model: Model, recipe: Recipe) -> tuple[Count, Count]:
    """Layers of the fullest stage and of the last one, which also has the output head.

    Layers are dealt in equal chunks; where they do not divide, the first and last chunk are the ones that lack one.

    >>> from stackyard import catalog
    >>> recipe = Recipe(accelerators=1024, sequence=8192, global_batch=512, tensor=8, pipeline=16, virtual=8)
    >>> [float(layers) for layers in stages(catalog.load().model("llama-3.1-405b"), recipe)]  # of 126
    [8.0, 7.0]
    """
    chunks = recipe.pipeline * recipe.virtual
    each = np.ceil(model.layers / chunks)
    missing = each * chunks - model.layers
    full = each * recipe.virtual
    return full, full - np.minimum(missing, 1.0)


def count(model: Model, chip: Accelerator, recipe: Recipe) -> Work:
    """The work of one step of `recipe`; widths must be at least 1.

    A dense matmul of P parameters costs 2 P flop a token forward and 4 P backward (Kaplan et al., arXiv:2001.08361,
    section 2.1); fused attention costs 2.5 times its forward again backward, because it computes its scores again (Dao,
    arXiv:2307.08691); full recomputation adds a forward, selective recomputation the core of attention.
    Each matmul accumulates its weight's gradient in fp32 in each micro-batch: 8 bytes a parameter.

    >>> from stackyard import catalog
    >>> recipe = Recipe(accelerators=64, sequence=8192, global_batch=256, tensor=8)
    >>> work = count(catalog.load().model("llama-3.1-70b"), catalog.load().accelerator("h100"), recipe)
    >>> float(work.tokens) == 256 * 8192
    True
    """
    r = recipe
    rows = r.micro_batch * r.sequence / r.context  # tokens of a micro-batch on one accelerator
    again = RECOMPUTE[r.recompute]
    passes = (2.0 if r.adapters else 3.0) + again
    stage, last = stages(model, r)
    flop = model_flop(model, r)
    held, spread = held_parameters(model, r)
    table = float(model.hidden) * model.vocabulary / r.tensor
    update = 0.0 if r.adapters else held / r.split + spread / expert_shards(r)
    return Work(
        **_matmuls(model, r, rows, passes),
        **_attention(model, r),
        **_layer_messages(model, chip, r, rows, again),
        **_step_messages(model, chip, r, rows, held, spread),
        elementwise_bytes=_elementwise_bytes(model, r, rows) * (3.0 + again),
        copied_bytes=_copied_bytes(model, r, rows) * (3.0 + again),
        head_flop=2.0 * min(passes, 3.0) * rows * table,
        head_bytes=rows * model.vocabulary / r.tensor * 16.0 + 3 * table * ACTIVATION,
        update_bytes=update * UPDATE * (0.0 if r.offload else 1.0),
        host_elements=update * (1.0 if r.offload else 0.0),
        layers=stage,
        last_layers=last,
        micro_batches=r.micro_batches,
        bubble=bubble(r),
        virtual=r.virtual,
        accelerators=r.accelerators,
        tokens=r.tokens,
        flop_full=flop["flop_full"],
        flop_causal=flop["flop_causal"],
        flop_hardware=flop["flop_hardware"],
    )


def expert_spread(recipe: Recipe) -> Count:
    """Accelerators over which the weights of the routed experts are spread.

    >>> float(expert_spread(Recipe(accelerators=64, sequence=8192, global_batch=256, expert=8)))
    8.0
    """
    return np.maximum(recipe.tensor, recipe.expert)


def expert_shards(recipe: Recipe) -> Count:
    """Accelerators that hold the same experts.

    >>> float(expert_shards(Recipe(accelerators=64, sequence=8192, global_batch=256, expert=8)))
    8.0
    """
    return np.maximum(recipe.accelerators / (recipe.pipeline * expert_spread(recipe)), 1.0)


def held_parameters(model: Model, recipe: Recipe) -> tuple[Count, Count]:
    """Parameters on the fullest accelerator before its replicas split them: all but the routed experts, and those.

    Layers of the fullest stage, divided by the tensor width where the matrix can be; one of the two tables of tokens
    where there is more than one stage, both otherwise.

    >>> from stackyard import catalog
    >>> held, _ = held_parameters(catalog.load().model("llama-3.1-8b"), Recipe(8.0, 8192.0, 8.0))
    >>> float(held)
    8030261248.0
    """
    r = recipe
    stage, _ = stages(model, r)
    share = stage / model.layers
    dense: Numeric = 0.0
    for matrix in matrices(model):
        inner, outer = matrix.shape(r.tensor)
        dense = dense + inner * outer * matrix.layers * share
    tables = np.where(np.greater(r.pipeline, 1), 1.0, 1.0 if model.tied_embeddings else 2.0)
    dense = dense + counting.small_parameters(model) * share
    dense = dense + tables * counting.embedding_parameters(model) / r.tensor
    if model.experts is None:
        return dense, 0.0 * dense
    routed = model.experts.routed * counting.expert_parameters(model) * architecture.expert_layers(model)
    return dense, routed * share / expert_spread(r)


def _matmuls(model: Model, r: Recipe, rows: Token, passes: float) -> dict[str, Any]:
    """Dense and expert matmuls of a mean layer."""
    flop: Numeric = 0.0
    ragged: Numeric = 0.0
    moved: Numeric = 0.0
    cast: Numeric = 0.0
    number = 0.0
    kept = 0.0 if r.adapters or r.sharding == "zero-3" else 2 * GRADIENT
    for matrix in matrices(model):
        inner, outer = matrix.shape(r.tensor)
        share = matrix.layers / model.layers
        done = 2 * rows * inner * outer * passes * share
        flop = flop + done
        ragged = ragged + done * ((np.mod(inner, 64) > 0) | (np.mod(outer, 64) > 0))
        moved = moved + share * (
            inner * outer * (ACTIVATION * passes + kept) + rows * (inner + outer) * ACTIVATION * passes
        )
        cast = cast + share * (rows * (inner + outer) + inner * outer)
        number += passes * share
    routed = {"expert_flop": 0.0 * flop, "expert_bytes": 0.0 * flop, "expert_count": 0.0, "expert_layer": 0.0}
    if model.experts:
        e, h, share = model.experts, float(model.hidden), architecture.expert_layers(model) / model.layers
        each = rows * e.active / r.tensor
        local = e.routed * 3.0 * h * e.width / expert_spread(r)
        traffic = local * (ACTIVATION * passes + kept) + each * (2 * h + 3 * e.width) * ACTIVATION * passes
        routed = {
            "expert_flop": 6 * each * h * e.width * passes * share,
            "expert_bytes": traffic * share,
            "expert_count": 2 * passes * share,
            "expert_layer": share,
        }
        cast = cast + share * (each * (2 * h + 3 * e.width) + local)
    low = 0.0 if r.precision == "bf16" else 1.0
    return {
        "matmul_flop": flop,
        "matmul_bytes": moved,
        "matmul_count": number,
        "ragged": ragged,
        "cast_elements": cast * low,
        **routed,
    }


def head_dims(model: Model) -> tuple[float, float]:
    """Key and value dimension of a head as trained (MLA: not absorbed).

    >>> from stackyard import catalog
    >>> head_dims(catalog.load().model("deepseek-v3"))
    (192.0, 128.0)
    """
    a = model.attention
    return float(a.head_dim), float(a.value_dim if architecture.is_latent(model) else a.head_dim)


def _attention(model: Model, r: Recipe) -> dict[str, Any]:
    """The core of attention: scores, softmax and weighted sum of a micro-batch in one layer."""
    key, value = head_dims(model)
    causal, full = _pairs(model, r)
    share = r.micro_batch * model.attention.heads / r.tensor / r.context
    again = RECOMPUTE[r.recompute]
    if r.attention == "unfused" and r.recompute in ("selective", "alternate"):
        again = 1.0
    if r.attention != "unfused":
        done = share * np.minimum(causal + r.sequence * TILE / 2, full)
        flop = 2 * done * (key + value) * (3.5 + again)
        powers = done * (2.0 + again) * (0.0 if r.attention == "flash-3" else 1.0)  # it hides them behind its matmuls
        scores = 0.0 * flop
    else:
        flop = 2 * share * full * (key + value) * (3.0 + again)
        powers = 0.0 * flop
        scores = share * full * 12.0 * (3.0 + again)
    return {
        "attention_flop": flop,
        "exponentials": powers,
        "attention_bytes": scores,
        "misaligned": flop * (1.0 if model.attention.head_dim % 8 else 0.0),
    }


def _elementwise_bytes(model: Model, r: Recipe, rows: Token) -> Byte:
    """Norms, residuals, rotary embedding and activation function of one layer, forward.

    Reads and writes of bf16: two norms and two additions take 10 hidden; splitting and rotating queries, keys and
    values two of each; a gated activation three widths, a plain one two.
    """
    a, h = model.attention, float(model.hidden)
    sparse = architecture.expert_layers(model) / model.layers
    whole = 10 * h / (r.tensor if r.sequence_parallel else 1.0)
    width = (2.0 if model.extra.get("ungated") else 3.0) * model.feed_forward * (1 - sparse)
    if model.experts:
        e = model.experts
        width += 3.0 * (e.active * e.width + e.shared_width) * sparse
    split = 2.0 * (a.heads + 2 * min(a.kv_heads, a.heads)) * a.head_dim
    return rows * ACTIVATION * (whole + (width + split) / r.tensor)


def _copied_bytes(model: Model, r: Recipe, rows: Token) -> Byte:
    """Routed rows of one layer, forward: read and written once on the way to the experts and once on the way back.

    Experts with biases and clamped activations add them in passes of their own: 2 (2 width + hidden) and 8 width.
    """
    if model.experts is None:
        return 0.0 * rows
    e, h = model.experts, float(model.hidden)
    sparse = architecture.expert_layers(model) / model.layers
    each = 4.0 * h + (12.0 * e.width + 2.0 * h if model.extra.get("expert_bias") else 0.0)
    return rows * ACTIVATION * each * e.active * sparse / r.tensor


def _layer_messages(model: Model, chip: Accelerator, r: Recipe, rows: Token, again: float) -> dict[str, Any]:
    """Messages of one layer and micro-batch within a replica."""
    domain, h = float(max(chip.scale_up_domain, 1)), float(model.hidden)
    sparse = architecture.expert_layers(model) / model.layers
    size, local = rows * h * ACTIVATION, inside(domain, 1.0, r.tensor)
    blocks = (2.0 - sparse) / 2.0  # attention and a dense block; experts have messages of their own
    tensor = gathered(size, r.tensor, local, blocks * (8.0 + 4.0 * again))
    hidden = gathered(size, r.tensor, local, 2.0 * blocks * (1.0 if r.sequence_parallel else 0.0))
    key, value = head_dims(model)
    heads = np.maximum(model.attention.kv_heads / r.tensor, 1.0)
    turn = rows * heads * (key + value) * ACTIVATION * (r.context - 1) * (3.0 + again)
    far = np.greater(r.context, inside(domain, r.tensor, r.context)) * 1.0
    turns = (r.context - 1) * (3.0 + again)
    ring = Traffic(turn * (1 - far), turn * far, turns * (1 - far), turns * far)
    active = model.experts.active if model.experts else 0
    near = inside(domain, 1.0, r.expert)
    domains = r.expert / near
    copies = domains * (1 - (1 - 1 / domains) ** active)  # domains that one token reaches: sent there once
    copies = np.minimum(copies, GROUPS.get(model.family, np.inf))
    trips = sparse * (4.0 + 2.0 * again)
    sent = exchanged(rows / r.tensor * h * ACTIVATION, r.expert, near, trips)
    dispatch = Traffic(sent.up * active, sent.out * copies, sent.up_count, sent.out_count)
    return {"tensor": tensor, "tensor_hidden": hidden, "ring": ring, "dispatch": dispatch}


def _step_messages(
    model: Model, chip: Accelerator, r: Recipe, rows: Token, held: Count, spread: Count
) -> dict[str, Any]:
    """Messages between stages and between the accelerators that hold the same parameters."""
    domain, stage = float(max(chip.scale_up_domain, 1)), stages(model, r)[0]
    full = r.sharding == "zero-3"
    peers, twins = r.split if full else r.shards, expert_shards(r)
    local, near = inside(domain, r.tensor, peers), inside(domain, expert_spread(r), twins)
    trained = 0.0 if r.adapters else 1.0
    copies = r.shards / peers  # of the whole state, with hybrid sharding; they sum their gradients once a step
    summed = gathered(trained * held / peers * ACTIVATION * 2.0, copies, inside(domain, r.tensor * peers, copies))

    def around(times: float, share: Numeric) -> Traffic:
        dense = gathered(held * ACTIVATION * times * share, peers, local)
        routed = gathered(spread * ACTIVATION * times * share, twins, near)
        return Traffic(*(trained * (one + other) for one, other in zip(dense, routed, strict=True)))

    none = Traffic(*(0.0 * part for part in around(1.0, 1.0)))
    far = np.greater(r.accelerators, domain) * 1.0
    parts = 1.0 if r.software.startswith("deepspeed") else r.tensor  # others send each a part and gather it there
    size = 2.0 * rows * model.hidden * ACTIVATION / parts * np.greater(r.pipeline, 1)
    sends = 2.0 * np.greater(r.pipeline, 1)
    return {
        "shard": around(3.0, 1 / stage) if full else none,
        "reduce": summed if full else around(2.0, 1.0),
        "stage_send": Traffic(size * (1 - far), size * far, sends * (1 - far), sends * far),
    }


def model_flop(model: Model, recipe: Recipe) -> dict[str, Flop]:
    """FLOP of one step over all accelerators: by both conventions of attention, and as done in fact.

    6 P tokens for the P parameters of matmuls that a token uses, the output head in and the input table out, plus
    attention's 6 pairs heads (key + value) of each sequence and layer over all pairs ('full', as in PaLM's MFU,
    arXiv:2204.02311 appendix B, and Narayanan) or over those under the causal mask ('causal', as Megatron Bridge).

    >>> from stackyard import catalog
    >>> flop = model_flop(catalog.load().model("llama-3.1-8b"), Recipe(8.0, 8192.0, 128.0))
    >>> [round(float(flop[name]) / 128 / 8192 / 1e10, 2) for name in ("flop_full", "flop_causal")]
    [5.79, 5.15]
    """
    r, e = recipe, model.experts
    key, value = head_dims(model)
    causal, full = _pairs(model, r)
    used = sum(matrix.elements for matrix in matrices(model)) + counting.embedding_parameters(model)
    if e:
        used += architecture.expert_layers(model) * e.active * counting.expert_parameters(model)
    core = 2.0 * r.global_batch * model.layers * model.attention.heads * (key + value)
    forward = 2.0 * used * r.tokens
    passes = 2.0 if r.adapters else 3.0
    again = RECOMPUTE[r.recompute]
    repeated = again * forward + (again if r.recompute in ("none", "full") else 1.0) * core * causal
    return {
        "flop_full": passes * forward + 3 * core * full,
        "flop_causal": passes * forward + 3 * core * causal,
        "flop_hardware": passes * forward + 3 * core * causal + repeated,
    }


def stacked(works: list[Work]) -> Work:
    """Many works of one number each as one work of arrays."""

    def joined(values: list[Any]) -> Any:
        if isinstance(values[0], Traffic):
            return Traffic(*(np.array([float(part) for part in parts]) for parts in zip(*values, strict=True)))
        return np.array([float(value) for value in values])

    return Work(**{f.name: joined([getattr(work, f.name) for work in works]) for f in fields(Work)})
