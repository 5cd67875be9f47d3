"""The verbs of the serving simulator, re-exported by `stackyard.api`; the compiler is loaded when they are called."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stackyard.catalog.entries import Accelerator
    from stackyard.perf.cost import Prices
    from stackyard.sim.ask import Service
    from stackyard.sim.calibration.validate import Comparison as ServingComparison
    from stackyard.sim.capacity import Capacity
    from stackyard.sim.load import Load
    from stackyard.sim.metrics import Objective, Simulation

LIFE, ELECTRICITY = "operation.lifetime.economic-life-central", "costs.electricity.us-wholesale.2026"


def prepare() -> None:
    """Begins to compile the simulator's kernel on another core, where that is still to be done, and returns at once."""
    from stackyard.sim.kernel.compile import begin

    begin()


def service(models: str | Sequence[str], system: str, **settings: Any) -> Service:
    """What runs where, for `simulate` and `capacity`: a model, or several that share the hosts; settings are fields of
    sim.ask.Service. Raises InputErrors.

    >>> of = service("llama-3.1-70b", "hgx-h200", tensor=4)
    >>> of.chip.id, of.tensor
    ('h200-sxm', 4)
    """
    from stackyard.catalog import load
    from stackyard.perf.asked import system as system_named
    from stackyard.perf.asked import variant
    from stackyard.sim.ask import Service

    known = load()
    rack = system_named(known, system)
    shapes = tuple(known.model(model) for model in ((models,) if isinstance(models, str) else models))
    return Service(
        shapes,
        variant(known, system).chip,
        None if rack is None else rack.accelerators,
        **settings,
    )


def load_of(*asked: Any, **named: Any) -> Load:
    """The requests of a trace or synthetic ones; see sim.load.load.

    >>> asked = load_of(None, "2", 100, 1000.0, 200.0, 1.0, "poisson", 1.0, 0, False)
    >>> asked.fixed
    False
    """
    from stackyard.sim.load import load as made

    return made(*asked, **named)


def promise(ttft: str | None = None, tpot: str | None = None, percentile: float = 99.0) -> Objective:
    """What a service promises to a percentile of its requests; nothing where nothing is stated.

    >>> promise("1 s", "50 ms").percentile
    99.0
    """
    from stackyard.sim.metrics import Objective
    from stackyard.verbs.serving import objective

    first, each = objective(ttft, tpot, (math.inf, math.inf))
    return Objective(first, each, percentile=percentile)


def prices(part: Accelerator) -> Prices:
    """The package's price, the economic life and the price of electricity that the catalogue has for planning.

    >>> prices(service(["llama-3.1-70b"], "hgx-h200", tensor=4).chip).electricity > 0
    True
    """
    from stackyard.catalog import load
    from stackyard.perf.cost import Prices

    life, electricity = (load().fact(path) for path in (LIFE, ELECTRICITY))
    price = [part.facts["price"]] if "price" in part.facts else []
    return Prices(part.price, life.si, electricity.si, (*price, life, electricity))


def simulate(of: Service, asked: Load, promised: Objective, **how: Any) -> Simulation:
    """Serves a load, in `replications` independent runs from `seed` on, with `workers` threads.

    >>> of = service(["llama-3.1-8b"], "h100", tensor=1)
    >>> asked = load_of(None, "2", 50, 500.0, 50.0, 1.0, "poisson", 1.0, 0, False)
    >>> found = simulate(of, asked, promise("1 s", "50 ms"), seed=1, replications=1, workers=1)
    >>> found.stable, simulation_row(found)["served"]
    (True, 50)
    """
    from stackyard.sim.ask import simulate as simulated

    return simulated(of, asked.made, promised, prices(of.chip), **how)


def capacity(of: Service, asked: Load, promised: Objective, **how: Any) -> Capacity:
    """The largest rate that keeps an objective, from disk where it was asked before."""
    from stackyard.sim.ask import capacity as found

    return found(of, asked.made, promised, **how)


def validate_serving(path: Path | str | None = None, *, predict: Path | None = None) -> ServingComparison:
    """Compares the simulator with measured serving runs; writes the table again with predictions where asked."""
    from stackyard.sim.calibration.validate import validate as compared
    from stackyard.sim.calibration.validate import write_predictions

    found = compared(None if path is None else Path(path))
    if predict is not None:
        from stackyard.files import atomically

        with atomically(predict) as beside:
            write_predictions(found, beside)
    return found


def simulation_row(found: Simulation) -> dict[str, Any]:
    """A simulation as plain names and values for JSON.

    >>> from stackyard import api
    >>> of = service("llama-3.1-8b", "hgx-h200", tensor=1)
    >>> asked = load_of(None, "2", 20, 1000.0, 50.0, 1.0, "poisson", 1.0, 0, False)
    >>> found = api.simulate(of, asked, promise("1 s", "50 ms"))
    >>> sorted(simulation_row(found))[:3]
    ['accelerators', 'cost', 'cost_per_million_tokens']
    """
    from stackyard.sim.load import simulation_row as plain

    return plain(found)


def capacity_row(found: Capacity) -> dict[str, Any]:
    """A capacity as plain names and values for JSON.

    >>> of, promised = service("llama-3.1-8b", "hgx-h200", tensor=1), promise("1 s", "50 ms")
    >>> asked = load_of(None, "2", 50, 1000.0, 50.0, 1.0, "poisson", 1.0, 0, False)
    >>> found = capacity(of, asked, promised)
    >>> sorted(capacity_row(found))[:3]
    ['full_rate', 'rate', 'requests']
    """
    from stackyard.sim.load import capacity_row as plain

    return plain(found)


def write_simulation(
    of: Service, asked: Load, promised: Objective, found: Simulation, path: Path | str, seed: int = 0
) -> Path:
    """Writes latency against load, with the knee marked, and occupancy over time, as a page that opens offline."""
    from stackyard.files import atomically
    from stackyard.report.formats import FORMATS
    from stackyard.report.serving import document
    from stackyard.sim.ask import sweep

    report = document(of, promised, found, sweep(of, asked.made, promised, seed), date=date.today().isoformat())
    with atomically(Path(path)) as beside:
        beside.write_bytes(FORMATS["html"](report))
    return Path(path)
