"""The joint plan: a scenario with the accepted commitments, solved, audited and explained; and solved again, warm.

A what-if or a changed promise is solved again from the basis that is there, with the whole choices of the plan as they
are: about a second for the example. Where these choices cannot stand any more, or anew where that is asked for, it is
solved from the start.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stackyard.alliance.change import WhatIf
from stackyard.alliance.picture import headlines, picture
from stackyard.alliance.result import ANEW, Picture
from stackyard.alliance.revise import changed, overlaid, stands
from stackyard.alliance.state import Commitment
from stackyard.catalog import load as catalogue
from stackyard.errors import SolveError
from stackyard.months import show_month
from stackyard.plan.build import Built, build, deliveries
from stackyard.plan.check import audit
from stackyard.plan.compare import shares
from stackyard.plan.explain import Explanation, explain
from stackyard.plan.plan import Plan
from stackyard.plan.problem import G, N, O, Problem, S, V
from stackyard.plan.scenario import Scenario
from stackyard.plan.scenario import load as read
from stackyard.plan.solve import Solved, solve_warm
from stackyard.quantity import MEGA
from stackyard.words import phrase

Progress = Callable[[str], None]
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Planned:
    """A solved and audited plan with the scenario it is of. `held`: its whole choices are those of another plan."""

    scenario: Scenario
    problem: Problem
    plan: Plan
    figures: Mapping[str, float]
    held: bool = False

    @property
    def digest(self) -> str:
        return self.scenario.digest


@dataclass(frozen=True)
class Joint:
    """The plan of the alliance with what it was made from: all of it, as only the host may see it."""

    planned: Planned
    built: Built
    explanation: Explanation | None
    picture: Picture
    names: Mapping[str, str]


class Desk:
    """Solves one scenario with changing commitments and what-ifs. Safe to use from several threads."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.base = read(self.path, catalogue())
        self._lock = threading.RLock()
        self._solved: Solved | None = None  # the plan from whose basis, and with whose choices, others are solved
        self._derived: dict[str, Array] = {}
        self._rated: dict[str, Any] = {}  # operating points: the slow part of building a problem

    def overlaid(self, commitments: Iterable[Commitment]) -> Scenario:
        """The scenario with commitments laid over it."""
        every = list(commitments)
        if every and not self._derived:
            self._prepare()
        return overlaid(self.base, every, self._derived)

    def stands(self, scenario: Scenario, commitment: Commitment) -> dict[str, float]:
        """What a scenario has of what a promise is about: see `revise.stands`."""
        if not self._derived:
            self._prepare()
        return stands(scenario.inputs, commitment, self._derived)

    def tried(self, scenario: Scenario, what_ifs: Iterable[WhatIf]) -> Scenario:
        """A scenario with what-ifs made."""
        if not self._derived:
            self._prepare()
        return changed(scenario, what_ifs, self._derived)

    def _prepare(self) -> None:
        self._derived = deliveries(self.base, catalogue())

    def problem(self, scenario: Scenario, progress: Progress | None = None) -> Problem:
        """The problem of a scenario."""
        return build(scenario, catalogue(), progress, rated=self._rated).problem

    def differing(self, now: Planned, tried: Scenario, item: str) -> tuple[str, str, dict[str, float]]:
        """(measure, unit, amounts by month) of what a changed scenario has otherwise of an item."""
        section, _, key = item.partition(".")
        months = [show_month(month) for month in tried.months]
        if section == "sites":
            phases = tried.inputs.sites[key].phases
            was = {(p.month, p.power.si) for p in now.scenario.inputs.sites[key].phases}
            moved = [p for p in phases if (p.month, p.power.si) not in was and show_month(p.month) in months]
            return "power", "MW", {show_month(p.month): round(p.power.si / MEGA, 6) for p in moved}
        of_stacks = section == "supplies"
        measure, unit, scale = ("stacks", "stack", 1.0) if of_stacks else ("demand", "Mtoken/day", MEGA)

        def held(data: xr.Dataset) -> xr.DataArray:  # of stacks what is promised, and what a contract offers
            if not of_stacks:
                return data["demand"].sel({V: key})
            return data["stacks_delivered"].sel({S: key}) + data["option_stacks"].sel({S: key}).sum(O)

        both = (now.problem, self.problem(tried))
        old, new = (np.asarray(held(problem.data).values)[: len(months)] for problem in both)
        differs = np.abs(old - new) > 1e-9 * max(float(np.abs(old).max()), 1e-30)
        return measure, unit, {m: float(f"{v / scale:.9g}") for m, v, d in zip(months, new, differs, strict=True) if d}

    def plan(self, scenario: Scenario, progress: Progress | None = None, *, anew: bool = False) -> Planned:
        """The plan of a scenario, audited. SolveError where there is none.

        It is solved from the basis of the last joint plan, and with its whole choices where they can stand: see
        `Planned.held`. With `anew` every choice is made again, which takes several times as long.
        """
        problem = self.problem(scenario, progress)
        with self._lock:
            if self._solved is None:
                self._solved = solve_warm(problem, progress=progress)
                return checked(scenario, problem, self._solved.plan)
            solved, plan = self._solved, None if anew else again(self._solved, problem)
        held = plan is not None and bool(solved.choices)
        return checked(scenario, problem, plan or solve_warm(problem, progress=progress).plan, held=held)

    def ready(self) -> None:
        """Finds the basis that the first what-if would have to wait for."""
        with self._lock:
            if self._solved is not None:
                again(self._solved, self._solved.formulation.problem)

    def joint(self, scenario: Scenario, *, causes: bool = True, progress: Progress | None = None) -> Joint:
        """The whole joint plan of a scenario, solved from the start, with what limits it where `causes` are wanted."""
        tell = progress or (lambda text: None)
        built = build(scenario, catalogue(), tell, rated=self._rated)
        solved = solve_warm(built.problem, progress=tell)
        tell(phrase("Auditing the plan"))
        planned = checked(scenario, built.problem, solved.plan)
        explanation = None
        if causes:
            tell(phrase("Explaining what binds"))
            explanation = explain(built.problem, solved.plan, solved.resolve, steps=False, progress=tell)
        with self._lock:
            self._solved = solved
        return joint_of(planned, built, explanation)

    def waterfall(
        self, before: Iterable[Commitment], after: Iterable[Commitment], now: Planned, progress: Progress | None = None
    ) -> tuple[dict[str, float], list[tuple[str, dict[str, float]]]]:
        """Headlines with the promises before, and what each changed promise does to them, up to the plan as it is now.

        The plan of the promises before is solved with choices of its own, which then stand; what choosing anew adds is
        a step of its own, ANEW, the last (as in `plan.compare`). Up to MOST changed promises get their Shapley values:
        every set of them is planned. Where more have changed, each is changed after the one before it, by id, and gets
        the difference that it makes then. The steps add up.
        """
        tell = progress or (lambda text: None)
        old, new = {c.id: c for c in before}, {c.id: c for c in after}
        names = [id_ for id_ in sorted(old.keys() | new.keys()) if _differs(old.get(id_), new.get(id_))]
        if not names:
            return dict(now.figures), []
        first: list[Solved] = []

        def figures(changed: frozenset[str]) -> dict[str, float]:
            tell(phrase("Planning without what changed, and with it"))
            at = {id_: new.get(id_) if id_ in changed else old.get(id_) for id_ in {*old, *new}}
            scenario = self.overlaid(c for c in at.values() if c is not None)
            problem = self.problem(scenario)
            if not first:
                first.append(solve_warm(problem))
                return dict(checked(scenario, problem, first[0].plan).figures)
            return dict(checked(scenario, problem, again(first[0], problem) or solve_warm(problem).plan).figures)

        start, steps = _shared(names, figures)
        held = {key: start[key] + sum(by[key] for _, by in steps) for key in start}
        anew = {key: now.figures[key] - held[key] for key in held}
        if any(abs(by) > 1e-9 * abs(now.figures[key]) for key, by in anew.items()):
            steps.append((ANEW, anew))
        return start, steps


