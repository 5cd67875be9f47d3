"""Every number that may stand in a scenario has a name that a reader knows, and no two of an item share one."""

from __future__ import annotations

from collections import Counter

from stackyard import api
from stackyard.plan import commitments, doubt, inputs, powering, supplying
from stackyard.plan.amounts import Door, Series
from stackyard.plan.labels import NAMES, label
from stackyard.plan.scenario import facts_of


def test_every_key_that_takes_a_number_has_a_name() -> None:
    doors = {
        each
        for module in (commitments, doubt, inputs, powering, supplying)
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, Door)
    }
    keys = {
        key
        for door in doors
        for key, field in door.model_fields.items()
        if any(word in str(field.annotation) for word in ("Fact", "Series", "Lead"))
    }
    inner = {"low", "likely", "high", *Series.model_fields}  # ends of a lead time, parts of a series
    assert len(keys) > 60 and keys - {name.rpartition(".")[2] for name in NAMES} - inner == set()


def test_the_numbers_of_an_item_are_told_apart() -> None:
    told = Counter(
        (path.split(".")[0], path.split(".")[1].split("[")[0], label(path))
        for path, _ in facts_of(api.scenario("openai-sk").inputs)
        if not path.startswith(("money", "uncertainty"))
    )
    assert [name for name, count in told.items() if count > 1] == []
