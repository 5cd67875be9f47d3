"""The workspace of an alliance: a ledger beside a scenario, seen by one viewer at a time.

`view` is the only way to what it knows, and every change goes through `record`. The plan is solved by `run`, which
records it whole or not at all; what was solved is kept on disk by its digest.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stackyard.alliance import cache
from stackyard.alliance.access import Row, Seen, Viewer, item_row, named_items, open_to, result_rows, sight, view
from stackyard.alliance.cache import Kept
from stackyard.alliance.change import NotPossible, WhatIf, digest
from stackyard.alliance.decide import Actor, Refused, after, decide
from stackyard.alliance.event import CommitmentProposed, PlanRun, Record, ScenarioRevised
from stackyard.alliance.ledger import Ledger
from stackyard.alliance.reports import FILES, in_words, report_files
from stackyard.alliance.result import ANEW
from stackyard.alliance.state import Commitment, State
from stackyard.words import phrase

if TYPE_CHECKING:
    from stackyard.alliance.joint import Desk, Planned
    from stackyard.plan.inputs import Inputs
    from stackyard.plan.scenario import Scenario

Progress = Callable[[str], None]
TRIALS = 8  # what-ifs that are kept


@dataclass(frozen=True)
class Tried:
    """A what-if: the plan as it is and as it would be, as one viewer may see them; what was changed, and how long it
    took to solve in seconds. `held`: the whole choices are those of the plan as it is, not made for the change."""

    before: Seen
    after: Seen
    told: tuple[str, ...]
    seconds: float
    digest: str
    held: bool = False


class Workspace:
    """A ledger and the scenario that its commitments are laid over. Safe to use from several threads."""

    def __init__(self, ledger: Ledger, scenario: Path | str, plans: Path | str) -> None:
        self.ledger = ledger
        self.scenario = Path(scenario)
        self.plans = Path(plans)
        self._desk: Desk | None = None
        self._lock = threading.RLock()
        self._views: dict[tuple[Any, ...], Seen] = {}
        self._planned: Planned | None = None
        self._trials: OrderedDict[tuple[str, bool], Planned] = OrderedDict()
        self._kept: Kept | None = None
        self._kept_at = ""  # the head of the ledger for which it was found

    @property
    def desk(self) -> Desk:
        """The solver's desk; the scenario is read when it is first asked for. InputErrors where it cannot be."""
        with self._lock:
            if self._desk is None:
                from stackyard.alliance.joint import Desk

                self._desk = Desk(self.scenario)
            return self._desk

    def warm(self) -> None:
        """Reads the scenario and solves the plan as it stands, so that the first what-if need not."""
        self.current()
        self.desk.ready()

    def digest(self, state: State | None = None) -> str:
        """Of the scenario with the accepted commitments of a state (the present one if left out)."""
        return digest(self.desk.base.digest, (state or self.ledger.state()).planned())

    def kept(self) -> Kept | None:
        """The plan that was solved last and kept: of the present commitments if there is one, else the newest run's."""
        head = self.ledger.head()
        if self._kept is not None and self._kept_at == head:
            return self._kept
        found = self._find_kept()
        if found is not None:
            self._kept, self._kept_at = found, head
        return found

    def _find_kept(self) -> Kept | None:
        wanted = [self.digest(), *(run.revision for run in reversed(self.ledger.state().runs))]
        for name in dict.fromkeys(wanted):
            if self._kept is not None and self._kept.digest == name:
                return self._kept
            found = cache.kept(self.plans / name)
            if found is not None:
                return found
        return None

    def inputs(self, viewer: Viewer, state: State | None = None) -> Inputs:
        """The scenario with the promises laid over it that a viewer may see."""
        state = state or self.ledger.state()
        planned = open_to(state, viewer, state.planned())
        try:
            return self.desk.overlaid(planned).inputs
        except NotPossible:  # of an older record: what can be laid is shown, and the run says what cannot
            return self.desk.overlaid(self._that_fit(planned)).inputs

    def _that_fit(self, planned: Sequence[Commitment]) -> list[Commitment]:
        kept: list[Commitment] = []
        for each in planned:
            try:
                self.desk.overlaid([*kept, each])
            except NotPossible:
                continue
            kept.append(each)
        return kept

    def view(self, viewer: Viewer) -> Seen:
        """All that a viewer may see, now."""
        state, kept = self.ledger.state(), self.kept()
        key = (viewer.partner, viewer.host, state.head, kept.digest if kept else "")
        with self._lock:
            found = self._views.get(key)
        if found is None:
            found = view(
                state,
                viewer,
                inputs=self.inputs(viewer, state),
                picture=kept.picture if kept else None,
                figures=kept.figures if kept else None,
            )
            with self._lock:
                self._views = {k: v for k, v in self._views.items() if k[2:] == key[2:]} | {key: found}
        return found if found.viewer == viewer else replace(found, viewer=viewer)

    def shown(self, viewer: Viewer) -> Seen:
        """The plan that a viewer could make from what they may see, whole; nothing of what is hidden is in it.

        The scenario with the promises that they may see, its choices made anew. NotPossible where an item's own amounts
        are hidden; SolveError where there is no such plan.
        """
        from stackyard.alliance.picture import picture

        state, inputs = self.ledger.state(), self.desk.base.inputs
        values = {row.item for row in self.view(viewer).rows if row.allowed == "value"}
        missing = named_items(inputs).keys() - values
        if missing:
            told = phrase("no plan can be made from what you may see: {n} items have hidden amounts", n=len(missing))
            raise NotPossible(told)
        known = open_to(state, viewer, state.commitments.values())
        state = replace(state, commitments={each.id: each for each in known})
        scenario = self.desk.overlaid(state.planned())
        found = self._trial(scenario, anew=True)
        made = picture(found.scenario, found.problem, found.plan, None)
        return view(state, viewer, inputs=scenario.inputs, picture=made, figures=found.figures)

    def decisions(self, host: Viewer, of: Viewer) -> tuple[Row, ...]:
        """Every decision on what another viewer may see, what is hidden from them included: for the host alone."""
        if not host.host:
            return ()
        own = {row.item: row for row in self.view(of).rows}
        state, kept = self.ledger.state(), self.kept()
        results = {} if kept is None else result_rows(state, of, kept.picture.results, {})

        def why(item: str) -> str:
            section, _, name = item.partition(".")
            if section == "results":
                return results[name].reason
            if section == "commitments":
                c = state.commitments[name]
                return sight(state, of, c.partner, c.visibility, c.shared_with, c.range_shared)[1]
            if section == "meetings":
                return sight(state, of, "", state.meetings[name].called.visibility)[1]
            if section == "differences":
                return phrase("it is about something that the viewer may not see")
            return item_row(state, of, item).reason

        every = (row.item for row in self.view(host).rows)
        return tuple(own.get(item) or Row(item, "none", why(item)) for item in every)

    def changes(self, seen: Seen) -> tuple[Mapping[str, float], tuple[tuple[str, Mapping[str, float]], ...]]:
        """Figures at the last meeting and what each changed promise adds since, of what may be seen.

        Where one promise that changed is hidden, so are all effects: the whole less the rest would tell it.
        """
        kept = self.kept()
        if kept is None:
            return {}, ()
        before = {key: value for key, value in kept.before.items() if key in seen.figures}
        full = [
            id_
            for id_, _ in kept.changes
            if id_ == ANEW or (id_ in seen.state.commitments and seen.state.commitments[id_].terms.amounts)
        ]
        if len(full) == len(kept.changes):
            return before, tuple((id_, {key: by[key] for key in by if key in before}) for id_, by in kept.changes)
        return before, ()

    def status(self, seen: Seen) -> tuple[str, bool]:
        """The digest of the plan that is shown, and whether it is of earlier promises.

        Who does not see all of it gets no digest, and is told of earlier promises where one changed that they may see:
        else both would tell when a hidden promise is accepted.
        """
        kept = self.kept()
        if kept is None:
            return "", False
        earlier = kept.digest != self.digest()
        if seen.whole or seen.viewer.host:
            return kept.digest, earlier
        last = (
            max(c.history[-1].seq, c.steps[-1].seq) for c in seen.state.commitments.values() if c.measure != "other"
        )
        return "", earlier and any(seq > kept.seq for seq in last)

    def in_its_place(self, viewer: Viewer, commitment: Commitment) -> tuple[dict[str, float], dict[str, float]] | None:
        """What the scenario has of what a promise is about, without the promise and with it, by month in its unit.

        None where the viewer may not see all that is planned of it, or where it changes no plan.
        """
        seen, state = self.view(viewer), self.ledger.state()
        if not (commitment.measure != "other" and commitment.terms.amounts and _value_seen(seen, commitment.item)):
            return None
        if commitment.item in seen.veiled:
            return None
        planned = open_to(state, viewer, state.planned())
        others = [each for each in planned if each.id != commitment.id]
        try:
            both = [self.desk.overlaid(some) for some in (planned, [*others, commitment])]
        except NotPossible:
            return None
        now, then = (self.desk.stands(scenario, commitment) for scenario in both)
        return (now, then) if now and then else None

    def file(self, seen: Seen, name: str, language: str = "en") -> bytes | None:
        """A file of the plan's whole report, for who may see all of it; None for others, or where there is none."""
        kept = self.kept()
        if kept is None or not seen.whole or name not in FILES:
            return None
        path = self.plans / kept.digest / in_words(name, language)
        return path.read_bytes() if path.exists() else None

    def record(self, actor: Actor, event: Any, expected: int | None = None) -> tuple[Record, ...] | Refused:
        """Records an event if nothing speaks against it. `expected` is the version that the actor saw."""
        made = self.ledger.record(lambda state: self._decided(state, event, actor, expected), actor.name)
        if not isinstance(made, Refused):
            self.ledger.tidy()
        return made

    def _decided(self, state: State, event: Any, actor: Actor, expected: int | None) -> tuple[Any, ...] | Refused:
        """What `decide` says, and that a promise which is made part of the plan can be laid over the scenario."""
        made = decide(state, event, actor, expected)
        wanted = None if isinstance(made, Refused) else after(state, made[0])
        if wanted is None:
            return made
        beside = [each for each in state.planned() if each.id != wanted.id]
        try:
            self.desk.overlaid(sorted([*beside, wanted], key=lambda each: each.id))
        except NotPossible as error:
            told = error.args[0]
            if not actor.host and wanted.name not in told:  # of another promise, which may be hidden
                told = phrase("'{name}' cannot stand beside what is accepted of the same item", name=wanted.name)
            return Refused((told,))
        return made

    def record_all(self, actor: Actor, events: Sequence[Any]) -> tuple[Record, ...] | Refused:
        """Records several events, all of them or none."""

        def wish(state: State) -> Any:
            found: list[Any] = []
            for event in events:
                decided = self._decided(state, event, actor, None)
                if isinstance(decided, Refused):
                    return decided
                found += decided
            return tuple(found)

        return self.ledger.record(wish, actor.name)

    # --- planning ---

    def current(self) -> Planned:
        """The plan of the present commitments, solved if it is not at hand."""
        state = self.ledger.state()
        name = self.digest(state)
        with self._lock:
            if self._planned is not None and self._planned.digest == name:
                return self._planned
        planned = self.desk.plan(self.desk.overlaid(state.planned()))
        with self._lock:
            self._planned = planned
        return planned

    def what_if(self, viewer: Viewer, what_ifs: Sequence[WhatIf], *, anew: bool = False) -> Tried:
        """The plan with changes tried, beside the plan as it is. NotPossible where an item is not to be changed.

        With `anew` every whole choice is made again for the change, which takes several times as long.
        """
        from stackyard.alliance.picture import picture
        from stackyard.alliance.revise import described

        start = time.perf_counter()
        now = self.current()
        mine = self.view(viewer)
        for what_if in what_ifs:
            if what_if.item not in mine.items or not _value_seen(mine, what_if.item):
                raise NotPossible(phrase("there is no '{item}' that you may see", item=what_if.item))
            _unveiled(mine, what_if.item)
        tried = self._tried(now, what_ifs, anew)
        state = self.ledger.state()
        seen = [
            view(
                state,
                viewer,
                picture=picture(each.scenario, each.problem, each.plan, None),
                figures=each.figures,
            )
            for each in (now, tried)
        ]
        told = tuple(described(now.scenario.inputs, what_if) for what_if in what_ifs)
        return Tried(seen[0], seen[1], told, time.perf_counter() - start, tried.digest, tried.held)

    def _tried(self, now: Planned, what_ifs: Sequence[WhatIf], anew: bool) -> Planned:
        """A plan with changes, kept for a while: it is asked for again with its choices made anew."""
        return self._trial(self.desk.tried(now.scenario, what_ifs), anew)

    def _trial(self, scenario: Scenario, anew: bool) -> Planned:
        with self._lock:
            found = self._trials.get((scenario.digest, anew))
        if found is None:
            found = self.desk.plan(scenario, anew=anew)
            with self._lock:
                self._trials[scenario.digest, anew] = found
                while len(self._trials) > TRIALS:
                    self._trials.popitem(last=False)
        return found

    def proposal(
        self,
        viewer: Viewer,
        what_if: WhatIf,
        id_: str,
        *,
        note: str = "",
        visibility: str = "private",
        shared_with: tuple[str, ...] = (),
    ) -> CommitmentProposed:
        """A what-if as a commitment to propose: the months in which it differs. NotPossible where nothing does.

        It is its partner's alone until they say otherwise, however openly the item itself is shared.
        """
        from stackyard.alliance.revise import described

        now = self.current()
        mine = self.view(viewer)
        if what_if.item not in mine.items or not _value_seen(mine, what_if.item):
            raise NotPossible(phrase("there is no '{item}' that you may see", item=what_if.item))
        _unveiled(mine, what_if.item)
        tried = self.desk.tried(now.scenario, [what_if])
        share = self.ledger.state().shares.get(what_if.item)
        measure, unit, amounts = self.desk.differing(now, tried, what_if.item)
        if not amounts:
            raise NotPossible(phrase("nothing differs within the horizon: there is nothing to propose"))
        return CommitmentProposed(
            commitment=id_,
            name=described(now.scenario.inputs, what_if),
            partner=share.partner if share else viewer.partner,
            measure=measure,  # type: ignore[arg-type]
            item=what_if.item,
            amounts=amounts,
            unit=unit,
            visibility=visibility,  # type: ignore[arg-type]
            shared_with=shared_with,
            note=note,
        )

    def run(
        self, actor: Actor, progress: Progress | None = None, stop: Callable[[], bool] = lambda: False
    ) -> PlanRun | Refused:
        """Solves, audits, explains and keeps the plan of the present commitments, and records it: whole or not at all.

        Soon after `stop()` says so, also inside the solver, it ends with Stopped. Where the commitments changed
        meanwhile, the run is of those it began with.
        """
        from stackyard.plan.highs import heed, stoppable

        def tell(text: str) -> None:
            heed()
            if progress is not None:
                progress(text)

        with stoppable(stop):
            return self._run(actor, tell)

    def _run(self, actor: Actor, tell: Progress) -> PlanRun | Refused:
        state = self.ledger.state()
        meeting = state.last_meeting()
        joint = self.desk.joint(self.desk.overlaid(state.planned()), progress=tell)
        before: Mapping[str, float] = {}
        changes: list[tuple[str, dict[str, float]]] = []
        if meeting is not None:
            then = self.ledger.state(at=meeting.held_seq).planned()
            before, changes = self.desk.waterfall(then, state.planned(), joint.planned, tell)
        tell(phrase("Writing the report"))
        files = report_files(joint, self.scenario)
        made = joint.planned
        solved = Kept(
            made.digest,
            made.problem.digest,
            joint.picture,
            made.figures,
            tuple((id_, by) for id_, by in changes),
            before,
            made.plan.solver,
            made.plan.seconds,
            state.seq,
        )
        tell(phrase("Recording the run"))
        cache.keep(self.plans / made.digest, solved, files)
        run = PlanRun(
            run=f"run-{len(state.runs) + 1}-{made.digest}",
            revision=made.digest,
            problem=made.problem.digest,
            solver=made.plan.solver,
            seconds=made.plan.seconds,
            headlines=dict(made.figures),
        )
        revised = ScenarioRevised(
            revision=made.digest,
            scenario=self.desk.base.digest,
            overlaid=made.digest,
            commitments=tuple(c.id for c in state.planned()),
        )

        def wish(now: State) -> Any:
            known = now.revisions and now.revisions[-1].overlaid == made.digest
            return (run,) if known else (revised, run)

        recorded = self.ledger.record(wish, actor.name)
        with self._lock:
            self._planned, self._kept, self._kept_at = made, solved, ""
        return recorded if isinstance(recorded, Refused) else run


