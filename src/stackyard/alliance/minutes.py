"""The minutes of a meeting, drafted from the record as one viewer may see it, in the viewer's language.

Agenda, decisions, actions with their owners, what was promised and changed, promises that are open, deliveries that
slip, what all that does to the plan, and questions for the next meeting. Nothing is invented: every line is a row of
the record or a difference of two of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from stackyard.alliance.access import Seen
from stackyard.alliance.change import months_of
from stackyard.alliance.result import ANEW, FIGURES, named
from stackyard.alliance.state import Commitment, Meeting
from stackyard.alliance.waterfall import waterfalls
from stackyard.quantity import parse
from stackyard.report.document import Block, Cell, Column, Paragraph, Points, Report, Section, Table
from stackyard.words import either, listed, phrase
from stackyard.words.spoken import Words

# What `words` is asked for by a value of the record: statuses, and who may see what.
NAMED = (
    phrase("proposed"),
    phrase("accepted"),
    phrase("declined"),
    phrase("fulfilled"),
    phrase("missed"),
    phrase("withdrawn"),
    phrase("private"),
    phrase("named"),
    phrase("alliance"),
    phrase("public"),
    phrase("value"),
    phrase("range"),
    phrase("read"),
    phrase("write"),
)


STEPS = 4  # of a promise of power that are told in a line


@dataclass(frozen=True)
class Moved:
    """A commitment that changed in a stretch of the record: how it stood before, how it stands at its end."""

    commitment: Commitment
    before: Mapping[str, float] | None  # amounts; None where it is new
    status_before: str
    noted: str


@dataclass(frozen=True)
class Slip:
    """A promise that came short: promised and delivered in months that are over, or put off since it was first made."""

    commitment: Commitment
    promised: float
    delivered: float
    month: str
    reason: str  # 'delivered less' or 'revised down'


def moved(seen: Seen, meeting: Meeting) -> tuple[Moved, ...]:
    """What changed from the meeting before to the end of this one, and whatever was promised or moved at it.

    What belongs to this meeting is told as it stands now, whenever it was recorded, and comes first. A proposal
    that its partner kept to itself, and that came to nothing, is no affair of a meeting.
    """
    before, end = before_meeting(seen, meeting), meeting.held_seq or seen.state.seq
    found: list[Moved] = []
    for commitment in sorted(seen.state.commitments.values(), key=lambda c: not _seqs_at(c, meeting)):
        at = _seqs_at(commitment, meeting)
        after, until = (min(before, at[0] - 1), seen.state.seq) if at else (before, end)
        terms = [t for t in commitment.history if t.seq <= until]
        steps = [s for s in commitment.steps if s.seq <= until]
        if not terms or (terms[-1].seq <= after and steps[-1].seq <= after):
            continue
        if not at and _kept_to_itself(commitment, meeting):
            continue
        old = [t for t in terms if t.seq <= after]
        stood = [s for s in steps if s.seq <= after]
        noted = terms[-1].said.note if terms[-1].seq > steps[-1].seq else steps[-1].note
        found.append(Moved(commitment, old[-1].said.amounts if old else None, stood[-1].status if stood else "", noted))
    return tuple(found)


def _seqs_at(commitment: Commitment, meeting: Meeting) -> list[int]:
    """The numbers of a commitment's records that name a meeting, in order."""
    said = [t.seq for t in commitment.history if t.said.meeting == meeting.id]
    return sorted(said + [s.seq for s in commitment.steps if s.meeting == meeting.id])


def _kept_to_itself(commitment: Commitment, meeting: Meeting) -> bool:
    """Whether a private proposal was made to nobody at a meeting and never got further than being withdrawn."""
    only = all(step.status in ("proposed", "withdrawn") for step in commitment.steps)
    return commitment.visibility == "private" and commitment.to not in meeting.called.partners and only


