"""Prefill and decode on accelerators of their own: two pools, the cache sent from one to the other, and their ratio."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackyard.catalog.entries import Accelerator, HbmGeneration, Model
from stackyard.perf import constants, counting, schedule
from stackyard.perf.estimate import Estimate, estimate
from stackyard.perf.interval import factors
from stackyard.perf.layout import Layout, stage_share
from stackyard.perf.memory import sequence_bytes
from stackyard.perf.precision import Precision, precision_of
from stackyard.perf.provider import Provider
from stackyard.perf.serving import PLAIN, Serving
from stackyard.quantity import Count, Fraction, Joule, Numeric, Second, Token, Watt

_HALVINGS = 26  # of the interval of requests in decode: 1.5e-8 of the whole
SPARSE = "fewer sequences than data groups"  # no reason in a pool: its size follows from the load


@dataclass(frozen=True)
class Pool:
    """`workers` replicas that each have the accelerators of `layout`; numbers or arrays."""

    layout: Layout
    workers: Count = 1.0

    @property
    def accelerators(self) -> Count:
        return self.layout.accelerators * self.workers


@dataclass(frozen=True)
class Service:
    """What is asked of both pools: model, chip, lengths, formats, and how tokens are guessed and prompts are found."""

    model: Model = field(repr=False)
    chip: Accelerator = field(repr=False)
    prompt: Token
    output: Token
    precision: str | Precision = "bf16"
    serving: Serving = PLAIN
    engine: str = ""
    provider: Provider | None = field(default=None, repr=False)
    hbm: HbmGeneration | None = field(default=None, repr=False)

    def worker(self, layout: Layout, batch: Count, output: Token, regime: str, serving: Serving) -> Estimate:
        """One replica of a pool."""
        more = {"regime": regime, "engine": self.engine, "serving": serving, "provider": self.provider}
        sizes = (self.model, self.chip, layout, batch, self.prompt, output, self.precision)
        return estimate(*sizes, hbm=self.hbm, **more)  # type: ignore[arg-type]

    @property
    def computed(self) -> Token:
        """Tokens of a prompt that are not found in the cache; at least one."""
        return np.maximum(self.prompt * (1.0 - self.serving.prefix), 1.0)

    def prefill(self, layout: Layout) -> Estimate:
        """A prefill worker whose passes are full: prompts up to their first token, no decode step besides."""
        values = constants.values(self.chip, self.engine)
        full = np.ceil(values["prefill.tokens"] / self.computed)
        return self.worker(layout, full * layout.data, 1.0, "max load", replace(self.serving, store=None))

    def decode(self, layout: Layout, batch: Count) -> Estimate:
        """A decode worker with `batch` requests in progress, whose prompts come with their cache."""
        return self.worker(layout, batch, self.output, schedule.DECODE_POOL, self.serving)


@dataclass(frozen=True)
class Disaggregated:
    """Two pools that serve `batch` requests at once, each with the next when it is done; numbers, or arrays.

    Rates are tokens per second of both pools together unless they say otherwise; they are counted as InferenceX does:
    input over prefill accelerators, output over decode accelerators, both over all.
    """

    service: Service
    prefill_pool: Pool
    decode_pool: Pool
    batch: Count
    prefill: Estimate = field(repr=False)  # one worker, its passes full
    decode: Estimate = field(repr=False)  # one worker, with its share of the requests
    requests: Numeric  # per second
    busy: Fraction  # of the prefill pool
    transfer_seconds: Second
    ttft: Second
    tpot: Second
    reasons: dict[str, Any] = field(repr=False)

    @property
    def accelerators(self) -> Count:
        return self.prefill_pool.accelerators + self.decode_pool.accelerators

    @property
    def output_rate(self) -> Numeric:
        return self.requests * self.service.output

    @property
    def input_rate_per_prefill_accelerator(self) -> Numeric:
        return self.requests * self.service.prompt / self.prefill_pool.accelerators

    @property
    def output_rate_per_decode_accelerator(self) -> Numeric:
        return self.output_rate / self.decode_pool.accelerators

    @property
    def token_rate_per_accelerator(self) -> Numeric:
        """Prompt and output tokens per second, over the accelerators of both pools."""
        return self.requests * (self.service.prompt + self.service.output) / self.accelerators

    def interval(self, metric: str) -> tuple[Numeric, Numeric]:
        """Where 80% of measurements of 'ttft', 'tpot' or 'token_rate' lie; the last of all accelerators' mean."""
        scenario = ", ".join(filter(None, ("disaggregated", self.service.serving.scenario)))
        low, high = factors(self.service.chip, metric, scenario, self.service.engine)
        value = self.token_rate_per_accelerator if metric == "token_rate" else getattr(self, metric)
        return value * low, value * high

    @property
    def watts(self) -> Watt:
        """Mean of one accelerator of either pool; the prefill pool idles where it waits for requests."""
        waiting = self.prefill.chip.tdp * constants.values(self.service.chip)["power.idle"]
        if not np.isnan(self.service.chip.idle):
            waiting = self.service.chip.idle
        taking = self.busy * self.prefill.prefill_watts + (1.0 - self.busy) * waiting
        whole = taking * self.prefill_pool.accelerators + self.decode.watts * self.decode_pool.accelerators
        return whole / self.accelerators

    @property
    def joules_per_token(self) -> Joule:
        """Of both pools, over prompt and output tokens."""
        return self.watts / self.token_rate_per_accelerator

    @property
    def fits(self) -> Any:
        masks = [np.asarray(mask) for mask in self.reasons.values()]
        found = ~np.logical_or.reduce(np.broadcast_arrays(*masks)) if masks else np.asarray(True)
        return found if found.ndim else bool(found)

    @property
    def why(self) -> list[str]:
        """Reasons why it cannot be, pool by pool."""
        return [reason for reason, mask in self.reasons.items() if np.any(mask)]

    def summary(self) -> dict[str, Any]:
        """One pair of pools as plain names and values; SI units are in the names."""
        pools = {"prefill": (self.prefill_pool, self.prefill), "decode": (self.decode_pool, self.decode)}
        return {
            "model": self.service.model.id,
            "chip": self.service.chip.id,
            "prompt_tokens": self.service.prompt,
            "output_tokens": self.service.output,
            "batch": float(self.batch),
            "fits": bool(self.fits),
            "why": self.why,
            "pools": {
                name: {
                    "workers": float(pool.workers),
                    "layout": {n: float(getattr(pool.layout, n)) for n in ("tensor", "pipeline", "data", "expert")},
                    "accelerators": float(pool.accelerators),
                    "watts_per_accelerator": float(one.prefill_watts if name == "prefill" else one.watts),
                }
                for name, (pool, one) in pools.items()
            },
            "accelerators": float(self.accelerators),
            "requests_per_s": float(self.requests),
            "prefill_pool_busy": float(self.busy),
            "decode_requests_per_worker": float(self.decode.batch),
            "transfer_s": float(self.transfer_seconds),
            "ttft_s": float(self.ttft),
            "tpot_s": float(self.tpot),
            "input_tokens_per_s_per_prefill_accelerator": float(self.input_rate_per_prefill_accelerator),
            "output_tokens_per_s_per_decode_accelerator": float(self.output_rate_per_decode_accelerator),
            "tokens_per_s_per_accelerator": float(self.token_rate_per_accelerator),
            "watts_per_accelerator": float(self.watts),
            "joules_per_token": float(self.joules_per_token),
            "interval_80": {
                name: [float(end) for end in self.interval(name)] for name in ("ttft", "tpot", "token_rate")
            },
            "serving": self.service.serving.summary(),
        }


