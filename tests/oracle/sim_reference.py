"""A slow, obvious server: one object a request, one step at a time. What the kernel must agree with."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from stackyard.sim.policy import Deployment, Policy
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
        r.blocks, r.done, r.target, r.chunk = 0, 0, r.prompt + r.made, 0
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
            tokens = min(r.target, budget - used)
            floor = p.watermark * self.total if self.running else 0.0
            if self.lack(r, tokens) + floor > self.free:
                break
            self.waiting.pop(0)
            self.running.append(r)
            self.grow(r, tokens)
            r.chunk = tokens
            used += tokens
        return used

    def plan(self, now: float, seen: float) -> tuple[int, list[Asked]]:
        p = self.policy
        if p.policy == "mixed":
            preempted = self.reserve()
            steppers = self.decoding()
            used = self.prompts(p.tokens - len(steppers), now, seen, not preempted)
        elif p.policy == "decode-first" and self.running and len(self.decoding()) == len(self.running):
            self.reserve()
            used, steppers = 0, self.decoding()
        else:
            used, steppers = self.prompts(p.tokens, now, seen, True), []
            if not used:
                self.reserve()
                steppers = self.decoding()
        while not used and not steppers and len(self.running) > 1:
            self.preempt()
            used = self.prompts(p.tokens, now, seen, False)
        return used, steppers


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
        now = start + seconds(server.table, used, len(steppers), context)
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