def slipping(seen: Seen, today: str) -> tuple[Slip, ...]:
    """Promises of which less came than was promised for the months that are over, or that were revised down."""
    found = []
    for commitment in seen.state.commitments.values():
        if commitment.status not in ("accepted", "missed") or not commitment.terms.amounts:
            continue
        came: dict[str, float] = {}
        for delivery in seen.state.deliveries.values():
            if delivery.commitment == commitment.id:
                came[delivery.month] = came.get(delivery.month, 0.0) + delivery.amount
        due = {
            m: a
            for m, a in commitment.terms.amounts.items()
            if m in came or (came and m <= max(came) and m < today[:7])
        }
        promised, delivered = sum(due.values()), sum(came.get(m, 0.0) for m in due)
        if due and delivered < 0.999 * promised:
            found.append(Slip(commitment, promised, delivered, months_of(due), phrase("delivered less")))
        elif commitment.status == "missed":
            amounts = commitment.terms.amounts
            found.append(Slip(commitment, sum(amounts.values()), delivered, months_of(amounts), phrase("missed")))
        elif commitment.revised and _later(commitment):
            first, now = commitment.history[0].said.amounts, commitment.terms.amounts
            months = (months_of(first), months_of(now))
            found.append(
                Slip(
                    commitment,
                    sum(first.values()),
                    sum(now.values()),
                    " → ".join(dict.fromkeys(months)),
                    phrase("revised"),
                )
            )
    return tuple(found)


def _later(commitment: Commitment) -> bool:
    """Whether less comes by some month than was promised first; power counts as reached, the rest adds up."""
    first, now = commitment.history[0].said.amounts, commitment.terms.amounts
    add = max if commitment.measure == "power" else sum
    for month in sorted({*first, *now}):
        then = add([a for m, a in first.items() if m <= month] or [0.0])
        today = add([a for m, a in now.items() if m <= month] or [0.0])
        if today < 0.999 * then:
            return True
    return False


def before_meeting(seen: Seen, meeting: Meeting) -> int:
    """The number of the record with which the meeting before this one ended; 0 where there was none."""
    others = [m for m in seen.state.meetings.values() if m.held and m.id != meeting.id and not m.called.related]
    until = meeting.held_seq or seen.state.seq + 1
    return max((m.held_seq for m in others if m.held_seq < until), default=0)


def minutes(
    seen: Seen,
    meeting: Meeting,
    words: Words,
    *,
    today: str,
    before: Mapping[str, float] | None = None,
    changes: Iterable[tuple[str, Mapping[str, float]]] = (),
) -> Report:
    """The minutes as a report: `before` are the plan's figures at the last meeting, `changes` each promise's effect."""
    called, held = meeting.called, meeting.held
    sections = [
        _section(words, "agenda", phrase("Agenda"), _points(called.agenda), _invited(seen, meeting, words)),
        _section(words, "decisions", phrase("Decisions"), _points(held.decisions if held else ())),
        _section(words, "actions", phrase("Actions"), _actions(seen, meeting, words)),
        _section(
            words,
            "promises",
            phrase("What was promised and what moved"),
            _moves(moved(seen, meeting), seen, words),
        ),
        _section(words, "plan", phrase("What that does to the plan"), plan_changes(seen, words, before or {}, changes)),
        _section(words, "open", phrase("Open promises"), open_promises(seen, words)),
        _section(words, "slips", phrase("Slipping deliveries"), slips(slipping(seen, today), seen, words)),
        _section(
            words, "questions", phrase("Questions for the next meeting"), _points(questions(seen, meeting, words))
        ),
        _section(words, "next", phrase("Next meeting"), _next(seen, meeting, words)),
    ]
    title = ": ".join((words("Minutes"), called.name))
    when = " – ".join(words.day(day) for day in (called.date, called.end) if day)
    subtitle = f"{when}, {called.place}" if called.place else when
    viewer = partner_name(seen, seen.viewer.partner) or words("the host")
    note = (
        words("From the record, as {viewer} may see it.", viewer=viewer)
        if held
        else words("Draft from the record, as {viewer} may see it.", viewer=viewer)
    )
    return Report(title, subtitle, note, tuple(sections), (), of_ledger(seen), language=words.code)


