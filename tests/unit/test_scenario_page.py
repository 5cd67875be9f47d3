"""docs/scenario.md is what the types say, its examples are read as it says, and every key has its meaning."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from openpyxl import Workbook

from stackyard import catalog
from stackyard.plan import amounts, commitments, doubt, inputs, overlay, powering, supplying
from stackyard.plan import scenario as scenarios
from stackyard.quantity import KWH, MONTH
from stackyard.source import Grade

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "scenario.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def writer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("scenario_page", ROOT / "design" / "scenario_page.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_make_page_writes(writer: ModuleType) -> None:
    assert writer.page() == PAGE


def test_every_part_of_a_scenario_is_on_the_page_and_every_key_has_its_meaning(writer: ModuleType) -> None:
    parts = {part for _, part in writer.PARTS}
    modules = (inputs, commitments, doubt, supplying, powering)
    named = [kind for module in modules for kind in vars(module).values()]
    doors = {kind for kind in named if isinstance(kind, type) and issubclass(kind, amounts.Door)}
    assert doors - {amounts.Door, amounts.Series} == parts
    for part in parts - {inputs.Horizon}:
        for key, field in part.model_fields.items():
            assert field.description, f"{part.__name__}.{key} has no meaning"


def test_the_sections_that_hold_ids_exist() -> None:
    named = set(re.findall(r"id of `stackyard facts (\w+)`", PAGE))
    assert named == {"models", "makers", "hbm", "accelerators", "systems", "climates", "grids"}
    assert named <= {path.split(".")[0] for path in catalog.load().facts}


def test_the_forms_of_a_number_are_read(tmp_path: Path) -> None:
    """Every form on the page, put in the place of the first plan's own number."""
    (numbers,) = re.findall(r"## Numbers\n(.*?)\n## Units", PAGE, re.DOTALL)
    lines = [line.strip() for line in re.findall(r"^    (\w+: .*)$", numbers, re.MULTILINE)]
    assert len(lines) == 10
    text = (ROOT / "examples" / "first-plan.yaml").read_text(encoding="utf-8")
    plan = yaml.safe_load(text)
    (supply,), (service,), (site,) = (plan[key].values() for key in ("supplies", "services", "sites"))
    (packaging,) = plan["packaging"].values()
    homes = {"power": site["phases"][1], "price": supply, "demand": service, "starts": packaging}
    months = [f"{year}-{month:02d}" for year in (2026, 2027) for month in range(1, 13)]
    (tmp_path / "demand.csv").write_text("month,chat\n" + "".join(f"{month},1e9\n" for month in months))
    book = Workbook()
    book.active.title = "Demand"
    for row in (("month", "chat"), *((month, 1e9) for month in months)):
        book.active.append(row)
    book.save(tmp_path / "demand.xlsx")
    for line in lines:
        ((key, written),) = yaml.load(line, yaml.BaseLoader).items()
        kept = dict(homes[key])
        homes[key]["wafers" if key == "starts" else key] = written
        file = tmp_path / "scenario.yaml"
        file.write_text(yaml.safe_dump(plan))
        assert scenarios.load(file, catalog.load()).inputs.name == "A first plan"
        homes[key].update(kept)


def test_the_example_of_a_table_is_read_as_the_page_says(tmp_path: Path) -> None:
    (table,) = re.findall(r"```csv\n(.*?)```", PAGE, re.DOTALL)
    used, changes = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert yaml.safe_load(changes).keys() <= set(overlay.KEYS)
    (tmp_path / "tables.csv").write_text(table)
    text = (
        (ROOT / "examples" / "first-plan.yaml")
        .read_text(encoding="utf-8")
        .replace("      - {month: 2027-01, power: 8 MW}\n", "")
    )
    for line in used.splitlines():
        key = line.partition(":")[0]
        if key in ("horizon", "deliveries", "electricity"):
            text, count = re.subn(rf"^( *){key}: .*$", rf"\g<1>{line}", text, count=1, flags=re.MULTILINE)
            assert count == 1
    file = tmp_path / "scenario.yaml"
    file.write_text(text)
    read = scenarios.load(file, catalog.load())
    deliveries = read.inputs.supplies["memory"].deliveries
    assert deliveries is not None
    assert (deliveries.by_month(read.months) * MONTH)[[0, -1]] == pytest.approx([0.9 * 1500, 0.9 * 2200])
    tariff = read.inputs.sites["frankfurt"].electricity
    assert tariff.by_month(read.months)[0] * KWH == pytest.approx(0.118)
    assert tariff.table is not None
    assert tariff.table.grade is Grade.REPORTED
