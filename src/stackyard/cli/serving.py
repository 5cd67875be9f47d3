"""The command line's verbs of the serving simulator: simulate, capacity, and validate --serving."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stackyard.cli.options import Json, grouped, print_json
from stackyard.errors import Fault, InputErrors

if TYPE_CHECKING:
    from stackyard.sim.ask import Service
    from stackyard.sim.load import Load

DOES_NOT_FIT = 1

Models = Annotated[list[str], typer.Option("--model", help="A model of the catalogue; repeat it for a shared host.")]
System = Annotated[str, typer.Option("--system", help="A system or an accelerator of the catalogue: hgx-h200, h100.")]
Tensor = Annotated[int | None, typer.Option("--tp", min=1, help="Tensor-parallel width; found if left out.")]
Pipeline = Annotated[int, typer.Option("--pp", min=1, help="Pipeline stages.")]
Expert = Annotated[int, typer.Option("--ep", min=1, help="Expert-parallel width.")]
Replicas = Annotated[int | None, typer.Option(min=1, help="Replicas; as many as the system holds if left out.")]
PrecisionName = Annotated[str, typer.Option("--precision", help="bf16, fp8, int8, fp4, or fp4-weights.")]
Engine = Annotated[str, typer.Option(help="Whose scheduler and defaults: vllm, sglang or trtllm.")]
Trace = Annotated[
    Path | None, typer.Option(help="A trace: CSV (Azure's, plain) or JSON lines (Mooncake's, plain); .gz too.")
]
Rate = Annotated[str | None, typer.Option(help="Requests a second: 5/s; or 2x, twice the trace's own.")]
Requests = Annotated[int, typer.Option("--requests", min=0, help="How many; 0 is all of a trace, 1,000 without one.")]
Prompt = Annotated[float, typer.Option("--in", min=1, help="Mean prompt tokens, without a trace.")]
Output = Annotated[float, typer.Option("--out", min=1, help="Mean output tokens, without a trace.")]
Spread = Annotated[float, typer.Option(min=0, help="CV of both lengths (log-normal), without a trace.")]
Arrivals = Annotated[str, typer.Option(help="poisson, gamma, weibull or even.")]
Burst = Annotated[float, typer.Option("--cv", help="CV of the gaps between arrivals: 1 is Poisson.")]
Shared = Annotated[int, typer.Option("--shared-prefix", min=0, help="Tokens of a system prompt that all share.")]
Clients = Annotated[str, typer.Option(help="A mixture of clients: m-large, m-mid, m-small or deepseek-r1 of ServeGen.")]
Turns = Annotated[float, typer.Option(min=1, help="Conversations of so many turns, whose context grows.")]
Swing = Annotated[
    float, typer.Option("--daily", min=0, max=0.99, help="How far the rate swings over a day, as a share.")
]
Ttft = Annotated[str | None, typer.Option(help="Objective: time to first token, '2 s'.")]
Tpot = Annotated[str | None, typer.Option(help="Objective: time per output token, '50 ms'.")]
Percentile = Annotated[float, typer.Option(min=0, max=100, help="Of the requests, how many keep the objective.")]
Router = Annotated[str, typer.Option(help="round-robin, least-outstanding, power-of-two, prefix-affinity or kv-aware.")]
Seed = Annotated[int, typer.Option(help="The same seed, the same answer.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Threads for replications; all cores if left out.")]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Leave bad lines of the trace out, and count them.")]


@dataclass(frozen=True)
class Where:
    """Options that say what serves; the names are those of `api.service`."""

    model: Models
    system: System
    tensor: Tensor = None
    pipeline: Pipeline = 1
    expert: Expert = 1
    replicas: Replicas = None
    precision: PrecisionName = "bf16"
    engine: Engine = "vllm"
    router: Router = "least-outstanding"

    def service(self, **more: Any) -> "Service":
        """The service, with settings that only some commands have."""
        from stackyard.verbs.simulator import prepare

        prepare()  # before the rest is imported, which takes a while
        from stackyard import api

        named = vars(self) | more
        return api.service(named.pop("model"), named.pop("system"), **named)


@dataclass(frozen=True)
class What:
    """Options that say which requests come; the names are those of `api.load_of`."""

    trace: Trace = None
    prompt: Prompt = 1000
    output: Output = 200
    spread: Spread = 1.0
    arrivals: Arrivals = "poisson"
    cv: Burst = 1.0
    shared: Shared = 0
    clients: Clients = ""
    turns: Turns = 1.0
    swing: Swing = 0.0
    skip_bad: SkipBad = False

    def load(self, rate: str | None, requests: int) -> "Load":
        """The requests, so many at this rate."""
        from stackyard import api

        return api.load_of(rate=rate, requests=requests, **vars(self))


@grouped
def simulate(
    where: Where,
    what: What,
    rate: Rate = None,
    requests: Requests = 0,
    ttft: Ttft = None,
    tpot: Tpot = None,
    percentile: Percentile = 99.0,
    tokens: Annotated[int | None, typer.Option("--max-tokens", min=1, help="Token budget of a step.")] = None,
    sequences: Annotated[int | None, typer.Option("--max-seqs", min=1, help="Requests in a step.")] = None,
    policy: Annotated[str | None, typer.Option(help="mixed, prefill-first or decode-first.")] = None,
    swap: Annotated[bool, typer.Option("--swap", help="Preempt by swapping to host memory.")] = False,
    prefill_replicas: Annotated[int, typer.Option(min=0, help="Replicas that only take prompts in.")] = 0,
    link: Annotated[float, typer.Option(help="GB/s of the fabric between them.")] = 50.0,
    host_gb: Annotated[float, typer.Option(min=0, help="Host memory for prefixes, GB a replica.")] = 0.0,
    ssd_gb: Annotated[float, typer.Option(min=0, help="SSD for prefixes, GB a replica.")] = 0.0,
    remote_gb: Annotated[float, typer.Option(min=0, help="A pool of memory for prefixes of all replicas, GB.")] = 0.0,
    drafts: Annotated[int, typer.Option(min=0, help="Tokens guessed ahead in a step (speculative decoding).")] = 0,
    accept: Annotated[float, typer.Option(min=0, max=1, help="Probability that a guess is right.")] = 0.7,
    least: Annotated[int, typer.Option("--autoscale-from", min=0, help="Autoscale from this to --replicas.")] = 0,
    start_up: Annotated[float, typer.Option(min=0, help="Seconds until an added replica serves.")] = 60.0,
    failures: Annotated[float, typer.Option("--mtbf", min=0, help="Mean hours between failures of a replica.")] = 0.0,
    shed: Annotated[bool, typer.Option("--shed", help="Drop requests whose TTFT objective passed unbegun.")] = False,
    concurrency: Annotated[int, typer.Option(min=0, help="Closed loop: this many requests in progress.")] = 0,
    steps: Annotated[Path | None, typer.Option(help="Your own measured step times (CSV).")] = None,
    replications: Annotated[int | None, typer.Option(min=1, help="Independent runs; 1 with a trace, else 5.")] = None,
    seed: Seed = 0,
    workers: Workers = None,
    report: Annotated[Path | None, typer.Option(help="Also write pictures: latency against load, occupancy.")] = None,
    as_json: Json = False,
) -> None:
    """Simulate a service under a trace or synthetic load: tails of latency, goodput, utilisation, energy and cost."""
    from stackyard import api, show

    settings = {"tokens": tokens, "sequences": sequences, "policy": policy, "swap": swap or None}
    of = where.service(
        policy={name: value for name, value in settings.items() if value is not None},
        prefill_replicas=prefill_replicas,
        link=link,
        host_gb=host_gb,
        ssd_gb=ssd_gb,
        remote_gb=remote_gb,
        drafts=drafts,
        accept=accept,
        least=least,
        start_up=start_up,
        between_failures=failures * 3600.0,
        shed=shed,
        concurrency=concurrency,
        steps=steps,
    )
    load = what.load(rate, requests or (0 if what.trace else 1000))
    objective = api.promise(ttft, tpot, percentile)
    many = replications or (1 if load.fixed else 5)
    found = api.simulate(of, load, objective, seed=seed, replications=many, workers=workers)
    written = api.write_simulation(of, load, objective, found, report, seed) if report else None
    if as_json:
        print_json(api.simulation_row(found) | {"skipped_lines": load.skipped})
    else:
        show.simulation(found, of, objective, load.skipped, many, written)


@grouped
def capacity(
    where: Where,
    what: What,
    requests: Requests = 2000,
    ttft: Ttft = "2 s",
    tpot: Tpot = "50 ms",
    percentile: Percentile = 99.0,
    replications: Annotated[int, typer.Option(min=1, help="Independent bisections.")] = 3,
    seed: Seed = 0,
    workers: Workers = None,
    as_json: Json = False,
) -> None:
    """Find the largest request rate at which a service keeps its objective, and the share of its full rate that is."""
    from stackyard import api, show

    of = where.service()
    load = what.load("1x" if what.trace else "1", requests)
    objective = api.promise(ttft, tpot, percentile)
    found = api.capacity(of, load, objective, seed=seed, replications=replications, workers=workers)
    if as_json:
        print_json(api.capacity_row(found))
    else:
        show.capacity(found, objective)
    if not found.rate.value > 0:
        raise typer.Exit(DOES_NOT_FIT)


def validate_serving(table: Path | None, predicted: Path | None, as_json: bool) -> None:
    """Compares the simulator with measured serving runs, row by row, beside other simulators' errors."""
    from stackyard import api, show

    if predicted is not None and table is None:
        raise InputErrors([Fault("--predict", 0, "", "needs a table: validate --serving MINE.csv --predict OUT.csv")])
    found = api.validate_serving(table, predict=predicted)
    print_json(found.summary()) if as_json else show.serving(found, predicted)


COMMANDS = (simulate, capacity)
