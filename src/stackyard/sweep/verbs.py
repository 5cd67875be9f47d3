"""The verbs of a sweep: what may be asked, and what is kept of each answer. Plans have a file of their own.

A column keeps one kind: counts are int, other numbers float, in SI with the unit in their name; None is not known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from stackyard.perf.calibration.training_rows import chip_named, known_models
from stackyard.perf.training.recipe import CHOICES
from stackyard.sim.policy import POLICIES, ROUTERS
from stackyard.sim.traffic import FAMILIES
from stackyard.sweep import fields
from stackyard.sweep.fields import Fields, Taking, Whole, flag, quantity, real, share, word, words
from stackyard.sweep.job import Doing, Inputs, Row, joined, number
from stackyard.verbs.serving import REGIMES


@dataclass(frozen=True)
class Verb:
    """A verb of a sweep.

    `begin(data, folder)` gives, in a worker, the function from inputs to a row. `taking(inputs, folder)` says how keys
    and values are read; by `fields` where it is left out. `needs` must be stated.
    """

    begin: Callable[[Any, Path], Doing]
    fields: Fields = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    taking: Callable[[Mapping[str, Any], Path], Taking] | None = None


# --- estimate ---

_MEMORY: Fields = {
    "hbm": fields.product,
    "height": Whole(1),
    "stacks": Whole(1),
    "capacity": quantity("B", "192 GB, or x2", factors=True),
    "bandwidth": quantity("B/s", "6 TB/s, or x1.5", factors=True),
    "energy": quantity("J/B", "3 pJ/bit, or x0.8", factors=True),
}
_GUESSES: Fields = {
    "draft": Whole(0),
    "acceptance": share,
    "draft_model": fields.model,
    "prefix_hits": share,
}
_ASKED: Fields = {
    "model": fields.model,
    "chip": fields.chip,
    "prompt": real(),
    "output": real(),
    "ttft": quantity("s", "2 s"),
    "tpot": quantity("s", "50 ms"),
    **_GUESSES,
    **_MEMORY,
}
ESTIMATE: Fields = {
    **_ASKED,
    "tensor": Whole(0),
    "pipeline": Whole(0),
    "data": Whole(0),
    "expert": Whole(0),
    "batch": Whole(0),
    "precision": fields.precision,
    "regime": word(REGIMES),
    "engine": word(),
    "store": word(),
    "power_cap": quantity("W", "700 W"),
}


def _part(inputs: Inputs) -> tuple[Any, dict[str, Any]]:
    """The accelerator with the memory that is asked about, and the other inputs."""
    rest = {key: value for key, value in inputs.items() if key not in _MEMORY and key != "chip"}
    return _variant(inputs["chip"], *(inputs.get(key) for key in _MEMORY)), rest


@lru_cache(maxsize=512)
def _variant(chip: str, *memory: Any) -> Any:
    """An accelerator with another memory: many jobs share one."""
    from stackyard.verbs.accelerators import what_if

    return what_if(chip, **dict(zip(_MEMORY, memory, strict=True)))


def estimated(inputs: Inputs) -> Row:
    """The estimate of one model on one accelerator, its three main figures with their 80% interval.

    >>> sorted(estimated({"model": "llama-3.1-8b", "chip": "h100", "tensor": 1, "batch": 8}))[:3]
    ['accelerators', 'batch', 'data']
    """
    from stackyard.verbs.serving import estimate

    part, rest = _part(inputs)
    found = estimate(rest.pop("model"), part, **rest)
    lay, low, each, rate = found.layout, found.interval("ttft"), found.interval("tpot"), found.interval("token_rate")
    return {
        "fits": bool(found.fits),
        "why": joined(found.why),
        "accelerators": int(found.accelerators),
        "tensor": int(lay.tensor),
        "pipeline": int(lay.pipeline),
        "data": int(lay.data),
        "expert": int(lay.expert),
        "batch": number(found.batch),
        "ttft_s": number(found.ttft),
        "ttft_low_s": number(low[0]),
        "ttft_high_s": number(low[1]),
        "tpot_s": number(found.tpot),
        "tpot_low_s": number(each[0]),
        "tpot_high_s": number(each[1]),
        "tokens_per_s": number(found.token_rate),
        "tokens_per_s_low": number(rate[0]),
        "tokens_per_s_high": number(rate[1]),
        "output_tokens_per_s": number(found.output_rate),
        "tokens_per_s_per_accelerator": number(found.token_rate_per_accelerator),
        "output_tokens_per_s_per_accelerator": number(found.output_rate_per_accelerator),
        "memory_used_bytes": number(found.memory.total),
        "watts_per_accelerator": number(found.watts),
        "joules_per_token": number(found.joules_per_token),
    }


# --- search ---

KINDS = ("rate", "cost", "energy", "latency")


def searched(inputs: Inputs) -> Row:
    """The best layout, batch and precision of each kind."""
    from stackyard.verbs.accelerators import search

    part, rest = _part(inputs)
    found = search(rest.pop("model"), part, within=rest.pop("within", inputs["chip"]), **rest)
    told: dict[str, Any] = {"fits": bool(found.best), "why": joined(found.why), "tried": int(found.tried)}
    for kind in KINDS:
        best = found.row(found.best[kind]) if kind in found.best else {}
        widths = best.pop("layout", {})
        told[f"{kind}_precision"] = best.pop("precision", None)
        for name in ("tensor", "pipeline", "data", "expert"):
            told[f"{kind}_{name}"] = widths.get(name)
        told[f"{kind}_accelerators"] = best.pop("accelerators", None)
        for name in _FIGURES:
            told[f"{kind}_{name}"] = number(best.get(name))
    return told


_FIGURES = (
    "batch",
    "ttft_s",
    "tpot_s",
    "tokens_per_s_per_accelerator",
    "output_tokens_per_s_per_accelerator",
    "watts_per_accelerator",
    "joules_per_token",
    "usd_per_token",
)

# --- train ---

TRAIN: Fields = {
    "model": lambda value: value if value in known_models() else fields.model(value),
    "chip": lambda value: chip_named(word()(value)) and value,
    "accelerators": Whole(1),
    "sequence": Whole(1),
    "batch": Whole(1),
    **{name: Whole(1) for name in ("micro_batch", "tensor", "pipeline", "virtual", "context", "expert")},
    **{name: word(known) for name, known in CHOICES.items()},
    "offload": flag,
    "adapters": flag,
    "shard_width": real(1.0),
    "released": real(2015.0, 2100.0),
}
_STEP = {
    "step_s": "step_s",
    "step_low_s": "step_low_s",
    "step_high_s": "step_high_s",
    "tokens_per_s": "tokens_per_s",
    "tokens_per_s_per_accelerator": "tokens_per_s_per_accelerator",
    "mfu_causal": "mfu_causal",
    "mfu_full": "mfu_full",
    "hfu": "hfu",
    "watts": "watts_per_accelerator",
    "joules_per_token": "joules_per_token",
    "memory_used_bytes": "memory_used_bytes",
}


def trained(inputs: Inputs) -> Row:
    """A training run: its step with an interval, rate, memory, power, and the share of weeks that is progress.

    >>> sorted(trained({"model": "llama-3.1-8b", "chip": "h100", "accelerators": 8}))[:3]
    ['fits', 'goodput', 'hfu']
    """
    from stackyard.verbs.training import train

    asked = dict(inputs)
    told = train(asked.pop("model"), asked.pop("chip"), **asked).summary()
    head = {"fits": bool(told["fits"]), "why": joined(told["why"])}
    return {**head, **fields.row(told, _STEP), "goodput": number(told["goodput"]["share"])}


# --- simulate ---

_POLICY: Fields = {"tokens": Whole(1), "sequences": Whole(1), "policy": word(POLICIES), "swap": flag}
_SERVICE: Fields = {
    "tensor": Whole(1),
    "pipeline": Whole(1),
    "expert": Whole(1),
    "replicas": Whole(1),
    "precision": fields.precision,
    "engine": word(),
    "router": word(ROUTERS),
    "prefill_replicas": Whole(0),
    "link": real(),
    "host_gb": real(),
    "ssd_gb": real(),
    "remote_gb": real(),
    "drafts": Whole(0),
    "accept": real(0.0, 1.0),
    "least": Whole(0),
    "start_up": real(),
    "between_failures": real(),
    "restart": real(),
    "shed": flag,
    "concurrency": Whole(0),
}


def _rate(value: Any) -> str:
    from stackyard.sim.ask import rate_of

    rate_of(str(value), 1.0)
    return str(value)


_LOAD: Fields = {
    "rate": _rate,
    "requests": Whole(1),
    "prompt": real(1.0),
    "output": real(1.0),
    "spread": real(),
    "arrivals": word(FAMILIES),
    "cv": real(),
    "shared": Whole(0),
    "clients": word(),
    "turns": real(1.0),
    "swing": real(0.0, 0.99),
}
SIMULATE: Fields = {
    "model": words(),
    "system": fields.chip,
    **_SERVICE,
    **_POLICY,
    **_LOAD,
    "ttft": quantity("s", "2 s"),
    "tpot": quantity("s", "50 ms"),
    "percentile": real(0.0, 100.0),
    "seed": Whole(0),
    "replications": Whole(1),
}
_PLAIN_LOAD = {"rate": None, "requests": 1000, "prompt": 1000.0, "output": 200.0, "spread": 1.0, "arrivals": "poisson"}
_PLAIN_LOAD |= {"cv": 1.0, "shared": 0, "clients": "", "turns": 1.0, "swing": 0.0}


def simulated(inputs: Inputs) -> Row:
    """A service under synthetic load: tails of latency, what was served, how busy the engines were."""
    from stackyard.verbs import simulator

    asked = dict(inputs)
    settings = {key: asked[key] for key in _SERVICE if key in asked}
    policy = {key: asked[key] for key in _POLICY if key in asked}
    of = simulator.service(asked["model"], asked["system"], policy=policy, **settings)
    load = {name: asked.get(name, usual) for name, usual in _PLAIN_LOAD.items()}
    more = [load.pop(name) for name in ("clients", "turns", "swing")]
    promised = simulator.promise(asked.get("ttft"), asked.get("tpot"), asked.get("percentile", 99.0))
    made = simulator.load_of(None, *load.values(), False, *more)
    many = asked.get("replications", 5)
    found = simulator.simulate(of, made, promised, seed=asked.get("seed", 0), replications=many, workers=1)
    told: dict[str, Any] = {"stable": found.stable, "served": int(found.served), "shed": int(found.shed)}
    told |= {"requests_per_s": number(found.rate), "output_tokens_per_s": number(found.output_rate)}
    told |= {"goodput": number(found.goodput.value), "accelerators": int(found.accelerators)}
    for name in ("ttft", "tpot", "e2e"):
        for at in ("mean", "p50", "p90", "p95", "p99"):
            figure = found.figures.get(f"{name}.{at}") if found.stable else None
            told[f"{name}_{at}_s"] = None if figure is None else number(figure.value)
    told |= {"busy": number(found.used.busy), "cache": number(found.used.cache), "watts": number(found.watts)}
    told |= {"usd_per_million_output_tokens": number(found.cost_per_million)}
    return {**told, "joules_per_token": number(found.joules_per_token)}


def begin_estimate(data: Any, folder: Path) -> Doing:
    """Estimates need nothing prepared."""
    return estimated


def begin_search(data: Any, folder: Path) -> Doing:
    """Searches need nothing prepared."""
    return searched


def begin_train(data: Any, folder: Path) -> Doing:
    """Training runs need nothing prepared."""
    return trained


def begin_simulate(data: Any, folder: Path) -> Doing:
    """Simulations need nothing prepared."""
    return simulated


VERBS: Mapping[str, Verb] = {
    "estimate": Verb(begin_estimate, ESTIMATE, ("model", "chip")),
    "search": Verb(begin_search, {**_ASKED, "precisions": words(), "within": word()}, ("model", "chip")),
    "train": Verb(begin_train, TRAIN, ("model", "chip", "accelerators")),
    "simulate": Verb(begin_simulate, SIMULATE, ("model", "system")),
}
