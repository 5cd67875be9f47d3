"""The Sankey diagram of a December: whose wafers and stacks sit in which accelerators, where, and serve what."""

from __future__ import annotations

import numpy as np

from stackyard.plan.problem import SITE, A, S, V
from stackyard.report.document import Figure, Node, Note, Sankey, Section
from stackyard.report.scale import say, scale, share
from stackyard.report.view import Array, View
from stackyard.words import joined, phrase
from stackyard.words import month as named

_LEAST = 1e-3  # share of all stacks below which a flow is a hairline and is left out
_WAFERS = phrase(
    "DRAM wafers are those started for these stacks, all yields in; supplies promised as stacks start at the supply."
)


def chain(view: View, year: str = "") -> Section:
    """Stacks in place in December of the year (the one that serves most, if not said), followed to the services.

    >>> from stackyard import api
    >>> made = api.plan("first-plan", steps=False)
    >>> view = View.of(made.built.problem, made.plan)
    >>> chain(view).title
    'From stacks to tokens'
    """
    wafers = view.array("wafers_per_stack").any()
    title = phrase("From wafers to tokens") if wafers else phrase("From stacks to tokens")
    served = view.year_end(view.array("served").sum(axis=0))
    chosen = year or view.years[int(served.argmax())]
    month = view.in_year(chosen)[-1]
    spp = view.stacks_per_package
    by_site = view.array("installed")[:, :, month] * spp[:, None]
    total = float(by_site.sum())
    if total <= 0:
        text = Note(phrase("Nothing is installed in December {year}.", year=chosen))
        return Section("chain", title, phrase("No accelerator is in place in {year}.", year=chosen), (text,))
    made = _by_supply(view, month, by_site.sum(axis=1))
    serving = np.einsum("aiv,a->iv", view.running[:, :, :, month], spp)
    spare = np.clip(by_site.sum(axis=0) - serving.sum(axis=1), 0, None)
    figure = _figure(view, month, made, by_site, serving, spare)
    idle = float(spare.sum()) / total
    tokens = float(view.array("served")[:, month].sum())
    lead = phrase(
        "In December {year}, {stacks} are in place and serve {tokens}; {part} of them are spares, in repair or without "
        "work at the day's peak.",
        year=chosen,
        stacks=say(total, "stacks"),
        tokens=say(tokens, "tokens/day"),
        part=share(idle),
    )
    return Section("chain", title, lead, (figure,))


def _by_supply(view: View, month: int, stacks: Array) -> Array:
    """Stacks in place by (supply, accelerator); the row after the last supply is what was there before the horizon.

    A fleet's stacks are of unknown make. The rest is shared among supplies as they were drawn, up to the month from
    which accelerators could be ready.
    """
    draw = view.array("draw")
    lead = view.array("lead_months").astype(int)
    drawn = np.stack([draw[:, a, : max(0, month - lead[a]) + 1].sum(axis=1) for a in range(len(lead))], axis=1)
    part = np.divide(drawn, drawn.sum(axis=0), out=np.zeros_like(drawn), where=drawn.sum(axis=0) > 0)
    fleet = view.array("fleet")[:, :, month].sum(axis=1) * view.stacks_per_package
    before = np.where(drawn.sum(axis=0) > 0, np.minimum(fleet, stacks), stacks)
    return np.vstack([part * (stacks - before), before])


def _figure(view: View, at: int, made: Array, by_site: Array, serving: Array, spare: Array) -> Figure:
    unit = scale([by_site.sum()], "stacks")
    supplies = [*((f"{S}/{id_}", view.name(id_)) for id_ in view.ids(S)), ("before", phrase("In place before"))]
    accelerators = [(f"{A}/{id_}", view.name(id_)) for id_ in view.ids(A)]
    sites = [(f"{SITE}/{id_}", view.name(id_)) for id_ in view.ids(SITE)]
    tokens = view.array("served")[:, at]
    services = [
        (f"{V}/{id_}", joined(", ", [view.name(id_), say(float(tokens[i]), "tokens/day")]))
        for i, id_ in enumerate(view.ids(V))
    ]
    services.append(("spare", phrase("Spare or idle")))
    stages = [supplies, accelerators, sites, services]
    flows = [made, by_site, np.column_stack([serving, spare])]
    wafers = view.array("wafers_per_stack") * made[:-1].sum(axis=1)
    if wafers.any():
        names = [
            joined(", ", [say(float(count), "wafers"), name])
            for (_, name), count in zip(supplies, wafers, strict=False)
        ]
        stages.insert(0, [(f"wafer/{id_}", name) for id_, name in zip(view.ids(S), names, strict=True)])
        flows.insert(0, np.diag((wafers > 0) * made[:-1].sum(axis=1)))
    links = tuple(
        (stages[k][i][0], stages[k + 1][j][0], float(flow[i, j]) / unit.factor)
        for k, flow in enumerate(flows)
        for i, j in np.argwhere(flow > _LEAST * by_site.sum()).tolist()
    )
    used = {end for start, stop, _ in links for end in (start, stop)}
    nodes = tuple(Node(id_, name, k) for k, stage in enumerate(stages) for id_, name in stage if id_ in used)
    when = named(view.months[at])
    note = phrase(
        "Every stage is counted in HBM stacks in place, so widths compare from end to end. Stacks of one accelerator "
        "are shared among supplies in proportion to what was drawn so far. Services count accelerators at the day's "
        "peak."
    )
    title = (
        phrase("HBM stacks in place in {month}: by wafers, supply, accelerator, site and service", month=when)
        if wafers.any()
        else phrase("HBM stacks in place in {month}: by supply, accelerator, site and service", month=when)
    )
    return Figure(
        "chain",
        title,
        Sankey(nodes, links, unit.unit),
        phrase(
            "Sankey diagram of {stacks} in place in {month}: from the supplies that delivered them and the wafers "
            "behind them, through accelerators and sites, to the services they serve.",
            stacks=say(float(by_site.sum()), "stacks"),
            month=when,
        ),
        joined(" ", [note, _WAFERS if wafers.any() else ""]),
        view.grade,
    )
