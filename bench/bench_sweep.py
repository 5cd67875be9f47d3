"""What a sweep costs beside its jobs, how well many workers are used, and 10,000 estimates with 200 plans through the
loss of a worker.

python bench/bench_sweep.py [overhead] [workers] [whole]     all three where none is named
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sweep_jobs

from stackyard import api
from stackyard.sweep.run import Progress
from stackyard.sweep.table import Swept

HERE = Path(__file__).parent
EXAMPLES = HERE.parent / "examples"
MANY = 10_000


@contextmanager
def cluster(processes: int, threads: int) -> Iterator[str]:
    """The address of a Dask cluster on this machine, as many who use it start one."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), str(Path(api.__file__).parents[1])])}
    with tempfile.TemporaryDirectory() as folder:
        said = Path(folder) / "scheduler.json"
        programs = (
            ("dask_scheduler", "--host", "127.0.0.1", "--port", "0"),
            ("dask_worker", "--host", "127.0.0.1", "--nworkers", f"{processes}", "--nthreads", f"{threads}"),
        )
        started = []
        for program, *options in programs:
            command = [sys.executable, "-m", f"distributed.cli.{program}", *options, "--no-dashboard"]
            command += ["--scheduler-file", str(said)]
            command += ["--local-directory", folder] if program == "dask_worker" else []
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            started.append(subprocess.Popen(command, env=environment, cwd=folder, **quiet))
        try:
            while not said.exists():
                time.sleep(0.1)
            address = json.loads(said.read_text())["address"]
            from distributed import Client

            with Client(address, set_as_default=False) as client:
                client.wait_for_workers(processes, timeout=600)
            yield address
        finally:
            for process in reversed(started):
                process.terminate()
                process.wait(60)


def swept(source: Any, on: str, **how: Any) -> Swept:
    return api.sweep(source, on=on, verbs=sweep_jobs.VERBS, **how)


def nothing(count: int) -> dict[str, Any]:
    return {"verb": "nothing", "axes": {"at": list(range(count))}}


