"""The pages that are read: each is made from what its viewer may see, and kept while that stays the same."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse
from starlette.exceptions import HTTPException

from stackyard.alliance.access import Seen, Viewer
from stackyard.alliance.decide import SECTION, Actor, may_accept, moves
from stackyard.alliance.event import Cited, MeetingCalled
from stackyard.alliance.minutes import minutes as drafted
from stackyard.alliance.minutes import partner_name, told
from stackyard.alliance.result import FIGURES
from stackyard.alliance.state import Commitment, Meeting, is_guest, owns
from stackyard.report.document import Report
from stackyard.web.app import Me, Server, server, version
from stackyard.web.who import Who
from stackyard.words import phrase
from stackyard.words.phrase import listed, together
from stackyard.words.spoken import Words

routes = APIRouter()
ORDER = ("proposed", "accepted", "missed", "fulfilled", "declined", "withdrawn")  # of promises on their page


def today() -> str:
    """The date of today, 2026-01-31."""
    return date.today().isoformat()


def plan_status(parts: Server, seen: Seen, words: Words) -> str:
    """Which plan the page shows, and whether it is of the present promises."""
    kept = parts.workspace.kept()
    if kept is None:
        return words("The plan is being solved for the first time: the figures come when it is done.")
    digest, earlier = parts.workspace.status(seen)
    if earlier:
        return _earlier(digest, words)
    return words("Plan {digest}, solved and audited.", digest=digest) if digest else words("Solved and audited.")


def stale(parts: Server, seen: Seen, words: Words) -> str:
    """Says where the plan that is shown is of earlier promises."""
    digest, earlier = parts.workspace.status(seen)
    return _earlier(digest, words) if earlier else ""


def _earlier(digest: str, words: Words) -> str:
    if not digest:
        return words("The plan is of earlier promises: run it again.")
    return words("The plan is of earlier promises ({digest}): run it again.", digest=digest)


# --- promises ---


@routes.get("/promises")
def promises(request: Request, me: Me) -> Response:
    """Every promise that the viewer may see, and where sources contradict each other."""
    parts = server(request)

    def make() -> tuple[str, Mapping[str, Any]]:
        seen = parts.workspace.view(me.viewer)
        given = {"meeting": request.query_params.get("meeting", "")}
        return "promises.html", {**listing(seen, me, parts.render.words(request)), "problems": (), "given": given}

    return parts.render.kept(request, me, version(parts), make)


def waiting(parts: Server, seen: Seen, me: Who) -> list[Commitment]:
    """Promises that somebody's partner is to accept; of the host, those that nobody else may."""
    state = parts.workspace.ledger.state()  # whose an item is counts even where the item is hidden

    def due(c: Commitment) -> bool:
        others = me.actor.host and may_accept(state, c, Actor("", c.to))
        return may_accept(state, c, me.actor) and not others

    open_ = (c for c in seen.state.commitments.values() if c.status == "proposed" or c.waits)
    return [c for c in open_ if me.actor.may_write and due(c)]


def listing(seen: Seen, me: Who, words: Words) -> dict[str, Any]:
    """What the page of all promises shows."""
    order = {status: place for place, status in enumerate(ORDER)}
    ordered = sorted(seen.state.commitments.values(), key=lambda c: (order[c.status], c.name))
    return {
        "seen": seen,
        "commitments": ordered,
        "said": {c.id: amounts_told(c, words) for c in ordered},
        "differences": list(seen.state.differences.values()),
        "partner_name": lambda partner: partner_name(seen, partner),
        "items": sorted((item, name) for item, name in seen.items.items() if _promisable(seen, me, item)),
        "meetings": _own_meetings(seen, me),
        "partners": sorted(seen.state.partners.values(), key=lambda p: p.name),
    }


def _own_meetings(seen: Seen, me: Who) -> list[Meeting]:
    """The meetings at which somebody may bring a promise: those of their partner, of the host all."""
    return [m for m in seen.state.by_date() if me.actor.host or me.actor.partner in m.called.partners]


def _promisable(seen: Seen, me: Who, item: str) -> bool:
    """Whether somebody may promise something about an item: of their own only, the host of all."""
    kind = item.partition(".")[0] in SECTION.values()
    return kind and (me.actor.host or owns(seen.state, me.actor.partner, item))


def amounts_told(commitment: Commitment, words: Words) -> str:
    """What a promise says, or its range where the value is not shared."""
    terms = commitment.terms
    if terms.amounts or not terms.high:
        return told(terms.amounts, commitment.unit, words, commitment.measure)
    low, high = (told(ends, commitment.unit, words, commitment.measure) for ends in (terms.low, terms.high))
    only = words("range only")
    return f"{low} – {high} ({only})"


