"""Months: the planner's clock. A month is its number since year 0, shown as '2026-09'."""

from __future__ import annotations

import calendar
import re

from stackyard.quantity import DAY, Second

Month = int  # 12 * year + (month - 1)

_TEXT = re.compile(r"(\d{4})-(\d{2})(?:-\d{2})?")


def parse_month(text: str) -> Month:
    """Month of '2026-09' (a day after it is accepted and dropped); ValueError says what was expected.

    >>> show_month(parse_month("2026-09") + 4)
    '2027-01'
    """
    match = _TEXT.fullmatch(str(text).strip())
    if not match or not 1 <= int(match[2]) <= 12:
        raise ValueError(f"'{text}' is not a month such as 2026-09")
    return 12 * int(match[1]) + int(match[2]) - 1


def show_month(month: Month) -> str:
    """'2026-09' of a month.

    >>> show_month(parse_month("2026-12") + 1)
    '2027-01'
    """
    return f"{month // 12:04d}-{month % 12 + 1:02d}"


def year_of(month: Month) -> int:
    """Calendar year of a month.

    >>> year_of(parse_month("2027-03"))
    2027
    """
    return month // 12


def span(first: Month, last: Month) -> range:
    """All months from first to last, both included.

    >>> [show_month(month) for month in span(parse_month("2026-11"), parse_month("2027-01"))]
    ['2026-11', '2026-12', '2027-01']
    """
    return range(first, last + 1)


def days_in(month: Month) -> int:
    """Calendar days of a month, leap years included.

    >>> days_in(parse_month("2028-02")), days_in(parse_month("2027-02"))
    (29, 28)
    """
    return calendar.monthrange(month // 12, month % 12 + 1)[1]


def seconds_in(month: Month) -> Second:
    """Length of a month in seconds.

    >>> seconds_in(parse_month("2026-09"))
    2592000.0
    """
    return days_in(month) * DAY
