"""Compilation: the one place that meets numba. The decorated source runs unchanged where numba is switched off.

numba makes machine code of every function that is called, and optimises each again in all that call it: four tenths of
the time. Here a called function is only a part, linked raw into the entry, which alone is optimised and translated.

numba hands an array of a tuple to each called function by value and counts references at each call: with the thirty
arrays of a run, compiling took four minutes and a step a hundred times too long. So a run's arrays are reached
through one record that holds their addresses, and `element` reads a record of an array in place.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import tempfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numba as _numba
import numpy as np
from numba.core import codegen, compiler, compiler_machinery, typed_passes, types
from numba.core.caching import CacheImpl
from numba.extending import intrinsic

numba: Any = _numba
F = TypeVar("F", bound=Callable[..., Any])
HOME = Path(__file__).parent
INTERPRETED = bool(numba.config.DISABLE_JIT)
_Locator: Any = CacheImpl._locator_classes[0]
_Library: Any = codegen.JITCodeLibrary
_Lowering: Any = typed_passes.NativeLowering
_Compiler: Any = compiler
_Machinery: Any = compiler_machinery


class SourceLocator(_Locator):  # type: ignore[misc]
    """Where compiled code is kept: beside the source if writable, else the user's cache, else the temporary folder.

    Its name and stamp are of all files of the kernel, so that no machine code outlives a change of a function it calls.
    """

    def __init__(self, py_func: Any, py_file: str) -> None:
        self._py_file = py_file
        self._lineno = py_func.__code__.co_firstlineno
        self._cache_path = str(folder() / f"kernel-{_stamp()[:12]}")

    def get_cache_path(self) -> str:
        return self._cache_path

    def get_source_stamp(self) -> Any:
        return _stamp()

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> Any:
        return cls(py_func, py_file) if Path(py_file).parent == HOME else None


@lru_cache(maxsize=1)
def _stamp() -> str:
    """A digest of the kernel's source."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(HOME.glob("*.py")))).hexdigest()


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


if SourceLocator not in CacheImpl._locator_classes:
    CacheImpl._locator_classes.insert(0, SourceLocator)


class _Linked(_Library):  # type: ignore[misc]
    """Code that takes in the parts it calls, and theirs, each once."""

    def add_linking_library(self, library: Any) -> None:
        known = library._linking_libraries if isinstance(library, _Part) else []
        for each in (library, *known):  # callers first: what nobody has asked for yet is left out
            if each not in self._linking_libraries:
                super().add_linking_library(each)


class _Part(_Linked):
    """Code of a called function: neither optimised nor translated, for that is done where it is linked."""

    def _optimize_functions(self, ll_module: Any) -> None:
        ll_module.data_layout = self._codegen._data_layout

    def finalize(self) -> None:
        self._finalized = True


@_Machinery.register_pass(mutates_CFG=True, analysis_only=False)
class _WholeLowering(_Lowering):  # type: ignore[misc]
    _name = "stackyard_whole"

    def run_pass(self, state: Any) -> bool:
        state.library = _library(_Linked, state)
        return bool(super().run_pass(state))


@_Machinery.register_pass(mutates_CFG=True, analysis_only=False)
class _PartLowering(_Lowering):  # type: ignore[misc]
    _name = "stackyard_part"

    def run_pass(self, state: Any) -> bool:
        state.library = _library(_Part, state)
        state.flags.no_compile = True
        super().run_pass(state)
        state.flags.no_compile = False
        made, own = state["cr"], list[Any]()
        name = own.append  # a builtin function of its own, by which callers find the code
        state.targetctx.insert_user_function(name, made.fndesc, [state.library])
        state["cr"] = _Compiler._LowerResult(made.fndesc, made.call_helper, cfunc=name, env=made.env)
        return True


def _library(kind: type[Any], state: Any) -> Any:
    made = kind(state.targetctx.codegen(), state.func_id.func_qualname)
    made.enable_object_caching()
    return made


def _pipeline(lowering: type[Any]) -> type[Any]:
    """numba's own passes, with another last one."""

    class Pipeline(_Compiler.CompilerBase):  # type: ignore[misc]
        def define_pipelines(self) -> list[Any]:
            passes = _Compiler.DefaultPassBuilder.define_nopython_pipeline(self.state)
            passes.passes = [(lowering if p is _Lowering else p, why) for p, why in passes.passes]
            passes.finalize()
            return [passes]

    return Pipeline


_PART, _WHOLE = _pipeline(_PartLowering), _pipeline(_WholeLowering)
_TYPES = {"int": types.int64, "float": types.float64, "bool": types.boolean}


def compiled(function: F) -> F:
    """The function compiled, once, into those that call it: numbers are of the annotated types, constants included."""
    if INTERPRETED:
        return function
    how = {"nogil": True, "error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    made = numba.njit(**how, pipeline_class=_PART)(function)
    told = [
        _TYPES.get(str(function.__annotations__[name])) for name in function.__code__.co_varnames[: _arity(function)]
    ]
    template = made.get_call_template

    def typed(args: tuple[Any, ...], kws: Any) -> Any:
        return template(tuple(kind or arg for kind, arg in zip(told, args, strict=True)), kws)

    made.get_call_template = typed
    found: F = made
    return found


def _arity(function: Callable[..., Any]) -> int:
    return function.__code__.co_argcount


def entry(function: F) -> F:
    """The function compiled at its first call, its machine code kept on disk; the lock of Python is released."""
    if INTERPRETED:
        return function
    how = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}
    made: F = numba.njit(**how, cache=True, pipeline_class=_WHOLE)(function)
    return made


def element(world: np.dtype[Any], name: str, dtype: np.dtype[Any], row: str = "") -> Callable[..., Any]:
    """A function (w, i) -> record i of the array whose address is w["at_" + name], in place; nothing checks i.

    With `row`, the name of a field of w that has the length of a row, it is (w, row, i).
    """
    if INTERPRETED:
        return _interpreted(name, dtype, row)
    record = numba.from_dtype(dtype)

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        def number(field: str) -> Any:
            offset = context.get_constant(types.intp, world.fields[field][1])  # type: ignore[index]
            place = builder.add(builder.ptrtoint(arguments[0], offset.type), offset)
            return builder.load(builder.inttoptr(place, offset.type.as_pointer()))

        whole = [
            context.cast(builder, value, kind, types.intp)
            for value, kind in zip(arguments[1:], signature.args[1:], strict=True)
        ]
        at = builder.add(builder.mul(whole[0], number(row)), whole[1]) if row else whole[0]
        at = builder.mul(at, context.get_constant(types.intp, dtype.itemsize))
        return builder.inttoptr(builder.add(number(f"at_{name}"), at), context.get_value_type(record))

    if row:

        @intrinsic
        def placed(typing: Any, w: Any, r: Any, i: Any) -> Any:
            return record(w, r, i), code
    else:

        @intrinsic
        def placed(typing: Any, w: Any, i: Any) -> Any:
            return record(w, i), code

    found: Callable[..., Any] = placed
    return found


def _interpreted(name: str, dtype: np.dtype[Any], row: str) -> Callable[..., Any]:
    def placed(w: Any, *at: int) -> Any:
        i = int(at[0]) * int(w[row]) + int(at[1]) if row else int(at[0])
        raw = (ctypes.c_char * dtype.itemsize).from_address(int(w[f"at_{name}"]) + i * dtype.itemsize)
        return np.frombuffer(memoryview(raw), dtype)[0]

    return placed
