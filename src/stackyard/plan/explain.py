"""What limits a plan, month by month and year by year, what more of it would be worth, and where demand is left.

A limit is what causes a shortage (`causes`): a limit that only makes a plan dearer is not called one. What limits are
worth by their prices is in `limits`, what a step of each does in `relief`; this module puts them together, and says it
in words.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stackyard.plan import refused
from stackyard.plan.causes import (
    COST,
    EITHER,
    HALL,
    LAUNCH,
    LEAD,
    MISSING,
    NOTHING,
    QUALIFIED,
    RATE,
    SERVED,
    SEVERAL,
    SHORT,
    UNASKED,
    left,
    needed,
    tied,
)
from stackyard.plan.limits import RESOURCES, most, rent, rents
from stackyard.plan.marginal import Marginal, Next, chains, marginals
from stackyard.plan.patience import Patience
from stackyard.plan.plan import Plan, in_year, reported
from stackyard.plan.problem import SITE, A, O, Problem, T, V, Y
from stackyard.plan.relief import STEP, Worth, by_year, relief, worth_of, worths
from stackyard.plan.solve import Resolve
from stackyard.quantity import DAY, show
from stackyard.words import amount, either, joined, listed, month, phrase, to, together, within
from stackyard.words import share as per_cent

TOLD = 0.1  # part of what a year leaves unserved from which on a cause is told by itself
IDLE = 0.9  # of the power of a site: one that uses less has some left

# What a reader calls each cause.
NAMES: dict[str, str] = {name: resource.name for name, resource in RESOURCES.items()} | {
    SERVED: phrase("All demand is served"),
    LEAD: phrase("Lead time"),
    LAUNCH: phrase("Date of sale"),
    QUALIFIED: phrase("Qualification"),
    HALL: phrase("Rack power"),
    RATE: phrase("Accelerators that can run it"),
    MISSING: phrase("More than one thing missing"),
    EITHER: phrase("Either of two limits"),
    SEVERAL: phrase("Several limits at once"),
    COST: phrase("Cost of serving"),
    UNASKED: phrase("A limit not asked about"),
}


@dataclass(frozen=True)
class Binding:
    """What limits a year, and `why`, in words.

    `resource` is the cause of most of what is left unserved, a key of RESOURCES or NOTHING (SERVED where that is less
    than SHORT of the year's demand); `causes` are all of them with their part of it, greatest first; `left` is the
    share of the year's demand that is left for any cause; `together` are the limits that hold at once, heaviest first;
    `barred` is true where power is a cause while other power stands idle that a higher rack limit would open; `either`
    are limits of which any would do by itself, heaviest first; `lacks` names what every accelerator lacks that cannot
    run a service.
    """

    year: int
    resource: str
    causes: dict[str, float]
    left: float
    together: tuple[str, ...]
    barred: bool
    why: str
    either: tuple[str, ...] = ()
    lacks: str = ""

    @property
    def sentence(self) -> str:
        """'2029: Power. 4% of demand ...'."""
        return joined(": ", (str(self.year), self.why))

    @property
    def limit(self) -> str:
        """The resource that leaves most, of those that leave a part worth telling; '' where none does."""
        return next(iter(self.limits), "")

    @property
    def limits(self) -> tuple[str, ...]:
        """The resource that leaves most, or both of which either would do."""
        told = (key for key, part in self.causes.items() if (key in RESOURCES or key == EITHER) and part >= TOLD)
        first = next(told, "")
        return self.either[:2] if first == EITHER else (first,) if first else ()

    @property
    def named(self) -> tuple[str, ...]:
        """Every resource that the main causes name."""
        groups = {EITHER: self.either, SEVERAL: self.together}
        return tuple(dict.fromkeys(key for cause in self.main for key in groups.get(cause, (cause,))))

    @property
    def main(self) -> tuple[str, ...]:
        """The causes to name: the first, and the second where it leaves a quarter or more."""
        second = [key for key, part in list(self.causes.items())[1:2] if part >= 0.25]
        return (self.resource, *(second if self.resource != SERVED else ()))

    def name(self, cause: str) -> str:
        """What a reader calls a cause in this year; limits that hold at once by their names.

        >>> Binding(2030, "together", {"together": 1.0}, 0.1, ("money", "power"), False, "").name("together")
        'Money and power together'
        """
        if cause == "power" and self.barred:
            return phrase("Power or rack limits")
        if cause == RATE and self.lacks:
            return self.lacks
        if cause == EITHER and len(self.either) > 1:
            return either([NAMES[self.either[0]], within(NAMES[self.either[1]])])
        if cause != SEVERAL or len(self.together) < 2:
            return NAMES[cause]
        names = [NAMES[self.together[0]], *(within(NAMES[key]) for key in self.together[1:3])]
        return phrase("{limits} together", limits=listed(names))


@dataclass(frozen=True)
class Shortage:
    """Demand of a service that a year leaves unserved: mean tokens per day, share, cost in USD of the year, and the
    cause of most of it."""

    service: str
    year: int
    unserved: float
    share: float
    cost: float
    cause: str


@dataclass(frozen=True)
class Explanation:
    """Causes of shortage, rents, what steps are worth, and what is left unserved, over the horizon.

    `data` holds left (cause, service, month; tokens per day that are left unserved for this cause), binds (month; the
    cause of most of it), relief (resource, month; tokens per day more served without this limit), needed (resource,
    month; tokens per day that are left for it when all the others are lifted), tied (resource, month; tokens per day
    for which it is one of two of which either would do), rent and rent_present (resource, month;
    USD of the month and of today). `marginals` are what a million tokens more cost, `chains` what the next amount of
    each year's limit is worth; both empty where no steps were solved.
    """

    data: xr.Dataset
    years: tuple[Binding, ...]
    worths: tuple[Worth, ...]
    shortages: tuple[Shortage, ...]
    notes: tuple[str, ...]
    marginals: tuple[Marginal, ...] = ()
    chains: tuple[Next, ...] = ()


def explain(
    problem: Problem,
    plan: Plan,
    resolve: Resolve,
    *,
    steps: bool = True,
    within: float = np.inf,
    progress: Callable[[str], None] | None = None,
) -> Explanation:
    """The explanation of a plan; `resolve` is that of `solve_warm`. Without `steps` the year's steps are not solved.

    Nothing is solved again later than `within` seconds after the start: what promises most is asked first, the rest is
    told by its prices, and a note says how much of it that is.
    """
    tell, patience = progress or (lambda text: None), Patience(within)
    more = relief(problem, plan, resolve, tell, patience)
    worth = worths(problem, plan, resolve if steps else None, tell, patience)
    rented = rents(problem, plan)
    whole = xr.Dataset(
        {
            "left": left(problem, plan, more),
            "relief": more["single"].sum(V),
            "needed": needed(plan, more),
            "tied": tied(plan, more),
            "rent": rented,
            "rent_present": (rented * problem.data["discount"]).assign_attrs(units="USD"),
        }
    ).sel({T: slice(None, problem.end)})
    near, seen = reported(problem, plan)
    whole["binds"] = _most(whole["left"].sum(V))
    member = in_year(near.data)
    years = tuple(
        _binding(problem, plan, whole, worth, int(year), member.sel({Y: year}).values > 0)
        for year in near.data[Y].values.tolist()
    )
    found = Explanation(whole, years, worth, _shortages(near, seen, whole["left"]), _notes(problem, steps))
    if steps:
        limits = {binding.year: binding.limits for binding in years if binding.resource != SERVED}
        next_ = chains(problem, plan, limits, resolve, tell, patience)
        found = replace(found, chains=next_, marginals=marginals(problem, plan, resolve, tell, patience))
    return replace(found, notes=(*found.notes, *patience.told))


def _most(left: xr.DataArray) -> xr.DataArray:
    """The cause of most that is left in each month."""
    keys = left["cause"].values[left.values.argmax(axis=0)]
    return xr.DataArray(np.where(left.max("cause").values > 0, keys, SERVED).astype(str), dims=T)


def _shortages(problem: Problem, plan: Plan, left: xr.DataArray) -> tuple[Shortage, ...]:
    d = problem.data
    unserved, asked = by_year(d, plan.decisions["unserved"]), by_year(d, d["demand"])
    cost = (in_year(d) * d["unserved_price"] * plan.decisions["unserved"] * d["seconds"] / DAY).sum(T).transpose(V, Y)
    found = []
    for v, service in enumerate(d[V].values):
        for y, year in enumerate(d[Y].values):
            lost, all_of_it = float(unserved[v, y]), float(asked[v, y])
            if lost <= 1e-6 * all_of_it:
                continue
            tokens = (left[:, v] * in_year(d)[y] * d["seconds"]).sum(T)
            most = str(tokens["cause"].values[np.argmax(tokens.values)]) if float(tokens.max()) > 0 else SERVED
            found.append(Shortage(str(service), int(year), lost, lost / all_of_it, float(cost[v, y]), most))
    return tuple(found)


# --- words ---


def _binding(
    problem: Problem, plan: Plan, data: xr.Dataset, worth: tuple[Worth, ...], year: int, inside: NDArray[np.bool_]
) -> Binding:
    """What limits one year: the cause of most that it leaves unserved. `inside` marks its months in the horizon."""
    seconds, months = problem.data["seconds"].values[: inside.size][inside], data[T].values[inside]
    tokens = (data["left"].sum(V).values[:, inside] * seconds).sum(axis=1)
    asked, unserved = (
        float((values.sum(V).sel({T: months}).values * seconds).sum())
        for values in (problem.data["demand"], plan.decisions["unserved"])
    )
    keys = [str(key) for key in data["cause"].values]
    shares = {keys[i]: float(tokens[i] / tokens.sum()) for i in np.argsort(-tokens) if tokens[i] > 0}
    resource = next(iter(shares)) if unserved > SHORT * asked and shares else SERVED
    part = unserved / asked if asked > 0 else 0.0
    tied = _heaviest(data, "tied", EITHER, inside)
    parts = [_part(problem, plan, data, key, part, inside) for key, part in shares.items() if part >= TOLD]
    minor = sum(part for part in shares.values() if part < TOLD)
    if minor >= 0.01:
        parts.append(phrase("{part} for lesser causes", part=per_cent(f"{minor:.0%}")))
    told = joined("", [joined("; ", parts), "."]) if parts else ""
    lacks = refused.name(problem, _unable(data, inside)) if RATE in shares else ""
    found = Binding(year, resource, shares, part, _together(data, inside), "keeps out" in told, "", tied, lacks)
    last = [_step_words(worth, key, year) for key in found.limits] if found.limit else [_dearer(data, inside)]
    if UNASKED in found.main:
        last.append(_by_price(data, inside))
    return replace(found, why=joined(" ", [_opening(found, unserved / seconds.sum()), told, *last]))


def _opening(binding: Binding, left: float) -> str:
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


def _tokens(per_day: float) -> str:
    return amount(show(per_day, " tokens/day"), per_day, "tokens/day")


def _together(data: xr.Dataset, inside: NDArray[np.bool_]) -> tuple[str, ...]:
    """The limits that hold at once in a year, the heaviest first; those under a tenth of it are not named."""
    return _heaviest(data, "needed", SEVERAL, inside)


def _heaviest(data: xr.Dataset, name: str, cause: str, inside: NDArray[np.bool_]) -> tuple[str, ...]:
    months = inside & (data["left"].sel(cause=cause).sum(V).values > 0)
    weight = data[name].values[:, months].sum(axis=1)
    return tuple(str(data["resource"].values[i]) for i in np.argsort(-weight) if weight[i] > 0.1 * weight.max() > 0)


def _percent(part: float) -> str:
    return per_cent(f"{part:.0%}" if part >= 0.01 else f"{part:.1%}") if part >= 1e-3 else phrase("a trace")


def _part(problem: Problem, plan: Plan, data: xr.Dataset, key: str, share: float, inside: NDArray[np.bool_]) -> str:
    """'45% of it for lack of HBM (2026-05 to 2026-10; SK hynix HBM3E delivered in 2026-01 to 2026-06)'."""
    lost = data["left"].sel(cause=key).sum(V).values > 0
    when = _span(data[T].values[inside & lost])
    what = {"part": per_cent(f"{share:.0%}"), "months": when}
    if key == SEVERAL:
        names = [within(NAMES[name]) for name in _together(data, inside)]
        said = phrase("{part} of it in {months} because several limits hold at once", **what)
        if len(names) == 1:
            return joined(": ", [said, phrase("{limit} with others", limit=names[0])])
        return joined(": ", [said, joined(", ", names)])
    if key == EITHER:
        *most, last = [within(NAMES[name]) for name in _heaviest(data, "tied", EITHER, inside)[:3]]
        limits = either([joined(", ", most), last]) if most else last
        return phrase(
            "{part} of it in {months} for lack of {limits}: more of one of them alone would serve it",
            limits=limits,
            **what,
        )
    if key == RATE:
        why = refused.sentence(problem, _unable(data, inside))
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
    idle = _barred(problem, plan, inside & lost) if key == "power" else ""
    return joined(", ", [said, idle])


def _unable(data: xr.Dataset, inside: NDArray[np.bool_]) -> list[str]:
    """Services that no accelerator can run and that are left for it in a year."""
    lost = data["left"].sel(cause=RATE).values[:, inside].sum(axis=1) > 0
    return [str(data[V].values[v]) for v in np.flatnonzero(lost)]


def _barred(problem: Problem, plan: Plan, months: NDArray[np.bool_]) -> str:
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


def _notes(problem: Problem, steps: bool) -> tuple[str, ...]:
    last = str(problem.data[T].values[-1])
    notes = [
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
        notes.append(
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
        notes.append(
            phrase(
                "What more is worth was found by solving again with {step} more of one limit in one year, where it has "
                "a price.",
                step=per_cent(f"{STEP:.0%}"),
            )
        )
    else:
        notes.append(
            phrase("No steps were solved for: what more is worth is known only as price x amount, its upper bound.")
        )
    return tuple(notes)
