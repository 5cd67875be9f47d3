"""The plan's own sections: demand, memory, what is built, money and footprint. One function per section."""

from __future__ import annotations

import numpy as np

from stackyard.plan.problem import SITE, A, S, V
from stackyard.quantity import DAY, KILO
from stackyard.report.cells import listed
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

COSTS = {
    "cost_hbm": "HBM stacks",
    "cost_accelerators": "Systems and network",
    "cost_fitout": "Buildings and fit-out",
    "cost_upkeep": "Upkeep",
    "cost_energy": "Electricity",
    "cost_sources": "Power beside the grid",
    "cost_carbon": "Carbon",
    "cost_contracts": "Contracts and fees",
}


def spend(view: View) -> Array:
    """USD paid in each month: every cost except the price put on tokens not served, which nobody pays."""
    return np.asarray(sum(view.array(name) for name in COSTS))


def by_year(view: View, title: str, display: Scale, rows: list[tuple[str, Array]], note: str = "") -> Table:
    """A table with one column a year; rows are (name, values by year)."""
    shown = [display.of(values) for _, values in rows]
    tops = [max(values) for values in shown if 0 < max(values) < KILO]
    places = max(min((decimals([top]) for top in tops), default=0), int(any(top < 10 for top in tops)))
    columns = (Column(display.unit), *(Column(year, "", places) for year in view.years))
    return Table(title, columns, tuple((name, *display.of(values)) for name, values in rows), note, view.grade)


def demand(view: View) -> Section:
    """Tokens asked for against tokens served, by service."""
    asked, served = view.array("demand"), view.array("served")
    unit = scale(asked.sum(axis=0), "tokens/day")
    total = Series("limit/demand", "Asked for", unit.of(asked.sum(axis=0)))
    figure = Figure(
        "demand-served",
        "Tokens served by service, under the line of what is asked for",
        StackedArea(view.months, view.series(V, served, unit), (total,), "Tokens served", unit.unit),
        f"Stacked areas of tokens served a day by service, {view.span}, and a dashed line of total demand; "
        f"at the end {unit.text(served[:, -1].sum())} of {unit.text(asked[:, -1].sum())} are served.",
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
    whole = ("All services", *(float(100 * v) if np.isfinite(v) else None for v in view.served_share))
    table = Table(
        "Share of demand served, by service and year",
        (Column("%"), *(Column(year, "", 1) for year in view.years)),
        (*rows, whole),
        grade=view.grade,
    )
    return Section("demand", "Demand and service", _demand_lead(view, asked, served), (figure, table))


def _share(part: Array, whole: Array) -> Array:
    return np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)


def _demand_lead(view: View, asked: Array, served: Array) -> str:
    part = float(view.tokens(served).sum() / max(view.tokens(asked).sum(), 1e-30))
    short = [int(year) for year, served_part in zip(view.years, view.served_share, strict=True) if served_part < 0.995]
    if not short:
        return f"{'All' if part > 0.999999 else 'Nearly all'} that is asked for in {view.span} is served."
    missing = (view.tokens(asked) - view.tokens(served)).sum(axis=1)
    most = f"; {view.name(view.ids(V)[int(missing.argmax())])} goes short the most" if len(missing) > 1 else ""
    return (
        f"Demand is not served in full in {spans(short)}: {share(part)} of the tokens of {view.span} are served{most}."
    )


def memory(view: View) -> Section:
    """HBM stacks drawn against delivered, by supply."""
    drawn = view.array("draw").sum(axis=1)
    delivered, released = view.delivered, view.array("released")
    unit = scale(delivered.sum(axis=0), "stacks")
    figure = Figure(
        "stacks",
        "HBM stacks drawn each month by supply, under the line of what is delivered",
        StackedArea(
            view.months,
            view.series(S, drawn, unit),
            (Series("limit/delivered", "Delivered", unit.of(delivered.sum(axis=0))),),
            "HBM stacks a month",
            unit.unit,
            steps=True,
        ),
        f"Stacked areas of HBM stacks drawn a month by supply, {view.span}, and a dashed line of stacks delivered.",
        "Above the dashed line, stacks come out of stock; below it, they go into stock or are left to others. Supplies "
        "that cost the same are interchangeable, and so are some months: single bars may jump where sums do not.",
        view.grade,
    )
    columns = [view.array("stacks_start"), delivered.sum(axis=1), drawn.sum(axis=1), released.sum(axis=1)]
    columns.append(view.array("stock")[:, -1])
    table = _supply_table(view, columns)
    total = float(delivered.sum() + columns[0].sum())
    parts = ((columns[2], "go into accelerators"), (columns[3], "are left to others"), (columns[4], "stay in stock"))
    told = [f"{share(float(values.sum()) / max(total, 1e-30))} {what}" for values, what in parts if values.sum() > 0]
    lead = f"Of {say(total, 'stacks')} promised for {view.span}, {listed(told)}."
    return Section("memory", "HBM stacks", lead, (figure, table, *displaced(view), *wafers(view), *_needed(view)))


