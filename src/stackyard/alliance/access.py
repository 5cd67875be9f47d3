"""Who may see what: one function, `view`, makes all that pages, exports, the API and minutes may show.

Each item belongs to a partner and is private, shared with named partners, shared with the alliance, or public. A range
can be shared where the value is private. Of what the joint plan says, a viewer gets

- a row that shows an item's amounts, if they may see these;
- a row that follows from hidden items (accelerators are made of stacks; watts, dollars and tokens go with accelerators;
  totals are sums), as long as the rows shown do not determine a hidden partner's part: taken as equations with known
  coefficients, any k of them must have more than k hidden partners among their unknowns. So none follows from one
  partner's hidden items, and of those of n partners n - 1 are shown, the share of demand served first. This is the
  suppression of complementary cells (Willenborg and de Waal, Elements of Statistical Disclosure Control, 2001), of
  structure alone: which rows are shown does not depend on amounts. What is of the viewer's own items is theirs anyway;
- the worth of a limit, if they may see the limit itself.

An item over which a promise lies that the viewer may not see is hidden in the plan's rows like a private one: its
months would tell the promise. Its inputs are shown as they are without that promise.

Every decision is a Row (item, allowed, reason) that can be listed. What nobody has claimed is the host's alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from stackyard.alliance.event import ItemShared, MeetingCalled, PlanRun, ScenarioRevised
from stackyard.alliance.result import Picture, Result, figure_rows
from stackyard.alliance.state import Commitment, Meeting, State, Terms, is_guest
from stackyard.source import Fact
from stackyard.words import phrase

if TYPE_CHECKING:
    from stackyard.plan.inputs import Inputs

Level = Literal["value", "range", "none"]


@dataclass(frozen=True)
class Viewer:
    """Who looks: a person's name and their partner; the host of the alliance solves the plan and sees all of it."""

    name: str
    partner: str = ""
    host: bool = False


@dataclass(frozen=True)
class Row:
    """A decision: how much of an item a viewer gets, and why."""

    item: str
    allowed: Level
    reason: str


@dataclass(frozen=True)
class Input:
    """A number of the scenario as a viewer may see it; without its value where only the range is shared."""

    item: str
    path: str
    fact: Fact | None
    low: float | None
    high: float | None
    unit: str
    grade: str


@dataclass(frozen=True)
class Seen:
    """All that one viewer may see. `whole` is true where nothing of the plan was left out."""

    viewer: Viewer
    state: State
    picture: Picture | None
    figures: Mapping[str, float]
    inputs: tuple[Input, ...]
    items: Mapping[str, str]  # item -> its name, of those whose value or range may be seen
    rows: tuple[Row, ...]
    hidden: int  # items and results that were left out
    whole: bool
    veiled: frozenset[str] = frozenset()  # items over which promises lie that are hidden

    def results(self, group: str, prefix: str = "") -> tuple[Result, ...]:
        """The rows of a group whose id begins with a prefix."""
        if self.picture is None:
            return ()
        return tuple(r for r in self.picture.results if r.group == group and r.id.startswith(prefix))

    def result(self, id_: str) -> Result | None:
        """The row of an id, or None where there is none or it is not to be seen."""
        return next((r for r in self.picture.results if r.id == id_), None) if self.picture else None


def sight(
    state: State, viewer: Viewer, owner: str, visibility: str, shared_with: Iterable[str] = (), ranges: bool = False
) -> tuple[Level, str]:
    """How much of something with this owner and visibility a viewer gets, and why.

    >>> sight(State(), Viewer("me", "lab"), "maker", "private")
    ('none', 'it is private to its owner')
    """
    if viewer.host:
        return "value", phrase("the host of the alliance sees all that it plans with")
    if visibility == "public":
        return "value", phrase("it is public")
    if viewer.partner and viewer.partner == owner:
        return "value", phrase("it is the viewer's own")
    if visibility == "named" and viewer.partner in tuple(shared_with):
        return "value", phrase("its owner shares it with the viewer's partner by name")
    member = not is_guest(state, viewer.partner)
    if visibility == "alliance" and member:
        return "value", phrase("its owner shares it with the alliance")
    if ranges and member:
        return "range", phrase("its owner shares its range with the alliance, not its value")
    if visibility == "alliance":
        return "none", phrase("it is shared with the partners of the alliance, not with guests")
    if visibility == "named":
        return "none", phrase("it is shared with named partners, and the viewer's is not one of them")
    return "none", phrase("it is private to its owner")


