"""The verbs: the only door for the command line and for users.

>>> from stackyard import api
>>> answer = api.estimate("llama-3.1-70b", "h200", tensor=8, batch=64)
>>> answer.fits
True
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stackyard.accelerators import memory, search, what_if, workload, write_map
from stackyard.api_serving import (
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
from stackyard.catalog import Catalog, load
from stackyard.errors import Fault, InputErrors, SolveError, nearest, refused
from stackyard.files import atomically
from stackyard.results import Progress, Result, explanation_row, problem_row
from stackyard.serving import disaggregate, estimate, nearest_fit
from stackyard.source import Fact, Grade
from stackyard.training import nearest_training, train, training_choices
from stackyard.validation import aims, is_training, peers, validate, validate_power, validate_training, write_validation
from stackyard.what_ifs import compare, explained_conflict, fan, robust, why_not, write_mps
from stackyard.words import phrase

if TYPE_CHECKING:
    from stackyard.alliance.workspace import Workspace
    from stackyard.catalog.audit import Finding
    from stackyard.hbm.calibration import Check
    from stackyard.plan.build import Built
    from stackyard.plan.explain import Explanation
    from stackyard.plan.plan import Plan
    from stackyard.plan.problem import Problem
    from stackyard.plan.scenario import Scenario
    from stackyard.reach import Reach
    from stackyard.site.asked import Asked
    from stackyard.sweep.file import Asked as SweepAsked
    from stackyard.sweep.table import Swept

ABSENT = (
    phrase(
        "Rates of chips nobody measured take the constants of their nearest measured generation (stackyard validate)."
    ),
    phrase("Whole racks, unless an accelerator says whole_systems: orders are continuous amounts."),
    phrase(
        "Uncertainty: one plan for the central values; `stackyard fan` and `stackyard robust` go through the others."
    ),
    phrase("Tail latency where a service states no tail: rates are means at full load, less a stated usable share."),
    phrase(
        "Moving accelerators between sites, and what differs between the days of a month: each month is a mean day."
    ),
)
AUDITED = phrase("Every balance, limit, cost and price was added up again by plain summation: no violation.")


def catalog() -> Catalog:
    """The built-in catalogue of sourced facts.

    >>> catalog().accelerator("h200").memory / 1e9  # GB
    141.0
    """
    return load()


def facts(words: str = "", grade: str | None = None) -> list[Fact]:
    """Facts that match all words (an id, an alias, or words of path, note, unit and source), of one grade if named.

    Raises InputErrors for a grade that does not exist.

    >>> [fact.path for fact in facts("h200 memory")][0]
    'accelerators.h200-sxm.memory'
    """
    if grade is not None and grade.upper() not in Grade.__members__:
        raise refused("--grade", f"no grade '{grade}'", nearest(grade, [each.label for each in Grade]))
    found = catalog().search(words) if words else list(catalog().facts.values())
    return [fact for fact in found if grade is None or fact.grade is Grade.named(grade)]


def nearest_fact(words: str) -> str:
    """The next step where no fact matches: the entry or fact that was probably meant, or nothing.

    >>> nearest_fact("accelerators.gb300")
    "did you mean 'accelerators.b300-gb300'?"
    """
    known = catalog()
    entries = [f"{axis}.{id_}" for axis, found in known.axes() for id_ in found]
    aliases = [alias for named in known.aliases.values() for alias in named]
    return nearest(words, [*entries, *aliases]) or nearest(words, known.facts)


def fact_row(fact: Fact) -> dict[str, Any]:
    """A fact as plain names and values for JSON.

    >>> fact_row(facts("h200 memory")[0])["unit"]
    'GB'
    """
    return {
        "path": fact.path,
        "value": fact.value,
        "low": fact.low,
        "high": fact.high,
        "unit": fact.unit,
        "grade": fact.grade.label,
        "date": fact.date,
        "note": fact.note,
        "sources": [vars(source) for source in fact.sources],
    }


def audit() -> list[Finding]:
    """Every finding of the catalogue's audit, errors first.

    >>> [finding for finding in audit() if finding.severity == "error"]
    []
    """
    from stackyard.catalog.audit import audit as audited
    from stackyard.hbm.audit import audit as memory_audited
    from stackyard.perf.counting import active_parameters, parameters

    found = audited(catalog(), lambda model: (float(parameters(model)), float(active_parameters(model))))
    return sorted([*found, *memory_audited(catalog())], key=lambda finding: finding.severity != "error")


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


def scenario(path: Path | str) -> Scenario:
    """A scenario file or folder, read and checked; raises InputErrors with every fault.

    >>> scenario("first-plan").name
    'A first plan'
    """
    from stackyard.plan.scenario import load as read

    return read(Path(path), catalog())


def problem(path: Path | str, progress: Progress | None = None) -> Built:
    """The Problem of a scenario: every coefficient the planner uses, and where it came from.

    >>> problem("first-plan").problem.data.sizes["site"]
    1
    """
    return _built(scenario(path), progress)


def _built(read: Scenario, progress: Progress | None) -> Built:
    """The Problem of a scenario that was read, with a remark on every supply that nothing can use."""
    from stackyard.plan.build import build

    built = build(read, catalog(), progress)
    fits = built.problem.data["fits_stack"]
    idle = [
        phrase(
            "{supply} fits no accelerator of the plan: none takes {product} with {height} dies.",
            supply=supply.name,
            product=supply.product,
            height=supply.height,
        )
        for key, supply in read.inputs.supplies.items()
        if not bool(fits.sel(supply=key).any())
    ]
    return replace(built, remarks=(*built.remarks, *idle))


def plan(
    path: Path | str,
    *,
    time_limit: float | None = None,
    steps: bool = True,
    explain_within: float = math.inf,
    progress: Progress | None = None,
    save_to: Path | str | None = None,
    language: str = "en",
) -> Result:
    """Plans a scenario: reads, builds, solves, audits, explains and reports, in English ('en'), 'de' or 'ko'.

    Without `steps` no step of a limit is solved for; nothing is solved again for the explanation later than
    `explain_within` seconds after it began.

    Raises InputErrors for bad input; SolveError when the solver stops without a plan (the Problem is then saved in
    `save_to`), or when the plan fails the audit.

    >>> result = plan("first-plan", steps=False)
    >>> result.explanation.years[0].sentence[:9]
    '2026: HBM'
    """
    from stackyard.plan.check import audit as audited
    from stackyard.plan.explain import explain
    from stackyard.plan.solve import solve_warm
    from stackyard.report.build import build as document
    from stackyard.report.confidence import standing
    from stackyard.report.document import in_language
    from stackyard.words.spoken import LANGUAGES

    if language not in LANGUAGES:
        raise refused("--language", f"no language '{language}'", f"one of: {', '.join(LANGUAGES)}")
    tell = progress or (lambda text: None)
    read = scenario(path)
    built = _built(read, tell)
    tell("Formulating the program")
    try:
        solved = solve_warm(built.problem, time_limit=time_limit, progress=tell)
    except SolveError as error:
        raise _saved(explained_conflict(error, read, built.problem), built, save_to) from None
    tell("Auditing the plan")
    violations = audited(built.problem, solved.plan)
    if violations:
        listed = "\n".join(f"  {violation}" for violation in violations[:20])
        failed = SolveError(f"The plan fails its audit and is not shown ({len(violations)} violations):\n{listed}")
        raise _saved(failed, built, save_to)
    tell("Explaining what binds")
    explanation = explain(built.problem, solved.plan, solved.resolve, steps=steps, within=explain_within, progress=tell)
    explanation = replace(explanation, notes=(*explanation.notes, standing([used.fact for used in built.used])))
    tell("Writing the report")
    report = document(
        built.problem,
        solved.plan,
        explanation,
        [used.fact for used in built.used],
        title=read.name,
        subtitle=read.inputs.about.strip(),
        date=date.today().isoformat(),
        not_modelled=(*read.inputs.absent, *ABSENT),
        remarks=built.remarks,
        audit=AUDITED,
        reproduce=f"stackyard plan {path}" + (f" --language {language}" if language != "en" else ""),
        digests=((phrase("Scenario"), read.digest), (phrase("Catalogue"), catalog().digest)),
    )
    return Result(read, built, solved.plan, explanation, in_language(report, language))


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


def explained(folder: Path | str) -> tuple[Problem, Plan, Explanation]:
    """What `Result.write` saved in a folder: the problem, its plan and the explanation; InputErrors where none is.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     _ = plan("first-plan", steps=False).write(folder)
    ...     _, _, said = explained(folder)
    >>> said.years[0].year
    2026
    """
    from stackyard.plan.record import load as read

    path = Path(folder) / "plan.nc" if Path(folder).is_dir() else Path(folder)
    try:
        return read(path)
    except (OSError, KeyError, ValueError) as error:
        hint = "name the folder that `stackyard plan SCENARIO -o FOLDER` wrote"
        raise InputErrors([Fault(str(path), 0, "", f"is not a saved plan ({type(error).__name__})", hint)]) from None


def workspace(path: Path | str, ledger: str = "") -> Workspace:
    """The alliance's workspace of a scenario: its ledger stands beside it, or where `ledger` says.

    `workspace(...).view(viewer)` is all that a viewer may see. Raises InputErrors for a scenario or a ledger that
    cannot be read.
    """
    from stackyard.alliance.workspace import open_workspace

    return open_workspace(path, ledger)


def _saved(error: SolveError, built: Built, folder: Path | str | None) -> SolveError:
    """The error, with the Problem saved for a second look."""
    if folder is None:
        return error
    target = Path(folder) / "problem.nc"
    with atomically(target) as beside:
        built.problem.save(beside)
    return SolveError(f"{error}\nThe problem is saved in {target} (digest {built.problem.digest}).")


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
