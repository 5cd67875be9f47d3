"""Answers as pages: Jinja templates around the house's own renderer of reports, kept as bytes while nothing changes."""

from __future__ import annotations

import gzip
import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from fastapi import Request
from fastapi.responses import Response
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from stackyard.report.document import Report
from stackyard.report.formats import FORMATS
from stackyard.report.page import sections
from stackyard.web.who import Who
from stackyard.words import phrase
from stackyard.words.spoken import LANGUAGES, Words, language

TOKEN = "@@csrf-of-this-session@@"  # stands in kept pages for the token of whoever gets them
KEPT = 400  # pages
LANG = "lang"  # the cookie that keeps the language that a viewer chose
NAVIGATION: tuple[tuple[str, str], ...] = (
    ("/", phrase("Overview")),
    ("/supply", phrase("Supply")),
    ("/sites", phrase("Sites")),
    ("/services", phrase("Services")),
    ("/promises", phrase("Promises")),
    ("/meetings", phrase("Meetings")),
    ("/what-if", phrase("What if")),
    ("/runs", phrase("Runs")),
    ("/catalogue", phrase("Catalogue")),
    ("/performance", phrase("Performance")),
    ("/access", phrase("Who sees what")),
)
TYPES: Mapping[str, str] = {
    "html": "text/html; charset=utf-8",
    "md": "text/markdown; charset=utf-8",
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


def environment() -> Environment:
    """The templates; everything is escaped, and a name that a template lacks is an error."""
    made = Environment(
        loader=PackageLoader("stackyard.web"),
        autoescape=select_autoescape(("html",), default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["navigation"] = NAVIGATION
    made.globals["languages"] = LANGUAGES
    made.globals["asset"] = asset_path
    return made


@cache
def assets() -> Mapping[str, tuple[bytes, str]]:
    """(content, type) of every file that pages load, by name: our own, the report's, and Plotly's from its package."""
    from stackyard.report.chart import library

    own = files("stackyard.web").joinpath("static")
    house = files("stackyard.report")
    return {
        "page.css": (
            house.joinpath("page.css").read_bytes() + own.joinpath("app.css").read_bytes(),
            "text/css; charset=utf-8",
        ),
        "app.js": (own.joinpath("app.js").read_bytes(), "text/javascript; charset=utf-8"),
        "plotly.js": (library().encode(), "text/javascript; charset=utf-8"),
    }


@cache
def packed(name: str) -> bytes:
    """A file, compressed."""
    return gzip.compress(assets()[name][0], 6, mtime=0)


@cache
def asset_path(name: str) -> str:
    """Where a file is fetched: its path changes with its content, so that it may be kept forever."""
    return f"/static/{hashlib.sha256(assets()[name][0]).hexdigest()[:12]}/{name}"


class Renderer:
    """Templates, and pages kept by who may see them and what they were made from."""

    def __init__(self) -> None:
        self.templates = environment()
        self._kept: OrderedDict[tuple[Any, ...], tuple[bytes, bytes]] = OrderedDict()

    def words(self, request: Request) -> Words:
        asked = (
            request.query_params.get("lang") or request.cookies.get(LANG) or request.headers.get("accept-language", "")
        )
        return Words(language(asked))

    def page(self, request: Request, me: Who | None, template: str, status: int = 200, **values: Any) -> Response:
        """A page made for this request alone."""
        made = self._made(request, me, template, **values)
        return self._answer(request, made.encode(), None, me, status)

    def _made(self, request: Request, me: Who | None, template: str, **values: Any) -> str:
        words = values.pop("words", None) or self.words(request)
        context = {"me": me, "csrf": TOKEN, "path": request.url.path, "words": words, "report": None, **values}
        return self.templates.get_template(template).render(context)

    def hit(self, request: Request, me: Who, of: tuple[Any, ...]) -> Response | None:
        """A page that is kept, at once; None where it has to be made."""
        found = self._kept.get(self._key(request, me, of))
        return self._answer(request, found[0], found[1] or None, me, 200) if found else None

    def _key(self, request: Request, me: Who, of: tuple[Any, ...]) -> tuple[Any, ...]:
        path = (request.url.path, request.url.query, self.words(request).code)
        return (me.viewer.name, me.viewer.partner, me.viewer.host, me.host_looks_as, me.actor.may_write, *path, *of)

    def kept(
        self, request: Request, me: Who, of: tuple[Any, ...], make: Callable[[], tuple[str, Mapping[str, Any]]]
    ) -> Response:
        """A page that stays the same for a viewer while `of` does; `make` gives its template and values."""
        key = self._key(request, me, of)
        found = self._kept.get(key)
        if found is None:
            template, values = make()
            body = self._made(request, me, template, **values).encode()
            found = (body, gzip.compress(body, 5, mtime=0) if TOKEN.encode() not in body else b"")
            self._kept[key] = found
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return self._answer(request, found[0], found[1] or None, me, 200)

    def _answer(self, request: Request, body: bytes, small: bytes | None, me: Who | None, status: int) -> Response:
        body_type = "text/html; charset=utf-8"
        takes = "gzip" in request.headers.get("accept-encoding", "")
        if small is not None and takes:
            return Response(small, status, {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}, body_type)
        body = body.replace(TOKEN.encode(), (me.csrf if me else "").encode())
        if takes and len(body) > 4000:
            packed_body = gzip.compress(body, 1, mtime=0)
            return Response(packed_body, status, {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}, body_type)
        return Response(body, status, {"Vary": "Accept-Encoding"}, body_type)

    @staticmethod
    def body(report: Report) -> str:
        """A report's sections as HTML, for the template `report.html`."""
        return sections(report)

    @staticmethod
    def file(report: Report, form: str, name: str) -> Response:
        """A report as a file to keep."""
        headers = {"Content-Disposition": f'attachment; filename="{name}.{form}"'}
        return Response(FORMATS[form](report), 200, headers, TYPES[form])
