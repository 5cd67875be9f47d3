"""A sweep in the terminal: how far it is while it runs, and what came of it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from stackyard.show.screen import console

if TYPE_CHECKING:
    from stackyard.sweep.file import Asked
    from stackyard.sweep.run import Progress
    from stackyard.sweep.table import Swept

EVERY = 10.0  # seconds between lines where no terminal is
REASONS = 10  # that are told


@contextmanager
def counting() -> Iterator[Callable[[Progress], None]]:
    """A callable that tells how far a sweep is, on the error stream: a bar in a terminal, a line now and then else."""
    screen = console(stderr=True)
    if not screen.is_terminal:
        last = [-EVERY]

        def line(at: Progress) -> None:
            now, ended = time.monotonic(), at.known + at.done == at.total
            if now - last[0] >= EVERY or ended:
                screen.print(f"… {at.sentence}", markup=False)
                last[0] = now

        yield line
        return
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    with Bar(BarColumn(30), TextColumn("{task.description}"), console=screen) as bar:
        task = bar.add_task("Reading", total=None)
        yield lambda at: bar.update(task, total=at.total, completed=at.known + at.done, description=at.sentence)


def asked(of: Asked) -> None:
    """What a sweep file comes to."""
    screen = console()
    for part in of.parts:
        sizes = " x ".join(f"{size} {axis.name}" for axis, size in zip(part.grid.axes, part.grid.shape, strict=True))
        named = f"{part.name}: " if part.name else ""
        screen.print(f"{named}{len(part.grid):,} jobs of {part.setting.verb}: {sizes}", markup=False)
    screen.print(f"{len(of):,} jobs. The sweep reads without a fault. Run it:", style="green")
    screen.print(f"  stackyard sweep {of.file}", style="green", markup=False, soft_wrap=True)


def swept(found: Swept, written: Sequence[Path]) -> None:
    """Counts, the columns at a glance, what failed and why, and where the table is."""
    screen = console()
    if found.name:
        screen.print(found.name, style="bold", markup=False)
    before = f" ({found.known:,} known before)" if found.known else ""
    lost = f"; {found.lost} worker{'s' * (found.lost > 1)} lost" if found.lost else ""
    screen.print(f"{found.table.num_rows:,} jobs{before}, {len(found.failures):,} failed{lost}. Table {found.digest}.")
    screen.print(_glance(found))
    if found.failures:
        _failed(found, screen)
    for path in written:
        screen.print(f"  {path}", style="cyan")


def _glance(found: Swept) -> Table:
    """Least, middle and most of columns of numbers; how often the most frequent value of the others stands."""
    import pyarrow as pa
    import pyarrow.compute as pc

    table = Table(box=None, pad_edge=False)
    for name in ("column", "least", "middle", "most"):
        table.add_column(name, justify="left" if name == "column" else "right", no_wrap=name != "column")
    for name in found.table.column_names:
        column: Any = found.table[name].drop_null()
        if name in ("job", "failed") or not len(column):
            continue
        if pa.types.is_floating(column.type) or pa.types.is_integer(column.type):
            ends = pc.min_max(column).as_py()
            middle = pc.quantile(column, q=0.5)[0].as_py()
            table.add_row(Text(name), *(f"{value:,.5g}" for value in (ends["min"], middle, ends["max"])))
        else:
            (value, count), *_ = Counter(column.to_pylist()).most_common(1)
            if value != "":
                share = f"{count / len(column):.0%}"
                text = ("yes" if value else "no") if isinstance(value, bool) else str(value)
                table.add_row(Text(name), Text(text if len(text) < 25 else text[:24] + "…"), share, "")
    return table


def _failed(found: Swept, screen: Any) -> None:
    """The reasons of failures, the most frequent first, each with a job that had it."""
    table = Table(title="\nFailed", title_justify="left", box=None, pad_edge=False)
    table.add_column("jobs", justify="right")
    table.add_column("first", justify="right")
    table.add_column("why", overflow="fold")
    counts = Counter(each.reason for each in found.failures)
    for reason, count in counts.most_common(REASONS):
        first = next(each.job for each in found.failures if each.reason == reason)
        table.add_row(f"{count:,}", f"{first:,}", Text(reason))
    screen.print(table)
    if len(counts) > REASONS:
        screen.print(f"and {len(counts) - REASONS} more reasons: see the column 'failed'", style="dim")
    screen.print("Once what was wrong is mended: the same command with --again.", style="dim")
