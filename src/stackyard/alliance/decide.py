"""What somebody wants to record, judged: the events that follow, or every reason against it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from stackyard.alliance.event import EVENT, CommitmentMoved, chain, plain
from stackyard.alliance.state import Commitment, State, Terms, fold, is_guest, owns
from stackyard.quantity import DAY, UnitError, convert, dimension
from stackyard.words import either, phrase


@dataclass(frozen=True)
class Actor:
    """Who wants something recorded: a person's name, their partner, and whether they host the alliance."""

    name: str
    partner: str = ""
    host: bool = False
    may_write: bool = True


@dataclass(frozen=True)
class Refused:
    """Why a thing is not recorded; nothing was. `conflict` is true where somebody else was faster."""

    reasons: tuple[str, ...]
    conflict: bool = False
    forbidden: bool = False


# The most that anybody can mean, in SI: more is a slip of the unit.
MOST: Mapping[str, float] = {"stacks": 1e9, "wafers": 1e8, "power": 1e12, "demand": 1e20 / DAY}
LIKE: Mapping[str, str] = {"stacks": "stack", "wafers": "wafer", "power": "W", "demand": "token/day"}
SECTION: Mapping[str, str] = {"stacks": "supplies", "wafers": "supplies", "power": "sites", "demand": "services"}
# From which status a commitment may go to which.
NEXT: Mapping[str, tuple[str, ...]] = {
    "proposed": ("accepted", "declined", "withdrawn"),
    "accepted": ("fulfilled", "missed", "withdrawn"),
    "missed": ("fulfilled", "withdrawn"),
    "declined": (),
    "fulfilled": (),
    "withdrawn": (),
}


def decide(state: State, event: Any, actor: Actor, expected: int | None = None) -> tuple[Any, ...] | Refused:
    """The events to append for a wish, or why not. `expected` is the version of the commitment that the actor saw.

    >>> from stackyard.alliance.event import PartnerJoined
    >>> decide(State(), PartnerJoined(partner="lab", name="A lab"), Actor("me", "lab")).forbidden
    True
    """
    try:
        event = EVENT.validate_python(plain(event))
    except ValidationError as error:
        return Refused(tuple(dict.fromkeys(_unfit(e) for e in error.errors(include_url=False))))
    if not actor.may_write:
        return Refused((phrase("{name} may read, not write", name=actor.name),), forbidden=True)
    barred = tuple(_barred(state, event, actor))
    if barred:
        return Refused(barred, forbidden=True)
    stale = _stale(state, event, actor, expected)
    if stale:
        return Refused((stale,), conflict=True)
    reasons = tuple(CHECKS.get(event.kind, _nothing)(state, event))
    if reasons:
        return Refused(reasons)
    standing = _commitment(state, event)
    if actor.host and event.kind == "commitment-revised" and standing is not None and standing.status == "accepted":
        return (event, CommitmentMoved(commitment=event.commitment, status="accepted", note=event.note))
    return (event,)


def after(state: State, event: Any) -> Commitment | None:
    """The commitment as an event would have it laid over the scenario; None for an event that lays none."""
    if event.kind == "commitment-proposed":
        made = fold((chain(None, event, at="", by=""),)).commitments[event.commitment]
        return made if made.measure in LIKE else None
    standing = _commitment(state, event)
    if standing is None or standing.measure not in LIKE:
        return None
    if event.kind == "commitment-revised":
        return replace(standing, history=(*standing.history, Terms(state.seq + 1, "", event)))
    return standing if event.kind == "commitment-moved" and event.status == "accepted" else None


def _nexts(commitment: Commitment) -> tuple[str, ...]:
    """What a commitment can become: one that was revised since it was accepted, accepted again."""
    return ("accepted", *NEXT["accepted"]) if commitment.waits else NEXT[commitment.status]


