"""The ledger keeps what it acknowledged, tells what was touched, and refuses with reasons."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stackyard.alliance.decide import Actor, Refused, decide
from stackyard.alliance.event import (
    CommitmentMoved,
    CommitmentProposed,
    CommitmentRevised,
    ItemShared,
    MeetingCalled,
    PartnerJoined,
    faults_of_lines,
)
from stackyard.alliance.ledger import Ledger, Unavailable
from stackyard.alliance.state import State, fold
from stackyard.errors import InputErrors

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "openai-sk" / "ledger.jsonl"
HOST = Actor("host", host=True)
MAKER, LAB = Actor("m", "maker"), Actor("l", "lab")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(tmp_path / "ledger.db")
    for partner in ("maker", "lab"):
        add(opened, PartnerJoined(partner=partner, name=partner.title()))
    promise = CommitmentProposed(commitment="c", name="A promise", partner="maker", to="lab", amounts={"2027-01": 5.0})
    add(opened, promise, MAKER)
    yield opened
    opened.close()


def add(ledger: Ledger, event: object, actor: Actor = HOST, expected: int | None = None) -> object:
    return ledger.record(lambda state: decide(state, event, actor, expected), actor.name)


def refused(made: object) -> Refused:
    assert isinstance(made, Refused)
    return made


@pytest.mark.parametrize("when", [{"date": "2027-02-30"}, {"date": "2027-02-01", "end": "2027-02-29"}])
def test_a_day_that_no_calendar_has_is_refused_with_how_to_write_one(ledger: Ledger, when: dict[str, str]) -> None:
    called = MeetingCalled(meeting="x", name="A meeting", place="Seoul", partners=("lab",), **when)
    assert "write 2027-02-11" in refused(add(ledger, called)).reasons[0]
    assert "x" not in ledger.state().meetings


def test_the_second_of_two_editors_is_told_and_nothing_is_lost(ledger: Ledger) -> None:
    seen = ledger.state().commitments["c"].version
    add(ledger, CommitmentRevised(commitment="c", amounts={"2027-01": 6.0}), MAKER, seen)
    late = refused(add(ledger, CommitmentRevised(commitment="c", amounts={"2027-01": 7.0}), MAKER, seen))
    assert late.conflict and "after you opened it" in late.reasons[0]
    assert ledger.state().commitments["c"].terms.amounts == {"2027-01": 6.0}
    add(ledger, CommitmentRevised(commitment="c", amounts={"2027-01": 7.0}), MAKER, seen + 1)
    said = [terms.said.amounts["2027-01"] for terms in ledger.state().commitments["c"].history]
    assert said == [5.0, 6.0, 7.0]


def test_a_promise_is_accepted_by_whom_it_was_made_to_and_changed_by_who_made_it(ledger: Ledger) -> None:
    accept = CommitmentMoved(commitment="c", status="accepted")
    assert refused(add(ledger, accept, MAKER)).forbidden
    assert refused(add(ledger, CommitmentRevised(commitment="c", amounts={"2027-01": 1.0}), LAB)).forbidden
    add(ledger, accept, LAB)
    assert ledger.state().commitments["c"].status == "accepted"
    assert "can become" in refused(add(ledger, accept, HOST)).reasons[0]


def test_every_reason_is_told_at_once(ledger: Ledger) -> None:
    wrong = CommitmentProposed(
        commitment="d",
        name="x",
        partner="maker",
        measure="stacks",
        item="sites.x",
        unit="MW",
        amounts={"2027-01": 5.0},
        high={"2027-01": 1.0},
        shared_with=("nobody",),
    )
    assert len(refused(add(ledger, wrong)).reasons) == 4


def test_a_reader_records_nothing_and_a_partner_speaks_for_itself(ledger: Ledger) -> None:
    event = PartnerJoined(partner="x", name="X")
    assert refused(add(ledger, event, Actor("r", "lab", may_write=False))).forbidden
    assert refused(add(ledger, event, LAB)).forbidden
    alien = MeetingCalled(meeting="m", name="M", date="2027-01-01", partners=("maker",))
    assert refused(add(ledger, alien, LAB)).forbidden


@pytest.mark.parametrize(
    "attack",
    [
        "UPDATE events SET body = replace(body, '5.0', '9.0') WHERE seq = 3",
        "UPDATE events SET who = 'somebody' WHERE seq = 2",
        "UPDATE events SET at = '2020-01-01T00:00:00Z' WHERE seq = 1",
        "DELETE FROM events WHERE seq = 2",
        "DELETE FROM events WHERE seq = 3",
        "UPDATE events SET seq = CASE seq WHEN 1 THEN 20 ELSE 10 END WHERE seq IN (1, 2)",
    ],
)
def test_verify_finds_what_was_altered_left_out_or_moved(ledger: Ledger, tmp_path: Path, attack: str) -> None:
    assert ledger.verify() == []
    raw = sqlite3.connect(tmp_path / "ledger.db")
    with pytest.raises(sqlite3.IntegrityError, match="only added to"):
        raw.execute(attack)
    raw.executescript("DROP TRIGGER events_no_update; DROP TRIGGER events_no_delete;")
    raw.execute(attack)
    raw.commit()
    raw.close()
    assert ledger.verify() != []


def test_export_and_import_give_the_same_ledger(ledger: Ledger, tmp_path: Path) -> None:
    lines = [json.dumps(entry) for entry in ledger.lines()]
    other = Ledger(tmp_path / "other.db")
    assert other.import_lines(iter(lines), "export") == 3
    assert (other.state(), other.verify()) == (ledger.state(), [])
    add(other, PartnerJoined(partner="guest", name="Guest", role="guest"))
    more = [json.dumps(entry) for entry in other.lines()]
    assert ledger.import_lines(iter(more), "export") == 1
    with pytest.raises(InputErrors, match="does not continue"):
        other.import_lines(iter(lines), "export")
    with pytest.raises(InputErrors, match="missing or moved"):
        Ledger(tmp_path / "third.db").import_lines(iter([lines[0], lines[2]]), "export")
    with pytest.raises(InputErrors, match="not a record"):
        Ledger(tmp_path / "fourth.db").import_lines(iter(["nonsense"]), "export")
    other.close()


def test_a_snapshot_says_what_the_events_say(ledger: Ledger, tmp_path: Path) -> None:
    ledger.snapshot()
    add(ledger, CommitmentRevised(commitment="c", amounts={"2027-01": 8.0}), MAKER)
    again = Ledger(tmp_path / "ledger.db")
    assert again.state() == fold(ledger.records()) == ledger.state()
    again.close()


def test_a_locked_a_read_only_and_a_foreign_file_are_told_clearly(ledger: Ledger, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.db"
    foreign.write_bytes(b"this is no database, it is a text of some length" * 100)
    with pytest.raises(Unavailable, match="not a ledger"):
        Ledger(foreign)
    holder = sqlite3.connect(tmp_path / "ledger.db")
    holder.execute("BEGIN IMMEDIATE")
    with ledger.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout = 50")
    with pytest.raises(Unavailable, match="locked"):
        add(ledger, PartnerJoined(partner="x", name="X"))
    holder.rollback()
    holder.close()
    with ledger.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA query_only = 1")
    with pytest.raises(Unavailable, match="read-only"):
        add(ledger, PartnerJoined(partner="x", name="X"))
    with ledger.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA query_only = 0")
    add(ledger, PartnerJoined(partner="x", name="X"))
    assert ledger.verify() == []


def test_a_full_disk_is_told_and_nothing_is_half_recorded(ledger: Ledger) -> None:
    with ledger.engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 2}")
    before = ledger.state().seq
    with pytest.raises(Unavailable, match="disk is full"):
        ledger.record(lambda state: tuple(PartnerJoined(partner=f"p{i}", name="x" * 3000) for i in range(50)), "host")
    assert ledger.state().seq == before
    assert ledger.verify() == []


LAUNCHER = """
import os, sys
from stackyard.alliance.event import PartnerJoined
from stackyard.alliance.ledger import Ledger

