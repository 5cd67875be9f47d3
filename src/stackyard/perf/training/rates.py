"""The rates that a chip and a software reach: printed rates times measured and fitted shares."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from stackyard.catalog.entries import Accelerator
from stackyard.perf.training import constants
from stackyard.perf.training.recipe import ARITHMETIC, Recipe
from stackyard.perf.training.step import Rates

# Chips of one generation share constants: 'best' and 'watts' of perf/data/training.yaml, the rest are fitted.
GENERATIONS = {
    "ampere": ("a100",),
    "hopper": ("h100", "h200", "h800", "h20"),
    "blackwell": ("b200", "gb200", "b300", "gb300"),
    "cdna3": ("mi300", "mi325"),
    "cdna4": ("mi355", "mi350"),
}
MOE = 2026.4  # year from which experts run with captured graphs and fused permutation (Megatron Bridge 26.06)
NEAREST = "hopper"  # for a chip of another generation: the middle of those measured


def generation(chip: Accelerator) -> str:
    """The generation of a chip by its id; '' where none of its kind was measured."""
    for name, members in GENERATIONS.items():
        if any(part in chip.id for part in members):
            return name
    return ""


def maturity(kind: str, recipe: Recipe, values: Mapping[str, float]) -> float:
    """Share of its later rate that software reaches so long after a generation's first chip: 1 - lack e^(-age / years).

    Chips of one generation run the same kernels, so the later ones start where the first is by then.
    """
    age = max(recipe.released - values[f"launch.{kind}"], 0.0)
    return 1.0 - values["young.lack"] * float(np.exp(-age / values["young.years"]))


def rates(chip: Accelerator, recipe: Recipe, values: Mapping[str, float]) -> Rates:
    """What a chip reaches under a recipe: printed rates x the best measured share x the share that training reaches.

    The best share is of single matmuls (microbenchmarks); the reached share, the software's maturity and the clock that
    the power limit leaves come on top. Constants of a software that has none of its own are those of all.
    """
    kind = generation(chip) or NEAREST
    ripe = maturity(kind, recipe, values)
    cool = values[f"watts.{kind}"] * chip.flops.get("bf16", np.nan)  # W at which the generation keeps its clock
    clock = min(1.0, chip.tdp / cool) ** values["power.exponent"] if chip.tdp > 0 else 1.0

    def of(name: str) -> float:
        return constants.of(values, name, recipe.software)

    def reached(form: str) -> float:
        share = values[f"best.{form}.{kind}"] * values[f"reach.{form}"] * values.get(f"reach.{kind}", 1.0)
        return chip.flops.get(form, np.nan) * share * ripe * clock

    low, wide = reached(ARITHMETIC[recipe.precision]), reached("bf16")
    core = values[f"attention.{recipe.attention}.{kind}"]
    return Rates(
        matmul=low,
        head=wide,
        experts=low * values["experts.share" if recipe.released < MOE else "experts.share.late"],
        attention=chip.flops.get("bf16", np.nan) * core * ripe * clock,
        exponential=values[f"exponential.{kind}"] / (chip.flops.get("bf16", np.nan) * core * ripe * clock),
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
        cast=values[f"cast.{recipe.precision}"] if recipe.precision != "bf16" else 0.0,
        ragged=values["ragged"],
        misaligned=values["misaligned"],
        tensor_exposed=of("tensor.exposed"),
        expert_exposed=of("expert.exposed"),
        send_exposed=values["send.exposed"],
        leak=of("leak"),
        reduce_overlap=of("reduce.overlap"),
        host_update=values["host.update"],
        spread=values["spread"],
    )
