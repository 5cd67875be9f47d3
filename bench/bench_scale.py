"""How time and memory grow with sites, services and months: formulated, and solved by each of HiGHS's methods.

python bench/bench_scale.py             the curve, up to 10 sites x 8 accelerators x 10 services x 60 months
python bench/bench_scale.py methods     every method on growing programs, each for at most LIMIT seconds of CPU
python bench/bench_scale.py target      20 sites x 10 accelerators x 20 services x 84 months with 4 makers, as planned
python bench/bench_scale.py target METHOD     the same by another method

A second number is LIMIT, 600 unless said otherwise. Seconds are of CPU, of one thread: the machine may be shared.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import runpy
import sys
import time
from pathlib import Path
from typing import Any

from stackyard.errors import SolveError
from stackyard.plan.check import audit
from stackyard.plan.formulate import formulate
from stackyard.plan.highs import method, reached, run, solver
from stackyard.plan.problem import SITE, A, K, Problem, S, T, V
from stackyard.plan.program import Program
from stackyard.plan.solve import solve

TARGET = {A: (10, 10), S: (4, 4), K: (3, 3), SITE: (20, 20), V: (20, 20), T: (84, 84)}
MIDDLE = {A: (8, 8), S: (4, 4), K: (3, 3), SITE: (6, 6), V: (6, 6), T: (36, 36)}
GROWING = (
    {**MIDDLE, T: (24, 24)},
    {**MIDDLE, T: (48, 48)},
    {**MIDDLE, SITE: (10, 10), V: (10, 10), T: (60, 60)},
)
METHODS: dict[str, dict[str, Any]] = {
    "simplex": {"solver": "simplex"},
    "ipx, crossover": {"solver": "ipx", "run_crossover": "on"},
    "ipx": {"solver": "ipx", "run_crossover": "off"},
    "hipo": {"solver": "hipo", "run_crossover": "off"},
    "pdlp": {"solver": "pdlp", "kkt_tolerance": 1e-4},
}


def main(which: str, name: str, limit: float) -> None:
    if which == "target" and not name:
        as_planned(problem(TARGET))
    elif which in ("target", "methods"):
        for sizes in (TARGET,) if which == "target" else GROWING:
            program = built(problem(sizes))
            for each in [name] if name else METHODS:
                within(program, each, limit)
    else:
        for dim, counts in ((T, (12, 24, 36, 48, 60)), (SITE, (2, 4, 6, 8, 10)), (V, (2, 4, 6, 8, 10))):
            for count in counts:
                print(f"{dim} {count}", end="  ")
                program = built(problem({**MIDDLE, dim: (count, count)}))
                print(f"    solved {timed(program, method(program))}", flush=True)


def problem(sizes: dict[str, tuple[int, int]]) -> Problem:
    """A random problem of these sizes, the same every time."""
    shared = runpy.run_path(str(Path(__file__).parents[1] / "tests" / "conftest.py"))
    data = shared["random_problem"](1, sizes, (48, 60)).data
    none = {name: data[name] * 0 for name in ("option_least", "option_most")}  # fees fixed before fit no random budget
    return Problem(data.assign({name: values.assign_attrs(data[name].attrs) for name, values in none.items()}))


def built(of: Problem) -> Program:
    start = time.process_time()
    program = formulate(of).program
    seconds = time.process_time() - start
    rows, columns = program.shape
    size = f"{columns:,} columns, {rows:,} rows, {program.values.size:,} coefficients"
    print(f"{size}: built in {seconds:.1f} s CPU, {memory():.2f} GB", flush=True)
    return program


def timed(program: Program, options: dict[str, Any]) -> str:
    """CPU seconds of one solve, and its objective or why there is none."""
    start = time.process_time()
    try:
        highs = solver(program, **options)
        run(highs)
        found = reached(highs)
        told = f"objective {found.objective:.8g}, gap {found.gap:.1e}, {found.iterations} iterations"
    except (SolveError, ValueError) as error:
        told = str(error)
    return f"{time.process_time() - start:9.1f} s CPU  {told}, {memory():.2f} GB"


def within(program: Program, name: str, limit: float) -> None:
    """The same in a process of its own that is ended after so many seconds of CPU."""

    def child() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (int(limit + 10), int(limit + 10)))
        print(f"    {name:<16}{timed(program, METHODS[name])}", flush=True)

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join()
    if process.exitcode:
        print(f"    {name:<16} not ended after {limit:.0f} s CPU", flush=True)


def as_planned(of: Problem) -> None:
    """The whole way: built, solved, added up again by the auditor."""
    built(of)
    start, wall = time.process_time(), time.perf_counter()
    plan = solve(of)
    cpu, wall = time.process_time() - start, time.perf_counter() - wall
    print(f"planned in {cpu:.0f} s CPU, {wall:.0f} s of wall time at load {os.getloadavg()[1]:.1f}; {memory():.2f} GB")
    print(f"objective {plan.objective:.8g} USD, gap {plan.gap:.1e}, {plan.notes['iterations']} iterations")
    start = time.process_time()
    violations = audit(of, plan)
    print(
        f"{len(violations)} violations in the audit, {time.process_time() - start:.1f} s CPU", *violations[:5], sep="\n"
    )


def memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if not word.replace(".", "").isdigit()]
    numbers = [float(word) for word in sys.argv[1:] if word not in words]
    main(words[0] if words else "curve", words[1] if len(words) > 1 else "", numbers[0] if numbers else 600.0)
