"""The verb `plan`: any key of a scenario may be swept, rows of its tables in; each job is planned, audited and kept as
its headline figures.

A key is written as in a file of changes: `supplies.memory.price`, `sites.ulsan.phases[1].month`; a row of a table as
`supplies.memory.deliveries.2026-09`, where `deliveries` is a column of a CSV file.
"""

from __future__ import annotations

import copy
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from stackyard.catalog import load
from stackyard.errors import Fault, InputErrors, SolveError, nearest
from stackyard.files import Located, Path_, dotted, read_csv
from stackyard.plan import scenario as scenarios
from stackyard.plan.amounts import Series
from stackyard.plan.overlay import at, changed, place
from stackyard.plan.scenario import Scenario
from stackyard.plan.uncertainty import unknown
from stackyard.sweep.fields import Refusal
from stackyard.sweep.job import Doing, Inputs, Row, Shared, number
from stackyard.sweep.verbs import Verb

TRIED = 100  # values of one key that are tried before anything runs; the others are refused as jobs
_PROVENANCE = ("grade", "source", "date", "note")


@dataclass
class Keys:
    """A scenario that is swept: its data, in which the tables that have swept rows stand as points, and its files."""

    scenario: Scenario
    data: dict[str, Any]
    files: Mapping[str, bytes]
    units: dict[str, str] = field(default_factory=dict)  # dotted path of such a table -> its unit
    held: dict[str, Any] = field(default_factory=dict)  # changes that all jobs have
    tried: Counter[str] = field(default_factory=Counter)  # values by key that were held against the scenario

    def key(self, stated: str) -> str:
        """A key as a path of the data; Refusal where it leads nowhere."""
        path = place(self.data, stated)
        table = self._table(path)
        if table is not None:
            self._spread(path[:table])
            path = (*path[:table], "points", *path[table:])
        elif dotted(path[:-1]) in self.units and path[-1] not in ("points", "times"):
            path = (*path[:-1], "points", path[-1])
        row = len(path) > 1 and dotted(path[:-2]) in self.units and path[-2] == "points"
        self._there(path, stated, last=row)
        return dotted(path)

    def _table(self, path: Path_) -> int | None:
        """How many steps of a path lead to a table of which the next step is a row; None where none do."""
        for size in range(1, len(path)):
            try:
                found: Any = at(self.data, path[:size])
            except KeyError:
                return None
            if isinstance(found, dict) and "csv" in found and path[size] not in found and path[size] != "times":
                return size
        return None

    def _spread(self, path: Path_) -> None:
        """A table's column as points, so that each of its rows has a key."""
        raw: Any = at(self.data, path)
        table = read_csv(self.scenario.folder / str(raw["csv"]), ("month", str(raw["column"])), str(raw["csv"]))
        series = _at(self.scenario.inputs, path)
        known = isinstance(series, Series) and series.table is not None
        unit = series.table.unit if known else str(raw.get("unit", ""))
        kept = {key: raw[key] for key in _PROVENANCE if key in raw}
        points: dict[str, Any] = {}
        for _, row in table.rows:
            text = f"{row[str(raw['column'])]} {unit}".strip()
            points[row["month"][:7]] = {"value": text, **kept} if kept else text
        owner: Any = at(self.data, path[:-1])
        owner[path[-1]] = {"points": points, **({"times": raw["times"]} if "times" in raw else {})}
        self.units[dotted(path)] = unit

    def _there(self, path: Path_, stated: str, last: bool) -> None:
        """Refuses a key whose owner is not in the file; the last step may be new where it is no row of a table."""
        for size, step in enumerate(path):
            owner: Any = at(self.data, path[:size])
            inside = isinstance(owner, dict) and step in owner
            inside = inside or (isinstance(owner, list) and isinstance(step, int) and step < len(owner))
            if inside or (size == len(path) - 1 and not last and isinstance(owner, dict)):
                continue
            if isinstance(owner, dict) and self._left_out(path[:size], str(step)):
                owner[step] = {}
                continue
            known = list(map(str, owner)) if isinstance(owner, dict) else []
            where = dotted(path[:size]) or "the scenario"
            more = f"a place from [0] to [{len(owner) - 1}]" if isinstance(owner, list) else ""
            hint = nearest(str(step), known) or more
            raise Refusal(f"'{stated}' leads nowhere: {where} has no '{step}'", hint)

    def _left_out(self, path: Path_, step: str) -> bool:
        """Whether a step is a group of keys that the file might have had there."""
        found = _at(self.scenario.inputs, path)
        return isinstance(found, BaseModel) and step in type(found).model_fields

    def fixed(self, stated: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Refusal]]:
        """The changes that all jobs have, held against the scenario together."""
        self.held = {key: self._with_unit(key, value) for key, value in stated.items()}
        refused: dict[str, Refusal] = {}
        try:
            _read(self.data, self.held, self.scenario.folder)
        except InputErrors as errors:
            for fault in errors.faults:
                key = next((key for key in stated if fault.key.startswith(key)), next(iter(stated), ""))
                told = fault.message if fault.key == key else f"{fault.key}: {fault.message}"
                refused.setdefault(key, Refusal(told, fault.hint))
        return self.held, refused

    def value(self, key: str, stated: Any) -> Any:
        """A value as it would stand in the file, held against the scenario with the changes that all jobs have."""
        taken = self._with_unit(key, stated)
        self.tried[key] += 1
        if self.tried[key] > TRIED:
            return taken
        try:
            _read(self.data, {**self.held, key: taken}, self.scenario.folder)
        except InputErrors as errors:
            fault = errors.faults[0]
            told = fault.message if fault.key == key else f"{fault.key}: {fault.message}"
            raise Refusal(told, fault.hint) from None
        return taken

    def _with_unit(self, key: str, stated: Any) -> Any:
        """A bare number in a table's row with the table's unit; anything else as it is."""
        table = dotted(place(self.data, key)[:-2])
        if table in self.units and isinstance(stated, int | float) and not isinstance(stated, bool):
            return f"{stated!r} {self.units[table]}".strip()
        return stated

    def drawn(self, key: str, number: float, lead: str, unit: str) -> Any:
        """A drawn number in the place of what the file says: months later for a month, whole where that is whole."""
        now = at(self.data, place(self.data, key))
        kind = unknown.kind_of([now])
        return unknown.Unknown(key, (key,), kind, unit, "", (0.0, 0.0, 0.0), {}).written(number, now)

    def ends(self, key: str) -> tuple[float | None, float, float | None, str] | None:
        """The range that the scenario states; None where it has none."""
        try:
            return unknown.ends_of(at(self.data, place(self.data, key)), load())
        except (ValueError, KeyError, TypeError):
            return None

    def shared(self) -> Shared:
        return Shared(self.data, self.files)


