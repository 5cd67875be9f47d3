"""The JSON API: what the page shows and does, for programs; described by /openapi.json.

A token goes in `Authorization: Bearer ...`. Everything is filtered by `Workspace.view`, as the page is. A change is one
of the ledger's events; refusals come with all reasons, 409 where somebody changed the same commitment first.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from stackyard.alliance.access import Row
from stackyard.alliance.change import NotPossible, WhatIf
from stackyard.alliance.decide import Refused
from stackyard.alliance.event import Event, line
from stackyard.alliance.state import STATE
from stackyard.report.formats import FORMATS
from stackyard.web.app import Me, Told, may_run, may_stop, refuse, server
from stackyard.web.exports import report_named
from stackyard.web.pages import find_meeting, minutes_of
from stackyard.web.render import TYPES
from stackyard.words import phrase


class Fault(BaseModel):
    """Why something was not done."""

    title: str
    reasons: list[str]


Name = Annotated[str, Field(min_length=1, max_length=120)]
Groups = Literal["services", "supply", "sites", "money", "prices", "limits"]
Form = Literal["html", "xlsx", "md", "json", "csv"]
Language = Annotated[Literal["en", "de", "ko"], Query()]
REFUSALS: dict[int | str, dict[str, Any]] = {
    401: {"model": Fault, "description": "No token, or one that was revoked"},
    403: {"model": Fault, "description": "Not allowed"},
    404: {"model": Fault, "description": "Not there, or not to be seen"},
    409: {"model": Fault, "description": "Somebody changed it first"},
    413: {"description": "Too large"},
    422: {"model": Fault, "description": "Cannot be read, or cannot be"},
    503: {"model": Fault, "description": "The database is not at hand"},
}
routes = APIRouter(prefix="/api/v1", responses=REFUSALS, tags=["alliance"])


class Recording(BaseModel):
    """An event to record; `expected` is the version of the commitment that it changes, as the sender saw it."""

    model_config = ConfigDict(extra="forbid")
    event: Event
    expected: int | None = Field(default=None, ge=0, le=10**9)


class Change(BaseModel):
    """One change to try; see `WhatIf`."""

    model_config = ConfigDict(extra="forbid")
    kind: Literal["slip", "scale", "yield", "phase", "growth"]
    item: Name
    value: float = Field(ge=-1000, le=1000, allow_inf_nan=False)


class Trial(BaseModel):
    """Changes to try together."""

    model_config = ConfigDict(extra="forbid")
    changes: list[Change] = Field(min_length=1, max_length=10)
    anew: bool = Field(default=False, description="make every whole choice again for the changes: takes longer")


def _state(request: Request, me: Me) -> dict[str, Any]:
    said: dict[str, Any] = STATE.dump_python(server(request).workspace.view(me.viewer).state, mode="json")
    return said


@routes.get("/state")
def state(request: Request, me: Me) -> dict[str, Any]:
    """The record as the viewer may see it: partners, people, meetings, commitments, deliveries, actions, runs."""
    return _state(request, me)


@routes.get("/commitments")
def commitments(request: Request, me: Me) -> dict[str, Any]:
    """Every commitment that the viewer may see, by id, with all that it ever said and its version."""
    seen = server(request).workspace.view(me.viewer).state.commitments
    return {
        id_: {**plain, "version": seen[id_].version, "status": seen[id_].status}
        for id_, plain in _state(request, me)["commitments"].items()
    }


@routes.get("/commitments/{id_}")
def commitment(id_: Name, request: Request, me: Me) -> dict[str, Any]:
    """One commitment."""
    found = commitments(request, me)
    if id_ not in found:
        raise HTTPException(404, phrase("no such commitment"))
    one: dict[str, Any] = found[id_]
    return one


@routes.get("/meetings")
def meetings(request: Request, me: Me) -> dict[str, Any]:
    """Every meeting that the viewer may see, by id."""
    found: dict[str, Any] = _state(request, me)["meetings"]
    return found


@routes.get(
    "/meetings/{id_}/minutes.{form}",
    response_class=Response,
    responses={200: {"content": {kind: {} for kind in TYPES.values()}}},
)
def minutes(id_: Name, form: Form, request: Request, me: Me, lang: Language = "en") -> Response:
    """The minutes of a meeting, in a language and a format."""
    parts = server(request)
    find_meeting(parts.workspace.view(me.viewer), id_)
    report = minutes_of(parts, me, id_, parts.render.words(request))
    return Response(FORMATS[form](report), media_type=TYPES[form])


@routes.get(
    "/reports/{name}.{form}",
    response_class=Response,
    responses={200: {"content": {kind: {} for kind in TYPES.values()}}},
)
def report(
    name: Literal[
        "overview", "supply", "sites", "services", "shown", "promises", "what-if", "performance", "catalogue"
    ],
    form: Form,
    request: Request,
    me: Me,
    lang: Language = "en",
) -> Response:
    """A page's report: its tables, figures' numbers and sources, in a language and a format.

    `what-if`, `performance` and `catalogue` take the query of the page of that name: `kind`, `item` and `value`;
    `model`, `chip`, `precision`, `prompt`, `output`, `tensor`, `batch` and `what` (estimate, map, search); `q` and
    `grade`.
    """
    parts = server(request)
    made = report_named(name, parts, me, request, parts.render.words(request))
    return Response(FORMATS[form](made), media_type=TYPES[form])


@routes.get("/plan")
def plan(request: Request, me: Me) -> dict[str, Any]:
    """The plan's figures that the viewer may see (SI), at the last meeting and now, and what changed promises did."""
    parts = server(request)
    seen = parts.workspace.view(me.viewer)
    before, changes = parts.workspace.changes(seen)
    by = {id_: {k: v for k, v in figures.items() if k in seen.figures} for id_, figures in changes}
    digest, earlier = parts.workspace.status(seen)
    current = parts.workspace.kept() is not None and not earlier
    return {
        "digest": digest or None,
        "current": current,
        "figures": dict(seen.figures),
        "before": dict(before),
        "changes": by,
    }


