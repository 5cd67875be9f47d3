"""Power: what is energised and used, and why a site stands idle, computed from what a watt costs there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stackyard.plan.problem import SITE, A, P
from stackyard.quantity import KILO, KWH, MEGA
from stackyard.report.document import Block, Cell, Column, Figure, Paragraph, Section, Series, StackedArea, Table
from stackyard.report.scale import plain, say, scale, share
from stackyard.report.sections import by_year
from stackyard.report.view import Array, View
from stackyard.words import joined, listed, month, phrase
from stackyard.words import share as per_cent

_FULL, _IDLE = 0.98, 0.01  # shares of energised power in use from which a site counts as full, below which as idle
_YEAR = 12


@dataclass(frozen=True)
class Verdict:
    """Why a site ends as it does; `kind` groups sites for the lead, `why` says it for this site, `dearer` by how much
    a kilowatt costs more than at `than`."""

    kind: str
    why: str
    than: str = ""
    dearer: float = 0.0


def power(view: View) -> Section:
    """Site power used at the day's peak against phases energised, and why power is left.

    >>> from stackyard import api
    >>> made = api.plan("first-plan", steps=False)
    >>> view = View.of(made.built.problem, made.plan)
    >>> power(view).title
    'Power and phases'
    """
    used, energised = view.array("site_power_peak"), view.energised
    unit = scale(energised.sum(axis=0), "W")
    figure = Figure(
        "power",
        phrase("Site power at the day's peak by site, under the line of phases energised"),
        StackedArea(
            view.months,
            view.series(SITE, used, unit),
            (Series("limit/energised", phrase("Energised"), unit.of(energised.sum(axis=0))),),
            phrase("Site power"),
            unit.unit,
            steps=True,
        ),
        phrase(
            "Stacked areas of site power used at peak by site, {years}, and a dashed line of power energised.",
            years=view.span,
        ),
        grade=view.grade,
    )
    found = verdicts(view)
    blocks: list[Block] = [figure, _why(view, found), _by_site(view, used, energised), *_beside(view)]
    spare = int(np.sum(energised.sum(axis=0) - used.sum(axis=0) > 0.1 * energised.sum(axis=0)))
    if spare:
        idle = (
            phrase("In every month more than a tenth of the energised power stands idle.")
            if spare == len(view.months)
            else phrase(
                "In {n} of {all} months more than a tenth of the energised power stands idle.",
                n=spare,
                all=len(view.months),
            )
        )
        blocks.insert(0, Paragraph(idle))
    return Section("power", phrase("Power and phases"), _lead(view, found), tuple(blocks))


def kilowatt(view: View) -> Array:
    """USD that a kilowatt of IT power at full load costs at each site over the last year of the plan.

    PUE of the worst hour × (fit-out × its cost a month, that of an annuity over its life) + energy, demand charge and
    carbon of those months at the PUE, in money of the first of them: what the plan weighs when it chooses a site.

    >>> from stackyard import api
    >>> made = api.plan("first-plan", steps=False)
    >>> view = View.of(made.built.problem, made.plan)
    >>> bool((kilowatt(view) > 0).all())
    True
    """
    months = slice(max(len(view.months) - _YEAR, 0), None)
    worth = view.array("discount")[months] / view.array("discount")[months][0]
    pue, design = pue_at_full_load(view)[:, months], view.array("pue_design")
    price, left = view.array("fitout_price")[:, months], view.array("fitout_residual")[:, months]
    month = worth[-1] / worth[-2] if worth.size > 1 else 1.0
    cost = left[:, -1] - month * left[:, -2] if worth.size > 1 else 1 - left[:, -1]  # of a month, the same in each
    fitout = design * price[:, 0] * cost * month * worth.sum()
    joule = view.array("electricity_price") + view.array("carbon_price") * view.array("grid_carbon")
    energy = (
        pue * joule[:, months] * view.seconds[months] + design[:, None] * view.array("demand_charge")[:, months]
    ) @ worth
    return np.asarray(KILO * (fitout + energy))


def pue_at_full_load(view: View) -> Array:
    """Site power over IT power of a full site, mean of each month: (site, month).

    >>> from stackyard import api
    >>> made = api.plan("first-plan", steps=False)
    >>> view = View.of(made.built.problem, made.plan)
    >>> bool((pue_at_full_load(view) > 1).all())
    True
    """
    return np.asarray(view.array("pue") + view.array("overhead") * view.array("pue_design")[:, None])


def verdicts(view: View) -> tuple[Verdict, ...]:
    """Why each site ends full, with power left, or idle.

    >>> from stackyard import api
    >>> made = api.plan("first-plan", steps=False)
    >>> view = View.of(made.built.problem, made.plan)
    >>> [verdict.kind for verdict in verdicts(view)]
    ['full']
    """
    placed = np.flatnonzero(view.array("placed").sum(axis=(0, 1)))
    last = int(placed[-1]) if placed.size else -1
    return tuple(_verdict(view, i, last) for i in range(len(view.ids(SITE))))


def _verdict(view: View, i: int, last: int) -> Verdict:
    """`last` is the month of the last installation anywhere, -1 where there is none."""
    energised, used = view.energised[i], float(view.array("site_power_peak")[i, -1])
    ordered = view.array("bought").sum(axis=1) > 0
    may = ordered & (view.array("allowed")[:, i] > 0)
    if energised[-1] <= 0:
        return Verdict("dark", phrase("not energised within the horizon"))
    if used >= _FULL * energised[-1]:
        return Verdict("full", phrase("full"))
    idle = used <= _IDLE * energised[-1]
    head = phrase("idle") if idle else phrase("{power} left", power=say(float(energised[-1]) - used, "W"))
    if last < 0:
        return Verdict("none" if idle else "left", _why_left(head, phrase("nothing is installed in this plan")))
    if not may.any():
        return Verdict(
            "barred" if idle else "left", _why_left(head, phrase("no accelerator that is ordered may stand here"))
        )
    if used >= _FULL * energised[last]:
        late = phrase(
            "what was energised after {month} came after the last installation", month=month(view.months[last])
        )
        return Verdict("late" if idle else "left", _why_left(head, late))
    if (found := _cheaper(view, i, last, may)) is not None:
        than, dearer, months, of = found
        when = phrase("throughout") if months == of else phrase("in {n} of {all} months", n=months, all=of)
        why = phrase(
            "a kilowatt costs {part} more than at {site}, where power is left {when}",
            part=share(dearer),
            site=than,
            when=when,
        )
        return Verdict("dearer" if idle else "left", _why_left(head, why), than, dearer)
    why = phrase("all accelerators that the plan orders stand elsewhere")
    return Verdict("spare" if idle else "left", _why_left(head, why))


def _why_left(head: str, why: str) -> str:
    return joined(": ", [head, why])


def _cheaper(view: View, i: int, last: int, may: Array) -> tuple[str, float, int, int] | None:
    """The cheaper site that most often has power left and could take every accelerator that may stand here: its name,
    how much more a kilowatt costs here, and in how many of the months there is room."""
    cost, energised = kilowatt(view), view.energised
    since = energised[i] > 0
    since[last + 1 :] = False
    room = (energised - view.array("site_power_peak") > (1 - _FULL) * energised)[:, since].sum(axis=1)
    takes = np.all(view.array("allowed")[may] > 0, axis=0)
    better = np.flatnonzero((cost < cost[i]) & takes & (2 * room > since.sum()))
    if not better.size:
        return None
    j = min(better.tolist(), key=lambda j: (-room[j], cost[j]))
    return view.name(view.ids(SITE)[j]), float(cost[i] / cost[j] - 1), int(room[j]), int(since.sum())


def _why(view: View, found: Sequence[Verdict]) -> Table:
    energised, used = view.energised[:, -1], view.array("site_power_peak")[:, -1]
    pue, allowed = pue_at_full_load(view)[:, -_YEAR:].mean(axis=1), view.array("allowed")
    fitout, hour = view.array("fitout_price")[:, -1], view.array("electricity_price")[:, -1] * KWH * KILO
    cost = kilowatt(view)
    rows: list[tuple[Cell, ...]] = []
    for i, id_ in enumerate(view.ids(SITE)):
        barred = [view.name(a) for j, a in enumerate(view.ids(A)) if allowed[j, i] <= 0]
        numbers = (energised[i] / MEGA, used[i] / MEGA, fitout[i], hour[i], pue[i], cost[i])
        rows.append(
            (joined("\n", [view.name(id_), found[i].why]), *map(float, numbers), "; ".join(barred) or phrase("none"))
        )
    columns = (
        Column(phrase("Site, and why")),
        Column(phrase("Energised"), "MW"),
        Column(phrase("Used"), "MW"),
        Column(phrase("Fit-out"), "USD/W", 1),
        Column(phrase("Electricity"), "USD/MWh"),
        Column("PUE", "", 2),
        Column(phrase("IT power"), phrase("USD/kW a year")),
        Column(phrase("Cannot stand here")),
    )
    months = min(_YEAR, len(view.months))
    note = phrase(
        "IT power: a kilowatt at full load over the last {months} months, its fit-out at the PUE as equal yearly costs "
        "over its life, electricity and priced carbon. Accelerators cannot stand where rack power or cooling forbid.",
        months=months,
    )
    return Table(
        phrase("Why power is used or idle in {month}", month=month(view.months[-1])),
        columns,
        tuple(rows),
        note,
        view.grade,
    )


def _by_site(view: View, used: Array, energised: Array) -> Table:
    """Each site in December: power energised and power used at peak."""
    rows = []
    for i, id_ in enumerate(view.ids(SITE)):
        rows.append((joined(" · ", [view.name(id_), phrase("energised")]), view.year_end(energised[i])))
        rows.append((joined(" · ", [view.name(id_), phrase("used at peak")]), view.year_end(used[i])))
    return by_year(view, phrase("Power energised and used in December, by site"), scale(energised, "W"), rows)


def _beside(view: View) -> list[Block]:
    """Each source of power beside the grid in December: capacity, and its mean output over the year."""
    capacity, output, moved = view.array("capacity"), view.array("output"), view.array("discharged").sum(axis=1)
    built = [p for p in range(len(view.ids(P))) if capacity[p].any()]
    if not built:
        return []
    rows = []
    for p in built:
        name, seconds = view.name(view.ids(P)[p]), view.yearly(view.seconds)
        rows.append((joined(" · ", [name, phrase("capacity in December")]), view.year_end(capacity[p])))
        if output[p].any() or not moved[p].any():
            rows.append((joined(" · ", [name, phrase("mean output")]), view.yearly(output[p] * view.seconds) / seconds))
        if moved[p].any():
            away = joined(" · ", [name, phrase("mean moved out of dear hours")])
            rows.append((away, view.yearly(moved[p] * view.seconds) / seconds))
    return [by_year(view, phrase("Power beside the grid"), scale(capacity[built], "W"), rows)]


def _lead(view: View, found: Sequence[Verdict]) -> str:
    used, energised = (float(power[:, -1].sum()) for power in (view.array("site_power_peak"), view.energised))
    names = [view.name(id_).partition(" (")[0] for id_ in view.ids(SITE)]
    told = [
        phrase(
            "At the end {used} of {energised} energised are in use",
            used=say(used, "W"),
            energised=say(energised, "W"),
        )
    ]
    full = [name for name, verdict in zip(names, found, strict=True) if verdict.kind == "full"]
    if len(full) > 1 and len(full) == sum(verdict.kind != "dark" for verdict in found):
        told.append(phrase("every site is full"))
    elif full:
        names_said = listed(full)
        told.append(
            phrase("{site} is full", site=names_said)
            if len(full) == 1
            else phrase("{sites} are full", sites=names_said)
        )
    for kind, why in _REASONS.items():
        group = [(name, verdict) for name, verdict in zip(names, found, strict=True) if verdict.kind == kind]
        for than in sorted({verdict.than for _, verdict in group}):
            idle = [(name, verdict.dearer) for name, verdict in group if verdict.than == than]
            who, reason = (
                listed([name for name, _ in idle]),
                why.format(more=_more([more for _, more in idle]), than=than),
            )
            told.append(
                phrase("{site} stands idle: {why}", site=who, why=reason)
                if len(idle) == 1
                else phrase("{sites} stand idle: {why}", sites=who, why=reason)
            )
    return joined("", [joined(". ", told), "."])


_REASONS = {
    "dearer": phrase("a kilowatt costs {more} more there than at {than}, where power is left"),
    "barred": phrase("no accelerator that is ordered may stand there"),
    "late": phrase("the power came after the last installation"),
    "none": phrase("nothing is installed"),
    "spare": phrase("the plan has no more accelerators to install"),
}


def _more(shares: Sequence[float]) -> str:
    low, high = (plain(100 * value, 2) for value in (min(shares), max(shares)))
    if low == high:
        return per_cent(f"{low}%")
    return phrase("{low} to {high}", low=low, high=per_cent(f"{high}%"))
