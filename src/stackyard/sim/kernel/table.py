"""The seconds of a step from the tables, with its compute time and bytes; summed up in a host's plan."""

from __future__ import annotations

from stackyard.sim.kernel.compile import compiled
from stackyard.sim.kernel.state import Record, axes, decodes, flats, grids, prefills

TOKENS, SEQUENCES, CONTEXT, CHUNK, PRIOR = range(5)  # the axes


@compiled
def locate(w: Record, which: int, size: int, value: float) -> int:
    """The cell of an axis that holds the value: axis[i] <= value < axis[i + 1]; the outermost cell beyond the ends."""
    low, high = 0, size - 2
    while low < high:
        middle = (low + high + 1) // 2
        if axes(w, which, middle)["at"] <= value:
            low = middle
        else:
            high = middle - 1
    return low


@compiled
def weight(w: Record, which: int, i: int, value: float) -> float:
    """Where the value lies between the ends of its cell; outside 0..1 beyond the table: a line goes on."""
    low = axes(w, which, i)["at"]
    return (value - low) / (axes(w, which, i + 1)["at"] - low)


@compiled
def add(host: Record, cost: Record, share: float) -> None:
    """Adds a share of a table's entry to a host's plan."""
    host["step"] += share * cost["seconds"]
    host["compute"] += share * cost["compute"]
    host["moved"] += share * cost["bytes"]


@compiled
def flat(w: Record, host: Record, model: int, head: int, tokens: float) -> None:
    """Adds everything but attention (head 0) or the output head (1) of `tokens` tokens."""
    if tokens > 0:
        i = locate(w, TOKENS, w["tokens_n"], tokens)
        x = weight(w, TOKENS, i, tokens)
        at = (model * 2 + head) * w["tokens_n"] + i
        add(host, flats(w, at), 1.0 - x)
        add(host, flats(w, at + 1), x)


@compiled
def chunk(w: Record, host: Record, model: int, tokens: float, before: float) -> None:
    """Adds the attention of `tokens` prompt tokens that have `before` tokens in the cache."""
    i, j = locate(w, CHUNK, w["chunk_n"], tokens), locate(w, PRIOR, w["prior_n"], before)
    x, y = weight(w, CHUNK, i, tokens), weight(w, PRIOR, j, before)
    wide = w["prior_n"]
    at = (model * w["chunk_n"] + i) * wide + j
    add(host, prefills(w, at), (1.0 - x) * (1.0 - y))
    add(host, prefills(w, at + 1), (1.0 - x) * y)
    add(host, prefills(w, at + wide), x * (1.0 - y))
    add(host, prefills(w, at + wide + 1), x * y)


@compiled
def decode(w: Record, host: Record, model: int, sequences: float, context: float) -> None:
    """Adds the attention of a decode step, and to the plan's slope how it grows with the context in this cell."""
    i, j = locate(w, SEQUENCES, w["sequences_n"], sequences), locate(w, CONTEXT, w["context_n"], context)
    x, y = weight(w, SEQUENCES, i, sequences), weight(w, CONTEXT, j, context)
    wide = w["context_n"]
    at = (model * w["sequences_n"] + i) * wide + j
    a, b, c, d = decodes(w, at), decodes(w, at + 1), decodes(w, at + wide), decodes(w, at + wide + 1)
    add(host, a, (1.0 - x) * (1.0 - y))
    add(host, b, (1.0 - x) * y)
    add(host, c, x * (1.0 - y))
    add(host, d, x * y)
    rise = (1.0 - x) * (b["seconds"] - a["seconds"]) + x * (d["seconds"] - c["seconds"])
    host["slope"] += rise / (axes(w, CONTEXT, j + 1)["at"] - axes(w, CONTEXT, j)["at"])


@compiled
def between(w: Record, model: int, i: int, j: int, k: int, y: float, z: float) -> float:
    """The measured seconds at point i of chunks, between two numbers of sequences and two contexts."""
    wide = w["context_n"]
    at = ((model * w["chunk_n"] + i) * w["sequences_n"] + j) * wide + k
    low = (1.0 - z) * grids(w, at)["seconds"] + z * grids(w, at + 1)["seconds"]
    high = (1.0 - z) * grids(w, at + wide)["seconds"] + z * grids(w, at + wide + 1)["seconds"]
    return (1.0 - y) * low + y * high


@compiled
def measured(w: Record, host: Record, model: int, tokens: float, sequences: float, context: float) -> None:
    """Adds the measured seconds of a whole step, and how they grow with the context in this cell."""
    if w["grid_n"] == 0:
        return
    i, j = locate(w, CHUNK, w["chunk_n"], tokens), locate(w, SEQUENCES, w["sequences_n"], sequences)
    k = locate(w, CONTEXT, w["context_n"], context)
    x, y, z = weight(w, CHUNK, i, tokens), weight(w, SEQUENCES, j, sequences), weight(w, CONTEXT, k, context)
    host["step"] += (1.0 - x) * between(w, model, i, j, k, y, z) + x * between(w, model, i + 1, j, k, y, z)
    low = (1.0 - x) * between(w, model, i, j, k, y, 0.0) + x * between(w, model, i + 1, j, k, y, 0.0)
    high = (1.0 - x) * between(w, model, i, j, k, y, 1.0) + x * between(w, model, i + 1, j, k, y, 1.0)
    host["slope"] += (high - low) / (axes(w, CONTEXT, k + 1)["at"] - axes(w, CONTEXT, k)["at"])


@compiled
def room(w: Record, context: float) -> float:
    """Tokens of context until the next cell begins, where seconds cease to grow along this line; at least 1."""
    i = locate(w, CONTEXT, w["context_n"], context)
    if i == w["context_n"] - 2:
        return 1e9
    return max(axes(w, CONTEXT, i + 1)["at"] - context, 1.0)
