"""The plan's own sections: demand, memory, what is built, money and footprint. One function per section."""

from __future__ import annotations

import numpy as np

from stackyard.plan.problem import SITE, A, S, V
from stackyard.quantity import DAY, KILO
from stackyard.report.document import (
    Bars,
    Block,
    Cell,
    Column,
    Figure,
    Lines,
    Note,
    Section,
    Series,
    StackedArea,
    Table,
)
from stackyard.report.scale import Scale, decimals, say, scale, share
from stackyard.report.view import Array, View, spans
from stackyard.report.wafers import displaced, wafers
from stackyard.words import joined, listed, phrase, within

COSTS = {
    "cost_hbm": phrase("HBM stacks"),
    "cost_accelerators": phrase("Systems and network"),
    "cost_fitout": phrase("Buildings and fit-out"),
    "cost_upkeep": phrase("Upkeep"),
    "cost_energy": phrase("Electricity"),
    "cost_sources": phrase("Power beside the grid"),
    "cost_carbon": phrase("Carbon"),
    "cost_contracts": phrase("Contracts and fees"),
    "cost_models": phrase("Fees of models"),
}


def spend(view: View) -> Array:
    """USD paid in each month: every cost except the price put on tokens not served, which nobody pays.

    >>> from stackyard import api
    >>> made = api.plan("first-plan", steps=False)
    >>> view = View.of(made.built.problem, made.plan)
    >>> bool((spend(view) >= 0).all())
    True
    """
    return np.asarray(sum(view.array(name) for name in COSTS))


def by_year(view: View, title: str, display: Scale, rows: list[tuple[str, Array]], note: str = "") -> Table:
    """A table with one column a year; rows are (name, values by year)."""
    shown = [display.of(values) for _, values in rows]
    tops = [max(values) for values in shown if 0 < max(values) < KILO]
    places = max(min((decimals([top]) for top in tops), default=0), int(any(top < 10 for top in tops)))
    columns = (Column(display.unit), *(Column(year, "", places) for year in view.years))
    return Table(title, columns, tuple((name, *display.of(values)) for name, values in rows), note, view.grade)


def demand(view: View) -> Section:
    """Tokens asked for against tokens served, by service.

    >>> from stackyard import api
    >>> made = api.plan("first-plan", steps=False)
    >>> view = View.of(made.built.problem, made.plan)
    >>> demand(view).title
    'Demand and service'
    """
    asked, served = view.array("demand"), view.array("served")
    unit = scale(asked.sum(axis=0), "tokens/day")
    total = Series("limit/demand", phrase("Asked for"), unit.of(asked.sum(axis=0)))
    figure = Figure(
        "demand-served",
        phrase("Tokens served by service, under the line of what is asked for"),
        StackedArea(view.months, view.series(V, served, unit), (total,), phrase("Tokens served"), unit.unit),
        phrase(
            "Stacked areas of tokens served a day by service, {years}, and a dashed line of total demand; "
            "at the end {served} of {asked} are served.",
            years=view.span,
            served=unit.text(served[:, -1].sum()),
            asked=unit.text(asked[:, -1].sum()),
        ),
        grade=view.grade,
    )
    rows = tuple(
        (
            view.name(id_),
            *(
                float(100 * value) if np.isfinite(value) else None
                for value in _share(view.yearly(view.tokens(served[i])), view.yearly(view.tokens(asked[i])))
            ),
        )
        for i, id_ in enumerate(view.ids(V))
    )
    whole = (phrase("All services"), *(float(100 * v) if np.isfinite(v) else None for v in view.served_share))
    table = Table(
        phrase("Share of demand served, by service and year"),
        (Column("%"), *(Column(year, "", 1) for year in view.years)),
        (*rows, whole),
        grade=view.grade,
    )
    return Section("demand", phrase("Demand and service"), _demand_lead(view, asked, served), (figure, table))


def _share(part: Array, whole: Array) -> Array:
    return np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)


def _demand_lead(view: View, asked: Array, served: Array) -> str:
    part = float(view.tokens(served).sum() / max(view.tokens(asked).sum(), 1e-30))
    short = [int(year) for year, served_part in zip(view.years, view.served_share, strict=True) if served_part < 0.995]
    if not short:
        if part > 0.999999:
            return phrase("All that is asked for in {years} is served.", years=view.span)
        return phrase("Nearly all that is asked for in {years} is served.", years=view.span)
    missing = (view.tokens(asked) - view.tokens(served)).sum(axis=1)
    said = {"short": spans(short), "part": share(part), "years": view.span}
    if len(missing) < 2:
        return phrase("Demand is not served in full in {short}: {part} of the tokens of {years} are served.", **said)
    return phrase(
        "Demand is not served in full in {short}: {part} of the tokens of {years} are served; "
        "{service} goes short the most.",
        service=view.name(view.ids(V)[int(missing.argmax())]),
        **said,
    )


