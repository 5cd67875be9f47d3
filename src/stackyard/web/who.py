"""Who asks: from a session cookie, a token, or nobody but the one person at this machine."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, replace

from starlette.requests import HTTPConnection, Request

from stackyard.alliance.access import Viewer
from stackyard.alliance.accounts import Account, Accounts, Session
from stackyard.alliance.decide import Actor
from stackyard.web.settings import Settings

COOKIE, AS = "stackyard_session", "stackyard_as"
AS_HEADER = "x-stackyard-as"  # of a program with a host's token: the partner as whom it looks


@dataclass(frozen=True)
class Who:
    """A viewer, what they may record, and the token that their forms must carry. `by_token`: a program."""

    viewer: Viewer
    actor: Actor
    csrf: str
    session: Session | None = None
    account: Account | None = None
    by_token: bool = False
    host_looks_as: str = ""  # a host who looks at the page as a partner sees it


def viewer_of(account: Account) -> Viewer:
    """The viewer that an account is."""
    return Viewer(account.name, account.partner, account.role == "host")


def actor_of(account: Account, scope: str = "write") -> Actor:
    """What an account may record; a token with the scope 'read' nothing."""
    return Actor(account.name, account.partner, account.role == "host", scope == "write" and account.role != "reader")


def cookie_name(settings: Settings) -> str:
    """The session's cookie; over TLS bound to this host by its name."""
    return f"__Host-{COOKIE}" if settings.secure else COOKIE


def who(request: HTTPConnection, accounts: Accounts, settings: Settings) -> Who | None:
    """Who asks; None for somebody who has to sign in."""
    bearer = request.headers.get("authorization", "")
    if bearer.lower().startswith("bearer "):
        found = accounts.bearer(bearer[7:].strip())
        if found is None:
            return None
        account, scope = found
        me = Who(viewer_of(account), actor_of(account, scope), "", account=account, by_token=True)
        return _looking_as(me, request.headers.get(AS_HEADER, ""))
    if settings.open_to_one and not accounts.any():
        me = Who(Viewer("you", host=True), Actor("you", host=True), settings.key)
        return _looking_as(me, request.cookies.get(AS, ""))
    cookie = request.cookies.get(cookie_name(settings), "")
    session = accounts.session(cookie) if cookie else None
    if session is None:
        return None
    account = session.account
    me = Who(viewer_of(account), actor_of(account), session.csrf, session, account)
    return _looking_as(me, request.cookies.get(AS, ""))


def _looking_as(me: Who, partner: str) -> Who:
    """A host may look as a partner does: then they see, and in a workspace of one also record, as that partner."""
    if not partner or not me.viewer.host:
        return me
    name = me.viewer.name
    return replace(
        me,
        viewer=Viewer(name, partner),
        actor=Actor(name, partner, may_write=me.account is None),
        host_looks_as=partner,
    )


def carries_token(request: Request, me: Who, given: str) -> bool:
    """Whether a form carries the token of its session; programs with a token of their own need none."""
    return me.by_token or hmac.compare_digest(given.encode(), me.csrf.encode())


def from_elsewhere(request: HTTPConnection) -> bool:
    """Whether a browser says that another site sent this request."""
    origin, host = request.headers.get("origin", ""), request.headers.get("host", "")
    site = request.headers.get("sec-fetch-site", "same-origin")
    foreign = bool(origin) and origin.partition("://")[2] != host
    return foreign or site not in ("same-origin", "none")
