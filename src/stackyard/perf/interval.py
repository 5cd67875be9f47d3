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


def factors(chip: Accelerator, metric: str, scenario: str = "") -> tuple[float, float]:
    """(low, high) factors on a prediction of this metric: the 10% and 90% quantiles of measured over predicted.

    For a chip that was measured, those of models left out of the fit. For one that was not, the wider of these and
    those of chips left out of the fit, on either side; the wider still where requests are served in a `scenario`,
    'speculative', 'disaggregated' or both, by the runs of it; any other is taken as plain.

    >>> from stackyard import catalog
    >>> known = catalog.load()
    >>> seen, unseen = (factors(known.accelerator(name), "tpot") for name in ("h200", "rubin"))
    >>> unseen[0] <= seen[0] < 1 < seen[1] <= unseen[1]
    True
    """
    found = constants.fitted()["intervals"]
    name = METRICS[metric]
    low, high = found["model"][name]
    if not constants.measured(chip):
        other_low, other_high = found["chip"][name]
        low, high = min(low, other_low), max(high, other_high)
    if scenario in _ways():  # an open loop is a closed one whose number in progress is found
        other_low, other_high = _ways()[scenario][name]
        low, high = min(low, other_low), max(high, other_high)
    return float(low), float(high)
