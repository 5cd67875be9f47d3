"""From promise to plan: accepted commitments laid over a scenario, and what-ifs; each gives another scenario.

A promise of stacks, wafers or demand says what the months that it names bring; the other months stay as the scenario
has them. A promise of power P from month M says that the site reaches P in M and not before: earlier phases of P or
more are put off to M, and from M on there is at least P.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackyard.alliance.change import NotPossible, WhatIf, digest
from stackyard.alliance.event import canonical
from stackyard.alliance.state import Commitment
from stackyard.months import parse_month, show_month
from stackyard.plan.amounts import Series
from stackyard.plan.inputs import Inputs, SitePhase, SitePlan, Supply
from stackyard.plan.scenario import Scenario
from stackyard.quantity import MONTH, convert
from stackyard.source import Fact, Grade, Source
from stackyard.words import either, number, phrase
from stackyard.words import share as per_cent

Array = NDArray[np.float64]
UNITS: Mapping[str, str] = {"stacks": "stack/month", "wafers": "wafer/month", "demand": "token/day", "power": "W"}


def overlaid(scenario: Scenario, commitments: Iterable[Commitment], derived: Mapping[str, Array]) -> Scenario:
    """The scenario with commitments laid over it, with a digest of both.

    `derived` are the stacks by month that the scenario's wafers come to, by supply: a promise of stacks for some months
    keeps them in the others. A commitment about something that the scenario does not have raises NotPossible.

    >>> from stackyard import api
    >>> read = api.scenario("first-plan")
    >>> overlaid(read, [], {}).inputs == read.inputs
    True
    """
    every = list(commitments)
    inputs = scenario.inputs
    for commitment in every:
        inputs = _laid(inputs, commitment, derived)
    return replace(scenario, inputs=inputs, digest=digest(scenario.digest, every))


def _laid(inputs: Inputs, commitment: Commitment, derived: Mapping[str, Array]) -> Inputs:
    section, _, key = commitment.item.partition(".")
    entries = getattr(inputs, section, None) if section in ("supplies", "sites", "services") else None
    if entries is None or key not in entries:
        raise NotPossible(
            phrase(
                "'{name}' is about '{item}', which the scenario does not have",
                name=commitment.name,
                item=commitment.item,
            )
        )
    entry = entries[key]
    amounts = {parse_month(m): a * convert(1.0, _rate(commitment)) for m, a in commitment.terms.amounts.items()}
    if section == "sites":
        changed: Any = _phased(entry, amounts, commitment)
    elif section == "services":
        changed = entry.model_copy(update={"demand": _mended(entry.demand, amounts, inputs, "demand", commitment)})
    elif commitment.measure == "wafers":
        if entry.wafers is None:
            raise NotPossible(
                phrase(
                    "'{name}' promises wafers, and {name2} is promised as stacks",
                    name=commitment.name,
                    name2=entry.name,
                )
            )
        starts = _mended(entry.wafers.starts, amounts, inputs, "wafers", commitment)
        changed = entry.model_copy(update={"wafers": entry.wafers.model_copy(update={"starts": starts})})
    else:
        changed = _promised(entry, key, amounts, inputs, derived, commitment)
    return inputs.model_copy(update={section: {**entries, key: changed}})


def stands(inputs: Inputs, commitment: Commitment, derived: Mapping[str, Array]) -> dict[str, float]:
    """What a scenario has of what a promise is about, in the promise's unit: in the months that it names; of power, at
    every step of the site. Empty where it has nothing of the kind.

    >>> from stackyard import api
    >>> from stackyard.alliance.event import CommitmentProposed, chain
    >>> from stackyard.alliance.state import fold
    >>> read = api.scenario("first-plan")
    >>> made = CommitmentProposed(
    ...     commitment="c", name="More", partner="yard", measure="power", item="sites.frankfurt", unit="MW"
    ... )
    >>> state = fold([chain(None, made, at="2026-01-01T00:00:00Z", by="ann")])
    >>> stands(read.inputs, state.commitments["c"], {})
    {'2026-03': 3.0, '2027-01': 8.0}
    """
    section, _, key = commitment.item.partition(".")
    entry = getattr(inputs, section, {}).get(key) if section in ("supplies", "sites", "services") else None
    if entry is None or (commitment.measure == "wafers" and entry.wafers is None):
        return {}
    months = inputs.horizon.months
    if section == "sites":
        return {
            show_month(max(phase.month, months.start)): phase.power.si / convert(1.0, commitment.unit)
            for phase in entry.phases
            if phase.month < months.stop
        }
    if section == "services":
        values = entry.demand.by_month(months, _krw(inputs))
    elif commitment.measure == "wafers":
        values = entry.wafers.starts.by_month(months, _krw(inputs))
    else:
        values = _deliveries(entry, key, inputs, derived)
    unit = convert(1.0, _rate(commitment))
    named = (month for month in sorted(commitment.terms.amounts) if parse_month(month) in months)
    return {month: float(values[parse_month(month) - months.start]) / unit for month in named}


def _rate(commitment: Commitment) -> str:
    """The unit of a commitment's amounts as the scenario's series have it: counts of a month are a rate."""
    counted = commitment.measure in ("stacks", "wafers") and "/" not in commitment.unit
    return f"{commitment.unit}/month" if counted else commitment.unit


def _fact(values: Array | float, measure: str, commitment: Commitment | None, note: str = "") -> Fact:
    """A Fact of amounts in SI, with the grade and sources of the commitment that they come from."""
    unit = UNITS[measure]
    shown: Any = tuple((values / convert(1.0, unit)).tolist()) if isinstance(values, np.ndarray) else values
    if commitment is None:
        return Fact("what-if", shown, unit, Grade.ASSUMED, note=note)
    said = commitment.terms
    sources = tuple(Source(commitment.id, s.title, s.url, s.date) for s in said.sources)
    return Fact(
        f"commitments.{commitment.id}",
        shown,
        unit,
        Grade.named(said.grade),
        sources,
        note=f"promise: {commitment.name}",
    )


def _table(values: Array, months: range, measure: str, commitment: Commitment | None = None, note: str = "") -> Series:
    return Series(table=_fact(values, measure, commitment, note), table_start=months.start)


def _mended(
    series: Series, amounts: Mapping[int, float], inputs: Inputs, measure: str, commitment: Commitment
) -> Series:
    """A series with other amounts (SI) in some months."""
    months = _clock(inputs)
    values = series.by_month(months, _krw(inputs)).copy()
    for month, amount in amounts.items():
        if month in months:
            values[month - months.start] = amount
    return _table(values, months, measure, commitment)


def _clock(inputs: Inputs) -> range:
    """The horizon and three years on each side: wafers are started before it, what is ordered last is used after."""
    return range(inputs.horizon.start - 36, inputs.horizon.end + 37)


def _krw(inputs: Inputs) -> float:
    return inputs.money.krw_per_usd.si if inputs.money.krw_per_usd is not None else float("nan")


def _deliveries(supply: Supply, key: str, inputs: Inputs, derived: Mapping[str, Array]) -> Array:
    """Stacks per second by month over the horizon: as promised, or as the wafers come to."""
    months = inputs.horizon.months
    if supply.deliveries is not None:
        return supply.deliveries.by_month(months, _krw(inputs)).copy()
    return np.asarray(derived[key][: len(months)], dtype=float) / MONTH


def _promised(
    supply: Supply,
    key: str,
    amounts: Mapping[int, float],
    inputs: Inputs,
    derived: Mapping[str, Array],
    commitment: Commitment,
) -> Supply:
    values, months = _deliveries(supply, key, inputs, derived), inputs.horizon.months
    for month, amount in amounts.items():
        if month in months:
            values[month - months.start] = amount
    return supply.model_copy(update={"deliveries": _table(values, months, "stacks", commitment), "wafers": None})


def _phased(site: SitePlan, amounts: Mapping[int, float], commitment: Commitment) -> SitePlan:
    steps = {phase.month: phase for phase in site.phases}
    for month, power in sorted(amounts.items(), key=lambda each: each[1]):
        early = {m: p for m, p in steps.items() if m < month and p.power.si >= power}
        last = max((p for m, p in steps.items() if m <= month), key=lambda p: p.power.si, default=None)
        steps = {m: p for m, p in steps.items() if m not in early and not (m >= month and p.power.si <= power)}
        promised = SitePhase.model_construct(month=month, power=_fact(power, "power", commitment))
        steps[month] = last if last is not None and last.power.si > power else promised
    return site.model_copy(update={"phases": _rising(steps)})


def _rising(steps: Mapping[int, SitePhase]) -> tuple[SitePhase, ...]:
    """Phases at these months, in their order, without those that bring nothing; all else of a phase goes with it."""
    found: list[SitePhase] = []
    for month in sorted(steps):
        if not found or steps[month].power.si > found[-1].power.si:
            found.append(steps[month].model_copy(update={"month": month}))
    return tuple(found)


# --- what-ifs ---


def changed(scenario: Scenario, what_ifs: Iterable[WhatIf], derived: Mapping[str, Array]) -> Scenario:
    """The scenario with what-ifs made, one after the other; NotPossible where it has no place for one.

    >>> from stackyard import api
    >>> read = api.scenario("first-plan")
    >>> from stackyard import catalog
    >>> from stackyard.alliance.change import WhatIf
    >>> from stackyard.plan.build import deliveries
    >>> slipped = changed(read, [WhatIf("slip", "supplies.memory", 2)], deliveries(read, catalog.load()))
    >>> slipped.digest == read.digest
    False
    """
    inputs = scenario.inputs
    every = list(what_ifs)
    for what_if in every:
        inputs = _changed(inputs, what_if, derived)
    said = canonical([[w.kind, w.item, w.value] for w in every])
    name = hashlib.sha256(f"{scenario.digest}{said}".encode()).hexdigest()[:12] if every else scenario.digest
    return replace(scenario, inputs=inputs, digest=name)


def _changed(inputs: Inputs, what_if: WhatIf, derived: Mapping[str, Array]) -> Inputs:
    section, _, key = what_if.item.partition(".")
    fits = {
        "slip": ("supplies",),
        "yield": ("supplies",),
        "phase": ("sites",),
        "growth": ("services",),
        "scale": ("supplies", "services"),
    }
    if section not in fits[what_if.kind] or key not in getattr(inputs, section):
        raise NotPossible(
            phrase("no '{item}' to change: name one of {items}", item=what_if.item, items=either(fits[what_if.kind]))
        )
    if not np.isfinite(what_if.value) or abs(what_if.value) > 1000:
        raise NotPossible(phrase("{value} is not a change that can be tried", value=what_if.value))
    entries = getattr(inputs, section)
    changed: Any = _KINDS[what_if.kind](entries[key], key, what_if.value, inputs, derived)
    return inputs.model_copy(update={section: {**entries, key: changed}})


def _whole(months: float) -> int:
    if months != round(months):
        raise NotPossible(phrase("{n} months: a plan goes by whole months", n=number(f"{months:g}")))
    return round(months)


def _slipped(supply: Supply, key: str, months: float, inputs: Inputs, derived: Mapping[str, Array]) -> Supply:
    by = _whole(months)
    if abs(by) > 60:
        raise NotPossible(phrase("a delivery slips by at most 60 months"))
    if by >= 0 and supply.wafers is not None:
        later = supply.wafers.slip + by
        if later <= 60:
            return supply.model_copy(update={"wafers": supply.wafers.model_copy(update={"slip": later})})
    values = _deliveries(supply, key, inputs, derived)
    moved = np.zeros_like(values)
    if by >= 0:
        moved[by:] = values[: len(values) - by] if by else values
    else:
        moved[:by], moved[by:] = values[-by:], values[-1]
    table = _table(moved, inputs.horizon.months, "stacks", note=f"what if it came {by:+d} months later")
    return supply.model_copy(update={"deliveries": table, "wafers": None})


def _scaled(entry: Any, key: str, factor: float, inputs: Inputs, derived: Mapping[str, Array]) -> Any:
    if factor < 0:
        raise NotPossible(phrase("a factor is zero or more: 0.9 for a tenth less"))
    by = Series(points={0: Fact("what-if", factor, "", Grade.ASSUMED, note="what if")})
    if not isinstance(entry, Supply):
        demand = entry.demand
        return entry.model_copy(update={"demand": demand.model_copy(update={"times": (*demand.times, by)})})
    if entry.deliveries is not None:
        old = entry.deliveries
        return entry.model_copy(update={"deliveries": old.model_copy(update={"times": (*old.times, by)})})
    assert entry.wafers is not None
    starts = entry.wafers.starts
    wafers = entry.wafers.model_copy(update={"starts": starts.model_copy(update={"times": (*starts.times, by)})})
    return entry.model_copy(update={"wafers": wafers})


def _yielding(supply: Supply, key: str, share: float, inputs: Inputs, derived: Mapping[str, Array]) -> Supply:
    if supply.wafers is None:
        raise NotPossible(phrase("{name} is promised as stacks: it has no yield in this plan", name=supply.name))
    if not 0 < share <= 1:
        raise NotPossible(phrase("a yield is above 0 and at most 1, such as 0.65"))
    fact = Fact("what-if", share, "", Grade.ASSUMED, note="what if")
    return supply.model_copy(update={"wafers": supply.wafers.model_copy(update={"die_yield": fact})})


def _put_off(site: SitePlan, key: str, months: float, inputs: Inputs, derived: Mapping[str, Array]) -> SitePlan:
    by = _whole(months)
    if abs(by) > 120:
        raise NotPossible(phrase("a phase moves by at most 120 months"))
    moved = {}
    for phase in site.phases:  # what has been energised already stays
        month = phase.month if phase.month <= inputs.horizon.start else phase.month + by
        moved[max(month, min(phase.month, inputs.horizon.start))] = phase
    return site.model_copy(update={"phases": _rising(moved)})


def _growing(service: Any, key: str, factor: float, inputs: Inputs, derived: Mapping[str, Array]) -> Any:
    if not 0 < factor <= 10:
        raise NotPossible(phrase("a factor on the growth is above 0 and at most 10"))
    growth = service.demand.growth
    if not growth:
        raise NotPossible(
            phrase("the demand of {name} is stated by month: change it by a factor instead", name=service.name)
        )
    faster = {
        m: replace(f, value=f.value * factor, low=None, high=None, grade=Grade.ASSUMED) for m, f in growth.items()
    }
    return service.model_copy(update={"demand": service.demand.model_copy(update={"growth": faster})})


_KINDS: Mapping[str, Any] = {
    "slip": _slipped,
    "scale": _scaled,
    "yield": _yielding,
    "phase": _put_off,
    "growth": _growing,
}


def described(inputs: Inputs, what_if: WhatIf) -> str:
    """A what-if in words: 'SK hynix HBM4 12H comes 3 months later'.

    >>> from stackyard import api
    >>> read = api.scenario("first-plan")
    >>> from stackyard.alliance.change import WhatIf
    >>> str(described(read.inputs, WhatIf("slip", "sites.frankfurt", 2)))
    'Frankfurt comes 2 months later'
    """
    section, _, key = what_if.item.partition(".")
    entry = getattr(inputs, section, {}).get(key)
    name = entry.name if entry is not None else what_if.item
    by = round(what_if.value)
    said = _SAID[what_if.kind, by < 0 and what_if.kind in ("slip", "phase")]
    return said.format(
        name=name, months=_months(abs(by)), factor=number(f"{what_if.value:g}"), part=per_cent(f"{what_if.value:.0%}")
    )


_SAID = {
    ("slip", False): phrase("{name} comes {months} later"),
    ("slip", True): phrase("{name} comes {months} earlier"),
    ("scale", False): phrase("{name} times {factor}"),
    ("yield", False): phrase("{name} with {part} good dies"),
    ("phase", False): phrase("{name}: power comes {months} later"),
    ("phase", True): phrase("{name}: power comes {months} earlier"),
    ("growth", False): phrase("{name}: growth times {factor}"),
}


def _months(count: int) -> str:
    return phrase("1 month") if count == 1 else phrase("{n} months", n=count)