MOST = 4  # changed promises whose effects are shared out exactly: 16 plans


def _shared(
    names: list[str], figures: Callable[[frozenset[str]], dict[str, float]]
) -> tuple[dict[str, float], list[tuple[str, dict[str, float]]]]:
    """Figures with nothing changed, and what each name adds to them."""
    if len(names) <= MOST:
        sets = [frozenset(some) for size in range(len(names) + 1) for some in combinations(names, size)]
        worth = {some: figures(some) for some in sets}
        exact: Any = worth  # figures by name, where `plan compare` has Headlines
        return worth[frozenset()], [(name, shares(name, names, exact)) for name in names]
    start = last = figures(frozenset())
    steps = []
    for number, name in enumerate(names, 1):
        now = figures(frozenset(names[:number]))
        steps.append((name, {key: now[key] - last[key] for key in now}))
        last = now
    return start, steps


def checked(scenario: Scenario, problem: Problem, plan: Plan, *, held: bool = False) -> Planned:
    """A plan that passes its audit; SolveError for any other.

    >>> from stackyard import api
    >>> made = api.plan("first-plan", steps=False)
    >>> problem, plan = made.built.problem, made.plan
    >>> checked(made.scenario, problem, plan).held
    False
    """
    violations = audit(problem, plan)
    if violations:
        raise SolveError("The plan fails its audit and is not shown: " + "; ".join(map(str, violations[:5])))
    return Planned(scenario, problem, plan, headlines(problem, plan), held)


