"""Measured serving runs: what was run, at which rate, and which latencies were seen."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from stackyard import catalog
from stackyard.errors import Fault, InputErrors
from stackyard.perf import constants
from stackyard.perf.layout import Layout
from stackyard.perf.precision import PRESETS, Precision
from stackyard.sim import traffic
from stackyard.sim.policy import Deployment, Policy
from stackyard.sim.presets import preset_of
from stackyard.sim.steps import Asked
from stackyard.sim.trace import Requests
from stackyard.sim.traffic import Lengths, sessions, shared_prefix

DATA = Path(__file__).parent.parent / "data"
METRICS = tuple(
    f"{name}_{part}" for name in ("ttft", "itl_or_tpot", "e2e") for part in ("mean", "p50", "p90", "p95", "p99")
)
NEEDED = ("gpu", "model", "rate_rps", "input_tokens", "output_tokens")
SESSIONS = (
    45  # users of inference-perf's stages: 9 system prompts of 5 (11 of 4 for code generation), its profiles say;
)
# that each sends one request at a time shows where rate x latency exceeds 45, but for the reasoning profile, whose
# number of users is not known
FORMATS = {
    "fp16": PRESETS["bf16"],
    "bf16": PRESETS["bf16"],
    "fp8": Precision("fp8", "bf16", "fp8"),
    "int8": Precision("int8", "bf16", "int8"),
    "w8a8": Precision("int8", "bf16", "int8"),
    "awq": Precision("int4", "bf16", "bf16"),
    "gptq": Precision("int4", "bf16", "bf16"),
    "int4": Precision("int4", "bf16", "bf16"),
    "fp4": Precision("fp4", "bf16", "fp4"),
    "nvfp4": Precision("fp4", "bf16", "fp4"),
}


@dataclass(frozen=True)
class Row:
    """One measured run; `why` says why it cannot be predicted, empty where it can."""

    id: str
    cells: Mapping[str, str]
    line: int
    deployment: Deployment | None
    requests: Requests | None
    measured: Mapping[str, float]  # s, by metric; those that were measured
    why: str = ""

    @property
    def group(self) -> tuple[str, str]:
        """Chip and model: what is left out together when the fit is cross-validated."""
        return self.cells["gpu"], self.cells["model"]


def read(path: Path | None = None) -> tuple[Row, ...]:
    """The rows of a table in the columns of sim/data/measured_latency.csv; the package's own without one.

    Raises InputErrors with line and column for numbers that are none; a row whose model, chip or precision is not known
    says so in `why`.
    """
    target = path or DATA / "measured_latency.csv"
    try:
        text = target.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as fault:
        raise InputErrors([Fault(str(target), 0, "", f"cannot be read: {fault}")]) from None
    reader = csv.DictReader(text.splitlines())
    missing = [name for name in NEEDED if name not in (reader.fieldnames or ())]
    if missing:
        hint = f"the columns are those of the built-in table: {', '.join(NEEDED)}, ..."
        raise InputErrors([Fault(str(target), 1, "", f"no column {', '.join(missing)}", hint)])
    found, faults = [], []
    for line, raw in enumerate(reader, 2):
        cells = {key: (value or "").strip() for key, value in raw.items() if key}
        bad = _bad(cells)
        faults += [Fault(str(target), line, key, f"'{cells[key]}' is not a number that can be") for key in bad]
        if not bad:
            found.append(_row(cells, line))
    if faults:
        raise InputErrors(faults)
    return tuple(found)


_POSITIVE = (
    *("rate_rps", "input_tokens", "output_tokens", "duration_s", "n_requests", "tp", "n_gpu", "gpu_mem_util"),
    *("max_num_batched_tokens", "max_num_seqs", "kv_blocks_16"),
)


def _bad(cells: Mapping[str, str]) -> list[str]:
    """Columns whose cell is not a number, or not a positive one where it must be; needed ones that are empty."""
    bad = [name for name in NEEDED[2:] if not cells.get(name)]
    for name, text in cells.items():
        if text and (name in _POSITIVE or name.endswith("_ms")):
            value = _number(text, math.nan)
            if not (math.isfinite(value) and value > 0):
                bad.append(name)
    return sorted(set(bad))


def _number(text: str, otherwise: float) -> float:
    try:
        return float(text) if text else otherwise
    except ValueError:
        return math.nan


def _row(cells: dict[str, str], line: int) -> Row:
    measured = {name: _number(cells[f"{name}_ms"], math.nan) / 1e3 for name in METRICS if cells.get(f"{name}_ms")}
    id_ = cells.get("point_id") or f"line {line}"
    try:
        deployment = deployed(cells)
        requests = offered(cells)
    except (KeyError, ValueError) as fault:
        return Row(id_, cells, line, None, None, measured, str(fault.args[0]))
    return Row(id_, cells, line, deployment, requests, measured)


def _known(name: str, table: Mapping[str, object], aliases: Mapping[str, str], what: str) -> str:
    """The catalogue's id of a printed name: its parts without maker, variant and memory size, the longest match."""
    plain = name.rsplit("/", 1)[-1].lower().replace(" ", "-").replace("_", "-")
    plain = re.sub(r"-(instruct|hf|chat|base|it|v\d[\d.]*|2[45]\d\d)(?=-|$)", "", plain)
    for _ in range(4):
        for text in (plain, re.sub(r"-?\d+gb$", "", plain), plain.replace("nvidia-", ""), plain.replace("meta-", "")):
            if text in table:
                return text
            if text in aliases:
                return aliases[text]
        plain = re.sub(
            r"-(instruct|hf|chat|fp8|dynamic|\d+gb|blackwell|server-edition|sxm5?|sxm4|awq|gptq)$", "", plain
        )
    raise ValueError(f"the {what} {name} is not in the catalogue")


