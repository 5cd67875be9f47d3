"""The planner's optimum equals that of a program written again from design/problem.md, by plain loops, for scipy."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
import scipy.optimize

from stackyard.plan.problem import SITE, A, B, C, G, K, N, O, P, Problem, R, S, T, V, W, Y
from stackyard.plan.solve import Solved


class Rows:
    """A dense program under construction: columns are made when first named."""

    def __init__(self) -> None:
        self.columns: dict[tuple[Any, ...], int] = {}
        self.cost: defaultdict[int, float] = defaultdict(float)
        self.equal: list[tuple[dict[int, float], float]] = []
        self.most: list[tuple[dict[int, float], float]] = []
        self.between: dict[int, tuple[float, float]] = {}  # bounds of columns that are whole numbers

    def column(self, *name: Any) -> int:
        return self.columns.setdefault(name, len(self.columns))

    def add(self, rows: list[Any], terms: list[tuple[float, int]], right: float) -> None:
        row: defaultdict[int, float] = defaultdict(float)
        for coefficient, column in terms:
            row[column] += coefficient
        rows.append((row, right))

    def optimum(self, money: float) -> float:
        def dense(rows: list[Any]) -> tuple[Any, Any]:
            matrix = np.zeros((len(rows), len(self.columns)))
            for i, (row, _) in enumerate(rows):
                for column, value in row.items():
                    matrix[i, column] = value
            return matrix, np.array([right for _, right in rows])

        cost = np.array([self.cost[i] for i in range(len(self.columns))]) / money
        left, right = dense(self.equal)
        upper, most = dense(self.most)
        whole, bounds = np.zeros(cost.size), np.tile([0.0, np.inf], (cost.size, 1))
        for column, ends in self.between.items():
            whole[column], bounds[column] = 1, ends
        found = scipy.optimize.milp(
            cost,
            integrality=whole,
            bounds=scipy.optimize.Bounds(*bounds.T),
            constraints=[
                scipy.optimize.LinearConstraint(left, right, right),
                scipy.optimize.LinearConstraint(upper, -np.inf, most),
            ],
            options={"mip_rel_gap": 1e-9},
        )
        assert found.status == 0, found.message
        return float(found.fun) * money


def committed(p: Rows, d: Any, n: Any, t: int, months: Any, pay: Callable[..., None]) -> None:
    """Contracts, fees, whole systems and training of one month."""
    x = p.column
    for s in n[S]:
        offers = [(-d["option_stacks"][o, s, t], x("chosen", o)) for o in n[O]]
        p.add(p.most, [(1.0, x("take", s, t)), *offers], 0)
        pay(t, x("take", s, t), 1e3 * d["take_price"][s, t])
        least = [(d["option_minimum"][o, s, t], x("chosen", o)) for o in n[O]]
        if any(value for value, _ in least):
            taken = [(-1.0, x("take", s, u)) for u in range(t + 1) if months[u][:4] == months[t][:4]]
            short = [(-1.0, x("short", s, t))] if np.isfinite(d["short_price"][s, t]) else []
            p.add(p.most, [*taken, *short, *least], 0)
            if short:
                pay(t, x("short", s, t), 1e3 * d["short_price"][s, t])
    for o in n[O]:
        pay(t, x("chosen", o), d["option_fee"][o, t])
    for a in n[A]:
        if d["lot"][a]:
            p.add(p.equal, [(1.0, x("bought", a, t)), (-d["lot"][a], x("lots", a, t))], 0)
    for c in n[C]:
        cluster = [(1.0, x("train", a, i, c, t)) for a, i in product(n[A], n[SITE])]
        undone = [(-1.0, x("undone", c, t))] + ([(1.0, x("undone", c, t - 1))] if t else [])
        for a, i in product(n[A], n[SITE]):
            train = x("train", a, i, c, t)
            undone.append((-d["train_rate"][a, c] * d["seconds"][t] / 1e21, train))
            p.add(
                p.most, [(1.0, train), (-d["cluster_most"][a, i, c] * d["campaign_open"][c, t], x("host", a, i, c))], 0
            )
        p.add(p.most, undone, 0 if t else -d["campaign_flop"][c] / 1e24)
        p.cost[x("undone", c, t)] += 1e24 * d["discount"][t] * d["campaign_late"][c, t]
        if d["campaign_least"][c]:
            p.add(p.most, [(d["campaign_least"][c], x("active", c, t)), *((-1.0, one) for _, one in cluster)], 0)
            p.add(p.most, [*cluster, (-1e3 * d["cluster_most"].max(), x("active", c, t))], 0)


def supplied(p: Rows, d: Any, n: Any, i: int, t: int, at_peak: Any, on_average: Any, pay: Callable[..., None]) -> None:
    """Plant, grid and sources of one site in one month, in MW."""
    x, here = p.column, [s for s in n[P] if d["source_site"][s, i]]
    fitted = x("fitted", i, t)
    p.add(p.most, [*((d["pue_design"][i] * w, c) for w, c in at_peak), (-1.0, fitted)], 0)
    drawn = [(d["pue_peak"][i, t] * w, c) for w, c in at_peak] + [(d["overhead_peak"][i, t], fitted)]
    firm = [(-d["source_firm"][s, t], x("capacity", s, t)) for s in here]
    p.add(p.most, [*drawn, *firm, (-1.0, x("grid_peak", i, t))], 0)
    opened = [(-d["option_power"][o, i, t], x("chosen", o)) for o in n[O]]
    p.add(p.most, [(1.0, x("grid_peak", i, t)), *opened], d["site_power"][i, t])
    used = [(d["pue"][i, t] * w, c) for w, c in on_average] + [(d["overhead"][i, t], fitted)]
    used += [(d["source_loss"][s, t], x("capacity", s, t)) for s in here]
    p.add(p.equal, [*used, *((-1.0, x("output", s, t)) for s in here), (-1.0, x("grid", i, t))], 0)
    pay(t, x("grid_peak", i, t), 1e6 * d["demand_charge"][i, t])
    price = d["electricity_price"][i, t] + d["carbon_price"][t] * d["grid_carbon"][i, t]
    pay(t, x("grid", i, t), 1e6 * d["seconds"][t] * price)
    over = [(1.0, x("grid", i, t)), (-1.0, x("grid_peak", i, t))]
    dearer, blocks = d["block_premium"][i, :, t], n[B]
    stores = [s for s in here if d["source_shift"][s, t] and dearer.max() > dearer.min()]
    for s in here:
        p.add(p.most, [(1.0, x("output", s, t)), (-d["source_yield"][s, t], x("capacity", s, t))], 0)
        room = [(-d["option_source"][o, s, t], x("chosen", o)) for o in n[O]]
        p.add(p.most, [(1.0, x("capacity", s, t)), *room], d["source_most"][s, t])
        if s in stores:
            given = [(1.0, x("discharged", s, b, t)) for b in blocks]
            p.add(p.most, [*given, (-d["source_shift"][s, t], x("capacity", s, t))], 0)
            p.add(p.equal, [*given, *((-1.0, x("charged", s, b, t)) for b in blocks)], 0)
            for b in blocks:
                pay(t, x("discharged", s, b, t), -1e6 * d["seconds"][t] * dearer[b])
                pay(t, x("charged", s, b, t), 1e6 * d["seconds"][t] * dearer[b])
        over.append((d["source_wheeled"][s], x("output", s, t)))
        before = [(-1.0, x("capacity", s, t - 1))] if t else []
        p.add(p.equal, [(1.0, x("capacity", s, t)), *before, (-1.0, x("built", s, t))], 0)
        fuel = d["source_energy_price"][s, t] + d["carbon_price"][t] * d["source_carbon"][s]
        pay(t, x("output", s, t), 1e6 * d["seconds"][t] * fuel)
        pay(t, x("capacity", s, t), 1e6 * d["source_upkeep"][s, t])
        pay(t, x("built", s, t), 1e6 * d["source_price"][s, t], d["source_residual"][s, t])
    for b in blocks if here else ():
        share = d["block_share"][i, b]
        p.add(p.most, [*((1.0, x("discharged", s, b, t)) for s in stores), (-share, x("grid", i, t))], 0)
        net = [(sign / share, x(name, s, b, t)) for s in stores for name, sign in (("charged", 1), ("discharged", -1))]
        p.add(p.most, [*over, *net], 0)


def between(p: Rows, d: Any, n: Any) -> None:
    """Bounds of what is whole, groups, needs, and what one campaign or contract may have in all."""
    x, end = p.column, d["discount"][-1]
    for o in n[O]:
        p.between[x("chosen", o)] = (d["option_least"][o], d["option_most"][o])
        p.cost[x("chosen", o)] -= end * d["option_left"][o]
        for other in n[N]:
            if d["option_needs"][o, other]:
                p.add(p.most, [(1.0, x("chosen", o)), (-1.0, x("chosen", other))], 0)
        for s in n[S]:
            if np.isfinite(d["option_total"][o, s]):
                own = [(1.0, x("take", s, t)) for t in n[T]]
                p.add(p.most, [*own, (-d["option_total"][o, s], x("chosen", o))], 0)
    for g in n[G]:
        p.add(p.most, [(d["option_group"][o, g], x("chosen", o)) for o in n[O]], 1)
    for name, column in list(p.columns.items()):
        if name[0] in ("host", "active"):
            p.between[column] = (0.0, 1.0)
        elif name[0] == "lots":
            p.between[column] = (0.0, np.inf)
    for c in n[C]:
        p.add(p.most, [(1.0, x("host", a, i, c)) for a, i in product(n[A], n[SITE])], 1)


def by_loops(problem: Problem) -> float:  # noqa: C901 - as flat as the table it is written from
    """Least net present cost; amounts in thousands, watts in MW, tokens in units of 1e12."""
    d = {name: problem.data[name].values.copy() for name in problem.data}
    kilo = ("stacks_delivered", "stacks_start", "packaging_wafers", "orders_max", "fleet", "lot", "cluster_most")
    kilo += ("option_stacks", "option_total", "option_minimum", "campaign_least")
    for name in kilo:
        d[name] /= 1e3
    for name in ("site_power", "fitted_start", "option_power", "option_source", "source_most"):
        d[name] /= 1e6
    for name in ("demand", "tier_start"):
        d[name] /= 1e12
    of = d["way_service"].argmax(axis=1)
    months, years = problem.data[T].values, problem.data[Y].values
    n = {dim: range(size) for dim, size in problem.data.sizes.items()}
    p, end = Rows(), len(months) - 1
    x = p.column
    spending: defaultdict[int, list[tuple[float, int]]] = defaultdict(list)

    def pay(t: int, column: int, usd: float, residual: float = 0.0) -> None:
        spending[t].append((usd, column))
        p.cost[column] += d["discount"][t] * usd - d["discount"][end] * residual * usd

    for t in n[T]:
        days = d["seconds"][t] / 86400
        for s in n[S]:
            fitting = [a for a in n[A] if d["fits_stack"][s, a] and not d["undrawable"][s, a, t]]
            before = [(-1.0, x("stock", s, t - 1))] if t else []
            drawn = [(1.0, x("draw", s, a, t)) for a in fitting]
            start = 0 if t else d["stacks_start"][s]
            terms = [(1.0, x("stock", s, t)), *before, *drawn, (1.0, x("released", s, t)), (-1.0, x("take", s, t))]
            p.add(p.equal, terms, d["stacks_delivered"][s, t] + start)
            pay(t, x("stock", s, t), 1e3 * d["stack_holding"][s, t])
            for a in fitting:
                pay(t, x("draw", s, a, t), 1e3 * d["stack_price"][s, t])
                left = d["accelerator_residual"][a, t] * d["stack_value"][s, t]
                p.cost[x("draw", s, a, t)] -= d["discount"][end] * 1e3 * left
        for k in n[K]:
            terms = [(d["wafers_per_package"][k, a], x("bought", a, t)) for a in n[A]]
            p.add(p.most, terms, d["packaging_wafers"][k, t])
        for a in n[A]:
            may = [s for s in n[S] if d["fits_stack"][s, a] and not d["undrawable"][s, a, t]]
            drawn = [(1.0, x("draw", s, a, t)) for s in may]
            p.add(p.equal, [*drawn, (-d["stacks_per_package"][a], x("bought", a, t))], 0)
            if np.isfinite(d["orders_max"][a, t]):
                p.add(p.most, [(1.0, x("bought", a, t))], d["orders_max"][a, t])
            pay(t, x("bought", a, t), 1e3 * d["accelerator_price"][a, t], d["accelerator_residual"][a, t])
            if t + int(d["lead_months"][a]) > end:  # nothing is started that would not arrive
                p.add(p.most, [(1.0, x("bought", a, t))], 0)
            started = t - int(d["lead_months"][a])
            terms = [(1.0, x("waiting", a, t))] + ([(-1.0, x("waiting", a, t - 1))] if t else [])
            terms += [(-1.0, x("bought", a, started))] if started >= 0 else []
            pay(t, x("waiting", a, t), 1e3 * d["waiting_holding"][a, t])
            p.add(p.equal, terms + [(1.0, x("placed", a, i, t)) for i in n[SITE] if d["allowed"][a, i]], 0)
        for a, i in product(n[A], n[SITE]):
            placed = [(-1.0, x("placed", a, i, t))] if d["allowed"][a, i] else []
            here = x("installed", a, i, t)
            before = [(-1.0, x("installed", a, i, t - 1))] if t else []
            p.add(
                p.equal,
                [(1.0, here), *before, *placed, (1.0, x("retired", a, i, t))],
                0 if t else d["fleet"][a, i, 0],
            )
            alive = range(max(0, t - int(d["life_months"][a]) + 1), t + 1) if d["allowed"][a, i] else ()
            p.add(p.most, [(1.0, here)] + [(-1.0, x("placed", a, i, u)) for u in alive], d["fleet"][a, i, t])
            running = [(1.0, x("run", a, i, v, t)) for v in n[W] if d["rate"][a, v]]
            running += [(1.0, x("train", a, i, c, t)) for c in n[C]]
            p.add(p.most, [*running, (-d["availability"][a], here)], 0)
        for i in n[SITE]:
            at_peak, on_average = [], []  # IT power, MW
            for a in n[A]:
                idle = d["power_idle"][a]
                pay(t, x("installed", a, i, t), 1e3 * d["upkeep"][a, t])
                for terms in (at_peak, on_average):
                    terms.append((idle / 1e3, x("installed", a, i, t)))
                for w in n[W]:
                    if d["rate"][a, w]:
                        more = (d["power_busy"][a, w] - idle) / 1e3
                        at_peak.append((more, x("run", a, i, w, t)))
                        on_average.append((more / d["peak_to_mean"][of[w]], x("run", a, i, w, t)))
                for c in n[C]:
                    for terms in (at_peak, on_average):
                        terms.append(((d["train_power"][a, c] - idle) / 1e3, x("train", a, i, c, t)))
            supplied(p, d, n, i, t, at_peak, on_average, pay)
            before = [(-1.0, x("fitted", i, t - 1))] if t else []
            start = 0 if t else d["fitted_start"][i]
            p.add(p.most, [(1.0, x("fitted", i, t)), *before, (-1.0, x("fitout", i, t))], start)
            pay(t, x("fitout", i, t), 1e6 * d["fitout_price"][i, t], d["fitout_residual"][i, t])
        for w in n[W]:
            runs = [(a, i) for a, i in product(n[A], n[SITE]) if d["rate"][a, w]]
            each = {a: d["rate"][a, w] * 86400 / d["peak_to_mean"][of[w]] / 1e9 for a in n[A]}
            p.add(p.equal, [(1.0, x("answered", w, t))] + [(-each[a], x("run", a, i, w, t)) for a, i in runs], 0)
            p.add(p.most, [(1.0, x("answered", w, t)), (-d["way_most"][w], x("served", of[w], t))], 0)
            pay(t, x("answered", w, t), 1e12 * days * d["way_fee"][w, t])
            p.cost[x("answered", w, t)] += 1e12 * d["discount"][t] * days * d["way_loss"][w, t]
        for v in n[V]:
            own = [(-1.0, x("answered", w, t)) for w in n[W] if of[w] == v]
            p.add(p.equal, [(1.0, x("served", v, t)), *own], 0)
            p.add(p.equal, [(1.0, x("served", v, t)), (1.0, x("unserved", v, t))], d["demand"][v, t])
            p.cost[x("unserved", v, t)] += 1e12 * d["discount"][t] * days * d["unserved_price"][v, t]
            for r in n[R]:
                deep = x("deep", v, r, t)
                p.add(p.most, [(1.0, x("unserved", v, t)), (-1.0, deep)], d["tier_start"][v, r, t])
                p.cost[deep] += 1e12 * d["discount"][t] * days * d["tier_price"][v, r, t]
        committed(p, d, n, t, months, pay)
    between(p, d, n)
    for y in n[Y]:
        if np.isfinite(d["budget"][y]):
            spent = [(u / 1e6, c) for t in n[T] if months[t].startswith(str(years[y])) for u, c in spending[t]]
            p.add(p.most, spent, d["budget"][y] / 1e6)
    return p.optimum(1e6)


@pytest.mark.parametrize("seed", range(40))
def test_optimum_equals_a_program_written_by_loops(
    seed: int, problem_of: Callable[[int], Problem], solved_of: Callable[[int], Solved]
) -> None:
    assert solved_of(seed).plan.objective == pytest.approx(by_loops(problem_of(seed)), rel=1e-6)


@pytest.mark.parametrize("seed", range(30))
def test_the_best_choices_are_those_of_a_program_written_by_loops(
    seed: int, whole_of: Callable[[int], Problem], chosen_of: Callable[[int], Solved]
) -> None:
    assert chosen_of(seed).plan.objective == pytest.approx(by_loops(whole_of(seed)), rel=3e-6)
