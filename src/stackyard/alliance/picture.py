"""A solved plan as a Picture: every result that a page may show, with whose numbers it would reveal."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from stackyard.alliance.result import Picture, Result
from stackyard.plan.binding import NAMES, Binding
from stackyard.plan.causes import EITHER, SEVERAL
from stackyard.plan.explain import Explanation
from stackyard.plan.limits import RESOURCES, rent
from stackyard.plan.plan import Plan, reported
from stackyard.plan.problem import SITE, A, K, P, Problem, S, T, V
from stackyard.plan.scenario import Scenario
from stackyard.report.sections import spend
from stackyard.report.view import View
from stackyard.words import phrase
from stackyard.words.spoken import LANGUAGES, Words

Array = NDArray[np.float64]
SECTIONS: Mapping[str, str] = {V: "services", S: "supplies", K: "packaging", A: "accelerators", SITE: "sites"}
MONEY = "money"
IN_PLACE, SPENDING, ACCELERATORS = phrase("In place"), phrase("Spending"), phrase("Accelerators")


def headlines(problem: Problem, plan: Plan) -> dict[str, float]:
    """The figures by which two plans are compared: SI, over the horizon, in its last month ('_end') or in a year.

    >>> from stackyard import api
    >>> made = api.plan("first-plan", steps=False)
    >>> problem, plan = made.built.problem, made.plan
    >>> sorted(headlines(problem, plan))[:2]
    ['accelerators_end', 'asked_end']
    """
    view = View.of(problem, plan)
    served, asked = view.array("served").sum(axis=0), view.array("demand").sum(axis=0)
    inside = {year: np.array([month.startswith(year) for month in view.months]) for year in view.years}
    by_year = {year: (view.tokens(served)[at].sum(), view.tokens(asked)[at].sum()) for year, at in inside.items()}
    return {
        **{f"served_{year}": float(done / max(all_, 1e-30)) for year, (done, all_) in by_year.items()},
        "served_share": float(view.tokens(served).sum() / max(view.tokens(asked).sum(), 1e-30)),
        "served_end": float(served[-1]),
        "asked_end": float(asked[-1]),
        "accelerators_end": float(view.installed[:, -1].sum()),
        "power_end": float(view.array("site_power_peak").sum(axis=0)[-1]),
        "energised_end": float(view.energised.sum(axis=0)[-1]),
        "stacks_drawn": float(view.array("draw").sum()),
        "stacks_delivered": float(view.delivered.sum()),
        "spending": float(spend(view).sum()),
        "present_cost": float(plan.objective),
    }


def picture(scenario: Scenario, problem: Problem, plan: Plan, explanation: Explanation | None) -> Picture:
    """All results of a plan over its horizon.

    >>> from stackyard import api
    >>> made = api.plan("first-plan", steps=False)
    >>> problem, plan = made.built.problem, made.plan
    >>> made_of = picture(made.scenario, problem, plan, made.explanation)
    >>> len(made_of.results) > 10
    True
    """
    view = View.of(problem, plan)
    rows = [*_demand(view), *_supply(view), *_installed(view), *_sites(view), *_money(view)]
    rows += _prices(*reported(problem, plan), view)
    if explanation is not None:
        rows += _limits(view, explanation)
    return Picture(view.months, view.years, tuple(rows))


def _series(values: Array) -> tuple[float, ...]:
    return tuple(np.asarray(values, dtype=float).tolist())


def _items(view: View, axis: str) -> tuple[str, ...]:
    return tuple(f"{SECTIONS[axis]}.{id_}" for id_ in view.ids(axis))


def _each(
    view: View, axis: str, name: str, group: str, what: str, unit: str, values: Array, follows: tuple[str, ...] = ()
) -> list[Result]:
    """A row for each id of an axis, and their sum; all of them follow from other items too, where these are named."""
    items = _items(view, axis)
    rows = [
        Result(f"{name}.{id_}", group, f"{what}: {view.name(id_)}", unit, _series(row), (item,), follows)
        for id_, item, row in zip(view.ids(axis), items, values, strict=True)
    ]
    total = _series(values.sum(axis=0))
    return [*rows, Result(f"{name}.total", group, f"{what}: all", unit, total, follows=(*items, *follows))]


def _demand(view: View) -> list[Result]:
    """What is served is a rate for each accelerator, and these are made of stacks."""
    stacks = _items(view, S)
    return [
        *_each(view, V, "demand", "services", phrase("Asked for"), "token/day", view.array("demand")),
        *_each(view, V, "served", "services", phrase("Served"), "token/day", view.array("served"), stacks),
    ]


def _supply(view: View) -> list[Result]:
    return [
        *_each(view, S, "delivered", "supply", phrase("Delivered"), "stack", view.delivered),
        *_each(view, S, "drawn", "supply", phrase("Drawn"), "stack", view.array("draw").sum(axis=1)),
        *_each(view, S, "stock", "supply", phrase("In stock"), "stack", view.array("stock")),
    ]


def _installed(view: View) -> list[Result]:
    """Accelerators in place: what is built of one tells of the stacks that it takes; and all sites' make the sum."""
    fits = np.asarray(view.array("fits_stack")) > 0
    supplies, sites = _items(view, S), _items(view, SITE)
    rows = []
    for i, id_ in enumerate(view.ids(A)):
        feeding = tuple(item for item, fit in zip(supplies, fits[:, i], strict=True) if fit)
        title = f"{IN_PLACE}: {view.name(id_)}"
        shown, follows = (f"accelerators.{id_}",), (*feeding, *sites)
        rows.append(Result(f"installed.{id_}", "supply", title, "package", _series(view.installed[i]), shown, follows))
    total, every = _series(view.installed.sum(axis=0)), (*supplies, *sites, *_items(view, A))
    return [*rows, Result("installed.total", "supply", f"{IN_PLACE}: all accelerators", "package", total, (), every)]