def item_row(state: State, viewer: Viewer, item: str) -> Row:
    """The decision on an item of the scenario.

    >>> item_row(State(), Viewer("me", "lab"), "supplies.own").allowed
    'none'
    """
    share = state.shares.get(item)
    if share is None:
        allowed: Level = "value" if viewer.host else "none"
        return Row(item, allowed, phrase("nobody has said who may see it: it is the host's alone"))
    return Row(item, *sight(state, viewer, share.partner, share.visibility, share.shared_with, share.range_shared))


Veils = Mapping[str, frozenset[str]]


def veils(state: State, viewer: Viewer) -> Veils:
    """Items over which the plan has, or had, promises that the viewer may not see; and whose promises these are.

    >>> veils(State(), Viewer("me", "lab"))
    {}
    """
    found: dict[str, set[str]] = {}
    for commitment in state.commitments.values():
        laid = commitment.measure != "other" and any(step.status == "accepted" for step in commitment.steps)
        if laid and _commitment(state, viewer, commitment)[0].allowed != "value":
            found.setdefault(commitment.item, set()).add(commitment.partner)
    return {item: frozenset(partners) for item, partners in found.items()}


def open_to(state: State, viewer: Viewer, commitments: Iterable[Commitment]) -> tuple[Commitment, ...]:
    """Those of the commitments whose amounts a viewer may see.

    >>> open_to(State(), Viewer("me", "lab"), [])
    ()
    """
    return tuple(c for c in commitments if _commitment(state, viewer, c)[0].allowed == "value")


TOTAL = ".total"
FIRST = ("served.total", "demand.total", "installed.total", "spending.total")  # where not all can be shown


def result_rows(
    state: State, viewer: Viewer, results: Iterable[Result], items: Mapping[str, Row], veiled: Veils | None = None
) -> dict[str, Row]:
    """The decision on every row of the joint plan, by its id."""
    known = veils(state, viewer) if veiled is None else veiled
    shown: list[frozenset[str]] = []
    decided: dict[str, Row] = {}

    every = tuple(results)
    own = {result.id for result in every if _is_own(state, viewer, result)}

    def by_use(result: Result) -> tuple[bool, int]:
        return result.id not in own, FIRST.index(result.id) if result.id in FIRST else len(FIRST)

    for result in sorted(every, key=by_use):
        row, hidden = _alone(state, viewer, result, items, known)
        if row.allowed == "value" and hidden:
            equations = shown if result.values else ()
            if result.id not in own and _determined(equations, hidden):
                row = Row(result.id, "none", phrase("with what else is shown, a partner's hidden part follows from it"))
            elif result.values:
                shown.append(hidden)
        decided[result.id] = row
    for name in (id_ for id_ in decided if id_.endswith(TOTAL)):
        parts = [row for id_, row in decided.items() if id_.startswith(name.removesuffix(TOTAL) + ".") and id_ != name]
        if parts and all(part.allowed == "value" for part in parts):
            decided[name] = Row(name, "value", phrase("it adds up rows that are shown"))
    return {result.id: decided[result.id] for result in every}


def _alone(
    state: State, viewer: Viewer, result: Result, items: Mapping[str, Row], veiled: Veils
) -> tuple[Row, frozenset[str]]:
    """The decision on a row by what it shows, and the partners from whose hidden parts it follows."""
    for item in (*result.shows, *((result.owner,) if result.owner else ())):
        if _row(state, viewer, item, items).allowed != "value":
            why = phrase("it shows {item}, of which the viewer may not see the amount", item=item)
            return Row(result.id, "none", why), frozenset()
        if item in veiled:
            why = phrase("it shows {item}, over which a hidden promise lies", item=item)
            return Row(result.id, "none", why), frozenset()
    hidden: set[str] = set()
    for item in result.follows:
        if _row(state, viewer, item, items).allowed != "value":
            hidden.add(state.shares[item].partner if item in state.shares else "host")
        hidden |= veiled.get(item, frozenset())
    why = phrase("the viewer may see all that it is made from")
    if hidden:
        why = phrase("what is shown does not tell one partner's hidden part from another's")
    return Row(result.id, "value", why), frozenset(hidden)


def _is_own(state: State, viewer: Viewer, result: Result) -> bool:
    """Whether all that a row shows are items of the viewer's partner."""
    owners = {state.shares[item].partner if item in state.shares else "" for item in result.shows}
    return bool(viewer.partner) and owners == {viewer.partner}


def _determined(shown: Sequence[frozenset[str]], more: frozenset[str]) -> bool:
    """Whether, with a row of these unknowns more, some k of the rows have no more than k unknowns.

    >>> one, both = frozenset({"maker"}), frozenset({"maker", "rival"})
    >>> _determined([], one), _determined([], both), _determined([both], both)
    (True, False, True)
    """
    unions = {more}
    for unknowns in set(shown):
        unions |= {union | unknowns for union in unions}
    return any(1 + sum(unknowns <= union for unknowns in shown) >= len(union) for union in unions)


