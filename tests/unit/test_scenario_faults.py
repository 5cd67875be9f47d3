"""Bad scenarios are refused once, with every problem, its file, line, key and next step."""

from __future__ import annotations

from pathlib import Path

import pytest

from stackyard import catalog
from stackyard.errors import Fault, InputErrors
from stackyard.plan import scenario as scenarios

FIRST_PLAN = Path(__file__).parents[2] / "examples" / "first-plan.yaml"


def faults(tmp_path: Path, *changes: tuple[str, str], append: str = "") -> list[Fault]:
    text = FIRST_PLAN.read_text()
    for old, new in changes:
        assert old in text, f"the example no longer has: {old}"
        text = text.replace(old, new, 1)
    file = tmp_path / "scenario.yaml"
    file.write_text(text + append)
    with pytest.raises(InputErrors) as caught:
        scenarios.load(file, catalog.load())
    found = list(caught.value.faults)
    assert all(fault.file for fault in found)
    return found


def line_of(text: str) -> int:
    return next(i for i, line in enumerate(FIRST_PLAN.read_text().splitlines(), 1) if text in line)


@pytest.mark.parametrize(
    ("old", "new", "message", "hint"),
    [
        ("tpot: 50 ms", "tpot: 50 GB", "'50 GB' has 'GB'", "1 s"),
        ("tpot: 50 ms", "tpot: fast", "is not a number", "1 s"),
        ("tpot: 50 ms", "tpot: -50 ms", "negative", "zero or more"),
        ("tpot: 50 ms", "tpot: .nan", "not a finite number", ""),
        ("tpot: 50 ms", "tpot: inf s", "not a finite number", ""),
        ("tpot: 50 ms", "tpott: 50 ms", "unknown key", "'tpot'"),
        ("model: llama-3.1-70b", "model: lama-3.1-70b", "has no model", "'llama-3.1-70b'"),
        ("chip: h200", "chip: h20o", "has no accelerator", ""),
        ("precision: fp8", "precision: fp9", "'fp9' is none of the allowed", "'bf16', 'fp8' or 'fp4'"),
        ("peak_to_mean: 1.6", "peak_to_mean: 0.6", "below 1", ""),
        ("packaging: cowos\n", "packaging: cowoss\n", "no packaging line 'cowoss'", "'cowos'"),
        ("month: 2027-01", "month: 2031-01", "2031-01 is after the horizon", "2026-01 to 2027-12"),
        ("month: 2027-01", "month: 2027-13", "not a month", "2026-09"),
        ("end: 2027-12", "end: 2025-12", "before it starts", ""),
        ("value: 200 Gtoken/day", "value: 0 token/day", "zero in every month", ""),
        ("electricity: 120 USD/MWh", "electricity: 120000 KRW/MWh", "no exchange rate", "krw_per_usd"),
        ("value: 200 Gtoken/day", "value: 1e-9 token/day", "below one token a day", "200 Gtoken/day"),
        ("unserved_price: 1 USD/Mtoken", "unserved_price: 1e12 USD/Mtoken", "1e+06 USD for each", "1000 USD/Mtoken"),
        ("power: 8 MW", "power: 2 MW", "power falls", "cumulative"),
        ("{fact: hbm.hbm3e.price}", "{fact: hbm.prices.hbm3e.pric}", "no fact", "hbm.hbm3e.price"),
        ("height: 8", "height: 0", "'0' is below 1", "1 or more"),
        ("height: 8", "height: 7", "does not come with 7 dies", "8, 12, 16"),
        ("height: 8", "height: 8-high", "'8-high' is not a whole number", "digits"),
        ("lead_months: 3", "lead_months: 99", "'99' is above 36", "36 or less"),
        ("lead_months: 3", "lead_months: 2.5", "'2.5' is not a whole number", "round"),
        ("lead_months: 3", "lead_months:", "has no value", "after the colon"),
        ("    lead_months: 3\n", "", "is missing", "Months from the start"),
        ("horizon: {start: 2026-01, end: 2027-12}", "horizon: 2026", "not a group of keys", "start, end"),
        ("    wafers: 50 wafer/month\n", "    wafers:\n", "has no value", "after the colon"),
        ("packaging:\n  cowos:\n", "packaging: []\nother:\n  cowos:\n", "not a group of keys", "name, wafers"),
        ("    climate: frankfurt", "    climate: [frankfurt]", "is not text", "quotes"),
        ("    climate: frankfurt", "    climate: frankfurt\n    fleet: 5", "is not a list", "'- '"),
        ("power: 3 MW", "power: 3,000 kW", "'000 kW' stands after a comma", "3000 kW"),
        ("power: 3 MW", "power: '1,5 MW'", "can be read in two ways", ""),
        ("power: 3 MW", "power: 3 mw", "'mw' is not a unit", "'3 MW'"),
        ("electricity: 120 USD/MWh", "electricity: 120 EUR/MWh", "not in a currency", "KRW with money.krw_per_usd"),
        ("electricity: 120 USD/MWh", "electricity: 120 €/MWh", "not in a currency", "USD"),
        ("electricity: 120 USD/MWh", "electricity: $120/MWh", "currency sign", "120 USD/MWh"),
        ("electricity: 120 USD/MWh", "electricity: {fact: costs.electricity.korea}", "no fact", "korea-for-planning"),
        ("chip: h200", "chip: gbx300", "has no accelerator", "'gb300'?"),
        ("growth: 4}", "growth: 400%}", "two ways", "1.5"),
        ("    tpot: 50 ms", "    tpot: {value: 50 ms, grade: gold}", "'gold' is not a grade", "known: assumed"),
        ("horizon: {start", "money: {discount_rate: 8}\nhorizon: {start", "is 800% a year", "8%"),
        ("growth: 4", "growth: 1e300", "grows beyond all numbers", "factor per year"),
        ("lead_months: 3", "lead_months: 3\n    working: 150%", "at most 1", "95%"),
        ("lead_months: 3", "lead_months: 3\n    working: 0%", "is not above 0", "95%"),
        ("power: 3 MW", "power: 3-5 MW", "is not a unit", "low: 3 MW"),
        ("200 Gtoken/day", "200 billion token/day", "is not a unit", "Gtoken/day"),
        ("sites:\n  frankfurt:", "sites:\n  h200:", "'h200' is a name under accelerators already", "its own name"),
        ("\n  assistant:", "\n\tassistant:", "not valid YAML", "spaces, not with tabs"),
        ("lead_months: 3", "lead_months: 3\n    flops: {fp8: 0 PFLOPS/package}", "must be above 0", "10 PFLOPS"),
        ("system: dgx-h200", "system: trn3-ultraserver-gen2", "is not on record", "system_power"),
        ("system: dgx-h200", "system: gb300-nvl72", "holds b300-gb300, not h200-sxm", "its own is dgx-h200"),
        ("rack_limit: 40 kW/rack", "rack_limit: 40 W/rack", "no system could stand here", "140 kW"),
        ("system: dgx-h200", "system_size: 0.4 package/rack\n    system_power: 9 kW/rack", "not a size", "8 package"),
        ("system: dgx-h200", "system_size: 8 package/rack\n    system_power: 0 W/rack", "not a size", "10 kW"),
        ("cooling: air", "cooling: air\n    share: 150%", "is above 1", "50%"),
        ("cooling: air", "cooling: air\n    fitout_life: 0 year", "must be above 0", "20 year"),
    ],
)
def test_each_kind_of_mistake_is_told_with_its_line_and_the_next_step(
    tmp_path: Path, old: str, new: str, message: str, hint: str
) -> None:
    found = faults(tmp_path, (old, new))
    told = [fault for fault in found if message in str(fault)]
    assert told, [str(fault) for fault in found]
    assert any(hint in fault.hint for fault in told)


