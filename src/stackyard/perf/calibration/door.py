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
from typing import Any

from stackyard import catalog
from stackyard.errors import Fault, InputErrors, nearest
from stackyard.files import read_csv
from stackyard.perf import architecture
from stackyard.perf.calibration.recipes import wait
from stackyard.perf.calibration.rows import COLUMNS, METRICS, REGIMES, Row, row_of
from stackyard.perf.calibration.ways import OWN, SCENARIOS, Way, guesses, pools_of, way_of
from stackyard.perf.layout import Layout
from stackyard.perf.precision import BYTES

PUBLISHED = (
    "source_id", "date_or_version", "framework", "model", "precision_weights", "precision_kv", "accelerator",
    "n_accelerators", "tp", "pp", "ep", "batch_or_concurrency", "input_len", "output_len", "scenario", "metric",
    "value", "notes",
)  # fmt: skip

_FORMATS = (
    (r"nvfp4|^fp4", "fp4"),
    (r"mxfp4", "mxfp4"),
    (r"int4|w4a16|awq|gptq", "int4"),
    (r"fp8|w8a8.?fp8", "fp8"),
    (r"int8|w8a16|w8a8", "int8"),
    (r"bf16|fp16|float16", "bf16"),
)
# scenario -> regime; what is not here cannot be expressed
_REGIMES = {
    "offline_max_load": "max load",
    "mlperf_offline": "max load",
    "closed_loop_concurrency": "concurrency",
    "online_all_at_once": "fixed batch",  # all prompts first, then all steps: nothing comes after
    "online_poisson_10rps_overloaded": "concurrency",
    "static_batch": "fixed batch",
    "static_batch_peak_throughput": "fixed batch",
    "static_batch_first_token_latency": "fixed batch",
    "static_batch_e2e_latency": "fixed batch",
}
# metric, less what it is a mean or median of -> ours, and what a value must be divided by
_METRICS = {
    "output_tok_s_total": ("output_rate", "accelerators"),
    "output_tok_s": ("output_rate", "accelerators"),
    "output_tok_s_per_gpu": ("output_rate", ""),
    "output_tok_s_per_chip": ("output_rate", ""),
    "output_tok_s_per_decode_gpu": ("output_rate", ""),
    "total_tok_s": ("token_rate", "accelerators"),
    "total_tok_s_total": ("token_rate", "accelerators"),
    "total_tok_s_per_gpu": ("token_rate", ""),
    "total_tok_s_per_chip": ("token_rate", ""),
    "req_s": ("output_rate", "requests"),
    "output_tok_s_per_user": ("tpot", "inverse"),
    "tok_s_per_user": ("tpot", "inverse"),
    "tpot": ("tpot", "time"),
    "itl": ("tpot", "time"),
    "token_time": ("tpot", "time"),
    "decode_step": ("tpot", "time"),
    "ttft": ("ttft", "time"),
    "prompt_time": ("ttft", "time"),
    "prefill_time": ("ttft", "time"),
    "prefill_latency": ("ttft", "time"),
    "first_token_latency": ("ttft", "time"),
    "e2e_latency": ("latency", "time"),
    "latency": ("latency", "time"),
    "request_latency": ("latency", "time"),
}
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}
_WAVES = 10.0  # InferenceX sends ten requests for each that it keeps in progress
# Requests of a run by lengths: NVIDIA/TensorRT-LLM, docs/source/performance/perf-overview.md, v0.17 to v1.2.
_REQUESTS = {
    (128, 128): 30000, (128, 2048): 3000, (128, 4096): 1500, (500, 2000): 3000, (1000, 1000): 3000, (1000, 2000): 1500,
    (1024, 1024): 3000, (1024, 2048): 1500, (1024, 8192): 1500, (1024, 32768): 1000, (2048, 128): 3000,
    (2048, 2048): 1500, (5000, 500): 1500, (8192, 1024): 1500, (20000, 2000): 1000, (32768, 1024): 1000,
}  # fmt: skip
SAME_RUN = "the same run is in the InferenceX table"
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
    def sources(self) -> Mapping[str, int]:
        """Lines of each source."""
        return Counter(_source(cells) for cells, _, _ in self.lines)

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
    missing = [name for name in (COLUMNS[:-3] if own else PUBLISHED) if name not in table.header]
    if missing:
        hint = f"columns are: {', '.join(PUBLISHED)}; or {', '.join(COLUMNS)}"
        raise InputErrors([Fault(str(path), 1, name, "column is missing", hint) for name in missing])
    lines: list[tuple[Mapping[str, str], Row | None, str]] = []
    faults = []
    for line, cells in table.rows:
        try:
            lines.append((cells, _sound(_checked(_own(cells)) if own else translated(cells), cells["value"]), ""))
        except Inexpressible as reason:
            lines.append((cells, None, str(reason)))
        except ValueError as error:
            faults.append(Fault(str(path), line, "", str(error), "write plain numbers, times in ms, rates in tokens/s"))
    if faults:
        raise InputErrors(faults)
    return Reading(table.header, tuple(lines))


