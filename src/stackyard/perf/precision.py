"""Number formats of weights, cache and arithmetic."""

from __future__ import annotations

from dataclasses import dataclass

from stackyard.catalog.entries import Accelerator
from stackyard.errors import nearest
from stackyard.quantity import Byte
from stackyard.words import phrase

# Bytes per element, by definition of the formats. fp4 carries one 8-bit scale for each block of 16 elements (NVFP4),
# mxfp4 one for each block of 32; int4 one 16-bit scale for each group of 32.
BYTES: dict[str, Byte] = {"bf16": 2.0, "fp8": 1.0, "int8": 1.0, "fp4": 4.5 / 8, "mxfp4": 4.25 / 8, "int4": 4.5 / 8}

FOUR_BIT = frozenset(name for name, size in BYTES.items() if size < 1)


@dataclass(frozen=True)
class Precision:
    """Formats of the weights, of the key-value cache, and of the matmuls' arithmetic.

    Embeddings, the output head, routers and attention's arithmetic stay in bf16, as in the published checkpoints.
    """

    weights: str
    cache: str
    compute: str

    def __post_init__(self) -> None:
        unknown = [name for name in (self.weights, self.cache, self.compute) if name not in BYTES]
        if unknown:
            raise ValueError(f"'{unknown[0]}' is not a number format I know: {nearest(unknown[0], BYTES)}")

    @property
    def weight_bytes(self) -> Byte:
        return BYTES[self.weights]

    @property
    def cache_bytes(self) -> Byte:
        return BYTES[self.cache]


PRESETS: dict[str, Precision] = {
    "bf16": Precision("bf16", "bf16", "bf16"),
    "fp8": Precision("fp8", "fp8", "fp8"),
    "int8": Precision("int8", "fp8", "int8"),
    "fp4": Precision("fp4", "fp8", "fp4"),
    "fp4-weights": Precision("fp4", "fp8", "bf16"),  # for chips without fp4 arithmetic
}


def precision_of(name: str | Precision) -> Precision:
    """The preset of this name, 'weights/cache/compute', or the Precision itself; else ValueError with the nearest name.

    >>> precision_of("fp8").cache
    'fp8'
    >>> precision_of("mxfp4/fp8/bf16").weight_bytes
    0.53125
    """
    if isinstance(name, Precision):
        return name
    parts = name.split("/")
    if len(parts) == 3:
        return Precision(*parts)
    if name not in PRESETS:
        raise ValueError(f"'{name}' is not a precision I know: {nearest(name, PRESETS)}")
    return PRESETS[name]


def unsupported(chip: Accelerator, precision: Precision) -> list[str]:
    """Why the chip cannot compute in this precision; empty where it can.

    bf16 is needed in any case: for attention and the output head.

    >>> from stackyard import catalog
    >>> unsupported(catalog.load().accelerator("a100"), PRESETS["fp8"])
    ['A100 SXM4 80GB has no fp8 arithmetic on record (it has bf16, int8)']
    """
    needed = dict.fromkeys((precision.compute, "bf16"))
    known = ", ".join(sorted(chip.flops)) or phrase("none")
    return [
        phrase("{chip} has no {format} arithmetic on record (it has {known})", chip=chip.name, format=name, known=known)
        for name in needed
        if name not in chip.flops
    ]
