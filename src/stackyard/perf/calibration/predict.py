"""Predictions for measured rows: one each, by arrays of rows that share model, chip, formats, engine and regime."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stackyard import catalog
from stackyard.catalog.entries import Accelerator, Model
from stackyard.perf import constants, schedule
from stackyard.perf.calibration import ways
from stackyard.perf.calibration.rows import Row
from stackyard.perf.calibration.ways import Way
from stackyard.perf.estimate import Estimate, estimate
from stackyard.perf.layout import Layout
from stackyard.perf.memory import capacity
from stackyard.perf.precision import Precision
from stackyard.perf.serving import PLAIN, Serving, guesser_bytes

Vector = NDArray[np.float64]
MOST, STEPS = 4096.0, 24  # requests in progress that an open loop is looked for among, and halvings of that


@dataclass(frozen=True)
class Group:
    """Rows that one array estimate answers. `index` are their places in the sequence they came from."""

    model: Model
    chip: Accelerator
    precision: Precision
    engine: str
    regime: str
    index: NDArray[np.intp]
    layout: Layout
    asked: Vector  # requests at once, as measured; 0 = as many as the engine takes
    prompt: Vector
    output: Vector
    metric: NDArray[np.str_]
    requests: Vector  # of the whole run; 0 = not known
    wait: Vector  # decode steps until an arrival is taken in, by the source's scripts
    serving: Serving = PLAIN

    @property
    def held(self) -> Vector:
        """Sequences that the engine admits at once, by cache and by its own limit; at least one a tensor group."""
        values = constants.values(self.chip, self.engine)
        kept = self.prompt + self.output * values["cache.reserve"]
        sizes = (self.model, self.chip, self.layout, self.precision, kept)
        more = guesser_bytes(self.model, self.layout, self.precision, self.serving, kept)
        most = np.minimum(capacity(*sizes, values, more), values["batch.limit"] * self.layout.data)
        return np.maximum(most, self.layout.data)

    @property
    def batch(self) -> Vector:
        """Requests in progress: what was asked, at most what fits."""
        held = np.where(self.requests > 0, np.minimum(self.held, self.requests), self.held)
        return np.maximum(np.where(self.asked > 0, np.minimum(self.asked, held), held), self.layout.data)

    @property
    def rest(self) -> Vector:
        """Requests of a run's last wave, where all of it comes at once and fills the batch several times, not evenly.

        At least one a tensor group; what `whole_run` makes of it is nothing where nothing is left over.
        """
        return np.maximum(_left(self.requests, self.batch), self.layout.data)


def _left(requests: Vector, batch: Vector) -> Vector:
    """Requests beyond whole batches."""
    found: Vector = requests - np.floor(requests / batch + 1e-9) * batch
    return np.where(found < 0.5, 0.0, found)


def whole_run(group: Group, batch: Vector, cycle: Vector, last: Vector) -> Vector:
    """Rate of a whole run over that of its steady load: (N / B) c / (n c + c'), N requests of which B are in progress.

    n = floor(N / B) whole waves take c each; the rest of the requests are served in a last one of c', fewer at a time
    and so at a lower rate. 1 where the number of requests is not known, or they do not all come at once.
    """
    known = (group.requests > 0) & (group.regime == "max load")
    requests = np.where(known, group.requests, batch)
    left = _left(requests, batch)
    whole = (requests - left) / batch * cycle + np.where(left > 0, last, 0.0)
    found: Vector = requests / batch * cycle / whole
    return found


def groups(rows: Sequence[Row]) -> Iterator[Group]:
    """The rows, grouped; engines are found from the row's framework and date."""
    known = catalog.load()
    found: dict[tuple[object, ...], list[int]] = {}
    for place, row in enumerate(rows):
        engine = constants.engine_of(row.framework, row.date, known.accelerator(row.chip)).id
        key = (row.model, row.chip, row.precision, engine, row.regime, row.serving)
        found.setdefault(key, []).append(place)
    for places in found.values():
        some = [rows[place] for place in places]
        row = some[0]
        chip = known.accelerator(row.chip)

        def column(name: str, some: list[Row] = some) -> Vector:
            return np.array([getattr(row, name) for row in some], dtype=float)

        yield Group(
            known.model(row.model),
            chip,
            row.precision,
            constants.engine_of(row.framework, row.date, chip).id,
            row.regime,
            np.array(places),
            Layout(column("tensor"), column("pipeline"), column("data"), column("expert")),
            column("batch"),
            column("prompt"),
            column("output"),
            np.array([row.metric for row in some]),
            column("requests"),
            column("wait"),
            row.serving,
        )


def answer(
    group: Group, batch: Vector, first: Vector, tpot: Vector, output_rate: Vector, token_rate: Vector, filling: Vector
) -> Vector:
    """Each row's metric from an estimate at `batch`.

    Who does not fit into the batch waits for a turn: (asked / batch - 1) requests' lives. Of a closed loop's first
    wave, asked of all requests, each waits for half of all the prompts, which take `filling` seconds; the others wait
    as many decode steps as the engine's settings say. latency = ttft + (output - 1) tpot; rates are per accelerator.
    """
    each = group.layout.accelerators
    first = first + np.maximum(group.asked / batch - 1.0, 0.0) * batch * group.output / output_rate
    wave = np.where(group.requests > 0, group.asked / np.maximum(group.requests, 1.0), 0.0)
    first = first + filling / 2.0 * wave + np.maximum(1.0 - wave, 0.0) * group.wait * tpot * group.serving.gain
    found = {
        "ttft": first,
        "tpot": tpot,
        "latency": first + np.maximum(group.output - 1.0, 0.0) * tpot,
        "output_rate": output_rate / each,
        "token_rate": token_rate / each,
    }
    return np.select([group.metric == name for name in found], list(found.values()), np.nan)


def predict(rows: Sequence[Row]) -> Vector:
    """One prediction for each row, in its unit; nan where the model has no answer."""
    found = np.full(len(rows), np.nan)
    apart = [place for place, row in enumerate(rows) if isinstance(row, Way) and row.prefill_workers]
    found[apart] = ways.predict([row for row in rows if isinstance(row, Way) and row.prefill_workers])
    free = [place for place, row in enumerate(rows) if isinstance(row, Way) and row.arrivals]
    found[free] = _open([row for row in rows if isinstance(row, Way) and row.arrivals])
    whole = np.setdiff1d(np.arange(len(rows)), [*apart, *free])
    found[whole] = _of_one_pool([rows[place] for place in whole])
    return found


def _open(rows: Sequence[Way]) -> Vector:
    """Rows of an open loop: the closed loop whose requests in progress are arrivals x the time of each (Little's law).

    Found by bisection, as that time grows with their number. Rates are what is offered. nan for times to the first
    token, and of whole requests, where more arrive than are served: they grow with the length of the run.
    """
    arrivals = np.array([row.arrivals for row in rows])
    most = np.array([min(row.requests or MOST, MOST) for row in rows])
    low, high = np.zeros(len(rows)), most
    for _ in range(STEPS):
        middle = (low + high) / 2.0
        more = arrivals * _at(rows, middle, "latency") > middle
        low, high = np.where(more, middle, low), np.where(more, high, middle)
    found = _at(rows, high)
    for place, row in enumerate(rows):
        steady = high[place] < 0.99 * most[place]
        if row.metric in ("ttft", "latency") and not steady:
            found[place] = np.nan
        elif row.metric in ("output_rate", "token_rate") and steady:
            tokens = row.output + (row.prompt if row.metric == "token_rate" else 0.0)
            found[place] = row.arrivals * float(tokens) / float(row.layout.accelerators)
    return found


def _at(rows: Sequence[Way], batch: Vector, metric: str = "") -> Vector:
    """The rows' metric, or this one, with so many requests in progress, none of them of a first wave."""
    tried = zip(rows, batch, strict=True)
    held = [replace(row, batch=max(float(n), 1.0), requests=0.0, metric=metric or row.metric) for row, n in tried]
    return _of_one_pool(held)


def _of_one_pool(rows: Sequence[Row]) -> Vector:
    found = np.full(len(rows), np.nan)
    for group in groups(rows):
        batch = group.batch
        sizes = (group.layout, batch, group.prompt, group.output)
        told = _estimated(group, batch)
        names = ("ttft", "tpot", "output_rate", "token_rate", "prefill_seconds")
        ttft, tpot, output_rate, token_rate, prefill = (np.asarray(getattr(told, name)) for name in names)
        tokens = constants.values(group.chip, group.engine)["prefill.tokens"]
        cut = schedule.shape(*sizes, tokens, group.regime, group.serving.gain)
        filling = cut.group / cut.prompts * prefill / group.layout.pipeline
        if group.regime == "max load":
            last = group.rest * group.output / np.asarray(_estimated(group, group.rest).output_rate)
            share = whole_run(group, batch, batch * group.output / output_rate, last)
            output_rate, token_rate = output_rate * share, token_rate * share
        found[group.index] = answer(group, batch, ttft, tpot, output_rate, token_rate, filling)
    return found


def _estimated(group: Group, batch: Vector) -> Estimate:
    return estimate(
        group.model,
        group.chip,
        group.layout,
        batch,
        group.prompt,
        group.output,
        precision=group.precision,
        regime=group.regime,
        engine=group.engine,
        serving=group.serving,
    )
