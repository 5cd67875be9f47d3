"""What memory is worth to a service, and its capacity-bandwidth map -> Report."""

from __future__ import annotations

import math
from collections.abc import Sequence

from stackyard.perf.memory_map import MemoryMap, Place, merged
from stackyard.perf.refusal import seconds
from stackyard.perf.worth import MemoryWorth, Regime, Worth
from stackyard.quantity import GIGA, TERA
from stackyard.report.confidence import confidence, distinct, sources
from stackyard.report.document import Block, Cell, Column, Figure, Map, Note, Report, Section, Spot, Table
from stackyard.report.scale import plain
from stackyard.source import Fact, Grade, weakest
from stackyard.words import capital, day, joined, number, phrase, together
from stackyard.words import share as per_cent

NAMED = {"capacity": phrase("1 GB more"), "bandwidth": phrase("1 TB/s more"), "stack": phrase("1 stack more")}
_ONE = {"stack": phrase("one more stack"), "bandwidth": phrase("one more TB/s")}
REGIMES = {
    "objective": phrase("Within the objective"),
    "full load": phrase("Full load"),
    "fixed": phrase("Fixed batch and layout"),
    "prefill": phrase("Prefill alone"),
    "decode": phrase("Decode alone"),
}
_COLUMNS = (
    Column(phrase("Regime")),
    Column(phrase("One more")),
    Column(phrase("Elasticity"), "", 2),
    Column(phrase("adds"), phrase("tokens/s"), 1),
    Column(phrase("per 1,000 USD"), phrase("tokens/s"), 2, aside=True),
    Column(phrase("energy elasticity"), "", 2, aside=True),
    Column(phrase("breaks even at"), "USD", 0),
)


def document(found: MemoryWorth, over: MemoryMap | None, *, date: str, reproduce: str) -> Report:
    """The report of a memory what-if: the map where there is one, the worths, and how sure that is."""
    facts = distinct([*_facts(found), *(fact for place in (over.places if over else ()) for fact in place.facts)])
    cited = sources(facts)
    asked, chip = found.workload, found.variant.chip
    sections = [
        *([_map(found, over)] if over is not None else []),
        Section("worth", phrase("What more memory is worth"), headline(found), tuple(_worth(found, reproduce))),
        confidence(facts, len(cited)),
    ]
    return Report(
        phrase("{model} on {chip}: what memory is worth", model=asked.model.name, chip=chip.name),
        phrase(
            "{prompt} prompt and {output} output tokens, weights in {format}; at most {first} to the first token and "
            "{each} per output token.",
            prompt=number(f"{asked.prompt:,.0f}"),
            output=number(f"{asked.output:,.0f}"),
            format=found.best.precision.weights,
            first=seconds(asked.ttft),
            each=seconds(asked.tpot),
        ),
        day(date),
        tuple(sections),
        cited,
        (),
    )


def headline(found: MemoryWorth) -> str:
    """What binds, and what one more stack is worth, in a sentence."""
    first = found.regimes[0]
    more = first.worths[-1]  # a stack; of memory that is not stacked, a TB/s
    held = together(found.binds) if found.binds else phrase("no limit of latency or memory")
    return capital(
        phrase(
            "{limit} holds the batch at {batch}; {one} adds {more} tokens/s to the {rate} of an accelerator, prompts "
            "counted.",
            limit=held,
            batch=number(f"{float(found.best.batch):,.0f}"),
            one=_ONE[more.of],
            more=plain(more.rate),
            rate=plain(first.at.rate),
        )
    )


def worths(found: MemoryWorth) -> Table:
    """The worth of each resource in each regime, a row each."""
    rows: list[tuple[Cell, ...]] = []
    for regime in found.regimes:
        rows += [_row(regime, worth) for worth in regime.worths]
    note = phrase(
        "Elasticity: percent more tokens per second for one percent more, by central difference over 10% each way. "
        "Energy elasticity: the same of tokens per joule, which are tokens per second and watt. Breaks even: what it "
        "may cost before a token takes more of the package's price."
    )
    about = [joined("", [joined(": ", [REGIMES[each.name], each.about]), "."]) for each in found.regimes]
    note = joined(" ", [note, *about])
    return Table(phrase("Worth of memory, of one accelerator"), _COLUMNS, tuple(rows), note, _grade(found))


def _row(regime: Regime, worth: Worth) -> tuple[Cell, ...]:
    def known(value: float) -> float | None:
        return value if math.isfinite(value) else None

    told = (worth.elasticity, worth.rate, 1000 * worth.rate_per_usd, worth.energy_elasticity, worth.break_even)
    return (REGIMES[regime.name], NAMED[worth.of], *map(known, told))


