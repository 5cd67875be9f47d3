"""A few figures that readers know by heart, typed in from the vendors' data sheets, not from the tables."""

import pytest

from stackyard.catalog import load
from stackyard.months import parse_month

KNOWN = load()


@pytest.mark.parametrize(
    ("chip", "bf16", "memory", "bandwidth", "watts", "scale_up"),
    [
        ("a100", 312e12, 80e9, 2.039e12, 400, 300e9),  # NVIDIA A100 80GB SXM data sheet
        ("h100", 989e12, 80e9, 3.35e12, 700, 450e9),  # NVIDIA H100 SXM data sheet, half of the sparse 1,979
        ("h200", 989e12, 141e9, 4.8e12, 700, 450e9),  # NVIDIA H200 SXM data sheet
        ("mi300x", 1307e12, 192e9, 5.3e12, 750, 448e9),  # AMD MI300X data sheet
    ],
)
def test_data_sheets(chip, bf16, memory, bandwidth, watts, scale_up):
    entry = KNOWN.accelerator(chip)
    found = (entry.flops["bf16"], entry.memory, entry.bandwidth, entry.tdp, entry.scale_up)
    assert found == pytest.approx((bf16, memory, bandwidth, watts, scale_up), rel=0.005)


def test_jedec_hbm3():  # JESD238: 6.4 Gb/s on 1,024 pins, 819 GB/s
    hbm3 = KNOWN.generation("hbm3")
    assert hbm3.pin_speed * hbm3.interface_width == pytest.approx(819.2e9)
    assert hbm3.capacity[12] == 24e9


def test_the_public_record():
    ulsan = KNOWN.site("ulsan")  # Korea Herald, June 2025
    assert [(phase.month, phase.power) for phase in ulsan.phases] == [
        (parse_month("2027-11"), 41e6),
        (parse_month("2029-02"), 103e6),
    ]
    assert KNOWN.grid("korea").carbon * 3.6e9 == pytest.approx(417.3)  # kg/MWh, ministry, end of 2025
    letters = [event for event in KNOWN.events.values() if event.date == "2025-10-01"]  # SK Group release
    assert len(letters) == 2 and any("900,000" in outcome for event in letters for outcome in event.outcome)
