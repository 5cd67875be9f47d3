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
from types import BuiltinFunctionType
from typing import Any, ClassVar

import llvmlite.binding as llvm
import numba as _numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, codegen, compiler, registry, typed_passes, types, untyped_passes
from numba.core.compiler_lock import global_compiler_lock
from numba.core.typing.templates import AbstractTemplate

numba: Any = _numba
_Library: Any = codegen.JITCodeLibrary
_Lowering: Any = typed_passes.NativeLowering
_Typed: Any = typed_passes.NopythonTypeInference
_untyped: Any = untyped_passes
_typed: Any = typed_passes
_kinds: Any = types
_tools: Any = cgutils
_Compiler: Any = compiler
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
    """A typing context that looks an operator of plain numbers up once, and has min, max, int and bool of its own."""

    def __init__(self, context: Any) -> None:
        self._context = context

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def resolve_value_type(self, value: Any) -> Any:
        if isinstance(value, type | BuiltinFunctionType) and value in _PLAIN:
            return _PLAIN[value]
        return self._context.resolve_value_type(value)

    def resolve_function_type(self, function: Any, args: tuple[Any, ...], kws: Any) -> Any:
        if kws or not isinstance(function, types.Function) or not all(isinstance(a, _NUMBERS) for a in args):
            return self._context.resolve_function_type(function, args, kws)
        asked = (function, *map(_kinds.unliteral, args))
        if asked not in _KNOWN:
            _KNOWN[asked] = self._context.resolve_function_type(function, asked[1:], kws)
        return _KNOWN[asked]


_KNOWN: dict[Any, Any] = {}


class _Inference(_Typed):  # type: ignore[misc]
    def run_pass(self, state: Any) -> bool:
        context = state.typingctx
        state.typingctx = _Typing(context)
        super().run_pass(state)
        state.typingctx = context
        return True


class _PartLowering(_Lowering):  # type: ignore[misc]
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


class _Passes:
    """Of numba's passes those that the kernel's source needs; there are no closures, arrays or exceptions in it."""

    pipeline_name = "stackyard"
    exec_times: ClassVar[dict[str, Any]] = {}
    each = (
        _untyped.TranslateByteCode(),
        _untyped.FixupArgs(),
        _untyped.IRProcessing(),
        _untyped.GenericRewrites(),  # fields of records by name
        _untyped.ReconstructSSA(),
        _Inference(),
        _typed.PreLowerStripPhis(),
        _PartLowering(),
        _typed.NoPythonBackend(),
    )

    def run(self, state: Any) -> None:
        for one in self.each:
            one.run_pass(state)


class _Pipeline(_Compiler.CompilerBase):  # type: ignore[misc]
    def define_pipelines(self) -> list[Any]:
        return [_Passes()]


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


def _function(name: str, signed: Callable[[Any], Any], code: Callable[..., Any]) -> Any:
    """The type of a function for numba: `signed` gives its signature from its arguments' types, `code` its code."""

    class Template(AbstractTemplate):
        key = f"stackyard.{name}"

        def generic(self, args: Any, kws: Any) -> Any:
            return signed(args)

    found = types.Function(Template)
    registry.cpu_target.target_context.insert_func_defn([(code, Template.key, (_kinds.VarArg(types.Any),))])
    return found


def element(world: np.dtype[Any], name: str, dtype: np.dtype[Any], row: str) -> tuple[Any, Any]:
    """A function (w, i), or (w, row, i), that gives a record in place, and its type, as numba has them."""
    record = numba.from_dtype(dtype)

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        def number(field: str) -> Any:
            offset = context.get_constant(types.intp, world.fields[field][1])  # type: ignore[index]
            place = builder.add(builder.ptrtoint(arguments[0], offset.type), offset)
            return builder.load(builder.inttoptr(place, offset.type.as_pointer()))

        at = builder.add(builder.mul(arguments[1], number(row)), arguments[2]) if row else arguments[1]
        at = builder.mul(at, context.get_constant(types.intp, dtype.itemsize))
        return builder.inttoptr(builder.add(number(f"at_{name}"), at), context.get_value_type(record))

    def signed(args: Any) -> Any:
        return record(args[0], *[types.intp] * (len(args) - 1))

    made = _function(name, signed, code)
    return made, made


def fetch() -> tuple[Any, Any]:
    """A function of a record that asks for the first line of its memory, and its type, as numba has them."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place, whole = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [place, whole, whole, whole])
        called = _tools.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
        builder.call(called, [builder.bitcast(arguments[0], place), whole(0), whole(3), whole(1)])
        return context.get_constant(types.int64, 0)

    made = _function("fetch", lambda args: types.int64(*args), code)
    return made, made


def _extreme(sign: str) -> Callable[..., Any]:
    """Code of min or max of numbers of one type, the first of equals as in Python."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        real = signature.return_type == types.float64
        compared = builder.fcmp_ordered if real else builder.icmp_signed
        best = arguments[0]
        for each in arguments[1:]:
            best = builder.select(compared(sign, each, best), each, best)
        return best

    return code


def _cast(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    return context.cast(builder, arguments[0], signature.args[0], signature.return_type)


def _alike(args: Any) -> Any:
    """Numbers of one type, and a result of it."""
    kind = types.int64 if all(isinstance(_kinds.unliteral(a), types.Integer) for a in args) else types.float64
    return kind(*[kind] * len(args))


# numba compiles a function of its own for each use of these with other types
_PLAIN: dict[Any, Any] = {
    min: _function("min", _alike, _extreme("<")),
    max: _function("max", _alike, _extreme(">")),
    int: _function("int", lambda args: types.int64(_kinds.unliteral(args[0])), _cast),
    bool: _function("bool", lambda args: types.boolean(_kinds.unliteral(args[0])), _cast),
}


def object_code(function: Callable[..., Any], world: np.dtype[Any]) -> tuple[str, bytes]:
    """The name and the object code of a function (w, whole number, whole number) -> whole number, with all it calls."""
    target = registry.cpu_target
    arguments = (numba.from_dtype(world), types.int64, types.int64)
    flags = _Compiler.Flags()
    flags.no_cpython_wrapper = flags.no_cfunc_wrapper = flags.nrt = True
    flags.error_model = "numpy"
    with global_compiler_lock:
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
    machine, how = (
        library.codegen._tm,
        llvm.create_pipeline_tuning_options(speed_level=2),
    )  # 3 took longer and ran slower
    how.loop_vectorization = how.slp_vectorization = False
    builder = llvm.create_pass_builder(machine, how)
    builder.getModulePassManager().run(whole, builder)
    whole.verify()
    return name, machine.emit_object(whole)
