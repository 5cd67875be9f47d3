"""What every answer passes: limits on what is sent, headers that browsers obey, and the book of visits."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stackyard.alliance.ledger import Ledger, Unavailable, now
from stackyard.web.settings import MOST_BYTES, Settings

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
TOO_MUCH = f"At most {MOST_BYTES // 1024 // 1024} MB are taken: send a smaller table."
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class TooLarge(Exception):
    """A request with more bytes than are taken."""


class Guard:
    """ASGI middleware: refuses requests that are too large or for another host, and sets the headers of answers."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app, self.settings = app, settings

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Why a request is not looked at: it is for another name, or says itself that it is too large."""
        sent = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        if self.settings.hosts and _host_name(sent.get("host", "")) not in self.settings.hosts:
            return 421, "This server does not answer to that name."
        length = sent.get("content-length", "0")
        if not length.isdecimal() or int(length) > MOST_BYTES:
            return 413, TOO_MUCH
        return None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        refused = self._refusal(scope)
        if refused is not None:
            await _plain(send, *refused)
            return
        taken, begun = 0, False

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > MOST_BYTES:
                raise TooLarge
            return message

        async def headed(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                if taken > MOST_BYTES:  # whoever read the body may have told it in other words
                    message["status"] = 413
                headers = MutableHeaders(scope=message)
                for key, value in HEADERS.items():
                    headers.setdefault(key, value)
                if self.settings.secure:
                    headers.setdefault("Strict-Transport-Security", "max-age=31536000")
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            await self.app(scope, counted, headed)
        except TooLarge:
            if not begun:
                await _plain(send, 413, TOO_MUCH)


def _host_name(host: str) -> str:
    """'localhost' of 'localhost:8321'; an IPv6 address keeps its brackets."""
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]


async def _plain(send: Send, status: int, text: str) -> None:
    body = text.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Visits:
    """Who saw and did what: noted at once, written a second later, so that no page waits for the disk."""

    KEPT = 20_000  # noted and not yet written, at most: a database that is away must not fill the memory

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._noted: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._write, name="visits", daemon=True)
        self._thread.start()

    def note(self, account: str, partner: str, method: str, path: str, status: int) -> None:
        row = {
            "at": now(),
            "account": account,
            "partner": partner,
            "method": method,
            "path": path[:300],
            "status": status,
        }
        with self._lock:
            if len(self._noted) < self.KEPT:
                self._noted.append(row)

    def flush(self) -> None:
        with self._lock:
            rows, self._noted = self._noted, []
        if rows:
            try:
                self.ledger.add_all("visits", rows)
            except Unavailable:
                with self._lock:
                    self._noted = (rows + self._noted)[: self.KEPT]

    def _write(self) -> None:
        while not self._end.wait(1.0):
            self.flush()

    def close(self) -> None:
        self._end.set()
        self._thread.join(timeout=5)
        self.flush()
