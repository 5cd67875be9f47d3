"""What the change from one plan to another comes from: each figure's change shared out over the changed inputs.

The inputs that differ are the players of a game whose worth for a set of them is the figure of the plan in which these
are the second scenario's and the others the first's. Each gets its Shapley value: the mean, over all orders in which
the inputs can change one after another, of what the figure changes by at its turn. The shares add up to the whole;
L. S. Shapley, A value for n-person games (1953). Every set is planned anew: 2^n plans.

Where something whole is chosen, these plans keep the choices of the first, so that no gap of an integer program counts
as an input's doing; what the second plan gains by choosing anew is a change of its own, the last.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

from stackyard.catalog import Catalog
from stackyard.errors import Fault, InputErrors
from stackyard.months import show_month
from stackyard.notebook import Columns, Tabular, by_rows
from stackyard.plan.amounts import Door
from stackyard.plan.binding import Binding
from stackyard.plan.build import build
from stackyard.plan.check import audit
from stackyard.plan.explain import explain
from stackyard.plan.headlines import Headline, headlines
from stackyard.plan.inputs import Inputs
from stackyard.plan.problem import Problem
from stackyard.plan.scenario import Scenario
from stackyard.plan.solve import Solved, solve_warm
from stackyard.source import Fact
from stackyard.words import joined, phrase

MOST = 6  # changed inputs that are told apart: 64 plans; more of them are taken together by section

Progress = Callable[[str], None]
Key = tuple[str, str]  # section, and entry in it; '' where the section is one thing
ANEW = "choices made anew"


@dataclass(frozen=True)
class Change:
    """What one changed input does: `shares` of the change of each figure, which over all changes add up to it.

    `name` is its key in the file, `label` what a reader calls it, `told` what changed.
    """

    name: str
    label: str
    told: str
    shares: Mapping[Headline, float]


@dataclass(frozen=True)
class Comparison(Tabular):
    """Two plans side by side: their figures, what each changed input does to them, and what limits either by year."""

    names: tuple[str, str]
    before: Mapping[Headline, float]
    after: Mapping[Headline, float]
    changes: tuple[Change, ...]
    plans: int
    limits: tuple[tuple[Binding, ...], tuple[Binding, ...]] = ((), ())

    def columns(self) -> Columns:
        """For each figure and each changed input its share of the change, in the figure's unit."""
        return by_rows(
            {
                "figure": h.name,
                "unit": h.unit,
                "before": was,
                "after": self.after[h],
                "change": c.name,
                "share": c.shares[h],
            }
            for h, was in self.before.items()
            for c in self.changes
        )

    def residual(self, headline: Headline) -> float:
        """What the shares leave of the change of a figure: nothing but the rounding of floats."""
        shares = math.fsum(change.shares[headline] for change in self.changes)
        return self.after[headline] - self.before[headline] - shares


def compare(first: Scenario, second: Scenario, catalog: Catalog, progress: Progress | None = None) -> Comparison:
    """The comparison of two scenarios over the same months; InputErrors where they cannot be compared.

    >>> from stackyard import api, catalog
    >>> plan = api.scenario("first-plan")
    >>> compare(plan, plan, catalog.load()).changes
    ()
    """
    tell = progress or (lambda text: None)
    if first.months != second.months:
        spans = [f"{show_month(each.months[0])} to {show_month(each.months[-1])}" for each in (first, second)]
        told = f"runs over {spans[1]}, the first over {spans[0]}"
        raise InputErrors([Fault(second.located.file, 0, "horizon", told, "compare plans over the same months")])
    groups = grouped(differing(first.inputs, second.inputs))
    rated: dict[str, Any] = {}
    worth: dict[frozenset[str], dict[Headline, float]] = {}
    sets = [frozenset(some) for size in range(len(groups) + 1) for some in combinations(groups, size)]
    choices: Mapping[str, Any] = {}
    shape: dict[str, list[str]] = {}
    held, ends = True, list[tuple[Problem, Solved]]()
    for number, some in enumerate(sets):
        tell(f"Plan {number + 1} of {len(sets)}: {', '.join(sorted(some)) or 'nothing'} changed")
        keys = [key for name in some for key in groups[name]]
        problem = _mixed(first, second, keys, catalog, rated)
        same = not shape or axes(problem) == shape
        held = held and same
        solved = solve_warm(problem, choices=choices if same else None)
        assert not audit(problem, solved.plan)
        if not some:
            choices, shape = solved.choices, axes(problem)
            ends.append((problem, solved))
        worth[some] = headlines(problem, solved.plan)
    before, after = worth[frozenset()], worth[frozenset(groups)]
    changes = [
        Change(
            name,
            labelled(first.inputs, second.inputs, name, keys),
            described(first.inputs, second.inputs, keys),
            shares(name, list(groups), worth),
        )
        for name, keys in groups.items()
    ]
    if choices and held and groups:
        tell("The second plan with choices of its own")
        solved = solve_warm(problem)
        own = headlines(problem, solved.plan)
        told = phrase("what the second plan gains by choosing anew; before that, the first plan's choices stand")
        gained = {headline: own[headline] - after[headline] for headline in own}
        changes.append(Change(ANEW, phrase("Choices made anew"), told, gained))
        after = own
    tell("What limits either plan")
    if groups:
        ends.append((problem, solved))
    limits = [tuple(explain(p, s.plan, s.resolve, steps=False).years) for p, s in ends]
    plans = len(sets) + int(bool(choices and held))
    return Comparison((first.name, second.name), before, after, tuple(changes), plans, (limits[0], limits[-1]))


