"""Pages of the joint plan, each a Report of what its viewer may see; and the plan on what they may see alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from stackyard.alliance import brief
from stackyard.alliance.access import Seen
from stackyard.alliance.change import NotPossible
from stackyard.alliance.minutes import slipping
from stackyard.errors import SolveError
from stackyard.report.document import Report
from stackyard.web.app import Me, Server, Told, server, version
from stackyard.web.pages import may_call, plan_status, today, waiting
from stackyard.web.sitemap import site_map
from stackyard.web.who import Who
from stackyard.words import phrase
from stackyard.words.spoken import Words

routes = APIRouter()


def _overview(parts: Server, seen: Seen, words: Words) -> Report:
    before, changes = parts.workspace.changes(seen)
    return brief.overview(seen, words, today=today(), before=before, changes=changes)


def _shown(parts: Server, seen: Seen, words: Words) -> Report:
    try:
        return brief.shown(parts.workspace.shown(seen.viewer), words)
    except (NotPossible, SolveError) as error:
        raise Told(422, phrase("Not possible"), (error.args[0],)) from None


BRIEFS: Mapping[str, Callable[[Server, Seen, Words], Report]] = {
    "overview": _overview,
    "supply": lambda parts, seen, words: brief.supply(seen, words),
    "sites": lambda parts, seen, words: brief.sites(seen, words),
    "services": lambda parts, seen, words: brief.services(seen, words),
    "shown": _shown,
}


def _partly(parts: Server, seen: Seen) -> bool:
    """Whether some of the joint plan is hidden from the viewer."""
    kept = parts.workspace.kept()
    return kept is not None and seen.picture is not None and len(seen.picture.results) < len(kept.picture.results)


def _report_page(
    request: Request, me: Who, name: str, extra: Callable[[Seen, Words], Mapping[str, Any]] | None = None
) -> Response:
    parts = server(request)

    def make() -> tuple[str, Mapping[str, Any]]:
        seen, words = parts.workspace.view(me.viewer), parts.render.words(request)
        report = BRIEFS[name](parts, seen, words)
        values = {
            "report": report,
            "body": parts.render.body(report),
            "export": f"/{name}",
            "query": f"?lang={words.code}",
            "status": plan_status(parts, seen, words),
            "first_run": parts.runs.last if parts.runs.going and parts.workspace.kept() is None else None,
            "map": "",
            "extra": "",
            "alone": _partly(parts, seen),
        }
        return "report.html", {**values, **(extra(seen, words) if extra else {})}

    return parts.render.kept(request, me, version(parts), make)


@routes.get("/")
def overview(request: Request, me: Me) -> Response:
    """The plan in one minute, what changed, what is open, what slips."""
    parts = server(request)

    def beside(seen: Seen, words: Words) -> Mapping[str, Any]:
        coming = [
            m for m in seen.state.by_date() if not m.held and not m.called.related and m.called.date >= today()[:7]
        ]
        last = seen.state.last_meeting()
        template = parts.render.templates.get_template("beside.html")
        extra = template.render(
            words=words,
            next=coming[0] if coming else None,
            may_call=may_call(seen, me),
            last=last,
            whole=seen.whole and parts.workspace.kept() is not None,
            slipped=len(slipping(seen, today())),
            waiting=waiting(parts, seen, me),
            to_do=[a for a in seen.state.actions.values() if not a.done and a.given.partner == me.actor.partner],
        )
        return {"extra": extra}

    return _report_page(request, me, "overview", beside)


@routes.get("/supply")
def supply(request: Request, me: Me) -> Response:
    """Memory and what is built with it."""
    return _report_page(request, me, "supply")


@routes.get("/shown")
def shown(request: Request, me: Me) -> Response:
    """The plan that the viewer could make from what they may see."""
    told = phrase("Made from what you may see alone: the joint plan rests on amounts that you may not see.")
    return _report_page(request, me, "shown", lambda seen, words: {"status": words(told), "alone": False})


@routes.get("/sites")
def sites(request: Request, me: Me) -> Response:
    """Power, with a map of the sites."""
    return _report_page(request, me, "sites", lambda seen, words: {"map": site_map(seen, words)})


@routes.get("/services")
def services(request: Request, me: Me) -> Response:
    """Demand and what is served of it."""
    return _report_page(request, me, "services")
