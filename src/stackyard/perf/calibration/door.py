"""Tables of measurements as they are published -> our rows: names, formats, lengths, units, and what is left out.

Understands the columns source_id, date_or_version, framework, model, precision_weights, precision_kv, accelerator,
n_accelerators, tp, pp, ep, batch_or_concurrency, input_len, output_len, scenario, metric, value, notes, and our own.
A row that the model cannot express is a reason, never silence.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from stackyard import catalog
from stackyard.errors import Fault, InputErrors
from stackyard.files import read_csv
from stackyard.perf import architecture
from stackyard.perf.calibration.rows import COLUMNS, METRICS, REGIMES, Row, row_of
from stackyard.perf.precision import BYTES

PUBLISHED = (
    "source_id", "date_or_version", "framework", "model", "precision_weights", "precision_kv", "accelerator",
    "n_accelerators", "tp", "pp", "ep", "batch_or_concurrency", "input_len", "output_len", "scenario", "metric",
    "value", "notes",
)  # fmt: skip

# Names of the publications -> ids of the catalogue; the first expression that is found in the lower-case name counts.
_MODELS = (
    (r"llama[- ]?4.*maverick", "llama-4-maverick"),
    (r"llama[- ]?4.*scout", "llama-4-scout"),
    (r"code ?llama", ""),
    (r"llama.*3(\.\d)?[- ].*405b", "llama-3.1-405b"),
    (r"llama.*3(\.\d)?[- ].*70b", "llama-3.1-70b"),
    (r"llama.*3(\.\d)?[- ].*8b", "llama-3.1-8b"),
    (r"llama.*13b", "llama-2-13b"),
    (r"llama.*70b", "llama-2-70b"),
    (r"llama.*7b", "llama-2-7b"),
    (r"mixtral.*8x22b", "mixtral-8x22b"),
    (r"mixtral", "mixtral-8x7b"),
    (r"mistral.*7b", "mistral-7b"),
    (r"deepseek.*v4", "deepseek-v4-pro"),
    (r"deepseek.*v3\.2", "deepseek-v3.2"),
    (r"deepseek.*(r1|v3/r1)", "deepseek-r1"),
    (r"deepseek.*v3", "deepseek-v3"),
    (r"kimi.*k2", "kimi-k2-instruct"),
    (r"gpt-oss.*120", "gpt-oss-120b"),
    (r"gpt-oss.*20", "gpt-oss-20b"),
    (r"glm-?4\.5-air", "glm-4.5-air"),
    (r"glm-?4\.[567]", "glm-4.5"),
    (r"glm-?5", "glm-5"),
    (r"minimax.*m2", "minimax-m2.5"),
    (r"qwen3\.5.*397b", "qwen3.5-397b-a17b"),
    (r"qwen3.*(coder.*480b)", "qwen3-coder-480b-a35b"),
    (r"qwen3.*235b", "qwen3-235b-a22b"),
    (r"qwen3.*30b", "qwen3-30b-a3b"),
    (r"qwen3.*32b", "qwen3-32b"),
    (r"qwen3[^.]*\b8b", "qwen3-8b"),
    (r"gemma.*3.*27b", "gemma-3-27b"),
)
_CHIPS = (
    (r"h100.*(pcie|nvl)|h200.*nvl|virtual|gh200|h800", ""),
    (r"gb300", "b300-gb300"),
    (r"gb200", "b200-gb200"),
    (r"b300", "b300-hgx"),
    (r"b200", "b200-hgx"),
    (r"h200", "h200-sxm"),
    (r"h100", "h100-sxm"),
    (r"\bh20\b", "h20"),
    (r"a100.*80", "a100-80g"),
    (r"mi300x", "mi300x"),
    (r"mi325x", "mi325x"),
    (r"mi355x", "mi355x"),
    (r"tpu v7", "tpu-v7"),
    (r"gaudi ?3", "gaudi3"),
)
_FORMATS = (
    (r"nvfp4|^fp4", "fp4"),
    (r"mxfp4", "mxfp4"),
    (r"int4", "int4"),
    (r"fp8", "fp8"),
    (r"int8", "int8"),
    (r"bf16|fp16", "bf16"),
)
# scenario -> regime, or the reason why it cannot be expressed
_REGIMES = {
    "offline_max_load": "max load",
    "closed_loop_concurrency": "concurrency",
    "static_batch": "fixed batch",
    "static_batch_peak_throughput": "fixed batch",
    "static_batch_first_token_latency": "fixed batch",
    "static_batch_e2e_latency": "fixed batch",
}
_METRICS = {
    "output_tok_s_total": "output_rate",
    "output_tok_s_per_gpu": "output_rate",
    "total_tok_s_per_gpu": "token_rate",
    "total_tok_s": "token_rate",
    "tpot_ms": "tpot",
    "tpot_ms_mean": "tpot",
    "tpot_ms_median": "tpot",
    "itl_ms_mean": "tpot",
    "ttft_ms": "ttft",
    "ttft_ms_mean": "ttft",
    "ttft_ms_median": "ttft",
    "e2e_latency_ms": "latency",
    "e2e_latency_ms_mean": "latency",
}
_WAVES = 10.0  # InferenceX sends ten requests for each that it keeps in progress
# Requests of a run by lengths: NVIDIA/TensorRT-LLM, docs/source/performance/perf-overview.md, v0.17 to v1.2.
_REQUESTS = {
    (128, 128): 30000, (128, 2048): 3000, (128, 4096): 1500, (500, 2000): 3000, (1000, 1000): 3000, (1000, 2000): 1500,
    (1024, 1024): 3000, (1024, 2048): 1500, (1024, 8192): 1500, (1024, 32768): 1000, (2048, 128): 3000,
    (2048, 2048): 1500, (5000, 500): 1500, (8192, 1024): 1500, (20000, 2000): 1000, (32768, 1024): 1000,
}  # fmt: skip
_MEAN_LENGTH = 0.9  # InferenceX draws lengths evenly from 0.8 to 1.0 of the printed ones


class Inexpressible(Exception):
    """Why a published row cannot be compared with the model."""


@dataclass(frozen=True)
class Reading:
    """A table as it was read: each line with its row of ours, or the reason why there is none."""

    header: tuple[str, ...]
    lines: tuple[tuple[Mapping[str, str], Row | None, str], ...]

    @property
    def rows(self) -> tuple[Row, ...]:
        """Rows that can be compared, excluded ones in."""
        return tuple(row for _, row, _ in self.lines if row is not None)

    @property
    def left_out(self) -> tuple[tuple[str, str, int], ...]:
        """(source, reason, rows) of what cannot be expressed."""
        named = ((_source(cells), reason) for cells, row, reason in self.lines if row is None)
        return tuple((source, reason, count) for (source, reason), count in sorted(Counter(named).items()))


def _source(cells: Mapping[str, str]) -> str:
    return cells["source"] if "chip" in cells else source_of(cells["source_id"])


def read(path: Path) -> Reading:
    """Reads a table in our columns or the published ones; InputErrors for a file that has neither, or broken numbers.

    What the model cannot express has a reason instead of a row.
    """
    table = read_csv(path, ("metric", "value"))
    own = "chip" in table.header
    missing = [name for name in (COLUMNS[:-2] if own else PUBLISHED) if name not in table.header]
    if missing:
        hint = f"columns are: {', '.join(PUBLISHED)}; or {', '.join(COLUMNS)}"
        raise InputErrors([Fault(str(path), 1, name, "column is missing", hint) for name in missing])
    lines: list[tuple[Mapping[str, str], Row | None, str]] = []
    faults = []
    for line, cells in table.rows:
        try:
            lines.append((cells, _sound(_checked(row_of(cells)) if own else translated(cells)), ""))
        except Inexpressible as reason:
            lines.append((cells, None, str(reason)))
        except ValueError as error:
            faults.append(Fault(str(path), line, "", str(error), "write plain numbers, times in ms, rates in tokens/s"))
    if faults:
        raise InputErrors(faults)
    return Reading(table.header, tuple(lines))


def _sound(row: Row) -> Row:
    """The row, or ValueError where a number is not finite or too small to mean anything."""
    least = {"tensor": 1.0, "pipeline": 1.0, "data": 1.0, "expert": 0.0, "batch": 0.0, "prompt": 1.0, "output": 1.0}
    bad = [name for name, low in least.items() if not low <= getattr(row, name) < math.inf]
    bad += [] if 0 < row.value < math.inf else ["value"]
    if bad:
        raise ValueError(f"not a number that can be: {', '.join(bad)}")
    return row


def source_of(source_id: str) -> str:
    """The part of a row's id that names its source.

    >>> source_of("trtllm_v0.17#0001")
    'trtllm_v0.17'
    """
    return source_id.split("#")[0]


def _checked(row: Row) -> Row:
    if row.regime not in REGIMES or row.metric not in METRICS:
        raise ValueError(f"'{row.regime}' / '{row.metric}' is not a regime and metric of ours")
    _modelled(row.model, row.model)
    if row.chip not in catalog.load().accelerators:
        raise Inexpressible(f"accelerator not in the catalogue: {row.chip}")
    return row


def translated(cells: Mapping[str, str]) -> Row:
    """One published row in our terms; Inexpressible where it has no counterpart, ValueError for broken numbers."""
    notes, scenario, metric = cells["notes"], cells["scenario"], cells["metric"]
    if scenario not in _REGIMES:
        raise Inexpressible(f"scenario not modelled: {scenario}")
    if metric not in _METRICS:
        raise Inexpressible(f"metric not modelled: {metric}")
    if "AMBIGUOUS" in notes:
        raise Inexpressible("parallel layout not known (stated by the source table)")
    model = _modelled(_named(cells["model"], _MODELS), cells["model"])
    chip = _named(cells["accelerator"], _CHIPS)
    if not chip:
        raise Inexpressible(f"accelerator not in the catalogue: {cells['accelerator'][:40]}")
    weights, cache, compute = _formats(cells, chip)
    tensor, pipeline, data, expert = _widths(cells, model)
    count = float(cells["n_accelerators"] or tensor * pipeline * data)
    scale = _MEAN_LENGTH if source_of(cells["source_id"]).startswith("ix_") else 1.0
    prompt, output = _lengths(cells, scale)
    if "first_token" in scenario:
        output = 1.0
    total = metric in ("output_tok_s_total", "total_tok_s")
    value = float(cells["value"]) * (1e-3 if "_ms" in metric else 1.0 / count if total else 1.0)
    replicas = max(count / (tensor * pipeline * data), 1.0)
    field = re.search(r"per-replica batch field ([\d.]+)", notes)
    if field and data == 1.0:  # several replicas behind one address: the source says how many requests each had
        replicas = max(float(cells["batch_or_concurrency"]) / float(field.group(1)), 1.0)
    return Row(
        id=cells["source_id"],
        source=source_of(cells["source_id"]),
        date=cells["date_or_version"],
        framework=cells["framework"],
        model=model,
        chip=chip,
        weights=weights,
        cache=cache,
        compute=compute,
        tensor=tensor,
        pipeline=pipeline,
        data=data,
        expert=expert,
        batch=_batch(cells) / replicas,
        prompt=prompt,
        output=output,
        regime=_REGIMES[scenario],
        metric=_METRICS[metric],
        value=value,
        requests=_requests(cells, scale),
        excluded=_defect(cells, model, tensor * data),
    )


def _named(name: str, table: Iterable[tuple[str, str]]) -> str:
    text = name.lower()
    return next((id_ for pattern, id_ in table if re.search(pattern, text)), "")


def _modelled(id_: str, name: str) -> str:
    found = catalog.load().models.get(id_)
    if found is None:
        raise Inexpressible(f"model not in the catalogue: {name}")
    if architecture.unmodelled(found):
        raise Inexpressible(f"blocks not modelled: {name}")
    return id_


def _formats(cells: Mapping[str, str], chip: str) -> tuple[str, str, str]:
    """Formats of weights, cache and arithmetic. A cache that is not stated follows the weights: fp8 below 16 bits."""
    weights = _named(cells["precision_weights"], _FORMATS)
    if not weights or "declared" in cells["precision_weights"]:
        raise Inexpressible(f"precision not known: {cells['precision_weights'] or 'not stated'}")
    if weights == "fp4" and chip.startswith("mi"):
        weights = "mxfp4"  # AMD's 4-bit format has blocks of 32
    known = catalog.load().accelerators[chip].flops
    stated = _named(cells["precision_kv"], _FORMATS)
    cache = stated if stated in BYTES else "bf16" if weights == "bf16" else "fp8"
    compute = {"mxfp4": "fp4", "int4": "bf16"}.get(weights, weights)
    if weights == "mxfp4" and "gpt-oss" in cells["model"].lower():
        compute = "fp8"  # the engines run its experts with 8-bit activations where the chip has such arithmetic
        if "fp4" not in known:
            compute = "bf16"
    return weights, cache, compute if compute in known else "bf16"


def _widths(cells: Mapping[str, str], model: str) -> tuple[float, float, float, float]:
    """Tensor, pipeline, data and expert widths of one replica."""
    pipeline, expert = float(cells["pp"] or 1), float(cells["ep"] or 1)
    count, notes = float(cells["n_accelerators"] or 0), cells["notes"]
    if re.search(r"DEP\d* ?=|attention data-parallel ON|attention DP [2-9]", notes) or not cells["tp"]:
        group = count / pipeline if count else expert
        if group < 1:
            raise Inexpressible("parallel layout not known")
        return 1.0, pipeline, group, max(expert, 1.0)
    tensor = float(cells["tp"])
    if not (tensor >= 1 and pipeline >= 1):
        raise ValueError("not a number that can be: tensor or pipeline width")
    if catalog.load().models[model].experts is None:
        return tensor, pipeline, 1.0, 1.0
    shared = re.search(r"MoE TP (\d+)", notes)
    spread = max(expert, float(shared.group(1)) if shared else 1.0)
    if spread > tensor and count >= spread * pipeline:  # experts spread wider than a tensor group: groups share them
        return tensor, pipeline, count / (tensor * pipeline), spread
    return tensor, pipeline, 1.0, expert


def _lengths(cells: Mapping[str, str], scale: float) -> tuple[float, float]:
    if not cells["input_len"] or not (cells["output_len"] or "first_token" in cells["scenario"]):
        raise Inexpressible("lengths not stated")
    return float(cells["input_len"]) * scale, max(float(cells["output_len"] or 1) * scale, 1.0)


def _batch(cells: Mapping[str, str]) -> float:
    text = cells["batch_or_concurrency"]
    if cells["scenario"] == "offline_max_load":
        return 0.0
    try:
        return float(text)
    except ValueError:
        raise Inexpressible("batch or concurrency not stated") from None


def _requests(cells: Mapping[str, str], scale: float) -> float:
    """Requests of the whole run: stated in the row, or by the source's procedure.

    0 where not known, and for medians: the crowd of the first wave does not move them.
    """
    if cells["metric"].endswith("_median"):
        return 0.0
    if scale < 1.0:
        return _WAVES * float(cells["batch_or_concurrency"])
    stated = re.search(r"max_num_seqs=(\d+)", cells["batch_or_concurrency"])
    if stated:  # so AMD's table names them
        return float(stated.group(1))
    if cells["source_id"].startswith("trtllm") and cells["scenario"] == "offline_max_load":
        return float(_REQUESTS.get((int(cells["input_len"]), int(cells["output_len"])), 0))
    return 0.0


def _defect(cells: Mapping[str, str], model: str, width: float) -> str:
    """The stated defect for which a row is kept out of the figures; '' where there is none."""
    version, notes, source = cells["date_or_version"], cells["notes"], cells["source_id"]
    lengths = cells["input_len"], cells["output_len"]
    if "CUDA graphs were unintentiona" in notes:
        return "CUDA graphs were off by mistake (said in the source)"
    if "TensorRT-LLM v1.0" in version and lengths == ("128", "128"):
        return "128/128 of v1.0 was withdrawn by the source: bound by the host"
    if "TensorRT-LLM v1.0" in version and catalog.load().models[model].experts and width > 1:
        return "attention tensor or data parallel not stated (v1.0, experts)"
    if "KV-starved" in notes:
        return "starved of cache (said in the source table)"
    if "FAILS Little-law" in notes:
        return "fails Little's law"
    if "MTP state not recorded" in notes:
        return "speculative decoding on or off not recorded"
    if "exact match in InferenceX API" in notes:
        return "the same run is in the InferenceX table"
    if "unset in source" in cells["precision_weights"]:
        return "number format not set in the source"
    if source.startswith("nv_aic") and "ai-dynamo" in notes:
        return "behind a Dynamo front end; number of replicas not stated"
    if source.startswith("nv_aic") and cells["metric"].startswith("ttft"):
        return "arrivals and length distribution not stated: the queue before the first token is not known"
    return ""


def newest(rows: Iterable[Row]) -> tuple[Row, ...]:
    """One row for each configuration, engine and metric: the latest; InferenceX repeats them."""
    found: dict[tuple[object, ...], Row] = {}
    for row in rows:
        key = replace(row, id="", date="", framework=row.framework.split()[0], value=0.0, requests=0.0)
        at = tuple(vars(key).values())
        old = found.get(at)  # of one date the median, which most dates have, before the mean
        if old is None or (row.date, -row.requests) >= (old.date, -old.requests):
            found[at] = row
    return tuple(found.values())
