"""Names of models and accelerators as publications print them: generous about words, never about numbers."""

import pytest

from stackyard import catalog
from stackyard.errors import InputErrors

KNOWN = catalog.load()

MODELS = {
    "meta-llama/Llama-3.3-70B-Instruct-FP8": "llama-3.1-70b",
    "meta-llama/Meta-Llama-3-8B": "llama-3.1-8b",
    "LLaMA v3.1 405B": "llama-3.1-405b",
    "LLaMA 7B": "llama-2-7b",
    "Llama 2 70B Chat": "llama-2-70b",
    "llama3_1-405b": "llama-3.1-405b",
    "LLAMA3_70B": "llama-3.1-70b",
    "codellama/CodeLlama-34b-Instruct-hf": "codellama-34b",
    "Qwen/Qwen2.5-72B-Instruct-AWQ": "qwen2.5-72b",
    "Qwen3-30B-A3B-Instruct-2507": "qwen3-30b-a3b",
    "Qwen/Qwen3.5-397B-A17B": "qwen3.5-397b-a17b",
    "deepseek-ai/DeepSeek-R1-0528": "deepseek-r1",
    "nvidia/DeepSeek-R1-NVFP4": "deepseek-r1",
    "DeepSeek V3/R1": "deepseek-v3",
    "DeepSeek-V3.2-Exp": "deepseek-v3.2",
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-32B": "qwen2.5-32b",
    "moonshotai/Kimi-K2.5": "kimi-k2-instruct",
    "zai-org/GLM-4.6-FP8": "glm-4.5",
    "openai/gpt-oss-120b": "gpt-oss-120b",
    "mistralai/Mixtral-8x7B-Instruct-v0.1": "mixtral-8x7b",
    "GPT-J 6B": "gpt-j-6b",
    "BLOOM-176B": "bloom-176b",
    "falcon-180B": "falcon-180b",
    "microsoft/Phi-3-mini-4k-instruct": "phi-3-mini",
    "google/gemma-3-27b-it": "gemma-3-27b",
}
NO_MODEL = (
    "DeepSeek-R1-Distill-Llama-7B",  # no such size
    "Llama 3.3 8B",  # no such version
    "Qwen3-32B-Next",
    "GLM-4.5V-106B",
    "GPT-3 175B (one layer)",
    "Llama-3.1-Nemotron-Ultra-253B-v1",
    "GPT-22B",
    "70B",
    "",
)
CHIPS = {
    "H200 141GB SXM": "h200-sxm",
    "NVIDIA H100-SXM-80GB": "h100-sxm",
    "NVIDIA B200 (HGX)": "b200-hgx",
    "GB200 (NVL72) 192GB": "b200-gb200",
    "B300 SXM 288GB": "b300-hgx",
    "NVIDIA GH200 Grace Hopper Superchip 144GB": "gh200-144g",
    "NVIDIA H100-NVL-94GB": "h100-nvl",
    "A100-40GB": "a100-40g",
    "A100 PCIe 80GB": "a100-pcie-80g",
    "NVIDIA RTX PRO 6000 Blackwell Server Edition": "rtx-pro-6000",
    "RTX 4090 24GB": "rtx-4090",
    "L40S 48GB": "l40s",
    "AMD Instinct MI300X-NPS1-SPX-192GB-750W": "mi300x",
    "AMD Instinct MI325X 256GB HBM3e": "mi325x",
    "TPU v7 (Ironwood) chip": "tpu-v7",
    "Trainium1 (trn1.32xlarge: 16 chips / 32 NeuronCores)": "trainium1",
    "Intel Gaudi 2": "gaudi2",
}
NO_CHIP = (
    "H100 SXM 64GB",  # no such memory
    "CPU only: INTEL(R) XEON(R) 6980P",
    "Virtualized NVIDIA H200-SXM-141GB",
    "AMD Instinct MI300X 192GB HBM3 (x32), AMD Instinct MI325X 256GB HBM3e",
    "[MAXSUN] MS-Intel Arc Pro B60 Dual 48G Turbo",
    "Hopper",
    "",
)


@pytest.mark.parametrize(("name", "id_"), MODELS.items())
def test_a_model_is_found_by_its_published_name(name, id_):
    assert KNOWN.called("models", name) == id_
    assert KNOWN.model(name).id == id_


@pytest.mark.parametrize("name", NO_MODEL)
def test_a_name_of_another_shape_finds_no_model(name):
    assert KNOWN.called("models", name) == ""


@pytest.mark.parametrize(("name", "id_"), CHIPS.items())
def test_an_accelerator_is_found_by_its_published_name(name, id_):
    assert KNOWN.called("accelerators", name) == id_
    assert KNOWN.accelerator(name).id == id_


@pytest.mark.parametrize("name", NO_CHIP)
def test_a_name_of_another_part_finds_no_accelerator(name):
    assert KNOWN.called("accelerators", name) == ""


@pytest.mark.parametrize("axis", ["models", "accelerators"])
def test_every_entry_is_found_by_its_own_id_and_name(axis):
    for id_, entry in getattr(KNOWN, axis).items():
        found = KNOWN.called(axis, entry.name)
        assert found in ("", id_), (entry.name, found)
        assert KNOWN._find(axis, getattr(KNOWN, axis), id_) is entry


def test_what_stands_for_nothing_is_refused_with_the_nearest():
    with pytest.raises(InputErrors, match=r"did you mean 'llama-3.1-70b'"):
        KNOWN.model("llama-3.1-71b")
