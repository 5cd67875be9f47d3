"""The alliance's desk: what-ifs keep the plan's choices, waterfalls add up, a run stops inside the solver."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from stackyard.alliance.access import Viewer, view
from stackyard.alliance.change import WhatIf
from stackyard.alliance.decide import Actor, Refused
from stackyard.alliance.event import CommitmentMoved, CommitmentProposed, CommitmentRevised, MeetingCalled, MeetingHeld
from stackyard.alliance.event import PartnerJoined as Joined
from stackyard.alliance.joint import Desk, again
from stackyard.alliance.minutes import plan_changes
from stackyard.alliance.result import ANEW
from stackyard.alliance.workspace import Workspace, open_workspace
from stackyard.catalog import load as catalogue
from stackyard.errors import Stopped
from stackyard.plan.build import build, deliveries
from stackyard.plan.check import audit
from stackyard.plan.solve import solve_warm
from stackyard.report.document import Figure, Table, Waterfall
from stackyard.words.spoken import Words

FIRST = yaml.safe_load((Path(__file__).parents[2] / "examples" / "first-plan.yaml").read_text(encoding="utf-8"))
HOST = Actor("host", host=True)
CHOSEN = {"month": "2027-01", "power": "8 MW", "choose": True, "fee": "1 MUSD"}
CAMPAIGN = {
    "name": "A campaign",
    "flop": "1e23 FLOP",
    "precision": "bf16",
    "efficiency": "40%",
    "start": "2026-06",
    "deadline": "2026-12",
    "least": "64 package",
    "late_price": "50 MUSD/month",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A scenario with a phase and the months of a training campaign to choose."""
    scenario = yaml.safe_load(yaml.safe_dump(FIRST))
    (site,) = scenario["sites"].values()
    site["phases"] = [site["phases"][0], CHOSEN]
    scenario["campaigns"] = {"run": CAMPAIGN}
    (tmp_path / "scenario.yaml").write_text(yaml.safe_dump(scenario, sort_keys=False), encoding="utf-8")
    return tmp_path


def only(inputs: Mapping[str, Any]) -> str:
    (key,) = inputs
    return str(key)


def test_a_what_if_keeps_the_choices_passes_its_audit_and_chosen_anew_costs_no_more(folder: Path) -> None:
    desk = Desk(folder)
    now = desk.plan(desk.base)
    site, supply = only(desk.base.inputs.sites), only(desk.base.inputs.supplies)
    for what_if in (
        WhatIf("slip", f"supplies.{supply}", 3),
        WhatIf("scale", f"supplies.{supply}", 0.7),
        WhatIf("phase", f"sites.{site}", 2),
        WhatIf("phase", f"sites.{site}", 100),
    ):
        scenario = desk.tried(now.scenario, [what_if])
        held, anew = desk.plan(scenario), desk.plan(scenario, anew=True)
        assert held.held and not anew.held, what_if
        assert anew.figures["present_cost"] <= held.figures["present_cost"] * (1 + 2e-3), what_if
        same = held.plan.decisions["chosen"].values, now.plan.decisions["chosen"].values
        assert (same[0] == same[1]).all(), what_if


def test_the_plan_again_of_the_same_problem_is_the_same_plan(folder: Path) -> None:
    desk = Desk(folder)
    problem = desk.problem(desk.base)
    solved = solve_warm(problem)
    plan = again(solved, problem)
    assert plan is not None and audit(problem, plan) == []
    assert plan.objective == pytest.approx(solved.plan.objective, rel=1e-6)


def changed(folder: Path) -> Workspace:
    """A workspace in which a meeting was held, and then a promise was revised and another accepted."""
    workspace = open_workspace(folder)
    inputs = workspace.desk.base.inputs
    site, supply = only(inputs.sites), only(inputs.supplies)
    first = {"commitment": "power", "name": "Power of the yard", "partner": "lab", "measure": "power", "unit": "MW"}
    second = {"commitment": "stacks", "name": "More stacks", "partner": "lab", "measure": "stacks", "unit": "stack"}
    for event in (
        Joined(partner="lab", name="The lab"),
        CommitmentProposed(**first, item=f"sites.{site}", amounts={"2026-03": 5.0}),  # type: ignore[arg-type]
        CommitmentMoved(commitment="power", status="accepted"),
        MeetingCalled(meeting="spring", name="Spring", date="2026-03-03", partners=("lab",)),
        MeetingHeld(meeting="spring"),
        CommitmentRevised(commitment="power", amounts={"2026-09": 5.0}),
        CommitmentProposed(**second, item=f"supplies.{supply}", amounts={"2026-06": 2000.0}),  # type: ignore[arg-type]
        CommitmentMoved(commitment="stacks", status="accepted"),
    ):
        made = workspace.record(HOST, event)
        assert not isinstance(made, Refused), made
    return workspace


def test_steps_of_changed_promises_add_up_to_the_change_and_are_a_picture(folder: Path) -> None:
    workspace = changed(folder)
    assert not isinstance(workspace.run(HOST), Refused)
    kept = workspace.kept()
    assert kept is not None
    assert {id_ for id_, _ in kept.changes} - {ANEW} == {"power", "stacks"}
    for key, now in kept.figures.items():
        steps = sum(by[key] for _, by in kept.changes)
        assert kept.before[key] + steps == pytest.approx(now, rel=1e-9, abs=1e-9), key
    inputs = workspace.desk.base.inputs
    seen = view(
        workspace.ledger.state(),
        Viewer("host", host=True),
        inputs=inputs,
        picture=kept.picture,
        figures=kept.figures,
    )
    before, changes = workspace.changes(seen)
    blocks = plan_changes(seen, Words("en"), before, changes)
    drawn = [block.data for block in blocks if isinstance(block, Figure)]
    told = [row[0] for block in blocks if isinstance(block, Table) for row in block.rows]
    assert "Share of demand served in 2027" in told and "Power of the yard" in told
    assert drawn and all(isinstance(data, Waterfall) for data in drawn)
    for data in drawn:
        assert isinstance(data, Waterfall)
        assert sum(data.values[:-1]) == pytest.approx(data.values[-1], rel=1e-9)
        assert data.x[0] == "At the last meeting" and data.x[-1] == "Now" and "More stacks" in data.x
    workspace.ledger.close()


@pytest.mark.parametrize("word", ["solving", "Explaining", "Planning without what changed"])
def test_a_run_stops_inside_a_step_and_records_nothing(folder: Path, word: str) -> None:
    """Once the step is told nothing more is: so it is stopped by the solver, not between steps."""
    workspace, told, asked = changed(folder), list[str](), threading.Event()

    def tell(text: str) -> None:
        told.append(text)
        if word in text:
            asked.set()

    with pytest.raises(Stopped):
        workspace.run(HOST, tell, asked.is_set)
    assert word in told[-1]
    assert workspace.ledger.state().runs == () and workspace.ledger.state().revisions == ()
    assert workspace.kept() is None
    workspace.ledger.close()


def test_deliveries_without_rating_are_those_of_the_problem(folder: Path) -> None:
    scenario = Desk(folder / "scenario.yaml").base
    data = build(scenario, catalogue()).problem.data["stacks_delivered"]
    for key, stacks in deliveries(scenario, catalogue()).items():
        assert np.array_equal(stacks, data.sel(supply=key).values), key