@routes.get("/promises/{id_}")
def promise(id_: str, request: Request, me: Me) -> Response:
    """One promise: all that it ever said, what came of it, and the forms to change it."""
    parts = server(request)
    values = promise_values(parts, me, id_, parts.render.words(request))
    return parts.render.page(request, me, "promise.html", **values, problems=(), given={})


def promise_values(parts: Server, me: Who, id_: str, words: Words) -> dict[str, Any]:
    """What the page of a promise shows; 404 for one that the viewer may not see, or that there is not."""
    seen = parts.workspace.view(me.viewer)
    commitment = seen.state.commitments.get(id_)
    if commitment is None:
        raise HTTPException(404, phrase("no such promise"))
    deliveries = [d for d in seen.state.deliveries.values() if d.commitment == id_]
    recorded = parts.workspace.ledger.delivered(id_) if deliveries else {}
    terms = commitment.terms
    return {
        "seen": seen,
        "c": commitment,
        "deliveries": deliveries,
        "recorded": {d.delivery: recorded.get(d.delivery, "") for d in deliveries},
        "months": sorted({*terms.amounts, *terms.low, *terms.high, *(d.month for d in deliveries)})
        if terms.amounts or deliveries
        else (),
        "partner_name": lambda partner: partner_name(seen, partner),
        "meetings": _own_meetings(seen, me),
        "differences": [d for d in seen.state.differences.values() if id_ in d.commitments],
        "meeting_name": lambda meeting: meeting_name(seen, meeting),
        "moves": moves(parts.workspace.ledger.state(), commitment, me.actor),
        "in_its_place": in_its_place(parts, me, commitment, words),
        "readers": readers(seen, commitment),
        "beyond": [words.month(month) for month in sorted(terms.amounts) if _beyond(seen, commitment, month)],
        "written": written(terms.amounts),
        "low": written(terms.low),
        "high": written(terms.high),
        "cited": "\n".join(source_line(source) for source in terms.sources),
        "told_amounts": lambda amounts: told(amounts, commitment.unit, words, commitment.measure),
        "told_terms": lambda said: told(said.amounts, commitment.unit, words, commitment.measure),
    }


def _beyond(seen: Seen, commitment: Commitment, month: str) -> bool:
    """Whether a month of a promise is none that the plan has; power that was there before it is there in it."""
    if seen.picture is None or commitment.measure == "other":
        return False
    months = seen.picture.months
    return month > months[-1] or (month < months[0] and commitment.measure != "power")


def in_its_place(parts: Server, me: Who, commitment: Commitment, words: Words) -> tuple[str, str] | None:
    """What the plan has now of what a proposal is about, and with it; None where that is not to be seen, or nothing."""
    waits = commitment.status == "proposed" or commitment.waits
    both = parts.workspace.in_its_place(me.viewer, commitment) if waits else None
    if both is None:
        return None
    now, then = (told(amounts, commitment.unit, words, commitment.measure) for amounts in both)
    return now, then


def readers(seen: Seen, commitment: Commitment) -> str:
    """Who may see a promise, by name; its kind only for who sees no more of it than its range."""
    terms, everyone = commitment.terms, {"public": phrase("everybody"), "alliance": phrase("the alliance")}
    if commitment.visibility in everyone:
        return everyone[commitment.visibility]
    if terms.high and not terms.amounts:
        return phrase(commitment.visibility)
    named = commitment.shared_with if commitment.visibility == "named" else ()
    ids = [id_ for id_ in dict.fromkeys((commitment.partner, commitment.to, *named)) if id_]
    who = _names(seen, ids)
    if commitment.range_shared:
        return phrase("{who}; of its range, the alliance too; nobody else, the host excepted", who=who)
    return phrase("{who}; nobody else, the host excepted", who=who)


def _names(seen: Seen, ids: Sequence[str]) -> str:
    """Partners by name; those that the viewer does not know as others."""
    known = [partner_name(seen, id_) for id_ in ids if id_ in seen.state.partners]
    return listed(known if len(known) == len(ids) else [*known, phrase("others")])


def meeting_readers(seen: Seen, called: MeetingCalled) -> str:
    """Who reads what is recorded of a meeting."""
    if called.visibility == "public":
        return phrase("everybody")
    guests = [p for p in called.partners if is_guest(seen.state, p)]
    if called.visibility == "alliance":
        return together([phrase("the alliance"), *(partner_name(seen, p) for p in guests)])
    return phrase("{who}; nobody else, the host excepted", who=_names(seen, called.partners))


