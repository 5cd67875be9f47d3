"""Every provider of seconds: non-negative, silent where it knows nothing, scalars and arrays alike; `Measured` rises
where its measurements do."""

import importlib.util

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stackyard import catalog
from stackyard.errors import InputErrors
from stackyard.perf.estimate import estimate
from stackyard.perf.layout import Layout
from stackyard.perf.measured import Curve, Measured, read, shape_and_size
from stackyard.perf.op import Op, all_reduce, attention, experts, matmul, norm
from stackyard.perf.provider import FirstOf, Roofline

KNOWN = catalog.load()
H200, MI300X = KNOWN.accelerator("h200"), KNOWN.accelerator("mi300x")
LLAMA = KNOWN.model("llama-3.1-70b")
HAS_SILICON = importlib.util.find_spec("aiconfigurator_core") is not None

# seconds grow with rows, and a second weight matrix is larger and slower
TABLE = """# shape: inner x outer; size: rows
chip,kind,precision,stored,shape,size,seconds
h200,matmul,fp8,fp8,67108864,1,2e-5
h200,matmul,fp8,fp8,67108864,64,2.2e-5
h200,matmul,fp8,fp8,67108864,4096,4.5e-4
h200,matmul,fp8,fp8,33554432,1,1.2e-5
h200,matmul,fp8,fp8,33554432,4096,2.4e-4
h200,decode,bf16,fp8,16,1e6,3e-6
h200,decode,bf16,fp8,16,1e9,3e-4
h200,collective,bf16,bf16,8,1e3,1e-5
h200,collective,bf16,bf16,8,1e8,5e-4
h200,elementwise,bf16,bf16,0.75,1e3,3e-6
h200,elementwise,bf16,bf16,0.75,1e9,5e-4
"""


@pytest.fixture(scope="module")
def measured(tmp_path_factory) -> Measured:
    path = tmp_path_factory.mktemp("kernels") / "kernels.csv"
    path.write_text(TABLE)
    return read(path)


def providers(measured: Measured) -> list:
    found = [Roofline(), measured, FirstOf((measured, Roofline()))]
    if HAS_SILICON:
        from stackyard.perf.silicon import Silicon

        found += [Silicon("trtllm"), FirstOf((Silicon("trtllm"), Roofline()))]
    return found


def operations(rows) -> list[Op]:
    """Operations at one size or at many; heads and cache of attention give 16 FLOP a byte."""
    return [
        matmul("down", rows, 8192.0, 8192.0, 1.0, "fp8", 80.0, "fp8"),
        matmul("half", rows, 8192.0, 4096.0, 1.0, "fp8", 80.0, "fp8"),
        matmul("other", rows, 8192.0, 1024.0, 1.0, "fp8", 80.0, "fp8"),
        attention("attention", rows, 1.0, 9e3, 9e3, 64.0, 128.0, 128.0, 2048.0, 1.0, "bf16", 80.0, "decode", "fp8"),
        all_reduce("all_reduce", rows * 8192.0 * 2, 8.0, 160.0),
        all_reduce("all_reduce", rows * 8192.0 * 2, 1.0, 160.0),
        norm("norm", rows, 8192.0, 160.0),
        experts("experts", rows, rows, 4096.0, 1536.0, 128.0, 8.0, 8.0, 8.0, 1.0, "fp8", 80.0, "fp8"),
    ]


@settings(max_examples=30, deadline=None)
@given(rows=st.lists(st.integers(1, 20_000), min_size=1, max_size=5))
def test_arrays_give_the_numbers_of_scalars_and_none_is_negative(rows, measured):
    many = operations(np.array(rows, dtype=float))
    ones = [operations(float(each)) for each in rows]
    for provider in providers(measured):
        for place, op in enumerate(many):
            told = provider.seconds(op, H200)
            apart = [provider.seconds(one[place], H200) for one in ones]
            expected = np.array([np.nan if each is None else each for each in apart], dtype=float)
            found = np.full(len(rows), np.nan) if told is None else np.broadcast_to(told, (len(rows),))
            np.testing.assert_allclose(found, expected, rtol=1e-12)
            assert not (expected < 0).any()


