"""A site's year in the terminal: PUE, water and modes of cooling by month. Computes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table

from stackyard.show.screen import cited, console, grade

if TYPE_CHECKING:
    from stackyard.site.asked import Asked


def site(found: Asked, sources: bool = False) -> None:
    """The months and the year; with `sources` every constant of the plant."""
    screen, said = console(), found.summary()
    screen.print(
        f"[bold]{found.name}[/bold]: {said['cooling']}, at {said['load']:.0%} of the IT power it is built for; "
        f"weather from {said['weather']}"
    )
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("")
    for head in ("dry bulb", "wet bulb", "PUE", "litre/kWh", "free", "partial", "chiller"):
        table.add_column(head, justify="right")
    for row in said["months"]:
        table.add_row(row["month"], *_cells(row))
    table.add_section()
    table.add_row("year", *_cells(said["year"]), style="bold")
    screen.print(table)
    design = said["design"]
    screen.print(
        f"free, partial and chiller: hours in which a chiller carries none, some or all of the heat. "
        f"99.6% of the hours are below {design['dry_bulb']:.1f} degC dry and {design['wet_bulb']:.1f} degC wet bulb."
    )
    line = said["line"]
    screen.print(
        f"Site power = {line['fixed']:.3f} of the design IT power + {line['proportional']:.3f} x IT power, mean of the "
        f"year; in the worst hour {line['peak_at_full_load']:.3f} at full load."
    )
    screen.print(f"Basis: {len(found.facts)} facts, weakest grade ", grade(found.grade), ".", sep="")
    if sources:
        screen.print(cited(found.facts))
    else:
        screen.print("Every constant with its source: add --sources.", style="dim")


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    bulbs = (f"{row['dry_bulb']:.1f}", f"{row['wet_bulb']:.1f}")
    return (
        *bulbs,
        f"{row['pue']:.3f}",
        f"{row['water_litre_per_kwh']:.2f}",
        *(f"{row[mode]:,.0f}" for mode in ("free_hours", "partial_hours", "mechanical_hours")),
    )
