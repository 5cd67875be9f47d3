"""`Scenario`: one YAML file, with CSV tables where planners have tables, read into frozen values.

Every number is an Amount or a Series (see `plan.amounts`), so each keeps its unit, range, grade and source. Reading
refuses everything wrong at once: syntax, unknown and duplicate keys, dimensions, ids, dates, tables.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from stackyard.catalog import Catalog
from stackyard.errors import Fault, Faults, InputErrors, nearest
from stackyard.files import MISSING, NOT_A_GROUP, UNKNOWN_KEY, Located, Path_, dotted, faults_of, read_yaml
from stackyard.hbm.geometry import gross_dies
from stackyard.months import show_month
from stackyard.plan import commitment_checks, site_checks
from stackyard.plan.amounts import Door
from stackyard.plan.commitments import Campaign, Contract, Hall, Tail, Tier, Way
from stackyard.plan.doubt import Branch, Correlated, Doubt, Input
from stackyard.plan.inputs import (
    Chip,
    Horizon,
    Inputs,
    Installed,
    Money,
    Packaging,
    Service,
    SitePhase,
    SitePlan,
    Supply,
)
from stackyard.plan.overlay import in_its_file, is_overlay, named, overlaid
from stackyard.plan.powering import Block, Source
from stackyard.plan.supplying import PARTS, SHARES, BaseDies, Lead, Wafers
from stackyard.plan.uncertainty import unknown
from stackyard.quantity import DAY
from stackyard.source import Fact


@dataclass(frozen=True)
class Scenario:
    """A scenario that was read without a fault: its values, its text, a digest of everything it says, and its tables
    with the folder in which they stand."""

    inputs: Inputs
    located: Located
    digest: str
    tables: tuple[Path, ...] = ()
    folder: Path = Path()

    @property
    def name(self) -> str:
        return self.inputs.name

    @property
    def months(self) -> range:
        return self.inputs.horizon.months


def find_file(path: Path) -> Path:
    """The scenario file of a path: itself, or scenario.yaml in a folder; InputErrors for a folder without one.

    >>> find_file(Path("a-plan.yaml")).name
    'a-plan.yaml'
    """
    path = named(path)
    if not path.is_dir():
        return path
    file = path / "scenario.yaml"
    if not file.exists():
        others = ", ".join(str(other) for other in sorted(path.glob("*.yaml"))[:5])
        raise InputErrors(
            [Fault(str(path), 0, "", "has no scenario.yaml", f"name a file: {others or 'see README.md'}")]
        )
    return file


def load(path: Path, catalog: Catalog) -> Scenario:
    """Reads a scenario file or folder; raises InputErrors with every fault of the file and its tables.

    >>> from stackyard import catalog
    >>> from stackyard.plan.overlay import named
    >>> load(named(Path("first-plan")), catalog.load()).name
    'A first plan'
    """
    file = find_file(path)
    located, folder = read_yaml(file), file.parent
    if is_overlay(located.data):
        located, folder = overlaid(file, located)
    try:
        return read(located, folder, catalog)
    except InputErrors as errors:
        raise InputErrors([in_its_file(fault, located) for fault in errors.faults]) from None


def read(located: Located, folder: Path, catalog: Catalog) -> Scenario:
    """The scenario of plain data, its tables beside it in `folder`; raises InputErrors with every fault."""
    faults = Faults()
    context: dict[str, Any] = {"catalog": catalog, "folder": folder, "file": located.file, "faults": faults}
    context["months"] = _horizon_of(located.data)
    inputs: Inputs | None = None
    if not isinstance(located.data, dict):
        faults.add(located.file, 1, "", "is not a group of keys", "see docs/scenario.md and examples/first-plan.yaml")
    else:
        try:
            inputs = Inputs.model_validate(located.data, context=context)
        except ValidationError as error:
            faults.extend(_with_next_steps(faults_of(error, located)))
        faults.extend(_references(located))
    sound = inputs if inputs is not None else _sound_part(located, faults, context)
    if sound is not None:
        faults.extend(_cross_checks(sound, located, catalog))
        faults.extend(unknown.check(located, sound.uncertainty, catalog))
    faults.raise_any()
    if inputs is not None:
        inputs = _with_paths(inputs, located)
    assert inputs is not None
    tables = tuple(sorted(set(context.get("tables", ()))))
    return Scenario(inputs, located, _digest(located.data, tables), tables, folder)


def _sound_part(located: Located, faults: Faults, context: dict[str, Any]) -> Inputs | None:
    """The file without the entries that have faults, so that what contradicts itself elsewhere is told together with
    them; None where too little is left to be read."""
    if not isinstance(located.data, dict):
        return None
    data: Any = copy.deepcopy(located.data)
    for fault in faults:
        section, _, rest = fault.key.partition(".")
        entries = data.get(section)
        if section in _NAMED and isinstance(entries, dict):
            _drop(entries, rest)
        elif isinstance(entries, dict) and not _drop_unknown(entries, rest):
            data.pop(section, None)
    try:
        return Inputs.model_validate(data, context={**context, "faults": Faults(), "tables": []})
    except ValidationError:
        return None


def _drop(entries: dict[Any, Any], rest: str) -> str:
    """Takes out the entry that a key path begins with; its name, or '' where there is none."""
    found = next((name for name in entries if f"{rest}.".startswith((f"{name}.", f"{name}["))), None)
    return "" if found is None else (entries.pop(found), str(found))[1]


def _drop_unknown(doubt: dict[Any, Any], rest: str) -> bool:
    """Takes an input with a fault out of `uncertainty`, and what speaks of it; False where the fault is another."""
    inputs, first = doubt.get("inputs"), rest.partition(".")
    name = _drop(inputs, first[2]) if isinstance(inputs, dict) and first[0] == "inputs" else ""
    if not name:
        return False
    groups = doubt.get("correlations")
    if isinstance(groups, list):
        doubt["correlations"] = [group for group in groups if not (isinstance(group, dict) and name in str(group))]
    doubt.pop("branches", None)
    return True


def _references(located: Located) -> Iterator[Any]:
    """Names of one part of the file that another part does not have, found also where other keys are wrong."""
    faults, data = Faults(), located.data

    def check(path: Path_, name: Any, section: str, what: str) -> None:
        known = data.get(section)
        if isinstance(name, str) and isinstance(known, dict) and name not in known:
            faults.add(located.file, located.line(path), dotted(path), f"no {what} '{name}'", nearest(name, known))

    for key, chip in _entries(data.get("accelerators")):
        check(("accelerators", key, "packaging"), chip.get("packaging"), "packaging", "packaging line")
    for key, supply in _entries(data.get("supplies")):
        qualified = supply.get("qualified")
        for name in qualified if isinstance(qualified, dict) else ():
            check(("supplies", key, "qualified", name), name, "accelerators", "accelerator")
    for key, site in _entries(data.get("sites")):
        fleet = site.get("fleet")
        for i, group in enumerate(fleet if isinstance(fleet, list) else []):
            name = group.get("accelerator") if isinstance(group, dict) else None
            check(("sites", key, "fleet", i, "accelerator"), name, "accelerators", "accelerator")
    yield from faults


def _entries(section: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """The entries of a section that are groups of keys."""
    if isinstance(section, dict):
        yield from ((key, entry) for key, entry in section.items() if isinstance(entry, dict))


def _horizon_of(data: Any) -> range | None:
    """The months of the file's horizon, read ahead because the tables are held against it."""
    try:
        return Horizon.model_validate(data["horizon"]).months
    except (ValidationError, KeyError, TypeError):
        return None