def _supply_table(view: View, columns: list[Array]) -> Table:
    unit = scale(np.array([values.sum() for values in columns]), "stacks")
    titles = ("In stock at the start", "Delivered", "Drawn", "Left to others", "In stock at the end")
    rows: list[tuple[Cell, ...]] = [
        (view.name(id_), *(values[i] / unit.factor for values in columns)) for i, id_ in enumerate(view.ids(S))
    ]
    rows.append(("All supplies", *(float(values.sum()) / unit.factor for values in columns)))
    places = max(decimals(unit.of(values)) for values in columns)
    heads = (Column("Supply"), *(Column(title, unit.unit, places) for title in titles))
    return Table(f"Where the stacks of {view.span} go", heads, tuple(rows), grade=view.grade)


def _needed(view: View) -> tuple[Figure, ...]:
    """Stacks in place, and with them those that the unserved tokens would take at the plan's own tokens per stack."""
    spp, peak = view.stacks_per_package, view.array("peak_to_mean")[:, None] / DAY
    at_work = np.einsum("aivt,a->vt", view.array("run"), spp)
    on_sale = (np.cumsum(view.array("orders_max") > 0, axis=-1) > 0) | (view.installed > 0)
    best = np.max((view.array("rate") / spp[:, None])[:, :, None] * on_sale[:, None, :], axis=0)
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
        (Series("total/installed", "In installed accelerators", unit.of(placed)),),
        (
            Series("limit/demand", "Needed to serve all demand", unit.of(needed)),
            Series("limit/delivered", "Delivered since the start", unit.of(bought)),
        ),
        "Stacks in place",
        unit.unit,
    )
    end = f"{unit.text(placed[-1])} are in place and {unit.text(needed[-1])} would serve all demand"
    return (
        Figure(
            "stacks-needed",
            "Stacks in place, against what all demand would need",
            lines,
            f"Lines of HBM stacks in installed accelerators, delivered since the start and needed; at the end {end}.",
            "What is needed adds to what is in place the stacks that the unserved tokens would take at the plan's own "
            "tokens per stack, or on the best accelerator on sale where a service is not served at all.",
            view.grade,
        ),
    )


def built(view: View) -> Section:
    """What is ordered and installed, where and when."""
    bought = view.yearly(view.array("bought"))
    placed, retired = view.yearly(view.array("placed")), view.yearly(view.array("retired"))
    standing = view.year_end(view.array("installed"))
    orders = by_year(
        view,
        "Accelerators to order (stacks drawn in the year)",
        scale(bought, "accelerators"),
        [(view.name(id_), bought[i]) for i, id_ in enumerate(view.ids(A)) if bought[i].any()],
    )
    pairs = [(i, j) for i in range(len(view.ids(SITE))) for j in range(len(view.ids(A))) if standing[j, i].any()]
    names = {(i, j): f"{view.name(view.ids(SITE)[i])} · {view.name(view.ids(A)[j])}" for i, j in pairs}
    title = "Accelerators in place in December, by site"
    places = by_year(
        view, title, scale(standing / 10, "accelerators"), [(names[i, j], standing[j, i]) for i, j in pairs]
    )
    moves = _moves(view, placed, retired, standing)
    return Section("built", "What is built, where and when", _built_lead(view, bought), _filled(orders, places, moves))


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
    heads = (Column("Year"), Column("Site"), Column("Accelerator"))
    counts = tuple(Column(title, unit.unit, places) for title in ("Installed", "Taken out", "In place in December"))
    title = "Installed and taken out, by year, site and accelerator"
    return Table(title, heads + counts, tuple(rows), grade=view.grade, folded=True)


