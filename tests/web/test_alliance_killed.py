"""The page's server is killed at any moment, again and again, while several write: nothing acknowledged is lost."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx2 as httpx

from stackyard.alliance.event import PartnerJoined
from stackyard.alliance.ledger import Ledger
from stackyard.alliance.workspace import open_workspace

from .conftest import HOST, SCENARIO

KILLS, WRITERS = 100, 3


class Writer(threading.Thread):
    """Proposes and revises promises at one server until it is gone; remembers what was acknowledged."""

    def __init__(self, url: str, name: str) -> None:
        super().__init__()
        self.url, self.mark, self.acknowledged = url, name, list[str]()

    def run(self) -> None:
        number = 0
        try:
            with httpx.Client(base_url=self.url, timeout=10) as client:
                while True:
                    id_ = f"{self.mark}-{number}"
                    event = {"kind": "commitment-proposed", "commitment": id_, "name": id_, "partner": "lab"}
                    answer = client.post("/api/v1/events", json={"event": event})
                    if answer.status_code == 201:
                        self.acknowledged.append(id_)
                    number += 1
        except httpx.TransportError:
            pass


def test_a_hundred_kills_under_writes_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    (tmp_path / "scenario.yaml").write_text(SCENARIO, encoding="utf-8")
    workspace = open_workspace(tmp_path)
    workspace.record(HOST, PartnerJoined(partner="lab", name="The lab"))
    workspace.ledger.close()
    command = [sys.executable, str(Path(__file__).with_name("killed.py")), str(tmp_path)]
    acknowledged: list[str] = []
    chance = random.Random(7)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdin is not None and starter.stdout is not None
        for kill in range(KILLS):
            starter.stdin.write("start\n")
            starter.stdin.flush()
            pid, port = map(int, starter.stdout.readline().split())
            writers = [Writer(f"http://127.0.0.1:{port}", f"k{kill}-w{number}") for number in range(WRITERS)]
            for writer in writers:
                writer.start()
            begun = time.monotonic()
            while not any(writer.acknowledged for writer in writers) and time.monotonic() < begun + 30:
                time.sleep(0.002)
            time.sleep(0.04 * chance.random())
            os.kill(pid, signal.SIGKILL)
            for writer in writers:
                writer.join(timeout=20)
                acknowledged += writer.acknowledged
            if kill % 10 == 0:
                ledger = Ledger(tmp_path / "ledger.db")
                assert ledger.verify() == [], kill
                ledger.close()
        starter.stdin.close()
    ledger = Ledger(tmp_path / "ledger.db")
    assert ledger.verify() == []
    state = ledger.state()
    assert len(acknowledged) > KILLS
    assert [id_ for id_ in acknowledged if id_ not in state.commitments] == []
    assert state.seq == 1 + len(state.commitments)
    ledger.close()
