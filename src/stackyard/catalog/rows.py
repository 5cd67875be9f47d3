"""What may stand in the data files: one pydantic row per kind of entry, checked before anything is built."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, LiteralString

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from stackyard.source import Fact

GradeLabel = Literal["measured", "published", "reported", "estimated", "assumed"]


def _is_number(value: Any) -> Any:
    numbers = value if isinstance(value, list) and value else [value]
    if not all(isinstance(n, float | int) and not isinstance(n, bool) and math.isfinite(n) for n in numbers):
        raise PydanticCustomError("not_a_number", "is not a finite number", {"hint": "write a number without its unit"})
    return tuple(map(float, value)) if isinstance(value, list) else float(value)


Number = Annotated[float | tuple[float, ...], BeforeValidator(_is_number)]


NOT_A_FACT: LiteralString = "is not a number with unit, grade and source"


def _is_fact(value: Any) -> Any:
    if not isinstance(value, Fact):
        hint = "write it as {value: 8, unit: TB/s, grade: published, src: [id of a source]}"
        raise PydanticCustomError("not_a_fact", NOT_A_FACT, {"hint": hint})
    return value


FactField = Annotated[Fact, BeforeValidator(_is_fact)]
FactsByKey = dict[str, FactField]


class Row(BaseModel):
    """No unknown keys, no guessing between types."""

    model_config = ConfigDict(extra="forbid", strict=True, arbitrary_types_allowed=True)


class FactRow(Row):
    """One number as written: its value in its unit, its range, grade, date, sources and note."""

    value: Number | None
    unit: str
    grade: GradeLabel
    src: list[str] = []
    low: float | None = Field(None, allow_inf_nan=False)
    high: float | None = Field(None, allow_inf_nan=False)
    date: str = ""
    note: str = ""


class SourceRow(Row):
    """A document that numbers were read in."""

    title: str
    url: str = ""
    date: str = ""
    kind: str = ""


class CaveatRow(Row):
    """A weakness of the record."""

    topic: str
    kind: Literal["contradiction", "placeholder", "dominating"]
    claims: list[str] = []
    kept: str
    facts: list[str] = []


class EntryRow(Row):
    """What every entry may have; `more` holds facts that no attribute stands for."""

    name: str
    aliases: list[str] = []
    notes: list[str] = []
    src: list[str] = []
    more: FactsByKey = {}


class HbmRow(EntryRow):
    """An HBM generation."""

    standard: str
    year: int
    heights: FactField
    pin_speed: FactField
    interface_width: FactField
    die_capacity: FactField
    bandwidth: FactField
    energy: FactField | None = None
    die_area: FactField | None = None
    price: FactField | None = None
    capacity: FactsByKey = {}
    base_die: str = ""


class MakerRow(EntryRow):
    """An HBM maker."""

    wafers_per_month: FactsByKey
    dram_wafers_per_month: FactField | None = None


class AcceleratorRow(EntryRow):
    """An accelerator package."""

    vendor: str
    launch: str
    released: bool
    system: str
    hbm: str = ""
    stack_height: int = 0
    memory_kind: str = ""  # where it is not HBM
    flops: FactsByKey
    stacks: FactField | None = None
    memory: FactField
    bandwidth: FactField
    tdp: FactField
    idle: FactField | None = None
    scale_up_both_directions: FactField | None = None
    scale_up_domain: FactField | None = None
    scale_up_fabric: Literal["adding switch", "switch", "mesh"] = "switch"
    scale_out: FactField | None = None
    price: FactField | None = None
    status: str = ""


class SystemRow(EntryRow):
    """A server or rack."""

    accelerators: int
    cooling: Literal["air", "liquid"]
    max_power: FactField | None = None


class AttentionRow(Row):
    """See `entries.Attention`."""

    heads: int
    kv_heads: int
    head_dim: int
    latent: int = 0
    rope_dim: int = 0
    query_rank: int = 0
    value_dim: int = 0
    window: int = 0
    windowed_layers: int = 0
    sinks: bool = False


class ExpertsRow(Row):
    """See `entries.Experts`."""

    routed: int
    active: int
    shared: int
    width: int
    shared_width: int
    dense_layers: int


class ModelRow(EntryRow):
    """A model architecture; `src` and `grade` hold for its whole shape."""

    family: str
    src: list[str]
    grade: GradeLabel
    configuration: str = ""
    layers: int
    hidden: int
    attention: AttentionRow
    feed_forward: int
    experts: ExpertsRow | None = None
    vocabulary: int
    tied_embeddings: bool
    max_context: int
    parameters_published: FactField | None = None
    active_published: FactField | None = None
    extra: dict[str, Any] = {}


class ClimateRow(EntryRow):
    """Twelve monthly means of a place."""

    dry_bulb: FactField
    wet_bulb: FactField | None = None


class GridRow(EntryRow):
    """A power grid."""

    carbon: FactField


class SiteRow(EntryRow):
    """A data-centre site; `power` is cumulative from each month on."""

    place: str
    owner: str
    climate: str
    grid: str
    power: FactsByKey


class EventRow(Row):
    """A dated event."""

    name: str
    date: str
    end: str = ""
    place: str
    parties: list[str]
    participants: list[str] = []
    agenda: list[str]
    outcome: list[str]
    grade: GradeLabel
    src: list[str]
    related: bool = False
    note: str = ""


ROWS: dict[str, type[Row]] = {
    "hbm": HbmRow,
    "makers": MakerRow,
    "accelerators": AcceleratorRow,
    "systems": SystemRow,
    "models": ModelRow,
    "climates": ClimateRow,
    "grids": GridRow,
    "sites": SiteRow,
    "events": EventRow,
}
TABLES = ("supply", "operation", "programmes", "facility", "costs", "demand", "alliance")
