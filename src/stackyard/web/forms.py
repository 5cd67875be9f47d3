"""The forms of the page: what is filled in becomes an event, or comes back with every reason and nothing lost."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from stackyard.alliance.change import NotPossible, WhatIf
from stackyard.alliance.decide import FIELDS, Refused
from stackyard.alliance.event import (
    ActionDone,
    ActionGiven,
    Cited,
    CommitmentMoved,
    CommitmentProposed,
    CommitmentRevised,
    Delivered,
    ItemShared,
    MeetingCalled,
    MeetingHeld,
    PartnerJoined,
    Record,
)
from stackyard.alliance.minutes import partner_name
from stackyard.web import uploads
from stackyard.web.app import Me, Server, Told, may_run, may_stop, refuse, server
from stackyard.web.desk import KINDS, desk_values, read_what_ifs
from stackyard.web.pages import find_meeting, listing, may_call, meeting_values, promise_values, source_line
from stackyard.web.who import Who, carries_token
from stackyard.words import phrase
from stackyard.words.phrase import together

routes = APIRouter()
ONE_NUMBER = re.compile(r"^[0-9][0-9.,]*(?:[eE][-+]?\d+)?$")
TODAY_LINE = re.compile(r"^\s*(\d{4}-\d{2})\s*[:;,=\s]\s*([-+0-9.,eE]+)\s*$")


class Form(dict[str, str]):
    """The fields of a form that carries its session's token, blanks stripped; a file under its name."""

    file: UploadFile | None = None

    def lines(self, name: str) -> tuple[str, ...]:
        return tuple(line.strip() for line in self.get(name, "").splitlines() if line.strip())

    def ids(self, name: str) -> tuple[str, ...]:
        return tuple(part for part in re.split(r"[,\s]+", self.get(name, "")) if part)


async def form_of(request: Request, me: Me) -> Form:
    """The form of a request; 403 without its session's token."""
    found = Form()
    async with request.form(max_files=1, max_fields=100) as sent:
        for name, value in sent.multi_items():
            if isinstance(value, UploadFile):
                if not me.actor.may_write:
                    continue
                found.file = UploadFile(value.file, size=value.size, filename=value.filename)
                found["_upload"] = uploads.spool(await value.read())
            elif name in found and value:
                found[name] += f"\n{str(value).strip()}"
            else:
                found[name] = str(value).replace("\r\n", "\n").strip()  # as a browser sends lines
    if not carries_token(request, me, found.get("csrf", "")):
        raise Told(403, phrase("This form is too old"), (phrase("open the page again and send it once more"),))
    return found


Filled = Annotated[Form, Depends(form_of)]


def amounts_of(text: str, field: str, months: Iterable[str] = ()) -> tuple[dict[str, float], list[str]]:
    """Months and numbers of lines such as '2027-03 40000', and what is wrong with the others.

    A single number is that of every month of `months`, where there are any.

    >>> amounts_of("2027-03 40,000", "Months and amounts")
    ({'2027-03': 40000.0}, [])
    >>> amounts_of("50,000", "At least", ["2027-01", "2027-02"])
    ({'2027-01': 50000.0, '2027-02': 50000.0}, [])
    """
    single = text.strip()
    if ONE_NUMBER.match(single):
        text = "\n".join(f"{month} {single}" for month in months) or text
    found: dict[str, float] = {}
    wrong: list[str] = []
    for line in text.splitlines():
        if not line.strip():
            continue
        match = TODAY_LINE.match(line)
        try:
            if match is None:
                raise ValueError
            found[match[1]] = float(match[2].replace(",", ""))
        except ValueError:
            wrong.append(
                phrase(
                    "{field}: '{line}' is not a month and a number, such as: 2027-03 40000",
                    field=field,
                    line=line.strip()[:60],
                )
            )
    return found, wrong


Months = dict[str, float]


def terms_of(form: Form) -> tuple[Months, Months, Months, list[str]]:
    """The amounts of a form and the two ends of their range, and all that is wrong with the three fields."""
    amounts, wrong = amounts_of(form.get("amounts", ""), FIELDS["amounts"])
    low, more = amounts_of(form.get("low", ""), FIELDS["low"], amounts)
    high, most = amounts_of(form.get("high", ""), FIELDS["high"], amounts)
    return amounts, low, high, wrong + more + most


