"""Whatever stands in a scenario file, reading it ends in a scenario or in a refusal with places: never in a crash."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from stackyard import catalog
from stackyard.errors import InputErrors
from stackyard.plan import build, scenario

FIRST_PLAN = yaml.safe_load((Path(__file__).parents[2] / "examples" / "first-plan.yaml").read_text())
JUNK: tuple[Any, ...] = (
    None,
    "",
    [],
    {},
    0,
    -1,
    1e308,
    float("nan"),
    True,
    "8 TB",
    "1 stack/month/month",
    "2026-13",
    "x" * 500,
    "Δ ☃ 日本",
    "1e400 W",
    10**400,
    [1, [2, {"a": 3}]],
    {"fact": 3},
    {"fact": "hbm.hbm3e.price", "at": "middle"},
    {"value": []},
    {"value": "1 W", "low": "2 W"},
    {"value": "5 W", "grade": ["measured"], "source": {}},
    {"points": {}},
    {"points": {"soon": 1}},
    {"points": [1]},
    {"csv": 3, "column": None},
    {"csv": "../../../no/such.csv", "column": "n"},
    {"from": "2026-01"},
    {"from": "2026-01", "value": "1 W", "growth": {"2026-01": 0}},
    {"from": [], "value": {}, "growth": "fast", "times": 3},
)


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from leaves(item, (*path, i))


def changed(path: tuple[Any, ...], junk: Any) -> Any:
    if not path:
        return junk
    data = copy.deepcopy(FIRST_PLAN)
    owner = data
    for key in path[:-1]:
        owner = owner[key]
    owner[path[-1]] = junk
    return data


@pytest.mark.parametrize("part", [key for key in FIRST_PLAN if key != "name"])
def test_no_file_crashes_the_reader(part: str, tmp_path: Path) -> None:
    file = tmp_path / "scenario.yaml"
    read = 0
    paths = [path for path in leaves(FIRST_PLAN) if path[:1] in ((part,), ())]
    for path, junk in itertools.product(paths, JUNK):
        file.write_text(yaml.safe_dump(changed(path, junk), allow_unicode=True))
        try:
            found = scenario.load(file, catalog.load())
            build.build(found, catalog.load())
            read += 1
        except InputErrors as errors:
            assert errors.faults
            assert all(fault.message and "\n" not in fault.message for fault in errors.faults), str(errors)
    assert read < len(paths) * len(JUNK)
