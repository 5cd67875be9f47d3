"""What a reader calls a number of a scenario, by its key path; what each key means is told where it is declared."""

from __future__ import annotations

import re

from stackyard.words import phrase

# The last key of a path -> its name. Where the same key means another thing in another place, that place stands before.
NAMES: dict[str, str] = {
    "aversion": phrase("weight of the tail"),
    "beyond": phrase("share of demand beyond which the price holds"),
    "bond_repair": phrase("failed bonds that are mended"),
    "bond_yield": phrase("yield of bonding, each layer"),
    "budget": phrase("budget"),
    "carbon": phrase("emissions of what it puts out"),
    "carbon_price": phrase("price of carbon"),
    "chance": phrase("chance"),
    "clustering": phrase("clustering of defects"),
    "count": phrase("accelerators in place"),
    "defects": phrase("defects"),
    "deliveries": phrase("deliveries"),
    "demand": phrase("demand"),
    "demand_charge": phrase("charge for the highest power"),
    "die_area": phrase("area of a die"),
    "die_to_stack": phrase("time from die to stack"),
    "die_yield": phrase("yield of dies"),
    "discount_rate": phrase("discount rate"),
    "edge_exclusion": phrase("rim of the wafer without dies"),
    "efficiency": phrase("share of the printed arithmetic that is reached"),
    "electricity": phrase("price of electricity"),
    "embodied": phrase("emissions of making one"),
    "energy_price": phrase("price of its energy"),
    "events": phrase("chance of a value"),
    "fee": phrase("fee"),
    "firm": phrase("share that counts at the peak"),
    "fitout": phrase("price of fit-out"),
    "fitout_life": phrase("life of the fit-out"),
    "fitted": phrase("power fitted out already"),
    "floor": phrase("defects that learning does not take off"),
    "flop": phrase("arithmetic of the run"),
    "flops": phrase("arithmetic rate"),
    "gaps": phrase("burstiness of requests"),
    "hbm_in_price": phrase("HBM in the system's price"),
    "holding": phrase("cost of holding stock"),
    "hours": phrase("hours of the day"),
    "krw_per_usd": phrase("exchange rate of the won"),
    "late_penalty": phrase("penalty for lateness"),
    "late_price": phrase("price of being late"),
    "lead": phrase("lead time"),
    "learning": phrase("defects that a doubling takes off"),
    "least": phrase("least cluster"),
    "life": phrase("life"),
    "limit": phrase("limit"),
    "made": phrase("wafers made before"),
    "minimum": phrase("share to be taken at least"),
    "most": phrase("largest share"),
    "network_price": phrase("price of the network for one"),
    "output": phrase("output tokens of a request"),
    "package_yield": phrase("yield of packaging"),
    "packages_per_wafer": phrase("packages of a wafer"),
    "peak_to_mean": phrase("peak of the day over its mean"),
    "power": phrase("power"),
    "premium": phrase("what electricity costs more then"),
    "price": phrase("price"),
    "prompt": phrase("prompt tokens of a request"),
    "rack_limit": phrase("power that a rack may draw"),
    "ramp": phrase("most power that may be added in a month"),
    "scribe": phrase("street between dies"),
    "share": phrase("share"),
    "slip": phrase("months late"),
    "spread": phrase("spread of the lengths"),
    "stack_to_shipment": phrase("time from stack to delivery"),
    "starts": phrase("wafers started"),
    "stock": phrase("stock at the start"),
    "system_power": phrase("power of a system"),
    "system_price": phrase("price of a system"),
    "system_size": phrase("accelerators in a system"),
    "tail": phrase("where the tail begins"),
    "take_or_pay": phrase("share of the price of what is not taken"),
    "test_coverage": phrase("bad dies that the test finds"),
    "test_yield": phrase("yield of the stack test"),
    "total": phrase("total"),
    "tpot": phrase("time per output token"),
    "trade_ratio": phrase("DDR5 displaced, by capacity"),
    "ttft": phrase("time to first token"),
    "unserved_price": phrase("price of a token not served"),
    "upkeep": phrase("upkeep"),
    "usable": phrase("share of the rate that is planned with"),
    "wafer_diameter": phrase("diameter of the wafer"),
    "wafer_to_die": phrase("time from wafer to die"),
    "wafers": phrase("packaging wafers"),
    "working": phrase("share that is working"),
    "worth": phrase("worth of its tokens"),
    "base_dies.area": phrase("area of a base die"),
    "base_dies.starts": phrase("wafers of base dies started"),
    "blocks": phrase("price of fit-out"),
    "sources.output": phrase("output of its capacity"),
    "sites.share": phrase("share of the site"),
    "tail.share": phrase("share of requests that keep the objective"),
}
_INNER = ("points", "growth", "times", "table", "low", "likely", "high", "value")  # of a series or a range
_OF_MONTH = re.compile(r"\d{4}(-\d{2})?")


def label(path: str) -> str:
    """What a number is called without the item it is of: 'price of a token not served, 2026-03'; '' if unknown.

    >>> label("services.chat.unserved_price.points.2026-03"), label("sites.abilene.phases[1].power")
    ('price of a token not served, 2026-03', 'power, phase 2')
    >>> label("services.chat.demand.growth.2026-03"), label("sites.korea.halls.dense.fee")
    ('demand, growth a year from 2026-03', 'fee, dense')
    """
    section, *keys = re.findall(r"[^.\[\]]+", path) or [""]
    own = keys if section in ("money", "uncertainty") else keys[1:]
    at = next((i for i in reversed(range(len(own))) if own[i] in NAMES), None)
    if at is None:
        return ""
    before = [f"{key}.{own[at]}" for key in (own[at - 1] if at else section, own[at - 2] if at > 1 else section)]
    said = next((NAMES[key] for key in before if key in NAMES), NAMES[own[at]])
    within, after = own[:at], own[at + 1 :]
    if within[:1] == ["phases"]:
        said = phrase("{what}, phase {number}", what=said, number=str(int(within[1]) + 1))
    elif len(within) > 1 and not within[-1].isdecimal():
        said = phrase("{what}, {of}", what=said, of=within[-1])
    if "growth" in after:
        return phrase("{what}, growth a year from {month}", what=said, month=after[-1])
    if "times" in after:
        return phrase("{what}, factor {number}", what=said, number=str(int(after[-1]) + 1))
    marks = [key for key in after if key not in _INNER and (_OF_MONTH.fullmatch(key) or not key.isdecimal())]
    return phrase("{what}, {of}", what=said, of=marks[-1]) if marks else said
