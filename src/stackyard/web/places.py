"""Where sites stand: longitude and latitude of their towns, to a tenth of a degree, and sketched outlines around them.

Coordinates of towns are common knowledge (any gazetteer); the outlines are our own sketches of some twenty points, good
for orientation and nothing else. Five further US sites of Stargate stand at their first town; the two Korean ones
between Pohang and the south-west at Gwangju, whose climate the plan uses.
"""

from __future__ import annotations

from collections.abc import Mapping

from stackyard.words import phrase

Point = tuple[float, float]
Box = tuple[float, float, float, float]  # west, south, east, north

PLACES: Mapping[str, Point] = {
    "abilene": (-99.7, 32.4),
    "stargate-us": (-80.9, 41.1),  # Lordstown, Ohio
    "stargate-korea": (126.9, 35.2),
    "ulsan": (129.3, 35.5),
    "skt-yeongnam": (128.6, 35.9),  # Daegu, in the middle of Yeongnam
}

_STATES: tuple[Point, ...] = (
    (-124.7, 48.4), (-123.0, 49.0), (-95.2, 49.0), (-89.6, 48.0), (-84.8, 46.7), (-82.5, 45.3), (-82.5, 42.6),
    (-79.0, 42.8), (-76.5, 44.0), (-74.7, 45.0), (-71.3, 45.2), (-69.2, 47.4), (-67.8, 47.0), (-67.0, 44.8),
    (-70.6, 43.0), (-70.0, 41.7), (-74.0, 40.5), (-75.6, 37.6), (-75.7, 35.3), (-78.0, 33.9), (-81.1, 31.9),
    (-81.3, 30.0), (-80.1, 26.8), (-80.4, 25.2), (-81.8, 26.1), (-82.8, 28.0), (-84.0, 30.1), (-88.0, 30.3),
    (-89.4, 29.1), (-93.8, 29.7), (-97.2, 27.7), (-97.2, 25.9), (-99.5, 27.5), (-101.4, 29.8), (-103.1, 29.0),
    (-104.5, 29.6), (-106.5, 31.8), (-111.1, 31.3), (-114.8, 32.5), (-117.1, 32.5), (-118.5, 34.0), (-120.6, 34.6),
    (-122.5, 37.8), (-124.3, 40.4), (-124.1, 44.0),
)  # fmt: skip
_KOREA: tuple[Point, ...] = (
    (126.7, 37.8), (127.1, 38.2), (128.4, 38.6), (129.0, 37.7), (129.4, 37.0), (129.4, 36.1), (129.6, 36.0),
    (129.3, 35.4), (129.0, 35.1), (128.4, 34.9), (127.7, 34.7), (127.3, 34.5), (126.5, 34.3), (126.3, 34.8),
    (126.5, 35.5), (126.5, 36.1), (126.2, 36.7), (126.8, 37.0), (126.6, 37.4),
)  # fmt: skip
OUTLINES: tuple[tuple[str, Box, tuple[Point, ...]], ...] = (
    (phrase("United States"), (-125.5, 24.0, -66.0, 50.0), _STATES),
    (phrase("Korea"), (124.6, 33.9, 131.0, 38.9), _KOREA),
)
