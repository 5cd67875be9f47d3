"""How sure the report is: the most uncertain numbers, every assumption, what is not modelled, how to repeat it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from stackyard.quantity import UnitError
from stackyard.report.cells import listed
from stackyard.report.document import Block, Cell, Column, Note, Paragraph, Section, Table
from stackyard.report.scale import plain
from stackyard.source import Fact, Grade, Source

_MOST = 20  # rows of the table of widest ranges
_FREE = "FREE PARAMETER"  # how the note of a number starts that the scenario leaves to the reader


def distinct(provenance: Sequence[Fact]) -> tuple[Fact, ...]:
    """The facts used, each once, in the order of first use; a fact used in several places keeps its first."""
    seen: dict[tuple[object, ...], Fact] = {}
    for fact in provenance:
        seen.setdefault((fact.path, fact.value, fact.unit), fact)
    return tuple(seen.values())


def sources(provenance: Sequence[Fact]) -> tuple[Source, ...]:
    """Every document cited, each once, by title."""
    found = {(source.title, source.url): source for fact in provenance for source in fact.sources}
    return tuple(sorted(found.values(), key=lambda source: (source.title.casefold(), source.url)))


class Used(NamedTuple):
    """A number used, and in how many more places the very same number (value, range, note and sources) is used."""

    fact: Fact
    more: int

    @property
    def free(self) -> str:
        """What the number stands for, where the scenario leaves it free."""
        return self.fact.note.removeprefix(_FREE).lstrip(" -–—:") if self.fact.note.startswith(_FREE) else ""


def numbers(facts: Sequence[Fact]) -> tuple[Used, ...]:
    """The numbers behind the facts, each once: one that is stated once and used in many places counts once."""
    places: dict[tuple[object, ...], list[Fact]] = {}
    for fact in distinct(facts):
        said = (fact.note, fact.sources, fact.low, fact.high)
        where = () if any(said) else (fact.path,)  # bare numbers that happen to be equal are not the same number
        places.setdefault((fact.value, fact.unit, fact.grade, *said, *where), []).append(fact)
    return tuple(Used(found[0], len(found) - 1) for found in places.values())


def standing(facts: Sequence[Fact]) -> str:
    """How many of the numbers behind an answer are our own judgement, in a sentence."""
    used = numbers(facts)
    assumed = sum(each.fact.grade is Grade.ASSUMED for each in used)
    return f"◆ {assumed} of the {len(used)} numbers behind this are assumed: our own judgement, listed in the report."


def confidence(provenance: Sequence[Fact], cited: int) -> Section:
    """The free parameter, the widest ranges among the numbers used, and every number that is our own judgement."""
    used = numbers(provenance)
    assumed = sorted((each for each in used if each.fact.grade is Grade.ASSUMED), key=_doubt)
    ranged = sorted((each for each in used if _range(each.fact) > 0), key=_doubt)
    counts = [(grade, sum(each.fact.grade is grade for each in used)) for grade in Grade]
    told = listed([f"{count} {grade.label}" for grade, count in counts if count])
    blocks: list[Block] = [
        Paragraph(
            f"The report rests on {len(used)} different numbers from {cited} documents: {told}. A result is as good as "
            "the weakest number behind it, so every table and figure of results carries the mark of its weakest grade."
        )
    ]
    if ranged:
        title = f"The {min(_MOST, len(ranged))} widest ranges among the numbers used"
        blocks.append(Table(title, _COLUMNS, tuple(map(_row, ranged[:_MOST])), "Range = (high − low) / value."))
    if assumed:
        title = f"All {len(assumed)} assumed numbers" if len(assumed) > 1 else "The one assumed number"
        blocks.append(
            Table(title, _COLUMNS, tuple(map(_row, assumed)), grade=Grade.ASSUMED, folded=len(assumed) > _MOST)
        )
    return Section("confidence", "How sure is this", _lead(used, assumed, ranged), tuple(blocks))


def _lead(used: Sequence[Used], assumed: Sequence[Used], ranged: Sequence[Used]) -> str:
    free = [f"{each.free}, {_value(each.fact)} ({_ends(each.fact)})" for each in used if each.free]
    one = f"The free parameter is the {free[0]}" if len(free) == 1 else f"Free parameters are {'; '.join(free)}"
    judged = (
        f"{len(assumed)} of the {len(used)} different numbers used are our own judgement"
        if assumed
        else (f"none of the {len(used)} different numbers used is our own judgement")
    )
    wide = sum(_range(each.fact) > 1 for each in ranged)
    text = f"{judged}; {len(ranged)} state a range, {wide} of them wider than the number itself."
    return f"{one}. {text}" if free else text[:1].upper() + text[1:]


_COLUMNS = (
    Column("Number"),
    Column("Value"),
    Column("Range"),
    Column("In doubt", "%", 0),
    Column("Grade"),
    Column("Sources"),
)


def _row(each: Used) -> tuple[Cell, ...]:
    fact, doubt = each.fact, 100 * _range(each.fact)
    places = f"and in {each.more} more place{'s' * (each.more > 1)}" if each.more else ""
    name = "\n".join((_named(fact), "; ".join(part for part in (fact.note, places) if part))).rstrip()
    return (name, _value(fact), _ends(fact), doubt or None, fact.grade.label, fact.sources or None)


def _doubt(each: Used) -> tuple[bool, float, int, str]:
    """Free parameters first, then the widest ranges."""
    return (not each.free, -_range(each.fact), -each.fact.grade, each.fact.path)


def _range(fact: Fact) -> float:
    try:
        return fact.relative_range
    except (UnitError, ZeroDivisionError):
        return 0.0


def _named(fact: Fact) -> str:
    return fact.path or "(stated in the scenario)"


def _value(fact: Fact) -> str:
    if fact.value is None:
        return "not known"
    values = fact.value if isinstance(fact.value, tuple) else (fact.value,)
    shown = [plain(value, 6) for value in values]
    text = shown[0] if len(shown) == 1 else f"{shown[0]} … {shown[-1]} ({len(shown)} values)"
    return f"{text}{_unit(fact)}"


def _unit(fact: Fact) -> str:
    return fact.unit if fact.unit == "%" else f" {fact.unit}" if fact.unit else ""


def _ends(fact: Fact) -> str:
    if fact.low is None and fact.high is None:
        return "not stated"
    ends = [plain(value, 6) if value is not None else "?" for value in (fact.low, fact.high)]
    return f"{ends[0]} to {ends[1]}{_unit(fact)}"


def method(
    not_modelled: Sequence[str],
    remarks: Sequence[str],
    audit: str,
    solver: Sequence[tuple[str, str]],
    digests: Sequence[tuple[str, str]],
    reproduce: str,
) -> Section:
    """What is left out, whether the plan passed its audit, and how to get the same report again."""
    blocks: list[Block] = []
    if not_modelled:
        blocks.append(Table("Not modelled yet", (Column("Left out of this plan"),), tuple((t,) for t in not_modelled)))
    if remarks:
        blocks.append(Table("Remarks on this plan", (Column("Remark"),), tuple((text,) for text in remarks)))
    if audit:
        blocks.append(Paragraph(f"Audit: {audit}"))
    rows = tuple((what, value) for what, value in (*solver, *digests) if value)
    blocks.append(Table("How it was made", (Column("What"), Column("Value")), rows))
    if reproduce:
        blocks.append(Note(f"To make this report again: {reproduce}"))
    left = (
        f"{len(not_modelled)} things are not modelled yet"
        if len(not_modelled) != 1
        else "One thing is not modelled yet"
    )
    lead = (
        f"{left}; what is modelled can be repeated from the inputs below."
        if not_modelled
        else ("The same inputs give the same report.")
    )
    return Section("method", "Limits and method", lead, tuple(blocks))
