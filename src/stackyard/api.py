"""The verbs: the only door for the command line and for users.

>>> from stackyard import api
>>> answer = api.estimate("llama-3.1-70b", "h200", tensor=8, batch=64)
>>> answer.fits
True
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stackyard.catalog import Catalog, load
from stackyard.errors import Fault, InputErrors, SolveError, nearest
from stackyard.files import atomically, write_all
from stackyard.source import Fact, Grade
from stackyard.what_ifs import compare, why_not, write_mps

if TYPE_CHECKING:
    from stackyard.alliance.workspace import Workspace
    from stackyard.catalog.audit import Finding
    from stackyard.catalog.entries import Accelerator
    from stackyard.hbm.calibration import Check
    from stackyard.perf.calibration.training_check import Compared
    from stackyard.perf.calibration.validate import Comparison
    from stackyard.perf.cost import Prices
    from stackyard.perf.estimate import Estimate
    from stackyard.perf.frontier import Frontier, Workload
    from stackyard.perf.training.estimate import Training
    from stackyard.perf.whatif import Variant
    from stackyard.perf.worth import MemoryWorth
    from stackyard.plan.build import Built
    from stackyard.plan.explain import Explanation
    from stackyard.plan.plan import Plan
    from stackyard.plan.problem import Problem
    from stackyard.plan.scenario import Scenario
    from stackyard.reach import Reach
    from stackyard.report.document import Report
    from stackyard.site.asked import Asked

Progress = Callable[[str], None]

ABSENT = (
    "Rates of chips nobody measured take the constants of their nearest measured generation (stackyard validate).",
    "Whole racks, unless an accelerator says whole_systems: orders are continuous amounts.",
    "Uncertainty: one plan for the central values; ranges are shown but not sampled.",
    "Tail latency: rates are means at full load, reduced by a stated usable share, not simulated.",
    "Moving accelerators between sites, and storage that buys cheap hours: a month has one price of electricity.",
)
LIFE, ELECTRICITY = "operation.lifetime.economic-life-central", "costs.electricity.us-wholesale.2026"
OBJECTIVE = (2.0, 0.05)  # seconds to the first token and per output token, where none is stated
AUDITED = "Every balance, limit, cost and price was added up again by plain summation: no violation."


def catalog() -> Catalog:
    """The built-in catalogue of sourced facts."""
    return load()


def facts(words: str = "", grade: str | None = None) -> list[Fact]:
    """Facts that match all words (an id, an alias, or words of path, note, unit and source), of one grade if named.

    Raises InputErrors for a grade that does not exist.
    """
    if grade is not None and grade.upper() not in Grade.__members__:
        raise _refused("--grade", f"no grade '{grade}'", nearest(grade, [each.label for each in Grade]))
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
    """A fact as plain names and values for JSON."""
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
    """Every finding of the catalogue's audit, errors first."""
    from stackyard.catalog.audit import audit as audited
    from stackyard.hbm.audit import audit as memory_audited
    from stackyard.perf.architecture import active_parameters, parameters

    found = audited(catalog(), lambda model: (float(parameters(model)), float(active_parameters(model))))
    return sorted([*found, *memory_audited(catalog())], key=lambda finding: finding.severity != "error")


def what_if(
    chip: str,
    *,
    hbm: str | None = None,
    height: int | None = None,
    stacks: int | None = None,
    capacity: str | None = None,
    bandwidth: str | None = None,
    energy: str | None = None,
) -> Variant:
    """An accelerator (or the one of a system) with the memory that is asked about; its own where nothing is.

    `hbm` is a generation of the catalogue, with its height if wanted ('hbm4', 'hbm4-12h'); height and stacks are the
    accelerator's own where they are left out. Capacity, bandwidth and energy per bit are scaled ('x1.5') or set
    ('192 GB', '6 TB/s', '3 pJ/bit'), of the other stacks where both are asked. Raises InputErrors for what does not
    exist, with the nearest.

    >>> what_if("h200", hbm="hbm4-12h", stacks=8).chip.name
    'H200 SXM 141GB with 8 x HBM4 12-high'
    >>> round(what_if("h200", bandwidth="x1.5").chip.bandwidth / 1e12, 1)
    7.2
    """
    from stackyard.perf.asked import variant

    return variant(catalog(), chip, hbm, height, stacks, capacity, bandwidth, energy)


