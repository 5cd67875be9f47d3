"""How time and memory grow with sites, services and months: formulated, and solved by each of HiGHS's methods.

python bench/bench_scale.py            the curve, up to 10 sites x 8 accelerators x 10 services x 60 months
python bench/bench_scale.py target     20 sites x 10 accelerators x 20 services x 84 months with 4 makers
"""

from __future__ import annotations

import resource
import runpy
import sys
import time
from pathlib import Path
from typing import Any

from stackyard.errors import SolveError
from stackyard.plan.formulate import formulate
from stackyard.plan.highs import reached, run, solver
from stackyard.plan.problem import SITE, A, K, Problem, S, T, V
from stackyard.plan.program import Program

TARGET = {A: (10, 10), S: (4, 4), K: (3, 3), SITE: (20, 20), V: (20, 20), T: (84, 84)}
MIDDLE = {A: (8, 8), S: (4, 4), K: (3, 3), SITE: (6, 6), V: (6, 6), T: (36, 36)}
METHODS: dict[str, dict[str, Any]] = {
    "simplex": {"solver": "simplex"},
    "ipm, crossover": {"solver": "ipm"},
    "ipm": {"solver": "ipm", "run_crossover": "off"},
    "HiPO": {"solver": "hipo", "run_crossover": "off"},
    "PDLP": {"solver": "pdlp", "kkt_tolerance": 1e-4},
}


def main(which: str, limit: float) -> None:
    shared = runpy.run_path(str(Path(__file__).parents[1] / "tests" / "conftest.py"))
    if which == "target":
        measure(shared["random_problem"], TARGET, list(METHODS), limit)
        return
    for dim, sizes in ((T, (12, 24, 48, 60)), (SITE, (2, 4, 8, 10)), (V, (2, 4, 8, 10))):
        for size in sizes:
            print(f"{dim} {size}", end="  ")
            measure(shared["random_problem"], {**MIDDLE, dim: (size, size)}, ["ipm, crossover"], limit)


def measure(make: Any, sizes: dict[str, tuple[int, int]], methods: list[str], limit: float) -> None:
    """Formulates and solves one problem, and prints the seconds of each."""
    data = make(1, sizes, (48, 60)).data
    none = {name: data[name] * 0 for name in ("option_least", "option_most")}  # fees fixed before fit no random budget
    problem = Problem(data.assign({name: values.assign_attrs(data[name].attrs) for name, values in none.items()}))
    start = time.process_time()
    program = formulate(problem).program
    building = time.process_time() - start
    rows, columns = program.shape
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    size = f"{columns:,} columns, {rows:,} rows, {program.values.size:,} coefficients"
    print(f"{size}: built in {building:.1f} s CPU, {memory:.2f} GB")
    for method in methods:
        seconds, told = solve(program, METHODS[method], limit)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(f"    {method:<16}{seconds:9.1f} s CPU  {told}  {memory:.2f} GB", flush=True)


def solve(program: Program, options: dict[str, Any], limit: float) -> tuple[float, str]:
    """CPU seconds of one solve, and its objective or why there is none."""
    highs = solver(program, time_limit=limit, **options)
    start = time.process_time()
    run(highs)
    try:
        told = f"objective {reached(highs).objective:.8g}"
    except SolveError as error:
        told = str(error)
    return time.process_time() - start, told


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "curve", float(sys.argv[2]) if len(sys.argv) > 2 else 600.0)
