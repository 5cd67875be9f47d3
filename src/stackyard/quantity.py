"""Units at the door: SI aliases for signatures, constants, `parse`, `convert` and `show`.

Inside the package every number is a plain float (or array) in SI: seconds, bytes, watts, joules, metres, plus
counts (stacks, wafers, tokens), USD and kelvin differences. Text with units exists only at the edges; this module is
the one place that reads and writes it, and the only home of 1e9 and 2**30.
"""

from __future__ import annotations

import csv
import math
import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numeric: TypeAlias = float | NDArray[np.float64]
else:
    Numeric = float

Second: TypeAlias = Numeric
Byte: TypeAlias = Numeric
BytePerSecond: TypeAlias = Numeric
Flop: TypeAlias = Numeric
FlopPerSecond: TypeAlias = Numeric
Watt: TypeAlias = Numeric
Joule: TypeAlias = Numeric
JoulePerByte: TypeAlias = Numeric
Kelvin: TypeAlias = Numeric
Celsius: TypeAlias = Numeric
SquareMetre: TypeAlias = Numeric
Kilogram: TypeAlias = Numeric
CubicMetre: TypeAlias = Numeric
Usd: TypeAlias = Numeric
Count: TypeAlias = Numeric
Token: TypeAlias = Numeric
Fraction: TypeAlias = Numeric

KILO, MEGA, GIGA, TERA, PETA = 1e3, 1e6, 1e9, 1e12, 1e15
GIBI = 2.0**30
BIT = 1 / 8  # bytes
# seconds
MINUTE = 60.0
HOUR = 3600.0
DAY = 86400.0
YEAR = 365.25 * DAY
MONTH = YEAR / 12
KWH = 3.6e6  # J

# Words of the field that pint does not know. Each counted thing is a dimension of its own, so that a number of wafers
# cannot be read as a number of stacks; `FLOP` and `token` likewise. Prefixes apply to all of them (ktoken, MW, PFLOPS).
_DEFINITIONS = (
    "FLOP = [operation]",
    "FLOPS = FLOP / second",
    "token = [token] = tok = tokens",
    "USD = [usd]",
    "KRW = [krw]",
    "EUR = [eur]",
    "stack = [stack] = stacks",
    "wafer = [wafer] = wafers",
    "die = [die] = dies",
    "package = [package] = _ = packages = accelerator = accelerators = chip = chips = GPU = GPUs",
    "rack = [rack] = _ = racks = system = systems",
    "layer = [layer] = layers",
    "event = [event] = events",
    "user = [user] = users = people",
    "request = [request] = requests = message = messages",
    "CO2e = [co2e]",
    "tCO2e = 1000 * kilogram * CO2e",
    "kgCO2e = kilogram * CO2e",
    "gCO2e = gram * CO2e",
    "Wh = watt * hour",
    "percent_ = 0.01",
)
# pint prefers to read these as something else (Gb as gilbert, B as bel, ...): spelled out before parsing.
_SPELLINGS = {"Gb": "gigabit", "Tb": "terabit", "Mb": "megabit", "kb": "kilobit", "B": "byte", "%": "percent_"}


class UnitError(ValueError):
    """A text that is not a quantity, or one of the wrong dimension; the message says which and what was expected."""


@lru_cache(maxsize=1)
def _registry() -> Any:
    """The pint registry: loaded on first use because importing pint costs a third of a second."""
    import pint

    registry: Any = pint.UnitRegistry(autoconvert_offset_to_baseunit=True)
    for line in _DEFINITIONS:
        registry.define(line)
    return registry


@lru_cache(maxsize=1)
def _usual() -> dict[str, tuple[float, float, str]]:
    """What pint says of the units that the catalogue uses, so that reading it does not load pint."""
    with (Path(__file__).parent / "units.csv").open(newline="", encoding="utf-8") as stream:
        return {
            row["unit"]: (float(row["factor"]), float(row["offset"]), row["base"]) for row in csv.DictReader(stream)
        }


@lru_cache(maxsize=4096)
def _unit(text: str) -> tuple[float, float, str]:
    """(factor, offset, dimension) of a unit: SI value = factor x number + offset."""
    return _usual().get(text) or _read(text)


def _read(text: str) -> tuple[float, float, str]:
    """The same as pint reads it."""
    spelled = re.sub(r"%|[A-Za-z_]+", lambda match: _SPELLINGS.get(match.group(), match.group()), text)
    registry = _registry()
    try:
        unit = registry.parse_units(spelled)
        zero = registry.Quantity(0.0, unit).to_base_units()
        one = registry.Quantity(1.0, unit).to_base_units()
    except Exception as error:  # pint raises a dozen kinds, among them AttributeError and tokenize errors
        raise UnitError(f"'{text}' is not a unit I know") from error
    powers = {name: float(power) for name, power in one.unit_items()}
    scale = 8.0 ** -powers.get("bit", 0.0)  # pint's base unit of information is the bit; ours is the byte
    return (one.magnitude - zero.magnitude) * scale, zero.magnitude * scale, _base(powers)