def estimate(
    model: str,
    chip: str | Variant,
    *,
    prompt: float = 1000,
    output: float = 1000,
    tensor: int | None = None,
    pipeline: int | None = None,
    expert: int | None = None,
    batch: float | None = None,
    precision: str = "bf16",
    ttft: str | None = None,
    tpot: str | None = None,
) -> Estimate:
    """What one replica of a model does on an accelerator, from first principles.

    Of the widths and the batch, those that are given are kept and the others found: the highest token rate under the
    latency objective. With `tensor` the layout counts as stated, its other widths 1 where they are left out. The
    objective is 2 s to the first token and 50 ms per output token where it is left out, and none where layout and batch
    are stated. Where nothing meets it, the answer is the nearest, which does not fit and says why. The accelerator may
    be one with another memory (`what_if`). Raises InputErrors for unknown ids, units or precisions.
    """
    from stackyard.perf.search import best, offered

    variant = what_if(chip) if isinstance(chip, str) else chip
    shape, part = catalog().model(model), variant.chip
    stated = tensor is not None and batch is not None
    first, each = (math.inf, math.inf) if stated else OBJECTIVE
    first = first if ttft is None else _seconds("--ttft", ttft)
    each = each if tpot is None else _seconds("--tpot", tpot)
    layouts = offered(shape, part, tensor=tensor, pipeline=pipeline, expert=expert)
    try:
        found = best(
            shape,
            part,
            prompt,
            output,
            first,
            each,
            precision.lower(),
            hbm=variant.hbm,
            among=layouts,
            batch=batch,
        )
    except ValueError as error:
        raise _refused("estimate", str(error), "see: stackyard estimate --help") from None
    answer = found.estimate or found.nearest
    assert answer is not None
    return answer


def train(
    model: str,
    chip: str,
    *,
    accelerators: int,
    sequence: int = 8192,
    batch: int | None = None,
    micro_batch: int = 1,
    tensor: int = 1,
    pipeline: int = 1,
    virtual: int = 1,
    context: int = 1,
    expert: int = 1,
    precision: str = "bf16",
    recompute: str = "none",
    sharding: str = "zero-1",
    schedule: str = "1f1b",
    software: str = "megatron-core",
    offload: bool = False,
) -> Training:
    """What a training run of a model does on a cluster: step time, tokens, MFU, memory, goodput over weeks.

    Without `batch` each replica does 32 micro-batches in a step. Raises InputErrors for unknown ids or words.
    """
    from stackyard.perf.training.estimate import train as trained
    from stackyard.perf.training.recipe import Recipe

    known = catalog()
    shape, part = known.model(model), known.accelerator(chip)
    replicas = accelerators / max(tensor * pipeline * context, 1)
    try:
        recipe = Recipe(
            accelerators=float(accelerators),
            sequence=float(sequence),
            global_batch=float(batch) if batch is not None else max(replicas, 1.0) * micro_batch * 32,
            micro_batch=float(micro_batch),
            tensor=float(tensor),
            pipeline=float(pipeline),
            virtual=float(virtual),
            context=float(context),
            expert=float(expert),
            precision=precision,
            recompute=recompute,
            sharding=sharding,
            schedule=schedule,
            software=software,
            offload=offload,
        )
    except ValueError as error:
        raise _refused("train", str(error), "see: stackyard train --help") from None
    return trained(shape, part, recipe)


def nearest_training(training: Training) -> Training | None:
    """The run that fits with the fewest changes to one that does not; None where none of those tried does."""
    from stackyard.perf.training.estimate import nearest_fit

    return nearest_fit(training.model, training.chip, training.recipe)


def search(
    model: str,
    chip: str | Variant,
    *,
    prompt: float = 1000,
    output: float = 1000,
    ttft: str | None = None,
    tpot: str | None = None,
    precisions: Sequence[str] = (),
    within: str = "",
) -> Frontier:
    """All layouts, batches and precisions of a model on an accelerator or system that meet a latency objective.

    On a system, named as the chip or as `within`, the replica stays inside it; on an accelerator inside eight stages of
    its scale-up domain. All precisions are tried where none is named; the objective is that of `estimate`. Where
    nothing qualifies, the result has the nearest and says why. Raises InputErrors for unknown ids, units or precisions.

    >>> found = search("llama-3.1-70b", "h200", tpot="30 ms", precisions=["fp8"])
    >>> bool(found.points.tpot[found.best["latency"]] < 0.03)
    True
    """
    from stackyard.perf.asked import system
    from stackyard.perf.frontier import candidates, frontier
    from stackyard.perf.precision import PRESETS

    variant = what_if(chip) if isinstance(chip, str) else chip
    asked = workload(model, prompt=prompt, output=output, ttft=ttft, tpot=tpot)
    domain = max(variant.chip.scale_up_domain, 1)
    rack = system(catalog(), within or (chip if isinstance(chip, str) else ""))
    most = 8 * domain if rack is None else rack.accelerators
    try:
        names = [name.lower() for name in precisions] or list(PRESETS)
        among = candidates(asked.model, min(domain, most), most)
        return frontier(asked, variant, among, _prices(variant.chip), names)
    except ValueError as error:
        raise _refused("search", str(error), "see: stackyard search --help") from None


