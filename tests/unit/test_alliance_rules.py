"""Who may record what: of a promise that was accepted, of meetings, persons and actions; and what a record may hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stackyard.alliance.access import Viewer, view
from stackyard.alliance.decide import Actor, Refused
from stackyard.alliance.event import (
    ActionDone,
    ActionGiven,
    CommitmentMoved,
    CommitmentProposed,
    CommitmentRevised,
    Delivered,
    ItemShared,
    MeetingCalled,
    MeetingHeld,
    PartnerJoined,
    PersonNamed,
)
from stackyard.alliance.workspace import Workspace, open_workspace

PLAN = Path(__file__).parents[2] / "examples" / "first-plan.yaml"
HOST, MAKER, LAB, GUEST = Actor("host", host=True), Actor("m", "maker"), Actor("l", "lab"), Actor("v", "visitor")
MONTH = "2026-05"


@pytest.fixture
def workspace(tmp_path: Path) -> Any:
    """A maker that owns the stacks of the first plan, a lab and a guest; the maker promised the lab 2,000 stacks."""
    (tmp_path / "scenario.yaml").write_text(PLAN.read_text(encoding="utf-8"), encoding="utf-8")
    opened = open_workspace(tmp_path)
    for partner, role in (("maker", "memory maker"), ("lab", "lab"), ("visitor", "guest")):
        done(opened, HOST, PartnerJoined(partner=partner, name=partner.title(), role=role))
    done(opened, HOST, ItemShared(item="supplies.memory", partner="maker", visibility="alliance"))
    done(opened, MAKER, promised("stacks", 2000.0))
    yield opened
    opened.ledger.close()


def promised(id_: str, amount: float, **more: Any) -> CommitmentProposed:
    said = {"to": "lab", "measure": "stacks", "unit": "stack"} | more
    return CommitmentProposed(
        commitment=id_, name=f"The {id_}", partner="maker", item="supplies.memory", amounts={MONTH: amount}, **said
    )


def done(workspace: Workspace, actor: Actor, event: Any, expected: int | None = None) -> None:
    made = workspace.record(actor, event, expected)
    assert not isinstance(made, Refused), made.reasons


def why(workspace: Workspace, actor: Actor, event: Any, expected: int | None = None) -> str:
    made = workspace.record(actor, event, expected)
    assert isinstance(made, Refused), made
    return "; ".join(made.reasons)


def planned(workspace: Workspace) -> list[float]:
    return [c.terms.amounts[MONTH] for c in workspace.ledger.state().planned()]


ACCEPT = CommitmentMoved(commitment="stacks", status="accepted")


def test_a_revision_of_what_was_accepted_waits_to_be_accepted_itself(workspace: Workspace) -> None:
    done(workspace, LAB, ACCEPT)
    done(workspace, MAKER, CommitmentRevised(commitment="stacks", amounts={MONTH: 7.0}))
    commitment = workspace.ledger.state().commitments["stacks"]
    assert commitment.waits and commitment.terms.amounts == {MONTH: 7.0} and planned(workspace) == [2000.0]
    assert workspace.in_its_place(Viewer("l", "lab"), commitment) == ({MONTH: 2000.0}, {MONTH: 7.0})
    assert "accepted by whom it was promised to" in why(workspace, MAKER, ACCEPT)
    assert "name the version" in why(workspace, LAB, ACCEPT), "or what is accepted may have changed meanwhile"
    done(workspace, LAB, ACCEPT, commitment.version)
    assert planned(workspace) == [7.0] and not workspace.ledger.state().commitments["stacks"].waits
    assert "can become" in why(workspace, LAB, ACCEPT, commitment.version + 1)
    done(workspace, HOST, CommitmentRevised(commitment="stacks", amounts={MONTH: 9.0}))  # the host's stands at once
    assert planned(workspace) == [9.0]
    done(workspace, HOST, ItemShared(item="supplies.memory", partner="lab"))
    assert "not an item of 'maker'" in why(workspace, MAKER, CommitmentRevised(commitment="stacks", amounts={MONTH: 8}))


def test_what_cannot_be_laid_over_the_scenario_is_refused_and_no_page_breaks(workspace: Workspace) -> None:
    wafers = promised("wafers", 10.0, measure="wafers", unit="wafer")
    assert "promises wafers" in why(workspace, MAKER, wafers)
    assert "more than there can be" in why(workspace, MAKER, promised("many", 1e30))
    assert "counted in" in why(workspace, MAKER, promised("rate", 1.0, unit="W/month"))
    for event in (wafers, CommitmentMoved(commitment="wafers", status="accepted")):  # as an older record may have it
        workspace.ledger.record(lambda state, event=event: (event,), "old")  # type: ignore[misc]
    assert workspace.view(Viewer("host", host=True)).state.commitments["wafers"].planned


def test_a_guest_accepts_nothing_that_the_plan_has(workspace: Workspace) -> None:
    done(workspace, MAKER, promised("guests", 5.0, to="visitor"))
    accept = CommitmentMoved(commitment="guests", status="accepted")
    assert "the host accepts it" in why(workspace, GUEST, accept)


def test_fulfilled_is_said_by_whom_it_was_promised_to(workspace: Workspace) -> None:
    done(workspace, LAB, ACCEPT)
    fulfilled = CommitmentMoved(commitment="stacks", status="fulfilled")
    assert "where whom it was promised to" in why(workspace, MAKER, fulfilled)
    done(workspace, LAB, fulfilled)
    done(workspace, MAKER, promised("other", 5.0))
    done(workspace, LAB, CommitmentMoved(commitment="other", status="declined", note="too few"))
    came = Delivered(delivery="d", commitment="other", month=MONTH, amount=1.0)
    assert "nothing comes of it" in why(workspace, MAKER, came)


def test_a_meeting_is_changed_by_who_called_or_recorded_it_and_one_held_alone_is_no_meeting_of_the_alliance(
    workspace: Workspace,
) -> None:
    both = MeetingCalled(meeting="m", name="M", date="2026-03-01", partners=("lab", "maker"), visibility="named")
    done(workspace, LAB, both)
    forged = MeetingCalled(meeting="m", name="M", date="2026-03-01", partners=("maker",), visibility="public")
    assert "l called this meeting" in why(workspace, MAKER, forged)
    done(workspace, LAB, MeetingHeld(meeting="m", decisions=("go",)))
    assert "l recorded this meeting" in why(workspace, MAKER, forged)
    for event in (
        MeetingCalled(meeting="lunch", name="L", date="2199-01-01", partners=("maker",), visibility="private"),
        MeetingHeld(meeting="lunch"),
    ):
        done(workspace, MAKER, event)
    last = workspace.ledger.state().last_meeting()
    assert last is not None and last.id == "m"
    assert "no meeting 'm2' of yours" in why(workspace, MAKER, promised("p", 1.0, meeting="m2"))
    assert "no meeting 'lunch' of yours" in why(
        workspace, LAB, CommitmentMoved(commitment="stacks", status="accepted", meeting="lunch")
    )


def test_persons_and_actions_are_their_partners(workspace: Workspace) -> None:
    done(workspace, MAKER, PersonNamed(person="kim", name="Kim", partner="maker"))
    assert "another partner" in why(workspace, LAB, PersonNamed(person="kim", name="Not Kim", partner="lab"))
    called = MeetingCalled(meeting="m", name="M", date="2026-03-01", partners=("lab",), visibility="named")
    done(workspace, LAB, called)
    assert "not of this meeting" in why(workspace, LAB, ActionGiven(action="a", meeting="m", text="x", partner="maker"))
    done(workspace, LAB, ActionGiven(action="a", meeting="m", text="x", partner="lab"))
    done(workspace, LAB, ActionDone(action="a"))
    assert "done already" in why(workspace, LAB, ActionDone(action="a", note="again"))


def test_a_partner_gets_no_hash_of_what_is_hidden_and_no_names_that_it_does_not_know(workspace: Workspace) -> None:
    done(
        workspace,
        MAKER,
        promised("range", 5.0, visibility="private", range_shared=True, low={MONTH: 1}, high={MONTH: 9}),
    )
    secret = MeetingCalled(meeting="secret", name="S", date="2026-03-01", partners=("maker",), visibility="private")
    done(workspace, MAKER, secret)
    done(workspace, MAKER, promised("open", 6.0, meeting="secret", visibility="public", to="lab"))
    state = workspace.ledger.state()
    lab, guest, host = (
        view(state, who).state for who in (Viewer("l", "lab"), Viewer("v", "visitor"), Viewer("h", host=True))
    )
    assert host.head == state.head and lab.head == guest.head == ""
    assert guest.commitments["open"].terms.meeting == guest.commitments["open"].steps[0].meeting == ""
    assert guest.commitments["open"].to == "" and lab.commitments["open"].to == "lab"
    before = view(state, Viewer("v", "visitor"))
    done(workspace, MAKER, promised("hidden", 5.0, visibility="private"))
    later = view(workspace.ledger.state(), Viewer("v", "visitor"))
    assert (later.hidden, later.state.seq, later.state.at) == (before.hidden, before.state.seq, before.state.at)
