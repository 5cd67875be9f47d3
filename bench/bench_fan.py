"""CPU seconds of a sample of the example's fan, by part; or a whole fan, in two workers, as `stackyard fan` runs it.

python bench/bench_fan.py [samples]                   by part, and what a thousand come to; a few samples are enough
python bench/bench_fan.py whole [samples] [store]     all of them, 1,000 unless said otherwise
"""

from __future__ import annotations

import os
import resource
import sys
import time
from pathlib import Path

from stackyard.catalog import load
from stackyard.plan.build import build
from stackyard.plan.scenario import load as read
from stackyard.plan.solve import solve_warm
from stackyard.plan.uncertainty.fan import fan
from stackyard.plan.uncertainty.outcome import outcome
from stackyard.plan.uncertainty.sample import Sampler, independent

EXAMPLE = Path(__file__).parents[1] / "examples" / "openai-sk"
CATALOG = load()
SCENARIO = read(EXAMPLE, CATALOG)


def by_part(count: int) -> None:
    start = time.process_time()
    solved = solve_warm(build(SCENARIO, CATALOG).problem)
    print(f"plan with choices            {time.process_time() - start:7.1f} s CPU")
    sampler = Sampler.of(SCENARIO, CATALOG)
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


def whole(count: int, store: Path | None) -> None:
    start, own = time.perf_counter(), time.process_time()
    solved = solve_warm(build(SCENARIO, CATALOG).problem)
    print(f"planned: {time.process_time() - own:.1f} s CPU", flush=True)
    found = fan(SCENARIO, CATALOG, solved, samples=count, workers=2, store=store)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = time.process_time() - own + used.ru_utime + used.ru_stime
    wall = time.perf_counter() - start
    print(f"{len(found.planned)} of {count} samples planned: {cpu:.0f} s CPU in all, {cpu / 2:.0f} s on two free cores")
    print(f"{wall:.0f} s of wall time, load {os.getloadavg()[1]:.1f}; peak of a worker {used.ru_maxrss / 1e6:.2f} GB")


if __name__ == "__main__":
    if sys.argv[1:2] == ["whole"]:
        given = sys.argv[3] if len(sys.argv) > 3 else None
        whole(int(sys.argv[2]) if len(sys.argv) > 2 else 1000, Path(given) if given else None)
    else:
        by_part(int(sys.argv[1]) if len(sys.argv) > 1 else 48)
