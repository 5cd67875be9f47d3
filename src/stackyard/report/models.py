"""Which model serves each service, where several may stand for it, and why."""

from __future__ import annotations

import numpy as np

from stackyard.plan.plan import Plan, reported
from stackyard.plan.problem import A, Problem, V, W
from stackyard.plan.ways import by_year
from stackyard.quantity import MEGA
from stackyard.report.document import Cell, Column, Section, Table
from stackyard.report.scale import say, share
from stackyard.report.view import View
from stackyard.words import joined, listed, phrase


def models(view: View, problem: Problem, plan: Plan) -> tuple[Section, ...]:
    """The section of models; none where every service has one.

    >>> from stackyard import api
    >>> made = api.plan("first-plan", steps=False)
    >>> view = View.of(made.built.problem, made.plan)
    >>> models(view, made.built.problem, made.plan)  # every service has one model
    ()
    """
    several = np.flatnonzero(view.array("way_service").sum(axis=0) > 1)
    if not several.size:
        return ()
    of = view.array("way_service").argmax(axis=1)
    ways = [int(w) for v in several for w in np.flatnonzero(of == v)]
    found = by_year(*reported(problem, plan))
    shares, costs = found["share"].values, found["cost"].values
    tables = (_shares(view, ways, of, shares), _costs(view, ways, of, costs))
    return (Section("models", phrase("Which model serves what"), _lead(view, several.tolist(), of), tables),)


def _lead(view: View, several: list[int], of: np.ndarray) -> str:
    told = []
    tokens = view.tokens(view.array("answered")).sum(axis=1)
    for v in several:
        own = np.flatnonzero(of == v)
        total = float(tokens[own].sum())
        used = [int(w) for w in own[np.argsort(-tokens[own])] if tokens[w] > 1e-6 * total]
        unused = [view.name(view.ids(W)[w]) for w in own if tokens[w] <= 1e-6 * total]
        parts = [
            phrase(
                "{model} ({part} of its tokens)", model=view.name(view.ids(W)[w]), part=share(float(tokens[w]) / total)
            )
            for w in used
        ]
        said = {"service": view.name(view.ids(V)[v]), "models": listed(parts)}
        told.append(
            phrase("{service} is served by {models}, never by {others}.", others=listed(unused), **said)
            if unused
            else phrase("{service} is served by {models}.", **said)
        )
    return joined(" ", told)


def _shares(view: View, ways: list[int], of: np.ndarray, shares: np.ndarray) -> Table:
    """What each model does on its best accelerator, and its share of each year's served tokens."""
    rate, fee, loss = (view.array(name) for name in ("rate", "way_fee", "way_loss"))
    price = view.array("unserved_price")
    rows: list[tuple[Cell, ...]] = []
    for w in ways:
        best = int(rate[:, w].argmax())
        runs = rate[best, w] > 0
        worth = 1.0 - float(loss[w, 0] / price[of[w], 0]) if price[of[w], 0] > 0 else 1.0
        rows.append(
            (
                view.name(view.ids(V)[of[w]]),
                view.name(view.ids(W)[w]),
                share(worth),
                joined(", ", [say(float(rate[best, w]), "tokens/s"), view.name(view.ids(A)[best])])
                if runs
                else phrase("on none"),
                float(fee[w, 0] * MEGA),
                *(100 * float(each) if np.isfinite(each) else None for each in shares[w]),
            )
        )
    columns = (
        Column(phrase("Service")),
        Column(phrase("Model")),
        Column(phrase("Token's worth")),
        Column(phrase("Most on one accelerator")),
        Column(phrase("Fee"), phrase("USD/M tokens"), 2),
        *(Column(year, phrase("% of tokens"), 1) for year in view.years),
    )
    note = phrase("The fee is that of the first month. Most on one accelerator: planned rate, tail latency kept free.")
    return Table(phrase("Share of each model"), columns, tuple(rows), note, view.grade)


def _costs(view: View, ways: list[int], of: np.ndarray, costs: np.ndarray) -> Table:
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            view.name(view.ids(V)[of[w]]),
            view.name(view.ids(W)[w]),
            *(MEGA * float(each) if np.isfinite(each) else None for each in costs[w]),
        )
        for w in ways
    )
    columns = (
        Column(phrase("Service")),
        Column(phrase("Model")),
        *(Column(year, phrase("USD/M tokens"), 3) for year in view.years),
    )
    note = phrase(
        "At the plan's own prices, on the accelerator in place on which it is cheapest: rent (what the accelerator "
        "earns at its best other use), power, fee, and what the token is worth less. The plan takes the cheapest, and "
        "another where that one has reached its largest share; a dash is a model that nothing in place can run."
    )
    return Table(phrase("Why: what a million tokens costs by each model"), columns, rows, note, view.grade)
