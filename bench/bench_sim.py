"""Speed and size of the serving simulator, printed beside their targets: requests a second, scaling, cold start, memory.

Medians of three; the machine is shared, so times are upper bounds.
"""

from __future__ import annotations

import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace

import numpy as np

from stackyard import catalog
from stackyard.perf.layout import Layout
from stackyard.perf.precision import PRESETS
from stackyard.sim import serve, traffic
from stackyard.sim.policy import Deployment
from stackyard.sim.presets import preset
from stackyard.sim.steps import Asked
from stackyard.sim.trace import Requests
from stackyard.sim.traffic import Lengths

PROMPT, OUTPUT = (
    Lengths(1155, 0.9, 14_000),
    Lengths(211, 0.9, 1_000),
)  # Azure 2023 conversation: means, about its spread


def deployment(replicas: int = 1) -> Deployment:
    known = catalog.load()
    chip = known.accelerator("h100")
    asked = Asked(known.model("llama-3.1-70b"), chip, Layout(tensor=8.0), PRESETS["fp8"], "vllm-2026")
    return Deployment((asked,), preset("vllm", chip), replicas, "round-robin" if replicas > 1 else "least-outstanding")


def timed(of: Deployment, requests: Requests, times: int = 3) -> tuple[float, float]:
    """Median seconds, and requests of one step in the mean."""
    took, outcome = [], None
    for _ in range(times):
        start = time.perf_counter()
        outcome = serve.run(of, requests)
        took.append(time.perf_counter() - start)
    e = outcome.world["engines"]
    return statistics.median(took), float(e["sequence_seconds"].sum() / e["busy"].sum())


def cold(cache: str, fresh: bool) -> float:
    """Seconds of `stackyard simulate` on 1,000 requests in a new process."""
    if fresh:
        shutil.rmtree(cache, ignore_errors=True)
    env = {**os.environ, "NUMBA_CACHE_DIR": cache}
    asked = ["simulate", "--model", "llama-3.1-8b", "--system", "h100", "--rate", "5", "--requests", "1000"]
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "stackyard", *asked, "--replications", "1"], env=env, check=True, capture_output=True
    )
    return time.perf_counter() - start


def streamed(many: int) -> None:
    """Ten million requests in batches; prints time and peak memory of this process."""
    of, rate = deployment(4), 60.0
    of = replace(of, tables=tuple(serve.tables(of, 16_000)))
    served = 0
    start = time.perf_counter()
    for _, left in serve.stream(of, traffic.batches(rate, many, PROMPT, OUTPUT), many / rate):
        served += len(left)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(
        f"stream of {many:,} requests: {served:,} served in {time.perf_counter() - start:.0f} s, peak {peak:.2f} GiB  (< 1)"
    )


def main() -> None:
    of = deployment()
    serve.run(of, traffic.synthetic(5.0, 200, PROMPT, OUTPUT))
    print("one 8-GPU replica, Azure-like lengths, after compilation")
    for many in (62_500, 250_000, 1_000_000):
        took, inside = timed(of, traffic.synthetic(18.0, many, PROMPT, OUTPUT), 3 if many < 10**6 else 1)
        print(
            f"  {many:9,} requests {took:7.2f} s  {many / took:9,.0f}/s  {inside:.0f} in a step"
            + ("  (<= 10 s)" if many == 10**6 else "")
        )
    print("replicas, 1,000 requests each")
    for replicas in (1, 10, 100, 1000):
        requests = traffic.synthetic(18.0 * replicas, 1000 * replicas, PROMPT, OUTPUT)
        took, _ = timed(deployment(replicas), requests, 3 if replicas < 1000 else 1)
        print(f"  {replicas:5,} replicas {took:7.2f} s  {took / replicas * 1e3:6.2f} ms each")
    with tempfile.TemporaryDirectory() as cache:
        print(f"cold start with compilation: {cold(cache, True):.1f} s  (<= 6)")
        print(f"from the compile cache: {statistics.median(cold(cache, False) for _ in range(3)):.1f} s  (<= 2)")
    sys.stdout.flush()
    code = "import bench_sim; bench_sim.streamed(10_000_000)"
    here = os.path.dirname(os.path.abspath(__file__))
    subprocess.run(
        [sys.executable, "-c", code],
        cwd=here,
        env={
            **os.environ,
            "PYTHONPATH": os.environ.get("PYTHONPATH", "") and os.path.abspath(os.environ["PYTHONPATH"]),
        },
        check=True,
    )


if __name__ == "__main__":
    main()
