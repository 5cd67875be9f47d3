"""What the events of a ledger come to: `evolve` folds them, `decide` judges what somebody wants to add.

Both are pure. A State is never edited: `evolve` returns another. A refusal is a value with its reasons.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, NamedTuple

from pydantic import TypeAdapter

from stackyard.alliance.event import (
    ORIGIN,
    ActionDone,
    ActionGiven,
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
    PlanRun,
    Record,
    ScenarioRevised,
)


class Terms(NamedTuple):
    """What a commitment says from one record on."""

    seq: int
    at: str
    said: CommitmentProposed | CommitmentRevised


class Step(NamedTuple):
    """A change of a commitment's status; the first is its proposal."""

    seq: int
    at: str
    status: str
    meeting: str
    note: str


@dataclass(frozen=True)
class Commitment:
    """A promise with everything it ever said: terms and statuses in the order in which they were recorded."""

    id: str
    name: str
    partner: str
    to: str
    measure: str
    item: str
    unit: str
    visibility: str
    shared_with: tuple[str, ...]
    range_shared: bool
    history: tuple[Terms, ...]
    steps: tuple[Step, ...]

    @property
    def terms(self) -> CommitmentProposed | CommitmentRevised:
        """What it says now: amounts, range, grade, whether it binds, sources."""
        return self.history[-1].said

    @property
    def status(self) -> str:
        return self.steps[-1].status

    @property
    def agreed(self) -> Commitment:
        """The same with the terms that were accepted last: those that are laid over the scenario."""
        last = max((step.seq for step in self.steps if step.status == "accepted"), default=0)
        kept = tuple(terms for terms in self.history if terms.seq <= last)
        return replace(self, history=kept) if kept else self

    @property
    def waits(self) -> bool:
        """Whether it was revised after it was accepted, and not accepted since: the plan keeps what was agreed."""
        return self.status == "accepted" and self.agreed.version < self.version

    @property
    def version(self) -> int:
        """Counts its records: whoever changes it names the version that they saw."""
        return len(self.history) + len(self.steps) - 1

    @property
    def revised(self) -> bool:
        return len(self.history) > 1

    @property
    def planned(self) -> bool:
        """Whether it is laid over the scenario: accepted or fulfilled, and of a kind that a plan can use."""
        return self.status in ("accepted", "fulfilled") and self.measure != "other"


@dataclass(frozen=True)
class Meeting:
    """A meeting as it was last announced, and what came of it once it was held."""

    called: MeetingCalled
    held: MeetingHeld | None = None
    held_seq: int = 0
    held_by: str = ""  # who recorded it
    called_by: str = ""  # who announced it

    @property
    def id(self) -> str:
        return self.called.meeting

    @property
    def joint(self) -> bool:
        """Whether several partners met, or all were let know."""
        open_to_all = self.called.visibility in ("alliance", "public")
        return not self.called.related and (open_to_all or len(self.called.partners) > 1)


@dataclass(frozen=True)
class Action:
    """Something that somebody is to do, and whether it is done."""

    given: ActionGiven
    done: ActionDone | None = None


@dataclass(frozen=True)
class State:
    """An alliance at one record of its ledger."""

    seq: int = 0
    head: str = ORIGIN
    at: str = ""
    partners: Mapping[str, PartnerJoined] = field(default_factory=dict)
    people: Mapping[str, PersonNamed] = field(default_factory=dict)
    meetings: Mapping[str, Meeting] = field(default_factory=dict)
    commitments: Mapping[str, Commitment] = field(default_factory=dict)
    actions: Mapping[str, Action] = field(default_factory=dict)
    deliveries: Mapping[str, Delivered] = field(default_factory=dict)
    shares: Mapping[str, ItemShared] = field(default_factory=dict)
    differences: Mapping[str, ClaimsDiffer] = field(default_factory=dict)
    revisions: tuple[ScenarioRevised, ...] = ()
    runs: tuple[PlanRun, ...] = ()

    def planned(self) -> tuple[Commitment, ...]:
        """The commitments that are laid over the scenario, by id, as they were accepted."""
        return tuple(self.commitments[key].agreed for key in sorted(self.commitments) if self.commitments[key].planned)

    def last_meeting(self) -> Meeting | None:
        """The latest meeting of the alliance that was recorded as held; of one day, what was recorded last. What a
        partner holds by itself is none."""
        held = [each for each in self.meetings.values() if each.held and each.joint]
        return max(held, key=lambda each: (each.called.date, each.held_seq), default=None)

    def by_date(self) -> tuple[Meeting, ...]:
        """All meetings, earliest first."""
        return tuple(sorted(self.meetings.values(), key=lambda each: (each.called.date, each.id)))


STATE: TypeAdapter[State] = TypeAdapter(State)
GUEST = "guest"  # the role of who takes part without being a partner of the alliance


def is_guest(state: State, partner: str) -> bool:
    """Whether somebody is no partner of the alliance: a guest, or nobody that was named.

    >>> is_guest(State(), "maker")
    True
    """
    return partner not in state.partners or state.partners[partner].role == GUEST