def _digest(data: Any, tables: tuple[Path, ...]) -> str:
    total = hashlib.sha256(json.dumps(data, sort_keys=True, default=str).encode())
    for table in tables:
        total.update(table.read_bytes())
    return total.hexdigest()[:12]


_SECTIONS: Mapping[str, type[Door]] = {
    "horizon": Horizon,
    "money": Money,
    "services": Service,
    "supplies": Supply,
    "packaging": Packaging,
    "accelerators": Chip,
    "sites": SitePlan,
    "wafers": Wafers,
    "base_dies": BaseDies,
    "wafer_to_die": Lead,
    "die_to_stack": Lead,
    "stack_to_shipment": Lead,
    "phases": SitePhase,
    "fleet": Installed,
    "tariff": Block,
    "sources": Source,
    "contract": Contract,
    "tiers": Tier,
    "tail": Tail,
    "alternatives": Way,
    "halls": Hall,
    "campaigns": Campaign,
    "uncertainty": Doubt,
    "inputs": Input,
    "correlations": Correlated,
    "branches": Branch,
}


# Beyond these the program's numbers differ too much in size to be solved.
LEAST_TOKENS, MOST_TOKENS = 1.0, 1e20  # a day
MOST_CV = 20.0  # of traffic: measured streams stay below 10
MOST_PRICE = 1.0  # USD of a token that is not served
_NAMED = (
    "services",
    "supplies",
    "packaging",
    "accelerators",
    "sites",
    "campaigns",
)  # sections of entries under their own names


