"""The main paths in a real headless browser, and every page at phone and desk width, in light and dark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stackyard.web.settings import Settings

from .conftest import PAGES, PASSWORD, Served, running, small


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server for one person, without accounts: its events may be added to."""
    workspace = small(tmp_path_factory.mktemp("desk"))
    with running(workspace, Settings(open_to_one=True, hosts=("127.0.0.1",))) as url:
        yield url
    workspace.ledger.close()


def opened(chromium: Any, width: int = 1280, scheme: str = "light") -> tuple[Any, list[str]]:
    """A fresh page, and what the browser says that is wrong."""
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page, said = context.new_page(), list[str]()
    page.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.set_default_timeout(20_000)
    return page, said


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1280, "light"), (1280, "dark")])
def test_every_page_fits_says_nothing_wrong_and_asks_nobody_else(
    desk: str, chromium: Any, width: int, scheme: str
) -> None:
    page, said = opened(chromium, width, scheme)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for path in (*PAGES, "/catalogue?q=hbm4"):
        page.goto(desk + path)
        page.wait_for_function("[...document.querySelectorAll('.chart')].every(c => c.querySelector('svg.main-svg'))")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert page.evaluate(UNNAMED) == [], path
        assert page.evaluate(FAINT) == [], (path, scheme)
    assert said == []
    assert [url for url in asked if not url.startswith((desk, "data:", "blob:"))] == []
    page.context.close()


# Fields without a label, tables without a caption, figures without words, headings that skip a level.
UNNAMED = """(() => {
  const found = [];
  for (const field of document.querySelectorAll('input:not([type=hidden]), select, textarea'))
    if (!field.labels || !field.labels.length) found.push('no label: ' + field.outerHTML.slice(0, 80));
  for (const table of document.querySelectorAll('table'))
    if (!table.caption || !table.caption.textContent.trim()) found.push('no caption: ' + table.outerHTML.slice(0, 80));
  for (const chart of document.querySelectorAll('.chart'))
    if ((chart.getAttribute('aria-label') || '').length < 20) found.push('no words: ' + chart.outerHTML.slice(0, 80));
  for (const control of document.querySelectorAll('button, a[href]'))
    if (!control.textContent.trim() && !control.getAttribute('aria-label'))
      found.push('unnamed: ' + control.outerHTML.slice(0, 80));
  const levels = [...document.querySelectorAll('h1,h2,h3')].map(h => +h.tagName[1]);
  levels.reduce((before, after) => { if (after > before + 1) found.push('heading skips: ' + after); return after; }, 0);
  if (levels.filter(level => level === 1).length !== 1) found.push('not one h1');
  return found;
})()"""

# Text whose contrast with what is behind it is below WCAG AA: 4.5 to 1, or 3 to 1 where it is large.
FAINT = """(() => {
  const parse = c => (c.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => { const f = v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
    return .2126 * f(r) + .7152 * f(g) + .0722 * f(b); };
  const behind = e => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor);
    if (c.length === 3 || c[3] === 1) return c.slice(0, 3); }
    return matchMedia('(prefers-color-scheme: dark)').matches ? [20, 23, 28] : [255, 255, 255]; };
  const found = [];
  for (const e of document.querySelectorAll('main *, header *, footer *')) {
    if (e.closest('svg, .chart, details:not([open]) > :not(summary)') || !e.offsetParent) continue;
    if (![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())) continue;
    const s = getComputedStyle(e), a = light(parse(s.color).slice(0, 3)), b = light(behind(e));
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05), size = parseFloat(s.fontSize);
    const large = size >= 24 || (size >= 18.66 && +s.fontWeight >= 700);
    if (ratio < (large ? 3 : 4.5) - .01) found.push(ratio.toFixed(2) + ' ' + e.outerHTML.slice(0, 90));
  }
  return found.slice(0, 5);
})()"""


def test_a_what_if_is_answered_and_kept_as_a_proposal(desk: str, chromium: Any) -> None:
    page, said = opened(chromium)
    page.goto(desk + "/what-if")
    group = page.locator("fieldset", has_text="Move a delivery")
    group.locator("select").select_option("supplies.open")
    group.locator("input[name=value]").fill("2")
    page.get_by_role("button", name="Solve").click()
    page.wait_for_selector("#answer")
    assert "comes 2 months later" in page.inner_text("#answer h2")
    assert "With the change" in page.inner_text("#answer table")
    page.get_by_role("button", name="Keep as a proposal").click()
    page.wait_for_url("**/promises/what-if-slip-open#main")
    assert page.inner_text(".state").strip() == "proposed"
    assert said == []
    page.context.close()


