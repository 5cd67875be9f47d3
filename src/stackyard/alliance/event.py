"""What can happen in an alliance: frozen events, each chained to the one before it by SHA-256.

The hash of a record is SHA-256 over the hash of its predecessor, a line feed, and the canonical JSON of what it says
(keys sorted, no blanks, UTF-8): number, time, who, and event. Whoever holds the last hash can tell whether any record
was altered, left out or moved.

>>> first = chain(None, PartnerJoined(partner="lab", name="A lab"), at="2026-01-01T00:00:00Z", by="host")
>>> faults([first]), len(first.hash)
([], 64)
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias

from pydantic import AfterValidator, Field, StringConstraints, TypeAdapter


def _there(text: str) -> str:
    """A day that the calendar has: pydantic tells the ValueError of any other."""
    if len(text) == len("2027-02-11"):
        date.fromisoformat(text)
    return text


Visibility: TypeAlias = Literal["private", "named", "alliance", "public"]
Status: TypeAlias = Literal["proposed", "accepted", "declined", "fulfilled", "missed", "withdrawn"]
Measure: TypeAlias = Literal["stacks", "wafers", "power", "demand", "other"]
GradeLabel: TypeAlias = Literal["measured", "published", "reported", "estimated", "assumed"]
Id: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{0,79}$")]
Text: TypeAlias = Annotated[str, StringConstraints(max_length=4000, strip_whitespace=True)]
Month: TypeAlias = Annotated[str, StringConstraints(pattern=r"^(19|20|21)\d\d-(0[1-9]|1[0-2])$")]
Day: TypeAlias = Annotated[
    str,
    StringConstraints(pattern=r"^((19|20|21)\d\d-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?$"),
    AfterValidator(_there),
]
Amount: TypeAlias = Annotated[float, Field(ge=0, le=1e30, allow_inf_nan=False)]
Amounts: TypeAlias = Annotated[Mapping[Month, Amount], Field(max_length=600)]
Texts: TypeAlias = Annotated[tuple[Text, ...], Field(max_length=200)]
Ids: TypeAlias = Annotated[tuple[Id, ...], Field(max_length=200)]


@dataclass(frozen=True, kw_only=True)
class Cited:
    """A document that a statement was read in."""

    title: Text
    url: Text = ""
    date: Text = ""


Sources: TypeAlias = Annotated[tuple[Cited, ...], Field(max_length=100)]


@dataclass(frozen=True, kw_only=True)
class PartnerJoined:
    """A company or body takes part; `role` is what it does: 'lab', 'memory maker', 'site developer', 'guest', ..."""

    partner: Id
    name: Text
    role: Text = ""
    kind: Literal["partner-joined"] = "partner-joined"


@dataclass(frozen=True, kw_only=True)
class PersonNamed:
    """A person who speaks for a partner."""

    person: Id
    name: Text
    partner: Id
    role: Text = ""
    kind: Literal["person-named"] = "person-named"


@dataclass(frozen=True, kw_only=True)
class MeetingCalled:
    """A meeting is set, or its invitation changed. `related` marks context that is not a meeting of the alliance."""

    meeting: Id
    name: Text
    date: Day
    end: Day = ""
    place: Text = ""
    partners: Ids = ()
    participants: Texts = ()
    agenda: Texts = ()
    visibility: Visibility = "alliance"
    grade: GradeLabel = "assumed"
    related: bool = False
    sources: Sources = ()
    note: Text = ""
    kind: Literal["meeting-called"] = "meeting-called"


@dataclass(frozen=True, kw_only=True)
class MeetingHeld:
    """A meeting took place: what was decided, what was asked, and which meeting is next."""

    meeting: Id
    decisions: Texts = ()
    questions: Texts = ()
    next_meeting: Annotated[str, StringConstraints(max_length=80)] = ""
    kind: Literal["meeting-held"] = "meeting-held"


@dataclass(frozen=True, kw_only=True)
class ActionGiven:
    """Somebody is to do something by a date."""

    action: Id
    meeting: Id
    text: Text
    partner: Id
    owner: Text = ""
    due: Day = ""
    kind: Literal["action-given"] = "action-given"


@dataclass(frozen=True, kw_only=True)
class ActionDone:
    """An action is finished."""

    action: Id
    note: Text = ""
    kind: Literal["action-done"] = "action-done"


@dataclass(frozen=True, kw_only=True)
class CommitmentProposed:
    """A promise: `amounts` by month in `unit`, with a range, of `partner` to `to`, about an item of the scenario.

    Stacks and wafers are those of the months named; power is the site's whole power from the month on; demand is the
    mean of the month. A measure of 'other' is on record and changes no plan.
    """

    commitment: Id
    name: Text
    partner: Id
    to: Text = ""
    measure: Measure = "other"
    item: Text = ""  # 'supplies.sk-hynix-hbm4', 'sites.ulsan', 'services.chat'
    amounts: Amounts = field(default_factory=dict)
    low: Amounts = field(default_factory=dict)
    high: Amounts = field(default_factory=dict)
    unit: Text = ""
    grade: GradeLabel = "assumed"
    binding: bool = False
    visibility: Visibility = "alliance"
    shared_with: Ids = ()
    range_shared: bool = False
    meeting: Text = ""
    sources: Sources = ()
    note: Text = ""
    kind: Literal["commitment-proposed"] = "commitment-proposed"


@dataclass(frozen=True, kw_only=True)
class CommitmentRevised:
    """A promise has other amounts than before; what it said stays on record."""

    commitment: Id
    amounts: Amounts
    low: Amounts = field(default_factory=dict)
    high: Amounts = field(default_factory=dict)
    grade: GradeLabel = "assumed"
    binding: bool = False
    meeting: Text = ""
    sources: Sources = ()
    note: Text = ""
    kind: Literal["commitment-revised"] = "commitment-revised"


@dataclass(frozen=True, kw_only=True)
class CommitmentMoved:
    """A promise is accepted, declined, fulfilled, missed or withdrawn."""

    commitment: Id
    status: Status
    meeting: Text = ""
    note: Text = ""
    kind: Literal["commitment-moved"] = "commitment-moved"


@dataclass(frozen=True, kw_only=True)
class Delivered:
    """What came of a promise in a month, in the promise's unit."""

    delivery: Id
    commitment: Id
    month: Month
    amount: Amount
    note: Text = ""
    sources: Sources = ()
    kind: Literal["delivered"] = "delivered"


