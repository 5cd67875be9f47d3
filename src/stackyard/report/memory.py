"""What memory is worth to a service, and its capacity-bandwidth map -> Report."""

from __future__ import annotations

import math
from collections.abc import Sequence

from stackyard.perf.memory_map import MemoryMap, Place, merged
from stackyard.perf.worth import MemoryWorth, Regime, Worth
from stackyard.quantity import GIGA, TERA, show
from stackyard.report.confidence import confidence, distinct, sources
from stackyard.report.document import Block, Cell, Column, Figure, Map, Note, Report, Section, Spot, Table
from stackyard.report.scale import plain
from stackyard.source import Fact, Grade, weakest

NAMED = {"capacity": "1 GB more", "bandwidth": "1 TB/s more", "stack": "1 stack more"}
_ONE = {"stack": "one more stack", "bandwidth": "one more TB/s"}
REGIMES = {
    "objective": "Within the objective",
    "full load": "Full load",
    "fixed": "Fixed batch and layout",
    "prefill": "Prefill alone",
    "decode": "Decode alone",
}
_COLUMNS = (
    Column("Regime"),
    Column("One more"),
    Column("Elasticity", "", 2),
    Column("adds", "tokens/s", 1),
    Column("per 1,000 USD", "tokens/s", 2, aside=True),
    Column("energy elasticity", "", 2, aside=True),
    Column("breaks even at", "USD", 0),
)


def document(found: MemoryWorth, over: MemoryMap | None, *, date: str, reproduce: str) -> Report:
    """The report of a memory what-if: the map where there is one, the worths, and how sure that is."""
    facts = distinct([*_facts(found), *(fact for place in (over.places if over else ()) for fact in place.facts)])
    cited = sources(facts)
    asked, chip = found.workload, found.variant.chip
    sections = [
        *([_map(found, over)] if over is not None else []),
        Section("worth", "What more memory is worth", headline(found), tuple(_worth(found, reproduce))),
        confidence(facts, len(cited)),
    ]
    limits = f"at most {show(asked.ttft, 's')} to the first token and {show(asked.tpot, 's')} per output token"
    return Report(
        f"{asked.model.name} on {chip.name}: what memory is worth",
        f"{asked.prompt:,.0f} prompt and {asked.output:,.0f} output tokens, weights in {found.best.precision.weights}; "
        f"{limits}.",
        date,
        tuple(sections),
        cited,
        (),
    )


def headline(found: MemoryWorth) -> str:
    """What binds, and what one more stack is worth, in a sentence."""
    first = found.regimes[0]
    more = first.worths[-1]  # a stack; of memory that is not stacked, a TB/s
    held = " and ".join(found.binds) or "no limit of latency or memory"
    text = f"{held} holds the batch at {float(found.best.batch):,.0f}; {_ONE[more.of]} adds"
    return f"{text[:1].upper()}{text[1:]} {plain(more.rate)} to {plain(first.at.rate)} tokens/s of an accelerator."


def worths(found: MemoryWorth) -> Table:
    """The worth of each resource in each regime, a row each."""
    rows: list[tuple[Cell, ...]] = []
    for regime in found.regimes:
        rows += [_row(regime, worth) for worth in regime.worths]
    note = (
        "Elasticity: percent more tokens per second for one percent more, by central difference over 10% each way. "
        "Energy elasticity: the same of tokens per joule, which are tokens per second and watt. Breaks even: what it "
        "may cost before a token takes more of the package's price. "
        + " ".join(f"{REGIMES[each.name]}: {each.about}." for each in found.regimes)
    )
    return Table("Worth of memory, of one accelerator", _COLUMNS, tuple(rows), note, _grade(found))


def _row(regime: Regime, worth: Worth) -> tuple[Cell, ...]:
    def known(value: float) -> float | None:
        return value if math.isfinite(value) else None

    told = (worth.elasticity, worth.rate, 1000 * worth.rate_per_usd, worth.energy_elasticity, worth.break_even)
    return (REGIMES[regime.name], NAMED[worth.of], *map(known, told))


