"""How sure an estimate is: factors between which 80% of measurements that the fit had not seen lie."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from stackyard.catalog.entries import Accelerator
from stackyard.perf import constants

METRICS = {"output_rate": "rate", "token_rate": "rate", "tpot": "tpot", "ttft": "ttft", "latency": "tpot"}


@lru_cache(maxsize=1)
def _ways() -> Mapping[str, Any]:
    from stackyard.files import read_yaml

    found: dict[str, Any] = read_yaml(constants.FOLDER / "ways.yaml", "perf/data/ways.yaml").data["intervals"]
    return MappingProxyType(found)


Pair = tuple[float, float]


def joined(seen: Pair, held: Iterable[Pair]) -> Pair:
    """(low, high) factors for several things that are new at once, from those seen where each alone was left out.

    On either side of 1 the half-width w of the logarithm is w^2 = s^2 + sum of (w_i^2 - s^2), where that is above 0:
    s is what the fitted rows themselves are off by, and what each new thing adds to it is an independent surprise.

    >>> low, high = joined((0.9, 1.1), [(0.8, 1.2), (0.85, 1.4)])
    >>> low < 0.8 and high > 1.4
    True
    """
    pairs = list(held)
    low = _width([-math.log(seen[0]), *(-math.log(pair[0]) for pair in pairs)])
    high = _width([math.log(seen[1]), *(math.log(pair[1]) for pair in pairs)])
    return math.exp(-low), math.exp(high)


def _width(halves: list[float]) -> float:
    seen, *held = (max(half, 0.0) ** 2 for half in halves)
    return math.sqrt(seen + sum(max(half - seen, 0.0) for half in held))


def factors(chip: Accelerator, metric: str, scenario: str = "", engine: str = "") -> tuple[float, float]:
    """(low, high) factors on a prediction of this metric: the 10% and 90% quantiles of measured over predicted.

    For a chip and an engine that were measured, those of models left out of the fit. A chip that was not, or a whole
    generation of chips, an engine that was not, and requests served in a `scenario`, 'speculative', 'disaggregated' or
    both, by the runs of it, each widen it (`joined`); any other scenario is taken as plain.

    >>> from stackyard import catalog
    >>> known = catalog.load()
    >>> seen, unseen = (factors(known.accelerator(name), "tpot") for name in ("h200", "rubin"))
    >>> unseen[0] <= seen[0] < 1 < seen[1] <= unseen[1]
    True
    """
    found = constants.fitted()["intervals"]
    name = METRICS[metric]
    held = ["model"]
    if not constants.measured(chip):
        held.append("chip" if constants.in_generation(chip) else "generation")
    held += ["engine"] if engine and not constants.engine_named(engine).measured else []
    pairs = [found[kind][name] for kind in held]
    pairs += [_ways()[scenario][name]] if scenario in _ways() else []
    return joined(found["seen"][name], pairs)
