"""Three people who were only told an address and a password: a lab, a memory maker and a guest, on one server.

Each does their part of a meeting from the invitation to the minutes, by what the pages offer; none sees what is not
theirs. Every page that one of them reads is searched for the canaries of the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest

from stackyard.alliance.accounts import Accounts
from stackyard.alliance.decide import Refused
from stackyard.web.settings import Settings

from .conftest import PASSWORD, running, small
from .test_alliance_pages import opened
from .test_alliance_secrets import hidden_from, leaks

PEOPLE = {"lab": "lab", "maker": "maker", "guest": "visitor"}
DAY = (date.today() + timedelta(days=30)).isoformat()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    workspace = small(tmp_path_factory.mktemp("three"))
    accounts = Accounts(workspace.ledger)
    for name, partner in PEOPLE.items():
        assert not isinstance(accounts.add(name, partner, "member", PASSWORD), Refused)
    with running(workspace, Settings(open_to_one=False)) as url:
        yield url
    workspace.ledger.close()


class Person:
    """Somebody at a browser. Whatever page they come to is searched for what is not theirs.

    Figures are drawn in other tests: here they would only take time, and their numbers stand in the page.
    """

    def __init__(self, chromium: Any, url: str, name: str) -> None:
        self.page, self.said = opened(chromium)
        self.page.set_default_timeout(120_000)
        self.page.route("**/plotly.js", lambda route: route.fulfill(body="", content_type="text/javascript"))
        self.url, self.hidden = url, hidden_from(PEOPLE[name])
        self.page.goto(url)
        self.page.get_by_label("Name").fill(name)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Sign in").click()
        self.page.wait_for_selector("nav.site")
        self.read()

    def read(self) -> str:
        """What the page says, source and all."""
        found = leaks(self.page.content(), *self.hidden)
        assert not found, (self.page.url, found)
        return str(self.page.inner_text("main"))

    def follow(self, name: str, within: str = "nav.site") -> str:
        """The page behind a link."""
        self.page.locator(within).get_by_role("link", name=name).first.click()
        self.page.wait_for_load_state()
        return self.read()

    def press(self, name: str, within: str = "main") -> str:
        self.page.locator(within).get_by_role("button", name=name, exact=True).click()
        self.page.wait_for_load_state()
        return self.read()

    def fill(self, within: str, **fields: str) -> None:
        for label, text in fields.items():
            field = self.page.locator(within).get_by_label(label.replace("_", " "), exact=True)
            if field.evaluate("e => e.tagName") == "SELECT":
                field.select_option(label=text)
            else:
                field.fill(text)


def test_lab_maker_and_guest_hold_a_meeting(address: str, chromium: Any) -> None:
    lab, maker, guest = (Person(chromium, address, name) for name in PEOPLE)

    lab.follow("Meetings")  # the lab invites
    lab.fill("#call", What_it_is_about="Autumn round", Date=DAY, Place="Seoul", Agenda="HBM for the new year")
    for invited in ("The maker", "The visitor"):
        lab.page.locator("#call").get_by_label(invited).check()
    assert "HBM for the new year" in lab.press("Call the meeting", "#call")

    assert "Autumn round" in maker.follow("Overview")  # the maker finds the invitation, and promises
    maker.follow("Promises")
    maker.fill("#propose", What_is_promised="HBM3E for the new year", To_whom="The lab", Unit="stack")
    maker.page.locator("#propose").get_by_label("Part of the scenario").select_option("supplies.own")
    maker.fill("#propose", Months_and_amounts="2026-10 750\n2026-11 760", Who_may_see_it="partners that we name")
    maker.page.locator("#propose").get_by_label("The lab").check()
    told = maker.press("Propose", "#propose")
    assert "HBM3E for the new year" in maker.page.inner_text("h1") and "760" in told

    assert "Autumn round" in guest.follow("Meetings")  # the guest is invited, and sees no promise
    assert "HBM for the new year" in guest.follow("Autumn round", "main")
    assert "HBM3E for the new year" not in guest.follow("Promises")

    lab.follow("Promises")  # the lab accepts what was promised to it, and the maker says what came
    lab.follow("HBM3E for the new year", "main")
    lab.press("Accept")
    assert lab.page.inner_text(".state").strip() == "accepted"
    maker.page.reload()
    maker.fill("#deliver", Month="2026-10", **{"Amount (stack)": "700"})
    assert "700" in maker.press("Record", "#deliver")

    lab.follow("Runs")  # what that does to the plan
    lab.press("Run the plan")
    lab.page.wait_for_selector("#ended:has-text('done')", timeout=300_000)

    lab.follow("Meetings")  # the meeting is held
    lab.follow("Autumn round", "main")
    lab.fill("#held", Decisions="The maker delivers in winter", Questions="What comes in spring?")
    assert "The maker delivers in winter" in lab.press("Record", "#held")
    lab.fill("#action", What_is_to_be_done="Send the schedule", Partner="The maker", Person="Kim", By=DAY)
    assert "Send the schedule" in lab.press("Give", "#action")

    maker.follow("Meetings")  # everybody reads the minutes; the maker does what it was given
    maker.follow("Autumn round", "main")
    maker.press("Mark as done")
    minutes = maker.follow("Minutes", "header ~ .top, .top")
    for text in ("The maker delivers in winter", "Send the schedule", "done", "HBM3E for the new year", "Slipping"):
        assert text in minutes, text
    lab.follow("Minutes", ".top")
    assert "HBM3E for the new year" in lab.read()
    guest.follow("Meetings")
    guest.follow("Autumn round", "main")
    minutes = guest.follow("Minutes", ".top")
    assert "The maker delivers in winter" in minutes and "HBM3E for the new year" not in minutes

    for person in (lab, maker, guest):  # and looks around
        for name in ("Overview", "Supply", "Sites", "Services", "Promises", "What if", "Runs", "Who sees what"):
            person.follow(name)
        assert person.said == []
        person.page.context.close()
