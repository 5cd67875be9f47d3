"""What the verbs over plans give back, to be shown, drawn or written: a plan with what it was made from, a document."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stackyard.catalog import load
from stackyard.errors import nearest, refused
from stackyard.files import write_all
from stackyard.notebook import Labelled, card
from stackyard.words import phrase

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import xarray as xr

    from stackyard.plan.build import Built
    from stackyard.plan.explain import Explanation
    from stackyard.plan.plan import Plan
    from stackyard.plan.problem import Problem
    from stackyard.plan.scenario import Scenario
    from stackyard.report.document import Report

Progress = Callable[[str], None]
ABSENT = (
    phrase(
        "Rates of chips nobody measured take the constants of their nearest measured generation (stackyard validate)."
    ),
    phrase("Whole racks, unless an accelerator says whole_systems: orders are continuous amounts."),
    phrase(
        "Uncertainty: one plan for the central values; `stackyard fan` and `stackyard robust` go through the others."
    ),
    phrase("Tail latency where a service states no tail: rates are means at full load, less a stated usable share."),
    phrase(
        "Moving accelerators between sites, and what differs between the days of a month: each month is a mean day."
    ),
)
AUDITED = phrase("Every balance, limit, cost and price was added up again by plain summation: no violation.")


class Drawn:
    """A result with a report: its figures are plotly's, and a notebook shows its first section."""

    report: Report

    @property
    def figures(self) -> Mapping[str, str]:
        """Id -> title of every figure."""
        return {figure.id: figure.title for figure in self.report.figures}

    def figure(self, name: str = "") -> go.Figure:
        """A figure of the report by its id, the first where none is named; InputErrors for one that is not there."""
        from stackyard.report.chart import colours, draw
        from stackyard.words.spoken import Words

        known = self.figures
        if name and name not in known:
            raise refused("figure", f"there is no figure '{name}'", nearest(name, known))
        found = next(figure for figure in self.report.figures if name in ("", figure.id))
        drawn = draw(found, colours(self.report), Words(self.report.language))
        return drawn.update_layout(title={"text": found.title, "x": 0}, margin={"t": 60})

    def _repr_html_(self) -> str:
        from stackyard.report.document import KeyFigures

        first = self.report.sections[0]
        large = [item for block in first.blocks if isinstance(block, KeyFigures) for item in block.items]
        rows = [(item.label, f"{item.value} {item.unit} {item.detail}") for item in large]
        return card(self.report.title, rows, first.lead)


@dataclass(frozen=True)
class Result(Drawn, Labelled):
    """A plan with everything it was made from, ready to be shown or written.

    Problem and plan hold the months after the horizon too (its run-out); `plan.plan.reported` leaves them out, and so
    do `to_pandas` and `to_xarray` here.
    """

    scenario: Scenario
    built: Built
    plan: Plan
    explanation: Explanation
    report: Report

    def to_xarray(self) -> xr.Dataset:
        """Decisions, flows and prices of the horizon in one data set, with `units` and `long_name`."""
        from stackyard.plan.plan import reported

        _, near = reported(self.built.problem, self.plan)
        return near.to_xarray()

    def values(self) -> dict[str, Any]:
        """The plan as plain names and values, as in plan.json."""
        from stackyard.plan.record import plain

        digests = {"scenario": self.scenario.digest, "catalogue": load().digest}
        return plain(self.built.problem, self.plan, self.explanation, digests)

    def write(self, folder: Path | str) -> list[Path]:
        """Writes report.html, plan.xlsx, plan.nc and plan.json; all of them or none."""
        from stackyard.plan.record import store
        from stackyard.report.formats import FORMATS

        said, problem = self.values(), self.built.problem
        writers: dict[str, Callable[[Path], object]] = {
            "report.html": lambda path: path.write_bytes(FORMATS["html"](self.report)),
            "plan.xlsx": lambda path: path.write_bytes(FORMATS["xlsx"](self.report)),
            "plan.nc": lambda path: store(path, problem, self.plan, self.explanation),
            "plan.json": lambda path: path.write_bytes(json.dumps(said, ensure_ascii=False, indent=1).encode()),
        }
        return write_all(Path(folder), writers)


