"""The JSON Schema of a scenario file, from the types that read it: editors complete keys by it and mark what is wrong.

It knows keys, kinds, forms of numbers and ids; units, dates and what one part says about another are known to
`stackyard check` alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stackyard.plan.inputs import Inputs
from stackyard.plan.overlay import KEYS
from stackyard.plan.supplying import LONGEST, Lead
from stackyard.source import Grade

FILE = Path(__file__).with_name("scenario.schema.json")  # as shipped; a test holds it against `schema()`
DIALECT = "https://json-schema.org/draft/2020-12/schema"

MONTH = {"type": "string", "pattern": r"^\d{4}-(0[1-9]|1[0-2])(-\d{2})?$", "description": "A month: 2026-09."}
_NUMBER = {"type": ["string", "number"], "description": "A number with its unit: 41 MW, 50%."}
_TEXT = {"type": "string"}
_SOURCED = {"grade": {"enum": [grade.label for grade in Grade]}, "source": _TEXT, "date": _TEXT, "note": _TEXT}
_TIMES = {"times": {"type": "array", "items": {"$ref": "#/$defs/series"}, "description": "Factors without a unit."}}


def _group(required: tuple[str, ...], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(required), "properties": properties, "additionalProperties": False}


def _by_month(values: str) -> dict[str, Any]:
    pattern = {str(MONTH["pattern"]): {"$ref": values}}
    return {"type": "object", "minProperties": 1, "patternProperties": pattern, "additionalProperties": False}


def _forms() -> dict[str, Any]:
    """The ways to write a month, an amount, a series and a lead time; see the head of `plan.amounts`."""
    stated = {"value": _NUMBER, "low": _NUMBER, "high": _NUMBER, **_SOURCED}
    fact = {
        "fact": {**_TEXT, "description": "A fact of the catalogue: hbm.hbm3e.price."},
        "at": {"enum": ["value", "low", "high"]},
    }
    table = {"column": _TEXT, "unit": _TEXT, **_TIMES, **_SOURCED}
    amount = {"$ref": "#/$defs/amount"}
    growth = {"anyOf": [amount, _by_month("#/$defs/amount")], "description": "A factor a year: 3 is three times."}
    return {
        "month": MONTH,
        "amount": {"anyOf": [_NUMBER, _group(("value",), **stated), _group(("fact",), **fact)]},
        "series": {
            "anyOf": [
                _NUMBER,
                _group(("value",), **stated, **_TIMES),
                _group(("fact",), **fact, **_TIMES),
                _group(("points",), points=_by_month("#/$defs/amount"), **_TIMES),
                _group(("from", "value"), **{"from": {"$ref": "#/$defs/month"}}, value=amount, growth=growth, **_TIMES),
                _group(("csv", "column"), csv=_TEXT, **table),
                _group(("xlsx", "column"), xlsx=_TEXT, sheet=_TEXT, **table),
            ]
        },
        "lead": {"anyOf": [{"type": "integer", "minimum": 0, "maximum": LONGEST}, {"$ref": "#/$defs/Lead"}]},
    }


def _with_forms(node: Any) -> Any:
    """References to the forms in the place of their marks; the unit of a number goes into its description."""
    if isinstance(node, list):
        return [_with_forms(item) for item in node]
    if not isinstance(node, Mapping):
        return node
    found = {key: _with_forms(value) for key, value in node.items() if key not in ("form", "unit", "title")}
    if "properties" in node:  # whose keys are names, not words of the schema
        found["properties"] = {name: _with_forms(value) for name, value in node["properties"].items()}
    if "form" in node:
        unit = f" In {node['unit']}." if node.get("unit") else ""
        found = {"$ref": f"#/$defs/{node['form']}", **found}
        if unit:
            found["description"] = f"{found.get('description', '')}{unit}".strip()
    return found


def schema() -> dict[str, Any]:
    """The schema of a scenario, or of changes to one (`base`), as plain values.

    >>> sorted(schema()["$defs"]["Inputs"]["required"])
    ['accelerators', 'horizon', 'name', 'packaging', 'services', 'sites', 'supplies']
    """
    whole, lead = Inputs.model_json_schema(), Lead.model_json_schema()
    parts = {**whole.pop("$defs"), "Lead": lead, "Inputs": whole}
    changes = {"type": "object", "description": "Key path -> what stands there instead: sites.ulsan.phases[1].month"}
    described = {"base": "The scenario that is changed: a file or a folder.", "name": "Title.", "about": "A paragraph."}
    texts = {key: {"type": "string", "description": described[key]} for key in KEYS if key in described}
    overlay = _group(("base",), **texts, changes=changes)
    return {
        "$schema": DIALECT,
        "title": "A scenario of Stackyard",
        "if": {"type": "object", "required": ["base"]},
        "then": {"$ref": "#/$defs/Changes"},
        "else": {"$ref": "#/$defs/Inputs"},
        "$defs": {"Changes": overlay, **_forms(), **{name: _with_forms(part) for name, part in parts.items()}},
    }


def text() -> str:
    """The schema as it is shipped.

    >>> text().splitlines()[0]
    '{'
    """
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"
