"""The weather of a place of the catalogue: its twelve monthly means made into hours."""

from __future__ import annotations

from stackyard.catalog.entries import Climate
from stackyard.errors import Fault, InputErrors
from stackyard.site.plant import facts
from stackyard.site.weather import Weather, spread_to, synthetic


def weather(climate: Climate, wets: bool = True) -> Weather:
    """8760 hours of a climate, by `weather.synthetic`; the swing of a day is the place's own where it has daily maxima
    and minima, the spread of days where its design temperatures are on record, else both are the table's.

    Raises InputErrors for a climate without wet bulbs, unless nothing there `wets`: then the wet bulb is taken to be
    the dry one, which a dry plant does not use.

    >>> from stackyard.catalog.load import load
    >>> round(float(weather(load().climate("ulsan")).dry.mean()), 1)
    14.0
    """
    if not climate.wet_bulb and wets:
        hint = "take a climate nearby that has them, or an EPW file; see: stackyard facts climates"
        raise InputErrors([Fault("catalogue", 0, f"climates.{climate.id}", "has no wet bulbs", hint)])
    known = facts()
    spread = (known["plant.weather.dry_bulb_spread"].si, known["plant.weather.wet_bulb_spread"].si)
    swing: float | tuple[float, ...] = known["plant.weather.dry_bulb_swing"].si
    highest, lowest = climate.facts.get("daily_maximum"), climate.facts.get("daily_minimum")
    if highest is not None and lowest is not None:
        swing = tuple((high - low) / 2 for high, low in zip(highest.si_series, lowest.si_series, strict=True))
    swings = (swing, known["plant.weather.wet_bulb_swing"].si if climate.wet_bulb else swing)
    means = (tuple(climate.dry_bulb), tuple(climate.wet_bulb or climate.dry_bulb))
    design = [climate.facts.get(f"{bulb}_bulb_p99_6") for bulb in ("dry", "wet")]
    points = [None if fact is None else fact.value for fact in design]  # deg C
    own = [
        spread_to(point, mean, half) if isinstance(point, int | float) else each
        for each, point, mean, half in zip(spread, points, means, swings, strict=True)
    ]
    return synthetic(
        climate.name,
        climate.dry_bulb,
        climate.wet_bulb or climate.dry_bulb,
        spread=(own[0], own[1] if climate.wet_bulb else own[0]),
        swing=swings,
        pressure=known["plant.weather.pressure"].si,
    )
