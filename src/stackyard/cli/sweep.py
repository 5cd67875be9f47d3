"""The command `sweep`. `cli` offers it."""

from pathlib import Path
from typing import Annotated

import typer

from stackyard.cli.options import print_json

SOME_FAILED = 1


def sweep(
    file: Annotated[Path, typer.Argument(help="A sweep file: a verb, what its jobs share, axes and samples.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Folder for results; a sweep that was killed goes on there. out/NAME if left out."
        ),
    ] = None,
    on: Annotated[
        str, typer.Option(help="here, processes, processes:8, or a Dask scheduler: tcp://host:8786.")
    ] = "processes",
    retries: Annotated[int, typer.Option(min=0, help="More tries of a job whose worker died.")] = 2,
    again: Annotated[bool, typer.Option("--again", help="Try the jobs that failed before once more.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Read the file and count its jobs; run nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for other programs.")] = False,
) -> None:
    """Run one verb over axes and samples of its inputs, on all cores or a cluster: one table, the same wherever it ran.

    docs/sweeps.md shows files for estimates, searches, training, simulations and plans. Jobs that fail are told with
    their reason, and exit 1.
    """
    from stackyard import api, show

    if check:
        asked = api.sweep_asked(file)
        print_json(asked.summary()) if as_json else show.asked(asked)
        return
    folder = out or Path("out") / (file.resolve().name if file.is_dir() else file.stem)
    with show.counting() as tell:
        found = api.sweep(file, on=on, store=folder, retries=retries, again=again, progress=tell)
        written = found.write(folder)
    print_json({**found.summary(), "files": list(map(str, written))}) if as_json else show.swept(found, written)
    if found.failures:
        raise typer.Exit(SOME_FAILED)
