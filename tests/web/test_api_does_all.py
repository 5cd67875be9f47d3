"""The JSON API does everything that the page does: each page and form names the endpoint that does the same.

Both sides are taken from the application: a new page without an endpoint fails here, and so does a line about a page
that is gone. What an endpoint does beyond that is tried by using it.
"""

from __future__ import annotations

from typing import Any

import httpx2 as httpx

from stackyard.alliance.accounts import Accounts

from .conftest import PASSWORD, Served

EVENTS = "POST /api/v1/events"  # whatever is recorded is an event
SAME: dict[str, str] = {
    "GET /": "GET /api/v1/reports/{name}.{form}",
    "GET /supply": "GET /api/v1/reports/{name}.{form}",
    "GET /shown": "GET /api/v1/reports/{name}.{form}",
    "GET /sites": "GET /api/v1/reports/{name}.{form}",
    "GET /services": "GET /api/v1/reports/{name}.{form}",
    "GET /{name}.{form}": "GET /api/v1/reports/{name}.{form}",
    "GET /plan/{name}": "GET /api/v1/plan/{name}",
    "GET /promises": "GET /api/v1/commitments",
    "GET /promises/{id_}": "GET /api/v1/commitments/{id_}",
    "POST /promises": EVENTS,
    "POST /promises/{id_}/revise": EVENTS,
    "POST /promises/{id_}/move": EVENTS,
    "POST /promises/{id_}/deliver": "POST /api/v1/commitments/{id_}/deliveries",
    "GET /meetings": "GET /api/v1/meetings",
    "GET /meetings/{id_}": "GET /api/v1/meetings",
    "GET /meetings/{id_}.ics": "GET /api/v1/meetings/{id_}/calendar.ics",
    "GET /meetings/{id_}/minutes": "GET /api/v1/meetings/{id_}/minutes.{form}",
    "GET /meetings/{id_}/minutes.{form}": "GET /api/v1/meetings/{id_}/minutes.{form}",
    "POST /meetings": EVENTS,
    "POST /meetings/{id_}/change": EVENTS,
    "POST /meetings/{id_}/held": EVENTS,
    "POST /meetings/{id_}/action": EVENTS,
    "POST /actions/{id_}/done": EVENTS,
    "POST /partners": EVENTS,
    "POST /share": EVENTS,
    "GET /access": "GET /api/v1/access",
    "GET /runs": "GET /api/v1/runs",
    "GET /runs/progress": "GET /api/v1/runs/progress",
    "POST /runs": "POST /api/v1/runs",
    "POST /runs/stop": "DELETE /api/v1/runs/current",
    "GET /what-if": "POST /api/v1/what-if",
    "POST /what-if/keep": "POST /api/v1/what-if/keep",
    "GET /catalogue": "GET /api/v1/facts",
    "GET /performance": "GET /api/v1/reports/{name}.{form}",
    "GET /audit": "GET /api/v1/audit",
    "GET /account": "GET /api/v1/tokens",
    "POST /tokens": "POST /api/v1/tokens",
    "POST /tokens/{id_}/revoke": "DELETE /api/v1/tokens/{id_}",
    "POST /password": "POST /api/v1/password",
    "POST /accounts": "POST /api/v1/accounts",
    "POST /accounts/{name}/close": "DELETE /api/v1/accounts/{name}",
}
# What a program needs no endpoint for: a token is its sign-in, and a header names the partner as whom a host looks.
BY_HEADER = {
    "GET /sign-in",
    "POST /sign-in",
    "POST /sign-out",
    "POST /as",
    "GET /sign-in/company",
    "GET /sign-in/back",
}


def test_every_page_and_form_has_its_endpoint(served: Served) -> None:
    import fastapi.routing

    from stackyard.web import account, exports, forms, oidc, pages, performance, plan_pages

    offered = set()
    every = (pages, plan_pages, exports, forms, account, performance, oidc)
    for router in (module.routes for module in every):
        for route in router.routes:
            assert isinstance(route, fastapi.routing.APIRoute)
            offered |= {f"{method} {route.path}" for method in route.methods}
    assert offered - BY_HEADER == set(SAME)
    described = httpx.get(f"{served.url}/openapi.json").json()["paths"]
    endpoints = {f"{method.upper()} {path}" for path, methods in described.items() for method in methods}
    assert set(SAME.values()) <= endpoints