def test_all_problems_come_at_once_with_their_lines(tmp_path: Path) -> None:
    found = faults(
        tmp_path, ("tpot: 50 ms", "tpot: 50 GB"), ("life: 5 year", "life: 5 kg"), ("cooling: air", "cooling: ice")
    )
    assert {(fault.line, fault.key) for fault in found} == {
        (line_of("tpot: 50 ms"), "services.assistant.tpot"),
        (line_of("life: 5 year"), "accelerators.h200.life"),
        (line_of("cooling: air"), "sites.frankfurt.cooling"),
    }


def test_duplicate_keys_and_syntax_errors_have_lines(tmp_path: Path) -> None:
    twice = faults(tmp_path, ("    fitout: 11.6 USD/W", "    fitout: 11.6 USD/W\n    fitout: 12 USD/W"))
    assert [fault.message for fault in twice] == ["key given twice"]
    assert twice[0].line == line_of("fitout: 11.6 USD/W") + 1
    broken = faults(tmp_path, ("    cooling: air", "   cooling: air"))
    assert "not valid YAML" in broken[0].message
    assert broken[0].line


def test_a_missing_empty_or_foreign_file_is_told(tmp_path: Path) -> None:
    for text, message in ((None, "No such file"), ("", "is empty"), ("- 1\n", "not a group of keys")):
        file = tmp_path / "other.yaml"
        if text is not None:
            file.write_text(text)
        with pytest.raises(InputErrors, match=message):
            scenarios.load(file, catalog.load())