def _mixed(first: Scenario, second: Scenario, keys: list[Key], catalog: Catalog, rated: dict[str, Any]) -> Problem:
    """The first scenario's problem with some entries of the second's."""
    try:
        mixed = replace(first, inputs=mix(first.inputs, second.inputs, keys))
        return build(mixed, catalog, rated=rated).problem
    except KeyError as error:
        told = f"names {error}, which the other scenario does not have: the changes cannot be told apart"
        hint = "compare scenarios of which one can be changed into the other one entry at a time"
        place = ", ".join(".".join(key).rstrip(".") for key in keys)
        raise InputErrors([Fault(second.located.file, 0, place, told, hint)]) from None


def axes(problem: Problem) -> dict[str, list[str]]:
    """The ids of every axis: choices of one plan can stand in another where they are the same.

    >>> from stackyard import api
    >>> problem = api.problem("first-plan").problem
    >>> axes(problem)["site"]
    ['frankfurt']
    """
    return {str(dim): [str(value) for value in problem.data[dim].values] for dim in problem.data.dims}


def shares(name: str, names: list[str], worth: Mapping[frozenset[str], Mapping[Headline, float]]) -> dict[Any, float]:
    """The Shapley value of one input for every figure.

    >>> worth = {frozenset(): {"x": 0.0}, frozenset("a"): {"x": 1.0}, frozenset("b"): {"x": 2.0}}
    >>> shares("a", ["a", "b"], worth | {frozenset("ab"): {"x": 5.0}})
    {'x': 2.0}
    """
    others = [other for other in names if other != name]
    found = {}
    for figure in worth[frozenset()]:
        parts = []
        for size in range(len(others) + 1):
            weight = 1 / (len(names) * math.comb(len(others), size))
            for some in combinations(others, size):
                without = frozenset(some)
                parts.append(weight * (worth[without | {name}][figure] - worth[without][figure]))
        found[figure] = math.fsum(parts)
    return found


# --- what differs ---


def plain(value: Any) -> Any:
    """A value without where it stands and what was noted beside it, to be compared.

    >>> from stackyard import api
    >>> read = api.scenario("first-plan")
    >>> plain(read.inputs.sites["frankfurt"].phases[0])
    {'month': 24314, 'power': (3.0, 'MW', None, None), 'choose': False, 'fee': (0.0, 'USD', None, None)}
    """
    if isinstance(value, Fact):
        return (value.value, value.unit, value.low, value.high)
    if isinstance(value, Door):
        return {key: plain(getattr(value, key)) for key in type(value).model_fields}
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return tuple(map(plain, value))
    return value


def differing(first: Inputs, second: Inputs) -> list[Key]:
    """The entries in which two scenarios differ, in the order of the file.

    >>> from stackyard import api
    >>> read = api.scenario("first-plan")
    >>> differing(read.inputs, read.inputs)
    []
    """
    found: list[Key] = []
    for section in Inputs.model_fields:
        if section in ("name", "about", "absent", "uncertainty"):
            continue
        one, two = getattr(first, section), getattr(second, section)
        if isinstance(one, Mapping):
            keys = [*one, *(key for key in two if key not in one)]
            found += [(section, key) for key in keys if plain(one.get(key)) != plain(two.get(key))]
        elif plain(one) != plain(two):
            found.append((section, ""))
    return found


