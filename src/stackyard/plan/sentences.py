"""An explanation in words: why a year leaves demand unserved, where, what more would bring, and how that was found."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stackyard.plan import refused
from stackyard.plan.binding import NAMES, TOLD, Binding, heaviest, unable
from stackyard.plan.causes import EITHER, NOTHING, RATE, SERVED, SEVERAL, UNASKED
from stackyard.plan.limits import RESOURCES, most, rent
from stackyard.plan.plan import Plan
from stackyard.plan.problem import SITE, A, O, Problem, T, V
from stackyard.plan.relief import STEP, Worth, worth_of
from stackyard.quantity import show
from stackyard.words import amount, either, joined, month, phrase, to, together, within
from stackyard.words import share as per_cent

IDLE = 0.9  # of the power of a site: one that uses less has some left


def opening(binding: Binding, left: float) -> str:
    """What a year leaves, and for what cause most of it; `left` in tokens per day.

    >>> from stackyard import api
    >>> made = api.plan("first-plan", steps=False)
    >>> problem, plan = made.built.problem, made.plan
    >>> str(opening(made.explanation.years[1], 1e9))[:6]
    'Power.'
    """
    part = binding.left
    if binding.resource == SERVED:
        if part <= 1e-6:
            return phrase("all demand is served.")
        return phrase("all but {part} of demand is served; the rest:", part=_percent(part))
    return phrase(
        "{cause}. {part} of demand ({tokens}) is left unserved:",
        cause=NAMES["power"] if binding.resource == "power" else binding.name(binding.resource),
        part=_percent(part),
        tokens=_tokens(left),
    )


def reasons(
    problem: Problem, plan: Plan, data: xr.Dataset, shares: Mapping[str, float], inside: NDArray[np.bool_]
) -> str:
    """The causes of what a year leaves, each with its part of it, its months and its place."""
    parts = [_part(problem, plan, data, key, part, inside) for key, part in shares.items() if part >= TOLD]
    minor = sum(part for part in shares.values() if part < TOLD)
    if minor >= 0.01:
        parts.append(phrase("{part} for lesser causes", part=per_cent(f"{minor:.0%}")))
    return joined("", [joined("; ", parts), "."]) if parts else ""


def closing(binding: Binding, data: xr.Dataset, worth: tuple[Worth, ...], inside: NDArray[np.bool_]) -> tuple[str, ...]:
    """What more of the year's limits would bring, or which limit makes it dearer."""
    last = [_step_words(worth, key, binding.year) for key in binding.limits] or [_dearer(data, inside)]
    return (*last, _by_price(data, inside)) if UNASKED in binding.main else tuple(last)


def _tokens(per_day: float) -> str:
    return amount(show(per_day, " tokens/day"), per_day, "tokens/day")


def _percent(part: float) -> str:
    return per_cent(f"{part:.0%}" if part >= 0.01 else f"{part:.1%}") if part >= 1e-3 else phrase("a trace")


def _part(problem: Problem, plan: Plan, data: xr.Dataset, key: str, share: float, inside: NDArray[np.bool_]) -> str:
    """'45% of it for lack of HBM (2026-05 to 2026-10; SK hynix HBM3E delivered in 2026-01 to 2026-06)'."""
    lost = data["left"].sel(cause=key).sum(V).values > 0
    when = _span(data[T].values[inside & lost])
    what = {"part": per_cent(f"{share:.0%}"), "months": when}
    if key == SEVERAL:
        names = [within(NAMES[name]) for name in heaviest(data, "needed", SEVERAL, inside)]
        said = phrase("{part} of it in {months} because several limits hold at once", **what)
        if len(names) == 1:
            return joined(": ", [said, phrase("{limit} with others", limit=names[0])])
        return joined(": ", [said, joined(", ", names)])
    if key == EITHER:
        *most, last = [within(NAMES[name]) for name in heaviest(data, "tied", EITHER, inside)[:3]]
        limits = either([joined(", ", most), last]) if most else last
        return phrase(
            "{part} of it in {months} for lack of {limits}: more of one of them alone would serve it",
            limits=limits,
            **what,
        )
    if key == RATE:
        why = refused.sentence(problem, unable(data, inside))
        said = phrase("{part} of it in {months} because {why}", why=NOTHING[key], **what)
        return joined(": ", [said, why])
    if key not in RESOURCES:
        return phrase("{part} of it in {months} because {why}", why=NOTHING[key], **what)
    earlier = np.flatnonzero(lost[: np.flatnonzero(inside)[0]])
    found = _places(
        problem, plan, key, int(earlier[-1]) if earlier.size else None, int(np.flatnonzero(inside & lost)[-1])
    )
    said = phrase("{part} of it in {months} for lack of {limit}", limit=within(NAMES[key]), **what)
    if found:
        said = joined(" ", [said, joined("", ["(", found, ")"])])
    idle = kept_out(problem, plan, inside & lost) if key == "power" else ""
    return joined(", ", [said, idle])


