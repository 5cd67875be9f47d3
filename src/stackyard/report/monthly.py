"""The monthly plan as one tidy table, a row for each decision that is not zero: for spreadsheets and programs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stackyard.plan.plan import DECISIONS
from stackyard.plan.problem import SITE, A, C, S, T, V, W
from stackyard.quantity import GIGA, MEGA
from stackyard.report.document import Cell, Column, Table
from stackyard.report.view import View


class Kind(NamedTuple):
    """A decision as planners call it, in the unit they count it in: value shown = planned value / factor."""

    name: str
    unit: str
    factor: float = 1.0


KINDS = {
    "draw": Kind("stacks drawn", "stacks"),
    "bought": Kind("accelerators ordered", "accelerators"),
    "placed": Kind("accelerators installed", "accelerators"),
    "retired": Kind("accelerators taken out", "accelerators"),
    "installed": Kind("accelerators in place", "accelerators"),
    "run": Kind("accelerators serving", "accelerators"),
    "fitted": Kind("site power fitted out", "MW", MEGA),
    "served": Kind("tokens served", "G tokens/day", GIGA),
    "take": Kind("stacks taken under contract", "stacks"),
    "train": Kind("accelerators training", "accelerators"),
    "unserved": Kind("tokens not served", "G tokens/day", GIGA),
}
_AXES = (S, A, SITE, V, W, C)


def monthly(view: View) -> Table:
    """Month, what, which supply, accelerator, site, service and model, value and unit."""
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
    heads = ("Month", "What", *("Model" if axis == W else axis.capitalize() for axis in _AXES))
    columns = (*map(Column, heads), Column("Value", "", 1), Column("Unit"))
    note = "Every decision that is not zero. Amounts are of the month; 'in place' and 'fitted out' are its stock."
    return Table("Monthly plan", columns, tuple(rows), note, view.grade)
