"""How an engine schedules, and how a deployment of engines is put together; values that a run is told."""

from __future__ import annotations

from dataclasses import dataclass, field

from stackyard.sim.steps import Asked, Table

POLICIES = ("mixed", "prefill-first", "decode-first")
ROUTERS = ("round-robin", "least-outstanding", "power-of-two", "prefix-affinity", "kv-aware")
TIER_NAMES = ("host", "ssd", "remote")


@dataclass(frozen=True)
class Policy:
    """One scheduler's settings.

    mixed: a step decodes all running requests and fills the rest of the token budget with prompts, in chunks.
    prefill-first: waiting prompts are taken in by steps of their own before decoding goes on. decode-first: a batch is
    decoded to its end's first completion before the next is let in, as servers without continuous batching do.
    `watermark` is the share of blocks kept free at admission, `reserve` the share of the output for which room is kept
    (1: nobody is ever evicted), `memory_share` of the accelerator's memory that the engine may take; with `of_free` the
    share that the cache may take of what weights and activations leave.
    """

    name: str = "plain"
    policy: str = "mixed"
    tokens: int = 2048
    sequences: int = 256
    block: int = 16
    chunked: bool = True
    long_chunk: int = 0  # most tokens of one prompt in a step; 0: no such limit
    watermark: float = 0.0
    reserve: float = 0.0
    swap: bool = False
    prefix_cache: bool = True
    ahead: bool = False  # a step is scheduled while the last runs: what comes meanwhile misses it
    memory_share: float = 0.9
    of_free: bool = False

    def __post_init__(self) -> None:
        if self.policy not in POLICIES:
            raise ValueError(f"'{self.policy}' is not a policy I know: {', '.join(POLICIES)}")
        if min(self.tokens, self.sequences, self.block) < 1:
            raise ValueError("token budget, sequences and block size must be at least 1")
        if not (0 <= self.watermark < 1 and 0 <= self.reserve <= 1 and 0 < self.memory_share <= 1):
            raise ValueError("watermark, reserve and memory share are shares between 0 and 1")


@dataclass(frozen=True)
class Tier:
    """Memory below HBM that keeps prefixes: bytes for each replica (remote: for all), and how fast they come back."""

    size: float
    rate: float
    latency: float = 0.0


@dataclass(frozen=True)
class Speculation:
    """`drafts` tokens are guessed each step; each is right with probability `accept`; one costs `draft` of a step."""

    drafts: int
    accept: float
    draft: float = 0.05


@dataclass(frozen=True)
class Split:
    """Prefill and decode on replicas of their own; the cache goes over `rate`, one transfer of a replica at a time."""

    prefill: int
    decode: int
    rate: float
    latency: float = 0.0


@dataclass(frozen=True)
class Autoscale:
    """Replicas come and go with the requests in progress for each active one; looked at every `every` seconds."""

    least: int
    high: float
    low: float
    start_up: float
    every: float = 10.0


@dataclass(frozen=True)
class Failures:
    """Replicas fail at random after `between` seconds in the mean and are back after `restart` seconds."""

    between: float
    restart: float


@dataclass(frozen=True)
class Deployment:
    """What serves: one engine or several models that share hosts, replicated, behind a router."""

    engines: tuple[Asked, ...] = ()
    policy: Policy = field(default_factory=Policy)
    replicas: int = 1
    router: str = "least-outstanding"
    affinity: float = 1.0  # kv-aware: weight of prompt tokens; prefix-affinity: requests that a replica may be ahead
    split: Split | None = None
    tiers: dict[str, Tier] = field(default_factory=dict)
    speculation: Speculation | None = None
    autoscale: Autoscale | None = None
    failures: Failures | None = None
    shed: bool = False  # drop requests whose time to first token is past their deadline before they begin
    closed: int = 0  # requests in progress of a closed loop; 0: arrivals by their times
    blocks: int = 0  # cache blocks of an engine; 0: what its memory leaves
    tables: tuple[Table, ...] = ()  # measured steps in place of the performance model's
    overhead: tuple[float, float] | None = None  # before queueing; more in a step with prompts; None: fitted
    pool: int = 0  # engines that are simulated of all data groups of the replicas; 0: every one

    def __post_init__(self) -> None:
        if self.router not in ROUTERS:
            raise ValueError(f"'{self.router}' is not a router I know: {', '.join(ROUTERS)}")
        unknown = [name for name in self.tiers if name not in TIER_NAMES]
        if unknown:
            raise ValueError(f"'{unknown[0]}' is not a tier I know: {', '.join(TIER_NAMES)}")
        if self.replicas < 1 or (self.split and min(self.split.prefill, self.split.decode) < 1):
            raise ValueError("at least one replica is needed of each kind")

    @property
    def groups(self) -> int:
        """Engines: replicas, each data group of a layout counted as one."""
        if self.split:
            return self.split.prefill + self.split.decode
        return self.pool or self.replicas * (int(self.engines[0].layout.data) if self.engines else 1)