def _cited(text: str, standing: Iterable[Cited] = ()) -> tuple[Cited, ...]:
    """Sources of lines: an address, or words; one that stands already stays as it is."""
    kept = {source_line(source): source for source in standing}
    return tuple(
        kept.get(line) or Cited(title=line, url=line if line.startswith(("https://", "http://")) else "")
        for line in (part.strip() for part in text.splitlines())
        if line
    )


def slug(text: str, taken: Any) -> str:
    """An id from words, that is not taken."""
    base = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60] or "item"
    id_, number = base, 2
    while id_ in taken:
        id_, number = f"{base}-{number}", number + 1
    return id_


def _record(parts: Server, me: Who, event: Any, expected: int | None = None) -> Refused | None:
    made = parts.workspace.record(me.actor, event, expected)
    return made if isinstance(made, Refused) else None


def _back(path: str) -> RedirectResponse:
    return RedirectResponse(f"{path}#main", 303)  # else a browser keeps the place of the form


# --- promises ---


@routes.post("/promises")
def propose(request: Request, me: Me, form: Filled) -> Response:
    """A promise is proposed."""
    parts = server(request)
    taken = parts.workspace.ledger.state().commitments
    amounts, low, high, wrong = terms_of(form)
    id_ = slug(form.get("name", ""), taken)
    refused: Refused | None = Refused(tuple(wrong)) if wrong else None
    if refused is None:
        event = CommitmentProposed(
            commitment=id_,
            name=form.get("name", ""),
            partner=form.get("partner") or me.actor.partner,
            to=form.get("to", ""),
            measure=form.get("measure", "other"),  # type: ignore[arg-type]
            item=form.get("item", ""),
            amounts=amounts,
            low=low,
            high=high,
            unit=form.get("unit", ""),
            grade=form.get("grade", "assumed"),  # type: ignore[arg-type]
            binding=form.get("binding") == "yes",
            visibility=form.get("visibility", "private"),  # type: ignore[arg-type]
            shared_with=form.ids("shared_with"),
            range_shared=form.get("range_shared") == "yes",
            meeting=form.get("meeting", ""),
            sources=_cited(form.get("sources", "")),
            note=form.get("note", ""),
        )
        refused = _record(parts, me, event)
    if refused is None:
        return _back(f"/promises/{id_}")
    values = listing(parts.workspace.view(me.viewer), me, parts.render.words(request))
    return parts.render.page(request, me, "promises.html", 422, **values, problems=refused.reasons, given=form)


def _of_promise(parts: Server, request: Request, me: Who, id_: str, form: Form, refused: Refused | None) -> Response:
    """Back to the promise; with the reasons and all that was filled in where nothing was recorded."""
    if refused is None:
        return _back(f"/promises/{id_}")
    values = promise_values(parts, me, id_, parts.render.words(request))
    status = 409 if refused.conflict else 403 if refused.forbidden else 422
    return parts.render.page(request, me, "promise.html", status, **values, problems=refused.reasons, given=form)


def _version(form: Form) -> int | None:
    return int(form["version"]) if form.get("version", "").isdecimal() else None


def _known(parts: Server, me: Who, id_: str) -> None:
    if id_ not in parts.workspace.view(me.viewer).state.commitments:
        raise HTTPException(404, phrase("no such promise"))


@routes.post("/promises/{id_}/revise")
def revise(id_: str, request: Request, me: Me, form: Filled) -> Response:
    """A promise gets other amounts, if nobody changed it since it was opened."""
    parts = server(request)
    _known(parts, me, id_)
    standing = parts.workspace.view(me.viewer).state.commitments[id_].terms.sources
    amounts, low, high, wrong = terms_of(form)
    refused: Refused | None = Refused(tuple(wrong)) if wrong else None
    if refused is None:
        event = CommitmentRevised(
            commitment=id_,
            amounts=amounts,
            low=low,
            high=high,
            grade=form.get("grade", "assumed"),  # type: ignore[arg-type]
            binding=form.get("binding") == "yes",
            meeting=form.get("meeting", ""),
            sources=_cited(form.get("sources", ""), standing),
            note=form.get("note", ""),
        )
        refused = _record(parts, me, event, _version(form))
    return _of_promise(parts, request, me, id_, form, refused)


@routes.post("/promises/{id_}/move")
def move(id_: str, request: Request, me: Me, form: Filled) -> Response:
    """A promise is accepted, declined, fulfilled, missed or withdrawn."""
    parts = server(request)
    _known(parts, me, id_)
    event = CommitmentMoved(
        commitment=id_,
        status=form.get("status", ""),  # type: ignore[arg-type]
        meeting=form.get("meeting", ""),
        note=form.get("note", ""),
    )
    return _of_promise(parts, request, me, id_, form, _record(parts, me, event, _version(form)))


