"""The verbs of the catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stackyard.catalog import Catalog, load
from stackyard.errors import nearest, refused
from stackyard.source import Fact, Grade

if TYPE_CHECKING:
    from stackyard.catalog.audit import Finding


def catalog() -> Catalog:
    """The built-in catalogue of sourced facts.

    >>> catalog().accelerator("h200").memory / 1e9  # GB
    141.0
    """
    return load()


def facts(words: str = "", grade: str | None = None) -> list[Fact]:
    """Facts that match all words (an id, an alias, or words of path, note, unit and source), of one grade if named.

    Raises InputErrors for a grade that does not exist.

    >>> [fact.path for fact in facts("h200 memory")][0]
    'accelerators.h200-sxm.memory'
    """
    if grade is not None and grade.upper() not in Grade.__members__:
        raise refused("--grade", f"no grade '{grade}'", nearest(grade, [each.label for each in Grade]))
    found = catalog().search(words) if words else list(catalog().facts.values())
    return [fact for fact in found if grade is None or fact.grade is Grade.named(grade)]


def nearest_fact(words: str) -> str:
    """The next step where no fact matches: the entry or fact that was probably meant, or nothing.

    >>> nearest_fact("accelerators.gb300")
    "did you mean 'accelerators.b300-gb300'?"
    """
    known = catalog()
    entries = [f"{axis}.{id_}" for axis, found in known.axes() for id_ in found]
    aliases = [alias for named in known.aliases.values() for alias in named]
    return nearest(words, [*entries, *aliases]) or nearest(words, known.facts)


def fact_row(fact: Fact) -> dict[str, Any]:
    """A fact as plain names and values for JSON.

    >>> fact_row(facts("h200 memory")[0])["unit"]
    'GB'
    """
    return {
        "path": fact.path,
        "value": fact.value,
        "low": fact.low,
        "high": fact.high,
        "unit": fact.unit,
        "grade": fact.grade.label,
        "date": fact.date,
        "note": fact.note,
        "sources": [vars(source) for source in fact.sources],
    }


def audit() -> list[Finding]:
    """Every finding of the catalogue's audit, errors first.

    >>> [finding for finding in audit() if finding.severity == "error"]
    []
    """
    from stackyard.catalog.audit import audit as audited
    from stackyard.hbm.audit import audit as memory_audited
    from stackyard.perf.counting import active_parameters, parameters

    found = audited(catalog(), lambda model: (float(parameters(model)), float(active_parameters(model))))
    return sorted([*found, *memory_audited(catalog())], key=lambda finding: finding.severity != "error")
