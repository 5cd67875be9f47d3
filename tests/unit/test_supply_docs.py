"""The pages on supply and sites: their Python runs as printed, commands and functions exist, tables hold."""

import importlib
import re
from pathlib import Path

import pytest
import yaml

from stackyard import api
from stackyard.catalog import load

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ("supply.md", "sites.md")


def test_the_functions_of_the_pages_exist() -> None:
    named = {
        "hbm.geometry": ("gross_dies", "known_good"),
        "hbm.stack": ("stack_yield", "stacks_from"),
        "hbm.lead": ("LeadTime", "arrivals"),
        "hbm.ramp": ("slip", "ramp"),
        "hbm.supply": ("flow", "balance", "holding_cost"),
        "hbm.learning": ("learned_defects",),
        "site.weather": ("hours_from_means",),
        "site.epw": ("read_epw",),
        "site.cooling": ("free_share", "chiller_work", "tower_water", "pad_water"),
        "site.losses": ("Curve", "line"),
        "site.sources": ("market_carbon",),
    }
    text = "".join((DOCS / page).read_text(encoding="utf-8") for page in PAGES)
    for module, names in named.items():
        found = importlib.import_module(f"stackyard.{module}")
        for name in names:
            assert hasattr(found, name) and f"`{name}" in text, name


def test_the_table_of_published_pue_is_true() -> None:
    rows = {
        "Google fleet": ("google-fleet", "air", "tower", 0.75),
        "Meta fleet": ("meta-fleet", "outside-air", "dry", 0.75),
        "AWS 2024": ("aws-2024", "air", "dry", 0.75),
        "Microsoft FY25": ("microsoft-fy25", "air", "dry", 0.75),
        "liquid-cooled AI halls": ("liquid-cooled-ai", "liquid", "dry", 0.75),
    }
    text = (DOCS / "sites.md").read_text(encoding="utf-8")
    for name, (fact, cooling, rejection, at) in rows.items():
        (line,) = (line for line in text.splitlines() if line.startswith(f"| {name} "))
        published, ours = (float(re.findall(r"\d\.\d+", cell)[0]) for cell in line.split("|")[2:4])
        assert published == pytest.approx(load().fact(f"facility.pue.{fact}").si)
        both = [
            api.site(place, cooling=cooling, rejection=rejection, load=f"{at:.0%}").year.mean("pue")
            for place in ("frankfurt", "abilene")
        ]
        assert ours == pytest.approx(sum(both) / 2, abs=0.006)


@pytest.mark.parametrize(("page", "section"), [("supply.md", "supplies"), ("sites.md", "sites")])
def test_what_the_page_writes_under_a_plan_is_read_and_built(page: str, section: str, tmp_path: Path) -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)
    plan = yaml.safe_load((DOCS.parent / "examples" / "first-plan.yaml").read_text(encoding="utf-8"))
    (entry,) = plan[section].values()
    entry.update(yaml.safe_load(block))
    if "wafers" in entry:
        del entry["deliveries"]
    file = tmp_path / "plan.yaml"
    file.write_text(yaml.safe_dump(plan, sort_keys=False), encoding="utf-8")
    data = api.problem(file).problem.data
    assert float(data["stacks_delivered"].sum()) > 0
    assert data.sizes["source"] == (3 if section == "sites" else 0)
