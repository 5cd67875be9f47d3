"""Words, numbers and dates in the reader's language: English, German and Korean, from the package's .po catalogues.

>>> Words("de")("Agenda"), Words("ko").month("2027-03"), Words("de").amount(1.2e9, "W")
('Tagesordnung', '2027년 3월', '1,2 GW')
"""

from __future__ import annotations

import dataclasses
import gettext
import io
import math
import re
from collections.abc import Mapping
from datetime import date
from functools import cache
from importlib.resources import files
from typing import TypeVar

from babel import Locale
from babel.dates import format_date, format_skeleton
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_compact_currency, format_compact_decimal, format_decimal, format_percent

from stackyard.words.korean import particles
from stackyard.words.phrase import Said, phrase, significant

Value = TypeVar("Value")
LANGUAGES: Mapping[str, str] = {"en": "English", "de": "Deutsch", "ko": "한국어"}
_SYMBOLS = ("W", "J", "Wh", "B", "g", "s")
_PREFIXES = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))
_SMALL = ((1e-3, "m"), (1e-6, "µ"), (1e-9, "n"))
_MASS = ((1e9, "Mt"), (1e6, "kt"), (1e3, "t"), (1.0, "kg"))
# What a prefix of a counted unit is called: in a heading, where every number is divided by it, and with a number.
_TIMES = {
    1e12: phrase("trillion"),
    1e9: phrase("billion"),
    1e6: phrase("million"),
    1e3: phrase("thousand"),
}
_MYRIADS = ((1e12, "조"), (1e8, "억"), (1e4, "만"), (1.0, ""))
# Counted units: as a heading, and with their number. Other languages put them in another order.
_COUNTED = {
    "stack": "stacks",
    "package": "accelerators",
    "token/day": "tokens/day",
    "wafer": "wafers",
    "wafer/month": "wafers/month",
}
_UNITS = {
    "stacks": (phrase("stacks"), phrase("{n} stacks")),
    "accelerators": (phrase("accelerators"), phrase("{n} accelerators")),
    "tokens/day": (phrase("tokens/day"), phrase("{n} tokens/day")),
    "tokens": (phrase("tokens"), phrase("{n} tokens")),
    "tokens/s": (phrase("tokens/s"), phrase("{n} tokens/s")),
    "wafers": (phrase("wafers"), phrase("{n} wafers")),
    "DRAM wafers": (phrase("DRAM wafers"), phrase("{n} DRAM wafers")),
    "wafers/month": (phrase("wafers/month"), phrase("{n} wafers/month")),
    "USD": (phrase("USD"), phrase("{n} USD")),
}

_POINTS = phrase("points")  # of per cent
_NAMED = phrase("{n} {unit}")  # of things with a name of their own


def language(asked: str) -> str:
    """The language of a request: the first of 'ko-KR,ko;q=0.9,en' that we have, else English.

    >>> language("ko-KR,ko;q=0.9,en"), language("fr"), language("de")
    ('ko', 'en', 'de')
    """
    for part in asked.split(","):
        code = part.partition(";")[0].strip().lower().partition("-")[0]
        if code in LANGUAGES:
            return code
    return "en"


def say_in(value: Value, words: Words) -> Value:
    """A value with every text in it said in a language: of tuples, mappings and frozen dataclasses all the way down.

    >>> from stackyard.words import phrase
    >>> say_in((phrase("Month"), 3), Words("de"))
    ('Monat', 3)
    """
    said: object = value
    if isinstance(value, Said):
        said = words(value)
    elif isinstance(value, tuple):
        new = tuple([say_in(item, words) for item in value])
        said = value if all(a is b for a, b in zip(new, value, strict=True)) else new
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        said_of = {name: say_in(old, words) for name, old in fields.items()}
        changed = {name: each for name, each in said_of.items() if each is not fields[name]}
        said = dataclasses.replace(value, **changed) if changed else value
    return said  # type: ignore[return-value]


