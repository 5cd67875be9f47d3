"""The catalogue's door: what is written is what is held, and every fault is told with its file, line and next step."""

import dataclasses
import re
import shutil
from pathlib import Path

import pytest
import yaml

from stackyard import files
from stackyard.catalog import audit, load
from stackyard.errors import InputErrors
from stackyard.hbm.audit import audit as memory_audit
from stackyard.source import Grade

KNOWN = load()
DATA = Path(files.__file__).parent / "catalog" / "data"


@pytest.fixture
def edited(tmp_path):
    """A copy of the data in which texts are replaced: edited([('hbm', '24', '25'), ...])."""

    def edit(changes):
        folder = tmp_path / "data"
        shutil.copytree(DATA, folder)
        for name, old, new in changes:
            path = folder / f"{name}.yaml"
            text, count = re.subn(old, new, path.read_text(encoding="utf-8"), count=1, flags=re.MULTILINE)
            assert count == 1, f"{old} is not in {name}"
            path.write_text(text, encoding="utf-8")
        return folder

    return edit


def test_round_trip_through_another_writer(tmp_path):
    for path in DATA.glob("*.yaml"):
        data = files.read_yaml(path).data
        (tmp_path / path.name).write_text(yaml.safe_dump(data, sort_keys=False, allow_unicode=True), encoding="utf-8")
    again = load(tmp_path)
    assert again.digest == KNOWN.digest
    assert dict(again.facts) == dict(KNOWN.facts)


def test_every_fact_has_an_si_value_or_is_declared_unknown():
    for fact in KNOWN.facts.values():
        if fact.value is None:
            assert fact.note, f"{fact.path} is unknown without saying why"
        else:
            assert all(number == number for number in (*fact.si_series, fact.si_low if fact.low is not None else 0.0))


def test_every_fact_says_where_it_stands_or_what_it_follows_from():
    for fact in KNOWN.facts.values():
        file, _, line = fact.place.partition(":")
        if line:
            assert (DATA / file).read_text(encoding="utf-8").splitlines()[int(line) - 1].strip()
        else:
            assert fact.path.startswith("models.")


# file, text, its replacement, what is told about it, and the next step
WRITTEN = [
    ("hbm", "die_capacity: {value: 8, ", "die_capcity: {value: 8, ", "unknown key", "did you mean 'die_capacity'?"),
    ("hbm", "pin_speed: {value: 3.2.*}", "pin_speed: 3.2", "is not a number with unit", "write it as {value: 8, unit"),
    ("hbm", "value: 6.4, low", "value: .nan, low", "is not a finite number", ""),
    ("hbm", "value: 9.2", 'value: "9.2"', "is not a finite number", ""),
    ("systems", "unit: kW,", "unit: kWh,", "is in 'kWh'", "expected a unit like 'W'"),
    (
        "systems",
        "value: 10.2, unit: kW,",
        "value: 10.2, unit: kiloWatz,",
        "'kiloWatz' is not a unit I know",
        "like 'W'",
    ),
    ("costs", r"src: \[bernstein\]", "src: [bernstien]", "no source 'bernstien'", "did you mean 'bernstein'?"),
    ("supply", "grade: reported", "grade: rumoured", "'rumoured' is none of the allowed values", "'measured'"),
    ("accelerators", "hbm: hbm3e", "hbm: hbm3f", "no entry 'hbm3f' in hbm", ""),
    ("accelerators", "hbm: hbm4\n  stack_height: 12", "hbm: hbm4\n  stack_height: 9", "has no 9-high stack", ""),
    ("accelerators", r"aliases: \[h200\]", "aliases: [h20]", "'h20' is the name of another entry already", ""),
    ("climates", r"value: \[1.9, ", "value: [", "is not twelve temperatures in degC", "January to December"),
    ("sites", "2027-11:", "2027-13:", "is not a month such as 2026-09", ""),
]
UNREADABLE = [
    ("hbm", "^hbm2e:", "hbm2:", "key given twice", "it stands on line 2 already"),
    ("grids", "^korea:", "korea: [", "not valid YAML", "check indentation"),
]


@pytest.mark.parametrize("faults", [WRITTEN, UNREADABLE], ids=["written", "unreadable"])
def test_every_fault_of_every_file_is_told_at_once_with_place_and_next_step(edited, faults):
    folder = edited([fault[:3] for fault in faults])
    if faults is UNREADABLE:
        (folder / "demand.yaml").unlink()
    with pytest.raises(InputErrors) as refused:
        load(folder)
    told = refused.value.faults
    assert len(told) == len(faults) + 1, "one mistake is told more than once"  # + 1: 'is missing', or demand.yaml
    for name, _, _, message, hint in faults:
        about = [fault for fault in told if message in fault.message and fault.file.endswith(f"{name}.yaml")]
        assert about, f"nothing about '{message}' in: {refused.value}"
        assert about[0].line > 0 and hint in about[0].hint


@pytest.mark.parametrize(
    "change",
    [
        ("hbm", "^hbm2:", "hbm0: 5\\nhbm2:"),
        ("hbm", r"heights: \{value: \[2, 4, 8\], unit: die", "heights: {value: 8, unit: zz"),
        ("supply", "^sources:", "sources: []\\nothers:"),
        ("supply", r"src: \[peregrin\]|src: \[tf-2024-die\]", "src: 5"),
        ("caveats", "^caveats:", "caveats: 3\\nothers:"),
        ("models", "attention: {.*}", "attention: [1, {}]"),
        ("makers", "2024-12: {.*}", "2024-12: null"),
        ("grids", r"\A(.|\n)*\Z", "- a list"),
    ],
)
def test_nonsense_anywhere_is_refused_not_a_crash(edited, change):
    with pytest.raises(InputErrors):
        load(edited([change]))