def _filled(*tables: Table) -> tuple[Block, ...]:
    return tuple(table if table.rows else Note(f"{table.title}: nothing in this plan.") for table in tables)


def _built_lead(view: View, bought: Array) -> str:
    totals = bought.sum(axis=1)
    if totals.sum() <= 0:
        return "The plan buys no accelerators."
    order = [int(i) for i in np.argsort(-totals) if totals[i] > 0]
    kinds = listed([f"{say(totals[i], view.name(view.ids(A)[i]))}" for i in order])
    never = [view.name(id_) for i, id_ in enumerate(view.ids(A)) if totals[i] <= 0]
    return f"The plan orders {kinds}." + (f" It never orders {listed(never)}." if never else "")


def money(view: View) -> Section:
    """Spending by year and kind; the price of unserved demand apart."""
    kinds = [(label, name, view.yearly(view.array(name))) for name, label in COSTS.items()]
    kinds = [kind for kind in kinds if kind[2].any()]
    total = view.yearly(spend(view))
    budget = view.array("budget")
    unit = scale(total, "USD")
    limits = (Series("limit/budget", "Budget", unit.of(budget)),) if np.isfinite(budget).all() else ()
    figure = Figure(
        "cost",
        "Spending by year and kind",
        Bars(
            view.years,
            tuple(Series(f"cost/{name}", label, unit.of(values)) for label, name, values in kinds),
            limits,
            "Spending",
            unit.unit,
        ),
        f"Stacked bars of spending by kind for each year of {view.span}.",
        grade=view.grade,
    )
    rows = [(label, values) for label, _, values in kinds] + [("Total spent", total)]
    if np.isfinite(budget).any():
        rows.append(("Budget", budget))
    rows.append(("Price of tokens not served", view.yearly(view.array("cost_unserved"))))
    if view.array("cost_late").any():
        rows.append(("Price of training done late", view.yearly(view.array("cost_late"))))
    note = "Money of the year, not discounted. The price of tokens not served steers the plan; nobody pays it."
    table = by_year(view, "Spending by year", unit, rows, note)
    top = max(kinds, key=lambda kind: float(kind[2].sum()), default=None)
    most = f"; {top[0].lower()} take {share(float(top[2].sum() / total.sum()))}" if top and total.sum() else ""
    if top and top[0].startswith("HBM"):
        most = most.replace("hbm", "HBM")
    peak = f"{view.years[int(total.argmax())]} ({say(float(total.max()), 'USD')})"
    lead = f"{say(float(total.sum()), 'USD')} are spent in {view.span}, the most in {peak}{most}."
    return Section("money", "Cost", lead, (figure, table))


def footprint(view: View) -> Section:
    """Energy, carbon and water by year and site."""
    known = [("energy", "Energy", "J"), ("carbon", "Carbon", "kg CO₂e"), ("water_used", "Water", "m³")]
    if not np.allclose(view.array("carbon"), view.array("carbon_market")):
        known.insert(2, ("carbon_market", "Carbon, market-based", "kg CO₂e"))
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
    table = Table("By year and site", (Column("Year"), Column("Site"), *columns), tuple(rows), grade=view.grade)
    unit = units["energy"]
    figure = Figure(
        "energy",
        "Electricity by year and site",
        Bars(view.years, view.series(SITE, yearly["energy"], unit), (), "Site energy", unit.unit),
        f"Stacked bars of site energy by site for each year of {view.span}.",
        grade=view.grade,
    )
    totals = {name: say(float(yearly[name].sum()), unit) for name, _, unit in kinds}
    words = {"energy": "takes {} over " + view.span, "carbon": "emits {}", "water_used": "uses {} of water"}
    words["carbon_market"] = "of which {} are left by market-based accounting"
    told = [words[name].format(total) for name, total in totals.items()]
    lead = f"Serving {listed(told)}{'' if 'water_used' in totals else '; its cooling uses no water'}."
    inside = float(view.array("carbon_embodied").sum())
    if inside > 0:
        lead += f" The accelerators started embody {say(inside, 'kg CO₂e')}, of those with a figure."
    return Section("footprint", "Energy, carbon and water", lead, (figure, *_filled(table)))
