"""Power of one accelerator from what it does: idle, arithmetic and memory traffic."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from stackyard.catalog.entries import Accelerator, HbmGeneration
from stackyard.quantity import BytePerSecond, Fraction, JoulePerByte, Watt


def idle_watts(chip: Accelerator, values: Mapping[str, float]) -> Watt:
    """The chip's idle power, or the usual share of its rated power where it has no figure."""
    return chip.tdp * values["power.idle"] if math.isnan(chip.idle) else chip.idle


def traffic_energy(hbm: HbmGeneration | None, values: Mapping[str, float]) -> JoulePerByte:
    """Joules per byte from an HBM cell to the matrix units: the memory's own share and the path on the chip."""
    own = values["energy.hbm"] if hbm is None or math.isnan(hbm.energy) else hbm.energy
    return own + values["energy.path"]


def watts(
    chip: Accelerator,
    busy_compute: Fraction,
    traffic: BytePerSecond,
    values: Mapping[str, float],
    hbm: HbmGeneration | None = None,
) -> Watt:
    """Power = min(rated, idle + (rated - idle) busy_compute + traffic energy per byte).

    `busy_compute` is arithmetic done over what the chip's best kernels sustain, so that a chip that only multiplies
    draws its rated power (published matmul benchmarks are power-limited). Valid for one package; host, network and
    conversion losses are the system's. Where the sum passes the rated power, the cap holds but the rate is not lowered.

    >>> from stackyard import catalog
    >>> from stackyard.perf import constants
    >>> chip = catalog.load().accelerator("h200")
    >>> float(watts(chip, 1.0, 0.0, constants.values(chip)))
    700.0
    """
    idle = idle_watts(chip, values)
    drawn = idle + (chip.tdp - idle) * busy_compute + traffic * traffic_energy(hbm, values)
    return np.minimum(drawn, chip.tdp)
