"""Reads other people's tables of training measurements, one row for each configuration and metric.

Columns: source_id, source, date_or_version, framework, model, n_layers, d_model, n_heads, n_kv_heads, d_ff, vocab,
seq_len, precision, accelerator, n_accelerators, tp, pp, vp, cp, ep, dp, zero_or_fsdp, global_batch, micro_batch,
recompute, metric, value, notes. What a table leaves empty is taken as the field's custom at the time and said in the
row's note; a row that cannot be expressed comes back with its reason.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from stackyard import catalog
from stackyard.catalog.entries import Accelerator, Attention, Model
from stackyard.errors import InputErrors
from stackyard.perf.calibration.training_rows import (
    Excluded,
    Measured,
    chip_named,
    known_models,
    shortened,
    variants,
)
from stackyard.perf.training.recipe import Recipe, unmodelled
from stackyard.perf.training.work import model_flop, parameters
from stackyard.quantity import GIBI, GIGA

METRICS = (
    "step_time_s",
    "tokens_per_s_per_gpu",
    "tokens_per_s_total",
    "samples_per_s",
    "tflops_per_gpu_model",
    "peak_mem_gib_per_gpu",
    "peak_mem_gb_per_gpu",
)
# Sources whose FLOP/s can be turned into time: how they count attention.
COUNTED = {
    "maxtext-v": "flop_full",  # before 2025
    "megatron-readme-h100-2024": "flop_full",
    "nemo-longseq": "flop_full",
    "stas-upgrade": "flop_causal",
}
ALSO = {"nemotron340b": "nemotron4340b", "llama4maverick400b": "llama4maverick"}
VENDORS = r"^((nvidia|amd|intel|google|aws|cloud|instinct|tpu)\s+)+"
HYBRID = r"nemotron(h|3nano|3super|3ultra)|mamba|jamba|granite4"
LAYOUT = ("tp", "pp", "cp", "ep", "zero_or_fsdp")
UNSPLIT = 3e7  # parameters for each accelerator above which a row without any layout is not believed
CORE = 2024.25  # year until which Megatron-LM is taken to run without Megatron-Core's overlap and fused attention
FUSED = 2024.4  # year until which fused attention is FlashAttention 2, on any chip
SHORT = 4096.0  # sequences of fine-tuning up to here are packed
# Kernels of attention, and tokens of a sequence where a table does not print them: the defaults of a software.
KERNELS = {"torchtitan": "flash-2", "torchtitan-2025": "flash-2", "llm-foundry": "flash-1", "neuron": "flash-1"}
SEQUENCES = {
    "torchtitan": 8192.0,
    "torchtitan-2025": 8192.0,
    "maxtext": 2048.0,
}
PACKED = 512.0  # tokens of a sample taken where fine-tuning packs short samples


class Inexpressible(ValueError):
    """Why a row cannot be compared."""


def is_training(path: Path) -> bool:
    """Whether a table is of training: it has batches and widths of a step, not of requests."""
    with path.open(newline="", encoding="utf-8") as file:
        names = set(next(csv.reader(file), []))
    return {"metric", "value", "n_accelerators", "seq_len"} <= names


def read_measurements(path: Path) -> tuple[tuple[Measured, ...], tuple[Excluded, ...]]:
    """Rows of a table that can be compared, and the others with their reasons."""
    with path.open(newline="", encoding="utf-8") as file:
        return measurements(csv.DictReader(file))


def measurements(rows: Iterable[Mapping[str, str]]) -> tuple[tuple[Measured, ...], tuple[Excluded, ...]]:
    """The same for rows that are already at hand."""
    found: dict[tuple[object, ...], Measured] = {}
    left: list[Excluded] = []
    for row in rows:
        try:
            read = _measured(row)
            figure = f"{read.seconds or 0:.3g} {read.memory or 0:.3g}"
            key = (read.source, read.date, read.chip.id, read.model.id, read.model.layers, read.recipe, figure)
            found.setdefault(key, read)  # a run whose time and rate are both printed is one measurement
        except Inexpressible as error:
            source, place = row.get("source_id", ""), row.get("source", "")
            left.append(Excluded(source, place, row.get("accelerator", ""), row.get("model", ""), str(error)))
    return tuple(found.values()), tuple(left)


def _measured(row: Mapping[str, str]) -> Measured:
    metric = row.get("metric", "")
    if metric not in METRICS:
        raise Inexpressible(f"the metric '{metric}' is not compared (known: {', '.join(METRICS)})")
    chip, model = _chip(row.get("accelerator", ""), row.get("notes") or ""), _model(row)
    recipe, note = _recipe(row)
    if not any(row.get(name) for name in LAYOUT) and parameters(model) / recipe.accelerators > UNSPLIT:
        raise Inexpressible("the layout is not given, and the model would not fit without one")
    value = _number(row, "value")
    seconds = memory = None
    if metric == "step_time_s":
        seconds = value
    elif metric == "samples_per_s":
        seconds = float(recipe.global_batch) / value
    elif metric == "tflops_per_gpu_model":
        flop = float(model_flop(model, recipe)[_counted(row)])
        seconds = flop / (value * 1e12 * float(recipe.accelerators))
    elif metric.startswith("tokens"):
        rate = value * (float(recipe.accelerators) if metric.endswith("gpu") else 1.0)
        seconds = float(recipe.tokens) / rate
    else:
        memory = value * (GIBI if "gib" in metric else GIGA)
    return Measured(
        source=row.get("source_id", ""),
        place=row.get("source", ""),
        date=row.get("date_or_version", ""),
        accelerator=chip.id,
        model=model,
        chip=chip,
        recipe=recipe,
        seconds=seconds,
        memory=memory,
        note=note,
    )


def _counted(row: Mapping[str, str]) -> str:
    """The convention of a row's FLOP/s, as `model_flop` names it."""
    source = row.get("source_id", "")
    found = [how for name, how in COUNTED.items() if source.startswith(name)]
    if not found:
        raise Inexpressible("how its FLOP/s count attention is not known; time or tokens are compared")
    return found[0]


