"""The CSV table of promised stacks: what it says, and everything that may be wrong with it at once."""

from pathlib import Path

import pytest

from stackyard.errors import InputErrors
from stackyard.hbm.deliveries import read_deliveries
from stackyard.months import parse_month, span

MONTHS = span(parse_month("2026-01"), parse_month("2026-04"))


def test_rows_land_on_their_supply_and_month(tmp_path: Path) -> None:
    table = tmp_path / "deliveries.csv"
    table.write_text('# promised 2026-03\nmonth,stacks,supply\n2026-02,"1,200",hynix\n2026-04,300.5,samsung\n')
    found = read_deliveries(table, ["samsung", "hynix"], MONTHS)
    assert found.tolist() == [[0.0, 0.0, 0.0, 300.5], [0.0, 1200.0, 0.0, 0.0]]


def test_every_fault_is_told_with_its_line(tmp_path: Path) -> None:
    table = tmp_path / "deliveries.csv"
    table.write_text(
        "supply,month,stacks\n"
        "hynx,2026-01,5\n"
        "hynix,2026-13,5\n"
        "hynix,2027-01,5\n"
        "hynix,2026-01,-5\n"
        "hynix,2026-02,nan\n"
        "hynix,2026-02,7\n"
        "hynix,2026-03,5 wafers\n"
        "hynix,2026-04,\n"
        "hynix,2026-04,inf\n"
    )
    with pytest.raises(InputErrors) as caught:
        read_deliveries(table, ["hynix", "micron"], MONTHS, "deliveries.csv")
    told = [(fault.line, fault.key) for fault in caught.value.faults]
    assert told == [
        (0, "micron"),
        (2, "supply"),
        (3, "month"),
        (4, "month"),
        (5, "stacks"),
        (6, "stacks"),
        (7, "month"),
        (8, "stacks"),
        (9, "stacks"),
        (10, "month"),
        (10, "stacks"),
    ]
    assert "did you mean 'hynix'?" in str(caught.value)
    assert "line 6 has it already" in str(caught.value)


def test_a_missing_column_is_refused(tmp_path: Path) -> None:
    table = tmp_path / "deliveries.csv"
    table.write_text("supply,date,stacks\nhynix,2026-01,5\n")
    with pytest.raises(InputErrors, match="month: column is missing"):
        read_deliveries(table, ["hynix"], MONTHS)