def in_unit(cells: Mapping[str, str], ours: float) -> float:
    """A number of ours in the unit of a line: seconds as it prints times, rates of the whole as it prints rates.

    >>> cells = dict.fromkeys(PUBLISHED, "") | {"source_id": "a#1", "model": "Llama 3.1 8B", "accelerator": "H100"}
    >>> cells |= {"precision_weights": "fp8", "tp": "1", "batch_or_concurrency": "4", "input_len": "100"}
    >>> cells |= {"output_len": "9", "scenario": "static_batch", "metric": "tpot_ms"}
    >>> in_unit(cells, 0.012)
    12.0
    """
    if "chip" in cells:
        return ours
    one = float(translated({**cells, "value": "1"}).value)
    return 1.0 / ours if _metric(cells)[1] == "inverse" else ours / one


def _sound(row: Row, printed: str) -> Row:
    """The row, or ValueError where a number is not finite or too small to mean anything; no value asks for one."""
    least = {"tensor": 1.0, "pipeline": 1.0, "data": 1.0, "expert": 0.0, "batch": 0.0, "prompt": 1.0, "output": 1.0}
    bad = [name for name, low in least.items() if not low <= getattr(row, name) < math.inf]
    bad += [] if 0 < row.value < math.inf or (math.isnan(row.value) and not printed) else ["value"]
    if bad:
        raise ValueError(f"not a number that can be: {', '.join(bad)}")
    return row


def source_of(source_id: str) -> str:
    """The part of a row's id that names its source.

    >>> source_of("trtllm_v0.17#0001")
    'trtllm_v0.17'
    """
    return source_id.split("#")[0]


def _own(cells: Mapping[str, str]) -> Row:
    return way_of(cells) if all(name in cells for name in OWN) else row_of(cells)


def _checked(row: Row) -> Row:
    if row.regime not in REGIMES or row.metric not in METRICS:
        raise ValueError(f"'{row.regime}' / '{row.metric}' is not a regime and metric of ours")
    _modelled(row.model, row.model)
    if row.chip not in catalog.load().accelerators:
        raise _stranger("accelerator", row.chip, catalog.load().accelerators)
    return row


def translated(cells: Mapping[str, str]) -> Row:
    """One published row in our terms; Inexpressible where it has no counterpart, ValueError for broken numbers."""
    notes, scenario = cells["notes"], re.sub(r"_99(\.9)?$", "", cells["scenario"])
    if scenario in SCENARIOS:
        return _way(cells)
    regime = _REGIMES.get(scenario)
    if regime is None:
        raise Inexpressible(f"scenario not modelled: {scenario}")
    metric, divisor, unit = _metric(cells)
    scale = _MEAN_LENGTH if source_of(cells["source_id"]).startswith("ix_") else 1.0
    prompt, output = _lengths(cells, scale)
    if "AMBIGUOUS" in notes:
        raise Inexpressible("parallel layout not known (stated by the source table)")
    known = catalog.load()
    model = _modelled(known.called("models", cells["model"]), cells["model"])
    chip = known.called("accelerators", cells["accelerator"])
    if not chip:
        raise _stranger("accelerator", cells["accelerator"], known.accelerators)
    weights, cache, compute = _formats(cells, chip)
    tensor, pipeline, data, expert = _widths(cells, model)
    count = float(cells["n_accelerators"] or tensor * pipeline * data)
    if "first_token" in scenario:
        output = 1.0
    each = {"accelerators": 1.0 / count, "requests": output / count, "time": unit}.get(divisor, 1.0)
    value = float(cells["value"] or "nan")  # a line without a value asks for a prediction
    value = 1.0 / value if divisor == "inverse" and value else value * each
    replicas = max(count / (tensor * pipeline * data), 1.0)
    field = re.search(r"per-replica batch field ([\d.]+)", notes)
    if field and data == 1.0:  # several replicas behind one address: the source says how many requests each had
        replicas = max(float(cells["batch_or_concurrency"]) / float(field.group(1)), 1.0)
    return Row(
        id=cells["source_id"],
        source=source_of(cells["source_id"]),
        date=cells["date_or_version"],
        framework=_engine(cells),
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
        regime=regime,
        metric=metric,
        value=value,
        requests=_requests(cells, scale),
        excluded=_defect(cells, model, tensor * data),
        wait=_wait(cells, (model, chip, weights), Layout(tensor, pipeline, data, expert), prompt, output),
    )


