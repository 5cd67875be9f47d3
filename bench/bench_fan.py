"""CPU seconds of a sample of the example's fan, by part, and what a thousand of them come to; a few samples are enough.

python bench/bench_fan.py [samples]
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from stackyard.catalog import load
from stackyard.plan.build import build
from stackyard.plan.scenario import load as read
from stackyard.plan.solve import solve_warm
from stackyard.plan.uncertainty.outcome import outcome
from stackyard.plan.uncertainty.sample import Sampler, independent

EXAMPLE = Path(__file__).parents[1] / "examples" / "openai-sk"


def main(count: int) -> None:
    catalog = load()
    scenario = read(EXAMPLE, catalog)
    start = time.process_time()
    solved = solve_warm(build(scenario, catalog).problem)
    print(f"plan with choices            {time.process_time() - start:7.1f} s CPU")
    sampler = Sampler.of(scenario, catalog)
    shares = sampler.correlated(independent(count, len(sampler.names), 1))
    solved.again(sampler.problem(shares[0]), only_upper=True)  # the first finds the basis and rates the accelerators
    clock = {"problem": 0.0, "solved again": 0.0, "kept": 0.0}
    for i in range(count):
        at = [time.process_time()]
        problem = sampler.problem(shares[i])
        at.append(time.process_time())
        plan = solved.again(problem, only_upper=True)
        at.append(time.process_time())
        outcome(i, problem, plan)
        at.append(time.process_time())
        for k, name in enumerate(clock):
            clock[name] += at[k + 1] - at[k]
    for name, seconds in clock.items():
        print(f"{name:<28} {seconds / count:7.3f} s CPU a sample")
    each = sum(clock.values()) / count
    print(f"1,000 samples on two cores   {1000 * each / 2:7.0f} s       target < 600 s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 48)
