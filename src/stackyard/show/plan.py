"""A problem, a plan and its explanation, in the terminal."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from stackyard.quantity import show
from stackyard.results import within as left_in
from stackyard.show.screen import console

if TYPE_CHECKING:
    import xarray as xr

    from stackyard.api import Result
    from stackyard.plan.build import Built
    from stackyard.plan.explain import Explanation
    from stackyard.plan.plan import Plan
    from stackyard.plan.problem import Problem
    from stackyard.plan.whynot import WhyNot
    from stackyard.report.document import Report
COUNTED = {"supply": ("supply", "supplies"), "packaging": ("packaging line", "packaging lines")}  # one, and several


def problem(built: Built, path: Path) -> None:
    """What a scenario comes to before it is solved."""
    from stackyard.report.confidence import standing

    screen = console()
    data = built.problem.data
    months, end = data["month"].values, built.problem.end
    sizes = [
        f"{count} {COUNTED.get(str(name), (name, f'{name}s'))[count != 1]}"
        for name, count in data.sizes.items()
        if name not in ("month", "year") and not (name == "block" and count == 1)
    ]
    span = f"{int((months <= end).sum())} months, {months[0]} to {end}, planned on to {months[-1]}"
    named = Text(data.attrs["name"], style="bold")
    screen.print(named.append(f": {span}; {', '.join(sizes)}; problem {built.problem.digest}", style="not bold"))
    title = "\nUsable tokens per second of one accelerator (watts with its share of the system)"
    screen.print(title, style="italic")
    screen.print(_rates(data))
    screen.print()
    for remark in built.remarks:
        screen.print(f"• {remark}", markup=False)
    screen.print(standing([used.fact for used in built.used]))
    screen.print("The scenario reads without a fault. Solve it:", style="green")
    screen.print(f"  stackyard plan {path} -o out", style="green", markup=False, soft_wrap=True)


def _rates(data: xr.Dataset) -> Table:
    """Rate and watts of every pair of accelerator and way; the more numerous of the two are the rows."""
    names = json.loads(data.attrs["labels"])
    told = {}
    for way in map(str, data["way"].values):
        service = str(data["service"].values[int(data["way_service"].sel(way=way).values.argmax())])
        alone = float(data["way_service"].sel(service=service).sum()) == 1
        told[way] = service if alone else f"{service}: {names[way]}"
    chips = {str(chip): str(chip) for chip in data["accelerator"].values}
    across, down = ("way", "accelerator") if len(told) <= len(chips) else ("accelerator", "way")
    called = {"way": told, "accelerator": chips}
    table = Table(box=None, pad_edge=False)
    table.add_column("service" if down == "way" else down, style="cyan")
    for name in called[across].values():
        table.add_column(Text(name), justify="right")
    for row, name in called[down].items():
        cells = []
        for column in called[across]:
            at = {down: row, across: column}
            rate, busy = float(data["rate"].sel(at)), float(data["power_busy"].sel(at))
            cells.append(f"{rate:,.0f} ({show(busy, 'W')})" if rate else "–")
        table.add_row(Text(name), *cells)
    return table


def result(answer: Result, written: Sequence[Path]) -> None:
    """The summary of a plan, and where its files are."""
    from stackyard.report.formats import summary

    screen = console()
    screen.print(summary(answer.report))
    for path in written:
        screen.print(f"  {path}", style="cyan")


def document(report: Report, written: Sequence[Path]) -> None:
    """The summary of a document, and where its files are."""
    from stackyard.report.formats import summary

    screen = console()
    screen.print(summary(report))
    for path in written:
        screen.print(f"  {path}", style="cyan")


def why_not(found: WhyNot) -> None:
    """What a plan would be with something forced, figure by figure."""
    from stackyard.report.scale import say

    screen = console()
    screen.print(f"[bold]{found.forced}[/bold]")
    if found.plan is None:
        reason = "; ".join(found.conflict) or "no plan can have it"
        screen.print(f"It cannot be: {reason}.", markup=False)
        return
    if not any(abs(found.after[each] - was) > 1e-6 * abs(was) for each, was in found.before.items()):
        screen.print("Nothing changes: the plan has it already, or it costs the same without.")
        return
    word = "dearer" if found.dearer >= 0 else "cheaper"
    screen.print(f"That plan is {say(abs(found.dearer), 'USD')} {word} (USD of today, its gap included).")
    table = Table(box=None, pad_edge=False)
    for name in ("", "the plan", "that plan", "change"):
        table.add_column(name, justify="right" if name else "left")
    for headline, before in found.before.items():
        after = found.after[headline]
        if abs(after - before) > 1e-6 * max(abs(before), abs(after)):
            sign = "+" if after > before else "-"
            change = f"{sign}{say(abs(after - before), headline.unit)}"
            table.add_row(headline.name, say(before, headline.unit), say(after, headline.unit), change)
    screen.print(table)


def explanation(problem: Problem, plan: Plan, said: Explanation, month: str | None) -> None:
    """What limits each year and what a step of each limit is worth; or the same for one month."""
    from stackyard.report.limits import worths
    from stackyard.report.terminal import Fitted
    from stackyard.report.view import View

    screen = console()
    if month is not None:
        _month(problem, plan, said, month)
        return
    for year in said.years:
        screen.print(f"• {year.sentence}")
    screen.print(_strip(said))
    if said.worths:
        screen.print("")
        screen.print(Fitted(worths(View.of(problem, plan), said.worths)))
    for note in said.notes:
        screen.print(note, style="dim")


def _strip(said: Explanation) -> Table:
    """The cause of most that each month leaves unserved, a row a year."""
    from stackyard.plan.binding import NAMES
    from stackyard.plan.causes import SERVED

    table = Table(title="\nWhat limits, month by month", title_justify="left", box=None, pad_edge=False)
    table.add_column("")
    for month in ("J", "F", "M", "A", "M", "J", "J", "A", "S", "O", "N", "D"):
        table.add_column(month)
    rows: dict[str, list[str]] = {}
    seen: dict[str, str] = {}
    for month, label in zip(said.data["month"].values, said.data["binds"].values, strict=True):
        mark = "·" if label == SERVED else f"[bold]{NAMES[str(label)][0]}[/bold]"
        seen.setdefault(NAMES[str(label)], mark)
        rows.setdefault(str(month)[:4], [""] * 12)[int(str(month)[5:7]) - 1] = mark
    for year, marks in rows.items():
        table.add_row(year, *marks)
    table.caption = "; ".join(f"{mark.strip()} {name}" for name, mark in seen.items())
    table.caption_justify = "left"
    return table


def _price(usd: float) -> str:
    return show(usd, "USD") if usd >= 1 else f"{usd:.3g} USD"


def _month(problem: Problem, plan: Plan, said: Explanation, month: str) -> None:
    """Who is short in one month and for which cause, and the price of every limit that has one then."""
    here = left_in(said, month)
    from stackyard.plan.binding import NAMES
    from stackyard.plan.causes import NOTHING, SERVED
    from stackyard.plan.limits import RESOURCES, prices_in
    from stackyard.words import within

    screen = console()
    at = {"month": month}
    names: Mapping[str, str] = json.loads(problem.data.attrs["labels"])
    binds = str(said.data["binds"].sel(at).item())
    told = NOTHING[SERVED] if binds == SERVED else f"most of what is left is left for {within(NAMES[binds])}"
    screen.print(f"[bold]{month}[/bold]: {told}")
    for service in problem.data["service"].values:
        place = {"service": service, **at}
        unserved = float(plan.decisions["unserved"].sel(place))
        asked = float(problem.data["demand"].sel(place))
        if unserved > 1e-6 * asked:
            parts = [(float(here.sel(service=service, cause=c)) / unserved, str(c)) for c in here["cause"].values]
            why = ", ".join(
                f"{part:.0%} {within(NAMES[cause])}" for part, cause in sorted(parts)[::-1] if part >= 0.005
            )
            screen.print(f"{names[str(service)]}: {unserved / asked:.0%} of {show(asked, 'token/day')} unserved: {why}")
    sentence = next(year.sentence for year in said.years if year.year == int(month[:4]))
    screen.print(f"Its year {sentence}", style="dim")
    prices = prices_in(problem, plan, month)
    if not prices:
        screen.print("No limit has a price in this month: more of it, due then, would save nothing.", style="dim")
        return
    table = Table(title="\nDue in this month, and used in later ones", title_justify="left", box=None, pad_edge=False)
    for name in ("limit", "of", "available", "one more is worth", "in tokens"):
        table.add_column(name, justify="left" if name in ("limit", "of") else "right")
    for price in prices:
        table.add_row(
            RESOURCES[price.resource].name,
            price.place,
            show(price.available, price.unit),
            f"{_price(price.worth)}/{price.unit}",
            show(price.tokens, "token/day"),
        )
    screen.print(table)
    screen.print(
        "Worth: dual value. In tokens: what it buys at the price of an unserved token, a day to the horizon's end.",
        style="dim",
    )