def _row(state: State, viewer: Viewer, item: str, items: Mapping[str, Row]) -> Row:
    return items[item] if item in items else item_row(state, viewer, item)


# --- the record ---


def _commitment(state: State, viewer: Viewer, commitment: Commitment) -> tuple[Row, Commitment | None]:
    allowed, reason = sight(
        state, viewer, commitment.partner, commitment.visibility, commitment.shared_with, commitment.range_shared
    )
    if allowed == "none" and viewer.partner and viewer.partner == commitment.to:
        allowed, reason = "value", phrase("it was promised to the viewer's partner")
    row = Row(f"commitments.{commitment.id}", allowed, reason)
    if allowed == "none":
        return row, None
    if allowed == "range":
        blank = tuple(Terms(t.seq, t.at, replace(t.said, amounts={}, note="", sources=())) for t in commitment.history)
        steps = tuple(step._replace(note="") for step in commitment.steps)
        return row, replace(commitment, history=blank, steps=steps, to="", shared_with=())
    return row, commitment


def _meeting(state: State, viewer: Viewer, called: MeetingCalled) -> Row:
    name = f"meetings.{called.meeting}"
    if viewer.partner and viewer.partner in called.partners:
        return Row(name, "value", phrase("the viewer's partner takes part"))
    return Row(name, *sight(state, viewer, "", called.visibility))


def _record(state: State, viewer: Viewer, figures_seen: Iterable[str]) -> tuple[State, list[Row]]:
    """The state with only what a viewer may see."""
    rows: list[Row] = []
    commitments: dict[str, Commitment] = {}
    full: set[str] = set()
    for commitment in state.commitments.values():
        row, seen = _commitment(state, viewer, commitment)
        rows.append(row)
        if seen is not None:
            commitments[commitment.id] = seen
        if row.allowed == "value":
            full.add(commitment.id)
    meetings: dict[str, Meeting] = {}
    for meeting in state.meetings.values():
        row = _meeting(state, viewer, meeting.called)
        rows.append(row)
        if row.allowed == "value":
            meetings[meeting.id] = meeting
    meetings = {id_: _next_only_if_seen(meeting, meetings) for id_, meeting in meetings.items()}
    differences = {}
    for difference in state.differences.values():
        row = Row(
            f"differences.{difference.difference}", *sight(state, viewer, difference.partner, difference.visibility)
        )
        if any(id_ in state.commitments and id_ not in full for id_ in difference.commitments):
            row = Row(row.item, "none", phrase("it is about a commitment that the viewer may not see"))
        rows.append(row)
        if row.allowed == "value":
            differences[difference.difference] = difference
    known = _partners(state, viewer, meetings)
    commitments = {id_: _with_known(each, known, meetings) for id_, each in commitments.items()}
    allowed = set(figures_seen)
    runs = tuple(_run(run, allowed, viewer) for run in state.runs)
    revisions = [_revision(revision, full, viewer) for revision in state.revisions]
    told = [r for before, r in zip([None, *revisions], revisions, strict=False) if viewer.host or r != before]
    shares = {
        item: _share(share, known)
        for item, share in state.shares.items()
        if item_row(state, viewer, item).allowed != "none"
    }
    return (
        replace(
            state if viewer.host else _headless(state, commitments, meetings),
            partners={id_: partner for id_, partner in state.partners.items() if id_ in known},
            people={id_: person for id_, person in state.people.items() if person.partner in known},
            meetings=meetings,
            commitments=commitments,
            actions={id_: a for id_, a in state.actions.items() if a.given.meeting in meetings},
            deliveries={id_: d for id_, d in state.deliveries.items() if d.commitment in full},
            shares=shares,
            differences=differences,
            revisions=tuple(told),
            runs=runs,
        ),
        rows,
    )


def _headless(state: State, commitments: Mapping[str, Commitment], meetings: Mapping[str, Meeting]) -> State:
    """A state that ends with the last record that is seen: a hash of what is hidden would tell it to who guesses."""
    said = [(terms.seq, terms.at) for each in commitments.values() for terms in each.history]
    done = [(step.seq, step.at) for each in commitments.values() for step in each.steps]
    held = [meeting.held_seq for meeting in meetings.values()]
    last, at = max((*said, *done), default=(0, ""))
    return replace(state, seq=max(last, *held, 0), head="", at=at)


def _with_known(commitment: Commitment, partners: set[str], meetings: Mapping[str, Meeting]) -> Commitment:
    """A commitment without the names of partners and meetings that the viewer does not know of."""

    def at(meeting: str) -> str:
        return meeting if meeting in meetings else ""

    history = (t._replace(said=replace(t.said, meeting=at(t.said.meeting))) for t in commitment.history)
    return replace(
        commitment,
        to=commitment.to if commitment.to in partners else "",
        shared_with=tuple(p for p in commitment.shared_with if p in partners),
        history=tuple(history),
        steps=tuple(step._replace(meeting=at(step.meeting)) for step in commitment.steps),
    )


