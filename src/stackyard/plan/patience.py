"""How long a plan may be asked again and again about itself, and what was left out when that was over."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from stackyard.quantity import show
from stackyard.words import amount, listed, phrase

LIFTS, STEPS, AMOUNTS, DEMAND = "lifts", "steps", "amounts", "demand"  # the parts of an explanation
NAMES = {
    LIFTS: phrase("limits lifted"),
    STEPS: phrase("steps of a limit"),
    AMOUNTS: phrase("next amounts"),
    DEMAND: phrase("services and years"),
}


@dataclass
class Patience:
    """Seconds that an explanation may take. Each part of it asks `left` before it solves again, which counts in `done`
    and `skipped` what it may and may not.

    >>> hurried = Patience(0.0)
    >>> hurried.left(STEPS, 1.0), hurried.skipped
    (False, {'steps': 1})
    """

    seconds: float = float("inf")
    start: float = field(default_factory=time.perf_counter)
    done: dict[str, int] = field(default_factory=dict)
    skipped: dict[str, int] = field(default_factory=dict)

    def left(self, part: str, share: float) -> bool:
        """Whether a part may solve once more: before `share` of the time is over."""
        able = time.perf_counter() - self.start < share * self.seconds
        counted = self.done if able else self.skipped
        counted[part] = counted.get(part, 0) + 1
        return able

    @property
    def told(self) -> tuple[str, ...]:
        """A note on what was not solved again for want of time; none where all was."""
        if not self.skipped:
            return ()
        counts = []
        for part, name in NAMES.items():
            done, left = self.done.get(part, 0), self.skipped.get(part, 0)
            if done + left:
                counts.append(phrase("{done} of {all} {what}", done=done, all=done + left, what=name))
        said = phrase(
            "Solving again was ended after {time}, for this plan is large. Verified by solving again: {counts}. The "
            "rest is told by its prices, which hold for small changes only and are at most what more is worth; what "
            "would be served without a limit that was not lifted is not known.",
            time=amount(show(self.seconds, "s"), self.seconds, "s"),
            counts=listed(counts),
        )
        return (said,)
