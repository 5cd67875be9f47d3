"""The command line: parse, call the api, show. `stackyard --help` lists the verbs."""

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from stackyard.cli import files, plans, serving, supply, sweep, validation
from stackyard.cli.ledger import account_app, ledger_app, web
from stackyard.cli.options import (
    Acceptance,
    Batch,
    ChipName,
    Data,
    DecodePool,
    Draft,
    DraftModel,
    EngineName,
    Expert,
    Formats,
    Height,
    Json,
    Language,
    ModelName,
    Pipeline,
    PowerCap,
    PrefillPool,
    PrefixHits,
    Regime,
    Store,
    Tensor,
    TwoPools,
    print_json,
    whole,
)
from stackyard.errors import Fault, InputErrors, SolveError

if TYPE_CHECKING:
    from stackyard.perf.whatif import Variant

EPILOG = (
    "Exit codes: 0 done; 1 the answer is no (does not fit, none found, a fault found); 2 the input was refused; "
    "3 the solver stopped without a plan; 130 stopped with Ctrl-C."
)

app = typer.Typer(
    no_args_is_help=True,
    epilog=EPILOG,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

app.add_typer(ledger_app, name="ledger")
app.add_typer(account_app, name="account")
app.command()(web)

DOES_NOT_FIT, BAD_INPUT, NOT_SOLVED, INTERRUPTED = 1, 2, 3, 130


ScenarioFile = Annotated[Path, typer.Argument(help="A scenario file, or a folder with scenario.yaml; or openai-sk.")]
Hbm = Annotated[str | None, typer.Option(help="What if it had these stacks: hbm4, hbm4-12h; `facts hbm` lists them.")]
Stacks = Annotated[int | None, typer.Option(parser=whole, metavar="N", help="Stacks; its own number if left out.")]
Capacity = Annotated[str | None, typer.Option(help="What if its memory held x2, or '192 GB'.")]
Bandwidth = Annotated[str | None, typer.Option(help="What if its memory moved x1.5, or '6 TB/s'.")]
HbmEnergy = Annotated[str | None, typer.Option("--hbm-energy", help="What if a bit took x0.8, or '3 pJ/bit'.")]


def _version(wanted: bool) -> None:
    if wanted:
        from stackyard import __version__

        typer.echo(f"stackyard {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Plans AI infrastructure from the HBM stack to the data-centre yard, with the source of every number."""


@app.command()
def facts(
    words: Annotated[
        list[str] | None, typer.Argument(help="An id or words to find: h200, hbm4 price, korea electricity.")
    ] = None,
    sources: Annotated[bool, typer.Option("--sources", help="Show where each number was read.")] = False,
    grade: Annotated[str | None, typer.Option(help="Only facts of this grade, for example assumed.")] = None,
    as_json: Json = False,
) -> None:
    """List, search and show the sourced facts: value, range, unit, grade, date and source."""
    from stackyard import api, show

    asked = " ".join(words or ()).strip()
    found = api.facts(asked, grade)
    if as_json:
        print_json([api.fact_row(fact) for fact in found])
    elif not grade and asked in {path.partition(".")[0] for path in api.catalog().facts}:
        show.section(api.catalog(), asked)
    elif asked or grade:
        show.facts(found, sources, "" if found or grade else api.nearest_fact(asked))
    else:
        show.sections(api.catalog())
    if asked and not found:
        raise typer.Exit(DOES_NOT_FIT)


@app.command()
def audit(as_json: Json = False) -> None:
    """Check every entry of the catalogue: sourced, in range, units convert, figures agree with each other."""
    from stackyard import api, show

    findings = api.audit()
    if as_json:
        print_json([vars(finding) for finding in findings])
    else:
        show.findings(findings, len(api.catalog().facts))
    if any(finding.severity == "error" for finding in findings):
        raise typer.Exit(DOES_NOT_FIT)


@app.command()
def estimate(
    model: ModelName,
    chip: ChipName,
    prompt: Annotated[int, typer.Option("--in", parser=whole, metavar="N", help="Prompt tokens of a request.")] = 1000,
    output: Annotated[int, typer.Option("--out", parser=whole, metavar="N", help="Output tokens of a request.")] = 1000,
    tensor: Tensor = None,
    pipeline: Pipeline = None,
    data: Data = None,
    expert: Expert = None,
    batch: Batch = None,
    precision: Formats = "bf16",
    ttft: Annotated[
        str | None, typer.Option(help="Objective: time to first token; 2 s unless --tp and --batch are stated.")
    ] = None,
    tpot: Annotated[
        str | None, typer.Option(help="Objective: time per output token; 50 ms unless --tp and --batch are stated.")
    ] = None,
    regime: Regime = "closed-loop",
    draft: Draft = 0,
    acceptance: Acceptance = None,
    draft_model: DraftModel = None,
    prefix_hits: PrefixHits = None,
    store: Store = None,
    power_cap: PowerCap = None,
    engine: EngineName = "",
    pools: TwoPools = False,
    prefill_pool: PrefillPool = None,
    decode_pool: DecodePool = None,
    hbm: Hbm = None,
    height: Height = None,
    stacks: Stacks = None,
    capacity: Capacity = None,
    bandwidth: Bandwidth = None,
    energy: HbmEnergy = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show every operation and every constant.")] = False,
    as_json: Json = False,
) -> None:
    """Estimate one model on one accelerator from first principles: rate, latency, memory, power, and what limits."""
    from stackyard import api, show

    part = api.what_if(
        chip, model=model, hbm=hbm, height=height, stacks=stacks, capacity=capacity, bandwidth=bandwidth, energy=energy
    )
    sizes: dict[str, Any] = {"prompt": prompt, "output": output, "batch": batch, "precision": precision}
    sizes |= {"ttft": ttft, "tpot": tpot, "engine": engine}
    ways: dict[str, Any] = {"draft": draft, "acceptance": acceptance, "draft_model": draft_model}
    ways["prefix_hits"] = prefix_hits
    widths: dict[str, Any] = {"tensor": tensor, "pipeline": pipeline, "data": data, "expert": expert}
    if pools or prefill_pool or decode_pool:
        of_one = {"--tp": tensor, "--pp": pipeline, "--dp": data, "--ep": expert, "--store": store}
        of_one |= {"--power-cap": power_cap, "--regime": None if regime == "closed-loop" else regime}
        _apart([option for option, value in of_one.items() if value is not None])
        sizes |= {"prefill_pool": prefill_pool, "decode_pool": decode_pool}
        _two_pools(model, chip, part, as_json, **sizes, **ways)
        return
    answer = api.estimate(model, part, **widths, **sizes, **ways, regime=regime, store=store, power_cap=power_cap)
    near = None if answer.fits else api.nearest_fit(answer)
    if as_json:
        told = answer.summary() | ({"what_if": list(part.notes)} if part.notes else {})
        told |= {} if near is None else {"nearest_fit": {"options": near[1], **near[0].summary()}}
        print_json(told)
    else:
        show.estimate(answer, verbose, part.notes, near)
    if not answer.fits:
        raise typer.Exit(DOES_NOT_FIT)


def _two_pools(model: str, chip: str, part: "Variant", as_json: bool, **asked: Any) -> None:
    """Answers for prefill and decode on pools of their own."""
    from stackyard import api, show

    chosen = api.disaggregate(model, part, within=chip, **asked)
    told = chosen.found.summary() if chosen.found else {"fits": False, "why": list(chosen.why)}
    told |= {"what_if": list(part.notes)} if part.notes else {}
    print_json(told) if as_json else show.pools(chosen, part.notes)
    if chosen.found is None or not chosen.found.fits:
        raise typer.Exit(DOES_NOT_FIT)


def _apart(options: list[str]) -> None:
    """Refuses options of one pool beside those of two."""
    if options:
        hint = "leave them out; a pool's widths are stated as 2xTP4EP4"
        raise InputErrors([Fault("command line", 0, ", ".join(options), "is of one pool, and two are asked for", hint)])


@app.command()
def train(
    model: ModelName,
    chip: ChipName,
    accelerators: Annotated[int, typer.Option("--gpus", min=1, help="Accelerators of the whole run.")],
    tensor: Annotated[int, typer.Option("--tp", min=1, help="Tensor-parallel width.")] = 1,
    pipeline: Annotated[int, typer.Option("--pp", min=1, help="Pipeline stages.")] = 1,
    virtual: Annotated[int, typer.Option("--vp", min=1, help="Chunks of layers of a stage (interleaved).")] = 1,
    context: Annotated[int, typer.Option("--cp", min=1, help="Context-parallel width.")] = 1,
    expert: Annotated[int, typer.Option("--ep", min=1, help="Expert-parallel width.")] = 1,
    sequence: Annotated[int, typer.Option("--seq", min=1, help="Tokens of a sequence.")] = 8192,
    batch: Annotated[
        int | None, typer.Option(min=1, help="Sequences of a step; 32 micro-batches a replica when left out.")
    ] = None,
    micro_batch: Annotated[int, typer.Option("--micro", min=1, help="Sequences of a micro-batch.")] = 1,
    precision: Annotated[str, typer.Option(help="bf16, fp8, mxfp8 or fp4.")] = "bf16",
    recompute: Annotated[str, typer.Option(help="none, selective, alternate or full.")] = "none",
    sharding: Annotated[str, typer.Option(help="none, zero-1, zero-2 or zero-3 (FSDP).")] = "zero-1",
    schedule: Annotated[str, typer.Option(help="1f1b or zero-bubble.")] = "1f1b",
    software: Annotated[
        str, typer.Option(help="Whose constants: megatron-core, torchtitan, other, ...")
    ] = "megatron-core",
    offload: Annotated[bool, typer.Option("--offload", help="Keep the optimiser in host memory.")] = False,
    attention: Annotated[str, typer.Option(help="unfused, flash-1, flash-2 or flash-3.")] = "flash-3",
    adapters: Annotated[bool, typer.Option("--lora", help="Train low-rank adapters only.")] = False,
    shard_width: Annotated[
        float, typer.Option("--shard-width", help="Accelerators that split one copy of the state (hybrid sharding).")
    ] = float("inf"),
    released: Annotated[float, typer.Option(help="Year of the software.")] = 2026.5,
    tokens: Annotated[
        float | None, typer.Option(help="Tokens of the whole run: its days, energy and accelerator-hours.")
    ] = None,
    interval: Annotated[
        str | None, typer.Option("--checkpoint-every", help="'30 min'; the best interval when left out.")
    ] = None,
    storage: Annotated[
        str | None, typer.Option(help="Bandwidth of checkpoint storage: '200 GB/s'; grows with the job when left out.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Estimate a training run: step time with its interval, tokens, MFU, memory, power, and goodput over weeks."""
    from stackyard import api, show

    answer = api.train(
        model,
        chip,
        accelerators=accelerators,
        sequence=sequence,
        batch=batch,
        micro_batch=micro_batch,
        tensor=tensor,
        pipeline=pipeline,
        virtual=virtual,
        context=context,
        expert=expert,
        precision=precision,
        recompute=recompute,
        sharding=sharding,
        schedule=schedule,
        software=software,
        offload=offload,
        attention=attention,
        adapters=adapters,
        shard_width=shard_width,
        released=released,
    )
    weeks = api.training_choices(interval, storage)
    if as_json:
        run = {"campaign": dataclasses.asdict(answer.campaign(tokens, **weeks))} if tokens and answer.fits else {}
        print_json(answer.summary(**weeks) | run)
    else:
        show.training(answer, tokens, weeks)
    if not answer.fits:
        raise typer.Exit(DOES_NOT_FIT)


@app.command()
def search(
    model: ModelName,
    chip: ChipName,
    prompt: Annotated[int, typer.Option("--in", parser=whole, metavar="N", help="Prompt tokens of a request.")] = 1000,
    output: Annotated[int, typer.Option("--out", parser=whole, metavar="N", help="Output tokens of a request.")] = 1000,
    ttft: Annotated[str | None, typer.Option(help="Objective: time to first token; 2 s if left out.")] = None,
    tpot: Annotated[str | None, typer.Option(help="Objective: time per output token; 50 ms if left out.")] = None,
    precision: Annotated[
        list[str] | None, typer.Option(help="Only this one; may be repeated. All that the chip has if left out.")
    ] = None,
    draft: Draft = 0,
    acceptance: Acceptance = None,
    draft_model: DraftModel = None,
    prefix_hits: PrefixHits = None,
    hbm: Hbm = None,
    height: Height = None,
    stacks: Stacks = None,
    capacity: Capacity = None,
    bandwidth: Bandwidth = None,
    energy: HbmEnergy = None,
    as_json: Json = False,
) -> None:
    """Search all layouts, batches and precisions: the best by cost, energy and latency, the Pareto set, and why not."""
    from stackyard import api, show

    part = api.what_if(
        chip, model=model, hbm=hbm, height=height, stacks=stacks, capacity=capacity, bandwidth=bandwidth, energy=energy
    )
    wanted = tuple(precision or ())
    found = api.search(
        model,
        part,
        prompt=prompt,
        output=output,
        ttft=ttft,
        tpot=tpot,
        precisions=wanted,
        within=chip,
        draft=draft,
        acceptance=acceptance,
        draft_model=draft_model,
        prefix_hits=prefix_hits,
    )
    print_json(found.summary()) if as_json else show.frontier(found)
    if not found.best:
        raise typer.Exit(DOES_NOT_FIT)


@app.command()
def memory(
    model: ModelName,
    chip: ChipName,
    prompt: Annotated[int, typer.Option("--in", parser=whole, metavar="N", help="Prompt tokens of a request.")] = 1000,
    output: Annotated[int, typer.Option("--out", parser=whole, metavar="N", help="Output tokens of a request.")] = 1000,
    precision: Annotated[str, typer.Option(help="bf16, fp8, int8, fp4, or fp4-weights.")] = "bf16",
    ttft: Annotated[str | None, typer.Option(help="Objective: time to first token; 2 s if left out.")] = None,
    tpot: Annotated[str | None, typer.Option(help="Objective: time per output token; 50 ms if left out.")] = None,
    tensor: Tensor = None,
    hbm: Hbm = None,
    height: Height = None,
    stacks: Stacks = None,
    capacity: Capacity = None,
    bandwidth: Bandwidth = None,
    energy: HbmEnergy = None,
    map_: Annotated[
        Path | None, typer.Option("--map", help="Also write the capacity-bandwidth map, as a page: out/map.html.")
    ] = None,
    as_json: Json = False,
) -> None:
    """What one more GB, TB/s or stack of HBM is worth to a service, regime by regime; with a map of both."""
    from stackyard import api, show

    part = api.what_if(
        chip, model=model, hbm=hbm, height=height, stacks=stacks, capacity=capacity, bandwidth=bandwidth, energy=energy
    )
    sizes: dict[str, Any] = {"prompt": prompt, "output": output, "precision": precision, "tensor": tensor}
    found = api.memory(model, part, **sizes, ttft=ttft, tpot=tpot)
    if found is None:
        nearest = api.estimate(model, part, **sizes, ttft=ttft, tpot=tpot)
        print_json(nearest.summary()) if as_json else show.estimate(nearest, notes=part.notes)
        raise typer.Exit(DOES_NOT_FIT)
    asked = " ".join(["stackyard", *sys.argv[1:]])
    written = api.write_map(found, map_, asked) if map_ else None
    print_json(found.summary()) if as_json else show.memory(found, written)


@app.command()
def check(scenario: ScenarioFile, as_json: Json = False) -> None:
    """Read a scenario and build its problem without solving: every fault at once, or what the plan would weigh.

    Every key of a scenario, with its unit, default and meaning, is in docs/scenario.md.
    """
    from stackyard import api, show

    built = api.problem(scenario)
    print_json(api.problem_row(built)) if as_json else show.problem(built, scenario)


@app.command()
def plan(
    scenario: ScenarioFile,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the report and the plan.")] = Path("out"),
    time_limit: Annotated[float, typer.Option(min=0.0, help="Most seconds for the solver.")] = 600.0,
    quick: Annotated[bool, typer.Option("--quick", help="Leave out the re-solved steps of the explanation.")] = False,
    explain_within: Annotated[
        float, typer.Option(min=0.0, help="Most seconds of solving again for the explanation; a large plan takes all.")
    ] = 900.0,
    mps: Annotated[Path | None, typer.Option("--mps", help="Write the program here, and do not solve it.")] = None,
    as_json: Json = False,
    language: Language = "en",
) -> None:
    """Plan a scenario: what to build where and when, what it costs, and what runs short first."""
    from stackyard import api, show
    from stackyard.files import require_folder

    if mps is not None:
        target = api.write_mps(scenario, mps)
        said = f"{target}: the program, for any solver that reads MPS."
        print_json({"written": [str(target)]}) if as_json else show.console().print(said, markup=False)
        return
    require_folder(out)
    with show.progress() as progress:
        result = api.plan(
            scenario,
            time_limit=time_limit,
            steps=not quick,
            explain_within=explain_within,
            progress=progress,
            save_to=out,
            language=language,
        )
        written = result.write(out)
    if as_json:
        print_json(result.values() | {"written": [str(path) for path in written]})
    else:
        show.result(result, written)


@app.command()
def explain(
    folder: Annotated[Path, typer.Argument(help="The folder that `stackyard plan -o` wrote.")] = Path("out"),
    month: Annotated[str | None, typer.Option(help="One month, for example 2028-03; all years when left out.")] = None,
    as_json: Json = False,
) -> None:
    """Say what binds, and what one more unit of it would be worth, from a saved plan: every year, or one month."""
    from stackyard import api, show

    found = api.explained(folder)
    print_json(api.explanation_row(*found, month)) if as_json else show.explanation(*found, month)


for verb in (
    validation.validate,
    *files.COMMANDS,
    *supply.COMMANDS,
    *serving.COMMANDS,
    sweep.sweep,
):
    app.command()(verb)


def fail(code: int, text: str) -> NoReturn:
    """Tells a person what went wrong and leaves with the code."""
    sys.stderr.write(text.rstrip() + "\n")
    raise SystemExit(code)


plans.offer(app)


def main() -> None:
    """Entry point: turns refusals into text and exit codes, never into a traceback."""
    try:
        app()
    except InputErrors as errors:
        fail(BAD_INPUT, str(errors))
    except SolveError as error:
        fail(NOT_SOLVED, str(error))
    except SystemExit as end:
        if end.code == INTERRUPTED:  # typer turns Ctrl-C into this and says nothing
            fail(INTERRUPTED, "Stopped. Nothing was left half-written.")
        raise
    except OSError as error:  # a disk that is full, a folder that went away
        hint = "check that the disk has room and that the path can be read and written"
        fail(BAD_INPUT, f"{error.filename or 'file'}: {error.strerror or error}\n    {hint}")
