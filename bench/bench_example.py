"""The example plan: time to build and to solve, peak memory, and start-up of the command line, beside their targets."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

EXAMPLE = Path(__file__).parents[1] / "examples" / "openai-sk"


def main() -> None:
    from stackyard import api
    from stackyard.plan.explain import explain
    from stackyard.plan.solve import solve_warm

    start = time.perf_counter()
    built = api.problem(EXAMPLE)
    building = time.perf_counter() - start
    start = time.perf_counter()
    solved = solve_warm(built.problem)
    solving = time.perf_counter() - start
    start = time.perf_counter()
    explain(built.problem, solved.plan, solved.resolve)
    explaining = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"example problem built        {building:7.2f} s    target < 3 s")
    print(f"example plan solved          {solving:7.2f} s    target < 20 s (formulating included)")
    print(f"example plan explained       {explaining:7.2f} s    no target; every step re-solved")
    print(f"peak memory                  {peak:7.2f} GB   target < 1.5 GB")
    print(f"stackyard --help             {median(_help() for _ in range(7)):7.2f} s    target < 0.3 s (median of 7)")


def _help() -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "stackyard", "--help"], check=True, capture_output=True)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
