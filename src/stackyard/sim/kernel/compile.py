"""The kernel's source as machine code: compiled at the first run, kept on disk, loaded from there without a compiler.

The decorated source runs unchanged where NUMBA_DISABLE_JIT is set.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property, lru_cache
from importlib.metadata import version
from pathlib import Path
from subprocess import DEVNULL
from threading import Lock
from typing import Any, TypeVar

import numpy as np

from stackyard.children import cores

F = TypeVar("F", bound=Callable[..., Any])
HOME = Path(__file__).parent
INTERPRETED = os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0")
_LOCK = Lock()


class _Later:
    """Something of the kernel that the compiler is told of when it asks, so that it is loaded only then."""

    def __init__(self, made: Callable[[], tuple[Any, Any]]) -> None:
        self._ask = made

    @cached_property
    def _made(self) -> tuple[Any, Any]:
        return self._ask()

    @property
    def _numba_type_(self) -> Any:
        return self._made[1]


def compiled(function: F) -> F:
    """A function of the kernel, compiled into those that call it: numbers are of the annotated types."""
    if INTERPRETED:
        return function

    def made() -> tuple[Any, Any]:
        from stackyard.sim.kernel.machine import part

        return part(function)

    found: Any = _Later(made)
    return found


def element(world: np.dtype[Any], name: str, dtype: np.dtype[Any], row: str = "") -> Callable[..., Any]:
    """A function (w, i) -> record i of the array whose address is w["at_" + name], in place; nothing checks i.

    With `row`, the name of a field of w that has the length of a row, it is (w, row, i).
    """
    if INTERPRETED:
        return _interpreted(name, dtype, row)

    def made() -> tuple[Any, Any]:
        from stackyard.sim.kernel.machine import element as placed

        return placed(world, name, dtype, row)

    found: Any = _Later(made)
    return found


def fetcher() -> Callable[[Any], int]:
    """A function that asks for the first line of a record's memory, to be read soon; it changes nothing."""
    if INTERPRETED:
        return lambda record: 0

    def made() -> tuple[Any, Any]:
        from stackyard.sim.kernel.machine import fetch

        return fetch()

    found: Any = _Later(made)
    return found


def _interpreted(name: str, dtype: np.dtype[Any], row: str) -> Callable[..., Any]:
    def placed(w: Any, *at: int) -> Any:
        i = int(at[0]) * int(w[row]) + int(at[1]) if row else int(at[0])
        raw = (ctypes.c_char * dtype.itemsize).from_address(int(w[f"at_{name}"]) + i * dtype.itemsize)
        return np.frombuffer(memoryview(raw), dtype)[0]

    return placed


class Entry:
    """The function as called from Python, with an array of one World; its machine code runs without Python's lock."""

    def __init__(self, function: Callable[[Any, int, int], int], world: np.dtype[Any]) -> None:
        self._function, self._world = function, world

    def __call__(self, world: np.ndarray[Any, Any], i: int, flag: int) -> int:
        if INTERPRETED:
            return self._function(world[0], i, flag)
        told, failed = ctypes.c_int64(), ctypes.c_void_p()
        status = self.code()(ctypes.byref(told), ctypes.byref(failed), world.ctypes.data, i, int(flag))
        assert status == 0, "the kernel raises nothing"
        return told.value

    def code(self) -> Callable[..., int]:
        """The machine code, compiled where it has to be."""
        with _LOCK:
            return _loaded(self._function, self._world)


def entry(world: np.dtype[Any]) -> Callable[[Callable[[Any, int, int], int]], Entry]:
    """Makes a function of the kernel one that Python calls."""
    return lambda function: Entry(function, world)


@lru_cache(maxsize=1)
def _loaded(function: Callable[..., Any], world: np.dtype[Any]) -> Callable[..., int]:
    """The entry's machine code in memory: from disk, or compiled and kept there for the next process."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    if _BESIDE:
        _BESIDE[0].wait()
    try:
        name, _, code = kept().read_bytes().partition(b"\n")
    except OSError:
        from stackyard.sim.kernel.machine import object_code

        told, code = object_code(function, world)
        name = told.encode()
        _keep(name + b"\n" + code)
    machine = llvm.Target.from_default_triple().create_target_machine(jit=True)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    kind = ctypes.CFUNCTYPE(
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64
    )
    found = kind(engine.get_function_address(name.decode()))
    found.engine = engine  # type: ignore[attr-defined]  # the code lives as long as what holds it
    return found


_BESIDE: list[subprocess.Popen[bytes]] = []


def begin() -> None:
    """Has another core compile the kernel, where no machine code is kept, while this process reads its inputs."""
    if not (INTERPRETED or _BESIDE or cores() < 2 or kept().exists()):
        command = [sys.executable, "-m", "stackyard.sim.kernel"]
        with suppress(OSError):  # no process to be had: it is compiled here
            _BESIDE.append(subprocess.Popen(command, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL))


@lru_cache(maxsize=1)
def kept() -> Path:
    """Where the machine code of this source, by this compiler for this processor, is kept on disk."""
    import llvmlite.binding as llvm

    return folder() / f"kernel-{_digest(llvm)}.o"


def _digest(llvm: Any) -> str:
    """Of the kernel's source, the compiler and the processor: code of other ones is not run."""
    own = b"".join(path.read_bytes() for path in sorted(HOME.glob("*.py")))
    features = llvm.get_host_cpu_features().flatten()
    kind = (version("numba"), version("llvmlite"), version("numpy"), llvm.get_host_cpu_name(), features)
    return hashlib.sha256(own + repr((kind, llvm.get_process_triple())).encode()).hexdigest()[:20]


def _keep(content: bytes) -> None:
    """Writes the file whole or not at all; a folder that cannot be written is no matter, it is compiled again."""
    with suppress(OSError):
        with tempfile.NamedTemporaryFile(dir=kept().parent, delete=False) as beside:
            beside.write(content)
        Path(beside.name).replace(kept())


@lru_cache(maxsize=1)
def folder() -> Path:
    """The first folder that can be written to: NUMBA_CACHE_DIR, beside the source, the user's, a temporary one."""
    asked = os.environ.get("NUMBA_CACHE_DIR")
    user = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "stackyard"
    own = Path(tempfile.gettempdir()) / f"stackyard-{os.getuid() if hasattr(os, 'getuid') else 'cache'}"
    for found in (Path(asked) if asked else HOME / "__pycache__", user, own):
        try:
            found.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=found):
                return found
        except OSError:
            continue
    return Path(tempfile.mkdtemp(prefix="stackyard-"))
