"""What is counted, by a second route: formats with their scales, caches, heads, routers, sinks and DEP layouts."""

from math import isclose

import pytest

from stackyard import catalog
from stackyard.perf import lower
from stackyard.perf.architecture import expert_layers
from stackyard.perf.counting import small_parameters
from stackyard.perf.estimate import estimate
from stackyard.perf.layout import Layout
from stackyard.perf.memory import sequence_bytes, weight_bytes
from stackyard.perf.precision import Precision

KNOWN = catalog.load()
LLAMA, V3, OSS = (KNOWN.model(name) for name in ("llama-3.1-8b", "deepseek-v3", "gpt-oss-120b"))
B200 = KNOWN.accelerator("b200")
BF16 = Precision("bf16", "bf16", "bf16")


def op(ops, name):
    return next(each for each in ops if each.name == name)


@pytest.mark.parametrize(
    ("stored", "element", "block", "scale"),
    [
        ("bf16", 16, 1, 0),
        ("fp8", 8, 1, 0),
        ("int8", 8, 1, 0),
        ("fp4", 4, 16, 8),
        ("mxfp4", 4, 32, 8),
        ("int4", 4, 32, 16),
    ],
)
def test_weights_are_elements_and_scales_of_blocks_by_their_bits(stored, element, block, scale):
    """NVFP4: an 8-bit scale for 16 elements; MXFP4 (OCP MX 1.0): 8 bits for 32; int4: 16 bits for groups of 32."""
    each = (element + scale / block) / 8
    tables = 2 * LLAMA.vocabulary * LLAMA.hidden  # embedding and head stay in bf16
    plain = small_parameters(LLAMA) + tables
    quantised = 8030261248 - plain
    counted = weight_bytes(LLAMA, Layout(), Precision(stored, "bf16", "bf16"))
    assert isclose(counted, quantised * each + plain * 2, rel_tol=1e-9)


@pytest.mark.parametrize(("stored", "bits"), [("bf16", 16), ("fp8", 8), ("int8", 8), ("fp4", 4.5)])
def test_a_cache_is_keys_and_values_of_every_layer(stored, bits):
    held = sequence_bytes(LLAMA, Layout(), Precision("bf16", stored, "bf16"), 1000.0)
    assert isclose(held, 1000 * 32 * 2 * 8 * 128 * bits / 8)  # layers x (keys, values) x heads x head dimension


def test_a_decode_step_reads_the_head_embeddings_and_routers():
    ops = lower.decode(V3, Layout(), BF16, 1.0, 100.0)
    hidden, words = V3.hidden, V3.vocabulary
    assert isclose(op(ops, "head").flop, 2 * hidden * words)
    assert isclose(op(ops, "head").bytes, 2 * (hidden * words + hidden + words))
    assert isclose(op(ops, "embedding").bytes, 2 * 2 * hidden)  # one row read, one written
    router = op(ops, "router")
    assert router.count == expert_layers(V3) == 58 and isclose(router.flop, 2 * hidden * 256)


def test_sinks_and_windows_of_gpt_oss():
    """36 layers, every second one sees 128 tokens; a sink is one number a head and layer, no key in the cache."""
    ops = lower.decode(OSS, Layout(), BF16, 1.0, 10_000.0)
    full, window = op(ops, "attention"), op(ops, "attention_window")
    assert full.count == window.count == 18
    assert isclose(window.flop / full.flop, 128 / 10_000)
    held = sequence_bytes(OSS, Layout(), BF16, 10_000.0)
    assert isclose(held, 18 * (10_000 + 128) * 2 * 8 * 64 * 2)
    assert small_parameters(OSS) - OSS.attention.heads * OSS.layers > 0 and OSS.attention.sinks


def test_attention_dp_holds_attention_whole_and_shares_the_experts():
    """DEP8: every accelerator has all attention weights and 1/8 of the experts; TP8: 1/8 of both."""
    dep, tp = (weight_bytes(V3, layout, BF16) for layout in (Layout(1, 1, 8, 8), Layout(8, 1, 1, 8)))
    routed = 58 * 256 * 3 * 7168 * 2048 * 2 / 8
    whole = weight_bytes(V3, Layout(), BF16)
    assert isclose(dep - routed, whole - routed * 8, rel_tol=1e-9)
    assert dep > tp > routed


def test_attention_dp_exchanges_tokens_with_the_experts_and_sums_nothing():
    """Each token goes to the accelerators that its 8 experts lie on, in 8 or 16 bits, and comes back in 16."""
    ops = lower.decode(V3, Layout(1.0, 1.0, 8.0, 8.0), BF16, 64.0, 1000.0)
    assert op(ops, "all_reduce").count == 0
    reached = 8 * (1 - (1 - 1 / 8) ** 8)  # of eight accelerators, by eight experts dealt at random
    sent = 64 * reached * 7168 * 2 * 7 / 8
    assert isclose(op(ops, "dispatch").sent, sent, rel_tol=1e-6) and op(ops, "dispatch").count == 58
    assert isclose(op(ops, "combine").sent, sent, rel_tol=1e-6)


def test_attention_dp_spreads_requests_over_its_groups():
    one = estimate(V3, B200, Layout(1, 1, 8, 8), 64, 1000, 100, "fp8")
    held = sequence_bytes(V3, Layout(), one.precision, 1100.0)
    assert isclose(one.memory.cache, held * 8)
    assert estimate(V3, B200, Layout(1, 1, 8, 8), 4, 1000, 100, "fp8").why == ["fewer sequences than data groups"]
