"""How sure the report is: the most uncertain numbers, every assumption, what is not modelled, how to repeat it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from stackyard.plan.labels import label
from stackyard.quantity import UnitError
from stackyard.report.document import Block, Cell, Column, Note, Paragraph, Section, Table
from stackyard.report.scale import plain
from stackyard.source import Fact, Grade, Source
from stackyard.words import capital, joined, listed, number, phrase

_MOST = 20  # rows of the table of widest ranges
_FREE = "FREE PARAMETER"  # how the note of a number starts that the scenario leaves to the reader


def distinct(provenance: Sequence[Fact]) -> tuple[Fact, ...]:
    """The facts used, each once, in the order of first use; a fact used in several places keeps its first.

    >>> from stackyard import api
    >>> facts = api.facts("h200 memory")
    >>> len(distinct([*facts, *facts])) == len(facts)
    True
    """
    seen: dict[tuple[object, ...], Fact] = {}
    for fact in provenance:
        seen.setdefault((fact.path, fact.value, fact.unit), fact)
    return tuple(seen.values())


def sources(provenance: Sequence[Fact]) -> tuple[Source, ...]:
    """Every document cited, each once, by title.

    >>> from stackyard import api
    >>> facts = api.facts("h200 memory")
    >>> len(sources(facts)) > 0
    True
    """
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
    """The numbers behind the facts, each once: one that is stated once and used in many places counts once.

    >>> from stackyard import api
    >>> facts = api.facts("h200 memory")
    >>> len(numbers([*facts, *facts])) == len(numbers(facts))
    True
    """
    places: dict[tuple[object, ...], list[Fact]] = {}
    for fact in distinct(facts):
        said = (fact.note, fact.sources, fact.low, fact.high)
        where = () if any(said) else (fact.path,)  # bare numbers that happen to be equal are not the same number
        places.setdefault((fact.value, fact.unit, fact.grade, *said, *where), []).append(fact)
    return tuple(Used(found[0], len(found) - 1) for found in places.values())


def standing(facts: Sequence[Fact]) -> str:
    """How many of the numbers behind an answer are our own judgement, in a sentence.

    >>> from stackyard import api
    >>> standing(api.facts("h200 memory"))
    '◆ 0 of the 4 numbers behind this are assumed: our own judgement, listed in the report.'
    """
    used = numbers(facts)
    assumed = sum(each.fact.grade is Grade.ASSUMED for each in used)
    return phrase(
        "◆ {n} of the {all} numbers behind this are assumed: our own judgement, listed in the report.",
        n=assumed,
        all=len(used),
    )


def confidence(provenance: Sequence[Fact], cited: int) -> Section:
    """The free parameter, the widest ranges among the numbers used, and every number that is our own judgement."""
    used = numbers(provenance)
    assumed = sorted((each for each in used if each.fact.grade is Grade.ASSUMED), key=_doubt)
    ranged = sorted((each for each in used if _range(each.fact) > 0), key=_doubt)
    counts = [(grade, sum(each.fact.grade is grade for each in used)) for grade in Grade]
    told = listed([phrase("{n} {grade}", n=count, grade=graded(grade)) for grade, count in counts if count])
    blocks: list[Block] = [
        Paragraph(
            phrase(
                "The report rests on {n} different numbers from {documents} documents: {told}. A result is as good as "
                "the weakest number behind it, so every table and figure of results carries the mark of its weakest "
                "grade.",
                n=number(f"{len(used)}"),
                documents=cited,
                told=told,
            )
        )
    ]
    if ranged:
        title = phrase("The {n} widest ranges among the numbers used", n=min(_MOST, len(ranged)))
        note = phrase("Range = (high − low) / value.")
        blocks.append(Table(title, _COLUMNS, tuple(map(_row, ranged[:_MOST])), note))
    if assumed:
        many = phrase("All {n} assumed numbers", n=len(assumed))
        title = many if len(assumed) > 1 else phrase("The one assumed number")
        blocks.append(
            Table(title, _COLUMNS, tuple(map(_row, assumed)), grade=Grade.ASSUMED, folded=len(assumed) > _MOST)
        )
    return Section("confidence", phrase("How sure is this"), _lead(used, assumed, ranged), tuple(blocks))


def _lead(used: Sequence[Used], assumed: Sequence[Used], ranged: Sequence[Used]) -> str:
    free = [
        phrase("{name}, {value} ({range})", name=each.free, value=_value(each.fact), range=_ends(each.fact))
        for each in used
        if each.free
    ]
    judged = (
        phrase("{n} of the {all} different numbers used are our own judgement", n=len(assumed), all=len(used))
        if assumed
        else phrase("none of the {all} different numbers used is our own judgement", all=len(used))
    )
    wide = sum(_range(each.fact) > 1 for each in ranged)
    text = phrase(
        "{judged}; {n} state a range, {wide} of them wider than the number itself.",
        judged=judged,
        n=len(ranged),
        wide=wide,
    )
    if not free:
        return capital(text)
    one = (
        phrase("The free parameter is the {name}.", name=free[0])
        if len(free) == 1
        else phrase("Free parameters are {names}.", names=joined("; ", free))
    )
    return joined(" ", [one, text])


_COLUMNS = (
    Column(phrase("Number")),
    Column(phrase("Value")),
    Column(phrase("Range")),
    Column(phrase("In doubt"), "%", 0),
    Column(phrase("Grade")),
    Column(phrase("Sources")),
)


def _row(each: Used) -> tuple[Cell, ...]:
    fact, doubt = each.fact, 100 * _range(each.fact)
    places = ""
    if each.more:
        many = each.more > 1
        places = phrase("and in {n} more places", n=each.more) if many else phrase("and in 1 more place")
    name = joined("\n", [_named(fact), joined("; ", [label(fact.path), fact.note, places])])
    return (name, _value(fact), _ends(fact), doubt or None, graded(fact.grade), fact.sources or None)


def graded(grade: Grade) -> str:
    """What a grade is called.

    >>> graded(Grade.PUBLISHED)
    'published'
    """
    return _GRADES[grade]


_GRADES = {
    Grade.MEASURED: phrase("measured"),
    Grade.PUBLISHED: phrase("published"),
    Grade.REPORTED: phrase("reported"),
    Grade.ESTIMATED: phrase("estimated"),
    Grade.ASSUMED: phrase("assumed"),
}


def _doubt(each: Used) -> tuple[bool, float, int, str]:
    """Free parameters first, then the widest ranges."""
    return (not each.free, -_range(each.fact), -each.fact.grade, each.fact.path)


def _range(fact: Fact) -> float:
    try:
        return fact.relative_range
    except (UnitError, ZeroDivisionError):
        return 0.0


def _named(fact: Fact) -> str:
    return fact.path or phrase("(stated in the scenario)")


def _value(fact: Fact) -> str:
    if fact.value is None:
        return phrase("not known")
    values = fact.value if isinstance(fact.value, tuple) else (fact.value,)
    shown = [plain(value, 6) for value in values]
    if len(shown) == 1:
        return joined("", [shown[0], _unit(fact)])
    ends = joined(" … ", [shown[0], shown[-1]])
    return joined("", [phrase("{ends} ({n} values)", ends=ends, n=len(shown)), _unit(fact)])


def _unit(fact: Fact) -> str:
    return fact.unit if fact.unit == "%" else f" {fact.unit}" if fact.unit else ""


def _ends(fact: Fact) -> str:
    if fact.low is None and fact.high is None:
        return phrase("not stated")
    ends = [plain(value, 6) if value is not None else "?" for value in (fact.low, fact.high)]
    return joined("", [phrase("{low} to {high}", low=ends[0], high=ends[1]), _unit(fact)])


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
        blocks.append(
            Table(
                phrase("Not modelled yet"),
                (Column(phrase("Left out of this plan")),),
                tuple((t,) for t in not_modelled),
            )
        )
    if remarks:
        blocks.append(
            Table(phrase("Remarks on this plan"), (Column(phrase("Remark")),), tuple((text,) for text in remarks))
        )
    if audit:
        blocks.append(Paragraph(phrase("Audit: {text}", text=audit)))
    rows = tuple((what, value) for what, value in (*solver, *digests) if value)
    blocks.append(Table(phrase("How it was made"), (Column(phrase("What")), Column(phrase("Value"))), rows))
    if reproduce:
        blocks.append(Note(phrase("To make this report again: {command}", command=reproduce)))
    lead = phrase("The same inputs give the same report.")
    if len(not_modelled) == 1:
        lead = phrase("One thing is not modelled yet; what is modelled can be repeated from the inputs below.")
    elif not_modelled:
        lead = phrase(
            "{n} things are not modelled yet; what is modelled can be repeated from the inputs below.",
            n=len(not_modelled),
        )
    return Section("method", phrase("Limits and method"), lead, tuple(blocks))