def transfer_seconds(service: Service, prefill: Pool, decode: Pool) -> Second:
    """Time to send one prompt's cache from the pool that made it to the pool that decodes.

    The slower end counts: a prefill accelerator sends its part of the cache, stages / (tensor x pipeline); a decode
    accelerator takes in what it will hold, `memory.sequence_bytes`, which for a latent cache is all of its layers. The
    link is the scale-up one where both pools are inside one domain. One request at a time; prefill of others goes on.

    >>> from stackyard import catalog
    >>> known = catalog.load()
    >>> asked = Service(known.model("llama-3.1-70b"), known.accelerator("h200"), 1000.0, 100.0, "fp8")
    >>> pool = Pool(Layout(tensor=4.0))
    >>> inside, across = transfer_seconds(asked, pool, pool), transfer_seconds(asked, pool, Pool(pool.layout, 3.0))
    >>> inside < across < 2e-3
    True
    """
    model, chip = service.model, service.chip
    values = constants.values(chip, service.engine)
    precision = precision_of(service.precision)
    whole = counting.cache_bytes(model, service.prompt, precision.cache_bytes)
    sent = whole * stage_share(model, prefill.layout) / prefill.layout.tensor
    taken = sequence_bytes(model, decode.layout, precision, service.prompt)
    inside = np.less_equal(prefill.accelerators + decode.accelerators, max(chip.scale_up_domain, 1))
    near, far = chip.scale_up * values["link.scale_up"], chip.scale_out * values["link.scale_out"]
    found: Second = np.maximum(sent, taken) / np.where(inside, near, far)
    return found if np.ndim(found) else float(found)


