"""Parallel layouts: how one replica of a model is laid over accelerators, and what divides what."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackyard.catalog.entries import Accelerator, Model
from stackyard.perf import architecture
from stackyard.perf.numeric import ceiling, indivisible, most
from stackyard.quantity import Count, Numeric


@dataclass(frozen=True)
class Layout:
    """Widths of one replica, which takes tensor x pipeline x data accelerators; fields are numbers or arrays.

    tensor: accelerators that share every matrix and head of a layer. pipeline: stages of consecutive layers.
    data: tensor groups that each hold the attention weights and serve their own sequences. expert: accelerators
    of a stage among which whole routed experts are dealt; 1 splits each expert over the tensor group, and more than
    `tensor` shares one set of experts between data groups, which then exchange tokens.
    """

    tensor: Count = 1
    pipeline: Count = 1
    data: Count = 1
    expert: Count = 1

    @property
    def accelerators(self) -> Count:
        return self.tensor * self.pipeline * self.data

    @property
    def expert_spread(self) -> Count:
        """Accelerators over which the weights of the routed experts are spread."""
        return most(self.tensor, self.expert)

    @property
    def expert_groups(self) -> Count:
        """Tensor groups that share one set of experts."""
        return self.expert_spread / self.tensor

    def at(self, index: Any) -> Layout:
        """The layouts at an index of every width, which are arrays of one shape; numbers where that is one place.

        >>> Layout(*np.ones((4, 3))).at(np.s_[:2, None]).tensor.shape
        (2, 1)
        """
        picked = (np.asarray(getattr(self, f.name), dtype=float)[index] for f in fields(self))
        return Layout(*(axis if axis.ndim else float(axis) for axis in picked))


def stage_share(model: Model, layout: Layout) -> Numeric:
    """Share of the layers on the fullest pipeline stage: ceil(layers / pipeline) / layers.

    >>> from stackyard import catalog
    >>> stage_share(catalog.load().model("llama-3.1-70b"), Layout(pipeline=3.0))
    0.3375
    """
    return ceiling(model.layers / layout.pipeline) / model.layers


def divides(model: Model, layout: Layout) -> dict[str, bool | NDArray[np.bool_]]:
    """Reason -> where it holds: everything that keeps the model from being laid out so. Widths must be at least 1.

    >>> from stackyard import catalog
    >>> found = divides(catalog.load().model("llama-3.1-70b"), Layout(tensor=3))
    >>> [reason for reason, holds in found.items() if holds]
    ['tensor width does not divide the attention heads', 'tensor width does not divide the feed-forward width']
    """
    t, e = layout.tensor, layout.expert
    group = t * layout.data
    a = model.attention
    split = indivisible(a.heads, t)
    reasons = {"tensor width does not divide the attention heads": split}
    if not architecture.is_latent(model):
        uneven = indivisible(a.kv_heads, t) & indivisible(t, a.kv_heads)
        reasons["tensor width and key-value heads do not divide each other"] = uneven & (split ^ True)
    if model.feed_forward:
        reasons["tensor width does not divide the feed-forward width"] = indivisible(model.feed_forward, t)
    reasons["more pipeline stages than layers"] = layout.pipeline > model.layers
    if model.experts is None:
        reasons["the model has no experts to spread"] = e > 1
        return reasons
    inside = most(t / e, 1.0)  # accelerators that split one expert
    reasons["expert width does not divide the routed experts"] = indivisible(model.experts.routed, e)
    reasons["expert width does not divide tensor x data"] = indivisible(group, e)
    reasons["expert and tensor width do not divide each other"] = indivisible(t, e) & indivisible(e, t)
    reasons["tensor width does not divide the experts' width"] = indivisible(model.experts.width, inside)
    return reasons


def layouts(model: Model, chip: Accelerator, domain: int | None = None, pipeline: int = 8) -> Layout:
    """Every layout of one replica inside the scale-up domain, and pipelines of such groups, as arrays of one axis.

    Tensor widths: powers of two and divisors of the heads, up to `domain` (default: the chip's scale-up domain).
    Pipelines: powers of two up to `pipeline`. Models with experts also get expert and data widths that fill the
    domain. Layouts that do not divide are left out; the narrowest come first.

    >>> from stackyard import catalog
    >>> known = catalog.load()
    >>> layouts(known.model("llama-3.1-8b"), known.accelerator("h100"), pipeline=1).tensor
    array([1., 2., 4., 8.])
    """
    limit = int(domain or chip.scale_up_domain or 1)
    powers = [2**i for i in range(limit.bit_length()) if 2**i <= limit]
    heads = model.attention.heads
    tensor = sorted({*powers, *(n for n in range(1, limit + 1) if heads % n == 0)})
    stages = [2**i for i in range(pipeline.bit_length()) if 2**i <= min(pipeline, model.layers)]
    rows: list[tuple[int, int, int, int]] = []
    for t in tensor:
        rows += [(t, p, 1, 1) for p in stages]
        if model.experts is None:
            continue
        for d in (n for n in {*powers, limit // t} if 1 <= n <= limit // t):
            rows += [(t, p, d, t * d) for p in stages if t * d > 1]
    grid = np.array(sorted(set(rows), key=lambda r: (r[0] * r[1] * r[2], r)), dtype=float).T
    every = Layout(*grid)
    keep = ~np.logical_or.reduce([np.broadcast_to(bad, grid.shape[1:]) for bad in divides(model, every).values()])
    return every.at(keep)
