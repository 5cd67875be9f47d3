"""A server of the page that is started again and again: one process that has all modules, and forks for each start.

Each line on its input starts a server; it answers with the process id and the port. `test_alliance_killed` kills them.
"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import uvicorn

from stackyard.alliance.workspace import open_workspace
from stackyard.web import account, forms, interface, pages, performance  # noqa: F401  all that `make` would import
from stackyard.web.app import make
from stackyard.web.settings import Settings


def serve(folder: Path, listening: socket.socket) -> None:
    workspace = open_workspace(folder)
    app = make(workspace, Settings(open_to_one=True, hosts=("127.0.0.1",)), warm=False)
    uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False)).run(sockets=[listening])


def main() -> None:
    folder = Path(sys.argv[1])
    for _ in sys.stdin:
        listening = socket.create_server(("127.0.0.1", 0))
        child = os.fork()
        if child == 0:
            serve(folder, listening)
            os._exit(0)
        port = listening.getsockname()[1]
        listening.close()
        sys.stdout.write(f"{child} {port}\n")
        sys.stdout.flush()
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
