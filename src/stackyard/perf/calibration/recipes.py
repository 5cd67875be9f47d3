"""How long a server lets arrivals wait before it looks at them, by the scripts that ran it.

data/inference_recipes.csv has the settings of InferenceX (SemiAnalysisAI/InferenceX, benchmarks/single_node; the script
of each line in `source`), which hold by engine, model, chip, formats and load. Nothing here is fitted.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from stackyard.perf.layout import Layout
from stackyard.quantity import Count, Token

FILE = Path(__file__).parent / "data" / "inference_recipes.csv"


@lru_cache(maxsize=1)
def recipes() -> tuple[Mapping[str, str], ...]:
    """Lines of the table; of those that fit a run the first one holds."""
    with FILE.open(newline="", encoding="utf-8") as stream:
        return tuple(csv.DictReader(stream))


def wait(
    run: tuple[str, str, str, str], lengths: str, layout: Layout, batch: float, prompt: float, output: float
) -> float:
    """Decode steps that an arrival of a closed loop waits in the mean before the engine takes it in.

    `run` is framework, model, chip and format of weights, `lengths` the printed ones as 1024x1024. Ways of the table:
    an engine that polls each n steps lets wait n / 2; one that gathers prompts from the first arrival on, for W steps
    at most or until it has its tokens, lets the first wait W and those that come meanwhile half of it; one that
    balances ranks gathers until each has a prompt.

    >>> sglang = ("SGLang", "deepseek-r1", "b200-hgx", "fp4")
    >>> wait(sglang, "1024x1024", Layout(8.0), 4.0, 922.0, 922.0), wait(sglang, "", Layout(8.0), 64.0, 922.0, 922.0)
    (5.0, 15.0)
    """
    for line in recipes():
        if not _holds(line, run, lengths, layout, batch):
            continue
        steps = float(line["steps"])
        if line["way"] == "poll":
            return steps / 2.0
        arrivals = batch / output  # each step
        enough = (float(line["tokens"]) / prompt - 1.0) / arrivals
        if line["way"] == "balance":
            ranks = int(layout.data)
            enough = sum(1.0 / n for n in range(1, ranks)) * ranks / arrivals  # until the last rank has one
        return gathered(min(steps, max(enough, 0.0)), arrivals)
    return 0.0


def gathered(steps: Count, arrivals: Token) -> float:
    """Mean wait of those who come in W steps that begin with the first: W (1 + a W / 2) / (1 + a W), a each step.

    >>> gathered(20.0, 0.0), gathered(20.0, 0.1)
    (20.0, 13.333333333333334)
    """
    more = float(arrivals) * float(steps)
    return float(steps) * (1.0 + more / 2.0) / (1.0 + more)


def _holds(line: Mapping[str, str], run: tuple[str, str, str, str], lengths: str, layout: Layout, batch: float) -> bool:
    framework, model, chip, weights = run
    return (
        line["framework"] in framework.lower()
        and line["model"] == model
        and chip in line["chips"].split()
        and weights in line["weights"].split()
        and line["lengths"] in ("", lengths)
        and not 0 < float(line["widest"]) < float(layout.tensor)
        and (line["parallel"] == "yes") == (float(layout.data) > 1)
        and batch >= float(line["least"])
    )