def _at(inputs: Any, path: Path_) -> Any:
    """What was read at a key path; None where nothing was."""
    found: Any = inputs
    for step in path:
        if isinstance(found, Mapping):
            found = found.get(step)
        elif isinstance(found, tuple) and isinstance(step, int):
            found = found[step]
        else:
            found = getattr(found, str(step), None)
    return found


def _read(data: Any, changes: Inputs, folder: Path) -> Scenario:
    found, missing = changed(data, changes)
    if missing:
        raise InputErrors([Fault("scenario", 0, key, "is not in the scenario", hint) for key, hint in missing.items()])
    return scenarios.read(Located("scenario", found, {}), folder, load())


def taking(inputs: Mapping[str, Any], folder: Path) -> Keys:
    """The scenario that `inputs` names, read; raises InputErrors with every fault of it."""
    read = scenarios.load(folder / str(inputs["scenario"]), load())
    data: dict[str, Any] = copy.deepcopy(read.located.data)
    data.pop("uncertainty", None)
    files = {}
    for path in read.tables:
        if not path.is_relative_to(read.folder) or ".." in path.parts[len(read.folder.parts) :]:
            hint = "move it into the folder of the scenario: that is sent to workers elsewhere"
            raise InputErrors([Fault(read.located.file, 0, "", f"'{path}' is not beside the scenario", hint)])
        files[path.relative_to(read.folder).as_posix()] = path.read_bytes()
    return Keys(read, data, files)


def begin(data: Any, folder: Path) -> Doing:
    """The function that plans a scenario with changes; what a job rates is kept for the next."""
    rated: dict[str, Any] = {}

    def planned(inputs: Inputs) -> Row:
        return figures(_read(data, inputs, folder), rated)

    return planned


def figures(scenario: Scenario, rated: dict[str, Any] | None = None) -> Row:
    """Headline figures of a scenario's plan and the dearest limit of each year; SolveError where there is none.

    >>> from stackyard import api
    >>> read = api.scenario("first-plan")
    >>> sorted(figures(read))[:2]
    ['accelerators_in_place_at_the_end', 'co2e_of_the_sites_kg']
    """
    from stackyard.plan.build import build
    from stackyard.plan.check import audit
    from stackyard.plan.headlines import headlines
    from stackyard.plan.solve import solve_warm
    from stackyard.plan.uncertainty.outcome import outcome

    problem = build(scenario, load(), rated=rated).problem
    plan = solve_warm(problem).plan
    violations = audit(problem, plan)
    if violations:
        raise SolveError(f"the plan fails its audit and is not kept: {violations[0]}")
    told: dict[str, Any] = {
        column(each.name, each.unit): number(value) for each, value in headlines(problem, plan).items()
    }
    years = problem.data["year"].values.tolist()
    binds = outcome(0, problem, plan).binds
    told |= {f"dearest_limit_{year}": limit for year, limit in zip(years, binds, strict=False)}
    return {**told, "gap": number(plan.gap)}


def column(name: str, unit: str) -> str:
    """The column of a figure, its unit in the name.

    >>> column("Tokens served in 2026", "tokens/day")
    'tokens_served_in_2026_per_day'
    >>> column("Net present cost", "USD")
    'net_present_cost_usd'
    """
    words = re.findall(r"[a-z0-9]+", name.lower())
    units = re.findall(r"[a-z0-9]+", unit.lower().replace("/", " per "))
    return "_".join([*words, *(each for each in units if each not in words)])


PLAN = Verb(begin, needs=("scenario",), taking=taking)
