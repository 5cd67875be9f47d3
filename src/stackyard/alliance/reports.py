"""The whole report of a joint plan as files, for who may see all of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from stackyard.results import report_of
from stackyard.words.spoken import LANGUAGES

if TYPE_CHECKING:
    from stackyard.alliance.joint import Joint

FILES = ("report.html", "plan.xlsx", "report.md", "report.json", "report.csv")


def report_files(joint: Joint, path: Path) -> dict[str, bytes]:
    """The whole report of a joint plan in every format and language, by file name."""
    from stackyard.report.document import in_language
    from stackyard.report.formats import FORMATS

    planned = joint.planned
    report = report_of(
        planned.scenario, joint.built, planned.plan, joint.explanation, planned.problem, f"stackyard web {path}"
    )
    said = {code: in_language(report, code) for code in LANGUAGES}
    return {in_words(name, code): FORMATS[name.rpartition(".")[2]](said[code]) for name in FILES for code in LANGUAGES}


def in_words(name: str, code: str) -> str:
    """The name of a report's file in a language.

    >>> in_words("report.html", "en"), in_words("report.html", "de")
    ('report.html', 'report.de.html')
    """
    stem, _, form = name.rpartition(".")
    return name if code == "en" or name not in FILES else f"{stem}.{code}.{form}"
