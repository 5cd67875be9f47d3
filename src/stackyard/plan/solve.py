"""Problem -> Plan with HiGHS, and the same program solved again from its last basis for other right-hand sides."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from stackyard.errors import SolveError
from stackyard.plan.formulate import (
    FAMILIES,
    Formulation,
    beyond,
    formulate,
    present_costs,
    right_sides,
    scaled,
    without_beyond,
)
from stackyard.plan.plan import FLOWS, Plan
from stackyard.plan.problem import SITE, A, Problem, S, V, array
from stackyard.quantity import DAY

Progress = Callable[[str], None]
Resolve = Callable[[Mapping[str, xr.DataArray]], Plan]


@dataclass(frozen=True)
class Solved:
    """A plan, and `resolve(changes)`: the plan of the same Problem with other amounts on right-hand sides.

    `changes` names coefficients in CHANGEABLE, which stand on a right-hand side. What was left out of the program, a
    limit that was infinite or an accelerator that could not be ordered, cannot be changed: ValueError.
    A re-solve starts from the basis of the first plan, so it takes a small part of its time and does not depend on
    what was asked before.
    """

    plan: Plan
    resolve: Resolve


def solve(problem: Problem, *, time_limit: float | None = None, progress: Progress | None = None) -> Plan:
    """The plan of least net present cost; SolveError says what was reached when the solver stops without one."""
    return solve_warm(problem, time_limit=time_limit, progress=progress).plan


def solve_warm(problem: Problem, *, time_limit: float | None = None, progress: Progress | None = None) -> Solved:
    """As `solve`, with the solver kept for re-solves."""
    tell = progress or (lambda text: None)
    start = time.perf_counter()
    formulation = formulate(problem)
    highs = _hand_over(formulation.model)
    tell(f"{highs.getNumCol():,} decisions and {highs.getNumRow():,} balances and limits; solving")
    _set(highs, solver=METHOD, threads=1, time_limit=np.inf if time_limit is None else time_limit)
    _run(highs)
    _require_optimal(highs)
    plan = _plan(highs, formulation, problem, time.perf_counter() - start)
    tell(f"solved in {plan.seconds:.1f} s")
    _set(highs, solver="simplex", time_limit=np.inf)
    return Solved(plan, _resolver(highs, formulation))


CHANGEABLE = (
    "demand",
    "stacks_delivered",
    "stacks_start",
    "packaging_wafers",
    "orders_max",
    "site_power",
    "fitted_start",
    "budget",
)
METHOD = "ipm"  # with crossover to a basis; simplex takes four times as long: see bench/bench_plan.py


def _hand_over(model: Any) -> Any:
    """The linopy model as a HiGHS program."""
    import highspy

    class Silent(highspy.Highs):
        """HiGHS without the banner that it prints when callbacks are switched on."""

        def enableCallbacks(self) -> None:  # noqa: N802
            self.setOptionValue("output_flag", False)
            super().enableCallbacks()  # type: ignore[no-untyped-call]

    highs: Any = Silent()  # type: ignore[no-untyped-call]
    program = model.matrices
    highs.addVars(program.lb.size, program.lb, program.ub)
    highs.changeColsCost(program.c.size, np.arange(program.c.size, dtype=np.int32), program.c)
    lower = np.where(program.sense != "<", program.b, -np.inf)
    upper = np.where(program.sense != ">", program.b, np.inf)
    matrix = program.A
    highs.addRows(lower.size, lower, upper, matrix.nnz, matrix.indptr, matrix.indices, matrix.data)
    return highs


def _run(highs: Any) -> None:
    """Run so that Ctrl-C stops the solver: it is noted, HiGHS is asked to stop at its next step, then it is raised."""
    pressed: list[int] = []

    def stop(event: Any) -> None:
        if pressed:
            event.interrupt()

    if threading.current_thread() is not threading.main_thread():  # signals reach the main thread only
        highs.run()
        return
    before = signal.signal(signal.SIGINT, lambda number, frame: pressed.append(number))
    callbacks = (highs.cbIpmInterrupt, highs.cbSimplexInterrupt)
    try:
        for callback in callbacks:
            callback.subscribe(stop)
        highs.run()
    finally:
        for callback in callbacks:
            callback.unsubscribe(stop)
        signal.signal(signal.SIGINT, before)
    if pressed:
        raise KeyboardInterrupt


def _set(highs: Any, **options: Any) -> None:
    for name, value in options.items():
        highs.setOptionValue(name, value)


def _require_optimal(highs: Any) -> None:
    import highspy

    status = highs.getModelStatus()
    if status == highspy.HighsModelStatus.kOptimal:
        return
    info, word = highs.getInfo(), highs.modelStatusToString(status).lower()
    reached = f"after {highs.getRunTime():.1f} s and {_iterations(info)} iterations"
    objective = info.objective_function_value
    if np.isfinite(objective) and info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible:
        reached += "; a feasible plan was reached but not shown to be the best"
    raise SolveError(f"the solver stopped without a plan: {word} {reached}")


def _iterations(info: Any) -> int:
    return int(sum(max(getattr(info, f"{kind}_iteration_count"), 0) for kind in ("simplex", "ipm", "crossover")))


def _plan(highs: Any, formulation: Formulation, problem: Problem, seconds: float) -> Plan:
    info, solution = highs.getInfo(), highs.getSolution()
    decisions = formulation.decisions(np.asarray(solution.col_value), problem)
    lost = float((present_costs(problem.data)["unserved"] * beyond(problem.data)).sum())
    return Plan(
        decisions=decisions,
        flows=flows(problem, decisions),
        prices=formulation.prices(np.asarray(solution.row_dual)),
        objective=info.objective_function_value * formulation.units["USD"] + lost,
        status="optimal",
        gap=float(info.primal_dual_objective_error),
        seconds=seconds,
        solver=f"HiGHS {highs.version()}",
        problem_digest=problem.digest,
        residual_value=residual_value(problem, decisions),
        notes={
            "size": f"{highs.getNumCol():,} columns, {highs.getNumRow():,} rows, {highs.getNumNz():,} coefficients",
            "iterations": str(_iterations(info)),
        },
    )


def _resolver(highs: Any, formulation: Formulation) -> Resolve:
    basis = highs.getBasis()

    def resolve(changes: Mapping[str, xr.DataArray]) -> Plan:
        start = time.perf_counter()
        base = formulation.problem.data
        if unknown := set(changes) - set(CHANGEABLE):
            raise ValueError(f"{sorted(unknown)} stand on no right-hand side; known: {', '.join(CHANGEABLE)}")
        changed = {n: base[n].copy(data=value.transpose(*base[n].dims).values) for n, value in changes.items()}
        problem = Problem(base.assign(changed))
        rights = right_sides(scaled(without_beyond(problem.data), formulation.units))
        rows, new, old = _moved(formulation, {name: right.values for name, right in rights.items()})
        try:
            _bound(highs, rows, new)
            highs.setBasis(basis)
            highs.run()
            _require_optimal(highs)
            return _plan(highs, formulation, problem, time.perf_counter() - start)
        finally:
            _bound(highs, rows, old)

    return resolve


def _moved(formulation: Formulation, rights: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    """Rows whose right-hand side differs, with their new and old (lower, upper) bounds."""
    rows: list[Any] = []
    new: list[Any] = []
    old: list[Any] = []
    for name, right in rights.items():
        before, position = formulation.rights[name], formulation.rows[name]
        differs = right != before
        left_out = np.isinf(before) | ((before == 0) & (name == "orders"))
        if (differs & (position < 0) & left_out).any():
            raise ValueError(f"'{name}' has no row where its amount changed: formulate the changed problem instead")
        differs &= position >= 0  # any other limit without a row limits nothing: no decision could be there
        equal = FAMILIES[name].sign == "="
        rows.append(position[differs])
        for bounds, values in ((new, right[differs]), (old, before[differs])):
            bounds.append(np.stack([values if equal else np.full_like(values, -np.inf), values]))
    return np.concatenate(rows), np.concatenate(new, axis=1), np.concatenate(old, axis=1)


def _bound(highs: Any, rows: Any, bounds: Any) -> None:
    if rows.size:
        highs.changeRowsBounds(rows.size, rows.astype(np.int32), *np.ascontiguousarray(bounds))


# --- what decisions cost and use, by plain arithmetic ---


def flows(problem: Problem, decisions: xr.Dataset) -> xr.Dataset:
    """Costs, power, energy, carbon and water that decisions cause, by month (FLOWS)."""
    d, x = problem.data, decisions
    idle = (x["installed"] * d["power_idle"]).sum(A)
    extra = d["power_busy"] - d["power_idle"]
    peak = idle + (x["run"] * extra).sum([A, V])
    mean = idle + (x["run"] * extra / d["peak_to_mean"]).sum([A, V])
    energy = mean * d["pue"] * d["seconds"]
    carbon = energy * d["grid_carbon"]
    found = {
        "cost_hbm": (d["stack_price"] * x["draw"].sum(A) + d["stack_holding"] * x["stock"]).sum(S),
        "cost_accelerators": (d["accelerator_price"] * x["bought"]).sum(A),
        "cost_fitout": (d["fitout_price"] * x["fitout"]).sum(SITE),
        "cost_upkeep": (d["upkeep"] * x["installed"].sum(SITE)).sum(A),
        "cost_energy": (d["electricity_price"] * energy).sum(SITE),
        "cost_carbon": d["carbon_price"] * carbon.sum(SITE),
        "cost_unserved": (d["unserved_price"] * x["unserved"] * d["seconds"] / DAY).sum(V),
        "it_power_peak": peak,
        "it_power_mean": mean,
        "site_power_peak": peak * d["pue"],
        "energy": energy,
        "carbon": carbon,
        "water_used": mean * d["seconds"] * d["water"],
    }
    coords = {dim: d[dim] for dim in d.dims}
    return xr.Dataset({n: array(n, v.transpose(*FLOWS[n].dims), FLOWS) for n, v in found.items()}, coords=coords)


def residual_value(problem: Problem, decisions: xr.Dataset) -> float:
    """USD of today for what is still in life at the end of the horizon."""
    d, x = problem.data, decisions
    hbm = (d["stack_price"] * x["draw"]).sum(S)
    left = (d["accelerator_residual"] * (d["accelerator_price"] * x["bought"] + hbm)).sum()
    left = left + (d["fitout_residual"] * d["fitout_price"] * x["fitout"]).sum()
    return float(left * d["discount"][-1])