def test_a_program_keeps_a_what_if_sends_a_table_and_reads_the_calendar(served: Served) -> None:
    with served.client("lab") as client:
        sent = {"kind": "scale", "item": "services.code", "value": 1.5, "note": "for the spring"}
        kept = client.post("/api/v1/what-if/keep", json=sent)
        assert kept.status_code == 201, kept.text
        event = kept.json()[0]["event"]
        assert (event["partner"], event["note"]) == ("lab", "for the spring")
        hidden = client.post("/api/v1/what-if/keep", json={"kind": "slip", "item": "supplies.own", "value": 2})
        assert hidden.status_code == 422 and "that you may see" in hidden.text
        assert client.get("/api/v1/meetings.ics").text.startswith("BEGIN:VCALENDAR")
        assert "Spring meeting" in client.get("/api/v1/meetings/spring/calendar.ics").text
        assert client.get("/api/v1/meetings/own-maker/calendar.ics").status_code == 404
        table = b"month,amount\n2026-10,250\n2026-11,255\n"
        assert client.post("/api/v1/commitments/secret-maker/deliveries", content=table).status_code == 404
        assert client.post("/api/v1/commitments/shared/deliveries", content=table).status_code == 403
    with served.client("maker") as client:
        promise = {"kind": "commitment-proposed", "commitment": "tabled", "name": "Tabled", "partner": "maker"}
        assert client.post("/api/v1/events", json={"event": promise}).status_code == 201
        came = client.post("/api/v1/commitments/tabled/deliveries?note=by+ship", content=table)
        assert [entry["event"]["amount"] for entry in came.json()] == [250.0, 255.0], came.text
        wrong = client.post("/api/v1/commitments/tabled/deliveries", content=b"when,what\n1,2\n")
        assert wrong.status_code == 422 and "month and amount" in wrong.text


def test_a_host_opens_closes_and_looks_as_others_by_program(served: Served) -> None:
    with served.client("host") as client:
        opened = client.post("/api/v1/accounts", json={"name": "Lee", "partner": "lab"}).json()
        assert (opened["role"], len(opened["password"]) >= 10) == ("member", True)
        assert client.post("/api/v1/accounts", json={"name": "Lee", "partner": "lab"}).status_code == 422
        assert client.post("/api/v1/accounts", json={"name": "Kim"}).status_code == 422
        assert "Lee" in [each["name"] for each in client.get("/api/v1/accounts").json()]
        with httpx.Client(base_url=served.url) as person:
            said = {"name": "Lee", "password": opened["password"]}
            assert person.post("/sign-in", data=said).status_code == 303
            changed = {"old": opened["password"], "new": "another long word"}
            assert person.post("/api/v1/password", json={**changed, "new": "short"}).status_code == 422
            assert person.post("/api/v1/password", json={**changed, "old": "a wrong password"}).status_code == 422
            assert person.post("/api/v1/password", json=changed).json() == {"changed": True}
            assert person.get("/promises").status_code == 200
            assert person.post("/sign-in", data=said).status_code == 401
            assert client.delete("/api/v1/accounts/Lee").json() == {"closed": "Lee"}
        assert client.delete("/api/v1/accounts/host").status_code == 422
        heads = {"X-Stackyard-As": "visitor"}
        assert (
            client.get("/api/v1/commitments", headers=heads).json().keys()
            < client.get("/api/v1/commitments").json().keys()
        )
        assert client.post("/api/v1/runs", headers=heads).status_code == 403
        rows = client.get("/api/v1/access/lab").json()
        assert {"item": "supplies.own", "allowed": "none", "reason": "it is private to its owner"} in rows
        seen = client.get("/api/v1/audit").json()
        assert seen["records"] and any(v["path"] == "/api/v1/accounts" for v in seen["visits"])


def test_what_is_the_hosts_is_not_a_partners(served: Served) -> None:
    with served.client("maker") as client:
        asked: list[tuple[str, str, Any]] = [
            ("GET", "/api/v1/accounts", None),
            ("POST", "/api/v1/accounts", {"name": "Mallory", "role": "host"}),
            ("DELETE", "/api/v1/accounts/lab", None),
            ("GET", "/api/v1/audit", None),
            ("GET", "/api/v1/access/lab", None),
        ]
        for method, path, sent in asked:
            assert client.request(method, path, json=sent).status_code == 403, path
        as_lab = client.get("/api/v1/commitments", headers={"X-Stackyard-As": "lab"}).json()
        assert "secret-maker" in as_lab and "secret-lab" not in as_lab


def test_tokens_are_made_and_revoked_by_program_and_a_reading_one_makes_none(served: Served) -> None:
    with served.client("builder") as client:
        made = client.post("/api/v1/tokens", json={"name": "a reading", "scope": "read"}).json()
        heads = {"Authorization": f"Bearer {made['secret']}"}
        assert client.get("/api/v1/commitments", headers=heads).status_code == 200
        assert client.post("/api/v1/tokens", json={"name": "more"}, headers=heads).status_code == 403
        assert client.delete(f"/api/v1/tokens/{made['id']}", headers=heads).status_code == 403
        assert client.delete(f"/api/v1/tokens/{made['id']}").status_code == 200
        assert client.get("/api/v1/commitments", headers=heads).status_code == 401
        assert [t["revoked"] != "" for t in client.get("/api/v1/tokens").json() if t["id"] == made["id"]] == [True]


def test_a_guest_calls_and_records_no_meeting(served: Served) -> None:
    called = {"kind": "meeting-called", "meeting": "own-party", "name": "A party", "date": "2026-12-01"}
    with served.client("visitor") as client:
        answer = client.post("/api/v1/events", json={"event": {**called, "partners": ["visitor"]}})
        assert answer.status_code == 403 and "a guest reads" in answer.text


def test_passwords_are_not_in_the_record(served: Served) -> None:
    accounts = Accounts(served.workspace.ledger)
    assert PASSWORD not in str(served.workspace.ledger.find("accounts")) and accounts.any()
