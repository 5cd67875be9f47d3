"""Why not: what a plan would be with something that it did not choose, and which hard limits contradict each other."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr

from stackyard.errors import SolveError
from stackyard.notebook import Columns, Tabular, by_rows
from stackyard.plan.formulate import Formulation, formulate
from stackyard.plan.headlines import Headline, headlines
from stackyard.plan.highs import hand_over, method, reached, run, solver
from stackyard.plan.plan import Plan
from stackyard.plan.problem import SITE, A, O, Problem, T, Y
from stackyard.plan.solve import Solved, planned, solve_warm

PART = 0.1  # of a site's power that a forced accelerator takes, where nothing else is said


@dataclass(frozen=True)
class WhyNot(Tabular):
    """A plan with something forced: what was forced, the figures of both plans, and the second plan.

    `plan` is None where no plan can have it; `conflict` then names the hard limits that together forbid it.
    """

    forced: str
    before: Mapping[Headline, float]
    after: Mapping[Headline, float]
    plan: Plan | None
    conflict: tuple[str, ...] = ()

    def columns(self) -> Columns:
        """Every figure before and with it; nan where no plan can have it."""
        return by_rows(
            {"figure": h.name, "unit": h.unit, "before": was, "after": self.after.get(h, math.nan)}
            for h, was in self.before.items()
        )

    def summary(self) -> dict[str, Any]:
        """Plain names and values for JSON; figures that are not known are None."""
        rows = [
            {"figure": h.name, "unit": h.unit, "before": was, "after": self.after.get(h)}
            for h, was in self.before.items()
        ]
        return {
            "forced": self.forced,
            "possible": self.plan is not None,
            "conflict": list(self.conflict),
            "figures": rows,
        }

    @property
    def dearer(self) -> float:
        """USD of today by which the forced plan costs more."""
        (cost,) = (headline for headline in self.before if headline.name == "Net present cost")
        return self.after[cost] - self.before[cost] if self.after else np.inf


def forced_option(problem: Problem, option: str, taken: bool) -> Problem:
    """The problem in which an option is chosen, or ruled out.

    >>> from stackyard import api
    >>> problem = api.problem("openai-sk").problem
    >>> option = str(problem.data["option"].values[0])
    >>> without = forced_option(problem, option, taken=False).data
    >>> option, {name for name in without.data_vars if not without[name].equals(problem.data[name])}
    ('contract/samsung-hbm4-titan', {'option_most'})
    """
    d = problem.data
    at = d[O] == option
    ends = {name: d[name].where(~at, float(taken)) for name in ("option_least", "option_most")}
    return Problem(d.assign({name: d[name].copy(data=values.values) for name, values in ends.items()}))


def why_not_option(problem: Problem, plan: Plan, option: str) -> WhyNot:
    """What a plan would be with an option that it left, or without one that it took; all else planned anew."""
    names = labels(problem)
    taken = float(plan.decisions["chosen"].sel({O: option})) < 0.5
    told = f"{names.get(option, option)}: {'chosen' if taken else 'not chosen'}"
    before = headlines(problem, plan)
    changed = forced_option(problem, option, taken)
    try:
        other = solve_warm(changed).plan
    except SolveError:
        return WhyNot(told, before, {}, None, conflict(changed))
    return WhyNot(told, before, headlines(changed, other), other)


def why_not_place(problem: Problem, solved: Solved, accelerator: str, site: str) -> WhyNot:
    """What a plan would be with an accelerator at a site: PART of the power that there ever is, from the first month in
    which it can stand there to the end; with the plan's own choices.

    >>> from stackyard import api
    >>> from stackyard.plan.solve import solve_warm
    >>> problem = api.problem("first-plan").problem
    >>> found = why_not_place(problem, solve_warm(problem), "h200", "frankfurt")
    >>> found.forced.partition(":")[0], found.conflict
    ('HGX H200 at Frankfurt', ())
    """
    d, names = problem.data, labels(problem)
    before = headlines(problem, solved.plan)
    formulation = solved.formulation
    a, i = list(d[A].values).index(accelerator), list(d[SITE].values).index(site)
    columns = formulation.program.columns["installed"][a, i]
    most = (d["site_power"][i] + (d["option_power"] * solved.plan.decisions["chosen"]).sum(O)[i]).values
    amount = (
        np.minimum.accumulate((most / (d["pue_peak"][i].values * float(d["power_busy"][a].max())))[::-1])[::-1] * PART
    )
    since = _first(problem, a, most)
    told = f"{names.get(accelerator, accelerator)} at {names.get(site, site)}"
    if not bool(d["allowed"][a, i]) or since is None:
        why = "its racks cannot stand there" if not bool(d["allowed"][a, i]) else "it cannot be there in time"
        return WhyNot(told, before, {}, None, (why,))
    told += f": {PART:.0%} of the power, {amount[since]:,.0f} accelerators from {d[T].values[since]} on"
    least = np.where(np.arange(most.size) >= since, amount / formulation.units["package"], 0.0)
    plan = _with_least(solved, columns, least)
    return WhyNot(told, before, headlines(problem, plan) if plan is not None else {}, plan)


def _first(problem: Problem, accelerator: int, power: np.ndarray) -> int | None:
    """The first month in which a site has power and an accelerator that was ordered at once can have arrived."""
    orders = np.flatnonzero(problem.data["orders_max"][accelerator].values > 0)
    powered = np.flatnonzero(power > 0)
    if not orders.size or not powered.size:
        return None
    first = max(int(orders[0]) + int(problem.data["lead_months"][accelerator]), int(powered[0])) + 1
    return first if first < power.size else None


def _with_least(solved: Solved, columns: np.ndarray, least: np.ndarray) -> Plan | None:
    """The plan in which columns are at least so much; None where none is."""
    formulation: Formulation = solved.formulation
    program = formulation.program.fixed(solved.choices)
    program.least[columns[columns >= 0]] = least[columns >= 0]
    highs = solver(program, **method(program))
    run(highs)
    try:
        return planned(formulation, reached(highs), 0.0)
    except SolveError:
        return None


# --- limits that contradict each other ---


def labels(problem: Problem) -> dict[str, str]:
    """The name of each id.

    >>> from stackyard import api
    >>> problem = api.problem("first-plan").problem
    >>> labels(problem)["frankfurt"]
    'Frankfurt'
    """
    found: dict[str, str] = json.loads(str(problem.data.attrs.get("labels", "{}")))
    return found


def hard_limits(problem: Problem) -> dict[str, dict[str, xr.DataArray]]:
    """Every limit that can make a plan impossible, in words with its key in the scenario: what dropping it changes.

    >>> from stackyard import api
    >>> problem = api.problem("first-plan").problem
    >>> list(hard_limits(problem))
    []
    """
    d, names = problem.data, labels(problem)
    found: dict[str, dict[str, xr.DataArray]] = {}
    for year in d[Y].values.tolist():
        if bool(np.isfinite(d["budget"].sel({Y: year}))):
            found[f"money.budget.{year}: the budget of {year}"] = {"budget": d["budget"].where(d[Y] != year, np.inf)}
    for i, supply in enumerate(map(str, d["supply"].values)):
        if bool((d["option_minimum"][:, i] > 0).any()):
            rest = d["option_minimum"].where(d["supply"] != supply, 0.0)
            what = f"supplies.{supply}.contract.minimum: the minimum of {names.get(supply, supply)}"
            found[what] = {"option_minimum": rest}
    for o, option in enumerate(map(str, d[O].values)):
        if float(d["option_least"][o]) > 0:
            least = d["option_least"].where(d[O] != option, 0.0)
            most = d["option_most"]
            key = f"supplies.{option.removeprefix('contract/')}.contract.signed"
            found[f"{key}: {names.get(option, option)}, signed"] = {"option_least": least, "option_most": most}
    return found


def feasible(problem: Problem) -> bool:
    """Whether any plan keeps every hard limit, what is whole taken as divisible.

    >>> from stackyard import api
    >>> problem = api.problem("first-plan").problem
    >>> feasible(problem)
    True
    """
    formulation = formulate(problem)
    program = formulation.program
    highs = solver(program, solver="simplex")
    hand_over(highs, replace(program, cost=0.0 * program.cost, whole=np.zeros_like(program.whole)))
    highs.run()
    try:
        reached(highs)
    except SolveError:
        return False
    return True


def conflict(problem: Problem) -> tuple[str, ...]:
    """A smallest set of hard limits that cannot be kept together: without any one of them there is a plan.

    Found by leaving out one limit after another for good where the rest still contradict each other (a deletion
    filter: J. W. Chinneck, Feasibility and Infeasibility in Optimization, 2008). Empty where there is a plan, and where
    whole numbers are what cannot be.

    >>> from stackyard import api
    >>> problem = api.problem("first-plan").problem
    >>> conflict(problem)
    ()
    """
    if feasible(problem):
        return ()
    limits = hard_limits(problem)
    kept = []
    for name in limits:
        changes = {key: values.transpose(*problem.data[key].dims) for key, values in hard_limits(problem)[name].items()}
        without = Problem(problem.data.assign({n: problem.data[n].copy(data=v.values) for n, v in changes.items()}))
        if feasible(without):
            kept.append(name)
        else:
            problem = without
    return tuple(kept)
