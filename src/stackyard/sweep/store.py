"""Results on disk: Parquet files of rows, and a SQLite index of which job is in which row, or why it has none.

A file is complete before the index names it, in one transaction; so whatever moment the program is killed at, what the
index names is there, and what it does not name was never done. Results wait in memory for at most a second or a
hundredth of the time spent, whichever is more: that is what a kill loses. One sweep at a time writes.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stackyard.errors import Fault, InputErrors
from stackyard.files import atomically
from stackyard.sweep.job import Row

if TYPE_CHECKING:
    import pyarrow as pa

_Waiting = tuple[str, Row | None, str, int, float]  # name, row, reason, tries, seconds

INDEX, ROWS = "index.sqlite", "rows"
_TABLE = (
    "CREATE TABLE IF NOT EXISTS jobs"
    " (name TEXT PRIMARY KEY, file INTEGER, row INTEGER, reason TEXT, tries INTEGER, seconds REAL) WITHOUT ROWID"
)
_SHARE, _LEAST = 0.01, 1.0  # of the time spent, and s
_MOST = 20_000  # rows that wait at most


@dataclass(frozen=True)
class Kept:
    """What a store has of a job: a row of a file, or a reason."""

    file: int
    row: int
    reason: str
    tries: int
    seconds: float


class Store:
    """An open folder of results. Raises InputErrors where it cannot be used or another sweep uses it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._waiting: dict[tuple[str, ...], list[_Waiting]] = {}  # by the names of their columns
        self._count = 0
        self._begun = self._flushed = time.monotonic()
        try:
            (folder / ROWS).mkdir(parents=True, exist_ok=True)
            self._index = sqlite3.connect(folder / INDEX, timeout=0.2, isolation_level=None)
            try:
                self._next = self._begin()
            except BaseException:
                self._index.close()
                raise
        except sqlite3.OperationalError as error:
            told, hint = f"cannot be used: {error}", "name another folder: -o out/mine"
            if "locked" in str(error):
                told, hint = "is in use by another sweep", "wait for it, or name another folder: -o out/mine"
            raise InputErrors([Fault(str(folder), 0, "", told, hint)]) from None
        except sqlite3.DatabaseError as error:
            hint = "name another folder, or remove this one: its results are computed again"
            raise InputErrors([Fault(str(folder / INDEX), 0, "", f"is not an index: {error}", hint)]) from None
        except OSError as error:
            told = f"cannot be made or written to: {error.strerror or error}"
            raise InputErrors([Fault(str(folder), 0, "", told, "name a folder of your own: -o out/mine")]) from None

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.flush()
        self._index.close()

    def _begin(self) -> int:
        """Takes the folder for this store alone, and gives the number of its next file."""
        self._index.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._index.execute("PRAGMA journal_mode = WAL")
        self._index.execute("PRAGMA synchronous = NORMAL")  # a commit waits for no disk; a power cut may lose some
        with self._writing():
            self._index.execute(_TABLE)
        last: int = self._index.execute("SELECT MAX(file) FROM jobs").fetchone()[0] or 0
        self._sweep_up()
        return last + 1

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """A transaction: all that is written inside it, or nothing."""
        self._index.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._index.execute("ROLLBACK")
            raise
        self._index.execute("COMMIT")

    def _sweep_up(self) -> None:
        """Removes files that no row of the index names, and forgets rows whose file is not whole: to be done again."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        named = {number for (number,) in self._index.execute("SELECT DISTINCT file FROM jobs WHERE file > 0")}
        for path in (self.folder / ROWS).iterdir():
            if not path.stem.isdecimal() or int(path.stem) not in named:
                path.unlink()
        for file in named:
            try:
                pq.read_metadata(self.path(file))
            except (OSError, pa.ArrowInvalid):
                self._index.execute("DELETE FROM jobs WHERE file = ?", (file,))

    def path(self, file: int) -> Path:
        """Where the rows of a number stand."""
        return self.folder / ROWS / f"{file:06d}.parquet"

    def known(self, names: Iterable[str]) -> dict[str, Kept]:
        """What the store has of these jobs."""
        wanted = set(names)
        rows = self._index.execute("SELECT name, file, row, reason, tries, seconds FROM jobs")
        return {name: Kept(*rest) for name, *rest in rows if name in wanted}

    def forget(self, names: Iterable[str]) -> None:
        """Drops what is kept of these jobs, so that they are done again."""
        self._index.executemany("DELETE FROM jobs WHERE name = ?", [(name,) for name in names])

    def add(self, name: str, row: Row | None, reason: str, tries: int, seconds: float) -> None:
        """Keeps what became of a job; soon on disk (see `due`)."""
        columns = tuple(row) if row is not None else ()
        self._waiting.setdefault(columns, []).append((name, row, reason, tries, seconds))
        self._count += 1

    def due(self) -> None:
        """Writes what waits if it is time to."""
        now = time.monotonic()
        waits = max(_LEAST, _SHARE * (now - self._begun))
        if self._count > _MOST or (self._count and now - self._flushed > waits):
            self.flush()

    def flush(self) -> None:
        """Writes all that waits: a file for the rows of the same columns, then the index."""
        import pyarrow.parquet as pq

        entries: list[tuple[str, int, int, str, int, float]] = []
        for columns, waiting in self._waiting.items():
            file = self._next if columns else 0
            if columns:
                with atomically(self.path(file)) as beside:
                    pq.write_table(as_table([row for _, row, *_ in waiting if row is not None]), beside)
                self._next += 1
            entries += [(each[0], file, at, *each[2:]) for at, each in enumerate(waiting)]
        if entries:
            with self._writing():
                self._index.executemany("INSERT OR REPLACE INTO jobs VALUES (?, ?, ?, ?, ?, ?)", entries)
        self._waiting.clear()
        self._count, self._flushed = 0, time.monotonic()

    def rows(self, kept: Sequence[Kept]) -> pa.Table:
        """The rows of jobs in their order, null where one has none; the columns of the first job come first.

        Raises InputErrors where a column holds text in some rows and numbers in others.
        """
        import numpy as np
        import pyarrow as pa
        import pyarrow.parquet as pq

        files = list(dict.fromkeys(each.file for each in kept if each.file))
        if not files:
            return pa.table({})
        tables = {file: pq.read_table(self.path(file)) for file in sorted(files)}
        names = dict.fromkeys(name for file in files for name in tables[file].column_names)
        start, total = {}, 0
        for file, table in tables.items():
            start[file] = total
            total += table.num_rows
        try:
            whole = pa.concat_tables(tables.values(), promote_options="permissive").combine_chunks()
        except pa.ArrowTypeError as error:
            told = f"a column holds text in some rows and numbers in others: {error}"
            raise InputErrors([Fault("sweep", 0, "verb", told, "let it return one kind for each column")]) from None
        at = np.array([start[each.file] + each.row if each.file else -1 for each in kept], dtype=np.int64)
        taken: pa.Table = whole.select(list(names)).take(pa.array(at, mask=at < 0))
        return taken


def as_table(rows: Sequence[Row]) -> pa.Table:
    """Rows as columns, each of one kind: bool, int, float or text; float where numbers of both kinds stand in it.

    >>> as_table([{"batch": 1, "rate": 2.5}, {"batch": 2, "rate": 3}]).to_pydict()
    {'batch': [1, 2], 'rate': [2.5, 3.0]}
    """
    import pyarrow as pa

    names: dict[str, None] = {}
    for row in rows:
        names.update(dict.fromkeys(row))
    columns = {name: [row.get(name) for row in rows] for name in names}
    return pa.table({name: pa.array(*_kind(values)) for name, values in columns.items()})


def _kind(values: list[Any]) -> tuple[list[Any], Any]:
    """The values of a column, all of the kind that holds them."""
    import pyarrow as pa

    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return values, pa.bool_()
    if kinds == {int}:
        return values, pa.int64()
    if kinds and kinds <= {int, float}:
        return [None if value is None else float(value) for value in values], pa.float64()
    if kinds:
        return [None if value is None else str(value) for value in values], pa.string()
    return values, pa.null()