def kept_out(problem: Problem, plan: Plan, months: NDArray[np.bool_]) -> str:
    """Power that stands idle in months that lack it, because a hall there does not take what could be bought."""
    d = problem.data
    labels = json.loads(str(d.attrs.get("labels", "{}")))
    at = np.flatnonzero(months)
    opened = d["site_power"] + (d["option_power"] * plan.decisions["chosen"]).sum(O)
    power, used = (values.values[:, at] for values in (opened, plan.flows["site_power_peak"]))
    idle: NDArray[np.bool_] = np.all(used < IDLE * power, axis=1)
    sold = np.any(d["orders_max"].values[:, : at[-1] + 1] > 0, axis=1) & np.any(d["rate"].values > 0, axis=1)
    allowed = d["allowed"].values > 0
    kept_out = sold[:, None] & ~allowed & np.any(allowed, axis=1, keepdims=True)
    sites = [i for i in range(idle.size) if idle[i] and kept_out[:, i].any()]
    if not sites:
        return ""
    chips = [str(d[A].values[a]) for a in range(sold.size) if kept_out[a, sites].any()]
    halls, out = (
        [str(labels.get(id_, id_)) for id_ in ids] for ids in ([str(d[SITE].values[i]) for i in sites], chips)
    )
    return phrase(
        "while power stands idle at {sites}, where rack power or cooling keeps out {accelerators}",
        sites=together(halls),
        accelerators=together(out),
    )


def _span(months: NDArray[np.str_]) -> str:
    return to(str(months[0]), str(months[-1]))


def _places(problem: Problem, plan: Plan, name: str, before: int | None, last: int) -> str:
    """Where a resource is short, and when it is due: the places with the greatest rents in the months that can still
    help in month `last`, and not yet in month `before`."""
    resource = RESOURCES[name]
    if resource.axis is None:
        return ""
    lead = 0 if name in ("power", "sources") else int(problem.data["lead_months"].min())
    due = slice(0 if before is None else max(before - lead + 1, 0), max(last - lead, 0) + 1)
    rented = rent(problem, plan, name).transpose(resource.axis, T)[:, due]
    there = bool((rented > 0).any())
    if not there:
        rented = rent(problem, plan, name, most(problem.data, resource)).transpose(resource.axis, T)[:, due]
    total = rented.sum(T).values
    if total.sum() <= 0:
        none = name == "hbm" and not bool((problem.data["fits_stack"] > 0).any())
        return phrase("no supply fits an accelerator") if none else ""
    labels = json.loads(str(problem.data.attrs.get("labels", "{}")))
    order = [int(i) for i in np.argsort(-total)[:2] if total[i] > 0.05 * total.sum()]
    ids = [str(rented[resource.axis].values[i]) for i in order]
    names = together([str(labels.get(id_, id_)) for id_ in ids])
    priced = rented.values[order].sum(axis=0)
    if not there:
        return phrase("{places}: none there yet", places=names)
    return _DUE[name].format(places=names, months=_span(rented[T].values[priced > 0.01 * priced.max()]))


_DUE = {
    "hbm": phrase("{places}, delivered in {months}"),
    "packaging": phrase("{places}, due in {months}"),
    "orders": phrase("{places}, started in {months}"),
    "power": phrase("{places}, energised in {months}"),
}


