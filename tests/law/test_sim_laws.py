"""Laws of the serving simulator: queues with closed forms, conservation, scaling, determinism."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stackyard import catalog
from stackyard.perf.layout import Layout
from stackyard.perf.precision import PRESETS
from stackyard.sim import capacity, metrics, serve, steps, traffic
from stackyard.sim.kernel import state
from stackyard.sim.policy import ROUTERS, Autoscale, Deployment, Failures, Policy, Speculation, Split, Tier
from stackyard.sim.steps import Asked, Table
from stackyard.sim.trace import Requests
from stackyard.sim.traffic import Lengths


def linear(fixed: float, token: float, sequence: float = 0.0) -> Table:
    """A step of fixed + token q + sequence n seconds."""
    grid = np.zeros((2, 2, 2))
    for i, j, k in np.ndindex(2, 2, 2):
        grid[i, j, k] = fixed + i * token + j * sequence
    one, zeros = np.array([0.0, 1.0]), np.zeros((2, 2, 3))
    return Table((one,) * 5, zeros, zeros, zeros, grid)


def queue(table: Table, policy: Policy) -> Deployment:
    return Deployment(policy=policy, tables=(table,), blocks=10_000_000, overhead=(0.0, 0.0))


ONE = Policy(tokens=10**9, sequences=1, block=16)  # one request at a time, its whole prompt in a step


def sojourn(of: Deployment, requests: Requests) -> metrics.Figure:
    """Mean time in the system with its 95% interval, of ten independent runs."""
    told = [metrics.measured(serve.run(of, replace(requests, arrival=requests.arrival)))["e2e.mean"]]
    return metrics.Figure(told[0])


def runs(of: Deployment, made, seeds: int = 10) -> metrics.Figure:
    return metrics.interval([metrics.measured(serve.run(of, made(seed)))["e2e.mean"] for seed in range(seeds)])


def within(figure: metrics.Figure, value: float) -> bool:
    """Within the interval, widened by half: ten means give intervals that miss one time in twenty."""
    half = 1.5 * (figure.high - figure.value)
    return abs(figure.value - value) <= half


@pytest.mark.parametrize("load", [0.3, 0.7, 0.9])
def test_m_d_1(load: float) -> None:
    """Mean sojourn of M/D/1: D + load D / (2 (1 - load)) (Pollaczek-Khinchine)."""
    of = queue(linear(0.0, 1e-3), ONE)

    def made(seed: int) -> Requests:
        return traffic.synthetic(load, 40_000, Lengths(1000), Lengths(1), seed)

    figure = runs(of, made)
    assert within(figure, 1.0 + load / (2 * (1 - load)))
    assert (figure.high - figure.low) / figure.value < 0.2


@pytest.mark.parametrize("load", [0.3, 0.7])
def test_m_m_1(load: float) -> None:
    """Mean sojourn of M/M/1: 1 / (mu - lambda); prompts of exponential length, a million tokens in the mean."""
    of = queue(linear(0.0, 1e-6), ONE)

    def made(seed: int) -> Requests:
        rng = np.random.default_rng(1000 + seed)
        prompt = np.maximum(np.rint(rng.exponential(1e6, 40_000)), 1).astype(np.int64)
        return replace(traffic.synthetic(load, 40_000, Lengths(1), Lengths(1), seed), prompt=prompt)

    assert within(runs(of, made), 1.0 / (1.0 - load))


@pytest.mark.parametrize("load", [0.5, 3.0])
def test_batch_service(load: float) -> None:
    """All that wait are served at once in time D: sojourn D + busy D / 2, busy = D / (D + exp(-load D) / load)."""
    of = queue(linear(1.0, 0.0), Policy(policy="decode-first", tokens=10**9, sequences=1024, block=16))

    def made(seed: int) -> Requests:
        return traffic.synthetic(load, 20_000, Lengths(10), Lengths(1), seed)

    busy = 1.0 / (1.0 + math.exp(-load) / load)
    assert within(runs(of, made), 1.0 + busy / 2)


def test_processor_sharing_of_decodes_is_work_conserving() -> None:
    """Steps of one length: each request takes its tokens times the step, however many run with it."""
    of = queue(linear(0.01, 0.0), Policy(tokens=10**6, sequences=512, block=16))
    requests = traffic.synthetic(5.0, 2000, Lengths(10), Lengths(50, 1.0), seed=4)
    left = serve.run(of, requests).left
    np.testing.assert_allclose(left["last"] - left["first"], 0.01 * (left["made"] - 1), rtol=1e-6, atol=1e-9)


KNOWN = catalog.load()
SMALL = Asked(KNOWN.model("llama-3.1-8b"), KNOWN.accelerator("h100"), Layout(tensor=1.0), PRESETS["bf16"], "vllm-2026")


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    policy=st.sampled_from(["mixed", "prefill-first", "decode-first"]),
    router=st.sampled_from(ROUTERS),
    replicas=st.integers(1, 4),
    options=st.sets(
        st.sampled_from(["tiers", "drafts", "fail", "scale", "split", "swap", "shed", "reserve", "closed", "ahead"])
    ),
    spare=st.sampled_from([0, 1, 4, 2000]),
)
@example(217156, "mixed", "power-of-two", 2, {"scale", "closed", "tiers", "swap", "reserve"}, 4)
@example(416519, "prefill-first", "round-robin", 1, {"closed", "swap"}, 4)  # a half-read prompt comes in alone
@example(646037, "prefill-first", "prefix-affinity", 1, {"reserve", "closed", "shed", "drafts"}, 0)
@example(183261, "mixed", "power-of-two", 1, {"tiers", "scale", "swap", "shed", "fail", "drafts"}, 0)
def test_what_comes_in_goes_out(seed, policy, router, replicas, options, spare) -> None:
    """Every request leaves once with all its tokens, and every block is given back, whatever is switched on."""
    requests = traffic.conversations(20.0, 120, 3.0, Lengths(60, 1.0), Lengths(30, 1.0), seed, system=64, think=0.2)
    longest = int((requests.prompt + requests.output).max())
    blocks = -(-(longest - 1) // 16) + spare
    of = Deployment(
        policy=Policy(
            policy=policy,
            tokens=256,
            sequences=8,
            swap="swap" in options,
            reserve=1.0 if "reserve" in options else 0.0,
            ahead="ahead" in options,
        ),
        tables=(linear(1e-3, 1e-5, 1e-4),),
        replicas=replicas,
        router=router,
        blocks=blocks,
        tiers={"host": Tier(200 * 16, 1e6, 1e-4), "remote": Tier(400 * 16, 1e6)} if "tiers" in options else {},
        speculation=Speculation(3, 0.6) if "drafts" in options else None,
        failures=Failures(2.0, 0.5) if "fail" in options else None,
        autoscale=Autoscale(1, 4.0, 1.0, 0.5, 1.0) if "scale" in options and "split" not in options else None,
        split=Split(1, 2, 1e6, 1e-3) if "split" in options else None,
        shed="shed" in options,
        closed=6 if "closed" in options else 0,
        overhead=(0.0, 0.0),
    )
    requests = replace(requests, deadline=np.full(len(requests), 0.2), klass=np.arange(len(requests)) % 3)
    found = serve.run(of, requests, seed)
    left = np.sort(found.left, order="id")
    assert (left["id"] == np.arange(len(requests))).all()
    served = left["status"] == state.SERVED
    assert (left["made"][served] == requests.output[served]).all()
    assert served.all() or "shed" in options
    assert (left["first"][served] >= left["arrival"][served]).all()
    assert (left["last"][served] >= left["first"][served]).all()
    engines = found.world["engines"]
    assert (engines["free"] + engines["idle_nodes"] == engines["total"]).all()
    assert (engines["running"] == 0).all()
    assert (engines["outstanding"] == 0).all()
    assert int(found.world["gaps"]["count"].sum()) > 0
    assert all((found.world["nodes"]["users"] == 0) | (found.world["nodes"]["tier"] == 0))
    again = serve.run(of, requests, seed).left
    for name in ("id", "made", "last"):
        np.testing.assert_array_equal(again[name], found.left[name])


def test_table_is_within_a_hundredth_of_the_formula() -> None:
    """The interpolated step against the performance model's own sum, at random mixtures."""
    rng = np.random.default_rng(5)
    for model, tensor in (("llama-3.1-70b", 4), ("mixtral-8x7b", 2), ("deepseek-v3", 8), ("gpt-oss-120b", 1)):
        asked = Asked(
            KNOWN.model(model), KNOWN.accelerator("h200"), Layout(tensor=float(tensor)), PRESETS["bf16"], "vllm-2026"
        )
        table = steps.table(asked, 8192.0, 1024.0, 32768.0)
        step, each = table.host
        worst = 0.0
        for _ in range(200):
            q, p = float(rng.integers(0, 8192)), float(rng.integers(0, 16384))
            n, c = float(rng.integers(1, 512)), float(rng.integers(1, 32768))
            ends = float(rng.integers(0, 2)) if q else 0.0
            told = at(table, 0, q + n, table.axes[0]) + at(table, 1, ends + n, table.axes[0])
            told += bilinear(table.decode[..., 0], table.axes[1], table.axes[2], n, c)
            told += bilinear(table.prefill[..., 0], table.axes[3], table.axes[4], q, p) if q else 0.0
            told += step + each * (n + ends)
            worst = max(worst, abs(told / float(steps.direct(asked, q, p, ends, n, c)) - 1))
        assert worst < 0.01, (model, worst)


