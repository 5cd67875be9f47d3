"""Answers in the terminal: tables and progress with rich. Computes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from stackyard.quantity import show
from stackyard.source import Fact, Grade

if TYPE_CHECKING:
    from stackyard.api import Result
    from stackyard.catalog import Catalog
    from stackyard.plan.build import Built

GRADE_STYLE = {Grade.MEASURED: "green", Grade.PUBLISHED: "green", Grade.REPORTED: "yellow"}
ASSUMED_STYLE = "magenta"


def console(stderr: bool = False) -> Console:
    """The terminal, or plain text where the output goes to a file or a pipe."""
    return Console(stderr=stderr, highlight=False, soft_wrap=False)


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """A callable that tells what is being done, on the error stream; a spinner where that is a terminal."""
    screen = console(stderr=True)
    if not screen.is_terminal:
        yield lambda text: screen.print(f"… {text}")
        return
    with screen.status("Reading the scenario") as status:

        def tell(text: str) -> None:
            status.update(text)
            screen.log(text, _stack_offset=2)

        yield tell


def number(fact: Fact) -> str:
    """Value and unit as printed in the source, with its range."""
    if fact.value is None:
        return "not known"
    if isinstance(fact.value, tuple):
        return f"{', '.join(f'{value:g}' for value in fact.value)} {fact.unit}".rstrip()
    text = f"{fact.value:,.6g}" if abs(fact.value) < 1e7 else f"{fact.value:.4g}"
    text = f"{text} {fact.unit}".rstrip()
    if fact.low is not None or fact.high is not None:
        low = "" if fact.low is None else f"{fact.low:,.6g}"
        high = "" if fact.high is None else f"{fact.high:,.6g}"
        text += f"  [{low}–{high}]"
    return text


def grade(value: Grade) -> Text:
    """The grade in its colour."""
    return Text(value.label, style=GRADE_STYLE.get(value, ASSUMED_STYLE))


def sections(catalog: Catalog) -> None:
    """What the catalogue holds, by section, with examples of ids."""
    table = Table(title=f"{len(catalog.facts)} facts from {len(catalog.sources)} sources", title_justify="left")
    table.add_column("section")
    table.add_column("facts", justify="right")
    table.add_column("for example", overflow="fold")
    paths: dict[str, list[str]] = {}
    for path in catalog.facts:
        paths.setdefault(path.split(".")[0], []).append(path)
    for section, found in paths.items():
        ids = list(dict.fromkeys(path.split(".")[1] for path in found))
        table.add_row(section, str(len(found)), ", ".join(ids[:8]) + (" …" if len(ids) > 8 else ""))
    screen = console()
    screen.print(table)
    screen.print("Find one:  stackyard facts h200    stackyard facts hbm4 --sources    stackyard facts --grade assumed")


def facts(found: Sequence[Fact], sources: bool) -> None:
    """Facts as a table; with `sources`, each followed by where it was read."""
    screen = console()
    if not found:
        screen.print("No fact matches. `stackyard facts` lists the sections.")
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("fact", style="cyan", overflow="fold", ratio=5)
    table.add_column("value", overflow="fold", ratio=4)
    table.add_column("grade", no_wrap=True)
    table.add_column("date", no_wrap=True)
    table.add_column("sources" if sources else "source", overflow="fold", ratio=5, style="dim")
    for fact in found:
        if sources:
            cited = "\n".join(f"{s}{f' <{s.url}>' if s.url else ''}" for s in fact.sources) or "–"
        else:
            cited = fact.sources[0].title if fact.sources else "–"
            cited += f" (+{len(fact.sources) - 1})" if len(fact.sources) > 1 else ""
        note = f"\n{fact.note}" if fact.note else ""
        table.add_row(fact.path, number(fact), grade(fact.grade), fact.date, cited + (note if sources else ""))
    screen.print(table)
    screen.print(f"{len(found)} fact{'s' if len(found) != 1 else ''}", style="dim")


def findings(found: Sequence[Any], count: int) -> None:
    """The audit of the catalogue: errors first, then notes."""
    screen = console()
    errors = [finding for finding in found if finding.severity == "error"]
    notes = [finding for finding in found if finding.severity != "error"]
    for finding in (*errors, *notes):
        style = "bold red" if finding.severity == "error" else "yellow"
        screen.print(Text.assemble((f"{finding.severity:<6}", style), f"{finding.path}: {finding.message}"))
    verdict = f"{count} facts checked: {len(errors)} errors, {len(notes)} notes"
    screen.print(verdict, style="bold red" if errors else "bold green")


def rows(title: str, values: Mapping[str, str]) -> Table:
    """A two-column table of names and texts."""
    table = Table(title=title, title_justify="left", show_header=False, box=None, pad_edge=False)
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in values.items():
        table.add_row(name, text)
    return table


def problem(built: Built) -> None:
    """What a scenario comes to before it is solved."""
    screen = console()
    data = built.problem.data
    sizes = ", ".join(f"{count} {name}{'s' if count != 1 else ''}" for name, count in data.sizes.items())
    screen.print(f"[bold]{data.attrs['name']}[/bold]: {sizes}; problem {built.problem.digest}")
    table = Table(title="Tokens per second of one accelerator (watts with its share of the system)")
    table.add_column("accelerator", style="cyan")
    for service in data["service"].values:
        table.add_column(str(service), justify="right")
    for chip in data["accelerator"].values:
        cells = []
        for service in data["service"].values:
            rate = float(data["rate"].sel(accelerator=chip, service=service))
            busy = float(data["power_busy"].sel(accelerator=chip, service=service))
            cells.append(f"{rate:,.0f} ({show(busy, 'W')})" if rate else "–")
        table.add_row(str(chip), *cells)
    screen.print(table)
    for remark in built.remarks:
        screen.print(f"• {remark}")
    screen.print("The scenario reads without a fault. Solve it:  stackyard plan SCENARIO -o out", style="green")


def result(answer: Result, written: Sequence[Path]) -> None:
    """The summary of a plan, and where its files are."""
    from stackyard.report.formats import summary

    screen = console()
    screen.print(summary(answer.report))
    for path in written:
        screen.print(f"  {path}", style="cyan")