def _worth(found: MemoryWorth, reproduce: str) -> list[Block]:
    notes: list[Block] = [Note(text) for text in found.variant.notes]
    again = [Note(f"To make this report again: {reproduce}")] if reproduce else []
    return [*notes, worths(found), *again]


def _map(found: MemoryWorth, over: MemoryMap) -> Section:
    groups = merged(over.places)
    chip = found.variant.chip.name
    spots = tuple(_spot(group) for group in groups)
    height = tuple(tuple(row) for row in over.rate.tolist())
    axes = tuple((over.capacity / GIGA).tolist()), tuple((over.bandwidth / TERA).tolist())
    titles = ("HBM capacity of an accelerator (GB)", "HBM bandwidth of an accelerator (TB/s)")
    alt = (
        f"Tokens per second of one accelerator with the compute of {chip}, over the capacity and bandwidth of its HBM, "
        f"with {len(over.places)} memories that are on record."
    )
    note = (
        f"Colour and lines: tokens per second, prompts in, of an accelerator with the compute and links of {chip}; "
        "layout and batch are chosen anew at every place; white where nothing fits. Numbered: where memories on record "
        "stand: black its own, orange as many stacks of another product, violet other accelerators. The rates of "
        "accelerators at their own compute are in the table below."
    )
    figure = Figure(
        "map",
        "Tokens per second over capacity and bandwidth",
        Map(*axes, height, spots, *titles, "tokens/s"),
        alt,
        note,
        _grade(found),
    )
    lead = _map_lead(over)
    return Section("map", "Capacity and bandwidth", lead, (figure, _places(groups, found)))


def _map_lead(over: MemoryMap) -> str:
    own, *rest = over.places
    stacks = [place for place in rest if place.kind == "stacks" and math.isfinite(place.rate)]
    if not stacks or not math.isfinite(own.rate):
        return f"{plain(own.rate)} tokens/s with the memory it has."
    top = max(stacks, key=lambda place: place.rate)
    gain = top.rate / own.rate - 1
    return f"From {plain(own.rate)} tokens/s with the memory it has to {plain(top.rate)} {top.name} ({gain:+.0%})."


def _spot(group: Sequence[Place]) -> Spot:
    first = group[0]
    name = ", ".join(_short(place.name) for place in group)
    text = f"{first.capacity / GIGA:,.0f} GB, {first.bandwidth / TERA:.3g} TB/s"
    kind = "own" if first.kind == "own" else "stacks" if first.kind == "stacks" else "accelerator"
    return Spot(f"{kind}/memory", name, first.capacity / GIGA, first.bandwidth / TERA, text)


def _short(name: str) -> str:
    """A name without what stands in brackets or after a comma."""
    return name.partition(" (")[0].partition(",")[0]


def _places(groups: Sequence[Sequence[Place]], found: MemoryWorth) -> Table:
    at = {"own": "its own", "stacks": _short(found.variant.chip.name), "accelerator": "its own"}
    rows: list[tuple[Cell, ...]] = [
        (
            f"{number} {place.name}",
            place.capacity / GIGA,
            place.bandwidth / TERA,
            place.rate if math.isfinite(place.rate) else None,
            at[place.kind],
        )
        for number, group in enumerate(groups, 1)
        for place in group
    ]
    columns = (
        Column("Memory of"),
        Column("Capacity", "GB"),
        Column("Bandwidth", "TB/s", 2),
        Column("Rate", "tokens/s"),
        Column("at the compute of"),
    )
    note = "A rate is absent where the service does not fit within the objective, or a figure is not on record."
    return Table("Memories on record", columns, tuple(rows), note, _grade(found))


def _facts(found: MemoryWorth) -> list[Fact]:
    basis = found.best.basis
    return [*found.variant.chip.facts.values(), *found.workload.model.facts.values(), *basis.constants]


def _grade(found: MemoryWorth) -> Grade:
    return weakest(fact.grade for fact in _facts(found))
