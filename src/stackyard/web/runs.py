"""Plan runs in the background: one at a time, with their progress to listen to, and a way to stop them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from stackyard.alliance.decide import Actor, Refused
from stackyard.alliance.ledger import Unavailable
from stackyard.alliance.workspace import Workspace
from stackyard.errors import InputErrors, SolveError, Stopped
from stackyard.words import joined, phrase


@dataclass
class Run:
    """A run: what it told so far, and how it ended ('' while it goes on)."""

    by: str
    started: float
    told: list[str] = field(default_factory=list)
    ended: str = ""
    why: str = ""  # it failed: for the host
    stop: bool = False


class Runs:
    """The runs of one server."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.last: Run | None = None
        self._changed = threading.Condition()

    @property
    def going(self) -> bool:
        return self.last is not None and not self.last.ended

    def start(self, actor: Actor) -> bool:
        """Starts a run; False where one is going on."""
        with self._changed:
            if self.going:
                return False
            self.last = run = Run(actor.name, time.time())
        threading.Thread(target=self._run, args=(run, actor), name="plan-run", daemon=True).start()
        return True

    def stop(self) -> bool:
        """Stops the run, also inside the solver; nothing of it is recorded."""
        if self.last is None or self.last.ended:
            return False
        self.last.stop = True
        self._say(self.last, phrase("Stopping"))
        return True

    def _say(self, run: Run, text: str) -> None:
        with self._changed:
            if not run.told or run.told[-1] != text:
                run.told.append(text)
            self._changed.notify_all()

    def _run(self, run: Run, actor: Actor) -> None:
        try:
            self._say(run, phrase("Reading the scenario and the promises"))
            done = self.workspace.run(actor, lambda text: self._say(run, text), lambda: run.stop)
            ended = (
                phrase("refused: {reasons}", reasons=joined("; ", done.reasons))
                if isinstance(done, Refused)
                else phrase("done")
            )
        except Stopped:
            ended = phrase("stopped")
        except (SolveError, Unavailable, InputErrors, ValueError, OSError) as error:
            ended, run.why = phrase("failed: the host sees why"), str(error)  # it may name promises that are hidden
        except Exception:  # a fault of ours: the run must still end, and the log has the trace
            ended = phrase("failed: an error of the program; the server's log says which")
            with self._changed:
                run.ended = ended
                self._changed.notify_all()
            raise
        with self._changed:
            run.ended = ended
            self._changed.notify_all()

    def listen(self, patience: float = 600.0) -> Iterator[tuple[str, str]]:
        """(kind, text) of what the present run tells, from its beginning to its end; ('wait', '') now and then."""
        run, told, until = self.last, 0, time.monotonic() + patience
        while run is not None and time.monotonic() < until:
            with self._changed:
                if told == len(run.told) and not run.ended:
                    self._changed.wait(5.0)
                new, ended = run.told[told:], run.ended
            told += len(new)
            for text in new:
                yield "step", text
            if ended:
                yield "end", ended
                return
            if not new:
                yield "wait", ""
        yield "end", phrase("nothing is running")