def memory(view: View) -> Section:
    """HBM stacks drawn against delivered, by supply.

    >>> from stackyard import api
    >>> made = api.plan("first-plan", steps=False)
    >>> view = View.of(made.built.problem, made.plan)
    >>> memory(view).title
    'HBM stacks'
    """
    drawn = view.array("draw").sum(axis=1)
    delivered, released = view.delivered, view.array("released")
    unit = scale(delivered.sum(axis=0), "stacks")
    figure = Figure(
        "stacks",
        phrase("HBM stacks drawn each month by supply, under the line of what is delivered"),
        StackedArea(
            view.months,
            view.series(S, drawn, unit),
            (Series("limit/delivered", phrase("Delivered"), unit.of(delivered.sum(axis=0))),),
            phrase("HBM stacks a month"),
            unit.unit,
            steps=True,
        ),
        phrase(
            "Stacked areas of HBM stacks drawn a month by supply, {years}, and a dashed line of stacks delivered.",
            years=view.span,
        ),
        phrase(
            "Above the dashed line, stacks come out of stock; below it, they go into stock or are left to others. "
            "Supplies that cost the same are interchangeable, and so are some months: single bars may jump where sums "
            "do not."
        ),
        view.grade,
    )
    columns = [view.array("stacks_start"), delivered.sum(axis=1), drawn.sum(axis=1), released.sum(axis=1)]
    columns.append(view.array("stock")[:, -1])
    table = _supply_table(view, columns)
    total = float(delivered.sum() + columns[0].sum())
    used, left, kept = (float(values.sum()) / max(total, 1e-30) for values in columns[2:])
    told = [
        *([phrase("{part} go into accelerators", part=share(used))] if used > 0 else []),
        *([phrase("{part} are left to others", part=share(left))] if left > 0 else []),
        *([phrase("{part} stay in stock", part=share(kept))] if kept > 0 else []),
    ]
    lead = phrase(
        "Of {stacks} promised for {years}, {told}.", stacks=say(total, "stacks"), years=view.span, told=listed(told)
    )
    return Section(
        "memory", phrase("HBM stacks"), lead, (figure, table, *displaced(view), *wafers(view), *_needed(view))
    )


def _supply_table(view: View, columns: list[Array]) -> Table:
    unit = scale(np.array([values.sum() for values in columns]), "stacks")
    titles = (
        phrase("In stock at the start"),
        phrase("Delivered"),
        phrase("Drawn"),
        phrase("Left to others"),
        phrase("In stock at the end"),
    )
    rows: list[tuple[Cell, ...]] = [
        (view.name(id_), *(values[i] / unit.factor for values in columns)) for i, id_ in enumerate(view.ids(S))
    ]
    rows.append((phrase("All supplies"), *(float(values.sum()) / unit.factor for values in columns)))
    places = max(decimals(unit.of(values)) for values in columns)
    heads = (Column(phrase("Supply")), *(Column(title, unit.unit, places) for title in titles))
    return Table(phrase("Where the stacks of {years} go", years=view.span), heads, tuple(rows), grade=view.grade)


def _needed(view: View) -> tuple[Figure, ...]:
    """Stacks in place, and with them those that the unserved tokens would take at the plan's own tokens per stack."""
    spp, peak = view.stacks_per_package, view.array("peak_to_mean")[:, None] / DAY
    at_work = np.einsum("aivt,a->vt", view.running, spp)
    on_sale = (np.cumsum(view.array("orders_max") > 0, axis=-1) > 0) | (view.installed > 0)
    fastest = np.max(view.array("rate")[:, :, None] * view.array("way_service"), axis=1)  # (accelerator, service)
    best = np.max((fastest / spp[:, None])[:, :, None] * on_sale[:, None, :], axis=0)
    own = np.divide(view.array("served") * peak, at_work, out=best, where=at_work > 0)
    missing = view.array("unserved") * peak
    if np.any((own <= 0) & (missing > 0)):
        return ()
    placed = np.einsum("a,at->t", spp, view.installed)
    needed = placed + np.divide(missing, own, out=np.zeros_like(missing), where=own > 0).sum(axis=0)
    bought = view.array("stacks_start").sum() + np.cumsum(view.delivered.sum(axis=0))
    unit = scale(np.concatenate([placed, bought, needed]), "stacks")
    lines = Lines(
        view.months,
        (Series("total/installed", phrase("In installed accelerators"), unit.of(placed)),),
        (
            Series("limit/demand", phrase("Needed to serve all demand"), unit.of(needed)),
            Series("limit/delivered", phrase("Delivered since the start"), unit.of(bought)),
        ),
        phrase("Stacks in place"),
        unit.unit,
    )
    return (
        Figure(
            "stacks-needed",
            phrase("Stacks in place, against what all demand would need"),
            lines,
            phrase(
                "Lines of HBM stacks in installed accelerators, delivered since the start and needed; at the end "
                "{placed} are in place and {needed} would serve all demand.",
                placed=unit.text(placed[-1]),
                needed=unit.text(needed[-1]),
            ),
            phrase(
                "What is needed adds to what is in place the stacks that the unserved tokens would take at the plan's "
                "own tokens per stack, or on the best accelerator on sale where a service is not served at all."
            ),
            view.grade,
        ),
    )


