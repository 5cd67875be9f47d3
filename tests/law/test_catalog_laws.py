"""What must hold of every entry: units do not matter, derived figures follow, grades say what is ours."""

import math
import re
import shutil
from pathlib import Path

import pytest

from stackyard import files, quantity
from stackyard.catalog import audit, load
from stackyard.perf import counting
from stackyard.source import Grade

KNOWN = load()
DATA = Path(files.__file__).parent / "catalog" / "data"


def test_the_shipped_catalogue_has_no_errors():
    found = audit(KNOWN, lambda model: (counting.parameters(model), counting.active_parameters(model)))
    assert [finding for finding in found if finding.severity == "error"] == []
    kinds = {finding.check for finding in found}
    assert {"contradiction", "placeholder", "dominating"} <= kinds


# file, a number as written, and the same number in another unit
REWRITTEN = [
    ("accelerators", "memory: {value: 141, unit: GB", "memory: {value: 0.141, unit: TB"),
    ("accelerators", "bandwidth: {value: 4800, unit: GB/s", "bandwidth: {value: 38.4, unit: Tb/s"),
    ("accelerators", "tdp: {value: 400, unit: W", "tdp: {value: 0.4, unit: kW"),
    ("grids", "value: 0.4173, unit: tCO2e/MWh", "value: 417.3, unit: gCO2e/kWh"),
    ("makers", "value: 120000, unit: wafer/month", "value: 1440000, unit: wafer/year"),
    ("hbm", "value: 3.9, low: 3.5, high: 5.0, unit: pJ/bit", "value: 31.2, low: 28, high: 40, unit: pJ/byte"),
    ("sites", "value: 41, unit: MW", "value: 0.041, unit: GW"),
]


def test_writing_numbers_in_other_units_changes_no_entry(tmp_path):
    folder = tmp_path / "data"
    shutil.copytree(DATA, folder)
    for file, old, new in REWRITTEN:
        path = folder / f"{file}.yaml"
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
    for (_, before), (_, after) in zip(KNOWN.axes(), load(folder).axes(), strict=True):
        assert [_rounded(entry) for entry in before.values()] == [_rounded(entry) for entry in after.values()]


def _rounded(entry):
    return re.sub(r"\d+\.\d+(e[-+]\d+)?", lambda number: f"{float(number.group()):.10g}", repr(entry))


def test_attributes_are_the_facts_behind_them():
    for _, entries in KNOWN.axes():
        for entry in entries.values():
            for name, fact in entry.facts.items():
                attribute = getattr(entry, name, None)
                if isinstance(attribute, float) and not isinstance(fact.value, tuple):
                    assert attribute == pytest.approx(fact.si * _per_month(fact), nan_ok=True), fact.path


def _per_month(fact):
    return quantity.MONTH if fact.dimension == quantity.dimension("wafer/s") else 1.0


def test_scale_up_is_half_of_the_printed_sum_and_idle_is_below_tdp():
    for chip in KNOWN.accelerators.values():
        printed = chip.facts.get("scale_up_both_directions")
        assert math.isnan(chip.scale_up) if printed is None else chip.scale_up == printed.si / 2
        assert 0 < chip.idle < chip.tdp
        assert chip.facts["idle"].grade >= (Grade.PUBLISHED if chip.id == "b200-gb200" else Grade.ESTIMATED)


def test_a_stack_of_every_height_has_a_capacity_and_taller_holds_more():
    for generation in KNOWN.hbm.values():
        sizes = [generation.capacity[height] for height in generation.heights]
        assert sizes == sorted(set(sizes)) and math.isfinite(sum(sizes))


def test_what_is_our_judgement_is_graded_assumed():
    ours = re.compile(r"for-planning|planning-|central")
    for fact in KNOWN.facts.values():
        if ours.search(fact.path) or "placeholder" in fact.note or "ASSUMED" in fact.note:
            assert fact.grade is Grade.ASSUMED, fact.path
        if fact.grade is not Grade.ASSUMED:
            assert fact.sources, fact.path
    for caveat in KNOWN.caveats:
        if caveat.kind == "placeholder":
            assert max(KNOWN.facts[path].grade for path in caveat.facts) >= Grade.PUBLISHED


def test_an_unknown_number_is_never_zero():
    assert math.isnan(KNOWN.generation("hbm3").energy) and KNOWN.fact("hbm.hbm3.energy").value is None
    assert math.isnan(KNOWN.generation("hbm2e").die_area)
    assert not KNOWN.accelerator("openai-jalapeno").flops
    assert math.isnan(KNOWN.model("kimi-k3").parameters_published)
    assert KNOWN.climate("seoul").wet_bulb == () and KNOWN.site("stargate-korea").phases == ()
