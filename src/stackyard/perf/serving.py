"""Ways of serving beyond plain batching: guessed tokens, prompts found in a cache, a cache that overflows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackyard.catalog.entries import Model
from stackyard.perf import architecture, counting, lower
from stackyard.perf.layout import Layout, divides
from stackyard.perf.memory import sequence_bytes, weight_bytes
from stackyard.perf.op import ACTIVATION, Op, matmul
from stackyard.perf.overflow import Store
from stackyard.perf.precision import Precision
from stackyard.quantity import Byte, Count, Fraction, Numeric, Token

Mask = bool | NDArray[np.bool_]


@dataclass(frozen=True)
class Serving:
    """How requests are served besides batching; left alone it is plain serving.

    `draft` tokens are guessed before each step, each is right with the chance `acceptance`, and one step verifies them
    all. They are guessed by the model's own next-token layer (multi-token prediction), or by a `drafter`, a small model
    with the same vocabulary. `prefix` is the share of a prompt whose keys and values are in the cache when the request
    comes. Cache that the accelerator's memory cannot hold goes to the `store`. Raises ValueError for shares outside 0
    to 1 and a draft that is not a whole number.
    """

    draft: Count = 0.0
    acceptance: Fraction = 0.0
    drafter: Model | None = None
    prefix: Fraction = 0.0
    store: Store | None = None

    def __post_init__(self) -> None:
        faults = []
        if not (0 <= self.draft < np.inf and float(self.draft).is_integer()):
            faults.append(f"draft is a whole number of tokens, not {self.draft}")
        if not 0 <= self.acceptance <= 1:
            faults.append(f"acceptance is a share from 0 to 1, not {self.acceptance}")
        if not 0 <= self.prefix <= 1:
            faults.append(f"prefix-cache hit rate is a share from 0 to 1, not {self.prefix}")
        if faults:
            raise ValueError("; ".join(faults))

    @property
    def gain(self) -> Numeric:
        """Tokens that one step yields in the mean."""
        return accepted(self.draft, self.acceptance)

    @property
    def queries(self) -> Token:
        """Tokens of a sequence that one step passes through the model."""
        return 1.0 + self.draft

    @property
    def scenario(self) -> str:
        """Under which measured runs are compared: 'speculative' where tokens are guessed."""
        return "speculative" if self.draft else ""

    def summary(self) -> dict[str, Any]:
        """What differs from plain serving, in plain names and values."""
        said: dict[str, Any] = {}
        if self.draft:
            guess = "model's own next-token layer" if self.drafter is None else self.drafter.id
            said = {"draft_tokens": self.draft, "acceptance": self.acceptance, "guessed_by": guess}
            said["tokens_per_step"] = self.gain
        if self.prefix:
            said["prefix_hit_rate"] = self.prefix
        if self.store is not None:
            store = self.store
            said["store"] = {"name": store.name, "bytes": store.capacity, "bytes_per_s": store.bandwidth}
        return said


PLAIN = Serving()


def accepted(draft: Count, acceptance: Fraction) -> Numeric:
    """Expected tokens of one verifying step with `draft` guesses: (1 - a^(k+1)) / (1 - a), k + 1 where a = 1.

    Each guess is right with the chance a as long as all before it were, and the step adds one token of its own
    (Leviathan, Kalman and Matias, arXiv:2211.17192, equation 1). Measured acceptance falls with the place of a guess;
    a is then the value that gives the measured mean length. Floats, or arrays of one shape.

    >>> accepted(3.0, 0.5)
    1.875
    >>> accepted(0.0, 0.9), accepted(3.0, 0.0), accepted(3.0, 1.0)
    (1.0, 1.0, 4.0)
    """
    if type(draft) is float and draft == 0.0:
        return 1.0
    rate = np.minimum(acceptance, 1.0 - 1e-12)
    found = np.where(np.equal(acceptance, 1.0), draft + 1.0, (1.0 - rate ** (draft + 1.0)) / (1.0 - rate))
    return found if np.ndim(found) else float(found)


@architecture.remembered
def next_token_layer(model: Model) -> Model:
    """The model's multi-token-prediction layer as a model of one layer: a layer of the main model's last kind.

    >>> from stackyard import catalog
    >>> next_token_layer(catalog.load().model("deepseek-v3")).experts.dense_layers
    0
    """
    experts = None if model.experts is None else replace(model.experts, dense_layers=0)
    whole = replace(model.attention, window=0, windowed_layers=0)
    extra = {name: value for name, value in model.extra.items() if name not in ("experts_every", "attention_chunk")}
    return replace(model, layers=1, attention=whole, experts=experts, extra=extra)


def guesser(model: Model, serving: Serving) -> Model:
    """Who guesses: the drafter, or the model's own next-token layer.

    >>> from stackyard import catalog
    >>> known = catalog.load()
    >>> guesser(known.model("llama-3.1-70b"), Serving(draft=3, drafter=known.model("llama-3.1-8b"))).id
    'llama-3.1-8b'
    """
    return serving.drafter or next_token_layer(model)


def _alone(layout: Layout) -> Layout:
    """The layout of the guessing model: the same tensor, data and expert widths in one stage."""
    return replace(layout, pipeline=1.0)


def guesses(
    model: Model, layout: Layout, precision: Precision, serving: Serving, sequences: Count, context: Token
) -> list[Op]:
    """Operations that guess `draft` tokens for each of `sequences`, one after the other, in one stage's share.

    The next-token layer takes the last hidden state and the last token's embedding through a projection of 2 hidden x
    hidden first (DeepSeek-V3, arXiv:2412.19437, section 2.2); embedding and head are the main model's.

    >>> from stackyard import catalog
    >>> from stackyard.perf.precision import PRESETS
    >>> model, fp8 = catalog.load().model("deepseek-v3"), PRESETS["fp8"]
    >>> found = guesses(model, Layout(), fp8, Serving(draft=2.0, acceptance=0.8), 8.0, 1000.0)
    >>> {float(op.count) for op in found if op.kind == "experts"}, guesses(model, Layout(), fp8, PLAIN, 8.0, 1000.0)
    ({2.0}, [])
    """
    if not serving.draft:
        return []
    small, alone = guesser(model, serving), _alone(layout)
    found = lower.decode(small, alone, precision, sequences, context)
    if serving.drafter is None:
        inner, outer = 2.0 * model.hidden, model.hidden / layout.tensor
        found.append(matmul("project", sequences, inner, outer, precision.weight_bytes, precision.compute))
    return [_part(op, serving.draft / layout.pipeline) for op in found]


def primed(
    model: Model,
    layout: Layout,
    precision: Precision,
    serving: Serving,
    prompts: Count,
    prompt: Token,
    prefix: Token,
) -> list[Op]:
    """Operations that take the prompts into the guessing model's own cache, in one stage's share."""
    if not serving.draft:
        return []
    small, alone = guesser(model, serving), _alone(layout)
    return [_part(op, 1.0 / layout.pipeline) for op in lower.prefill(small, alone, precision, prompts, prompt, prefix)]


def _part(op: Op, count: Numeric) -> Op:
    return op._replace(name=f"draft_{op.name}", count=op.count * count)


def guesser_bytes(
    model: Model, layout: Layout, precision: Precision, serving: Serving, context: Token
) -> tuple[Byte, Byte]:
    """(weights, cache of one sequence) that guessing adds to each accelerator of a stage; the next-token layer's tables
    are the main model's.

    >>> from stackyard import catalog
    >>> from stackyard.perf.precision import PRESETS
    >>> model = catalog.load().model("deepseek-v3")
    >>> weights, cache = guesser_bytes(model, Layout(tensor=8), PRESETS["fp8"], Serving(draft=1), 2000.0)
    >>> round(float(weights) / 1e9, 2)  # GB
    1.47
    """
    if not serving.draft:
        return 0.0, 0.0
    small, alone = guesser(model, serving), _alone(layout)
    weights = weight_bytes(small, alone, precision)
    if serving.drafter is None:
        tables = counting.embedding_parameters(model) * (1 if model.tied_embeddings else 2) * ACTIVATION
        weights = weights + (2.0 * model.hidden**2 * precision.weight_bytes - tables) / layout.tensor
    cache = sequence_bytes(small, alone, precision, context)
    return weights / layout.pipeline, cache / layout.pipeline


def unserved(model: Model, layout: Layout, serving: Serving) -> dict[str, Mask]:
    """Why requests cannot be served so: reason -> where it holds.

    >>> from stackyard import catalog
    >>> list(unserved(catalog.load().model("llama-3.1-70b"), Layout(tensor=8), Serving(draft=1)))
    ['Llama-3.1-70B has no next-token layer to guess with: name a draft model']
    """
    if not serving.draft:
        return {}
    if serving.drafter is None:
        if model.extra.get("mtp_layers"):
            return {}
        return {f"{model.name} has no next-token layer to guess with: name a draft model": True}
    small = serving.drafter
    found: dict[str, Mask] = dict.fromkeys(architecture.unmodelled(small), True)
    if small.vocabulary != model.vocabulary:
        words = f"{small.vocabulary:,} and {model.vocabulary:,}"
        found[f"the draft model {small.name} has another vocabulary: {words} words"] = True
    uneven = divides(small, replace(_alone(layout), expert=1.0)) if small.experts is None else {}
    return found | {f"draft model: {reason}": mask for reason, mask in uneven.items()}
