"""Samples of what is not known, and the problem that each of them is."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from stackyard.catalog import Catalog
from stackyard.files import Located
from stackyard.perf.search import Best
from stackyard.plan.build import build
from stackyard.plan.overlay import at, changed, place
from stackyard.plan.problem import Problem
from stackyard.plan.scenario import Scenario, read
from stackyard.plan.uncertainty.shapes import Array
from stackyard.plan.uncertainty.unknown import Unknown, correlation, pairs_of, unknowns


@dataclass(frozen=True)
class Sampler:
    """A scenario whose unknowns can be set, each at a share of its probability."""

    scenario: Scenario
    catalog: Catalog
    unknowns: tuple[Unknown, ...]
    _rated: dict[str, Best] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, scenario: Scenario, catalog: Catalog) -> Sampler:
        found, faults = unknowns(scenario.located, scenario.inputs.uncertainty, catalog)
        faults.raise_any()
        return cls(scenario, catalog, tuple(found))

    @property
    def names(self) -> list[str]:
        return [unknown.name for unknown in self.unknowns]

    def values(self, shares: Array) -> Array:
        """Values of every input, (samples, inputs), at shares of probability."""
        return np.column_stack([unknown.quantile(shares[:, i]) for i, unknown in enumerate(self.unknowns)])

    def located(self, shares: Array) -> Located:
        """The file as it would read with the inputs at these shares, one for each."""
        data = {key: value for key, value in self.scenario.located.data.items() if key != "uncertainty"}
        changes: dict[str, Any] = {}
        for unknown, value in zip(self.unknowns, self.values(shares[None, :])[0].tolist(), strict=True):
            for key in unknown.keys:
                changes[key] = unknown.written(value, at(data, place(data, key)))
        found, _ = changed(data, changes)
        return Located(self.scenario.located.file, found, self.scenario.located.lines)

    def problem(self, shares: Array) -> Problem:
        """The Problem with the inputs at these shares."""
        scenario = read(self.located(shares), self.scenario.folder, self.catalog)
        return build(scenario, self.catalog, rated=self._rated).problem

    def correlated(self, independent: Array) -> Array:
        """Shares of probability with the stated correlations, from independent ones."""
        doubt = self.scenario.inputs.uncertainty
        pairs = pairs_of(doubt) if doubt is not None else {}
        if not pairs:
            return independent
        return correlated(independent, correlation(self.names, pairs))

    def groups(self) -> list[str]:
        """For every input the name of those that it moves with, itself where it moves alone."""
        doubt = self.scenario.inputs.uncertainty
        own = {name: name for name in self.names}
        for one, two in pairs_of(doubt) if doubt is not None else {}:
            joined = f"{own[one]} with {own[two]}" if own[one] != own[two] else own[one]
            own = {name: joined if old in (own[one], own[two]) else old for name, old in own.items()}
        return [own[name] for name in self.names]


def correlated(independent: Array, matrix: Array) -> Array:
    """Shares of probability with a correlation matrix (of their normal scores), from independent ones.

    Normal scores z = L e with L L' the correlation matrix (a Gaussian copula); where it is singular, the root is taken
    by its eigenvectors.

    >>> same = correlated(np.array([[0.2, 0.9]]), np.ones((2, 2)))[0]
    >>> bool(abs(same[0] - same[1]) < 1e-12)
    True
    """
    from scipy.stats import norm

    values, vectors = np.linalg.eigh(matrix)
    root = vectors * np.sqrt(np.maximum(values, 0.0)) @ vectors.T
    return np.asarray(norm.cdf(norm.ppf(independent) @ root.T))


def independent(count: int, inputs: int, seed: int) -> Array:
    """Points of a scrambled Sobol sequence in the open unit cube, (count, inputs); the first of more are the same.

    >>> points = independent(8, 2, seed=1)
    >>> points.shape, bool((points[:4] == independent(4, 2, seed=1)).all())
    ((8, 2), True)
    """
    from scipy.stats import qmc

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that only powers of two are balanced: docs/scenario.md says so
        points = qmc.Sobol(inputs, scramble=True, rng=seed).random(count)
    return np.asarray(np.clip(points, 1e-6, 1 - 1e-6))
