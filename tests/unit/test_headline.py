"""The first sentence of a report, from what limits each year."""

from __future__ import annotations

import pytest

from stackyard.plan.binding import Binding
from stackyard.report.limits import answer


def year(number: int, left: float, *together: str, **causes: float) -> Binding:
    resource = max(causes, key=lambda cause: causes[cause]) if left > 0.005 else "demand"
    named = tuple(together)
    return Binding(number, resource, causes, left, named, False, "", either=named if "either" in causes else ())


@pytest.mark.parametrize(
    ("years", "said"),
    [
        ([year(2026, 0.0)], "All demand is served in every year"),
        ([year(2026, 0.3, hbm=1.0)], "HBM limits the plan most in 2026 (30% of demand is left unserved)"),
        (
            [year(2026, 0.3, hbm=0.6, power=0.4), year(2027, 0.0)],
            "HBM and power limit the plan most in 2026 (30% of demand is left unserved); in 2027 all demand is served",
        ),
        (
            [year(2026, 0.3, "power", "hbm", power=0.6, together=0.4), year(2027, 0.1, hbm=1.0)],
            "Power, alone and with HBM, limits the plan most in 2026 (30% of demand is left unserved); "
            "HBM in 2027 (10%)",
        ),
        (
            [year(2026, 0.3, "orders", "money", either=0.8, cost=0.2)],
            "Accelerator supply or money limits the plan most in 2026 (30% of demand is left unserved)",
        ),
        (
            [year(2026, 0.3, "money", "orders", either=0.6, money=0.4)],
            "Money (or, for a part, accelerator supply) limits the plan most in 2026 (30% of demand is left unserved)",
        ),
        (
            [year(2026, 0.3, "hbm", "money", power=0.6, together=0.4)],
            "Power, then HBM and money together limit the plan most in 2026 (30% of demand is left unserved)",
        ),
        (
            [year(2026, 0.3, "power", "hbm", together=1.0), year(2027, 0.2, "power", "hbm", together=1.0)],
            "Power and HBM together limit the plan most in 2026–2027 (20 to 30% of demand is left unserved)",
        ),
    ],
)
def test_each_cause_stands_once_with_its_years(years: list[Binding], said: str) -> None:
    assert answer(years) == said