def test_a_caveat_must_be_about_facts_that_exist(edited):
    with pytest.raises(InputErrors, match=r"no such fact\n +did you mean 'supply.capacity.industry"):
        load(edited([("caveats", r"facts: \[supply.cap", "facts: [supply.kap")]))


# file, text, its replacement, the fact at fault and the check that must find it
SEEDED = [
    ("hbm", "value: 121, low: 110, high: 135", "value: 1210", "hbm.hbm3e.die_area", "range"),
    ("hbm", "value: 135, low: 121, high: 155", "value: 135, low: 155, high: 121", "hbm.hbm4.die_area", "ordered"),
    ("hbm", "value: 3.2, low: 3.2", "value: 6.4, low: 3.2", "hbm.hbm2e.bandwidth", "pins x speed"),
    ("costs", "value: 15.2", "value: 15200", "costs.construction.per-w-by-city-2025-26.tokyo", "range"),
    ("costs", "high: 210, unit: KRW/kWh", "high: 210, unit: KRW/kW", "costs.electricity.korea-for-planning", "unit"),
    ("supply", "unit: USD/GB,", "unit: USD/GigaBite,", "supply.prices.hbm3e-per-gb", "unit"),
    ("supply", r"src: \[asiatech-hbm\]", "src: []", "supply.prices.hbm3e-per-gb", "sourced"),
    ("accelerators", "value: 141,", "value: 188,", "accelerators.h200-sxm.memory", "stacks x capacity"),
    ("accelerators", "value: 192,", "value: 96,", "accelerators.mi300x.memory", "stacks x capacity"),
    ("accelerators", "value: 4800,", "value: 8400,", "accelerators.h200-sxm.bandwidth", "stacks x bandwidth"),
    ("accelerators", "value: 1200, unit: W", "value: 2200, unit: W", "accelerators.b200-gb200.tdp", "system power"),
]


def test_the_audit_finds_every_seeded_fault(edited):
    found = {(f.path, f.check) for f in audit(load(edited([s[:3] for s in SEEDED]))) if f.severity == "error"}
    assert {(path, check) for *_, path, check in SEEDED} <= found


def test_the_audit_finds_parameters_that_disagree():
    found = audit(KNOWN, lambda model: (1.04 * model.parameters_published, model.active_published))
    wrong = [f.path for f in found if (f.check, f.severity) == ("parameters", "error")]
    assert len(wrong) == sum(model.parameters_published > 0 for model in KNOWN.models.values())


@pytest.mark.parametrize("change", ["value", "low", "unit", "grade", "date", "note", "sources"])
def test_the_digest_changes_with_any_part_of_any_fact(change):
    other = {
        "value": 1.0,
        "low": 0.5,
        "unit": "MW",
        "grade": Grade.MEASURED,
        "date": "1999",
        "note": "x",
        "sources": (),
    }
    for path in ("hbm.hbm4.price", "costs.electricity.korea-for-planning", "climates.seoul.dry_bulb"):
        fact = dataclasses.replace(KNOWN.facts[path], **{change: other[change]})
        changed = dataclasses.replace(KNOWN, facts={**KNOWN.facts, path: fact})
        assert changed.digest != KNOWN.digest


def test_the_digest_changes_with_any_entry_text_source_or_caveat():
    model = KNOWN.model("deepseek-v3.2")
    source = next(iter(KNOWN.sources.values()))
    for changes in (
        {"models": {**KNOWN.models, model.id: dataclasses.replace(model, extra={})}},
        {"labels": {**KNOWN.labels, "hbm.hbm4.name": "HBM-4"}},
        {"sources": {**KNOWN.sources, source.id: dataclasses.replace(source, title="another")}},
        {"caveats": KNOWN.caveats[1:]},
        {"aliases": {**KNOWN.aliases, "models": {}}},
        {"events": dict(list(KNOWN.events.items())[:-1])},
    ):
        assert dataclasses.replace(KNOWN, **changes).digest != KNOWN.digest


def test_the_digest_ignores_comments_and_places(edited):
    assert load(edited([("hbm", "^hbm2:", "# a remark\n\nhbm2:")])).digest == KNOWN.digest


def test_nothing_can_be_changed():
    chip = KNOWN.accelerator("h200")
    with pytest.raises(dataclasses.FrozenInstanceError):
        chip.memory = 0.0
    for mapping in (KNOWN.facts, KNOWN.accelerators, chip.facts, chip.flops, KNOWN.model("gpt-oss-20b").extra):
        with pytest.raises(TypeError):
            mapping["other"] = None
    with pytest.raises(TypeError):
        KNOWN.model("deepseek-v3.2").extra["sparse_attention"]["indexer_heads"] = 1
    assert load() is KNOWN


@pytest.mark.parametrize(
    ("change", "severity", "told"),
    [
        (("hbm", "gross_dies: {value: 446", "gross_dies: {value: 480"), "error", "dies, not 480"),
        (("hbm", "die_area: {value: 135", "die_area: {value: 125"), "error", "125 mm^2 leave room for 485 dies"),
        (
            ("supply", "value: 6100, low: 5200, high: 7600", "value: 13000, low: 5200, high: 14000"),
            "error",
            "more than",
        ),
        (("supply", "value: 6100, low: 5200, high: 7600", "value: 4000, low: 3000, high: 5000"), "note", "50% to 60%"),
    ],
)
def test_the_audit_of_memory_finds_dies_and_shipments_that_do_not_agree(edited, change, severity, told):
    found = memory_audit(load(edited([change])))
    assert [finding.severity for finding in memory_audit(KNOWN)] == ["note"]
    assert any(finding.severity == severity and told in finding.message for finding in found), found