def _with_next_steps(faults: Faults) -> Iterator[Fault]:
    """Adds what the keys of a scenario are to faults that are about keys."""
    for fault in faults:
        *above, last = fault.key.replace("[", ".[").split(".")
        owner = next((_SECTIONS[part] for part in reversed(above) if part in _SECTIONS), Inputs)
        if fault.message == UNKNOWN_KEY:
            yield replace(fault, hint=nearest(last, owner.model_fields))
        elif fault.message == MISSING and last in owner.model_fields and owner.model_fields[last].description:
            yield replace(fault, hint=f"add this key: {owner.model_fields[last].description}")
        elif fault.message == NOT_A_GROUP and last in _NAMED and not above:
            keys = ", ".join(_SECTIONS[last].model_fields)
            yield replace(fault, hint=f"write a name of your own below it, and below that the keys: {keys}")
        elif fault.message == NOT_A_GROUP:
            yield replace(fault, hint=f"its keys: {', '.join(_SECTIONS.get(last, owner).model_fields)}")
        else:
            yield fault


def _cross_checks(inputs: Inputs, located: Located, catalog: Catalog) -> Iterator[Any]:
    """What one part of the file says about another: ids, heights, dates within the horizon, sense of the numbers."""
    faults = Faults()

    def add(path: Path_, message: str, hint: str) -> None:
        faults.add(located.file, located.line(path), dotted(path), message, hint)

    for key, chip in inputs.accelerators.items():
        _check_chip(key, chip, inputs, catalog, add)
    for key, supply in inputs.supplies.items():
        _check_supply(key, supply, catalog, add)
    for key, site in inputs.sites.items():
        site_checks.check(key, site, inputs, add)
    for key, service in inputs.services.items():
        _check_service(key, service, inputs, add)
    commitment_checks.check(inputs, catalog, add)
    _check_money(inputs.money, inputs, add)
    _check_names(inputs, add)
    if inputs.money.krw_per_usd is None:
        for path, fact in _facts_by_path(inputs):
            if "KRW" in fact.unit:
                hint = "add money.krw_per_usd, for example {fact: costs.exchange-rates.2026-07}"
                add(path, "is in won, and there is no exchange rate", hint)
    yield from faults


def _check_names(inputs: Inputs, add: Any) -> None:
    """A name stands for one thing: the report calls each by it."""
    owners: dict[str, str] = {}
    for section in _NAMED:
        for key in getattr(inputs, section):
            if key in owners:
                add((section, key), f"'{key}' is a name under {owners[key]} already", "give each its own name")
            owners.setdefault(key, section)


def _check_money(money: Money, inputs: Inputs, add: Any) -> None:
    if money.discount_rate.si >= 1:
        add(("money", "discount_rate"), f"is {money.discount_rate.si:.0%} a year", "for example 8%")
    for year in money.budget:
        if not inputs.horizon.start // 12 <= year <= inputs.horizon.end // 12:
            add(("money", "budget", year), "is outside the horizon", inputs.horizon.told)


def _check_tail(place: Path_, tail: Tail, add: Any) -> None:
    if not 0 < tail.share.si < 1:
        add((*place, "share"), "is not between 0 and 1", "for example 99%")
    if not 0 < tail.gaps.si <= MOST_CV:
        add((*place, "gaps"), f"is not above 0 and at most {MOST_CV:g}", "1 is a Poisson stream")
    if not 0 <= tail.spread.si <= MOST_CV:
        add((*place, "spread"), f"is not between 0 and {MOST_CV:g}", "1 is a spread as wide as the mean")