@routes.post("/promises/{id_}/deliver")
def deliver(id_: str, request: Request, me: Me, form: Filled) -> Response:
    """What came, of one month as typed, or of a table (CSV or XLSX) with the columns month and amount."""
    parts = server(request)
    _known(parts, me, id_)
    if form.get("_upload"):
        rows, reasons = uploads.read(form["_upload"], form.file.filename or "" if form.file else "")
    else:
        amounts, wrong = amounts_of(
            f"{form.get('month', '')} {form.get('amount', '')}", together([FIELDS["month"], FIELDS["amount"]])
        )
        rows, reasons = list(amounts.items()), tuple(wrong)
    if not rows and not reasons:
        reasons = (phrase("month and amount: state both, or send a table"),)
    if reasons:
        return _of_promise(parts, request, me, id_, form, Refused(reasons))
    made = record_deliveries(parts, me, id_, rows, form.get("note", ""))
    return _of_promise(parts, request, me, id_, form, made if isinstance(made, Refused) else None)


def record_deliveries(
    parts: Server, me: Who, id_: str, rows: Sequence[tuple[str, float]], note: str
) -> tuple[Record, ...] | Refused:
    """Records what came of a promise, all of the rows or none."""
    taken = set(parts.workspace.ledger.state().deliveries)
    events: list[Delivered] = []
    for month, amount in rows:
        name = slug(f"{id_}-{month}", taken)
        taken.add(name)
        events.append(Delivered(delivery=name, commitment=id_, month=month, amount=amount, note=note))
    return parts.workspace.record_all(me.actor, events)


# --- meetings ---


@routes.post("/meetings")
def call(request: Request, me: Me, form: Filled) -> Response:
    """A meeting is called."""
    parts = server(request)
    id_ = slug(f"{form.get('date', '')}-{form.get('name', '')}", parts.workspace.ledger.state().meetings)
    event = _invitation(form, me, MeetingCalled(meeting=id_, name="", date=""))
    refused = _record(parts, me, event)
    if refused is None:
        return _back(f"/meetings/{id_}")
    seen = parts.workspace.view(me.viewer)
    return parts.render.page(
        request,
        me,
        "meetings.html",
        422,
        seen=seen,
        meetings=seen.state.by_date()[::-1],
        may_call=may_call(seen, me),
        partners=sorted(seen.state.partners.values(), key=lambda p: p.name),
        partner_name=lambda partner: partner_name(seen, partner),
        problems=refused.reasons,
        given=form,
    )


def _invitation(form: Form, me: Who, called: MeetingCalled) -> MeetingCalled:
    """A meeting as a form has it; who is invited and who calls it are its partners."""
    invited = dict.fromkeys((*form.ids("partners"), *((me.actor.partner,) if me.actor.partner else ())))
    return replace(
        called,
        name=form.get("name", ""),
        date=form.get("date", ""),
        end=form.get("end", ""),
        place=form.get("place", ""),
        partners=tuple(invited),
        participants=form.lines("participants"),
        agenda=form.lines("agenda"),
        visibility=form.get("visibility", "named"),  # type: ignore[arg-type]
        note=form.get("note", ""),
    )


def _of_meeting(
    parts: Server, request: Request, me: Who, id_: str, form: Form, refused: Refused | None, changing: bool = False
) -> Response:
    if refused is None:
        return _back(f"/meetings/{id_}")
    values = meeting_values(parts, me, id_) | {"changing": changing}
    return parts.render.page(request, me, "meeting.html", 422, **values, problems=refused.reasons, given=form)


@routes.post("/meetings/{id_}/change")
def change(id_: str, request: Request, me: Me, form: Filled) -> Response:
    """The invitation to a meeting is changed: what it is about, when, where, and who is invited."""
    parts = server(request)
    called = find_meeting(parts.workspace.view(me.viewer), id_).called
    refused = _record(parts, me, _invitation(form, me, called))
    return _of_meeting(parts, request, me, id_, form, refused, changing=True)


@routes.post("/meetings/{id_}/held")
def held(id_: str, request: Request, me: Me, form: Filled) -> Response:
    """What came of a meeting is recorded."""
    parts = server(request)
    find_meeting(parts.workspace.view(me.viewer), id_)
    event = MeetingHeld(
        meeting=id_,
        decisions=form.lines("decisions"),
        questions=form.lines("questions"),
        next_meeting=form.get("next_meeting", ""),
    )
    return _of_meeting(parts, request, me, id_, form, _record(parts, me, event))