def moves(state: State, commitment: Commitment, actor: Actor) -> tuple[str, ...]:
    """What somebody may make of a commitment.

    >>> from stackyard.alliance.event import CommitmentProposed
    >>> made = CommitmentProposed(commitment="c", name="Stacks", partner="maker", to="lab")
    >>> state = fold([chain(None, made, at="2026-01-01T00:00:00Z", by="ann")])
    >>> moves(state, state.commitments["c"], Actor("ann", "maker"))
    ('withdrawn',)
    """
    wishes = {status: CommitmentMoved(commitment=commitment.id, status=status) for status in _nexts(commitment)}  # type: ignore[arg-type]
    return tuple(status for status, wish in wishes.items() if not any(_barred(state, wish, actor)))


# What the fields that people fill in are called, and what goes into those that have a form.
FIELDS: Mapping[str, str] = {
    "name": phrase("Name"),
    "date": phrase("Date"),
    "end": phrase("Until"),
    "due": phrase("By"),
    "partner": phrase("Partner"),
    "partners": phrase("Who is invited"),
    "to": phrase("To whom"),
    "month": phrase("Month"),
    "amount": phrase("Amount"),
    "amounts": phrase("Months and amounts"),
    "low": phrase("At least"),
    "high": phrase("At most"),
    "note": phrase("Note"),
    "agenda": phrase("Agenda"),
    "decisions": phrase("Decisions"),
    "text": phrase("What is to be done"),
    "item": phrase("Part of the scenario"),
}
WRITTEN: Mapping[str, str] = {
    "date": phrase("{field}: write 2027-02-11, or 2027-02 where only the month is known"),
    "end": phrase("{field}: write 2027-02-11, or 2027-02 where only the month is known"),
    "due": phrase("{field}: write 2027-02-11, or 2027-02 where only the month is known"),
    "month": phrase("{field}: write 2027-03"),
    "amounts": phrase("{field}: a line for each month, such as: 2027-03 40000"),
    "low": phrase("{field}: a line for each month, such as: 2027-03 40000"),
    "high": phrase("{field}: a line for each month, such as: 2027-03 40000"),
    "amount": phrase("{field}: a number from 0 on"),
}


def _unfit(error: Any) -> str:
    """What is wrong with a field, by the name that the page has for it."""
    loc, kind, limits = error["loc"], error["type"], error.get("ctx", {})
    first = str(loc[1]) if len(loc) > 1 else "event"
    field = FIELDS.get(first, ".".join(map(str, loc[1:])) or first)
    if kind == "string_too_long":
        return phrase("{field}: at most {n} characters", field=field, n=limits["max_length"])
    if kind == "too_long":
        return phrase("{field}: at most {n} lines", field=field, n=limits["max_length"])
    if first in WRITTEN and kind != "missing":
        return WRITTEN[first].format(field=field)
    if kind == "string_pattern_mismatch":
        return phrase("{field}: small letters, digits, hyphens and dots, 80 at most", field=field)
    if kind in ("literal_error", "enum"):
        return phrase("{field}: one of {allowed}", field=field, allowed=limits["expected"].replace("'", ""))
    if kind == "missing":
        return phrase("{field}: state it", field=field)
    return f"{field}: {error['msg']}"


def _nothing(state: State, event: Any) -> Iterator[str]:
    yield from ()


def _commitment(state: State, event: Any) -> Commitment | None:
    return state.commitments.get(getattr(event, "commitment", ""))


