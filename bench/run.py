"""Runs benches and keeps what they print, with the date and the machine, in bench/results; then writes the page.

python bench/run.py                 # every bench_*.py, and the peers in their own environments
python bench/run.py perf train      # bench_perf.py and bench_train.py
python bench/run.py peers --read    # ours beside what the peers said before: nobody is asked again
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import page

HERE = Path(__file__).parent
RESULTS = HERE / "results"
PEERS = HERE / "peers" / "compare.py"


def machine() -> dict[str, Any]:
    """What it runs on, and how much other work there was at the start."""
    words = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").exists() else ""
    names = [line.partition(":")[2].strip() for line in words.splitlines() if line.startswith("model name")]
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return {
        "processor": names[0] if names else platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load": round(load, 1),
        "python": platform.python_version(),
        "numpy": version("numpy"),
        "stackyard": version("stackyard"),
    }


def run(name: str, options: Sequence[str] = ()) -> dict[str, Any]:
    """One bench: what it printed, its seconds, and whether it ended well."""
    script = PEERS if name == "peers" else HERE / f"bench_{name}.py"
    on, start = machine(), time.perf_counter()
    done = subprocess.run([sys.executable, script, *options], stdout=subprocess.PIPE, text=True)
    sys.stdout.write(done.stdout)
    return {
        "bench": name,
        "date": date.today().isoformat(),
        "machine": on,
        "seconds": round(time.perf_counter() - start, 1),
        "well": done.returncode == 0,
        "said": done.stdout.splitlines(),
    }


def every() -> Iterator[str]:
    yield from sorted(path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py"))
    yield "peers"


def main(arguments: Sequence[str]) -> int:
    names = [word for word in arguments if not word.startswith("-")]
    options = [word for word in arguments if word.startswith("-")]
    failed = []
    for name in names or every():
        sys.stdout.write(f"\n== {name}\n")
        found = run(name, options if name == "peers" else ())
        if found["well"]:
            target = RESULTS / ("peers-run.json" if name == "peers" else f"{name}.json")
            target.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        else:
            failed.append(name)
    page.main()
    if failed:
        sys.stdout.write(f"\nFailed, and what they said before is kept: {', '.join(failed)}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
