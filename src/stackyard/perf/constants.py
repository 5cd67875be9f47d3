"""The constants of the performance model: read once from data/, each with its source and grade.

efficiency.yaml holds one value of each for every chip; inference.yaml what the fit to measured serving put over them
for a chip generation or for an engine as of a release date.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from stackyard.catalog.entries import Accelerator
from stackyard.catalog.table import fact_of, sources_of
from stackyard.errors import nearest
from stackyard.source import Fact, Grade

FOLDER = Path(__file__).parent / "data"
CHIPS, SOFTWARE = "chips", "software"  # the means over every generation and every framework, in inference.yaml
YEARLY = "yearly"  # factors on releases' constants from one year to the next, there too
MEANS = 2026.0  # what means of releases stand for: the start of this year
_AFTER = 0.25  # years after a release's last measured run in which a run is still taken for it
_AHEAD = 1.0  # years beyond the newest measured run that the yearly factors are carried on for


@dataclass(frozen=True)
class Engine:
    """A serving engine as of a release date, and the constants fitted to it."""

    id: str
    framework: str
    vendor: str  # of the chips that it was measured on
    released: str
    version: tuple[int, ...]
    values: Mapping[str, float]
    until: str = ""  # month of the last run that was measured
    last: tuple[int, ...] = ()  # newest version of which a run was; () where none told its version
    measured: bool = True

    @property
    def years(self) -> float:
        """Years of its release after MEANS, below 0 where it is before."""
        return years(self.released)


@dataclass(frozen=True)
class Generation:
    """Chips that share fitted constants."""

    id: str
    chips: tuple[str, ...]
    values: Mapping[str, float]


@lru_cache(maxsize=1)
def facts() -> Mapping[str, Fact]:
    """Every constant before the fit as a Fact, by name.

    >>> facts()["memory.matmul"].value
    0.85
    """
    from stackyard.files import read_yaml

    located = read_yaml(FOLDER / "efficiency.yaml", "perf/data/efficiency.yaml")
    sources = sources_of(located)
    found = {
        name: fact_of(f"perf.{name}", row, sources, located, "constants", name)
        for name, row in located.data["constants"].items()
    }
    return MappingProxyType(found)


@lru_cache(maxsize=1)
def plain() -> Mapping[str, float]:
    """The constants before the fit in SI, by name.

    >>> plain()["overhead.matmul"]
    4e-06
    """
    return MappingProxyType({name: fact.si for name, fact in facts().items()})


@lru_cache(maxsize=1)
def fitted() -> Mapping[str, Any]:
    """The whole of inference.yaml: generations, relatives, engines, intervals, and how they were fitted.

    >>> sorted(fitted())[:3]
    ['engines', 'generations', 'intervals']
    """
    from stackyard.files import read_yaml

    data: dict[str, Any] = read_yaml(FOLDER / "inference.yaml", "perf/data/inference.yaml").data
    return MappingProxyType(data)


@lru_cache(maxsize=1)
def engines() -> Mapping[str, Engine]:
    """Every engine, oldest first within its framework; last `software`, the mean that an unmeasured one takes.

    >>> engines()["vllm-2026"].framework, list(engines())[-1]
    ('vLLM', 'software')
    """
    found = {
        key: Engine(
            key,
            row["framework"],
            row["vendor"],
            row["released"],
            tuple(row["version"]),
            _over(row),
            row.get("until", ""),
            tuple(row.get("last", ())),
        )
        for key, row in fitted()["engines"].items()
    }
    found[SOFTWARE] = Engine(SOFTWARE, "any other", "", "", (), means(SOFTWARE), measured=False)
    return MappingProxyType(found)


def years(month: str) -> float:
    """Years from MEANS to a month.

    >>> years("2026-07"), years("2025-01")
    (0.5, -1.0)
    """
    year, _, rest = month.partition("-")
    return int(year) - MEANS + (int(rest or 1) - 1) / 12.0


def unseen(base: Engine, month: str) -> Engine:
    """A release that nobody measured: its framework's mean, carried to its month by what a year changes.

    log c = log mean + t log(yearly factor), t the years since MEANS, at most one beyond the newest measured run; what
    the framework's documentation states is that of its release `base`. `base` SOFTWARE makes it of all frameworks.

    >>> newer = unseen(engines()["vllm-2026"], "2026-12")
    >>> newer.id, newer.values["overhead.scale"] < engines()["vllm-2026"].values["overhead.scale"]
    ('vllm-2026@2026-12', True)
    """
    newest = max((years(engine.until) for engine in engines().values() if engine.until), default=0.0)
    ahead = min(years(month), newest + _AHEAD)
    mean = means(base.framework) or means(SOFTWARE)
    found = {name: value * means(YEARLY).get(name, 1.0) ** ahead for name, value in mean.items()}
    return replace(
        base, id=f"{base.id}@{month}", released=month, values={**stated("", base.id), **found}, measured=False
    )


def means(owner: str) -> Mapping[str, float]:
    """What the owners under one name have in common: CHIPS, SOFTWARE, or a framework; {} before the first fit.

    >>> means("nobody")
    {}
    """
    found: Mapping[str, float] = fitted().get("means", {}).get(owner, {}).get("values", {})
    return found


def _over(row: Mapping[str, Any]) -> Mapping[str, float]:
    """What stands over the plain constants for a generation or an engine: what is stated of it, and what was fitted."""
    return {**row.get("stated", {}), **row["values"]}


def stated(generation_id: str, engine_id: str) -> Mapping[str, float]:
    """What is stated, not fitted, of a generation and an engine.

    >>> stated("ampere", "trtllm-2023")["cache.reserve"]
    1.0
    """
    rows = fitted()["generations"].get(generation_id, {}), fitted()["engines"].get(engine_id, {})
    return {name: value for row in rows for name, value in row.get("stated", {}).items()}


@lru_cache(maxsize=1)
def generations() -> Mapping[str, Generation]:
    """Every measured chip generation; `chips` last, the mean that a chip without relatives takes.

    >>> "hopper" in generations(), list(generations())[-1]
    (True, 'chips')
    """
    rows = fitted()["generations"].items()
    found = {key: Generation(key, tuple(row["chips"]), _over(row)) for key, row in rows}
    return MappingProxyType({**found, CHIPS: Generation(CHIPS, (), means(CHIPS))})


def generation(chip: Accelerator) -> Generation:
    """The generation whose constants a chip takes: its own, its nearest measured relative's, or the mean of all.

    >>> from stackyard import catalog
    >>> generation(catalog.load().accelerator("rubin")).id
    'blackwell'
    """
    base = _base(chip)
    for found in generations().values():
        if base in found.chips:
            return found
    relatives = fitted()["relatives"]
    return generations()[relatives.get(base, {"AMD": "cdna3", "NVIDIA": "hopper"}.get(chip.vendor, CHIPS))]


def in_generation(chip: Accelerator) -> bool:
    """True where other chips of its own generation are among the measured ones, not only relatives of it.

    >>> from stackyard import catalog
    >>> in_generation(catalog.load().accelerator("h200")), in_generation(catalog.load().accelerator("rubin"))
    (True, False)
    """
    return any(_base(chip) in found.chips for found in generations().values())


def _base(chip: Accelerator) -> str:
    return chip.id.partition("+")[0]  # a chip with another memory is of its own generation


def measured(chip: Accelerator) -> bool:
    """True where this very chip is among the measured ones that the constants were fitted to.

    >>> from stackyard import catalog
    >>> measured(catalog.load().accelerator("h200")), measured(catalog.load().accelerator("rubin"))
    (True, False)
    """
    return chip.id in fitted().get("measured", ())


def engine_of(framework: str, date: str, chip: Accelerator) -> Engine:
    """The engine of a run: by the version in the framework's name or the date's text, else by the date.

    The latest release that is not newer than the run; the oldest where all are. Where the run is months after the last
    one that was measured of that release, and not of a version that was, it is one that nobody measured (`unseen`).
    Frameworks that nobody measured, at all or on this vendor's chips, take the mean of all software, at the run's month
    where that is told.

    >>> from stackyard import catalog
    >>> engine_of("vLLM 0.19.0", "2026-04-17", catalog.load().accelerator("b200")).id
    'vllm-2026'
    >>> engine_of("vLLM 0.24.0", "2026-11-02", catalog.load().accelerator("b200")).id
    'vllm-2026@2026-11'
    >>> engine_of("vLLM 0.19.0", "2026-11-02", catalog.load().accelerator("b200")).id
    'vllm-2026'
    >>> engine_of("LMDeploy", "", catalog.load().accelerator("b200")).id
    'software'
    """
    framework = re.sub(_TRTLLM, "TensorRT-LLM", framework, flags=re.IGNORECASE)
    family = [e for e in engines().values() if e.vendor == chip.vendor and _names(framework, e.framework)]
    month = month_of(date)
    if not family:
        return unseen(engines()[SOFTWARE], month) if month else engines()[SOFTWARE]
    version = version_of(family[0].framework, framework, date)
    when = re.search(r"20\d\d(-\d\d)?", date)
    if version:
        older = [e for e in family if e.version <= version]
    else:
        older = [e for e in family if e.released <= when.group()] if when else family
    found = older[-1] if older else family[0]
    if month and found.until and years(month) > years(found.until) + _AFTER:
        return found if version and version <= found.last else unseen(found, month)
    return found


_MONTH = r"20\d\d-(?:0[1-9]|1[0-2])"
_ROUGH = {"early": "02", "mid": "06", "late": "12"}


def month_of(text: str) -> str:
    """The first month that a text names: '2025-10' of '2025-10-29', '2024-12' of 'late 2024'; '' for none.

    >>> month_of("TensorRT-LLM v1.0 (2025-09)"), month_of("mid-2025"), month_of("2025")
    ('2025-09', '2025-06', '')
    """
    found = re.search(_MONTH, text)
    rough = re.search(r"\b(early|mid|late)[- ](20\d\d)", text, re.IGNORECASE)
    if found or not rough:
        return found.group() if found else ""
    return f"{rough[2]}-{_ROUGH[rough[1].lower()]}"


def version_of(framework: str, *texts: str) -> tuple[int, ...]:
    """The version of a framework that stands behind its name in a run's texts; () for none, and for a wrapper's.

    >>> version_of("vLLM", "vLLM 0.19.1", "2026-04"), version_of("TensorRT-LLM", "TensorRT-LLM", "2026-01")
    ((0, 19, 1), ())
    """
    found = re.search(rf"{re.escape(framework)}[^\d;]*?v?(\d+)\.(\d+)(?:\.(\d+))?", " ".join(texts), re.IGNORECASE)
    return tuple(int(part or 0) for part in found.groups()) if found and _versioned(texts[0]) else ()


_TRTLLM = r"\b(?:(?:trt|tensorrt)[-_ ]?llm|trt)\b"


def _names(text: str, framework: str) -> bool:
    """Whether a run's text names the framework, as a word or as what a vendor's own port of it is called after."""
    word = next(iter(text.split()), "").lower()
    ported = len(word) > 3 and framework.lower().startswith(f"{word}-")  # vLLM on Gaudi is vllm-gaudi
    return ported or bool(re.search(rf"\b{re.escape(framework)}\b", text, re.IGNORECASE))


def _versioned(framework: str) -> bool:
    """Versions of wrappers (NIM, Dynamo's runtime) are not those of the engine inside."""
    return not re.search("NIM|Dynamo", framework)


def newest_engine(chip: Accelerator) -> Engine:
    """The engine that an estimate assumes when none is named: the vendor's own or best-measured one, newest release.

    >>> from stackyard import catalog
    >>> newest_engine(catalog.load().accelerator("mi300x")).framework
    'SGLang'
    """
    usual = {"NVIDIA": "trtllm-2025-09", "AMD": "sglang-rocm-2026", "Intel": "vllm-gaudi-2026"}
    return engines()[usual.get(chip.vendor, "trtllm-2025-09")]


@lru_cache(maxsize=256)
def engine_named(name: str) -> Engine:
    """The engine of this id, with @ and a month one nobody measured (`unseen`); ValueError with the nearest otherwise.

    >>> engine_named("vllm-2026").framework, engine_named("vllm-2026@2027-01").measured
    ('vLLM', False)
    """
    base, at, month = name.partition("@")
    if at and base in engines() and re.fullmatch(_MONTH, month):
        return unseen(engines()[base], month)
    if name not in engines():
        hint = f"'{SOFTWARE}' is the mean of all, for one that nobody measured"
        raise ValueError(f"'{name}' is not an engine I know: {nearest(name, engines())}; {hint}")
    return engines()[name]


@lru_cache(maxsize=256)
def _values(generation_id: str, engine_id: str) -> Mapping[str, float]:
    return MappingProxyType({**plain(), **generations()[generation_id].values, **engine_named(engine_id).values})


def values(chip: Accelerator, engine: str = "") -> Mapping[str, float]:
    """The constants for a chip and an engine in SI, by name: the fit's over the plain ones.

    >>> from stackyard import catalog
    >>> values(catalog.load().accelerator("h200"))["overhead.matmul"]
    4e-06
    """
    chosen = engine_named(engine) if engine else newest_engine(chip)
    return _values(generation(chip).id, chosen.id)


def used(chip: Accelerator, engine: str, names: set[str]) -> tuple[Fact, ...]:
    """The named constants as Facts for a chip and an engine; fitted ones say so.

    >>> from stackyard import catalog
    >>> [fact.path for fact in used(catalog.load().accelerator("h200"), "", {"power.idle", "overhead.matmul"})]
    ['perf.overhead.matmul', 'perf.power.idle']
    """
    every, chosen = facts(), values(chip, engine)
    fit = generation(chip).values.keys() | (engine_named(engine) if engine else newest_engine(chip)).values.keys()
    found = []
    for name in sorted(names & every.keys()):
        fact = every[name]
        if name in fit:
            note = f"fitted to measured serving (perf/data/inference.yaml); {fact.value} {fact.unit} before the fit"
            fact = replace(fact, value=chosen[name] / unit_scale(fact), grade=Grade.ESTIMATED, note=note)
        found.append(fact)
    return tuple(found)


def unit_scale(fact: Fact) -> float:
    """SI value of one of the fact's unit.

    >>> unit_scale(facts()["overhead.matmul"])
    1e-06
    """
    return replace(fact, value=1.0).si
