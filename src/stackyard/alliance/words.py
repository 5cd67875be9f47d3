"""Words, numbers and dates in the reader's language: English, German and Korean, from the package's .po catalogues.

>>> Words("de")("Agenda"), Words("ko").month("2027-03"), Words("de").amount(1.2e9, "W")
('Tagesordnung', '2027년 3월', '1,2 GW')
"""

from __future__ import annotations

import gettext
import io
from collections.abc import Mapping
from datetime import date
from functools import cache
from importlib.resources import files

from babel import Locale
from babel.dates import format_date, format_skeleton
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_compact_currency, format_compact_decimal, format_decimal, format_percent

LANGUAGES: Mapping[str, str] = {"en": "English", "de": "Deutsch", "ko": "한국어"}
_SYMBOLS = ("W", "J")
_PREFIXES = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))
_COUNTED = {
    "stack": "stacks",
    "package": "accelerators",
    "token/day": "tokens/day",
    "wafer": "wafers",
    "wafer/month": "wafers/month",
}


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


@cache
def _catalogue(code: str) -> gettext.NullTranslations:
    if code == "en":
        return gettext.NullTranslations()
    written = files("stackyard.alliance").joinpath("locale", f"{code}.po").read_bytes()
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

    def __call__(self, text: str, **values: object) -> str:
        said = self._said.gettext(text) if text else ""
        return said.format(**values) if values else said

    def month(self, month: str) -> str:
        """'March 2027' of '2027-03'."""
        year, _, number = month.partition("-")
        return str(format_skeleton("yMMMM", date(int(year), int(number[:2]), 1), locale=self.locale))

    def day(self, day: str) -> str:
        """'3 March 2027' of '2027-03-03'; the month where no day is known."""
        if len(day) < 10:
            return self.month(day) if day else ""
        return str(format_date(date.fromisoformat(day[:10]), "long", locale=self.locale))

    def number(self, value: float, digits: int = 2) -> str:
        """A number with this many decimals at most."""
        return str(format_decimal(round(value, digits), locale=self.locale))

    def share(self, value: float) -> str:
        """A share in per cent, with a decimal below ten."""
        return str(format_percent(value, format="#,##0.0 %" if self.code == "de" else "#,##0.0%", locale=self.locale))

    def unit(self, unit: str) -> str:
        """A unit as it is read: 'accelerators' of 'package'."""
        return self(_COUNTED.get(unit, unit))

    def amount(self, value: float, unit: str) -> str:
        """An SI value as people say it: '1.2 GW', 'US$9.3 bn', '2.8 million stacks'."""
        if unit == "USD":
            return self._signed(
                value, format_compact_currency(abs(value), "USD", locale=self.locale, fraction_digits=1)
            )
        if unit in _SYMBOLS:
            factor, prefix = next((step for step in _PREFIXES if abs(value) >= 0.9995 * step[0]), _PREFIXES[-1])
            return f"{format_decimal(value / factor, format='#,##0.##', locale=self.locale)} {prefix}{unit}"
        if unit == "":
            return self.share(value)
        many = abs(value) >= 1e6
        if abs(value) >= 1e15 and self.code != "ko":  # these locales have no short word beyond a trillion
            return f"{format_decimal(round(value / 1e12), locale=self.locale)} {self('trillion')} {self.unit(unit)}"
        if many:
            said = str(
                format_compact_decimal(
                    abs(value),
                    format_type="short" if self.code == "ko" else "long",
                    locale=self.locale,
                    fraction_digits=1,
                )
            )
            said = self._signed(value, said)
        else:
            said = str(format_decimal(round(value, 0 if abs(value) >= 100 else 1), locale=self.locale))
        return f"{said} {self.unit(unit)}"

    def change(self, value: float, unit: str) -> str:
        """A difference with its sign."""
        if unit == "":
            points = format_decimal(round(100 * value, 2), locale=self.locale)
            return f"{'+' if value > 0 else ''}{points} {self('points')}"
        return f"{'+' if value > 0 else ''}{self.amount(value, unit)}"

    @staticmethod
    def _signed(value: float, said: str) -> str:
        return f"-{said}" if value < 0 else said