def report_of(
    read: Scenario, built: Built, plan: Plan, explanation: Explanation | None, problem: Problem, reproduce: str
) -> Report:
    """The whole report of an audited plan, without its explanation where there is none.

    `problem` is the one that was solved, which promises may have changed since `built`; `reproduce` is the command
    that gives the report again.

    >>> from stackyard import api
    >>> made = api.plan("first-plan", steps=False)
    >>> report = report_of(made.scenario, made.built, made.plan, None, made.built.problem, "stackyard plan first-plan")
    >>> report.title, report.sections[0].title
    ('A first plan', 'In one minute')
    """
    from stackyard.report.build import build

    return build(
        problem,
        plan,
        explanation,
        [used.fact for used in built.used],
        title=read.name,
        subtitle=read.inputs.about.strip(),
        date=date.today().isoformat(),
        not_modelled=(*read.inputs.absent, *ABSENT),
        remarks=built.remarks,
        audit=AUDITED,
        reproduce=reproduce,
        digests=((phrase("Scenario"), read.digest), (phrase("Catalogue"), load().digest)),
    )


def problem_row(built: Built) -> dict[str, Any]:
    """What a scenario comes to before it is solved, as plain names and values for JSON.

    >>> from stackyard import api
    >>> row = problem_row(api.problem("first-plan"))
    >>> row["months"], row["sizes"]["site"]
    (['2026-01', '2027-12'], 1)
    """
    from stackyard.report.confidence import standing

    data = built.problem.data
    rates = [
        {
            "accelerator": str(chip),
            "way": str(way),
            "service": str(data["service"].values[int(data["way_service"].sel(way=way).values.argmax())]),
            "tokens_per_s": float(data["rate"].sel(accelerator=chip, way=way)),
            "watts": float(data["power_busy"].sel(accelerator=chip, way=way)),
        }
        for chip in data["accelerator"].values
        for way in data["way"].values
    ]
    return {
        "name": data.attrs["name"],
        "problem": built.problem.digest,
        "months": [str(data["month"].values[0]), built.problem.end],
        "sizes": {str(dim): size for dim, size in data.sizes.items()},
        "rates": rates,
        "remarks": list(built.remarks),
        "standing": standing([used.fact for used in built.used]),
    }


def explanation_row(problem: Problem, plan: Plan, said: Explanation, month: str | None = None) -> dict[str, Any]:
    """What limits each year, or one month, as plain names and values for JSON; InputErrors for a month not planned."""
    from stackyard.plan.limits import prices_in
    from stackyard.plan.record import plain

    if month is None:
        amounts = ("decisions", "flows", "prices")
        return {key: value for key, value in plain(problem, plan, said, {}).items() if key not in amounts}
    left = within(said, month)
    return {
        "month": month,
        "binds": str(said.data["binds"].sel(month=month).item()),
        "left_tokens_per_day": {
            str(service): {str(c): float(left.sel(service=service, cause=c)) for c in left["cause"].values}
            for service in left["service"].values
        },
        "prices": [asdict(price) for price in prices_in(problem, plan, month)],
    }


def within(said: Explanation, month: str) -> xr.DataArray:
    """What is left unserved in a month by cause and service; InputErrors for a month outside the horizon."""
    months = [str(known) for known in said.data["month"].values]
    if month not in months:
        hint = f"a month from {months[0]} to {months[-1]}; without --month all years are explained"
        raise refused("--month", f"no month '{month}'", hint)
    return said.data["left"].sel(month=month)


@dataclass(frozen=True)
class Document(Drawn):
    """A report, and the plain values behind it for programs."""

    report: Report
    values: Any
    name: str

    def write(self, folder: Path | str) -> list[Path]:
        """Writes NAME.html, NAME.xlsx and NAME.json; all of them or none."""
        from stackyard.report.formats import FORMATS

        text = json.dumps(self.values, ensure_ascii=False, indent=1).encode()
        writers: dict[str, Callable[[Path], object]] = {
            f"{self.name}.html": lambda path: path.write_bytes(FORMATS["html"](self.report)),
            f"{self.name}.xlsx": lambda path: path.write_bytes(FORMATS["xlsx"](self.report)),
            f"{self.name}.json": lambda path: path.write_bytes(text),
        }
        return write_all(Path(folder), writers)
