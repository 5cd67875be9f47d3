"""How sure an estimate is: factors between which 80% of measurements that the fit had not seen lie."""

from __future__ import annotations

from collections.abc import Mapping
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


def factors(chip: Accelerator, metric: str, scenario: str = "", engine: str = "") -> tuple[float, float]:
    """(low, high) factors on a prediction of this metric: the 10% and 90% quantiles of measured over predicted.

    For a chip and an engine that were measured, those of models left out of the fit. For a chip that was not, the wider
    of these and those of chips left out of the fit, on either side; for an engine that was not, also those of engines;
    wider still where requests are served in a `scenario`, 'speculative', 'disaggregated' or both, by the runs of it;
    any other scenario is taken as plain.

    >>> from stackyard import catalog
    >>> known = catalog.load()
    >>> seen, unseen = (factors(known.accelerator(name), "tpot") for name in ("h200", "rubin"))
    >>> unseen[0] <= seen[0] < 1 < seen[1] <= unseen[1]
    True
    """
    found = constants.fitted()["intervals"]
    name = METRICS[metric]
    pairs = [found["model"][name]]
    pairs += [] if constants.measured(chip) else [found["chip"][name]]
    pairs += [found["engine"][name]] if engine == constants.SOFTWARE else []
    pairs += [_ways()[scenario][name]] if scenario in _ways() else []
    return min(float(low) for low, _ in pairs), max(float(high) for _, high in pairs)