def _check_service(key: str, service: Service, inputs: Inputs, add: Any) -> None:
    with np.errstate(over="ignore"):
        demand = service.demand.by_month(inputs.horizon.months)
    if not np.isfinite(demand).all():
        add(("services", key, "demand"), "grows beyond all numbers", "growth is a factor per year, for example 3")
    elif demand.max() * DAY > MOST_TOKENS:
        told = f"comes to {demand.max() * DAY:.1g} tokens a day, more than can be planned for"
        add(("services", key, "demand"), told, "end the horizon earlier, or state a lower growth: a factor per year")
    elif not any(demand > 0):
        add(("services", key, "demand"), "is zero in every month", "state a demand, or leave the service out")
    elif demand.max() * DAY < LEAST_TOKENS:
        add(("services", key, "demand"), "stays below one token a day", "write the unit: 200 Gtoken/day")
    rate = inputs.money.krw_per_usd
    price = service.unserved_price.by_month(inputs.horizon.months, rate.si if rate is not None else np.nan)
    if np.nanmax(price, initial=0.0) > MOST_PRICE:
        hint = "any price far above the cost of serving means the same: 1000 USD/Mtoken"
        add(("services", key, "unserved_price"), f"comes to {np.nanmax(price):.3g} USD for each token", hint)
    if not 0 < service.usable.si <= 1:
        add(("services", key, "usable"), "is not between 0 and 1", "for example 50%")
    if service.tail is not None:
        _check_tail(("services", key, "tail"), service.tail, add)
    if service.peak_to_mean.si < 1:
        add(("services", key, "peak_to_mean"), "is below 1", "the peak of a day is never below its mean")
    for field in ("prompt", "output", "ttft", "tpot"):
        if getattr(service, field).si <= 0:
            add(("services", key, field), "must be above 0", "for example 1000 token, or 50 ms")


def _check_supply(key: str, supply: Supply, catalog: Catalog, add: Any) -> None:
    heights = catalog.generation(supply.product).heights
    if supply.height not in heights:
        hint = f"on record: {', '.join(map(str, heights))}; see: stackyard facts hbm.{supply.product}.heights"
        add(("supplies", key, "height"), f"{supply.product} does not come with {supply.height} dies", hint)
    if supply.wafers is not None:
        _check_wafers(key, supply, supply.wafers, catalog, add)


def _check_wafers(key: str, supply: Supply, wafers: Wafers, catalog: Catalog, add: Any) -> None:
    path = ("supplies", key, "wafers")
    for field in SHARES:
        stated = getattr(wafers, field)
        if stated is not None and not 0 < stated.si <= 1:
            add((*path, field), "is not above 0 and at most 1", "for example 70%")
    for field in PARTS:
        if not getattr(wafers, field).si <= 1:
            add((*path, field), "is above 1", "a share, for example 99%")
    if not wafers.clustering.si > 0:
        add((*path, "clustering"), "is not above 0", "2 is usual; larger is less clustered")
    if wafers.made is not None and not wafers.made.si > 0:
        add((*path, "made"), "is not above 0", "the wafers made when the defects were told, for example 2 Mwafer")
    area = wafers.die_area.si if wafers.die_area is not None else catalog.generation(supply.product).die_area
    if np.isnan(area):
        add((*path, "die_area"), "is missing, and the catalogue has none", "for example 121 mm^2")
    elif not _has_room(wafers, area):
        hint = "a wafer of 300 mm with an edge of 3 mm has room for about 500 dies of 121 mm^2"
        add(path, "has no room for a die: check die_area, wafer_diameter and edge_exclusion", hint)
    base = wafers.base_dies
    if base is not None and not 0 < base.die_yield.si <= 1:
        add((*path, "base_dies", "die_yield"), "is not above 0 and at most 1", "for example 80%")
    if base is not None and not _has_room(wafers, base.area.si):
        add((*path, "base_dies", "area"), "leaves no room for a die on the wafer", "for example 127 mm^2")


def _has_room(wafers: Wafers, area: float) -> bool:
    edge, scribe = wafers.edge_exclusion.si, wafers.scribe.si
    return bool(area > 0 and gross_dies(wafers.wafer_diameter.si, area, edge, scribe) > 0)


