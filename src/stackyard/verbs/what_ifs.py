"""The verbs over several plans: compare two, force what one did not choose, write the program. `api` offers them."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stackyard.catalog import load
from stackyard.errors import Fault, InputErrors, SolveError, nearest, refused
from stackyard.results import Document, Progress
from stackyard.words import phrase

if TYPE_CHECKING:
    from stackyard.plan.compare import Comparison
    from stackyard.plan.problem import Problem
    from stackyard.plan.scenario import Scenario
    from stackyard.plan.uncertainty.fan import Fan
    from stackyard.plan.uncertainty.robust import Robust
    from stackyard.plan.whynot import WhyNot


def require_language(language: str) -> None:
    """Raises InputErrors where reports are not said in the language.

    >>> require_language("ko")
    """
    from stackyard.words.spoken import LANGUAGES

    if language not in LANGUAGES:
        raise refused("--language", f"no language '{language}'", f"one of: {', '.join(LANGUAGES)}")


def repeated(command: str, language: str) -> str:
    """The command that makes a report again, in its language.

    >>> repeated("stackyard plan first-plan", "ko")
    'stackyard plan first-plan --language ko'
    """
    return command if language == "en" else f"{command} --language {language}"


def compare(
    first: Path | str, second: Path | str, progress: Progress | None = None, language: str = "en"
) -> tuple[Comparison, Document]:
    """What the change from one scenario's plan to another's comes from; InputErrors for what cannot be compared.

    The document is in English ('en'), 'de' or 'ko'.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     more = Path(folder) / "more.yaml"
    ...     _ = more.write_text("{base: first-plan, name: More, changes: {services.assistant.demand.growth: 5}}")
    ...     found, document = compare("first-plan", more)
    >>> document.values["plans"], len(found.changes)
    (['A first plan', 'More'], 1)
    """
    from stackyard.plan.compare import compare as compared
    from stackyard.plan.scenario import load as read
    from stackyard.report.compare import document
    from stackyard.report.document import in_language

    require_language(language)
    catalog = load()
    one, two = (read(Path(path), catalog) for path in (first, second))
    found = compared(one, two, catalog, progress)
    report = document(
        found,
        date=date.today().isoformat(),
        reproduce=repeated(f"stackyard compare {first} {second}", language),
        digests=(
            (phrase("First scenario"), one.digest),
            (phrase("Second scenario"), two.digest),
            (phrase("Catalogue"), catalog.digest),
        ),
    )
    values = {
        "plans": list(found.names),
        "figures": [
            {
                "figure": headline.name,
                "unit": headline.unit,
                "before": found.before[headline],
                "after": found.after[headline],
                "shares": {change.name: change.shares[headline] for change in found.changes},
                "residual": found.residual(headline),
            }
            for headline in found.before
        ],
        "limits": [
            {"year": was.year, "before": list(map(str, was.names)), "after": list(map(str, now.names))}
            for was, now in zip(*found.limits, strict=True)
        ],
    }
    return found, Document(in_language(report, language), values, "compare")


def why_not(path: Path | str, what: str, site: str | None = None, progress: Progress | None = None) -> WhyNot:
    """The plan of a scenario with something that it did not choose: an option by its id, or an accelerator at a site.

    Raises InputErrors for names that the scenario does not have.

    >>> found = why_not("first-plan", "h200", "frankfurt")
    >>> found.forced.partition(":")[0], found.conflict
    ('HGX H200 at Frankfurt', ())
    """
    from stackyard.plan.build import build
    from stackyard.plan.scenario import load as read
    from stackyard.plan.solve import solve_warm
    from stackyard.plan.whynot import why_not_option, why_not_place

    catalog = load()
    problem = build(read(Path(path), catalog), catalog, progress).problem
    known = {dim: [str(value) for value in problem.data[dim].values] for dim in ("option", "accelerator", "site")}
    places = {what: "option" if site is None else "accelerator"} | ({} if site is None else {site: "site"})
    for name, axis in places.items():
        if name not in known[axis]:
            told = f"the scenario has no {axis} '{name}'"
            raise InputErrors([Fault(str(path), 0, "command line", told, nearest(name, known[axis]))])
    solved = solve_warm(problem, progress=progress)
    if site is None:
        return why_not_option(problem, solved.plan, what)
    return why_not_place(problem, solved, what, site)


def explained_conflict(error: SolveError, scenario: Scenario, problem: Problem) -> SolveError:
    """The error, and where no plan is possible the smallest set of limits that contradict each other, with lines."""
    from stackyard.errors import Fault
    from stackyard.files import dotted
    from stackyard.plan.overlay import in_its_file, place
    from stackyard.plan.whynot import conflict

    if "infeasible" not in str(error):
        return error
    located, told = scenario.located, []
    for limit in conflict(problem):
        key, _, words = limit.partition(": ")
        path = place(located.data, key) if words and "." in key else ()
        line = located.line(path) if path else 0
        file = in_its_file(Fault(located.file, line, dotted(path), words), located).file
        told.append(f"  {file}:{line}: {key}: {words}" if line else f"  {limit}")
    if not told:
        return SolveError(f"{error}\nNo hard limit contradicts another: it is the whole numbers that cannot be.")
    head = "These cannot all be kept; without any one of them there is a plan:"
    return SolveError("\n".join([f"There is no plan. {head}", *told]))


def write_mps(path: Path | str, target: Path | str) -> Path:
    """Writes the program of a scenario as MPS for other solvers.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     target = write_mps("first-plan", Path(folder) / "plan.mps")
    ...     target.read_text().splitlines()[0]
    'NAME        '
    """
    from stackyard.plan.build import build
    from stackyard.plan.formulate import formulate
    from stackyard.plan.highs import write_mps as written
    from stackyard.plan.scenario import load as read

    catalog = load()
    written(formulate(build(read(Path(path), catalog), catalog).problem).program, Path(target))
    return Path(target)


def _planned(path: Path | str, progress: Progress | None) -> tuple[Any, Any, Any]:
    """Scenario, Problem and solved plan; InputErrors where the scenario says nothing of what is not known."""
    from stackyard.plan.build import build
    from stackyard.plan.check import audit
    from stackyard.plan.scenario import load as read
    from stackyard.plan.solve import solve_warm

    catalog = load()
    scenario = read(Path(path), catalog)
    if scenario.inputs.uncertainty is None:
        hint = "add uncertainty: {inputs: {...}}; see docs/scenario.md"
        raise InputErrors(
            [Fault(scenario.located.file, 0, "uncertainty", "is missing: nothing is said to be unknown", hint)]
        )
    problem = build(scenario, catalog, progress).problem
    solved = solve_warm(problem, progress=progress)
    violations = audit(problem, solved.plan)
    if violations:
        raise SolveError(f"The plan fails its audit and is not shown: {violations[0]}")
    return scenario, problem, solved


def fan(
    path: Path | str,
    *,
    samples: int | None = None,
    causes: int = 0,
    workers: int = 2,
    store: Path | str | None = None,
    progress: Progress | None = None,
    language: str = "en",
) -> tuple[Fan, Document]:
    """The fan of a scenario, and what matters in it, as a document in English ('en'), 'de' or 'ko'.

    `store` is a file that a run which was killed goes on from; of the first `causes` samples it is asked what leaves
    their demand.

    >>> from tempfile import TemporaryDirectory
    >>> doubt = "{seed: 1, inputs: {growth: {of: [services.assistant.demand.growth], shape: uniform}}}"
    >>> changes = f"{{services.assistant.demand.growth: {{value: 4, low: 2, high: 6}}, uncertainty: {doubt}}}"
    >>> with TemporaryDirectory() as folder:
    ...     unsure = Path(folder) / "unsure.yaml"
    ...     _ = unsure.write_text(f"{{base: first-plan, name: Unsure, changes: {changes}}}")
    ...     found, document = fan(unsure, samples=8, workers=1)
    >>> len(found.planned), document.report.title
    (8, 'Unsure: what is not known')
    """
    from stackyard.plan.uncertainty.fan import fan as spread
    from stackyard.plan.uncertainty.outcome import FIGURES
    from stackyard.plan.uncertainty.sample import Sampler
    from stackyard.plan.uncertainty.sensitivity import sensitivities, tornado
    from stackyard.report.document import in_language
    from stackyard.report.uncertainty import fan_report

    require_language(language)
    tell = progress or (lambda text: None)
    scenario, problem, solved = _planned(path, progress)
    target = None if store is None else Path(store)
    found = spread(
        scenario,
        load(),
        solved,
        samples=samples,
        causes=causes,
        workers=workers,
        store=target,
        progress=progress,
    )
    sampler = Sampler.of(scenario, load())
    tell("What matters: a surrogate of the samples, and each input at its ends")
    indices = sensitivities(found, sampler, (FIGURES[0], FIGURES[2])) if len(found.planned) >= 32 else ()
    swings = tornado(sampler, solved, FIGURES[0]) if indices else (0.0, ())
    made = {"date": date.today().isoformat(), "reproduce": repeated(f"stackyard fan {path}", language)}
    report = fan_report(found, problem, indices, swings, **made)
    values = {
        "inputs": list(found.names),
        "values": found.values.tolist(),
        "outcomes": [each.plain() for each in found.outcomes],
        "sensitivity": [{**vars(each), "indices": [vars(row) for row in each.indices]} for each in indices],
        "tornado": [vars(swing) for swing in swings[1]],
    }
    return found, Document(in_language(report, language), values, "fan")


def robust(
    path: Path | str, progress: Progress | None = None, *, store: Path | str | None = None, language: str = "en"
) -> tuple[Robust, Document]:
    """The robust first step over the branches of a scenario; InputErrors where it has none.

    `store` is a file that a run which was killed goes on from; the document is in English ('en'), 'de' or 'ko'.

    >>> from tempfile import TemporaryDirectory
    >>> growth = "{of: [services.assistant.demand.growth], shape: uniform}"
    >>> branches = "{slow: {chance: 50%, events: {growth: 0.1}}, fast: {chance: 50%, events: {growth: 0.9}}}"
    >>> doubt = f"{{inputs: {{growth: {growth}}}, branches: {branches}, first_step: 3}}"
    >>> changes = f"{{services.assistant.demand.growth: {{value: 4, low: 2, high: 6}}, uncertainty: {doubt}}}"
    >>> with TemporaryDirectory() as folder:
    ...     unsure = Path(folder) / "unsure.yaml"
    ...     _ = unsure.write_text(f"{{base: first-plan, name: Unsure, changes: {changes}}}")
    ...     found, document = robust(unsure)
    >>> found.names, bool(found.mean(found.cost_knowing) <= found.mean(found.cost_neutral) + 1)  # USD
    (('slow', 'fast'), True)
    """
    import numpy as np

    from stackyard.plan.uncertainty.robust import robust as stepped
    from stackyard.plan.uncertainty.sample import Sampler
    from stackyard.report.document import in_language
    from stackyard.report.uncertainty import robust_report

    require_language(language)
    scenario, problem, solved = _planned(path, progress)
    doubt = scenario.inputs.uncertainty
    if not doubt.branches:
        hint = "add branches: {name: {chance: 50%, events: {...}}, ...}"
        raise InputErrors([Fault(scenario.located.file, 0, "uncertainty.branches", "is missing", hint)])
    sampler = Sampler.of(scenario, load())
    shares = {
        name: np.array([branch.events.get(each, 0.5) for each in sampler.names])
        for name, branch in doubt.branches.items()
    }
    problems = {name: sampler.problem(share) for name, share in shares.items()}
    chances = np.array([branch.chance.si for branch in doubt.branches.values()])
    tail, aversion = doubt.tail.si, doubt.aversion.si
    found = stepped(
        problems,
        chances,
        solved,
        months=doubt.first_step,
        tail=tail,
        aversion=aversion,
        store=None if store is None else Path(store),
        progress=progress,
    )
    made = {"date": date.today().isoformat(), "reproduce": repeated(f"stackyard robust {path}", language)}
    report = robust_report(found, problem, **made)
    costs = {name: getattr(found, f"cost_{name}").tolist() for name in ("careful", "neutral", "mean_plan", "knowing")}
    values = {
        "branches": list(found.names),
        "chances": chances.tolist(),
        "costs": costs,
        "vss": found.vss,
        "evpi": found.evpi,
    }
    return found, Document(in_language(report, language), values, "robust")