def test_a_meeting_from_invitation_to_minutes(desk: str, chromium: Any) -> None:
    page, said = opened(chromium)
    page.goto(desk + "/meetings")
    page.fill("#f-name", "Autumn meeting")
    page.fill("#f-date", "2026-11-11")
    page.fill("#f-place", "Gyeongju")
    page.check("input[value=lab]")
    page.check("input[value=maker]")
    page.fill("#f-agenda", "deliveries of the autumn\nthe next step")
    page.get_by_role("button", name="Call the meeting").click()
    page.wait_for_selector("text=deliveries of the autumn")
    assert "/meetings/2026-11-11-autumn-meeting" in page.url
    page.goto(desk + "/promises/shared")
    page.get_by_role("button", name="Accept").click()
    page.wait_for_selector(".state.accepted")
    page.goto(desk + "/meetings/2026-11-11-autumn-meeting")
    page.fill("#f-decisions", "the maker delivers 260 stacks in August")
    page.fill("#f-questions", "what comes in winter?")
    page.locator("#held button").click()
    page.wait_for_selector("text=the maker delivers 260 stacks in August")
    page.fill("#action #f-text", "send the schedule")
    page.select_option("#action select[name=partner]", "maker")
    page.locator("#action button").click()
    page.wait_for_selector("text=send the schedule")
    page.goto(desk + "/meetings/2026-11-11-autumn-meeting/minutes?lang=de")
    told = page.inner_text("main")
    for word in (
        "Tagesordnung",
        "deliveries of the autumn",
        "the maker delivers 260",
        "send the schedule",
        "Shared promise",
    ):
        assert word in told
    assert "vorgeschlagen → angenommen" in told
    assert page.get_attribute("html", "lang") == "de"
    assert said == []
    page.context.close()


def test_a_run_tells_its_progress_and_ends(desk: str, chromium: Any) -> None:
    page, said = opened(chromium)
    page.goto(desk + "/runs")
    page.get_by_role("button", name="Run the plan").click()
    page.wait_for_selector("#ended:has-text('done')", timeout=120_000)
    assert len(page.query_selector_all("#steps li")) > 3
    assert said == []
    page.context.close()


def test_the_second_of_two_editors_sees_both_and_loses_nothing(desk: str, chromium: Any) -> None:
    first, _ = opened(chromium)
    second, _ = opened(chromium)
    for page in (first, second):
        page.goto(desk + "/promises/secret-maker")
    first.fill("#revise textarea", "2026-06 111")
    first.locator("#revise button").click()
    first.wait_for_selector("#revise textarea:text-is('2026-06 111')")
    second.fill("#revise textarea", "2026-06 222")
    second.locator("#revise button").click()
    second.wait_for_selector("[role=alert]")
    assert "somebody changed" in second.inner_text("[role=alert]")
    assert "2026-06 111" in second.inner_text(".two") and "2026-06 222" in second.inner_text(".two")
    assert second.input_value("#revise textarea") == "2026-06 222"
    second.locator("#revise button").click()
    second.wait_for_selector(".state")
    assert second.locator("[role=alert]").count() == 0
    for page in (first, second):
        page.context.close()


def test_signing_in_and_out_with_the_keyboard_alone(served: Served, chromium: Any) -> None:
    page, _ = opened(chromium)
    page.goto(served.url + "/")
    page.wait_for_url("**/sign-in")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.focus("#name")
    page.keyboard.type("lab")
    page.keyboard.press("Tab")
    page.keyboard.type("wrong password")
    page.keyboard.press("Enter")
    page.wait_for_selector("[role=alert]")
    page.focus("#password")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_selector("text=In one minute")
    cookies = page.context.cookies()
    assert [(c["httpOnly"], c["sameSite"]) for c in cookies] == [(True, "Lax")]
    page.goto(served.url + "/account")
    page.get_by_role("button", name="Sign out").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/sign-in")
    page.goto(served.url + "/supply")
    page.wait_for_url("**/sign-in")
    page.context.close()


def test_the_host_looks_as_a_partner_does(desk: str, chromium: Any) -> None:
    page, _ = opened(chromium)
    page.goto(desk + "/account")
    page.select_option("#f-partner", "visitor")
    page.get_by_role("button", name="Look").click()
    page.wait_for_selector("text=Seen as visitor")
    page.goto(desk + "/promises")
    assert "CANARY" not in page.inner_text("main")
    page.get_by_role("button", name="Seen as visitor").click()
    page.goto(desk + "/promises")
    assert "CANARY" in page.inner_text("main")
    page.context.close()


def test_a_page_keeps_its_words_when_javascript_is_off(desk: str, chromium: Any, tmp_path: Path) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(desk + "/")
    assert page.locator("figure details.data table").count() >= 2
    context.close()


def test_who_accepts_a_promise_is_told_what_the_plan_has_in_its_place(served: Served) -> None:
    """210 stacks of August against 260 promised; who may not see what the plan has is told nothing of it."""
    with served.client("host") as client:
        page = client.get("/promises/shared").text
        assert "For these months the plan now has 210 stacks" in page and "260 stacks" in page
    with served.client("lab") as client:
        assert "the plan now has" not in client.get("/promises/shared").text