def estimates(count: int) -> dict[str, Any]:
    """Different estimates, layout and batch stated."""
    fixed = {"model": "llama-3.1-70b", "precision": "fp8", "tensor": 8, "output": 500}
    axes = {"chip": ["h100", "h200", "b200", "mi300x"], "batch": [1, 4, 16, 64, 256]}
    samples = {"count": count // 20, "of": {"prompt": {"shape": "lognormal", "low": 300, "value": 1000, "high": 4000}}}
    return {"verb": "estimate", "inputs": fixed, "axes": axes, "samples": samples}


def row(what: str, value: str, target: str = "") -> None:
    print(f"{what:<66} {value:>14}  {target}", flush=True)


# --- overhead ---


def overhead() -> None:
    """Beside the jobs: of empty ones all that a sweep takes, of estimates what workers do not spend on them.

    CPU is of the driver, its workers and of Dask's scheduler together; it holds on a busy machine, wall does not.
    """
    with cluster(2, 1) as address:
        for name, on, workers, target in (
            ("here", "here", 1, ""),
            ("2 processes", "processes:2", 2, "target < 50 us"),
            ("Dask, 2 workers", address, 2, "target < 200 us"),
        ):
            first = swept(nothing(1), on).seconds
            row(f"{name}: the first sweep of one empty job, wall", f"{first:.2f} s")
            begun, begun_cpu = _median(nothing(1), on)
            row(f"{name}: another one, wall", f"{begun:.2f} s")
            wall, cpu = _median(nothing(MANY), on)
            row(
                f"{name}: {MANY:,} empty jobs, wall by job without that",
                f"{(wall - begun) / MANY * 1e6:.0f} us",
                target,
            )
            row(f"{name}: the same, CPU by job", f"{(cpu - begun_cpu) / MANY * 1e6:.0f} us", target)
            found = swept(estimates(MANY), on)
            beside = (found.seconds - begun) * workers - found.busy
            row(f"{name}: {MANY:,} estimates of {found.busy / MANY * 1e3:.1f} ms, wall", f"{found.seconds:.1f} s")
            row(f"{name}: of it workers did no job, by job", f"{beside / MANY * 1e6:.0f} us", target)


def _median(source: Any, on: str, runs: int = 3) -> tuple[float, float]:
    """Median wall and CPU seconds of a sweep."""
    walls, cpus = [], []
    for _ in range(runs):
        before, last = _cpu(), [0.0]

        def look(at: Progress, last: list[float] = last) -> None:
            last[0] = _cpu() if at.done == at.total else last[0]

        walls.append(swept(source, on, progress=look).seconds)
        cpus.append(max(last[0], _cpu()) - before)
    return statistics.median(walls), statistics.median(cpus)


def _cpu() -> float:
    """CPU seconds of this program and of all that live below it."""
    living = _processes()
    mine, more = {os.getpid()}, {os.getpid()}
    while more:
        more = {pid for pid, (parent, _) in living.items() if parent in more} - mine
        mine |= more
    return sum(living[pid][1] for pid in mine if pid in living) / os.sysconf("SC_CLK_TCK")


def _processes() -> dict[int, tuple[int, int]]:
    """Parent and ticks of CPU of every process that lives while it is looked at."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                told = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it ended
                continue
            found[int(entry.name)] = int(told[1]), int(told[11]) + int(told[12])
    return found


# --- many workers ---


def workers() -> None:
    """Share of the workers' time in which they do jobs; jobs sleep, so that two cores can hold 256 workers."""
    for count in (1, 2, 256):
        swept(sleeping(1, 0.01), "processes:1")  # starts the server that forks the others
        start = swept(sleeping(count, 0.01), f"processes:{count}").seconds
        for seconds, each in ((1.0, 20), (0.02, 500)):
            found = swept(sleeping(count * each, seconds), f"processes:{count}")
            told(f"processes:{count}", found, count, start, seconds)
    for processes, threads in ((1, 1), (2, 1), (8, 32)):
        count = processes * threads
        with cluster(processes, threads) as address:
            start = swept(sleeping(count, 0.01), address).seconds
            for seconds, each in ((1.0, 20), (0.02, 500)):
                found = swept(sleeping(count * each, seconds), address)
                told(f"Dask, {processes} processes x {threads} threads", found, count, start, seconds)


def sleeping(count: int, seconds: float) -> dict[str, Any]:
    most = {"most": count} if count > 100_000 else {}
    return {"verb": "sleep", "inputs": {"seconds": seconds}, "axes": {"at": list(range(count))}, **most}


def told(name: str, found: Swept, count: int, start: float, seconds: float) -> None:
    whole = found.busy / (found.seconds * count)
    steady = found.busy / ((found.seconds - start) * count)
    jobs = f"{found.table.num_rows:,} jobs of {seconds:g} s"
    row(f"{name}: {jobs}, {found.seconds:.1f} s ({start:.1f} s to start)", f"{whole:.1%}")
    row(f"{name}: the same without the start", f"{steady:.1%}")


# --- the whole ---


def user_sweep(many: int = MANY, plans: int = 200) -> dict[str, Any]:
    """Estimates, and plans of the first example under what is not known of it."""
    of = {
        "growth": {"of": "services.assistant.demand.growth", "low": 2.5, "value": 4, "high": 6},
        "late": {"of": "sites.frankfurt.phases[1].month", "events": {0: "60%", 6: "40%"}},
        "power": {
            "of": "sites.frankfurt.electricity",
            "low": "80 USD/MWh",
            "value": "120 USD/MWh",
            "high": "200 USD/MWh",
        },
    }
    planned = {
        "verb": "plan",
        "inputs": {"scenario": str(EXAMPLES / "first-plan.yaml")},
        "axes": {"supplies.memory.deliveries.times": [["80%"], ["100%"]]},
        "samples": {"count": plans // 2, "of": of},
    }
    return {"parts": {"estimates": estimates(many), "plans": planned}}


def whole() -> None:
    """The same table from one process, from two of which one is killed, and from Dask with a worker killed."""
    alone = swept(user_sweep(), "here")
    row(f"one process: {alone.table.num_rows:,} jobs", f"{alone.seconds:.0f} s", f"table {alone.digest}")
    killed = _killing(lambda: _grandchildren(os.getpid()))
    found = swept(user_sweep(), "processes:2", progress=killed)
    _compared("two processes, one killed", found, alone)
    with cluster(2, 1) as address:
        from distributed import Client

        def pids() -> list[int]:
            with Client(address, set_as_default=False) as client:
                return list(client.run(os.getpid).values())

        found = swept(user_sweep(), address, progress=_killing(pids))
        _compared("two Dask workers, one killed", found, alone)


def _compared(name: str, found: Swept, alone: Swept) -> None:
    same = "the same table" if found.table.equals(alone.table) and found.digest == alone.digest else "ANOTHER TABLE"
    row(f"{name}: {found.done:,} jobs, {found.lost} lost workers seen", f"{found.seconds:.0f} s", same)
    assert same == "the same table" and not found.failures


def _killing(pids: Callable[[], list[int]]) -> Callable[[Progress], None]:
    """Kills one worker when a third of the jobs is done."""
    done: list[int] = []

    def tell(at: Progress) -> None:
        if not done and at.done > at.total / 3:
            done.append(pids()[0])
            os.kill(done[0], signal.SIGKILL)
            print(f"  killed worker {done[0]} after {at.done:,} jobs; {at.sentence}", flush=True)

    return tell


def _grandchildren(pid: int) -> list[int]:
    """The workers: children of the server that forks them, which is a child of this program."""
    parents = {child: parent for child, (parent, _) in _processes().items()}
    return [child for child, parent in parents.items() if parents.get(parent) == pid]


if __name__ == "__main__":
    parts = {"overhead": overhead, "workers": workers, "whole": whole}
    for part in sys.argv[1:] or parts:
        parts[part]()