def _base(powers: dict[str, float]) -> str:
    """Base units as a text, always in the same order: 'byte / second'."""

    def told(name: str) -> str:
        power = abs(powers[name])
        return ("byte" if name == "bit" else name) + (f" ** {power:g}" if power != 1 else "")

    up = [told(name) for name in sorted(powers) if powers[name] > 0]
    down = [told(name) for name in sorted(powers) if powers[name] < 0]
    return " / ".join([" * ".join(up) or "1", *down]) if powers else ""


def dimension(unit: str) -> str:
    """Canonical base units of a unit text; two units measure the same thing exactly when these are equal.

    >>> dimension("TB/s") == dimension("Gb/s")
    True
    """
    return _unit(unit)[2]


def convert(value: float, unit: str) -> float:
    """SI value of `value` in `unit`.

    >>> convert(8, "TB/s")
    8000000000000.0
    >>> convert(25, "degC")
    298.15
    """
    factor, offset, _ = _unit(unit)
    return value * factor + offset


def parse(text: str | float, like: str) -> float:
    """SI value of a text with a unit, which must measure the same thing as `like`.

    A bare number is accepted only when `like` is dimensionless (""). Raises UnitError for an unknown unit, a wrong
    dimension, or a number that is not finite.

    >>> parse("8 TB/s", "B/s")
    8000000000000.0
    >>> parse("50%", "")
    0.5
    """
    number, unit = split(text)
    if not math.isfinite(number):
        raise UnitError(f"'{text}' is not a finite number")
    if dimension(unit) != dimension(like):
        expected = f"a quantity such as '1 {like}'" if like else "a number without a unit"
        found = f"'{unit}'" if unit else "no unit"
        raise UnitError(f"'{text}' has {found}; expected {expected}")
    return convert(number, unit)


def split(text: str | float) -> tuple[float, str]:
    """Number and unit of a text such as '8 TB/s'; a bare number has the unit ''.

    Thousands may be set apart as 1,500 or 1 500 or 1_500. Raises UnitError for anything else.

    >>> split("1,500 kW")
    (1500.0, 'kW')
    """
    if isinstance(text, bool):
        raise UnitError(f"'{text}' is not a quantity")
    if isinstance(text, int | float):
        return (float(text) if abs(text) < 1e308 else math.inf), ""
    match = _QUANTITY.fullmatch(text)
    if not match:
        raise UnitError(f"'{text}' is not a number with a unit, such as '8 TB/s'")
    number = match.group(1)
    if re.search(r"[,_ ]", number) and not _GROUPED.fullmatch(number):
        raise UnitError(f"'{text}' can be read in two ways: write 1500 or 1,500 for thousands, and 1.5 for a fraction")
    return float(re.sub(r"[_ ,]", "", number)), match.group(2)


_QUANTITY = re.compile(
    r"\s*([-+]?(?:\d(?:[\d_ ,]*\d)?\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]?(?:inf|nan))\s*((?![.,\d]).*?)\s*", re.DOTALL
)
_GROUPED = re.compile(r"[-+]?\d{1,3}(?:,\d{3})+(?:\.\d*)?|[-+]?\d{1,3}(?: \d{3})+(?:\.\d*)?|[-+]?\d[\d_]*\d(?:\.\d*)?")


_PREFIXES = ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))
_SMALL = ((1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"), (1e-12, "p"))


def show(value: float, unit: str = "", digits: int = 3) -> str:
    """Short text of an SI value with a prefix that reads well.

    >>> show(8e12, "B/s")
    '8 TB/s'
    >>> show(0.0123, "s")
    '12.3 ms'
    """
    if not math.isfinite(value):
        return "–" if math.isnan(value) else ("∞" if value > 0 else "-∞")
    if value == 0:
        return f"0 {unit}".rstrip()
    size = abs(value) * (1 + 0.5 * 10 ** (-digits))
    table = _PREFIXES if size >= 1 or not unit else _SMALL
    scale, prefix = next(((s, p) for s, p in table if size >= s), table[-1])
    if not unit and size < 1:
        return f"{value:.{digits}g}"
    number = value / scale
    text = f"{number:.{max(0, digits - 1 - int(math.floor(math.log10(max(abs(number), 1e-12)))))}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return f"{text} {prefix}{unit}".rstrip()