def built(view: View) -> Section:
    """What is ordered and installed, where and when.

    >>> from stackyard import api
    >>> made = api.plan("first-plan", steps=False)
    >>> view = View.of(made.built.problem, made.plan)
    >>> built(view).title
    'What is built, where and when'
    """
    bought = view.yearly(view.array("bought"))
    placed, retired = view.yearly(view.array("placed")), view.yearly(view.array("retired"))
    standing = view.year_end(view.array("installed"))
    orders = by_year(
        view,
        phrase("Accelerators to order (stacks drawn in the year)"),
        scale(bought, "accelerators"),
        [(view.name(id_), bought[i]) for i, id_ in enumerate(view.ids(A)) if bought[i].any()],
    )
    pairs = [(i, j) for i in range(len(view.ids(SITE))) for j in range(len(view.ids(A))) if standing[j, i].any()]
    names = {(i, j): f"{view.name(view.ids(SITE)[i])} · {view.name(view.ids(A)[j])}" for i, j in pairs}
    title = phrase("Accelerators in place in December, by site")
    places = by_year(
        view, title, scale(standing / 10, "accelerators"), [(names[i, j], standing[j, i]) for i, j in pairs]
    )
    moves = _moves(view, placed, retired, standing)
    return Section(
        "built", phrase("What is built, where and when"), _built_lead(view, bought), _filled(orders, places, moves)
    )


def _moves(view: View, placed: Array, retired: Array, standing: Array) -> Table:
    """Installed and taken out in each year, by site and accelerator."""
    unit = scale(standing / 10, "accelerators")  # small rows stand beside large ones
    rows: list[tuple[Cell, ...]] = []
    for k, year in enumerate(view.years):
        for i, site in enumerate(view.ids(SITE)):
            for j, accelerator in enumerate(view.ids(A)):
                cells = (placed[j, i, k], retired[j, i, k], standing[j, i, k])
                if max(cells) > 0:
                    rows.append((year, view.name(site), view.name(accelerator), *unit.of(np.array(cells))))
    places = decimals(unit.of(standing))
    heads = (Column(phrase("Year")), Column(phrase("Site")), Column(phrase("Accelerator")))
    counted = (phrase("Installed"), phrase("Taken out"), phrase("In place in December"))
    counts = tuple(Column(title, unit.unit, places) for title in counted)
    title = phrase("Installed and taken out, by year, site and accelerator")
    return Table(title, heads + counts, tuple(rows), grade=view.grade, folded=True)


def _filled(*tables: Table) -> tuple[Block, ...]:
    return tuple(
        table if table.rows else Note(phrase("{title}: nothing in this plan.", title=table.title)) for table in tables
    )


def _built_lead(view: View, bought: Array) -> str:
    totals = bought.sum(axis=1)
    if totals.sum() <= 0:
        return phrase("The plan buys no accelerators.")
    order = [int(i) for i in np.argsort(-totals) if totals[i] > 0]
    kinds = listed([say(totals[i], view.name(view.ids(A)[i])) for i in order])
    never = [view.name(id_) for i, id_ in enumerate(view.ids(A)) if totals[i] <= 0]
    said = phrase("The plan orders {kinds}.", kinds=kinds)
    return joined(" ", [said, phrase("It never orders {kinds}.", kinds=listed(never)) if never else ""])


