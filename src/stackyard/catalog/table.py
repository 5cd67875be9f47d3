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
    sources = {key: Source(id=key, **fields) for key, fields in located.data["sources"].items()}
    found: dict[str, Fact] = {}
    for root in (key for key in located.data if key != "sources"):
        _walk(located, (root,), located.data[root], sources, found)
    return MappingProxyType(found)


def _walk(
    located: Located, path: tuple[str, ...], node: dict[str, Any], sources: Mapping[str, Source], found: dict[str, Fact]
) -> None:
    name = ".".join(path)
    if "fact" in node:
        found[name] = load().fact(node["fact"])
    elif "value" in node:
        row = dict(node)
        cited = row.pop("source", [])
        row["sources"] = tuple(sources[id_] for id_ in ([cited] if isinstance(cited, str) else cited))
        row["grade"] = Grade.named(row["grade"])
        found[name] = Fact(path=name, place=f"{located.file}:{located.line(path)}", **row)
    else:
        for key, child in node.items():
            _walk(located, (*path, str(key)), child, sources, found)
