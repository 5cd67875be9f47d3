"""Solved joint plans on disk, by the digest of what they were made from: a server that starts again need not solve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from stackyard.alliance.result import Picture
from stackyard.files import write_all


@dataclass(frozen=True)
class Kept:
    """What a solved plan is shown from: all results, figures, effects of changed promises, and how it was solved."""

    digest: str  # of the scenario with the commitments
    problem: str
    picture: Picture
    figures: Mapping[str, float]
    changes: tuple[tuple[str, Mapping[str, float]], ...]  # (commitment, what it adds to each figure)
    before: Mapping[str, float]  # figures with the promises as they were at the last meeting
    solver: str
    seconds: float
    seq: int = 0  # the last record that it is of


KEPT: TypeAdapter[Kept] = TypeAdapter(Kept)


def keep(folder: Path, kept: Kept, files: Mapping[str, bytes]) -> None:
    """Writes a plan and its report; all of it or nothing."""
    contents = {"picture.json": KEPT.dump_json(kept), **files}
    write_all(folder, {name: (lambda path, data=data: path.write_bytes(data)) for name, data in contents.items()})  # type: ignore[misc]


def kept(folder: Path) -> Kept | None:
    """The plan that was kept in a folder; None where there is none that can be read."""
    try:
        return KEPT.validate_json((folder / "picture.json").read_bytes())
    except (OSError, ValidationError):
        return None
