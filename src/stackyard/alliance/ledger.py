"""The ledger: events in SQLite, or in PostgreSQL for a team; only added to, one writer at a time, each chained.

An event that was acknowledged is on disk. `state` folds the events from the last snapshot, and keeps the result.
Whoever changes something is judged and recorded inside one transaction, so that two at once cannot both be first.
The other tables (accounts, sessions, tokens, visits) are plain rows: `add`, `find`, `change`, `drop`.
"""

from __future__ import annotations

import gc
import json
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from stackyard.alliance.decide import Refused
from stackyard.alliance.event import EVENT, Record, canonical, chain, faults_of_lines, line, plain, read_line
from stackyard.alliance.migrations import STEPS
from stackyard.alliance.state import STATE, State, fold
from stackyard.errors import Fault, InputErrors

SNAPSHOT = 10_000  # events after which the state is kept, so that a start need not fold them again
LOCK = 7_310_177  # the advisory lock of PostgreSQL under which one writer at a time appends
_COLUMNS = "seq, at, who, body, previous, hash"
_TABLES = ("accounts", "sessions", "tokens", "attempts", "visits")


class Unavailable(Exception):
    """The database cannot be read or written now: what happened, and what to do. Nothing was half-recorded."""


def now() -> str:
    """The time of a record: UTC, to the second.

    >>> len(now())
    20
    """
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _told(error: DBAPIError) -> Unavailable:
    said = str(error.orig or error).strip().splitlines()[0]
    for word, told in (
        ("readonly", "the ledger is read-only: give the server the right to write to its file and folder"),
        ("read-only", "the database accepts no writes now: it may be a standby"),
        ("locked", "the ledger is locked by another program: try again when it has finished"),
        ("full", "the disk is full: make room; what was recorded before is safe"),
        ("No space", "the disk is full: make room; what was recorded before is safe"),
        ("unable to open", "the ledger's file cannot be opened: check its path, folder and rights"),
        ("not a database", "the file is not a ledger: name another, or restore it with `stackyard ledger import`"),
        ("malformed", "the ledger's file is damaged: restore it with `stackyard ledger import`"),
        ("connection", "the database server does not answer: check that it runs and the address"),
    ):
        if word in said:
            return Unavailable(f"{told} ({said})")
    return Unavailable(f"the database refused: {said}")


def _url(where: str | Path) -> str:
    """A SQLAlchemy address: of PostgreSQL as written, of a file otherwise."""
    written = str(where)
    if written.startswith(("postgresql:", "postgres:")):
        return "postgresql+psycopg:" + written.partition(":")[2]
    return written if "://" in written else f"sqlite:///{written}"


