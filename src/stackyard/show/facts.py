"""Facts of the catalogue and what its audit finds, in the terminal."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from stackyard.show.screen import console, grade, number
from stackyard.source import Fact, weakest

if TYPE_CHECKING:
    from stackyard.catalog import Catalog
_PATH = re.compile(r"(\w+)\.(.+?)\.([a-z].*)")  # section, entry (its id may hold dots before digits), attribute


def _parted(path: str) -> tuple[str, str, str]:
    match = _PATH.fullmatch(path)
    if match:
        return match[1], match[2], match[3]
    section, _, rest = path.partition(".")
    entry, _, attribute = rest.partition(".")
    return section, entry, attribute or entry


def sections(catalog: Catalog) -> None:
    """What the catalogue holds, by section, with examples of ids."""
    screen = console()
    screen.print(f"[bold]{len(catalog.facts)} facts from {len(catalog.sources)} sources[/bold]")
    table = Table(box=None, pad_edge=False)
    table.add_column("section", style="cyan")
    table.add_column("facts", justify="right")
    table.add_column("entries", overflow="fold")
    entries: dict[str, dict[str, int]] = {}
    for path in catalog.facts:
        section, entry, _ = _parted(path)
        counts = entries.setdefault(section, {})
        counts[entry] = counts.get(entry, 0) + 1
    for section, counts in entries.items():
        shown = ", ".join(list(counts)[:9]) + (f" and {len(counts) - 9} more" if len(counts) > 9 else "")
        table.add_row(section, str(sum(counts.values())), shown)
    screen.print(table)
    screen.print(
        "\nTry:  stackyard facts h200\n      stackyard facts hbm4 --sources\n      stackyard facts --grade assumed"
    )


def section(catalog: Catalog, name: str) -> None:
    """The entries of one section of the catalogue."""
    screen = console()
    table = Table(box=None, pad_edge=False)
    for column in ("id", "facts", "weakest grade", "name"):
        table.add_column(column, justify="right" if column == "facts" else "left")
    named = {f"{axis}.{id_}": entry.name for axis, entries in catalog.axes() for id_, entry in entries.items()}
    groups: dict[str, list[Fact]] = {}
    for path, fact in catalog.facts.items():
        if path.startswith(f"{name}."):
            groups.setdefault(_parted(path)[1], []).append(fact)
    for entry, found in groups.items():
        worst = weakest(fact.grade for fact in found)
        table.add_row(f"[cyan]{entry}[/cyan]", str(len(found)), grade(worst), named.get(f"{name}.{entry}", ""))
    screen.print(table)
    screen.print(f"\nShow one:  stackyard facts {next(iter(groups))}")


def facts(found: Sequence[Fact], sources: bool, hint: str = "") -> None:
    """Facts by entry; with `sources`, numbered notes say where each was read. Where there are none, the hint."""
    screen = console()
    if not found:
        screen.print(f"No fact matches. {hint or '`stackyard facts` lists the sections.'}", markup=False)
        return
    cited: dict[str, int] = {}
    groups: dict[tuple[str, str], list[tuple[str, Fact]]] = {}
    for fact in found:
        section, entry, attribute = _parted(fact.path)
        groups.setdefault((section, entry), []).append((attribute, fact))
    width = max(len(attribute) for group in groups.values() for attribute, _ in group)
    wide = screen.width >= 100  # a narrow terminal has no room for the titles of sources
    for (section, entry), group in groups.items():
        screen.print(f"\n[bold cyan]{section}.{entry}[/bold cyan]")
        table = Table(box=None, pad_edge=False, show_header=False, expand=wide or sources)
        table.add_column(overflow="fold", width=min(width, 36 if wide or not sources else 26))
        if wide or not sources:
            longest = max(len(number(fact)) for _, fact in group)
            table.add_column(overflow="fold", width=min(longest, 36 if wide else 24))
        else:
            table.add_column(overflow="fold", ratio=3)
        table.add_column(no_wrap=True)
        if wide or sources:
            table.add_column(overflow="fold" if sources else "ellipsis", no_wrap=not sources, style="dim", ratio=4)
        for attribute, fact in group:
            dated = grade(fact.grade).append(f" {fact.date}" if fact.date else "", style="dim")
            cells = [_cited(fact, cited)] if sources else [_first(fact)] if wide else []
            table.add_row(attribute, number(fact), dated, *cells)
        screen.print(table)
    if sources:
        screen.print()
        known = {source.id: source for fact in found for source in fact.sources}
        for id_, index in cited.items():
            source = known[id_]
            screen.print(
                f"[{index}] {source}" + (f"\n    {source.url}" if source.url else ""), markup=False, style="dim"
            )
    more = "" if sources else "; --sources shows where each was read"
    screen.print(f"\n{len(found)} fact{'s' if len(found) != 1 else ''}{more}", style="dim")


def _first(fact: Fact) -> str:
    more = f" +{len(fact.sources) - 1}" if len(fact.sources) > 1 else ""
    return (fact.sources[0].title + more) if fact.sources else fact.note


def _cited(fact: Fact, cited: dict[str, int]) -> str:
    """The numbers of a fact's sources, given out in the order of first use, and its note."""
    marks = "".join(f"[{cited.setdefault(source.id, len(cited) + 1)}]" for source in fact.sources)
    return " ".join(part for part in (marks, fact.note) if part).replace("[", r"\[")


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