def again(solved: Solved, problem: Problem) -> Plan | None:
    """The plan of another problem with the choices of a solved one; None where they cannot stand.

    First all choices stand and the basis is kept; where that is no plan, the phases, contracts and lots stand, and only
    where and when training runs is chosen anew.
    """
    old, new = solved.formulation.problem.data, problem.data
    if any(not old[dim].equals(new[dim]) for dim in old.dims if dim not in (O, N, G)):
        return None
    at = same_options(*([str(id_) for id_ in data[O].values] for data in (old, new)))
    if at == list(range(old.sizes[O])) and old[G].equals(new[G]):
        try:
            new = new.assign_coords({dim: old[dim] for dim in (O, N)})
            differs = [str(n) for n in new.data_vars if not np.array_equal(old[n].values, new[n].values)]
            differs = [name for name in differs if name not in ("wafers_per_stack", "stack_lead")]  # in no row or cost
            return replace(solved.resolve({n: new[n] for n in differs}), problem_digest=problem.digest)
        except (ValueError, SolveError):
            pass
    if at is None or not solved.choices:
        return None
    kept = {"chosen": solved.choices["chosen"][at], "lots": solved.choices["lots"]}
    try:
        return solve_warm(problem, choices=kept).plan
    except (ValueError, SolveError):
        return None


def same_options(old: list[str], new: list[str]) -> list[int] | None:
    """Where each of the new options stands among the old; None where one is new. A phase is called by its month, so
    phases of a site that moved are told by their order.

    >>> same_options(["contract/a", "phase/yard/2027-01", "phase/yard/2029-07"], ["contract/a", "phase/yard/2028-01"])
    [0, 1]
    """
    left = list(enumerate(old))
    found = []
    for id_ in new:
        stem = id_.rpartition("/")[0] if id_.startswith("phase/") else id_
        match = next((e for e in left if e[1] == id_ or (stem != id_ and e[1].rpartition("/")[0] == stem)), None)
        if match is None:
            return None
        left.remove(match)
        found.append(match[0])
    return found


def _differs(old: Commitment | None, new: Commitment | None) -> bool:
    return old is None or new is None or old.terms.amounts != new.terms.amounts


def joint_of(planned: Planned, built: Built, explanation: Explanation | None) -> Joint:
    """A Joint of what was solved."""
    seen = picture(planned.scenario, planned.problem, planned.plan, explanation)
    inputs = planned.scenario.inputs
    groups = (inputs.services, inputs.supplies, inputs.packaging, inputs.accelerators, inputs.sites)
    names = {key: entry.name for group in groups for key, entry in group.items()}
    return Joint(planned, built, explanation, seen, names)
