"""Cells and marks as plain text, the same in every format."""

from __future__ import annotations

from collections.abc import Sequence

from stackyard.report.document import Cell, Column
from stackyard.source import Grade

MARK = "◆"


def marked(grade: Grade | None) -> str:
    """The sign of an output that rests on estimated or assumed numbers."""
    return f"{MARK} {grade.label} inputs" if grade is not None and grade >= Grade.ESTIMATED else ""


def explained(grade: Grade | None) -> str:
    """What the sign means, said once near the top."""
    why = "our own judgement" if grade is Grade.ASSUMED else "an estimate"
    return f"marks every result that rests on at least one number that is {why}." if marked(grade) else ""


def words(cell: Cell, column: Column) -> str:
    """A cell as plain text."""
    if cell is None:
        return "–"
    if isinstance(cell, str):
        return cell
    if isinstance(cell, tuple):
        return "; ".join(str(source) for source in cell)
    return shown(cell, column.decimals)


def shown(value: float, decimals: int) -> str:
    """A number of a table as text, '<0.01' where rounding would make it vanish.

    >>> shown(1234.5, 0), shown(0.004, 2), shown(0.0, 2), shown(float("inf"), 1)
    ('1,234', '<0.01', '0', 'no limit')
    """
    if value != value:
        return "–"
    if value in (float("inf"), float("-inf")):
        return "no limit"
    least = 10.0**-decimals
    if value == 0:
        return "0"
    return f"<{least:.{decimals}f}" if 0 < value < least / 2 else f"{value:,.{decimals}f}"


def listed(words: Sequence[str]) -> str:
    """'a, b and c'; 'a, b; c; and d' where a comma is part of a name.

    >>> listed(["Abilene", "Ulsan"]), listed(["Abilene, Texas", "Ulsan", "Pohang"])
    ('Abilene and Ulsan', 'Abilene, Texas; Ulsan; and Pohang')
    """
    if len(words) > 2 and any(", " in word for word in words):
        return f"{'; '.join(words[:-1])}; and {words[-1]}"
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else "none"
