"""Names as publications print them -> entries of the catalogue: generous about words, never about numbers.

A name stands for an entry if it has all parts of the entry's id or of an alias, in order, and nothing left over that
could mean another shape: no other number and no word such as 'lite' or 'distill'. Formats, dates, context lengths and
words of release (instruct, chat, base) mean nothing here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from stackyard.catalog.entries import Accelerator, Model

# What a name may carry beside the shape: formats, context lengths, versions of weights, runs of a benchmark.
_FORMATS = re.compile(
    r"(?:nv|mx)?fp\d+|bf16|(?:u?int)[48]|w\d+a\d+|awq|gptq|gguf|q\d_\w+|\d-?bits?|kv\d+|\b\d+k\b|\b\d+m\b(?=-instruct)"
    r"|v0\.\d+|\bhf\b|-99(?:\.9)?\b|\(.*?nominal.*?\)"
)
_DATE = re.compile(r"\d{4}|\d{6}|\d{8}")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)([bt])")
# Words that make another model of the same numbers.
_OTHER = re.compile(
    "vision|vlm?|omni|audio|embed(ding)?|rerank(er)?|guard|eagle|draft|lite|air|flash|mini|nano|super|ultra|scout|"
    "maverick|next|moe|nemotron|minitron|code(llama)?|pruned|distill|small|medium|large|linear|layer|tiny|plus|pro|"
    "max|live|image|speech|ocr|safeguard"
)
_KIN = {"v3/r1": "v3", "v3 / r1": "v3", "code llama": "codellama", "code-llama": "codellama"}


def model(name: str, models: Mapping[str, Model], aliases: Mapping[str, str]) -> str:
    """Id of the model that a published name stands for; '' where none does, or more than one.

    >>> from stackyard import catalog
    >>> known = catalog.load()
    >>> [model(n, known.models, known.aliases["models"]) for n in ("meta-llama/Llama-3.3-70B-Instruct-FP8", "GPT-J 6B")]
    ['llama-3.1-70b', 'gpt-j-6b']
    >>> model("DeepSeek-R1-Distill-Llama-7B", known.models, known.aliases["models"])
    ''
    """
    text = name.strip().lower()
    for written, meant in _KIN.items():
        text = text.replace(written, meant)
    text = re.sub(r"^[\w.-]+/(?=\S+$)", "", text)  # the owner of a repository
    text = re.sub(r"(?<=\d)_(?=\d+(?![\d.]*[bx\d]))", ".", text)  # 3_1 is 3.1, 3_70b is not
    text = re.sub(r"(?<=[a-z])v(?=\d)", " ", text)  # DeepSeekV3
    parts = _parts(_FORMATS.sub(" ", text))
    best, found = 0, set[str]()
    for word, id_ in _words(models, aliases):
        wanted = _parts(word)
        rest = _without(parts, wanted)
        if rest is None or len(wanted) < best or not _harmless(rest, models[id_]):
            continue
        found = {id_} if len(wanted) > best else found | {id_}
        best = len(wanted)
    return found.pop() if len(found) == 1 else ""


def _words(models: Mapping[str, Model], aliases: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    yield from ((id_, id_) for id_ in models)
    yield from aliases.items()


def _parts(text: str) -> list[str]:
    """'llama-3.1-70b' -> ['llama', '3.1', '70b']; a letter v before a number is dropped."""
    found = re.findall(r"\d+x\d+b|\d+(?:\.\d+)?[bt](?![a-z])|\d+(?:\.\d+)?|[a-z]+", text)
    return [part for part in found if part != "v"]


def _without(parts: list[str], wanted: list[str]) -> list[str] | None:
    """What is left of the parts where the wanted ones stand in order; None where one is missing."""
    rest, at = [], 0
    for part in parts:
        if at < len(wanted) and part == wanted[at]:
            at += 1
        else:
            rest.append(part)
    return rest if at == len(wanted) else None


def _harmless(rest: Iterable[str], shape: Model) -> bool:
    """True where nothing left over could mean another shape; a size is harmless if it is the model's own."""
    for part in rest:
        size = _SIZE.fullmatch(part)
        if size:
            count = float(size[1]) * (1e9 if size[2] == "b" else 1e12)
            if not abs(count / shape.parameters_published - 1) < 0.1:
                return False
        elif (part[0].isdigit() and not _DATE.fullmatch(part)) or _OTHER.fullmatch(part):
            return False
    return True


