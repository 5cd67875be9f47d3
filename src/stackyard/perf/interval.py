"""How sure an estimate is: factors between which 80% of measurements that the fit had not seen lie."""

from __future__ import annotations

from stackyard.catalog.entries import Accelerator
from stackyard.perf import constants

METRICS = {"output_rate": "rate", "token_rate": "rate", "tpot": "tpot", "ttft": "ttft", "latency": "tpot"}


def factors(chip: Accelerator, metric: str, engine: str = "") -> tuple[float, float]:
    """(low, high) factors on a prediction of this metric: the 10% and 90% quantiles of measured over predicted.

    For a chip and an engine that were measured, those of models left out of the fit. For a chip that was not, the wider
    of these and those of chips left out of the fit, on either side; for an engine that was not, also those of engines.

    >>> from stackyard import catalog
    >>> known = catalog.load()
    >>> seen, unseen = (factors(known.accelerator(name), "tpot") for name in ("h200", "rubin"))
    >>> unseen[0] <= seen[0] < 1 < seen[1] <= unseen[1]
    True
    """
    found = constants.fitted()["intervals"]
    name = METRICS[metric]
    kinds = ["model"]
    kinds += [] if constants.measured(chip) else ["chip"]
    kinds += ["engine"] if engine == constants.SOFTWARE else []
    return min(float(found[kind][name][0]) for kind in kinds), max(float(found[kind][name][1]) for kind in kinds)
