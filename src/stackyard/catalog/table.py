"""A package's own table of constants: YAML rows with value, unit, grade and source, read into Facts by path."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from stackyard.catalog.load import load
from stackyard.files import Located, read_yaml
from stackyard.source import Fact, Grade, Source


def table(path: Path) -> Mapping[str, Fact]:
    """The rows of a file by their path in it ('plant.tower.approach'); `sources` is the table of what they cite.

    A row has a value, or names a `fact` of the catalogue and is that fact. What is neither a row nor a group of rows
    is refused with a KeyError or TypeError: these files are our own.
    """
    located = read_yaml(path, path.name)
    sources = sources_of(located)
    found: dict[str, Fact] = {}
    for root in (key for key in located.data if key != "sources"):
        _walk(located, (root,), located.data[root], sources, found)
    return MappingProxyType(found)


def sources_of(located: Located) -> dict[str, Source]:
    """The table of sources of a file, by their name in it."""
    return {key: Source(id=key, **fields) for key, fields in located.data["sources"].items()}


def fact_of(name: str, row: Mapping[str, Any], sources: Mapping[str, Source], located: Located, *at: str) -> Fact:
    """A row as a Fact of this name, `at` a place in its file; it cites one `source` or a list of `sources`."""
    fields = dict(row)
    cited = fields.pop("sources", fields.pop("source", []))
    fields["sources"] = tuple(sources[id_] for id_ in ([cited] if isinstance(cited, str) else cited))
    fields["grade"] = Grade.named(fields["grade"])
    return Fact(path=name, place=f"{located.file}:{located.line(at)}", **fields)


def _walk(
    located: Located, path: tuple[str, ...], node: dict[str, Any], sources: Mapping[str, Source], found: dict[str, Fact]
) -> None:
    name = ".".join(path)
    if "fact" in node:
        found[name] = load().fact(node["fact"])
    elif "value" in node:
        found[name] = fact_of(name, node, sources, located, *path)
    else:
        for key, child in node.items():
            _walk(located, (*path, str(key)), child, sources, found)
