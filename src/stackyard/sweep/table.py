"""What a sweep found: one table, a row a job, in the order of the jobs; as Arrow, pandas, xarray, Parquet or CSV."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stackyard.errors import Fault, InputErrors
from stackyard.files import write_all
from stackyard.sweep.file import Asked
from stackyard.sweep.store import Kept, Store, as_table

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    import xarray as xr

JOB, PART, FAILED = "job", "part", "failed"


@dataclass(frozen=True)
class Failure:
    """A job without a row: its number, what it was asked, and why."""

    job: int
    part: str
    inputs: Mapping[str, Any]
    reason: str
    tries: int


@dataclass(frozen=True)
class Swept:
    """A finished sweep: its table, the jobs that failed, and how many were done now and known before."""

    name: str
    table: pa.Table
    failures: tuple[Failure, ...]
    done: int
    known: int
    seconds: float  # from the first look at the file to the table
    busy: float = 0.0  # of the jobs that were done now, added up
    lost: int = 0  # workers that died
    shapes: Mapping[str, Mapping[str, int]] = field(default_factory=dict, repr=False)

    @cached_property
    def digest(self) -> str:
        """Of the table's bytes as CSV: equal tables have equal digests."""
        return hashlib.sha256(_csv(self.table)).hexdigest()[:12]

    def to_pandas(self) -> pd.DataFrame:
        """The table as a data frame; a row a job."""
        frame: pd.DataFrame = self.table.to_pandas()
        return frame

    def to_xarray(self, part: str = "") -> xr.Dataset:
        """The jobs of a part over its axes, and `sample` where it has samples; InputErrors for a part that is none.

        A value of a column stands where its job does; axes of several keys are numbered.
        """
        import xarray as xr

        if part not in self.shapes:
            hint = f"one of: {', '.join(self.shapes)}"
            raise InputErrors([Fault("to_xarray", 0, "part", f"no part '{part}'", hint)])
        frame = self.to_pandas()
        if PART in frame:
            frame = frame[frame[PART] == part].dropna(axis="columns", how="all")
        shape = self.shapes[part]
        sizes = tuple(shape.values())
        data = {name: (tuple(shape), frame[name].to_numpy().reshape(sizes)) for name in frame if name != JOB}
        found = xr.Dataset(data)
        for name in shape:
            column = next((each for each in map(str, frame) if each == name or each.startswith(f"{name} [")), None)
            if column is not None and column in found:
                values = found[column].isel({other: 0 for other in shape if other != name}).values
                found = found.drop_vars(column).assign_coords({name: values})
        return found

    def write(self, folder: Path | str) -> list[Path]:
        """Writes table.parquet and table.csv; both of them or none."""
        import pyarrow.parquet as pq

        writers: dict[str, Callable[[Path], object]] = {
            "table.parquet": lambda path: pq.write_table(self.table, path),
            "table.csv": lambda path: path.write_bytes(_csv(self.table)),
        }
        return write_all(Path(folder), {name: _quietly(write) for name, write in writers.items()})

    def summary(self) -> dict[str, Any]:
        """Counts, failures and the digest of the table, for JSON."""
        return {
            "name": self.name,
            "jobs": self.table.num_rows,
            "done": self.done,
            "known": self.known,
            "failed": [vars(each) for each in self.failures],
            "workers_lost": self.lost,
            "seconds": self.seconds,
            "seconds_of_jobs": self.busy,
            "columns": self.table.column_names,
            "digest": self.digest,
        }


def _quietly(write: Callable[[Path], object]) -> Callable[[Path], None]:
    def writer(path: Path) -> None:
        write(path)

    return writer


def _csv(table: pa.Table) -> bytes:
    """The table as CSV: numbers as Python writes them, nothing where nothing is known."""
    import csv
    import io

    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(table.column_names)
    columns = [column.to_pylist() for column in table.columns]
    writer.writerows(zip(*columns, strict=True))
    return stream.getvalue().encode()


def gathered(
    asked: Asked, names: Sequence[Sequence[str]], store: Store
) -> tuple[pa.Table, tuple[Failure, ...], dict[str, dict[str, int]]]:
    """The table of all jobs from the store, those that failed, and the axes of each part with their lengths."""
    import pyarrow as pa

    tables, failures, first = [], [], 0
    shapes: dict[str, dict[str, int]] = {}
    for part, mine in zip(asked.parts, names, strict=True):
        known = store.known(mine)
        inputs = part.grid.columns()
        told = as_table([dict(zip(inputs, row, strict=True)) for row in zip(*inputs.values(), strict=True)])
        rows = store.rows([known[name] for name in mine])
        head = {JOB: pa.array(range(first, first + len(mine)), pa.int64())}
        if len(asked.parts) > 1:
            head[PART] = pa.array([part.name] * len(mine))
        reasons = pa.array([known[name].reason or None for name in mine], pa.string())
        found = {name: rows[name] for name in rows.column_names if name not in inputs}
        tables.append(pa.table({**head, **{n: told[n] for n in inputs}, **found, FAILED: reasons}))
        failures += _failures(part.name, part.grid, mine, known, first)
        shapes[part.name] = {
            "sample" if axis.name == "samples" else axis.name: len(axis.values) for axis in part.grid.axes
        }
        first += len(mine)
    whole = pa.concat_tables(tables, promote_options="permissive")
    order = [name for name in whole.column_names if name != FAILED]
    return _plain(whole.select([*order, FAILED])), tuple(failures), shapes


def _plain(table: pa.Table) -> pa.Table:
    """One chunk a column, so that equal tables are equal bytes; a column of which nothing is known holds numbers."""
    import pyarrow as pa

    columns = {}
    for name in table.column_names:
        column = table[name]
        columns[name] = column.cast(pa.float64()) if pa.types.is_null(column.type) else column
    return pa.table(columns).combine_chunks()


def _failures(part: str, grid: Any, names: Sequence[str], known: Mapping[str, Kept], first: int) -> list[Failure]:
    return [
        Failure(first + i, part, grid.inputs(i), known[name].reason, known[name].tries)
        for i, name in enumerate(names)
        if known[name].reason
    ]
