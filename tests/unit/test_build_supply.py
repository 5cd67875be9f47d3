"""Wafers of a scenario become stacks: yields from defects, learning, base dies, lead times as ranges, slips."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stackyard import catalog
from stackyard.errors import InputErrors
from stackyard.hbm.geometry import die_yield, gross_dies
from stackyard.hbm.supply import balance
from stackyard.plan.build_supply import Delivered, delivered
from stackyard.plan.scenario import load

HEAD = Path(__file__).parents[2] / "examples" / "first-plan.yaml"
MONTHS = range(12 * 2026, 12 * 2028)


def scenario(tmp_path: Path, wafers: str) -> Path:
    """The first plan with wafers instead of deliveries."""
    text = HEAD.read_text(encoding="utf-8")
    old = "    deliveries: {points: {2026-01: 1500 stack/month, 2027-12: 4000 stack/month}}"
    assert old in text
    file = tmp_path / "plan.yaml"
    file.write_text(text.replace(old, f"    wafers: {{{wafers}}}"), encoding="utf-8")
    return file


BASE = (
    "starts: 100 wafer/month, bond_yield: 99%, test_yield: 95%, wafer_to_die: 4, die_to_stack: 1, stack_to_shipment: 1"
)


def made(tmp_path: Path, wafers: str, slipped: bool = True) -> Delivered:
    read = load(scenario(tmp_path, wafers), catalog.load())
    return delivered(read.inputs.supplies["memory"], catalog.load(), MONTHS, np.nan, np.zeros(0), slipped)


def test_defects_and_a_yield_say_the_same(tmp_path: Path) -> None:
    area = catalog.load().generation("hbm3e").die_area
    for model in ("poisson", "murphy", "negative-binomial"):
        share = float(die_yield(model, area, 4000.0, 2.0))
        by_yield = made(tmp_path, f"{BASE}, die_yield: {share:.12f}")
        by_defects = made(tmp_path, f"{BASE}, defects: 0.4 cm^-2, yield_model: {model}")
        np.testing.assert_allclose(by_defects.stacks, by_yield.stacks, rtol=1e-9)
        assert by_defects.wafers_per_stack == pytest.approx(by_yield.wafers_per_stack)


def test_wafers_over_wafers_per_stack_are_the_stacks(tmp_path: Path) -> None:
    found = made(tmp_path, f"{BASE}, die_yield: 70%, scribe: 0.08 mm, test_coverage: 99%")
    assert found.stacks[0] == pytest.approx(100 / found.wafers_per_stack)
    assert found.lead == 6
    area = catalog.load().generation("hbm3e").die_area
    dies = 100 * float(gross_dies(0.3, area, 0.003, 0.08e-3))
    assert found.stacks[0] * 8 < dies * (0.70 + 0.30 * 0.01)


def test_learning_raises_what_later_starts_become(tmp_path: Path) -> None:
    plain = made(tmp_path, f"{BASE}, defects: 0.4 cm^-2").stacks
    learned = made(tmp_path, f"{BASE}, defects: 0.4 cm^-2, learning: 20%, made: 500 wafer, floor: 0.1 cm^-2").stacks
    assert np.all(learned >= plain - 1e-9) and np.all(np.diff(learned) >= -1e-9)
    assert learned[-1] > 1.05 * plain[-1]


def test_a_range_of_months_plans_with_its_mean_a_percentile_or_all_of_them(tmp_path: Path) -> None:
    starts = "starts: {points: {2025-12: 0 wafer/month, 2026-01: 100 wafer/month, 2026-02: 0 wafer/month}}"
    rest = "die_yield: 70%, bond_yield: 99%, test_yield: 95%, die_to_stack: 1, stack_to_shipment: 0"

    def first(lead: str) -> tuple[int, float]:
        found = made(tmp_path, f"{starts}, {rest}, wafer_to_die: {lead}")
        assert found.flow is not None
        assert np.abs(balance(found.flow)).max() < 1e-6
        return int(np.argmax(found.stacks > 1e-9)), float(found.stacks.sum())

    mean, total = first("{low: 3, likely: 4, high: 8}")
    assert mean == 5 + 1
    assert first("{low: 3, likely: 4, high: 8, plan: p90}") == (7 + 1, pytest.approx(total))
    spread, same = first("{low: 3, likely: 4, high: 8, plan: spread}")
    assert spread == 3 + 1 and same == pytest.approx(total)


def test_base_dies_limit_the_stacks(tmp_path: Path) -> None:
    free = made(tmp_path, f"{BASE}, die_yield: 70%").stacks
    base = "base_dies: {starts: 1 wafer/month, area: 127 mm^2, die_yield: 40%, lead: 3}"
    tight = made(tmp_path, f"{BASE}, die_yield: 70%, {base}").stacks
    assert np.all(tight < free)
    dies = float(gross_dies(0.3, 127e-6, 0.003)) * 0.40
    assert tight[-1] == pytest.approx(dies * 0.99**8 * 0.95)


def test_a_slip_is_months_later(tmp_path: Path) -> None:
    ramp = "starts: {points: {2025-06: 0 wafer/month, 2027-06: 100 wafer/month}}"
    rest = "die_yield: 70%, bond_yield: 99%, test_yield: 95%, wafer_to_die: 4, die_to_stack: 1, stack_to_shipment: 1"
    late, promised = (made(tmp_path, f"{ramp}, {rest}, slip: 3", slipped) for slipped in (True, False))
    np.testing.assert_allclose(late.stacks[3:], promised.stacks[:-3])
    assert late.lead == promised.lead + 3


@pytest.mark.parametrize(
    ("wafers", "told"),
    [
        (BASE, "needs either die_yield or defects"),
        (f"{BASE}, die_yield: 70%, defects: 0.4 cm^-2", "needs either die_yield or defects"),
        (f"{BASE}, defects: 0.4 cm^-2, learning: 20%", "learning needs defects and made"),
        (f"{BASE}, die_yield: 120%", "is not above 0 and at most 1"),
        (f"{BASE}, die_yield: 70%, test_coverage: 1.2", "is above 1"),
        (f"{BASE}, defects: 4", "no unit"),
        (BASE.replace("wafer_to_die: 4", "wafer_to_die: {low: 5, likely: 4}") + ", die_yield: 70%", "not in order"),
        (BASE.replace("wafer_to_die: 4", "wafer_to_die: soon") + ", die_yield: 70%", "not a whole number of months"),
        (BASE.replace("wafer_to_die: 4", "wafer_to_die: 99") + ", die_yield: 70%", "between 0 and 60"),
        (f"{BASE}, die_yield: 70%, base_dies: {{starts: 1 wafer/month, area: 90000 mm^2, die_yield: 2}}", "no room"),
    ],
)
def test_wafers_that_cannot_be_are_refused(tmp_path: Path, wafers: str, told: str) -> None:
    with pytest.raises(InputErrors, match=told) as caught:
        made(tmp_path, wafers)
    assert all(fault.line and fault.hint for fault in caught.value.faults)
