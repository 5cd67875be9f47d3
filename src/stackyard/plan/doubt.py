"""How a scenario file says what is not known, and what is to be made of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator

from stackyard.plan.amounts import Door, Unit, preset, refuse
from stackyard.source import Fact


class Input(Door):
    """One thing that is not known: the numbers of the file that move with it, and how."""

    of: tuple[str, ...] = Field(min_length=1)
    """Keys of this file, such as `supplies.memory.wafers.die_yield`. All move together, in the range of the first."""
    shape: Literal["pert", "triangular", "lognormal", "uniform"] = "pert"
    """Between the number's `low` and `high`, most likely at its `value`; lognormal: 10%, median and 90%."""
    events: Mapping[float, Annotated[Fact, Unit("")]] = {}
    """Values with their chances instead, in the unit of the file: `{0: 80%, 3: 20%}`; for a month, months later."""


class Correlated(Door):
    """Inputs that move together."""

    between: tuple[str, ...] = Field(min_length=2)
    """Names under `inputs`."""
    value: float = Field(ge=-1, le=1)
    """Correlation of each two of them (of their normal scores), -1 to 1."""


class Branch(Door):
    """One way in which the future may go on after the first step."""

    chance: Annotated[Fact, Unit("")]
    """Its probability; those of all branches add up to 1."""
    events: Mapping[str, float] = {}
    """Share of probability of inputs in this branch, 0 to 1: `{growth: 0.9}` is the growth that is exceeded in a tenth
    of all cases. An input left out stands at its middle."""


class Doubt(Door):
    """What is not known, and how it is sampled."""

    seed: int = Field(default=1, ge=0)
    """The same seed, the same answer."""
    samples: int = Field(default=1000, ge=8, le=100000)
    """Plans of the fan; a power of two spreads best."""
    inputs: Mapping[str, Input] = Field(min_length=1)
    """Names of your own for what is not known."""
    correlations: tuple[Correlated, ...] = ()
    """Which of them move together."""
    branches: Mapping[str, Branch] = {}
    """The scenario tree of the robust first step."""
    first_step: int = Field(default=12, ge=1, le=120)
    """Months for which fit-out and orders are decided before it is known which branch comes."""
    tail: Annotated[Fact, Unit("")] = preset("80%")
    """The tail that the robust first step looks at: the mean of the costs above this share of probability."""
    aversion: Annotated[Fact, Unit("")] = preset("50%")
    """Weight of that tail in what is minimised; the rest is on the mean."""

    @model_validator(mode="after")
    def _whole_chance(self) -> Doubt:
        if not self.tail.si < 1:
            raise refuse(f"tail is {self.tail.si:.0%}: nothing is above it", "for example tail: 80%")
        if not self.aversion.si <= 1:
            raise refuse(f"aversion is {self.aversion.si:.0%}", "a weight between 0 and 100%")
        total = sum(branch.chance.si for branch in self.branches.values())
        if self.branches and abs(total - 1) > 1e-6:
            raise refuse(f"the chances of the branches add up to {total:.0%}", "give them 100% together")
        for name, branch in self.branches.items():
            for known, share in branch.events.items():
                if known not in self.inputs:
                    raise refuse(f"branch '{name}' sets '{known}', which is not among the inputs", "name one of them")
                if not 0 < share < 1:
                    raise refuse(f"branch '{name}' sets '{known}' to {share}", "a share above 0 and below 1")
        return self
