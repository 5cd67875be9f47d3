"""A server of a small alliance, on loopback, for the tests of the page."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
import uvicorn

from stackyard.alliance.access import Viewer
from stackyard.alliance.accounts import Accounts
from stackyard.alliance.decide import Actor, Refused
from stackyard.alliance.event import (
    ActionGiven,
    Cited,
    Claim,
    ClaimsDiffer,
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
from stackyard.web.app import make
from stackyard.web.settings import Settings

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
HOST = Actor("host", host=True)
PASSWORD = "correct horse battery"
PAGES = (  # every page of the small alliance that is read
    *("/", "/supply", "/shown", "/sites", "/services", "/promises", "/promises/shared", "/meetings"),
    *("/meetings/spring", "/meetings/spring/minutes", "/what-if", "/runs", "/catalogue", "/performance"),
    *("/access", "/audit", "/account"),
)

# Numbers that stand nowhere else: whoever finds one has found a secret. The stacks of two makers, the lab's
# demand, the builder's power, in the units in which they are written.
CANARY = {"maker": 73129, "rival": 68417, "lab": 57943, "builder": 83861}
SECRETS = {partner: f"CANARY-{partner}-{number}" for partner, number in CANARY.items()}

SCENARIO = f"""
name: An alliance for tests
horizon: {{start: 2026-01, end: 2026-12}}
services:
  chat:
    name: Chat of {SECRETS["lab"]}
    model: llama-3.1-70b
    precision: fp8
    prompt: 1500 token
    output: 500 token
    ttft: 2 s
    tpot: 50 ms
    demand: {{from: 2026-01, value: {CANARY["lab"]} Mtoken/day, growth: 4}}
    unserved_price: 1 USD/Mtoken
  code:
    name: Code
    model: llama-3.1-8b
    precision: fp8
    prompt: 1500 token
    output: 500 token
    ttft: 2 s
    tpot: 50 ms
    demand: {{from: 2026-01, value: 91 Gtoken/day, growth: 2}}
    unserved_price: 1 USD/Mtoken
supplies:
  own:
    name: HBM3E of {SECRETS["maker"]}
    maker: sk-hynix
    product: hbm3e
    height: 8
    price: 400 USD/stack
    deliveries: {CANARY["maker"] / 100} stack/month
  other:
    name: HBM3E of the rival
    maker: samsung
    product: hbm3e
    height: 8
    price: 410 USD/stack
    deliveries: {{value: {CANARY["rival"] / 100} stack/month, low: 500 stack/month, high: 900 stack/month}}
  open:
    name: HBM3E of everybody
    maker: micron
    product: hbm3e
    height: 8
    price: 390 USD/stack
    deliveries: 210 stack/month
packaging:
  cowos: {{name: Packaging, wafers: 400 wafer/month}}
accelerators:
  h200:
    name: HGX H200
    chip: h200
    system: dgx-h200
    available: 2026-01
    packaging: cowos
    packages_per_wafer: 28 package/wafer
    lead_months: 1
    life: 5 year
    system_price: 350 kUSD/rack
sites:
  yard:
    name: Yard of {SECRETS["builder"]}
    phases: [{{month: 2026-01, power: {CANARY["builder"]} W}}, {{month: 2026-06, power: 4 MW}}]
    climate: frankfurt
    grid: germany
    cooling: air
    rack_limit: 40 kW/rack
    electricity: 120 USD/MWh
    fitout: 11.6 USD/W
  field:
    name: Field
    phases: [{{month: 2026-01, power: 900 kW}}]
    climate: frankfurt
    grid: germany
    cooling: air
    rack_limit: 40 kW/rack
    electricity: 120 USD/MWh
    fitout: 11.6 USD/W
