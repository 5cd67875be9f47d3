"""The verbs `supply` and `site` as a user meets them: what they print, what they refuse and with which next step."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stackyard.cli import app
from stackyard.errors import InputErrors

RUN = CliRunner()


def said(*words: str) -> str:
    result = RUN.invoke(app, list(words), env={"COLUMNS": "200"})
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


def test_supply_follows_wafers_to_tokens() -> None:
    told = said("supply", "hbm4-12h", "--wafers", "900 kwafer/month", "--chip", "rubin-vr200", "--model", "deepseek-v3")
    for part in (
        "900 kwafers started each month",
        "of a year",
        "good stacks",
        "packaging wafers",
        "site power",
        "tokens a day",
    ):
        assert part in told
    assert "80% interval" in told and "weakest grade assumed" in told
    assert "Advanced packaging of all customers" in told


def test_supply_tells_every_source_when_asked() -> None:
    told = said("supply", "hbm3e", "--maker", "samsung", "--wafers", "10000", "--sources")
    assert "HBM3E 12-high, samsung" in told
    for path in ("chain.defects.samsung", "hbm.hbm3e.die_area", "supply.yields.per-layer-bond-yield"):
        assert path in told


def test_supply_as_json_has_units_intervals_and_facts() -> None:
    found = json.loads(said("supply", "hbm4-12h", "--maker", "sk-hynix", "--wafers", "10000", "--json"))
    stacks = next(step for step in found["steps"] if step["name"] == "good stacks")
    assert stacks["unit"] == "stack" and stacks["low"] < stacks["value"] < stacks["high"]
    assert found["monthly"] is False and found["grade"] == "assumed"
    more = json.loads(said("supply", "hbm4-12h", "--maker", "sk-hynix", "--wafers", "10000", "--made", "4", "--json"))
    assert next(s for s in more["steps"] if s["name"] == "good stacks")["value"] > stacks["value"]


def test_supply_stands_beside_the_record() -> None:
    told = said("supply", "--check")
    assert told.count("agrees") >= 2 and told.count("fitted to it") == 2 and told.count("does not agree") == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("hbm9",), "not a known hbm"),
        (("hbm4-10h",), "does not come with 10 dies"),
        (("hbm4-12h", "--height", "16"), "16 is not the height of 'hbm4-12h'"),
        (("hbm4-12h", "--wafers", "many"), "'many' is not a number"),
        (("hbm4-12h", "--wafers", "10 GW"), "is not a number of wafers"),
        (("hbm4-12h", "--wafers", "0"), "above 0"),
        (("hbm4-12h", "--maker", "intel"), "known maker"),
        (("hbm4-12h", "--chip", "h200"), "does not take 12-high HBM4"),
        (("hbm4-12h", "--model", "deepseek-v3"), "name one"),
        (("hbm4-12h", "--made", "0.5"), "below 1"),
        (("hbm2e",), "no die area"),
    ],
)
def test_supply_refuses_with_the_next_step(words: tuple[str, ...], told: str) -> None:
    with pytest.raises(InputErrors, match=told) as caught:
        said("supply", *words)
    assert all(fault.hint for fault in caught.value.faults)


def test_site_tells_the_months() -> None:
    told = said("site", "ulsan", "--cooling", "air", "--rejection", "tower")
    for part in ("chilled water to air handlers, cooling towers", "Aug", "year", "litre/kWh", "weakest grade"):
        assert part in told
    assert "plant.tower.approach" in said(
        "site", "frankfurt", "--cooling", "hybrid", "--rejection", "tower", "--sources"
    )


def test_site_as_json_has_months_and_the_planners_line() -> None:
    found = json.loads(said("site", "abilene", "--load", "100%", "--json"))
    assert len(found["months"]) == 12 and 1.05 < found["year"]["pue"] < 1.15
    line = found["line"]
    assert line["fixed"] + line["proportional"] == pytest.approx(found["year"]["pue"], abs=1e-6)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "names neither a site nor a weather file"),
        (("ulsn",), "no site and no climate 'ulsn'"),
        (("seoul",), "no wet bulbs"),
        (("ulsan", "--cooling", "ice"), "no kind 'ice'"),
        (("ulsan", "--rejection", "river"), "no kind 'river'"),
        (("ulsan", "--load", "150%"), "not above 0 and at most 100%"),
        (("ulsan", "--load", "much"), "'much' is not a number"),
        (("--epw", "nowhere.epw"), "No such file"),
    ],
)
def test_site_refuses_with_the_next_step(words: tuple[str, ...], told: str) -> None:
    with pytest.raises(InputErrors, match=told) as caught:
        said("site", *words)
    assert all(fault.hint for fault in caught.value.faults)


def test_site_reads_a_weather_file(tmp_path: Path, weather: Callable[[Path, str], None]) -> None:
    file = tmp_path / "here.epw"
    weather(file, "10.0,5.0")
    told = said("site", "--epw", str(file), "--cooling", "air")
    assert "Here, DEU" in told and "here.epw" in told and "8,760" in told
