"""The ledger's tables, by numbered steps: each is done once, in order, and never changed afterwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from stackyard.alliance.migrations import accounts, events

STEPS: Mapping[int, Callable[[Any, str], tuple[str, ...]]] = {1: events.statements, 2: accounts.statements}
