"""No page, endpoint or export tells a viewer what is not theirs: every one is walked as every kind of viewer.

The ledger and the scenario are seeded with canaries: words and five-digit numbers that stand nowhere else. Routes are
taken from the application itself, so that a new one is walked too, or fails this test until it is.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from typing import Any

import httpx2 as httpx
import pytest

from stackyard.alliance.access import view
from stackyard.report.formats import FORMATS

from .conftest import CANARY, PARTNERS, SECRETS, Served, viewer

WHO = ("lab", "maker", "rival", "builder", "visitor")
SKIPPED = {
    "/sign-in",
    "/static/{digest}/{name}",
    "/runs/progress",
    "/api/v1/runs/progress",
    "/api/v1/estimate",  # walked with what it needs, at the end
    "/sign-in/company",
    "/sign-in/back",
}


def paths(served: Served, client: httpx.Client) -> Iterator[str]:
    """Every address that can be read, its parameters filled with all that there is."""
    import fastapi.routing

    from stackyard.web import account, exports, forms, interface, oidc, pages, performance, plan_pages, programs

    state = served.workspace.ledger.state()
    fill = {
        "/promises/{id_}": list(state.commitments),
        "/meetings/{id_}": list(state.meetings),
        "/meetings/{id_}.ics": list(state.meetings),
        "/meetings/{id_}/minutes": list(state.meetings),
        "/api/v1/commitments/{id_}": list(state.commitments),
        "/api/v1/meetings/{id_}/calendar.ics": list(state.meetings),
        "/api/v1/access/{partner}": list(PARTNERS),
    }
    own = (
        pages.routes,
        plan_pages.routes,
        exports.routes,
        forms.routes,
        account.routes,
        performance.routes,
        oidc.routes,
    )
    for router in (*own, interface.routes, programs.routes):
        for route in router.routes:
            assert isinstance(route, fastapi.routing.APIRoute)
            path = route.path
            if "GET" not in route.methods or path in SKIPPED:
                continue
            if path in fill:
                yield from (re.sub(r"{\w+}", id_, path) for id_ in fill[path])
            elif path in ("/meetings/{id_}/minutes.{form}", "/api/v1/meetings/{id_}/minutes.{form}"):
                yield from (path.format(id_=id_, form=form) for id_ in state.meetings for form in FORMATS)
            elif path in ("/{name}.{form}", "/api/v1/reports/{name}.{form}"):
                names = ("overview", "supply", "sites", "services", "shown", "promises")
                yield from (path.format(name=name, form=form) for name in names for form in FORMATS)
            elif path in ("/plan/{name}", "/api/v1/plan/{name}"):
                yield from (
                    path.format(name=name) for name in ("report.html", "plan.xlsx", "report.json", "report.csv")
                )
            elif "{" not in path:
                yield path
            else:
                raise AssertionError(f"{path} is a new route: say here how it is walked")
    for start in ("/", "/api/v1/reports/"):
        yield f"{start}catalogue.csv?q=hbm4"
        yield f"{start}performance.json?model=llama-3.1-8b&chip=h200-sxm"
        yield f"{start}what-if.json?kind=slip&item=supplies.open&value=2"
        yield f"{start}what-if.json?kind=growth&item=services.code&value=2"
    yield "/api/v1/estimate?model=llama-3.1-8b&chip=h200-sxm"
    yield "/openapi.json"
    yield "/meetings.ics"
    yield "/?lang=ko"
    for partner in PARTNERS:
        yield f"/access?partner={partner}"
    for item in ("supplies.own", "supplies.other", "services.chat", "sites.yard", "supplies.open", "services.code"):
        kind = {"supplies": "slip", "services": "growth", "sites": "phase"}[item.partition(".")[0]]
        yield f"/what-if?kind={kind}&item={item}&value=2"


def texts(response: httpx.Response) -> Iterator[str]:
    """What a response says; a workbook's parts are unpacked."""
    if response.content[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
            yield from (archive.read(name).decode("utf-8", "replace") for name in archive.namelist())
    else:
        yield response.text


def leaks(text: str, secrets: dict[str, int], words: dict[str, str]) -> list[str]:
    """Canaries that a text has: a word, or the first five digits of a number however it is written."""
    found = [word for word in words.values() if word in text]
    plain = re.sub(r"sha256-[\w+/=]+|\b[0-9a-f]{12,64}\b", " ", text)
    digits = {re.sub(r"[.,]", "", token).lstrip("0")[:5] for token in re.findall(r"(?<![\w#])\d[\d.,]*", plain)}
    return found + [f"{partner}: {number}" for partner, number in secrets.items() if str(number) in digits]


def hidden_from(who: str) -> tuple[dict[str, int], dict[str, str]]:
    return (
        {partner: number for partner, number in CANARY.items() if partner != who},
        {partner: word for partner, word in SECRETS.items() if partner != who},
    )


@pytest.mark.parametrize("who", WHO)
def test_no_page_endpoint_or_export_has_a_canary_of_others(served: Served, who: str) -> None:
    numbers, words = hidden_from(who)
    words["the plan"] = served.workspace.digest()  # it changes with every promise that is accepted, hidden or not
    walked = 0
    with served.client(who) as client:
        for path in paths(served, client):
            response = client.get(path)
            assert response.status_code < 500, (path, response.text[:300])
            for text in texts(response):
                if who == "rival" or path != "/access":
                    assert not leaks(text, numbers, words), (who, path, leaks(text, numbers, words))
            walked += 1
    assert walked > 150


@pytest.mark.parametrize("who", ["maker", "rival", "lab", "builder"])
def test_a_partner_finds_its_own_secret_and_the_host_finds_all(served: Served, who: str) -> None:
    with served.client(who) as client:
        own = client.get("/api/v1/state").text + client.get(f"/promises/secret-{who}").text
        assert SECRETS[who] in own
        assert who in [told.partition(":")[0] for told in leaks(own, CANARY, {})]
    with served.client("host") as client:
        assert served.workspace.digest() in client.get("/runs").text
        everything = client.get("/api/v1/state").text + client.get("/api/v1/inputs").text + client.get("/supply").text
        assert all(word in everything for word in SECRETS.values())


def test_what_a_partner_cannot_see_it_cannot_reach_by_name(served: Served) -> None:
    with served.client("lab") as client:
        for path in (
            "/promises/secret-maker",
            "/meetings/own-maker",
            "/api/v1/commitments/secret-maker",
            "/meetings/own-maker.ics",
        ):
            assert client.get(path).status_code == 404
            assert client.get(path).text == client.get(path.replace("maker", "nobody")).text
        changed = {"event": {"kind": "commitment-revised", "commitment": "secret-maker", "amounts": {"2026-05": 1}}}
        other = {"event": {"kind": "commitment-revised", "commitment": "secret-nobody", "amounts": {"2026-05": 1}}}
        answers = [client.post("/api/v1/events", json=sent) for sent in (changed, other)]
        assert [a.status_code for a in answers] == [403, 403]
        assert answers[0].text.replace("maker", "nobody") == answers[1].text
        trial = client.post("/api/v1/what-if", json={"changes": [{"kind": "slip", "item": "supplies.own", "value": 1}]})
        assert trial.status_code == 422 and "that you may see" in trial.text


def test_a_range_is_shown_where_the_value_is_private(served: Served) -> None:
    with served.client("lab") as client:
        told = client.get("/api/v1/commitments/ranged").json()
        terms = told["history"][0][2]
        assert not terms.get("amounts") and terms["low"] == {"2026-05": 60000.0}
        inputs = {i["path"]: i for i in client.get("/api/v1/inputs").json() if i["item"] == "supplies.other"}
        ranged = next(i for path, i in inputs.items() if "deliveries" in path)
        assert ranged["value"] is None and ranged["low"] == 500


def test_the_worth_of_a_private_limit_is_its_owners(served: Served) -> None:
    def ids(who: str) -> set[str]:
        with served.client(who) as client:
            return {r["id"] for r in client.get("/api/v1/results").json()["results"]}

    assert "worth.hbm.own" in ids("maker") and "worth.hbm.own" in ids("host")
    assert "worth.hbm.own" not in ids("lab") | ids("rival") | ids("visitor")
    assert "delivered.total" not in ids("maker"), "a sum with one hidden partner tells that partner's part"
    assert "placed.field" in ids("lab"), "what stands on one's own site is one's own"
    assert "delivered.total" not in ids("lab"), "with that, a sum of two hidden partners would tell both"


def test_a_hidden_promise_over_an_open_item_is_in_no_row_or_input_of_it(served: Served) -> None:
    """The maker's promise of 731.29 stacks lies over a supply that the alliance may see."""

    def told(who: str) -> tuple[dict[str, Any], list[Any]]:
        with served.client(who) as client:
            results = {r["id"]: r for r in client.get("/api/v1/results").json()["results"]}
            inputs = client.get("/api/v1/inputs").json()
            return results, [i["value"] for i in inputs if i["item"] == "supplies.open" and "deliveries" in i["path"]]

    for who in ("lab", "rival", "builder"):
        results, values = told(who)
        assert "delivered.open" not in results and values and "731.29" not in str(values), who
        with served.client(who) as client:
            asked = {"kind": "slip", "item": "supplies.open", "value": 1}
            assert client.post("/api/v1/what-if", json={"changes": [asked]}).status_code == 422
            assert client.post("/api/v1/what-if/keep", json=asked).status_code == 422
    results, values = told("maker")
    assert 731.29 in results["delivered.open"]["values"] and "731.29" in str(values)


def test_every_decision_can_be_listed_with_its_reason(served: Served) -> None:
    with served.client("host") as client:
        rows = client.get("/api/v1/access").json()
        assert {"item", "allowed", "reason"} == set(rows[0])
        assert any(row["item"] == "supplies.own" and row["allowed"] == "value" for row in rows)
        page = client.get("/access?partner=lab").text
        assert "it is private to its owner" in page
    with served.client("lab") as client:
        assert all(row["allowed"] != "none" for row in client.get("/api/v1/access").json())


def test_the_whole_report_is_for_who_may_see_all_of_it(served: Served) -> None:
    with served.client("host") as client:
        assert client.get("/plan/report.html").status_code == 200
    for who in WHO:
        with served.client(who) as client:
            assert client.get("/plan/report.html").status_code == 404


def test_nobody_sees_anything_without_signing_in(served: Served) -> None:
    with httpx.Client(base_url=served.url, timeout=30) as client:
        for path in ("/", "/supply", "/promises/shared", "/overview.xlsx", "/meetings.ics", "/plan/report.html"):
            response = client.get(path)
            assert (response.status_code, response.headers["location"]) == (303, "/sign-in")
        for path in ("/api/v1/state", "/api/v1/facts", "/api/v1/ledger"):
            assert client.get(path).status_code == 401
        assert not leaks(client.get("/openapi.json").text + client.get("/sign-in").text, CANARY, SECRETS)


def test_more_sharing_never_shows_less(served: Served) -> None:
    from dataclasses import replace

    workspace = served.workspace
    state, kept = workspace.ledger.state(), workspace.kept()
    assert kept is not None
    inputs = workspace.desk.overlaid(state.planned()).inputs

    def seen(current: Any, who: str) -> set[str]:
        found = view(current, viewer(who), inputs=inputs, picture=kept.picture, figures=kept.figures)
        return {row.item for row in found.rows if row.allowed == "value" and not row.item.startswith("results.")} | set(
            found.figures
        )

    for who in WHO:
        for item, share in state.shares.items():
            shown = seen(replace(state, shares={**state.shares, item: replace(share, visibility="public")}), who)
            assert {i for i in seen(state, who) if "." in i} <= shown


def test_who_may_not_keep_a_what_if_is_told_who_could(served: Served) -> None:
    for who, asked, theirs in (("lab", "scale&item=services.code", True), ("maker", "slip&item=supplies.open", False)):
        with served.client(who) as client:
            page = client.get(f"/what-if?kind={asked}&value=2").text
            assert ("Keep as a proposal" in page) == theirs
            assert ("is The lab&#39;s: who writes for them" in page) != theirs