def test_who_answers_is_told_and_the_rest_goes_to_the_next(measured):
    chain = FirstOf((measured, Roofline()))
    assert chain.name == "measured (kernels.csv) else roofline"
    inside, outside, unknown = (operations(rows)[place] for rows, place in ((64.0, 0), (8192.0, 0), (64.0, 2)))
    assert chain.seconds(inside, H200) == pytest.approx(80 * 2.2e-5, rel=1e-12)
    for op in (outside, unknown):
        assert measured.seconds(op, H200) is None
        assert chain.seconds(op, H200) == Roofline().seconds(op, H200)
    assert measured.seconds(inside, MI300X) is None
    assert measured.seconds(inside._replace(precision="bf16"), H200) is None
    told = estimate(LLAMA, H200, Layout(tensor=8), 64, 1000, 1000, "fp8", provider=chain)
    assert told.basis.provider == chain.name


def test_measurements_are_met_exactly_and_between_them_the_line_is_straight_in_logarithms(measured):
    down = [operations(rows)[0] for rows in (1.0, 8.0, 64.0)]
    first, middle, last = (measured.seconds(op, H200) for op in down)
    assert (first, last) == pytest.approx((80 * 2e-5, 80 * 2.2e-5), rel=1e-12)
    assert middle == pytest.approx(np.sqrt(first * last), rel=1e-12)  # 8 is the geometric mean of 1 and 64


rising = st.lists(st.tuples(st.floats(1.01, 100), st.floats(1.0, 100)), min_size=2, max_size=6)


@given(steps=rising, at=st.lists(st.floats(0, 1), min_size=2, max_size=2))
def test_seconds_rise_with_size_where_the_measurements_do(steps, at):
    sizes, seconds = (np.cumprod(np.array(column)) for column in zip(*steps, strict=True))
    curve = Curve(1.0, sizes, seconds)
    low, high = sorted(sizes[0] * (sizes[-1] / sizes[0]) ** share for share in at)
    found = curve.at(np.clip(np.array([low, high]), sizes[0], sizes[-1]))
    assert found[0] <= found[1] * (1 + 1e-12)
    assert seconds[0] * (1 - 1e-12) <= found[0]
    assert found[1] <= seconds[-1] * (1 + 1e-12)
    assert np.isnan(curve.at(np.array([sizes[0] * 0.99, sizes[-1] * 1.01]))).all()


def test_shape_stays_and_size_grows_along_a_curve():
    for kind in (0, 3, 4, 6):
        (shape, size), (same, larger) = (shape_and_size(operations(rows)[kind]) for rows in (16.0, 32.0))
        assert same == pytest.approx(shape, rel=1e-9)
        assert larger == pytest.approx(2 * size, rel=1e-9)


def test_every_fault_of_a_table_is_told_at_once(tmp_path):
    path = tmp_path / "bad.csv"
    path.write_text(
        "chip,kind,precision,stored,shape,size,seconds\n"
        "h2000,matmul,fp8,fp8,1,1,1\n"
        "h200,matmull,fp9,fp8,1,1,-1\n"
        "h200,matmul,fp8,fp8,1,2,1\n"
        "h200,matmul,fp8,fp8,1,2,1\n"
    )
    with pytest.raises(InputErrors) as told:
        read(path)
    text = str(told.value)
    for words in ("h2000", "'matmull'", "'fp9'", "'-1' is not a positive number", "measured twice", "one size only"):
        assert words in text


@pytest.mark.skipif(HAS_SILICON, reason="aiconfigurator-core is installed")
def test_without_its_package_silicon_says_how_to_get_it():
    from stackyard.perf.silicon import Silicon

    with pytest.raises(ImportError, match=r"stackyard\[silicon\]"):
        Silicon("trtllm")


@pytest.mark.skipif(not HAS_SILICON, reason="the extra 'silicon' is not installed")
def test_silicon_answers_for_matmuls_and_sums_within_a_factor_of_the_roofline():
    from stackyard.perf.silicon import Silicon

    silicon = Silicon("trtllm")
    known = [operations(1024.0)[place] for place in (0, 1, 4)]
    for op in known:
        assert silicon.seconds(op, H200) == pytest.approx(Roofline().seconds(op, H200), rel=0.6)
    assert silicon.seconds(operations(1024.0)[3], H200) is None
    assert silicon.seconds(operations(1024.0)[7], H200) is None
    assert silicon.seconds(known[0], MI300X) is None
    chain = FirstOf((silicon, Roofline()))
    told = estimate(LLAMA, H200, Layout(tensor=8), 64, 1000, 1000, "fp8", provider=chain)
    assert "aiconfigurator-core" in told.basis.provider
