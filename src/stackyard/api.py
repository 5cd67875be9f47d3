"""The verbs: the only door for the command line and for users.

>>> from stackyard import api
>>> answer = api.estimate("llama-3.1-70b", "h200", tensor=8, batch=64)
>>> answer.fits
True
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stackyard.results import Result, explanation_row, problem_row
from stackyard.verbs.accelerators import memory, search, what_if, workload, write_map
from stackyard.verbs.facts import audit, catalog, fact_row, facts, nearest_fact
from stackyard.verbs.plans import explained, plan, problem, scenario
from stackyard.verbs.serving import disaggregate, estimate, nearest_fit
from stackyard.verbs.simulator import (
    capacity,
    capacity_row,
    load_of,
    prepare,
    promise,
    service,
    simulate,
    simulation_row,
    validate_serving,
    write_simulation,
)
from stackyard.verbs.training import nearest_training, train, training_choices
from stackyard.verbs.validation import (
    aims,
    is_training,
    peers,
    validate,
    validate_power,
    validate_training,
    write_validation,
)
from stackyard.verbs.what_ifs import compare, fan, robust, why_not, write_mps

if TYPE_CHECKING:
    from stackyard.alliance.workspace import Workspace
    from stackyard.hbm.calibration import Check
    from stackyard.reach import Reach
    from stackyard.site.asked import Asked
    from stackyard.sweep.file import Asked as SweepAsked
    from stackyard.sweep.table import Swept


def supply(product: str, wafers: str, maker: str = "", **asked: Any) -> Reach:
    """What wafers of an HBM product come to in stacks, accelerators, power and tokens: see `reach.reach`.

    >>> found = supply("hbm4-12h", "10000", "sk-hynix")
    >>> [step.name for step in found.steps][:3]
    ['wafers started', 'gross core dies', 'dies after wafer test']
    """
    from stackyard.reach import reach

    return reach(catalog(), product, wafers, maker, **asked)


def supply_checks() -> list[Check]:
    """The memory chain beside the top-down figures of the record.

    >>> len(supply_checks()) > 3
    True
    """
    from stackyard.hbm.calibration import checks

    return list(checks(catalog()))


def site(name: str | None = None, *, epw: Path | str | None = None, **asked: str) -> Asked:
    """A site, a climate or a weather file through a year under a kind of cooling: see `site.asked.asked`.

    >>> year = site("ulsan", cooling="hybrid", load="75%").summary()["year"]
    >>> 1.0 < year["pue"] < 1.5
    True
    """
    from stackyard.site.asked import asked as answered

    return answered(catalog(), name, None if epw is None else Path(epw), **asked)


def sweep(source: Path | str | Mapping[str, Any], **how: Any) -> Swept:
    """Many jobs of one verb over axes and samples of its inputs, anywhere; one table: see `sweep.run.sweep`.

    >>> fixed = {"model": "llama-3.1-8b", "chip": "h100", "tensor": 1}
    >>> found = sweep({"verb": "estimate", "inputs": fixed, "axes": {"batch": [1, 8]}}, on="here")
    >>> found.table.num_rows
    2
    """
    from stackyard.sweep.run import sweep as swept

    return swept(source, **how)


def sweep_asked(source: Path | str | Mapping[str, Any]) -> SweepAsked:
    """A sweep file read and counted, nothing run; raises InputErrors with every fault.

    >>> len(sweep_asked("first-sweep"))
    88
    """
    from stackyard.sweep.file import read

    return read(source)


def workspace(path: Path | str, ledger: str = "") -> Workspace:
    """The alliance's workspace of a scenario: its ledger stands beside it, or where `ledger` says.

    `workspace(...).view(viewer)` is all that a viewer may see. Raises InputErrors for a scenario or a ledger that
    cannot be read.
    """
    from stackyard.alliance.workspace import open_workspace

    return open_workspace(path, ledger)


__all__ = [
    "Result",
    "aims",
    "audit",
    "capacity",
    "capacity_row",
    "catalog",
    "compare",
    "disaggregate",
    "estimate",
    "explained",
    "explanation_row",
    "fact_row",
    "facts",
    "fan",
    "is_training",
    "load_of",
    "memory",
    "nearest_fact",
    "nearest_fit",
    "nearest_training",
    "peers",
    "plan",
    "prepare",
    "problem",
    "problem_row",
    "promise",
    "robust",
    "scenario",
    "search",
    "service",
    "simulate",
    "simulation_row",
    "site",
    "supply",
    "supply_checks",
    "sweep",
    "sweep_asked",
    "train",
    "training_choices",
    "validate",
    "validate_power",
    "validate_serving",
    "validate_training",
    "what_if",
    "why_not",
    "workload",
    "workspace",
    "write_map",
    "write_mps",
    "write_simulation",
    "write_validation",
]