def _barred(state: State, event: Any, actor: Actor) -> Iterator[str]:
    """Who may record what: the host all of it; a partner its own, and the acceptance of what it was promised."""
    if actor.host:
        return
    if event.kind in ("partner-joined", "scenario-revised", "plan-run", "claims-differ"):
        yield phrase("only the host of the alliance records this")
    if event.kind in ("meeting-called", "meeting-held", "action-given"):
        yield from _not_of_meeting(state, event, actor)
    if event.kind in ("commitment-proposed", "item-shared", "person-named") and event.partner != actor.partner:
        yield phrase("a partner speaks for itself only: this is of '{partner}'", partner=event.partner)
    yield from _meeting_of_others(state, event, actor)
    if event.kind == "item-shared" or (event.kind == "commitment-proposed" and event.measure in LIKE and event.item):
        yield from _of_others(state, event.item, actor)
    known = state.people.get(event.person) if event.kind == "person-named" else None
    if known is not None and known.partner != actor.partner:
        yield phrase("'{person}' is a person of another partner: choose another id", person=event.person)
    if event.kind == "action-done":
        action = state.actions.get(event.action)
        if action is None or action.given.partner != actor.partner:
            yield phrase("only the partner whose action it is, or the host, says that it is done")
    if event.kind in ("commitment-revised", "delivered", "commitment-moved"):
        yield from _not_theirs(state, event, actor)


def _of_others(state: State, item: str, actor: Actor) -> Iterator[str]:
    if not owns(state, actor.partner, item):
        yield phrase(
            "'{item}' is not an item of '{partner}'; the host says whose it is", item=item, partner=actor.partner
        )


def _not_of_meeting(state: State, event: Any, actor: Actor) -> Iterator[str]:
    """Why somebody does not record something of a meeting."""
    meeting = state.meetings.get(event.meeting)
    invited = meeting.called.partners if meeting else getattr(event, "partners", ())
    if actor.partner not in invited or is_guest(state, actor.partner):
        yield phrase("only the host and the partners of a meeting record it; a guest reads")
    elif event.kind == "action-given" or meeting is None:
        return
    elif meeting.held and meeting.held_by != actor.name:
        yield phrase("{name} recorded this meeting: only they and the host correct it", name=meeting.held_by)
    elif event.kind == "meeting-called" and meeting.called_by != actor.name:
        who = meeting.called_by or phrase("the host")
        yield phrase("{name} called this meeting: only they and the host change it", name=who)


def _meeting_of_others(state: State, event: Any, actor: Actor) -> Iterator[str]:
    """A promise is made, revised or moved at meetings of its partner only: it stands in their minutes."""
    if not event.kind.startswith("commitment-") or not event.meeting:
        return
    meeting = state.meetings.get(event.meeting)
    if meeting is None or actor.partner not in meeting.called.partners:
        yield phrase("there is no meeting '{meeting}' of yours", meeting=event.meeting)


def _not_theirs(state: State, event: Any, actor: Actor) -> Iterator[str]:
    commitment = _commitment(state, event)
    if commitment is None:
        yield phrase("there is no commitment '{commitment}' that you may change", commitment=event.commitment)
        return
    ours = commitment.partner == actor.partner
    promised = commitment.to == actor.partner and not ours
    if not (ours or promised):
        yield phrase("there is no commitment '{commitment}' that you may change", commitment=event.commitment)
    elif event.kind == "commitment-moved":
        may, why = _moved_by(state, commitment, actor, ours, promised).get(event.status, (True, ""))
        if not may:
            yield why.format(name=commitment.name)
    elif not ours:
        yield phrase("'{name}' is for its partner to change", name=commitment.name)
    elif event.kind == "commitment-revised" and commitment.measure in LIKE:
        yield from _of_others(state, commitment.item, actor)


def _moved_by(
    state: State, commitment: Commitment, actor: Actor, ours: bool, promised: bool
) -> Mapping[str, tuple[bool, str]]:
    """Of a status that not both sides may give: whether this one may, and who does."""
    accepts = phrase("'{name}' is accepted by whom it was promised to, or by the host")
    foreign = phrase("'{name}' is about what is not its partner's: the host accepts it")
    return {
        "accepted": (may_accept(state, commitment, actor), foreign if promised else accepts),
        "declined": (promised, phrase("'{name}' is declined by whom it was promised to, or by the host")),
        "withdrawn": (ours, phrase("'{name}' is withdrawn by its partner, or by the host")),
        "fulfilled": (
            promised or not commitment.to,
            phrase("'{name}' is fulfilled where whom it was promised to, or the host, says so"),
        ),
    }


