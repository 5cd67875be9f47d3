"""Problem -> Plan with HiGHS, and other problems of the same shape solved again from the last basis.

Where something whole is to be chosen, an integer program is solved to a stated gap first; then the linear program in
which the choices stand as they are, for the prices. Every re-solve leaves the choices as they are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import xarray as xr

from stackyard.plan.account import flows, residual_value
from stackyard.plan.formulate import Formulation, beyond, formulate, scale, steering
from stackyard.plan.highs import Reached, afresh, hand_over, heed, method, put, reached, run, solver
from stackyard.plan.plan import DECISIONS, WHOLE, Plan
from stackyard.plan.problem import Problem, T
from stackyard.plan.program import Array, Program
from stackyard.words import number, phrase

Progress = Callable[[str], None]


class Resolve(Protocol):
    """The plan with other coefficients; `far` says that they are far from those of the plan at hand."""

    def __call__(self, changes: Mapping[str, xr.DataArray], far: bool = False) -> Plan: ...


GAP = 1e-3  # of the cost: how much cheaper another plan with other choices may be


@dataclass(frozen=True)
class Warm:
    """HiGHS after it solved a program: from a basis simplex goes on; where crossover left none that is valid, re-solves
    are interior point from scratch."""

    highs: Any
    program: Program
    basis: Any

    @classmethod
    def after(cls, highs: Any, program: Program) -> Warm:
        basis = highs.getBasis()
        put(highs, time_limit=np.inf, **({"solver": "simplex"} if basis.valid else {}))
        return cls(highs, program, basis)


@dataclass(frozen=True)
class Solved:
    """A plan, and the solver that found it, for re-solves.

    `resolve(changes)` is the plan of the same Problem with other coefficients and the same choices. It starts from the
    basis of the first plan, so it takes a small part of its time and does not depend on what was asked before.
    """

    plan: Plan
    formulation: Formulation
    _again: list[Warm] = field(default_factory=list, repr=False)

    @property
    def choices(self) -> dict[str, Array]:
        """What was chosen, in the solver's units, by decision; empty where nothing whole was to be chosen."""
        return chosen(self.plan, self.formulation)

    def resolve(self, changes: Mapping[str, xr.DataArray], far: bool = False) -> Plan:
        """The plan with other coefficients. With `far` it is solved from nothing, not from the basis of the plan, and
        the prices of a large program are those of an interior point, not of a vertex."""
        return self.around(self.formulation.problem)(changes, far)

    def around(self, problem: Problem, only_upper: bool = False) -> Resolve:
        """As `resolve`, of another problem on the same axes."""

        def resolve(changes: Mapping[str, xr.DataArray], far: bool = False) -> Plan:
            base = problem.data
            changed = {n: base[n].copy(data=value.transpose(*base[n].dims).values) for n, value in changes.items()}
            return self.again(Problem(base.assign(changed)), only_upper, far)

        return resolve

    def again(self, problem: Problem, only_upper: bool = False, far: bool = False) -> Plan:
        """The plan of another problem on the same axes with the same choices; SolveError where there is none.

        With `only_upper` campaigns may run on less than their least cluster where there is not enough for it.
        """
        heed()
        start = time.perf_counter()
        formulation, program = self._narrowed(problem, only_upper)
        if far:
            highs = afresh(program)
        else:
            warm = self._warm()
            highs = warm.highs
            hand_over(highs, program)
            if warm.basis.valid and program.same_shape(warm.program):
                highs.setBasis(warm.basis)
            highs.run()
        found = reached(highs)
        return planned(replace(formulation, problem=problem), found, time.perf_counter() - start)

    def _narrowed(self, problem: Problem, only_upper: bool = False) -> tuple[Formulation, Program]:
        """The program without what the choices rule out, and the choices held."""
        kept = self.choices
        formulation = formulate(without_the_rest(problem, self.plan) if kept else problem, self.formulation.units)
        program = formulation.program.fixed({n: v for n, v in kept.items() if n in ("chosen", "lots")})
        return formulation, program.fixed({n: v for n, v in kept.items() if n in ("host", "active")}, only_upper)

    def _warm(self) -> Warm:
        """What re-solves start from; found on the first call."""
        if not self._again:
            _, program = self._narrowed(self.formulation.problem)
            highs = solver(program, **method(program))
            run(highs)
            reached(highs)
            self._again.append(Warm.after(highs, program))
        return self._again[0]


def without_the_rest(problem: Problem, plan: Plan) -> Problem:
    """The problem without the places and months in which a plan's campaigns do not run.

    >>> from stackyard import api
    >>> made = api.plan("first-plan", steps=False)
    >>> problem, plan = made.built.problem, made.plan
    >>> without_the_rest(problem, plan).digest == problem.digest  # nothing is trained
    True
    """
    d = problem.data
    hosts = (d["cluster_most"] * plan.decisions["host"]).transpose(*d["cluster_most"].dims)
    runs = d["campaign_open"].where((plan.decisions["active"] > 0) | (d["campaign_least"] <= 0), 0.0)
    return Problem(
        d.assign(
            cluster_most=d["cluster_most"].copy(data=hosts.values),
            campaign_open=d["campaign_open"].copy(data=runs.values),
        )
    )


