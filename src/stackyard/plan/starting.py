"""A first scenario from five answers: a file with a comment on every line that wants one, which reads and plans."""

from __future__ import annotations

import math
from dataclasses import dataclass

from stackyard.catalog import Catalog
from stackyard.catalog.entries import Accelerator, Model
from stackyard.errors import Faults, InputErrors
from stackyard.months import parse_month, show_month
from stackyard.quantity import UnitError, parse

PRECISIONS = ("fp8", "bf16", "fp4")  # of those that a scenario can name, the first that the accelerator has
PRICE = 350.0 / 8  # kUSD an accelerator, its share of the system in: as in examples/first-plan.yaml, to be replaced
SIZE, POWER = 8, 10.2  # accelerators and kW of a stand-in where the catalogue lists no system: those of dgx-h100


@dataclass(frozen=True)
class Question:
    """What is asked, how an answer looks, and in which unit it counts ('' for an id of the catalogue)."""

    key: str
    text: str
    usual: str
    unit: str = ""


QUESTIONS = (
    Question("model", "Which model stands for your service? (stackyard facts models)", "llama-3.1-70b"),
    Question("demand", "How many tokens a day are asked for in the first month?", "200 Gtoken/day", "token/day"),
    Question("chip", "Which accelerator? (stackyard facts accelerators)", "h200"),
    Question("stacks", "How many HBM stacks a month are promised to you?", "2000 stack/month", "stack/month"),
    Question("power", "How much power does your site have?", "8 MW", "W"),
)


def starting(catalog: Catalog, answers: dict[str, str], start: str) -> str:
    """The text of a scenario over two years from a month on; InputErrors with every answer that cannot be.

    >>> from stackyard.catalog import load
    >>> "chip: h200" in starting(load(), {question.key: question.usual for question in QUESTIONS}, "2027-01")
    True
    """
    faults = Faults()
    for question in QUESTIONS:
        told = refusal(catalog, question, answers[question.key])
        if told:
            faults.add("command line", 0, f"--{question.key}", *told)
    try:
        first = parse_month(start)
    except ValueError as error:
        faults.add("command line", 0, "--start", str(error), "for example 2027-01")
    faults.raise_any()
    model, chip = catalog.model(answers["model"]), catalog.accelerator(answers["chip"])
    parts = {**answers, "model": model.id, "chip": chip.id, "precision": _precision(chip)}
    parts |= {name: show_month(first + later) for name, later in (("first", 0), ("opened", 2), ("last", 23))}
    return _TEXT.format(**parts, **_memory(catalog, chip), **_rack(catalog, chip), **_service(model))


def refusal(catalog: Catalog, question: Question, answer: str) -> tuple[str, str] | None:
    """Why an answer cannot be, and the next step; None where it can."""
    if question.unit:
        try:
            value = parse(answer, question.unit)
        except UnitError as error:
            return str(error), f"for example '{question.usual}'"
        return None if 0 < value < math.inf else (f"'{answer}' is not above 0", f"for example '{question.usual}'")
    find = catalog.model if question.key == "model" else catalog.accelerator
    try:
        found = find(answer)
    except InputErrors as errors:
        return f"'{answer}' {errors.faults[0].message}", errors.faults[0].hint
    if isinstance(found, Accelerator) and not found.hbm:
        return f"'{answer}' has no HBM, and a plan starts from stacks", "for example 'h200'"
    if isinstance(found, Accelerator) and not any(name in found.flops for name in PRECISIONS):
        return f"what '{answer}' computes is not on record", "for example 'h200'"
    return None


def _precision(chip: Accelerator) -> str:
    return next(name for name in PRECISIONS if name in chip.flops)


def _service(model: Model) -> dict[str, str]:
    """Lengths of a request that the model's context holds."""
    short = model.max_context < 4000
    return {"prompt": "500" if short else "1500", "output": "200" if short else "500"}


def _memory(catalog: Catalog, chip: Accelerator) -> dict[str, str]:
    """The memory that the accelerator takes, and its price where it is on record."""
    generation = catalog.generation(chip.hbm)
    price = f"hbm.{generation.id}.price"
    known = price in catalog.facts and catalog.facts[price].value is not None
    height = chip.stack_height or max(generation.heights)
    return {
        "product": generation.id,
        "height": str(height),
        "stack_price": f"{{fact: {price}}}" if known else "500 USD/stack # not on record: put your own",
    }


def _rack(catalog: Catalog, chip: Accelerator) -> dict[str, str]:
    """The system that the accelerator comes in, or a stand-in to be replaced; and cooling that it can do with."""
    system = catalog.system(chip.system) if chip.system else None
    if system is None or not system.max_power > 0:
        size, power, cooling = SIZE, POWER, "air"
        stated = f"system_size: {size} package/rack # a stand-in: the catalogue lists no system of this accelerator"
        named = f"{stated}\n    system_power: {power} kW/rack\n    system_cooling: {cooling}"
    else:
        size, power, cooling = system.accelerators, system.max_power / 1e3, system.cooling
        named = f"system: {system.id}"
    return {
        "system": named,
        "system_price": f"{PRICE * size:.0f} kUSD/rack # of {size} accelerators; a stand-in: put your own",
        "cooling": cooling,
        "rack_limit": f"{math.ceil(max(power, 40) / 10) * 10} kW/rack",
    }


_TEXT = """# yaml-language-server: $schema=scenario.schema.json
# A plan of your own: two years of one service on one site. Change any line; every key is told in docs/scenario.md.
#   stackyard check FILE     reads it, and tells every mistake at once
#   stackyard plan FILE      plans it, and writes out/report.html
# Numbers without a source count as assumed, and every answer says how many of those it rests on. To name one, write
#   power: {{value: 8 MW, low: 6 MW, grade: published, source: "the operator, 2026-11"}}
name: My first plan
horizon: {{start: {first}, end: {last}}}

services: # what is asked for, and how fast it must answer
  assistant:
    name: Assistant
    model: {model}
    precision: {precision}
    prompt: {prompt} token # of a mean request
    output: {output} token
    ttft: 2 s # time to first token, at most
    tpot: 50 ms # time per output token after the first, at most
    demand: {{from: {first}, value: {demand}, growth: 2}} # twice as much each year
    peak_to_mean: 1.6 # accelerators are sized for the peak of the day
    unserved_price: 1 USD/Mtoken # what a token that cannot be served costs you: the plan weighs it against building

supplies: # HBM stacks by month; a table is {{csv: ...}} or {{xlsx: ...}}, wafer starts and yields are `wafers`
  memory:
    name: HBM for us
    maker: sk-hynix
    product: {product} # the accelerator takes this generation and height only
    height: {height}
    price: {stack_price}
    deliveries: {stacks}

packaging:
  packaging-line:
    name: Advanced packaging
    wafers: 100 wafer/month

accelerators: # what can be ordered
  accelerator:
    name: {chip}
    chip: {chip}
    {system}
    available: {first}
    packaging: packaging-line
    packages_per_wafer: 16 package/wafer
    lead_months: 3 # from drawing the stacks to work at the site
    life: 5 year
    system_price: {system_price}
    network_price: 5 kUSD/package

sites: # where it can stand
  site:
    name: My site
    phases:
      - {{month: {opened}, power: {power}}} # all power from then on, cooling included; add a line for each phase
    climate: frankfurt # `stackyard facts climates`
    grid: germany # `stackyard facts grids`
    cooling: {cooling}
    rack_limit: {rack_limit}
    electricity: 120 USD/MWh
    fitout: 11.6 USD/W # halls, power and cooling
"""