# The first expression found in a chip's lower-case name counts; of several ids the one whose memory the name states.
_CHIPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"gb300", ("b300-gb300",)),
    (r"gb200", ("b200-gb200",)),
    (r"gb10\b|dgx spark", ("gb10",)),
    (r"gh200|grace hopper", ("gh200-96g", "gh200-144g")),
    (r"\bb300\b", ("b300-hgx",)),
    (r"\bb200\b", ("b200-hgx",)),
    (r"\bh200\b.*nvl", ("h200-nvl",)),
    (r"\bh200\b", ("h200-sxm",)),
    (r"\bh100\b.*nvl", ("h100-nvl",)),
    (r"\bh100\b.*pcie", ("h100-pcie",)),
    (r"\bh100\b", ("h100-sxm", "h100-96g", "h100-nvl")),
    (r"\bh800\b", ("h800-sxm",)),
    (r"\bh20\b", ("h20", "h20-141g")),
    (r"\ba100\b.*pcie", ("a100-pcie-80g",)),
    (r"\ba100\b", ("a100-80g", "a100-40g")),
    (r"\ba800\b", ("a800-80g",)),
    (r"\bv100\b", ("v100-32g",)),
    (r"rtx pro 6000.*(workstation|max-q)", ("rtx-pro-6000-ws",)),
    (r"rtx pro 6000", ("rtx-pro-6000",)),
    (r"rtx 6000 ada", ("rtx-6000-ada",)),
    (r"(rtx )?a6000\b", ("rtx-a6000",)),
    (r"\b(rtx )?4090\b", ("rtx-4090",)),
    (r"\b(rtx )?5090\b", ("rtx-5090",)),
    (r"\b(rtx )?3090\b(?! ti)", ("rtx-3090",)),
    (r"\bl40s\b", ("l40s",)),
    (r"\bl40\b", ("l40",)),
    (r"\bl20\b", ("l20",)),
    (r"\bl4\b", ("l4",)),
    (r"\ba10g\b", ("a10g",)),
    (r"\ba10\b", ("a10",)),
    (r"\ba40\b", ("a40",)),
    (r"\bt4\b", ("t4",)),
    (r"rubin ultra", ("rubin-ultra",)),
    (r"\b(vr200|rubin)\b", ("rubin-vr200",)),
    (r"mi455x", ("mi455x",)),
    (r"mi355x", ("mi355x",)),
    (r"mi350x", ("mi350x",)),
    (r"mi325x", ("mi325x",)),
    (r"mi308x", ("mi308x",)),
    (r"mi300a", ("mi300a",)),
    (r"mi300x", ("mi300x",)),
    (r"mi250x?", ("mi250x",)),
    (r"mi210", ("mi210",)),
    (r"tpu ?v?7x?|ironwood", ("tpu-v7",)),
    (r"tpu ?v?6e|trillium|\bv6e\b", ("tpu-v6e",)),
    (r"tpu ?v?5p|\bv5p\b", ("tpu-v5p",)),
    (r"tpu ?v?5e|v5 ?lite|\bv5e\b", ("tpu-v5e",)),
    (r"tpu ?v?4\b", ("tpu-v4",)),
    (r"trainium ?3|\btrn3", ("trainium3",)),
    (r"trainium ?2|\btrn2", ("trainium2",)),
    (r"trainium|\btrn1", ("trainium1",)),
    (r"inferentia ?2|\binf2", ("inferentia2",)),
    (r"gaudi ?3", ("gaudi3",)),
    (r"gaudi ?2", ("gaudi2",)),
    (r"ascend 910b", ("ascend-910b",)),
    (r"arc pro b60", ("arc-pro-b60",)),
)
_NOT_ONE = re.compile(r"cpu only|virtual|vgpu|\bmig\b|\bdual\b")
_MEMORY = re.compile(r"(?<![\d.x])(\d{2,3}) ?g(?:i?b)?\b")


def accelerator(name: str, accelerators: Mapping[str, Accelerator]) -> str:
    """Id of the accelerator that a published name stands for; '' where none does, or where the name is of a mixture.

    A memory that the name states must be the entry's within a tenth: printed figures are physical or usable ones.

    >>> from stackyard import catalog
    >>> known = catalog.load().accelerators
    >>> [accelerator(n, known) for n in ("NVIDIA B200 (HGX)", "A100-40GB", "H200 141GB SXM", "H100 SXM 64GB")]
    ['b200-hgx', 'a100-40g', 'h200-sxm', '']
    """
    text = re.sub(r"[-_/]", " ", name.lower())
    plain = re.sub(r"\(\w* ?x\d+\)", " ", text)
    named = [ids for pattern, ids in _CHIPS if re.search(pattern, plain)]
    if not named or _NOT_ONE.search(text) or re.search(r"\(x\d+\).*,", text) or _kinds(plain) > 1:
        return ""
    stated = [float(size) for size in _MEMORY.findall(plain)]
    kept = [id_ for id_ in named[0] if id_ in accelerators]
    if not stated:
        return kept[0] if kept else ""
    fits = [id_ for id_ in kept if any(abs(size * 1e9 / accelerators[id_].memory - 1) < 0.13 for size in stated)]
    return min(fits, key=lambda id_: abs(stated[0] * 1e9 / accelerators[id_].memory - 1)) if fits else ""


def _kinds(text: str) -> int:
    """How many families of chips a name speaks of: a mixture has more than one."""
    return len(set(re.findall(r"mi\d{3}[ax]|\bg?[bh][123]00\b|\b[al]\d{2,3}s?\b", text)))
