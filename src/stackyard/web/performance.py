"""The performance desk: a model on an accelerator, what memory is worth to it, and the search over all layouts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from threading import BoundedSemaphore
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from stackyard.errors import InputErrors
from stackyard.quantity import MEGA, show
from stackyard.report.confidence import graded
from stackyard.report.document import Cell, Column, Note, Report, Section, Table, in_language
from stackyard.source import Fact, Source
from stackyard.web.app import Me, Told, server
from stackyard.words import joined, number, phrase

routes = APIRouter()
_AT_ONCE = BoundedSemaphore(1)  # a map or a search takes a core for seconds
PRESET = {"model": "llama-3.1-70b", "chip": "h200-sxm", "precision": "fp8", "prompt": "1000", "output": "1000"}
BLANK = {"tensor": "", "batch": "", "what": "estimate"}


@routes.get("/performance")
def performance(request: Request, me: Me) -> Response:
    """The performance desk, with its answer where something was asked."""
    from stackyard import api

    parts = server(request)
    asked, catalog = asked_of(request.query_params), api.catalog()
    found, problems = answer_of(asked) if "model" in request.query_params else (None, ())
    report = in_language(found, parts.render.words(request).code) if found else None
    return parts.render.page(
        request,
        me,
        "performance.html",
        422 if problems else 200,
        asked=asked,
        models=[(id_, entry.name) for id_, entry in catalog.models.items()],
        chips=[(id_, entry.name) for id_, entry in catalog.accelerators.items()],
        report=report,
        body=parts.render.body(report) if report else "",
        query=f"?{request.query_params}",
        problems=problems,
    )


def asked_of(query: Mapping[str, str]) -> dict[str, str]:
    """What was asked of the desk: the fields of its form, with what stands in it where nothing was said."""
    return {**PRESET, **BLANK, **{k: v.strip()[:60] for k, v in query.items() if k in (*PRESET, *BLANK)}}


def answer_of(asked: Mapping[str, str]) -> tuple[Report | None, tuple[str, ...]]:
    """The desk's answer, or every reason why there is none."""
    try:
        return _answer(asked), ()
    except InputErrors as errors:
        return None, tuple(f"{fault.message}; {fault.hint}".rstrip("; ") for fault in errors.faults)
    except ValueError as error:
        return None, (error.args[0],)


def _whole(asked: Mapping[str, str], name: str) -> int | None:
    text = asked[name]
    if not text:
        return None
    if not text.isdecimal() or not 0 < int(text) <= 10**7:
        raise ValueError(phrase("{name}: '{text}' is not a whole number from 1 to 10,000,000", name=name, text=text))
    return int(text)


def _answer(asked: Mapping[str, str]) -> Report:
    shape: dict[str, Any] = {"prompt": _whole(asked, "prompt") or 1000, "output": _whole(asked, "output") or 1000}
    if asked["what"] == "estimate":
        return _estimate(asked, shape)
    if not _AT_ONCE.acquire(timeout=20):
        raise Told(503, phrase("Busy"), (phrase("another map or search is being computed: try again in a minute"),))
    try:
        return _map(asked, shape) if asked["what"] == "map" else _search(asked, shape)
    finally:
        _AT_ONCE.release()


def _estimate(asked: Mapping[str, str], shape: Mapping[str, Any]) -> Report:
    from stackyard import api

    found = api.estimate(
        asked["model"],
        asked["chip"],
        precision=asked["precision"],
        tensor=_whole(asked, "tensor"),
        batch=_whole(asked, "batch"),
        **shape,
    )
    told = found.summary()
    layout = ", ".join(f"{name} {value:g}" for name, value in told["layout"].items() if value and value != 1)
    between = told["interval_80"]

    def row(name: str, value: float | None, ends: str, unit: str) -> tuple[Cell, ...]:
        low, high = between.get(ends, (None, None)) if ends else (None, None)
        span = f"{show(low, unit)} – {show(high, unit)}" if low is not None and high is not None else "–"
        return (name, show(value, unit) if value is not None else "–", span)

    rows = [
        row(phrase("Time to first token"), told["ttft_s"], "ttft", "s"),
        row(phrase("Time per output token"), told["tpot_s"], "tpot", "s"),
        row(phrase("Output tokens a second"), told["output_tokens_per_s"], "output_rate", ""),
        row(phrase("Tokens a second, prompts in"), told["tokens_per_s"], "token_rate", ""),
        row(phrase("Tokens a second of an accelerator"), told["tokens_per_s_per_accelerator"], "", ""),
        row(phrase("Memory used"), told["memory_used_bytes"], "", "B"),
        row(phrase("Power of an accelerator"), told["watts_per_accelerator"], "", "W"),
        row(phrase("Energy per token"), told["joules_per_token"], "", "J"),
    ]
    head = phrase(
        "{n} x {chip}, {requests} requests at once",
        n=number(f"{told['accelerators']:g}"),
        chip=found.chip.name,
        requests=number(f"{told['batch']:g}"),
    )
    blocks: list[Any] = (
        [Note(phrase("Does not fit: {why}", why=joined("; ", told["why"])), "warning")] if not told["fits"] else []
    )
    blocks.append(
        Table(
            phrase("The estimate"),
            (Column(phrase("Figure")), Column(phrase("Value")), Column(phrase("80% interval"))),
            tuple(rows),
        )
    )
    if layout:
        blocks.append(
            Note(phrase("Layout: {layout}. Constants of {of}.", layout=layout, of=told["basis"]["constants_of"]))
        )
    facts = fact_table([*found.model.facts.values(), *found.chip.facts.values()])
    title = phrase("{model} on {chip}", model=found.model.name, chip=found.chip.name)
    return Report(title, "", "", (Section("estimate", phrase("Estimate"), head, tuple(blocks)), facts[0]), facts[1], ())


