"""The verbs of training, re-exported by `stackyard.api`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stackyard.catalog import load
from stackyard.errors import refused
from stackyard.verbs.serving import positive

if TYPE_CHECKING:
    from stackyard.perf.training.estimate import Training


def train(
    model: str,
    chip: str,
    *,
    accelerators: int,
    sequence: int = 8192,
    batch: int | None = None,
    micro_batch: int = 1,
    tensor: int = 1,
    pipeline: int = 1,
    virtual: int = 1,
    context: int = 1,
    expert: int = 1,
    precision: str = "bf16",
    recompute: str = "none",
    sharding: str = "zero-1",
    schedule: str = "1f1b",
    software: str = "megatron-core",
    offload: bool = False,
    **more: Any,
) -> Training:
    """What a training run of a model does on a cluster: step time, tokens, MFU, memory, power, goodput over weeks.

    Without `batch` each replica does 32 micro-batches in a step. `more` are other fields of Recipe: attention,
    sequence_parallel, shard_width, sample, adapters, released. Models and accelerators may also be those that only
    measured rows of training use (gpt3-175b, llama-2-70b; tpu-v4, tpu-v5e, gaudi2, v100, trainium1). Raises InputErrors
    for unknown ids or words.

    >>> found = train("llama-3.1-70b", "h100", accelerators=512, tensor=8, pipeline=4, batch=1024)
    >>> found.fits, 0.3 < found.summary()["mfu_causal"] < 0.6
    (True, True)
    """
    from stackyard.perf.calibration.training_rows import chip_named, known_models
    from stackyard.perf.training.estimate import train as trained
    from stackyard.perf.training.recipe import Recipe

    known = load()
    shape, part = known_models().get(model) or known.model(model), chip_named(chip)
    replicas = accelerators / max(tensor * pipeline * context, 1)
    try:
        recipe = Recipe(
            accelerators=float(accelerators),
            sequence=float(sequence),
            global_batch=float(batch) if batch is not None else max(replicas, 1.0) * micro_batch * 32,
            micro_batch=float(micro_batch),
            tensor=float(tensor),
            pipeline=float(pipeline),
            virtual=float(virtual),
            context=float(context),
            expert=float(expert),
            precision=precision,
            recompute=recompute,
            sharding=sharding,
            schedule=schedule,
            software=software,
            offload=offload,
            **more,
        )
    except (TypeError, ValueError) as error:
        raise refused("train", str(error), "see: stackyard train --help") from None
    return trained(shape, part, recipe)


def training_choices(interval: str | None = None, storage: str | None = None) -> dict[str, float]:
    """Choices of goodput from texts such as '30 min' and '200 GB/s'; those left out are not in it. InputErrors.

    >>> training_choices("30 min", "200 GB/s")
    {'interval': 1800.0, 'bandwidth': 200000000000.0}
    """
    found = {}
    if interval is not None:
        found["interval"] = positive("--checkpoint-every", interval, "s", "30 min")
    if storage is not None:
        found["bandwidth"] = positive("--storage", storage, "B/s", "200 GB/s")
    return found


def nearest_training(training: Training) -> Training | None:
    """The run that fits with the fewest changes to one that does not; None where none of those tried does.

    >>> refused = train("llama-3.1-70b", "h100", accelerators=64, tensor=2)
    >>> refused.fits, nearest_training(refused).fits
    (False, True)
    """
    from stackyard.perf.training.estimate import nearest_fit

    return nearest_fit(training.model, training.chip, training.recipe)
