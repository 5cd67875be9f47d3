"""Which accelerators cannot run what stands for a service, and for want of what: told where that leaves it unserved."""

from __future__ import annotations

import json
from typing import Any

from stackyard.plan.problem import A, Problem, V, W
from stackyard.words import joined, phrase

# What a reader calls the want of an accelerator that can run a service, by what they all lack.
LACKS = {
    "format": phrase("Number format"),
    "latency": phrase("Latency objective"),
    "memory": phrase("Memory of an accelerator"),
}
TOLD = 3  # accelerators whose reasons are told one by one


def refusals(problem: Problem, services: list[str]) -> dict[str, dict[str, Any]]:
    """Accelerators that cannot run each way of these services: way -> accelerator -> {lacks, why}.

    >>> from stackyard import api
    >>> problem = api.problem("first-plan").problem
    >>> refusals(problem, ["assistant"])  # the H200 runs it
    {'assistant/llama-3.1-70b/fp8': {}}
    """
    d = problem.data
    known: dict[str, dict[str, Any]] = json.loads(str(d.attrs.get("refused", "{}")))
    own = d["way_service"].sel({V: services}).sum(V).values > 0
    return {way: known.get(way, {}) for way, of in zip(map(str, d[W].values), own, strict=True) if of}


def name(problem: Problem, services: list[str]) -> str:
    """'Number format (fp4)' where that is what every accelerator lacks for all these services; '' where they differ.

    >>> from stackyard import api
    >>> problem = api.problem("first-plan").problem
    >>> name(problem, ["assistant"])
    ''
    """
    found = refusals(problem, services)
    lacks = {each["lacks"] for chips in found.values() for each in chips.values()}
    if len(lacks) != 1 or any(len(chips) < problem.data.sizes[A] for chips in found.values()):
        return ""
    (kind,) = lacks
    formats = ", ".join(dict.fromkeys(way.rsplit("/", 1)[-1] for way in found))
    return joined(" ", [LACKS[kind], f"({formats})"]) if kind == "format" else LACKS.get(kind, "")


def sentence(problem: Problem, services: list[str]) -> str:
    """'HGX H200: no fp4 arithmetic on record (it has bf16, fp8)' for the first accelerators, the others counted.

    >>> from stackyard import api
    >>> problem = api.problem("first-plan").problem
    >>> sentence(problem, ["assistant"])
    ''
    """
    names: dict[str, str] = json.loads(str(problem.data.attrs.get("labels", "{}")))
    told = []
    for chips in refusals(problem, services).values():
        for chip, each in chips.items():
            why = joined("; ", [phrase(said, **values) for said, values in each["why"]])
            told.append(why if each["lacks"] == "format" else joined(": ", [names.get(chip, chip), why]))
    told = list(dict.fromkeys(told))
    more = phrase("and {n} more", n=len(told) - TOLD) if len(told) > TOLD else ""
    return joined("; ", [*told[:TOLD], more])
