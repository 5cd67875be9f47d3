"""Writes examples/openai-sk/ledger.jsonl from the catalogue's public record: `python design/alliance_ledger.py FILE`.

Meetings and their sources are the catalogue's events. Commitments are what their outcomes promise, with the catalogue's
figures; contradictions are its caveats. All of it is public. The time of a record is the day on which it became known.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from stackyard import api
from stackyard.alliance.decide import Actor, Refused, decide
from stackyard.alliance.event import (
    Cited,
    Claim,
    ClaimsDiffer,
    CommitmentMoved,
    CommitmentProposed,
    ItemShared,
    MeetingCalled,
    MeetingHeld,
    PartnerJoined,
    Record,
    chain,
    line,
)
from stackyard.alliance.state import State, evolve
from stackyard.source import Fact

HOST = Actor("public record", host=True)
ROLES = {
    "openai": "lab",
    "openai-korea": "lab",
    "sk-hynix": "memory maker",
    "samsung-electronics": "memory maker",
    "sk-telecom": "site developer",
    "oracle": "site developer",
    "crusoe": "site developer",
    "aws": "site developer",
    "samsung-sds": "site developer",
    "nvidia": "accelerator maker",
    "amd": "accelerator maker",
    "broadcom": "accelerator maker",
    "tsmc": "packaging",
}
OWNERS = {
    "supplies.sk-hynix-hbm3e": "sk-hynix",
    "supplies.sk-hynix-hbm4": "sk-hynix",
    "supplies.samsung-hbm4": "samsung-electronics",
    "supplies.samsung-hbm4-titan": "samsung-electronics",
    "packaging.cowos": "tsmc",
    "accelerators.gb200-nvl72": "nvidia",
    "accelerators.gb300-nvl72": "nvidia",
    "accelerators.b300-hgx8": "nvidia",
    "accelerators.vr200-nvl72": "nvidia",
    "accelerators.rubin-hgx8": "nvidia",
    "accelerators.mi455x-helios": "amd",
    "accelerators.jalapeno": "openai",
    "sites.abilene": "oracle",
    "sites.stargate-us": "oracle",
    "sites.stargate-korea": "sk-telecom",
    "sites.ulsan": "sk-telecom",
    "sites.skt-yeongnam": "sk-telecom",
    "services.api-large": "openai",
    "services.api-small": "openai",
    "services.chat": "openai",
    "money": "openai",
}
DIFFERENCES = {
    "What the 900,000 wafers a month are": ("sk-hynix-letter", "samsung-letter"),
    "Whether the letters of intent bind": ("sk-hynix-letter", "samsung-letter"),
    "Size of Stargate Korea": ("stargate-korea-power",),
    "Start of Stargate Korea": ("stargate-korea-power",),
    "Samsung's HBM4 for OpenAI": ("samsung-hbm4-2026h2",),
    "HBM in SK Telecom's 5 GW": ("skt-yeongnam-power",),
    "Meetings of July 2025 and February 2025": (),
}


def slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def cited(fact: Fact) -> tuple[Cited, ...]:
    return tuple(Cited(title=s.title, url=s.url, date=s.date) for s in fact.sources)


class Writer:
    """Judges each event as the ledger would, and chains it."""

    def __init__(self) -> None:
        self.state, self.records = State(), list[Record]()

    def add(self, at: str, *events: Any) -> None:
        stamp = f"{(at + '-01')[:10]}T12:00:00Z"
        for event in events:
            decided = decide(self.state, event, HOST)
            assert not isinstance(decided, Refused), (event, decided)
            last = self.records[-1] if self.records else None
            record = chain(last, event, at=max(stamp, last.at if last else ""), by=HOST.name)
            self.records.append(record)
            self.state = evolve(self.state, record)


def commitments() -> dict[str, list[Any]]:
    """Commitments and what became of them, by the meeting at which they came up."""
    facts = api.catalog().facts
    letter, hbm4 = (facts[f"alliance.quantities.{n}"] for n in ("wafers-per-month-commitment", "samsung-hbm4-h2-2026"))
    korea = facts["sites.stargate-korea.initial_power"]
    ulsan = [facts[f"sites.ulsan.power.{m}"] for m in ("2027-11", "2029-02")]
    abilene = facts["sites.abilene.power.2026-12"]
    skt, us = facts["programmes.skt-15gw.first-5gw"], facts["programmes.stargate-us.planned"]
    gpus = facts["alliance.quantities.nvidia-gpus-for-sk"]
    stacks = float(hbm4.value) * 1e9 / 8 / 36e9 / 6  # type: ignore[arg-type]  # Gb over 36 GB a stack, in six months
    half = [f"2026-{month:02d}" for month in range(7, 13)]
    titan = {month: float(f"{stacks:.6g}") for month in half}

    def said(id_: str, name: str, partner: str, fact: Fact, **more: Any) -> CommitmentProposed:
        own = {"to": "openai", "grade": fact.grade.label, "sources": cited(fact), "visibility": "public"}
        return CommitmentProposed(commitment=id_, name=name, partner=partner, **(own | more))

    letters = [
        said(
            f"{who}-letter",
            f"Letter of intent of {name}: up to 900,000 DRAM wafers a month of both makers",
            partner,
            letter,
            amounts={"2029-12": letter.value},
            low={"2029-12": 0.0},
            high={"2029-12": letter.value},
            unit="wafer/month",
            meeting=meeting,
            note="Up to; the same total of both makers, not each. Only a presidential adviser named the year 2029.",
        )
        for who, name, partner, meeting in (
            ("sk-hynix", "SK hynix", "sk-hynix", "2025-10-01-sk-hynix"),
            ("samsung", "Samsung", "samsung-electronics", "2025-10-01-samsung-electronics"),
        )
    ]
    site = {"measure": "power", "unit": "MW"}
    return {
        "2025-06-16-sk-group": [
            said(
                "ulsan-power",
                "Ulsan: 41 MW from November 2027, 103 MW from February 2029",
                "sk-telecom",
                ulsan[0],
                item="sites.ulsan",
                amounts={"2027-11": ulsan[0].value, "2029-02": ulsan[1].value},
                binding=True,
                meeting="2025-06-16-sk-group",
                **site,
            ),
            CommitmentMoved(commitment="ulsan-power", status="accepted", meeting="2025-06-16-sk-group"),
        ],
        "2025-09-23-oracle": [
            said(
                "stargate-us-power",
                "Five further Stargate sites: about 7 GW with Abilene",
                "oracle",
                us,
                unit="GW",
                amounts={"2029-12": us.value},
                meeting="2025-09-23-oracle",
                note="No month is public.",
            ),
            said(
                "abilene-power",
                "Abilene: 1.2 GW by the end of 2026",
                "oracle",
                abilene,
                item="sites.abilene",
                amounts={"2026-12": 1000 * float(abilene.value)},  # type: ignore[arg-type]
                meeting="2025-09-23-oracle",
                **site,
            ),
            CommitmentMoved(commitment="abilene-power", status="accepted", meeting="2025-09-23-oracle"),
        ],
        "2025-10-01-sk-hynix": [
            letters[0],
            CommitmentMoved(commitment="sk-hynix-letter", status="accepted", meeting="2025-10-01-sk-hynix"),
        ],
        "2025-10-01-samsung-electronics": [
            letters[1],
            CommitmentMoved(commitment="samsung-letter", status="accepted", meeting="2025-10-01-samsung-electronics"),
            said(
                "stargate-korea-power",
                "Stargate Korea: 20 MW at first",
                "sk-telecom",
                korea,
                item="sites.stargate-korea",
                amounts={"2027-07": korea.value},
                low={"2027-07": korea.low},
                high={"2027-07": korea.high},
                meeting="2025-10-01-samsung-electronics",
                note="No month is public: July 2027 is the scenario's. Ground-breaking in March 2026 is not confirmed.",
                **site,
            ),
        ],
        "2025-10-31-nvidia": [
            said(
                "nvidia-sk-gpus",
                "More than 50,000 GPUs for an AI factory of SK",
                "nvidia",
                gpus,
                to="sk-group",
                unit="package",
                amounts={"2027-12": gpus.value},
                meeting="2025-10-31-nvidia",
                note="No month is public.",
            ),
            CommitmentMoved(commitment="nvidia-sk-gpus", status="accepted", meeting="2025-10-31-nvidia"),
        ],
        "2026-03-06-oracle": [
            said(
                "abilene-expansion",
                "Abilene: from 1.2 to 2.0 GW",
                "oracle",
                facts["sites.abilene.expansion_dropped"],
                unit="GW",
                amounts={"2027-12": 2.0},
                meeting="2026-03-06-oracle",
            ),
            CommitmentMoved(
                commitment="abilene-expansion", status="withdrawn", meeting="2026-03-06-oracle", note="dropped"
            ),
        ],
        "2026-03-19-samsung-electronics": [
            said(
                "samsung-hbm4-2026h2",
                "Samsung HBM4 12-high for OpenAI's first chip, July to December 2026",
                "samsung-electronics",
                hbm4,
                measure="stacks",
                item="supplies.samsung-hbm4-titan",
                unit="stack",
                amounts=titan,
                low=dict.fromkeys(titan, 0.0),
                high=titan,
                meeting="2026-03-19-samsung-electronics",
                note="Up to 800 million Gb in the half-year, 36 GB a stack, evenly; not confirmed by the companies.",
            )
        ],
        "2026-07-03-sk-telecom": [
            said(
                "skt-yeongnam-power",
                "SK Telecom: 5 GW from 2029, two of them in Yeongnam",
                "sk-telecom",
                skt,
                unit="GW",
                amounts={"2029-12": skt.value},
                meeting="2026-07-03-sk-telecom",
                note="From 2029 in stages; no month is public, tenants are not named.",
            )
        ],
    }


def records() -> list[Record]:
    """The whole public record as a ledger."""
    catalog, writer = api.catalog(), Writer()
    events = sorted(catalog.events.values(), key=lambda e: (e.date, e.id))
    names = {slug(p): p for e in events for p in e.parties if p not in ("others",)} | {"tsmc": "TSMC"}
    first = events[0].date
    writer.add(first, *(PartnerJoined(partner=p, name=n, role=ROLES.get(p, "")) for p, n in sorted(names.items())))
    writer.add(first, *(ItemShared(item=i, partner=p, visibility="public") for i, p in OWNERS.items()))
    promised, called = commitments(), dict[str, MeetingCalled]()
    for e in events:
        called[e.id] = MeetingCalled(
            meeting=e.id,
            name=e.name,
            date=e.date,
            end=e.end,
            place=e.place,
            partners=tuple(slug(p) for p in e.parties if p != "others"),
            participants=e.participants,
            agenda=e.agenda,
            visibility="public",
            grade=e.stated.label,  # type: ignore[arg-type]
            related=e.related,
            sources=tuple(Cited(title=s.title, url=s.url, date=s.date) for s in e.sources),
            note=e.note,
        )
    invited = {"2025-07-sk-group": "2025-10-28-sk-group"}  # the invitation to the APEC CEO Summit in Gyeongju
    for e in events:
        if e.id in invited:
            writer.add(e.date, called[invited[e.id]])
        if e.id not in writer.state.meetings:
            writer.add(e.date, called[e.id])
        writer.add(e.date, *promised.pop(e.id, ()))
        writer.add(e.end or e.date, MeetingHeld(meeting=e.id, decisions=e.outcome, next_meeting=invited.get(e.id, "")))
    assert not promised, f"no such meetings: {list(promised)}"
    caveats = {caveat.topic: caveat for caveat in catalog.caveats if caveat.kind == "contradiction"}
    for topic, about in DIFFERENCES.items():
        claims = tuple(Claim(text=claim) for claim in caveats[topic].claims)
        said = ClaimsDiffer(
            difference=slug(topic),
            topic=topic,
            claims=claims,
            kept=caveats[topic].kept,
            commitments=about,
            visibility="public",
        )
        writer.add(events[-1].date, said)
    return writer.records


def main() -> None:
    lines = [json.dumps(line(record), ensure_ascii=False, sort_keys=True) for record in records()]
    Path(sys.argv[1]).write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
