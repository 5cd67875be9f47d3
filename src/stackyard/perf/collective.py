"""Collectives: inside a scale-up domain and across several, by the algorithm that is quicker for their size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from stackyard.catalog.entries import ADDING, MESH, Accelerator
from stackyard.perf.numeric import ceiling, least, most, where
from stackyard.perf.op import Op
from stackyard.quantity import Byte, BytePerSecond, Count, Numeric, Second


class Fabric(NamedTuple):
    """What carries a message: bytes per second of one accelerator, and how its fabric is made.

    `adds` is 1 where the switch also adds up; `mates` is how many others each has links of its own to, 0 at a switch.
    """

    link: BytePerSecond
    adds: Numeric = 0.0
    mates: Count = 0.0


def fabric(chip: Accelerator, values: Mapping[str, float]) -> Fabric:
    """The scale-up fabric of a chip, at the share of its printed rate that messages reach.

    >>> from stackyard import catalog
    >>> fabric(catalog.load().accelerator("mi300x"), {"link.scale_up": 0.75}).mates
    7.0
    """
    adds = 1.0 if chip.scale_up_fabric == ADDING else 0.0
    mates = chip.scale_up_domain - 1.0 if chip.scale_up_fabric == MESH else 0.0
    return Fabric(chip.scale_up * values["link.scale_up"], adds, mates)


def switched(peers: Count, values: Mapping[str, float]) -> Numeric:
    """Time of a sum in the switch over that of a ring: (n + 1) / (2 (n - 1)) of its bytes at `link.switch` of its rate.

    At most 1: a library takes the quicker.

    >>> round(float(switched(8.0, {"link.switch": 0.82})), 3), switched(4.0, {"link.switch": 0.82})
    (0.784, 1.0)
    """
    return least((peers + 1.0) / (2.0 * (peers - 1.0)) / values["link.switch"], 1.0)


def within(op: Op, fabric: Fabric, values: Mapping[str, float]) -> tuple[Second, Second]:
    """(transfer, latency) seconds of one collective inside a domain; of sums, by the quickest of three algorithms.

    Every peer sums for itself (one shot): (n - 1) size, one latency; reduce-scatter and all-gather: 2 (n - 1) / n size,
    two latencies; the switch sums: (1 + 1 / n) size at `link.switch` of the link's rate, two latencies. The last two
    take ramp sent / (sent + half) besides: a large message fills and drains a pipeline of chunks. Gathers and what is
    addressed to single accelerators have one latency and the ramp. In a mesh n peers use (n - 1) / mates of the links.
    On eight H100 nccl-tests show 20 us up to 0.5 MB, and 90 us beyond bytes over rate from 100 MB; eight H200 sum
    8.6 GB at 0.68 of the link in the switch, four at 0.81 in a ring, eight B200 at 0.60 and four at 0.75
    (github:stas00/ml-engineering).

    >>> from stackyard.perf.op import all_reduce
    >>> values = {"overhead.collective": 1e-5, "overhead.ramp": 0.0, "link.half": 16e6, "link.switch": 0.82}
    >>> plain = Fabric(link=450e9, adds=0.0, mates=0.0)
    >>> small, large = (within(all_reduce("sum", size, 8.0), plain, values) for size in (1e4, 1e9))
    >>> [float(part) for part in small] == [7 * 1e4 / 450e9, 1e-5]  # one shot: seven copies, one latency
    True
    >>> round(float(large[0] * 450e9 / 1e9), 6), float(large[1])  # a ring: 2 x 7/8 of the size, two latencies
    (1.75, 2e-05)
    """
    n = most(op.peers, 2.0)
    link: BytePerSecond = fabric.link * where(fabric.mates > 0, least((n - 1.0) / most(fabric.mates, 1.0), 1.0), 1.0)
    first = values["overhead.collective"]
    fewer = where(op.sums * fabric.adds > 0, switched(n, values), 1.0)
    large = op.sent * fewer / link
    filled = first * (1.0 + op.sums) + _ramp(op, values)
    small = op.sent * n / 2.0 / link
    once = (op.sums > 0) & (small + first < large + filled)
    return where(once, small, large), where(once, first, filled)


def _ramp(op: Op, values: Mapping[str, float]) -> Second:
    """What filling and draining a pipeline of chunks adds to a message: ramp sent / (sent + half)."""
    return values["overhead.ramp"] * op.sent / (op.sent + values["link.half"])


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

    >>> from stackyard import catalog
    >>> from stackyard.perf import constants
    >>> from stackyard.perf.op import all_reduce
    >>> chip = catalog.load().accelerator("h100")
    >>> near, far = (sum(beyond(all_reduce("sum", 1e9, peers), chip, constants.values(chip))) for peers in (8.0, 64.0))
    >>> bool(near < far)  # eight H100 in one domain, 64 in eight
    True
    """
    domain = float(max(chip.scale_up_domain, 1))
    found = tiers(op, domain)
    near, far = fabric(chip, values), chip.scale_out * values["link.scale_out"]
    fewer = switched(domain, values) if near.adds else 1.0
    inside = found.within / near.link * where(op.sums > 0, fewer, 1.0)
    first = values["overhead.collective"] + _ramp(op, values)
    m = most(found.domains, 1.0)
    ring = most(inside, found.ring / far), first + values["overhead.hop"] * 2.0 * (m - 1.0)
    steps: Numeric = np.ceil(np.log2(m))
    tree = most(inside, found.tree / far), first + values["overhead.hop"] * 2.0 * steps
    quicker = ring[0] + ring[1] <= tree[0] + tree[1]
    return where(quicker, ring[0], tree[0]), where(quicker, ring[1], tree[1])