class Ledger:
    """An open ledger. Raises Unavailable where the database cannot be used, InputErrors for a bad address."""

    def __init__(self, where: str | Path, *, create: bool = True) -> None:
        url = _url(where)
        if url.startswith("sqlite:///") and not create and not Path(url.removeprefix("sqlite:///")).exists():
            hint = "make one: stackyard ledger import FILE.jsonl --ledger " + str(where)
            raise InputErrors([Fault(str(where), 0, "", "there is no ledger", hint)])
        self.where = make_url(url).render_as_string(hide_password=True)
        self._lock = threading.RLock()
        self._kept, self._looked = State(), 0.0
        self.changed = 0  # counts what this process did to accounts, sessions and tokens
        try:
            self.engine = _engine(url)
            self.close = weakref.finalize(self, self.engine.dispose)  # also of a ledger that nobody holds any more
            self.dialect = self.engine.dialect.name
            self._migrate()
        except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
            hint = "name a file, or postgresql://user@host/database with the extra: pip install 'stackyard[postgres]'"
            raise InputErrors([Fault(str(where), 0, "", f"not a database: {error}", hint)]) from None
        except DBAPIError as error:
            raise _told(error) from None

    # --- events ---

    def record(self, wish: Callable[[State], Any], by: str, at: str = "") -> tuple[Record, ...] | Refused:
        """Appends what `wish(state)` decides, all of it or nothing; a refusal comes back as it is."""
        with self._lock, self._writing() as connection:
            state = self._state(connection)
            decided = wish(state)
            if isinstance(decided, Refused):
                return decided
            last = Record(state.seq, "", "", None, "", state.head) if state.seq else None
            made: list[Record] = []
            for wished in decided:
                last = chain(last, wished, at=at or now(), by=by)
                made.append(last)
            _insert(connection, [line(each) for each in made])
        with self._lock:
            self._kept = fold(made, state)
        return tuple(made)

    def lines(self, after: int = 0) -> Iterator[dict[str, Any]]:
        """Every record after a number, as plain values, in order."""
        with self._reading() as connection:
            yield from _lines(connection, after)

    def records(self, after: int = 0) -> list[Record]:
        """Every record after a number, in order."""
        with self._reading() as connection:
            return _records(connection, after)

    def delivered(self, commitment: str) -> Mapping[str, str]:
        """When each delivery of a commitment was recorded: the time of its record, by the delivery's id."""
        said = f'"commitment":"{commitment}"'  # as canonical JSON has it; an id has no character that LIKE reads
        with self._reading() as connection:
            rows = connection.execute(
                text("SELECT at, body FROM events WHERE kind = 'delivered' AND body LIKE :said ORDER BY seq"),
                {"said": f"%{said}%"},
            )
            read = [(at, json.loads(body)) for at, body in rows]
        return {event["delivery"]: at for at, event in read if event["commitment"] == commitment}

    def state(self, at: int | None = None) -> State:
        """What the events come to: now, or at the record of a number."""
        if at is not None:
            return fold(record for record in self.records() if record.seq <= at)
        with self._lock, self._reading() as connection:
            return self._state(connection)

    def _state(self, connection: Connection) -> State:
        """The state now: what was kept, or the last snapshot, and the events after it. Holds the lock."""
        seq, digest = connection.execute(text("SELECT seq, hash FROM head")).one()
        self._looked = time.monotonic()
        if (seq, digest) == (self._kept.seq, self._kept.head):
            return self._kept
        state = self._kept
        if not state.seq:
            row = connection.execute(
                text(
                    "SELECT s.body FROM snapshots s JOIN events e ON e.seq = s.seq AND e.hash = s.hash "
                    "ORDER BY s.seq DESC LIMIT 1"
                )
            ).first()
            with _uncollected():
                state = STATE.validate_json(row[0]) if row else state
        with _uncollected():
            self._kept = fold(_records(connection, state.seq), state)
        return self._kept

    def head(self) -> str:
        """The hash of the last record, at most a quarter of a second old: what a page is kept by.

        It waits for no writer.
        """
        if time.monotonic() - self._looked > 0.25:
            self._looked = time.monotonic()
            with self._reading() as connection:
                digest = connection.execute(text("SELECT hash FROM head")).scalar_one()
            if digest != self._kept.head:
                self.state()
        return self._kept.head

    def snapshot(self) -> None:
        """Keeps the state as it is, so that the next start folds only what comes after."""
        state = self.state()
        with self._writing() as connection:
            connection.execute(text("DELETE FROM snapshots"))
            connection.execute(
                text("INSERT INTO snapshots (seq, hash, body) VALUES (:seq, :hash, :body)"),
                {"seq": state.seq, "hash": state.head, "body": STATE.dump_json(state).decode()},
            )

    def tidy(self) -> None:
        """Takes a snapshot where enough was added since the last."""
        with self._reading() as connection:
            last = connection.execute(text("SELECT COALESCE(MAX(seq), 0) FROM snapshots")).scalar_one()
        if self.state().seq - last >= SNAPSHOT:
            self.snapshot()

    def verify(self) -> list[str]:
        """Every altered, missing or moved record; none for a whole ledger."""
        how = " ISOLATION LEVEL REPEATABLE READ" if self.dialect == "postgresql" else ""
        with self._reading() as connection:
            # the head and the records are those of one moment, whoever writes meanwhile
            connection.exec_driver_sql(f"BEGIN{how}")
            try:
                head = connection.execute(text("SELECT hash FROM head")).scalar_one()
                return faults_of_lines(_lines(connection), head)
            finally:
                connection.exec_driver_sql("ROLLBACK")

    def import_lines(self, source: Iterator[str], name: str) -> int:
        """Takes over the records of a JSON Lines export, which must be whole and follow what the ledger has.

        Raises InputErrors with every fault and its line; nothing is taken over then.
        """
        entries: list[dict[str, Any]] = []
        faults: list[Fault] = []
        for number, written in enumerate(source, 1):
            if not written.strip():
                continue
            try:
                entry = json.loads(written)
                record = read_line(entry)
                if canonical(plain(record.event)) != canonical(entry["event"]):
                    raise ValueError("has keys or numbers that an event is not written with")
                entries.append(entry)
            except (ValueError, KeyError, TypeError, ValidationError, RecursionError) as error:
                told = f"is not a record of a ledger: {str(error).splitlines()[0][:200]}"
                faults.append(Fault(name, number, "", told, "import what `stackyard ledger export` wrote"))
        if not faults:
            faults = [Fault(name, 0, "", found, "ask for another export") for found in faults_of_lines(entries)]
        if faults:
            raise InputErrors(faults)
        with self._lock, self._writing() as connection:
            state = self._state(connection)
            if state.seq and (state.seq > len(entries) or entries[state.seq - 1]["hash"] != state.head):
                hint = "import into a new ledger: --ledger FILE"
                raise InputErrors([Fault(name, 0, "", "does not continue what this ledger has", hint)])
            _insert(connection, entries[state.seq :])
        return len(entries) - state.seq

    # --- other rows ---

    def add(self, table: str, **row: Any) -> None:
        """Adds a row."""
        assert table in _TABLES
        names = ", ".join(row)
        self.changed += 1
        with self._writing() as connection:
            connection.execute(
                text(f"INSERT INTO {table} ({names}) VALUES ({', '.join(f':{name}' for name in row)})"), row
            )

    def add_all(self, table: str, rows: list[dict[str, Any]]) -> None:
        """Adds rows that have the same columns."""
        assert table in _TABLES
        names = list(rows[0])
        with self._writing() as connection:
            said = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join(f':{name}' for name in names)})"
            connection.execute(text(said), rows)

    def find(self, table: str, *, newest: int = 0, since: str = "", **where: Any) -> list[dict[str, Any]]:
        """Rows in which the named columns have these values; the newest only, or those since a time."""
        assert table in _TABLES
        wanted = [f"{name} = :{name}" for name in where] + (["at >= :since_"] if since else [])
        query = f"SELECT * FROM {table}" + (f" WHERE {' AND '.join(wanted)}" if wanted else "")
        query += f" ORDER BY id DESC LIMIT {int(newest)}" if newest else ""
        with self._reading() as connection:
            return [
                dict(row._mapping)
                for row in connection.execute(text(query), where | ({"since_": since} if since else {}))
            ]

    def change(self, table: str, where: Mapping[str, Any], **values: Any) -> None:
        """Changes rows; `where` names them."""
        assert table in _TABLES
        sets, wanted = ", ".join(f"{n} = :{n}" for n in values), " AND ".join(f"{n} = :w_{n}" for n in where)
        self.changed += 1
        with self._writing() as connection:
            connection.execute(
                text(f"UPDATE {table} SET {sets} WHERE {wanted}"), values | {f"w_{n}": v for n, v in where.items()}
            )

    def drop(self, table: str, *, before: str = "", column: str = "at", **where: Any) -> None:
        """Deletes rows of a table that is not the record: sessions and attempts that are over."""
        assert table in ("sessions", "attempts", "visits")
        wanted = [f"{name} = :{name}" for name in where] + ([f"{column} < :before_"] if before else [])
        self.changed += 1
        with self._writing() as connection:
            connection.execute(
                text(f"DELETE FROM {table} WHERE {' AND '.join(wanted)}"),
                where | ({"before_": before} if before else {}),
            )

    # --- transactions ---

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        try:
            with self.engine.connect() as connection:
                yield connection
        except DBAPIError as error:
            raise _told(error) from None

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """One writer at a time, also among processes; committed at the end, rolled back on any error."""
        with self._reading() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE" if self.dialect == "sqlite" else "BEGIN")
            try:
                if self.dialect == "postgresql":
                    connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
                yield connection
                connection.exec_driver_sql("COMMIT")
            except BaseException:
                if not (self.dialect == "sqlite" and not _in_transaction(connection)):
                    connection.exec_driver_sql("ROLLBACK")
                raise

    def _migrate(self) -> None:
        with self._writing() as connection:
            connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS migrations (number INTEGER PRIMARY KEY, at TEXT)")
            done = set(connection.execute(text("SELECT number FROM migrations")).scalars())
            if done - set(STEPS):
                raise Unavailable("the ledger was written by a newer Stackyard: install that, or a newer one")
            for number, statements in STEPS.items():
                if number not in done:
                    for statement in statements(connection, self.dialect):
                        connection.exec_driver_sql(statement)
                    connection.execute(
                        text("INSERT INTO migrations (number, at) VALUES (:number, :at)"),
                        {"number": number, "at": now()},
                    )


