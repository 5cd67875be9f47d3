"""Asks genz-llm: a roofline over the operations of prefill and decode, for any chip and model by their figures."""

from __future__ import annotations

import json
import warnings
from functools import cache
from typing import Any

from GenZ import decode_moddeling, prefill_moddeling
from GenZ.Models.default_models import ModelConfig
from wire import Answer, CannotExpressError, Question, lockstep, serve, steady

# Its one knob: the share of peak that compute and memory reach. 1 is its default.
SETTINGS = {f"system_eff={share}": share for share in (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3)}
BITS = {"bf16": "bf16", "fp8": "fp8", "int8": "int8", "fp4": "fp4"}


ASKED = (
    "model", "model_shape", "chip_figures", "weights", "compute", "tensor", "pipeline", "data",
)  # fmt: skip


def model_of(question: Question) -> ModelConfig:
    shape = question["model_shape"]
    if shape["latent"]:
        raise CannotExpressError("no latent attention")
    if shape["windowed_layers"] or shape["mixed_layers"]:
        raise CannotExpressError("no layers of different kinds")
    experts = {}
    if shape["experts"]:
        if shape["shared_experts"] or shape["dense_layers"]:
            raise CannotExpressError("no shared experts, no dense layers beside experts")
        experts = {"num_experts": shape["experts"], "expert_top_k": shape["active_experts"]}
    return ModelConfig(
        model=question["model"],
        vocab_size=shape["vocabulary"],
        hidden_size=shape["hidden"],
        intermediate_size=shape["expert_width"] or shape["feed_forward"],
        num_ffi=2,
        num_decoder_layers=shape["layers"],
        num_attention_heads=shape["heads"],
        num_key_value_heads=shape["kv_heads"],
        head_dim=shape["head_dim"],
        **experts,
    )


def asked(question: Question) -> dict[str, Any]:
    if question["data"] > 1:
        raise CannotExpressError("no attention data parallelism")
    if not (question["weights"] == question["compute"] and question["compute"] in BITS):
        raise CannotExpressError("one number format for weights, cache and arithmetic")
    chip = question["chip_figures"]
    system = {
        "Flops": chip["bf16_flops"] / 1e12,
        "Memory_size": chip["memory"] / 2**30,
        "Memory_BW": chip["bandwidth"] / 2**30,
        "ICN": chip["scale_up"] / 2**30,
        "real_values": True,
    }
    return {
        "model": model_of(question),
        "system_name": system,
        "bits": BITS[question["compute"]],
        "tensor_parallel": int(question["tensor"]),
        "pipeline_parallel": int(question["pipeline"]),
    }


@cache
def parts(phase: str, words: str, batch: int, tokens: int) -> tuple[float, float]:
    """Seconds of the kernels and of the collectives of one prefill or decode step at system_eff = 1."""
    sizes = asked(json.loads(words)) | {"batch_size": batch, "input_tokens": tokens}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = prefill_moddeling(**sizes) if phase == "prefill" else decode_moddeling(Bb=1, **sizes)
    except ValueError as error:
        raise CannotExpressError("does not fit by its count" if "fit on chip" in str(error) else str(error)) from error
    collectives = float(found["summary_table"]["Comm Latency (msec)"].iloc[0])
    return (float(found["Latency"]) - collectives) / 1e3, collectives / 1e3


def seconds(phase: str, words: str, share: float, batch: int, tokens: int) -> float:
    """Its latency at system_eff = share: it divides every kernel's time, and no collective's, by exactly that."""
    kernels, collectives = parts(phase, words, batch, tokens)
    return kernels / share + collectives


def answer(question: Question, share: float) -> Answer:
    fixed = question["regime"] == "fixed batch"
    words = json.dumps({name: question[name] for name in ASKED})
    batch, prompt = max(1, round(question["batch"])), round(question["prompt"])
    context = round(question["prompt"] + question["output"] / 2)
    prefill = seconds("prefill", words, share, batch if fixed else 1, prompt)
    decode = seconds("decode", words, share, batch, context)
    return (lockstep if fixed else steady)(prefill, decode, question)


if __name__ == "__main__":
    serve(SETTINGS, answer)