def _value_seen(seen: Seen, item: str) -> bool:
    return seen.viewer.host or any(row.item == item and row.allowed == "value" for row in seen.rows)


def _unveiled(seen: Seen, item: str) -> None:
    """NotPossible for an item over which a promise lies that is hidden: what it becomes would tell the promise."""
    if item in seen.veiled:
        raise NotPossible(phrase("{item}: not all that the plan has of it is shown to you", item=seen.items[item]))


def open_workspace(scenario: Path | str, ledger: Path | str = "", *, fill: bool = True) -> Workspace:
    """The workspace of a scenario folder: its ledger is `ledger.db` in it, filled from `ledger.jsonl` when new.

    `ledger` names another file, or a PostgreSQL database; that of a packaged example (`openai-sk`) is NAME.db here.
    Raises InputErrors, and Unavailable where the database cannot be used.
    """
    from stackyard.plan.overlay import named

    found = named(Path(scenario))
    folder = found if found.is_dir() else found.parent
    where = str(ledger) or str(folder / "ledger.db" if found == Path(scenario) else Path(f"{found.stem}.db"))
    opened = Ledger(where)
    source = folder / "ledger.jsonl"
    if fill and opened.state().seq == 0 and source.exists():
        with source.open(encoding="utf-8") as stream:
            opened.import_lines(iter(stream), str(source))
    local = "://" not in where
    plans = Path(where).with_suffix(".plans") if local else folder / "ledger.plans"
    return Workspace(opened, scenario, plans)
