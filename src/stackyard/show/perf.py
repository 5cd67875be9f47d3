"""Estimates of serving and training, and how far off they are, in the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table

from stackyard.quantity import show
from stackyard.show.screen import console, grade, number, rows
from stackyard.source import Grade

if TYPE_CHECKING:
    from stackyard.perf.estimate import Estimate
    from stackyard.perf.pools import Chosen


def estimate(
    answer: Estimate, verbose: bool = False, notes: Sequence[str] = (), near: tuple[Estimate, str] | None = None
) -> None:
    """One estimate: rate, latency, memory, power, what limits, and what it rests on; all its parts with `verbose`."""
    screen = console()
    said = answer.summary()
    widths = ", ".join(f"{name} {width}" for name, width in said["layout"].items() if width > 1)
    alone = said["accelerators"] == 1
    size = "1 accelerator" if alone else f"{said['accelerators']:,} accelerators ({widths})"
    at_once = "1 request" if said["batch"] == 1 else f"{said['batch']:,.0f} requests"
    screen.print(f"[bold]{answer.model.name} on {answer.chip.name}: {size}[/bold], {at_once} at once")
    screen.print(
        f"{said['prompt_tokens']:,.0f} prompt and {said['output_tokens']:,.0f} output tokens; "
        + ", ".join(f"{part} in {kind}" for part, kind in said["precision"].items())
    )
    for note in (*notes, *_ways(said)):
        screen.print(f"• {note}", markup=False)
    if not answer.fits:
        screen.print("Not possible:", style="bold red")
        for reason in said["why"]:
            screen.print(f"  • {reason}")
        if near is not None:
            found, options = near
            rate = f"{float(found.output_rate_per_accelerator):,.0f} output tokens/s an accelerator"
            screen.print(f"The nearest that fits: {options}  ({rate}, {show(float(found.tpot), 's')} per output token)")
        return
    screen.print(rows("", _figures(answer, said)))
    screen.print(_parts(said, None if verbose else 6))
    basis = said["basis"]
    unseen = "" if basis["engine_measured"] else ", a release that nobody measured"
    screen.print(
        f"Basis: {basis['provider']}, {len(basis['constants'])} constants of {basis['engine']}{unseen}, weakest grade ",
        grade(Grade.named(basis["grade"])),
        ". In brackets the 80% interval, from measured rows left out of the fit: stackyard validate.",
        sep="",
    )
    if verbose:
        for fact in answer.basis.constants:
            screen.print(f"  {fact.path} {number(fact)} ", grade(fact.grade), sep="")


def _figures(answer: Estimate, said: Mapping[str, Any]) -> dict[str, str]:
    """The figures of an estimate that fits, by name."""
    sizes = said["memory_bytes"].items()
    held = ", ".join(
        f"{name} {show(size, 'B')}" for name, size in sizes if size and name not in ("available", "overflow")
    )
    behind = said["memory_bytes"]["overflow"]
    held += f"; {show(behind, 'B')} behind it" if behind else ""
    used, whole = show(said["memory_used_bytes"], "B"), show(answer.chip.memory, "B")
    own = f"{said['output_tokens_per_s_per_accelerator']:,.0f} output tokens/s"
    low, high = (float(end) / said["accelerators"] for end in answer.interval())
    step, each = said["step_s"], said["tpot_s"]
    between = f": a decode step of {show(step, 's')}, the rest waits for prefills of other requests"
    return {
        "rate of one accelerator": f"{own} [{low:,.0f} to {high:,.0f}]; "
        f"{said['tokens_per_s_per_accelerator']:,.0f} with prompts",
        "rate of the replica": f"{said['output_tokens_per_s']:,.0f} output tokens/s",
        "time to first token": show(said["ttft_s"], "s") + _between(answer, "ttft"),
        "time per output token": show(each, "s") + _between(answer, "tpot") + (between if each > 1.001 * step else ""),
        "taking prompts in": f"{said['prefill_share']:.0%} of the time, in passes that decode for others too",
        "memory of one accelerator": f"{used} of {whole} ({held}); room for {said['largest_batch']:,.0f} requests",
        "power of one accelerator": _power(answer, said),
        "energy": f"{show(said['joules_per_token'], 'J')} a token",
        "what limits": _limits(said),
    }


def _power(answer: Estimate, said: Mapping[str, Any]) -> str:
    """Mean power, by phase, and the clock where the limit holds it down."""
    mean, phases = show(said["watts_per_accelerator"], "W"), ("prefill", "decode")
    each = ", ".join(f"{show(said[f'watts_in_{phase}'], 'W')} in {phase}" for phase in phases)
    clock = said["clock_under_power_limit"]
    limit = f"; the limit leaves {clock:.0%} of the clock" if clock < 0.995 else ""
    return f"{mean} of {show(answer.chip.tdp, 'W')} ({each}{limit})"


def _ways(said: Mapping[str, Any]) -> list[str]:
    """How requests are served besides batching, a line each."""
    way, found = said["serving"], []
    if "draft_tokens" in way:
        guess, rate = f"{way['draft_tokens']:g} tokens guessed a step by the {way['guessed_by']}", way["acceptance"]
        found.append(f"{guess}, {rate:.0%} of them hold: {way['tokens_per_step']:.2f} tokens a step")
    if "prefix_hit_rate" in way:
        found.append(f"{way['prefix_hit_rate']:.0%} of each prompt is found in the cache")
    if "store" in way:
        store = way["store"]
        size, rate = show(store["bytes"], "B"), show(store["bytes_per_s"], "B/s")
        found.append(f"cache overflows to the {store['name']}: {size} at {rate} an accelerator")
    return found


def pools(chosen: Chosen, notes: Sequence[str] = ()) -> None:
    """Two pools at work: layouts, rates as they are counted for each, latency and power; or why there are none."""
    screen, found = console(), chosen.found
    if found is None or not found.fits:
        screen.print("Not possible:", style="bold red")
        for reason in chosen.why:
            screen.print(f"  • {reason}")
        return
    said = found.summary()
    service = found.service
    screen.print(f"[bold]{service.model.name} on {said['accelerators']:,.0f} {service.chip.name}, two pools[/bold]")
    screen.print(
        f"{said['prompt_tokens']:,.0f} prompt and {said['output_tokens']:,.0f} output tokens, "
        f"{said['batch']:,.0f} requests at once"
    )
    for note in (*notes, *_ways(said)):
        screen.print(f"• {note}", markup=False)
    figures = {}
    for name, each in said["pools"].items():
        widths = (
            ", ".join(f"{axis} {width:g}" for axis, width in each["layout"].items() if width > 1) or "1 accelerator"
        )
        figures[f"{name} pool"] = (
            f"{each['workers']:g} x {widths or 'tensor 1'}: {each['accelerators']:,.0f} accelerators"
        )
    low, high = said["interval_80"]["token_rate"]
    figures |= {
        "rates": f"{said['input_tokens_per_s_per_prefill_accelerator']:,.0f} prompt tokens/s a prefill accelerator, "
        f"{said['output_tokens_per_s_per_decode_accelerator']:,.0f} output tokens/s a decode accelerator",
        "rate of one accelerator of all": f"{said['tokens_per_s_per_accelerator']:,.0f} "
        f"[{low:,.0f} to {high:,.0f}] tokens/s, prompts in",
        "time to first token": show(said["ttft_s"], "s") + _ends(said, "ttft"),
        "of it sending the cache": show(said["transfer_s"], "s"),
        "time per output token": show(said["tpot_s"], "s") + _ends(said, "tpot"),
        "prefill pool is busy": f"{said['prefill_pool_busy']:.0%} of the time",
        "requests in a decode worker": f"{said['decode_requests_per_worker']:,.1f}",
        "power of one accelerator": f"{show(said['watts_per_accelerator'], 'W')} of {show(service.chip.tdp, 'W')}",
        "energy": f"{show(said['joules_per_token'], 'J')} a token",
    }
    screen.print(rows("", figures))
    screen.print("In brackets the 80% interval, from measured runs on two pools: stackyard validate.")


def _ends(said: Mapping[str, Any], metric: str) -> str:
    low, high = (show(end, "s") for end in said["interval_80"][metric])
    return f" [{low} to {high}]"


def _between(answer: Estimate, metric: str) -> str:
    low, high = (show(float(end), "s") for end in answer.interval(metric))
    return f" [{low} to {high}]"


def _limits(said: Mapping[str, Any]) -> str:
    """How much of each phase waits for compute, memory, links and overheads, the most first."""
    told = []
    for phase in ("prefill", "decode"):
        waits: dict[str, float] = {}
        for part in said["parts"]:
            if part["phase"] == phase:
                waits[part["limit"]] = waits.get(part["limit"], 0.0) + part["seconds"]
        total = sum(waits.values()) or 1.0
        if phase == "decode" and _store_seconds(said) >= 0.999 * said["step_s"]:
            told.append("decode waits for the store")
            continue
        most = sorted(waits.items(), key=lambda item: -item[1])
        shares = ", ".join(f"{limit} {seconds / total:.0%}" for limit, seconds in most if seconds / total >= 0.005)
        told.append(f"{phase} waits for {shares}")
    return "; ".join(told)


def _store_seconds(said: Mapping[str, Any]) -> float:
    """Time in which the overflow is read once; 0 without a store."""
    store = said["serving"].get("store")
    return float(said["memory_bytes"]["overflow"] / store["bytes_per_s"]) if store else 0.0


def _parts(said: Mapping[str, Any], count: int | None) -> Table:
    """Where the time goes: the longest operations of each phase (all for None), and what each waits for."""
    table = Table(title="Where the time goes", title_justify="left", box=None, pad_edge=False)
    for name in ("phase", "operation", "time", "share", "waits for"):
        table.add_column(name, justify="right" if name in ("time", "share") else "left")
    for phase in ("prefill", "decode"):
        parts = sorted((p for p in said["parts"] if p["phase"] == phase), key=lambda p: -p["seconds"])
        total = sum(part["seconds"] for part in parts) or 1.0
        for part in parts[:count]:
            share = part["seconds"] / total
            table.add_row(phase, part["name"], show(part["seconds"], "s"), f"{share:.0%}", part["limit"])
    return table