_FACTS = (phrase("Number"), phrase("Value"), phrase("Unit"), phrase("Confidence"), phrase("Source"))


def fact_table(every: Sequence[Fact]) -> tuple[Section, tuple[Source, ...]]:
    """The numbers behind an answer, each with its source."""
    rows = tuple(
        (
            f.path,
            number(f"{f.value:,.6g}") if isinstance(f.value, float) else str(f.value),
            f.unit,
            graded(f.grade),
            f.sources or None,
        )
        for f in every
        if f.value is not None
    )
    columns = tuple(map(Column, _FACTS))
    cited = {s.title: s for f in every for s in f.sources}
    return (
        Section(
            "facts",
            phrase("Numbers behind it"),
            "",
            (Table(phrase("Numbers of the catalogue"), columns, rows, folded=True),),
        ),
        tuple(cited.values()),
    )


def _map(asked: Mapping[str, str], shape: Mapping[str, Any]) -> Report:
    from stackyard import api
    from stackyard.perf.memory_map import memory_map
    from stackyard.report.memory import document

    found = api.memory(asked["model"], asked["chip"], precision=asked["precision"], **shape)
    if found is None:
        return _estimate({**asked, "tensor": "", "batch": ""}, shape)
    known = api.catalog()
    over = memory_map(
        found.workload, found.variant, found.best.precision, known.accelerators.values(), known.hbm.values()
    )
    return document(found, over, date=date.today().isoformat(), reproduce="")


_BEST = {
    "rate": phrase("rate"),
    "cost": phrase("cost"),
    "energy": phrase("energy"),
    "latency": phrase("latency"),
}


def _search(asked: Mapping[str, str], shape: Mapping[str, Any]) -> Report:
    from stackyard import api

    found = api.search(asked["model"], asked["chip"], precisions=[asked["precision"]], **shape)
    told = found.summary()
    best = {name: row for name, row in told["best"].items() if row}
    listed = [(phrase("best by {name}", name=_BEST.get(name, name)), row) for name, row in best.items()]
    listed += [("Pareto", row) for row in told["pareto"]]

    def cells(kind: str, row: Mapping[str, Any]) -> tuple[Cell, ...]:
        layout = row.get("layout", row)
        widths = ", ".join(
            f"{n} {layout[n]:g}" for n in ("tensor", "pipeline", "data", "expert") if layout.get(n) and layout[n] != 1
        )
        cost = row.get("usd_per_token")
        return (
            kind,
            widths or phrase("one accelerator"),
            float(row["batch"]),
            1000 * float(row["ttft_s"]),
            1000 * float(row["tpot_s"]),
            float(row["tokens_per_s_per_accelerator"]),
            float(row["joules_per_token"]),
            MEGA * float(cost) if cost is not None else None,
        )

    columns = (
        Column(phrase("Point")),
        Column(phrase("Layout")),
        Column(phrase("Requests")),
        Column(phrase("First token"), "ms", 0),
        Column(phrase("Per token"), "ms", 1),
        Column(phrase("Rate of an accelerator"), "tokens/s", 0),
        Column(phrase("Energy"), "J/token", 3),
        Column(phrase("Cost"), "USD/Mtoken", 3),
    )
    table = Table(phrase("The best and the Pareto set"), columns, tuple(cells(kind, row) for kind, row in listed[:60]))
    out = Table(
        phrase("Why others were discarded"),
        (Column(phrase("Reason")), Column(phrase("Points"))),
        tuple((reason, float(count)) for reason, count in told["discarded"].items()),
        folded=True,
    )
    lead = phrase(
        "{tried} points tried, {kept} meet the objective.",
        tried=number(f"{told['tried']:,}"),
        kept=number(f"{told['kept']:,}"),
    )
    facts = fact_table([*found.workload.model.facts.values(), *found.variant.chip.facts.values(), *found.prices.facts])
    title = phrase("{model} on {chip}", model=found.workload.model.name, chip=found.variant.chip.name)
    return Report(title, "", "", (Section("search", phrase("Search"), lead, (table, out)), facts[0]), facts[1], ())
