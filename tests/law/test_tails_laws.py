"""Laws of tails: stricter promises and burstier traffic leave less, and the plan uses what is left."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from stackyard import catalog
from stackyard.errors import InputErrors
from stackyard.plan import build, scenario
from stackyard.plan.build_tails import candidates
from stackyard.sim import tails
from stackyard.sim.tails import Tail, held

ROOT = Path(__file__).parents[2]
KNOWN = catalog.load()
PROMISE = Tail(1.0, 0.05, 0.99)
SMALL = candidates(KNOWN, "llama-3.1-8b", KNOWN.accelerator("h100"), 2, (1000.0, 200.0), (1.0, 0.05), "bf16")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tails")


def test_a_promise_to_more_a_shorter_one_and_burstier_requests_leave_less(folder: Path) -> None:
    base = held(SMALL, PROMISE, folder).rate
    mean = max(float(each.token_rate_per_accelerator) for each in SMALL)
    near = 1.03  # bisection stops within two hundredths
    assert 0 < base <= mean
    assert held(SMALL, replace(PROMISE, share=0.9), folder).rate * near >= base
    assert held(SMALL, replace(PROMISE, ttft=0.5), folder).rate <= base * near
    assert held(SMALL, replace(PROMISE, gaps=4.0), folder).rate < base
    assert held(SMALL, replace(PROMISE, ttft=1e-3), folder).rate == 0.0


def test_an_answer_is_kept_by_all_that_it_depends_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = held(SMALL, PROMISE, folder)
    monkeypatch.setattr(tails, "_search", lambda *asked: pytest.fail("asked again"))
    assert held(SMALL, PROMISE, folder) == first
    other = [replace(each, chip=replace(each.chip, bandwidth=2 * each.chip.bandwidth)) for each in SMALL]
    with pytest.raises(pytest.fail.Exception):
        held(other, PROMISE, folder)


def planned(folder: Path, tail: object, usable: float = 1.0) -> build.Built:
    text = yaml.safe_load((ROOT / "examples/first-plan.yaml").read_text())
    text["services"]["assistant"] |= {"usable": usable} | ({"tail": tail} if tail is not None else {})
    path = folder / "plan.yaml"
    path.write_text(yaml.safe_dump(text))
    return build.build(scenario.load(path, KNOWN), KNOWN)


def test_the_plan_uses_what_the_tail_leaves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    plain, kept = planned(tmp_path, None, 0.8).problem.data, planned(tmp_path, {"share": 0.99}, 0.8).problem.data
    assert float(plain["tail_share"].max()) == float(plain["rate_tail"].max()) == 0.0
    np.testing.assert_allclose(plain["rate"], 0.8 * plain["rate_mean"])
    np.testing.assert_allclose(kept["rate"], 0.8 * kept["rate_tail"])
    assert (kept["rate_tail"] < kept["rate_mean"]).all()
    assert (kept["rate_tail"] > 0).all()
    np.testing.assert_allclose(kept["rate_mean"], plain["rate_mean"])


def test_a_tail_that_cannot_be_is_refused_at_its_place(tmp_path: Path) -> None:
    for key, value in (("share", 1.0), ("share", 0), ("gaps", 0), ("spread", -1)):
        with pytest.raises(InputErrors, match=f"tail.{key}"):
            planned(tmp_path, {key: value})


def test_an_accelerator_that_keeps_the_tail_at_no_load_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tails, "_search", lambda *asked: tails.Held(0.0, 0, 0))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    built = planned(tmp_path, {"share": 0.99})
    assert float(built.problem.data["rate"].max()) == 0.0
    assert any("at no load do 99% of its requests" in remark for remark in built.remarks)


def test_the_page_says_what_the_simulator_says(folder: Path) -> None:
    """docs/simulator.md, the same service with and without tails: accelerators, stacks and megawatts."""
    page = (ROOT / "docs/simulator.md").read_text().split("with and without tails")[1].split("## In the plan")[0]
    cells = [line.split("|")[2:6] for line in page.splitlines() if re.match(r"\| (mean|\d+%)", line)]
    said = np.array([[float(re.sub(r"[^\d.]", "", cell)) for cell in row] for row in cells])
    chip = KNOWN.accelerator("h200")
    among = candidates(KNOWN, "llama-3.1-70b", chip, 8, (1000.0, 200.0), (1.0, 0.05), "fp8")
    rates = [max(float(each.token_rate_per_accelerator) for each in among)]
    rates += [held(among, Tail(1.0, 0.05, *how), folder).rate for how in ((0.95,), (0.99,), (0.99, 3.0))]
    many = 1000 * 1200 / np.array(rates)
    found = np.stack([np.array(rates) / 1200, many, many * chip.stacks, many * chip.tdp / 1e6], axis=1)
    np.testing.assert_allclose(said, found, rtol=0.1)