def grouped(keys: list[Key]) -> dict[str, list[Key]]:
    """The players: each entry, or where there are more than MOST each section that has several.

    >>> list(grouped([("sites", "a"), ("sites", "b")]))
    ['sites.a', 'sites.b']
    """
    if len(keys) <= MOST:
        return {".".join(part for part in key if part): [key] for key in keys}
    found: dict[str, list[Key]] = {}
    for key in keys:
        found.setdefault(key[0], []).append(key)
    return found


def mix(first: Inputs, second: Inputs, keys: list[Key]) -> Inputs:
    """The first scenario's inputs with some entries of the second's.

    >>> from stackyard import api
    >>> read = api.scenario("first-plan")
    >>> mix(read.inputs, read.inputs, [("sites", "frankfurt")]) == read.inputs
    True
    """
    update: dict[str, Any] = {}
    for section, entry in keys:
        if not entry:
            update[section] = getattr(second, section)
            continue
        entries = dict(update.get(section, getattr(first, section)))
        other = getattr(second, section).get(entry)
        if other is None:
            entries.pop(entry)
        else:
            entries[entry] = other
        update[section] = entries
    return first.model_copy(update=update)


def labelled(first: Inputs, second: Inputs, name: str, keys: list[Key]) -> str:
    """The name of an entry as it stands in reports, that of a section, or of several entries of one.

    >>> from stackyard import api
    >>> read = api.scenario("first-plan")
    >>> keys = [("sites", "frankfurt")]
    >>> labelled(read.inputs, read.inputs, "sites.frankfurt", keys)
    'Frankfurt'
    """
    if len(keys) == 1 and keys[0][1]:
        section, entry = keys[0]
        either = getattr(second, section).get(entry) or getattr(first, section).get(entry)
        return str(getattr(either, "name", name))
    return name.capitalize()


def described(first: Inputs, second: Inputs, keys: list[Key]) -> str:
    """'wafers.slip: 0 to 6' for what changed in some entries; the first few.

    >>> from stackyard import api
    >>> read = api.scenario("first-plan")
    >>> described(read.inputs, read.inputs, [("sites", "frankfurt")])
    ''
    """
    told: list[str] = []
    for section, entry in keys:
        one, two = getattr(first, section), getattr(second, section)
        if entry:
            one, two = one.get(entry), two.get(entry)
        head = f"{entry}: " if len(keys) > 1 and entry else ""
        told += [joined("", (head, line)) for line in _lines(one, two, "")]
    return joined("; ", told if len(told) <= 4 else [*told[:4], phrase("and {count} more", count=len(told) - 4)])


def _lines(one: Any, two: Any, path: str) -> Iterator[str]:
    if plain(one) == plain(two):
        return
    if one is None or two is None:
        what = path or phrase("it")
        yield phrase("{what} added", what=what) if one is None else phrase("{what} taken out", what=what)
    elif isinstance(one, Fact) and isinstance(two, Fact):
        yield _told(path, one, two)
    elif isinstance(one, Door) and isinstance(two, Door):
        for key in type(one).model_fields:
            yield from _lines(getattr(one, key), getattr(two, key), f"{path}.{key}".lstrip("."))
    elif isinstance(one, Mapping) and isinstance(two, Mapping):
        for key in [*one, *(key for key in two if key not in one)]:
            inside = path.removesuffix(".points") if key == 0 else f"{path}.{_named(key)}".lstrip(".")
            yield from _lines(one.get(key), two.get(key), inside)
    elif isinstance(one, tuple) and isinstance(two, tuple) and len(one) == len(two):
        for i, (left, right) in enumerate(zip(one, two, strict=True)):
            yield from _lines(left, right, f"{path}[{i}]")
    else:
        yield _told(path, one, two)


def _told(path: str, one: Any, two: Any) -> str:
    return phrase("{what}: {before} to {after}", what=path, before=_shown(one), after=_shown(two))


def _named(key: Any) -> str:
    return show_month(key) if isinstance(key, int) and 12 * 1900 < key < 12 * 2200 else str(key)


def _shown(value: Any) -> str:
    if isinstance(value, Fact):
        return phrase("a table") if isinstance(value.value, tuple) else f"{value.value:g} {value.unit}".strip()
    if isinstance(value, tuple):
        return phrase("{count} entries", count=len(value))
    return _named(value)
