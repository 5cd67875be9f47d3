"""The server under rough use: odd requests, broken uploads, wrong sign-ins, other sites, tokens, a company."""

from __future__ import annotations

import io
import re
import socket
import sqlite3
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlparse

import httpx2 as httpx
import pytest

from stackyard.alliance.accounts import MOST, Accounts
from stackyard.alliance.decide import Refused
from stackyard.alliance.event import PartnerJoined
from stackyard.alliance.workspace import Workspace, open_workspace
from stackyard.errors import InputErrors
from stackyard.web.serve import serve
from stackyard.web.settings import MOST_BYTES, Provider, Settings

from .conftest import HOST, PASSWORD, SCENARIO, Served, running


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A workspace with accounts and without a plan: its record may be added to."""
    folder = tmp_path_factory.mktemp("bare")
    (folder / "scenario.yaml").write_text(SCENARIO, encoding="utf-8")
    workspace = open_workspace(folder)
    workspace.record(HOST, PartnerJoined(partner="lab", name="The lab"))
    Accounts(workspace.ledger).add("lab", "lab", "member", PASSWORD)
    yield workspace
    workspace.ledger.close()


@pytest.fixture(scope="module")
def address(bare: Workspace) -> Iterator[str]:
    with running(bare, Settings(open_to_one=False)) as url:
        yield url


@pytest.mark.filterwarnings("ignore")
def test_no_request_that_the_description_allows_makes_the_server_fail(served: Served) -> None:
    """schemathesis makes requests from /openapi.json; whatever it sends, no answer is a 5xx."""
    import schemathesis
    from hypothesis import HealthCheck, Phase, given, settings

    heads = {"Authorization": f"Bearer {served.tokens['visitor']}"}
    schema = schemathesis.openapi.from_url(f"{served.url}/openapi.json")
    asked = 0
    for operation in schema.get_all_operations():
        found = operation.ok()
        if found.path.endswith("/runs/progress"):
            continue

        @given(case=found.as_strategy())
        @settings(
            max_examples=12,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def ask(case: Any) -> None:
            nonlocal asked
            response = case.call(headers=heads, timeout=60)
            asked += 1
            assert response.status_code < 500 or response.status_code == 503, (
                case.method,
                case.path,
                response.text[:300],
            )

        ask()
    assert asked > 100
    assert served.workspace.ledger.verify() == []


def delivered(client: httpx.Client, name: str, content: bytes) -> httpx.Response:
    page = client.get("/promises/shared").text
    token = re.search(r'name="csrf" value="([^"]*)"', page)
    assert token is not None
    return client.post(
        "/promises/shared/deliver",
        data={"csrf": token[1]},
        files={"table": (name, content, "application/octet-stream")},
    )


def sheet(rows: list[tuple[Any, ...]]) -> bytes:
    from openpyxl import Workbook

    book, out = Workbook(), io.BytesIO()
    assert book.active is not None
    for row in rows:
        book.active.append(row)
    book.save(out)
    return out.getvalue()


def bomb() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", b" " * (200 * 1024 * 1024))
    return out.getvalue()


def test_tables_are_read_and_broken_ones_are_told(served: Served) -> None:
    with served.client("maker") as client:
        before = served.workspace.ledger.state().seq
        for name, content, told in (
            ("bomb.xlsx", bomb(), "would unpack to"),
            ("cut.xlsx", sheet([("month", "amount"), ("2026-08", 5)])[:900], "cannot be read"),
            ("noise.csv", bytes(range(256)) * 50, "not UTF-8"),
            ("empty.csv", b"\n", "is empty"),
            ("other.csv", b"when,what\n2026-08,5\n", "month and amount"),
            ("wrong.csv", b"month,amount\n2026-13,5\n2026-08,much\n2026-09,-4\n", "row 4"),
            ("long.csv", b"month,amount\n" + b"2026-08,1\n" * 5000, "at most 1,200"),
        ):
            answer = delivered(client, name, content)
            assert answer.status_code == 422, (name, answer.status_code)
            assert told in answer.text, (name, re.findall(r'role="alert".*?</div>', answer.text, re.S))
        assert served.workspace.ledger.state().seq == before
        assert delivered(client, "good.csv", b"month,amount\n2026-08,255\n").status_code == 303
        answer = delivered(client, "good.xlsx", sheet([("month", "amount"), ("2026-09", 250)]))
        assert answer.status_code == 303, re.findall(r'role="alert".*?</div>', answer.text, re.S)
        came = [d.amount for d in served.workspace.ledger.state().deliveries.values() if d.commitment == "shared"]
        assert came == [255.0, 250.0]


@pytest.mark.parametrize("path", ["/promises/shared/deliver", "/api/v1/events", "/sign-in"])
def test_a_hundred_megabytes_are_refused_before_they_are_taken(served: Served, path: str) -> None:
    host, _, port = served.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=30) as raw:
        head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {100 * 1024 * 1024}\r\n\r\n"
        raw.sendall(head.encode())
        assert raw.recv(200).startswith(b"HTTP/1.1 413")

    def endless() -> Iterator[bytes]:
        for _ in range(2 * MOST_BYTES // 65536):
            yield b"x" * 65536

    try:
        with served.client("maker") as client:
            answer = client.post(path, content=endless(), headers={"Content-Type": "application/json"})
            assert answer.status_code in (401, 413, 422)  # 401 and 422 did not read it
    except httpx.TransportError:
        pass  # the server stopped listening to it
    with served.client("maker") as client:
        assert client.get("/api/v1/commitments").status_code == 200


def test_wrong_passwords_are_slowed_down_and_tell_nothing(address: str) -> None:
    with httpx.Client(base_url=address, timeout=60) as client:
        unknown = client.post("/sign-in", data={"name": "nobody", "password": "x"})
        wrong = client.post("/sign-in", data={"name": "lab", "password": "x"})
        assert unknown.status_code == wrong.status_code == 401
        assert "name and password do not fit" in unknown.text and "name and password do not fit" in wrong.text
        for _ in range(MOST):
            last = client.post("/sign-in", data={"name": "lab", "password": "x"})
        assert "too many failed sign-ins" in last.text
        assert "too many failed sign-ins" in client.post("/sign-in", data={"name": "lab", "password": PASSWORD}).text


@contextmanager
def signed_in(url: str, name: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=60) as client:
        assert client.post("/sign-in", data={"name": name, "password": PASSWORD}).status_code == 303
        yield client


def test_forms_without_their_token_and_from_other_sites_are_refused(served: Served) -> None:
    with signed_in(served.url, "lab") as client:
        meeting = {"name": "A meeting", "date": "2026-12-01"}
        assert client.post("/meetings", data=meeting).status_code == 403
        assert client.post("/meetings", data={**meeting, "csrf": "guess"}).status_code == 403
        foreign = {"Origin": "https://elsewhere.example"}
        event = {"event": {"kind": "action-done", "action": "do-lab"}}
        assert client.post("/api/v1/events", json=event, headers=foreign).status_code == 403
        assert client.post("/api/v1/events", json=event, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
        assert client.post("/api/v1/events", json=event).status_code == 201


def test_headers_forbid_inline_scripts_frames_and_other_hosts(served: Served) -> None:
    with served.client("lab") as client:
        answer = client.get("/")
        policy = answer.headers["content-security-policy"]
        assert "script-src 'self'" in policy and "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert not re.search(r"<script(?![^>]*(src=|application/json))", answer.text)
        assert not re.search(r"\s(on\w+|style)=|<style", answer.text)
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_tokens_are_scoped_and_can_be_revoked(served: Served) -> None:
    accounts = Accounts(served.workspace.ledger)
    account = next(a for a in accounts.listed() if a.name == "lab")
    made = accounts.make_token(account, "reading", "read")
    assert not isinstance(made, Refused)
    head = {"Authorization": f"Bearer {made[0]}"}
    with httpx.Client(base_url=served.url, timeout=60, headers=head) as client:
        assert client.get("/api/v1/commitments").status_code == 200
        event = {"event": {"kind": "action-done", "action": "do-lab"}}
        assert client.post("/api/v1/events", json=event).status_code == 403
        accounts.revoke(account, made[1].id)
        assert client.get("/api/v1/commitments").status_code == 401


def test_what_was_seen_and_done_is_in_the_audit_of_the_host_alone(served: Served) -> None:
    with served.client("builder") as client:
        client.get("/supply")
        assert client.get("/audit").status_code == 403
    with served.client("host") as client:
        page = client.get("/audit").text
        assert "GET /supply" in page and "builder" in page
        assert client.get("/api/v1/ledger/faults").json() == []


def test_it_listens_to_nobody_else_without_accounts(tmp_path: Path) -> None:
    (tmp_path / "scenario.yaml").write_text(SCENARIO, encoding="utf-8")
    with pytest.raises(InputErrors, match="nobody has an account"):
        serve(tmp_path, host="0.0.0.0", port=0)


def test_open_to_one_it_answers_to_its_own_name_only_and_to_nobody_once_there_is_an_account(tmp_path: Path) -> None:
    (tmp_path / "scenario.yaml").write_text(SCENARIO, encoding="utf-8")
    workspace = open_workspace(tmp_path)
    with (
        running(workspace, Settings.from_environment(open_to_one=True, secure=False)) as url,
        httpx.Client(base_url=url) as client,
    ):
        assert client.get("/account").status_code == 200
        assert client.get("/account", headers={"Host": "evil.example"}).status_code == 421
        assert not isinstance(Accounts(workspace.ledger).add("ann", "", "host", PASSWORD), Refused)
        assert client.get("/account").headers["location"] == "/sign-in"
        assert proposed(client, "late").status_code == 401
    workspace.ledger.close()


@pytest.fixture
def frail(tmp_path: Path) -> Iterator[tuple[Workspace, httpx.Client]]:
    """A workspace whose database is about to fail, and a program that reads and records there."""
    (tmp_path / "scenario.yaml").write_text(SCENARIO, encoding="utf-8")
    workspace = open_workspace(tmp_path)
    workspace.record(HOST, PartnerJoined(partner="lab", name="The lab"))
    with (
        running(workspace, Settings(open_to_one=True, hosts=("127.0.0.1",))) as url,
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        yield workspace, client
    workspace.ledger.close()


def proposed(client: httpx.Client, id_: str, note: str = "") -> httpx.Response:
    event = {"kind": "commitment-proposed", "commitment": id_, "name": id_, "partner": "lab", "note": note}
    return client.post("/api/v1/events", json={"event": event})


def pragma(workspace: Workspace, said: str) -> None:
    with workspace.ledger.engine.connect() as connection:
        connection.exec_driver_sql(f"PRAGMA {said}")


@pytest.mark.parametrize("way", ["full", "read-only", "locked"])
def test_a_database_that_fails_is_told_and_the_pages_go_on(frail: tuple[Workspace, httpx.Client], way: str) -> None:
    workspace, client = frail
    assert proposed(client, "before").status_code == 201
    holder = sqlite3.connect(workspace.plans.with_suffix(".db"))
    if way == "full":
        with workspace.ledger.engine.connect() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        pragma(workspace, f"max_page_count = {pages}")
    elif way == "read-only":
        pragma(workspace, "query_only = 1")
    else:
        pragma(workspace, "busy_timeout = 50")
        holder.execute("BEGIN IMMEDIATE")
    told = [proposed(client, f"during-{number}", "x" * 3900) for number in range(4)]
    failed = [answer for answer in told if answer.status_code == 503]
    assert failed and failed[-1].json()["title"] == "The record is not at hand"
    assert {"full": "disk is full", "read-only": "read-only", "locked": "locked"}[way] in failed[-1].text
    for path in ("/promises", "/meetings", "/api/v1/commitments"):
        assert client.get(path).status_code == 200
    holder.rollback()
    holder.close()
    pragma(workspace, "query_only = 0")
    pragma(workspace, "max_page_count = 1000000")
    assert proposed(client, "after").status_code == 201
    kept = client.get("/api/v1/commitments").json()
    sent = [f"during-{number}" for number, answer in enumerate(told) if answer.status_code == 201]
    assert list(kept) == ["before", *sent, "after"]
    assert workspace.ledger.verify() == []


# --- a company's provider ---


class Company(BaseHTTPRequestHandler):
    """A small OpenID Connect provider: it vouches for whom `subject` names."""

    subject, key, nonce = "kim", None, ""

    def log_message(self, *args: Any) -> None:
        pass

    def _json(self, value: Any) -> None:
        import json

        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def do_GET(self) -> None:
        if self.path.startswith("/authorize"):
            asked = parse_qs(urlparse(self.path).query)
            assert asked["code_challenge_method"] == ["S256"]
            type(self).nonce = asked["nonce"][0]
            self.send_response(302)
            self.send_header(
                "Location", f"{asked['redirect_uri'][0]}?{urlencode({'code': 'c', 'state': asked['state'][0]})}"
            )
            self.end_headers()
        elif self.path == "/keys":
            self._json({"keys": [type(self).key.as_dict(private=False)]})
        else:
            ends = {name: f"{self.issuer}/{path}" for name, path in ENDS.items()}
            self._json({"issuer": self.issuer, **ends, "id_token_signing_alg_values_supported": ["RS256"]})

    def do_POST(self) -> None:
        import time

        from joserfc import jwt

        self.rfile.read(int(self.headers["Content-Length"]))
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "sub": self.subject,
            "aud": "stackyard",
            "nonce": self.nonce,
            "iat": now,
            "exp": now + 60,
        }
        token = jwt.encode({"alg": "RS256", "kid": type(self).key.kid}, claims, type(self).key)
        self._json({"access_token": "a", "token_type": "Bearer", "id_token": token})


ENDS = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the client of Authlib leaves sockets
def test_a_company_signs_in_whom_the_host_knows_and_nobody_else(bare: Workspace) -> None:
    from joserfc.jwk import RSAKey

    Company.key = RSAKey.generate_key(2048, {"use": "sig"}, auto_kid=True)
    company = HTTPServer(("127.0.0.1", 0), Company)
    thread = threading.Thread(target=company.serve_forever, daemon=True)
    thread.start()
    issuer = f"http://127.0.0.1:{company.server_address[1]}"
    Accounts(bare.ledger).add("kim", "lab", "member", "", subject=f"{issuer}|kim")
    settings = Settings(open_to_one=False, provider=Provider(issuer, "stackyard", "secret"))
    try:
        with running(bare, settings) as url:
            with httpx.Client(base_url=url, follow_redirects=True, timeout=60) as client:
                assert "company" in client.get("/sign-in").text
                page = client.get("/sign-in/company")
                assert page.status_code == 200 and client.get("/account").text.count("kim") > 0
            Company.subject = "stranger"
            with httpx.Client(base_url=url, follow_redirects=True, timeout=60) as client:
                page = client.get("/sign-in/company")
                assert page.status_code == 403 and "ask the host" in page.text
            with httpx.Client(base_url=url, timeout=60) as client:
                assert client.get("/sign-in/back?code=c&state=guess").status_code == 401
    finally:
        company.shutdown()
        company.server_close()
        thread.join(timeout=5)