def may_accept(state: State, commitment: Commitment, actor: Actor) -> bool:
    """Whether somebody may make a promise part of the plan: the host, or the partner of the alliance who was promised
    what is the promiser's, or is their own.

    >>> from stackyard.alliance.event import CommitmentProposed, chain
    >>> from stackyard.alliance.state import fold
    >>> made = CommitmentProposed(commitment="c", name="To oneself", partner="lab", to="lab")
    >>> state = fold([chain(None, made, at="2026-01-01T00:00:00Z", by="ann")])
    >>> may_accept(state, state.commitments["c"], Actor("ann", "lab"))
    False
    """
    if actor.host:
        return True
    if not actor.partner or commitment.to != actor.partner or commitment.partner == actor.partner:
        return False
    if commitment.measure not in LIKE:
        return True
    owned = any(owns(state, partner, commitment.item) for partner in (commitment.partner, commitment.to))
    return owned and not is_guest(state, actor.partner)


def _stale(state: State, event: Any, actor: Actor, expected: int | None) -> str:
    commitment = _commitment(state, event)
    if commitment is None or event.kind not in ("commitment-revised", "commitment-moved"):
        return ""
    if expected is None:
        accepts = event.kind == "commitment-moved" and event.status == "accepted" and not actor.host
        if accepts and commitment.revised:
            return phrase("'{name}' was revised: name the version that you accept, as `expected`", name=commitment.name)
        return ""
    if commitment.version == expected:
        return ""
    last = max(commitment.history[-1].at, commitment.steps[-1].at)
    return phrase(
        "somebody changed '{name}' at {last}, after you opened it (version {version}, yours {expected}); nothing of "
        "theirs or yours is lost: look at both and send again",
        name=commitment.name,
        last=last,
        version=commitment.version,
        expected=expected,
    )


def _proposal(state: State, event: Any) -> Iterator[str]:
    if event.commitment in state.commitments:
        yield phrase("commitment '{commitment}' exists: revise it, or choose another id", commitment=event.commitment)
    if event.to and event.to == event.partner:
        yield phrase("To whom: not to oneself; name another partner, or nobody in particular")
    yield from _known_partners(state, (event.partner, *((event.to,) if event.to else ()), *event.shared_with))
    yield from _amounts(event.measure, event.item, event.unit, event)


def _revision(state: State, event: Any) -> Iterator[str]:
    commitment = _commitment(state, event)
    if commitment is None:
        yield phrase("no commitment '{commitment}'", commitment=event.commitment)
    elif not NEXT[commitment.status]:
        yield phrase("'{name}' is {status}: propose a new one", name=commitment.name, status=phrase(commitment.status))
    else:
        yield from _amounts(commitment.measure, commitment.item, commitment.unit, event)


def _amounts(measure: str, item: str, unit: str, event: Any) -> Iterator[str]:
    like = LIKE.get(measure)
    if like is not None:
        section, _, name = item.partition(".")
        if not item:
            yield phrase("Part of the scenario: choose what this is about")
        elif section != SECTION[measure] or not name:
            yield phrase(
                "item '{item}': {measure} belong to {section}.NAME of the scenario",
                item=item,
                measure=measure,
                section=SECTION[measure],
            )
        if not event.amounts:
            yield phrase("amounts: state at least one month, such as 2027-03")
        try:
            if dimension(_counted(measure, unit)) != dimension(like):
                yield phrase(
                    "unit '{unit}': {measure} are counted in {like}, or with a prefix such as k, M, G",
                    unit=unit,
                    measure=measure,
                    like=like,
                )
            else:
                yield from _too_much(measure, unit, max(event.amounts.values(), default=0.0))
        except UnitError as error:
            yield phrase("unit: {error}", error=error)
    for month, amount in event.amounts.items():
        if not event.low.get(month, 0.0) <= amount <= event.high.get(month, float("inf")):
            yield phrase("amounts: {month} is outside its own range", month=month)


