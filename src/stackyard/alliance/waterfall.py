"""From the plan at the last meeting to the plan as it is now, a changed promise at a time, as pictures."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

from stackyard.alliance.access import Seen
from stackyard.alliance.result import FIGURES
from stackyard.alliance.words import Words
from stackyard.report.document import Figure, Waterfall
from stackyard.report.scale import Scale, plain, scale

# Which figures are drawn, and whether more of it is better.
DRAWN: Mapping[str, bool] = {"served_share": True, "present_cost": False}


def waterfalls(
    seen: Seen, words: Words, before: Mapping[str, float], steps: Sequence[tuple[str, Mapping[str, float]]]
) -> list[Figure]:
    """A figure for each of DRAWN that may be seen and that the steps, (name, what it adds to each figure), change."""
    found = []
    for key, good in DRAWN.items():
        if key not in seen.figures or key not in before:
            continue
        values = (before[key], *(by[key] for _, by in steps), seen.figures[key])
        if all(abs(step) <= 1e-9 * abs(values[0]) for step in values[1:-1]):
            continue
        name, unit = FIGURES[key]
        to = scale((values[0], values[-1]), unit) if unit else Scale(0.01, "%")
        names = (words("At the last meeting"), *(_short(name) for name, _ in steps), words("Now"))
        shown = to.of(values)
        told = "; ".join(f"{step} {plain(value)}" for step, value in zip(names, shown, strict=True))
        title = words("{figure}: what each changed promise did", figure=words(name))
        data = Waterfall(names, shown, words(name), to.unit, good)
        found.append(Figure(f"waterfall-{key.replace('_', '-')}", title, data, f"{title} ({to.unit}): {told}."))
    return found


def _short(name: str) -> str:
    return textwrap.shorten(name, 60, placeholder=" …")
