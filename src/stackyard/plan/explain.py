"""What limits a plan, month by month and year by year, what more of it would be worth, and where demand is left.

A limit is what causes a shortage (`causes`): a limit that only makes a plan dearer is not called one. What limits are
worth by their prices is in `limits`, what a step of each does in `relief`; this module puts them together, and
`sentences` says it in words.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stackyard.plan import refused, sentences
from stackyard.plan.binding import TOLD, Binding, heaviest, unable
from stackyard.plan.causes import EITHER, RATE, SERVED, SEVERAL, SHORT, left, needed, tied
from stackyard.plan.limits import rents
from stackyard.plan.marginal import Marginal, Next, chains, marginals
from stackyard.plan.patience import Patience
from stackyard.plan.plan import Plan, in_year, reported
from stackyard.plan.problem import Problem, T, V, Y
from stackyard.plan.relief import Worth, by_year, relief, worths
from stackyard.plan.solve import Resolve
from stackyard.quantity import DAY
from stackyard.words import joined


@dataclass(frozen=True)
class Shortage:
    """Demand of a service that a year leaves unserved: mean tokens per day, share, cost in USD of the year, and the
    cause of most of it."""

    service: str
    year: int
    unserved: float
    share: float
    cost: float
    cause: str


@dataclass(frozen=True)
class Explanation:
    """Causes of shortage, rents, what steps are worth, and what is left unserved, over the horizon.

    `data` holds left (cause, service, month; tokens per day that are left unserved for this cause), binds (month; the
    cause of most of it), relief (resource, month; tokens per day more served without this limit), needed (resource,
    month; tokens per day that are left for it when all the others are lifted), tied (resource, month; tokens per day
    for which it is one of two of which either would do), rent and rent_present (resource, month;
    USD of the month and of today). `marginals` are what a million tokens more cost, `chains` what the next amount of
    each year's limit is worth; both empty where no steps were solved.
    """

    data: xr.Dataset
    years: tuple[Binding, ...]
    worths: tuple[Worth, ...]
    shortages: tuple[Shortage, ...]
    notes: tuple[str, ...]
    marginals: tuple[Marginal, ...] = ()
    chains: tuple[Next, ...] = ()


def explain(
    problem: Problem,
    plan: Plan,
    resolve: Resolve,
    *,
    steps: bool = True,
    within: float = np.inf,
    progress: Callable[[str], None] | None = None,
) -> Explanation:
    """The explanation of a plan; `resolve` is that of `solve_warm`. Without `steps` the year's steps are not solved.

    Nothing is solved again later than `within` seconds after the start: what promises most is asked first, the rest is
    told by its prices, and a note says how much of it that is.

    >>> from stackyard import api
    >>> problem = api.problem("first-plan").problem
    >>> from stackyard.plan.solve import solve_warm
    >>> solved = solve_warm(problem)
    >>> said = explain(problem, solved.plan, solved.resolve, steps=False)
    >>> said.years[0].limit
    'hbm'
    """
    tell, patience = progress or (lambda text: None), Patience(within)
    more = relief(problem, plan, resolve, tell, patience)
    worth = worths(problem, plan, resolve if steps else None, tell, patience)
    rented = rents(problem, plan)
    whole = xr.Dataset(
        {
            "left": left(problem, plan, more),
            "relief": more["single"].sum(V),
            "needed": needed(plan, more),
            "tied": tied(plan, more),
            "rent": rented,
            "rent_present": (rented * problem.data["discount"]).assign_attrs(units="USD"),
        }
    ).sel({T: slice(None, problem.end)})
    near, seen = reported(problem, plan)
    whole["binds"] = _most(whole["left"].sum(V))
    member = in_year(near.data)
    years = tuple(
        _binding(problem, plan, whole, worth, int(year), member.sel({Y: year}).values > 0)
        for year in near.data[Y].values.tolist()
    )
    found = Explanation(whole, years, worth, _shortages(near, seen, whole["left"]), sentences.notes(problem, steps))
    if steps:
        limits = {binding.year: binding.limits for binding in years if binding.resource != SERVED}
        next_ = chains(problem, plan, limits, resolve, tell, patience)
        found = replace(found, chains=next_, marginals=marginals(problem, plan, resolve, tell, patience))
    return replace(found, notes=(*found.notes, *patience.told))


def _most(left: xr.DataArray) -> xr.DataArray:
    """The cause of most that is left in each month."""
    keys = left["cause"].values[left.values.argmax(axis=0)]
    return xr.DataArray(np.where(left.max("cause").values > 0, keys, SERVED).astype(str), dims=T)


def _shortages(problem: Problem, plan: Plan, left: xr.DataArray) -> tuple[Shortage, ...]:
    d = problem.data
    unserved, asked = by_year(d, plan.decisions["unserved"]), by_year(d, d["demand"])
    cost = (in_year(d) * d["unserved_price"] * plan.decisions["unserved"] * d["seconds"] / DAY).sum(T).transpose(V, Y)
    found = []
    for v, service in enumerate(d[V].values):
        for y, year in enumerate(d[Y].values):
            lost, all_of_it = float(unserved[v, y]), float(asked[v, y])
            if lost <= 1e-6 * all_of_it:
                continue
            tokens = (left[:, v] * in_year(d)[y] * d["seconds"]).sum(T)
            most = str(tokens["cause"].values[np.argmax(tokens.values)]) if float(tokens.max()) > 0 else SERVED
            found.append(Shortage(str(service), int(year), lost, lost / all_of_it, float(cost[v, y]), most))
    return tuple(found)


def _binding(
    problem: Problem, plan: Plan, data: xr.Dataset, worth: tuple[Worth, ...], year: int, inside: NDArray[np.bool_]
) -> Binding:
    """What limits one year: the cause of most that it leaves unserved. `inside` marks its months in the horizon."""
    seconds, months = problem.data["seconds"].values[: inside.size][inside], data[T].values[inside]
    tokens = (data["left"].sum(V).values[:, inside] * seconds).sum(axis=1)
    asked, unserved = (
        float((values.sum(V).sel({T: months}).values * seconds).sum())
        for values in (problem.data["demand"], plan.decisions["unserved"])
    )
    keys = [str(key) for key in data["cause"].values]
    shares = {keys[i]: float(tokens[i] / tokens.sum()) for i in np.argsort(-tokens) if tokens[i] > 0}
    resource = next(iter(shares)) if unserved > SHORT * asked and shares else SERVED
    part = unserved / asked if asked > 0 else 0.0
    told = {key: part for key, part in shares.items() if part >= TOLD}
    short = inside & (data["left"].sel(cause="power").sum(V).values > 0)
    found = Binding(
        year=year,
        resource=resource,
        causes=shares,
        left=part,
        together=heaviest(data, "needed", SEVERAL, inside),
        barred="power" in told and bool(sentences.kept_out(problem, plan, short)),
        why="",
        either=heaviest(data, "tied", EITHER, inside),
        lacks=refused.name(problem, unable(data, inside)) if RATE in shares else "",
    )
    why = (
        sentences.opening(found, unserved / seconds.sum()),
        sentences.reasons(problem, plan, data, shares, inside),
        *sentences.closing(found, data, worth, inside),
    )
    return replace(found, why=joined(" ", why))
