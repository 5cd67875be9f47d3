"""Cache that overflows from the accelerator's memory into the host's, or onto SSD."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stackyard.quantity import Byte, BytePerSecond, Numeric, Second


@dataclass(frozen=True)
class Store:
    """Memory behind the accelerator's own: bytes for one accelerator, and the rate at which it reads them."""

    capacity: Byte
    bandwidth: BytePerSecond
    name: str = "store"

    def __post_init__(self) -> None:
        if not (0 <= self.capacity < np.inf and 0 < self.bandwidth < np.inf):
            raise ValueError(f"the {self.name}'s capacity and bandwidth are positive and finite")


def spilled(cache: Byte, room: Byte, store: Store | None) -> Byte:
    """Cache that does not fit into the accelerator's memory and fits into the store: min(max(cache - room, 0), store).

    >>> float(spilled(100.0, 60.0, Store(30.0, 1.0)))
    30.0
    """
    if store is None:
        return 0.0 * cache
    found: Numeric = np.minimum(np.maximum(cache - room, 0.0), store.capacity)
    return found


def read_seconds(spill: Byte, passes: Numeric, store: Store | None) -> Second:
    """Least time of a decode pass that reads its part of the overflow: spill / passes / bandwidth.

    Every step reads the whole cache once, in `passes` micro-batches. Layers are fetched while earlier ones are worked
    on, so that a pass takes the longer of this and its own time; valid for engines that prefetch layer by layer. The
    links of an accelerator are taken to be its own.

    >>> read_seconds(1e9, 2.0, Store(1e12, 50e9))
    0.01
    """
    return 0.0 * spill if store is None else spill / passes / store.bandwidth
