"""The commands over several plans: compare, why-not, fan and robust. `cli` offers them."""

from pathlib import Path
from typing import Annotated, Any

import typer

from stackyard.cli.options import Json, Language, print_json

DOES_NOT_FIT = 1


def _told(document: Any, written: list[Path], as_json: bool) -> None:
    """A document in the terminal, or its values with where it was written."""
    from stackyard import show

    if as_json:
        print_json({document.name: document.values, "written": [str(path) for path in written]})
    else:
        show.document(document.report, written)


def compare(
    first: Annotated[Path, typer.Argument(help="A scenario file or folder.")],
    second: Annotated[Path, typer.Argument(help="Another one over the same months, or a file of changes to it.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the comparison.")] = Path("out"),
    language: Language = "en",
    as_json: Json = False,
) -> None:
    """Compare two plans: what each changed input does to cost, tokens, power, exactly; one table and one waterfall."""
    from stackyard import api, show
    from stackyard.files import require_folder

    require_folder(out)
    with show.progress() as progress:
        _, document = api.compare(first, second, progress, language)
        written = document.write(out)
    _told(document, written, as_json)


def fan(
    scenario: Annotated[Path, typer.Argument(help="A scenario file or folder that says what is not known.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for the fan; one that was killed goes on there.")
    ] = Path("out"),
    samples: Annotated[
        int | None, typer.Option(min=8, help="Plans to make; those of the scenario if left out.")
    ] = None,
    causes: Annotated[
        int, typer.Option(min=0, help="Of so many samples, find what leaves their demand: up to 13 plans for each.")
    ] = 0,
    workers: Annotated[int, typer.Option(min=1, help="Processes; the answer does not depend on them.")] = 2,
    language: Language = "en",
    as_json: Json = False,
) -> None:
    """Plan many samples of what is not known: percentiles over time, what binds how often, and which inputs matter."""
    from stackyard import api, show
    from stackyard.files import require_folder

    require_folder(out)
    out.mkdir(parents=True, exist_ok=True)
    with show.progress() as progress:
        _, document = api.fan(
            scenario,
            samples=samples,
            causes=causes,
            workers=workers,
            store=out / "fan.jsonl",
            progress=progress,
            language=language,
        )
        written = document.write(out)
    _told(document, written, as_json)


def robust(
    scenario: Annotated[Path, typer.Argument(help="A scenario file or folder with branches of what is not known.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for the report; a run that was killed goes on there.")
    ] = Path("out"),
    language: Language = "en",
    as_json: Json = False,
) -> None:
    """Find the orders and fit-out of the first months that serve all branches of the future best, with their tail."""
    from stackyard import api, show
    from stackyard.files import require_folder

    require_folder(out)
    out.mkdir(parents=True, exist_ok=True)
    with show.progress() as progress:
        _, document = api.robust(scenario, progress, store=out / "robust.jsonl", language=language)
        written = document.write(out)
    _told(document, written, as_json)


def why_not(
    scenario: Annotated[Path, typer.Argument(help="A scenario file or folder.")],
    what: Annotated[str, typer.Argument(help="An option, such as phase/ulsan/2029-02, or an accelerator with --at.")],
    at: Annotated[str | None, typer.Option(help="The site at which the accelerator is to stand.")] = None,
    as_json: Json = False,
) -> None:
    """Force what the plan did not choose, plan again, and tell the difference."""
    from stackyard import api, show

    with show.progress() as progress:
        found = api.why_not(scenario, what, at, progress)
    print_json(found.summary()) if as_json else show.why_not(found)
    if found.plan is None:
        raise typer.Exit(DOES_NOT_FIT)


def offer(app: typer.Typer) -> None:
    """Adds the commands to the command line."""
    app.command()(compare)
    app.command(name="why-not")(why_not)
    app.command()(fan)
    app.command()(robust)
