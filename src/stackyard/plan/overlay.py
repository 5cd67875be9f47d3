"""A scenario as another one with changes: `base` names its file, `changes` the keys that are different.

base: scenario.yaml
name: HBM4 slips two quarters
changes:
  supplies.samsung-hbm4.wafers.slip: 6
  services.chat.demand.growth: {value: 2.5, low: 2, high: 3}
  sites.ulsan.phases[1].month: 2029-08
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from stackyard.errors import Fault, Faults, nearest
from stackyard.files import Located, Path_, dotted, read_yaml

OVER = " over "
KEYS = ("base", "name", "about", "changes")


EXAMPLES = Path(__file__).parents[1] / "examples"  # of the package


def named(path: Path) -> Path:
    """A path, or where nothing is there the packaged example of that name: openai-sk, first-plan.

    >>> named(Path("first-plan")).name
    'first-plan.yaml'
    """
    if path.exists() or path.name != str(path):
        return path
    found = (EXAMPLES / path, EXAMPLES / f"{path}.yaml")
    return next((example for example in found if example.exists()), path)


def is_overlay(data: Any) -> bool:
    """Whether a file's data is a base with changes.

    >>> is_overlay({"base": "openai-sk", "changes": {}}), is_overlay({"name": "A plan"})
    (True, False)
    """
    return isinstance(data, dict) and "base" in data


def overlaid(file: Path, located: Located) -> tuple[Located, Path]:
    """The base with the changes, and the folder of its tables; InputErrors for what is not there to be changed."""
    data, faults = located.data, Faults()
    for key in data:
        if key not in KEYS:
            faults.add(located.file, located.line((key,)), str(key), "unknown key", nearest(str(key), KEYS))
    base = file.parent / str(data["base"])
    base = base if base.exists() else named(Path(str(data["base"])))
    base = base / "scenario.yaml" if base.is_dir() else base
    faults.raise_any()
    under = read_yaml(base)
    folder = base.parent
    if is_overlay(under.data):
        under, folder = overlaid(base, under)
    changes = data.get("changes", {})
    if not isinstance(changes, dict):
        faults.add(located.file, located.line(("changes",)), "changes", "is not a group of keys", "key: value")
        changes = {}
    changes = {key: data[key] for key in ("name", "about") if key in data} | changes
    found, missing = changed(under.data, changes)
    for key, hint in missing.items():
        faults.add(located.file, located.line(("changes", key)), key, "is not in the base", hint)
    faults.raise_any()
    own = {place(under.data, key): located.line(("changes", key)) for key in changes}
    lines = {path: line for path, line in under.lines.items() if not any(path[: len(each)] == each for each in own)}
    return Located(f"{located.file}{OVER}{under.file}", found, {**lines, **own}, {**under.own, **own}), folder


def in_its_file(fault: Fault, located: Located) -> Fault:
    """A fault of a base with changes, told of the file of the two in which its line stands."""
    changes, _, base = located.file.partition(OVER)
    if not base or fault.file != located.file:
        return fault
    changed_here = any(f"{fault.key}.".startswith((f"{dotted(path)}.", f"{dotted(path)}[")) for path in located.own)
    return replace(fault, file=changes if changed_here else base)


def parts(key: str) -> list[str]:
    """The steps of a key path as a user writes it.

    >>> parts("sites.ulsan.phases[1].month")
    ['sites', 'ulsan', 'phases', '1', 'month']
    """
    return [part for part in re.split(r"[.\[\]]+", key) if part]


def place(data: Any, key: str) -> Path_:
    """The key path in plain data; names that contain a point are found as long as they are there.

    >>> place({"sites": {"st.gallen": {"power": 3}}}, "sites.st.gallen.power")
    ('sites', 'st.gallen', 'power')
    """
    path: list[str | int] = []
    rest = parts(key)
    while rest:
        step: Any = rest[0]
        count = 1
        if isinstance(data, Mapping):
            names = {str(name): name for name in data}
            joined = [".".join(rest[:size]) for size in range(len(rest), 0, -1)]
            longest = next((name for name in joined if name in names), rest[0])
            step, count = names.get(longest, step), longest.count(".") + 1
            data = data.get(step)
        elif isinstance(data, list) and rest[0].isdigit():
            step = int(rest[0])
            data = data[step] if step < len(data) else None
        path.append(step)
        rest = rest[count:]
    return tuple(path)


def at(data: Any, path: Path_) -> Any:
    """What stands at a key path; KeyError where nothing does.

    >>> at({"sites": {"ulsan": {"power": 3}}}, ("sites", "ulsan", "power"))
    3
    """
    for step in path:
        try:
            data = data[step]
        except (KeyError, IndexError, TypeError):
            raise KeyError(dotted(path)) from None
    return data


def changed(data: Any, changes: Mapping[str, Any]) -> tuple[Any, dict[str, str]]:
    """Plain data with other values at key paths, and the paths whose owner does not exist, with what does.

    >>> changed({"sites": {"ulsan": {"power": 3}}}, {"sites.ulsan.power": 4})
    ({'sites': {'ulsan': {'power': 4}}}, {})
    """
    found, missing = copy.deepcopy(data), {}
    for key, value in changes.items():
        path = place(data, key)
        try:
            owner: Any = at(found, path[:-1])
            owner[path[-1]] = value
        except (KeyError, IndexError, TypeError):
            last = next(i for i in range(len(path) - 1, -1, -1) if stands(data, path[:i]))
            known: Any = at(data, path[:last])
            missing[key] = nearest(str(path[last]), map(str, known)) if isinstance(known, dict) else ""
    return found, missing


def stands(data: Any, path: Path_) -> bool:
    """True where something stands at this path.

    >>> stands({"sites": {"ulsan": 3}}, ("sites", "ulsan")), stands({"sites": {}}, ("sites", "ulsan"))
    (True, False)
    """
    try:
        at(data, path)
    except KeyError:
        return False
    return True
