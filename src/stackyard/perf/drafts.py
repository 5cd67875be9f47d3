"""Published acceptance of guessed tokens, by model family."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

from stackyard.catalog.entries import Model
from stackyard.perf.constants import FOLDER
from stackyard.source import Fact, Grade, Source


@lru_cache(maxsize=1)
def facts() -> Mapping[str, Fact]:
    """Acceptance of the families whose own next-token layer was measured, by family."""
    from stackyard.files import read_yaml

    located = read_yaml(FOLDER / "drafts.yaml", "perf/data/drafts.yaml")
    sources = {
        key: Source(key, row["title"], row.get("url", ""), str(row.get("date", "")), row.get("kind", ""))
        for key, row in located.data["sources"].items()
    }
    found = {
        family: Fact(
            path=f"perf.acceptance.{family}",
            value=row["value"],
            unit=row["unit"],
            grade=Grade.named(row["grade"]),
            sources=tuple(sources[key] for key in row["sources"]),
            low=row["low"],
            high=row["high"],
            note=row["note"],
            place=f"{located.file}:{located.line(('acceptance', family))}",
        )
        for family, row in located.data["acceptance"].items()
    }
    return MappingProxyType(found)


def acceptance(model: Model) -> Fact | None:
    """The published acceptance of the model's own next-token layer; None where no figure is on record.

    >>> from stackyard import catalog
    >>> acceptance(catalog.load().model("deepseek-r1")).value
    0.7
    """
    return facts().get(model.family) if model.extra.get("mtp_layers") else None
