"""Step 1: the events and their head, that nothing may alter or delete, and snapshots of what they come to."""

from __future__ import annotations

from typing import Any


def statements(connection: Any, dialect: str) -> tuple[str, ...]:
    """The statements of this step for 'sqlite' or 'postgresql'."""
    tables = (
        "CREATE TABLE events (seq BIGINT PRIMARY KEY, at TEXT NOT NULL, who TEXT NOT NULL, kind TEXT NOT NULL, "
        "body TEXT NOT NULL, previous TEXT NOT NULL UNIQUE, hash TEXT NOT NULL UNIQUE)",
        "CREATE TABLE head (id INTEGER PRIMARY KEY, seq BIGINT NOT NULL, hash TEXT NOT NULL)",
        f"INSERT INTO head (id, seq, hash) VALUES (1, 0, '{'0' * 64}')",
        "CREATE TABLE snapshots (seq BIGINT PRIMARY KEY, hash TEXT NOT NULL, body TEXT NOT NULL)",
    )
    if dialect == "sqlite":
        guards = tuple(
            f"CREATE TRIGGER events_no_{verb} BEFORE {verb} ON events "
            "BEGIN SELECT RAISE(ABORT, 'the ledger is only added to'); END"
            for verb in ("update", "delete")
        )
    else:
        guards = (
            "CREATE FUNCTION only_added_to() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'the ledger is only added to'; END $$",
            "CREATE TRIGGER events_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON events "
            "FOR EACH STATEMENT EXECUTE FUNCTION only_added_to()",
        )
    return (*tables, *guards)
