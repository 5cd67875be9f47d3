"""Speed of the training model: one run, and 100,000 runs as arrays."""

import time
from collections.abc import Callable

import numpy as np

from stackyard import catalog
from stackyard.perf.training.estimate import train
from stackyard.perf.training.recipe import Recipe


def least_seconds(work: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    known, count = catalog.load(), 100_000
    draw = np.random.default_rng(0)
    tensor, stages = (2.0 ** draw.integers(0, high, count) for high in (4, 5))
    batch = 2.0 ** draw.integers(7, 13, count)
    for name, chip in (("llama-3.1-405b", "h100"), ("deepseek-v3", "gb200")):
        model, part = known.model(name), known.accelerator(chip)
        one = Recipe(1024.0, 8192.0, 1024.0, tensor=8.0, pipeline=8.0, precision="fp8")
        many = Recipe(1024.0, 8192.0, batch, tensor=tensor, pipeline=stages, precision="fp8")
        single = least_seconds(lambda m=model, p=part, r=one: train(m, p, r), 100)
        all_ = least_seconds(lambda m=model, p=part, r=many: train(m, p, r), 5)
        print(f"training {name}: one {single * 1e3:.2f} ms; {count:,} runs {all_:.3f} s")


if __name__ == "__main__":
    main()
