"""The page of a promise: what came is told, what stands stays, a field that is refused is named, readers are named."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from datetime import date

import httpx2 as httpx
import pytest

from stackyard.alliance.decide import Actor, Refused
from stackyard.alliance.event import Cited, CommitmentMoved, CommitmentProposed, MeetingCalled, PartnerJoined
from stackyard.alliance.workspace import Workspace, open_workspace
from stackyard.web.settings import Settings

from .conftest import HOST, SCENARIO, running


@pytest.fixture
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A workspace without a plan, with a promise of a range that was made at a meeting."""
    folder = tmp_path_factory.mktemp("promise")
    (folder / "scenario.yaml").write_text(SCENARIO, encoding="utf-8")
    made = open_workspace(folder)
    for event in (
        PartnerJoined(partner="lab", name="The lab", role="lab"),
        PartnerJoined(partner="maker", name="The maker", role="memory maker"),
        PartnerJoined(partner="rival", name="The rival", role="memory maker"),
        MeetingCalled(
            meeting="spring", name="Spring meeting", date="2026-03-03", partners=("lab", "maker"), visibility="named"
        ),
        CommitmentProposed(
            commitment="stacks",
            name="Stacks of winter",
            partner="maker",
            to="lab",
            amounts={"2027-01": 100.0, "2027-02": 110.0},
            low={"2027-01": 80.0},
            high={"2027-01": 130.0},
            unit="stack",
            visibility="named",
            shared_with=("lab",),
            meeting="spring",
            grade="measured",
            binding=True,
            sources=(Cited(title="Letter of the maker", url="https://example.com/letter", date="2026-03-01"),),
        ),
    ):
        assert isinstance(made.record(HOST, event), tuple)
    yield made
    made.ledger.close()


@pytest.fixture
def client(workspace: Workspace) -> Iterator[httpx.Client]:
    with (
        running(workspace, Settings(open_to_one=True, hosts=("127.0.0.1",))) as url,
        httpx.Client(base_url=url, timeout=60, follow_redirects=True) as made,
    ):
        yield made


def sent(client: httpx.Client, form: str, action: str, **fields: str) -> httpx.Response:
    """A form as a browser sends it: what stands in it on the page, and what is filled in."""
    page = client.get(form).text
    (inside,) = re.findall(rf'<form method="post" action="{action}[#"].*?</form>', page, re.S)
    values = dict(re.findall(r'<input[^>]* name="([^"]+)"[^>]* value="([^"]*)"', inside))
    values |= dict(re.findall(r'<textarea[^>]* name="([^"]+)"[^>]*>(.*?)</textarea>', inside, re.S))
    for name, options in re.findall(r'<select[^>]* name="([^"]+)">(.*?)</select>', inside, re.S):
        chosen = re.search(r'<option value="([^"]*)" selected', options) or re.search(r'value="([^"]*)"', options)
        values[name] = chosen[1] if chosen else ""
    return client.post(action, data={name: html.unescape(value) for name, value in values.items()} | fields)


def test_what_came_in_a_month_that_was_not_promised_is_in_the_table_and_in_the_history(client: httpx.Client) -> None:
    page = sent(
        client, "/promises/stacks", "/promises/stacks/deliver", month="2026-10", amount="42", note="a first lot"
    )
    assert page.status_code == 200
    assert re.search(r'<th scope="row">2026-10</th><td class="n">–</td>.*?<td class="n">42</td></tr>', page.text)
    told = (
        rf'<th scope="row" class="s">{date.today().year}-[-0-9]+</th><td>Came: 42 [^<]*</td><td class="w">a first lot'
    )
    assert re.search(told, page.text)


def test_a_revision_starts_from_what_stands(client: httpx.Client, workspace: Workspace) -> None:
    stood = workspace.ledger.state().commitments["stacks"].terms
    page = sent(
        client, "/promises/stacks", "/promises/stacks/revise", amounts="2027-01 90\n2027-02 110", note="one line less"
    )
    assert page.status_code == 200
    now = workspace.ledger.state().commitments["stacks"]
    assert now.revised and now.terms.amounts == {"2027-01": 90.0, "2027-02": 110.0}
    for name in ("low", "high", "meeting", "grade", "binding", "sources"):
        assert getattr(now.terms, name) == getattr(stood, name), name
    assert now.terms.sources[0].title == "Letter of the maker"


def test_one_number_is_the_range_of_every_month_and_a_field_that_is_refused_is_named(
    client: httpx.Client, workspace: Workspace
) -> None:
    made = sent(client, "/promises/stacks", "/promises/stacks/revise", low="50", high="1,500")
    assert made.status_code == 200
    terms = workspace.ledger.state().commitments["stacks"].terms
    assert terms.low == {"2027-01": 50.0, "2027-02": 50.0} and terms.high == {"2027-01": 1500.0, "2027-02": 1500.0}
    refused = sent(client, "/promises/stacks", "/promises/stacks/revise", low="many", high="2027-01 200")
    assert refused.status_code == 422
    said = html.unescape(refused.text)
    assert "At least: 'many' is not a month and a number, such as: 2027-03 40000" in said and "At most: '" not in said
    assert "2027-01 200" in refused.text.split('id="f-high"')[1].split("</textarea>")[0]


