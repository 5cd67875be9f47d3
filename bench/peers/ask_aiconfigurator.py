"""Asks aiconfigurator: measured kernels of one version of an engine, joined by its own model of in-flight batching."""

from __future__ import annotations

import logging
import shutil
import tempfile
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from aiconfigurator.sdk.backends.factory import get_backend
from aiconfigurator.sdk.config import RuntimeConfig
from aiconfigurator.sdk.config_builders import build_model_config
from aiconfigurator.sdk.inference_session import InferenceSession
from aiconfigurator.sdk.models import (
    get_model,
    resolve_context_fmha_by_data,
    resolve_nvfp4_for_system,
)
from aiconfigurator.sdk.perf_database import get_database_view, get_latest_database_version
from wire import Answer, CannotExpressError, Question, serve

# Prompt tokens of one pass: its estimate's default is one prompt; the engine's own limit is 8192.
SETTINGS = {"ctx_tokens=isl": 0, "ctx_tokens=2048": 2048, "ctx_tokens=8192": 8192}

# Checkpoints by model and format of the weights; its number formats follow from them where none is named below.
CHECKPOINTS = {
    ("llama-3.1-70b", "fp8"): "nvidia/Llama-3.1-70B-Instruct-FP8",
    ("qwen3-32b", "fp8"): "Qwen/Qwen3-32B-FP8",
    ("qwen3-30b-a3b", "fp8"): "Qwen/Qwen3-30B-A3B-FP8",
    ("qwen3-235b-a22b", "fp8"): "Qwen/Qwen3-235B-A22B-FP8",
    ("minimax-m2.5", "fp4"): "nvidia/MiniMax-M2.5-NVFP4",
    ("glm-5", "fp8"): "zai-org/GLM-5-FP8",
    ("glm-5", "fp4"): "nvidia/GLM-5-NVFP4",
    ("kimi-k2-instruct", "fp4"): "nvidia/Kimi-K2.5-NVFP4",
    ("kimi-k2-instruct", "int4"): "moonshotai/Kimi-K2.5",
    ("deepseek-r1", "fp8"): "deepseek-ai/DeepSeek-R1",
}
BASES = {
    "llama-3.1-8b": "meta-llama/Meta-Llama-3.1-8B",
    "llama-3.1-70b": "meta-llama/Meta-Llama-3.1-70B",
    "llama-3.1-405b": "meta-llama/Meta-Llama-3.1-405B",
    "llama-4-maverick": "meta-llama/Llama-4-Maverick-17B-128E-Instruct",
    "mixtral-8x7b": "mistralai/Mixtral-8x7B-v0.1",
    "qwen3-30b-a3b": "Qwen/Qwen3-30B-A3B",
    "qwen3-32b": "Qwen/Qwen3-32B",
    "qwen3-235b-a22b": "Qwen/Qwen3-235B-A22B",
    "deepseek-r1": "deepseek-ai/DeepSeek-R1",
    "gpt-oss-120b": "openai/gpt-oss-120b",
    "minimax-m2.5": "MiniMaxAI/MiniMax-M2.5",
}
# Models whose published checkpoint fixes its own formats: nothing to override.
NATIVE = {"gpt-oss-120b", "minimax-m2.5", "deepseek-r1"}
UNLISTED = {"mixtral-8x7b"}  # shipped, but not found by name without the network
FORMATS = {  # (gemm, experts) of a plain checkpoint served in another format; not every engine has a static fp8 matmul
    "bf16": (("bfloat16", "bfloat16"),),
    "fp8": (("fp8_static", "fp8"), ("fp8", "fp8")),
    "fp4": (("nvfp4", "nvfp4"),),
}


def backend_of(framework: str) -> str:
    names = {"tensorrt": "trtllm", "vllm (rocm": "", "vllm-gaudi": "", "vllm": "vllm", "sglang": "sglang"}
    for name, backend in names.items():
        if name in framework.lower() and backend:
            return backend
    raise CannotExpressError(f"no data of {framework}")


