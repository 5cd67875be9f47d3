"""A file that a run which was killed goes on from: a first line that says which run it is, then a line for each result.

What a run is, is told by its head: scenario, catalogue, choices of the plan, what is drawn. Results of another run are
not taken over.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from stackyard.files import atomically
from stackyard.plan.program import Array

Row = dict[str, Any]


def resumed(store: Path | None, head: Row) -> list[Row]:
    """The results that a file holds of the run of this head; then it holds the head and these alone.

    A line that was cut off is left out. The file is replaced in one step, so that a kill leaves the old or the new.

    >>> resumed(None, {"seed": 1})
    []
    """
    if store is None:
        return []
    known = list(_rows(store, head))
    with atomically(store) as beside:
        beside.write_text("".join(json.dumps(row) + "\n" for row in (head, *known)), encoding="utf-8")
    return known


def keep(store: Path | None, rows: Iterable[Row]) -> None:
    """Adds results to the file of a run."""
    if store is not None:
        with store.open("a", encoding="utf-8") as file:
            file.write("".join(json.dumps(row) + "\n" for row in rows))


def digest_of(choices: Mapping[str, Array]) -> str:
    """A digest of what was chosen in the plan that a run starts from.

    >>> digest_of({}) == digest_of({"host": np.array([1.0])})
    False
    """
    found = hashlib.sha256()
    for name in sorted(choices):
        found.update(name.encode() + np.ascontiguousarray(choices[name]).tobytes())
    return found.hexdigest()


def _rows(store: Path, head: Row) -> Iterator[Row]:
    if not store.exists():
        return
    first, *lines = store.read_text(encoding="utf-8").split("\n")
    if _read(first) != head:
        return
    for line in lines:
        row = _read(line)
        if row is not None:
            yield row


def _read(line: str) -> Row | None:
    """A line of the file; None where it was cut off."""
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
