"""Power of one accelerator from what it does: idle, arithmetic, memory traffic and links, under its limit."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from stackyard.catalog.entries import Accelerator, HbmGeneration
from stackyard.perf.numeric import least, most
from stackyard.perf.op import Op
from stackyard.quantity import BytePerSecond, Fraction, JoulePerByte, Numeric, Second, Watt


def idle_watts(chip: Accelerator, values: Mapping[str, float]) -> Watt:
    """The chip's idle power, or the usual share of its rated power where it has no figure.

    >>> from stackyard import catalog
    >>> from stackyard.perf import constants
    >>> chip = catalog.load().accelerator("h200")
    >>> 0 < idle_watts(chip, constants.values(chip)) < chip.tdp / 2
    True
    """
    return chip.tdp * values["power.idle"] if math.isnan(chip.idle) else chip.idle


def traffic_energy(hbm: HbmGeneration | None, values: Mapping[str, float]) -> JoulePerByte:
    """Joules per byte from an HBM cell to the matrix units: the memory's own share and the path on the chip.

    >>> round(traffic_energy(None, {"energy.hbm": 3.2e-11, "energy.path": 1.6e-11}) * 1e12, 6)  # pJ a byte
    48.0
    """
    own = values["energy.hbm"] if hbm is None or math.isnan(hbm.energy) else hbm.energy
    return own + values["energy.path"]


def working_watts(
    chip: Accelerator,
    busy_compute: Fraction,
    traffic: BytePerSecond,
    values: Mapping[str, float],
    hbm: HbmGeneration | None = None,
    sent: BytePerSecond = 0.0,
    awake: Fraction = 1.0,
) -> Watt:
    """What work draws above idle: (rated - idle) (a awake + (1 - a) busy_compute) + bytes a second x energy per byte.

    `busy_compute` is arithmetic done over what the chip's best kernels sustain, so that a chip that only multiplies
    draws its rated power (published matmul benchmarks are power-limited); `sent` is bytes leaving by links each second.
    While kernels run, the share `awake` of the time, clocks and units draw `power.awake` (a) whatever the kernels do.

    >>> from stackyard import catalog
    >>> from stackyard.perf import constants
    >>> chip = catalog.load().accelerator("h200")
    >>> values = constants.values(chip)
    >>> round(working_watts(chip, 1.0, 0.0, values) + idle_watts(chip, values)) == chip.tdp  # it only multiplies
    True
    """
    share = values["power.awake"]
    busy = (chip.tdp - idle_watts(chip, values)) * (share * awake + (1.0 - share) * busy_compute)
    return busy + traffic * traffic_energy(hbm, values) + sent * values["energy.link"]


def watts(
    chip: Accelerator,
    busy_compute: Fraction,
    traffic: BytePerSecond,
    values: Mapping[str, float],
    hbm: HbmGeneration | None = None,
    sent: BytePerSecond = 0.0,
    awake: Fraction = 1.0,
) -> Watt:
    """Power = min(rated, idle + what work draws). Valid for one package; host and conversion losses are the system's.

    >>> from stackyard import catalog
    >>> from stackyard.perf import constants
    >>> chip = catalog.load().accelerator("h200")
    >>> float(watts(chip, 1.0, 0.0, constants.values(chip)))
    700.0
    """
    work = working_watts(chip, busy_compute, traffic, values, hbm, sent, awake)
    return least(idle_watts(chip, values) + work, chip.tdp)


class Drawn(NamedTuple):
    """Power of a pass, the clock that its limit leaves (1 = the boost clock), and the time over that without limit."""

    watts: Watt
    clock: Fraction
    stretch: Numeric


def clock(work: Watt, room: Watt) -> Fraction:
    """Share of the boost clock that a limit leaves: min(1, room / work), watts above idle.

    The energy of an operation is taken not to fall with the clock, so that this is the least; voltage falls with it on
    real chips.

    >>> float(clock(work=800.0, room=600.0)), float(clock(work=300.0, room=600.0))
    (0.75, 1.0)
    """
    return least(room / most(work, 1e-9), 1.0)


def drawn(
    chip: Accelerator,
    ops: Iterable[Op],
    seconds: Second,
    values: Mapping[str, float],
    hbm: HbmGeneration | None = None,
    limit: float = np.inf,
) -> Drawn:
    """Power of a pass of `ops` that takes `seconds`, its clock, and how much longer it takes under the limit.

    The limit is the lesser of `limit` and the rated power. The constants were measured under the rated power with
    memory of `energy.hbm` joules a byte, so what that costs is in `seconds`: the pass is longer by the clock of that
    over the clock of what is asked, 1 where neither the limit is lower nor memory takes more.

    >>> from stackyard import catalog
    >>> from stackyard.perf import constants
    >>> from stackyard.perf.op import matmul
    >>> chip = catalog.load().accelerator("h200")
    >>> ops, values = [matmul("up", 8192.0, 8192.0, 8192.0, 1.0, "fp8")], constants.values(chip)
    >>> free, capped = (drawn(chip, ops, 1e-3, values, limit=watts) for watts in (1000.0, 500.0))
    >>> bool(capped.watts <= 500 < free.watts), bool(capped.clock < free.clock)
    (True, True)
    """
    done: dict[str, Numeric] = {}
    moved: Numeric = 0.0
    sent: Numeric = 0.0
    for op in ops:
        if op.kind == "collective":
            sent = sent + op.count * op.sent
            continue
        done[op.precision] = done.get(op.precision, 0.0) + op.count * op.flop
        moved = moved + op.count * op.bytes
    sustained = {name: chip.flops.get(name, np.nan) * values[f"compute.{name}"] for name in done}
    flop: Numeric = sum(work / sustained[name] for name, work in done.items())
    idle = idle_watts(chip, values)
    flop, moved, sent = flop / seconds, moved / seconds, sent / seconds
    work = working_watts(chip, flop, moved, values, hbm, sent)
    left = clock(work, min(limit, chip.tdp) - idle)
    if limit >= chip.tdp and traffic_energy(hbm, values) <= traffic_energy(None, values):
        return Drawn(idle + work * left, left, 1.0)
    usual = working_watts(chip, flop, moved, values, None, sent)
    stretch = most(clock(usual, chip.tdp - idle) / left, 1.0)
    return Drawn(idle + work * left, left, stretch)