def _way(cells: Mapping[str, str]) -> Way:
    """A row of a disaggregated or speculative run: a plain one, with its pools and the tokens that were guessed."""
    plain = {
        **cells,
        "scenario": "closed_loop_concurrency",
        "metric": cells["metric"].replace("_per_decode_gpu", "_per_gpu"),
    }
    loop = "disagg" not in cells["scenario"] and "mtp" not in cells["scenario"]
    if loop:
        plain["batch_or_concurrency"] = "1"
    row = translated(plain)
    pools = pools_of(cells["notes"])
    apart = "disagg" in cells["scenario"]
    if apart and pools is None:
        raise Inexpressible(SAME_RUN if row.excluded == SAME_RUN else "sizes of the two pools not stated")
    more: dict[str, Any] = {}
    if apart and pools is not None:
        (first, makers), (then, workers) = pools
        names = ("tensor", "pipeline", "data", "expert")
        more = {name: float(getattr(then, name)) for name in names} | {"batch": _batch(plain), "workers": workers}
        more |= {f"prefill_{name}": float(getattr(first, name)) for name in names} | {"prefill_workers": makers}
    if loop:
        more["arrivals"] = _arrivals(cells) * float(row.batch)  # a plain row of one request has one over its replicas
    if "mtp" in cells["scenario"]:
        vendor = catalog.load().accelerators[row.chip].vendor
        more["draft"] = guesses(row.framework, vendor, more.get("data", row.data) > 1)
        if not more["draft"]:
            raise Inexpressible("number of guessed tokens not on record")
    return Way(**{**vars(row), **more})


def _metric(cells: Mapping[str, str]) -> tuple[str, str, float]:
    """Our metric, what its value is divided by, and the seconds of its unit; means and medians are taken for means."""
    text = cells["metric"].lower()
    if "v0.6-v0.7" in cells["date_or_version"] and text == "output_tok_s_total":
        text = "output_tok_s_per_gpu"  # the source's own unit from v0.6 on, as its note says
    if re.search(r"p\d\d", text) and not text.endswith("p50"):
        raise Inexpressible(f"a percentile; means are predicted: {cells['metric']}")
    text = re.sub(r"_(mean|median|avg|p50)$", "", text)
    unit = re.search(r"_(us|ms|s)$", text)
    name = text[: unit.start()] if unit and text not in _METRICS else text
    if "power" in name:
        raise Inexpressible("power: compared in a table of its own")
    if name not in _METRICS:
        raise Inexpressible(f"metric not modelled: {cells['metric']}")
    if "overloaded" in cells["scenario"] and _METRICS[name][0] in ("ttft", "latency"):
        raise Inexpressible("the queue of an overloaded server grows with the run: no steady time to first token")
    if cells["scenario"] == "online_all_at_once" and _METRICS[name][0] in ("ttft", "tpot"):
        raise Inexpressible("all requests at once: each waits another time for its first token")
    seconds = _UNITS[unit[1]] if unit and text not in _METRICS else _UNITS.get(cells.get("unit", ""), 1e-3)
    return *_METRICS[name], seconds


def _engine(cells: Mapping[str, str]) -> str:
    """The framework as printed; where a version is that of the runtime image around the engine, named as such."""
    name, _, version = cells["framework"].partition(" ")
    return f"{name} (Dynamo runtime {version})" if "ai-dynamo/" in cells["notes"] and version else cells["framework"]


def _stranger(kind: str, name: str, known: Iterable[str]) -> Inexpressible:
    hint = nearest(name, known)
    close = f" ({hint})" if hint.startswith("did you mean") else ""
    return Inexpressible(f"{kind} not in the catalogue: {name[:60]}{close}")


def _arrivals(cells: Mapping[str, str]) -> float:
    """Requests that come each second, of all replicas."""
    told = re.search(r"(?:qps|rate|rps)\s*=\s*([\d.]+)", cells["batch_or_concurrency"], re.IGNORECASE)
    if not told:
        raise Inexpressible("rate of arrivals not stated")
    return float(told[1])