@routes.post("/meetings/{id_}/action")
def act(id_: str, request: Request, me: Me, form: Filled) -> Response:
    """An action is given at a meeting."""
    parts = server(request)
    find_meeting(parts.workspace.view(me.viewer), id_)
    event = ActionGiven(
        action=slug(form.get("text", ""), parts.workspace.ledger.state().actions),
        meeting=id_,
        text=form.get("text", ""),
        partner=form.get("partner", ""),
        owner=form.get("owner", ""),
        due=form.get("due", ""),
    )
    refused = _record(parts, me, event) if form.get("text") else Refused((phrase("text: what is to be done"),))
    return _of_meeting(parts, request, me, id_, form, refused)


@routes.post("/actions/{id_}/done")
def done(id_: str, request: Request, me: Me, form: Filled) -> Response:
    """An action is done."""
    parts = server(request)
    action = parts.workspace.view(me.viewer).state.actions.get(id_)
    if action is None:
        raise HTTPException(404, phrase("no such action"))
    refused = _record(parts, me, ActionDone(action=id_, note=form.get("note", "")))
    return _of_meeting(parts, request, me, action.given.meeting, form, refused)


# --- who takes part, who sees what ---


@routes.post("/partners")
def join(request: Request, me: Me, form: Filled) -> Response:
    """A partner joins; the host records it."""
    parts = server(request)
    id_ = form.get("partner") or slug(form.get("name", ""), parts.workspace.ledger.state().partners)
    refused = _record(parts, me, PartnerJoined(partner=id_, name=form.get("name", ""), role=form.get("role", "")))
    if refused:
        raise refuse(refused)
    return RedirectResponse("/access#partners", 303)


@routes.post("/share")
def share(request: Request, me: Me, form: Filled) -> Response:
    """Who may see a part of the scenario."""
    parts = server(request)
    event = ItemShared(
        item=form.get("item", ""),
        partner=form.get("partner") or me.actor.partner,
        visibility=form.get("visibility", "private"),  # type: ignore[arg-type]
        shared_with=form.ids("shared_with"),
        range_shared=form.get("range_shared") == "yes",
    )
    refused = _record(parts, me, event)
    if refused:
        raise refuse(refused)
    return _back("/access")


# --- the plan ---


@routes.post("/runs")
def run(request: Request, me: Me, form: Filled) -> Response:
    """A run of the plan is started."""
    may_run(server(request), me)
    server(request).runs.start(me.actor)
    return _back("/runs")


@routes.post("/runs/stop")
def stop(request: Request, me: Me, form: Filled) -> Response:
    """The run that is going on is stopped."""
    parts = server(request)
    may_stop(parts, me)
    parts.runs.stop()
    return _back("/runs")


@routes.get("/what-if")
def what_if(request: Request, me: Me) -> Response:
    """The what-if desk, with its answer where something was asked."""
    parts = server(request)
    anew = request.query_params.get("anew") == "1"
    values = desk_values(parts, me, read_what_ifs(request.query_params), parts.render.words(request), anew)
    values["again"] = f"/what-if?{request.query_params}&anew=1"
    values["query"] = f"?{request.query_params}"
    status = 422 if values["problems"] else 200
    return parts.render.page(request, me, "what_if.html", status, **values)


@routes.post("/what-if/keep")
def keep(request: Request, me: Me, form: Filled) -> Response:
    """A what-if kept as a proposal of the partner whose item it is."""
    parts = server(request)
    kind, value = form.get("kind", ""), form.get("value", "")
    try:
        if kind not in KINDS:
            raise NotPossible(f"'{kind}' is nothing that can be tried")
        changed = WhatIf(kind, form.get("item", ""), float(value))  # type: ignore[arg-type]
        id_ = slug(
            f"what-if-{changed.kind}-{changed.item.partition('.')[2]}", parts.workspace.ledger.state().commitments
        )
        event = parts.workspace.proposal(
            me.viewer,
            changed,
            id_,
            note=form.get("note", ""),
            visibility=form.get("visibility", "private"),
            shared_with=form.ids("shared_with"),
        )
    except ValueError as error:
        raise Told(422, phrase("Nothing was recorded"), (error.args[0],)) from None
    refused = _record(parts, me, event)
    if refused:
        raise refuse(refused)
    return _back(f"/promises/{id_}")
