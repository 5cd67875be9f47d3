"""Signing in and out, tokens for programs, and looking at the page as a partner sees it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from stackyard.alliance.accounts import LASTS, Session
from stackyard.alliance.decide import Refused
from stackyard.alliance.minutes import partner_name
from stackyard.web.app import Me, Server, Told, refuse, server
from stackyard.web.forms import Filled
from stackyard.web.settings import Settings
from stackyard.web.who import AS, Who, cookie_name
from stackyard.words import phrase

routes = APIRouter()


@routes.get("/sign-in")
def sign_in_page(request: Request) -> Response:
    """The page to sign in by name, or with a company."""
    parts = server(request)
    if request.state.who is not None:
        return RedirectResponse("/", 303)
    return parts.render.page(
        request, None, "sign_in.html", problems=(), name="", company=parts.settings.provider is not None
    )


@routes.post("/sign-in")
async def sign_in(request: Request) -> Response:
    """Opens a session. There is no session yet whose token a form could carry; `from_elsewhere` guards this one."""
    parts = server(request)
    form = await request.form(max_files=0, max_fields=10)
    name, password = str(form.get("name", ""))[:200], str(form.get("password", ""))[:1000]
    origin = request.client.host if request.client else ""
    opened = await run_in_threadpool(parts.accounts.sign_in, name, password, origin)
    if isinstance(opened, Refused):
        parts.visits.note(f"? {name[:60]}", "", "POST", "/sign-in", 401)
        company = parts.settings.provider is not None
        return parts.render.page(
            request, None, "sign_in.html", 401, problems=opened.reasons, name=name, company=company
        )
    return with_session(RedirectResponse("/", 303), opened, parts.settings)


def with_session(answer: Response, opened: tuple[str, Session], settings: Settings) -> Response:
    """An answer that carries the cookie of a new session: not to be read by scripts, nor sent from other sites."""
    answer.set_cookie(
        cookie_name(settings),
        opened[0],
        max_age=int(LASTS.total_seconds()),
        httponly=True,
        secure=settings.secure,
        samesite="lax",
        path="/",
    )
    return answer


@routes.post("/sign-out")
def sign_out(request: Request, me: Me, form: Filled) -> Response:
    """Ends the session."""
    parts = server(request)
    if me.session is not None:
        parts.accounts.sign_out(me.session)
    answer = RedirectResponse("/sign-in", 303)
    answer.delete_cookie(
        cookie_name(parts.settings), path="/", secure=parts.settings.secure, httponly=True, samesite="lax"
    )
    answer.delete_cookie(AS, path="/")
    return answer


@routes.post("/as")
def look_as(request: Request, me: Me, form: Filled) -> Response:
    """A host looks at everything as a partner sees it, until they are themselves again."""
    parts = server(request)
    host = me.viewer.host or bool(me.host_looks_as)
    partner = form.get("partner", "")
    if not host:
        raise refuse(Refused((phrase("the host may look as a partner does"),), forbidden=True))
    if partner and partner not in parts.workspace.ledger.state().partners:
        raise Told(404, phrase("There is nothing here"), (phrase("no partner '{partner}'", partner=partner),))
    answer = RedirectResponse("/", 303)
    if partner:
        answer.set_cookie(AS, partner, httponly=True, secure=parts.settings.secure, samesite="lax", path="/")
    else:
        answer.delete_cookie(AS, path="/")
    return answer


def _account_page(request: Request, me: Who, parts: Server, status: int = 200, **shown: Any) -> Response:
    """The page of an account; `shown` is what was just made, or what spoke against it."""
    seen = parts.workspace.view(me.viewer)
    values: dict[str, Any] = {
        "tokens": parts.accounts.tokens(me.account) if me.account else [],
        "accounts": parts.accounts.listed() if me.viewer.host else [],
        "partners": sorted(seen.state.partners.values(), key=lambda p: p.name),
        "partner_name": lambda partner: partner_name(seen, partner),
        "secret": "",
        "problems": (),
        "opened": None,
        "account_problems": (),
        "changed": False,
        "password_problems": (),
        "given": {},
    }
    return parts.render.page(request, me, "account.html", status, **values | shown)


@routes.get("/account")
def account(request: Request, me: Me) -> Response:
    """Who one is, one's tokens, and for the host a look at the page as a partner sees it."""
    return _account_page(request, me, server(request))


@routes.post("/tokens")
def make_token(request: Request, me: Me, form: Filled) -> Response:
    """Makes a token for programs; its secret is shown this once."""
    parts = server(request)
    if me.account is None or me.by_token:
        raise Told(
            403, phrase("Nothing was made"), (phrase("tokens belong to accounts, and are made by who is signed in"),)
        )
    made = parts.accounts.make_token(me.account, form.get("name", ""), form.get("scope", "read"))
    if isinstance(made, Refused):
        return _account_page(request, me, parts, 422, problems=made.reasons)
    return _account_page(request, me, parts, secret=made[0])


@routes.post("/tokens/{id_}/revoke")
def revoke(id_: str, request: Request, me: Me, form: Filled) -> Response:
    """Revokes a token of one's own."""
    if me.account is not None and (me.actor.may_write or not me.by_token):
        server(request).accounts.revoke(me.account, id_)
    return RedirectResponse("/account", 303)


@routes.post("/password")
def change_password(request: Request, me: Me, form: Filled) -> Response:
    """Another password for one's own account."""
    parts = server(request)
    if me.account is None or me.session is None:
        raise Told(403, phrase("Nothing was recorded"), (phrase("nobody is signed in by a password"),))
    refused = parts.accounts.change_password(me.account.name, form.get("old", ""), form.get("new", ""), me.session)
    if refused is not None:
        return _account_page(request, me, parts, 422, password_problems=refused.reasons)
    return _account_page(request, me, parts, changed=True)


def _for_hosts(me: Who) -> None:
    if not me.viewer.host or not me.actor.may_write:
        raise refuse(Refused((phrase("only the host of the alliance does this"),), forbidden=True))


@routes.post("/accounts")
def open_account(request: Request, me: Me, form: Filled) -> Response:
    """Opens an account for a person of a partner; its password is made here and shown this once."""
    parts = server(request)
    _for_hosts(me)
    made = parts.accounts.invite(form.get("name", ""), form.get("partner", ""), form.get("role", "member"))
    if isinstance(made, Refused):
        return _account_page(request, me, parts, 422, account_problems=made.reasons, given=form)
    return _account_page(request, me, parts, opened=(made[0].name, made[1]))


@routes.post("/accounts/{name}/close")
def close_account(name: str, request: Request, me: Me, form: Filled) -> Response:
    """Closes an account with its sessions and tokens."""
    parts = server(request)
    _for_hosts(me)
    refused = parts.accounts.close_other(name, me.viewer.name)
    if refused is not None:
        return _account_page(request, me, parts, 422, account_problems=refused.reasons)
    return RedirectResponse("/account#accounts", 303)
