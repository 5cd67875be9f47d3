"""Pages as files: every table, the numbers of every figure and the sources, of what the viewer may see."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from stackyard.alliance.access import Seen
from stackyard.alliance.brief import report_of
from stackyard.alliance.calendar import calendar
from stackyard.alliance.minutes import partner_name
from stackyard.alliance.reports import in_words
from stackyard.report.document import Column, Report, Section, Table, in_language
from stackyard.report.formats import FORMATS
from stackyard.web.app import Me, Server, Told, server
from stackyard.web.desk import desk_values, read_what_ifs
from stackyard.web.pages import amounts_told, find_meeting, listing, minutes_of
from stackyard.web.performance import answer_of, asked_of, fact_table
from stackyard.web.plan_pages import BRIEFS
from stackyard.web.who import Who
from stackyard.words import phrase
from stackyard.words.spoken import Words

routes = APIRouter()
NAMES = (*BRIEFS, "promises", "what-if", "performance", "catalogue")  # the pages that are tables and figures


def report_named(name: str, parts: Server, me: Who, request: Request, words: Words) -> Report:
    """A page's report; 404 for a page that is none, 422 with the reasons where nothing can be answered."""
    if name in BRIEFS:
        return BRIEFS[name](parts, parts.workspace.view(me.viewer), words)
    if name == "promises":
        return _promises(parts.workspace.view(me.viewer), me, words)
    if name == "what-if":
        asked = read_what_ifs(request.query_params)
        values = desk_values(parts, me, asked, words, request.query_params.get("anew") == "1")
        if values["report"] is None:
            raise Told(422, phrase("Nothing was tried"), values["problems"] or (phrase("choose what to change"),))
        answer: Report = values["report"]
        return answer
    if name == "performance":
        found, problems = answer_of(asked_of(request.query_params))
        if found is None:
            raise Told(422, phrase("Not possible"), problems)
        return in_language(found, words.code)
    if name == "catalogue":
        return _catalogue(request.query_params, words)
    raise HTTPException(404, phrase("no such page"))


def _promises(seen: Seen, me: Who, words: Words) -> Report:
    """Every promise that may be seen, and the contradictions of sources."""
    told = listing(seen, me, words)
    heads = (
        words("Promise"),
        words("Of"),
        words("What"),
        words("Status"),
        words("Kind"),
        words("Confidence"),
        words("Seen by"),
        words("Source"),
    )
    rows = tuple(
        (
            c.name,
            partner_name(seen, c.partner),
            amounts_told(c, words),
            words(c.status),
            words("binding") if c.terms.binding else words("not binding"),
            words(c.terms.grade),
            words(c.visibility),
            "; ".join(f"{s.title} {s.url}".strip() for s in c.terms.sources),
        )
        for c in told["commitments"]
    )
    claims = tuple((d.topic, "; ".join(claim.text for claim in d.claims), d.kept) for d in told["differences"])
    columns = (Column(words("Contradictions")), Column(words("What sources say")), Column(words("The record holds")))
    sections = [
        Section("promises", words("Promises"), "", (Table(words("Promises"), tuple(map(Column, heads)), rows),))
    ]
    if claims:
        table = Table(words("Contradictions"), columns, claims)
        sections.append(Section("differences", words("Contradictions"), "", (table,)))
    return report_of(seen, words, "promises", sections, words("Promises"))


def _catalogue(query: Mapping[str, str], words: Words) -> Report:
    """The facts of the catalogue that match some words and a grade."""
    from stackyard import api

    found = api.facts(query.get("q", "")[:100].strip(), query.get("grade", "") or None)
    section, cited = fact_table(found)
    return in_language(Report(phrase("Catalogue"), "", "", (section,), cited, ()), words.code)


def _saved(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"'}


@routes.get("/{name}.{form}")
def export(name: str, form: str, request: Request, me: Me) -> Response:
    """A page's report as a file: its tables, the numbers of its figures, its sources; or the calendar of meetings."""
    parts = server(request)
    if name == "meetings" and form == "ics":
        return every_meeting(parts, me)
    if form not in FORMATS:
        raise HTTPException(404, phrase("no such page"))
    return parts.render.file(report_named(name, parts, me, request, parts.render.words(request)), form, name)


def every_meeting(parts: Server, me: Who) -> Response:
    """The meetings that may be seen as an iCalendar."""
    seen = parts.workspace.view(me.viewer)
    said = calendar(seen.state.by_date(), seen.state.at)
    return Response(said, 200, _saved("meetings.ics"), "text/calendar; charset=utf-8")


@routes.get("/meetings/{id_}.ics")
def meeting_calendar(id_: str, request: Request, me: Me) -> Response:
    """One meeting as an iCalendar."""
    seen = server(request).workspace.view(me.viewer)
    found = find_meeting(seen, id_)
    return Response(calendar([found], seen.state.at), 200, _saved(f"{id_}.ics"), "text/calendar; charset=utf-8")


@routes.get("/meetings/{id_}/minutes.{form}")
def minutes_file(id_: str, form: str, request: Request, me: Me) -> Response:
    """The minutes of a meeting as a file."""
    parts = server(request)
    if form not in FORMATS:
        raise HTTPException(404, phrase("one of: {formats}", formats=", ".join(FORMATS)))
    return parts.render.file(minutes_of(parts, me, id_, parts.render.words(request)), form, f"minutes-{id_}")


@routes.get("/plan/{name}")
def plan_file(name: str, request: Request, me: Me) -> Response:
    """The whole report of the plan, for who may see all of it."""
    parts = server(request)
    code = parts.render.words(request).code
    content = parts.workspace.file(parts.workspace.view(me.viewer), name, code)
    if content is None:
        raise HTTPException(
            404, phrase("there is no whole report, or not for you: parts of the plan are private to others")
        )
    # HTML opens offline, with its script inside: so it is kept, not shown from here
    kind = "text/html; charset=utf-8" if name.endswith(".html") else "application/octet-stream"
    return Response(content, 200, _saved(in_words(name, code)), kind)
