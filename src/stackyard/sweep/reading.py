"""One part of a sweep file -> its grid: keys and values held against the verb, faults collected with their lines."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stackyard.errors import Faults, InputErrors, nearest
from stackyard.files import Located, Path_, dotted
from stackyard.plan.amounts import Door
from stackyard.sweep import grid
from stackyard.sweep.draws import Samples, drawn_axis
from stackyard.sweep.fields import ByFields, Refusal, Taking, refusal
from stackyard.sweep.grid import Axis, Grid
from stackyard.sweep.job import Shared
from stackyard.sweep.verbs import Verb

_AXIS = ("of", "values", "from", "to", "count", "spacing")
_SPACINGS = ("linear", "log")
_LIKE = "{from: 1, to: 64, count: 7, spacing: log}"


class Block(Door):
    """One part of a sweep: a verb, what all its jobs share, and what they differ in."""

    verb: str | None = None
    """estimate, search, train, simulate or plan."""
    inputs: Mapping[Any, Any] = {}
    """What is the same in all jobs."""
    axes: Mapping[str, Any] = {}
    """Keys with their values: every combination is a job."""
    samples: Samples | None = None
    """Keys with their distributions: every sample is a job at each combination of the axes."""


class Reader:
    """A part while it is read."""

    def __init__(self, located: Located, folder: Path, place: Path_, faults: Faults) -> None:
        self._located, self._folder, self._place, self._faults = located, folder, place, faults
        self._taking: Taking = ByFields({})
        self._owners: dict[str, str] = {}  # input -> where the file sets it
        self.sound = True

    def add(self, path: Path_, message: str, hint: str = "") -> None:
        """A fault at a place of the part."""
        where = (*self._place, *path)
        self.sound = False
        self._faults.add(self._located.file, self._located.line(where), dotted(where), message, hint)

    def shared(self) -> Shared:
        """What all jobs of the part need."""
        return self._taking.shared()

    def grid(self, block: Block, verb: Verb) -> Grid | None:
        """The jobs; None, and faults, where something is wrong."""
        if not self._opened(block, verb):
            return None
        fixed = self._fixed(
            {key: value for key, value in block.inputs.items() if not (verb.taking and key in verb.needs)}
        )
        axes = [self._axis(name, raw) for name, raw in block.axes.items()]
        if block.samples is not None:
            axes.append(drawn_axis(self, self._taking, block.samples))
        for need in verb.needs if not verb.taking else ():
            if need not in self._owners and need not in block.inputs and need not in block.axes:
                self.add((), f"{need} is missing", f"add it under inputs, or as an axis: {need}: [...]")
        if not axes:
            self.add((), "has neither axes nor samples", "axes: {key: [value, value]}")
        if not self.sound:
            return None
        return Grid(fixed, tuple(axis for axis in axes if axis is not None))

    def _opened(self, block: Block, verb: Verb) -> bool:
        """Reads the files of a verb that has some; False, and faults, where that fails."""
        self._taking = ByFields(verb.fields)
        if verb.taking is None:
            return True
        missing = [need for need in verb.needs if need not in block.inputs]
        for need in missing:
            self.add(("inputs",), f"{need} is missing", f"inputs: {{{need}: ...}}")
        if not missing:
            try:
                self._taking = verb.taking(block.inputs, self._folder)
            except InputErrors as errors:
                self.sound = False
                self._faults.extend(errors.faults)
        return self.sound

    # --- keys and values ---

    def _fixed(self, stated: Mapping[Any, Any]) -> dict[str, Any]:
        """The inputs that are the same in all jobs, with their values."""
        names = {key: self.key(str(key), ("inputs", key)) for key in stated}
        values, refused = self._taking.fixed({name: stated[key] for key, name in names.items() if name is not None})
        for key, name in names.items():
            if name in refused:
                self.add(("inputs", key), str(refused[name]), refused[name].hint)
        return values

    def key(self, stated: str, path: Path_) -> str | None:
        """The input that a key stands for, claimed for this place."""
        try:
            name = self._taking.key(stated)
        except (ValueError, InputErrors) as error:
            told = refusal(error)
            self.add(path, str(told), told.hint)
            return None
        if name in self._owners:
            self.add(path, f"'{stated}' is set by {self._owners[name]} already", "keep one of the two")
            return None
        self._owners[name] = dotted(path[:2])
        return name

    def value(self, name: str, stated: Any, path: Path_) -> tuple[Any] | None:
        """The value of an input, in a tuple of one."""
        try:
            return (self._taking.value(name, stated),)
        except (ValueError, InputErrors) as error:
            told = refusal(error)
            self.add(path, str(told), told.hint)
            return None

    def keys(self, raw: Any, name: str) -> tuple[str, ...]:
        """The keys that an axis or a drawn input moves: its name, or those under `of`."""
        of = raw.get("of", name) if isinstance(raw, dict) else name
        return tuple(map(str, of)) if isinstance(of, list) else (str(of),)

    def unknown(self, raw: Mapping[Any, Any], known: tuple[str, ...], path: Path_) -> bool:
        """Whether a group has keys that are none, which become faults."""
        wrong = [str(key) for key in raw if key not in known]
        for key in wrong:
            self.add((*path, key), "unknown key", nearest(key, known))
        return bool(wrong)

    # --- axes ---

    def _axis(self, name: str, raw: Any) -> Axis | None:
        path: Path_ = ("axes", name)
        values = self._values(raw, path)
        keys = self.keys(raw, name)
        names = [self.key(key, path) for key in keys]
        if values is None or any(each is None for each in names):
            return None
        tuples = len(keys) > 1 and all(isinstance(value, list) for value in values)
        rows: list[tuple[Any, ...]] = []
        for i, value in enumerate(values):
            at = (*path, i) if isinstance(raw, list) else (*path, "values", i) if "values" in raw else path
            each = value if tuples else [value] * len(keys)
            if len(each) != len(keys):
                self.add(at, f"has {len(each)} values for {len(keys)} keys", f"one for each of {', '.join(keys)}")
                continue
            found = [self.value(str(key), one, at) for key, one in zip(names, each, strict=True)]
            rows.append(tuple(one[0] for one in found if one is not None))
        if len(rows) < len(values) or any(len(row) < len(keys) for row in rows):
            return None
        self._distinct(rows, path)
        told = grid.shown(name, [row[0] for row in rows])
        if tuples:
            told = {k: v for i, key in enumerate(keys) for k, v in grid.shown(key, [row[i] for row in rows]).items()}
        return Axis(name, tuple(map(str, names)), tuple(rows), told)

    def _values(self, raw: Any, path: Path_) -> list[Any] | None:
        """The values of an axis as stated; None, and a fault, where there are none."""
        if isinstance(raw, dict):
            if self.unknown(raw, _AXIS, path):
                return None
            if "values" not in raw:
                return self._steps(raw, path)
            raw, path = raw["values"], (*path, "values")
        if not isinstance(raw, list):
            self.add(path, "is not a list of values", f"write [1, 2, 4], or {_LIKE}")
            return None
        if not raw:
            self.add(path, "has no values", "write at least one: [h100, h200]")
        return raw or None

    def _steps(self, raw: Mapping[str, Any], path: Path_) -> list[Any] | None:
        """Values from one end to the other."""
        missing = [key for key in ("from", "to", "count") if key not in raw]
        if missing:
            self.add(path, f"has neither values nor {missing[0]}", _LIKE)
            return None
        count, spacing = raw["count"], raw.get("spacing", "linear")
        if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= 1_000_000:
            self.add((*path, "count"), f"'{count}' is not a whole number of at least 1", "for example count: 7")
        elif spacing not in _SPACINGS:
            self.add((*path, "spacing"), f"'{spacing}' is not a spacing", nearest(str(spacing), _SPACINGS))
        else:
            try:
                return grid.spaced(raw["from"], raw["to"], count, spacing)
            except Refusal as refused:
                self.add(path, str(refused), refused.hint)
        return None

    def _distinct(self, rows: list[tuple[Any, ...]], path: Path_) -> None:
        """One value stands once: its jobs would be the same."""
        seen: set[str] = set()
        for row in rows:
            if repr(row) in seen:
                self.add(path, f"has {', '.join(map(str, row))} twice", "leave out one of them")
                return
            seen.add(repr(row))