def _number(row: Mapping[str, str], name: str, default: float | None = None) -> float:
    text = (row.get(name) or "").strip()
    if not text:
        if default is None:
            raise Inexpressible(f"{name} is not given")
        return default
    try:
        return float(text)
    except ValueError:
        raise Inexpressible(f"{name} '{text}' is not a number") from None


def _chip(name: str, notes: str) -> Accelerator:
    """The chip whose name, id or alias begins like the given one."""
    low = name.lower()
    if "jeanzay" in notes.lower() and "a100" in low:
        return chip_named("a100-jeanzay")
    if "hbm2e" in low and "h100" in low:
        return chip_named("h100-96gb-hbm2e")
    if "40gb" in low and "a100" in low:
        return chip_named("a100-40gb")
    word = re.split(r"[\s(]", re.sub(VENDORS, "", low.replace("tpu-", "tpu ")).strip())[0]
    for tried in (low, word, f"tpu-{word}", word.partition("-")[0]):
        if tried in variants():
            return chip_named(tried)
        try:
            return catalog.load().accelerator(tried)
        except InputErrors:
            continue
    raise Inexpressible(f"the chip '{name}' is not in the catalogue")


def _plain(name: str) -> str:
    """A model's name without what writers add: 'LLAMA3.1_70B' and 'Llama-3.3-70B-Instruct' are 'llama3.170b'."""
    low = re.sub(r"[^a-z0-9.]", "", name.lower()).replace("instruct", "").removesuffix("lora")
    return re.sub(r"^(llama)3(\.[13])?(?=\d+b)", r"\g<1>3.1", low)


def _model(row: Mapping[str, str]) -> Model:
    """By name from the catalogue or our table; else from the shape in the row. Fewer layers are taken as printed."""
    wanted, known = _plain(row.get("model", "")), catalog.load()
    if re.search(HYBRID, wanted):
        raise Inexpressible("the model has state-space layers, which are not modelled")
    named: dict[str, Model] = {_plain(model.name): model for model in known.models.values()}
    named |= {_plain(id_): model for id_, model in (*known.models.items(), *known_models().items())}
    model = named.get(ALSO.get(wanted, wanted)) or named.get(re.sub(r"\d+b$", "", wanted))
    layers = int(_number(row, "n_layers", 0.0))
    if (
        model is not None
        and wanted.startswith("maxtext")
        and int(_number(row, "d_model", model.hidden)) != model.hidden
    ):
        model = None  # one name, several shapes
    if model is None and layers and row.get("d_model") and not row.get("n_experts"):
        found = _shaped(row, layers)
        printed = _number(row, "params_b", 0.0) * GIGA
        if printed and abs(parameters(found) / printed - 1) > 0.1:
            raise Inexpressible("layers and widths do not give the printed parameters")
        return found
    if model is None:
        raise Inexpressible(f"the model '{row.get('model', '')}' is not known and its shape is not given")
    for reason in unmodelled(model):
        raise Inexpressible(reason)
    return shortened(model, layers) if layers and layers != model.layers else model


