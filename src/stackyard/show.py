"""Answers in the terminal: tables and progress with rich. Computes nothing."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from rich.console import Console
from rich.table import Table
from rich.text import Text

from stackyard.errors import Fault, InputErrors
from stackyard.quantity import show
from stackyard.source import Fact, Grade, weakest

if TYPE_CHECKING:
    from stackyard.api import Result
    from stackyard.catalog import Catalog
    from stackyard.perf.estimate import Estimate
    from stackyard.plan.build import Built
    from stackyard.plan.explain import Explanation
    from stackyard.plan.plan import Plan
    from stackyard.plan.problem import Problem

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


def rows(title: str, values: Mapping[str, str]) -> Table:
    """A two-column table of names and texts."""
    table = Table(title=title, title_justify="left", show_header=False, box=None, pad_edge=False)
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in values.items():
        table.add_row(name, text)
    return table


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
        if name not in ("month", "year")
    ]
    span = f"{int((months <= end).sum())} months, {months[0]} to {end}, planned on to {months[-1]}"
    named = Text(data.attrs["name"], style="bold")
    screen.print(named.append(f": {span}; {', '.join(sizes)}; problem {built.problem.digest}", style="not bold"))
    title = "\nUsable tokens per second of one accelerator (watts with its share of the system)"
    screen.print(title, style="italic")
    table = Table(box=None, pad_edge=False)
    table.add_column("accelerator", style="cyan")
    for service in data["service"].values:
        table.add_column(Text(str(service)), justify="right")
    for chip in data["accelerator"].values:
        cells = []
        for service in data["service"].values:
            rate = float(data["rate"].sel(accelerator=chip, service=service))
            busy = float(data["power_busy"].sel(accelerator=chip, service=service))
            cells.append(f"{rate:,.0f} ({show(busy, 'W')})" if rate else "–")
        table.add_row(Text(str(chip)), *cells)
    screen.print(table)
    screen.print()
    for remark in built.remarks:
        screen.print(f"• {remark}", markup=False)
    screen.print(standing([used.fact for used in built.used]))
    screen.print("The scenario reads without a fault. Solve it:", style="green")
    screen.print(f"  stackyard plan {path} -o out", style="green", markup=False, soft_wrap=True)


def result(answer: Result, written: Sequence[Path]) -> None:
    """The summary of a plan, and where its files are."""
    from stackyard.report.formats import summary

    screen = console()
    screen.print(summary(answer.report))
    for path in written:
        screen.print(f"  {path}", style="cyan")


def estimate(answer: Estimate, verbose: bool = False, notes: Sequence[str] = ()) -> None:
    """One estimate: rate, latency, memory, power, what limits, and what it rests on; all its parts with `verbose`."""
    screen = console()
    said = answer.summary()
    widths = ", ".join(f"{name} {width}" for name, width in said["layout"].items() if width > 1)
    alone = said["accelerators"] == 1
    size = "1 accelerator" if alone else f"{said['accelerators']:,} accelerators ({widths})"
    at_once = "1 request" if said["batch"] == 1 else f"{said['batch']:,.0f} requests"
    screen.print(f"[bold]{answer.model.name} on {answer.chip.name}: {size}[/bold], {at_once} at once")
    screen.print(
        f"{said['prompt_tokens']:,.0f} prompt and {said['output_tokens']:,.0f} output tokens; "
        + ", ".join(f"{part} in {kind}" for part, kind in said["precision"].items())
    )
    for note in notes:
        screen.print(f"• {note}", markup=False)
    if not answer.fits:
        screen.print("Not possible:", style="bold red")
        for reason in said["why"]:
            screen.print(f"  • {reason}")
        return
    screen.print(rows("", _figures(answer, said)))
    screen.print(_parts(said, None if verbose else 6))
    basis = said["basis"]
    screen.print(
        f"Basis: {basis['provider']}, {len(basis['constants'])} constants, weakest grade ",
        grade(Grade.named(basis["grade"])),
        ". Rates are means at full load, not yet calibrated.",
        sep="",
    )
    if verbose:
        for fact in answer.basis.constants:
            screen.print(f"  {fact.path} {number(fact)} ", grade(fact.grade), sep="")


def _figures(answer: Estimate, said: Mapping[str, Any]) -> dict[str, str]:
    """The figures of an estimate that fits, by name."""
    sizes = said["memory_bytes"].items()
    held = ", ".join(f"{name} {show(size, 'B')}" for name, size in sizes if size and name != "available")
    used, whole = show(said["memory_used_bytes"], "B"), show(answer.chip.memory, "B")
    own = f"{said['output_tokens_per_s_per_accelerator']:,.0f} output tokens/s"
    step, each = said["step_s"], said["tpot_s"]
    between = f": a decode step of {show(step, 's')}, the rest waits for prefills of other requests"
    return {
        "rate of one accelerator": f"{own} ({said['tokens_per_s_per_accelerator']:,.0f} with prompts)",
        "rate of the replica": f"{said['output_tokens_per_s']:,.0f} output tokens/s",
        "time to first token": show(said["ttft_s"], "s"),
        "time per output token": show(each, "s") + (between if each > 1.001 * step else ""),
        "time in prefill": f"{said['prefill_share']:.0%}",
        "memory of one accelerator": f"{used} of {whole} ({held}); room for {said['largest_batch']:,.0f} requests",
        "power of one accelerator": f"{show(said['watts_per_accelerator'], 'W')} of {show(answer.chip.tdp, 'W')}",
        "energy": f"{show(said['joules_per_token'], 'J')} a token",
        "what limits": _limits(said),
    }


def _limits(said: Mapping[str, Any]) -> str:
    """How much of each phase waits for compute, memory, links and overheads, the most first."""
    told = []
    for phase in ("prefill", "decode"):
        waits: dict[str, float] = {}
        for part in said["parts"]:
            if part["phase"] == phase:
                waits[part["limit"]] = waits.get(part["limit"], 0.0) + part["seconds"]
        total = sum(waits.values()) or 1.0
        most = sorted(waits.items(), key=lambda item: -item[1])
        shares = ", ".join(f"{limit} {seconds / total:.0%}" for limit, seconds in most if seconds / total >= 0.005)
        told.append(f"{phase} waits for {shares}")
    return "; ".join(told)


def _parts(said: Mapping[str, Any], count: int | None) -> Table:
    """Where the time goes: the longest operations of each phase (all for None), and what each waits for."""
    table = Table(title="Where the time goes", title_justify="left", box=None, pad_edge=False)
    for name in ("phase", "operation", "time", "share", "waits for"):
        table.add_column(name, justify="right" if name in ("time", "share") else "left")
    for phase in ("prefill", "decode"):
        parts = sorted((p for p in said["parts"] if p["phase"] == phase), key=lambda p: -p["seconds"])
        total = sum(part["seconds"] for part in parts) or 1.0
        for part in parts[:count]:
            share = part["seconds"] / total
            table.add_row(phase, part["name"], show(part["seconds"], "s"), f"{share:.0%}", part["limit"])
    return table


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
    from stackyard.plan.causes import SERVED
    from stackyard.plan.explain import NAMES

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
    months = [str(known) for known in said.data["month"].values]
    if month not in months:
        hint = f"a month from {months[0]} to {months[-1]}; without --month all years are explained"
        raise InputErrors([Fault("command line", 0, "--month", f"no month '{month}'", hint)])
    from stackyard.plan.causes import NOTHING, SERVED
    from stackyard.plan.explain import NAMES, within
    from stackyard.plan.limits import RESOURCES, prices_in

    screen = console()
    at = {"month": month}
    names: Mapping[str, str] = json.loads(problem.data.attrs["labels"])
    binds = str(said.data["binds"].sel(at).item())
    told = NOTHING[SERVED] if binds == SERVED else f"most of what is left is left for {within(NAMES[binds])}"
    screen.print(f"[bold]{month}[/bold]: {told}")
    for service in problem.data["service"].values:
        here = {"service": service, **at}
        unserved = float(plan.decisions["unserved"].sel(here))
        asked = float(problem.data["demand"].sel(here))
        if unserved > 1e-6 * asked:
            left = said.data["left"].sel(here)
            parts = [
                (float(part) / unserved, str(cause)) for part, cause in zip(left, left["cause"].values, strict=True)
            ]
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
