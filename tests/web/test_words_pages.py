"""Every page is in the viewer's language, all of it but what people wrote themselves; the choice is kept."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from stackyard import api
from stackyard.alliance.access import Viewer
from stackyard.alliance.state import STATE
from stackyard.words.messages import read, written
from stackyard.words.spoken import LANGUAGES

from .conftest import PAGES

ANSWERS = (  # what pages say of one thing, of an answer and of what is wrong, besides the pages themselves
    "/promises/ranged",
    "/what-if?kind=slip&item=supplies.open&value=2",
    "/what-if?kind=slip&item=supplies.open&value=x",
    "/performance?model=llama-3.1-8b&chip=h200-sxm&what=estimate",
    "/access?partner=lab",
    "/nowhere",
    "/promises/nothing",
)
# What programs write and read: names of columns, formats, keys, kinds of event, and proper names.
PROGRAMS = (
    r"month|amount|stack|wafer|MW|Gtoken|day|XLSX|CSV|HTML|JSON|MD|OpenAPI|iCalendar|Stackyard|host|ledger|fp4-weights"
)


@cache
def english(code: str) -> frozenset[str]:
    """Words of our messages that no translation into this language uses."""
    path = Path(str(files("stackyard.words"))) / "locale" / f"{code}.po"
    theirs = {word for m in read(path, code) if m.id for word in re.findall(r"[A-Za-z]{3,}", str(m.string))}
    ours = {word for text in written() for word in re.findall(r"[A-Za-z]{3,}", re.sub(r"{\w+}", "", text))}
    return frozenset(word.lower() for word in ours) - {word.lower() for word in theirs}


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from strings(key)
            yield from strings(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from strings(item)


def shown(page: str) -> str:
    """What a reader sees of a page, without what stands in <code>, in files' names and in scripts."""
    text = re.sub(r'(?s)<(script|style|code|datalist)\b.*?</\1>|<p [^>]*lang="en">.*?</p>', " ", page)
    told = re.findall(r'(?:alt|aria-label|title|placeholder|data-wait)="([^"]*)"', text)
    text = " ".join([*told, re.sub(r"<[^>]*>", " ", text.replace("<wbr>", ""))])
    return " ".join(html.unescape(text).replace("\u200b", "").split())


@pytest.mark.parametrize("code", [code for code in LANGUAGES if code != "en"])
def test_every_page_is_in_the_viewers_language(served: Any, code: str) -> None:
    state = STATE.dump_python(served.workspace.ledger.state(), mode="json")
    catalog = api.catalog()
    given = {text for text in strings(state) if len(text) > 3}
    written_alone = {text.lower() for text in strings(state)}
    given |= {entry.name for entry in (*catalog.models.values(), *catalog.accelerators.values())}
    given |= {part for f in catalog.facts.values() for part in (f.note, f.unit, *(str(s) for s in f.sources))}
    given |= {part for f in catalog.facts.values() for s in f.sources for part in (s.title, s.date)}
    seen = served.workspace.view(Viewer("host", host=True))
    given |= set(seen.items.values()) | {i.path for i in seen.inputs} | {i.unit for i in seen.inputs}
    given |= {part for i in seen.inputs if i.fact for part in (i.fact.note, *(s.title for s in i.fact.sources))}
    own = sorted((text for text in given if len(text) > 3), key=len, reverse=True)
    left = {}
    with served.client("host") as client:
        for path in (*PAGES, *ANSWERS):
            page = client.get(path, headers={"Accept-Language": code})
            assert page.status_code in (200, 404, 422), path
            assert f'<html lang="{code}"' in page.text, path
            text = re.sub(r"https?://\S+", " ", shown(page.text))
            for name in own:
                text = text.replace(name, " ")
            text = re.sub(rf"\b({PROGRAMS})\b|[\w.-]+\.[\w.-]+|[\w-]+-[\w-]+-[\w-]+|/[\w/.-]+", " ", text)
            found = {word.lower() for word in re.findall(r"[A-Za-z]{3,}", text)} & english(code) - written_alone
            if found:
                left[path] = sorted(found)
    assert left == {}, json.dumps(left, indent=1)


def test_a_chosen_language_is_kept_and_goes_before_the_browsers(served: Any) -> None:
    with served.client("host") as client:
        assert '<html lang="de"' in client.get("/runs", headers={"Accept-Language": "de-AT,de;q=0.9"}).text
        assert '<html lang="en"' in client.get("/runs", headers={"Accept-Language": "fr"}).text
        assert '<html lang="ko"' in client.get("/runs?lang=ko", headers={"Accept-Language": "de"}).text
        assert '<html lang="ko"' in client.get("/meetings", headers={"Accept-Language": "de"}).text
        assert '<html lang="en"' in client.get("/runs?lang=en").text
        assert json.loads(client.get("/api/v1/plan?lang=de").text) is not None


def test_a_refusal_is_told_in_the_language_of_the_page_and_in_english_to_programs(served: Any) -> None:
    with served.client("lab") as client:
        page = client.post(
            "/promises/shared/deliver", data={"month": "soon", "amount": "1"}, headers={"Accept-Language": "de"}
        )
        assert "ist kein Monat mit einer Zahl" in page.text
        told = client.post("/api/v1/runs", headers={"Accept-Language": "de"})
        assert told.status_code in (202, 403)
        nothing = client.get("/api/v1/commitments/none", headers={"Accept-Language": "de"}).json()
        assert nothing["reasons"] == ["no such commitment"]
