"""The rates that a chip and a software reach: printed rates times measured and fitted shares."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from stackyard.catalog.entries import Accelerator
from stackyard.perf.training import constants
from stackyard.perf.training.recipe import ARITHMETIC, Recipe
from stackyard.perf.training.step import Rates

# Chips of one generation share constants: those read in perf/data/training.yaml, the rest are fitted.
GENERATIONS = {
    "volta": ("v100",),
    "ampere": ("a100",),
    "hopper": ("h100", "h200", "h800", "h20", "gh200"),
    "blackwell": ("b200", "gb200", "b300", "gb300", "rubin"),
    "cdna3": ("mi300", "mi325"),
    "cdna4": ("mi355", "mi350", "mi455"),
    "tpu": ("tpu",),
    "gaudi": ("gaudi",),
    "trainium": ("trainium", "trn"),
}
# Where a generation has no constant of its own it takes that of its nearest relative: the one before it of its maker,
# or Hopper, the middle of those measured.
RELATIVES = {"volta": "ampere", "ampere": "hopper", "blackwell": "hopper", "cdna4": "cdna3"}
NEAREST = "hopper"
LIKE = {"int8": "fp8"}  # formats whose shares were not measured apart
MOE = 2026.4  # year from which experts run with captured graphs and fused permutation (Megatron Bridge 26.06)


def generation(chip: Accelerator) -> str:
    """The generation of a chip by its id; '' where none of its kind is known.

    >>> from stackyard import catalog
    >>> generation(catalog.load().accelerator("h100")), generation(catalog.load().accelerator("b200"))
    ('hopper', 'blackwell')
    """
    for name, members in GENERATIONS.items():
        if any(part in chip.id for part in members):
            return name
    return ""


def of_generation(values: Mapping[str, float], name: str, kind: str) -> float:
    """A constant of a generation: its own, or that of its nearest relative which has one.

    >>> of_generation({"best.hopper": 0.8, "best.ampere": 0.9}, "best", "volta")
    0.9
    """
    tried = kind or NEAREST
    while f"{name}.{tried}" not in values and tried != NEAREST:
        tried = RELATIVES.get(tried, NEAREST)
    return values[f"{name}.{tried}"]


def maturity(kind: str, recipe: Recipe, values: Mapping[str, float]) -> float:
    """Share of its later rate that software reaches so long after a generation's first chip: 1 - lack e^(-age / years).

    Chips of one generation run the same kernels, so the later ones start where the first is by then.

    >>> from stackyard.perf.training import constants
    >>> values = constants.values()
    >>> run = {"accelerators": 64, "sequence": 8192, "global_batch": 256}
    >>> early, late = (Recipe(**run, released=year) for year in (2023.0, 2026.0))
    >>> bool(maturity("hopper", early, values) < maturity("hopper", late, values) <= 1.0)
    True
    """
    age = max(recipe.released - of_generation(values, "launch", kind), 0.0)
    return 1.0 - values["young.lack"] * float(np.exp(-age / values["young.years"]))


def rates(chip: Accelerator, recipe: Recipe, values: Mapping[str, float]) -> Rates:
    """What a chip reaches under a recipe: printed rates x the best measured share x the share that training reaches.

    The best share is of single matmuls (microbenchmarks); the reached share, the software's maturity and the clock that
    the power limit leaves come on top. Constants of a software that has none of its own are those of all.

    >>> from stackyard import catalog
    >>> from stackyard.perf.training import constants
    >>> chip = catalog.load().accelerator("h100")
    >>> found = rates(chip, Recipe(accelerators=64, sequence=8192, global_batch=256), constants.values())
    >>> bool(0.4 < found.matmul / chip.flops["bf16"] < 1.0)
    True
    """
    kind = generation(chip)
    ripe = maturity(kind, recipe, values)
    cool = of_generation(values, "watts", kind) * chip.flops.get("bf16", np.nan)  # W at which it keeps its clock
    clock = min(1.0, chip.tdp / cool) ** values["power.exponent"] if chip.tdp > 0 else 1.0

    def of(name: str) -> float:
        return constants.of(values, name, recipe.software)

    def reached(form: str) -> float:
        best = of_generation(values, f"best.{LIKE.get(form, form)}", kind)
        share = best * values[f"reach.{LIKE.get(form, form)}"] * values.get(f"reach.{kind}", 1.0)
        return chip.flops.get(form, np.nan) * share * ripe * clock

    low, wide = reached(ARITHMETIC[recipe.precision]), reached("bf16")
    core = of_generation(values, f"attention.{recipe.attention}", kind)
    return Rates(
        matmul=low,
        head=wide,
        experts=low * values["experts.share"],
        attention=chip.flops.get("bf16", np.nan) * core * ripe * clock,
        exponential=of_generation(values, "exponential", kind) / (chip.flops.get("bf16", np.nan) * core * ripe * clock),
        scores=chip.bandwidth * of("operands.bandwidth"),
        operands=chip.bandwidth * values["operands.bandwidth"],
        stream=chip.bandwidth * of("stream"),
        up=chip.scale_up * values["link.up"],
        out=chip.scale_out * of("link.out"),
        up_wait=values["wait.up"],
        out_wait=values["wait.out"],
        launch=values["launch"],
        host_layer=values["host.layer"],
        host_expert=values["host.expert"],
        step=values["step"],
        copies=values["experts.copies" if recipe.released < MOE else "experts.copies.late"],
        cast=values[f"cast.{LIKE.get(recipe.precision, recipe.precision)}"] if recipe.precision != "bf16" else 0.0,
        ragged=values["ragged"],
        misaligned=values["misaligned"],
        tensor_exposed=of("tensor.exposed"),
        expert_exposed=of("expert.exposed"),
        send_exposed=of("send.exposed"),
        leak=of("leak"),
        ring_leak=of("leak.ring"),
        reduce_overlap=of("reduce.overlap"),
        host_update=values["host.update"],
        spread=values["spread"],
    )
