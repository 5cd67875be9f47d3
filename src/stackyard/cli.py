"""The command line: parse, call the api, show. `stackyard --help` lists the verbs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from stackyard.errors import InputErrors, SolveError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

DOES_NOT_FIT, BAD_INPUT, NOT_SOLVED, INTERRUPTED = 1, 2, 3, 130

Json = Annotated[bool, typer.Option("--json", help="Print JSON for other programs.")]


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
    words: Annotated[list[str] | None, typer.Argument(help="An id or words to find: h200, hbm4, ulsan pue.")] = None,
    sources: Annotated[bool, typer.Option("--sources", help="Show where each number was read.")] = False,
    grade: Annotated[str | None, typer.Option(help="Only facts of this grade, for example assumed.")] = None,
    as_json: Json = False,
) -> None:
    """List, search and show the sourced facts: value, range, unit, grade, date and source."""
    from stackyard import api, show

    found = api.facts(" ".join(words or ()), grade)
    if as_json:
        print_json([api.fact_row(fact) for fact in found])
    elif words and len(words) == 1 and any(path.startswith(f"{words[0]}.") for path in api.catalog().facts):
        show.section(api.catalog(), words[0])
    elif words or grade:
        show.facts(found, sources)
    else:
        show.sections(api.catalog())
    if words and not found:
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
    model: Annotated[str, typer.Argument(help="A model of the catalogue: llama-3.1-70b.")],
    chip: Annotated[str, typer.Argument(help="An accelerator of the catalogue: h200.")],
    prompt: Annotated[int, typer.Option("--in", min=1, help="Prompt tokens of a request.")] = 1000,
    output: Annotated[int, typer.Option("--out", min=1, help="Output tokens of a request.")] = 1000,
    tensor: Annotated[
        int | None, typer.Option("--tp", min=1, help="Tensor-parallel width; found when left out.")
    ] = None,
    pipeline: Annotated[int, typer.Option("--pp", min=1, help="Pipeline stages.")] = 1,
    expert: Annotated[int, typer.Option("--ep", min=1, help="Expert-parallel width.")] = 1,
    batch: Annotated[int | None, typer.Option(min=1, help="Requests at once; the best is found when left out.")] = None,
    precision: Annotated[str, typer.Option(help="bf16, fp8, int8, fp4, or fp4-weights.")] = "bf16",
    ttft: Annotated[str, typer.Option(help="Objective: time to first token.")] = "2 s",
    tpot: Annotated[str, typer.Option(help="Objective: time per output token.")] = "50 ms",
    as_json: Json = False,
) -> None:
    """Estimate one model on one accelerator from first principles: rate, latency, memory, power, and what limits."""
    from stackyard import api, show

    answer = api.estimate(
        model,
        chip,
        prompt=prompt,
        output=output,
        tensor=tensor,
        pipeline=pipeline,
        expert=expert,
        batch=batch,
        precision=precision,
        ttft=ttft,
        tpot=tpot,
    )
    print_json(answer.summary()) if as_json else show.estimate(answer)
    if not answer.fits:
        raise typer.Exit(DOES_NOT_FIT)


@app.command()
def check(scenario: Annotated[Path, typer.Argument(help="A scenario file, or a folder with scenario.yaml.")]) -> None:
    """Read a scenario and build its problem without solving: every fault at once, or what the plan would weigh."""
    from stackyard import api, show

    show.problem(api.problem(scenario))


@app.command()
def plan(
    scenario: Annotated[Path, typer.Argument(help="A scenario file, or a folder with scenario.yaml.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the report and the plan.")] = Path("out"),
    time_limit: Annotated[float, typer.Option(min=0.0, help="Most seconds for the solver.")] = 600.0,
    quick: Annotated[bool, typer.Option("--quick", help="Leave out the re-solved steps of the explanation.")] = False,
) -> None:
    """Plan a scenario: what to build where and when, what it costs, and what runs short first."""
    from stackyard import api, show
    from stackyard.files import require_folder

    require_folder(out)
    with show.progress() as progress:
        result = api.plan(scenario, time_limit=time_limit, steps=not quick, progress=progress, save_to=out)
        written = result.write(out)
    show.result(result, written)


@app.command()
def explain(
    folder: Annotated[Path, typer.Argument(help="The folder that `stackyard plan -o` wrote.")] = Path("out"),
    month: Annotated[str | None, typer.Option(help="One month, for example 2028-03; all years when left out.")] = None,
) -> None:
    """Say what binds, and what one more unit of it would be worth, from a saved plan: every year, or one month."""
    from stackyard import api, show

    show.explanation(*api.explained(folder), month)


@app.command()
def validate(
    table: Annotated[
        Path | None, typer.Argument(help="Your measurements (CSV); the built-in ones when left out.")
    ] = None,
    predict: Annotated[bool, typer.Option("--predict", help="Write TABLE-predicted.csv beside your table.")] = False,
    as_json: Json = False,
) -> None:
    """Compare the performance model with measurements: bias, errors and interval coverage by source, chip and model."""
    from stackyard import api, show

    target = table.with_name(f"{table.stem}-predicted.csv") if predict and table else None
    found = api.validate(table, predict=target)
    if as_json:
        by = {name: [vars(line) for line in found.lines(name)] for name in ("source", "chip", "model")}
        told = {"targets": [vars(line) for line in found.targets()], **by}
        print_json({**told, "excluded": found.excluded(), "left_out": found.left_out})
    else:
        show.validation(found, target)


def print_json(value: Any) -> None:
    """Plain JSON on the standard output."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")


def fail(code: int, text: str) -> NoReturn:
    """Tells a person what went wrong and leaves with the code."""
    sys.stderr.write(text.rstrip() + "\n")
    raise SystemExit(code)


def main() -> None:
    """Entry point: turns refusals into text and exit codes, never into a traceback."""
    try:
        app()
    except InputErrors as errors:
        fail(BAD_INPUT, str(errors))
    except SolveError as error:
        fail(NOT_SOLVED, str(error))
    except KeyboardInterrupt:
        fail(INTERRUPTED, "Stopped. Nothing was left half-written.")
    except BrokenPipeError:
        raise SystemExit(0) from None
    except OSError as error:  # a disk that is full, a folder that went away
        fail(BAD_INPUT, f"{error.filename or 'file'}: {error.strerror or error}")
