"""A plan on disk: problem, plan and explanation in one NetCDF file for notebooks, or as plain values for JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from stackyard.plan.binding import Binding
from stackyard.plan.explain import Explanation, Shortage
from stackyard.plan.marginal import Marginal, Next
from stackyard.plan.plan import Plan, reported
from stackyard.plan.problem import Problem
from stackyard.plan.relief import Worth

LISTS = ("years", "worths", "shortages", "marginals", "chains")


def store(path: Path, problem: Problem, plan: Plan, explanation: Explanation) -> None:
    """Problem, plan and explanation as the groups of one NetCDF file.

    >>> from stackyard import api
    >>> made = api.plan("first-plan", steps=False)
    >>> problem, plan = made.built.problem, made.plan
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     store(Path(folder) / "plan.nc", problem, plan, made.explanation)
    ...     _, again, said = load(Path(folder) / "plan.nc")
    >>> again.objective == plan.objective, said.years[0].year
    (True, 2026)
    """
    rows = {name: [asdict(row) for row in getattr(explanation, name)] for name in LISTS}
    attributes = {
        "objective": plan.objective,
        "status": plan.status,
        "gap": plan.gap,
        "seconds": plan.seconds,
        "solver": plan.solver,
        "problem_digest": plan.problem_digest,
        "residual_value": plan.residual_value,
        "notes": json.dumps(dict(plan.notes)),
    }
    said = {"rows": json.dumps(rows, ensure_ascii=False), "notes": json.dumps(explanation.notes, ensure_ascii=False)}
    groups = {
        "problem": problem.data,
        "decisions": plan.decisions.assign_attrs(attributes),
        "flows": plan.flows,
        "prices": plan.prices,
        "explanation": explanation.data.assign_attrs(said),
    }
    for group, data in groups.items():
        data.to_netcdf(path, mode="w" if group == "problem" else "a", group=group, engine="netcdf4")


def load(path: Path) -> tuple[Problem, Plan, Explanation]:
    """What `store` wrote.

    >>> import tempfile
    >>> from stackyard import api
    >>> made = api.plan("first-plan", steps=False)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "plan.nc"
    ...     store(path, made.built.problem, made.plan, made.explanation)
    ...     problem, plan, explanation = load(path)
    >>> plan.objective == made.plan.objective, len(explanation.years) == len(made.explanation.years)
    (True, True)
    """
    groups = {
        name: xr.load_dataset(path, group=name, engine="netcdf4")
        for name in ("problem", "decisions", "flows", "prices", "explanation")
    }
    attributes, said = groups["decisions"].attrs, groups["explanation"].attrs
    plan = Plan(
        groups["decisions"].drop_attrs(deep=False),
        groups["flows"],
        groups["prices"],
        objective=float(attributes["objective"]),
        status=str(attributes["status"]),
        gap=float(attributes["gap"]),
        seconds=float(attributes["seconds"]),
        solver=str(attributes["solver"]),
        problem_digest=str(attributes["problem_digest"]),
        residual_value=float(attributes["residual_value"]),
        notes=json.loads(attributes["notes"]),
    )
    rows = json.loads(said["rows"])
    explanation = Explanation(
        groups["explanation"].drop_attrs(deep=False),
        tuple(
            Binding(**{**row, **{name: tuple(row[name]) for name in ("together", "either")}}) for row in rows["years"]
        ),
        tuple(Worth(**row) for row in rows["worths"]),
        tuple(Shortage(**row) for row in rows["shortages"]),
        tuple(json.loads(said["notes"])),
        tuple(Marginal(**row) for row in rows["marginals"]),
        tuple(Next(**row) for row in rows["chains"]),
    )
    return Problem(groups["problem"]), plan, explanation


def plain(problem: Problem, plan: Plan, explanation: Explanation, digests: Mapping[str, str]) -> dict[str, Any]:
    """The plan as names and plain values: what binds, what more is worth, and every decision, flow and price of the
    horizon by axis.

    Arrays are rows of axis labels and a value, in the unit stated; zeros are left out. Numbers that are not known
    (a step that was not solved for) are None.

    >>> from stackyard import api
    >>> made = api.plan("first-plan", steps=False)
    >>> problem, plan = made.built.problem, made.plan
    >>> sorted(plain(problem, plan, made.explanation, {}))[:4]
    ['binds', 'decisions', 'digests', 'flows']
    """
    labels: dict[str, str] = json.loads(str(problem.data.attrs.get("labels", "{}")))
    problem, plan = reported(problem, plan)
    return {
        "name": problem.data.attrs.get("name", ""),
        "digests": {"problem": plan.problem_digest, **digests},
        "solver": plan.solver,
        "status": plan.status,
        "gap": plan.gap,
        "net_present_cost_usd": plan.objective,
        "residual_value_usd": plan.residual_value,
        "labels": labels,
        "years": [_finite({**asdict(row), "sentence": row.sentence}) for row in explanation.years],
        "one_percent_more": [_finite(asdict(row)) for row in explanation.worths],
        "shortages": [_finite(asdict(row)) for row in explanation.shortages],
        "marginal_cost": [_finite(asdict(row)) for row in explanation.marginals],
        "next_amounts": [_finite(asdict(row)) for row in explanation.chains],
        "binds": dict(zip(_labels(problem.data["month"]), map(str, explanation.data["binds"].values), strict=True)),
        "notes": list(explanation.notes),
        "decisions": _arrays(plan.decisions),
        "flows": _arrays(plan.flows),
        "prices": _arrays(plan.prices),
    }


def _labels(coordinate: xr.DataArray) -> list[str]:
    return [str(value) for value in coordinate.values]


def _finite(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: None if isinstance(value, float) and not np.isfinite(value) else value for key, value in row.items()}


def _arrays(data: xr.Dataset) -> dict[str, Any]:
    arrays: dict[str, Any] = {}
    for name, array in data.data_vars.items():
        labels = [_labels(array[dim]) for dim in array.dims]
        rows = [
            [*(labels[axis][i] for axis, i in enumerate(place)), float(f"{array.values[tuple(place)]:.9g}")]
            for place in np.argwhere(array.values != 0).tolist()
        ]
        arrays[str(name)] = {"axes": list(map(str, array.dims)), "unit": array.attrs.get("units", ""), "rows": rows}
    return arrays
