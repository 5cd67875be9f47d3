"""The alliance's page under load: start, cached pages with 50 readers (wrk), what-ifs, and 100,000 events folded.

    python bench/bench_web.py                # needs wrk, from the distribution's package of that name
    python bench/bench_web.py what-if        # a part alone: what-if, fold or page

The server runs as `stackyard web` does, on a copy of the example whose plan was solved before. Percentiles are wrk's,
measured on this machine with the load generator beside the server.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from statistics import median

EXAMPLE = Path(__file__).parents[1] / "examples" / "openai-sk"
PAGES = ("/", "/supply", "/sites", "/promises", "/meetings", "/meetings/2025-10-01-sk-hynix/minutes")
READERS, SECONDS = 50, 8


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="stackyard-bench-") as made:
        folder = Path(made) / "openai-sk"
        shutil.copytree(EXAMPLE, folder)
        wanted = sys.argv[1:] or ["what-if", "fold", "page"]
        if "what-if" in wanted:
            _what_ifs(folder)
        if "fold" in wanted:
            _fold(Path(made) / "many.db")
        if "page" not in wanted:
            return
        if "what-if" not in wanted:
            _planned(folder)
        starts = [_served(folder, load=number == 4) for number in range(5)]
        answered, read = (median(times) for times in zip(*starts, strict=True))
        print(f"server start to first answer   {answered:7.2f} s    target < 2 s (median of 5)")
        print(f"server start to first page     {read:7.2f} s    no target: the scenario is read for it")


def _planned(folder: Path) -> None:
    """Solves the plan, so that the server has one."""
    from stackyard.alliance.decide import Actor
    from stackyard.alliance.workspace import open_workspace

    workspace = open_workspace(folder)
    workspace.run(Actor("bench", host=True))
    workspace.ledger.close()


def _what_ifs(folder: Path) -> None:
    """Solves the plan, so that the server has one, and then what-ifs from its basis."""
    from stackyard.alliance.access import Viewer
    from stackyard.alliance.change import WhatIf
    from stackyard.alliance.decide import Actor
    from stackyard.alliance.workspace import open_workspace

    workspace = open_workspace(folder)
    start = time.perf_counter()
    workspace.run(Actor("bench", host=True))
    print(f"run: plan, audit, causes, report {time.perf_counter() - start:5.1f} s    no target")
    asked = (
        WhatIf("slip", "supplies.sk-hynix-hbm4", 3),
        WhatIf("yield", "supplies.samsung-hbm4", 0.5),
        WhatIf("phase", "sites.stargate-us", 6),
        WhatIf("phase", "sites.stargate-us", -6),
        WhatIf("phase", "sites.stargate-us", 18),
        WhatIf("growth", "services.chat", 1.1),
        WhatIf("scale", "supplies.sk-hynix-hbm3e", 0.8),
    )
    workspace.warm()
    for anew, what, target in (
        (False, "a what-if on the example", "target < 5 s"),
        (True, "choices made anew", "behind it"),
    ):
        took, spent = [], []
        for each in asked:
            start = time.process_time()
            took.append(workspace.what_if(Viewer("bench", host=True), [each], anew=anew).seconds)
            spent.append(time.process_time() - start)
        told = ", ".join(f"{a.kind} {t:.1f} ({c:.1f} CPU)" for a, t, c in zip(asked, took, spent, strict=True))
        print(f"{what:30} {max(took):7.2f} s    {target} (the slowest of: {told})")
    workspace.ledger.close()


def _fold(path: Path) -> None:
    """100,000 events from a cold start, and again from a snapshot."""
    from stackyard.alliance.event import CommitmentProposed, CommitmentRevised, PartnerJoined
    from stackyard.alliance.ledger import Ledger

    ledger, amounts = Ledger(path), {"2027-01": 5.0}
    events = [
        PartnerJoined(partner="a", name="A"),
        *(CommitmentProposed(commitment=f"c{i}", name="x", partner="a", amounts=amounts) for i in range(10_000)),
        *(CommitmentRevised(commitment=f"c{i % 10_000}", amounts=amounts) for i in range(89_999)),
    ]
    ledger.record(lambda state: tuple(events), "bench")
    for what in ("folded from cold", "from a snapshot"):
        took = []
        for _ in range(3):
            fresh = Ledger(path)
            start = time.perf_counter()
            assert fresh.state().seq == len(events)
            took.append(time.perf_counter() - start)
            fresh.close()
        print(f"100,000 events {what:15} {median(took):7.2f} s    target < 2 s (median of 3)")
        ledger.snapshot()
    ledger.close()


def _served(folder: Path, load: bool) -> tuple[float, float]:
    """Seconds from starting the server to its first answer and its first page; then, where wanted, the load."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    start = time.perf_counter()
    server = subprocess.Popen(
        [sys.executable, "-m", "stackyard", "web", str(folder), "--port", str(port)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.DEVNULL,
    )
    try:
        while True:
            try:
                urllib.request.urlopen(f"{url}/static/newest/app.js", timeout=10).read()
                break
            except OSError:
                time.sleep(0.02)
        answered = time.perf_counter() - start
        urllib.request.urlopen(f"{url}/promises", timeout=60).read()
        took = answered, time.perf_counter() - start
        if load:
            time.sleep(15)  # what-ifs are made ready in the background: they are not what is measured
            for page in PAGES:
                _loaded(url + page, page)
        return took
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(timeout=20)


def _loaded(url: str, page: str) -> None:
    if shutil.which("wrk") is None:
        print("wrk is missing: apt-get install wrk")
        return
    urllib.request.urlopen(url, timeout=30).read()  # once, so that it is kept
    command = ["wrk", "--latency", "-t2", f"-c{READERS}", f"-d{SECONDS}s", "-H", "Accept-Encoding: gzip", url]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    times = {share: _milliseconds(text) for share, text in re.findall(r"^\s+(\d+)%\s+([\d.]+\w+)", said, re.MULTILINE)}
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    failed = re.search(r"Non-2xx.*", said)
    told = f"{rate[1] if rate else '?'} pages/s" + (f", {failed[0]}" if failed else "")
    print(
        f"{page[:30]:30} {times['50']:7.0f} ms   target < 100 ms (median); 99th percentile "
        f"{times['99']:.0f} ms, target < 300 ms; {READERS} readers, {told}"
    )


def _milliseconds(text: str) -> float:
    value, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", text).groups()  # type: ignore[union-attr]
    return float(value) * {"us": 1e-3, "ms": 1.0, "s": 1e3}[unit]


if __name__ == "__main__":
    main()
