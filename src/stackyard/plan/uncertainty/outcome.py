"""What is kept of each of many plans: a few numbers by month and year, and how they are solved for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from stackyard.errors import InputErrors, SolveError
from stackyard.plan.causes import left
from stackyard.plan.headlines import headlines
from stackyard.plan.limits import RESOURCES, rents
from stackyard.plan.patience import Patience
from stackyard.plan.plan import NOT_SPENT, Plan, in_year, reported
from stackyard.plan.problem import SITE, Problem, T, V, Y
from stackyard.plan.program import Array
from stackyard.plan.relief import relief
from stackyard.plan.solve import Resolve, Solved, solve_warm
from stackyard.words import phrase


@dataclass(frozen=True)
class Outcome:
    """One sample's plan in numbers, or why there is none; by month and by year of the horizon.

    `binds` is the limit whose rent is the greatest in each year ('' where none has one). `left` is the share of each
    year's demand that is left for a cause, found by solving again without each limit; empty where that was not asked.
    """

    index: int
    served: tuple[float, ...] = ()
    asked: tuple[float, ...] = ()
    watts: tuple[float, ...] = ()
    spent: tuple[float, ...] = ()
    binds: tuple[str, ...] = ()
    figures: Mapping[str, float] | None = None
    failed: str = ""
    left: Mapping[str, list[float]] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        return {key: list(value) if isinstance(value, tuple) else value for key, value in vars(self).items()}

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> Outcome:
        kept: dict[str, Any] = {key: tuple(each) if isinstance(each, list) else each for key, each in row.items()}
        return cls(**kept)


FIGURES = (
    phrase("Net present cost"),
    phrase("Spending"),
    phrase("Tokens served"),
    phrase("Site power in use at the end"),
)


def outcome(index: int, problem: Problem, plan: Plan) -> Outcome:
    """What is kept of a plan."""
    near, seen = reported(problem, plan)
    d, f = near.data, seen.flows
    spent = sum(f[str(name)] for name in f if str(name).startswith("cost_") and name not in NOT_SPENT)
    member = in_year(d)
    yearly = (rents(problem, plan).sel({T: d[T]}) * member).sum(T).transpose("resource", Y).values
    names = list(RESOURCES)
    binds = tuple(names[int(column.argmax())] if column.max() > 0 else "" for column in yearly.T)
    figures = {headline.name: value for headline, value in headlines(problem, plan).items() if headline.name in FIGURES}
    return Outcome(
        index,
        tuple(seen.decisions["served"].sum(V).values.tolist()),
        tuple(d["demand"].sum(V).values.tolist()),
        tuple(f["site_power_peak"].sum(SITE).values.tolist()),
        tuple((spent * member).sum(T).values.tolist()),
        binds,
        figures,
    )


def solved_with(problem: Problem, choices: Mapping[str, Array] | None) -> Solved:
    """The plan of a problem with choices that were made before, kept for re-solves; without any, as `solve_warm`.

    >>> from stackyard import api
    >>> problem = api.problem("first-plan").problem
    >>> solved_with(problem, None).plan.status
    'optimal'
    """
    return solve_warm(problem, choices=choices)


def attempt(index: int, sampler: Any, solved: Solved, shares: Array, causes: bool = False) -> Outcome:
    """The outcome of one sample with the choices of the plan, from its basis; with `causes` those of what is left."""
    try:
        problem = sampler.problem(shares)
        plan = solved.again(problem, only_upper=True)
        found = outcome(index, problem, plan)
        return replace(found, left=_left(problem, plan, solved.around(problem, only_upper=True))) if causes else found
    except (SolveError, InputErrors) as error:
        return Outcome(index, failed=str(error).splitlines()[-1].strip())


def _left(problem: Problem, plan: Plan, resolve: Resolve) -> dict[str, list[float]]:
    """Share of each year's demand that is left for each cause."""
    d = reported(problem, plan)[0].data
    more = relief(problem, plan, resolve, lambda text: None, Patience())
    tokens = left(problem, plan, more).sum(V).sel({T: d[T]}) * d["seconds"]
    member = in_year(d)
    asked = (d["demand"].sum(V) * d["seconds"] * member).sum(T)
    parts = ((tokens * member).sum(T) / asked.where(asked > 0, 1.0)).transpose("cause", Y)
    return {str(key): row.tolist() for key, row in zip(parts["cause"].values, parts.values, strict=True) if row.any()}


def shares_of(outcomes: list[Outcome], year: int) -> dict[str, float]:
    """How often each limit is the dearest in a year, the most frequent first."""
    found = [each.binds[year] for each in outcomes]
    names = sorted(set(found), key=lambda name: -found.count(name))
    return {name: found.count(name) / len(found) for name in names}


def percentiles(values: list[tuple[float, ...]], at: tuple[float, ...]) -> Array:
    """Percentiles over the samples of what is kept by month or year, (percentile, month).

    >>> percentiles([(1.0, 10.0), (2.0, 20.0), (3.0, 30.0)], (50.0,))
    array([[ 2., 20.]])
    """
    return np.asarray(np.percentile(np.array(values), at, axis=0))
