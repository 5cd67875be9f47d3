"""What the catalogue holds: frozen entries of plain SI numbers, each with the facts they came from.

A number that is not known is nan (never 0), and its fact has the value None or is absent. `facts` maps the attribute
(or `attribute.key`) to the Fact behind it, so that `entry.bandwidth` can be computed with and
`entry.facts["bandwidth"]` can be asked for unit, range, grade, date and sources.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stackyard.source import Fact, Grade, Source, weakest


@dataclass(frozen=True)
class Entry:
    """Anything in the catalogue."""

    id: str
    name: str
    facts: Mapping[str, Fact] = field(repr=False)

    @property
    def grade(self) -> Grade:
        return weakest(fact.grade for fact in self.facts.values())


@dataclass(frozen=True)
class HbmGeneration(Entry):
    """One HBM generation: interface, stack heights and what a stack of each height holds and moves."""

    standard: str
    year: int
    pin_speed: float  # byte/s per pin
    interface_width: int  # pins of data
    heights: tuple[int, ...]  # dies stacked
    die_capacity: float  # byte
    capacity: Mapping[int, float]  # byte per stack by height: as stated, else height x die_capacity
    bandwidth: float  # byte/s per stack, as shipped
    energy: float  # J/byte moved, memory side; nan where not known
    die_area: float  # m2
    price: float  # USD per stack; nan where not known


@dataclass(frozen=True)
class HbmMaker(Entry):
    """A memory maker: HBM wafer capacity by month; the yields it is reported to reach are among its `facts`."""

    wafers_per_month: Mapping[int, float]  # Month -> HBM wafer starts per month at that month
    dram_wafers_per_month: float


ADDING, SWITCH, MESH = FABRICS = "adding switch", "switch", "mesh"
"""Scale-up fabrics: a switch that also adds up what it is sent, a plain one, links of its own to each other package."""


@dataclass(frozen=True)
class Accelerator(Entry):
    """An accelerator package: dense throughput, HBM, power and links."""

    vendor: str
    launch: str  # as printed: '2026-H2'
    flops: Mapping[str, float]  # precision ('bf16', 'fp8', 'fp4', 'int8') -> FLOP/s dense; absent = not supported
    memory_kind: str  # name of the HbmGeneration, or as printed where the memory is another: 'GDDR6'
    hbm: str  # id of the HbmGeneration; '' where the memory is not HBM
    stacks: float  # per package; 0 where the memory is not HBM
    stack_height: int
    memory: float  # byte per package
    bandwidth: float  # byte/s per package
    tdp: float  # W per package
    idle: float  # W per package
    scale_up: float  # byte/s per package, one direction
    scale_up_domain: int  # packages that share the scale-up fabric; 1 where no fabric is known
    scale_up_fabric: str  # one of FABRICS
    scale_out: float  # byte/s per package, one direction
    price: float  # USD per package; nan where not known
    system: str  # id of the System it is usually delivered in; '' where none is listed
    released: bool  # False for announced parts whose figures are not final


@dataclass(frozen=True)
class System(Entry):
    """A server or rack as delivered: how many accelerators and how much power it is rated for."""

    accelerators: int
    max_power: float  # W
    cooling: str  # 'air' or 'liquid'


@dataclass(frozen=True)
class Attention:
    """Shape of a model's attention. `latent` > 0 means MLA; `window` applies to `windowed_layers` of the layers."""

    heads: int
    kv_heads: int  # MLA: as many as heads, before compression
    head_dim: int  # of queries and keys; MLA: rotary part included
    latent: int = 0  # MLA: compressed key-value rank
    rope_dim: int = 0  # MLA: decoupled rotary key dimension
    query_rank: int = 0  # MLA: compressed query rank; 0 = full query projection
    value_dim: int = 0  # MLA: value head dimension
    window: int = 0
    windowed_layers: int = 0
    sinks: bool = False


@dataclass(frozen=True)
class Experts:
    """Shape of a model's mixture of experts."""

    routed: int
    active: int
    shared: int
    width: int  # feed-forward width of one routed expert
    shared_width: int  # total feed-forward width of the shared experts
    dense_layers: int  # layers with a dense feed-forward block instead; leading, or spread where extra['experts_every']


@dataclass(frozen=True)
class Model(Entry):
    """A transformer's architecture: exact configuration values. Draft layers and vision towers are not counted.

    `extra` has, where they apply: `ungated` (the feed-forward block has two matrices, not three), `parallel_blocks`
    (attention and feed-forward side by side, one sum a layer), `positions` (learned ones), `qk_norm`,
    `norms_per_layer`, `norm_bias`, `embedding_norm`, `attention_bias`, `qkv_bias`, `mlp_bias`, `head_bias`,
    `router_bias`, `expert_bias`, `experts_every` (every n-th layer has experts), `dense_beside_experts` (both run in
    every layer), `shared_expert_gate`, `expert_hidden` (experts work in this narrower space), `hash_routed_layers`,
    `attention_chunk` (the windowed layers attend inside chunks of this length), `sparse_attention`, `sliding_window`,
    `output_gate` (of softmax attention), `full_attention_layers` and `linear_attention` (of the others),
    `global_kv_heads`, `global_head_dim`, `k_equals_v_on_global_layers`, `output_rank`, `output_groups`,
    `layers_by_compression`, `top_k_entries`, `indexer_heads`, `indexer_head_dim`, `mtp_layers` (draft layers, not
    among `layers`), `balanced_over` (a global batch: experts are used evenly over a whole batch of training, not within
    each text, so that texts of a kind share experts), and `native_weights`.
    """

    family: str
    layers: int
    hidden: int
    attention: Attention
    feed_forward: int  # width of the dense feed-forward block; 0 where every layer has experts
    experts: Experts | None
    vocabulary: int
    tied_embeddings: bool
    max_context: int
    parameters_published: float  # total; nan where not published
    active_published: float  # per token; nan where not published
    extra: Mapping[str, Any] = field(default_factory=dict)  # what the family's counting needs beyond this


@dataclass(frozen=True)
class Climate(Entry):
    """Twelve monthly means of a place."""

    dry_bulb: tuple[float, ...]  # deg C, January to December
    wet_bulb: tuple[float, ...]  # deg C; () where no table was found


@dataclass(frozen=True)
class Phase:
    """Power that becomes usable at a site from a month on."""

    month: int  # Month, see stackyard.months
    power: float  # W of site power, cumulative at the site


@dataclass(frozen=True)
class Site(Entry):
    """A data-centre site of the public record."""

    place: str
    climate: str  # id of a Climate
    grid: str  # id of a Grid
    phases: tuple[Phase, ...]


@dataclass(frozen=True)
class Grid(Entry):
    """A power grid's mean carbon intensity."""

    carbon: float  # kg CO2e per joule


@dataclass(frozen=True)
class Event(Entry):
    """A dated event of the alliance's public record."""

    date: str
    place: str
    parties: tuple[str, ...]
    agenda: tuple[str, ...]
    outcome: tuple[str, ...]
    participants: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()
    stated: Grade = Grade.ASSUMED  # how well the event itself is attested
    related: bool = False  # context, not a meeting of the alliance
    end: str = ""
    note: str = ""

    @property
    def grade(self) -> Grade:
        return self.stated
