"""The verbs of serving: one estimate, the nearest that fits, and two pools; `stackyard.api` has them too."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from stackyard.catalog import load
from stackyard.errors import refused
from stackyard.quantity import UnitError, parse

if TYPE_CHECKING:
    from stackyard.perf.estimate import Estimate
    from stackyard.perf.pools import Chosen
    from stackyard.perf.whatif import Variant

OBJECTIVE = (2.0, 0.05)  # seconds to the first token and per output token, where none is stated
REGIMES = {"closed-loop": "concurrency", "max-load": "max load", "fixed-batch": "fixed batch"}


def estimate(
    model: str,
    chip: str | Variant,
    *,
    prompt: float = 1000,
    output: float = 1000,
    tensor: int | None = None,
    pipeline: int | None = None,
    data: int | None = None,
    expert: int | None = None,
    batch: float | None = None,
    precision: str = "bf16",
    ttft: str | None = None,
    tpot: str | None = None,
    regime: str = "closed-loop",
    engine: str = "",
    draft: int = 0,
    acceptance: str | None = None,
    draft_model: str | None = None,
    prefix_hits: str | None = None,
    store: str | None = None,
    power_cap: str | None = None,
) -> Estimate:
    """What one replica of a model does on an accelerator, from first principles.

    Of the widths and the batch, those that are given are kept and the others found: the highest token rate under the
    latency objective. With `tensor` the layout counts as stated, its other widths 1 where they are left out. The
    objective is 2 s to the first token and 50 ms per output token where it is left out, and none where layout and batch
    are stated or the load is the greatest or a fixed batch. Where nothing meets it, the answer is the nearest, which
    does not fit and says why. The accelerator may be one with another memory (`api.what_if`). `draft` tokens are
    guessed a step, of which the share `acceptance` holds ('0.7'; the published one if left out), by the model's own
    next-token layer or a `draft_model`; `prefix_hits` is the share of the prompt found in the cache; `store` takes
    cache that memory cannot hold ('host', or '240 GB at 225 GB/s'); `power_cap` limits an accelerator ('700 W').
    Raises InputErrors for unknown ids, units or words.

    >>> found = estimate("deepseek-r1", "b200", tensor=8, expert=8, batch=16, precision="fp8", draft=3)
    >>> found.fits, 1 < found.serving.gain < 4
    (True, True)
    """
    from stackyard.perf import asked
    from stackyard.perf.search import best, offered

    known = load()
    variant = asked.variant(known, chip) if isinstance(chip, str) else chip
    shape, part = known.model(model), variant.chip
    kind = _regime(regime)
    stated = (tensor is not None and batch is not None) or kind != "concurrency"
    first, each = objective(ttft, tpot, (math.inf, math.inf) if stated else OBJECTIVE)
    way = asked.serving(known, shape, part, draft, acceptance, draft_model, prefix_hits, store)
    limit = asked.watts("--power-cap", power_cap)
    try:
        found = best(
            shape,
            part,
            prompt,
            output,
            first,
            each,
            precision.lower(),
            hbm=variant.hbm,
            among=offered(shape, part, tensor=tensor, pipeline=pipeline, expert=expert, data=data),
            batch=batch,
            regime=kind,
            engine=engine,
            serving=way,
            power=limit,
        )
    except ValueError as error:
        raise refused("estimate", str(error), "see: stackyard estimate --help") from None
    answer = found.estimate or found.nearest
    assert answer is not None
    return answer


def nearest_fit(answer: Estimate) -> tuple[Estimate, str] | None:
    """The nearest estimate that fits to one that does not, and the options that ask for it; None where none was found.

    >>> refused = estimate("llama-3.1-70b", "h100", tensor=1, batch=8)
    >>> nearest_fit(refused)[1]
    '--tp 2 --batch 8'
    """
    from stackyard.perf.nearest import changes
    from stackyard.perf.nearest import nearest_fit as nearest

    found = nearest(answer)
    return None if found is None else (found, changes(answer, found))


def disaggregate(
    model: str,
    chip: str | Variant,
    *,
    prompt: float = 1000,
    output: float = 1000,
    prefill_pool: str | None = None,
    decode_pool: str | None = None,
    batch: float | None = None,
    precision: str = "bf16",
    ttft: str | None = None,
    tpot: str | None = None,
    engine: str = "",
    draft: int = 0,
    acceptance: str | None = None,
    draft_model: str | None = None,
    prefix_hits: str | None = None,
    within: str = "",
) -> Chosen:
    """Prefill and decode on pools of their own, such as '2xTP4' and '1xDEP32'; both are found where none is stated.

    With pools and a batch this is the point at which they settle; with pools alone, the load that serves the most
    within the latency objective; without, the best pools of a system (named as the chip or as `within`), or of eight
    scale-up domains. Raises InputErrors for unknown ids, units and pools, and where only one pool is stated.

    >>> chosen = disaggregate("deepseek-r1", "gb200", prefill_pool="TP4EP4", decode_pool="2xTP8EP8", batch=64,
    ...     prompt=8000, precision="fp4")
    >>> chosen.found.accelerators, chosen.found.fits
    (20.0, True)
    """
    from stackyard.perf import asked
    from stackyard.perf.disaggregate import Service
    from stackyard.perf.disaggregate import disaggregate as settle
    from stackyard.perf.pools import Chosen, best_pools, loaded

    known = load()
    variant = asked.variant(known, chip) if isinstance(chip, str) else chip
    shape, part = known.model(model), variant.chip
    first, each = objective(ttft, tpot, OBJECTIVE)
    way = asked.serving(known, shape, part, draft, acceptance, draft_model, prefix_hits)
    if (prefill_pool is None) != (decode_pool is None):
        raise refused("--prefill-pool", "one pool is stated and the other is not", "state both, or neither")
    try:
        service = Service(shape, part, float(prompt), float(output), precision.lower(), way, engine, hbm=variant.hbm)
        if prefill_pool is None or decode_pool is None:
            rack = asked.system(known, within or (chip if isinstance(chip, str) else ""))
            most = 8 * max(part.scale_up_domain, 1) if rack is None else rack.accelerators
            return best_pools(service, first, each, most)
        pools = asked.pool("--prefill-pool", prefill_pool), asked.pool("--decode-pool", decode_pool)
        if batch is None:
            return loaded(service, *pools, first, each)
        found = settle(service, *pools, float(batch))
        return Chosen(found, tuple(found.why))
    except ValueError as error:
        raise refused("estimate", str(error), "see: stackyard estimate --help") from None


def objective(ttft: str | None, tpot: str | None, usual: tuple[float, float]) -> tuple[float, float]:
    """Seconds to the first token and per output token, from words where they are given.

    >>> objective("1 s", None, OBJECTIVE)
    (1.0, 0.05)
    """
    first = usual[0] if ttft is None else positive("--ttft", ttft)
    return first, usual[1] if tpot is None else positive("--tpot", tpot)


def positive(option: str, text: str, like: str = "s", example: str = "500 ms") -> float:
    """An amount above 0 in SI, of the dimension of `like`; InputErrors otherwise.

    >>> positive("--ttft", "500 ms")
    0.5
    """
    example = f"for example {option} '{example}'"
    try:
        value = parse(text, like)
    except UnitError as error:
        raise refused(option, str(error), example) from None
    if not 0 < value < math.inf:
        raise refused(option, f"'{text}' is not above 0 and finite", example)
    return value


def _regime(word: str) -> str:
    from stackyard.errors import nearest

    if word not in REGIMES:
        raise refused("--regime", f"'{word}' is not a regime", nearest(word, REGIMES) or f"one of {', '.join(REGIMES)}")
    return REGIMES[word]
