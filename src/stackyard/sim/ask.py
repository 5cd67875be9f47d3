"""The simulator's verbs: names and texts in, simulations and capacities out. `stackyard.api` re-exports them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from stackyard.catalog.entries import Accelerator, Model
from stackyard.children import at_once, cores
from stackyard.errors import Fault, InputErrors
from stackyard.perf import constants, energy
from stackyard.perf.cost import Prices, cost_per_token
from stackyard.perf.layout import Layout, divides
from stackyard.perf.precision import precision_of
from stackyard.quantity import GIGA
from stackyard.sim import serve, steps, trace, traffic
from stackyard.sim.capacity import Capacity, cached, full_rate
from stackyard.sim.metrics import Objective, Simulation, gathered
from stackyard.sim.policy import Autoscale, Deployment, Failures, Policy, Speculation, Split, Tier
from stackyard.sim.presets import preset
from stackyard.sim.steps import Asked
from stackyard.sim.trace import Requests
from stackyard.sim.traffic import Lengths

FRAMEWORKS = {"vllm": "vLLM", "sglang": "SGLang", "trtllm": "TensorRT-LLM"}


@dataclass(frozen=True)
class Service:
    """What runs where: as asked on the command line, with the catalogue's entries in place of names."""

    models: tuple[Model, ...]
    chip: Accelerator
    accelerators: int | None = None  # of the system, where one was named
    tensor: int | None = None
    pipeline: int = 1
    expert: int = 1
    precision: str = "bf16"
    engine: str = "vllm"
    replicas: int | None = None
    router: str = "least-outstanding"
    policy: dict[str, Any] = field(default_factory=dict)  # settings that differ from the engine's defaults
    prefill_replicas: int = 0
    link: float = 50.0  # GB/s between prefill and decode replicas
    host_gb: float = 0.0  # memory below HBM that keeps prefixes, of a replica; remote: of all
    ssd_gb: float = 0.0
    remote_gb: float = 0.0
    drafts: int = 0
    accept: float = 0.7
    least: int = 0  # replicas of an autoscaler; 0: none
    start_up: float = 60.0
    between_failures: float = 0.0  # s; 0: none
    restart: float = 300.0
    shed: bool = False
    concurrency: int = 0
    steps: Path | None = None


TIER_RATES = {"host": (25.0, 1e-5), "ssd": (6.0, 1e-4), "remote": (12.5, 1e-3)}  # GB/s and s, of one replica


def fault(key: str, message: str, hint: str = "") -> InputErrors:
    """One refusal of a command's option.

    >>> fault("--rate", "is not a rate", "write 5/s").faults[0].message
    'is not a rate'
    """
    return InputErrors([Fault(key, 0, "", message, hint)])