def deployed(cells: Mapping[str, str]) -> Deployment:
    """What served a row's requests. Raises ValueError for a model, chip or precision that is not known."""
    known = catalog.load()
    model = known.models[_known(cells["model"], known.models, known.aliases["models"], "model")]
    chip = known.accelerators[_known(cells["gpu"], known.accelerators, known.aliases["accelerators"], "accelerator")]
    precision = FORMATS.get((cells.get("precision") or "bf16").lower())
    if precision is None:
        raise ValueError(f"the precision {cells['precision']} is not known: {', '.join(FORMATS)}")
    if precision.compute not in chip.flops:
        precision = Precision(precision.weights, precision.cache, "bf16")
    tensor = int(_number(cells.get("tp", ""), 1))
    groups = max(int(_number(cells.get("n_gpu", ""), tensor)) // tensor, 1)
    engine = constants.engine_of(cells.get("engine", ""), "", chip).id
    preset = preset_of(cells.get("engine", ""), chip)
    names = {"tokens": "max_num_batched_tokens", "sequences": "max_num_seqs"}
    stated: dict[str, Any] = {key: int(float(cells[name])) for key, name in names.items() if cells.get(name)}
    share = _number(cells.get("gpu_mem_util", ""), preset.memory_share)
    policy: Policy = replace(preset, **stated, memory_share=share)
    experts = groups * tensor if model.experts and groups > 1 else 1
    layout = Layout(tensor=tensor, data=groups if experts > 1 else 1, expert=experts)
    asked = Asked(model, chip, layout, precision, engine)
    blocks = int(_number(cells.get("kv_blocks_16", ""), 0) * 16 // policy.block)
    closed = int(_number(cells.get("concurrency", ""), 0))
    return Deployment((asked,), policy, 1 if experts > 1 else groups, blocks=blocks, closed=closed)


def offered(cells: Mapping[str, str], seed: int = 1) -> Requests:
    """The requests of a row: its trace where the package has it, else prompts and outputs of the stated mean length.

    Load generators space requests of a constant-rate stage exponentially and scale them to the stage's duration
    (inference-perf, load_timer.py), so a stage is a Poisson stream of a known number. The shared system prompt is in
    the cache. Other runs that name a known trace as workload get log-normal lengths with its CVs, and gamma gaps
    with its CV where the arrivals are the trace's.
    """
    rate, prompt, output = (float(cells[name]) for name in ("rate_rps", "input_tokens", "output_tokens"))
    if "sharegpt300" in cells.get("workload", ""):
        return sharegpt(cells["model"], rate)
    seconds = _number(cells.get("duration_s", ""), 0.0)
    many = int(_number(cells.get("n_requests", ""), rate * seconds if seconds else 2000))
    many = max(min(many, 20000), 1)
    rng, known = np.random.default_rng(seed), _workload(cells.get("workload", ""))
    gap_cv = (
        known["gap_cv"] if "trace" in cells.get("arrival", "") and "poisson" not in cells["arrival"].lower() else 1.0
    )
    gaps = traffic.gaps(rng, many, "gamma" if gap_cv != 1.0 else "poisson", gap_cv)
    arrival = np.cumsum(gaps) * (many / rate / gaps.sum())
    sizes = Lengths(prompt, known["prompt_cv"]), Lengths(output, known["output_cv"])
    plain = Requests(arrival, sizes[0].draw(rng, many), sizes[1].draw(rng, many))
    shared = int(_number(cells.get("shared_prefix_tokens", ""), 0))
    if shared and "inference-perf" in cells.get("arrival", ""):
        warm = not cells.get("point_id", "").endswith("s0")
        serial = not cells.get("workload", "").startswith("reasoning")
        return sessions(plain, SESSIONS, warm, serial)
    return shared_prefix(plain, shared)


def _workload(name: str) -> dict[str, float]:
    """CVs of prompt and output lengths and of gaps, of a trace whose name has all parts of a known one's; else none."""
    plain = name.lower().replace("conversation", "conv")
    with (DATA / "workloads.csv").open(newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            if all(part in plain for part in row["name"].split("-")):
                return {key: float(row[key]) for key in ("prompt_cv", "output_cv", "gap_cv")}
    return {"prompt_cv": 0.0, "output_cv": 0.0, "gap_cv": 1.0}


def sharegpt(model: str, rate: float) -> Requests:
    """The 300 requests of the ShareGPT-derived trace, at a rate; lengths by the model's tokenizer."""
    with (DATA / "sharegpt300.csv").open(newline="", encoding="utf-8") as stream:
        name = "qwen" if "qwen" in model.lower() else "llama"
        rows = [row for row in csv.DictReader(stream) if row["tokenizer"] == name]
    columns = [np.array([float(row[key]) for row in rows]) for key in ("arrival_s", "prompt", "output")]
    found = Requests(columns[0], columns[1].astype(np.int64), columns[2].astype(np.int64))
    return found if abs(found.rate / rate - 1) < 0.02 else found.at_rate(rate)
