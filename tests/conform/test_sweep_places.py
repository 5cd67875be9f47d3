"""A sweep gives the same bytes wherever it is done, whatever dies on the way; what cannot be done is told, with why."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import stackyard
from stackyard import api
from stackyard.errors import InputErrors, SolveError
from stackyard.sweep.job import Chunk, Setting, Shared, elsewhere
from stackyard.sweep.run import DEADLY, Progress
from stackyard.sweep.table import Swept
from stackyard.sweep.verbs import Verb

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[1] / "examples"
sys.path.insert(0, str(HERE))  # workers import it by name
import sweep_verbs  # noqa: E402

ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join([str(HERE), str(Path(stackyard.__file__).parents[1])]),
    "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1",
    "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Dask scheduler with two worker processes, each under a nanny that starts it again."""
    folder = tmp_path_factory.mktemp("cluster")
    said = folder / "scheduler.json"
    scheduler = ("dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", said)
    worker = ("dask_worker", "--scheduler-file", said, "--host", "127.0.0.1", "--nthreads", "1", "--nworkers", "2")
    started = [
        subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.{program}", *map(str, options)],
            env=ENVIRONMENT,
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for program, *options in (scheduler, (*worker, "--no-dashboard", "--local-directory", folder))
    ]
    try:
        until(said.exists)
        yield json.loads(said.read_text())["address"]
    finally:
        for process in reversed(started):
            process.terminate()
        for process in reversed(started):
            process.wait(120)