def _named(name: str, table: Iterable[tuple[str, str]]) -> str:
    text = name.lower()
    return next((id_ for pattern, id_ in table if re.search(pattern, text)), "")


def _modelled(id_: str, name: str) -> str:
    found = catalog.load().models.get(id_)
    if found is None:
        raise _stranger("model", name, catalog.load().models)
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
    if "neuronx" in cells["framework"] and weights == "int8":
        compute = "bf16"  # its int8 is a way of storing weights
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
    if re.search("cores", cells["accelerator"] + notes, re.IGNORECASE):  # widths count cores, of which a chip has two
        if re.search(r"\bdp=([2-9]|\d\d)", notes):
            return 1.0, pipeline, count / pipeline, count / pipeline
        tensor = min(tensor, count / pipeline)
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
        known = " (only their maxima are published)" if cells["source_id"].startswith("mlperf") else ""
        raise Inexpressible(f"mean lengths not stated{known}")
    own = 1.0 if "output_len = mean generated" in cells["notes"] else scale
    return float(cells["input_len"]) * scale, max(float(cells["output_len"] or 1) * own, 1.0)


def _batch(cells: Mapping[str, str]) -> float:
    text = cells["batch_or_concurrency"]
    if _REGIMES.get(re.sub(r"_99(\.9)?$", "", cells["scenario"])) == "max load":
        return 0.0
    if cells["scenario"] == "online_all_at_once":
        return _requests(cells, 1.0)
    try:
        return float(re.sub(r"^(max_num_seqs|concurrency|batch|bs)\s*=\s*", "", text.strip()))
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
    told = re.match(r"(\d+) (?:\S+ )?requests", cells["notes"])
    if told:
        return float(told.group(1))
    stated = re.search(r"max_num_seqs=(\d+)", cells["batch_or_concurrency"])
    if stated:  # so AMD's table names them
        return float(stated.group(1))
    if cells["source_id"].startswith("trtllm") and cells["scenario"] == "offline_max_load":
        return float(_REQUESTS.get((int(cells["input_len"]), int(cells["output_len"])), 0))
    return 0.0


def _wait(cells: Mapping[str, str], run: tuple[str, str, str], layout: Layout, prompt: float, output: float) -> float:
    """Steps that an arrival waits, of InferenceX's servers; 0 elsewhere, and where two pools serve."""
    if not cells["source_id"].startswith("ix_") or re.search(r"disagg|ai-dynamo", cells["notes"]):
        return 0.0
    lengths = f"{cells['input_len']}x{cells['output_len']}"
    return wait((cells["framework"], *run), lengths, layout, _batch(cells), prompt, output)


def _defect(cells: Mapping[str, str], model: str, width: float) -> str:
    """The stated defect for which a row is kept out of the figures; '' where there is none."""
    version, notes, source = cells["date_or_version"], cells["notes"], cells["source_id"]
    lengths, metric = (cells["input_len"], cells["output_len"]), cells["metric"]
    first, internal = "TensorRT-LLM v1.0" in version, source.startswith("nv_aic")
    at_once = cells["scenario"] == "online_all_at_once"
    experts = catalog.load().models[model].experts is not None
    defects = (
        ("carried over from an older release" in notes, "carried over from an older release (said in the source)"),
        ("CUDA graphs were unintentiona" in notes, "CUDA graphs were off by mistake (said in the source)"),
        (first and lengths == ("128", "128"), "128/128 of v1.0 was withdrawn by the source: bound by the host"),
        (first and experts and width > 1, "attention tensor or data parallel not stated (v1.0, experts)"),
        (
            at_once and lengths == ("202", "214"),
            "output lengths vary: by Little's law half of the requests were done at half of the run",
        ),
        (
            "throughput inconsistent with TPOT" in notes and metric.startswith("output_tok_s"),
            "disagrees with its own time per token (said in the source table)",
        ),
        ("KV-starved" in notes, "starved of cache (said in the source table)"),
        ("FAILS Little-law" in notes, "fails Little's law"),
        ("MTP state not recorded" in notes, "speculative decoding on or off not recorded"),
        ("exact match in InferenceX API" in notes, SAME_RUN),
        ("unset in source" in cells["precision_weights"], "number format not set in the source"),
        (internal and "ai-dynamo" in notes, "behind a Dynamo front end; number of replicas not stated"),
        (
            internal and metric.startswith("ttft"),
            "arrivals and length distribution not stated: the queue before the first token is not known",
        ),
    )
    return next((reason for holds, reason in defects if holds), "")


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
