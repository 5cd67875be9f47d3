"""Options of the command line that say how a model is laid out and how requests are served.

Here and in the commands annotations are values, not texts (no `annotations` from `__future__`): typer would evaluate
the texts of every command twice before it shows its help.
"""

import inspect
import json
import sys
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from typing import Annotated, Any, get_type_hints

import typer


def whole(text: str | int) -> int:
    """A whole number of at least 1, or a refusal in our words; typer passes defaults through here too."""
    if not str(text).isdecimal() or int(text) < 1:
        raise typer.BadParameter(f"'{text}' is not a whole number of at least 1, such as 8")
    return int(text)


HOW, POOLS = "How requests are served", "Two pools"  # panels of the help


def size(text: str | int) -> int:
    """A whole number that is not negative: a size of 0 is answered with the reason why it cannot be."""
    if not str(text).isdecimal():
        raise typer.BadParameter(f"'{text}' is not a whole number such as 8")
    return int(text)


def models(incomplete: str) -> list[str]:
    """Ids of models that begin so, for the shell to complete."""
    return _begin("models", incomplete)


def accelerators(incomplete: str) -> list[str]:
    """Ids of accelerators and systems that begin so, for the shell to complete."""
    return _begin("accelerators", incomplete) + _begin("systems", incomplete)


def _begin(section: str, incomplete: str) -> list[str]:
    from stackyard.catalog import load

    known = load()
    names = {*getattr(known, section), *known.aliases.get(section, ())}
    return sorted(name for name in names if name.startswith(incomplete.lower()))


ModelName = Annotated[str, typer.Argument(help="A model of the catalogue: llama-3.1-70b.", autocompletion=models)]
ChipName = Annotated[
    str,
    typer.Argument(
        help="An accelerator of the catalogue: h200, or a system: gb300-nvl72.", autocompletion=accelerators
    ),
]
Tensor = Annotated[
    int | None, typer.Option("--tp", parser=size, metavar="N", help="Tensor-parallel width; found when left out.")
]
Pipeline = Annotated[
    int | None,
    typer.Option("--pp", parser=size, metavar="N", help="Pipeline stages; found when left out, 1 with --tp."),
]
Data = Annotated[
    int | None,
    typer.Option("--dp", parser=size, metavar="N", help="Tensor groups with their own requests (attention DP)."),
]
Expert = Annotated[
    int | None,
    typer.Option("--ep", parser=size, metavar="N", help="Expert-parallel width; found when left out, 1 with --tp."),
]
Batch = Annotated[
    int | None, typer.Option(parser=size, metavar="N", help="Requests at once; the best is found when left out.")
]
Formats = Annotated[
    str, typer.Option(help="bf16, fp8, int8, fp4, fp4-weights, or weights/cache/compute: mxfp4/fp8/bf16.")
]
Regime = Annotated[
    str,
    typer.Option(help="closed-loop (N requests at once), max-load (offline) or fixed-batch.", rich_help_panel=HOW),
]
Draft = Annotated[
    int, typer.Option(parser=size, metavar="K", help="Tokens guessed before each step.", rich_help_panel=HOW)
]
Acceptance = Annotated[
    str | None,
    typer.Option(
        help="Share of guesses that hold, each given those before it: 0.7; published if left out.", rich_help_panel=HOW
    ),
]
DraftModel = Annotated[
    str | None,
    typer.Option(help="Model that guesses; the model's own next-token layer if left out.", rich_help_panel=HOW),
]
PrefixHits = Annotated[
    str | None, typer.Option(help="Share of a prompt found in the cache: 0.5 or 50%.", rich_help_panel=HOW)
]
Store = Annotated[
    str | None,
    typer.Option(
        help="Where cache goes that memory cannot hold: host, or '240 GB at 225 GB/s' an accelerator.",
        rich_help_panel=HOW,
    ),
]
PowerCap = Annotated[str | None, typer.Option(help="Most power of an accelerator: '700 W'.", rich_help_panel=HOW)]
Language = Annotated[str, typer.Option(help="Language of the report: en, de or ko.")]
EngineName = Annotated[
    str,
    typer.Option(
        help="Engine whose constants count: vllm-2026, or later: vllm-2026@2026-12. The chip's usual if left out.",
        rich_help_panel=HOW,
    ),
]
TwoPools = Annotated[
    bool, typer.Option("--disaggregated", help="Prefill and decode on pools of their own.", rich_help_panel=POOLS)
]
PrefillPool = Annotated[
    str | None, typer.Option(help="Prefill workers: 2xTP4EP4; found if left out.", rich_help_panel=POOLS)
]
DecodePool = Annotated[
    str | None, typer.Option(help="Decode workers: 3xTP8EP8, 1xDEP32; found if left out.", rich_help_panel=POOLS)
]
Height = Annotated[int | None, typer.Option(parser=whole, metavar="N", help="Dies of each stack; its own if left out.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for other programs.")]


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose parameters of a data class are that class's fields, each an option: options that commands share.

    >>> from dataclasses import dataclass
    >>> @dataclass
    ... class Size:
    ...     height: int = 1
    >>> @grouped
    ... def show(size: Size, loud: bool = False) -> None:
    ...     print(size.height, loud)
    >>> show(height=3)
    3 False
    >>> list(inspect.signature(show).parameters)
    ['height', 'loud']
    """
    kinds = get_type_hints(command, include_extras=True)
    groups = {name: kind for name, kind in kinds.items() if is_dataclass(kind)}
    told: list[inspect.Parameter] = []
    for name, own in inspect.signature(command).parameters.items():
        if name not in groups:
            told.append(own.replace(annotation=kinds[name], kind=own.KEYWORD_ONLY))
            continue
        hints = get_type_hints(groups[name], include_extras=True)
        for each in fields(groups[name]):
            default = own.empty if each.default is MISSING else each.default
            told.append(inspect.Parameter(each.name, own.KEYWORD_ONLY, default=default, annotation=hints[each.name]))

    def flat(**given: Any) -> None:
        parts = {
            name: kind(**{each.name: given.pop(each.name) for each in fields(kind) if each.name in given})  # type: ignore[operator]
            for name, kind in groups.items()
        }
        command(**parts, **given)

    flat.__name__, flat.__doc__, flat.__module__ = command.__name__, command.__doc__, command.__module__
    flat.__annotations__ = {each.name: each.annotation for each in told}
    flat.__signature__ = inspect.Signature(told)  # type: ignore[attr-defined]
    return flat


def print_json(value: Any) -> None:
    """Plain JSON on the standard output."""
    from stackyard import show

    try:
        sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        show.reader_left()