def meeting_name(seen: Seen, id_: str) -> str:
    """What a meeting is called, for who may see it."""
    return seen.state.meetings[id_].called.name if id_ in seen.state.meetings else id_


def written(amounts: Mapping[str, float]) -> str:
    """Amounts as they are typed: a month and a number a line."""
    return "\n".join(f"{month} {amount:.12g}" for month, amount in sorted(amounts.items()))


def source_line(source: Cited) -> str:
    """A source as it is typed: its address, or its title where it has none."""
    return source.url or source.title


# --- meetings ---


@routes.get("/meetings")
def meetings(request: Request, me: Me) -> Response:
    """Every meeting, the newest first, and the form to call one."""
    parts = server(request)

    def make() -> tuple[str, Mapping[str, Any]]:
        seen = parts.workspace.view(me.viewer)
        return "meetings.html", {
            "seen": seen,
            "meetings": seen.state.by_date()[::-1],
            "may_call": may_call(seen, me),
            "partners": sorted(seen.state.partners.values(), key=lambda p: p.name),
            "partner_name": lambda partner: partner_name(seen, partner),
            "problems": (),
            "given": {},
        }

    return parts.render.kept(request, me, version(parts), make)


def may_call(seen: Seen, me: Who) -> bool:
    """Whether somebody may call a meeting: whoever may record, but guests."""
    return me.actor.may_write and (me.actor.host or not is_guest(seen.state, me.actor.partner))


def find_meeting(seen: Seen, id_: str) -> Meeting:
    """A meeting that the viewer may see; 404 for any other."""
    if id_ not in seen.state.meetings:
        raise HTTPException(404, phrase("no such meeting"))
    return seen.state.meetings[id_]


@routes.get("/meetings/{id_}")
def meeting(id_: str, request: Request, me: Me) -> Response:
    """One meeting, and the forms to record it."""
    parts = server(request)
    return parts.render.page(request, me, "meeting.html", **meeting_values(parts, me, id_), problems=(), given={})


def meeting_values(parts: Server, me: Who, id_: str) -> dict[str, Any]:
    """What the page of a meeting shows; 404 for one that the viewer may not see."""
    seen = parts.workspace.view(me.viewer)
    found = find_meeting(seen, id_)
    called = found.called
    shown = ("name", "date", "end", "place", "visibility", "note")
    return {
        "seen": seen,
        "invitation": {
            **{name: getattr(called, name) for name in shown},
            "partners": "\n".join(called.partners),
            "agenda": "\n".join(called.agenda),
            "participants": "\n".join(called.participants),
        },
        "changing": False,
        "readers": meeting_readers(seen, called),
        "waiting": waiting(parts, seen, me),
        "ours": [
            c
            for c in seen.state.commitments.values()
            if c.partner == me.actor.partner and c.status in ("proposed", "accepted")
        ],
        "meeting_name": lambda meeting: meeting_name(seen, meeting),
        "later": [m for m in seen.state.by_date() if m.called.date > called.date and not m.called.related],
        "meeting": found,
        "actions": [a for a in seen.state.actions.values() if a.given.meeting == id_],
        "partners": sorted(seen.state.partners.values(), key=lambda p: p.name),
        "partner_name": lambda partner: partner_name(seen, partner),
        "may_change": me.actor.host or me.actor.name == (found.held_by if found.held else found.called_by),
        "may_hold": not found.held or me.actor.host or found.held_by == me.actor.name,
        "may_record": may_call(seen, me) and (me.actor.host or me.actor.partner in called.partners),
    }


def minutes_of(parts: Server, me: Who, id_: str, words: Words) -> Report:
    """The minutes of a meeting as its viewer may see them."""
    seen = parts.workspace.view(me.viewer)
    before, changes = parts.workspace.changes(seen)
    last = seen.state.last_meeting()
    found = find_meeting(seen, id_)
    fresh = last is None or last.id == id_ or not found.held  # figures of the plan are of now: for the newest only
    return drafted(seen, found, words, today=today(), before=before if fresh else {}, changes=changes if fresh else ())


@routes.get("/meetings/{id_}/minutes")
def minutes(id_: str, request: Request, me: Me) -> Response:
    """The minutes of a meeting as a page."""
    parts = server(request)

    def make() -> tuple[str, Mapping[str, Any]]:
        words = parts.render.words(request)
        report = minutes_of(parts, me, id_, words)
        return "report.html", {
            "report": report,
            "body": parts.render.body(report),
            "export": f"/meetings/{id_}/minutes",
            "query": f"?lang={words.code}",
            "status": stale(parts, parts.workspace.view(me.viewer), words),
            "first_run": None,
            "map": "",
            "extra": "",
            "alone": False,
        }

    return parts.render.kept(request, me, version(parts), make)


