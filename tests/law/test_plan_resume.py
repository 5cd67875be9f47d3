"""A run that was killed (SIGKILL, in the middle of its work) goes on from its store and gives the same result."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from stackyard import api

FIRST = Path(__file__).parents[2] / "examples" / "first-plan.yaml"
DOUBT = {
    "seed": 7,
    "samples": 24,
    "inputs": {
        "growth": {"of": ["services.assistant.demand.growth"], "shape": "triangular"},
        "delay": {"of": ["sites.frankfurt.phases[1].month"], "events": {0: "60%", 3: "40%"}},
    },
    "branches": {
        "on time": {"chance": "60%", "events": {"delay": 0.1}},
        "late": {"chance": "40%", "events": {"delay": 0.9, "growth": 0.9}},
    },
    "first_step": 6,
}
DYING = """
import os, signal, sys
from stackyard import api

def die(text):
    for pid in os.listdir("/proc"):
        if pid.isdigit():
            try:
                owner = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[1]
            except OSError:
                continue
            if owner == str(os.getpid()):
                workers.add(pid)
    if text.startswith(sys.argv[4]):
        print(*workers, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    workers = set()
    getattr(api, sys.argv[1])(sys.argv[2], store=sys.argv[3], progress=die)
"""


@pytest.fixture(scope="module")
def unsure(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = yaml.safe_load(FIRST.read_text(encoding="utf-8"))
    data["services"]["assistant"]["demand"]["growth"] = {"value": 4, "low": 2, "high": 6}
    file = tmp_path_factory.mktemp("unsure") / "scenario.yaml"
    file.write_text(yaml.safe_dump({**data, "uncertainty": DOUBT}, sort_keys=False))
    return file


@pytest.fixture(scope="module")
def whole_fan(unsure: Path) -> tuple[Any, Any]:
    return api.fan(unsure, workers=1)


def killed(verb: str, scenario: Path, store: Path, moment: str) -> set[int]:
    """The process ids of the workers of a run that was killed as soon as it told the moment."""
    script = store.parent / "dying.py"
    script.write_text(DYING)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, str(script), verb, str(scenario), str(store), moment]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert found.returncode == -signal.SIGKILL, found.stderr
    return {int(pid) for pid in found.stdout.split()}


def living(pids: set[int]) -> set[int]:
    return {pid for pid in pids if Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes()}


@pytest.mark.parametrize("moment", ["24 samples of", "8 of 24 samples", "16 of 24 samples"])
def test_a_killed_fan_goes_on_to_the_same_result(
    unsure: Path, whole_fan: tuple[Any, Any], moment: str, tmp_path: Path
) -> None:
    """Its workers end with it; what its file holds is taken over, also where the kill cut a line off."""
    store = tmp_path / "fan.jsonl"
    workers = killed("fan", unsure, store, moment)
    done = 0 if "samples of" in moment else int(moment.split()[0])
    held = store.read_text(encoding="utf-8").splitlines()
    assert len(held) == 1 + done
    with store.open("a", encoding="utf-8") as file:
        file.write('{"index": 23, "served": [1.0, 2')
    told: list[str] = []
    resumed, document = api.fan(unsure, workers=2, store=store, progress=told.append)
    assert any(f"; {done} known already" in line for line in told)
    assert resumed.outcomes == whole_fan[0].outcomes
    assert document.values == whole_fan[1].values
    assert [json.loads(line)["index"] for line in store.read_text().splitlines()[1 : 1 + done]] == list(range(done))
    assert all(json.loads(line) for line in store.read_text().splitlines())
    deadline = time.monotonic() + 60
    while living(workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert (len(workers) >= 2 or not done) and not living(workers)


@pytest.mark.parametrize(
    "moment", ["The best first step: with the tail", "The best first step: knowing that it is late"]
)
def test_a_killed_robust_step_goes_on_to_the_same_result(unsure: Path, moment: str, tmp_path: Path) -> None:
    store = tmp_path / "robust.jsonl"
    killed("robust", unsure, store, moment)
    done = len(store.read_text(encoding="utf-8").splitlines()) - 1
    assert done == (1 if "tail" in moment else 4)
    told: list[str] = []
    _, resumed = api.robust(unsure, told.append, store=store)
    assert any(f"; {done} programs known already" in line for line in told)
    assert sum(line.startswith("The best first step") for line in told) == 5 - done
    _, whole = api.robust(unsure)
    assert resumed.values == whole.values


def test_a_store_of_another_run_is_not_taken_over(unsure: Path, tmp_path: Path) -> None:
    store = tmp_path / "robust.jsonl"
    api.robust(unsure, store=store)
    other = tmp_path / "scenario.yaml"
    other.write_text(unsure.read_text().replace("first_step: 6", "first_step: 5"))
    told: list[str] = []
    api.robust(other, told.append, store=store)
    assert any("; 0 programs known already" in line for line in told)
