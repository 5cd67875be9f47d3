"""The fan: many samples of what is not known, each planned again with the plan's choices, in any number of workers.

What a sample's plan is depends on the sample alone: every one starts from the basis of the same first plan. So the
answer is the same however many workers there are and in whichever order they finish, and a run that was killed goes on
from what its file holds.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stackyard.catalog import Catalog, load
from stackyard.children import nameless
from stackyard.notebook import Columns, Tabular
from stackyard.plan.program import Array
from stackyard.plan.scenario import Scenario
from stackyard.plan.solve import Solved
from stackyard.plan.uncertainty.outcome import FIGURES, Outcome, attempt, solved_with
from stackyard.plan.uncertainty.sample import Sampler, independent
from stackyard.plan.uncertainty.store import digest_of, keep, resumed
from stackyard.words import phrase

BANDS = ((phrase("90% of cases"), 5.0, 95.0), (phrase("half of cases"), 25.0, 75.0))
CHUNK = 8  # samples handed to a worker at once

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Fan(Tabular):
    """All outcomes in the order of their samples, with the samples: shares of probability and values."""

    scenario: Scenario
    names: tuple[str, ...]
    shares: Array
    values: Array
    outcomes: tuple[Outcome, ...]

    def columns(self) -> Columns:
        """A row a sample: its inputs, then the figures of its plan; nan where there is none."""
        inputs = {name: (self.values[:, i], "") for i, name in enumerate(self.names)}
        kept = [each.figures or {} for each in self.outcomes]
        return inputs | {name: ([row.get(name, math.nan) for row in kept], "") for name in FIGURES}

    @property
    def planned(self) -> list[Outcome]:
        """Those for which there is a plan."""
        return [each for each in self.outcomes if not each.failed]


def fan(
    scenario: Scenario,
    catalog: Catalog,
    solved: Solved,
    *,
    samples: int | None = None,
    causes: int = 0,
    workers: int = 2,
    store: Path | None = None,
    progress: Progress | None = None,
) -> Fan:
    """The fan of a scenario around its plan; outcomes are added to the file `store` as they come, and read from it.

    The first `causes` samples are asked for what leaves their demand, up to 13 plans for each: the first points of a
    Sobol sequence are spread over all inputs themselves.
    """
    tell = progress or (lambda text: None)
    doubt = scenario.inputs.uncertainty
    assert doubt is not None
    count = samples or doubt.samples
    sampler = Sampler.of(scenario, catalog)
    shares = sampler.correlated(independent(count, len(sampler.names), doubt.seed))
    head = {"scenario": scenario.digest, "catalogue": catalog.digest, "seed": doubt.seed, "inputs": sampler.names}
    head |= {"plan": solved.plan.problem_digest, "choices": digest_of(solved.choices)}
    known = {each.index: each for each in map(Outcome.read, resumed(store, head))}
    todo = [i for i in range(count) if i not in known or (i < causes and not (known[i].left or known[i].failed))]
    tell(f"{count} samples of {len(sampler.names)} inputs; {len(known)} known already")
    for found in _outcomes(sampler, solved, shares, todo, causes, workers):
        known.update({each.index: each for each in found})
        keep(store, [each.plain() for each in found])
        tell(f"{len(known)} of {count} samples planned")
    ordered = tuple(known[i] for i in range(count))
    return Fan(scenario, tuple(sampler.names), shares, sampler.values(shares), ordered)


def _outcomes(
    sampler: Sampler, solved: Solved, shares: Array, todo: list[int], causes: int, workers: int
) -> Iterator[list[Outcome]]:
    asked, rest = ([i for i in todo if (i < causes) == which] for which in (True, False))
    chunks = [[i] for i in asked] + [rest[i : i + CHUNK] for i in range(0, len(rest), CHUNK)]
    if workers <= 1 or len(chunks) <= 1 or sampler.catalog.digest != load().digest:
        base = solved_with(solved.formulation.problem, solved.choices)
        for chunk in chunks:
            yield [attempt(i, sampler, base, shares[i], i < causes) for i in chunk]
        return
    setting = (sampler.scenario, sampler.catalog.digest, solved.formulation.problem, solved.choices)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=setting) as pool:
        with nameless():  # all of them start here
            found = pool.map(_work, [[(i, shares[i], i < causes) for i in chunk] for chunk in chunks])
        yield from found


_STATE: dict[str, Any] = {}  # of a worker process: its sampler and its solved plan


def _begin(scenario: Scenario, digest: str, problem: Any, choices: Any) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    catalog = load()
    assert catalog.digest == digest, "workers know the built-in catalogue only"
    _STATE["sampler"] = Sampler.of(scenario, catalog)
    _STATE["solved"] = solved_with(problem, choices)


def _end_with_parent() -> None:
    """A worker whose parent was killed ends too, instead of waiting for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(chunk: list[tuple[int, Array, bool]]) -> list[Outcome]:
    return [attempt(i, _STATE["sampler"], _STATE["solved"], shares, causes) for i, shares, causes in chunk]