def of_ledger(seen: Seen) -> tuple[tuple[str, str], ...]:
    """The record that a report is made from, for who may see its hash."""
    return (("Ledger", f"{seen.state.seq} {seen.state.head[:12]}"),) if seen.state.head else ()


def _section(words: Words, id_: str, title: str, blocks: tuple[Block, ...], lead: str = "") -> Section:
    return Section(id_, words(title), lead, blocks or (Paragraph(words("Nothing on record.")),))


def _points(items: Iterable[str]) -> tuple[Block, ...]:
    points = tuple((f"{number}.", text) for number, text in enumerate(items, 1))
    return (Points(points),) if points else ()


def _invited(seen: Seen, meeting: Meeting, words: Words) -> str:
    names = [partner_name(seen, p) for p in meeting.called.partners]
    people = list(meeting.called.participants)
    present = words("Present")
    return f"{present}: {'; '.join(people or names)}." if people or names else ""


def partner_name(seen: Seen, partner: str) -> str:
    """What a partner is called."""
    known = seen.state.partners.get(partner)
    return known.name if known else partner


def _actions(seen: Seen, meeting: Meeting, words: Words) -> tuple[Block, ...]:
    """The meeting's own, and those of other meetings that are still open."""
    rows: list[tuple[Cell, ...]] = []
    others: list[tuple[Cell, ...]] = []
    for action in seen.state.actions.values():
        given = action.given
        if given.meeting != meeting.id and action.done:
            continue
        who = (
            f"{given.owner}, {partner_name(seen, given.partner)}" if given.owner else partner_name(seen, given.partner)
        )
        told = given.text, who, words.day(given.due)
        if given.meeting == meeting.id:
            rows.append((*told, words("done") if action.done else words("open")))
        else:
            others.append((*told, seen.state.meetings[given.meeting].called.name))
    heads = words("Action"), words("Owner"), words("Due")
    tables = (
        Table(words("Actions"), tuple(map(Column, (*heads, words("Status")))), tuple(rows)),
        Table(words("Still open from other meetings"), tuple(map(Column, (*heads, words("Meeting")))), tuple(others)),
    )
    return tuple(table for table in tables if table.rows)


def told(amounts: Mapping[str, float] | None, unit: str, words: Words, measure: str = "") -> str:
    """Amounts by month in few words: the months and the sum, the highest of them, or of power every step.

    >>> told({"2027-11": 41.0, "2029-02": 103.0}, "MW", Words("en"), "power")
    '41 MW from November 2027 on, 103 MW from February 2029 on'
    >>> told({"2027-03": 40e3, "2027-04": 50e3}, "stack", Words("en"), "stacks")
    '90,000 stacks, March 2027 – April 2027'
    """
    if not amounts:
        return "–"
    months = sorted(amounts)
    if measure == "power":
        return _levels({month: amounts[month] for month in months}, unit, words)
    when = words.month(months[0]) if len(months) == 1 else f"{words.month(months[0])} – {words.month(months[-1])}"
    total = sum(amounts.values()) if measure in ("stacks", "wafers") else max(amounts.values())
    if measure == "demand":
        return f"{words.amount(parse(f'{total:g} {unit}', 'token/day'), 'token/day')}, {when}"
    return f"{words.number(total, 2 if total < 100 else 0)} {words.unit(unit)}, {when}"


def _levels(amounts: Mapping[str, float], unit: str, words: Words) -> str:
    """From which month on there is how much, at its steps: '41 MW from November 2027, 103 MW from February 2029'."""
    steps: list[tuple[str, float]] = []
    for month, amount in amounts.items():
        if not steps or amount != steps[-1][1]:
            steps.append((month, amount))
    some = steps if len(steps) <= STEPS else [*steps[: STEPS - 1], steps[-1]]
    said = [
        words(
            "{amount} from {month} on",
            amount=f"{words.number(amount, 2 if amount < 100 else 0)} {words.unit(unit)}",
            month=words.month(month),
        )
        for month, amount in some
    ]
    if len(some) < len(steps):
        said.insert(-1, "…")
    return ", ".join(said)


