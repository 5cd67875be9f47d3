"""The commands about scenario files: init writes a first one, schema prints what editors complete them by."""

import sys
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from stackyard.cli.options import Json, print_json
from stackyard.errors import Fault, InputErrors

ASKED = "left out, it is asked for"


def init(
    file: Annotated[Path, typer.Argument(help="The file to write; one that is there is left alone.")] = Path(
        "my-plan.yaml"
    ),
    model: Annotated[str | None, typer.Option(help=f"The model that stands for the service; {ASKED}.")] = None,
    demand: Annotated[str | None, typer.Option(help=f"Tokens a day in the first month; {ASKED}.")] = None,
    chip: Annotated[str | None, typer.Option(help=f"The accelerator; {ASKED}.")] = None,
    stacks: Annotated[str | None, typer.Option(help=f"HBM stacks a month; {ASKED}.")] = None,
    power: Annotated[str | None, typer.Option(help=f"Power of the site; {ASKED}.")] = None,
    start: Annotated[str | None, typer.Option(help="First month; next January if left out.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing: usual answers where none is given.")] = False,
    as_json: Json = False,
) -> None:
    """Write a first scenario, with a comment on every line that wants one, from five questions; and its JSON Schema."""
    from stackyard.catalog import load
    from stackyard.files import write_all
    from stackyard.plan import schema, starting

    if file.exists():
        raise InputErrors([Fault(str(file), 0, "", "is there already", "name another file, or move this one away")])
    catalog = load()
    given = {"model": model, "demand": demand, "chip": chip, "stacks": stacks, "power": power}
    answers = {}
    for question in starting.QUESTIONS:
        answer = given[question.key]
        while answer is None:
            answer = question.usual if yes else typer.prompt(question.text, default=question.usual, err=as_json)
            told = starting.refusal(catalog, question, answer)
            if told is not None:
                typer.echo(f"  {told[0]}; {told[1]}", err=True)
                answer = None
        answers[question.key] = answer
    text = starting.starting(catalog, answers, start or f"{date.today().year + 1}-01")
    written = write_all(
        file.parent,
        {
            file.name: lambda path: path.write_text(text, encoding="utf-8"),
            schema.FILE.name: lambda path: path.write_bytes(schema.FILE.read_bytes()),
        },
    )
    if as_json:
        print_json({"written": [str(path) for path in written], "answers": answers})
        return
    typer.echo(f"{file}: a scenario to go on from; {schema.FILE.name} beside it lets editors complete its keys.")
    typer.echo(f"  stackyard check {file}\n  stackyard plan {file} -o out")


def schema() -> None:
    """Print the JSON Schema of a scenario file, by which editors complete keys and mark what is wrong."""
    from stackyard.plan.schema import FILE

    sys.stdout.write(FILE.read_text(encoding="utf-8"))


COMMANDS = (init, schema)