def money(view: View) -> Section:
    """Spending by year and kind; the price of unserved demand apart.

    >>> from stackyard import api
    >>> made = api.plan("first-plan", steps=False)
    >>> view = View.of(made.built.problem, made.plan)
    >>> money(view).title
    'Cost'
    """
    kinds = [(label, name, view.yearly(view.array(name))) for name, label in COSTS.items()]
    kinds = [kind for kind in kinds if kind[2].any()]
    total = view.yearly(spend(view))
    budget = view.array("budget")
    unit = scale(total, "USD")
    limits = (Series("limit/budget", phrase("Budget"), unit.of(budget)),) if np.isfinite(budget).all() else ()
    figure = Figure(
        "cost",
        phrase("Spending by year and kind"),
        Bars(
            view.years,
            tuple(Series(f"cost/{name}", label, unit.of(values)) for label, name, values in kinds),
            limits,
            phrase("Spending"),
            unit.unit,
        ),
        phrase("Stacked bars of spending by kind for each year of {years}.", years=view.span),
        grade=view.grade,
    )
    rows = [(label, values) for label, _, values in kinds] + [(phrase("Total spent"), total)]
    if np.isfinite(budget).any():
        rows.append((phrase("Budget"), budget))
    rows.append((phrase("Price of tokens not served"), view.yearly(view.array("cost_unserved"))))
    if view.array("cost_quality").any():
        rows.append((phrase("Price of tokens worth less"), view.yearly(view.array("cost_quality"))))
    if view.array("cost_late").any():
        rows.append((phrase("Price of training done late"), view.yearly(view.array("cost_late"))))
    note = phrase("Money of the year, not discounted. The price of tokens not served steers the plan; nobody pays it.")
    table = by_year(view, phrase("Spending by year"), unit, rows, note)
    top = max(kinds, key=lambda kind: float(kind[2].sum()), default=None)
    said = {
        "total": say(float(total.sum()), "USD"),
        "years": view.span,
        "year": view.years[int(total.argmax())],
        "most": say(float(total.max()), "USD"),
    }
    lead = phrase("{total} are spent in {years}, the most in {year} ({most}).", **said)
    if top and total.sum():
        part = share(float(top[2].sum() / total.sum()))
        lead = phrase(
            "{total} are spent in {years}, the most in {year} ({most}); {kind} take {part}.",
            kind=within(top[0]),
            part=part,
            **said,
        )
    return Section("money", phrase("Cost"), lead, (figure, table))


def footprint(view: View) -> Section:
    """Energy, carbon and water by year and site.

    >>> from stackyard import api
    >>> made = api.plan("first-plan", steps=False)
    >>> view = View.of(made.built.problem, made.plan)
    >>> footprint(view).title
    'Energy, carbon and water'
    """
    known = [
        ("energy", phrase("Energy"), "J"),
        ("carbon", phrase("Carbon"), "kg CO₂e"),
        ("water_used", phrase("Water"), "m³"),
    ]
    if not np.allclose(view.array("carbon"), view.array("carbon_market")):
        known.insert(2, ("carbon_market", phrase("Carbon, market-based"), "kg CO₂e"))
    kinds = [kind for kind in known if kind[0] == "energy" or view.array(kind[0]).any()]
    yearly = {name: view.yearly(view.array(name)) for name, _, _ in kinds}
    units = {name: scale(yearly[name].sum(axis=0), unit) for name, _, unit in kinds}
    rows: list[tuple[Cell, ...]] = []
    for k, year in enumerate(view.years):
        for i, site in enumerate(view.ids(SITE)):
            if yearly["energy"][i, k] > 0:
                cells = tuple(float(yearly[name][i, k]) / units[name].factor for name, _, _ in kinds)
                rows.append((year, view.name(site), *cells))
    columns = tuple(Column(title, units[name].unit, decimals(units[name].of(yearly[name]))) for name, title, _ in kinds)
    table = Table(
        phrase("By year and site"),
        (Column(phrase("Year")), Column(phrase("Site")), *columns),
        tuple(rows),
        grade=view.grade,
    )
    unit = units["energy"]
    figure = Figure(
        "energy",
        phrase("Electricity by year and site"),
        Bars(view.years, view.series(SITE, yearly["energy"], unit), (), phrase("Site energy"), unit.unit),
        phrase("Stacked bars of site energy by site for each year of {years}.", years=view.span),
        grade=view.grade,
    )
    totals = {name: say(float(yearly[name].sum()), unit) for name, _, unit in kinds}
    told = listed([_FOOTPRINT[name].format(amount=total, years=view.span) for name, total in totals.items()])
    lead = phrase("Serving {told}.", told=told)
    if "water_used" not in totals:
        lead = phrase("Serving {told}; its cooling uses no water.", told=told)
    inside = float(view.array("carbon_embodied").sum())
    if inside > 0:
        said = say(inside, "kg CO₂e")
        more = phrase("The accelerators started embody {carbon}, of those with a figure.", carbon=said)
        lead = joined(" ", [lead, more])
    return Section("footprint", phrase("Energy, carbon and water"), lead, (figure, *_filled(table)))


_FOOTPRINT = {
    "energy": phrase("takes {amount} over {years}"),
    "carbon": phrase("emits {amount}"),
    "carbon_market": phrase("of which {amount} are left by market-based accounting"),
    "water_used": phrase("uses {amount} of water"),
}
