"""The verbs over several plans: compare two, force what one did not choose, write the program. `api` offers them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stackyard.catalog import load
from stackyard.errors import Fault, InputErrors, nearest
from stackyard.files import write_all

if TYPE_CHECKING:
    from stackyard.plan.compare import Comparison
    from stackyard.plan.whynot import WhyNot
    from stackyard.report.document import Report

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Document:
    """A report, and the plain values behind it for programs."""

    report: Report
    values: Any
    name: str

    def write(self, folder: Path | str) -> list[Path]:
        """Writes NAME.html, NAME.xlsx and NAME.json; all of them or none."""
        from stackyard.report.formats import FORMATS

        text = json.dumps(self.values, ensure_ascii=False, indent=1).encode()
        writers: dict[str, Callable[[Path], None]] = {
            f"{self.name}.html": lambda path: _write(path, FORMATS["html"](self.report)),
            f"{self.name}.xlsx": lambda path: _write(path, FORMATS["xlsx"](self.report)),
            f"{self.name}.json": lambda path: _write(path, text),
        }
        return write_all(Path(folder), writers)


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def compare(first: Path | str, second: Path | str, progress: Progress | None = None) -> tuple[Comparison, Document]:
    """What the change from one scenario's plan to another's comes from; InputErrors for what cannot be compared."""
    from stackyard.plan.compare import compare as compared
    from stackyard.plan.scenario import load as read
    from stackyard.report.compare import document

    catalog = load()
    one, two = (read(Path(path), catalog) for path in (first, second))
    found = compared(one, two, catalog, progress)
    report = document(
        found,
        date=date.today().isoformat(),
        reproduce=f"stackyard compare {first} {second}",
        digests=(("First scenario", one.digest), ("Second scenario", two.digest), ("Catalogue", catalog.digest)),
    )
    values = {
        "plans": list(found.names),
        "figures": [
            {
                "figure": headline.name,
                "unit": headline.unit,
                "before": found.before[headline],
                "after": found.after[headline],
                "shares": {change.name: change.shares[headline] for change in found.changes},
                "residual": found.residual(headline),
            }
            for headline in found.before
        ],
    }
    return found, Document(report, values, "compare")


def why_not(path: Path | str, what: str, site: str | None = None, progress: Progress | None = None) -> WhyNot:
    """The plan of a scenario with something that it did not choose: an option by its id, or an accelerator at a site.

    Raises InputErrors for names that the scenario does not have.
    """
    from stackyard.plan.build import build
    from stackyard.plan.scenario import load as read
    from stackyard.plan.solve import solve_warm
    from stackyard.plan.whynot import why_not_option, why_not_place

    catalog = load()
    problem = build(read(Path(path), catalog), catalog, progress).problem
    known = {dim: [str(value) for value in problem.data[dim].values] for dim in ("option", "accelerator", "site")}
    places = {what: "option" if site is None else "accelerator"} | ({} if site is None else {site: "site"})
    for name, axis in places.items():
        if name not in known[axis]:
            told = f"the scenario has no {axis} '{name}'"
            raise InputErrors([Fault(str(path), 0, "command line", told, nearest(name, known[axis]))])
    solved = solve_warm(problem, progress=progress)
    if site is None:
        return why_not_option(problem, solved.plan, what)
    return why_not_place(problem, solved, what, site)


def write_mps(path: Path | str, target: Path | str) -> Path:
    """Writes the program of a scenario as MPS for other solvers."""
    from stackyard.plan.build import build
    from stackyard.plan.formulate import formulate
    from stackyard.plan.highs import write_mps as written
    from stackyard.plan.scenario import load as read

    catalog = load()
    written(formulate(build(read(Path(path), catalog), catalog).problem).program, Path(target))
    return Path(target)