def until(holds: Callable[[], Any], seconds: float = 300.0) -> None:
    """Waits until something holds, which it must before long."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def swept(source: Any, folder: Path, on: str, **how: Any) -> tuple[Swept, bytes, bytes]:
    """A sweep, and the bytes of its table."""
    found = api.sweep(source, on=on, store=folder, verbs=sweep_verbs.VERBS, **how)
    parquet, csv = found.write(folder)
    return found, parquet.read_bytes(), csv.read_bytes()


def jobs(count: int, **fixed: Any) -> dict[str, Any]:
    return {"verb": "try", "inputs": fixed, "axes": {"x": list(range(count))}}


def both() -> dict[str, Any]:
    """Estimates of which some are refused, and plans."""
    estimates = {
        "verb": "estimate",
        "inputs": {"model": "deepseek-r1", "chip": "b200", "precision": "fp8", "tensor": 8, "expert": 8},
        "axes": {"batch": [1, 64], "draft": [0, 2], "acceptance": ["60%", "0.9"]},
        "samples": {"count": 4, "of": {"prompt": {"shape": "lognormal", "low": 500, "value": 2000, "high": 8000}}},
    }
    plans = {
        "verb": "plan",
        "inputs": {"scenario": str(EXAMPLES / "first-plan.yaml"), "horizon.end": "2027-03"},
        "axes": {"supplies.memory.deliveries.times": [["80%"], ["100%"]]},
        "samples": {"count": 2, "of": {"services.assistant.demand.growth": {"low": 3, "value": 4, "high": 6}}},
    }
    return {"parts": {"estimates": estimates, "plans": plans}}


def test_the_same_bytes_here_by_processes_and_on_dask(cluster: str, tmp_path: Path) -> None:
    here, *bytes_here = swept(both(), tmp_path / "here", "here")
    assert here.table.num_rows == 36 and here.done == 36
    assert {each.reason for each in here.failures} == {"--draft: no tokens are guessed, so that nothing can hold"}
    assert len(here.failures) == 16
    for on in ("processes:2", cluster):
        there, *bytes_there = swept(both(), tmp_path / on.partition(":")[0], on)
        assert bytes_there == bytes_here and there.digest == here.digest
        assert there.done == 36 and there.failures == here.failures


def test_a_store_gives_the_same_bytes_without_doing_anything_again(tmp_path: Path) -> None:
    first, *before = swept(jobs(50), tmp_path, "here")
    second, *after = swept(jobs(50), tmp_path, "processes:2")
    assert (first.done, first.known, second.done, second.known) == (50, 0, 0, 50)
    assert before == after
    more, *_ = swept(jobs(53), tmp_path, "here")  # only what is new is done
    assert (more.done, more.known) == (3, 50)


def test_a_killed_process_costs_no_result(tmp_path: Path) -> None:
    (tmp_path / "mark").mkdir()
    dying = {"verb": "try", "inputs": {"how": "dies once", "mark": str(tmp_path / "mark")}, "axes": {"x": [7, 8]}}
    sound = {"verb": "try", "inputs": {"seconds": 0.01}, "axes": {"x": list(range(60))}}
    found, *_ = swept({"parts": {"dying": dying, "sound": sound}}, tmp_path / "out", "processes:2")
    assert found.lost == 2 and not found.failures and found.done == 62
    frame = found.to_pandas()
    rows = [frame[frame["part"] == part].drop(columns=["job", "part"]) for part in ("dying", "sound")]
    assert rows[0].to_csv(index=False) == rows[1][7:9].to_csv(index=False)


def test_poisoned_jobs_are_told_with_their_reason_and_the_others_are_done(tmp_path: Path) -> None:
    poisoned = jobs(12)
    poisoned["axes"] = {"x": [0, 1], "how": ["fine", "raises", "unsolved", "dies", "short of memory"]}
    found, *_ = swept(poisoned, tmp_path, "processes:2", retries=1)
    reasons = {each.inputs["how"]: (each.reason, each.tries) for each in found.failures if each.inputs["x"] == 1}
    assert reasons == {
        "raises": ("ValueError: no value at 1", 1),
        "unsolved": ("there is no plan", 1),
        "dies": (DEADLY, 2),
        "short of memory": ("MemoryError", 2),
    }
    assert len(found.failures) == 8 and found.lost >= 4  # more where two deadly jobs were handed over together
    assert found.to_pandas().query("how == 'fine'")["square"].tolist() == [0, 1]
    again, *_ = swept(poisoned, tmp_path, "here")
    assert again.known == 10 and again.failures == found.failures
    once_more, *_ = swept(poisoned, tmp_path, "processes:2", retries=0, again=True)
    assert (once_more.done, once_more.known) == (8, 2) and once_more.lost >= 2


def test_what_the_machine_could_not_do_is_tried_again(tmp_path: Path) -> None:
    (tmp_path / "mark").mkdir()
    scarce = jobs(4, how="short of memory once", mark=str(tmp_path / "mark"))
    found, *_ = swept(scarce, tmp_path / "out", "here")
    assert not found.failures and found.done == 4


def test_a_dask_worker_killed_while_it_works_costs_no_result(cluster: str, tmp_path: Path) -> None:
    from distributed import Client

    wanted = swept(jobs(60, seconds=0.03), tmp_path / "here", "here")[1:]
    client = Client(cluster, set_as_default=False)
    pids = list(client.run(os.getpid).values())
    client.close()
    seen: list[Progress] = []

    def kill(at: Progress) -> None:
        seen.append(at)
        if len(pids) == 2 and at.done > 10:
            os.kill(pids.pop(), signal.SIGKILL)

    found, *bytes_there = swept(jobs(60, seconds=0.03), tmp_path / "there", cluster, progress=kill)
    assert len(pids) == 1 and found.done == 60
    assert bytes_there == list(wanted)
    assert {at.workers for at in seen} & {1, 2} and seen[-1].sentence == "60 of 60 jobs"


def test_a_job_that_kills_dask_workers_is_given_up_and_the_others_are_done(cluster: str, tmp_path: Path) -> None:
    poisoned = {"verb": "try", "axes": {"x": [3], "how": ["fine", "dies"]}}
    fine = {"verb": "try", "axes": {"x": list(range(20))}, "inputs": {"seconds": 0.01}}
    found, *_ = swept({"parts": {"poisoned": poisoned, "fine": fine}}, tmp_path, cluster, retries=0)
    assert [each.inputs["how"] for each in found.failures] == ["dies"]
    assert found.failures[0].reason == DEADLY
    assert found.to_pandas()["square"].notna().sum() == 21


DRIVER = """
import sys
sys.path.insert(0, {tests!r})
import sweep_verbs
from stackyard import api
if __name__ == "__main__":
    api.sweep({source!r}, on="processes:2", store={store!r}, verbs=sweep_verbs.VERBS)
