"""Words of a what-if -> an accelerator with that memory, a way of serving; refusals say what there is instead."""

from __future__ import annotations

import math
import re
from functools import partial
from typing import TypedDict, Unpack

from stackyard.catalog import Catalog
from stackyard.catalog.entries import Accelerator, Model, System
from stackyard.errors import Faults, InputErrors, refused
from stackyard.perf.disaggregate import Pool
from stackyard.perf.layout import Layout
from stackyard.perf.overflow import Store
from stackyard.perf.serving import Serving
from stackyard.perf.stated import acceptance as stated_acceptance
from stackyard.perf.stated import store as known_store
from stackyard.perf.whatif import Variant, memory_energy, scaled, with_stacks
from stackyard.quantity import UnitError, parse


def both(known: Catalog, model: str, chip: str) -> None:
    """InputErrors for the name of a model and that of an accelerator or system, together, where there is none.

    >>> from stackyard import catalog
    >>> both(catalog.load(), "llama-3.1-70b", "h200")
    """
    faults = Faults()
    for look, name in ((known.model, model), (partial(accelerator, known), chip)):
        try:
            look(name)
        except InputErrors as errors:
            faults.extend(errors.faults)
    faults.raise_any()


class Memory(TypedDict, total=False):
    """Another memory of an accelerator, in words; what is left out, or None, is as it is.

    `hbm` is a generation of the catalogue, with its height if wanted ('hbm4', 'hbm4-12h'); height and stacks are the
    accelerator's own where they are left out. Capacity, bandwidth and energy per bit are scaled ('x1.5') or set
    ('192 GB', '6 TB/s', '3 pJ/bit'), of the other stacks where both are asked.
    """

    hbm: str | None
    height: int | None
    stacks: int | None
    capacity: str | None
    bandwidth: str | None
    energy: str | None