TABLE = (
    "deliveries: {points: {2026-01: 1500 stack/month, 2027-12: 4000 stack/month}}",
    "deliveries: {csv: d.csv, column: n}",
)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("month,m\n2026-01,1\n", "column is missing"),
        ("month,n\n", "has no rows"),
        ("month,n\n2026-01,1,2\n", "has 3 cells"),
        ("month,n\n2026-01,many\n", "'many' is not a number"),
        ("month,n\nJan 26,5\n", "'Jan 26' is not a month"),
        ("month;n\n2026-01;1\n", "separated by ';'"),
        ("month\tn\n2026-01\t1\n", "separated by tabs"),
        ("month,n\n2026-01,-4\n", "zero or more"),
        ("month,n\n2026-01,1\n2026-01,2\n", "twice"),
        ("month,n\n2031-01,1\n", "outside the horizon"),
        ("month,n\n2026-01,1\n2027-06,1\n", "no row for 2026-02 to 2027-05, 2027-07 to 2027-12"),
    ],
)
def test_tables_are_held_to_the_same_standard(tmp_path: Path, rows: str | None, message: str) -> None:
    if rows is not None:
        (tmp_path / "d.csv").write_text(rows)
    found = faults(tmp_path, TABLE)
    assert any(message in str(fault) and fault.file == "d.csv" for fault in found), [str(fault) for fault in found]


def test_a_table_that_is_not_there_is_told_where_the_scenario_names_it(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for name in ("nowhere.csv", "folder"):
        (fault,) = faults(tmp_path, (TABLE[0], f"deliveries: {{csv: {name}, column: n}}"))
        assert (fault.key, fault.message) == ("supplies.memory.deliveries", f"there is no file '{name}'")
        assert fault.line == line_of("deliveries: ")


def test_all_faults_of_a_table_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("month,n\n2026-01\n2026-02,x\n2026-03,-1\n2026-03,1\n2031-01,1\n")
    assert [fault.line for fault in faults(tmp_path, TABLE)] == [0, 2, 3, 4, 5, 6]


def test_a_table_that_is_wrong_throughout_is_told_briefly(tmp_path: Path) -> None:
    months = [f"{m % 12 + 1:02d}.{2026 + m // 12}" for m in range(24)]
    (tmp_path / "d.csv").write_text("month,n\n" + "".join(f"{month},1\n" for month in months))
    found = faults(tmp_path, TABLE)
    assert len(found) == 6
    assert "19 more rows have faults" in found[0].message
    (tmp_path / "d.csv").write_text("month,n\n2026-01,1\n")
    (gap,) = faults(tmp_path, TABLE)
    assert gap.message == "no row for 2026-02 to 2027-12"


def test_two_mistakes_in_one_line_of_units_do_not_hide_each_other(tmp_path: Path) -> None:
    found = faults(tmp_path, ("power: 3 MW", "power: 3 mw"), ("power: 8 MW", "power: 8 EUR"))
    assert [fault.key for fault in found] == ["sites.frankfurt.phases[0].power", "sites.frankfurt.phases[1].power"]


def test_no_word_of_the_library_that_reads_reaches_the_planner(tmp_path: Path) -> None:
    found = faults(
        tmp_path,
        ("phases:\n      - {month: 2026-03, power: 3 MW}\n      - {month: 2027-01, power: 8 MW}", "phases: []"),
        ("horizon: {start: 2026-01, end: 2027-12}", "horizon: [2026-01]"),
        ("lead_months: 3", "lead_months: soon"),
        ("name: Assistant", "name: {a: b}"),
        append="money: 3\nabsent: nothing\n",
    )
    assert len(found) == 6
    for fault in found:
        assert fault.hint, str(fault)
        for word in ("Input", "Tuple", "Dictionary", "instance", "valid ", "validation"):
            assert word not in str(fault)


def test_a_good_table_reads_as_its_rows_say(tmp_path: Path) -> None:
    months = [f"{2026 + m // 12}-{m % 12 + 1:02d}" for m in range(24)]
    (tmp_path / "d.csv").write_text("month,n\n" + "".join(f"{month},{1000 + i}\n" for i, month in enumerate(months)))
    file = tmp_path / "scenario.yaml"
    file.write_text(FIRST_PLAN.read_text().replace(*TABLE))
    read = scenarios.load(file, catalog.load())
    from stackyard.quantity import MONTH

    series = read.inputs.supplies["memory"].deliveries
    assert series is not None
    assert (series.by_month(read.months) * MONTH).round(6).tolist() == [1000.0 + i for i in range(24)]


def test_a_table_in_won_becomes_dollars(tmp_path: Path) -> None:
    months = [f"{2026 + m // 12}-{m % 12 + 1:02d}" for m in range(24)]
    (tmp_path / "p.csv").write_text("month,price\n" + "".join(f"{month},430000\n" for month in months))
    file = tmp_path / "scenario.yaml"
    won = "price: {csv: p.csv, column: price, unit: KRW/stack}"
    text = FIRST_PLAN.read_text().replace("price: {fact: hbm.hbm3e.price}", won, 1)
    file.write_text(text + "money: {krw_per_usd: 1433 KRW/USD}\n")
    read = scenarios.load(file, catalog.load())
    price = read.inputs.supplies["memory"].price.by_month(read.months, 1433.0)
    assert price == pytest.approx(430000 / 1433)


def test_a_scenario_round_trips_and_its_digest_follows_every_change(tmp_path: Path) -> None:
    import yaml

    first = scenarios.load(FIRST_PLAN, catalog.load())
    again = tmp_path / "again.yaml"
    again.write_text(yaml.safe_dump(first.located.data))
    assert scenarios.load(again, catalog.load()).digest == first.digest
    changed = tmp_path / "changed.yaml"
    changed.write_text(FIRST_PLAN.read_text().replace("growth: 4", "growth: 3"))
    assert scenarios.load(changed, catalog.load()).digest != first.digest


def test_unmarked_numbers_count_as_assumed_and_graded_ones_need_a_source(tmp_path: Path) -> None:
    from stackyard.source import Grade

    read = scenarios.load(FIRST_PLAN, catalog.load())
    grades = {key: fact.grade for key, fact in scenarios.facts_of(read.inputs)}
    assert grades["services.assistant.tpot"] is Grade.ASSUMED
    assert grades["accelerators.h200.hbm_in_price"] is not Grade.ASSUMED
    found = faults(tmp_path, ("tpot: 50 ms", "tpot: {value: 50 ms, grade: published}"))
    assert "names no source" in found[0].message


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("die_yield: 70%", "die_yield: 150%", "at most 1"),
        ("die_yield: 70%", "die_yield: 0%", "above 0"),
        ("bond_yield: 99%", "bond_yield: 0%", "above 0"),
        ("test_yield: 95%", "test_yield: 101%", "at most 1"),
        ("die_area: 121 mm^2", "die_area: 0 mm^2", "no room for a die"),
        ("die_area: 121 mm^2", "die_area: 1 m^2", "no room for a die"),
        ("die_area: 121 mm^2", "wafer_diameter: 0 mm", "no room for a die"),
        ("die_area: 121 mm^2", "edge_exclusion: 200 mm", "no room for a die"),
    ],
)
def test_a_wafer_line_that_cannot_be_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    wafers = """wafers: {starts: 100 wafer/month, die_area: 121 mm^2, die_yield: 70%, bond_yield: 99%, test_yield: 95%,
      wafer_to_die: 4, die_to_stack: 1, stack_to_shipment: 1}
"""
    assert old in wafers
    deliveries = next(line for line in FIRST_PLAN.read_text().splitlines() if "deliveries:" in line).strip()
    found = faults(tmp_path, (deliveries, wafers.replace(old, new)))
    assert any(message in fault.message and "supplies.memory.wafers" in fault.key for fault in found), found


