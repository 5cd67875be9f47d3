"""What is solved side by side ends together: at the first error, or when a stop is asked for."""

from __future__ import annotations

import threading

import pytest

from stackyard.errors import Stopped
from stackyard.plan.highs import heed, side_by_side, stoppable


def test_the_first_error_stops_the_others_and_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stackyard.children.cores", lambda: 2)
    begun = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            assert begun.wait(30)
            raise ValueError("the first")
        begun.set()
        while True:  # ends only where it is told to
            heed()

    with pytest.raises(ValueError, match="the first"):
        side_by_side(work, range(2))


def test_a_stop_that_is_asked_for_reaches_every_thread() -> None:
    asked = threading.Event()

    def work(item: int) -> int:
        asked.set()
        while True:
            heed()

    with pytest.raises(Stopped), stoppable(asked.is_set):
        side_by_side(work, range(4))
