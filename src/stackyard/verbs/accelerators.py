"""The verbs of an accelerator: with another memory, every layout of a model on it, what its memory is worth.

`stackyard.api` has them too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from stackyard.catalog import load
from stackyard.errors import refused
from stackyard.files import atomically
from stackyard.verbs.serving import OBJECTIVE, objective
from stackyard.verbs.simulator import prices

if TYPE_CHECKING:
    from stackyard.perf.asked import Memory
    from stackyard.perf.frontier import Frontier, Workload
    from stackyard.perf.whatif import Variant
    from stackyard.perf.worth import MemoryWorth


def what_if(chip: str, *, model: str | None = None, **memory: Unpack[Memory]) -> Variant:
    """An accelerator (or the one of a system) with the memory that is asked about; its own where nothing is.

    The words are those of `perf.asked.Memory`: hbm, height, stacks, capacity, bandwidth and energy. Raises InputErrors
    for what does not exist, with the nearest; also for a `model` that is to run on it.

    >>> what_if("h200", hbm="hbm4-12h", stacks=8).chip.name
    'H200 SXM 141GB with 8 x HBM4 12-high'
    >>> round(what_if("h200", bandwidth="x1.5").chip.bandwidth / 1e12, 1)
    7.2
    """
    from stackyard.perf.asked import both, variant

    if model is not None:
        both(load(), model, chip)
    return variant(load(), chip, **memory)


def search(
    model: str,
    chip: str | Variant,
    *,
    prompt: float = 1000,
    output: float = 1000,
    ttft: str | None = None,
    tpot: str | None = None,
    precisions: Sequence[str] = (),
    within: str = "",
    draft: int = 0,
    acceptance: str | None = None,
    draft_model: str | None = None,
    prefix_hits: str | None = None,
) -> Frontier:
    """All layouts, batches and precisions of a model on an accelerator or system that meet a latency objective.

    On a system, named as the chip or as `within`, the replica stays inside it; on an accelerator inside eight stages of
    its scale-up domain. All precisions are tried where none is named; the objective, guessed tokens and cache hits are
    those of `estimate`. Where nothing qualifies, the result has the nearest and says why. Raises InputErrors for
    unknown ids, units or precisions.

    >>> found = search("llama-3.1-70b", "h200", tpot="30 ms", precisions=["fp8"])
    >>> bool(found.points.tpot[found.best["latency"]] < 0.03)
    True
    """
    from stackyard.perf.asked import serving, system
    from stackyard.perf.frontier import candidates, frontier
    from stackyard.perf.precision import PRESETS

    variant = what_if(chip) if isinstance(chip, str) else chip
    asked = workload(model, prompt=prompt, output=output, ttft=ttft, tpot=tpot)
    way = serving(load(), asked.model, variant.chip, draft, acceptance, draft_model, prefix_hits)
    asked = replace(asked, serving=way)
    domain = max(variant.chip.scale_up_domain, 1)
    rack = system(load(), within or (chip if isinstance(chip, str) else ""))
    most = 8 * domain if rack is None else rack.accelerators
    try:
        names = [name.lower() for name in precisions] or list(PRESETS)
        among = candidates(asked.model, min(domain, most), most)
        return frontier(asked, variant, among, prices(variant.chip), names)
    except ValueError as error:
        raise refused("search", str(error), "see: stackyard search --help") from None


def memory(
    model: str,
    chip: str | Variant,
    *,
    prompt: float = 1000,
    output: float = 1000,
    precision: str = "bf16",
    ttft: str | None = None,
    tpot: str | None = None,
    tensor: int | None = None,
) -> MemoryWorth | None:
    """What one more GB, TB/s or stack is worth to a service, regime by regime; the objective is that of `estimate`.

    The layout is chosen again for each memory, or is `tensor` accelerators side by side. None where the service does
    not fit within the objective: `estimate` says why. Raises InputErrors for unknown ids, units or precisions.

    >>> found = memory("llama-3.1-70b", "h200", precision="fp8")
    >>> found is not None and found.regimes[0].worths[1].elasticity > 0
    True
    """
    from stackyard.perf.search import offered
    from stackyard.perf.worth import worth

    variant = what_if(chip) if isinstance(chip, str) else chip
    asked = workload(model, prompt=prompt, output=output, ttft=ttft, tpot=tpot)
    try:
        among = None if tensor is None else offered(asked.model, variant.chip, tensor=tensor)
        return worth(asked, variant, precision.lower(), among)
    except ValueError as error:
        raise refused("memory", str(error), "see: stackyard memory --help") from None


def write_map(found: MemoryWorth, path: Path | str, reproduce: str = "") -> Path:
    """Writes the capacity-bandwidth map of a service, and what memory is worth to it, as a page that opens offline."""
    from stackyard.perf.memory_map import memory_map
    from stackyard.report.formats import FORMATS
    from stackyard.report.memory import document

    known, precision = load(), found.best.precision
    least = found.variant.chip.memory / 4.0  # far smaller ones and those without HBM would only crowd the picture
    others = [chip for chip in known.accelerators.values() if chip.hbm and chip.memory >= least]
    over = memory_map(found.workload, found.variant, precision, others, known.hbm.values(), among=found.among)
    report = document(found, over, date=date.today().isoformat(), reproduce=reproduce)
    with atomically(Path(path)) as beside:
        beside.write_bytes(FORMATS["html"](report))
    return Path(path)


def workload(
    model: str, *, prompt: float = 1000, output: float = 1000, ttft: str | None = None, tpot: str | None = None
) -> Workload:
    """A service: a model, the lengths of a request and the latency objective, 2 s and 50 ms where it is left out.

    >>> workload("llama-3.1-70b", ttft="1 s").ttft
    1.0
    """
    from stackyard.perf.frontier import Workload

    first, each = objective(ttft, tpot, OBJECTIVE)
    return Workload(load().model(model), float(prompt), float(output), first, each)
