"""The monthly plan as one tidy table, a row for each decision that is not zero: for spreadsheets and programs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stackyard.plan.plan import DECISIONS
from stackyard.plan.problem import SITE, A, C, S, T, V, W
from stackyard.quantity import GIGA, MEGA
from stackyard.report.document import Cell, Column, Table
from stackyard.report.view import View
from stackyard.words import label, phrase


class Kind(NamedTuple):
    """A decision as planners call it, in the unit they count it in: value shown = planned value / factor."""

    name: str
    unit: str
    factor: float = 1.0


KINDS = {
    "draw": Kind(phrase("stacks drawn"), phrase("stacks")),
    "bought": Kind(phrase("accelerators ordered"), phrase("accelerators")),
    "placed": Kind(phrase("accelerators installed"), phrase("accelerators")),
    "retired": Kind(phrase("accelerators taken out"), phrase("accelerators")),
    "installed": Kind(phrase("accelerators in place"), phrase("accelerators")),
    "run": Kind(phrase("accelerators serving"), phrase("accelerators")),
    "fitted": Kind(phrase("site power fitted out"), "MW", MEGA),
    "served": Kind(phrase("tokens served"), label("G tokens/day", GIGA, "tokens/day"), GIGA),
    "take": Kind(phrase("stacks taken under contract"), phrase("stacks")),
    "train": Kind(phrase("accelerators training"), phrase("accelerators")),
    "unserved": Kind(phrase("tokens not served"), label("G tokens/day", GIGA, "tokens/day"), GIGA),
}
_AXES = (S, A, SITE, V, W, C)
_HEADS = (
    phrase("Month"),
    phrase("What"),
    phrase("Supply"),
    phrase("Accelerator"),
    phrase("Site"),
    phrase("Service"),
    phrase("Model"),
    phrase("Campaign"),
)


def monthly(view: View) -> Table:
    """Month, what, which supply, accelerator, site, service and model, value and unit.

    >>> from stackyard import api
    >>> made = api.plan("first-plan", steps=False)
    >>> view = View.of(made.built.problem, made.plan)
    >>> [column.title for column in monthly(view).columns]
    ['Month', 'What', 'Supply', 'Accelerator', 'Site', 'Service', 'Model', 'Campaign', 'Value', 'Unit']
    """
    rows: list[tuple[Cell, ...]] = []
    of = view.array("way_service").argmax(axis=1)
    for name, kind in KINDS.items():
        dims, values = DECISIONS[name].dims, view.array(name)
        for at in np.argwhere(values):
            place = dict(zip(dims, at.tolist(), strict=True))
            if W in place:
                place[V] = int(of[place[W]])
            which = (view.name(view.ids(axis)[place[axis]]) if axis in place else None for axis in _AXES)
            amount = float(values[tuple(at)]) / kind.factor
            rows.append((view.months[place[T]], kind.name, *which, amount, kind.unit))
    rows.sort(key=lambda row: str(row[0]))
    columns = (*map(Column, _HEADS), Column(phrase("Value"), "", 1), Column(phrase("Unit")))
    note = phrase(
        "Every decision that is not zero. Amounts are of the month; 'in place' and 'fitted out' are its stock."
    )
    return Table(phrase("Monthly plan"), columns, tuple(rows), note, view.grade)