def _check_chip(key: str, chip: Chip, inputs: Inputs, catalog: Catalog, add: Any) -> None:
    if chip.available > inputs.horizon.end:
        add(("accelerators", key, "available"), "is after the horizon", inputs.horizon.told)
    for field in ("packages_per_wafer", "life"):
        if getattr(chip, field).si <= 0:
            add(("accelerators", key, field), "must be above 0", "for example 5 year, or 9 package/wafer")
    if not 0 < chip.package_yield.si <= 1:
        add(("accelerators", key, "package_yield"), "is not above 0 and at most 1", "for example 97%")
    if not 0 < chip.working.si <= 1:
        hint = "the share of installed ones that work, for example 95%"
        add(("accelerators", key, "working"), "is not above 0 and at most 1", hint)
    for precision, fact in chip.flops.items():
        if fact.si <= 0:
            add(("accelerators", key, "flops", precision), "must be above 0", "for example 10 PFLOPS/package")
    if chip.system is not None:
        if not catalog.system(chip.system).max_power > 0:
            hint = "state system_size and system_power instead of system"
            add(("accelerators", key, "system"), f"the power of '{chip.system}' is not on record", hint)
        _check_system(key, chip, chip.system, catalog, add)
        return
    for field, least, like in (("system_size", 1.0, "8 package/rack"), ("system_power", 1e-9, "10 kW/rack")):
        stated = getattr(chip, field)
        if stated is not None and (stated.si < least or (field == "system_size" and stated.si % 1)):
            add(("accelerators", key, field), "is not a size that a system can have", f"for example {like}")


def _check_system(key: str, chip: Chip, system: str, catalog: Catalog, add: Any) -> None:
    """A system that is listed as another accelerator's holds no other."""
    holds = [entry.id for entry in catalog.accelerators.values() if entry.system == system]
    if holds and chip.chip not in holds:
        own = catalog.accelerator(chip.chip).system
        hint = (f"its own is {own}; or " if own else "") + "state system_size and system_power instead of system"
        add(("accelerators", key, "system"), f"'{system}' holds {' or '.join(holds)}, not {chip.chip}", hint)


def _keyed(path: Path_, key: Any) -> Path_:
    """The key path of a mapping's item as it stands in the file: months as text, a constant as the series itself."""
    if not isinstance(key, int) or key in range(1900, 2200):
        return (*path, key)
    return path[:-1] if key == 0 else (*path, show_month(key))


def _with_paths(inputs: Inputs, located: Located) -> Inputs:
    """The same inputs, every Fact knowing its key and its line."""

    def name(value: Any, path: Path_) -> Any:
        if isinstance(value, Fact):
            place = f"{located.file}:{located.line(path)}"
            return replace(value, path=value.path or dotted(path), place=place)
        if isinstance(value, Door):
            fields = {key: name(getattr(value, key), (*path, key)) for key in type(value).model_fields}
            return value.model_copy(update=fields)
        if isinstance(value, Mapping):
            return {key: name(item, _keyed(path, key)) for key, item in value.items()}
        if isinstance(value, tuple):
            return tuple(name(item, (*path, i)) for i, item in enumerate(value))
        return value

    named: Inputs = name(inputs, ())
    return named


def facts_of(inputs: Inputs) -> Iterator[tuple[str, Fact]]:
    """(key path, Fact) of every number that the scenario states or takes from the catalogue.

    >>> from stackyard import api
    >>> read = api.scenario("first-plan")
    >>> [path for path, _ in facts_of(read.inputs)][:2]
    ['money.discount_rate', 'money.carbon_price']
    """
    return ((dotted(path), fact) for path, fact in _facts_by_path(inputs))


def _facts_by_path(inputs: Inputs) -> Iterator[tuple[Path_, Fact]]:
    def walk(value: Any, path: Path_) -> Iterator[tuple[Path_, Fact]]:
        if isinstance(value, Fact):
            yield path, value
        elif isinstance(value, Door):
            for key in type(value).model_fields:
                yield from walk(getattr(value, key), (*path, key))
        elif isinstance(value, Mapping):
            for key, item in value.items():
                yield from walk(item, _keyed(path, key))
        elif isinstance(value, tuple):
            for i, item in enumerate(value):
                yield from walk(item, (*path, i))

    yield from walk(inputs, ())