def _moves(changes: tuple[Moved, ...], seen: Seen, words: Words) -> tuple[Block, ...]:
    rows: list[tuple[Cell, ...]] = []
    for each in changes:
        c = each.commitment
        status = (
            words(c.status) if c.status == each.status_before else f"{words(each.status_before)} → {words(c.status)}"
        )
        before = told(each.before, c.unit, words, c.measure) if each.before is not None else words("new")
        rows.append(
            (
                c.name,
                partner_name(seen, c.partner),
                before,
                told(c.terms.amounts, c.unit, words, c.measure),
                status.removeprefix(" → "),
                each.noted,
            )
        )
    names = (phrase("Promise"), phrase("Of"), phrase("Before"), phrase("Now"), phrase("Status"), phrase("Note"))
    return _table(words, phrase("Promises that changed"), names, rows)


def _table(words: Words, title: str, names: Iterable[str], rows: Iterable[tuple[Cell, ...]]) -> tuple[Block, ...]:
    """A table under its title; none without rows."""
    made = tuple(rows)
    return (Table(words(title), tuple(Column(words(name)) for name in names), made),) if made else ()


def plan_changes(
    seen: Seen, words: Words, before: Mapping[str, float], changes: Iterable[tuple[str, Mapping[str, float]]]
) -> tuple[Block, ...]:
    """The plan's figures before and now, what limits each year, and what each changed promise did."""
    rows: list[tuple[Cell, ...]] = []
    for key, (name, _, unit) in named(seen.figures).items():
        now, old = seen.figures[key], before.get(key)
        then = words.amount(old, unit) if old is not None else "–"
        by = words.change(noticed(now - old, now, unit), unit) if old is not None else "–"
        rows.append((words(name), then, words.amount(now, unit), by))
    blocks: list[Block] = []
    same = before and all(
        noticed(seen.figures[key] - before[key], before[key], unit) == 0.0
        for key, (_, _, unit) in named(before.keys() & seen.figures.keys()).items()
    )
    if rows and same:
        told = (
            words("Nothing in the plan changed since the last meeting.")
            if seen.whole
            else words(
                "No figure that is shown to you changed since the last meeting; what is not shown may have changed."
            )
        )
        blocks.append(Paragraph(told))
    elif rows:
        names = (phrase("Figure"), phrase("At the last meeting"), phrase("Now"), phrase("Change"))
        blocks += _table(words, phrase("The plan before and now"), names, rows)
    binds = seen.results("limits", "year.binds.")
    if binds:
        limits = ((r.title, cause(r.text, words)) for r in binds)
        blocks += _table(words, phrase("What limits each year"), (phrase("Year"), phrase("Limit")), limits)
    steps = [(step_name(seen, id_, words), by_figure) for id_, by_figure in changes]
    effects: list[tuple[Cell, ...]] = [
        (
            name,
            *(
                words.change(noticed(by_figure[k], seen.figures[k], FIGURES[k][1]), FIGURES[k][1])
                if k in seen.figures
                else "–"
                for k in EFFECTS
            ),
        )
        for name, by_figure in steps
    ]
    if effects:
        columns = (Column(words("Promise")), *(Column(words(FIGURES[k][0])) for k in EFFECTS))
        blocks += waterfalls(seen, words, before, steps)
        blocks.append(Table(words("What each changed promise did"), columns, tuple(effects)))
    return tuple(blocks)


def noticed(by: float, of: float, unit: str) -> float:
    """A difference, or 0 where it is less than can be seen: a hundredth of a point, or a millionth of its figure.

    >>> noticed(-1e-4, 6e11, "USD"), noticed(0.02, 0.6, "")
    (0.0, 0.02)
    """
    return by if abs(by) >= (5e-5 if unit == "" else 1e-6 * abs(of)) else 0.0


