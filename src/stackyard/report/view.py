"""A plan seen by a writer: names for ids, sums by year, series for figures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stackyard.months import show_month
from stackyard.plan.plan import Plan, reported
from stackyard.plan.problem import Problem, T, Y
from stackyard.quantity import DAY
from stackyard.report.document import Series
from stackyard.report.scale import Scale
from stackyard.source import Grade
from stackyard.words import listed

Array = NDArray[np.float64]
NOTICEABLE = 1e-6  # share of the largest value below which a planned amount is solver dust, not a decision


@dataclass(frozen=True)
class View:
    """Problem and plan side by side over the horizon; `grade` is the weakest grade of any number behind them.

    `whole` is the same with the run-out after it; None in a view that is the whole itself.
    """

    problem: xr.Dataset
    decisions: xr.Dataset
    flows: xr.Dataset
    prices: xr.Dataset
    names: Mapping[str, str]
    months: tuple[str, ...]
    years: tuple[str, ...]
    grade: Grade | None = None
    whole: View | None = None

    @classmethod
    def of(cls, problem: Problem, plan: Plan, grade: Grade | None = None) -> View:
        return replace(cls._of(*reported(problem, plan), grade), whole=cls._of(problem, plan, grade))

    @classmethod
    def _of(cls, problem: Problem, plan: Plan, grade: Grade | None) -> View:
        data = problem.data
        labels = data.attrs.get("labels", {})
        names = json.loads(labels) if isinstance(labels, str) else dict(labels)
        months = tuple(_month_text(month) for month in data[T].values.tolist())
        years = tuple(str(year) for year in data[Y].values.tolist())
        return cls(data, plan.decisions, plan.flows, plan.prices, names, months, years, grade)

    def name(self, id_: str) -> str:
        return str(self.names.get(id_, id_))

    def ids(self, axis: str) -> tuple[str, ...]:
        return tuple(str(value) for value in self.problem[axis].values.tolist())

    def array(self, name: str) -> Array:
        """A variable of the problem, the decisions or the flows, on its schema's axes; dust reads as 0."""
        for data in (self.decisions, self.flows, self.problem):
            if name in data:
                values = np.asarray(data[name].values, dtype=float)
                if data is self.problem:
                    return values
                finite = np.abs(values[np.isfinite(values)])
                top = float(finite.max()) if finite.size else 0.0
                return np.where(np.abs(values) <= NOTICEABLE * top, 0.0, values)
        raise KeyError(name)

    @property
    def stacks_per_package(self) -> Array:
        return self.array("stacks_per_package")

    @property
    def delivered(self) -> Array:
        """Stacks that reach the alliance, (supply, month): promised without contract, or taken under one."""
        return self.array("stacks_delivered") + self.array("take")

    @property
    def running(self) -> Array:
        """Accelerators that serve each service, whatever model stands for it, (accelerator, site, service, month)."""
        found: Array = np.einsum("aiwt,wv->aivt", self.array("run"), self.array("way_service"))
        return found

    @property
    def energised(self) -> Array:
        """Site power there is, what was chosen included, (site, month)."""
        opened: Array = np.einsum("oit,o->it", self.array("option_power"), self.array("chosen"))
        return self.array("site_power") + opened

    @property
    def seconds(self) -> Array:
        return self.array("seconds")

    def in_year(self, year: str) -> list[int]:
        return [i for i, month in enumerate(self.months) if month.startswith(year)]

    def yearly(self, by_month: Array) -> Array:
        """Sums over each year; months are the last axis."""
        return np.stack([by_month[..., self.in_year(year)].sum(axis=-1) for year in self.years], axis=-1)

    def year_end(self, by_month: Array) -> Array:
        """The value of the last month of each year; months are the last axis."""
        return np.stack([by_month[..., self.in_year(year)[-1]] for year in self.years], axis=-1)

    def tokens(self, per_day: Array) -> Array:
        """Tokens of the month from tokens per day."""
        return per_day * self.seconds / DAY

    def series(self, axis: str, values: Array, unit: Scale) -> tuple[Series, ...]:
        """One series for each id of the axis that is not zero throughout; its id starts with the axis."""
        return tuple(
            Series(f"{axis}/{id_}", self.name(id_), unit.of(row))
            for id_, row in zip(self.ids(axis), values, strict=True)
            if np.any(row != 0)
        )

    @property
    def installed(self) -> Array:
        """Accelerators in place, (accelerator, month)."""
        return np.asarray(self.array("installed").sum(axis=1))

    @property
    def span(self) -> str:
        return f"{self.years[0]}–{self.years[-1]}" if len(self.years) > 1 else self.years[0]

    @property
    def served_share(self) -> Array:
        """Share of the tokens asked for that are served, by year; nan in a year without demand."""
        served, asked = (self.yearly(self.tokens(self.array(name).sum(axis=0))) for name in ("served", "demand"))
        return np.divide(served, asked, out=np.full_like(served, np.nan), where=asked > 0)


def _month_text(month: Any) -> str:
    return show_month(int(month)) if isinstance(month, int | float) else str(month)[:7]


def spans(years: Sequence[int]) -> str:
    """'2026–2027 and 2030'.

    >>> spans([2026, 2027, 2030])
    '2026–2027 and 2030'
    """
    runs: list[list[int]] = []
    for year in years:
        if runs and year == runs[-1][-1] + 1:
            runs[-1].append(year)
        else:
            runs.append([year])
    return listed([f"{run[0]}–{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs])
