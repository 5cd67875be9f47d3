"""One server: its parts, what every request passes, and how faults are told."""

from __future__ import annotations

import logging
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stackyard.alliance.accounts import Accounts
from stackyard.alliance.change import NotPossible
from stackyard.alliance.decide import Refused
from stackyard.alliance.ledger import Unavailable
from stackyard.alliance.state import is_guest
from stackyard.alliance.workspace import Workspace
from stackyard.errors import InputErrors, SolveError
from stackyard.web.guard import Guard, Visits
from stackyard.web.render import LANG, Renderer, assets, packed
from stackyard.web.runs import Runs
from stackyard.web.settings import Settings
from stackyard.web.who import Who, from_elsewhere, who
from stackyard.words import phrase
from stackyard.words.spoken import LANGUAGES

LOG = logging.getLogger("stackyard.web")
YEAR = 365 * 24 * 3600  # s
# What the framework says of itself, as we say it.
DETAILS = {"Not Found": phrase("no such page"), "Method Not Allowed": phrase("nothing can be sent to this page")}


def version(parts: Server) -> tuple[Any, ...]:
    """What kept pages are made from: the head of the record, the plan, whether a run goes on, and the day."""
    kept = parts.workspace.kept()
    return (parts.workspace.ledger.head(), kept.digest if kept else "", parts.runs.going, date.today().isoformat())


@dataclass(frozen=True)
class Server:
    """What the routes work with."""

    workspace: Workspace
    accounts: Accounts
    settings: Settings
    render: Renderer
    runs: Runs
    visits: Visits


def server(request: Request) -> Server:
    """The server of a request."""
    found: Server = request.app.state.server
    return found


class SignInFirst(Exception):
    """Nobody is signed in."""


def somebody(request: Request) -> Who:
    """Who asks; a browser is sent to the sign-in page, a program gets 401."""
    found: Who | None = request.state.who
    if found is None:
        raise SignInFirst
    return found


Me = Annotated[Who, Depends(somebody)]


class Told(Exception):
    """A refusal on its way to the reader: status, title and reasons."""

    def __init__(self, status: int, title: str, reasons: tuple[str, ...]) -> None:
        self.status, self.title, self.reasons = status, title, reasons


def refuse(refused: Refused) -> Told:
    """A refusal of the record as an answer: 409 where somebody was faster, 403 where it is not allowed, else 422."""
    status = 409 if refused.conflict else 403 if refused.forbidden else 422
    return Told(status, phrase("Nothing was recorded"), refused.reasons)


def may_run(parts: Server, me: Who) -> None:
    """Refuses a run to who may only read, and to guests."""
    if not me.actor.may_write:
        raise refuse(Refused((phrase("a reader starts no runs"),), forbidden=True))
    if not me.actor.host and is_guest(parts.workspace.ledger.state(), me.actor.partner):
        raise refuse(Refused((phrase("a guest starts no runs"),), forbidden=True))


def may_stop(parts: Server, me: Who) -> None:
    """Refuses to stop a run to all but who started it and the host."""
    last = parts.runs.last
    own = last is not None and last.by == me.actor.name
    if last is not None and not (me.actor.may_write and (me.actor.host or own)):
        raise refuse(Refused((phrase("a run is stopped by who started it, or by the host"),), forbidden=True))


def make(workspace: Workspace, settings: Settings, *, warm: bool = True) -> FastAPI:
    """The application. `warm` reads the scenario and solves its plan in the background at the start."""
    from stackyard.web import account, exports, forms, interface, pages, performance, plan_pages, programs

    parts = Server(
        workspace, Accounts(workspace.ledger), settings, Renderer(), Runs(workspace), Visits(workspace.ledger)
    )

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        if warm:
            threading.Thread(target=_warm, args=(parts,), name="warm", daemon=True).start()
        yield
        parts.visits.close()

    app = FastAPI(
        title="Stackyard alliance",
        version="1",
        description="Everything the page does: read what your partner may see, record events, try what-ifs, run plans.",
        docs_url=None,
        redoc_url=None,
        lifespan=life,
    )
    app.state.server = parts
    app.add_middleware(Company, parts=parts)
    if settings.provider is not None:
        from starlette.middleware.sessions import SessionMiddleware

        from stackyard.web import oidc

        app.include_router(oidc.routes, include_in_schema=False)
        app.add_middleware(
            SessionMiddleware,
            secret_key=settings.key,
            session_cookie=oidc.COOKIE,
            max_age=oidc.SECONDS,
            same_site="lax",
            https_only=settings.secure,
        )
    app.add_middleware(Guard, settings=settings)
    for routes in (exports.routes, pages.routes, plan_pages.routes, forms.routes, account.routes, performance.routes):
        app.include_router(routes, include_in_schema=False)
    app.include_router(interface.routes)
    app.include_router(programs.routes)
    app.add_api_route("/static/{digest}/{name}", _static, include_in_schema=False)
    _faults(app)
    return app


