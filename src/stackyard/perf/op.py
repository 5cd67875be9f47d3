"""Operations: how much arithmetic, memory traffic and network traffic each kind of block costs one accelerator.

Every function here is a pure formula over floats or arrays. An `Op` says what is done, never how long it takes: seconds
are the business of a provider.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stackyard.perf.numeric import least, log, most, where
from stackyard.quantity import Byte, Count, Flop, Numeric, Token

TILE: Count = 128.0  # rows of an output tile of the matmul kernels of every vendor's library
ACTIVATION: Byte = 2.0  # bytes of an activation between blocks: bf16 in every published serving engine


class Op(NamedTuple):  # made a hundred times an estimate: a frozen dataclass takes four times as long
    """One operation of one accelerator, done `count` times; flop, bytes and sent are of one time.

    `kind` is 'matmul', 'experts', 'prefill' or 'decode' (attention), 'permute', 'elementwise' or 'collective';
    `precision` is that of the arithmetic, `stored` that of the weights or cache read. `edge` is the FLOP that one more
    row in each group of a (grouped) matmul would add, `wave` the FLOP of one element of output: what padding to whole
    tiles and whole waves of tiles costs; `narrow` is one over the width of an expert as one accelerator holds it, 0 for
    all else; `groups` is how many experts are reached, `uneven` 0 where every accelerator has a part of each and up to
    1 where each has few experts whole. `sent` bytes leave the accelerator, in one
    direction, inside a group of accelerators that is `peers` wide.
    """

    name: str
    kind: str
    precision: str = "bf16"
    stored: str = "bf16"
    flop: Flop = 0.0
    bytes: Byte = 0.0
    edge: Flop = 0.0
    wave: Flop = 0.0
    narrow: Numeric = 0.0
    groups: Count = 0.0
    uneven: Numeric = 0.0
    sent: Byte = 0.0
    peers: Count = 1.0
    count: Count = 1.0  # type: ignore[assignment]  # a tuple's own `count` is of no use here
    shared: Numeric = 0.0  # 1 for sums and gathers, which groups can do part by part
    sums: Numeric = 0.0  # 1 for sums, which a switch can do, or every peer for itself
    chunks: Numeric = 0.0  # of attention inside chunks, those that the longest sequence has
    again: Numeric = 0.0  # query heads of a key head less one: how often its cache is read again without kernels for it


def matmul(
    name: str,
    rows: Token,
    inner: Count,
    outer: Count,
    weight: Byte,
    precision: str = "bf16",
    count: Count = 1.0,
    stored: str = "bf16",
) -> Op:
    """Activations (rows x inner) times weights (inner x outer).

    flop = 2 rows inner outer; bytes = inner outer weight + rows (inner + outer) activation.
    `weight` is bytes per element. Valid where each operand is read once: large tiles, weights larger than the cache.

    >>> matmul("down", 1, 4096, 4096, weight=1).flop
    33554432
    """
    moved = inner * outer * weight + rows * (inner + outer) * ACTIVATION
    edge, wave = 2 * inner * outer, 2 * inner * least(rows / TILE, 1.0)
    return Op(name, "matmul", precision, stored, rows * edge, moved, edge, wave, count=count)


def causal_pairs(tokens: Token, window: Numeric = np.inf) -> Numeric:
    """Pairs (query, key) of a causal prompt whose queries see at most `window` keys, themselves in.

    sum over i = 1..tokens of min(i, window) = w (w + 1) / 2 + (tokens - w) w, where w = min(tokens, window).

    >>> float(causal_pairs(4.0)), float(causal_pairs(4.0, 2.0))
    (10.0, 7.0)
    """
    seen: Numeric = least(tokens, window)
    return seen * (seen + 1) / 2 + (tokens - seen) * seen


def chunked_pairs(tokens: Token, chunk: Numeric) -> Numeric:
    """Pairs of a causal prompt whose queries see only their own chunk of `chunk` tokens (Llama 4's local layers).

    >>> float(chunked_pairs(5.0, 2.0))
    7.0
    """
    whole = np.floor(tokens / chunk)
    rest = tokens - whole * chunk
    return whole * chunk * (chunk + 1) / 2 + rest * (rest + 1) / 2


def attention(
    name: str,
    sequences: Count,
    queries: Token,
    pairs: Numeric,
    keys: Token,
    heads: Count,
    key_dim: Count,
    value_dim: Count,
    cache_width: Count,
    cache: Byte,
    precision: str = "bf16",
    count: Count = 1.0,
    kind: str = "decode",
    stored: str = "bf16",
    chunks: Numeric = 0.0,
    again: Numeric = 0.0,
) -> Op:
    """Scores, softmax and weighted sum of `sequences`, each with `queries` new tokens over `keys` cached ones.

    flop = 2 sequences pairs heads (key_dim + value_dim);
    bytes = sequences ((keys + queries) cache_width cache + queries heads (key_dim + value_dim) activation).
    `cache_width` is elements per token and layer that this accelerator holds, `cache` bytes per element; the cache is
    read once and the new tokens' part written once, as in a fused kernel that keeps scores on chip. Decode has one
    query and pairs = keys. MLA decode in absorbed form: key_dim = latent + rope, value_dim = latent (DeepSeek-V2,
    arXiv:2405.04434, section 2.1).

    >>> attention("attention", 1, 1, 1000, 1000, 8, 128, 128, 2048, 2).flop
    4096000
    """
    flop = 2 * sequences * pairs * heads * (key_dim + value_dim)
    moved = (keys + queries) * cache_width * cache + queries * heads * (key_dim + value_dim) * ACTIVATION
    sizes = flop, sequences * moved
    return Op(name, kind, precision, stored, *sizes, count=count, chunks=chunks, again=again)


CHUNK: Token = 64.0  # tokens that kernels of linear attention take at once (flash-linear-attention's default)


def linear_attention(
    name: str,
    sequences: Count,
    queries: Token,
    value_heads: Count,
    key_heads: Count,
    key_dim: Count,
    value_dim: Count,
    state: Byte,
    count: Count = 1.0,
    kind: str = "decode",
) -> Op:
    """Gated delta rule of `sequences`, each with `queries` new tokens, over a state of key_dim x value_dim a head.

    Decode reads and writes the state for one token: S' = S (decay) + k (v - S k)^T, o = S' q, so flop = 7 key_dim
    value_dim a head and bytes = 2 key_dim value_dim state. Prefill works in chunks of C tokens (arXiv:2412.06464,
    section 3.3): flop = 2 C (3 key_dim + 2 value_dim) + 2/3 C^2 + 6 key_dim value_dim a token and head, of which the
    state is written and read once a chunk in 16 bits; queries, keys, values, gate and output pass once.

    >>> linear_attention("linear_attention", 1.0, 1.0, 64.0, 16.0, 128.0, 128.0, 4.0).bytes
    8445952.0
    """
    moved = queries * (2 * key_heads * key_dim + 3 * value_heads * value_dim) * ACTIVATION
    square = key_dim * value_dim
    if kind == "decode":
        flop, moved = 7 * value_heads * square * queries, moved + 2 * value_heads * square * state
    else:
        flop = queries * value_heads * (2 * CHUNK * (3 * key_dim + 2 * value_dim) + 2 / 3 * CHUNK**2 + 6 * square)
        moved = moved + queries / CHUNK * 2 * value_heads * square * ACTIVATION
    return Op(name, kind, "bf16", "bf16", sequences * flop, sequences * moved, count=count)


def norm(name: str, tokens: Token, hidden: Count, count: Count = 1.0) -> Op:
    """Residual addition and RMS norm in one kernel: two reads, two writes of tokens x hidden; 6 FLOP an element.

    >>> norm("norm", 2, 4096).bytes
    65536.0
    """
    return Op(name, "elementwise", "bf16", "bf16", 6 * tokens * hidden, 4 * tokens * hidden * ACTIVATION, count=count)


def gate(name: str, tokens: Token, width: Count, count: Count = 1.0) -> Op:
    """SwiGLU's product of two halves of width `width`: two reads, one write; 6 FLOP an element.

    >>> gate("gate", 1, 100).bytes
    600.0
    """
    return Op(name, "elementwise", "bf16", "bf16", 6 * tokens * width, 3 * tokens * width * ACTIVATION, count=count)


def router(name: str, tokens: Token, hidden: Count, routed: Count, count: Count = 1.0) -> Op:
    """Scores of every routed expert for every token, in bf16: a small matmul that every accelerator repeats.

    >>> router("router", 1, 1000, 10).flop
    20000
    """
    return matmul(name, tokens, hidden, routed, ACTIVATION, "bf16", count)


def touched(routed: Count, active: Count, tokens: Token, spread: Numeric = 0.0) -> Count:
    """Expected number of distinct experts that `tokens` tokens reach, each choosing `active` of `routed`.

    E (1 - (1 - k/E)^n) where they choose evenly. Where some experts are chosen more often, later tokens find
    more of theirs read already: with rates of choice of a gamma distribution of squared coefficient of variation
    v = `spread`, E (1 - (1 - k/E) (1 - v log (1 - k/E)^(n - 1))^(-1/v)), whose limit for v = 0 is the first.

    >>> touched(8, 2, 1), float(touched(8, 2, 1e9))
    (2.0, 8.0)
    >>> round(touched(128, 8, 16), 1), round(touched(128, 8, 16, 1.0), 1)
    (82.4, 67.0)
    """
    missed = (1 - active / routed) ** tokens
    if spread:
        first = 1 - active / routed
        missed = first * (1 - spread * log(missed / first)) ** (-1 / spread)
    return routed * (1 - missed)


def quantise(name: str, tokens: Token, width: Count, count: Count = 1.0) -> Op:
    """Scales and eight-bit values of `tokens` x `width` activations, found as they come: one read, half a write.

    >>> quantise("quantise", 1, 100).bytes
    300.0
    """
    return Op(name, "elementwise", "bf16", "bf16", 4 * tokens * width, 3.0 * tokens * width, count=count)


def experts(
    name: str,
    tokens: Token,
    pool: Token,
    hidden: Count,
    width: Count,
    routed: Count,
    active: Count,
    tensor: Count,
    spread: Count,
    weight: Byte,
    precision: str = "bf16",
    count: Count = 1.0,
    stored: str = "bf16",
    dealt: Count = 1.0,
    popular: Numeric = 0.0,
) -> Op:
    """Gate, up and down matmuls of routed experts, grouped into one launch each way.

    `tokens` come from this accelerator's tensor group, `pool` from all groups that share the experts; the experts'
    weights are spread over `spread` accelerators, whole experts over `dealt` of them, whose load is then `uneven`.
    In the mean this accelerator does tokens active / tensor rows of
    6 hidden width FLOP, and reads the weights of touched(routed, active, pool, popular) / spread experts.

    >>> experts("experts", 1, 1, 10, 20, 8, 2, 1, 1, 2).flop
    2400.0
    """
    rows, each = tokens * active / tensor, 6 * hidden * width
    groups = touched(routed, active, pool, popular) / spread
    moved = groups * 3 * hidden * width * weight + rows * (2 * hidden + 3 * width) * ACTIVATION
    return Op(
        name,
        "experts",
        precision,
        stored,
        rows * each,
        moved,
        groups * each,
        groups=groups,
        narrow=most(tensor / dealt, 1.0) / width,
        uneven=1.0 - 1.0 / dealt,
        count=count,
    )


def permute(name: str, tokens: Token, hidden: Count, active: Count, tensor: Count, count: Count = 1.0) -> Op:
    """Gathering rows by expert before the experts and adding them up after: tokens active / tensor rows each way.

    bytes = (2 rows + rows + tokens) hidden activation: gather reads and writes, the sum reads rows and writes tokens.

    >>> permute("permute", 10, 100, 4, 1).bytes
    26000.0
    """
    rows = tokens * active / tensor
    moved = (3 * rows + tokens) * hidden * ACTIVATION
    return Op(name, "permute", "bf16", "bf16", rows * hidden, moved, count=count)


def sample(name: str, sequences: Count, vocabulary: Count, count: Count = 1.0) -> Op:
    """Choosing a token from each sequence's scores: one write and three reads of 4-byte scores; 5 FLOP a score.

    >>> sample("sample", 1, 1000).bytes
    16000.0
    """
    return Op(
        name, "elementwise", "bf16", "bf16", 5 * sequences * vocabulary, 16.0 * sequences * vocabulary, count=count
    )


def all_reduce(name: str, size: Byte, peers: Count, count: Count = 1.0) -> Op:
    """Sum of `size` bytes held by each of `peers`: each sends 2 (peers - 1) / peers size. One peer sends nothing.

    Ring and reduce-scatter + all-gather send the same (Patarasuk and Yuan, J. Parallel Distrib. Comput. 69, 2009).

    >>> all_reduce("all_reduce", 100, 4).sent, float(all_reduce("all_reduce", 100, 1).count)
    (150.0, 0.0)
    """
    return _exchange(name, 2 * (peers - 1) / peers * size, peers, count, 1.0, 1.0)


def all_gather(name: str, size: Byte, peers: Count, count: Count = 1.0) -> Op:
    """Every peer ends with `size` bytes of which it held 1/peers: each sends (peers - 1) / peers size.

    >>> all_gather("all_gather", 100, 4).sent
    75.0
    """
    return _exchange(name, (peers - 1) / peers * size, peers, count, 1.0)


def all_to_all(name: str, size: Byte, peers: Count, count: Count = 1.0) -> Op:
    """Each peer holds `size` bytes addressed evenly to all peers, itself in: it sends (peers - 1) / peers size.

    >>> all_to_all("dispatch", 100, 4).sent
    75.0
    """
    return _exchange(name, (peers - 1) / peers * size, peers, count)


def send(name: str, size: Byte, peers: Count, span: Count, count: Count = 1.0) -> Op:
    """`size` bytes to the next of `peers` pipeline stages; the pipeline spans `span` accelerators.

    >>> send("send", 100, 2, 16).sent
    100.0
    """
    return Op(name, "collective", "bf16", sent=1.0 * size, peers=span, count=count * where(peers > 1, 1.0, 0.0))


def _exchange(name: str, sent: Byte, peers: Count, count: Count, shared: Numeric = 0.0, sums: Numeric = 0.0) -> Op:
    busy = count * where(peers > 1, 1.0, 0.0)
    return Op(name, "collective", "bf16", sent=sent, peers=peers, count=busy, shared=shared, sums=sums)


def embedding(name: str, tokens: Token, hidden: Count, count: Count = 1.0) -> Op:
    """Rows of the embedding table gathered for each token: one read and one write of tokens x hidden.

    >>> embedding("embedding", 1, 1000).bytes
    4000.0
    """
    return Op(name, "elementwise", "bf16", "bf16", 0.0, 2 * tokens * hidden * ACTIVATION, count=count)