def at(table: Table, head: int, tokens: float, axis: np.ndarray) -> float:
    return float(np.interp(tokens, axis, table.flat[head, :, 0])) if tokens else 0.0


def bilinear(values: np.ndarray, rows: np.ndarray, columns: np.ndarray, x: float, y: float) -> float:
    return float(np.interp(x, rows, [np.interp(y, columns, line) for line in values]))


def test_more_rate_never_helps_and_stretching_keeps_burstiness() -> None:
    base = traffic.synthetic(1.0, 3000, Lengths(800, 1.0), Lengths(100, 1.0), seed=2, family="gamma", cv=3.0)
    of = Deployment((SMALL,), Policy())
    means = [metrics.measured(serve.run(of, base.at_rate(rate)))["e2e.p99"] for rate in (1.0, 5.0, 15.0, 30.0)]
    assert means == sorted(means)
    gaps = [np.diff(base.at_rate(rate).arrival) for rate in (1.0, 30.0)]
    assert abs(gaps[0].std() / gaps[0].mean() - gaps[1].std() / gaps[1].mean()) < 1e-9


def test_overload_is_said_with_the_growth_of_the_queue() -> None:
    """At twice the full rate of an M/D/1 queue it grows by half of what comes."""
    of = queue(linear(0.0, 1e-3), ONE)
    requests = traffic.synthetic(2.0, 4000, Lengths(1000), Lengths(1), seed=1)
    assert abs(metrics.growth(serve.run(of, requests)) - 1.0) < 0.1
    calm = traffic.synthetic(0.8, 4000, Lengths(1000), Lengths(1), seed=1)
    assert metrics.growth(serve.run(of, calm)) == 0.0


