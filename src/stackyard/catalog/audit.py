"""Checks every entry of a catalogue: sourced, in range, units convert, figures agree with each other.

A disagreement is a Finding, never a crash: an `error` must be mended before anyone plans with the entry, a `note` is a
known weakness or something odd that a reader should know.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, Literal

from stackyard import quantity
from stackyard.catalog.catalog import Catalog
from stackyard.catalog.entries import Accelerator, HbmGeneration, Model
from stackyard.catalog.load import DATA
from stackyard.files import read_yaml
from stackyard.quantity import UnitError
from stackyard.source import Fact, Grade

# A stack sold as 16 GB holds 16 GiB, and some vendors print the one and some the other.
BINARY_OVER_DECIMAL = quantity.GIBI / quantity.GIGA
# Vendors keep part of the memory back; the most in the record is MI325X: 256 of 288 GB.
USABLE_AT_LEAST = 0.88
# Printed bandwidths have two or three digits.
ROUNDING = 0.01
# Pins run slower than the generation allows; below this the package is worth a note.
DERATED_AT_LEAST = 0.6
# How far published parameter counts, which are rounded, may be from the count of the architecture.
PARAMETERS_WITHIN = 0.03

Counted = Callable[[Model], tuple[float, float]]


@dataclass(frozen=True)
class Finding:
    """Something that an audit found: where, by which check, and how bad."""

    path: str
    check: str
    message: str
    severity: Literal["error", "note"] = "error"


def audit(catalog: Catalog, parameters: Counted | None = None) -> list[Finding]:
    """Every finding, errors first. `parameters` counts a model's (total, active) parameters; nan where it cannot.

    >>> from stackyard.catalog import load
    >>> [finding for finding in audit(load()) if finding.severity == "error"]
    []
    """
    found: list[Finding] = []
    for fact in catalog.facts.values():
        found += _fact(fact)
    for chip in catalog.accelerators.values():
        found += _accelerator(catalog, chip)
    for generation in catalog.hbm.values():
        found += _generation(generation)
    if parameters:
        for model in catalog.models.values():
            found += _parameters(model, *parameters(model))
    found += _caveats(catalog)
    return sorted(found, key=lambda finding: finding.severity != "error")


def _fact(fact: Fact) -> Iterator[Finding]:
    """Sourced, finite, ordered, convertible and in a plausible range."""
    if not fact.sources and not (fact.grade is Grade.ASSUMED and fact.note):
        yield Finding(fact.path, "sourced", "names no source, and is not an assumption with a note that says why")
    values = fact.value if isinstance(fact.value, tuple) else () if fact.value is None else (fact.value,)
    ends = tuple(end for end in (fact.low, fact.high) if end is not None)
    if not all(math.isfinite(value) for value in (*values, *ends)):
        yield Finding(fact.path, "finite", "is not a finite number")
        return
    if values:
        low = -math.inf if fact.low is None else fact.low
        high = math.inf if fact.high is None else fact.high
        if not (low <= min(values) and max(values) <= high and low <= high):
            yield Finding(
                fact.path, "ordered", f"low <= value <= high does not hold: {fact.low}, {values}, {fact.high}"
            )
    try:
        numbers = [quantity.convert(value, fact.unit) for value in (*values, *ends)]
        dimension = quantity.dimension(fact.unit)
    except UnitError as error:
        yield Finding(fact.path, "unit", str(error))
        return
    for like, least, most in _by_dimension():
        if dimension == like and not all(least <= number <= most for number in numbers):
            yield Finding(fact.path, "range", f"{values} {fact.unit} is outside what is plausible for its dimension")
    for pattern, like, least, most in _by_path():
        if not fnmatchcase(fact.path, pattern):
            continue
        if dimension != like:
            yield Finding(fact.path, "unit", f"'{fact.unit}' does not measure what {pattern} must")
        elif not all(least <= number <= most for number in numbers):
            yield Finding(fact.path, "range", f"{values} {fact.unit} is outside what is plausible for {pattern}")


@lru_cache(maxsize=1)
def _by_path() -> tuple[tuple[str, str, float, float], ...]:
    """(path pattern, dimension, least, most) in SI."""
    return tuple((row["paths"], *_ends(row)) for row in _plausible()["ranges"])


@lru_cache(maxsize=1)
def _by_dimension() -> tuple[tuple[str, float, float], ...]:
    """(dimension, least, most) in SI."""
    return tuple(_ends(row) for row in _plausible()["dimensions"])


@lru_cache(maxsize=1)
def _plausible() -> dict[str, list[dict[str, Any]]]:
    data: dict[str, list[dict[str, Any]]] = read_yaml(DATA / "ranges.yaml", "ranges.yaml").data
    return data


def _ends(row: dict[str, Any]) -> tuple[str, float, float]:
    """Dimension and SI ends of a range, a hair wider than written, for rounding."""
    hair = 1e-9
    low, high = (quantity.convert(float(row[end]), row["unit"]) for end in ("low", "high"))
    return quantity.dimension(row["unit"]), low - hair * abs(low), high + hair * abs(high)


def _accelerator(catalog: Catalog, chip: Accelerator) -> Iterator[Finding]:
    """The package's memory against its stacks; its TDP against the system's rating."""
    path = f"accelerators.{chip.id}"
    if chip.hbm:
        yield from _stacks(catalog.hbm[chip.hbm], chip)
    if chip.system:
        system = catalog.systems[chip.system]
        if system.accelerators * chip.tdp > system.max_power:
            message = f"{system.accelerators} accelerators draw more than {system.name} is rated for"
            yield Finding(f"{path}.tdp", "system power", message)
    if not chip.flops:
        yield Finding(f"{path}.flops", "known", "no throughput is public; a scenario must state one", "note")


def _stacks(generation: HbmGeneration, chip: Accelerator) -> Iterator[Finding]:
    """Stacks x capacity and stacks x bandwidth of a package with HBM against its figures."""
    path = f"accelerators.{chip.id}"
    physical = chip.stacks * generation.capacity[chip.stack_height]
    share = chip.memory / physical
    if not USABLE_AT_LEAST <= share <= BINARY_OVER_DECIMAL * (1 + ROUNDING):
        message = (
            f"{chip.stacks:g} {chip.stack_height}-high stacks of {generation.name} hold "
            f"{quantity.show(physical, 'B')}, but the package has {quantity.show(chip.memory, 'B')}"
        )
        yield Finding(f"{path}.memory", "stacks x capacity", message)
    most = chip.stacks * generation.facts["bandwidth"].si_high
    usual = chip.stacks * generation.bandwidth
    figures = f"{quantity.show(chip.bandwidth, 'B/s')} from {chip.stacks:g} stacks of {generation.name}"
    if chip.bandwidth > most * (1 + ROUNDING):
        message = f"{figures}, which move at most {quantity.show(most, 'B/s')}"
        yield Finding(f"{path}.bandwidth", "stacks x bandwidth", message)
    elif chip.bandwidth < usual * DERATED_AT_LEAST:
        message = f"{figures}: {chip.bandwidth / usual:.0%} of what the generation moves"
        yield Finding(f"{path}.bandwidth", "stacks x bandwidth", message, "note")


def _generation(generation: HbmGeneration) -> Iterator[Finding]:
    """Pins x speed against the stack's bandwidth, and dies x capacity against the stack's capacity."""
    path, bandwidth = f"hbm.{generation.id}", generation.facts["bandwidth"]
    pins = generation.pin_speed * generation.interface_width
    if not bandwidth.si_low * (1 - 2 * ROUNDING) <= pins <= bandwidth.si_high * (1 + 2 * ROUNDING):
        message = f"{generation.interface_width} pins move {quantity.show(pins, 'B/s')}, outside the stated range"
        yield Finding(f"{path}.bandwidth", "pins x speed", message)
    for height, capacity in generation.capacity.items():
        dies = height * generation.die_capacity
        if abs(dies / capacity - 1) > ROUNDING:
            message = f"{height} dies hold {quantity.show(dies, 'B')}, not {quantity.show(capacity, 'B')}"
            yield Finding(f"{path}.capacity.{height}", "dies x capacity", message)


def _parameters(model: Model, total: float, active: float) -> Iterator[Finding]:
    """The count of the architecture against the published one; active counts are rounded and often leave parts out."""
    path = f"models.{model.id}"
    if math.isnan(model.parameters_published) or math.isnan(total):
        why = "no published total" if math.isnan(model.parameters_published) else "its blocks are not modelled"
        yield Finding(path, "parameters", f"parameters are not checked: {why}", "note")
        return
    off = total / model.parameters_published - 1
    if abs(off) > PARAMETERS_WITHIN:
        published = f"the published {model.parameters_published:.4g}"
        message = f"the architecture has {total:.4g} parameters, {off:+.1%} from {published}"
        yield Finding(f"{path}.parameters_published", "parameters", message)
    off = active / model.active_published - 1
    if abs(off) > PARAMETERS_WITHIN:
        known = f"the published {model.active_published:.3g}, which may leave the input embedding out"
        message = f"{active:.3g} active parameters counted, {off:+.1%} from {known}"
        yield Finding(f"{path}.active_published", "parameters", message, "note")


def _caveats(catalog: Catalog) -> Iterator[Finding]:
    """What is known to be weak, told with every audit."""
    for caveat in catalog.caveats:
        claims = "; ".join(caveat.claims)
        message = f"{caveat.topic}: {claims + '. ' if claims else ''}{caveat.kept}"
        yield Finding(caveat.facts[0] if caveat.facts else "catalogue", caveat.kind, message, "note")
