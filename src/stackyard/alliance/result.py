"""What a joint plan says, as labelled rows: each knows whose numbers it would reveal.

`shows` are items of which a reader learns the amount itself; it `follows` from items by identities that need no solver:
sums, and accelerators, watts, dollars or tokens for each stack; `owner` marks a price that stands for the worth of one
item's limit. `access` decides by these, and by nothing else, who gets it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from stackyard.words import phrase

ANEW = "choices-anew"  # the last step from one plan to another: what is not a promise's doing but a choice made again

# The figures by which plans are compared: what each is called, and its unit.
FIGURES: Mapping[str, tuple[str, str]] = {
    "served_share": (phrase("Share of demand served"), ""),
    "served_end": (phrase("Tokens served at the end"), "token/day"),
    "asked_end": (phrase("Tokens asked for at the end"), "token/day"),
    "accelerators_end": (phrase("Accelerators in place at the end"), "package"),
    "power_end": (phrase("Site power in use at the end"), "W"),
    "energised_end": (phrase("Site power energised at the end"), "W"),
    "stacks_drawn": (phrase("HBM stacks drawn"), "stack"),
    "stacks_delivered": (phrase("HBM stacks delivered"), "stack"),
    "spending": (phrase("Spending"), "USD"),
    "present_cost": (phrase("Net present cost"), "USD"),
}


def named(keys: Iterable[str]) -> dict[str, tuple[str, str, str]]:
    """Of each figure that is there, what it is called, the year that it is of, and its unit.

    >>> named(["served_2027", "spending"])
    {'spending': ('Spending', '', 'USD'), 'served_2027': ('Share of demand served in 2027', '2027', '')}
    """
    there = set(keys)
    years = sorted(key.removeprefix("served_") for key in there if key.startswith("served_2"))
    fixed = {key: (name, "", unit) for key, (name, unit) in FIGURES.items() if key in there}
    return fixed | {
        f"served_{year}": (phrase("Share of demand served in {year}", year=year), year, "") for year in years
    }


@dataclass(frozen=True)
class Result:
    """One series of the plan by month (or by year), or a sentence (`text`), with what it would reveal."""

    id: str
    group: str
    title: str
    unit: str
    values: tuple[float, ...] = ()
    shows: tuple[str, ...] = ()
    follows: tuple[str, ...] = ()
    owner: str = ""
    text: str = ""
    said: Mapping[str, str] = field(default_factory=dict)  # the same sentence in other languages


@dataclass(frozen=True)
class Picture:
    """All results of a plan, over months or (ids that begin with 'year.') years."""

    months: tuple[str, ...]
    years: tuple[str, ...]
    results: tuple[Result, ...]


def figure_rows(key: str) -> tuple[str, ...]:
    """Ids of the results that a headline is worked out from.

    >>> figure_rows("spending"), figure_rows("served_2027")
    (('spending.total',), ('served.total', 'demand.total'))
    """
    shares = ("served.total", "demand.total")  # of the whole horizon, or of a year
    return _ROWS.get(key, shares)


_ROWS: Mapping[str, tuple[str, ...]] = {
    "served_end": ("served.total",),
    "asked_end": ("demand.total",),
    "accelerators_end": ("installed.total",),
    "power_end": ("used.total",),
    "energised_end": ("energised.total",),
    "stacks_drawn": ("drawn.total",),
    "stacks_delivered": ("delivered.total",),
    "spending": ("spending.total",),
    "present_cost": ("spending.total", "demand.total"),
}