def write():
    ledger = Ledger(sys.argv[1])
    while True:
        number = ledger.state().seq
        pair = tuple(PartnerJoined(partner=f"p{number + i}", name="x" * 200) for i in (0, 1))
        made = ledger.record(lambda state: pair, "writer")
        os.write(1, b"%d\\n" % made[-1].seq)

for line in sys.stdin:
    child = os.fork()
    if child == 0:
        write()
    os.write(1, b"pid %d\\n" % child)
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                break
        except ChildProcessError:
            break
"""


def test_killed_at_any_moment_it_has_all_that_it_acknowledged(tmp_path: Path) -> None:
    """A hundred writers, two at a time, each killed after another number of events: nothing acknowledged is lost."""
    path = tmp_path / "ledger.db"
    Ledger(path).close()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    launcher = subprocess.Popen(
        [sys.executable, "-c", LAUNCHER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert launcher.stdin is not None and launcher.stdout is not None
    acknowledged, living = 0, list[int]()

    def listen(until: Callable[[str], bool]) -> str:
        nonlocal acknowledged
        while True:
            line = launcher.stdout.readline() if launcher.stdout else ""
            assert line, "the launcher died"
            if not line.startswith("pid"):
                acknowledged = max(acknowledged, int(line))
            if until(line):
                return line

    try:
        for number in range(102):
            launcher.stdin.write("go\n")
            launcher.stdin.flush()
            living.append(int(listen(lambda line: line.startswith("pid")).split()[1]))
            for _ in range(1 + number % 5):
                listen(lambda line: not line.startswith("pid"))
            if len(living) > 2:
                os.kill(living.pop(0), signal.SIGKILL)
            if number % 20 == 19:
                ledger = Ledger(path)
                assert ledger.verify() == []
                ledger.close()
    finally:
        for pid in living:
            os.kill(pid, signal.SIGKILL)
        launcher.stdin.close()
        rest = launcher.stdout.read()
        launcher.stdout.close()
        launcher.wait()
    acknowledged = max([acknowledged, *(int(line) for line in rest.split("\n") if line and "pid" not in line)])
    ledger = Ledger(path)
    seq = ledger.state().seq
    assert ledger.verify() == []
    assert seq >= acknowledged > 100 and seq % 2 == 0, "an acknowledged event is gone, or a pair was half-recorded"
    ledger.close()


def test_the_public_record_is_what_the_script_makes_of_the_catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "design"))
    import alliance_ledger

    from stackyard.alliance.event import line

    written = [json.loads(text) for text in EXAMPLE.read_text(encoding="utf-8").splitlines()]
    assert written == [line(record) for record in alliance_ledger.records()]
    assert faults_of_lines(written) == []


def test_the_public_record_has_the_meetings_and_keeps_contradictions_side_by_side(
    folded_example: Callable[[], State],
) -> None:
    state = folded_example()
    assert {"2025-02-04-sk-group", "2025-07-sk-group", "2025-10-28-sk-group", "2025-10-01-sk-hynix"} <= set(
        state.meetings
    )
    july = state.meetings["2025-07-sk-group"].held
    assert july is not None and july.next_meeting == "2025-10-28-sk-group"
    assert all(meeting.called.sources for meeting in state.meetings.values())
    assert all(commitment.terms.sources for commitment in state.commitments.values())
    letters = [state.commitments[f"{who}-letter"] for who in ("sk-hynix", "samsung")]
    assert not any(letter.terms.binding for letter in letters)
    assert all(len(difference.claims) >= 2 for difference in state.differences.values())


@pytest.fixture
def folded_example(tmp_path: Path) -> Callable[[], State]:
    def read() -> State:
        ledger = Ledger(tmp_path / "example.db")
        with EXAMPLE.open(encoding="utf-8") as stream:
            ledger.import_lines(iter(stream), "example")
        state = ledger.state()
        ledger.close()
        return state

    return read


def test_nobody_promises_what_is_not_theirs_nor_to_themselves(ledger: Ledger) -> None:
    for item, partner in (("supplies.own", "maker"), ("supplies.mine", "lab")):
        add(ledger, ItemShared(item=item, partner=partner))
    add(ledger, PartnerJoined(partner="visitor", name="V", role="guest"))

    def promise(id_: str, partner: str, to: str, item: str) -> CommitmentProposed:
        return CommitmentProposed(
            commitment=id_, name="X", partner=partner, to=to, measure="stacks", item=item, unit="stack",
            amounts={"2027-01": 5.0},
        )  # fmt: skip

    for actor in (LAB, Actor("v", "visitor")):
        for item in ("supplies.own", "supplies.nobodys"):
            made = refused(add(ledger, promise("d", actor.partner, "maker", item), actor))
            assert made.forbidden and made.reasons == (
                f"'{item}' is not an item of '{actor.partner}'; the host says whose it is",
            )
    for actor in (LAB, HOST):
        assert "not to oneself" in refused(add(ledger, promise("d", "lab", "lab", "supplies.mine"), actor)).reasons[0]
    assert "d" not in ledger.state().commitments
    accept = CommitmentMoved(commitment="e", status="accepted")
    add(ledger, promise("e", "lab", "visitor", "supplies.own"), HOST)  # what the host records for others stands
    assert "the host accepts it" in refused(add(ledger, accept, Actor("v", "visitor"))).reasons[0]
    add(ledger, accept, HOST)
    add(ledger, promise("f", "lab", "maker", "supplies.own"), HOST)
    add(ledger, CommitmentMoved(commitment="f", status="accepted"), MAKER)  # of what is its own
    add(ledger, promise("g", "maker", "lab", "supplies.own"), MAKER)
    add(ledger, CommitmentMoved(commitment="g", status="accepted"), LAB)
    assert [c.id for c in ledger.state().planned()] == ["e", "f", "g"]


def test_a_ledger_is_found_whole_while_others_write(ledger: Ledger) -> None:
    import threading

    def write() -> None:
        for number in range(200):
            add(ledger, PartnerJoined(partner=f"p{number}", name="P"))

    writer = threading.Thread(target=write)
    writer.start()
    found = []
    while writer.is_alive():
        found += ledger.verify()
    writer.join()
    assert found == [] and ledger.verify() == []