def _counted(measure: str, unit: str) -> str:
    """The unit in which a month's amount is counted: '/month' may stand with counts, and says nothing more."""
    return unit.removesuffix("/month") if measure in ("stacks", "wafers") else unit


def _too_much(measure: str, unit: str, amount: float) -> Iterator[str]:
    if measure in MOST and amount * convert(1.0, _counted(measure, unit)) > MOST[measure]:
        yield phrase("amounts: more than there can be; is '{unit}' the unit?", unit=unit)


def _move(state: State, event: Any) -> Iterator[str]:
    commitment = _commitment(state, event)
    if commitment is None:
        yield phrase("no commitment '{commitment}'", commitment=event.commitment)
    elif event.status not in _nexts(commitment):
        allowed = either([phrase(status) for status in _nexts(commitment)] or [phrase("nothing else")])
        yield phrase(
            "'{name}' is {status} and can become {allowed}",
            name=commitment.name,
            status=phrase(commitment.status),
            allowed=allowed,
        )
    elif event.status == "declined" and not event.note.strip():
        yield phrase("{field}: state it", field=phrase("Or why it is declined"))


def _delivery(state: State, event: Any) -> Iterator[str]:
    if event.delivery in state.deliveries:
        yield phrase("delivery '{delivery}' is recorded already", delivery=event.delivery)
    commitment = _commitment(state, event)
    if commitment is None:
        yield phrase("no commitment '{commitment}'", commitment=event.commitment)
    elif commitment.status in ("declined", "withdrawn"):
        status = phrase(commitment.status)
        yield phrase("'{name}' is {status}: nothing comes of it", name=commitment.name, status=status)
    else:
        yield from _too_much(commitment.measure, commitment.unit, event.amount)


def _meeting(state: State, event: Any) -> Iterator[str]:
    if not event.date:
        yield WRITTEN["date"].format(field=FIELDS["date"])
    if not event.name:
        yield phrase("{field}: state it", field=FIELDS["name"])
    yield from _known_partners(state, event.partners)


def _minuted(state: State, event: Any) -> Iterator[str]:
    if event.meeting not in state.meetings:
        yield phrase("no meeting '{meeting}': call it first", meeting=event.meeting)
    if event.next_meeting and event.next_meeting not in state.meetings:
        yield phrase("no meeting '{next_meeting}': call the next one first", next_meeting=event.next_meeting)


def _action(state: State, event: Any) -> Iterator[str]:
    if event.action in state.actions:
        yield phrase("action '{action}' exists", action=event.action)
    meeting = state.meetings.get(event.meeting)
    if meeting is None:
        yield phrase("no meeting '{meeting}'", meeting=event.meeting)
    elif meeting.called.partners and event.partner not in meeting.called.partners:
        yield phrase("'{partner}' is not of this meeting, and would not see it", partner=event.partner)
    yield from _known_partners(state, (event.partner,))


def _finished(state: State, event: Any) -> Iterator[str]:
    if event.action not in state.actions:
        yield phrase("no action '{action}'", action=event.action)
    elif state.actions[event.action].done:
        yield phrase("action '{action}' is done already", action=event.action)


def _person(state: State, event: Any) -> Iterator[str]:
    yield from _known_partners(state, (event.partner,))


def _share(state: State, event: Any) -> Iterator[str]:
    yield from _known_partners(state, (event.partner, *event.shared_with))


def _known_partners(state: State, names: tuple[str, ...]) -> Iterator[str]:
    for name in dict.fromkeys(names):
        if name not in state.partners:
            yield phrase("no partner '{name}': the host records who joins", name=name)


CHECKS: Mapping[str, Callable[[State, Any], Iterator[str]]] = {
    "commitment-proposed": _proposal,
    "commitment-revised": _revision,
    "commitment-moved": _move,
    "delivered": _delivery,
    "meeting-called": _meeting,
    "meeting-held": _minuted,
    "action-given": _action,
    "action-done": _finished,
    "person-named": _person,
    "item-shared": _share,
}