def solve(problem: Problem, *, time_limit: float | None = None, progress: Progress | None = None) -> Plan:
    """The plan of least net present cost; SolveError says what was reached when the solver stops without one.

    >>> from stackyard import api
    >>> problem = api.problem("first-plan").problem
    >>> plan = solve(problem)
    >>> plan.status, plan.gap < 1e-6
    ('optimal', True)
    """
    return solve_warm(problem, time_limit=time_limit, progress=progress).plan


def solve_warm(
    problem: Problem,
    *,
    time_limit: float | None = None,
    gap: float = GAP,
    choices: Mapping[str, Array] | None = None,
    progress: Progress | None = None,
) -> Solved:
    """As `solve`, with the solver kept for re-solves. `gap` is what choices are optimised to; `choices` are those of
    another plan (`Solved.choices`), all or some, that stand as they are.

    >>> from stackyard import api
    >>> problem = api.problem("first-plan").problem
    >>> solved = solve_warm(problem)
    >>> solved.plan.status
    'optimal'
    """
    tell = progress or (lambda text: None)
    start = time.perf_counter()
    formulation = formulate(problem)
    program, choice = formulation.program, None
    rows, columns = program.shape
    tell(
        phrase(
            "{columns} decisions and {rows} balances and limits; solving",
            columns=number(f"{columns:,}"),
            rows=number(f"{rows:,}"),
        )
    )
    if choices:
        program = program.fixed(choices)
    if program.whole.any():
        choice = best_choice(replace(formulation, program=program), time_limit, gap)
        tell(
            phrase(
                "{n} choices made to a gap of {gap}; solving for the prices",
                n=number(f"{int(program.whole.sum()):,}"),
                gap=number(f"{choice.gap:.1e}"),
            )
        )
        made = _without_idle_runs(problem, formulation.decisions(choice.values))
        program = program.fixed({name: _solver_values(made, name, formulation) for name in WHOLE})
    highs = solver(program, time_limit=np.inf if time_limit is None else time_limit, **method(program))
    run(highs)
    plan = planned(formulation, reached(highs), time.perf_counter() - start, choice)
    tell(phrase("solved in {seconds} s", seconds=number(f"{plan.seconds:.1f}")))
    if choices or choice is not None:
        return Solved(plan, formulation)
    return Solved(plan, formulation, [Warm.after(highs, program)])


def _without_idle_runs(problem: Problem, decisions: xr.Dataset) -> xr.Dataset:
    """The decisions without months in which a campaign runs that was done before: a gap leaves some, none is needed."""
    flop = problem.data["campaign_flop"]
    todo = decisions["undone"].shift({T: 1}).fillna(flop) > 1e-6 * flop
    return decisions.assign(active=decisions["active"].where(todo.transpose(*decisions["active"].dims), 0.0))


def best_choice(formulation: Formulation, time_limit: float | None, gap: float) -> Reached:
    """The integer program, to a gap."""
    limit = np.inf if time_limit is None else time_limit
    highs = solver(formulation.program, mip_rel_gap=gap, time_limit=limit)
    run(highs)
    return reached(highs, whole=True)


def chosen(plan: Plan, formulation: Formulation) -> dict[str, Array]:
    """The whole decisions of a plan that its program left open, in the solver's units."""
    if not formulation.program.whole.any():
        return {}
    return {name: _solver_values(plan.decisions, name, formulation) for name in WHOLE}


def _solver_values(decisions: xr.Dataset, name: str, formulation: Formulation) -> Array:
    values: Array = decisions[name].values / scale(DECISIONS[name].unit, formulation.units)
    return values


def planned(formulation: Formulation, found: Reached, seconds: float, choice: Reached | None = None) -> Plan:
    """The plan that the solver's numbers are; `choice` is what the integer program before it reached."""
    problem, program = formulation.problem, formulation.program
    decisions = formulation.decisions(found.values)
    rows, columns = program.shape
    notes = {
        "size": f"{columns:,} columns, {rows:,} rows, {program.values.size:,} coefficients",
        "iterations": str(found.iterations),
    }
    if choice is not None:
        notes["choices"] = phrase(
            "{n} whole decisions: {status}", n=number(f"{int(program.whole.sum()):,}"), status=choice.status
        )
    return Plan(
        decisions=decisions,
        flows=flows(problem, decisions),
        prices=formulation.prices(found.duals),
        objective=found.objective * formulation.units["USD"] + beyond_reach(problem),
        status="optimal",
        gap=found.gap if choice is None else choice.gap,
        seconds=seconds,
        solver=_version(),
        problem_digest=problem.digest,
        residual_value=residual_value(problem, decisions),
        notes=notes,
    )


def beyond_reach(problem: Problem) -> float:
    """USD of today for demand that no plan could serve.

    >>> from stackyard import api
    >>> problem = api.problem("first-plan").problem
    >>> beyond_reach(problem)
    0.0
    """
    lost = steering({str(name): values.variable for name, values in problem.data.data_vars.items()})["unserved"]
    return float((lost * problem.data["discount"].variable * beyond(problem.data).variable).sum())


def _version() -> str:
    from importlib.metadata import version

    return f"HiGHS {version('highspy')}"
