"""Why an estimate cannot be: reason -> where it holds, a bool or a mask."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackyard.catalog.entries import Accelerator, Model
from stackyard.perf.layout import Layout
from stackyard.perf.memory import Memory
from stackyard.quantity import Count, Token, show
from stackyard.words import amount, number, phrase

Mask = bool | NDArray[np.bool_]


def sizes(model: Model, layout: Layout, batch: Count, prompt: Token, output: Token) -> dict[str, Mask]:
    """Sizes that cannot be: reason -> where it holds.

    >>> from stackyard import catalog
    >>> asked = sizes(catalog.load().model("llama-3.1-70b"), Layout(tensor=8), 0.0, 1000.0, 100.0)
    >>> [why for why, holds in asked.items() if holds]
    ['the batch is empty']
    """
    widths = layout.tensor, layout.pipeline, layout.data, layout.expert
    uneven = [(width % 1.0 != 0) | (width < 1) for width in widths]
    found: dict[str, Any] = {
        phrase("layout widths must be whole numbers of at least 1"): uneven[0] | uneven[1] | uneven[2] | uneven[3],
        phrase("the batch is empty"): batch < 1,
        phrase("the prompt is empty"): prompt < 1,
        phrase("the output is empty"): output < 1,
        phrase("prompt and output exceed the context of {n} tokens", n=number(f"{model.max_context:,}")): prompt
        + output
        > model.max_context,
        phrase("fewer sequences than data groups"): (batch < layout.data) & (batch >= 1),
    }
    return found


def unrecorded(chip: Accelerator, layout: Layout) -> dict[str, Mask]:
    """Figures that the layout needs and the chip has not on record.

    >>> from stackyard import catalog
    >>> unrecorded(catalog.load().accelerator("h200"), Layout(tensor=8))
    {}
    """
    found: dict[str, Any] = {
        missing.format(chip=chip.name): True for name, missing in _MISSING.items() if math.isnan(getattr(chip, name))
    }
    if not (math.isnan(chip.scale_up) or math.isnan(chip.scale_out)):
        return found
    span = np.maximum(layout.tensor * layout.data * layout.pipeline, 1.0)
    alone = np.maximum(layout.tensor * layout.pipeline * layout.expert, 1.0) <= 1
    if math.isnan(chip.scale_up):
        found[phrase("the scale-up bandwidth of {chip} is not on record", chip=chip.name)] = np.logical_not(alone)
    if math.isnan(chip.scale_out):
        wide = np.greater(span, max(chip.scale_up_domain, 1)) & np.logical_not(alone)
        found[phrase("the scale-out bandwidth of {chip} is not on record", chip=chip.name)] = wide
    return found


def too_large(held: Memory) -> dict[str, Mask]:
    """Reasons with their figures for one estimate, plain for arrays."""
    short, bare = held.total > held.available, held.total - held.cache > held.available
    if np.ndim(short):
        return {
            phrase("the weights exceed the memory"): bare,
            phrase("weights and cache exceed the memory"): np.greater(short, bare),
        }
    if not short:
        return {}
    have = _bytes(held.available)
    if bare:
        told = phrase(
            "the weights exceed the memory: {need} a chip of {have} usable", need=_bytes(held.weights), have=have
        )
        return {told: True}
    told = phrase(
        "weights and cache exceed the memory: {need} a chip of {have} usable; {most} sequences fit",
        need=_bytes(held.total),
        have=have,
        most=number(f"{float(held.largest_batch):,.0f}"),
    )
    return {told: bool(short)}


def _bytes(size: Any) -> str:
    return amount(show(float(size), "B"), float(size), "B")


_MISSING = {
    "memory": phrase("the memory of {chip} is not on record"),
    "bandwidth": phrase("the memory bandwidth of {chip} is not on record"),
    "tdp": phrase("the rated power of {chip} is not on record"),
}


LATE_FIRST = phrase("time to first token is {least} at best, over {limit}")
LATE_EACH = phrase("time to each output token is {least} at best, over {limit}")


def seconds(time: float) -> str:
    """A latency in words.

    >>> seconds(0.0234), seconds(2.5)
    ('23.4 ms', '2.5 s')
    """
    return amount(show(time, "s"), time, "s")
