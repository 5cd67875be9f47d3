"""Wafer starts: what the stacks that the plan draws ask of the memory makers' fabs, and when."""

from __future__ import annotations

import numpy as np

from stackyard.months import parse_month, show_month
from stackyard.plan.problem import S
from stackyard.report.document import Block, Cell, Column, Figure, Paragraph, Series, StackedArea, Table
from stackyard.report.scale import decimals, say, scale
from stackyard.report.view import Array, View
from stackyard.words import joined, month, phrase, to

_SUM = phrase("All supplies")


def wafers(view: View) -> tuple[Block, ...]:
    """Month by month and year by year, of the supplies that say how many wafers are behind a stack; else nothing.

    >>> from stackyard import api
    >>> made = api.plan("first-plan", steps=False)
    >>> view = View.of(made.built.problem, made.plan)
    >>> wafers(view)  # deliveries are stated, not wafers
    ()
    """
    if not view.array("wafers_per_stack").any():
        return ()
    months, needed = started(view, _delivered_and_drawn(view))
    _, promised = started(view, view.delivered)
    early = float(needed[:, [month < view.months[0] for month in months]].sum())
    said = {"needed": say(float(needed.sum()), "DRAM wafers"), "promised": say(float(promised.sum()), "wafers")}
    told = phrase(
        "The stacks drawn take {needed}; {promised} are behind all that is promised in wafers.",
        **said,
    )
    if early > 0:
        told = phrase(
            "The stacks drawn take {needed}, {early} of them started before {month}; {promised} are behind all that is "
            "promised in wafers.",
            early=say(early),
            month=month(view.months[0]),
            **said,
        )
    return Paragraph(told), _figure(view, months, needed, promised), _table(view, months, needed, promised)


def displaced(view: View) -> tuple[Block, ...]:
    """What the wafers of the stacks drawn would have been as DDR5, of all supplies."""
    total, stacks = float(view.array("ddr5_displaced").sum()), float(view.array("draw").sum())
    if total <= 0 or stacks <= 0:
        return ()
    each = total / stacks
    told = phrase(
        "The wafers of the stacks drawn would have been {all} of DDR5, {each} for each stack.",
        all=say(total, "B"),
        each=say(each, "B"),
    )
    return (Paragraph(told),)


def started(view: View, stacks: Array) -> tuple[tuple[str, ...], Array]:
    """DRAM wafers by (supply, month of start) for stacks by (supply, month of delivery), with the months from the
    earliest start to the last that still becomes a stack within the horizon."""
    each, lead = view.array("wafers_per_stack"), view.array("stack_lead").round().astype(int)
    made = np.flatnonzero(each)
    before, late = int(lead[made].max()), int(lead[made].min())
    first = parse_month(view.months[0]) - before
    found = np.zeros((len(each), before + len(view.months)))
    for i in made:
        start = before - lead[i]
        found[i, start : start + len(view.months)] = stacks[i] * each[i]
    found = found[:, : found.shape[1] - late]
    return tuple(show_month(first + k) for k in range(found.shape[1])), found


def _delivered_and_drawn(view: View) -> Array:
    """Stacks drawn, less those that were in stock before the first month, by (supply, month)."""
    so_far = view.array("draw").sum(axis=1).cumsum(axis=1) - view.array("stacks_start")[:, None]
    return np.diff(np.maximum(so_far, 0.0), prepend=0.0)


def _figure(view: View, months: tuple[str, ...], needed: Array, promised: Array) -> Figure:
    unit = scale(promised.sum(axis=0), "wafers")
    limit = Series("limit/wafers", phrase("Promised"), unit.of(promised.sum(axis=0)))
    return Figure(
        "wafers",
        phrase("DRAM wafers to start each month for the stacks drawn, under the line of what is promised"),
        StackedArea(
            months, view.series(S, needed, unit), (limit,), phrase("DRAM wafers a month"), unit.unit, steps=True
        ),
        phrase(
            "Stacked areas of DRAM wafers started a month by supply, {months}, for the stacks that the plan draws, and "
            "a dashed line of the wafers behind all stacks promised.",
            months=to(months[0], months[-1]),
        ),
        phrase(
            "In the month of the wafer start: a supply's lead time before its stacks are drawn, so the latest start "
            "that does. Promised = wafers behind every stack delivered. Supplies promised as stacks state no wafers."
        ),
        view.grade,
    )


def _table(view: View, months: tuple[str, ...], needed: Array, promised: Array) -> Table:
    """Wafer starts by supply and year of start; those before the horizon in the first column."""
    keys = [month[:4] if month >= view.months[0] else "" for month in months]
    heads = ([""] if "" in keys else []) + list(view.years)
    inside = np.array([[key == head for key in keys] for head in heads], dtype=float)
    unit = scale(promised @ inside.T, "wafers")
    kinds = ((phrase("needed"), needed), (phrase("promised"), promised))
    made = np.flatnonzero(view.array("wafers_per_stack"))
    pairs = [(joined(" · ", [view.name(view.ids(S)[i]), kind]), values[i]) for i in made for kind, values in kinds]
    if len(made) > 1:
        pairs += [(joined(" · ", [_SUM, kind]), values.sum(axis=0)) for kind, values in kinds]
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (name, *unit.of(inside @ values), float(values.sum()) / unit.factor) for name, values in pairs
    )
    places = decimals(unit.of((promised @ inside.T).sum(axis=0)))
    first = phrase("before {month}", month=month(view.months[0].removesuffix("-01")))
    names = [head or first for head in heads]
    columns = (Column(unit.unit), *(Column(name, "", places) for name in (*names, phrase("Sum"))))
    notes = [phrase("Needed for the stacks drawn, promised for every stack delivered.")]
    if months[-1] < view.months[-1]:
        last = month(months[-1])
        notes.append(phrase("Starts after {month} become stacks after the horizon and are not counted.", month=last))
    return Table(phrase("DRAM wafer starts by year of start"), columns, rows, joined(" ", notes), view.grade)
