"""Synthetic traffic: arrivals, lengths, conversations and shared prefixes; the same seed gives the same requests.

Arrivals are renewal processes: gaps of mean 1 / rate that are exponential (Poisson), gamma or Weibull with a stated
coefficient of variation (CV); a daily shape or a mixture of clients is laid over them.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stackyard.sim.trace import Requests, Whole

Vector = NDArray[np.float64]
DATA = Path(__file__).parent / "data"
FAMILIES = ("poisson", "gamma", "weibull", "even")


def weibull_shape(cv: float) -> float:
    """The shape k of a Weibull law with this CV: CV^2 = G(1 + 2/k) / G(1 + 1/k)^2 - 1, by bisection.

    >>> round(weibull_shape(1.0), 6)
    1.0
    """
    low, high = 0.05, 50.0
    for _ in range(200):
        k = math.sqrt(low * high)
        square = math.exp(math.lgamma(1 + 2 / k) - 2 * math.lgamma(1 + 1 / k)) - 1
        low, high = (k, high) if square > cv * cv else (low, k)
    return math.sqrt(low * high)


def gaps(rng: np.random.Generator, many: int, family: str = "poisson", cv: float = 1.0) -> Vector:
    """Gaps of mean 1 between arrivals. Raises ValueError for a family or a CV that cannot be.

    >>> found = gaps(np.random.default_rng(1), 100_000, "gamma", cv=3.0)
    >>> bool(abs(found.mean() - 1) < 0.05 and abs(found.std() - 3) < 0.2)
    True
    """
    if family not in FAMILIES:
        raise ValueError(f"'{family}' is not a family of arrivals: {', '.join(FAMILIES)}")
    if not (math.isfinite(cv) and cv > 0):
        raise ValueError("the CV of arrivals must be above 0 and finite")
    if family == "even":
        return np.ones(many)
    if family == "gamma":
        return rng.gamma(1 / cv**2, cv**2, many)
    if family == "weibull":
        k = weibull_shape(cv)
        return rng.weibull(k, many) / math.gamma(1 + 1 / k)
    return rng.exponential(1.0, many)


@dataclass(frozen=True)
class Lengths:
    """Tokens of a prompt or an output: a mean and a CV (log-normal; 0: all the same), between 1 and `most`."""

    mean: float
    cv: float = 0.0
    most: float = 1_000_000

    def draw(self, rng: np.random.Generator, many: int) -> Whole:
        """`many` lengths."""
        if self.cv <= 0:
            return np.full(many, max(round(self.mean), 1), np.int64)
        spread = math.sqrt(math.log1p(self.cv**2))
        found = rng.lognormal(math.log(self.mean) - spread**2 / 2, spread, many)
        return np.clip(np.rint(found), 1, self.most).astype(np.int64)


def synthetic(
    rate: float, many: int, prompt: Lengths, output: Lengths, seed: int = 0, family: str = "poisson", cv: float = 1.0
) -> Requests:
    """`many` requests at `rate` a second.

    >>> found = synthetic(2.0, 10_000, Lengths(1000, 1.2), Lengths(200, 1.0), seed=3)
    >>> bool(abs(found.rate - 2) < 0.1 and abs(found.prompt.mean() / 1000 - 1) < 0.05)
    True
    """
    if not (math.isfinite(rate) and rate > 0):
        raise ValueError("a rate must be above 0 and finite")
    rng = np.random.default_rng(seed)
    arrival = np.cumsum(gaps(rng, many, family, cv)) / rate
    return Requests(arrival, prompt.draw(rng, many), output.draw(rng, many))


def batches(
    rate: float, many: int, prompt: Lengths, output: Lengths, seed: int = 0, each: int = 100_000
) -> Iterator[Requests]:
    """The same in batches, one after the other in time: memory does not grow with `many`.

    >>> sum(len(part.arrival) for part in batches(5.0, 1000, Lengths(100.0), Lengths(10.0), each=300))
    1000
    """
    start = 0.0
    for i in range(0, many, each):
        size = min(each, many - i)
        found = synthetic(rate, size, prompt, output, seed=seed + 7919 * (i // each))
        yield replace(found, arrival=found.arrival + start)
        start += float(found.arrival[-1])


@dataclass(frozen=True)
class Client:
    """One client of a mixture: its share of the requests, the law of its gaps, its lengths."""

    share: float
    family: str
    cv: float
    prompt: Lengths
    output: Lengths


def client_sets(name: str) -> list[Client]:
    """The clients of a ServeGen workload (m-large, m-mid, m-small, deepseek-r1): the 24 largest of known lengths.

    Rates and CVs are means over the recording, weighted by rate; lengths have the mean and the CV of the client's
    histogram, as log-normal laws. From github alibaba/ServeGen at f891d11 (Apache-2.0). Raises ValueError for another
    name.

    >>> len(client_sets("m-large"))
    24
    """
    with (DATA / "clients.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    found = [row for row in rows if row["set"] == name]
    if not found:
        raise ValueError(f"'{name}' is not a set of clients: {', '.join(dict.fromkeys(row['set'] for row in rows))}")
    return [
        Client(
            float(row["rate"]),
            row["family"],
            max(float(row["cv"]), 0.05),
            Lengths(float(row["prompt_mean"]), float(row["prompt_cv"]), 100_000),
            Lengths(float(row["output_mean"]), float(row["output_cv"]), 32_768),
        )
        for row in found
    ]


def mixture(rate: float, seconds: float, clients: Sequence[Client], seed: int = 0) -> Requests:
    """Requests of clients that each have a rate, a burstiness and lengths of their own, as ServeGen finds them.

    After Xiang et al., ServeGen (arXiv:2505.09999): production traffic is a sum of few skewed, bursty clients.

    >>> one = Client(1.0, "poisson", 1.0, Lengths(100.0), Lengths(10.0))
    >>> len(mixture(5.0, 10.0, [one, one]).arrival) > 20
    True
    """
    parts, whole = [], sum(client.share for client in clients)
    for i, client in enumerate(clients):
        own = rate * client.share / whole
        many = int(own * seconds * 1.2 + 10 + 6 * client.cv * math.sqrt(own * seconds + 1))
        found = synthetic(own, many, client.prompt, client.output, seed * 1009 + i, client.family, client.cv)
        parts.append(found.first(int(np.searchsorted(found.arrival, seconds))))
    arrival = np.concatenate([part.arrival for part in parts])
    order = np.argsort(arrival, kind="stable")
    prompt, output = (np.concatenate([getattr(p, n) for p in parts])[order] for n in ("prompt", "output"))
    return Requests(arrival[order], prompt, output)


def daily(of: Requests, swing: float, day: float = 86400.0) -> Requests:
    """The same requests with a rate that swings over the day: rate(t) = mean (1 + swing sin(2 pi t / day)).

    Times are moved by the inverse of the integral, so burstiness in units of the local rate stays. 0 <= swing < 1.

    >>> of = synthetic(5.0, 1000, Lengths(100.0), Lengths(10.0))
    >>> len(daily(of, 0.5).arrival) == len(of.arrival)
    True
    """
    if not 0 <= swing < 1:
        raise ValueError("the swing of a day must be at least 0 and below 1")
    grid = np.linspace(0, max(of.duration, 1e-9), 100_001)
    angle = 2 * math.pi * grid / day
    passed = grid + swing * day / (2 * math.pi) * (1 - np.cos(angle))
    passed *= grid[-1] / passed[-1]
    return replace(of, arrival=np.interp(of.arrival, passed, grid))


def conversations(
    rate: float,
    many: int,
    turns: float,
    question: Lengths,
    output: Lengths,
    seed: int = 0,
    system: float = 0,
    think: float = 10.0,
    block: int = 16,
) -> Requests:
    """About `many` requests of conversations whose context grows turn by turn; about `turns` turns each (geometric).

    Conversations are under way when it begins, so that turns come at the stated rate from the first second to the last.
    A turn's prompt is the system prompt, all earlier questions and answers, and a new question; it is sent `think`
    seconds (exponential) after the last one was, and waits until that is answered. Blocks up to the last answer's end
    are shared with the turn before, those of the system prompt with everybody.

    >>> made = conversations(1.0, 50, 3.0, Lengths(100.0), Lengths(50.0))
    >>> len(made.arrival) >= 40
    True
    """
    rng = np.random.default_rng(seed)
    span, before_it = many / rate, 5 * think * turns
    users = max(int((span + before_it) * rate / turns), 1)
    count = rng.geometric(1 / turns, users) if turns > 1 else np.ones(users, np.int64)
    start = np.cumsum(rng.exponential(turns / rate, users)) - before_it
    user = np.repeat(np.arange(users), count)
    turn = np.arange(len(user)) - np.repeat(np.cumsum(count) - count, count)
    asked, said = question.draw(rng, len(user)), output.draw(rng, len(user))
    wait = np.where(turn > 0, rng.exponential(think, len(user)), 0.0)
    arrival = start[user] + _within(wait, count)
    before = system + _within(asked + said, count) - asked - said
    prompt = (before + asked).astype(np.int64)
    order = np.argsort(arrival, kind="stable")
    first, past = np.searchsorted(arrival[order], (0.0, span))
    first = min(first, len(order) - 1)  # one request at least
    order, arrival = order[first : max(past, first + 1)], np.maximum(arrival, 0.0)
    ids, counts = _blocks(user, prompt + said, system, block, users)
    where = np.cumsum(counts) - counts
    hashes = np.concatenate([ids[where[i] : where[i] + counts[i]] for i in order]) if len(order) else ids
    return Requests(
        arrival[order],
        prompt[order],
        said[order],
        hashes=hashes,
        hash_n=counts[order],
        hash_tokens=block,
        session=user[order],
    )


def _within(values: NDArray[np.generic], count: Whole) -> NDArray[np.float64]:
    """Running sums that begin anew with each user."""
    total = np.cumsum(values).astype(float)
    ends = np.cumsum(count)
    base = np.where(ends - count > 0, total[np.maximum(ends - count - 1, 0)], 0.0)
    return np.asarray(total - np.repeat(base, count), np.float64)


def _blocks(user: Whole, tokens: Whole, system: float, block: int, users: int) -> tuple[Whole, Whole]:
    """Ids of the full blocks of each request's tokens: shared ones of the system prompt, then the user's own."""
    counts = (tokens // block).astype(np.int64)
    most = int(counts.max()) if len(counts) else 0
    shared = int(system) // block
    place = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
    own = shared + np.repeat(user, counts) * max(most - shared, 0) + place - shared
    ids = np.where(place < shared, place, own)
    return np.unique(ids, return_inverse=True)[1].astype(np.int64), counts


def shared_prefix(of: Requests, tokens: float, groups: int = 1, block: int = 16) -> Requests:
    """The same requests, each beginning with one of `groups` system prompts of `tokens` tokens (whole blocks of it)."""
    blocks = int(tokens) // block
    if blocks == 0:
        return of
    ids = (np.arange(len(of)) % groups)[:, None] * blocks + np.arange(blocks)
    many = np.minimum(np.full(len(of), blocks), of.prompt // block)
    keep = np.arange(blocks)[None, :] < many[:, None]
    return replace(of, hashes=ids[keep].astype(np.int64), hash_n=many.astype(np.int64), hash_tokens=block)


def sessions(of: Requests, many: int, warm: bool, serial: bool = True, block: int = 16) -> Requests:
    """The same requests dealt out in turn to `many` users, each sending its own prompt again and again, one at a time.

    A user's next request waits until the last one is answered, unless not `serial`. A prompt is in the cache from the
    second time on. With `warm` all send the same prompt, so that only the very first is computed: the state of a server
    that has seen all of them before.

    >>> of = synthetic(5.0, 1000, Lengths(100.0), Lengths(10.0))
    >>> len(sessions(of, 10, warm=False).arrival) == len(of.arrival)
    True
    """
    user = np.arange(len(of)) % many
    blocks = of.prompt // block
    most = int(blocks.max()) if len(of) else 0
    ids = (np.where(warm, 0, user)[:, None] * most + np.arange(most)).astype(np.int64)
    keep = np.arange(most)[None, :] < blocks[:, None]
    return replace(
        of, hashes=ids[keep], hash_n=blocks.astype(np.int64), hash_tokens=block, session=user if serial else None
    )
