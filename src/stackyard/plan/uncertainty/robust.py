"""A robust first step: what to order and to build before it is known which branch of the future comes.

First stage, the same in all branches b: accelerators ordered (and paid for) and watts fitted out in the first months.
Everything else is decided in each branch, where no more can be started than was ordered. Minimised is

    (1 - w) sum_b p_b cost_b + w (eta + sum_b p_b z_b / (1 - alpha)),   z_b >= cost_b - eta, z_b >= 0,

the mean and the mean of the tail above alpha (conditional value at risk: R. T. Rockafellar and S. Uryasev,
Optimization of conditional value-at-risk, 2000). Beside it: the cost of the first step that is best for the mean future
(EEV), and of knowing the branch beforehand (wait and see, WS). The value of the stochastic solution is EEV - RP, that
of perfect information RP - WS (J. R. Birge and F. Louveaux, Introduction to Stochastic Programming). What is whole
stands as in the plan.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from stackyard.errors import SolveError
from stackyard.notebook import Columns, Tabular
from stackyard.plan.formulate import Formulation, formulate
from stackyard.plan.highs import method, reached, run, solver
from stackyard.plan.problem import Problem
from stackyard.plan.program import Array, Places, Program
from stackyard.plan.solve import Solved, beyond_reach, without_the_rest
from stackyard.plan.uncertainty.store import digest_of, keep, resumed

Progress = Callable[[str], None]
ONE = np.array([1.0])  # the chance of a branch that is alone


@dataclass(frozen=True)
class FirstStep:
    """Accelerators ordered, (accelerator, month), and watts fitted out, (site, month), in the first months."""

    orders: Array
    fitout: Array


@dataclass(frozen=True)
class Robust(Tabular):
    """The robust first step, beside the one for the mean future; costs in USD of today by branch.

    `careful` weighs the tail, `neutral` does not; `mean_plan` is the step that is best for the mean of all branches.
    """

    names: tuple[str, ...]
    chances: Array
    careful: FirstStep
    neutral: FirstStep
    mean_plan: FirstStep
    cost_careful: Array
    cost_neutral: Array
    cost_mean_plan: Array
    cost_knowing: Array
    tail: float
    aversion: float
    months: tuple[str, ...]

    def columns(self) -> Columns:
        """A row a branch: its chance, and its cost in USD of today after each first step."""
        costs = ("cost_careful", "cost_neutral", "cost_mean_plan", "cost_knowing")
        found = {name: (getattr(self, name), "USD") for name in costs}
        return {"branch": (list(self.names), ""), "chance": (self.chances, ""), **found}

    def mean(self, costs: Array) -> float:
        return float(self.chances @ costs)

    def tail_mean(self, costs: Array) -> float:
        """The mean of the costs above `tail` of probability."""
        order = np.argsort(costs)
        above = np.clip(np.cumsum(self.chances[order]) - self.tail, 0.0, self.chances[order])
        return float(above @ costs[order] / (1 - self.tail))

    @property
    def vss(self) -> float:
        """What it is worth to plan for all branches instead of for their mean."""
        return self.mean(self.cost_mean_plan) - self.mean(self.cost_neutral)

    @property
    def evpi(self) -> float:
        """What it would be worth to know the branch beforehand."""
        return self.mean(self.cost_neutral) - self.mean(self.cost_knowing)


@dataclass(frozen=True)
class Branched:
    """One branch's program with its first stage taken apart: orders are paid for whether they can be started or not.

    `program` has columns `bought` that cost only what is left of them; `paid` is the present cost of an order, `spent`
    its place in the budget rows.
    """

    program: Program
    formulation: Formulation
    bought: Places  # columns of accelerators started in the first months, -1 where they cannot be
    fitout: Places
    paid: Array  # present cost of one ordered, in the solver's units
    spent: Array  # its coefficient in the budget row, in the solver's units
    budget: Places  # row of the budget of each first month, -1 where there is none
    unit: float  # USD
    lost: float  # USD of today for demand that no plan could serve

    def with_step(self, orders: Array, fitout: Array) -> tuple[Program, float]:
        """The program with a first step that stands, and the cost of its orders."""
        most, least, high = self.program.most.copy(), self.program.least.copy(), self.program.high.copy()
        there = self.bought >= 0
        most[self.bought[there]] = orders[there]
        most[self.fitout] = least[self.fitout] = fitout
        for t, row in enumerate(self.budget):
            if row >= 0:
                high[row] -= float((self.spent[:, t] * orders[:, t]).sum())
        return replace(self.program, most=most, least=least, high=high), float((self.paid * orders).sum())


def branched(problem: Problem, solved: Solved, months: int) -> Branched:
    """A branch's problem with the plan's choices, its first `months` taken apart."""
    kept = solved.choices
    formulation = formulate(without_the_rest(problem, solved.plan) if kept else problem, solved.formulation.units)
    program = formulation.program.fixed({n: v for n, v in kept.items() if n in ("chosen", "lots")})
    program = program.fixed({n: v for n, v in kept.items() if n in ("host", "active")}, only_upper=True)
    bought, fitout = program.columns["bought"][:, :months], program.columns["fitout"][:, :months]
    d = problem.data
    scale = formulation.units["USD"] / formulation.units["package"]
    price = d["accelerator_price"].values[:, :months] / scale
    paid = price * d["discount"].values[:months]
    years = np.argmax([[str(m)[:4] == str(y) for m in d["month"].values] for y in d["year"].values], axis=0)[:months]
    budget = program.rows["budget"][years]
    cost, values = program.cost.copy(), program.values.copy()
    there = bought >= 0
    cost[bought[there]] -= paid[there]
    for t, row in enumerate(budget):
        if row >= 0:
            span = slice(program.starts[row], program.starts[row + 1])
            values[span] = np.where(np.isin(program.at[span], bought[there[:, t], t]), 0.0, values[span])
    program = replace(program, cost=cost, values=values)
    return Branched(
        program, formulation, bought, fitout, paid, price, budget, formulation.units["USD"], beyond_reach(problem)
    )


def cost_with(branch: Branched, orders: Array, fitout: Array) -> float:
    """USD of today that a branch costs after a first step; infinite where its budgets do not bear it."""
    program, fixed = branch.with_step(orders, fitout)
    return (_minimum(program) + fixed) * branch.unit + branch.lost


def _minimum(program: Program) -> float:
    highs = solver(program, **method(program))
    run(highs)
    try:
        return reached(highs).objective
    except SolveError:
        return np.inf


@dataclass(frozen=True)
class _Columns:
    """Where columns stand in the program of all branches: those of each branch, then the common orders, eta and z."""

    starts: Places  # first column of each branch, and the end of the last
    shape: tuple[int, ...]  # accelerators x first months

    @classmethod
    def of(cls, branches: Sequence[Branched]) -> _Columns:
        return cls(np.cumsum([0, *(branch.program.shape[1] for branch in branches)]), branches[0].bought.shape)

    @property
    def orders(self) -> int:
        return int(self.starts[-1])

    @property
    def eta(self) -> int:
        return self.orders + int(np.prod(self.shape))

    @property
    def total(self) -> int:
        return self.eta + self.starts.size  # eta, and a z for each branch

    def order(self, a: int, t: int) -> int:
        return self.orders + a * self.shape[1] + t


_Row = tuple[list[int], list[float], float, float]  # columns, coefficients, least, most


def _common_rows(branches: Sequence[Branched], at: _Columns, b: int) -> Iterator[_Row]:
    """What binds a branch to the others: bought <= ordered, the same fit-out, and its cost above eta in the tail."""
    branch, start = branches[b], int(at.starts[b])
    for a, t in np.ndindex(*at.shape):
        if branch.bought[a, t] >= 0:
            yield [start + int(branch.bought[a, t]), at.order(a, t)], [1.0, -1.0], -np.inf, 0.0
    if b:
        for own, first in zip(branch.fitout.ravel(), branches[0].fitout.ravel(), strict=True):
            yield [start + int(own), int(first)], [1.0, -1.0], 0.0, 0.0
    cost = branch.program.cost
    used = np.flatnonzero(cost)
    places = [*(start + used).tolist(), *range(at.orders, at.eta), at.eta, at.eta + 1 + b]
    yield places, [*cost[used].tolist(), *branch.paid.ravel().tolist(), -1.0, -1.0], -np.inf, 0.0


def _own_rows(branch: Branched, at: _Columns, b: int) -> Any:
    """The rows of a branch over the columns of all; its budgets pay for the common orders."""
    import scipy.sparse as sparse

    program = branch.program
    height = program.shape[0]
    ordered = sparse.lil_array((height, at.total - at.orders))
    for a, t in np.ndindex(*at.shape):
        if branch.budget[t] >= 0:
            ordered[branch.budget[t], at.order(a, t) - at.orders] = branch.spent[a, t]
    matrix = sparse.csr_array((program.values, program.at, program.starts), shape=program.shape)
    left = sparse.csr_array((height, int(at.starts[b])))
    right = sparse.csr_array((height, int(at.orders - at.starts[b + 1])))
    return sparse.hstack([left, matrix, right, ordered.tocsr()], format="csr")


def _together(branches: Sequence[Branched], at: _Columns, chances: Array, tail: float, aversion: float) -> Program:
    """All branches in one program. Rows are those of every branch, then those that bind each to the others."""
    import scipy.sparse as sparse

    programs = [branch.program for branch in branches]
    common = [row for b in range(len(branches)) for row in _common_rows(branches, at, b)]
    rows = sparse.lil_array((len(common), at.total))
    for r, (places, values, _, _) in enumerate(common):
        for place, value in zip(places, values, strict=True):
            rows[r, place] += value
    own = [_own_rows(branch, at, b) for b, branch in enumerate(branches)]
    matrix = sparse.vstack([*own, rows.tocsr()], format="csr")
    mean = [p * (1 - aversion) * program.cost for p, program in zip(chances, programs, strict=True)]
    paid = (1 - aversion) * sum(p * branch.paid.ravel() for p, branch in zip(chances, branches, strict=True))
    least = np.zeros(at.total - at.orders)
    least[at.eta - at.orders] = -np.inf
    return replace(
        programs[0],
        cost=np.concatenate([*mean, paid, [aversion], aversion * chances / (1 - tail)]),
        least=np.concatenate([*(program.least for program in programs), least]),
        most=np.concatenate([*(program.most for program in programs), np.full(least.size, np.inf)]),
        whole=np.zeros(at.total, dtype=bool),
        low=np.concatenate([*(program.low for program in programs), [row[2] for row in common]]),
        high=np.concatenate([*(program.high for program in programs), [row[3] for row in common]]),
        starts=matrix.indptr,
        at=matrix.indices,
        values=matrix.data,
    )


def extensive(branches: list[Branched], chances: Array, tail: float, aversion: float) -> tuple[FirstStep, Array]:
    """The best first step, and what each branch costs after it (USD of today): all branches in one program."""
    at = _Columns.of(branches)
    program = _together(branches, at, chances, tail, aversion)
    highs = solver(program, **method(program))
    run(highs)
    x = reached(highs).values
    step = np.maximum(x[at.orders : at.eta].reshape(at.shape), 0.0)
    fitout = np.maximum(x[branches[0].fitout], 0.0)
    return FirstStep(step, fitout), np.array([cost_with(branch, step, fitout) for branch in branches])


def robust(
    problems: Mapping[str, Problem],
    chances: Array,
    solved: Solved,
    *,
    months: int,
    tail: float,
    aversion: float,
    store: Path | None = None,
    progress: Progress | None = None,
) -> Robust:
    """The robust first step of a tree of branches with their chances, around a plan.

    Each program that is solved is added to the file `store`; a run that was killed goes on from it.
    """
    tell = progress or (lambda text: None)
    branches = [branched(problem, solved, months) for problem in problems.values()]
    units = solved.formulation.units
    head = {"branches": {name: problem.digest for name, problem in problems.items()}, "chances": chances.tolist()}
    head |= {"months": months, "tail": tail, "aversion": aversion, "choices": digest_of(solved.choices)}
    known = {str(row["program"]): row for row in resumed(store, head)}
    tell(f"{len(branches)} branches in one program; {len(known)} programs known already")

    def best(name: str, of: list[Branched], weights: Array, averse: float = 0.0) -> tuple[FirstStep, Array]:
        """The best first step of some branches and what each costs after it, solved for or known."""
        if name not in known:
            tell(f"The best first step: {name}")
            found, costs = extensive(of, weights, tail, averse)
            known[name] = {"program": name, "orders": found.orders.tolist(), "fitout": found.fitout.tolist()}
            known[name]["costs"] = costs.tolist()
            keep(store, [known[name]])
        row = known[name]
        return FirstStep(np.array(row["orders"]), np.array(row["fitout"])), np.array(row["costs"])

    neutral, cost_neutral = best("for their mean", branches, chances)
    careful, cost_careful = best("with the tail", branches, chances, aversion)
    own, _ = best("for the mean future", [branched(average(list(problems.values()), chances), solved, months)], ONE)
    cost_mean = np.array([cost_with(branch, own.orders, own.fitout) for branch in branches])
    pairs = list(zip(problems, branches, strict=True))
    knowing = np.array([best(f"knowing that it is {name}", [branch], ONE)[1][0] for name, branch in pairs])
    first = next(iter(problems.values()))
    labels = tuple(str(month) for month in first.data["month"].values[:months])

    def in_si(step: FirstStep) -> FirstStep:
        return FirstStep(step.orders * units["package"], step.fitout * units["W"])

    return Robust(
        names=tuple(problems),
        chances=chances,
        careful=in_si(careful),
        neutral=in_si(neutral),
        mean_plan=in_si(own),
        cost_careful=cost_careful,
        cost_neutral=cost_neutral,
        cost_mean_plan=cost_mean,
        cost_knowing=knowing,
        tail=tail,
        aversion=aversion,
        months=labels,
    )


def average(problems: list[Problem], chances: Array) -> Problem:
    """The problem whose coefficients are the means of the branches'; what is infinite in one is so in the mean.

    >>> from stackyard import api
    >>> problem = api.problem("first-plan").problem
    >>> average([problem, problem], np.array([0.5, 0.5])).digest == problem.digest
    True
    """
    first, means = problems[0].data, {}
    for name, values in first.data_vars.items():
        stack = np.array([problem.data[name].values for problem in problems])
        means[str(name)] = values.copy(data=_mean(stack, chances))
    return Problem(first.assign(means))


def _mean(stack: Array, chances: Array) -> Array:
    with np.errstate(invalid="ignore"):
        total = sum(p * part for p, part in zip(chances, stack, strict=True))
    return np.asarray(np.where(np.isfinite(stack).all(axis=0), total, np.inf))
