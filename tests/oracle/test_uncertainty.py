"""Uncertainty against closed forms and brute force."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr

from stackyard.plan.problem import SITE, A, K, Problem, S, T, V
from stackyard.plan.solve import solve_warm
from stackyard.plan.uncertainty.robust import Robust, branched, cost_with, robust
from stackyard.plan.uncertainty.sample import independent
from stackyard.plan.uncertainty.sensitivity import indices
from stackyard.plan.uncertainty.shapes import SHAPES, steps


def test_sobol_indices_of_the_ishigami_function() -> None:
    """y = sin x1 + 7 sin^2 x2 + 0.1 x3^4 sin x1 on (-pi, pi)^3; closed form of T. Ishigami and T. Homma (1990)."""
    a, b = 7.0, 0.1
    points = independent(2048, 3, 3)
    x = np.pi * (2 * points - 1)
    y = np.sin(x[:, 0]) + a * np.sin(x[:, 1]) ** 2 + b * x[:, 2] ** 4 * np.sin(x[:, 0])
    variance = a**2 / 8 + b * np.pi**4 / 5 + b**2 * np.pi**8 / 18 + 0.5
    one = (b * np.pi**4 / 5 + b**2 * np.pi**8 / 50 + 0.5) / variance
    both = b**2 * np.pi**8 * (1 / 18 - 1 / 50) / variance
    two = a**2 / 8 / variance
    found = {row.name: row for row in indices(["x1", "x2", "x3"], ["x1", "x2", "x3"], "y", points, y).indices}
    assert [found[name].first for name in ("x1", "x2", "x3")] == pytest.approx([one, two, 0.0], abs=0.03)
    assert [found[name].total for name in ("x1", "x2", "x3")] == pytest.approx([one + both, two, both], abs=0.03)


def test_the_surrogate_s_error_is_that_of_new_points() -> None:
    def function(u: np.ndarray) -> np.ndarray:
        return np.asarray(np.maximum(u[:, 0] - 0.4, 0.0) + 0.3 * u[:, 1] * u[:, 2])

    points = independent(256, 3, 5)
    found = indices(["a", "b", "c"], ["a", "b and c", "b and c"], "y", points, function(points))
    assert 0 < found.unexplained < 0.01
    assert [row.name for row in found.indices] == ["a", "b and c"]
    assert sum(row.first for row in found.indices) == pytest.approx(1.0, abs=0.05)  # nothing between the groups


@pytest.mark.parametrize("shape", list(SHAPES))
def test_quantiles_keep_to_their_range_and_mode(shape: str) -> None:
    p = np.linspace(0.001, 0.999, 9999)
    values = SHAPES[shape](p, 2.0, 3.0, 6.0)
    assert np.all(np.diff(values) >= 0)
    mean = {"uniform": 4.0, "triangular": 11 / 3, "pert": 20 / 6}.get(shape)
    assert mean is None or values.mean() == pytest.approx(mean, rel=2e-3)
    assert shape == "lognormal" or (values.min() >= 2.0 and values.max() <= 6.0)


def test_events_come_as_often_as_they_should() -> None:
    values = steps(independent(4096, 1, 1)[:, 0], {0.0: 0.7, 3.0: 0.2, 6.0: 0.1})
    assert [np.mean(values == value) for value in (0.0, 3.0, 6.0)] == pytest.approx([0.7, 0.2, 0.1], abs=2e-3)


TINY = {A: (1, 1), S: (1, 1), K: (1, 1), SITE: (1, 1), V: (1, 1), T: (5, 5)}


@pytest.fixture(scope="module")
def tree(problem_with: Callable[..., Problem]) -> tuple[Robust, Callable[[float, float], np.ndarray]]:
    """A tree of three branches around a tiny problem, and what each costs after orders and fit-out in month 1."""
    base = problem_with(11, TINY)
    d = base.data.assign(lead_months=base.data["lead_months"] * 0 + 1)
    d = d.assign(
        orders_max=xr.full_like(d["orders_max"], np.inf), fleet=d["fleet"] * 0, budget=xr.full_like(d["budget"], np.inf)
    )
    d = d.assign({name: d[name].assign_attrs(base.data[name].attrs) for name in d.data_vars})
    branches = {
        name: Problem(d.assign(demand=(d["demand"] * factor).assign_attrs(d["demand"].attrs)))
        for name, factor in (("low", 0.4), ("middle", 1.0), ("high", 1.8))
    }
    solved, chances = solve_warm(branches["middle"]), np.array([0.3, 0.5, 0.2])
    found = robust(branches, chances, solved, months=1, tail=0.7, aversion=0.6)
    taken = [branched(problem, solved, 1) for problem in branches.values()]
    units = solved.formulation.units

    def costs(orders: float, fitout: float) -> np.ndarray:
        step = np.array([[orders / units["package"]]]), np.array([[fitout / units["W"]]])
        return np.array([cost_with(branch, *step) for branch in taken])

    return found, costs


def test_the_first_step_is_that_of_brute_force(tree: tuple[Robust, Callable[[float, float], np.ndarray]]) -> None:
    """No orders and fit-out on a grid around the found ones cost less, nor do any on a coarse grid over all."""
    found, costs = tree

    def worth(step: tuple[float, float], aversion: float) -> float:
        each = costs(*step)
        return (1 - aversion) * found.mean(each) + aversion * found.tail_mean(each)

    for step, aversion in ((found.neutral, 0.0), (found.careful, 0.6)):
        orders, fitout = float(step.orders[0, 0]), float(step.fitout[0, 0])
        best = worth((orders, fitout), aversion)
        size = max(orders, 1e3), max(fitout, 1e6)
        near = [(orders + i * 0.02 * size[0], fitout + j * 0.02 * size[1]) for i in (-1, 0, 1) for j in (-1, 0, 1)]
        wide = [(i * size[0], j * size[1]) for i in (0, 0.5, 1, 2) for j in (0, 0.5, 1, 2)]
        tried = [worth(point, aversion) for point in near + wide if min(point) >= 0]
        assert best <= min(tried) * (1 + 1e-6)


def test_information_and_planning_for_all_branches_are_worth_something(
    tree: tuple[Robust, Callable[[float, float], np.ndarray]],
) -> None:
    found, _ = tree
    size = 1e-6 * found.mean(found.cost_neutral)
    assert found.evpi >= -size and found.vss >= -size
    assert np.all(found.cost_knowing <= found.cost_neutral + size)
    assert found.tail_mean(found.cost_careful) <= found.tail_mean(found.cost_neutral) + size
    assert found.mean(found.cost_careful) >= found.mean(found.cost_neutral) - size
