"""How the solver is driven: what is refused, what is said, and what Ctrl-C does."""

from __future__ import annotations

import signal
from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr

from stackyard.errors import SolveError
from stackyard.plan import highs
from stackyard.plan.check import audit
from stackyard.plan.formulate import formulate, scale, scales
from stackyard.plan.highs import run
from stackyard.plan.plan import in_year
from stackyard.plan.problem import Problem
from stackyard.plan.solve import Solved, solve, solve_warm

Problems = Callable[[int], Problem]
Plans = Callable[[int], Solved]


def test_a_time_limit_says_what_was_reached(problem_of: Problems) -> None:
    with pytest.raises(SolveError, match="time limit reached after"):
        solve(problem_of(0), time_limit=1e-9)


def test_an_impossible_problem_is_an_error_not_a_plan(problem_of: Problems) -> None:
    data = problem_of(0).data
    with pytest.raises(SolveError, match="infeasible"):
        solve(Problem(data.assign(demand=data["demand"].copy(data=-data["demand"].values - 1))))


class Pressed:
    """A solver during which somebody presses Ctrl-C: it calls back, and stops when asked to."""

    def __init__(self) -> None:
        self.cbIpmInterrupt = self.cbSimplexInterrupt = self.cbMipInterrupt = self
        self.subscribed: list[Callable[[Pressed], None]] = []
        self.interrupted = 0

    def subscribe(self, callback: Callable[[Pressed], None]) -> None:
        self.subscribed.append(callback)

    def unsubscribe(self, callback: Callable[[Pressed], None]) -> None:
        self.subscribed.remove(callback)

    def interrupt(self) -> None:
        self.interrupted += 1

    def run(self) -> None:
        self.subscribed[0](self)
        assert not self.interrupted
        signal.raise_signal(signal.SIGINT)
        self.subscribed[0](self)


def test_ctrl_c_stops_the_solver_and_is_raised() -> None:
    before, solver = signal.getsignal(signal.SIGINT), Pressed()
    with pytest.raises(KeyboardInterrupt):
        run(solver)
    assert solver.interrupted == 1 and not solver.subscribed
    assert signal.getsignal(signal.SIGINT) is before


def test_any_coefficient_can_be_changed_and_solved_again(problem_of: Problems, solved_of: Plans) -> None:
    """Also one that stands in the matrix, or that makes a limit where there was none."""
    for name, value in (("pue", 1.3), ("budget", 1e11), ("rate", 5e3), ("lead_months", 2.0)):
        changed = xr.full_like(problem_of(0).data[name], value)
        fresh = solve(Problem(problem_of(0).data.assign({name: changed})))
        assert solved_of(0).resolve({name: changed}).objective == pytest.approx(fresh.objective, rel=1e-7)


def test_a_large_program_is_planned_without_a_vertex(
    problem_of: Problems, solved_of: Plans, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every program is large here: same cost, prices that prove it, and re-solves that start from nothing."""
    monkeypatch.setattr(highs, "LARGE", 0)
    for seed in range(4):
        solved = solve_warm(problem_of(seed))
        assert audit(problem_of(seed), solved.plan) == []
        assert solved.plan.objective == pytest.approx(solved_of(seed).plan.objective, rel=1e-7)
        more = {"demand": problem_of(seed).data["demand"] * 1.2}
        assert solved.resolve(more).objective == pytest.approx(solved_of(seed).resolve(more).objective, rel=1e-7)


def test_an_option_that_the_solver_lacks_is_refused(problem_of: Problems) -> None:
    with pytest.raises(ValueError, match="has no solver 'oracle'"):
        highs.solver(formulate(problem_of(0)).program, solver="oracle")


def test_scales_are_powers_of_two_and_undo_exactly(problem_of: Problems) -> None:
    units = scales(problem_of(0).data)
    assert all(np.log2(value) == round(np.log2(value)) for value in units.values())
    assert scale("USD/token", units) * scale("token/day", units) == units["USD"]


def test_a_problem_with_nothing_to_decide_is_solved(problem_of: Problems) -> None:
    data = problem_of(0).data
    nothing = {name: data[name].copy(data=0 * data[name].fillna(0).values) for name in ("rate", "demand", "fleet")}
    nothing["orders_max"] = xr.zeros_like(data["orders_max"])
    nothing |= {name: xr.zeros_like(data[name]) for name in ("option_least", "option_most", "stacks_start")}
    assert solve(Problem(data.assign(nothing))).objective == 0


def test_what_cannot_be_is_not_in_the_program(problem_of: Problems) -> None:
    data = problem_of(0).data
    columns = formulate(problem_of(0)).program.columns
    assert (columns["draw"][data["fits_stack"].values == 0] < 0).all()
    assert (columns["placed"][data["allowed"].values == 0] < 0).all()
    assert (columns["run"].swapaxes(1, 2)[data["rate"].values == 0] < 0).all()
    late = np.arange(data.sizes["month"]) + data["lead_months"].values[:, None] >= data.sizes["month"]
    assert (columns["bought"][late] < 0).all() and (columns["bought"] >= 0).any()


def test_months_belong_to_their_years(problem_of: Problems) -> None:
    data = problem_of(0).data
    member = in_year(data)
    assert (member.sum("year") == 1).all()
    assert str(data["month"].values[0]).startswith(str(data["year"].values[0])) and member[0, 0] == 1
