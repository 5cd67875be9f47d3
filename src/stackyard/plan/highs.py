"""HiGHS, met in this one place: a Program handed over, run so that Ctrl-C or a request stops it, and read."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from stackyard.children import at_once
from stackyard.errors import SolveError, Stopped
from stackyard.plan.program import Array, Program

LARGE = 150_000  # columns above which a program is solved without crossover where its basis is not needed

Item = TypeVar("Item")
Made = TypeVar("Made")


@dataclass(frozen=True)
class Reached:
    """What a solver run ended with: column values, row duals, objective, gap (integer programs) and its status."""

    values: Array
    duals: Array
    objective: float
    gap: float
    status: str
    iterations: int


def solver(program: Program, **options: Any) -> Any:
    """A HiGHS that holds the program; one thread, so that the same program has the same answer.

    >>> from stackyard import api
    >>> from stackyard.plan.formulate import formulate
    >>> program = formulate(api.problem("first-plan").problem).program
    >>> solver(program).getNumCol() == program.shape[1]
    True
    """
    import highspy

    class Silent(highspy.Highs):
        """HiGHS without the banner that it prints when callbacks are switched on."""

        def enableCallbacks(self) -> None:  # noqa: N802
            self.setOptionValue("output_flag", False)
            super().enableCallbacks()  # type: ignore[no-untyped-call]

    highs: Any = Silent()  # type: ignore[no-untyped-call]
    put(highs, output_flag=False, threads=1, **options)
    hand_over(highs, program)
    return highs


def put(highs: Any, **options: Any) -> None:
    """Sets options of HiGHS by name; ValueError for one that it does not take, such as a method that it was built
    without.

    >>> from stackyard import api
    >>> from stackyard.plan.formulate import formulate
    >>> highs = solver(formulate(api.problem("first-plan").problem).program)
    >>> put(highs, time_limit=60.0)
    >>> highs.getOptionValue("time_limit")[1]
    60.0
    """
    import highspy

    for name, value in options.items():
        if highs.setOptionValue(name, value) == highspy.HighsStatus.kError:
            raise ValueError(f"HiGHS {highs.version()} has no {name} {value!r}")


def method(program: Program) -> dict[str, Any]:
    """The options by which a program is solved first, at every size that was measured (design/solvers.md).

    Interior point, with crossover to a vertex whose basis the re-solves start from.

    >>> from stackyard import api
    >>> from stackyard.plan.formulate import formulate
    >>> method(formulate(api.problem("first-plan").problem).program)
    {'solver': 'ipx', 'run_crossover': 'on'}
    """
    return {"solver": "ipx", "run_crossover": "on"}


def afresh(program: Program) -> Any:
    """A HiGHS that solved a program from nothing, as one is that lies far from any that was solved.

    Above LARGE columns crossover is left out, and made up for where the interior point alone does not settle.
    """
    import highspy

    large = program.cost.size > LARGE
    highs = solver(program, **method(program) | ({"run_crossover": "off"} if large else {}))
    run(highs)
    if large and highs.getModelStatus() == highspy.HighsModelStatus.kUnknown:
        highs = solver(program, **method(program))
        run(highs)
    return highs


def hand_over(highs: Any, program: Program) -> None:
    """Puts a program in the place of the one that HiGHS holds; SolveError where its numbers cannot be solved with."""
    import highspy

    kinds = highspy.HighsVarType
    lp = highspy.HighsLp()
    lp.num_row_, lp.num_col_ = program.shape
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = program.cost, program.least, program.most
    lp.row_lower_, lp.row_upper_ = program.low, program.high
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_, lp.a_matrix_.index_ = program.starts, program.at
    lp.a_matrix_.value_ = program.values
    if program.whole.any():
        lp.integrality_ = [kinds.kInteger if whole else kinds.kContinuous for whole in program.whole]
    if highs.passModel(lp) == highspy.HighsStatus.kError:
        raise SolveError("the solver refuses the program: its numbers differ too much in size to be solved")


_ASKED: ContextVar[Callable[[], bool] | None] = ContextVar("stop asked", default=None)


@contextmanager
def stoppable(asked: Callable[[], bool]) -> Iterator[None]:
    """Whatever is solved inside stops, with Stopped, soon after `asked()` says so."""
    token = _ASKED.set(asked)
    try:
        yield
    finally:
        _ASKED.reset(token)


def heed() -> None:
    """Stopped where a stop was asked for."""
    asked = _ASKED.get()
    if asked is not None and asked():
        raise Stopped


def side_by_side(solve: Callable[[Item], Made], items: Iterable[Item]) -> list[Made]:
    """What is solved of each item, a core each; Ctrl-C and a stop that is asked for reach all of them.

    >>> side_by_side(abs, [-1, 2])
    [1, 2]
    """
    ended, before = threading.Event(), _ASKED.get()
    with stoppable(lambda: ended.is_set() or (before is not None and before())):
        return at_once(solve, items, failed=ended.set)


def run(highs: Any) -> None:
    """Run so that Ctrl-C or a request stops it: it is noted, HiGHS is asked to stop at its next step, then it raises.

    Signals reach the main thread only; elsewhere `stoppable` says when to stop.

    >>> from stackyard import api
    >>> from stackyard.plan.formulate import formulate
    >>> highs = solver(formulate(api.problem("first-plan").problem).program)
    >>> run(highs)
    >>> reached(highs).objective == highs.getObjectiveValue()
    True
    """
    asked, main = _ASKED.get(), threading.current_thread() is threading.main_thread()
    if asked is None and not main:
        highs.run()
        return
    heed()
    pressed: list[int] = []

    def stop(event: Any) -> None:
        if pressed or (asked is not None and asked()):
            event.interrupt()

    before = signal.signal(signal.SIGINT, lambda number, frame: pressed.append(number)) if main else None
    callbacks = (highs.cbIpmInterrupt, highs.cbSimplexInterrupt, highs.cbMipInterrupt)
    try:
        for callback in callbacks:
            callback.subscribe(stop)
        highs.run()
    finally:
        for callback in callbacks:
            callback.unsubscribe(stop)
        if main:
            signal.signal(signal.SIGINT, before)
    if pressed:
        raise KeyboardInterrupt
    heed()


def reached(highs: Any, whole: bool = False) -> Reached:
    """What was reached; SolveError where that is no plan. An integer program may have stopped at its time limit.

    >>> from stackyard import api
    >>> from stackyard.plan.formulate import formulate
    >>> highs = solver(formulate(api.problem("first-plan").problem).program)
    >>> run(highs)
    >>> reached(highs).gap
    0.0
    """
    import highspy

    status = highs.getModelStatus()
    info, word = highs.getInfo(), highs.modelStatusToString(status).lower()
    objective = info.objective_function_value
    feasible = (
        bool(np.isfinite(objective)) and info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
    )
    if status != highspy.HighsModelStatus.kOptimal and not (whole and feasible):
        told = f"after {highs.getRunTime():.1f} s and {_iterations(info)} iterations"
        if feasible:
            told += "; a feasible plan was reached but not shown to be the best"
        raise SolveError(f"the solver stopped without a plan: {word} {told}")
    solution = highs.getSolution()
    gap = float(info.mip_gap) if whole else float(info.primal_dual_objective_error)
    duals = np.asarray(solution.row_dual)
    return Reached(np.asarray(solution.col_value), duals, float(objective), gap, word, _iterations(info))


def _iterations(info: Any) -> int:
    return int(sum(max(getattr(info, f"{kind}_iteration_count"), 0) for kind in ("simplex", "ipm", "crossover")))


def write_mps(program: Program, path: Path) -> None:
    """Writes the program as a free-format MPS file, for other solvers."""
    highs = solver(program)
    if highs.writeModel(str(path)).name == "kError":
        raise OSError(f"{path}: HiGHS could not write the program")
