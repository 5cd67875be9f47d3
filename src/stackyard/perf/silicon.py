"""`Silicon`: matmuls and sums from the kernels that NVIDIA measured, by the optional package aiconfigurator-core.

The package is the extra `silicon`: pip install 'stackyard[silicon]'. It is met in this file only, and only when a
`Silicon` is made. Its tables answer for matmuls of dense weights and for all-reduce; the shape of an attention or an
expert kernel cannot be told from an `Op`, so there the answer is None and the next provider's turn:

    FirstOf((Silicon("trtllm"), Roofline()))

Its tables are not ours to smooth: where they fall with size, so do the seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackyard.catalog.entries import Accelerator
from stackyard.perf.op import ACTIVATION, TILE, Op
from stackyard.quantity import Numeric, Second

Vector = NDArray[np.float64]

SYSTEMS = {  # our accelerators -> its systems
    "a100-80g": "a100_sxm",
    "h100-sxm": "h100_sxm",
    "h200-sxm": "h200_sxm",
    "b200-hgx": "b200_sxm",
    "b200-gb200": "gb200",
    "b300-hgx": "b300_sxm",
    "b300-gb300": "gb300",
}
FORMATS = {  # (stored, precision) -> its formats of a matmul
    ("bf16", "bf16"): "bfloat16",
    ("fp8", "fp8"): "fp8",
    ("fp4", "fp4"): "nvfp4",
    ("int8", "int8"): "sq",
    ("int8", "bf16"): "int8_wo",
    ("int4", "bf16"): "int4_wo",
}
MEASURED = "silicon"  # its word for an answer that rests on a measured table
WIDTH = 128  # elements of one token in an all-reduce: only the whole message counts


@dataclass(frozen=True)
class Silicon:
    """Seconds by the tables of aiconfigurator-core for one engine ('trtllm', 'vllm' or 'sglang'); None outside them.

    Making one raises ImportError where the package is not installed, and says how to get it.
    """

    engine: str = "trtllm"
    version: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        try:
            found = version("aiconfigurator-core")
        except PackageNotFoundError:
            raise ImportError("aiconfigurator-core is not installed: pip install 'stackyard[silicon]'") from None
        object.__setattr__(self, "version", found)

    @property
    def name(self) -> str:
        return f"aiconfigurator-core {self.version}, {self.engine}"

    def seconds(self, op: Op, chip: Accelerator) -> Second | None:
        system = SYSTEMS.get(chip.id)
        if system is None:
            return None
        if op.kind == "matmul" and (op.stored, op.precision) in FORMATS:
            found = _each(system, self.engine, FORMATS[op.stored, op.precision], *_matmul(op))
        elif op.name == "all_reduce":
            found = _each(system, self.engine, "all_reduce", *_all_reduce(op))
        else:
            return None
        told = np.where(np.equal(op.count, 0), 0.0, op.count * found)
        if np.isnan(told).all():
            return None
        return told if told.ndim else float(told)


def _matmul(op: Op) -> tuple[Vector, ...]:
    """(rows, inner, outer) of a matmul, from its FLOP: edge = 2 inner outer, wave = 2 inner min(rows / TILE, 1)."""
    rows = op.flop / op.edge
    inner = op.wave / 2 / np.minimum(rows / TILE, 1.0)
    return _whole(rows), _whole(inner), _whole(op.edge / 2 / inner)


def _all_reduce(op: Op) -> tuple[Vector, ...]:
    """(elements / WIDTH, peers, 0) of a sum: each of its peers sends 2 (peers - 1) / peers of the message."""
    others = np.maximum(np.asarray(op.peers, dtype=float) - 1.0, 1.0)
    return _whole(op.sent * op.peers / (2 * others) / ACTIVATION / WIDTH), _whole(op.peers), _whole(0.0)


def _whole(value: Numeric) -> Vector:
    found: Vector = np.maximum(np.rint(np.asarray(value, dtype=float)), 0.0)
    return found


def _each(system: str, engine: str, what: str, rows: Vector, first: Vector, second: Vector) -> Vector:
    """Seconds of each element of the arrays; nan where no table answers."""
    sizes = np.stack(np.broadcast_arrays(rows, first, second)).astype(int)
    flat = [_once(system, engine, what, *asked) for asked in sizes.reshape(3, -1).T.tolist()]
    return np.array(flat, dtype=float).reshape(sizes.shape[1:])


@lru_cache(maxsize=65536)
def _once(system: str, engine: str, what: str, rows: int, first: int, second: int) -> Second:
    """One lookup; nan where there is no table, or where the answer does not rest on a measured one."""
    tables, core = _tables(system, engine), import_module("aiconfigurator_core.sdk.engine")
    operations, common = (import_module(f"aiconfigurator_core.sdk.{name}") for name in ("operations", "common"))
    if tables is None:
        return float("nan")
    if what == "all_reduce":
        asked = operations.CustomAllReduce(what, 1.0, WIDTH, first)
    else:
        asked = operations.GEMM(what, 1.0, second, first, common.GEMMQuantMode[what])
    try:
        words = core.build_ops_json([asked])
        ((_, milliseconds, _, basis),) = tables.evaluate_ops_json(
            words, is_context=True, batch_size=1, s=1, x=max(rows, 1)
        )
    except (ValueError, RuntimeError):  # its ways to say that a format, a size or a table is missing
        return float("nan")
    return float(milliseconds) / 1e3 if basis == MEASURED else float("nan")


@lru_cache(maxsize=16)
def _tables(system: str, engine: str) -> Any:
    """The measured tables of an engine's newest version on a system; None where there are none."""
    database = import_module("aiconfigurator_core.sdk.perf_database")
    newest = database.get_latest_database_version(system=system, backend=engine)
    found = newest and database.get_database_view(system, engine, newest, database_mode="SILICON")
    return import_module("aiconfigurator_core.sdk.engine").EngineHandle.for_database(found) if found else None