def _next_only_if_seen(meeting: Meeting, seen: Mapping[str, Meeting]) -> Meeting:
    if meeting.held is None or not meeting.held.next_meeting or meeting.held.next_meeting in seen:
        return meeting
    return replace(meeting, held=replace(meeting.held, next_meeting=""))


def _partners(state: State, viewer: Viewer, meetings: Mapping[str, Meeting]) -> set[str]:
    if viewer.host or not is_guest(state, viewer.partner):
        return set(state.partners)
    return {viewer.partner, *(p for meeting in meetings.values() for p in meeting.called.partners)}


def _share(share: ItemShared, known: set[str]) -> ItemShared:
    return replace(share, shared_with=tuple(p for p in share.shared_with if p in known))


def _run(run: PlanRun, figures_seen: set[str], viewer: Viewer) -> PlanRun:
    """A run with the figures that may be seen; without digests, which change with promises that may not."""
    run = replace(run, headlines={key: value for key, value in run.headlines.items() if key in figures_seen})
    return run if viewer.host else replace(run, run=run.run.rpartition("-")[0] or run.run, revision="", problem="")


def _revision(revision: ScenarioRevised, full: set[str], viewer: Viewer) -> ScenarioRevised:
    if viewer.host:
        return revision
    seen = tuple(id_ for id_ in revision.commitments if id_ in full)
    return replace(revision, revision="", overlaid="", commitments=seen, note="")


# --- all of it ---


def view(
    state: State,
    viewer: Viewer,
    *,
    inputs: Inputs | None = None,
    picture: Picture | None = None,
    figures: Mapping[str, float] | None = None,
) -> Seen:
    """All that a viewer may see of the record, the scenario and the joint plan; nothing else reaches anybody.

    `inputs` are those of the scenario with the promises that the viewer may see laid over it.

    >>> view(State(), Viewer("me", "lab")).hidden
    0
    """
    names = named_items(inputs) if inputs is not None else {}
    items = {item: item_row(state, viewer, item) for item in sorted({*names, *state.shares})}
    decided = list(items.values())
    kept: list[Result] = []
    veiled = veils(state, viewer)
    results = picture.results if picture else ()
    told = result_rows(state, viewer, results, items, veiled)
    for result in results:
        row = told[result.id]
        decided.append(Row(f"results.{row.item}", row.allowed, row.reason))
        if row.allowed == "value":
            kept.append(result)
    seen = {result.id for result in kept}
    shown = {key: value for key, value in (figures or {}).items() if seen.issuperset(figure_rows(key))}
    record, rows = _record(state, viewer, shown)
    hidden = sum(row.allowed == "none" for row in decided)  # of the record nothing is counted: it would tell of news
    decided += rows
    visible = {item: name for item, name in names.items() if items[item].allowed != "none"}
    return Seen(
        viewer,
        record,
        replace(picture, results=tuple(kept)) if picture else None,
        shown,
        tuple(_inputs(inputs, items)) if inputs is not None else (),
        visible,
        tuple(decided) if viewer.host else tuple(row for row in decided if row.allowed != "none"),
        hidden,
        all(row.allowed == "value" for row in decided),
        frozenset(veiled),
    )


def named_items(inputs: Inputs) -> dict[str, str]:
    """The names of all items of a scenario that partners may own, by their ids.

    >>> from stackyard import api
    >>> read = api.scenario("first-plan")
    >>> list(named_items(read.inputs))
    ['services.assistant', 'supplies.memory', 'packaging.cowos', 'accelerators.h200', 'sites.frankfurt', 'money']
    """
    sections = ("services", "supplies", "packaging", "accelerators", "sites")
    named = {f"{section}.{key}": entry.name for section in sections for key, entry in getattr(inputs, section).items()}
    return {**named, "money": "Money"}


def _inputs(inputs: Inputs, items: Mapping[str, Row]) -> Iterable[Input]:
    from stackyard.plan.scenario import facts_of

    for path, fact in facts_of(inputs):
        section, _, rest = path.partition(".")
        item = section if section in ("money", "horizon") else f"{section}.{rest.split('.')[0].split('[')[0]}"
        row = items.get(item)
        if row is None or row.allowed == "none":
            continue
        whole = row.allowed == "value"
        grade = fact.grade.label if whole else ""
        if whole or (fact.low is not None and fact.high is not None):
            yield Input(item, path, fact if whole else None, fact.low, fact.high, fact.unit, grade)
