"""Words of a question about a site -> its weather and plant through a year; refusals say what there is instead."""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np

from stackyard.catalog import Catalog
from stackyard.catalog.entries import Climate
from stackyard.errors import nearest, refused
from stackyard.notebook import Columns, Tabular, by_rows
from stackyard.quantity import KWH, UnitError, parse
from stackyard.site.epw import read_epw
from stackyard.site.places import weather
from stackyard.site.plant import Cooling, Rejection, plant
from stackyard.site.weather import DAYS, by_month
from stackyard.site.year import Year, year
from stackyard.source import Fact, Grade, weakest

LITRE = 1e-3  # m3
UNITS = {"dry_bulb": "degC", "wet_bulb": "degC", "water_litre_per_kwh": "L/kWh"} | dict.fromkeys(
    ("free_hours", "partial_hours", "mechanical_hours"), "h"
)
DESIGN = 0.996  # share of the hours below the design condition of ASHRAE


@dataclass(frozen=True)
class Asked(Tabular):
    """A site's year, with the facts that it rests on."""

    name: str
    year: Year
    climate: Climate | None  # None where the weather is a file's

    @property
    def facts(self) -> tuple[Fact, ...]:
        own = tuple(self.climate.facts[bulb] for bulb in ("dry_bulb", "wet_bulb")) if self.climate is not None else ()
        return (*own, *self.year.plant.facts.values())

    @property
    def grade(self) -> Grade:
        return weakest(fact.grade for fact in self.facts)

    def columns(self) -> Columns:
        """The twelve months: bulb temperatures, PUE, water, and hours of each mode of cooling."""
        return by_rows(self.summary()["months"], UNITS)

    def summary(self) -> dict[str, Any]:
        """Plain names and values for JSON."""
        made, air = self.year, self.year.weather
        means = {"dry_bulb": by_month(air.dry), "wet_bulb": by_month(air.wet), "pue": made.pue}
        means["water_litre_per_kwh"] = made.water * KWH / LITRE
        hours = {"free_hours": made.free, "partial_hours": made.partial, "mechanical_hours": made.mechanical}
        months = [
            {
                "month": calendar.month_abbr[i + 1],
                **{name: float(values[i]) for name, values in (means | hours).items()},
            }
            for i in range(12)
        ]
        whole = {name: float(np.average(values, weights=DAYS)) for name, values in means.items()}
        dry, wet = air.percentile(DESIGN)
        return {
            "name": self.name,
            "cooling": made.plant.name,
            "load": made.load,
            "weather": air.origin,
            "months": months,
            "year": whole | {name: float(values.sum()) for name, values in hours.items()},
            "design": {"dry_bulb": dry, "wet_bulb": wet},
            "line": {
                "fixed": made.mean("fixed"),
                "proportional": made.mean("proportional"),
                "peak_at_full_load": float((made.fixed_peak + made.proportional_peak).max()),
            },
            "grade": self.grade.label,
        }


def asked(
    known: Catalog,
    site: str | None,
    epw: Path | None,
    cooling: str = "liquid",
    rejection: str = "dry",
    load: str = "75%",
) -> Asked:
    """The year of a site of the catalogue, of a climate of it, or of a weather file, under a kind of cooling.

    Raises InputErrors for what does not exist, with the nearest.

    >>> from stackyard.catalog.load import load
    >>> round(asked(load(), "ulsan", None).year.mean("pue"), 2)
    1.09
    """
    for option, word, kinds in (("--cooling", cooling, Cooling), ("--rejection", rejection, Rejection)):
        if word not in get_args(kinds):
            raise refused(option, f"no kind '{word}'", nearest(word, get_args(kinds)))
    made = plant(cooling, rejection)  # type: ignore[arg-type]
    try:
        share = parse(load, "")
    except UnitError as error:
        raise refused("--load", str(error), "the IT load over the design load, for example 75%") from None
    if not 0 < share <= 1:
        raise refused("--load", f"'{load}' is not above 0 and at most 100%", "for example 75%")
    if epw is not None:
        read = read_epw(epw)
        return Asked(read.place, year(made, read, share), None)
    if site is None:
        raise refused("SITE", "names neither a site nor a weather file", "for example ulsan, or --epw FILE")
    climate = _climate(known, site)
    return Asked(climate.name, year(made, weather(climate), share), climate)


def _climate(known: Catalog, name: str) -> Climate:
    """The climate of a site, or the climate of this name."""
    id_ = name.strip().lower().replace(" ", "-")
    if id_ in known.sites:
        return known.climate(known.sites[id_].climate)
    if id_ in known.climates:
        return known.climate(id_)
    raise refused("SITE", f"no site and no climate '{name}'", nearest(name, [*known.sites, *known.climates]))
