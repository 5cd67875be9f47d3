"""What can be changed in a scenario, and by which digest the changed one is known."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from stackyard.alliance.event import canonical
from stackyard.alliance.state import Commitment
from stackyard.months import parse_month, show_month


@dataclass(frozen=True)
class WhatIf:
    """One change to try: `item` of the scenario, and by how much.

    - slip: a supply comes `value` months later (earlier where negative)
    - scale: a supply's deliveries, or a service's demand, times `value`
    - yield: the good share of a supply's dies is `value`
    - phase: the phases of a site come `value` months later (earlier where negative)
    - growth: the growth of a service's demand, a factor a year, times `value`
    """

    kind: Literal["slip", "scale", "yield", "phase", "growth"]
    item: str
    value: float


class NotPossible(ValueError):
    """A commitment or a what-if that the scenario has no place for: says why."""


def digest(base: str, commitments: Iterable[Commitment]) -> str:
    """Of a scenario with these commitments laid over it: twelve hex digits; the scenario's own where there are none.

    >>> digest("0123456789ab", [])
    '0123456789ab'
    """
    said = [[c.item, c.measure, c.unit, dict(c.terms.amounts)] for c in sorted(commitments, key=lambda c: c.id)]
    return hashlib.sha256(f"{base}{canonical(said)}".encode()).hexdigest()[:12] if said else base


def months_of(amounts: Mapping[str, float]) -> str:
    """'2026-07 to 2026-12' of the months that a promise names.

    >>> months_of({"2026-07": 1.0, "2026-12": 2.0})
    '2026-07 to 2026-12'
    """
    every = sorted(parse_month(month) for month in amounts)
    if not every:
        return ""
    first, last = show_month(every[0]), show_month(every[-1])
    return first if first == last else f"{first} to {last}"