def test_capacity_of_m_d_1() -> None:
    """A 99% sojourn objective far above the service time is kept up to nearly the full rate, one below it never."""
    of = queue(linear(0.0, 1e-3), ONE)
    some = [traffic.synthetic(1.0, 3000, Lengths(1000), Lengths(1), seed) for seed in range(3)]
    found = capacity.capacity(of, some, metrics.Objective(e2e=20.0))
    assert 0.7 < found.utilisation <= 1.0
    assert abs(found.full_rate.value - 1.0) < 0.01
    assert capacity.capacity(of, some, metrics.Objective(e2e=0.5)).rate.value == 0.0


def test_prefix_cache_saves_and_tiers_save_more() -> None:
    """The same conversations: no cache, a small one, and one with host memory below it; each computes fewer tokens."""
    requests = traffic.conversations(4.0, 600, 5.0, Lengths(300, 0.5), Lengths(100, 0.5), 3, system=256, think=2.0)
    small = Deployment(policy=Policy(tokens=2048, sequences=64), tables=(linear(0.005, 1e-5, 1e-4),), blocks=1200)
    none = replace(small, policy=replace(small.policy, prefix_cache=False))
    tiered = replace(small, tiers={"host": Tier(100_000.0, 1e6)})
    computed = [serve.run(of, requests).world["engines"]["prefill_tokens"].sum() for of in (none, small, tiered)]
    assert computed[0] > 1.05 * computed[1] > 1.05 * computed[2]


