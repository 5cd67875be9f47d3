"""Cells and marks as plain text, the same in every format."""

from __future__ import annotations

from stackyard.report.document import Cell, Column
from stackyard.source import Grade
from stackyard.words import phrase
from stackyard.words.spoken import Words

MARK = "◆"


def mark(grade: Grade | None) -> str:
    """What the sign says beside it: of what kind the weakest inputs are; '' where they are better than an estimate.

    >>> mark(Grade.ASSUMED), mark(Grade.MEASURED)
    ('assumed inputs', '')
    """
    if grade is None or grade < Grade.ESTIMATED:
        return ""
    return phrase("assumed inputs") if grade is Grade.ASSUMED else phrase("estimated inputs")


def marked(grade: Grade | None, words: Words) -> str:
    """The sign of an output that rests on estimated or assumed numbers."""
    return f"{MARK} {words(mark(grade))}" if mark(grade) else ""


def explained(grade: Grade | None, words: Words) -> str:
    """What the sign means, said once near the top."""
    if not mark(grade):
        return ""
    if grade is Grade.ASSUMED:
        return words("marks every result that rests on at least one number that is our own judgement.")
    return words("marks every result that rests on at least one number that is an estimate.")


def text(cell: Cell, column: Column, words: Words) -> str:
    """A cell as plain text.

    >>> from stackyard.words.spoken import Words
    >>> text(1234.5, Column("MW", "MW", 1), Words("en"))
    '1,234.5'
    """
    if cell is None:
        return "–"
    if isinstance(cell, str):
        return cell
    if isinstance(cell, tuple):
        return "; ".join(str(source) for source in cell)
    return shown(cell, column.decimals, words)


def shown(value: float, decimals: int, words: Words) -> str:
    """A number of a table as text, '<0.01' where rounding would make it vanish.

    >>> english = Words("en")
    >>> shown(1234.5, 0, english), shown(0.004, 2, english), shown(0.0, 2, english), shown(float("inf"), 1, english)
    ('1,234', '<0.01', '0', 'no limit')
    >>> shown(1234.5, 1, Words("de"))
    '1.234,5'
    """
    if value != value:
        return "–"
    if value in (float("inf"), float("-inf")):
        return words("no limit")
    least = 10.0**-decimals
    if value == 0:
        return "0"
    return words.digits(f"<{least:.{decimals}f}" if 0 < value < least / 2 else f"{value:,.{decimals}f}")
