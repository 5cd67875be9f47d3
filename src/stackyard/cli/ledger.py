"""The verbs of the alliance: `stackyard ledger`, `stackyard account`, `stackyard web`."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stackyard.cli.options import Json, print_json
from stackyard.errors import Fault, InputErrors

if TYPE_CHECKING:
    from stackyard.alliance.ledger import Ledger
    from stackyard.alliance.state import State

ledger_app = typer.Typer(no_args_is_help=True, help="The record of an alliance: verify, show, export, import.")
account_app = typer.Typer(no_args_is_help=True, help="Who may sign in to the web page.")
Where = Annotated[
    str,
    typer.Argument(
        metavar="LEDGER", help="A ledger file, postgresql://user@host/database, or the folder of a scenario."
    ),
]


@contextmanager
def _opened(where: str, create: bool = False) -> "Iterator[Ledger]":
    from stackyard.alliance.ledger import Ledger, Unavailable

    try:
        if Path(where).is_dir() or where.endswith((".yaml", ".yml")):  # a scenario: the ledger that its page has
            from stackyard.alliance.workspace import open_workspace

            ledger = open_workspace(Path(where)).ledger
        else:
            ledger = Ledger(where, create=create)
        yield ledger
        ledger.close()
    except Unavailable as error:
        raise InputErrors([Fault(where, 0, "", str(error))]) from None


@ledger_app.command()
def verify(where: Where, as_json: Json = False) -> None:
    """Find any altered, missing or moved record of a ledger, or of an export (FILE.jsonl); exit 1 if there is one."""
    from stackyard.alliance.event import faults_of_lines

    if where.endswith(".jsonl"):
        lines = list(_lines(Path(where)))
        faults, count = faults_of_lines(lines), len(lines)
    else:
        with _opened(where) as ledger:
            faults, count = ledger.verify(), ledger.state().seq
    if as_json:
        print_json({"records": count, "faults": [str(fault) for fault in faults]})
    elif faults:
        typer.echo("\n".join(map(str, faults)))
    else:
        typer.echo(f"{count:,} records, each as it was made and in its place.")
    if faults:
        raise typer.Exit(1)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """The records of an export; InputErrors for a line that is none."""
    with path.open(encoding="utf-8") as stream:
        for number, written in enumerate(stream, 1):
            if not written.strip():
                continue
            try:
                entry = json.loads(written)
                yield {key: entry[key] for key in ("seq", "at", "by", "event", "previous", "hash")}
            except (ValueError, KeyError, TypeError):
                raise InputErrors([Fault(str(path), number, "", "is not a record of a ledger")]) from None


@ledger_app.command()
def export(
    where: Where, out: Annotated[Path | None, typer.Argument(help="A file; the standard output when left out.")] = None
) -> None:
    """Write every record as a line of JSON."""
    from stackyard.files import atomically

    with _opened(where) as ledger:
        lines = (json.dumps(entry, ensure_ascii=False, sort_keys=True) + "\n" for entry in ledger.lines())
        if out is None:
            sys.stdout.writelines(lines)
            return
        with atomically(out) as beside, beside.open("w", encoding="utf-8") as stream:
            stream.writelines(lines)
    typer.echo(str(out))


@ledger_app.command("import")
def import_(
    source: Annotated[Path, typer.Argument(help="What `stackyard ledger export` wrote.")],
    where: Annotated[str, typer.Option("--ledger", help="A new or shorter ledger: a file or a PostgreSQL address.")],
    as_json: Json = False,
) -> None:
    """Take over the records of an export that is whole and continues what the ledger has."""
    with _opened(where, create=True) as ledger, source.open(encoding="utf-8") as stream:
        count = ledger.import_lines(iter(stream), str(source))
    print_json({"records": count}) if as_json else typer.echo(f"{count:,} records taken over.")


@ledger_app.command()
def show(where: Where, as_json: Json = False) -> None:
    """Who takes part, what was promised and what came of it, in the terminal."""
    from rich.console import Console
    from rich.table import Table

    with _opened(where) as ledger:
        state = ledger.state()
    if as_json:
        print_json(_plain(state))
        return
    console = Console()
    console.print(
        f"{state.seq:,} records; {len(state.partners)} partners, {len(state.meetings)} meetings, "
        f"{len(state.commitments)} commitments, {len(state.differences)} contradictions"
    )
    table = Table("commitment", "of", "status", "kind", "confidence", "terms", box=None, header_style="bold")
    for c in sorted(state.commitments.values(), key=lambda c: c.id):
        amounts = c.terms.amounts
        told = f"{max(amounts.values()):,.6g} {c.unit}, {min(amounts)} to {max(amounts)}" if amounts else "–"
        table.add_row(c.name, c.partner, c.status, "binding" if c.terms.binding else "not binding", c.terms.grade, told)
    console.print(table)


def _plain(state: "State") -> dict[str, Any]:
    """Counts, partners and commitments as plain names and values."""
    kept = ("id", "name", "partner", "status", "unit")
    return {
        "records": state.seq,
        "partners": list(state.partners),
        "meetings": len(state.meetings),
        "contradictions": len(state.differences),
        "commitments": [
            {key: getattr(each, key) for key in kept}
            | {"binding": each.terms.binding, "confidence": each.terms.grade, "amounts": dict(each.terms.amounts)}
            for each in sorted(state.commitments.values(), key=lambda each: each.id)
        ],
    }


@account_app.command()
def add(
    where: Where,
    name: Annotated[str, typer.Argument(help="The name to sign in with.")],
    partner: Annotated[str, typer.Option(help="The partner that the person speaks for.")] = "",
    role: Annotated[str, typer.Option(help="host, member, or reader.")] = "member",
    subject: Annotated[str, typer.Option(help="For OpenID Connect: 'issuer|subject' instead of a password.")] = "",
    password: Annotated[
        str,
        typer.Option(
            prompt="Password (empty for OpenID Connect)",
            hide_input=True,
            confirmation_prompt=True,
            envvar="STACKYARD_PASSWORD",
        ),
    ] = "",
    as_json: Json = False,
) -> None:
    """Open an account; the password is asked for, or read from STACKYARD_PASSWORD."""
    from stackyard.alliance.accounts import Accounts
    from stackyard.alliance.decide import Refused

    with _opened(where) as ledger:
        made = Accounts(ledger).add(name, partner, role, password, subject)
    if isinstance(made, Refused):
        raise InputErrors([Fault("command line", 0, name, reason) for reason in made.reasons])
    if as_json:
        print_json({"name": made.name, "role": made.role, "partner": made.partner})
    else:
        typer.echo(f"{made.name}: {made.role}" + (f" of {made.partner}" if made.partner else ""))


@account_app.command()
def close(where: Where, name: Annotated[str, typer.Argument(help="Whose.")], as_json: Json = False) -> None:
    """Close an account with its sessions and tokens."""
    from stackyard.alliance.accounts import Accounts

    with _opened(where) as ledger:
        Accounts(ledger).close(name)
    print_json({"closed": name}) if as_json else typer.echo(f"{name}: closed")


@account_app.command("list")
def list_(where: Where, as_json: Json = False) -> None:
    """Every open account."""
    from stackyard.alliance.accounts import Accounts

    with _opened(where) as ledger:
        rows = [{"name": each.name, "role": each.role, "partner": each.partner} for each in Accounts(ledger).listed()]
    if as_json:
        print_json(rows)
    else:
        for row in rows:
            typer.echo("\t".join(row.values()))


def web(
    scenario: Annotated[Path, typer.Argument(help="The scenario whose alliance this is.")] = Path("openai-sk"),
    ledger: Annotated[
        str,
        typer.Option(help="A ledger file or PostgreSQL address; beside the scenario if left out."),
    ] = "",
    host: Annotated[str, typer.Option(help="Address to listen on; any but loopback needs accounts.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = 8321,
    certificate: Annotated[Path | None, typer.Option(help="TLS certificate (PEM).")] = None,
    key: Annotated[Path | None, typer.Option(help="Its private key (PEM).")] = None,
    browser: Annotated[bool, typer.Option("--browser", help="Open it in the browser, if there is a screen.")] = False,
) -> None:
    """Open the alliance's page: promises, meetings, the plan, what-ifs. On loopback one person needs no account."""
    from importlib import import_module

    serve = import_module("stackyard.web.serve").serve  # by name: cli and web stand beside each other
    serve(scenario, ledger, host=host, port=port, certificate=certificate, key=key, browser=browser)
