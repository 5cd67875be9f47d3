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

Mask = bool | NDArray[np.bool_]


def sizes(model: Model, layout: Layout, batch: Count, prompt: Token, output: Token) -> dict[str, Mask]:
    """Sizes that cannot be: reason -> where it holds."""
    widths = layout.tensor, layout.pipeline, layout.data, layout.expert
    uneven = [(width % 1.0 != 0) | (width < 1) for width in widths]
    found: dict[str, Any] = {
        "layout widths must be whole numbers of at least 1": uneven[0] | uneven[1] | uneven[2] | uneven[3],
        "the batch is empty": batch < 1,
        "the prompt is empty": prompt < 1,
        "the output is empty": output < 1,
        f"prompt and output exceed the context of {model.max_context:,} tokens": prompt + output > model.max_context,
        "fewer sequences than data groups": (batch < layout.data) & (batch >= 1),
    }
    return found


def unrecorded(chip: Accelerator, layout: Layout) -> dict[str, Mask]:
    """Figures that the layout needs and the chip has not on record."""
    names = {"memory": "memory", "bandwidth": "memory bandwidth", "tdp": "rated power"}
    found: dict[str, Any] = {
        f"the {word} of {chip.name} is not on record": True
        for name, word in names.items()
        if math.isnan(getattr(chip, name))
    }
    if not (math.isnan(chip.scale_up) or math.isnan(chip.scale_out)):
        return found
    span = np.maximum(layout.tensor * layout.data * layout.pipeline, 1.0)
    alone = np.maximum(layout.tensor * layout.pipeline * layout.expert, 1.0) <= 1
    if math.isnan(chip.scale_up):
        found[f"the scale-up bandwidth of {chip.name} is not on record"] = np.logical_not(alone)
    if math.isnan(chip.scale_out):
        wide = np.greater(span, max(chip.scale_up_domain, 1)) & np.logical_not(alone)
        found[f"the scale-out bandwidth of {chip.name} is not on record"] = wide
    return found


def too_large(held: Memory) -> dict[str, Mask]:
    """Reasons with their figures for one estimate, plain for arrays."""
    short, bare = held.total > held.available, held.total - held.cache > held.available
    if np.ndim(short):
        return {"the weights exceed the memory": bare, "weights and cache exceed the memory": np.greater(short, bare)}
    if not short:
        return {}
    have = show(float(held.available), "B")
    if bare:
        return {f"the weights exceed the memory: {show(float(held.weights), 'B')} a chip of {have} usable": True}
    need, most = show(float(held.total), "B"), f"{float(held.largest_batch):,.0f}"
    return {f"weights and cache exceed the memory: {need} a chip of {have} usable; {most} sequences fit": bool(short)}
