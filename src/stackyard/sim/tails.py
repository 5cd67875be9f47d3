"""What accelerators may do so that a share of all requests keeps a service's objective: a planner's rate, from disk.

A plan by mean latencies takes the layout that is fastest in the mean. Tails choose again: among layouts and token
budgets of a step, the one whose simulated pool keeps the objective at the highest rate of an accelerator.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from stackyard.children import at_once
from stackyard.perf import constants
from stackyard.perf.estimate import Estimate
from stackyard.perf.layout import Layout

POOL = 8  # engines that one router deals requests to
BUDGETS = (8192, 2048, 512)  # token budgets of a step that are tried, up to the engine's default
FEW, MANY, CYCLES = 1500, 12_000, 6  # requests of a run: so many times those in progress
LOWEST = 0.02  # of the mean's rate: what does not hold here counts as never
SEEDS = 2
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Tail:
    """How a service is promised: seconds to the first and each further token, kept by `share` of the requests.

    `gaps` is the CV of the time between requests (1: Poisson), `spread` that of prompt and output lengths (log-normal).
    """

    ttft: float
    tpot: float
    share: float = 0.99
    gaps: float = 1.0
    spread: float = 1.0


@dataclass(frozen=True)
class Held:
    """Tokens a second of one accelerator within the objective, the candidate that reaches them, and its token budget.

    The rate is 0 where none of the candidates keeps the objective at any load.
    """

    rate: float
    candidate: int
    tokens: int


def held(candidates: Sequence[Estimate], tail: Tail, folder: Path | None = None) -> Held:
    """The highest rate among candidates: one estimate for each layout, at the batch that is best in the mean.

    A pool of eight engines of a layout, behind a router that knows their queues, is offered more until the stated
    share of the requests no longer keeps the objective. Kept on disk by a digest of all that it depends on.
    """
    path = (folder or _home()) / f"{_digest(candidates, tail)}.json"
    try:
        return Held(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        found = _search(candidates, tail)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(f".{os.getpid()}")
        beside.write_text(json.dumps(asdict(found)), encoding="utf-8")
        beside.replace(path)
    except OSError:  # a folder that cannot be written is no matter: it is asked again
        pass
    return found


def _home() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "stackyard" / "tails"


def _digest(candidates: Sequence[Estimate], tail: Tail) -> str:
    """Of the question, the constants behind it and the simulator's own source; numba is not loaded for it."""
    h = hashlib.sha256(repr((tail, POOL, BUDGETS, FEW, MANY, CYCLES, LOWEST, SEEDS)).encode())
    for e in candidates:
        chip = (e.chip.id, e.chip.memory, e.chip.bandwidth, sorted(e.chip.flops.items()))
        values = sorted(constants.values(e.chip, _engine(e)).items())
        h.update(repr((e.model, chip, _layout(e), e.precision, float(e.batch), e.prompt, e.output, values)).encode())
    for path in sorted([*HERE.glob("*.py"), *HERE.glob("kernel/*.py"), *HERE.glob("data/*.yaml")]):
        h.update(path.read_bytes())
    return h.hexdigest()


def _engine(e: Estimate) -> str:
    return str(constants.engine_of("vLLM", "", e.chip).id)


def _layout(e: Estimate) -> Layout:
    return Layout(
        *(float(np.max(axis)) for axis in (e.layout.tensor, e.layout.pipeline, e.layout.data, e.layout.expert))
    )


def _search(candidates: Sequence[Estimate], tail: Tail) -> Held:
    """Every candidate and budget by one run each, the fastest in the mean first; then the best one by all seeds."""
    from stackyard.sim.presets import preset

    order = sorted(range(len(candidates)), key=lambda i: -_mean(candidates[i]))
    best = Held(0.0, order[0] if order else 0, 0)
    for i in order:
        default = preset("vllm", candidates[i].chip).tokens
        for tokens in (default, *(each for each in BUDGETS if each < default)):
            if _mean(candidates[i]) <= best.rate:
                break
            rate = _rate(candidates[i], tail, tokens, 0, best.rate)
            best = max(best, Held(rate, i, tokens), key=lambda each: each.rate)
    if best.rate == 0:
        return best
    rates = at_once(lambda seed: _rate(candidates[best.candidate], tail, best.tokens, seed), range(1, SEEDS + 1))
    return Held(float(np.mean(rates)), best.candidate, best.tokens)


def _mean(e: Estimate) -> float:
    """Tokens a second of an accelerator whose mean latencies meet the objective."""
    return float(e.token_rate_per_accelerator)


def _rate(e: Estimate, tail: Tail, tokens: int, seed: int, floor: float = 0.0) -> float:
    """Tokens a second of one accelerator at which the pool keeps the objective; 0 where not even at LOWEST, or `floor`.

    Never above the rate of the means: what the mean does not keep, no share of the requests is planned on.
    """
    from stackyard.sim import serve, traffic
    from stackyard.sim.capacity import largest
    from stackyard.sim.metrics import Objective
    from stackyard.sim.policy import Deployment
    from stackyard.sim.presets import preset
    from stackyard.sim.serve import with_policy
    from stackyard.sim.steps import Asked

    layout = _layout(e)
    each = float(layout.tensor * layout.pipeline)  # accelerators of one engine
    asked = Asked(e.model, e.chip, layout, e.precision, _engine(e))
    of = Deployment((asked,), preset("vllm", e.chip), pool=POOL)
    of = with_policy(of, tokens=tokens)
    request = float(e.prompt) + float(e.output)
    limit = _mean(e) * each * POOL / request  # requests a second
    many = int(min(max(CYCLES * float(e.batch) / float(layout.data) * POOL, FEW), MANY))
    prompt, output = (traffic.Lengths(float(n), tail.spread, e.model.max_context // 2) for n in (e.prompt, e.output))
    some = traffic.synthetic(1.0, many, prompt, output, seed, "gamma", tail.gaps)
    objective = Objective(tail.ttft, tail.tpot, percentile=100 * tail.share)

    def holds(rate: float) -> bool:
        return objective.holds(serve.run(of, some.at_rate(rate), seed))

    least = max(LOWEST, floor / _mean(e)) * limit
    if not holds(least):
        return 0.0
    found = largest(lambda rate: rate <= least or (rate <= limit and holds(rate)), math.sqrt(least * limit))
    return float(min(found, limit) * request / (each * POOL))