"""

PARTNERS = {
    "lab": "lab",
    "maker": "memory maker",
    "rival": "memory maker",
    "builder": "site developer",
    "visitor": "guest",
}
OWNERS = {
    "supplies.own": ("maker", "private", False),
    "supplies.other": ("rival", "private", True),
    "services.chat": ("lab", "private", False),
    "sites.yard": ("builder", "private", False),
}


def events() -> Iterator[Any]:
    """The record of the small alliance: each partner has secrets, shares some things, and takes part in meetings."""
    for partner, role in PARTNERS.items():
        yield PartnerJoined(partner=partner, name=f"The {partner}", role=role)
    yield PersonNamed(person="kim", name="Kim", partner="maker", role="sales")
    for item, (partner, visibility, ranges) in OWNERS.items():
        yield ItemShared(item=item, partner=partner, visibility=visibility, range_shared=ranges)  # type: ignore[arg-type]
    for item in ("services.code", "supplies.open", "sites.field", "packaging.cowos", "accelerators.h200", "money"):
        yield ItemShared(item=item, partner="lab", visibility="alliance")
    meeting = MeetingCalled(
        meeting="spring",
        name="Spring meeting",
        date="2026-03-03",
        place="Seoul",
        partners=("lab", "maker", "rival", "builder"),
        agenda=("deliveries",),
    )
    yield meeting
    for partner in ("maker", "rival", "lab", "builder"):
        secret, number = SECRETS[partner], float(CANARY[partner])
        yield CommitmentProposed(
            commitment=f"secret-{partner}",
            name=f"Promise {secret}",
            partner=partner,
            amounts={"2026-05": number},
            low={"2026-05": number},
            high={"2026-05": number},
            unit="stack",
            visibility="private",
            sources=(Cited(title=f"Memo {secret}"),),
            note=f"Note {secret}",
        )
        yield CommitmentMoved(commitment=f"secret-{partner}", status="accepted", note=f"Moved {secret}")
        yield Delivered(
            delivery=f"secret-{partner}",
            commitment=f"secret-{partner}",
            month="2026-05",
            amount=number - 1,
            note=secret,
        )
        yield CommitmentRevised(commitment=f"secret-{partner}", amounts={"2026-06": number}, note=f"Revised {secret}")
        yield MeetingCalled(
            meeting=f"own-{partner}",
            name=f"Meeting {secret}",
            date="2026-02-02",
            partners=(partner,),
            agenda=(f"Agenda {secret}",),
            visibility="named",
        )
        yield MeetingHeld(
            meeting=f"own-{partner}", decisions=(f"Decision {secret}",), questions=(f"Question {secret}?",)
        )
        yield ActionGiven(action=f"do-{partner}", meeting=f"own-{partner}", text=f"Action {secret}", partner=partner)
        yield ClaimsDiffer(
            difference=f"claims-{partner}",
            topic=f"Topic {secret}",
            claims=(Claim(text=f"One {secret}"), Claim(text="Two")),
            commitments=(f"secret-{partner}",),
        )
    yield CommitmentProposed(
        commitment="shared",
        name="Shared promise",
        partner="maker",
        to="lab",
        measure="stacks",
        item="supplies.open",
        amounts={"2026-08": 260.0},
        unit="stack",
        visibility="alliance",
    )
    yield CommitmentProposed(
        commitment="ranged",
        name="Promise with a range",
        partner="rival",
        amounts={"2026-05": float(CANARY["rival"])},
        low={"2026-05": 60000.0},
        high={"2026-05": 70000.0},
        unit="stack",
        visibility="private",
        range_shared=True,
        note=SECRETS["rival"],
    )
    for partner, item, month in (("maker", "supplies.open", "2026-05"), ("lab", "services.code", "2026-09")):
        laid = CANARY[partner] / 100  # in the plan, over an item that everybody may see
        yield CommitmentProposed(
            commitment=f"laid-{partner}",
            name=f"Laid {SECRETS[partner]}",
            partner=partner,
            measure="stacks" if partner == "maker" else "demand",
            item=item,
            amounts={month: laid},
            unit="stack" if partner == "maker" else "Gtoken/day",
            visibility="private",
        )
        yield CommitmentMoved(commitment=f"laid-{partner}", status="accepted")
    yield MeetingHeld(meeting="spring", decisions=("go on",), next_meeting="")


@dataclass(frozen=True)
class Served:
    """A running server: where, its workspace, and a client for each partner's token."""

    url: str
    workspace: Workspace
    tokens: dict[str, str]

    def client(self, who: str) -> httpx.Client:
        """A client with the token of a partner ('host' for the host)."""
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {self.tokens[who]}"}, timeout=60)


@contextmanager
def running(workspace: Workspace, settings: Settings) -> Iterator[str]:
    """The address of a server that runs in a thread, on loopback, at a free port."""
    config = uvicorn.Config(make(workspace, settings, warm=False), port=0, log_level="error", access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + 60
    while not server.started and time.monotonic() < until:
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(timeout=10)


def small(folder: Path) -> Workspace:
    """The small alliance, its plan solved."""
    (folder / "scenario.yaml").write_text(SCENARIO, encoding="utf-8")
    workspace = open_workspace(folder)
    for event in events():
        made = workspace.record(HOST, event)
        assert not isinstance(made, Refused), (event, made)
    assert not isinstance(workspace.run(HOST), Refused)
    return workspace


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with accounts: a host, and a member for each partner, each with a token."""
    workspace = small(tmp_path_factory.mktemp("alliance"))
    accounts, tokens = Accounts(workspace.ledger), {}
    for who in ("host", *PARTNERS):
        partner, role = ("", "host") if who == "host" else (who, "member")
        account = accounts.add(who, partner, role, PASSWORD)
        assert not isinstance(account, Refused), account
        made = accounts.make_token(account, "tests", "write")
        assert not isinstance(made, Refused)
        tokens[who] = made[0]
    with running(workspace, Settings(open_to_one=False)) as url:
        yield Served(url, workspace, tokens)
    workspace.ledger.close()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A headless browser; it must be there in CI."""
    if CHROMIUM is None:
        if os.environ.get("CI") == "true":
            pytest.fail("CI needs Chromium to look at the pages")
        pytest.skip("no Chromium here")
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    flags += ["--disable-component-update", "--disable-sync"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


def viewer(who: str) -> Viewer:
    return Viewer(who, "" if who == "host" else who, who == "host")