@dataclass(frozen=True, kw_only=True)
class ItemShared:
    """A part of the scenario belongs to a partner, who says who may see it, or at least its range."""

    item: Text  # 'supplies.sk-hynix-hbm4', 'sites.ulsan', 'services.chat', 'money', 'packaging.cowos'
    partner: Id
    visibility: Visibility = "private"
    shared_with: Ids = ()
    range_shared: bool = False
    kind: Literal["item-shared"] = "item-shared"


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What one side of a contradiction says, and where."""

    text: Text
    sources: Sources = ()


@dataclass(frozen=True, kw_only=True)
class ClaimsDiffer:
    """Sources contradict each other; all are kept side by side, with what the record holds."""

    difference: Id
    topic: Text
    claims: Annotated[tuple[Claim, ...], Field(max_length=50)]
    kept: Text = ""
    commitments: Ids = ()
    visibility: Visibility = "alliance"
    partner: Text = ""
    kind: Literal["claims-differ"] = "claims-differ"


@dataclass(frozen=True, kw_only=True)
class ScenarioRevised:
    """The scenario with these accepted commitments laid over it has this digest; a revision is a change of digest."""

    revision: Id
    scenario: Text  # digest of the scenario file
    overlaid: Text  # digest with the commitments
    commitments: Ids = ()
    note: Text = ""
    kind: Literal["scenario-revised"] = "scenario-revised"


@dataclass(frozen=True, kw_only=True)
class PlanRun:
    """A plan was solved and audited: recorded once, when it is whole."""

    run: Id
    revision: Id
    problem: Text
    solver: Text
    seconds: Amount
    headlines: Annotated[Mapping[Text, float], Field(max_length=100)]
    kind: Literal["plan-run"] = "plan-run"


Event: TypeAlias = Annotated[
    PartnerJoined
    | PersonNamed
    | MeetingCalled
    | MeetingHeld
    | ActionGiven
    | ActionDone
    | CommitmentProposed
    | CommitmentRevised
    | CommitmentMoved
    | Delivered
    | ItemShared
    | ClaimsDiffer
    | ScenarioRevised
    | PlanRun,
    Field(discriminator="kind"),
]
EVENT: TypeAdapter[Any] = TypeAdapter(Event)
ORIGIN = "0" * 64  # the hash before the first record


class Record(NamedTuple):
    """An event in the ledger: its number from 1, when and by whom it was recorded, and its place in the chain."""

    seq: int
    at: str  # UTC, '2026-01-01T00:00:00Z'
    by: str
    event: Any
    previous: str
    hash: str


def canonical(value: Any) -> str:
    """JSON that is the same for the same value: keys sorted, no blanks.

    >>> canonical({"b": 1, "a": 2})
    '{"a":2,"b":1}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def plain(event: Any) -> dict[str, Any]:
    """An event as names and plain values; what is left at its default is left out, `kind` stays.

    >>> plain(PartnerJoined(partner="maker", name="A memory maker"))
    {'kind': 'partner-joined', 'partner': 'maker', 'name': 'A memory maker'}
    """
    said: dict[str, Any] = EVENT.dump_python(event, mode="json", exclude_defaults=True)
    return {"kind": event.kind, **said}


