"""How long the planner takes on a problem of the size of a large alliance, and how much memory: build, solve, re-solve.

Two shared cores, three seeds: interior point with crossover 6 to 11 s, dual simplex 25 to 42 s; re-solves 0.1 to 0.8 s.
"""

from __future__ import annotations

import resource
import runpy
import sys
import time
from pathlib import Path

from stackyard.plan.check import audit
from stackyard.plan.explain import explain
from stackyard.plan.formulate import formulate
from stackyard.plan.problem import SITE, A, K, S, T, V
from stackyard.plan.solve import solve_warm

SIZES = {A: (8, 8), S: (8, 8), K: (3, 3), SITE: (10, 10), V: (6, 6), T: (60, 60)}


def main(seed: int) -> None:
    shared = runpy.run_path(str(Path(__file__).parents[1] / "tests" / "conftest.py"))
    problem = shared["random_problem"](seed, SIZES, (48, 60))
    formulate(shared["random_problem"](seed))  # loads linopy
    clock = [time.perf_counter()]

    def lap(what: str) -> None:
        clock.append(time.perf_counter())
        print(f"{what:<40}{clock[-1] - clock[-2]:8.2f} s")

    formulate(problem)
    lap("formulated")
    solved = solve_warm(problem)
    lap("formulated and solved")
    print("   ", dict(solved.plan.notes))
    violations = audit(problem, solved.plan)
    lap(f"audited: {len(violations)} violations")
    explanation = explain(problem, solved.plan, solved.resolve)
    lap(f"explained: {len(explanation.worths)} steps")
    print(f"{'peak memory':<40}{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:8.0f} MB")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
