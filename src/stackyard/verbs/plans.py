"""The verbs of one plan."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from stackyard.catalog import load
from stackyard.errors import Fault, InputErrors, SolveError
from stackyard.files import atomically
from stackyard.results import Progress, Result, report_of
from stackyard.verbs.what_ifs import explained_conflict, repeated, require_language
from stackyard.words import phrase

if TYPE_CHECKING:
    from stackyard.plan.build import Built
    from stackyard.plan.explain import Explanation
    from stackyard.plan.plan import Plan
    from stackyard.plan.problem import Problem
    from stackyard.plan.scenario import Scenario


def scenario(path: Path | str) -> Scenario:
    """A scenario file or folder, read and checked; raises InputErrors with every fault.

    >>> scenario("first-plan").name
    'A first plan'
    """
    from stackyard.plan.scenario import load as read

    return read(Path(path), load())


def problem(path: Path | str, progress: Progress | None = None) -> Built:
    """The Problem of a scenario: every coefficient the planner uses, and where it came from.

    >>> problem("first-plan").problem.data.sizes["site"]
    1
    """
    return _built(scenario(path), progress)


def _built(read: Scenario, progress: Progress | None) -> Built:
    """The Problem of a scenario that was read, with a remark on every supply that nothing can use."""
    from stackyard.plan.build import build

    built = build(read, load(), progress)
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
    >>> result.explanation.years[1].sentence[:11]
    '2027: Power'
    """
    from stackyard.plan.check import audit as audited
    from stackyard.plan.explain import explain
    from stackyard.plan.solve import solve_warm
    from stackyard.report.confidence import standing
    from stackyard.report.document import in_language

    require_language(language)
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
    again = repeated(f"stackyard plan {path}", language)
    report = report_of(read, built, solved.plan, explanation, built.problem, again)
    return Result(read, built, solved.plan, explanation, in_language(report, language))


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


def _saved(error: SolveError, built: Built, folder: Path | str | None) -> SolveError:
    """The error, with the Problem saved for a second look."""
    if folder is None:
        return error
    target = Path(folder) / "problem.nc"
    with atomically(target) as beside:
        built.problem.save(beside)
    return SolveError(f"{error}\nThe problem is saved in {target} (digest {built.problem.digest}).")
