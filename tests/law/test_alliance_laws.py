"""Laws of the record: what was touched is found, folding is one sum, sharing and overlays do what they say."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stackyard.alliance.access import Viewer, sight
from stackyard.alliance.change import digest
from stackyard.alliance.decide import Actor, Refused, decide
from stackyard.alliance.event import (
    EVENT,
    CommitmentMoved,
    CommitmentProposed,
    CommitmentRevised,
    MeetingCalled,
    MeetingHeld,
    PartnerJoined,
    Record,
    chain,
    faults_of_lines,
    line,
    plain,
    read_line,
)
from stackyard.alliance.result import Result
from stackyard.alliance.revise import _phased, changed, overlaid
from stackyard.alliance.state import STATE, fold
from stackyard.catalog import load as catalogue
from stackyard.plan.scenario import load

MONTHS = st.sampled_from([f"2027-{m:02d}" for m in range(1, 13)])
AMOUNTS = st.dictionaries(MONTHS, st.floats(0, 1e6), min_size=1, max_size=4)
EVENTS = st.one_of(
    st.builds(PartnerJoined, partner=st.sampled_from(["a", "b", "c"]), name=st.text(max_size=20)),
    st.builds(
        CommitmentProposed,
        commitment=st.sampled_from(["p", "q"]),
        name=st.just("x"),
        partner=st.just("a"),
        amounts=AMOUNTS,
    ),
    st.builds(CommitmentRevised, commitment=st.sampled_from(["p", "q"]), amounts=AMOUNTS),
    st.builds(CommitmentMoved, commitment=st.sampled_from(["p", "q"]), status=st.sampled_from(["accepted", "missed"])),
)


def chained(events: list[Any]) -> list[Record]:
    records: list[Record] = []
    for number, event in enumerate(EVENT.validate_python(plain(event)) for event in events):
        last = records[-1] if records else None
        records.append(chain(last, event, at=f"2026-01-01T00:00:{number % 60:02d}Z", by="host"))
    return records


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)  # a busy machine draws slowly
@given(st.lists(EVENTS, min_size=2, max_size=12), st.data())
def test_any_record_that_is_altered_left_out_or_moved_is_found(events: list[Any], data: st.DataObject) -> None:
    lines = [line(record) for record in chained(events)]
    head = lines[-1]["hash"]
    assert faults_of_lines(lines, head) == []
    touched = copy.deepcopy(lines)
    i = data.draw(st.integers(0, len(lines) - 1))
    how = data.draw(st.sampled_from(["alter", "leave out", "swap", "who", "when", "rehash"]))
    if how == "alter":
        touched[i]["event"]["extra"] = 1
    elif how == "leave out":
        del touched[i]
    elif how == "swap":
        j = (i + 1) % len(lines)
        touched[i], touched[j] = touched[j], touched[i]
    elif how == "who":
        touched[i]["by"] += "x"
    elif how == "when":
        touched[i]["at"] = "2020-01-01T00:00:00Z"
    else:
        touched[i]["hash"] = "0" * 64
    assert faults_of_lines(touched, head) != []


@given(st.lists(EVENTS, max_size=12), st.integers(0, 12))
def test_folding_in_two_steps_is_folding_in_one(events: list[Any], cut: int) -> None:
    records = chained(events)
    assert fold(records[cut:], fold(records[:cut])) == fold(records)
    state = fold(records)
    assert STATE.validate_json(STATE.dump_json(state)) == state
    assert [read_line(line(record)) for record in records] == records


@given(
    st.sampled_from(["private", "named", "alliance", "public"]),
    st.sampled_from(["", "lab", "maker", "visitor"]),
    st.booleans(),
)
def test_each_step_of_sharing_shows_at_least_as_much(visibility: str, partner: str, ranges: bool) -> None:
    joined = [PartnerJoined(partner=p, name=p) for p in ("lab", "maker")] + [
        PartnerJoined(partner="visitor", name="v", role="guest")
    ]
    state, viewer = fold(chained(joined)), Viewer("me", partner)
    order = {"none": 0, "range": 1, "value": 2}
    shown = {
        v: order[sight(state, viewer, "maker", v, ("lab",), ranges)[0]]
        for v in ("private", "named", "alliance", "public")
    }
    assert shown["private"] <= shown["named"] <= shown["public"]
    assert shown["private"] <= shown["alliance"] <= shown["public"]
    assert shown["public"] == 2
    assert (shown["private"] == 2) == (partner == "maker")
    if partner in ("visitor", ""):
        assert shown["private"] == shown["named"] == shown["alliance"] == 0, "a guest sees what is public"
    assert sight(state, Viewer("h", host=True), "maker", visibility)[0] == "value"


@pytest.fixture(scope="module")
def scenario() -> Any:
    from pathlib import Path

    return load(Path(__file__).parents[2] / "examples" / "openai-sk", catalogue())


def promise(item: str, measure: str, unit: str, amounts: dict[str, float]) -> Any:
    event = CommitmentProposed(
        commitment="p",
        name="A promise",
        partner="a",
        measure=measure,
        item=item,
        unit=unit,
        amounts=amounts,  # type: ignore[arg-type]
    )
    return fold(chained([event])).commitments["p"]


def test_a_promise_of_stacks_changes_the_months_that_it_names_and_no_other(scenario: Any) -> None:
    made = overlaid(scenario, [promise("supplies.sk-hynix-hbm3e", "stacks", "kstack", {"2027-03": 40.0})], {})
    months = scenario.months
    old, new = (s.inputs.supplies["sk-hynix-hbm3e"].deliveries.by_month(months) for s in (scenario, made))
    from stackyard.months import parse_month
    from stackyard.quantity import MONTH

    i = parse_month("2027-03") - months.start
    assert new[i] * MONTH == pytest.approx(40_000)
    assert [j for j in range(len(old)) if abs(old[j] - new[j]) > 1e-9 * old[j]] == [i]
    assert made.digest != scenario.digest
    assert overlaid(scenario, [], {}).digest == scenario.digest == digest(scenario.digest, [])


def test_promised_power_is_there_in_its_month_and_not_before(scenario: Any) -> None:
    from stackyard.months import parse_month

    for month in ("2027-01", "2027-11", "2028-06", "2029-02", "2029-12"):
        site = _phased(
            scenario.inputs.sites["ulsan"],
            {parse_month(month): 41e6},
            promise("sites.ulsan", "power", "MW", {month: 41.0}),
        )

        def power(at: int, site: Any = site) -> float:
            return max([p.power.si for p in site.phases if p.month <= at], default=0.0)

        assert power(parse_month(month) - 1) < 41e6 <= power(parse_month(month))
        assert power(parse_month("2030-12")) == 103e6, "what is greater still comes, no earlier than the promise"


@given(st.sampled_from(["slip", "scale", "phase", "growth", "yield"]), st.floats(allow_nan=True, allow_infinity=True))
def test_a_what_if_is_made_or_refused_with_a_reason(scenario: Any, kind: str, value: float) -> None:
    import numpy as np

    from stackyard.alliance.change import NotPossible, WhatIf

    item = {
        "slip": "supplies.sk-hynix-hbm3e",
        "scale": "services.chat",
        "phase": "sites.ulsan",
        "growth": "services.chat",
        "yield": "supplies.samsung-hbm4",
    }
    derived = {key: np.ones(60) for key in scenario.inputs.supplies}
    try:
        made = changed(scenario, [WhatIf(kind, item[kind], value)], derived)  # type: ignore[arg-type]
    except NotPossible as error:
        assert str(error)
    else:
        assert kind not in ("slip", "phase") or value == round(value), "a plan goes by whole months"
        assert made.digest != scenario.digest


def test_what_follows_from_one_partners_hidden_part_is_hidden_and_of_two_partners_one_row_is_shown() -> None:
    from stackyard.alliance.access import item_row, result_rows
    from stackyard.alliance.event import ItemShared

    joined = [PartnerJoined(partner=p, name=p) for p in ("lab", "maker", "rival")]
    both = ("supplies.maker", "supplies.rival")
    rows = [
        Result("spending.hbm", "money", "Stacks", "USD", (1.0,), follows=both),
        Result("delivered.maker", "supply", "Maker", "stack", (1.0,), shows=both[:1]),
        Result("placed.yard", "sites", "Yard", "package", (1.0,), shows=("sites.yard",), follows=both),
        Result("served.total", "services", "Served", "token/day", (1.0,), follows=both),
        Result("worth.maker", "prices", "Worth", "USD", (1.0,), owner=both[0]),
    ]

    def told(viewer: str, *private: str) -> list[str]:
        shares = [
            ItemShared(item=f"supplies.{p}", partner=p, visibility="private" if p in private else "public")
            for p in ("maker", "rival")
        ]
        state = fold(chained([*joined, *shares, ItemShared(item="sites.yard", partner="lab", visibility="public")]))
        who = Viewer("me", viewer)
        found = result_rows(state, who, rows, {item: item_row(state, who, item) for item in state.shares})
        assert all(row.reason for row in found.values()) and list(found) == [row.id for row in rows]
        return [id_ for id_, row in found.items() if row.allowed == "value"]

    of_maker = ["delivered.maker", "worth.maker"]
    assert told("lab") == [row.id for row in rows]
    assert told("rival", "maker") == []  # one partner's part is hidden: nothing that follows from it is shown
    assert told("rival", "maker", "rival") == []  # a rival knows its own part
    assert told("maker", "maker", "rival") == of_maker
    assert told("host", "maker", "rival") == ["served.total"]  # of two partners' parts one row is shown, by its use
    assert told("lab", "maker", "rival") == ["placed.yard"]  # what is of one's own item is shown, and counts


def test_a_meeting_that_was_held_is_corrected_by_who_recorded_it_or_by_the_host() -> None:
    called = MeetingCalled(meeting="spring", name="Spring", date="2026-03-03", partners=("lab", "maker"))
    joined = [PartnerJoined(partner=p, name=p) for p in ("lab", "maker")]
    records = list(chained([*joined, called]))
    state = fold(
        [
            *records,
            chain(
                records[-1], MeetingHeld(meeting="spring", decisions=("go on",)), at="2026-03-04T00:00:00Z", by="anna"
            ),
        ]
    )
    again = MeetingHeld(meeting="spring", decisions=("stop",))
    found = {
        who.name: isinstance(decide(state, again, who), Refused)
        for who in (Actor("anna", "lab"), Actor("kim", "maker"), Actor("host", host=True))
    }
    assert found == {"anna": False, "kim": True, "host": False}