def memory(
    model: str,
    chip: str | Variant,
    *,
    prompt: float = 1000,
    output: float = 1000,
    precision: str = "bf16",
    ttft: str | None = None,
    tpot: str | None = None,
) -> MemoryWorth | None:
    """What one more GB, TB/s or stack is worth to a service, regime by regime; the objective is that of `estimate`.

    None where the service does not fit within the objective: `estimate` says why. Raises InputErrors for unknown ids,
    units or precisions.

    >>> found = memory("llama-3.1-70b", "h200", precision="fp8")
    >>> found is not None and found.regimes[0].worths[1].elasticity > 0
    True
    """
    from stackyard.perf.worth import worth

    variant = what_if(chip) if isinstance(chip, str) else chip
    asked = workload(model, prompt=prompt, output=output, ttft=ttft, tpot=tpot)
    try:
        return worth(asked, variant, precision.lower())
    except ValueError as error:
        raise _refused("memory", str(error), "see: stackyard memory --help") from None


def write_map(found: MemoryWorth, path: Path | str, reproduce: str = "") -> Path:
    """Writes the capacity-bandwidth map of a service, and what memory is worth to it, as a page that opens offline."""
    from stackyard.perf.memory_map import memory_map
    from stackyard.report.formats import FORMATS
    from stackyard.report.memory import document

    known, precision = catalog(), found.best.precision
    least = found.variant.chip.memory / 4.0  # far smaller ones and those without HBM would only crowd the picture
    others = [chip for chip in known.accelerators.values() if chip.hbm and chip.memory >= least]
    over = memory_map(found.workload, found.variant, precision, others, known.hbm.values())
    report = document(found, over, date=date.today().isoformat(), reproduce=reproduce)
    with atomically(Path(path)) as beside:
        _write(beside, FORMATS["html"](report))
    return Path(path)


def workload(
    model: str, *, prompt: float = 1000, output: float = 1000, ttft: str | None = None, tpot: str | None = None
) -> Workload:
    """A service: a model, the lengths of a request and the latency objective, 2 s and 50 ms where it is left out."""
    from stackyard.perf.frontier import Workload

    first = OBJECTIVE[0] if ttft is None else _seconds("--ttft", ttft)
    each = OBJECTIVE[1] if tpot is None else _seconds("--tpot", tpot)
    return Workload(catalog().model(model), float(prompt), float(output), first, each)


def _prices(part: Accelerator) -> Prices:
    """The package's price, the economic life and the price of electricity that the catalogue has for planning."""
    from stackyard.perf.cost import Prices

    life, electricity = (catalog().fact(path) for path in (LIFE, ELECTRICITY))
    price = [part.facts["price"]] if "price" in part.facts else []
    return Prices(part.price, life.si, electricity.si, (*price, life, electricity))


def supply(product: str, wafers: str, maker: str = "", **asked: Any) -> Reach:
    """What wafers of an HBM product come to in stacks, accelerators, power and tokens: see `reach.reach`."""
    from stackyard.reach import reach

    return reach(catalog(), product, wafers, maker, **asked)


def supply_checks() -> list[Check]:
    """The memory chain beside the top-down figures of the record."""
    from stackyard.hbm.calibration import checks

    return list(checks(catalog()))


def site(name: str | None = None, *, epw: Path | str | None = None, **asked: str) -> Asked:
    """A site, a climate or a weather file through a year under a kind of cooling: see `site.asked.asked`."""
    from stackyard.site.asked import asked as answered

    return answered(catalog(), name, None if epw is None else Path(epw), **asked)


def scenario(path: Path | str) -> Scenario:
    """A scenario file or folder, read and checked; raises InputErrors with every fault."""
    from stackyard.plan.scenario import load as read

    return read(Path(path), catalog())


def problem(path: Path | str, progress: Progress | None = None) -> Built:
    """The Problem of a scenario: every coefficient the planner uses, and where it came from."""
    return _built(scenario(path), progress)


def _built(read: Scenario, progress: Progress | None) -> Built:
    """The Problem of a scenario that was read, with a remark on every supply that nothing can use."""
    from stackyard.plan.build import build

    built = build(read, catalog(), progress)
    fits = built.problem.data["fits_stack"]
    idle = [
        f"{supply.name} fits no accelerator of the plan: none takes {supply.product} with {supply.height} dies."
        for key, supply in read.inputs.supplies.items()
        if not bool(fits.sel(supply=key).any())
    ]
    return replace(built, remarks=(*built.remarks, *idle))