def test_what_contradicts_itself_is_told_together_with_what_cannot_be_read(tmp_path: Path) -> None:
    """An entry with a fault is left out, and the rest is held against itself all the same."""
    more = """
campaigns:
  wrong: {name: Wrong, flop: many, precision: fp8, efficiency: 35%, start: 2026-02, deadline: 2026-06,
          late_price: 1 USD/month}
  nowhere: {name: Nowhere, flop: 1e25 FLOP, precision: fp8, efficiency: 35%, start: 2026-02, deadline: 2026-06,
            sites: [berlin], late_price: 1 USD/month}
uncertainty:
  inputs:
    shape: {of: [services.assistant.usable], shape: bell}
    range: {of: [services.assistant.ttft]}
"""
    found = faults(tmp_path, ("peak_to_mean: 1.6", "peak_to_mean: 0.6"), append=more)
    keys = {fault.key for fault in found}
    assert {
        "campaigns.wrong.flop",
        "campaigns.nowhere.sites[0]",
        "services.assistant.peak_to_mean",
        "uncertainty.inputs.shape.shape",
        "uncertainty.inputs.range",
    } <= keys


def test_a_fault_of_a_base_with_changes_is_told_of_the_file_it_stands_in(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(FIRST_PLAN.read_text().replace("peak_to_mean: 1.6", "peak_to_mean: 0.6"))
    over = tmp_path / "over.yaml"
    over.write_text("base: base.yaml\nchanges:\n  services.assistant.usable: 200%\n")
    with pytest.raises(InputErrors) as caught:
        scenarios.load(over, catalog.load())
    told = {fault.key: (Path(fault.file).name, fault.line) for fault in caught.value.faults}
    assert told["services.assistant.usable"] == ("over.yaml", 3)
    assert told["services.assistant.peak_to_mean"] == ("base.yaml", line_of("peak_to_mean"))
