"""The one place that meets numba: machine code of the kernel's entry, with every part that it calls.

numba makes machine code of every function that is called, and optimises each again in all that call it: four tenths of
the time. Here a called function is only a part, linked raw into the entry, which alone is optimised and translated;
and the passes over a function's source are those that the kernel needs, a third of numba's.

numba hands an array of a tuple to each called function by value and counts references at each call: with the thirty
arrays of a run, compiling took four minutes and a step a hundred times too long. So a run's arrays are reached
through one record that holds their addresses, and `element` reads a record of an array in place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm
import numba as _numba
import numpy as np
from numba.core import codegen, compiler, compiler_machinery, cpu, registry, typed_passes, types, untyped_passes
from numba.extending import intrinsic

numba: Any = _numba
_Library: Any = codegen.JITCodeLibrary
_Lowering: Any = typed_passes.NativeLowering
_Typed: Any = typed_passes.NopythonTypeInference
_Compiler: Any = compiler
_Machinery: Any = compiler_machinery
_TYPES = {"int": types.int64, "float": types.float64, "bool": types.boolean}
_NUMBERS = (types.Number, types.Boolean)


class _Part(_Library):  # type: ignore[misc]
    """Code of one function, and which others it calls: neither optimised nor translated, for that is done once."""

    def add_linking_library(self, library: Any) -> None:
        for each in (library, *library._linking_libraries):  # callers first: what nobody asked for yet is left out
            if each not in self._linking_libraries:
                super().add_linking_library(each)

    def _optimize_functions(self, ll_module: Any) -> None:
        ll_module.data_layout = self._codegen._data_layout

    def finalize(self) -> None:
        self._finalized = True


class _Typing:
    """A typing context that looks an operator of plain numbers up once."""

    def __init__(self, context: Any) -> None:
        self._context = context

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def resolve_function_type(self, function: Any, args: tuple[Any, ...], kws: Any) -> Any:
        if kws or not isinstance(function, types.Function) or not all(isinstance(a, _NUMBERS) for a in args):
            return self._context.resolve_function_type(function, args, kws)
        asked = (function, *map(types.unliteral, args))
        if asked not in _KNOWN:
            _KNOWN[asked] = self._context.resolve_function_type(function, asked[1:], kws)
        return _KNOWN[asked]


_KNOWN: dict[Any, Any] = {}


@_Machinery.register_pass(mutates_CFG=True, analysis_only=False)
class _Inference(_Typed):  # type: ignore[misc]
    _name = "stackyard_inference"

    def run_pass(self, state: Any) -> bool:
        context = state.typingctx
        state.typingctx = _Typing(context)
        done = super().run_pass(state)
        state.typingctx = context
        return bool(done)


@_Machinery.register_pass(mutates_CFG=True, analysis_only=False)
class _PartLowering(_Lowering):  # type: ignore[misc]
    _name = "stackyard_part"

    def run_pass(self, state: Any) -> bool:
        state.library = _Part(state.targetctx.codegen(), state.func_id.func_qualname)
        state.flags.no_compile = True
        super().run_pass(state)
        state.flags.no_compile = False
        made, own = state["cr"], list[Any]()
        name = own.append  # a builtin function of its own, by which callers find the code
        state.targetctx.insert_user_function(name, made.fndesc, [state.library])
        state["cr"] = _Compiler._LowerResult(made.fndesc, made.call_helper, cfunc=name, env=made.env)
        return True


_PASSES = (
    untyped_passes.TranslateByteCode,
    untyped_passes.FixupArgs,
    untyped_passes.IRProcessing,
    untyped_passes.GenericRewrites,  # fields of records by name
    untyped_passes.ReconstructSSA,
    _Inference,
    typed_passes.PreLowerStripPhis,
    typed_passes.IRLegalization,
    _PartLowering,
    typed_passes.NoPythonBackend,
)


class _Pipeline(_Compiler.CompilerBase):  # type: ignore[misc]
    """Of numba's passes those that the kernel's source needs; there are no closures, arrays or exceptions in it."""

    def define_pipelines(self) -> list[Any]:
        passes = _Compiler.PassManager("stackyard")
        for each in _PASSES:
            passes.add_pass(each, each.__name__)
        passes.finalize()
        return [passes]


def part(function: Callable[..., Any]) -> tuple[Any, Any]:
    """A called function and its type, as numba has them: numbers are of the annotated types, constants included."""
    how = {"nogil": True, "error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    made = numba.njit(**how, pipeline_class=_Pipeline)(function)
    names = function.__code__.co_varnames[: function.__code__.co_argcount]
    told = [_TYPES.get(str(function.__annotations__[name])) for name in names]
    template = made.get_call_template

    def typed(args: tuple[Any, ...], kws: Any) -> Any:
        return template(tuple(kind or arg for kind, arg in zip(told, args, strict=True)), kws)

    made.get_call_template = typed
    return made, made._numba_type_


def element(world: np.dtype[Any], name: str, dtype: np.dtype[Any], row: str) -> tuple[Any, Any]:
    """A function (w, i), or (w, row, i), that gives a record in place, and its type, as numba has them."""
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

    context = registry.cpu_target.typing_context
    context.refresh()
    return placed, context.resolve_value_type(placed)


def object_code(function: Callable[..., Any], world: np.dtype[Any]) -> tuple[str, bytes]:
    """The name and the object code of a function (w, whole number, whole number) -> whole number, with all it calls."""
    target = registry.cpu_target
    arguments = (numba.from_dtype(world), types.int64, types.int64)
    flags = _Compiler.Flags()
    flags.no_cpython_wrapper = flags.no_cfunc_wrapper = flags.nrt = True
    flags.error_model = "numpy"
    made = _Compiler.compile_extra(
        target.typing_context, target.target_context, function, arguments, types.int64, flags, {}, None, _Pipeline
    )
    library, name = made.library, made.fndesc.llvm_func_name
    whole = library._final_module
    for each in library._linking_libraries:
        whole.link_in(each._final_module, preserve=True)
    for one in whole.functions:
        if not one.is_declaration and one.name != name:
            one.linkage = llvm.Linkage.internal
    library._optimize_final_module()
    whole.verify()
    return name, library.codegen._tm.emit_object(whole)