def _in_transaction(connection: Connection) -> bool:
    raw: Any = connection.connection.dbapi_connection
    return bool(raw.in_transaction)


def _engine(url: str) -> Engine:
    """Connections in which transactions begin and end where we say; SQLite writes through to the disk."""
    if not url.startswith("sqlite"):
        return create_engine(url, isolation_level="AUTOCOMMIT", pool_pre_ping=True, pool_size=5)
    engine = create_engine(url, isolation_level="AUTOCOMMIT", connect_args={"timeout": 10, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _pragmas(raw: Any, record: Any) -> None:
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "busy_timeout = 10000"):
            raw.execute(f"PRAGMA {pragma}")

    return engine


@contextmanager
def _uncollected() -> Iterator[None]:
    """No search for cycles meanwhile: a hundred thousand new values have none, and looking takes half of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _rows(connection: Connection, after: int) -> Any:
    return connection.execute(text(f"SELECT {_COLUMNS} FROM events WHERE seq > :after ORDER BY seq"), {"after": after})


def _lines(connection: Connection, after: int = 0) -> Iterator[dict[str, Any]]:
    for seq, at, who, body, previous, digest in _rows(connection, after):
        yield {"seq": seq, "at": at, "by": who, "event": json.loads(body), "previous": previous, "hash": digest}


def _records(connection: Connection, after: int) -> list[Record]:
    read = EVENT.validate_json
    with _uncollected():
        return [
            Record(seq, at, who, read(body), previous, digest)
            for seq, at, who, body, previous, digest in _rows(connection, after).all()
        ]


def _insert(connection: Connection, entries: list[dict[str, Any]]) -> None:
    if not entries:
        return
    rows = [
        {
            "seq": entry["seq"],
            "at": entry["at"],
            "who": entry["by"],
            "kind": entry["event"]["kind"],
            "body": canonical(entry["event"]),
            "previous": entry["previous"],
            "hash": entry["hash"],
        }
        for entry in entries
    ]
    connection.execute(
        text(
            "INSERT INTO events (seq, at, who, kind, body, previous, hash) "
            "VALUES (:seq, :at, :who, :kind, :body, :previous, :hash)"
        ),
        rows,
    )
    connection.execute(
        text("UPDATE head SET seq = :seq, hash = :hash WHERE id = 1"),
        {"seq": rows[-1]["seq"], "hash": rows[-1]["hash"]},
    )
