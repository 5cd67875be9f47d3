"""Power and energy of a training run, of packages; hosts, network, cooling and conversion are the system's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stackyard.catalog.entries import Accelerator
from stackyard.perf import constants, energy
from stackyard.perf.training.step import Rates, Step
from stackyard.perf.training.work import Work
from stackyard.quantity import Count, Fraction, Joule, Numeric, Second, Token, Watt


@dataclass(frozen=True)
class Campaign:
    """A run to its end: so many tokens, with the failures and checkpoints of weeks."""

    tokens: Token
    seconds: Second  # of wall time
    accelerator_seconds: Second
    joules: Joule  # of all packages


def package_watts(chip: Accelerator, work: Work, step: Step, rates: Rates) -> Watt:
    """Mean power of one package over a step: idle, arithmetic while matmuls and attention run, and memory traffic.

    min(rated, idle + (rated - idle) busy + bytes a second x energy per byte), as in serving (perf.energy.watts).
    Traffic is every operand and result that the step moves through memory. Valid for a mean stage; one that waits
    draws less.

    >>> from stackyard import catalog
    >>> from stackyard.perf.training.estimate import train
    >>> from stackyard.perf.training.recipe import Recipe
    >>> known = catalog.load()
    >>> run = train(known.model("llama-3.1-8b"), known.accelerator("h100"), Recipe(8.0, 8192.0, 128.0, context=2.0))
    >>> 500 < float(run.watts) <= 700
    True
    """
    w, r = work, rates
    busy = (step.matmul + step.experts + step.attention + step.head) / step.seconds
    layer = w.matmul_bytes + w.expert_bytes + w.attention_bytes + w.elementwise_bytes
    layer = layer + r.copies * w.copied_bytes + r.cast * w.cast_elements
    moved = w.micro_batches * (w.last_layers * layer + w.head_bytes) + w.update_bytes
    return energy.watts(chip, np.minimum(busy, 1.0), moved / step.seconds, constants.values(chip))


def campaign(tokens: Token, rate: Numeric, share: Fraction, accelerators: Count, watts: Watt, idle: Watt) -> Campaign:
    """Wall time and energy to train on `tokens` at `rate` tokens a second of steady state and a goodput of `share`.

    T = tokens / (rate share); packages draw `watts` while steps run, lost ones in, and `idle` is what they draw at
    least: E = N T (idle + (watts - idle) share), a lower bound, because lost work draws as much as work kept.

    >>> round(campaign(1e12, 1e6, 0.9, 64, 700.0, 100.0).seconds / 86400, 2)  # days
    12.86
    """
    seconds = tokens / (rate * share)
    return Campaign(tokens, seconds, accelerators * seconds, accelerators * seconds * (idle + (watts - idle) * share))