def test_the_second_of_two_editors_sees_the_range_that_the_first_changed(client: httpx.Client) -> None:
    assert sent(client, "/promises/stacks", "/promises/stacks/revise", low="50").status_code == 200
    late = sent(client, "/promises/stacks", "/promises/stacks/revise", version="0", low="2027-01 70\r\n2027-02 70")
    assert late.status_code == 409
    beside = late.text.split('id="problem"')[1].split("</section>")[0]
    assert "<pre>2027-01 50\n2027-02 50</pre>" in beside and "<pre>2027-01 70\n2027-02 70</pre>" in beside
    assert "Months and amounts" not in beside and "At most" not in beside


def test_who_was_promised_declines_with_a_reason_and_nothing_more_can_be_made_of_it(
    client: httpx.Client, workspace: Workspace
) -> None:
    moved = CommitmentMoved(commitment="stacks", status="declined", note="too late for us")
    own = workspace.record(Actor("ann", "maker"), moved)
    assert isinstance(own, Refused) and "declined by whom it was promised to" in own.reasons[0]
    page = client.get("/promises/stacks").text
    form = re.findall(r'<form method="post" action="/promises/stacks/move".*?</form>', page, re.S)
    assert sum('value="declined"' in each and 'name="note"' in each for each in form) == 1
    assert isinstance(workspace.record(Actor("bob", "lab"), moved), tuple)
    page = client.get("/promises/stacks").text
    assert "too late for us" in page and ">Accept<" not in page and ">Revise<" not in page
    assert workspace.ledger.state().planned() == ()
    again = workspace.record(HOST, CommitmentMoved(commitment="stacks", status="accepted"))
    assert isinstance(again, Refused) and "declined" in again.reasons[0]


def test_a_promise_says_by_name_who_may_see_it(client: httpx.Client, workspace: Workspace) -> None:
    assert "seen by: The maker and The lab; nobody else, the host excepted" in client.get("/promises/stacks").text
    own = CommitmentProposed(
        commitment="own",
        name="Stacks of autumn",
        partner="maker",
        amounts={"2027-09": 5.0},
        unit="stack",
        visibility="private",
        range_shared=True,
    )
    assert isinstance(workspace.record(HOST, own), tuple)
    said = "seen by: The maker; of its range, the alliance too; nobody else, the host excepted"
    assert said in client.get("/promises/own").text
    assert "The lab; 주관사를 제외한 다른 누구도 볼 수 없음" in client.get("/promises/stacks?lang=ko").text


def test_minutes_have_what_was_promised_at_the_meeting_and_are_a_draft_until_it_is_recorded(
    client: httpx.Client, workspace: Workspace
) -> None:
    private = CommitmentProposed(
        commitment="try", name="A try of the maker", partner="maker", amounts={"2027-09": 5.0}, visibility="private"
    )
    for event in (private, CommitmentMoved(commitment="try", status="withdrawn")):
        assert isinstance(workspace.record(HOST, event), tuple)
    draft = client.get("/meetings/spring/minutes").text
    assert "Draft from the record, as the host may see it." in draft
    assert "Stacks of winter" in moved(draft)
    assert sent(client, "/meetings/spring", "/meetings/spring/held", decisions="winter is settled").status_code == 200
    accepted = CommitmentMoved(commitment="stacks", status="accepted")  # after the meeting was recorded
    assert isinstance(workspace.record(HOST, accepted), tuple)
    minutes = client.get("/meetings/spring/minutes").text
    assert "Draft" not in minutes and "From the record, as the host may see it." in minutes
    assert "Stacks of winter" in moved(minutes) and "accepted" in moved(minutes)
    assert "A try of the maker" not in moved(minutes)


def moved(minutes: str) -> str:
    """The part of the minutes on what was promised and moved."""
    return minutes.split('id="promises"')[1].split("</section>")[0]


def test_who_records_a_meeting_is_told_who_will_read_it(client: httpx.Client, workspace: Workspace) -> None:
    told = "Read by: The lab and The maker; nobody else, the host excepted. Amounts that are private"
    assert client.get("/meetings/spring").text.count(told) == 2
    autumn = MeetingCalled(meeting="autumn", name="Autumn meeting", date="2026-09-03", partners=("lab",))
    assert isinstance(workspace.record(HOST, autumn), tuple)
    assert "Read by: the alliance. " in client.get("/meetings/autumn").text