def _step_words(worth: tuple[Worth, ...], name: str, year: int) -> str:
    found = worth_of(worth, name, year)
    if found is None or np.isnan(found.saved):
        return ""
    said = {"limit": within(NAMES[name]), "year": found.year, "saved": _usd(found.saved)}
    step = per_cent(f"{STEP:.0%}")
    if found.unit == "W":
        size = amount(show(found.step, "W"), found.step, "W")
        first = phrase("{size} more {limit} where it is short in {year} would save {saved}", size=size, **said)
    elif found.unit == "USD":
        size = _usd(found.step)
        first = phrase("{step} more money in {year} ({size}) would save {saved}", step=step, size=size, **said)
    else:
        unit = {"stack": "stacks", "wafer": "wafers", "package": "accelerators"}.get(found.unit, "")
        size = amount(f"{show(found.step, '')} {unit}".rstrip(), found.step, unit or "number")
        first = phrase(
            "{step} more {limit} where it is short in {year} ({size}) would save {saved}", step=step, size=size, **said
        )
    if not found.tokens > 0:
        return joined("", [first, "."])
    more = phrase("and serve {tokens} more in {year}", tokens=_tokens(found.tokens), year=str(found.tokens_year))
    return joined("", [joined(" ", [first, more]), "."])


def _by_price(data: xr.Dataset, inside: NDArray[np.bool_]) -> str:
    """The limits on which most of a year hangs by their prices alone."""
    total = data["rent"].values[:, inside].sum(axis=1)
    order = [int(i) for i in np.argsort(-total)[:3] if total[i] > 0.05 * total.sum()]
    if not order:
        return ""
    names = [NAMES[str(data["resource"].values[i])] for i in order]
    return phrase(
        "By their prices most hangs on {limits}; that was not solved again.",
        limits=together([within(name) for name in names]),
    )


def _dearer(data: xr.Dataset, inside: NDArray[np.bool_]) -> str:
    """Which limit makes a year dearer, where none leaves demand unserved."""
    total = data["rent"].values[:, inside].sum(axis=1)
    if total.max() <= 0:
        return ""
    dear = [int(i) for i in np.argsort(-total) if total[i] >= 0.05 * total.max()]
    names = [NAMES[str(data["resource"].values[i])] for i in dear]
    limits = together([names[0], *map(within, names[1:])])
    if len(names) == 1:
        return phrase(
            "{limit} is used up: more of it would make the plan cheaper, or serve more in another year.", limit=limits
        )
    return phrase(
        "{limits} are used up: more of them would make the plan cheaper, or serve more in another year.", limits=limits
    )


def _usd(dollars: float) -> str:
    """'USD 1.2 bn' of an amount."""
    size, word = next(
        ((s, w) for s, w in ((1e12, "tn"), (1e9, "bn"), (1e6, "m"), (1e3, "k")) if dollars >= s), (1.0, "")
    )
    return amount(f"USD {dollars / size:.3g} {word}".rstrip(), dollars, "USD")


def notes(problem: Problem, steps: bool) -> tuple[str, ...]:
    """How the explanation was found, and what that leaves out."""
    last = str(problem.data[T].values[-1])
    said = [
        phrase(
            "A limit is the cause of what would be served in that month without it (with far more of it than any plan "
            "needs, in every month), found by solving again. One that only makes the plan dearer is not called a limit."
        ),
        phrase(
            "Prices and rents stand in the month in which a thing is delivered or a watt is energised, not in that of "
            "its later use."
        ),
    ]
    if last > problem.end:
        said.append(
            phrase(
                "The plan is computed to {last} and reported to {end}. Without the months between, nothing would be "
                "ordered towards the end, since it would arrive too late to be used. In these months demand goes on "
                "growing until the last order has arrived, and is then level for a year; all else stays as it is at "
                "the end. What they cost and bring counts in what the plan chooses, and is not shown. If you expect "
                "demand to grow faster after {end}, the plan would build more before it.",
                last=month(last),
                end=month(problem.end),
            )
        )
    if steps:
        said.append(
            phrase(
                "What more is worth was found by solving again with {step} more of one limit in one year, where it has "
                "a price.",
                step=per_cent(f"{STEP:.0%}"),
            )
        )
    else:
        said.append(
            phrase("No steps were solved for: what more is worth is known only as price x amount, its upper bound.")
        )
    return tuple(said)
