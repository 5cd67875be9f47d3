"""Collectives that span several scale-up domains: in two tiers, by the algorithm that is quicker for their size.

Inside one domain `provider.transfer` holds, whose fitted rate is that of the algorithm which the engine's library picks
there (its own one-shot kernels, in-switch reduction or a ring).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from stackyard.catalog.entries import Accelerator
from stackyard.perf.numeric import ceiling, least, most, where
from stackyard.perf.op import Op
from stackyard.quantity import Byte, Count, Numeric, Second


class Tiers(NamedTuple):
    """Bytes that an accelerator sends inside its domain and beyond it, and the domains; ring and tree differ beyond."""

    within: Byte
    ring: Byte
    tree: Byte
    domains: Count


def tiers(op: Op, domain: Count) -> Tiers:
    """What a group of n = domains x d accelerators sends in each tier, of `sent` bytes as one flat group.

    Sums and gathers go in three steps: inside each domain, between accelerators of the same place in all domains on 1/d
    of the data, and inside again; so within = sent (d - 1) / d x n / (n - 1), ring beyond = sent (m - 1) / (n - 1) with
    m domains, and a tree, which sends up and down once, m / (m - 1) of that (NCCL's hierarchical trees; Sanders, Speck
    and Traeff, Parallel Computing 35, 2009). What is addressed to single accelerators crosses for (n - d) / (n - 1) of
    it, by any algorithm.

    >>> from stackyard.perf.op import all_reduce
    >>> found = tiers(all_reduce("sum", 800.0, 16.0), 8.0)
    >>> [round(float(part), 6) for part in found]  # 2 x 7/8 x 800 within; 2 x 1/2 x 100 beyond
    [1400.0, 100.0, 200.0, 2.0]
    """
    n = most(op.peers, 1.0)
    inside = least(n, domain)
    m = ceiling(n / inside)
    others = most(n - 1.0, 1.0)
    ring = op.sent * where(op.shared > 0, m - 1.0, n - inside) / others
    within = where(op.shared > 0, op.sent * (inside - 1.0) / inside * n / others, op.sent - ring)
    tree = ring * where(op.shared > 0, m / most(m - 1.0, 1.0), 1.0)
    return Tiers(within, ring, tree, m)


def beyond(op: Op, chip: Accelerator, values: Mapping[str, float]) -> tuple[Second, Second]:
    """(transfer, latency) seconds of one collective over several domains.

    transfer = max(within / near, beyond / far): the tiers work on different pieces at once. Latency is that inside a
    domain and `overhead.hop` for each step beyond: 2 (m - 1) of a ring, 2 ceil(log2 m) of a tree; the quicker of both
    is taken. nccl-tests of 0.5 to 17 GB are in tests/law/test_collective_laws.py; 1,440 B200 in 20 racks take about
    twice what this says.
    """
    found = tiers(op, float(max(chip.scale_up_domain, 1)))
    near, far = chip.scale_up * values["link.scale_up"], chip.scale_out * values["link.scale_out"]
    first = values["overhead.collective"] + values["overhead.ramp"] * op.sent / (op.sent + values["link.half"])
    m = most(found.domains, 1.0)
    ring = most(found.within / near, found.ring / far), first + values["overhead.hop"] * 2.0 * (m - 1.0)
    steps: Numeric = np.ceil(np.log2(m))
    tree = most(found.within / near, found.tree / far), first + values["overhead.hop"] * 2.0 * steps
    quicker = ring[0] + ring[1] <= tree[0] + tree[1]
    return where(quicker, ring[0], tree[0]), where(quicker, ring[1], tree[1])
