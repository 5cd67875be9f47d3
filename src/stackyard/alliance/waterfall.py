"""From the plan at the last meeting to the plan as it is now, a changed promise at a time, as pictures."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

from stackyard.alliance.access import Seen
from stackyard.alliance.result import named
from stackyard.report.document import Figure, Waterfall
from stackyard.report.scale import Scale, plain, scale
from stackyard.words.spoken import Words

LEAST = 1e-6  # of a figure: smaller changes cannot be seen


def waterfalls(
    seen: Seen, words: Words, before: Mapping[str, float], steps: Sequence[tuple[str, Mapping[str, float]]]
) -> list[Figure]:
    """What the steps, (name, what each adds to figures), do to the year whose service they change most, and to cost."""
    there = named(key for key in seen.figures if key in before and all(key in by for _, by in steps))
    years = [key for key, (_, year, _) in there.items() if year]
    size = {key: sum(abs(by[key]) for _, by in steps) / max(abs(before[key]), 1e-30) for key in there}
    drawn = [*sorted(years, key=lambda key: -size[key])[:1], *(["present_cost"] if "present_cost" in there else [])]
    found = []
    for key in drawn:
        if size[key] < LEAST:
            continue
        name, year, unit = there[key]
        values = (before[key], *(by[key] for _, by in steps), seen.figures[key])
        to = scale((values[0], values[-1]), unit) if unit else Scale(0.01, "%")
        names = (words("At the last meeting"), *(_short(step) for step, _ in steps), words("Now"))
        shown = to.of(values)
        told = "; ".join(f"{step} {plain(value)}" for step, value in zip(names, shown, strict=True))
        figure = words(name, year=year)
        title = words("{figure}: what each changed promise did", figure=figure)
        data = Waterfall(names, shown, figure, to.unit, rise_is_good=bool(year))
        found.append(Figure(f"waterfall-{key.replace('_', '-')}", title, data, f"{title} ({to.unit}): {told}."))
    return found


def _short(name: str) -> str:
    return textwrap.shorten(name, 60, placeholder=" …")
