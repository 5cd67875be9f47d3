"""A map of the sites: a grid of degrees with a circle for each, as large as its power; drawn from coordinates alone."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping

from stackyard.alliance.access import Seen
from stackyard.web.places import OUTLINES, PLACES
from stackyard.words.spoken import Words

WIDTH, HEIGHT = 960, 400


def site_map(seen: Seen, words: Words) -> str:
    """SVG of the sites that may be seen and whose place is known, and a list of them for who cannot see it."""
    spots = []
    for item, name in seen.items.items():
        section, _, key = item.partition(".")
        place = PLACES.get(key)
        if section != "sites" or place is None:
            continue
        row = seen.result(f"energised.{key}")
        spots.append((name, place, max(row.values) if row and row.values else None))
    if not spots:
        return ""
    frames = []
    for number, (title, box, outline) in enumerate(OUTLINES):
        inside = [s for s in spots if box[0] <= s[1][0] <= box[2] and box[1] <= s[1][1] <= box[3]]
        if inside:
            frames.append(_frame(number, title, box, outline, inside, words))
    aside = words("Sites as a list")
    listed = "".join(f"<li>{html.escape(_told(name, watts, words))}</li>" for name, _, watts in spots)
    note = words(
        "Circles grow with the power energised at the end; places are those of the towns. Outlines are sketches."
    )
    return (
        f'<div class="maps">{"".join(frames)}</div><p class="remark">{html.escape(note)}</p>'
        f'<details class="data"><summary>{html.escape(aside)}</summary><ul>{listed}</ul></details>'
    )


def _told(name: str, watts: float | None, words: Words) -> str:
    return name if watts is None else f"{name}: {words.amount(watts, 'W')}"


def _frame(
    number: int,
    title: str,
    box: tuple[float, float, float, float],
    outline: tuple[tuple[float, float], ...],
    spots: list[tuple[str, tuple[float, float], float | None]],
    words: Words,
) -> str:
    """One region, by longitude and latitude, shortened east to west by the cosine of its middle latitude."""
    west, south, east, north = box
    across = (east - west) * math.cos(math.radians((north + south) / 2))
    scale = min(460 / across, HEIGHT / (north - south))
    width, height = across * scale, (north - south) * scale

    def at(longitude: float, latitude: float) -> tuple[float, float]:
        return (longitude - west) / (east - west) * width, (north - latitude) / (north - south) * height

    shape = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(*point) for point in outline))
    marks = []
    for name, place, watts in sorted(spots, key=lambda spot: -(spot[2] or 0.0)):
        x, y = at(*place)
        radius = 5 + 5 * math.sqrt((watts or 0.0) / 1e9)
        left = x > width * 0.6
        said, short = html.escape(_told(name, watts, words)), html.escape(name.partition(" (")[0])
        anchor, shift = ("end", -radius - 5) if left else ("start", radius + 5)
        marks.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}"><title>{said}</title></circle>'
            f'<text x="{x + shift:.1f}" y="{y + 4:.1f}" text-anchor="{anchor}">{short}</text>'
        )
    alt = html.escape("; ".join(_told(name, watts, words) for name, _, watts in spots))
    return (
        f'<figure class="map" id="map-{number}"><figcaption>{html.escape(words(title))}</figcaption>'
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-label="{alt}">'
        f'<polygon class="land" points="{shape}"/>{"".join(marks)}</svg></figure>'
    )


def places() -> Mapping[str, tuple[float, float]]:
    """Longitude and latitude of every place that the map knows."""
    return PLACES
