"""What a training run is told to do: layout, batch, number formats, what is kept and what is computed again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stackyard.catalog.entries import Accelerator, Model
from stackyard.errors import nearest
from stackyard.perf import architecture
from stackyard.quantity import Count, Fraction, Numeric, Token

Mask = bool | NDArray[np.bool_]

# Formats of the matmuls. 'fp8' scales whole tensors; 'mxfp8' scales blocks of 32; 'fp4' is NVFP4.
ARITHMETIC = {"bf16": "bf16", "fp8": "fp8", "mxfp8": "fp8", "int8": "int8", "fp4": "fp4"}
RECOMPUTE = {"none": 0.0, "selective": 0.0, "alternate": 0.5, "full": 1.0}  # share of the forward matmuls repeated
SHARDING = ("none", "zero-1", "zero-2", "zero-3")
SCHEDULES = ("1f1b", "zero-bubble")
# Scores in memory; in one kernel, of 2022 and 2023 (FlashAttention 1 and Triton); its second kind; one written for the
# generation of the chip (FlashAttention 3, cuDNN, Splash).
ATTENTION = ("unfused", "flash-1", "flash-2", "flash-3")
# Software with measured steps; 'other' takes the constants of all and the interval of software left out of the fit.
SOFTWARE = (
    "megatron-core",  # with NeMo and Megatron Bridge, 2024 to 2026
    "megatron-lm",  # 2021 and 2022
    "deepspeed",  # Megatron-DeepSpeed in fp16, 2022
    "deepspeed-bf16",
    "deepspeed-zero-3",  # 2021
    "zero-offload",  # DeepSpeed ZeRO with the optimiser on the host, 2026
    "llm-foundry",  # 2023
    "torchtitan",  # compiled, 2024
    "torchtitan-eager",
    "torchtitan-2025",  # compiled with its loss
    "deepseek",  # DualPipe, 2024
    "maxtext",  # on TPU, 2023 and later
    "neuron",  # on Trainium, 2023
    "other",
)
CHOICES = {
    "software": SOFTWARE,
    "precision": tuple(ARITHMETIC),
    "recompute": tuple(RECOMPUTE),
    "sharding": SHARDING,
    "schedule": SCHEDULES,
    "attention": ATTENTION,
}


@dataclass(frozen=True)
class Recipe:
    """One training run; widths, batches and lengths are numbers or arrays, the rest are words.

    tensor, pipeline, context, expert: widths of parallelism; `accelerators` / (tensor pipeline context) replicas share
    the batch. virtual: chunks of layers of one stage (interleaved schedule). sharding: what replicas split, as ZeRO
    numbers it (zero-3 is FSDP's full sharding; shard_width bounds it, so that wider runs hold several copies: hybrid
    sharding). recompute: 'selective' repeats the core of attention, 'alternate' every
    other matmul besides (torchtitan's), 'full' whole layers. sample: tokens of one sample where several are packed into
    a sequence. adapters: only low-rank adapters are trained. offload: the optimiser's state and work are on the host.
    software, released: whose constants, and the year of the release.
    """

    accelerators: Count
    sequence: Token
    global_batch: Count  # sequences of a step
    micro_batch: Count = 1.0  # sequences
    tensor: Count = 1.0
    pipeline: Count = 1.0
    virtual: Count = 1.0
    context: Count = 1.0
    expert: Count = 1.0
    precision: str = "bf16"
    recompute: str = "none"
    sharding: str = "zero-1"
    schedule: str = "1f1b"
    attention: str = "flash-3"
    sequence_parallel: bool = True
    shard_width: Count = np.inf  # accelerators at most that split one copy of the state
    sample: Token = np.inf  # tokens of one sample, where several are packed into a sequence
    adapters: bool = False
    offload: bool = False
    software: str = "megatron-core"
    released: float = 2026.5  # year of the software

    def __post_init__(self) -> None:
        for name, known in CHOICES.items():
            chosen = getattr(self, name)
            if chosen not in known:
                raise ValueError(f"'{chosen}' is not a {name} I know: {nearest(chosen, known)}")
        for name in WIDTHS:
            value = getattr(self, name)
            if not (0.0 <= value < np.inf if isinstance(value, float) else _positive(value)):
                raise ValueError(f"{name} must be finite and not negative")
        for name in ("sample", "shard_width"):
            if not np.all(np.greater(getattr(self, name), 0.0)):
                raise ValueError(f"{name} must be above 0")

    @property
    def replicas(self) -> Count:
        """Data-parallel width."""
        return self.accelerators / (self.tensor * self.pipeline * self.context)

    @property
    def micro_batches(self) -> Count:
        """Micro-batches that each replica does one after the other in a step."""
        return self.global_batch / (self.replicas * self.micro_batch)

    @property
    def tokens(self) -> Token:
        """Tokens of a step."""
        return self.global_batch * self.sequence

    @property
    def shards(self) -> Count:
        """Accelerators that hold the same parameters: replicas and the context group."""
        return self.replicas * self.context

    @property
    def split(self) -> Count:
        """Accelerators among which one copy of the state is split, where it is."""
        return np.minimum(self.shards, self.shard_width)


WIDTHS = (
    "accelerators",
    "sequence",
    "global_batch",
    "micro_batch",
    "tensor",
    "pipeline",
    "virtual",
    "context",
    "expert",
)


def _positive(value: Numeric) -> bool:
    many = np.asarray(value, dtype=float)
    return bool(np.all(np.isfinite(many)) and np.all(many >= 0))


def inside(domain: Count, stride: Count, width: Count) -> Count:
    """Members of a group that share a scale-up domain, when they stand `stride` accelerators apart.

    >>> float(inside(8.0, 4.0, 16.0)), float(inside(8.0, 16.0, 4.0))
    (2.0, 1.0)
    """
    return np.minimum(np.maximum(np.floor(domain / stride), 1.0), width)


def faults(model: Model, chip: Accelerator, recipe: Recipe) -> dict[str, Mask]:
    """Reason -> where it holds: everything but memory that keeps the run from being possible.

    >>> from stackyard import catalog
    >>> known = catalog.load()
    >>> bad = Recipe(64.0, 8192.0, 100.0, tensor=3.0)
    >>> [why for why, holds in faults(known.model("llama-3.1-8b"), known.accelerator("h100"), bad).items() if holds][0]
    'tensor width does not divide the attention heads'
    """
    r, a = recipe, model.attention
    group = np.maximum(r.tensor * r.pipeline * r.context, 1.0)
    safe = np.maximum(r.accelerators / group * r.micro_batch, 1e-9)
    found: dict[str, Mask] = dict.fromkeys(unmodelled(model), True)
    for name in WIDTHS:
        found[f"{name.replace('_', ' ')} is below 1"] = np.less(getattr(r, name), 1.0)
    tensor, width = np.maximum(r.tensor, 1.0), float(model.feed_forward)
    found["tensor width does not divide the attention heads"] = np.mod(a.heads, tensor) > 0
    if width:
        found["tensor width does not divide the feed-forward width"] = np.mod(width, tensor) > 0
    found["more pipeline chunks than layers"] = np.greater(r.pipeline * r.virtual, model.layers)
    found["virtual chunks need more than one pipeline stage"] = np.greater(r.virtual, 1) & np.less_equal(r.pipeline, 1)
    found["tensor x pipeline x context does not divide the accelerators"] = np.mod(r.accelerators, group) > 0
    found["replicas x micro-batch does not divide the global batch"] = (
        np.abs(r.global_batch / safe - np.rint(r.global_batch / safe)) > 1e-6
    )
    found["context width does not divide the sequence"] = np.mod(r.sequence, np.maximum(r.context, 1.0)) > 0
    found["the sequence is longer than the model's context"] = np.greater(r.sequence, model.max_context)
    found["interleaving needs micro-batches in multiples of the stages"] = np.greater(r.virtual, 1) & (
        np.less(r.global_batch / safe, r.pipeline)
    )
    arithmetic = ARITHMETIC[r.precision]
    for needed in dict.fromkeys((arithmetic, "bf16")):
        found[f"{chip.name} has no {needed} arithmetic on record"] = needed not in chip.flops
    if model.experts is None:
        found["the model has no experts to spread"] = np.greater(r.expert, 1)
    else:
        found["expert width does not divide the routed experts"] = (
            np.mod(model.experts.routed, np.maximum(r.expert, 1)) > 0
        )
        found["expert width does not divide tensor x context x replicas"] = (
            np.mod(r.accelerators / np.maximum(r.pipeline, 1), np.maximum(r.expert, 1)) > 0
        )
    return found


def unmodelled(model: Model) -> list[str]:
    """Why this model cannot be trained here; empty where it can. Plain GPT blocks are known besides the families.

    >>> from stackyard import catalog
    >>> unmodelled(catalog.load().model("llama-3.1-70b"))
    []
    """
    return [] if model.family == "gpt" else architecture.unmodelled(model)


def bubble(recipe: Recipe, weight_share: Fraction = 1 / 3) -> Numeric:
    """Idle time of the pipeline, in units of one stage's time of one micro-batch.

    (p - 1) / v for 1F1B and interleaving (Narayanan et al., arXiv:2104.04473, section 2.2); ZB-H1 fills it with the
    gradients of weights, a share w of the work: (p - 1)(1 - 2 w) / v, because a stage may run ahead by that work
    (Qi et al., arXiv:2401.10241: (p - 1)(F + B - W) of F + B + W).

    >>> float(bubble(Recipe(8.0, 1.0, 8.0, pipeline=4.0, virtual=2.0)))
    1.5
    """
    kept = 1 - 2 * weight_share if recipe.schedule == "zero-bubble" else 1.0
    return (recipe.pipeline - 1) / recipe.virtual * kept
