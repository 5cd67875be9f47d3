"""Published die counts, yields and shipments against the memory chain."""

import numpy as np
import pytest

from stackyard.hbm.geometry import gross_dies
from stackyard.hbm.stack import implied_die_yield, net_bytes_per_wafer, stack_yield
from stackyard.quantity import BIT, GIGA

GIGABIT = GIGA * BIT


@pytest.mark.parametrize(("area", "dies"), [(92, 669), (100, 613), (121, 501), (135, 446), (145, 413)])
def test_gross_dies_of_the_estimated_die_areas(area: float, dies: int) -> None:
    """Die counts of the collected facts (300 mm wafer, 3 mm edge), printed without the fraction."""
    assert int(gross_dies(0.300, area * 1e-6, 0.003)) == dies


def test_99_percent_a_layer_gives_the_stack_yields_printed() -> None:
    """SemiAnalysis (2025-08, digest): 99% a layer leaves about 92% of 8-high and 87% of 12-high stacks."""
    assert stack_yield(8, 0.99, 1.0) == pytest.approx(0.92, abs=0.005)
    assert stack_yield(12, 0.99, 1.0) == pytest.approx(0.87, abs=0.02)  # 0.886: the digest rounds down


def test_industry_shipments_of_2026_imply_a_believable_die_yield() -> None:
    """TrendForce: 30 to 35 billion Gb in 2026 from 385,000 to 480,000 wafers a month: 6100 (5200 to 7600) Gb a wafer.

    With 501 dies of 24 Gb, 99% a layer at 12-high and 70% test (SK hynix HBM4, TrendForce 2025-03) the chain agrees
    when 82% (70 to 102%) of dies are good: the top of the range cannot be true with these yields.
    """
    stacked = stack_yield(12, 0.99, 0.7)
    needed = implied_die_yield(np.array([6100.0, 5200.0, 7600.0]) * GIGABIT, 501, stacked, 24 * GIGABIT)
    np.testing.assert_allclose(needed, [0.818, 0.697, 1.019], atol=0.002)


def test_samsungs_2026_output_implies_a_lower_one() -> None:
    """11 billion Gb from 170,000 to 210,000 wafers a month: 5000 (4300 to 5500) Gb a wafer start (2026-03)."""
    needed = implied_die_yield(
        np.array([5000.0, 4300.0, 5500.0]) * GIGABIT, 501, stack_yield(12, 0.99, 0.7), 24 * GIGABIT
    )
    np.testing.assert_allclose(needed, [0.670, 0.577, 0.737], atol=0.002)


def test_80_percent_cannot_be_the_yield_from_wafer_to_stack_but_55_percent_can() -> None:
    """FT 2024-05: 80% for SK hynix HBM3E, meaning not stated. TrendForce 2024-05: 50 to 60% for the industry.

    Read as good dies shipped over gross dies, 80% would give 9600 Gb a wafer start, a quarter above the whole range
    of the industry; 55% gives 6600, inside it. So the 80% is that of one step, or the wafer counts are too high.
    """
    assert net_bytes_per_wafer(501, 0.80, 1.0, 24 * GIGABIT) / GIGABIT > 1.25 * 7600
    assert 5200 < net_bytes_per_wafer(501, 0.55, 1.0, 24 * GIGABIT) / GIGABIT < 7600


def test_the_letter_of_intent_as_stacks_and_packages() -> None:
    """900,000 wafers a month, were all of them HBM: 66 billion Gb, 229 million 36 GB stacks, 29 million packages."""
    stacks = 12 * 900_000 * 6100 * GIGABIT / (36 * GIGA)
    assert stacks == pytest.approx(229e6, rel=0.005)
    assert stacks / 8 == pytest.approx(29e6, rel=0.02)
