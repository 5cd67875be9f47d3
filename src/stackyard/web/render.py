"""Answers as pages: Jinja templates around the house's own renderer of reports, kept as bytes while nothing changes."""

from __future__ import annotations

import gzip
import hashlib
import re
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

KEPT = 1000  # pages, packed
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
    made.globals["plotly_styles"] = plotly_styles
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
def plotly_styles() -> tuple[str, ...]:
    """The ids under which Plotly looks for styles that it brings along for maps, before it puts them into a page."""
    return tuple(re.findall(r'getElementById\("([0-9a-f]{64})"\)', assets()["plotly.js"][0].decode()))


@cache
def packed(name: str) -> bytes:
    """A file, compressed."""
    return gzip.compress(assets()[name][0], 6, mtime=0)


@cache
def asset_path(name: str) -> str:
    """Where a file is fetched: its path changes with its content, so that it may be kept forever."""
    return f"/static/{hashlib.sha256(assets()[name][0]).hexdigest()[:12]}/{name}"


@cache
def spoken(code: str) -> Words:
    """The words of a language."""
    return Words(code)


def _unpacks(request: Request) -> bool:
    return "gzip" in request.headers.get("accept-encoding", "")


class Renderer:
    """Templates, and pages kept by who may see them and what they were made from."""

    def __init__(self) -> None:
        self.templates = environment()
        self._kept: OrderedDict[tuple[Any, ...], bytes] = OrderedDict()

    def words(self, request: Request) -> Words:
        asked = (
            request.query_params.get("lang") or request.cookies.get(LANG) or request.headers.get("accept-language", "")
        )
        return spoken(language(asked))

    def page(self, request: Request, me: Who | None, template: str, status: int = 200, **values: Any) -> Response:
        """A page made for this request alone."""
        body = self._made(request, me, template, **values).encode()
        small = gzip.compress(body, 1, mtime=0) if len(body) > 4000 and _unpacks(request) else None
        return self._answer(body if small is None else small, small is not None, status)

    def _made(self, request: Request, me: Who | None, template: str, **values: Any) -> str:
        words = values.pop("words", None) or self.words(request)
        csrf = me.csrf if me else ""
        context = {"me": me, "csrf": csrf, "path": request.url.path, "words": words, "report": None, **values}
        return self.templates.get_template(template).render(context)

    def hit(self, request: Request, me: Who, of: tuple[Any, ...]) -> Response | None:
        """A page that is kept, at once; None where it has to be made."""
        found = self._kept.get(self._key(request, me, of))
        return self._packed(request, found) if found is not None else None

    def _key(self, request: Request, me: Who, of: tuple[Any, ...]) -> tuple[Any, ...]:
        path = (request.url.path, request.url.query, self.words(request).code)
        seen_by = (me.viewer.name, me.viewer.partner, me.viewer.host, me.host_looks_as, me.actor.may_write, me.csrf)
        return (*seen_by, *path, *of)

    def kept(
        self, request: Request, me: Who, of: tuple[Any, ...], make: Callable[[], tuple[str, Mapping[str, Any]]]
    ) -> Response:
        """A page that stays the same for a session while `of` does; `make` gives its template and values."""
        key = self._key(request, me, of)
        found = self._kept.get(key)
        if found is None:
            template, values = make()
            found = self._kept[key] = gzip.compress(self._made(request, me, template, **values).encode(), 5, mtime=0)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return self._packed(request, found)

    def _packed(self, request: Request, small: bytes) -> Response:
        packed_for = _unpacks(request)
        return self._answer(small if packed_for else gzip.decompress(small), packed_for, 200)

    @staticmethod
    def _answer(body: bytes, is_packed: bool, status: int) -> Response:
        headers = {"Vary": "Accept-Encoding", **({"Content-Encoding": "gzip"} if is_packed else {})}
        return Response(body, status, headers, "text/html; charset=utf-8")

    @staticmethod
    def body(report: Report) -> str:
        """A report's sections as HTML, for the template `report.html`."""
        return sections(report)

    @staticmethod
    def file(report: Report, form: str, name: str) -> Response:
        """A report as a file to keep."""
        headers = {"Content-Disposition": f'attachment; filename="{name}.{form}"'}
        return Response(FORMATS[form](report), 200, headers, TYPES[form])
