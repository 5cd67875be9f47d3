"""Speed of the performance model: one estimate (target 0.3 ms), a million layouts (1.5 s of one core), pools, validate.

Peers' points per second on one query are printed by bench/peers/compare.py, beside ours.
"""

import resource
import time
from collections.abc import Callable

import numpy as np

from stackyard import catalog
from stackyard.perf.calibration.rows import rows
from stackyard.perf.calibration.validate import validate
from stackyard.perf.disaggregate import Pool, Service, disaggregate
from stackyard.perf.estimate import estimate
from stackyard.perf.layout import Layout
from stackyard.perf.search import best


def least_seconds(work: Callable[[], object], repeats: int) -> float:
    """Least processor time of a run: other work on the machine does not count."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def main() -> None:
    known = catalog.load()
    chip, count = known.accelerator("h200"), 1_000_000
    draw = np.random.default_rng(0)
    widths = [2.0 ** draw.integers(0, 4, count), 2.0 ** draw.integers(0, 3, count)]
    many, batch = Layout(*widths), draw.integers(1, 512, count).astype(float)
    for name in ("llama-3.1-70b", "deepseek-v3", "deepseek-v3.2", "kimi-k3"):
        model = known.model(name)
        one = least_seconds(lambda m=model: estimate(m, chip, Layout(tensor=8), 64, 1000, 1000, "fp8"), 100)
        all_ = least_seconds(lambda m=model: estimate(m, chip, many, batch, 1000, 1000, "fp8"), 2)
        found = least_seconds(lambda m=model: best(m, chip, 1000, 1000, 2.0, 0.05, "fp8"), 10)
        rate = f"{count / all_ / 1e6:.2f} M points/s"
        print(f"{name}: one {one * 1e3:.2f} ms; {count:,} layouts {all_:.2f} s, {rate}; best {found * 1e3:.1f} ms")
    service = Service(known.model("deepseek-v3"), chip, 8000.0, 1000.0, "fp8")
    pools = Pool(Layout(8.0, 1.0, 1.0, 8.0)), Pool(Layout(8.0, 1.0, 1.0, 8.0), 2.0)
    print(f"two pools: {least_seconds(lambda: disaggregate(service, *pools, 64.0), 10) * 1e3:.1f} ms")
    print(f"most memory so far: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")
    print(f"validate: {least_seconds(validate, 2):.2f} s for {len(rows()):,} rows")


if __name__ == "__main__":
    main()