def _sites(view: View) -> list[Result]:
    """Power in use, and all that goes with it, is so much for each accelerator, and these are made of stacks."""
    at_site, stacks = view.array("installed").sum(axis=0), _items(view, S)
    rows = _each(view, SITE, "energised", "sites", phrase("Power energised"), "W", view.energised)
    for name, what, unit, array in (
        ("used", phrase("Power in use at peak"), "W", "site_power_peak"),
        ("energy", phrase("Energy"), "J", "energy"),
        ("carbon", phrase("CO2e"), "kg", "carbon"),
        ("water", phrase("Water"), "m^3", "water_used"),
    ):
        rows += _each(view, SITE, name, "sites", what, unit, view.array(array), stacks)
    for id_, values in zip(view.ids(SITE), at_site, strict=True):
        title = f"{ACCELERATORS}: {view.name(id_)}"
        rows.append(Result(f"placed.{id_}", "sites", title, "package", _series(values), (f"sites.{id_}",), stacks))
    return rows


COSTS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "cost_hbm": (phrase("HBM stacks"), (S,)),
    "cost_accelerators": (phrase("Systems and network"), (S, A)),
    "cost_fitout": (phrase("Buildings and fit-out"), (S, SITE)),
    "cost_upkeep": (phrase("Upkeep"), (S, A)),
    "cost_energy": (phrase("Electricity"), (S, SITE)),
    "cost_carbon": (phrase("Carbon"), (S, SITE)),
}


def _money(view: View) -> list[Result]:
    rows = [
        Result(
            f"spending.{name.removeprefix('cost_')}",
            "money",
            f"{SPENDING}: {title}",
            "USD",
            _series(view.array(name)),
            shows=(MONEY,),
            follows=tuple(item for axis in axes for item in _items(view, axis)),
        )
        for name, (title, axes) in COSTS.items()
    ]
    total, every = _series(spend(view)), tuple(item for axis in (S, A, SITE) for item in _items(view, axis))
    return [*rows, Result("spending.total", "money", f"{SPENDING}: all", "USD", total, (MONEY,), every)]


def _prices(problem: Problem, plan: Plan, view: View) -> list[Result]:
    """What each limit's amount is worth by its price, USD of the month: for whoever owns the limit."""
    rows = []
    for name, resource in RESOURCES.items():
        values = rent(problem, plan, name)
        if resource.axis is None:
            rows.append(
                Result(
                    f"worth.{name}",
                    "prices",
                    f"Worth of {resource.name.lower()}",
                    "USD",
                    _series(values.values),
                    owner=MONEY,
                )
            )
            continue
        values = values.transpose(resource.axis, T)
        owners = _owners(view, resource.axis)
        for id_, item, row in zip(view.ids(resource.axis), owners, values.values, strict=True):
            title = f"Worth of what limits: {view.name(id_)}"
            rows.append(Result(f"worth.{name}.{id_}", "prices", title, "USD", _series(row), owner=item))
    return rows


def _owners(view: View, axis: str) -> tuple[str, ...]:
    """The items that the ids of an axis belong to: a source of power to the site where it stands."""
    if axis != P:
        return _items(view, axis)
    sites = _items(view, SITE)
    return tuple(sites[at] for at in view.array("source_site").argmax(axis=1))


def _named(binding: Binding, cause: str) -> str:
    """A cause by the names of its limits, 'HBM + Packaging' where they hold at once: each can be translated."""
    if cause == SEVERAL and len(binding.together) > 1:
        return " + ".join(NAMES[key] for key in binding.together[:3])
    if cause == EITHER and len(binding.either) > 1:
        return " / ".join(NAMES[key] for key in binding.either[:2])
    return binding.name(cause)


def _languages(sentence: str) -> dict[str, str]:
    return {code: Words(code)(sentence) for code in LANGUAGES if code != "en"}


def _limits(view: View, explanation: Explanation) -> list[Result]:
    """What limits each year: the names of the causes for all whose terms they are, the sentence for who sees them."""
    kinds = {"hbm": S, "packaging": K, "orders": A, "power": SITE, "sources": SITE}
    every = tuple(item for axis in (V, S, K, A, SITE) for item in _items(view, axis))
    rows = []
    for binding in explanation.years:
        said = "; ".join(_named(binding, cause) for cause in binding.main)
        touched = [kinds[key] for key in binding.named if key in kinds] or [V]
        follows = tuple(dict.fromkeys(item for axis in touched for item in _items(view, axis)))
        named = "money" in binding.named
        shows = (MONEY,) if named else ()
        year = str(binding.year)
        rows.append(Result(f"year.binds.{year}", "limits", year, "", (), shows, follows, text=said))
        rows.append(
            Result(
                f"year.why.{year}",
                "limits",
                year,
                "",
                (),
                (MONEY, *every),
                text=binding.sentence,
                said=_languages(binding.sentence),
            )
        )
    return rows
