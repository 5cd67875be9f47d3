"""Laws of an accelerator with another memory: stacks add up, factors compose, and what is not known is said."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackyard import catalog
from stackyard.errors import InputErrors
from stackyard.perf.asked import variant
from stackyard.perf.estimate import estimate
from stackyard.perf.layout import Layout
from stackyard.perf.whatif import Variant, scaled, with_stacks
from stackyard.source import Grade

KNOWN = catalog.load()
PRODUCTS = [(generation, height) for generation in KNOWN.hbm.values() for height in generation.heights]
CHIPS = [chip for chip in KNOWN.accelerators.values() if chip.hbm]
factors = st.floats(0.1, 10.0)


@given(chip=st.sampled_from(CHIPS), product=st.sampled_from(PRODUCTS), stacks=st.integers(1, 32))
def test_a_package_holds_and_moves_what_its_stacks_do(chip, product, stacks):
    generation, height = product
    many, one = (with_stacks(chip, generation, height, count).chip for count in (stacks, 1))
    assert many.memory == pytest.approx(stacks * generation.capacity[height])
    assert many.bandwidth == pytest.approx(stacks * one.bandwidth)
    assert one.bandwidth == pytest.approx(generation.bandwidth, rel=0.25)  # pins x rate against the figure of a stack
    assert (many.flops, many.tdp, many.scale_up) == (chip.flops, chip.tdp, chip.scale_up)
    assert many.facts["memory"].si == pytest.approx(many.memory)
    assert many.facts["bandwidth"].si == pytest.approx(many.bandwidth)
    assert many.facts["bandwidth"].sources
    assert math.isnan(many.price)


@pytest.mark.parametrize("chip", CHIPS, ids=lambda chip: chip.id)
def test_a_stack_that_is_on_record_gives_the_capacity_on_record(chip):
    made = with_stacks(chip, KNOWN.generation(chip.hbm), chip.stack_height, chip.stacks).chip
    assert made.memory == pytest.approx(chip.memory, rel=0.13)  # some packages keep part of it back


@given(capacity=factors, bandwidth=factors, energy=factors)
def test_factors_compose_and_one_changes_nothing(capacity, bandwidth, energy):
    own = Variant(KNOWN.accelerator("h200"), KNOWN.generation("hbm3e"))
    assert scaled(own) is own
    once = scaled(scaled(own, capacity, bandwidth, energy), 1 / capacity, 1 / bandwidth, 1 / energy)
    assert once.chip.memory == pytest.approx(own.chip.memory)
    assert once.chip.bandwidth == pytest.approx(own.chip.bandwidth)
    assert once.hbm.energy == pytest.approx(own.hbm.energy)


@given(energy=st.floats(0.1, 0.99), batch=st.integers(1, 64))
def test_less_energy_a_bit_draws_less_and_changes_no_time(energy, batch):
    own = Variant(KNOWN.accelerator("h200"), KNOWN.generation("hbm3e"))
    model, layout = KNOWN.model("llama-3.1-8b"), Layout()
    plain, saved = (
        estimate(model, each.chip, layout, batch, 500, 500, "fp8", hbm=each.hbm)
        for each in (own, scaled(own, energy_per_bit=energy))
    )
    assert saved.watts <= plain.watts
    assert (saved.tpot, saved.ttft) == (plain.tpot, plain.ttft)


def test_what_does_not_exist_is_refused_with_the_nearest():
    h200, hbm4 = KNOWN.accelerator("h200"), KNOWN.generation("hbm4")
    with pytest.raises(ValueError, match="no 11-high stack on record; the nearest is 12"):
        with_stacks(h200, hbm4, 11, 8)
    with pytest.raises(ValueError, match="not a whole number of stacks"):
        with_stacks(h200, hbm4, 12, 2.5)
    with pytest.raises(ValueError, match="capacity x-1, bandwidth xnan"):
        scaled(Variant(h200, hbm4), -1.0, math.nan)


def test_the_door_reads_products_factors_and_quantities():
    from stackyard import api

    assert api.what_if("h200", hbm="hbm4-12h").chip.id == api.what_if("h200", hbm="hbm4", height=12).chip.id
    assert api.what_if("h200", bandwidth="9.6 TB/s").chip.bandwidth == pytest.approx(9.6e12)
    assert api.what_if("h200", capacity="x2").chip.memory == 2 * KNOWN.accelerator("h200").memory
    assert api.what_if("h100", energy="7.8 pJ/bit").hbm.energy == pytest.approx(7.8e-12 * 8)
    assert api.what_if("gb300-nvl72").chip.id == "b300-gb300"
    assert api.what_if("h200").chip is KNOWN.accelerator("h200")
    assert any("energy per bit of HBM3 is not on record" in note for note in api.what_if("h200", hbm="hbm3").notes)
    assert api.estimate("llama-3.1-8b", api.what_if("h200", hbm="hbm4-12h")).basis.grade is Grade.ASSUMED
    for wrong, told in (
        ({"hbm": "hbm5"}, "did you mean 'hbm4'"),
        ({"hbm": "hbm4-12h", "height": 16}, "leave out --height"),
        ({"bandwidth": "5 GB"}, "bandwidth x1.5"),
        ({"capacity": "x0"}, "not above 0"),
    ):
        with pytest.raises(InputErrors, match=told):
            api.what_if("h200", **wrong)


def test_a_chip_without_stacks_gets_some_only_where_all_of_them_is_told():
    for asked in ({"stacks": 2}, {"hbm": "hbm3"}, {"hbm": "hbm3-8h"}):
        with pytest.raises(InputErrors, match="L40S 48GB has GDDR6"):
            variant(KNOWN, "l40s", **asked)
    made = variant(KNOWN, "l40s", hbm="hbm3-8h", stacks=2).chip
    assert (made.memory, made.stacks) == (32e9, 2)