def deployment(of: Service, longest: int) -> Deployment:
    """The deployment that a service describes. Raises InputErrors for a layout or settings that cannot be.

    >>> from stackyard import api
    >>> of = deployment(api.service("llama-3.1-8b", "h200"), longest=2000)
    >>> of.replicas, of.engines[0].layout.tensor
    (1, 1.0)
    """
    try:
        engine = constants.engine_of(FRAMEWORKS.get(of.engine, of.engine), "", of.chip).id
        policy = replace(preset(of.engine, of.chip), **of.policy)
        precision = precision_of(of.precision.lower())
    except (ValueError, TypeError) as error:
        raise fault("simulate", str(error), "see: stackyard simulate --help") from None
    asked = tuple(_asked(of, model, policy, precision, engine, longest) for model in of.models)
    width = int(asked[0].layout.tensor * asked[0].layout.pipeline * asked[0].layout.data)
    replicas = of.replicas or max((of.accelerators or width) // width, 1)
    tiers = {
        name: Tier(size * GIGA, TIER_RATES[name][0] * GIGA, TIER_RATES[name][1])
        for name, size in (("host", of.host_gb), ("ssd", of.ssd_gb), ("remote", of.remote_gb))
        if size > 0
    }
    if of.prefill_replicas and replicas - of.prefill_replicas < 1:
        raise fault("--prefill-replicas", "leaves no replica to decode", "add --replicas")
    split = Split(of.prefill_replicas, replicas - of.prefill_replicas, of.link * GIGA, 1e-3)
    try:
        return Deployment(
            asked,
            policy,
            replicas,
            of.router,
            split=split if of.prefill_replicas else None,
            tiers=tiers,
            speculation=Speculation(of.drafts, of.accept) if of.drafts else None,
            autoscale=Autoscale(of.least, policy.sequences * 0.5, policy.sequences * 0.2, of.start_up)
            if of.least
            else None,
            failures=Failures(of.between_failures, of.restart) if of.between_failures else None,
            shed=of.shed,
            closed=of.concurrency,
            tables=(steps.measured(of.steps),) if of.steps else (),
        )
    except ValueError as error:
        raise fault("simulate", str(error), "see: stackyard simulate --help") from None


def _asked(of: Service, model: Model, policy: Policy, precision: Any, engine: str, longest: int) -> Asked:
    """One model's engine; without a stated width the narrowest that leaves cache for four of the longest requests."""
    domain = max(of.chip.scale_up_domain, 1)
    widths = [of.tensor] if of.tensor else [1 << i for i in range(domain.bit_length()) if 1 << i <= domain]
    why = ""
    for width in widths:
        layout = Layout(float(width), float(of.pipeline), 1.0, float(of.expert))
        bad = [reason for reason, holds in divides(model, layout).items() if holds]
        asked = Asked(model, of.chip, layout, precision, engine)
        if bad:
            why = bad[0]
            continue
        blocks = serve.cache_blocks(asked, policy) // len(of.models)
        if blocks * policy.block >= (1 if of.tensor else 4) * min(longest, model.max_context):
            return asked
        why = f"{model.name} leaves cache for {int(blocks * policy.block):,} tokens on {width} x {of.chip.name}"
    raise fault("--tp", why or "no width fits", "name more accelerators with --tp, or a smaller precision")


def rate_of(text: str | None, own: float) -> float:
    """'2x' of a trace's own rate, or requests a second: '5', '5/s'. Raises InputErrors otherwise.

    >>> rate_of("2x", own=3.0), rate_of("5/s", own=3.0)
    (6.0, 5.0)
    """
    if text is None:
        return own
    found = re.fullmatch(r"\s*([\d.eE+-]+)\s*(x|/s)?\s*", text)
    try:
        value = float(found[1]) if found else math.nan
    except ValueError:
        value = math.nan
    value *= own if found and found[2] == "x" else 1.0
    if not (math.isfinite(value) and value > 0):
        raise fault("--rate", f"'{text}' is not a rate above 0", "write 5/s, or 2x for twice the trace's own rate")
    return value


def offered(
    path: Path | None,
    rate: str | None,
    many: int,
    prompt: Lengths,
    output: Lengths,
    family: str = "poisson",
    cv: float = 1.0,
    shared: int = 0,
    skip_bad: bool = False,
    clients: str = "",
    turns: float = 1.0,
    swing: float = 0.0,
) -> tuple[Callable[[int], Requests], int]:
    """Requests by seed, and how many bad lines were skipped: a trace at a rate, or synthetic ones.

    Synthetic ones are of one law, of a mixture of `clients` (traffic.client_sets), or conversations of `turns` turns;
    the rate swings over a day by the share `swing`. A trace with times is the same for every seed; lengths without
    times come as a Poisson stream.

    >>> from stackyard.sim.traffic import Lengths
    >>> made, skipped = offered(None, "5/s", 100, Lengths(1000.0), Lengths(200.0))
    >>> len(made(0).arrival), skipped
    (100, 0)
    """
    if path is None:
        wanted = rate_of(rate or "1", 1.0)
        if rate and rate.strip().endswith("x"):
            raise fault("--rate", "2x is twice a trace's rate, and there is no trace", "write 5/s, or name a --trace")

        def made(seed: int) -> Requests:
            if clients:
                of = traffic.mixture(wanted, many / wanted, traffic.client_sets(clients), seed)
            elif turns > 1:
                of = traffic.conversations(wanted, many, turns, prompt, output, seed, system=shared)
            else:
                of = traffic.synthetic(wanted, many, prompt, output, seed, family, cv)
            of = traffic.daily(of, swing) if swing else of
            return of if turns > 1 and not clients else traffic.shared_prefix(of, shared)

        made(0)
        return made, 0
    found = trace.read(path, skip_bad)
    requests = found.requests.first(many) if many else found.requests
    if found.timed and len(requests) > 1 and requests.duration > 0:
        fixed = requests.at_rate(rate_of(rate, requests.rate))
        return lambda seed: fixed, found.skipped
    wanted = rate_of(rate, math.nan)

    def timed(seed: int) -> Requests:
        rng = np.random.default_rng(seed)
        return replace(requests, arrival=np.cumsum(traffic.gaps(rng, len(requests), family, cv)) / wanted)

    return timed, found.skipped


def simulate(
    of: Service,
    requests: Callable[[int], Requests],
    objective: Objective = Objective(),  # noqa: B008 (a frozen value)
    prices: Prices | None = None,
    seed: int = 0,
    replications: int = 1,
    workers: int | None = None,
) -> Simulation:
    """Serves the requests, `replications` times with independent seeds, on all cores; same seeds, same answer.

    >>> from stackyard import api
    >>> from stackyard.sim.traffic import Lengths
    >>> made, _ = offered(None, "5/s", 100, Lengths(1000.0), Lengths(200.0))
    >>> found = simulate(api.service("llama-3.1-8b", "h200"), made, workers=1)
    >>> found.served, found.stable
    (100, True)
    """
    first = requests(seed)
    longest = int((first.prompt + first.output).max())
    built = deployment(of, longest)

    def one(i: int) -> serve.Outcome:
        return serve.run(built, shared_out(requests(seed + i), len(of.models), seed + i), seed + i)

    with ThreadPoolExecutor(workers or cores()) as pool:
        asked = [pool.submit(one, i) for i in range(replications)]
        try:
            outcomes = [each.result() for each in asked]
        except KeyboardInterrupt:  # what is finished is not lost
            for each in asked:
                each.cancel()
            outcomes = [each.result() for each in asked if each.done() and not each.cancelled()]
            if not outcomes:
                raise
    return priced(gathered(outcomes, objective, of.chip.bandwidth, accelerators(built)), built, prices)


def shared_out(requests: Requests, models: int, seed: int) -> Requests:
    """The requests dealt at random to the models of a shared host, evenly; as they are where there is one.

    >>> from stackyard.sim.traffic import Lengths, synthetic
    >>> of = synthetic(5.0, 100, Lengths(100.0), Lengths(10.0))
    >>> shared_out(of, 1, seed=0) is of
    True
    """
    if models == 1 or requests.model is not None:
        return requests
    return replace(requests, model=np.random.default_rng(seed).integers(0, models, len(requests)))


def accelerators(of: Deployment) -> int:
    """All accelerators of a deployment.

    >>> from stackyard import api
    >>> accelerators(deployment(api.service("llama-3.1-8b", "h200"), longest=2000))
    1
    """
    if not of.engines:
        return of.groups
    layout = of.engines[0].layout
    return int(of.groups * layout.tensor * layout.pipeline)


def priced(found: Simulation, of: Deployment, prices: Prices | None) -> Simulation:
    """The simulation with power and money: of the accelerators, by the performance model's formulas."""
    if not of.engines or of.tables:
        return found
    asked = of.engines[0]
    values = asked.values
    best = values.get(f"compute.{asked.precision.compute}", 1.0)
    busy = min(found.used.compute_busy / best, 1.0)
    each = energy.watts(asked.chip, busy, found.used.traffic, values, awake=found.used.busy)
    paid = found.accelerators * found.paid
    watts = float(each) * paid
    cost = math.nan
    if prices is not None and found.output_rate:
        one = found.output_rate / paid
        cost = float(cost_per_token(prices, float(each), one)) * found.output_rate
    return replace(found, watts=watts, cost=cost)


def capacity(
    of: Service,
    requests: Callable[[int], Requests],
    objective: Objective,
    seed: int = 0,
    replications: int = 3,
    workers: int | None = None,
) -> Capacity:
    """The largest rate that meets the objective."""
    some = [requests(seed + i) for i in range(replications)]
    if len(some) > 1 and all((other.arrival is some[0].arrival) for other in some):
        some = some[:1]  # a trace is one replication
    longest = max(int((each.prompt + each.output).max()) for each in some)
    return cached(deployment(of, longest), some, objective, seed, workers)


def sweep(
    of: Service, requests: Callable[[int], Requests], objective: Objective, seed: int = 0, points: int = 12
) -> list[tuple[float, Simulation]]:
    """Simulations of the same requests from a tenth of the full rate to just beyond it: latency against load."""
    base = requests(seed)
    built = deployment(of, int((base.prompt + base.output).max()))
    most = full_rate(built, base.first(4000), seed)
    rates = most * np.linspace(0.1, 1.1, points)

    def at(rate: float) -> tuple[float, Simulation]:
        outcome = serve.run(built, base.at_rate(rate), seed)
        return rate, gathered([outcome], objective, of.chip.bandwidth, accelerators(built))

    return at_once(at, rates.tolist())
