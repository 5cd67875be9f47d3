"""How long a step takes: the counted work over the rates that a chip and a software reach."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stackyard.perf.training.work import Traffic, Work
from stackyard.quantity import Byte, BytePerSecond, FlopPerSecond, Fraction, Numeric, Second


@dataclass(frozen=True)
class Rates:
    """What is reached of a chip's printed rates, and what is not hidden; numbers, or arrays beside a work's."""

    matmul: FlopPerSecond
    head: FlopPerSecond
    experts: FlopPerSecond
    attention: FlopPerSecond
    exponential: Second  # of one score
    scores: BytePerSecond  # of kernels that pass scores through memory
    operands: BytePerSecond  # of matmuls, and of kernels that bring operands to a lower format
    stream: BytePerSecond  # of elementwise kernels and the optimiser
    up: BytePerSecond
    out: BytePerSecond
    up_wait: Second  # of one message
    out_wait: Second
    launch: Second  # of one matmul
    host_layer: Second  # the least that a layer takes in a micro-batch: the host cannot launch faster
    host_expert: Second  # the same of a layer with experts
    step: Second  # of each step: input, logging, synchronisation
    copies: Fraction  # passes over routed rows, in units of what fused kernels need
    cast: Byte  # moved for each operand element brought to a lower format
    ragged: Fraction  # more time of a matmul with a side that is not a multiple of 64
    misaligned: Fraction  # more time of attention with an odd head dimension
    tensor_exposed: Fraction  # of the tensor group's messages
    expert_exposed: Fraction  # of the exchange with experts
    send_exposed: Fraction  # of sends between stages
    leak: Fraction  # of the shorter of two that overlap
    ring_leak: Fraction  # the same of keys and values around the context group
    reduce_overlap: Fraction  # of a micro-batch that can hide the reduction of gradients
    host_update: Second  # of one parameter updated on the host
    spread: Fraction  # more time for each doubling of the accelerators


@dataclass(frozen=True)
class Step:
    """A step's seconds, and where they go; the parts add up to the whole."""

    matmul: Second
    experts: Second
    attention: Second
    elementwise: Second
    head: Second
    tensor: Second
    context: Second
    expert: Second
    shard: Second
    pipeline: Second  # sends, and waiting for the fullest stage
    bubble: Second
    reduce: Second
    update: Second
    fixed: Second
    seconds: Second


PARTS = tuple(name for name in Step.__dataclass_fields__ if name != "seconds")


def message_time(traffic: Traffic, rates: Rates) -> Second:
    """Time of messages that use both fabrics at once: max(up / U, out / O) plus a wait for each message."""
    carried = np.maximum(traffic.up / rates.up, traffic.out / rates.out)
    return carried + traffic.up_count * rates.up_wait + traffic.out_count * rates.out_wait


def overlapped(work: Second, beside: Second, leak: Fraction) -> Second:
    """What `beside` adds to `work` when both run at once: all that outlasts it, and a leak of what does not.

    >>> float(overlapped(1.0, 0.5, 0.1)), float(overlapped(1.0, 3.0, 0.0))
    (0.05, 2.0)
    """
    return np.maximum(beside - work, 0.0) + leak * np.minimum(work, beside)


def time(work: Work, rates: Rates) -> Step:
    """Seconds of a step and its parts.

    A layer takes the sum of its matmuls, attention and elementwise kernels and of the messages that are not hidden;
    a stage the layers it holds, the last one the output head besides; a step
    (micro-batches + bubble) x the fullest stage + reduction + update + a fixed time, longer by `spread` for each
    doubling of the accelerators.
    """
    w, r = work, rates
    done = (w.matmul_flop + r.ragged * w.ragged) / r.matmul
    matmul = np.maximum(done, w.matmul_bytes / r.operands) + w.matmul_count * r.launch
    experts = np.maximum(w.expert_flop / r.experts, w.expert_bytes / r.operands) + w.expert_count * r.launch
    attention = (w.attention_flop + r.misaligned * w.misaligned) / r.attention + w.attention_bytes / r.scores
    attention = attention + w.exponentials * r.exponential
    elementwise = (w.elementwise_bytes + r.copies * w.copied_bytes) / r.stream + w.cast_elements * r.cast / r.operands
    tensor = r.tensor_exposed * message_time(w.tensor, r) + overlapped(matmul, message_time(w.tensor_hidden, r), r.leak)
    context = overlapped(attention, message_time(w.ring, r), r.ring_leak)
    expert = r.expert_exposed * message_time(w.dispatch, r)
    busy = matmul + experts + attention + elementwise
    waiting = tensor + context + expert
    shard = overlapped(busy + waiting, message_time(w.shard, r), r.leak)
    layer = np.maximum(busy + waiting + shard, r.host_layer + w.expert_layer * r.host_expert)
    head = w.head_flop / r.head + w.head_bytes / r.stream
    stage = np.maximum(w.layers * layer, w.last_layers * layer + head)
    send = w.virtual * r.send_exposed * message_time(w.stage_send, r)
    through = w.micro_batches * (stage + send)
    idle = w.bubble * (stage + send)
    reduce = overlapped(r.reduce_overlap * stage, message_time(w.reduce, r), r.leak)
    update = w.update_bytes / r.stream + w.host_elements * r.host_update
    grown = 1 + r.spread * np.log2(np.maximum(w.accelerators, 1.0))
    every = w.micro_batches * w.last_layers * grown
    seconds = (through + idle + reduce + update + r.step) * grown
    told = {
        "matmul": every * matmul,
        "experts": every * experts,
        "attention": every * attention,
        "elementwise": every * elementwise,
        "head": w.micro_batches * head * grown,
        "tensor": every * tensor,
        "context": every * context,
        "expert": every * expert,
        "shard": every * shard,
        "bubble": idle * grown,
        "reduce": reduce * grown,
        "update": update * grown,
        "fixed": r.step * grown,
    }
    rest: Numeric = seconds - sum(told.values())
    return Step(**told, pipeline=rest, seconds=seconds)
