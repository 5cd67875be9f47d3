"""Speed and size of the serving simulator, printed beside their targets.

Medians of three; CPU seconds first, because other work on the machine makes wall time longer.
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
from pathlib import Path

from stackyard import catalog
from stackyard.perf.layout import Layout
from stackyard.perf.precision import PRESETS
from stackyard.sim import serve, traffic
from stackyard.sim.policy import Deployment
from stackyard.sim.presets import preset
from stackyard.sim.steps import Asked
from stackyard.sim.trace import Requests
from stackyard.sim.traffic import Lengths

REPLICAS = (1, 10, 100, 1000)
PROMPT, OUTPUT = (
    Lengths(1155, 0.9, 14_000),
    Lengths(211, 0.9, 1_000),
)  # Azure 2023 conversation: means, about its spread


def deployment(replicas: int = 1) -> Deployment:
    known = catalog.load()
    chip = known.accelerator("h100")
    asked = Asked(known.model("llama-3.1-70b"), chip, Layout(tensor=8.0), PRESETS["fp8"], "vllm-2026")
    return Deployment((asked,), preset("vllm", chip), replicas, "round-robin" if replicas > 1 else "least-outstanding")


def timed(of: Deployment, requests: Requests, times: int = 3) -> tuple[float, float, float]:
    """Median CPU and wall seconds, and requests of one step in the mean."""
    took, outcome = [], None
    for _ in range(times):
        cpu, wall = time.process_time(), time.perf_counter()
        outcome = serve.run(of, requests)
        took.append((time.process_time() - cpu, time.perf_counter() - wall))
    e = outcome.world["engines"]
    cpu, wall = (statistics.median(column) for column in zip(*took, strict=True))
    return cpu, wall, float(e["sequence_seconds"].sum() / e["busy"].sum())


def in_kernel(router: str, replicas: int, each: int = 300) -> float:
    """Microseconds of CPU a request, without putting the arrays of a run together."""
    requests = traffic.synthetic(16.0 * replicas, each * replicas, PROMPT, OUTPUT).in_blocks(16)
    of, took = replace(deployment(replicas), router=router), []
    for _ in range(3):
        world, lines = serve.world(of, requests, 0, requests.duration), requests.lines()
        start = time.thread_time()
        serve.feed(world, lines, True)
        took.append(time.thread_time() - start)
    return min(took) / (each * replicas) * 1e6


def cold(cache: str, fresh: bool) -> tuple[float, float]:
    """CPU and wall seconds of `stackyard simulate` on 1,000 requests in a new process."""
    if fresh:
        shutil.rmtree(cache, ignore_errors=True)
    env = {**os.environ, "NUMBA_CACHE_DIR": cache}
    asked = ["simulate", "--model", "llama-3.1-8b", "--system", "h100", "--rate", "5", "--requests", "1000"]
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "-m", "stackyard", *asked, "--replications", "1"]
    subprocess.run(command, env=env, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, time.perf_counter() - start


def streamed(many: int) -> None:
    """Ten million requests in batches; prints time and peak memory of this process."""
    of, rate = deployment(4), 60.0
    of = replace(of, tables=tuple(serve.tables(of, 16_000)))
    served = 0
    start = time.process_time()
    for _, left in serve.stream(of, traffic.batches(rate, many, PROMPT, OUTPUT), many / rate):
        served += len(left)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    took = time.process_time() - start
    print(f"stream of {many:,} requests: {served:,} served, {took:.0f} s of CPU, peak {peak:.2f} GiB  (target: < 1)")


def main() -> None:
    of = deployment()
    serve.run(of, traffic.synthetic(5.0, 200, PROMPT, OUTPUT))
    print("one 8-GPU replica, Azure-like lengths, after compilation; seconds of CPU (wall)")
    for many in (62_500, 250_000, 1_000_000):
        cpu, wall, inside = timed(of, traffic.synthetic(16.0, many, PROMPT, OUTPUT), 3 if many < 10**6 else 1)
        told = "  (target: <= 10)" if many == 10**6 else ""
        print(f"  {many:9,} requests {cpu:7.2f} s ({wall:.2f})  {many / cpu:9,.0f}/s  {inside:.0f} in a step{told}")
    print("replicas, 300 requests each: us of CPU a request in the kernel, the best of three")
    for router in ("round-robin", "least-outstanding", "power-of-two", "prefix-affinity", "kv-aware"):
        told = "".join(f"{in_kernel(router, replicas):8.2f}" for replicas in REPLICAS)
        print(f"  {router:18} {told}  ({', '.join(map(str, REPLICAS))})")
    with tempfile.TemporaryDirectory() as cache:
        cpu, wall = cold(cache, True)
        print(f"cold start with compilation: {cpu:.1f} s ({wall:.1f})  (target: <= 6)")
        cpu, wall = min(cold(cache, False) for _ in range(3))
        print(f"from the compile cache: {cpu:.1f} s ({wall:.1f})  (target: <= 2)")
    sys.stdout.flush()
    here = Path(__file__).resolve().parent
    path = os.pathsep.join([str(here.parent / "src"), str(here)])
    code = "import bench_sim; bench_sim.streamed(10_000_000)"
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path}, check=True)


if __name__ == "__main__":
    main()
