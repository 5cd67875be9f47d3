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
        self.page.set_default_timeout(60_000)
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
        with self.page.expect_navigation():
            self.page.locator(within).get_by_role("link", name=name).first.click()
        return self.read()

    def press(self, name: str, within: str = "main") -> str:
        with self.page.expect_navigation():
            self.page.locator(within).get_by_role("button", name=name, exact=True).click()
        return self.read()

    def fill(self, within: str, fields: dict[str, str]) -> None:
        """Fills in or chooses by the words beside each field."""
        for label, text in fields.items():
            field = self.page.locator(within).get_by_label(label, exact=True)
            if field.evaluate("e => e.tagName") == "SELECT":
                field.select_option(label=text)
            else:
                field.fill(text)


def test_lab_maker_and_guest_hold_a_meeting(address: str, chromium: Any) -> None:
    lab, maker, guest = (Person(chromium, address, name) for name in PEOPLE)

    lab.follow("Overview")  # the lab invites, is told how a date is written, and loses nothing by it
    lab.follow("call one", "main")
    said = {"What it is about": "Autumn round", "Date": "in a month", "Place": "Seoul"}
    lab.fill("#call", said | {"Agenda, a line each": "HBM for the new year"})
    lab.page.locator("#call").get_by_label("The maker").check()
    assert "Date: write 2027-02-11" in lab.press("Call the meeting", "#call")
    lab.fill("#call", {"Date": DAY})
    assert "HBM for the new year" in lab.press("Call the meeting", "#call")
    assert "The visitor" not in lab.page.inner_text("#main > section:first-of-type > p")
    lab.page.get_by_text("Change the invitation").click()
    lab.page.locator("#change").get_by_label("The visitor").check()
    assert "The lab, The maker, The visitor" in lab.press("Send the invitation again", "#change")

    maker.follow("Overview")  # the maker finds the invitation, and promises
    maker.follow("Autumn round", "main")
    maker.follow("Bring a promise to this meeting", "main")
    assert "Autumn round" in maker.page.locator("#f-meeting option:checked").inner_text()
    said = {"What is promised": "HBM3E for the new year", "To whom": "The lab", "Unit": "stack"}
    said |= {"Months and amounts": "2026-10 750\n2026-11 760", "Who may see it": "partners that we name"}
    maker.fill("#propose", said)
    maker.page.locator("#propose").get_by_label("Part of the scenario").select_option("supplies.own")
    maker.page.locator("#propose").get_by_label("The lab").check()
    told = maker.press("Propose", "#propose")
    assert "HBM3E for the new year" in maker.page.inner_text("h1") and "760" in told
    assert "It waits for The lab to accept it." in told and maker.page.get_by_role("button", name="Accept").count() == 0

    assert "Autumn round" in guest.follow("Meetings")  # the guest is invited, and sees no promise
    assert "HBM for the new year" in guest.follow("Autumn round", "main")
    assert guest.page.locator("#held, #action, #change").count() == 0  # a guest reads
    assert "HBM3E for the new year" not in guest.follow("Promises")

    lab.follow("Overview")  # the lab finds and accepts what was promised to it, and the maker says what came
    assert "Waiting for you" in lab.page.inner_text(".beside")
    lab.follow("HBM3E for the new year", "main")
    lab.press("Accept")
    assert lab.page.inner_text(".state").strip() == "accepted"
    maker.page.reload()
    maker.fill("#deliver", {"Month": "2026-10", "Amount (stack)": "700"})
    assert "700" in maker.press("Record", "#deliver")

    lab.follow("Runs")  # what that does to the plan
    lab.press("Run the plan")
    lab.page.wait_for_selector("#ended:has-text('done')", timeout=300_000)

    lab.follow("Meetings")  # the meeting is held
    lab.follow("Autumn round", "main")
    said = {"Decisions, a line each": "The maker delivers in winter"}
    lab.fill("#held", said | {"Questions for the next meeting, a line each": "What comes in spring?"})
    assert "The maker delivers in winter" in lab.press("Record", "#held")
    said = {"What is to be done": "Send the schedule", "Partner": "The maker", "Person": "Kim", "By": DAY}
    lab.fill("#action", said)
    assert "Send the schedule" in lab.press("Give", "#action")

    maker.follow("Meetings")  # everybody reads the minutes; the maker does what it was given
    maker.follow("Autumn round", "main")
    maker.press("Mark as done")
    minutes = maker.follow("Minutes", ".top")
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
        assert [said for said in person.said if "422" not in said] == []  # a browser logs a refused form
        person.page.context.close()