def _warm(parts: Server) -> None:
    """Solves what what-ifs start from; a plan that was never made is made and recorded, so that the page has one."""
    from stackyard.alliance.decide import Actor

    try:
        for name in ("app.js", "page.css", "plotly.js"):
            packed(name)
        if parts.workspace.kept() is None:
            parts.runs.start(Actor("stackyard", host=True))
        else:
            parts.workspace.warm()
    except (InputErrors, SolveError, Unavailable) as error:
        LOG.warning("the plan is not at hand: %s", error)


class Company:
    """ASGI middleware: finds out who asks, refuses what another site sends, gives kept pages, and notes the visit."""

    def __init__(self, app: ASGIApp, parts: Server) -> None:
        self.app, self.parts = app, parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith("/static/"):
            await self.app(scope, receive, send)
            return
        request = Request(scope, receive)

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                me = request.state.who
                if me is not None:
                    partner = me.viewer.partner or "host"
                    self.parts.visits.note(me.viewer.name, partner, request.method, scope["path"], message["status"])
                self._speak(request, MutableHeaders(scope=message))
            await send(message)

        answer = self._at_once(request)
        await (answer or self.app)(scope, receive, noted)

    def _speak(self, request: Request, headers: MutableHeaders) -> None:
        """The language that a viewer chose holds from here on."""
        chosen = request.query_params.get("lang") if request.scope["query_string"] else None
        if chosen in LANGUAGES and not wants_json(request):
            secure = "; Secure" if self.parts.settings.secure else ""
            headers.append("set-cookie", f"{LANG}={chosen}; Max-Age={YEAR}; Path=/; HttpOnly; SameSite=lax{secure}")

    def _at_once(self, request: Request) -> Response | None:
        """A kept page, or a refusal; None for what has to be looked at."""
        request.state.who = None
        try:
            me = request.state.who = who(request, self.parts.accounts, self.parts.settings)
            if request.method == "GET" and me is not None:
                return self.parts.render.hit(request, me, version(self.parts))
        except Unavailable as error:
            return _told(request, 503, phrase("The record is not at hand"), (str(error),))
        if request.method not in ("GET", "HEAD") and not (me and me.by_token) and from_elsewhere(request):
            return _told(request, 403, phrase("Not from here"), (phrase("this was sent from another site"),))
        return None


def _static(digest: str, name: str, request: Request) -> Response:
    if name not in assets():
        raise HTTPException(404)
    content, kind = assets()[name]
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(packed(name), 200, {**headers, "Content-Encoding": "gzip"}, kind)
    return Response(content, 200, headers, kind)


def wants_json(request: Request) -> bool:
    """Whether a program asks, that is told in JSON what a person is told on a page."""
    return request.url.path.startswith("/api/") or request.url.path == "/openapi.json"


def _told(request: Request, status: int, title: str, reasons: tuple[str, ...]) -> Response:
    if wants_json(request):
        return JSONResponse({"title": title, "reasons": list(reasons)}, status)
    me = getattr(request.state, "who", None)
    return server(request).render.page(request, me, "error.html", status, title=title, reasons=reasons)


def _faults(app: FastAPI) -> None:
    """What can go wrong, told to a person or a program."""

    on = app.exception_handler

    @on(SignInFirst)
    async def sign_in(request: Request, error: SignInFirst) -> Response:
        if wants_json(request):
            headers = {"WWW-Authenticate": "Bearer"}
            return JSONResponse({"title": "Sign in first", "reasons": ["a token is needed"]}, 401, headers)
        return RedirectResponse("/sign-in", 303)

    @on(Told)
    async def told(request: Request, error: Told) -> Response:
        return _told(request, error.status, error.title, error.reasons)

    @on(InputErrors)
    async def bad(request: Request, error: InputErrors) -> Response:
        return _told(request, 422, phrase("That cannot be read"), tuple(str(fault) for fault in error.faults[:40]))

    @on(NotPossible)
    async def unlaid(request: Request, error: NotPossible) -> Response:
        return _told(request, 422, phrase("There is no plan for that"), (phrase("the host's page of runs says why"),))

    @on(SolveError)
    async def unsolved(request: Request, error: SolveError) -> Response:
        return _told(request, 422, phrase("There is no plan for that"), (str(error),))

    @on(Unavailable)
    async def away(request: Request, error: Unavailable) -> Response:
        return _told(request, 503, phrase("The record is not at hand"), (str(error),))

    @on(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        reasons = tuple(f"{'.'.join(map(str, e['loc'][1:]))}: {e['msg']}" for e in error.errors()[:40])
        return _told(request, 422, phrase("That cannot be read"), reasons)

    @on(HTTPException)
    async def plain(request: Request, error: HTTPException) -> Response:
        titles = {404: phrase("There is nothing here"), 405: phrase("Not possible here"), 413: phrase("Too large")}
        answer = _told(
            request,
            error.status_code,
            titles.get(error.status_code, phrase("Not possible")),
            (DETAILS.get(error.detail, error.detail),),
        )
        for key, value in (error.headers or {}).items():
            answer.headers[key] = value
        return answer
