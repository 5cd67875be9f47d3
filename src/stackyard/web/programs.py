"""The rest of the JSON API: files, tables of deliveries, proposals from what-ifs, accounts and tokens, the audit.

With `interface` it does everything that the page does; `tests/web/test_api_does_all.py` names for each page and form
the endpoint that does the same.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from stackyard.alliance.access import Row, Viewer
from stackyard.alliance.change import NotPossible, WhatIf
from stackyard.alliance.decide import Refused
from stackyard.alliance.event import line
from stackyard.web import exports, uploads
from stackyard.web.app import Me, Told, refuse, server
from stackyard.web.forms import record_deliveries, slug
from stackyard.web.interface import REFUSALS, Change, Language, Name
from stackyard.web.pages import find_meeting
from stackyard.web.who import Who
from stackyard.words import phrase

routes = APIRouter(prefix="/api/v1", responses=REFUSALS, tags=["alliance"])
Short = Annotated[str, Field(min_length=1, max_length=80)]
Secret = Annotated[str, Field(min_length=1, max_length=1000)]
CALENDAR: dict[int | str, dict[str, Any]] = {200: {"content": {"text/calendar": {}}}}


class Asked(BaseModel):
    """What is sent; a key that is not known is refused."""

    model_config = ConfigDict(extra="forbid")


class NewToken(Asked):
    """A token to make: what it is for, and whether it may record."""

    name: Short
    scope: Literal["read", "write"] = "read"


class NewAccount(Asked):
    """An account to open; without a password one is made and told once."""

    name: Short
    partner: str = Field(default="", max_length=80)
    role: Literal["host", "member", "reader"] = "member"
    password: str = Field(default="", max_length=1000)


class NewPassword(Asked):
    """The password that is, and the one that is to be."""

    old: Secret
    new: Secret


class Proposal(Change):
    """A what-if to keep as a proposal of the partner whose item it is."""

    note: str = Field(default="", max_length=4000)
    visibility: Literal["private", "named", "alliance", "public"] = "private"
    shared_with: list[Short] = Field(default=[], max_length=200)


# --- files ---


@routes.get("/meetings.ics", response_class=Response, responses=CALENDAR)
def every_meeting(request: Request, me: Me) -> Response:
    """Every meeting that the viewer may see, as an iCalendar."""
    return exports.every_meeting(server(request), me)


@routes.get("/meetings/{id_}/calendar.ics", response_class=Response, responses=CALENDAR)
def one_meeting(id_: Name, request: Request, me: Me) -> Response:
    """One meeting as an iCalendar."""
    find_meeting(server(request).workspace.view(me.viewer), id_)
    return exports.meeting_calendar(id_, request, me)


@routes.get(
    "/plan/{name}",
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {}, "text/html": {}}}},
)
def plan_file(
    name: Literal["report.html", "plan.xlsx", "report.md", "report.json", "report.csv"],
    request: Request,
    me: Me,
    lang: Language = "en",
) -> Response:
    """The whole report of the plan, for who may see all of it."""
    return exports.plan_file(name, request, me)


# --- recording ---


@routes.post(
    "/commitments/{id_}/deliveries",
    status_code=201,
    openapi_extra={"requestBody": {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)
async def deliveries(
    id_: Name, request: Request, me: Me, note: Annotated[str, Query(max_length=4000)] = ""
) -> list[dict[str, Any]]:
    """What came of a commitment, as a table with the columns month and amount: the body is CSV, or an XLSX workbook."""
    from starlette.concurrency import run_in_threadpool

    content = await request.body()

    def recorded() -> list[dict[str, Any]]:
        parts = server(request)
        if id_ not in parts.workspace.view(me.viewer).state.commitments:
            raise HTTPException(404, phrase("no such commitment"))
        kind = "table.xlsx" if content[:2] == b"PK" else "table.csv"
        path = uploads.spool(content)
        rows, reasons = uploads.read(path, kind) if path else ([], (phrase("the table is empty"),))
        made = Refused(reasons) if reasons else record_deliveries(parts, me, id_, rows, note)
        if isinstance(made, Refused):
            raise refuse(made)
        return [line(each) for each in made]

    return await run_in_threadpool(recorded)


@routes.post("/what-if/keep", status_code=201)
def keep(sent: Proposal, request: Request, me: Me) -> list[dict[str, Any]]:
    """A what-if kept as a proposal of the partner whose item it is: the months in which it differs from the plan."""
    parts = server(request)
    taken = parts.workspace.ledger.state().commitments
    id_ = slug(f"what-if-{sent.kind}-{sent.item.partition('.')[2]}", taken)
    try:
        event = parts.workspace.proposal(
            me.viewer,
            WhatIf(sent.kind, sent.item, sent.value),
            id_,
            note=sent.note,
            visibility=sent.visibility,
            shared_with=tuple(sent.shared_with),
        )
    except NotPossible as error:
        raise Told(422, phrase("Nothing was recorded"), (error.args[0],)) from None
    made = parts.workspace.record(me.actor, event)
    if isinstance(made, Refused):
        raise refuse(made)
    return [line(each) for each in made]


# --- who may do what ---


def _host(me: Who) -> None:
    if not me.viewer.host:
        raise refuse(Refused((phrase("only the host of the alliance does this"),), forbidden=True))


@routes.get("/access/{partner}")
def access_of(partner: Name, request: Request, me: Me) -> list[Row]:
    """Every decision on what a partner may see, with its reason, what is hidden from them included: for the host."""
    _host(me)
    parts = server(request)
    if partner not in parts.workspace.ledger.state().partners:
        raise HTTPException(404, phrase("no partner '{partner}'", partner=partner))
    return list(parts.workspace.decisions(me.viewer, Viewer(partner, partner)))


@routes.get("/audit")
def audit(request: Request, me: Me) -> dict[str, list[dict[str, Any]]]:
    """The last 200 records with their hashes, and the last 500 visits: who saw and did what. For the host."""
    _host(me)
    parts = server(request)
    parts.visits.flush()
    ledger = parts.workspace.ledger
    recorded = [
        {"seq": r.seq, "at": r.at, "by": r.by, "kind": r.event.kind, "hash": r.hash}
        for r in ledger.records(max(ledger.state().seq - 200, 0))[::-1]
    ]
    return {"records": recorded, "visits": [dict(row) for row in ledger.find("visits", newest=500)]}


@routes.get("/accounts")
def accounts(request: Request, me: Me) -> list[dict[str, str]]:
    """Every open account: name, partner and role. For the host."""
    _host(me)
    return [asdict(each) for each in server(request).accounts.listed()]


@routes.post("/accounts", status_code=201)
def open_account(sent: NewAccount, request: Request, me: Me) -> dict[str, str]:
    """Opens an account; a password that was made here is told in this answer alone. For the host."""
    _host(me)
    if not me.actor.may_write:
        raise refuse(Refused((phrase("{name} may read, not write", name=me.actor.name),), forbidden=True))
    made = server(request).accounts.invite(sent.name, sent.partner, sent.role, sent.password)
    if isinstance(made, Refused):
        raise refuse(made)
    account, password = made
    return {**asdict(account), **({} if sent.password else {"password": password})}


@routes.delete("/accounts/{name}")
def close_account(name: Name, request: Request, me: Me) -> dict[str, str]:
    """Closes an account, its sessions and its tokens. For the host; nobody closes their own."""
    _host(me)
    refused = server(request).accounts.close_other(name, me.viewer.name if me.actor.may_write else name)
    if refused is not None:
        raise refuse(refused)
    return {"closed": name}


@routes.post("/password")
def change_password(sent: NewPassword, request: Request, me: Me) -> dict[str, bool]:
    """Changes the password of one's own account; other sessions of it end."""
    if me.account is None or (me.by_token and not me.actor.may_write):
        raise Told(403, phrase("Nothing was recorded"), (phrase("nobody is signed in by a password"),))
    refused = server(request).accounts.change_password(me.account.name, sent.old, sent.new, me.session)
    if refused is not None:
        raise refuse(refused)
    return {"changed": True}


@routes.get("/tokens")
def tokens(request: Request, me: Me) -> list[dict[str, str]]:
    """The tokens of one's own account: what each is for, what it may do, and when it was revoked."""
    return [asdict(each) for each in server(request).accounts.tokens(me.account)] if me.account else []


@routes.post("/tokens", status_code=201)
def make_token(sent: NewToken, request: Request, me: Me) -> dict[str, str]:
    """Makes a token; its secret is in this answer alone. A token that may only read makes none."""
    if me.account is None or (me.by_token and not me.actor.may_write):
        raise refuse(Refused((phrase("this token may read, and makes no others"),), forbidden=True))
    made = server(request).accounts.make_token(me.account, sent.name, sent.scope)
    if isinstance(made, Refused):
        raise refuse(made)
    return {"secret": made[0], **asdict(made[1])}


@routes.delete("/tokens/{id_}")
def revoke(id_: Name, request: Request, me: Me) -> dict[str, str]:
    """Revokes a token of one's own account."""
    if me.account is None or (me.by_token and not me.actor.may_write):
        raise refuse(Refused((phrase("this token may read, and revokes none"),), forbidden=True))
    server(request).accounts.revoke(me.account, id_)
    return {"revoked": id_}