def _worth(found: MemoryWorth, reproduce: str) -> list[Block]:
    notes: list[Block] = [Note(text) for text in found.variant.notes]
    again = [Note(phrase("To make this report again: {command}", command=reproduce))] if reproduce else []
    return [*notes, worths(found), *again]


def _map(found: MemoryWorth, over: MemoryMap) -> Section:
    groups = merged(over.places)
    chip = found.variant.chip.name
    spots = tuple(_spot(group) for group in groups)
    height = tuple(tuple(row) for row in over.rate.tolist())
    axes = tuple((over.capacity / GIGA).tolist()), tuple((over.bandwidth / TERA).tolist())
    titles = (phrase("HBM capacity of an accelerator (GB)"), phrase("HBM bandwidth of an accelerator (TB/s)"))
    alt = phrase(
        "Tokens per second of one accelerator with the compute of {chip}, over the capacity and bandwidth of its HBM, "
        "with {n} memories that are on record.",
        chip=chip,
        n=len(over.places),
    )
    note = phrase(
        "Colour and lines: tokens per second, prompts in, of an accelerator with the compute and links of {chip}; "
        "layout and batch are chosen anew at every place; white where nothing fits. Numbered: where memories on record "
        "stand: black its own, orange as many stacks of another product, violet other accelerators. The rates of "
        "accelerators at their own compute are in the table below.",
        chip=chip,
    )
    figure = Figure(
        "map",
        phrase("Tokens per second over capacity and bandwidth"),
        Map(*axes, height, spots, *titles, phrase("tokens/s")),
        alt,
        note,
        _grade(found),
    )
    lead = _map_lead(over)
    return Section("map", phrase("Capacity and bandwidth"), lead, (figure, _places(groups, found)))


def _map_lead(over: MemoryMap) -> str:
    own, *rest = over.places
    stacks = [place for place in rest if place.kind == "stacks" and math.isfinite(place.rate)]
    if not stacks or not math.isfinite(own.rate):
        return phrase("{rate} tokens/s with the memory it has.", rate=plain(own.rate))
    top = max(stacks, key=lambda place: place.rate)
    gain = top.rate / own.rate - 1
    return phrase(
        "From {rate} tokens/s with the memory it has to {more} {memory} ({gain}).",
        rate=plain(own.rate),
        more=plain(top.rate),
        memory=top.name,
        gain=per_cent(f"{gain:+.0%}"),
    )


def _spot(group: Sequence[Place]) -> Spot:
    first = group[0]
    name = ", ".join(_short(place.name) for place in group)
    text = number(f"{first.capacity / GIGA:,.0f} GB, {first.bandwidth / TERA:.3g} TB/s")
    kind = "own" if first.kind == "own" else "stacks" if first.kind == "stacks" else "accelerator"
    return Spot(f"{kind}/memory", name, first.capacity / GIGA, first.bandwidth / TERA, text)


def _short(name: str) -> str:
    """A name without what stands in brackets or after a comma."""
    return name.partition(" (")[0].partition(",")[0]


def _places(groups: Sequence[Sequence[Place]], found: MemoryWorth) -> Table:
    at = {"own": phrase("its own"), "stacks": _short(found.variant.chip.name), "accelerator": phrase("its own")}
    rows: list[tuple[Cell, ...]] = [
        (
            joined(" ", [f"{order}", place.name]),
            place.capacity / GIGA,
            place.bandwidth / TERA,
            place.rate if math.isfinite(place.rate) else None,
            at[place.kind],
        )
        for order, group in enumerate(groups, 1)
        for place in group
    ]
    columns = (
        Column(phrase("Memory of")),
        Column(phrase("Capacity"), "GB"),
        Column(phrase("Bandwidth"), "TB/s", 2),
        Column(phrase("Rate"), phrase("tokens/s")),
        Column(phrase("at the compute of")),
    )
    note = phrase("A rate is absent where the service does not fit within the objective, or a figure is not on record.")
    return Table(phrase("Memories on record"), columns, tuple(rows), note, _grade(found))


def _facts(found: MemoryWorth) -> list[Fact]:
    basis = found.best.basis
    return [*found.variant.chip.facts.values(), *found.workload.model.facts.values(), *basis.constants]


def _grade(found: MemoryWorth) -> Grade:
    return weakest(fact.grade for fact in _facts(found))