@cache
def _catalogue(code: str) -> gettext.NullTranslations:
    if code == "en":
        return gettext.NullTranslations()
    written = files("stackyard.words").joinpath("locale", f"{code}.po").read_bytes()
    compiled = io.BytesIO()
    write_mo(compiled, read_po(io.BytesIO(written), locale=code))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


class Words:
    """What is said in one language: `words("Agenda")`, and numbers, months and days as it writes them."""

    def __init__(self, code: str) -> None:
        self.code = code if code in LANGUAGES else "en"
        self.locale = Locale.parse(self.code)
        self._said = _catalogue(self.code)
        self._separators = str.maketrans(",.", ".,") if self.code == "de" else {}

    def __call__(self, text: str, /, **values: object) -> str:
        """A message of the catalogue with its values; a text made by `phrase` and its like, as it stands."""
        if isinstance(text, Said):
            return str(text) if self.code == "en" else text.spoken(self)
        said = self._said.gettext(text) if text else ""
        if values:
            said = said.format(**{name: self(v) if isinstance(v, Said) else v for name, v in values.items()})
        return particles(said) if self.code == "ko" else said

    def month(self, month: str) -> str:
        """'March 2027' of '2027-03'."""
        return _month(self.code, month)

    def calendar(self) -> Mapping[str, list[str]]:
        """Names of months and days as the figures' script takes them."""
        months, days = self.locale.months["format"], self.locale.days["format"]
        return {
            "months": [months["wide"][k] for k in range(1, 13)],
            "shortMonths": [months["abbreviated"][k] for k in range(1, 13)],
            "days": [days["wide"][(k - 1) % 7] for k in range(7)],
            "shortDays": [days["abbreviated"][(k - 1) % 7] for k in range(7)],
        }

    def day(self, day: str) -> str:
        """'3 March 2027' of '2027-03-03'; the month where no day is known."""
        if len(day) < 10:
            return self.month(day) if day else ""
        return str(format_date(date.fromisoformat(day[:10]), "long", locale=self.locale))

    def digits(self, text: str) -> str:
        """A number that English writes, with the separators of this language.

        >>> Words("de").digits("1,234.5"), Words("ko").digits("1,234.5")
        ('1.234,5', '1,234.5')
        """
        return text.translate(self._separators)

    def per_cent(self, text: str) -> str:
        """'4 bis 9 %' of '4 to 9%'."""
        sign = text.replace("%", "\N{NO-BREAK SPACE}%") if self.code == "de" else text
        return self.digits(sign)

    def number(self, value: float, digits: int = 2) -> str:
        """A number with this many decimals at most."""
        return str(format_decimal(round(value, digits), locale=self.locale))

    def share(self, value: float) -> str:
        """A share in per cent, with a decimal below ten."""
        return str(format_percent(value, format="#,##0.0 %" if self.code == "de" else "#,##0.0%", locale=self.locale))

    def unit(self, unit: str) -> str:
        """A unit as it is read: 'accelerators' of 'package'."""
        return self(_COUNTED.get(unit, unit))

    def label(self, factor: float, unit: str) -> str:
        """The unit of a column whose numbers are divided by a factor: 'Mio. Stapel' of 1e6 and 'stacks'."""
        if unit in _SYMBOLS or unit.startswith("kg"):
            return f"{_prefix(factor, unit)}{_base(unit)}"
        times = self(_TIMES[factor]) if factor in _TIMES else ""
        return f"{times} {self.unit(unit)}".strip()

    def amount(self, value: float, unit: str) -> str:
        """An SI value as people say it, to three digits: '1.2 GW', 'US$9.3 bn', '2.8 million stacks'."""
        if unit == "":
            return self.share(value)
        if self.code == "en":
            return self._english(value, unit)
        if unit in _SYMBOLS or unit.startswith("kg"):
            if unit == "J":
                value, unit = value / 3600, "Wh"
            steps = _MASS if unit.startswith("kg") else _PREFIXES + _SMALL
            whole = next(step for step in steps if step[0] == 1.0)
            factor, prefix = next((step for step in steps if abs(value) >= 0.9995 * step[0]), whole)
            return f"{self.digits(significant(value / factor))} {prefix}{_base(unit)}"
        return self._counted(value, _COUNTED.get(unit, unit))

    def figure(self, value: float, unit: str) -> tuple[str, str]:
        """An amount in two parts, for a number that is set large: the number, and its unit after it.

        >>> Words("en").figure(1.2e9, "W"), Words("ko").figure(1.51e15, "token/day"), Words("en").figure(9.3e9, "USD")
        (('1.2', 'GW'), ('1,510조', '토큰/일'), ('$9.3B', ''))
        """
        said = self.amount(value, unit)
        if unit == "USD":
            return said, ""
        if self.code == "ko" and unit in _COUNTED:
            return self._many(value), self.unit(unit)
        number, _, rest = said.partition(" ")
        return number, rest

    def _many(self, value: float) -> str:
        """A number of things to three digits, with the word for its size."""
        if self.code == "ko":
            factor, times = next((step for step in _MYRIADS if abs(value) >= 0.9995 * step[0]), _MYRIADS[-1])
        else:
            factor = next((f for f in _TIMES if abs(value) >= 0.9995 * f and f > 1e3), 1.0)
            times = f" {self(_TIMES[factor])}" if factor > 1 else ""
        return f"{self.digits(significant(value / factor))}{times}"

    def _counted(self, value: float, unit: str) -> str:
        """A number of things: '3,4 Mio. Stapel', '스택 340만 개'."""
        n = self._many(value)
        if unit == "number":
            return n
        return self(_UNITS[unit][1].format(n=n)) if unit in _UNITS else self(_NAMED.format(n=n, unit=unit))

    def _english(self, value: float, unit: str) -> str:
        if unit == "USD":
            return self._signed(
                value, format_compact_currency(abs(value), "USD", locale=self.locale, fraction_digits=1)
            )
        if unit in ("W", "J"):
            factor, prefix = next((step for step in _PREFIXES if abs(value) >= 0.9995 * step[0]), _PREFIXES[-1])
            return f"{format_decimal(value / factor, format='#,##0.##', locale=self.locale)} {prefix}{unit}"
        many = abs(value) >= 1e6
        if abs(value) >= 1e15:  # there is no short word beyond a trillion
            return f"{format_decimal(round(value / 1e12), locale=self.locale)} {self(_TIMES[1e12])} {self.unit(unit)}"
        if many:
            said = str(format_compact_decimal(abs(value), format_type="long", locale=self.locale, fraction_digits=1))
            said = self._signed(value, said)
        else:
            said = str(format_decimal(round(value, 0 if abs(value) >= 100 else 1), locale=self.locale))
        return f"{said} {self.unit(unit)}"

    def change(self, value: float, unit: str) -> str:
        """A difference with its sign."""
        if unit == "":
            points, unit = format_decimal(round(100 * value, 2), locale=self.locale), self(_POINTS)
            return f"{'+' if value > 0 else ''}{points} {unit}"
        return f"{'+' if value > 0 else ''}{self.amount(value, unit)}"

    @staticmethod
    def _signed(value: float, said: str) -> str:
        return f"-{said}" if value < 0 else said


@cache
def _month(code: str, month: str) -> str:
    year, _, number = month.partition("-")
    return str(format_skeleton("yMMMM", date(int(year), int(number[:2]), 1), locale=Locale.parse(code)))


def _prefix(factor: float, unit: str) -> str:
    if unit.startswith("kg"):
        return next((text for size, text in _MASS if math.isclose(size, factor)), "kg")
    if unit == "J":
        factor /= 3600.0
    return next((text for size, text in _PREFIXES if math.isclose(size, factor)), "")


def _base(unit: str) -> str:
    """What stands after the prefix: energy is told in watt-hours, and the prefix of a mass holds its gram."""
    return "Wh" if unit == "J" else unit.removeprefix("kg")


def placeholders(text: str) -> frozenset[str]:
    """The names in braces of a message.

    >>> sorted(placeholders("{sites} in {month}"))
    ['month', 'sites']
    """
    return frozenset(re.findall(r"{(\w+)[^}]*}", text))