# --- runs, access, audit ---


@routes.get("/runs")
def runs(request: Request, me: Me) -> Response:
    """The runs on record, and the one that is going on."""
    parts = server(request)
    seen = parts.workspace.view(me.viewer)
    last = parts.runs.last
    files = ("report.html", "plan.xlsx", "report.csv", "report.md", "report.json") if seen.whole else ()
    return parts.render.page(
        request,
        me,
        "runs.html",
        seen=seen,
        last=last,
        going=parts.runs.going,
        listed=seen.state.runs[::-1],
        revisions=seen.state.revisions[::-1],
        files=files if parts.workspace.kept() else (),
        plan_status=plan_status(parts, seen, parts.render.words(request)),
        figures=[(k, n, u) for k, (n, u) in FIGURES.items() if k in ("served_share", "power_end", "spending")],
    )


@routes.get("/runs/progress")
def progress(request: Request, me: Me) -> Response:
    """What the present run tells, as server-sent events: `step` and, once, `end`."""
    listened, words = server(request).runs.listen(), server(request).render.words(request)

    def stream() -> Iterator[bytes]:
        for kind, text in listened:
            said = f"event: {kind}\ndata: {json.dumps(words(text))}\n\n"
            yield b": waiting\n\n" if kind == "wait" else said.encode()

    return StreamingResponse(stream(), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


@routes.get("/access")
def access(request: Request, me: Me) -> Response:
    """Every decision on what somebody may see, with its reason: one's own; the host may ask for any partner's."""
    parts = server(request)
    seen = parts.workspace.view(me.viewer)
    asked = request.query_params.get("partner", "")
    rows = seen.rows
    if asked and me.viewer.host and asked in seen.state.partners:
        rows = parts.workspace.decisions(me.viewer, Viewer(asked, asked))
    return parts.render.page(
        request,
        me,
        "access.html",
        seen=seen,
        rows=rows,
        asked=asked,
        partners=sorted(seen.state.partners.values(), key=lambda p: p.name),
        named=lambda item: item_named(seen, parts.render.words(request), item),
        own=[s for s in seen.state.shares.values() if s.partner == me.viewer.partner or me.viewer.host],
        partner_name=lambda partner: partner_name(seen, partner),
    )


def item_named(seen: Seen, words: Words, item: str) -> tuple[str, str]:
    """What an item of a decision is called, and the page that shows it ('' for none)."""
    section, _, key = item.partition(".")
    state = seen.state
    if section == "commitments" and key in state.commitments:
        return state.commitments[key].name, f"/promises/{key}"
    if section == "meetings" and key in state.meetings:
        return state.meetings[key].called.name, f"/meetings/{key}"
    if section == "differences" and key in state.differences:
        return state.differences[key].topic, "/promises#differences"
    if section == "results":
        found = seen.result(key)
        head, _, rest = found.title.partition(": ") if found else ("", "", "")
        if found is None or found.group == "limits":
            return item, ""
        head = words("Worth of what limits") if found.group == "prices" else words(head)
        rest = words("Total") if key.endswith(".total") else words(rest)
        return (f"{head}: {rest}" if rest else head), ""
    pages = {"supplies": "/supply", "packaging": "/supply", "accelerators": "/supply", "sites": "/sites"}
    return seen.items.get(item, item), pages.get(section, "/services") if item in seen.items else ""


@routes.get("/audit")
def audit(request: Request, me: Me) -> Response:
    """Who saw and did what: for the host."""
    parts = server(request)
    if not me.viewer.host:
        raise HTTPException(403, phrase("the host of the alliance sees who did what"))
    parts.visits.flush()
    recorded = parts.workspace.ledger.records(max(parts.workspace.ledger.state().seq - 200, 0))[::-1]
    visits = parts.workspace.ledger.find("visits", newest=500)
    return parts.render.page(request, me, "audit.html", recorded=recorded, visits=visits)


# --- catalogue ---


@routes.get("/catalogue")
def catalogue(request: Request, me: Me) -> Response:
    """The facts that match some words, each with range, grade and sources."""
    from stackyard import api

    parts = server(request)
    words = request.query_params.get("q", "")[:100].strip()
    grade = request.query_params.get("grade", "")
    found = api.facts(words, grade or None) if words or grade else []
    return parts.render.page(
        request,
        me,
        "catalogue.html",
        q=words,
        grade=grade,
        found=found[:300],
        count=len(found),
        size=len(api.catalog().facts),
        query=f"?{request.query_params}",
    )
