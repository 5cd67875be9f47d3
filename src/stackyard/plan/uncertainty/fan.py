"""The fan: many samples of what is not known, each planned again with the plan's choices, in any number of workers.

What a sample's plan is depends on the sample alone: every one starts from the basis of the same first plan. So the
answer is the same however many workers there are and in whichever order they finish, and a run that was killed goes on
from what its file holds.
"""

from __future__ import annotations

import json
import math
import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stackyard.catalog import Catalog, load
from stackyard.notebook import Columns, Tabular
from stackyard.plan.program import Array
from stackyard.plan.scenario import Scenario
from stackyard.plan.solve import Solved
from stackyard.plan.uncertainty.outcome import FIGURES, Outcome, attempt, solved_with
from stackyard.plan.uncertainty.sample import Sampler, independent

BANDS = (("90% of cases", 5.0, 95.0), ("half of cases", 25.0, 75.0))
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
    workers: int = 2,
    store: Path | None = None,
    progress: Progress | None = None,
) -> Fan:
    """The fan of a scenario around its plan; outcomes are added to the file `store` as they come, and read from it."""
    tell = progress or (lambda text: None)
    doubt = scenario.inputs.uncertainty
    assert doubt is not None
    count = samples or doubt.samples
    sampler = Sampler.of(scenario, catalog)
    shares = sampler.correlated(independent(count, len(sampler.names), doubt.seed))
    head = {"scenario": scenario.digest, "catalogue": catalog.digest, "seed": doubt.seed, "inputs": sampler.names}
    head["plan"] = solved.plan.problem_digest
    known = {each.index: each for each in _stored(store, head)} if store is not None else {}
    todo = [i for i in range(count) if i not in known]
    tell(f"{count} samples of {len(sampler.names)} inputs; {len(known)} known already")
    if store is not None and not known:
        store.write_text(json.dumps(head) + "\n", encoding="utf-8")
    for found in _outcomes(sampler, solved, shares, todo, workers):
        known.update({each.index: each for each in found})
        if store is not None:
            with store.open("a", encoding="utf-8") as file:
                file.writelines(json.dumps(each.plain()) + "\n" for each in found)
        tell(f"{len(known)} of {count} samples planned")
    ordered = tuple(known[i] for i in range(count))
    return Fan(scenario, tuple(sampler.names), shares, sampler.values(shares), ordered)


def _stored(store: Path, head: dict[str, Any]) -> Iterator[Outcome]:
    """What a file holds of the same fan; a last line that was cut off is left out."""
    if not store.exists():
        return
    first, *lines = store.read_text(encoding="utf-8").split("\n")
    try:
        if json.loads(first) != head:
            return
    except ValueError:
        return
    for line in lines:
        try:
            yield Outcome.read(json.loads(line))
        except (ValueError, TypeError):
            continue


def _outcomes(
    sampler: Sampler, solved: Solved, shares: Array, todo: list[int], workers: int
) -> Iterator[list[Outcome]]:
    chunks = [todo[i : i + CHUNK] for i in range(0, len(todo), CHUNK)]
    if workers <= 1 or len(chunks) <= 1 or sampler.catalog.digest != load().digest:
        base = solved_with(solved.formulation.problem, solved.choices)
        for chunk in chunks:
            yield [attempt(i, sampler, base, shares[i]) for i in chunk]
        return
    setting = (sampler.scenario, sampler.catalog.digest, solved.formulation.problem, solved.choices)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=setting) as pool:
        yield from pool.map(_work, [[(i, shares[i]) for i in chunk] for chunk in chunks])


_STATE: dict[str, Any] = {}  # of a worker process: its sampler and its solved plan


def _begin(scenario: Scenario, digest: str, problem: Any, choices: Any) -> None:
    catalog = load()
    assert catalog.digest == digest, "workers know the built-in catalogue only"
    _STATE["sampler"] = Sampler.of(scenario, catalog)
    _STATE["solved"] = solved_with(problem, choices)


def _work(chunk: list[tuple[int, Array]]) -> list[Outcome]:
    return [attempt(i, _STATE["sampler"], _STATE["solved"], shares) for i, shares in chunk]
