"""docs/scenario.md, and the JSON Schema that is shipped, from the types that read a scenario. `make page` runs this."""

from __future__ import annotations

import inspect
import sys
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from annotated_types import Ge, Le
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from stackyard import catalog
from stackyard.plan import amounts, schema
from stackyard.plan.amounts import Door, Series, Unit
from stackyard.plan.commitments import Campaign, Contract, Hall, Tail, Tier, Way
from stackyard.plan.doubt import Branch, Correlated, Doubt, Input
from stackyard.plan.inputs import (
    Chip,
    Horizon,
    Inputs,
    Installed,
    KnownIn,
    Money,
    Packaging,
    Service,
    SitePhase,
    SitePlan,
    Supply,
)
from stackyard.plan.powering import Block
from stackyard.plan.powering import Source as PowerSource
from stackyard.plan.supplying import BaseDies, Lead, Wafers
from stackyard.source import Fact, Grade

HEAD = """# The scenario file

A plan is made from one YAML file, or from a folder with a `scenario.yaml` and the CSV files that it names. This page
lists every key. `stackyard check FILE` reads a file and tells every mistake at once, with its line and the next step.
`examples/first-plan.yaml` is the shortest whole plan. This page is generated from the types that read the file.

Months are written `2026-09`. A key marked **required** has no default; an unknown key is refused. Keys right below
`services`, `supplies`, `packaging`, `accelerators`, `sites` and `campaigns` are names of your own, each used once,
by which the parts name each other. What is used twice can be marked with `&name` and repeated with `*name`, as always
in YAML.
"""

UNITS = """## Units

The tables name a unit for each number; any other of the same dimension will do: `41 MW`, `41000 kW` and `0.041 GW` are
the same. Prefixes `k`, `M`, `G`, `T`, `P` go with every unit, also with `USD`, `token`, `stack` and `wafer`
(`350 kUSD/rack`, `20 Gtoken/day`). What is counted is part of the unit: a stack is not a wafer. A share has no unit:
`50%` or `0.5`. Write a point for fractions, and no comma inside `{ }`, where it ends the value. Money is in USD, or in
KRW where `money.krw_per_usd` gives the rate; convert other currencies yourself and say so in a `note`.
"""

CHANGES = """## A scenario as changes to another

A file with `base` is another scenario with changes: each names a key and what stands there instead. What is in the
base and not named stays. `stackyard plan`, `compare`, `fan` and all other verbs take it as any scenario.

```yaml
base: scenario.yaml # or a folder, or an example of the package: openai-sk
name: HBM4 slips two quarters
changes:
  supplies.samsung-hbm4.wafers.slip: 6
  sites.ulsan.phases[1].month: 2029-08
  services.chat.demand.growth: {value: 2.5, low: 2, high: 3}
```
"""

TABLES = """## Tables

A CSV file stands beside the scenario. Its first line names the columns, separated by commas; one column is `month`.
There is one row for every month of the horizon and none outside it. Cells are bare numbers, zero or more, in the `unit`
that the scenario states, or else in that of the key. Lines that begin with `#` are comments. A file `tables.csv`

```csv
# invented for this page
month,memory,tariff
2026-01,1500,118
2026-02,1600,117
2026-03,1750,112
2026-04,1900,105
2026-05,2000,101
2026-06,2200,99
```

is used like this, with `grade`, `source`, `date` and `note` for all of its rows, and `times` if wanted:

```yaml
horizon: {start: 2026-01, end: 2026-06}

# under a supply
deliveries: {csv: tables.csv, column: memory, unit: stack/month, times: [90%]}

# under a site
electricity: {csv: tables.csv, column: tariff, unit: USD/MWh, grade: reported, source: "our utility, 2025-11"}
```

The same table may be a sheet of a workbook: `{xlsx: tables.xlsx, sheet: Supply, column: memory}`, the first sheet where
none is named. Its first filled row names the columns; months may be dates, and of a formula its last result is read.
A mistake is told with its cell: `tables.xlsx [Supply]: cell B7: ...`. At most 5,000 rows, 200 columns and 200 MB
unpacked are read.
"""

