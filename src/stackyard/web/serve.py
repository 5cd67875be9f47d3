"""`stackyard web`: refuses to listen where strangers are without accounts, then serves until it is stopped."""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
import threading
import webbrowser
from pathlib import Path

from stackyard.errors import Fault, InputErrors


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def serve(
    scenario: Path | str,
    ledger: str = "",
    *,
    host: str = "127.0.0.1",
    port: int = 8321,
    certificate: Path | None = None,
    key: Path | None = None,
    browser: bool = False,
) -> None:
    """Serves a scenario's alliance; with `browser` it is opened there, where there is a screen.

    InputErrors for an address that needs accounts or is taken, or a ledger that cannot be used.
    """
    import uvicorn

    from stackyard.alliance.accounts import Accounts
    from stackyard.alliance.ledger import Unavailable
    from stackyard.alliance.workspace import open_workspace
    from stackyard.web.app import make
    from stackyard.web.settings import Settings

    try:
        workspace = open_workspace(scenario, ledger)
    except Unavailable as error:
        raise InputErrors([Fault(ledger or str(scenario), 0, "", str(error))]) from None
    accounts, local = Accounts(workspace.ledger).any(), is_loopback(host)
    if not local and not accounts:
        hint = f"open one first: stackyard account add {workspace.ledger.where} NAME --role host"
        raise InputErrors(
            [Fault("command line", 0, "--host", f"{host} can be reached by others, and nobody has an account", hint)]
        )
    if not local and (certificate is None or key is None):
        hint = "give --certificate and --key, or listen on 127.0.0.1 behind a proxy that has them"
        raise InputErrors([Fault("command line", 0, "--host", f"{host} can be reached by others, without TLS", hint)])
    listening = _listening(host, port)
    settings = Settings.from_environment(open_to_one=not accounts, secure=certificate is not None)
    app = make(workspace, settings)
    address = f"http{'s' * (certificate is not None)}://{host}:{listening.getsockname()[1]}/"
    sys.stderr.write(f"Stackyard: {address}  (stop with Ctrl-C)\n")
    if browser and _has_screen():
        threading.Timer(1.0, webbrowser.open, (address,)).start()
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        ssl_certfile=str(certificate) if certificate else None,
        ssl_keyfile=str(key) if key else None,
        h11_max_incomplete_event_size=64 * 1024,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=5,
    )
    uvicorn.Server(config).run(sockets=[listening])


def _listening(host: str, port: int) -> socket.socket:
    """A socket at an address; InputErrors where it is taken or not of this machine."""
    bare = host.strip("[]")
    try:
        return socket.create_server((bare, port), family=socket.AF_INET6 if ":" in bare else socket.AF_INET)
    except OSError as error:
        hint = "name another port, such as --port 8322, or --port 0 for one that is free"
        told = f"cannot listen on {host}:{port}: {error.strerror or error}"
        raise InputErrors([Fault("command line", 0, "--port", told, hint)]) from None


def _has_screen() -> bool:
    """Whether a browser would open in a window: on a terminal alone it would take the terminal."""
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