"""


def children(pid: int) -> set[int]:
    """Every process below one, from /proc."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    found, more = set(), {pid}
    while more:
        more = {child for child, parent in parents.items() if parent in more} - found
        found |= more
    return found


def alive(pid: int) -> bool:
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes in /proc")
def test_a_sweep_goes_on_after_its_driver_was_killed(tmp_path: Path) -> None:
    slow = jobs(60, seconds=0.05)
    store = tmp_path / "out"
    script = tmp_path / "driver.py"
    script.write_text(DRIVER.format(tests=str(HERE), source=slow, store=str(store)))
    driver = subprocess.Popen([sys.executable, str(script)], env=ENVIRONMENT)
    try:
        until(lambda: list((store / "rows").glob("[0-9]*.parquet")))
        workers = children(driver.pid)
    finally:
        driver.kill()
        driver.wait()
    until(lambda: not any(alive(pid) for pid in workers))  # none is left behind
    (store / "rows" / "000999.parquet").write_bytes(b"cut off")
    found, *there = swept(slow, store, "here")
    assert found.known > 0 and found.known + found.done == 60 and found.done < 60
    assert not (store / "rows" / "000999.parquet").exists()
    assert there == list(swept(slow, tmp_path / "whole", "here")[1:])


def test_a_verb_that_workers_cannot_import_is_told(tmp_path: Path) -> None:
    mine = Verb(lambda data, folder: sweep_verbs.job)
    with pytest.raises(SolveError, match="a function of a module that they can import"):
        api.sweep(jobs(1), on="processes:1", verbs={"try": mine})


def test_a_sweep_tells_that_it_waits_while_nothing_finishes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stackyard.sweep.places.TICK", 0.05)
    seen: list[Progress] = []
    swept(jobs(1, seconds=0.5), tmp_path, "processes:1", progress=seen.append)
    assert len([at for at in seen if not at.done]) > 3 and seen[0].left is None


def test_two_sweeps_do_not_write_in_one_folder(tmp_path: Path) -> None:
    told: list[str] = []

    def second(at: Progress) -> None:
        if not told:
            with pytest.raises(InputErrors) as error:
                api.sweep(jobs(2), on="here", store=tmp_path, verbs=sweep_verbs.VERBS)
            told.append(str(error.value))

    swept(jobs(3), tmp_path, "here", progress=second)
    assert "is in use by another sweep" in told[0]


def test_a_worker_with_another_program_is_refused() -> None:
    other = Setting("try", sweep_verbs.begin, Shared(), stamp="0123456789ab")
    with pytest.raises(InputErrors, match="a worker runs another Stackyard"):
        elsewhere(Chunk(other, other.digest, ((0, {"x": 1}),)))


def test_no_scheduler_and_no_place_are_refused(unused: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stackyard.sweep.cluster.PATIENCE", 0.5)
    with pytest.raises(InputErrors, match="no Dask scheduler answers"):
        api.sweep(jobs(1), on=f"tcp://127.0.0.1:{unused}", verbs=sweep_verbs.VERBS)
    with pytest.raises(InputErrors, match="is no place to run a sweep"):
        api.sweep(jobs(1), on="processes:0", verbs=sweep_verbs.VERBS)


@pytest.fixture
def unused() -> Iterator[int]:
    """A port of this machine at which nothing listens: it is bound for the time of the test."""
    import socket

    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def test_the_main_thread_is_not_needed(tmp_path: Path) -> None:
    found: list[Swept] = []
    thread = threading.Thread(target=lambda: found.append(swept(jobs(5), tmp_path, "processes:1")[0]))
    thread.start()
    thread.join(300)
    assert found[0].done == 5


SCRIPT = """
import stackyard

axes = {"batch": [1, 8, 64]}
fixed = {"model": "llama-3.1-8b", "chip": "h100", "tensor": 1}
found = stackyard.sweep({"verb": "estimate", "inputs": fixed, "axes": axes}, on="processes:2")
print(found.table.num_rows, found.lost, len(found.failures))
"""


def test_a_script_needs_no_guard_to_use_processes(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(SCRIPT)
    ran = subprocess.run([sys.executable, "mine.py"], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True)
    assert (ran.stdout, ran.stderr) == ("3 0 0\n", "")