PARTS: tuple[tuple[str, type[Door]], ...] = (
    ("The file", Inputs),
    ("horizon", Horizon),
    ("money", Money),
    ("services", Service),
    ("tail of a service", Tail),
    ("tiers of a service", Tier),
    ("alternatives of a service", Way),
    ("supplies", Supply),
    ("wafers of a supply", Wafers),
    ("base_dies of wafers", BaseDies),
    ("a lead time", Lead),
    ("contract of a supply", Contract),
    ("packaging", Packaging),
    ("accelerators", Chip),
    ("sites", SitePlan),
    ("phases of a site", SitePhase),
    ("tariff of a site", Block),
    ("sources of a site", PowerSource),
    ("fleet of a site", Installed),
    ("halls of a site", Hall),
    ("campaigns", Campaign),
    ("uncertainty", Doubt),
    ("inputs of the uncertainty", Input),
    ("correlations of the uncertainty", Correlated),
    ("branches of the uncertainty", Branch),
)
KEYS = "the keys below"


def page() -> str:
    """The whole page as Markdown."""
    parts = [HEAD, _numbers(), UNITS, TABLES, CHANGES]
    for title, part in PARTS:
        rows = [_row(key, field) for key, field in part.model_fields.items()]
        head = "| key | what | default | meaning |\n|---|---|---|---|"
        parts.append("\n".join([f"## {title}\n", f"{inspect.getdoc(part)}\n", head, *rows]) + "\n")
    return "\n".join([*parts, _ids()])


def _numbers() -> str:
    """How numbers are written, as told where they are read."""
    _, _, text = str(amounts.__doc__).partition("\n\n")
    grades = ", ".join(f"`{grade.label}`" for grade in Grade)
    return f"## Numbers\n\n{text.rstrip()}\n\nGrades, best first: {grades}. Any but the last needs a `source`.\n"


def _row(key: str, field: FieldInfo) -> str:
    bounds = {type(mark): mark for mark in field.metadata}
    what = _what(field.annotation, field.metadata)
    if Ge in bounds and Le in bounds:
        what += f", {bounds[Ge].ge} to {bounds[Le].le}"
    elif Ge in bounds:
        what += f", at least {bounds[Ge].ge}"
    return f"| `{key}` | {what} | {_default(field)} | {(field.description or '').replace(chr(10), ' ')} |"


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "**required**"
    return f"`{field.default}`" if isinstance(field.default, str | int | float) and field.default != "" else "–"


def _what(kind: Any, marks: list[Any]) -> str:
    """What may stand there, from the type of a field and its marks."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        return _what(inner[0], list(inner[1:]))
    if origin in (typing.Union, types.UnionType):
        return _what(next(part for part in inner if part is not type(None)), marks)
    if origin is typing.Literal:
        return " or ".join(f"`{value}`" for value in inner).replace(" or ", ", ", max(len(inner) - 2, 0))
    if origin is Mapping:
        what = _what(inner[1], [])
        if inner[0] is str:
            told = "each with the keys below" if what == KEYS else f"each {what}"
            return f"names of your own, {told}"
        return f"{what} for each {'year' if inner[0] is int else _what(inner[0], [])}"
    if origin is tuple:
        what = _what(inner[0], [])
        return "list, each with the keys below" if what == KEYS else f"list of {what}"
    unit = next((mark.like for mark in marks if isinstance(mark, Unit)), None)
    if kind in (Fact, Series) and unit is not None:
        told = {"": ", a share or factor", "1/year": ", a share a year"}.get(unit, f" in {unit}")
        return ("amount" if kind is Fact else "series") + told
    if kind is Lead:
        return "whole months, or a range"
    if kind is str:
        return "id" if any(isinstance(mark, KnownIn) for mark in marks) else "text"
    if kind is int:
        return "whole number" if all(isinstance(mark, Ge | Le) for mark in marks) else "month"
    return KEYS


def _ids() -> str:
    """The ids of the catalogue that a scenario can name, and the heights of each HBM generation."""
    known = catalog.load()
    heights = ", ".join(f"`{id_}` ({', '.join(map(str, entry.heights))})" for id_, entry in known.hbm.items())
    sections = ("makers", "accelerators", "systems", "models", "climates", "grids")
    rows = [f"| `{name}` | {', '.join(f'`{id_}`' for id_ in getattr(known, name))} |" for name in sections]
    head = "## Ids of the catalogue\n\n`stackyard facts ID` shows what is known, with `--sources` where it was read.\n"
    return "\n".join([head, "| section | ids |\n|---|---|", f"| `hbm` (heights) | {heights} |", *rows]) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
    schema.FILE.write_text(schema.text(), encoding="utf-8")