@routes.get("/results")
def results(request: Request, me: Me, group: Groups | None = None) -> dict[str, Any]:
    """The rows of the plan that the viewer may see: SI values by month, in the order of `months`."""
    seen = server(request).workspace.view(me.viewer)
    rows = [r for r in (seen.picture.results if seen.picture else ()) if group in (None, r.group)]
    listed = [
        {"id": r.id, "group": r.group, "title": r.title, "unit": r.unit, "values": r.values, "text": r.text}
        for r in rows
    ]
    return {"months": list(seen.picture.months) if seen.picture else [], "results": listed}


@routes.get("/inputs")
def inputs(request: Request, me: Me) -> list[dict[str, Any]]:
    """The scenario's numbers that the viewer may see; value null where only the range is shared."""
    found = []
    for i in server(request).workspace.view(me.viewer).inputs:
        sources = [vars(s) for s in i.fact.sources] if i.fact else []
        value = i.fact.value if i.fact else None
        found.append(
            {
                "item": i.item,
                "path": i.path,
                "value": value,
                "low": i.low,
                "high": i.high,
                "unit": i.unit,
                "grade": i.grade,
                "sources": sources,
            }
        )
    return found


@routes.get("/access")
def access(request: Request, me: Me) -> list[Row]:
    """What the viewer may see and why: item, allowed (value, range or none), reason."""
    return list(server(request).workspace.view(me.viewer).rows)


@routes.post("/events", status_code=201)
def record(sent: Recording, request: Request, me: Me) -> list[dict[str, Any]]:
    """Records an event; answers with the records that it became."""
    made = server(request).workspace.record(me.actor, sent.event, sent.expected)
    if isinstance(made, Refused):
        raise refuse(made)
    own = {"seq", "at", "by", "event"}  # a hash is of all records before, hidden ones too: the host's alone
    return [{k: v for k, v in line(each).items() if me.viewer.host or k in own} for each in made]


@routes.post("/what-if")
def what_if(sent: Trial, request: Request, me: Me) -> dict[str, Any]:
    """The plan with changes tried, beside the plan as it is: figures in SI that the viewer may see.

    `choices` says whether phases, contracts and lots are those of the plan as it is ("kept") or chosen for the changes.
    """
    changes = [WhatIf(c.kind, c.item, c.value) for c in sent.changes]
    try:
        tried = server(request).workspace.what_if(me.viewer, changes, anew=sent.anew)
    except NotPossible as error:
        raise Told(422, phrase("That cannot be tried"), (error.args[0],)) from None
    before, after = dict(tried.before.figures), dict(tried.after.figures)
    return {
        "told": list(tried.told),
        "digest": tried.digest if me.viewer.host else None,
        "seconds": tried.seconds,
        "choices": "kept" if tried.held else "made anew",
        "before": before,
        "after": after,
    }


