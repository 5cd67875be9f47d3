"""Asks llm-analysis: counts of FLOP and bytes over achieved shares of peak, for dense models and plain experts."""

from __future__ import annotations

from llm_analysis.analysis import LLMAnalysis
from llm_analysis.config import DtypeConfig, GPUConfig, ModelConfig, ParallelismConfig
from llm_analysis.logger import logger
from wire import Answer, CannotExpressError, Question, lockstep, serve, steady

# (share of peak FLOP/s, share of HBM bandwidth): its defaults are 1 and 1; its own warnings name 0.6 for the first in
# training and 0.6-0.7 for the second in inference.
SETTINGS = {
    f"flops_efficiency={flops}, hbm_memory_efficiency={memory}": (flops, memory)
    for flops, memory in ((1.0, 1.0), (0.8, 0.8), (0.6, 0.8), (0.6, 0.65), (0.5, 0.6), (0.4, 0.5))
}
BITS = {"bf16": 16, "fp8": 8, "int8": 8, "fp4": 4}
GATED = 1.5  # it counts two matrices in a feed-forward block; a gated one has three
MESSAGE_LATENCY = 8e-6  # s: that of its own files for A100 and H100


def analysis(question: Question, shares: tuple[float, float]) -> LLMAnalysis:
    shape, chip = question["model_shape"], question["chip_figures"]
    if question["data"] > 1:
        raise CannotExpressError("no attention data parallelism in inference")
    if not (question["weights"] == question["compute"] and question["compute"] in BITS):
        raise CannotExpressError("one number format for weights and arithmetic")
    if shape["latent"]:
        raise CannotExpressError("no latent attention")
    if shape["windowed_layers"] or shape["mixed_layers"]:
        raise CannotExpressError("no layers of different kinds")
    if shape["heads"] * shape["head_dim"] != shape["hidden"]:
        raise CannotExpressError("heads x head size must be the hidden size")
    if shape["shared_experts"] or shape["dense_layers"]:
        raise CannotExpressError("no shared experts, no dense layers beside experts")
    width = GATED * (shape["expert_width"] or shape["feed_forward"])
    model = ModelConfig(
        question["model"],
        shape["layers"],
        shape["heads"],
        shape["hidden"],
        shape["vocabulary"],
        num_key_value_heads=shape["kv_heads"],
        ffn_embed_dim=width,
        expansion_ratio=width / shape["hidden"],
        moe_num_experts=shape["experts"] or 1,
        moe_top_k=shape["active_experts"] or 1,
    )
    gpu = GPUConfig(
        question["chip"],
        chip["memory"] / 2**30,
        chip["bandwidth"] / 1e9,
        chip["scale_up"] / 1e9,
        MESSAGE_LATENCY,
        chip["bf16_flops"] / 1e12,
    )
    bits = BITS[question["compute"]]
    layout = ParallelismConfig(tp_size=int(question["tensor"]), pp_size=int(question["pipeline"]), sp_size=1)
    return LLMAnalysis(
        model,
        gpu,
        DtypeConfig("asked", bits, bits, 16),
        layout,
        flops_efficiency=shares[0],
        hbm_memory_efficiency=shares[1],
    )


def answer(question: Question, shares: tuple[float, float]) -> Answer:
    fixed = question["regime"] == "fixed batch"
    found = analysis(question, shares)
    cache = BITS[question["cache"]] / 8
    batch, prompt = max(1, round(question["batch"])), round(question["prompt"])
    context = round(question["prompt"] + question["output"] / 2)
    try:
        prefill = found.inference(batch if fixed else 1, prompt, 1, kv_cache_dtype_bytes=cache)["prefill_latency"]
        decode = found.inference(batch, 1, context - 1, kv_cache_dtype_bytes=cache)["decode_latency"]
    except AssertionError as error:
        raise CannotExpressError("does not fit by its count" if "fit" in str(error) else str(error)) from error
    return (lockstep if fixed else steady)(prefill, decode, question)


if __name__ == "__main__":
    logger.setLevel("CRITICAL")
    serve(SETTINGS, answer)
