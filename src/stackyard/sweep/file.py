"""A sweep file read and checked: every problem at once, with its line and the next step."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from stackyard.errors import Fault, Faults, InputErrors, nearest
from stackyard.files import UNKNOWN_KEY, Located, Path_, faults_of, read_yaml
from stackyard.plan.amounts import Door
from stackyard.plan.overlay import named
from stackyard.sweep.draws import Samples
from stackyard.sweep.grid import Grid
from stackyard.sweep.job import Setting, stamp
from stackyard.sweep.plans import PLAN
from stackyard.sweep.reading import Block, Reader
from stackyard.sweep.verbs import VERBS, Verb

MOST = 100_000  # jobs, unless the file says more
KNOWN: Mapping[str, Verb] = {**VERBS, "plan": PLAN}


class Document(Block):
    """A sweep file: one part, or several under `parts`."""

    name: str = ""
    """Title."""
    about: str = ""
    """What it is for."""
    most: int = Field(default=MOST, ge=1)
    """The most jobs that it may come to."""
    parts: Mapping[str, Block] = {}
    """Several parts under names of your own."""


@dataclass(frozen=True)
class Part:
    """A part that was read without a fault."""

    name: str
    setting: Setting
    grid: Grid


@dataclass(frozen=True)
class Asked:
    """A sweep file that was read without a fault."""

    name: str
    parts: tuple[Part, ...]
    file: str

    def __len__(self) -> int:
        return sum(len(part.grid) for part in self.parts)

    def summary(self) -> dict[str, Any]:
        """What it comes to, for JSON."""
        parts = [
            {"part": part.name, "verb": part.setting.verb, "jobs": len(part.grid), "axes": part.grid.sizes}
            for part in self.parts
        ]
        return {"name": self.name, "jobs": len(self), "parts": parts}


def read(source: Path | str | Mapping[str, Any], verbs: Mapping[str, Verb] | None = None) -> Asked:
    """A sweep file, or the same as plain data, read and checked; raises InputErrors with every fault.

    `verbs` are more verbs by name, for what the package has none.

    >>> found = read({"verb": "estimate", "inputs": {"model": "llama-3.1-70b"}, "axes": {"chip": ["h100", "h200"]}})
    >>> len(found), found.parts[0].grid.inputs(1)
    (2, {'model': 'llama-3.1-70b', 'chip': 'h200'})
    """
    located, folder = _located(source)
    faults = Faults()
    if not isinstance(located.data, dict):
        faults.add(located.file, 1, "", "is not a group of keys", "see docs/sweeps.md")
        faults.raise_any()
    document = _validated(located, faults)
    known = {**KNOWN, **(verbs or {})}
    parts = [_part(located, folder, place, block, known, faults) for place, block in _blocks(document, located, faults)]
    faults.raise_any()
    whole = [part for part in parts if part is not None]
    total = sum(len(part.grid) for part in whole)
    if total > document.most:
        sizes = " + ".join(" x ".join(map(str, part.grid.shape)) for part in whole)
        told = f"comes to {total:,} jobs ({sizes}), more than {document.most:,}"
        faults.add(located.file, located.line(("most",)), "", told, f"take fewer values, or write most: {total}")
    faults.raise_any()
    return Asked(document.name, tuple(whole), located.file)


def _located(source: Path | str | Mapping[str, Any]) -> tuple[Located, Path]:
    """Plain data with its lines, and the folder from which its files are named."""
    if isinstance(source, Mapping):
        return Located("sweep", dict(source), {(): 0}), Path()
    path = named(Path(source))
    return read_yaml(path), path.parent


def _validated(located: Located, faults: Faults) -> Document:
    """The file's groups of keys. What is wrong is told and left out, so that the rest is looked at too."""
    data = copy.deepcopy(located.data)
    for _ in range(8):  # a key below one that was left out may be wrong as well
        try:
            return Document.model_validate(data)
        except ValidationError as error:
            faults.extend(_with_next_steps(faults_of(error, located)))
            for problem in error.errors(include_url=False):
                path = tuple(part for part in problem["loc"] if not str(part).startswith("[key]"))
                _leave_out(data, path[:-1] if problem["type"] == "missing" else path)
    raise InputErrors(faults)


def _leave_out(data: Any, path: tuple[str | int, ...]) -> None:
    """Takes away what stands at a path, or the last group above it that is there."""
    for step in path[:-1]:
        if not isinstance(data, dict) or not isinstance(data.get(step), dict):
            path = (step,)
            break
        data = data[step]
    if isinstance(data, dict):
        data.pop(path[-1], None)


def _with_next_steps(faults: Faults) -> list[Fault]:
    """Adds the nearest key to keys that are unknown."""
    told = []
    for fault in faults:
        owner: type[Door] = Block if fault.key.startswith("parts.") else Document
        if "samples." in fault.key:
            owner = Samples
        last = fault.key.rsplit(".", 1)[-1]
        hint = nearest(last, owner.model_fields) if fault.message == UNKNOWN_KEY else fault.hint
        told.append(Fault(fault.file, fault.line, fault.key, fault.message, hint))
    return told


def _blocks(document: Document, located: Located, faults: Faults) -> list[tuple[Path_, Block]]:
    """The parts of a file with their place in it."""
    if not document.parts:
        return [((), document)]
    for key in Block.model_fields:
        if key in located.data:
            faults.add(located.file, located.line((key,)), key, "stands beside parts", "move it into one of the parts")
    return [(("parts", name), block) for name, block in document.parts.items()]


def _part(
    located: Located, folder: Path, place: Path_, block: Block, known: Mapping[str, Verb], faults: Faults
) -> Part | None:
    """One part; None, and faults, where something is wrong with it."""
    reader = Reader(located, folder, place, faults)
    if block.verb is None:
        reader.add(("verb",), "is missing", f"add this key: one of {', '.join(known)}")
        return None
    if block.verb not in known:
        hint = nearest(block.verb, known)
        reader.add(("verb",), f"'{block.verb}' is not a verb of a sweep", hint)
        return None
    verb = known[block.verb]
    grid = reader.grid(block, verb)
    if grid is None:
        return None
    return Part(str(place[-1]) if place else "", Setting(block.verb, verb.begin, reader.shared(), stamp()), grid)
