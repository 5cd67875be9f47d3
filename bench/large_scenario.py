"""A scenario file of 20 sites, 10 accelerators, 20 services, 84 months and four supplies: the example, multiplied.

python bench/large_scenario.py FOLDER [months]     writes FOLDER/scenario.yaml; then: stackyard plan FOLDER

What is multiplied is scaled, so that the whole stays about twice the example: demand, deliveries, power and budget are
shared out over the copies. Nothing is to be chosen, so that it is one linear program. The numbers are those of nobody.
"""

from __future__ import annotations

import copy
import sys
from pathlib import Path
from typing import Any

import yaml

from stackyard.months import parse_month, show_month

EXAMPLE = Path(__file__).parents[1] / "examples" / "openai-sk" / "scenario.yaml"
CLIMATES = ("abilene", "frankfurt", "gwangju", "ulsan", "incheon")
GRIDS = ("ercot", "us", "korea", "germany")


def scenario(months: int = 84) -> dict[str, Any]:
    """The whole file as plain values, the same every time."""
    found: dict[str, Any] = yaml.safe_load(EXAMPLE.read_text())
    for part in ("campaigns", "uncertainty", "absent", "about"):
        found.pop(part)
    found |= {"name": "A large alliance", "services": _services(found["services"]), "sites": _sites(found["sites"])}
    found["accelerators"] = _accelerators(found["accelerators"])
    found["supplies"] = _supplies(found["supplies"])
    end = show_month(parse_month("2026-01") + months - 1)
    found["horizon"] = {"start": "2026-01", "end": end}
    years = range(2026, int(end[:4]) + 1)
    found["money"]["budget"] = {year: f"{120 + 60 * (year - 2026)} GUSD" for year in years}
    return found


def _times(series: Any, factor: float, key: str = "times") -> dict[str, Any]:
    stated = dict(series) if isinstance(series, dict) and not {"fact"} & set(series) else {"value": series}
    return stated | {key: [*stated.get(key, []), factor]}


def _services(base: dict[str, Any]) -> dict[str, Any]:
    """20 services: the example's with other shares, lengths and objectives."""
    kinds, found = list(base.items()), {}
    for i in range(20):
        key, service = kinds[i % len(kinds)]
        made = copy.deepcopy(service)
        made.pop("tail", None)
        made |= {"name": f"{service['name'].split(' (')[0]} {i + 1}", "tpot": f"{(25, 15, 30)[i % 3] + i} ms"}
        made["demand"] = _times(made["demand"], round(0.2 + 0.02 * i, 2))
        made["prompt"], made["output"] = f"{1000 + 200 * i} token", f"{400 + 40 * i} token"
        found[f"{key}-{i + 1}"] = made
    return found


def _sites(base: dict[str, Any]) -> dict[str, Any]:
    """20 sites: the example's in other climates, on other grids, later by some months, each with half the power."""
    kinds, found = list(base.items()), {}
    for i in range(20):
        key, site = kinds[i % len(kinds)]
        made = copy.deepcopy(site)
        for part in ("halls", "fleet", "fitted", "epw"):
            made.pop(part, None)
        made |= {"name": f"{site['name'].split(',')[0].split(' (')[0]} {i + 1}", "share": "40%"}
        made |= {"climate": CLIMATES[i % len(CLIMATES)], "grid": GRIDS[i % len(GRIDS)]}
        late = 3 * (i // len(kinds))
        made["phases"] = [
            {"month": show_month(parse_month(str(phase["month"])) + late), "power": phase["power"]}
            for phase in site["phases"]
        ]
        found[f"{key}-{i + 1}"] = made
    return found


def _accelerators(base: dict[str, Any]) -> dict[str, Any]:
    """10 accelerators: the example's seven, and later ones of three of them, at other prices."""
    found = dict(base)
    later = {"vr200-nvl72": ("2028-01", "6 MUSD/rack"), "mi455x-helios": ("2028-07", "5 MUSD/rack")}
    for key, (start, price) in (later | {"jalapeno": ("2028-03", "2 MUSD/rack")}).items():
        made = copy.deepcopy(base[key])
        made |= {"name": f"{made['name']}, {start[:4]}", "available": start}
        found[f"{key}-{start[:4]}"] = made | {"system_price": price, "limit": "40 kpackage/month"}
    return found


def _supplies(base: dict[str, Any]) -> dict[str, Any]:
    """The example's three without the contract, and a fourth of Micron."""
    found = {key: copy.deepcopy(supply) for key, supply in base.items() if "contract" not in supply}
    micron = copy.deepcopy(found["samsung-hbm4"])
    micron |= {"name": "Micron HBM4 12H", "maker": "micron"}
    found["micron-hbm4"] = micron
    for supply in found.values():
        part = "deliveries" if "deliveries" in supply else "wafers"
        if part == "deliveries":
            supply[part] = {"points": {"2026-01": "150 kstack/month", "2028-12": "40 kstack/month"}}
        else:
            supply[part]["starts"] = _times(supply[part]["starts"], 1.2)
    return found


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(scenario(*map(int, sys.argv[2:3])), sort_keys=False, allow_unicode=True)
    (folder / "scenario.yaml").write_text(text)


if __name__ == "__main__":
    main()
