"""What the plan chose: contracts signed, phases opened, halls built, training placed; and to what gap."""

from __future__ import annotations

import numpy as np

from stackyard.plan.plan import Plan
from stackyard.plan.problem import SITE, A, C, O, S
from stackyard.quantity import DAY
from stackyard.report.document import Block, Cell, Column, Note, Section, Table
from stackyard.report.scale import decimals, say, scale, share
from stackyard.report.view import View
from stackyard.words import joined, listed, month, number, phrase, to
from stackyard.words import share as per_cent


def choices(view: View, plan: Plan) -> tuple[Section, ...]:
    """The section of choices; none where the scenario leaves nothing to choose, contract or train.

    >>> from stackyard import api
    >>> made = api.plan("first-plan", steps=False)
    >>> view = View.of(made.built.problem, made.plan)
    >>> choices(view, made.plan)  # nothing is to be chosen
    ()
    """
    tables = [table for table in (_options(view), _contracts(view), _campaigns(view)) if table.rows]
    if not tables:
        return ()
    return (Section("choices", phrase("Choices and contracts"), _lead(view), (*tables, *_gap(plan))),)


def _lead(view: View) -> str:
    taken = [_choice(view, id_) for id_, yes in zip(view.ids(O), view.array("chosen"), strict=True) if yes > 0.5]
    left = [_choice(view, id_) for id_, yes in zip(view.ids(O), view.array("chosen"), strict=True) if yes < 0.5]
    parts = [phrase("Chosen: {names}.", names=listed(taken))] if taken else []
    parts += [phrase("Not chosen: {names}.", names=listed(left))] if left else []
    host = view.array("host")
    for c, id_ in enumerate(view.ids(C)):
        where = np.argwhere(host[:, :, c] > 0.5)
        if where.size:
            a, i = where[0]
            parts.append(
                phrase(
                    "{campaign} runs on {accelerator} at {site}.",
                    campaign=view.name(id_),
                    accelerator=view.name(view.ids(A)[a]),
                    site=view.name(view.ids(SITE)[i]),
                )
            )
        else:
            parts.append(phrase("{campaign} is not run.", campaign=view.name(id_)))
    return joined(" ", parts)


def _choice(view: View, id_: str) -> str:
    """What a choice is called, from its id: contract/SUPPLY, hall/PLACE or phase/PLACE/MONTH."""
    kind, _, at = id_.partition("/")
    place, _, since = at.rpartition("/")
    if kind == "contract":
        return phrase("Contract: {supply}", supply=view.name(at))
    if kind == "hall":
        return phrase("Hall: {site}", site=view.name(at))
    return phrase("Phase of {month}: {site}", month=month(since), site=view.name(place))


def _options(view: View) -> Table:
    """Each choice: whether it was open, what it came to, and what it costs and brings."""
    fees = view.array("option_fee").sum(axis=1)
    unit = scale(fees, "USD")
    power, stacks = view.array("option_power").max(axis=(1, 2)), view.array("option_stacks").sum(axis=(1, 2))
    free = view.array("option_least") < view.array("option_most")
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            _choice(view, id_),
            _taken(bool(view.array("chosen")[o] > 0.5), bool(free[o])),
            float(fees[o] / unit.factor),
            say(float(power[o]), "W") if power[o] > 0 else say(float(stacks[o]), "stacks") if stacks[o] > 0 else None,
        )
        for o, id_ in enumerate(view.ids(O))
    )
    columns = (
        Column(phrase("Choice")),
        Column(phrase("Chosen")),
        Column(phrase("Fees less penalties received"), unit.unit, decimals(unit.of(fees))),
        Column(phrase("Brings")),
    )
    note = phrase(
        "Fees of the horizon, not discounted; below zero where a maker's penalty for lateness is more than the fee."
    )
    return Table(phrase("What was to choose"), columns, rows, note, view.grade)


