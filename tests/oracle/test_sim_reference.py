"""The kernel gives, request by request, what a slow and obvious server gives; compiled and interpreted alike."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from sim_reference import corners
from sim_reference import serve as slowly

from stackyard.sim import serve
from stackyard.sim.policy import Deployment, Policy
from stackyard.sim.trace import Requests


def case(seed: int) -> tuple[Deployment, Requests]:
    rng = np.random.default_rng(seed)
    many = int(rng.integers(5, 40))
    block = int(rng.integers(1, 9))
    prompt, output = rng.integers(1, 60, many), rng.integers(1, 40, many)
    needed = int(max(-(-(prompt + output - 1) // block)))
    policy = Policy(
        policy=("mixed", "prefill-first", "decode-first")[seed % 3],
        tokens=int(rng.integers(8, 80)),
        sequences=int(rng.integers(1, 8)),
        block=block,
        watermark=float(rng.choice([0.0, 0.1])),
        ahead=bool(rng.integers(2)),
        swap=bool(rng.integers(2)),
        reserve=float(rng.choice([0.0, 0.0, 0.6, 1.0])),
    )
    arrival = np.sort(rng.uniform(0, float(rng.choice([0.01, 0.5, 5.0])), many))
    of = Deployment(
        policy=policy,
        tables=(corners(rng),),
        blocks=needed + int(rng.integers(0, 30)),
        overhead=(0.0, 0.0),
    )
    return of, Requests(arrival, prompt.astype(np.int64), output.astype(np.int64))


@pytest.mark.parametrize("seed", range(250))
def test_every_request_as_the_slow_server_says(seed: int) -> None:
    of, requests = case(seed)
    told, preemptions = slowly(of, requests.arrival, requests.prompt, requests.output)
    found = serve.run(of, requests)
    left = np.sort(found.left, order="id")
    assert len(left) == len(told)
    assert (left["made"] == requests.output).all()
    np.testing.assert_allclose(left["first"], [r.first for r in told], rtol=1e-9)
    np.testing.assert_allclose(left["last"], [r.last for r in told], rtol=1e-9)
    assert int(found.world["engines"]["preemptions"].sum()) == preemptions


def test_interpreted_source_gives_the_same() -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from test_sim_reference import case\n"
        "from stackyard.sim import serve\n"
        "for seed in range(12):\n"
        "    of, requests = case(seed)\n"
        "    left = serve.run(of, requests).left\n"
        "    print(seed, left['first'].sum().hex(), left['last'].sum().hex())\n"
    )
    told = []
    for off in ("0", "1"):
        env = {**os.environ, "NUMBA_DISABLE_JIT": off}
        told.append(
            subprocess.run([sys.executable, "-c", code], env=env, check=True, capture_output=True, text=True).stdout
        )
    assert told[0] == told[1]
    assert told[0].count("\n") == 12