def digest(previous: str, seq: int, at: str, by: str, body: Mapping[str, Any]) -> str:
    """The hash of a record: SHA-256 of its predecessor's hash and of what it says.

    >>> digest("", 1, "2026-01-31T10:00:00Z", "ann", {"kind": "x"})[:12]
    '285b1a223ffc'
    """
    said = canonical({"seq": seq, "at": at, "by": by, "event": body})
    return hashlib.sha256(f"{previous}\n{said}".encode()).hexdigest()


def chain(last: Record | None, event: Any, *, at: str, by: str) -> Record:
    """The record that follows `last`.

    >>> first = chain(None, PartnerJoined(partner="maker", name="A maker"), at="2026-01-31T10:00:00Z", by="ann")
    >>> second = chain(first, PartnerJoined(partner="lab", name="A lab"), at="2026-01-31T10:01:00Z", by="ann")
    >>> second.seq, second.previous == first.hash
    (2, True)
    """
    previous, seq = (last.hash, last.seq + 1) if last else (ORIGIN, 1)
    return Record(seq, at, by, event, previous, digest(previous, seq, at, by, plain(event)))


def faults(records: Iterable[Record], head: str = "") -> list[str]:
    """Every place where a chain is broken: altered, missing or moved records. `head` is the last hash, where known.

    >>> a = chain(None, PartnerJoined(partner="a", name="A"), at="2026-01-01T00:00:00Z", by="host")
    >>> b = chain(a, PartnerJoined(partner="b", name="B"), at="2026-01-02T00:00:00Z", by="host")
    >>> faults([b])
    ['record 2 stands where record 1 should: one is missing or moved']
    """
    return faults_of_lines((line(record) for record in records), head)


def faults_of_lines(lines: Iterable[Mapping[str, Any]], head: str = "") -> list[str]:
    """As `faults`, of records as plain values: what was stored is what is checked.

    >>> record = chain(None, PartnerJoined(partner="maker", name="A maker"), at="2026-01-31T10:00:00Z", by="ann")
    >>> faults_of_lines([line(record)]), len(faults_of_lines([line(record) | {"by": "eve"}]))
    ([], 1)
    """
    found: list[str] = []
    previous, expected = ORIGIN, 1
    for entry in lines:
        seq = entry["seq"]
        if seq != expected:
            found.append(f"record {seq} stands where record {expected} should: one is missing or moved")
        elif entry["previous"] != previous:
            found.append(f"record {seq} does not follow its predecessor: one of them was altered or moved")
        if digest(entry["previous"], seq, entry["at"], entry["by"], entry["event"]) != entry["hash"]:
            found.append(f"record {seq} was altered: it does not have the hash that it had when it was made")
        previous, expected = entry["hash"], seq + 1
    if head and previous != head:
        found.append("the last record is not the one that the ledger's head names: records at the end are missing")
    return found


def line(record: Record) -> dict[str, Any]:
    """A record as plain values, as it stands in a line of JSON Lines.

    >>> record = chain(None, PartnerJoined(partner="maker", name="A maker"), at="2026-01-31T10:00:00Z", by="ann")
    >>> read_line(line(record)) == record
    True
    """
    return {
        "seq": record.seq,
        "at": record.at,
        "by": record.by,
        "event": plain(record.event),
        "previous": record.previous,
        "hash": record.hash,
    }


def read_line(entry: Mapping[str, Any]) -> Record:
    """The record of a line; pydantic's ValidationError for an event that cannot be."""
    event = EVENT.validate_python(entry["event"])
    return Record(
        int(entry["seq"]), str(entry["at"]), str(entry["by"]), event, str(entry["previous"]), str(entry["hash"])
    )
