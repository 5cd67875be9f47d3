"""What tails cost: the accelerators, stacks and megawatts of each service by its mean latencies, and by its tail."""

from __future__ import annotations

import numpy as np

from stackyard.plan.problem import A, V
from stackyard.report.document import Cell, Column, Section, Table
from stackyard.report.scale import say, share
from stackyard.report.view import Array, View
from stackyard.words import listed, month, number, phrase


def tails(view: View) -> tuple[Section, ...]:
    """The section of tails; none where no service that is served states one.

    >>> from stackyard import api
    >>> made = api.plan("first-plan", steps=False)
    >>> view = View.of(made.built.problem, made.plan)
    >>> tails(view)  # no service states one
    ()
    """
    asked, of = view.array("tail_share"), view.array("way_service").argmax(axis=1)
    served = [v for v in range(len(view.ids(V))) if view.array("run")[:, :, of == v].any()]
    if not any(asked[of == v].any() for v in served):
        return ()
    each = [_Service(view, v, of) for v in served]
    used = _utilisation(view, [w for w in range(len(of)) if asked[w] > 0])
    return (Section("tails", phrase("Mean and tail"), _lead(each), (_table(view, each), used)),)


class _Service:
    """A service in the month in which the most accelerators run it."""

    def __init__(self, view: View, v: int, of: Array) -> None:
        self.view, self.name = view, view.name(view.ids(V)[v])
        run = np.where((of == v)[None, None, :, None], view.array("run"), 0.0)
        self.month = int(run.sum(axis=(0, 1, 2)).argmax())
        self.run = run[..., self.month]
        self.share = float(view.array("tail_share")[of == v].max())
        self.needs = np.array([self._needs(view.array(name)) for name in ("rate_mean", "rate_tail", "rate")])

    def _needs(self, rate: Array) -> tuple[float, float, float]:
        """Accelerators, their stacks, and site watts at the day's peak, at another rate of each accelerator and way.

        running x planned rate / rate, summed; nan where an accelerator in use has no such rate.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            many = np.where(self.run > 0, self.run * (self.view.array("rate") / rate)[:, None, :], 0.0)
        many = np.where(np.isfinite(many), many, np.nan)
        stacks = np.einsum("aiw,a->", many, self.view.stacks_per_package)
        peak = self.view.array("pue_peak")[:, self.month]
        watts = np.einsum("aiw,aw,i->", many, self.view.array("power_busy"), peak)
        return float(many.sum()), float(stacks), float(watts)


def _table(view: View, served: list[_Service]) -> Table:
    """Accelerators, stacks and power of each service by mean, by tail and as planned."""
    rows: list[tuple[Cell, ...]] = []
    for each in served:
        told = share(each.share) if each.share else phrase("not stated")
        for k, unit in enumerate(("accelerators", "stacks", "W")):
            cells = (say(float(value), unit) if np.isfinite(value) else None for value in each.needs[:, k])
            rows.append((each.name, told, month(view.months[each.month]), *cells))
    note = phrase(
        "For the tokens served at the day's peak of the month in which the service takes the most, on the accelerators "
        "that serve them then. Mean: mean latencies meet the objective. Tail: so many of the requests meet it, as "
        "simulated. Plan: as planned, the usable share taken off. Power is that of the site in its worst hour."
    )
    columns = (
        Column(phrase("Service")),
        Column(phrase("Requests that keep it")),
        Column(phrase("Month")),
        Column(phrase("By the mean")),
        Column(phrase("By the tail")),
        Column(phrase("As planned")),
    )
    title = phrase("What each service takes at the most, by mean and by tail")
    return Table(title, columns, tuple(rows), note, view.grade)


def _utilisation(view: View, ways: list[int]) -> Table:
    """What the tail leaves of the mean's rate, for every accelerator that can run the service."""
    mean, tail = view.array("rate_mean"), view.array("rate_tail")
    of = view.array("way_service").argmax(axis=1)
    columns = [Column(phrase("Accelerator"))]
    columns += [Column(view.name(view.ids(V)[of[w]]), phrase("% of the mean's rate"), 0) for w in ways]
    rows: list[tuple[Cell, ...]] = []
    for a, id_ in enumerate(view.ids(A)):
        if mean[a, ways].any():
            cells = (100 * float(tail[a, w] / mean[a, w]) if mean[a, w] > 0 else None for w in ways)
            rows.append((view.name(id_), *cells))
    note = phrase(
        "At 0 the objective is kept at no load by any layout that was simulated; a dash cannot run the model at all."
    )
    return Table(phrase("How far accelerators may be used"), tuple(columns), tuple(rows), note, view.grade)


def _lead(served: list[_Service]) -> str:
    told = [
        phrase(
            "{times} times the accelerators for {service} ({part} of its requests)",
            times=number(f"{each.needs[1, 0] / each.needs[0, 0]:.1f}"),
            service=each.name,
            part=share(each.share),
        )
        for each in served
        if each.share
    ]
    return phrase(
        "Keeping the objective for the stated share of requests, not in the mean, takes {times}.", times=listed(told)
    )
