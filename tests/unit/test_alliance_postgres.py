"""The ledger in PostgreSQL: a real server from the distribution's package, on a socket of its own, for this test."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from stackyard.alliance.accounts import Accounts
from stackyard.alliance.decide import Actor, Refused, decide
from stackyard.alliance.event import CommitmentProposed, CommitmentRevised, PartnerJoined
from stackyard.alliance.ledger import Ledger, Unavailable
from stackyard.alliance.state import fold

HOST = Actor("host", host=True)


def binaries() -> Path | None:
    """The folder of the newest server that is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The address of a server that listens to a socket in a folder of its own and to nothing else."""
    where = binaries()
    if where is None:
        if os.environ.get("CI") == "true":
            pytest.fail("CI needs the package postgresql")
        pytest.skip("no PostgreSQL server here")
    folder = Path(tempfile.mkdtemp(prefix="stackyard-pg-"))
    root = os.geteuid() == 0  # the server refuses to run as root: it runs as the package's own user then
    user = "postgres" if root else pwd.getpwuid(os.geteuid()).pw_name
    if root:
        shutil.chown(folder, user)
    prefix = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"] if root else []

    def run(*command: str) -> None:
        subprocess.run([*prefix, *command], check=True, capture_output=True, cwd=folder, timeout=120)

    data = folder / "data"
    run(str(where / "initdb"), "-D", str(data), "-A", "trust", "-U", "postgres", "--no-sync")
    options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
    run(str(where / "pg_ctl"), "-D", str(data), "-o", options, "-l", str(folder / "log"), "-w", "start")
    try:
        yield f"postgresql://postgres@/postgres?host={folder}"
    finally:
        run(str(where / "pg_ctl"), "-D", str(data), "-m", "immediate", "-w", "stop")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def ledger(address: str) -> Iterator[Ledger]:
    """A fresh ledger: the tables of the one before are dropped."""
    opened = Ledger(address)
    with opened.engine.connect() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")
    opened.close()
    opened = Ledger(address)
    opened.record(lambda state: decide(state, PartnerJoined(partner="maker", name="Maker"), HOST), "host")
    yield opened
    opened.close()


def test_it_records_folds_verifies_and_migrates_once(ledger: Ledger, address: str) -> None:
    event = CommitmentProposed(commitment="c", name="Zusage, 약정", partner="maker", amounts={"2027-01": 5.0})
    ledger.record(lambda state: decide(state, event, HOST), "host")
    again = Ledger(address)
    assert again.state() == fold(again.records()) == ledger.state()
    assert again.state().commitments["c"].name == "Zusage, 약정"
    assert again.verify() == []
    again.snapshot()
    third = Ledger(address)
    assert third.state() == ledger.state()
    for each in (again, third):
        each.close()


def test_nothing_recorded_can_be_altered_and_what_is_is_found(ledger: Ledger) -> None:
    with ledger.engine.connect() as connection:
        for attack in ("UPDATE events SET who = 'x'", "DELETE FROM events", "TRUNCATE events"):
            with pytest.raises(Exception, match="only added to"):
                connection.exec_driver_sql(attack)
        connection.exec_driver_sql("DROP TRIGGER events_kept ON events")
        connection.exec_driver_sql("UPDATE events SET who = 'x' WHERE seq = 1")
    assert ledger.verify() != []


def test_several_writers_at_once_make_one_chain(address: str, ledger: Ledger) -> None:
    def write(name: str) -> None:
        own = Ledger(address)
        for number in range(15):
            own.record(lambda state, n=number: (PartnerJoined(partner=f"{name}{n}", name=name),), name)  # type: ignore[misc]
        own.close()

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ledger.state().seq == 61
    assert ledger.verify() == []


def test_the_second_of_two_editors_is_told(address: str, ledger: Ledger) -> None:
    event = CommitmentProposed(commitment="c", name="x", partner="maker", amounts={"2027-01": 5.0})
    ledger.record(lambda state: decide(state, event, HOST), "host")
    other = Ledger(address)
    revised = CommitmentRevised(commitment="c", amounts={"2027-01": 6.0})
    assert not isinstance(ledger.record(lambda state: decide(state, revised, HOST, 1), "a"), Refused)
    late = other.record(lambda state: decide(state, revised, HOST, 1), "b")
    assert isinstance(late, Refused) and late.conflict
    other.close()


def test_accounts_sessions_and_tokens_live_there_too(ledger: Ledger) -> None:
    accounts = Accounts(ledger)
    account = accounts.add("kim", "maker", "member", "a long password")
    assert not isinstance(account, Refused)
    opened = accounts.sign_in("kim", "a long password", "here")
    assert not isinstance(opened, Refused)
    found = accounts.session(opened[0])
    assert found is not None and found.account == account
    accounts.sign_out(found)
    assert accounts.session(opened[0]) is None
    made = accounts.make_token(account, "x", "read")
    assert not isinstance(made, Refused) and accounts.bearer(made[0]) == (account, "read")
    accounts.close("kim")
    assert accounts.bearer(made[0]) is None
    assert not accounts.any()


def test_a_server_that_is_away_is_told_clearly() -> None:
    with pytest.raises(Unavailable, match="does not answer"):
        Ledger("postgresql://nobody@/nothing?host=/nonexistent")
