"""Answers in the terminal: tables and progress with rich. Computes nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from stackyard.errors import Fault, InputErrors
from stackyard.quantity import show
from stackyard.source import Fact, Grade, weakest

if TYPE_CHECKING:
    from stackyard.api import Result
    from stackyard.catalog import Catalog
    from stackyard.perf.calibration.validate import Comparison
    from stackyard.perf.estimate import Estimate
    from stackyard.plan.build import Built
    from stackyard.plan.explain import Explanation
    from stackyard.plan.plan import Plan
    from stackyard.plan.problem import Problem

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

    def brief(value: float | None) -> str:
        return "" if value is None else f"{value:,.6g}" if abs(value) < 1e7 else f"{value:.4g}"

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


def facts(found: Sequence[Fact], sources: bool) -> None:
    """Facts by entry; with `sources`, numbered notes say where each was read."""
    screen = console()
    if not found:
        screen.print("No fact matches. `stackyard facts` lists the sections.")
        return
    cited: dict[str, int] = {}
    groups: dict[tuple[str, str], list[tuple[str, Fact]]] = {}
    for fact in found:
        section, entry, attribute = _parted(fact.path)
        groups.setdefault((section, entry), []).append((attribute, fact))
    width = max(len(attribute) for group in groups.values() for attribute, _ in group)
    for (section, entry), group in groups.items():
        screen.print(f"\n[bold cyan]{section}.{entry}[/bold cyan]")
        table = Table(box=None, pad_edge=False, show_header=False, expand=True)
        table.add_column(overflow="fold", width=min(width, 26))
        table.add_column(overflow="fold", ratio=3)
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold" if sources else "ellipsis", no_wrap=not sources, style="dim", ratio=4)
        for attribute, fact in group:
            dated = grade(fact.grade).append(f" {fact.date}" if fact.date else "", style="dim")
            table.add_row(attribute, number(fact), dated, _cited(fact, cited) if sources else _first(fact))
        screen.print(table)
    if sources:
        screen.print()
        known = {source.id: source for fact in found for source in fact.sources}
        for id_, index in cited.items():
            source = known[id_]
            screen.print(
                f"[{index}] {source}" + (f"\n    {source.url}" if source.url else ""), markup=False, style="dim"
            )
    screen.print(f"\n{len(found)} fact{'s' if len(found) != 1 else ''}", style="dim")


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


def problem(built: Built) -> None:
    """What a scenario comes to before it is solved."""
    from stackyard.report.confidence import standing

    screen = console()
    data = built.problem.data
    sizes = ", ".join(f"{name} {count}" for name, count in data.sizes.items())
    screen.print(f"[bold]{data.attrs['name']}[/bold]: {sizes}; problem {built.problem.digest}")
    table = Table(title="Usable tokens per second of one accelerator (watts with its share of the system)")
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
    screen.print(standing([used.fact for used in built.used]))
    screen.print("The scenario reads without a fault. Solve it:  stackyard plan SCENARIO -o out", style="green")


def result(answer: Result, written: Sequence[Path]) -> None:
    """The summary of a plan, and where its files are."""
    from stackyard.report.formats import summary

    screen = console()
    screen.print(summary(answer.report))
    for path in written:
        screen.print(f"  {path}", style="cyan")


def estimate(answer: Estimate) -> None:
    """One estimate: rate, latency, memory, power, what limits, and what it rests on."""
    screen = console()
    said = answer.summary()
    layout, memory = said["layout"], said["memory_bytes"]
    widths = ", ".join(f"{name} {width}" for name, width in layout.items() if width > 1) or "one accelerator"
    head = f"{answer.model.name} on {answer.chip.name}: {said['accelerators']} accelerator(s) ({widths})"
    screen.print(f"[bold]{head}[/bold], {said['batch']:,.0f} requests at once")
    screen.print(
        f"{said['prompt_tokens']:,.0f} prompt and {said['output_tokens']:,.0f} output tokens; "
        + ", ".join(f"{part} in {kind}" for part, kind in said["precision"].items())
    )
    if not answer.fits:
        screen.print("Does not fit:", style="bold red")
        for reason in said["why"]:
            screen.print(f"  • {reason}")
        return
    held = ", ".join(f"{name} {show(size, 'B')}" for name, size in memory.items() if size and name != "available")
    used, whole = show(said["memory_used_bytes"], "B"), show(answer.chip.memory, "B")
    own = f"{said['output_tokens_per_s_per_accelerator']:,.0f} output tokens/s"
    figures = {
        "rate of one accelerator": f"{own} ({said['tokens_per_s_per_accelerator']:,.0f} with prompts)",
        "rate of the replica": f"{said['output_tokens_per_s']:,.0f} output tokens/s",
        "time to first token": show(said["ttft_s"], "s"),
        "time per output token": show(said["tpot_s"], "s"),
        "memory of one accelerator": f"{used} of {whole} ({held})",
        "power of one accelerator": f"{show(said['watts_per_accelerator'], 'W')} of {show(answer.chip.tdp, 'W')}",
        "energy": f"{show(said['joules_per_token'], 'J')} a token",
    }
    screen.print(rows("", figures))
    screen.print(_parts(said))
    basis = said["basis"]
    screen.print(
        f"Basis: {basis['provider']}, {len(basis['constants'])} constants, weakest grade ",
        grade(Grade.named(basis["grade"])),
        ". Rates are means at full load, not yet calibrated.",
        sep="",
    )


def _parts(said: Mapping[str, Any], count: int = 6) -> Table:
    """Where the time goes: the longest operations of each phase, and what each waits for."""
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
    screen = console()
    if month is not None:
        _month(problem, plan, said, month)
        return
    for year in said.years:
        screen.print(f"• {year.sentence}")
    screen.print(_strip(problem, said))
    table = Table(title="\nOne percent more of one limit in one year", title_justify="left", box=None, pad_edge=False)
    for name in ("year", "limit", "step", "saves", "a unit saves", "serves more"):
        table.add_column(name, justify="left" if name in ("year", "limit") else "right")
    for worth in sorted(said.worths, key=lambda w: (w.year, -w.predicted)):
        if worth.predicted <= 0:
            continue
        unit = "USD" if worth.unit == "USD" else worth.unit
        solved = worth.saved == worth.saved  # nan where no step was solved for
        saved = worth.saved if solved else worth.predicted
        table.add_row(
            str(worth.year),
            worth.resource,
            show(worth.step, unit),
            ("" if solved else "at most ") + show(saved, "USD"),
            f"{_price(saved / worth.step)}/{unit}",
            f"{show(worth.tokens, 'token/day')} in {worth.tokens_year}" if worth.tokens > 0 else "–",
        )
    screen.print(table)
    for note in said.notes:
        screen.print(note, style="dim")


def _strip(problem: Problem, said: Explanation) -> Table:
    """What binds in each month, a row a year."""
    from stackyard.plan.explain import NOTHING, RESOURCES

    table = Table(title="\nWhat binds, month by month", title_justify="left", box=None, pad_edge=False)
    table.add_column("")
    for month in ("J", "F", "M", "A", "M", "J", "J", "A", "S", "O", "N", "D"):
        table.add_column(month)
    rows: dict[str, list[str]] = {}
    seen: dict[str, str] = {}
    for month, label in zip(problem.data["month"].values, said.data["binds"].values, strict=True):
        name = RESOURCES[str(label)].name if str(label) in RESOURCES else NOTHING[str(label)]
        mark = (
            f"[bold]{name[0]}[/bold]" if str(label) in RESOURCES else {"demand": "·", "cost": "-"}.get(str(label), " ")
        )
        seen.setdefault(name, mark)
        rows.setdefault(str(month)[:4], [""] * 12)[int(str(month)[5:7]) - 1] = mark
    for year, marks in rows.items():
        table.add_row(year, *marks)
    table.caption = "; ".join(f"{mark.strip() or 'blank'} {name}" for name, mark in seen.items())
    table.caption_justify = "left"
    return table


def _price(usd: float) -> str:
    return show(usd, "USD") if usd >= 1 else f"{usd:.3g} USD"


def _month(problem: Problem, plan: Plan, said: Explanation, month: str) -> None:
    """What binds in one month, the price of every limit that has one, and who is short."""
    months = [str(known) for known in problem.data["month"].values]
    if month not in months:
        raise InputErrors([Fault("command line", 0, "--month", f"no month '{month}'", f"{months[0]} to {months[-1]}")])
    from stackyard.plan.explain import NOTHING, RESOURCES, prices_in

    screen = console()
    at = {"month": month}
    names: Mapping[str, str] = json.loads(problem.data.attrs["labels"])
    binds = str(said.data["binds"].sel(at).item())
    told = f"{RESOURCES[binds].name} binds" if binds in RESOURCES else f"no limit binds; {NOTHING[binds]}"
    screen.print(f"[bold]{month}[/bold]: {told}")
    table = Table(box=None, pad_edge=False)
    for name in ("limit", "of", "available", "one more is worth", "in tokens"):
        table.add_column(name, justify="left" if name in ("limit", "of") else "right")
    for price in prices_in(problem, plan, month):
        table.add_row(
            RESOURCES[price.resource].name,
            price.place,
            show(price.available, price.unit),
            f"{_price(price.worth)}/{price.unit}",
            show(price.tokens, "token/day"),
        )
    screen.print(table)
    screen.print(
        "In tokens: what its worth buys at the price of an unserved token, a day to the plan's end.", style="dim"
    )
    for service in problem.data["service"].values:
        here = {"service": service, **at}
        left = float(plan.decisions["unserved"].sel(here))
        asked = float(problem.data["demand"].sel(here))
        if left > 1e-6 * asked:
            screen.print(f"{names[str(service)]}: {left / asked:.0%} of {show(asked, 'token/day')} is not served")


def validation(found: Comparison, written: Path | None) -> None:
    """The performance model beside measurements, with what was excluded and left out, and why."""
    screen = console()
    rows_left = sum(count for *_, count in found.left_out)
    screen.print(f"[bold]{int(found.counts.sum()):,} measured rows[/bold], one prediction each; {rows_left:,} left out")
    for title, lines in (
        ("what", found.targets()),
        ("source", found.lines("source", "metric")),
        ("accelerator", found.lines("chip", "metric")),
        ("model", found.lines("model", "metric")),
    ):
        table = Table(box=None, pad_edge=False)
        table.add_column(title, style="cyan")
        for name in ("rows", "bias", "median", "mean", "90%", "in interval"):
            table.add_column(name, justify="right")
        for line in lines:
            if line.rows:
                shares = (line.bias, line.median, line.mean, line.p90, line.coverage)
                table.add_row(
                    " ".join(line.name),
                    str(line.rows),
                    *(f"{share:+.1%}" if i == 0 else f"{share:.1%}" for i, share in enumerate(shares)),
                )
        screen.print(table)
        screen.print()
    held = [cells for cells in found.held_out() if cells["what"] in {line.name[0] for line in found.targets()}]
    table = Table(box=None, pad_edge=False, title="Left out of the fit (the built-in table)", title_justify="left")
    for name in ("without its", "what", "rows", "bias", "median", "mean", "90%"):
        table.add_column(name, justify="left" if name in ("without its", "what") else "right")
    for cells in held:
        told = [float(cells[name]) for name in ("bias", "median", "mean", "p90")]
        table.add_row(cells["left_out"], cells["what"], cells["rows"], *(f"{share:.1%}" for share in told))
    screen.print(table)
    screen.print(
        "bias: mean of predicted / measured - 1; median, mean and 90% of its size; interval: 80% expected.", style="dim"
    )
    for title, counted in (("Excluded for a stated defect", found.excluded()), ("Not expressed", found.left_out)):
        table = Table(box=None, pad_edge=False, title=title, title_justify="left")
        for name in ("source", "reason", "rows"):
            table.add_column(name, justify="right" if name == "rows" else "left", overflow="fold")
        for source, reason, count in counted:
            table.add_row(source, reason, str(count))
        screen.print(table)
    if written is not None:
        screen.print(f"Predictions beside the measurements: {written}")
