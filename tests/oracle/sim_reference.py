"""A slow, obvious server: one object a request, one step at a time. What the kernel must agree with."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from stackyard.sim.policy import Deployment, Policy
from stackyard.sim.serve import SWAP_RATE
from stackyard.sim.steps import Table


@dataclass
class Asked:
    arrival: float
    prompt: int
    output: int
    done: int = 0
    made: int = 0
    target: int = 0
    blocks: int = 0
    queued: float = 0.0
    first: float = math.nan
    last: float = math.nan
    chunk: int = 0
    kept: int = 0  # tokens whose cache was swapped out


def corners(rng: np.random.Generator) -> Table:
    """Step seconds that are linear in prompt tokens, sequences and context, with all their products."""
    grid = np.zeros((2, 2, 2))
    for i, j, k in np.ndindex(2, 2, 2):
        grid[i, j, k] = 1e-3 * (1 + i * rng.uniform(1, 3) + j * rng.uniform(0.1, 1) + k * rng.uniform(0.1, 1))
    two = np.array([0.0, 100.0])
    flat = np.array([0.0, 1.0])
    zeros = np.zeros((2, 2, 3))
    return Table((flat, two, two, two, flat), zeros, zeros, zeros, grid)


def seconds(table: Table, tokens: float, sequences: float, context: float) -> float:
    x, y, z = tokens / 100, sequences / 100, context / 100
    total = 0.0
    for i, j, k in np.ndindex(2, 2, 2):
        weight = (x if i else 1 - x) * (y if j else 1 - y) * (z if k else 1 - z)
        total += weight * table.grid[i, j, k]
    return total


@dataclass
class Server:
    table: Table
    policy: Policy
    total: int
    running: list[Asked] = field(default_factory=list)
    waiting: list[Asked] = field(default_factory=list)
    free: int = 0
    preemptions: int = 0
    extra: float = 0.0  # seconds of swapping in the next step

    def lack(self, r: Asked, tokens: int) -> int:
        return max(-(-tokens // self.policy.block) - r.blocks, 0)

    def grow(self, r: Asked, tokens: int) -> None:
        more = self.lack(r, tokens)
        self.free -= more
        r.blocks += more
        assert self.free >= 0

    def preempt(self) -> None:
        r = self.running.pop()
        self.free += r.blocks
        r.target = r.prompt + r.made
        if self.policy.swap and r.done:
            r.kept, r.target = r.done, max(r.done, r.prompt)
            self.extra += r.done / SWAP_RATE
        r.blocks, r.done, r.chunk = 0, 0, 0
        self.preemptions += 1
        self.waiting.insert(0, r)

    def decoding(self) -> list[Asked]:
        return [r for r in self.running if r.done >= r.target]

    def reserve(self) -> bool:
        preempted = False
        while sum(self.lack(r, r.done + 1) for r in self.decoding()) > self.free:
            self.preempt()
            preempted = True
        for r in self.decoding():
            self.grow(r, r.done + 1)
        return preempted

    def prompts(self, budget: int, now: float, seen: float, admit: bool) -> int:
        used, p = 0, self.policy
        for r in self.running:
            if r.done < r.target and used < budget:
                tokens = min(r.target - r.done, budget - used)
                if self.lack(r, r.done + tokens) <= self.free:
                    self.grow(r, r.done + tokens)
                    r.chunk = tokens
                    used += tokens
        while admit and used < budget and len(self.running) < p.sequences and self.waiting:
            r = self.waiting[0]
            if p.ahead and r.queued > seen and self.running:
                break
            come = r.kept + (r.kept >= r.target) if r.kept else min(r.target, budget - used)
            if self.floor(r, self.lack(r, self.held(r, come))) > self.free:
                break
            self.waiting.pop(0)
            self.running.append(r)
            self.grow(r, come)
            if r.kept:
                r.done, r.kept = r.kept, 0
                self.extra += r.done / SWAP_RATE
            else:
                r.chunk = come
                used += come
        return used

    def held(self, r: Asked, come: int) -> int:
        """Tokens for which there must be room: where output is reserved, the whole prompt of a request."""
        return come if r.kept or not self.running or not self.policy.reserve else r.target

    def floor(self, r: Asked, need: int) -> float:
        """Blocks that must be free: those needed, and what is kept free beside them unless nothing runs."""
        share, block = self.policy.reserve, self.policy.block
        left = sum(each.prompt + each.output - max(each.done, each.target) for each in self.running)
        low = self.policy.watermark * self.total + share * left / block
        return need + low + share * (r.output - r.made) / block if self.running and low > 0 else need

    def plan(self, now: float, seen: float) -> tuple[int, list[Asked]]:
        p = self.policy
        if p.policy == "mixed":
            preempted = self.reserve()
            used = self.prompts(p.tokens - len(self.decoding()), now, seen, not preempted)
            steppers = self.decoding()
        elif p.policy == "decode-first" and self.running and len(self.decoding()) == len(self.running):
            self.reserve()
            used, steppers = 0, self.decoding()
        else:
            used, steppers = self.prompts(p.tokens, now, seen, True), []
            if not used:
                self.reserve()
                steppers = self.decoding()
        if not used and not steppers:
            return self.stuck(now, seen)
        return used, steppers

    def stuck(self, now: float, seen: float) -> tuple[int, list[Asked]]:
        """Nothing goes on: what waits may come in if nothing runs, then prompts are read on, then the last give way."""
        tokens = self.policy.tokens
        used = self.prompts(tokens, now, seen, True) if not self.running else 0
        used = used or self.prompts(tokens, now, seen, False)
        while not used and not self.decoding() and len(self.running) > 1:
            self.preempt()
            used = self.prompts(tokens, now, seen, False)
        if used:
            return used, []
        self.reserve()
        return 0, self.decoding()


def serve(of: Deployment, arrival: np.ndarray, prompt: np.ndarray, output: np.ndarray) -> tuple[list[Asked], int]:
    """Every request with its first and last token, and the preemptions."""
    all_ = [
        Asked(float(a), int(p), int(o), target=int(p), queued=float(a))
        for a, p, o in zip(arrival, prompt, output, strict=False)
    ]
    server = Server(of.tables[0], of.policy, of.blocks, free=of.blocks)
    coming, now, seen = list(all_), 0.0, 0.0
    busy = False
    while coming or server.waiting or server.running:
        while coming and coming[0].arrival <= now:
            server.waiting.append(coming.pop(0))
        used, steppers = server.plan(now, seen if busy else now)
        if not used and not steppers:
            now, busy = coming[0].arrival, False
            continue
        context = sum(r.done + 1 for r in steppers) / max(len(steppers), 1)
        start, seen, busy = now, now, True
        now = start + seconds(server.table, used, len(steppers), context) + server.extra
        server.extra = 0.0
        for r in list(server.running):
            if r.chunk:
                r.done, r.chunk = r.done + r.chunk, 0
                if r.done < r.target:
                    continue
            elif r in steppers:
                r.done += 1
            else:
                continue
            r.made += 1
            r.first = now if r.made == 1 else r.first
            r.last = now
            if r.made == r.output:
                server.free += r.blocks
                server.running.remove(r)
    assert server.free == of.blocks
    return all_, server.preemptions
