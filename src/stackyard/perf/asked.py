"""Words of a memory what-if -> an accelerator with that memory; refusals say what there is instead."""

from __future__ import annotations

import math
import re

from stackyard.catalog import Catalog
from stackyard.catalog.entries import Accelerator, System
from stackyard.errors import Fault, InputErrors
from stackyard.perf.whatif import Variant, memory_energy, scaled, with_stacks
from stackyard.quantity import UnitError, parse


def variant(
    known: Catalog,
    chip: str,
    hbm: str | None = None,
    height: int | None = None,
    stacks: int | None = None,
    capacity: str | None = None,
    bandwidth: str | None = None,
    energy: str | None = None,
) -> Variant:
    """The accelerator of this name, or of the system of this name, with the stacks and factors that are asked for.

    Raises InputErrors for what does not exist, with the nearest.

    >>> from stackyard import catalog
    >>> found = variant(catalog.load(), "h200", hbm="hbm4-12h", stacks=8, energy="x0.8")
    >>> round(found.chip.memory / 1e9)
    288
    """
    part = accelerator(known, chip)
    found = Variant(part, known.hbm.get(part.hbm))
    if hbm is not None or height is not None or stacks is not None:
        word, dies = product(hbm or part.hbm)
        if dies and height not in (None, dies):
            raise _refused("--height", f"{height} is not the height of '{hbm}'", f"leave out --height, or --hbm {word}")
        generation = known.generation(word)
        high = height or dies or part.stack_height
        try:
            found = with_stacks(part, generation, high, part.stacks if stacks is None else stacks)
        except ValueError as error:
            raise _refused("--hbm", str(error), f"see: stackyard facts {generation.id}") from None
    factors = (
        factor("--capacity", capacity, found.chip.memory, "B", "192 GB"),
        factor("--bandwidth", bandwidth, found.chip.bandwidth, "B/s", "6 TB/s"),
        factor("--hbm-energy", energy, memory_energy(found.hbm), "J/B", "3 pJ/bit"),
    )
    return scaled(found, *factors)


def accelerator(known: Catalog, name: str) -> Accelerator:
    """The accelerator of this name, or the one that the system of this name is delivered with.

    >>> from stackyard import catalog
    >>> accelerator(catalog.load(), "gb300-nvl72").id
    'b300-gb300'
    """
    rack = system(known, name)
    within = [chip for chip in known.accelerators.values() if rack is not None and chip.system == rack.id]
    return within[0] if within else known.accelerator(name)


def system(known: Catalog, name: str) -> System | None:
    """The system of this name or alias, None where it names none."""
    id_ = name.strip().lower().replace(" ", "-")
    return known.systems.get(known.aliases["systems"].get(id_, id_))


def product(text: str) -> tuple[str, int | None]:
    """Generation and height of an HBM product; None where no height is told.

    >>> product("hbm4-12h"), product("HBM3E")
    (('hbm4', 12), ('hbm3e', None))
    """
    word = text.strip().lower()
    match = re.fullmatch(r"(.+?)-(\d+)(?:h|-?high|hi)?", word)
    return (match[1], int(match[2])) if match else (word, None)


def factor(option: str, text: str | None, own: float, like: str, example: str) -> float:
    """The factor that a text asks for: 'x1.5', or a quantity over the accelerator's own; 1 where nothing is asked.

    >>> factor("--bandwidth", "6 TB/s", 4e12, "B/s", "6 TB/s")
    1.5
    """
    if text is None:
        return 1.0
    hint = f"a factor such as {option} x1.5, or a quantity such as {option} '{example}'"
    scaling = re.fullmatch(r"\s*[x×*]\s*(.+)", text)
    try:
        found = parse(scaling[1], "") if scaling else parse(text, like) / own
    except UnitError as error:
        raise _refused(option, str(error), hint) from None
    if math.isnan(found):
        raise _refused(option, "the accelerator's own figure is not on record", f"{option} x1.5 scales the model's")
    if found <= 0:
        raise _refused(option, f"'{text}' is not above 0", hint)
    return found


def _refused(key: str, message: str, hint: str) -> InputErrors:
    return InputErrors([Fault("command line", 0, key, message, hint)])