def test_speculation_divides_the_steps() -> None:
    """With all drafts accepted, k drafts make k + 1 tokens of a step."""
    of = queue(linear(0.01, 0.0), Policy(tokens=10**6, sequences=64))
    requests = Requests(np.zeros(1), np.array([10]), np.array([101]))
    plain = serve.run(of, requests).left["last"][0]
    drafts = replace(of, speculation=Speculation(4, 1.0, 0.0))
    assert serve.run(drafts, requests).left["last"][0] == pytest.approx(0.01 + (plain - 0.01) / 5, rel=1e-9)


def test_urgent_requests_overtake() -> None:
    of = queue(linear(0.0, 1e-3), ONE)
    requests = traffic.synthetic(0.95, 2000, Lengths(1000), Lengths(1), seed=6)
    requests = replace(requests, klass=np.arange(2000) % 2)
    left = serve.run(of, requests).left
    waits = [float((left["last"] - left["arrival"])[left["klass"] == klass].mean()) for klass in (0, 1)]
    assert waits[0] < 0.7 * waits[1]


def test_workers_and_batches_do_not_change_the_answer() -> None:
    """A stream in batches gives what one run gives, request by request."""
    of = Deployment((SMALL,), Policy(), replicas=3, router="power-of-two")
    parts = list(traffic.batches(20.0, 3000, Lengths(500, 1.0), Lengths(100, 1.0), 9, each=700))
    names = ("arrival", "prompt", "output")
    whole = Requests(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))
    fixed = replace(of, tables=tuple(serve.tables(of, 20_000)))
    one = np.sort(serve.run(fixed, whole).left, order="id")
    many = np.sort(np.concatenate([left for _, left in serve.stream(fixed, iter(parts), whole.duration)]), order="id")
    np.testing.assert_array_equal(one["last"], many["last"])


@pytest.mark.parametrize("router", ["least-outstanding", "prefix-affinity", "kv-aware"])
@pytest.mark.parametrize("split", [None, Split(3, 4, 1e6, 1e-3)])
def test_the_tree_of_members_finds_whom_looking_at_each_finds(router, split) -> None:
    """Failures that never come make the router look at every engine; the answer is the same."""
    requests = traffic.conversations(60.0, 400, 3.0, Lengths(60, 1.0), Lengths(30, 1.0), 5, system=64, think=0.2)
    of = Deployment(
        policy=Policy(tokens=256, sequences=8),
        tables=(linear(1e-3, 1e-5, 1e-4),),
        replicas=7,
        router=router,
        blocks=400,
        split=split,
        overhead=(0.0, 0.0),
    )
    one, other = (serve.run(each, requests).left for each in (of, replace(of, failures=Failures(1e12, 1.0))))
    np.testing.assert_array_equal(one["engine"], other["engine"])
    np.testing.assert_array_equal(one["last"], other["last"])
    assert len(np.unique(one["engine"])) > 2


def test_models_on_one_host_take_turns() -> None:
    """Two models on one host: the host is never busier than time, each request is served by its own model."""
    of = Deployment(
        policy=Policy(tokens=512, sequences=16),
        tables=(linear(0.01, 1e-5), linear(0.02, 1e-5)),
        engines=(SMALL, SMALL),
        blocks=5000,
        overhead=(0.0, 0.0),
    )
    requests = traffic.synthetic(3.0, 500, Lengths(200), Lengths(20), seed=8)
    requests = replace(requests, model=np.arange(500) % 2)
    found = serve.run(of, requests)
    left, engines = np.sort(found.left, order="id"), found.world["engines"]
    assert (left["model"] == requests.model).all()
    assert (engines["model"][left["engine"]] == requests.model).all()
    assert engines["busy"].sum() <= found.seconds * (1 + 1e-9)
    assert (engines["busy"] > 0).all()


def test_measured_runs_stay_within_the_targets() -> None:
    """As fitted, on the package's own rows: 7% end to end and between tokens, 15% and 30% to the first token."""
    from stackyard.sim.calibration.validate import TARGETS, validate

    lines = {line.metric: line for line in validate().lines()}
    assert lines["e2e_mean"].rows == 60
    assert all(lines[name].mean <= target for name, target in TARGETS.items())
