"""The terminal: plain where it is a pipe; how a number, a grade and a progress look."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import NoReturn

from rich.console import Console
from rich.table import Table
from rich.text import Text

from stackyard.source import Fact, Grade

GRADE_STYLE = {Grade.MEASURED: "green", Grade.PUBLISHED: "green", Grade.REPORTED: "yellow"}
ASSUMED_STYLE = "magenta"


class _Terminal(Console):
    def on_broken_pipe(self) -> None:
        if self.stderr:
            super().on_broken_pipe()
        reader_left()


def console(stderr: bool = False) -> Console:
    """The terminal, or plain text where the output goes to a file or a pipe."""
    return _Terminal(stderr=stderr, highlight=False, soft_wrap=False)


def reader_left() -> NoReturn:
    """Ends the program well and silently: the reader of its output has read enough, as `head` does."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise SystemExit(0)


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

    def brief(value: float | None) -> str:
        if value is None:
            return ""
        if abs(value) >= 1e9:
            return f"{value:.6g}".replace("e+0", "e").replace("e+", "e")
        return f"{value:,.0f}" if value == int(value) else f"{value:,.6g}"

    text = f"{brief(fact.value)} {fact.unit}".rstrip()
    return text if fact.low is None and fact.high is None else f"{text} [{brief(fact.low)}–{brief(fact.high)}]"


def grade(value: Grade) -> Text:
    """The grade in its colour."""
    return Text(value.label, style=GRADE_STYLE.get(value, ASSUMED_STYLE))


def rows(title: str, values: Mapping[str, str]) -> Table:
    """A two-column table of names and texts."""
    table = Table(title=title, title_justify="left", show_header=False, box=None, pad_edge=False)
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in values.items():
        table.add_row(name, text)
    return table


def cited(facts: Iterable[Fact]) -> Table:
    """Facts with what they were read in, or why they are assumed."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for head in ("fact", "value", "grade", "source or reason"):
        table.add_column(head, overflow="fold")
    for fact in facts:
        told = "; ".join(str(source) for source in fact.sources) or fact.note
        table.add_row(fact.path, number(fact), grade(fact.grade), told)
    return table