def checkpoints(model: str, weights: str) -> list[tuple[str, str | None, str | None]]:
    """Its names of the model with the formats of matmuls and experts (None: the checkpoint's own), best first."""
    found: list[tuple[str, str | None, str | None]] = []
    if path := CHECKPOINTS.get((model, weights)):
        found.append((path, None, None))
    if base := BASES.get(model):
        path = directory(base) if model in UNLISTED else base
        if model in NATIVE and weights != "fp4":
            found.append((path, None, None))
        elif weights in FORMATS:
            found += [(path, gemm, experts) for gemm, experts in FORMATS[weights]]
    if not found:
        raise CannotExpressError(f"no model {model} in {weights}")
    return found


@cache
def directory(path: str) -> str:
    """A folder with the configuration that the package ships, as its documentation asks for models it does not list."""
    shipped = files("aiconfigurator_core") / "model_configs" / f"{path.replace('/', '--')}_config.json"
    folder = Path(tempfile.mkdtemp(prefix="model-"))
    with as_file(shipped) as source:
        shutil.copy(source, folder / "config.json")
    return str(folder)


@cache
def database(system: str, backend: str) -> Any:
    version = get_latest_database_version(system=system, backend=backend)
    found = version and get_database_view(system, backend, version, allow_missing_data=False, database_mode="SILICON")
    if not found:
        raise CannotExpressError(f"no data of {backend} on {system}")
    return found


@cache
def session(
    system: str, framework: str, model: str, weights: str, cache: str, tensor: int, data: int, expert: int
) -> InferenceSession:
    backend = backend_of(framework)
    tables = database(system, backend)
    layout = (tensor, 1, data, tensor * data // expert, expert)
    kept = {"bf16": "bfloat16"}.get(cache, cache)
    problem: Exception | None = None
    for path, gemm, moe in checkpoints(model, weights):
        config = build_model_config(*layout, gemm_quant_mode=gemm, kvcache_quant_mode=kept, moe_quant_mode=moe)
        try:
            resolve_context_fmha_by_data(config, path, tables, backend, is_context_role=True)
            resolve_nvfp4_for_system(config, system, path, backend_name=backend)
            found = InferenceSession(get_model(path, config, backend), tables, get_backend(backend))
            found.run_static(RuntimeConfig(batch_size=1, isl=128, osl=2), mode="static")
            return found
        except Exception as error:  # its errors have no common class; the text is the reason
            problem = problem or error
    raise CannotExpressError(_short(problem))


def _short(error: Exception | None) -> str:
    return f"{type(error).__name__}: {str(error).splitlines()[0][:90] if str(error) else ''}"


def answer(question: Question, limit: int) -> Answer:
    system = question["silicon_system"]
    if not system:
        raise CannotExpressError(f"no data of {question['chip']}")
    if question["pipeline"] > 1:
        raise CannotExpressError("pipelines are not asked here")
    data = int(question["data"])
    layout = (int(question["tensor"]), data, int(question["expert"]))
    asked = session(system, question["framework"], question["model"], question["weights"], question["cache"], *layout)
    batch, prompt, output = (
        max(1, round(question["batch"] / data)),
        round(question["prompt"]),
        round(question["output"]),
    )
    runtime = RuntimeConfig(batch_size=batch, isl=prompt, osl=output)
    tokens = min(limit or prompt, prompt * max(batch - 1, 1))  # others must be left to decode
    try:
        if question["regime"] == "fixed batch":
            summary = asked.run_static(runtime, mode="static")
        else:
            summary = asked.run_agg(runtime, ctx_tokens=tokens)
        found = summary.get_result_dict()
    except Exception as error:  # its errors have no common class; the text is the reason
        raise CannotExpressError(_short(error)) from error
    if not found or summary.check_oom():
        raise CannotExpressError("does not fit by its count")
    return {"ttft": found["ttft"] / 1e3, "tpot": found["tpot"] / 1e3, "output_rate": found["tokens/s"]}


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    serve(SETTINGS, answer)