def _taken(chosen: bool, free: bool) -> str:
    if free:
        return phrase("yes") if chosen else phrase("no")
    return phrase("yes (decided before)") if chosen else phrase("no (decided before)")


def _contracts(view: View) -> Table:
    """Each contract and year: offered, taken, below the minimum, and paid."""
    offered = view.yearly(np.einsum("ost,o->st", view.array("option_stacks"), view.array("chosen")))
    taken, short = view.yearly(view.array("take")), view.yearly(view.array("short"))
    price = view.array("short_price")
    fine = view.yearly(np.where(np.isfinite(price), price, 0.0) * view.array("short"))
    paid = view.yearly(view.array("take_price") * view.array("take")) + fine
    stacks, usd = scale(offered, "stacks"), scale(paid, "USD")
    rows: list[tuple[Cell, ...]] = [
        (
            view.name(id_),
            year,
            *(float(values[s, y] / stacks.factor) for values in (offered, taken, short)),
            *(float(values[s, y] / usd.factor) for values in (paid, fine)),
        )
        for s, id_ in enumerate(view.ids(S))
        for y, year in enumerate(view.years)
        if offered[s, y] > 0
    ]
    counts = tuple(
        Column(title, stacks.unit, decimals(stacks.of(offered)))
        for title in (phrase("Offered"), phrase("Taken"), phrase("Short of the minimum"))
    )
    money = tuple(
        Column(title, usd.unit, decimals(usd.of(paid)))
        for title in (phrase("Paid"), phrase("of it for what was not taken"))
    )
    return Table(
        phrase("Contracts by year"),
        (Column(phrase("Supply")), Column(phrase("Year")), *counts, *money),
        tuple(rows),
        "",
        view.grade,
    )


def _campaigns(view: View) -> Table:
    """Each campaign: where and when it runs, on how many accelerators, and what is left undone at the end."""
    cluster = view.array("train").sum(axis=(0, 1))
    rows: list[tuple[Cell, ...]] = []
    for c, id_ in enumerate(view.ids(C)):
        at = np.flatnonzero(cluster[c] > 0)
        where = np.argwhere(view.array("host")[:, :, c] > 0.5)
        place = (
            f"{view.name(view.ids(A)[where[0][0]])}, {view.name(view.ids(SITE)[where[0][1]])}" if where.size else "–"
        )
        undone = float(view.array("undone")[c, -1] / view.array("campaign_flop")[c])
        due = np.flatnonzero(view.array("campaign_late")[c] > 0)
        late = int((view.array("undone")[c, due] > 1e-6 * view.array("campaign_flop")[c]).sum()) if due.size else 0
        rows.append(
            (
                view.name(id_),
                place,
                to(view.months[at[0]], view.months[at[-1]]) if at.size else "–",
                float(cluster[c, at].mean()) if at.size else None,
                share(1.0 - undone),
                float(late),
                float((cluster[c] * view.seconds / DAY / 365.25).sum()),
            )
        )
    columns = (
        Column(phrase("Training campaign")),
        Column(phrase("Runs on, at")),
        Column(phrase("Months")),
        Column(phrase("Accelerators")),
        Column(phrase("Done")),
        Column(phrase("Months late")),
        Column(phrase("Accelerator-years")),
    )
    return Table(phrase("Training"), columns, tuple(rows), "", view.grade)


def _gap(plan: Plan) -> tuple[Block, ...]:
    if "choices" not in plan.notes:
        return (Note(phrase("Nothing whole was left to choose: the plan is the optimum of a linear program.")),)
    text = phrase(
        "{n} whole decisions were made by an integer program: no other choice makes the plan cheaper by more than "
        "{gap}. Prices, rents and what steps are worth come from the linear program with these choices as they are.",
        n=number(plan.notes["choices"].partition(" ")[0]),
        gap=per_cent(f"{plan.gap:.2%}"),
    )
    return (Note(text),)