def step_name(seen: Seen, id_: str, words: Words) -> str:
    """What a step from the plan before to the plan now is called: its promise, or the choices that were made again."""
    return words("Choices made anew") if id_ == ANEW else seen.state.commitments[id_].name


EFFECTS = ("served_share", "served_end", "power_end", "spending", "present_cost")


def cause(text: str, words: Words) -> str:
    """Causes in words, each name translated.

    >>> cause("HBM / Power; Money + Packaging", Words("en"))
    'HBM or Power, and in part Money and Packaging together'
    """
    first, second = (_one_cause(part, words) for part in (first_of(text), text.partition("; ")[2]))
    return words("{first}, and in part {second}", first=first, second=second) if second else first


def first_of(text: str) -> str:
    """The cause that leaves most.

    >>> first_of("HBM / Power; Money")
    'HBM / Power'
    """
    return text.partition("; ")[0]


def _one_cause(text: str, words: Words) -> str:
    """A limit, either of two ('/'), or several together ('+')."""
    if " / " in text:
        return words(either([words(name) for name in text.split(" / ")]))
    if " + " in text:
        return words("{limits} together", limits=words(listed([words(name) for name in text.split(" + ")])))
    return words(text) if text else ""


def open_promises(seen: Seen, words: Words) -> tuple[Block, ...]:
    """What is proposed, and what is accepted and not yet fulfilled."""
    rows: list[tuple[Cell, ...]] = []
    for c in sorted(seen.state.commitments.values(), key=lambda c: (c.status, c.name)):
        if c.status in ("proposed", "accepted"):
            said = told(c.terms.amounts, c.unit, words, c.measure)
            if not c.terms.amounts and c.terms.high:
                low, high = told(c.terms.low, c.unit, words, c.measure), told(c.terms.high, c.unit, words, c.measure)
                said = f"{low} – {high}"
            kind = words("binding") if c.terms.binding else words("not binding")
            rows.append((c.name, partner_name(seen, c.partner), said, words(c.status), kind, words(c.terms.grade)))
    names = (phrase("Promise"), phrase("Of"), phrase("What"), phrase("Status"), phrase("Kind"), phrase("Confidence"))
    return _table(words, phrase("Open promises"), names, rows)


def slips(found: Iterable[Slip], seen: Seen, words: Words) -> tuple[Block, ...]:
    """Promises that came short."""
    rows = (
        (
            s.commitment.name,
            partner_name(seen, s.commitment.partner),
            f"{words.number(s.promised)} {words.unit(s.commitment.unit)}",
            f"{words.number(s.delivered)} {words.unit(s.commitment.unit)}",
            s.month,
            words(s.reason),
        )
        for s in found
    )
    came = phrase("Came or stands now")
    names = (phrase("Promise"), phrase("Of"), phrase("Promised"), came, phrase("Months"), phrase("What"))
    return _table(words, phrase("Slipping deliveries"), names, rows)


def questions(seen: Seen, meeting: Meeting, words: Words) -> list[str]:
    """What was asked, what sources contradict each other on, and what is promised and not confirmed."""
    asked = list(meeting.held.questions) if meeting.held else []
    for difference in seen.state.differences.values():
        asked.append(words("Sources differ on: {topic}. Which is right?", topic=difference.topic))
    for c in seen.state.commitments.values():
        if c.status == "proposed":
            who = partner_name(seen, c.partner)
            asked.append(words("Does {partner} confirm: {promise}?", partner=who, promise=c.name))
    return asked


def _next(seen: Seen, meeting: Meeting, words: Words) -> tuple[Block, ...]:
    id_ = meeting.held.next_meeting if meeting.held else ""
    called: Any = seen.state.meetings[id_].called if id_ in seen.state.meetings else None
    if called is None:
        return ()
    where = f", {called.place}" if called.place else ""
    return (Paragraph(f"{called.name}: {words.day(called.date)}{where}."),)