@routes.post("/runs", status_code=202)
def run(request: Request, me: Me) -> dict[str, Any]:
    """Starts a run of the plan; follow it at /api/v1/runs/progress."""
    may_run(server(request), me)
    return {"started": server(request).runs.start(me.actor), "going": server(request).runs.going}


@routes.get("/runs")
def runs(request: Request, me: Me) -> dict[str, Any]:
    """The runs on record, and the one that is going on."""
    parts = server(request)
    last = parts.runs.last
    now = {"by": last.by, "told": list(last.told), "ended": last.ended} if last else None
    why = {"why": last.why} if last and me.viewer.host else {}
    return {"recorded": _state(request, me)["runs"], "now": {**now, **why} if now else None}


@routes.delete("/runs/current")
def stop(request: Request, me: Me) -> dict[str, bool]:
    """Stops the run that is going on, also inside the solver; nothing of it is recorded."""
    parts = server(request)
    may_stop(parts, me)
    return {"stopping": parts.runs.stop()}


@routes.get("/runs/progress", response_class=Response, responses={200: {"content": {"text/event-stream": {}}}})
def progress(request: Request, me: Me) -> Response:
    """What the present run tells, as server-sent events: `step`, and once `end`."""
    listened = server(request).runs.listen()

    def stream() -> Iterator[bytes]:
        for kind, text in listened:
            yield b": waiting\n\n" if kind == "wait" else f"event: {kind}\ndata: {json.dumps(text)}\n\n".encode()

    return StreamingResponse(stream(), media_type="text/event-stream")


@routes.get("/facts")
def facts(
    me: Me,
    q: Annotated[str, Query(max_length=100)] = "",
    grade: Literal["measured", "published", "reported", "estimated", "assumed"] | None = None,
) -> list[dict[str, Any]]:
    """Facts of the catalogue that match all words, with range, grade and sources; at most 500."""
    from stackyard import api

    return [api.fact_row(fact) for fact in api.facts(q, grade)[:500]]


@routes.get("/estimate")
def estimate(
    me: Me,
    model: Name,
    chip: Name,
    prompt: Annotated[int, Query(ge=1, le=10**7)] = 1000,
    output: Annotated[int, Query(ge=1, le=10**7)] = 1000,
    precision: Literal["bf16", "fp8", "int8", "fp4", "fp4-weights"] = "bf16",
    tensor: Annotated[int | None, Query(ge=1, le=4096)] = None,
    batch: Annotated[int | None, Query(ge=1, le=10**6)] = None,
) -> Mapping[str, Any]:
    """One model on one accelerator, from first principles; see `stackyard estimate`."""
    from stackyard import api

    found = api.estimate(model, chip, prompt=prompt, output=output, precision=precision, tensor=tensor, batch=batch)
    said: Mapping[str, Any] = json.loads(json.dumps(_finite(found.summary()), default=str))
    return said


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value


@routes.get("/ledger")
def ledger(request: Request, me: Me, after: Annotated[int, Query(ge=0, le=10**12)] = 0) -> Response:
    """Every record after a number, as JSON Lines: for the host, who keeps the ledger."""
    if not me.viewer.host:
        raise refuse(
            Refused((phrase("the host keeps the whole ledger; /api/v1/state has your part of it"),), forbidden=True)
        )
    entries = server(request).workspace.ledger.lines(after)
    said = (json.dumps(entry, ensure_ascii=False, sort_keys=True) + "\n" for entry in entries)
    return StreamingResponse(said, media_type="application/jsonl")


@routes.get("/ledger/faults")
def faults(request: Request, me: Me) -> list[str]:
    """Every altered, missing or moved record; none for a whole ledger. For the host."""
    if not me.viewer.host:
        raise refuse(Refused((phrase("the host verifies the ledger"),), forbidden=True))
    return server(request).workspace.ledger.verify()
