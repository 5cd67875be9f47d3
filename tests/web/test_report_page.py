"""The report in a real browser: it draws, fits a phone and a desk, and asks the network for nothing."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from stackyard.plan.explain import explain
from stackyard.plan.problem import Problem
from stackyard.plan.solve import solve_warm
from stackyard.report.build import build
from stackyard.report.formats import FORMATS
from stackyard.source import Fact, Grade, Source

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WIDTHS = {"phone": 390, "desk": 1280}


@dataclass
class Visit:
    """A page that was opened, and what the browser said meanwhile."""

    page: Any
    width: int
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def report_file(problem_of: Callable[[int], Problem], tmp_path_factory: pytest.TempPathFactory) -> Path:
    problem = problem_of(3)
    document = Source("s", "A bulletin", "https://example.com/", "2026")
    facts = [
        Fact("hbm.prices.stack", 560.0, "USD/stack", Grade.REPORTED, (document,), 500.0, 650.0),
        Fact("services.a.growth", 4.0, "", Grade.ASSUMED, (), 2.0, 8.0, note="our own judgement"),
    ]
    solved = solve_warm(problem)
    why = explain(problem, solved.plan, solved.resolve)
    report = build(problem, solved.plan, why, facts, title="A plan", not_modelled=("training",), audit="passed")
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_bytes(FORMATS["html"](report))
    return path


@pytest.fixture(scope="module", params=WIDTHS)
def visit(chromium: Any, report_file: Path, request: pytest.FixtureRequest) -> Iterator[Visit]:
    width = WIDTHS[request.param]
    context = chromium.new_context(viewport={"width": width, "height": 844}, device_scale_factor=2)
    seen = Visit(context.new_page(), width)
    seen.page.on("console", lambda message: seen.said.append(message.text))
    seen.page.on("pageerror", lambda error: seen.said.append(str(error)))
    seen.page.on("request", lambda asked: seen.asked.append(asked.url))
    seen.page.goto(report_file.as_uri())
    seen.page.wait_for_function("[...document.querySelectorAll('.chart')].every(c => c.querySelector('svg.main-svg'))")
    yield seen
    context.close()


def test_says_nothing_and_asks_for_nothing(visit: Visit) -> None:
    assert visit.said == []
    assert [url for url in visit.asked if not url.startswith(("file:", "data:"))] == []


def test_never_scrolls_sideways(visit: Visit) -> None:
    visit.page.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= visit.width
    beyond = """[...document.querySelectorAll('h1, h2, p, figcaption, dl, .legend, nav, .scroll')]
        .filter(e => e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 80))"""
    assert visit.page.evaluate(beyond) == []


def test_every_figure_is_drawn_inside_its_box(visit: Visit) -> None:
    drawn = visit.page.evaluate(
        """[...document.querySelectorAll('.chart')].map(c => ({
            marks: c.querySelectorAll('.scatterlayer path, .barlayer path, .sankey path, .heatmaplayer image').length,
            inside: c.querySelector('svg.main-svg').getBoundingClientRect().width <= c.clientWidth + 1,
            named: (c.getAttribute('aria-label') || '').length > 20,
        }))"""
    )
    assert len(drawn) >= 6
    assert all(figure["marks"] > 0 and figure["inside"] and figure["named"] for figure in drawn), drawn


def test_year_labels_do_not_overlap(visit: Visit) -> None:
    boxes = visit.page.evaluate(
        """[...document.querySelectorAll('.chart')].map(c => [...c.querySelectorAll('.xaxislayer-above text')]
            .map(t => t.getBoundingClientRect()).map(r => [r.left, r.right]))"""
    )
    for labels in boxes:
        ordered = sorted(labels)
        assert all(before[1] <= after[0] for before, after in itertools.pairwise(ordered))


def test_headings_descend_in_order_and_the_contents_lead_to_them(visit: Visit) -> None:
    levels = visit.page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map(h => +h.tagName[1])")
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    dead = """[...document.querySelectorAll('a[href^="#"]')]
        .filter(a => !document.getElementById(a.hash.slice(1))).length"""
    assert visit.page.evaluate(dead) == 0
    unnamed = "[...document.querySelectorAll('table')].filter(t => !t.caption || !t.caption.textContent.trim()).length"
    assert visit.page.evaluate(unnamed) == 0


def test_an_assumed_input_is_marked_on_every_output_of_the_plan(visit: Visit) -> None:
    unmarked = """[...document.querySelectorAll('section:not(#confidence):not(#method):not(#sources) figure')]
        .filter(f => !f.querySelector('figcaption .mark.assumed')).length"""
    assert visit.page.evaluate(unmarked) == 0