def disaggregate(service: Service, prefill: Pool, decode: Pool, batch: Count) -> Disaggregated:
    """The point at which two pools that share `batch` requests settle; fields may be arrays of one shape.

    A request is in decode, or before its first token: batch = X ttft + n workers. With n requests in each decode worker
    X = workers n / cycle(n). A prefill group takes s for a prompt alone and s' for one among others, in full passes;
    ttft = s + wait + transfer + half a decode step, wait = r / (2 (1 - r)) s' with r = X s' / groups the busy share of
    the pool (Pollaczek-Khinchine for even service times). n is found by halving, as both sides rise with it; at most
    what the decode pool holds, the others wait before their first token. Valid for a closed loop of even lengths at
    steady state. Raises ValueError for outputs below two tokens, and for pools without
    a worker.

    >>> from stackyard import catalog
    >>> known = catalog.load()
    >>> asked = Service(known.model("llama-3.1-70b"), known.accelerator("h200"), 4000.0, 500.0, "fp8")
    >>> found = disaggregate(asked, Pool(Layout(tensor=4.0)), Pool(Layout(tensor=4.0), 2.0), 64.0)
    >>> found.fits, found.accelerators, bool(0 < found.busy < 1)
    (True, 12.0, True)
    """
    if not np.all(np.greater_equal(service.output, 2)):
        raise ValueError("a decode pool needs outputs of two tokens or more")
    faults = [name for name, pool in (("prefill", prefill), ("decode", decode)) if not np.all(_counts(pool.workers))]
    if faults or not (np.all(np.isfinite(batch)) and np.all(np.greater_equal(batch, 0))):
        raise ValueError("workers and batch are finite and not negative; a pool has at least one worker")
    taking = service.prefill(prefill.layout)
    one_pass = taking.prefill_seconds / prefill.layout.pipeline
    groups = prefill.workers * prefill.layout.data
    tokens = constants.values(service.chip, service.engine)["prefill.tokens"]
    each = one_pass * service.computed / tokens  # of a group, for one prompt among others
    alone = service.worker(prefill.layout, prefill.layout.data, 1.0, "concurrency", taking.serving).ttft
    sending = transfer_seconds(service, prefill, decode)

    def settled(n: Count) -> tuple[Estimate, Numeric, Second]:
        found = service.decode(decode.layout, np.maximum(n, 1.0))
        rate = decode.workers * found.output_rate / service.output * np.minimum(n, 1.0)
        busy = np.minimum(rate * each / groups, 1.0 - 1e-12)
        first = alone + busy / (2.0 * (1.0 - busy)) * each + sending + found.ttft
        return found, rate, first

    most = np.minimum(_held(service, decode.layout), batch / decode.workers)
    low, high = 0.0 * most + 1e-9, 1.0 * most + 1e-9
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        _, rate, first = settled(middle)
        over = middle * decode.workers + rate * first > batch
        low, high = np.where(over, low, middle), np.where(over, middle, high)
    n = high if np.ndim(high) else float(high)
    found, rate, _ = settled(n)
    first = (batch - n * decode.workers) / rate
    reasons = {f"prefill pool: {reason}": mask for reason, mask in taking.reasons.items() if reason != SPARSE}
    reasons |= {
        f"decode pool: {reason}": mask for reason, mask in found.reasons.items() if reason not in (SPARSE, _EMPTY)
    }
    reasons["the batch is empty"] = np.less(batch, 1)
    busy = np.minimum(rate * each / groups, 1.0)
    pools = (prefill, decode, batch, taking, found)
    return Disaggregated(service, *pools, rate, busy, sending, first, found.tpot, reasons)


_EMPTY = "the batch is empty"


def _held(service: Service, layout: Layout) -> Count:
    """Requests that a decode worker admits at once: by its memory where it holds any, and by the engine's own limit."""
    limit = constants.values(service.chip, service.engine)["batch.limit"] * layout.data
    most = service.decode(layout, 1.0).memory.largest_batch
    return np.where(np.greater(most, 0), np.minimum(most, limit), limit)


def _counts(workers: Count) -> NDArray[np.bool_]:
    return np.isfinite(workers) & np.greater_equal(workers, 1)