@dataclass(frozen=True)
class Result:
    """A plan with everything it was made from, ready to be shown or written.

    Problem and plan hold the months after the horizon too (its run-out); `plan.plan.reported` leaves them out.
    """

    scenario: Scenario
    built: Built
    plan: Plan
    explanation: Explanation
    report: Report

    def write(self, folder: Path | str) -> list[Path]:
        """Writes report.html, plan.xlsx, plan.nc and plan.json; all of them or none."""
        from stackyard.plan.record import plain, store
        from stackyard.report.formats import FORMATS

        problem = self.built.problem
        digests = {"scenario": self.scenario.digest, "catalogue": catalog().digest}
        said = plain(problem, self.plan, self.explanation, digests)
        writers: dict[str, Callable[[Path], None]] = {
            "report.html": lambda path: _write(path, FORMATS["html"](self.report)),
            "plan.xlsx": lambda path: _write(path, FORMATS["xlsx"](self.report)),
            "plan.nc": lambda path: store(path, problem, self.plan, self.explanation),
            "plan.json": lambda path: _write(path, json.dumps(said, ensure_ascii=False, indent=1).encode()),
        }
        return write_all(Path(folder), writers)


def plan(
    path: Path | str,
    *,
    time_limit: float | None = None,
    steps: bool = True,
    progress: Progress | None = None,
    save_to: Path | str | None = None,
) -> Result:
    """Plans a scenario: reads, builds, solves, audits, explains and reports.

    Raises InputErrors for bad input; SolveError when the solver stops without a plan (the Problem is then saved in
    `save_to`), or when the plan fails the audit.
    """
    from stackyard.plan.check import audit as audited
    from stackyard.plan.explain import explain
    from stackyard.plan.solve import solve_warm
    from stackyard.report.build import build as document
    from stackyard.report.confidence import standing

    tell = progress or (lambda text: None)
    read = scenario(path)
    built = _built(read, tell)
    tell("Formulating the linear program")
    try:
        solved = solve_warm(built.problem, time_limit=time_limit, progress=tell)
    except SolveError as error:
        raise _saved(error, built, save_to) from None
    tell("Auditing the plan")
    violations = audited(built.problem, solved.plan)
    if violations:
        listed = "\n".join(f"  {violation}" for violation in violations[:20])
        failed = SolveError(f"The plan fails its audit and is not shown ({len(violations)} violations):\n{listed}")
        raise _saved(failed, built, save_to)
    tell("Explaining what binds")
    explanation = explain(built.problem, solved.plan, solved.resolve, steps=steps, progress=tell)
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
        reproduce=f"stackyard plan {path}",
        digests=(("Scenario", read.digest), ("Catalogue", catalog().digest)),
    )
    return Result(read, built, solved.plan, explanation, report)


def explained(folder: Path | str) -> tuple[Problem, Plan, Explanation]:
    """What `Result.write` saved in a folder: the problem, its plan and the explanation; InputErrors where none is."""
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


def validate(path: Path | str | None = None, *, predict: Path | str | None = None) -> Comparison:
    """The performance model beside measurements: the package's own table, or a user's in the published columns.

    `predict` names a file that gets the user's table with predictions beside it. Raises InputErrors for a bad table.
    """
    from stackyard.perf.calibration.validate import validate as compared
    from stackyard.perf.calibration.validate import write_predictions

    if predict is not None and path is not None:
        write_predictions(Path(path), Path(predict))
    return compared(None if path is None else Path(path))


def validate_training() -> list[Compared]:
    """Errors of the training model on the package's measured rows, by source, accelerator and model."""
    from stackyard.perf.calibration.training_check import validate_training as compared

    return compared()


def _saved(error: SolveError, built: Built, folder: Path | str | None) -> SolveError:
    """The error, with the Problem saved for a second look."""
    if folder is None:
        return error
    target = Path(folder) / "problem.nc"
    with atomically(target) as beside:
        built.problem.save(beside)
    return SolveError(f"{error}\nThe problem is saved in {target} (digest {built.problem.digest}).")


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _seconds(option: str, text: str) -> float:
    from stackyard.quantity import UnitError, parse

    example = f"for example {option} '500 ms'"
    try:
        value = parse(text, "s")
    except UnitError as error:
        raise _refused(option, str(error), example) from None
    if value <= 0:
        raise _refused(option, f"'{text}' is not above 0", example)
    return value


def _refused(key: str, message: str, hint: str) -> InputErrors:
    return InputErrors([Fault("command line", 0, key, message, hint)])


__all__ = [
    "Result",
    "audit",
    "catalog",
    "compare",
    "estimate",
    "explained",
    "fact_row",
    "facts",
    "memory",
    "nearest_fact",
    "nearest_training",
    "plan",
    "problem",
    "scenario",
    "search",
    "site",
    "supply",
    "supply_checks",
    "train",
    "validate",
    "validate_training",
    "what_if",
    "why_not",
    "workload",
    "workspace",
    "write_map",
    "write_mps",
]