def owns(state: State, partner: str, item: str) -> bool:
    """Whether an item of the scenario is a partner's: what nobody was given is the host's.

    >>> owns(State(), "maker", "supplies.own")
    False
    """
    return bool(partner) and item in state.shares and state.shares[item].partner == partner


def evolve(state: State, record: Record) -> State:
    """The state after one more record.

    >>> from stackyard.alliance.event import PartnerJoined, chain
    >>> record = chain(None, PartnerJoined(partner="maker", name="A maker"), at="2026-01-31T10:00:00Z", by="ann")
    >>> evolve(State(), record).partners["maker"].name
    'A maker'
    """
    return fold((record,), state)


def fold(records: Iterable[Record], state: State | None = None) -> State:
    """The state after all of the records, from `state` or from nothing.

    >>> from stackyard.alliance.event import chain
    >>> fold([chain(None, PartnerJoined(partner="lab", name="A lab"), at="2026-01-01T00:00:00Z", by="host")]).seq
    1
    """
    start = state or State()
    draft: dict[str, Any] = {f.name: getattr(start, f.name) for f in fields(State)}
    for name, value in draft.items():
        draft[name] = dict(value) if isinstance(value, Mapping) else list(value) if isinstance(value, tuple) else value
    draft["terms"], draft["steps"] = {}, {}  # of the commitments that these records touch
    record = None
    for record in records:
        FOLDS[record.event.kind](draft, record)
    if record is not None:
        draft["seq"], draft["head"], draft["at"] = record.seq, record.hash, record.at
    terms, steps = draft.pop("terms"), draft.pop("steps")
    for id_ in terms.keys() | steps.keys():
        before = draft["commitments"][id_]
        history, moves = (*before.history, *terms.get(id_, ())), (*before.steps, *steps.get(id_, ()))
        draft["commitments"][id_] = replace(before, history=history, steps=moves)
    made: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in draft.items()}
    return State(**made)


def _keyed(group: str, key: str) -> Any:
    def put(draft: dict[str, Any], record: Record) -> None:
        draft[group][getattr(record.event, key)] = record.event

    return put


def _called(draft: dict[str, Any], record: Record) -> None:
    event: MeetingCalled = record.event
    before = draft["meetings"].get(event.meeting)
    draft["meetings"][event.meeting] = replace(before, called=event) if before else Meeting(event, called_by=record.by)


def _held(draft: dict[str, Any], record: Record) -> None:
    event: MeetingHeld = record.event
    before = draft["meetings"].get(event.meeting)
    if before:
        draft["meetings"][event.meeting] = replace(before, held=event, held_seq=record.seq, held_by=record.by)


def _action_done(draft: dict[str, Any], record: Record) -> None:
    event: ActionDone = record.event
    if event.action in draft["actions"]:
        draft["actions"][event.action] = replace(draft["actions"][event.action], done=event)


def _action_given(draft: dict[str, Any], record: Record) -> None:
    draft["actions"][record.event.action] = Action(record.event)


def _proposed(draft: dict[str, Any], record: Record) -> None:
    event: CommitmentProposed = record.event
    for pending in ("terms", "steps"):
        draft[pending].pop(event.commitment, None)
    draft["commitments"][event.commitment] = Commitment(
        event.commitment,
        event.name,
        event.partner,
        event.to,
        event.measure,
        event.item,
        event.unit,
        event.visibility,
        event.shared_with,
        event.range_shared,
        (Terms(record.seq, record.at, event),),
        (Step(record.seq, record.at, "proposed", event.meeting, event.note),),
    )


def _revised(draft: dict[str, Any], record: Record) -> None:
    event: CommitmentRevised = record.event
    if event.commitment in draft["commitments"]:
        draft["terms"].setdefault(event.commitment, []).append(Terms(record.seq, record.at, event))


def _moved(draft: dict[str, Any], record: Record) -> None:
    event: CommitmentMoved = record.event
    if event.commitment in draft["commitments"]:
        step = Step(record.seq, record.at, event.status, event.meeting, event.note)
        draft["steps"].setdefault(event.commitment, []).append(step)


def _listed(group: str) -> Any:
    def add(draft: dict[str, Any], record: Record) -> None:
        draft[group].append(record.event)

    return add


FOLDS: Mapping[str, Any] = {
    "partner-joined": _keyed("partners", "partner"),
    "person-named": _keyed("people", "person"),
    "meeting-called": _called,
    "meeting-held": _held,
    "action-given": _action_given,
    "action-done": _action_done,
    "commitment-proposed": _proposed,
    "commitment-revised": _revised,
    "commitment-moved": _moved,
    "delivered": _keyed("deliveries", "delivery"),
    "item-shared": _keyed("shares", "item"),
    "claims-differ": _keyed("differences", "difference"),
    "scenario-revised": _listed("revisions"),
    "plan-run": _listed("runs"),
}
