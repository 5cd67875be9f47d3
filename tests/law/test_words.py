"""Every message is said in every language, with all its values, and no English is left in a report of another one."""

from __future__ import annotations

import ast
import html
import pickle
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from stackyard import api
from stackyard.report.document import Report, in_language, numbers
from stackyard.report.formats import FORMATS
from stackyard.words import joined, listed, month, phrase, share, within
from stackyard.words.messages import read, written
from stackyard.words.spoken import LANGUAGES, Words, placeholders, say_in

OTHERS = [code for code in LANGUAGES if code != "en"]
EXAMPLE = Path(__file__).parents[2] / "examples" / "first-plan.yaml"
MESSAGES = written()
KEYWORDS = ("words", "phrase")


def constant(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def catalogue(code: str) -> dict[str, str]:
    path = Path(str(files("stackyard.words"))) / "locale" / f"{code}.po"
    return {str(message.id): str(message.string) for message in read(path, code) if message.id}


@pytest.mark.parametrize("code", OTHERS)
def test_every_message_of_the_source_is_translated_and_none_is_left_over(code: str) -> None:
    said = catalogue(code)
    assert [text for text in MESSAGES if not said.get(text)] == [], "make words, then translate"
    assert [text for text in said if text not in MESSAGES] == [], "make words"


@pytest.mark.parametrize("code", OTHERS)
def test_a_translation_has_the_values_of_its_message(code: str) -> None:
    wrong = [(text, said) for text, said in catalogue(code).items() if placeholders(text) != placeholders(said)]
    assert wrong == []


@pytest.mark.parametrize("code", OTHERS)
def test_a_sentence_is_not_left_in_english(code: str) -> None:
    same = [
        text
        for text, said in catalogue(code).items()
        if said == text and len(re.findall("[a-z]{2,}", re.sub("{.*?}", "", text))) > 2
    ]
    units = "stack, wafer, MW, Gtoken/day"  # as they are written in a scenario
    assert [text for text in same if text != units] == []


def test_no_message_hides_in_an_f_string_where_extraction_does_not_look() -> None:
    hidden = []
    for path in Path(str(files("stackyard"))).rglob("*.py"):
        for text in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(text, ast.JoinedStr):
                calls = [each for each in ast.walk(text) if isinstance(each, ast.Call) and each.args]
                names = [(each.func.id, each.args[0]) for each in calls if isinstance(each.func, ast.Name)]
                hidden += [f"{path.name}:{text.lineno}" for name, said in names if name in KEYWORDS and constant(said)]
    assert hidden == []


def test_a_text_is_english_until_it_is_said_and_survives_a_copy() -> None:
    said = phrase("{cause} in {years} ({part})", cause=within(phrase("Power")), years="2027", part=share("3.8%"))
    assert said == "power in 2027 (3.8%)"
    assert Words("de")(said) == "2027: Anschlussleistung (3,8\N{NO-BREAK SPACE}%)"
    assert Words("ko")(pickle.loads(pickle.dumps(said))) == Words("ko")(said) == "2027년 전력(3.8%)"
    assert Words("de")(joined(": ", [month("2026-05"), listed(["Ulsan", "Pohang"])])) == "Mai 2026: Ulsan und Pohang"


# --- what is left of English in a report ---


def texts(value: Any) -> Iterator[str]:
    """Every text in a report, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from texts(item)
    elif is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            yield from texts(getattr(value, field.name))


@cache
def english(code: str) -> frozenset[str]:
    """Words of our messages that no translation into this language uses."""
    ours = {word for text in MESSAGES for word in re.findall(r"[A-Za-z]{3,}", re.sub(r"{\w+}", "", text))}
    theirs = {word for said in catalogue(code).values() for word in re.findall(r"[A-Za-z]{3,}", said)}
    return frozenset(word.lower() for word in ours) - {word.lower() for word in theirs}


def left_in(text: str, code: str, given: list[str]) -> set[str]:
    """English words of ours in a text, once what others gave (names, notes, sources) is taken out."""
    for own in given:
        text = text.replace(own, " ")
    return {word.lower() for word in re.findall(r"[A-Za-z]{3,}", text)} & english(code)


@pytest.fixture(scope="module")
def result() -> api.Result:
    return api.plan(EXAMPLE)


def given_by_others(result: api.Result) -> list[str]:
    """Names and titles of the scenario, what facts say and where they were read, names of programs: longest first."""
    import json

    found = set(json.loads(result.built.problem.data.attrs["labels"]).values())
    for used in result.built.used:
        fact = used.fact
        found |= {fact.note, fact.note.lstrip(" -–—:"), fact.path, fact.unit}
        found |= {part for source in fact.sources for part in (source.title, source.date, source.url, source.kind)}
    found |= {str(result.report.subtitle), str(result.report.title), *result.scenario.inputs.absent, result.plan.solver}
    found |= {part.partition(" (")[0] for part in found}
    said = ("stackyard plan", "stackyard validate", "stackyard fan", "stackyard robust", "whole_systems")
    return sorted((text for text in {*found, *said, str(EXAMPLE)} if len(text) > 3), key=len, reverse=True)


def left_in_report(report: Report, code: str, given: list[str]) -> dict[str, set[str]]:
    """Texts of a report and of the tables behind its figures with English words of ours, once it is in a language."""
    said, words = in_language(report, code), Words(code)
    shown = [*texts(said), *(text for figure in said.figures for text in texts(say_in(numbers(figure), words)))]
    ids = {id_ for section in said.sections for id_ in (section.id, *(getattr(b, "id", "") for b in section.blocks))}
    found = {text: left for text in shown if text not in ids and (left := left_in(text, code, given))}
    return {text: left for text, left in found.items() if not re.fullmatch(r"[\w.-]+/[\w/.-]+|info|warning|\w+", text)}


@pytest.mark.parametrize("code", OTHERS)
def test_no_english_of_ours_is_left_in_a_report(result: api.Result, code: str) -> None:
    assert left_in_report(result.report, code, given_by_others(result)) == {}


@pytest.mark.parametrize("code", OTHERS)
@pytest.mark.parametrize("form", ["html", "md"])
def test_no_english_of_ours_is_left_in_a_page(result: api.Result, code: str, form: str) -> None:
    text = FORMATS[form](in_language(result.report, code)).decode()
    if form == "html":
        text = re.sub(r"(?s)<(script|style).*?</\1>", " ", text)
        text = " ".join(
            [
                *re.findall(r'(?:alt|aria-label|title)="([^"]*)"', text),
                re.sub(r"<[^>]*>", " ", text.replace("<wbr>", "")),
            ]
        )
    else:
        text = re.sub(r"\\([\\`*_\[\]|])", r"\1", text)
    text = " ".join(html.unescape(text).replace("\u200b", "").split())
    given = [" ".join(own.split()) for own in given_by_others(result)]
    assert left_in(re.sub(r"https?://\S+", " ", text), code, given) - {"stackyard", "made"} == set()


def test_english_is_what_was_written(result: api.Result) -> None:
    assert in_language(result.report, "en") == result.report


@pytest.mark.parametrize("code", OTHERS)
def test_numbers_are_the_same_in_every_language(result: api.Result, code: str) -> None:
    def cells(report: Report) -> list[float]:
        return [cell for _, table in report.tables for row in table.rows for cell in row if isinstance(cell, float)]

    assert cells(in_language(result.report, code)) == pytest.approx(cells(result.report), nan_ok=True)


UNSURE = """
base: first-plan
name: More
changes:
  services.assistant.demand.growth: {value: 5, low: 3, high: 6}
  sites.frankfurt.phases[1].month: 2027-03
  uncertainty:
    samples: 40
    inputs:
      growth: {of: [services.assistant.demand.growth], shape: triangular}
      delay: {of: ["sites.frankfurt.phases[1].month"], events: {0: 60%, 3: 40%}}
    branches:
      early: {chance: 60%, events: {delay: 0.1}}
      late: {chance: 40%, events: {delay: 0.9, growth: 0.9}}
    first_step: 6
"""
THEIRS = ("stackyard compare", "stackyard fan", "stackyard robust", "first-plan", "more.yaml", "A first plan", "More")
THEIRS += ("services.assistant", "sites.frankfurt", "demand.growth", "phases", "month", "uncertainty", "--causes")
THEIRS += ("Assistant", "Frankfurt", "growth", "delay", "early", "late", "HGX H200", "USD")


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Report]:
    more = tmp_path_factory.mktemp("more") / "more.yaml"
    more.write_text(UNSURE)
    found = {"compare": api.compare("first-plan", more), "fan": api.fan(more, causes=2), "robust": api.robust(more)}
    return {verb: document.report for verb, (_, document) in found.items()}


@pytest.mark.parametrize("code", OTHERS)
@pytest.mark.parametrize("verb", ["compare", "fan", "robust"])
def test_no_english_of_ours_is_left_in_other_documents(documents: dict[str, Report], verb: str, code: str) -> None:
    assert left_in_report(documents[verb], code, list(THEIRS)) == {}
    assert (documents[verb].language, in_language(documents[verb], code).language) == ("en", code)