def variant(known: Catalog, chip: str, **memory: Unpack[Memory]) -> Variant:
    """The accelerator of this name, or of the system of this name, with the stacks and factors that are asked for.

    Raises InputErrors for what does not exist, with the nearest.

    >>> from stackyard import catalog
    >>> found = variant(catalog.load(), "h200", hbm="hbm4-12h", stacks=8, energy="x0.8")
    >>> round(found.chip.memory / 1e9)
    288
    """
    part = accelerator(known, chip)
    hbm, height, stacks = memory.get("hbm"), memory.get("height"), memory.get("stacks")
    found = Variant(part, known.hbm.get(part.hbm))
    if hbm is not None or height is not None or stacks is not None:
        word, dies = product(hbm or part.hbm)
        if not part.hbm and (not word or stacks is None or not (height or dies)):
            message = f"{part.name} has {part.memory_kind}: a stack in its place needs a product, a height and a number"
            raise refused("--hbm", message, "for example --hbm hbm3e-8h --stacks 2")
        if dies and height not in (None, dies):
            raise refused("--height", f"{height} is not the height of '{hbm}'", f"leave out --height, or --hbm {word}")
        generation = known.generation(word)
        high = height or dies or part.stack_height
        try:
            found = with_stacks(part, generation, high, part.stacks if stacks is None else stacks)
        except ValueError as error:
            raise refused("--hbm", str(error), f"see: stackyard facts {generation.id}") from None
    factors = (
        factor("--capacity", memory.get("capacity"), found.chip.memory, "B", "192 GB"),
        factor("--bandwidth", memory.get("bandwidth"), found.chip.bandwidth, "B/s", "6 TB/s"),
        factor("--hbm-energy", memory.get("energy"), memory_energy(found.hbm), "J/B", "3 pJ/bit"),
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
    """The system of this name or alias, None where it names none.

    >>> from stackyard import catalog
    >>> system(catalog.load(), "gb300-nvl72").accelerators, system(catalog.load(), "h200") is None
    (72, True)
    """
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
        raise refused(option, str(error), hint) from None
    if math.isnan(found):
        raise refused(option, "the accelerator's own figure is not on record", f"{option} x1.5 scales the model's")
    if found <= 0:
        raise refused(option, f"'{text}' is not above 0", hint)
    return found


def serving(
    known: Catalog,
    model: Model,
    chip: Accelerator,
    draft: int = 0,
    acceptance: str | None = None,
    drafter: str | None = None,
    prefix: str | None = None,
    store: str | None = None,
) -> Serving:
    """How requests are served besides batching, from words; InputErrors for what is none.

    Acceptance that is left out is the published one of the model's own next-token layer.

    >>> from stackyard import catalog
    >>> known = catalog.load()
    >>> model, chip = known.model("deepseek-r1"), known.accelerator("gb200")
    >>> serving(known, model, chip, draft=3, prefix="40%", store="host").acceptance
    0.7
    """
    if not draft and (acceptance is not None or drafter is not None):
        raise refused("--draft", "no tokens are guessed, so that nothing can hold", "for example --draft 3")
    small = None if drafter is None else known.model(drafter)
    stated = stated_acceptance(model) if small is None else None
    if draft and acceptance is None and stated is None:
        hint = "give the share of guesses that hold, for example --acceptance 0.7"
        raise refused("--acceptance", f"none is published for {(small or model).name}", hint)
    rate = share("--acceptance", acceptance) if acceptance is not None else stated.si if stated and draft else 0.0
    hits = 0.0 if prefix is None else share("--prefix-hits", prefix)
    return Serving(float(draft), rate, small, hits, None if store is None else _store(chip, store))


def share(option: str, text: str) -> float:
    """A share from 0 to 1: '0.7' or '70%'.

    >>> share("--acceptance", "70%")
    0.7
    """
    try:
        found = float(text.strip().removesuffix("%")) / (100.0 if text.strip().endswith("%") else 1.0)
    except ValueError:
        found = math.nan
    if not 0 <= found <= 1:
        raise refused(option, f"'{text}' is not a share from 0 to 1", f"for example {option} 0.7, or {option} 70%")
    return found


def _store(chip: Accelerator, text: str) -> Store:
    hint = "state it for one accelerator: --store '240 GB at 225 GB/s'"
    stated = re.fullmatch(r"\s*(.+?)\s+at\s+(.+?)\s*", text)
    if stated is None:
        found = known_store(chip, text.strip().lower())
        if found is None:
            raise refused("--store", f"no '{text}' memory behind {chip.name} is on record", hint)
        return found
    try:
        return Store(parse(stated[1], "B"), parse(stated[2], "B/s"))
    except (UnitError, ValueError) as error:
        raise refused("--store", str(error), hint) from None


def pool(option: str, text: str) -> Pool:
    """A pool of workers: '3xTP8', '2xTP4PP2EP8', '1xDEP32' (attention data-parallel, experts over all); 1 if left out.

    >>> pool("--decode-pool", "2xDEP8")
    Pool(layout=Layout(tensor=1.0, pipeline=1.0, data=8.0, expert=8.0), workers=2.0)
    >>> pool("--prefill-pool", "tp4ep4").layout
    Layout(tensor=4.0, pipeline=1.0, data=1.0, expert=4.0)
    """
    match = re.fullmatch(r"(?:(\d+)\s*x\s*)?((?:(?:dep|tp|pp|dp|ep)\s*\d+\s*)+)", text.strip().lower())
    if match is None:
        raise refused(
            option, f"'{text}' is no pool", f"for example {option} 2xTP4, {option} 3xTP8EP8 or {option} 1xDEP32"
        )
    widths = {name: float(number) for name, number in re.findall(r"(dep|tp|pp|dp|ep)\s*(\d+)", match[2])}
    if "dep" in widths:
        widths = {"dp": widths["dep"], "ep": widths["dep"], **widths}
    layout = Layout(*(widths.get(name, 1.0) for name in ("tp", "pp", "dp", "ep")))
    return Pool(layout, float(match[1] or 1))


def watts(option: str, text: str | None) -> float:
    """A power above 0 in W; infinite where none is asked.

    >>> watts("--power-cap", "0.7 kW"), watts("--power-cap", None)
    (700.0, inf)
    """
    if text is None:
        return math.inf
    try:
        found = parse(text, "W")
    except UnitError as error:
        raise refused(option, str(error), f"for example {option} '700 W'") from None
    if not found > 0:
        raise refused(option, f"'{text}' is not above 0", f"for example {option} '700 W'")
    return found
