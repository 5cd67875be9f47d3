"""The nearest estimate that fits to one that does not: the fewest changes of layout, batch, lengths and formats."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stackyard.perf.estimate import Estimate, estimate
from stackyard.perf.layout import Layout, layouts
from stackyard.perf.precision import PRESETS, Precision, unsupported

_STAGES = 16  # widest pipeline tried


def nearest_fit(asked: Estimate) -> Estimate | None:
    """The estimate that fits with the least change to one that does not; None where none of those tried does.

    The distance of layouts is |log2| of each width over the one asked, summed; of equals the one of fewer stages wins.
    Lengths are cut to the model's context and sizes below one raised to it first. Formats are kept where the chip has
    them, and the batch where any layout holds it; else the largest batch of the nearest layout is taken. Engine, regime
    and way of serving stay.

    >>> from stackyard import catalog
    >>> known = catalog.load()
    >>> model, chip = known.model("llama-3.1-70b"), known.accelerator("h100")
    >>> found = nearest_fit(estimate(model, chip, Layout(tensor=3.0), 8.0, 1000.0, 1000.0, "fp8"))
    >>> found.layout.tensor, found.batch
    (4.0, 8.0)
    """
    prompt, output = _lengths(asked)
    every = layouts(asked.model, asked.chip, pipeline=_STAGES)
    far = _distance(every, asked.layout)
    for precision in _formats(asked):
        for batch in (np.maximum(float(asked.batch), every.data), every.data):
            found = _tried(asked, every, batch, prompt, output, precision)
            fits = np.asarray(found.fits)
            if fits.any():
                best = int(np.argmin(np.where(fits, far, np.inf)))
                return _enlarged(asked, found.at(best))
    return None


def _enlarged(asked: Estimate, found: Estimate) -> Estimate:
    """The same with the batch that was asked for, or the largest that fits."""
    batch = float(min(max(float(asked.batch), 1.0), float(found.memory.largest_batch)))
    groups = float(found.layout.data)
    batch = max(batch // groups * groups, groups)
    bigger = _tried(asked, found.layout, batch, float(found.prompt), float(found.output), found.precision)
    return bigger if bigger.fits else found


def _tried(
    asked: Estimate, layout: Layout, batch: object, prompt: float, output: float, precision: Precision
) -> Estimate:
    sizes = (asked.model, asked.chip, layout, batch, prompt, output)
    ways = {"regime": asked.regime, "engine": asked.engine, "serving": asked.serving}
    return estimate(*sizes, precision=precision, provider=asked.provider, **ways)  # type: ignore[arg-type]


def _lengths(asked: Estimate) -> tuple[float, float]:
    prompt, output = max(float(asked.prompt), 1.0), max(float(asked.output), 1.0)
    most = float(asked.model.max_context)
    output = min(output, most - 1.0)
    return min(prompt, most - output), output


def _formats(asked: Estimate) -> list[Precision]:
    """Formats that the chip has, those whose weights and cache are nearest in size first."""

    def far(each: Precision) -> tuple[float, ...]:
        sizes = ((each.weight_bytes, asked.precision.weight_bytes), (each.cache_bytes, asked.precision.cache_bytes))
        return tuple(abs(float(own) - float(wanted)) for own, wanted in sizes)

    found = sorted([asked.precision, *PRESETS.values()], key=far)
    able = [precision for precision in found if not unsupported(asked.chip, precision)]
    return list(dict.fromkeys(able))


def _distance(every: Layout, asked: Layout) -> NDArray[np.float64]:
    far = np.zeros(np.shape(every.tensor))
    for name in ("tensor", "pipeline", "data", "expert"):
        far += np.abs(np.log2(getattr(every, name) / max(float(getattr(asked, name)), 1.0)))
    return far + 1e-3 * np.log2(every.pipeline)


def changes(asked: Estimate, found: Estimate) -> str:
    """What to ask for instead, as options of the command line.

    >>> from stackyard import api
    >>> refused = api.estimate("llama-3.1-70b", "h100", tensor=1, batch=8)
    >>> changes(refused, nearest_fit(refused))
    '--tp 2 --batch 8'
    """
    widths = {"--tp": "tensor", "--pp": "pipeline", "--dp": "data", "--ep": "expert"}
    said = [f"{option} {getattr(found.layout, name):g}" for option, name in widths.items() if _told(found, name)]
    said.append(f"--batch {found.batch:g}")
    if (found.prompt, found.output) != (asked.prompt, asked.output):
        said.append(f"--in {found.prompt:g} --out {found.output:g}")
    if found.precision != asked.precision:
        named = [name for name, each in PRESETS.items() if each == found.precision]
        formats = (found.precision.weights, found.precision.cache, found.precision.compute)
        said.append(f"--precision {named[0] if named else '/'.join(formats)}")
    return " ".join(said)


def _told(found: Estimate, name: str) -> bool:
    return name == "tensor" or float(getattr(found.layout, name)) > 1