def _shaped(row: Mapping[str, str], layers: int) -> Model:
    """Plain blocks of the printed shape; gated where the feed-forward width is not four times the hidden one."""
    hidden = int(_number(row, "d_model"))
    heads = int(_number(row, "n_heads", hidden // 128))
    width = int(_number(row, "d_ff", 4.0 * hidden))
    gated = width != 4 * hidden
    return Model(
        id=row.get("model", ""),
        name=row.get("model", ""),
        facts={},
        family="gpt",
        layers=layers,
        hidden=hidden,
        attention=Attention(heads, int(_number(row, "n_kv_heads", heads)), hidden // heads),
        feed_forward=width,
        experts=None,
        vocabulary=int(_number(row, "vocab", 51200.0)),
        tied_embeddings=not gated,
        max_context=1 << 20,
        parameters_published=float("nan"),
        active_published=float("nan"),
        extra={} if gated else {"ungated": True},
    )


def _software(row: Mapping[str, str], year: float) -> str:
    text = f"{row.get('framework', '')} {row.get('source_id', '')}".lower()
    if "cpu offload" in (row.get("zero_or_fsdp") or "").lower():
        return "zero-offload"
    for word, name in (
        ("deepseek", "deepseek"),
        ("torchtitan", "torchtitan"),
        ("maxtext", "maxtext"),
        ("neuron", "neuron"),
        ("trn1", "neuron"),
        ("foundry", "llm-foundry"),
        ("deepspeed", "deepspeed"),
    ):
        if word in text:
            return "torchtitan-2025" if name == "torchtitan" and year > 2025 else name
    if "megatron" in text and year < CORE:
        return "megatron-lm"
    return "megatron-core" if any(word in text for word in ("megatron", "nemo", "mbridge", "dgxc")) else "other"


def released(text: str) -> float:
    """The year of a date or of a release named after one: '2025-04', 'NeMo container 26.06', 'v5.0 (2025-06-04)'."""
    dated = re.search(r"(20\d\d)(?:-(\d\d))?", text)
    if dated:
        return int(dated[1]) + ((int(dated[2]) - 0.5) / 12 if dated[2] else 0.5)
    numbered = re.search(r"\b(2\d)\.(\d\d)", text)
    if numbered:
        return 2000 + int(numbered[1]) + (int(numbered[2]) - 0.5) / 12
    return 2025.5


def _precision(text: str) -> str:
    low = text.lower()
    if " or " in low:
        raise Inexpressible(f"the precision '{text}' is ambiguous")
    for word, name in (("fp4", "fp4"), ("mx", "mxfp8"), ("fp8", "fp8"), ("float8", "fp8"), ("int8", "int8")):
        if word in low:
            return name
    return "bf16"


def _sharding(text: str, software: str) -> str:
    """What replicas split, from words such as 'FSDP FULL_SHARD', 'ZeRO-2' or 'distributed optimizer'."""
    if "grad_op" in text or "zero-2" in text:
        return "zero-2"
    if "zero-3" in text or ("fsdp" in text and "optimizer" not in text):
        return "zero-3"
    return "none" if software == "megatron-lm" else "zero-1"


def _shard_width(text: str) -> float:
    """Accelerators that split one copy, from words such as 'FSDP 64' (one slice of several)."""
    width = re.fullmatch(r"fsdp2? \(?(\d+)\)?", text.strip())
    return float(width[1]) if width else np.inf


def _batch(row: Mapping[str, str], software: str, replicas: float, pipeline: float) -> tuple[float, float]:
    """Sequences of a step and of a micro-batch.

    MaxText names those of one chip in its notes, and does them at once. Without the first each replica does its
    own batch; torchtitan prints that batch, cut into as many micro-batches as
    stages, as its micro-batch.
    """
    each = re.search(r"per_device_batch_size=([\d.]+)", row.get("notes") or "")
    if each and not row.get("micro_batch"):
        chips = _number(row, "n_accelerators")
        return float(each[1]) * chips, max(float(each[1]) * chips / replicas, 1.0)
    if row.get("metric") == "step_time_s" and not (row.get("global_batch") or row.get("micro_batch")):
        raise Inexpressible("neither the global batch nor the micro-batch is given")
    micro = _number(row, "micro_batch", 1.0)
    whole = _number(row, "global_batch", micro * replicas)
    return whole, max(micro / pipeline, 1.0) if software.startswith("torchtitan") else micro


def _chunks(row: Mapping[str, str], software: str, pipeline: float, micro_batches: float) -> float:
    """Chunks of a stage where a table does not print them: none, but one for each layer where a Megatron run had so few
    micro-batches that it would have idled more than a fifth of its time."""
    layers = _number(row, "n_layers", 0.0)
    if software != "megatron-core" or pipeline < 2 or not layers or micro_batches >= 5 * (pipeline - 1):
        return 1.0
    return layers / pipeline if layers % pipeline == 0 else 1.0


def _recipe(row: Mapping[str, str]) -> tuple[Recipe, str]:
    """The recipe of a row, and a note on what it does not give."""
    year = released(row.get("date_or_version", ""))
    software, notes = _software(row, year), (row.get("notes") or "").lower()
    sharded, kept = (row.get("zero_or_fsdp") or "").lower(), (row.get("recompute") or "").lower()
    old = year < CORE and software in ("megatron-lm", "deepspeed")
    whole = kept.startswith("full") or "remat_policy" in kept
    recompute = "full" if whole else "selective" if "selective" in kept else "none"
    if software.startswith("torchtitan") and (recompute == "selective" or not kept):  # its default
        recompute = "alternate"
    accelerators, tensor, pipeline, context = (
        _number(row, name, default)
        for name, default in (("n_accelerators", None), ("tp", 1.0), ("pp", 1.0), ("cp", 1.0))
    )
    sequence = _number(row, "seq_len", SEQUENCES.get(software))
    tuned = "task=sft" in notes or "task=lora" in notes
    per_chip = 2.0 if software == "neuron" else 1.0  # its widths count cores
    tensor = max(tensor / per_chip, 1.0)
    replicas = accelerators / (tensor * pipeline * context)
    if replicas < 1 - 1e-9:
        raise Inexpressible("the layout contradicts the accelerators")
    batch, micro = _batch(row, software, replicas, pipeline)
    recipe = Recipe(
        accelerators=accelerators,
        sequence=sequence,
        global_batch=batch,
        micro_batch=micro,
        tensor=tensor,
        pipeline=pipeline,
        virtual=_number(row, "vp", _chunks(row, software, pipeline, batch / replicas / micro)),
        context=context,
        expert=_number(row, "ep", 1.0),
        precision=_precision(row.get("precision", "")),
        recompute=recompute,
        sharding=_sharding(sharded, software),
        schedule="zero-bubble" if software == "deepseek" else "1f1b",
        attention="unfused" if old else KERNELS.get(software, "flash-2" if year < FUSED else "flash-3"),
        sequence_parallel=not old or "sequence parallelism" in kept.replace("no sequence parallelism", ""),
        shard_width=_shard_width(sharded),
        sample=PACKED if tuned and sequence <= SHORT else np.inf,
        adapters="task=lora" in notes or "lora" in (row.get("model") or "").lower(),
        offload="cpu offload" in sharded,
        software=software,
        released=year,
    )
    if recipe.micro_batches < 1 - 1e-9:
        raise Inexpressible("the batch is smaller than the replicas need: it contradicts the layout")
    told = ("seq_len", "global_batch", "micro_batch", "vp", "recompute", "zero_or_fsdp")
    taken = [name for name in told if not row.get(name)]
    return recipe, f"not given and taken as usual: {', '.join(taken)}" if taken else ""
