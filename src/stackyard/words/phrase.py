"""English texts that remember how they were made, so that `Words` can say them in another language.

Each is a string and reads as English wherever a string is taken. Put together with `+` or an f-string they turn into
plain English again: use `phrase` and `joined` for what is to be translated.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class Speaker(Protocol):
    """What a text needs of a language to be said in it."""

    def __call__(self, text: str, /, **values: object) -> str: ...

    def digits(self, text: str) -> str: ...

    def per_cent(self, text: str) -> str: ...

    def amount(self, value: float, unit: str) -> str: ...

    def label(self, factor: float, unit: str) -> str: ...

    def month(self, month: str) -> str: ...

    def day(self, day: str) -> str: ...


class Said(str):
    """An English text with what it was made of; `spoken` says it in a language."""

    parts: tuple[Any, ...]

    def __new__(cls, text: str, *parts: Any) -> Said:
        made = super().__new__(cls, text)
        made.parts = parts
        return made

    def __reduce__(self) -> tuple[type[Said], tuple[Any, ...]]:
        return type(self), (str(self), *self.parts)

    def spoken(self, words: Speaker) -> str:
        raise NotImplementedError


class Phrase(Said):
    """A pattern of the catalogue, and the values that stand in it."""

    def spoken(self, words: Speaker) -> str:
        pattern, values = self.parts
        return words(pattern, **values)

    def format(self, *args: object, **values: object) -> str:
        """The message with its values, where it was written without them."""
        return phrase(self.parts[0], **values)


def phrase(pattern: str, /, **values: object) -> str:
    """A message that is translated: `pattern` with its values in the places {name}, given here or by `format`.

    >>> phrase("{part} of demand is left", part=share("4%")), phrase("{n} stacks").format(n=number("1,000"))
    ('4% of demand is left', '1,000 stacks')
    """
    return Phrase(pattern.format(**values) if values else pattern, pattern, values)


def pattern(said: str) -> tuple[str, Mapping[str, object]]:
    """The pattern of a phrase and its values: to make it again in another process.

    >>> pattern(phrase("{n} rows", n=3))
    ('{n} rows', {'n': 3})
    """
    return (said.parts[0], said.parts[1]) if isinstance(said, Phrase) else (said.replace("{", "{{"), {})


class Joined(Said):
    """Texts with something between them that is the same in every language."""

    def spoken(self, words: Speaker) -> str:
        between, texts = self.parts
        return str(between).join(map(words, texts))


def joined(between: str, texts: Sequence[str]) -> str:
    """Texts one after the other, each said in its turn; what is empty is left out.

    >>> joined(" · ", ["Ulsan", "", phrase("energised")])
    'Ulsan · energised'
    """
    kept = tuple(text for text in texts if text)
    return Joined(between.join(kept), between, kept)


def listed(texts: Sequence[str]) -> str:
    """'a, b and c'; 'a, b; c; and d' where a comma is part of a name.

    >>> listed(["Abilene", "Ulsan"]), listed(["Abilene, Texas", "Ulsan", "Pohang"])
    ('Abilene and Ulsan', 'Abilene, Texas; Ulsan; and Pohang')
    """
    if len(texts) < 2:
        return texts[0] if texts else phrase("none")
    if len(texts) > 2 and any(", " in text for text in texts):
        return phrase("{first}; and {last}", first=joined("; ", texts[:-1]), last=texts[-1])
    return phrase("{first} and {last}", first=joined(", ", texts[:-1]), last=texts[-1])


def either(texts: Sequence[str]) -> str:
    """'a or b or c'.

    >>> either(["HBM", "power", "money"])
    'HBM or power or money'
    """
    if len(texts) < 2:
        return texts[0] if texts else phrase("none")
    return phrase("{first} or {last}", first=either(texts[:-1]), last=texts[-1])


def together(texts: Sequence[str]) -> str:
    """'a and b and c'.

    >>> together(["HBM", "power", "money"])
    'HBM and power and money'
    """
    if len(texts) < 2:
        return texts[0] if texts else phrase("none")
    return phrase("{first} and {last}", first=together(texts[:-1]), last=texts[-1])


class Capital(Said):
    """A text at the beginning of a sentence."""

    def spoken(self, words: Speaker) -> str:
        said = words(self.parts[0])
        return said[:1].upper() + said[1:]


def capital(text: str) -> str:
    """A text with a capital first letter.

    >>> capital("power stands idle")
    'Power stands idle'
    """
    return Capital(text[:1].upper() + text[1:], text)


class Within(Said):
    """A name inside a sentence: by its own message where there is one, else as the language writes it by itself."""

    def spoken(self, words: Speaker) -> str:
        here, name = str(self), self.parts[0]
        said = words(here)
        return words(name) if said == here else said


def within(name: str) -> str:
    """A name as it stands inside a sentence: acronyms stay.

    >>> within("Power"), within("HBM with power")
    ('power', 'HBM with power')
    """
    return Within(name if name.split()[0].isupper() else name[0].lower() + name[1:], name)


class Number(Said):
    """A number that is written already; other languages set its separators."""

    def spoken(self, words: Speaker) -> str:
        return words.digits(str(self))


def number(text: str) -> str:
    """A number as English writes it: '1,234.5'.

    >>> number("1,234.5")
    '1,234.5'
    """
    return Number(text)


class Share(Said):
    """A number of per cent that is written already."""

    def spoken(self, words: Speaker) -> str:
        return words.per_cent(str(self))


def share(text: str) -> str:
    """Per cent as English writes them: '32%', or '4 to 9%'.

    >>> share("32%")
    '32%'
    """
    return Share(text)


class Amount(Said):
    """An SI value with its unit, in the words that were chosen for it in English."""

    def spoken(self, words: Speaker) -> str:
        return words.amount(*self.parts)


def amount(text: str, value: float, unit: str) -> str:
    """An SI value: its English text, and what other languages say it from.

    >>> amount("1.2 GW", 1.2e9, "W")
    '1.2 GW'
    """
    return Amount(text, value, unit)


class Label(Said):
    """The unit of a column or an axis whose numbers are divided by a factor."""

    def spoken(self, words: Speaker) -> str:
        return words.label(*self.parts)


def label(text: str, factor: float, unit: str) -> str:
    """A display unit: its English text ('M stacks'), the factor (1e6) and the unit that is counted ('stacks').

    >>> label("M stacks", 1e6, "stacks")
    'M stacks'
    """
    return Label(text, factor, unit)


class Month(Said):
    """A month, '2027-03' in English texts and by its name elsewhere."""

    def spoken(self, words: Speaker) -> str:
        text = str(self)
        return words.month(text) if re.fullmatch(r"\d{4}-\d{2}", text) else text


def month(text: str) -> str:
    """A month such as '2027-03'.

    >>> month("2027-03")
    '2027-03'
    """
    return Month(text)


class Day(Said):
    """A day, '2027-03-31' in English texts and as the language writes it elsewhere."""

    def spoken(self, words: Speaker) -> str:
        return words.day(str(self))


def day(text: str) -> str:
    """A day such as '2027-03-31'.

    >>> day("2027-03-31")
    '2027-03-31'
    """
    return Day(text)


def to(first: str, last: str) -> str:
    """'2026-05 to 2026-10', or the one month that both are.

    >>> to("2026-05", "2026-10"), to("2026-05", "2026-05")
    ('2026-05 to 2026-10', '2026-05')
    """
    if first == last:
        return month(first)
    return phrase("{first} to {last}", first=month(first), last=month(last))


def messages(said: str) -> tuple[str, ...]:
    """The patterns that a text is made of.

    >>> messages(joined("; ", [phrase("none"), "Ulsan", within(phrase("Power"))]))
    ('none', 'Power')
    """
    if not isinstance(said, Said):
        return ()
    found: list[str] = [said.parts[0]] if isinstance(said, Phrase) else []
    for part in said.parts:
        inner = part.values() if isinstance(part, Mapping) else part if isinstance(part, tuple) else (part,)
        found += [text for each in inner if isinstance(each, Said) for text in messages(each)]
    return tuple(found)


def significant(value: float, digits: int = 3) -> str:
    """A number with so many significant digits, never in powers of ten, with thousands separated.

    >>> significant(1234.5), significant(0.01234), significant(41.0), significant(0)
    ('1,230', '0.0123', '41', '0')
    """
    if value == 0:
        return "0"
    places = digits - 1 - math.floor(math.log10(abs(value)))
    text = f"{round(value, places):,.{min(max(places, 0), 12)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
