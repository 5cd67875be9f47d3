"""The JSON Schema of a scenario: shipped as the types say, true of what reads, and quick to mark what does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from stackyard.catalog import load
from stackyard.files import read_yaml
from stackyard.plan import scenario as scenarios
from stackyard.plan import schema, starting

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(file for file in (ROOT / "examples").rglob("*.yaml") if "sweep" not in file.name)
CHECK = jsonschema_rs.validator_for(schema.schema())


def faults(data: Any) -> list[str]:
    plain = json.loads(json.dumps(data))
    return [f"{'.'.join(map(str, fault.instance_path))}: {fault.message}" for fault in CHECK.iter_errors(plain)]


def test_what_is_shipped_is_what_make_page_writes() -> None:
    assert schema.FILE.read_text(encoding="utf-8") == schema.text()


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.name)
def test_every_example_keeps_the_schema_and_names_it_for_editors(file: Path) -> None:
    assert faults(read_yaml(file).data) == []
    first = file.read_text(encoding="utf-8").splitlines()[0]
    named = first.removeprefix("# yaml-language-server: $schema=")
    assert (file.parent / named).resolve() == schema.FILE.resolve()


def test_every_form_of_a_number_on_the_page_keeps_it() -> None:
    plan = read_yaml(ROOT / "examples" / "first-plan.yaml").data
    page = (ROOT / "docs" / "scenario.md").read_text(encoding="utf-8")
    lines = [line.strip() for line in page.splitlines() if line.startswith("    ") and ": " in line]
    homes = {
        "power": plan["sites"]["frankfurt"]["phases"][0],
        "price": plan["supplies"]["memory"],
        "demand": plan["services"]["assistant"],
    }
    tried = 0
    for line in lines:
        key, _, written = line.partition(": ")
        if key in homes:
            homes[key][key] = yaml.load(written, yaml.BaseLoader)
            assert faults(plan) == [], line
            tried += 1
    assert tried >= 9


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda plan: plan["services"]["assistant"].update(modle="x"), "services.assistant"),
        (lambda plan: plan["services"]["assistant"].pop("demand"), "services.assistant"),
        (lambda plan: plan["services"]["assistant"].update(precision="fp9"), "services.assistant.precision"),
        (lambda plan: plan["horizon"].update(start="2026-13"), "horizon.start"),
        (lambda plan: plan["supplies"]["memory"].update(height=0), "supplies.memory.height"),
        (lambda plan: plan["sites"]["frankfurt"].update(electricity={"vlaue": "1 USD/kWh"}), "sites.frankfurt"),
    ],
)
def test_what_check_would_refuse_is_marked_where_it_stands(change: Any, where: str) -> None:
    plan = read_yaml(ROOT / "examples" / "first-plan.yaml").data
    change(plan)
    (fault,) = faults(plan)
    assert fault.startswith(where)


def test_a_first_scenario_reads_and_keeps_it_for_every_accelerator_with_memory_and_arithmetic(tmp_path: Path) -> None:
    known, question = load(), starting.QUESTIONS[2]
    usual = {each.key: each.usual for each in starting.QUESTIONS}
    chips = [id_ for id_ in known.accelerators if not starting.refusal(known, question, id_)]
    assert question.key == "chip" and len(chips) > 30
    file = tmp_path / "plan.yaml"
    for chip in chips:
        file.write_text(starting.starting(known, usual | {"chip": chip}, "2027-01"), encoding="utf-8")
        assert scenarios.load(file, known).inputs.accelerators["accelerator"].chip == chip
        assert faults(read_yaml(file).data) == []
