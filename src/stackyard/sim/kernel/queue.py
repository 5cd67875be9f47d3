"""Where requests wait: a list for each engine and priority, and a heap by time; and the winner tree of hosts."""

from __future__ import annotations

from stackyard.sim.kernel.compile import compiled
from stackyard.sim.kernel.state import (
    CLASSES,
    Record,
    engines,
    heap,
    hosts,
    leaves,
    members,
    pools,
    queues,
    ranks,
    slots,
)


@compiled
def claim(w: Record) -> int:
    """An empty slot; the caller has seen that there is one."""
    s = w["vacant"]
    w["vacant"] = slots(w, s)["next"]
    w["live"] += 1
    return s


@compiled
def give(w: Record, s: int) -> None:
    """Gives a slot back."""
    slots(w, s)["next"] = w["vacant"]
    w["vacant"] = s
    w["live"] -= 1


@compiled
def append(w: Record, e: int, s: int) -> None:
    """Puts a request at the end of its class's queue."""
    slot = slots(w, s)
    c, slot["next"], slot["queued"] = slot["klass"], -1, w["now"]
    if queues(w, e, c)["last"] >= 0:
        slots(w, queues(w, e, c)["last"])["next"] = s
    else:
        queues(w, e, c)["first"] = s
    queues(w, e, c)["last"] = s
    engines(w, e)["waiting"] += 1


@compiled
def prepend(w: Record, e: int, s: int) -> None:
    """Puts a request at the head of its class's queue: it was preempted, or its transfer is complete."""
    c = slots(w, s)["klass"]
    slots(w, s)["next"] = queues(w, e, c)["first"]
    if queues(w, e, c)["first"] < 0:
        queues(w, e, c)["last"] = s
    queues(w, e, c)["first"] = s
    engines(w, e)["waiting"] += 1


@compiled
def head(w: Record, e: int) -> int:
    """The request that is next: the oldest of the most urgent class; -1 where none waits."""
    if engines(w, e)["waiting"] == 0:
        return -1
    for c in range(CLASSES):
        if queues(w, e, c)["first"] >= 0:
            return queues(w, e, c)["first"]
    return -1


@compiled
def pop(w: Record, e: int, s: int) -> None:
    """Takes the head of its class's queue out."""
    c = slots(w, s)["klass"]
    queues(w, e, c)["first"] = slots(w, s)["next"]
    if queues(w, e, c)["first"] < 0:
        queues(w, e, c)["last"] = -1
    engines(w, e)["waiting"] -= 1


@compiled
def before(w: Record, i: int, time: float, s: int) -> bool:
    """Whether entry i of the heap comes before a time; equal times leave in order of slots."""
    entry = heap(w, i)
    return entry["time"] < time or (entry["time"] == time and entry["slot"] < s)


@compiled
def put(w: Record, i: int, time: float, s: int, kind: int) -> None:
    """Writes entry i of the heap."""
    entry = heap(w, i)
    entry["time"], entry["slot"], entry["kind"] = time, s, kind


@compiled
def shift(w: Record, source: int, target: int) -> None:
    """Copies an entry of the heap to another place."""
    entry = heap(w, source)
    put(w, target, entry["time"], entry["slot"], entry["kind"])


@compiled
def later(w: Record, time: float, s: int, kind: int) -> None:
    """Puts a request on the heap until a time."""
    i = w["pending"]
    w["pending"] += 1
    while i > 0 and not before(w, (i - 1) // 2, time, s):
        shift(w, (i - 1) // 2, i)
        i = (i - 1) // 2
    put(w, i, time, s, kind)


@compiled
def remove(w: Record) -> None:
    """Takes the earliest entry off the heap."""
    w["pending"] -= 1
    n, i = w["pending"], 0
    time, s, kind = heap(w, n)["time"], heap(w, n)["slot"], heap(w, n)["kind"]
    while 2 * i + 1 < n:
        down = 2 * i + 1
        if down + 1 < n and before(w, down + 1, heap(w, down)["time"], heap(w, down)["slot"]):
            down += 1
        if not before(w, down, time, s):
            break
        shift(w, down, i)
        i = down
    put(w, i, time, s, kind)


@compiled
def play(w: Record, h: int) -> None:
    """Carries a host's changed end of step up the winner tree; tree[1] is then the host whose step ends first."""
    i = (w["many_leaves"] // 2 + h) // 2
    while i > 0:
        left, right = leaves(w, 2 * i)["host"], leaves(w, 2 * i + 1)["host"]
        leaves(w, i)["host"] = right if hosts(w, right)["end"] < hosts(w, left)["end"] else left
        i //= 2


@compiled
def count(w: Record, e: int, by: int) -> None:
    """Adds to an engine's requests, and carries that up the winner tree of its pool."""
    engine = engines(w, e)
    engine["outstanding"] += by
    if w["ranked"] == 0:
        return
    p = engine["pool"]
    i = (w["ranked"] // 2 + engine["place"]) // 2
    while i > 0:
        left, right = ranks(w, p, 2 * i)["member"], ranks(w, p, 2 * i + 1)["member"]
        ranks(w, p, i)["member"] = right if load(w, p, right) < load(w, p, left) else left
        i //= 2


@compiled
def load(w: Record, p: int, member: int) -> int:
    """Requests of a pool's member; more than any has where there is no such member."""
    if member >= pools(w, p)["members"]:
        return 1 << 62
    return engines(w, members(w, pools(w, p)["first"] + member)["engine"])["outstanding"]
