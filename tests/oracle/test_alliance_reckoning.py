"""What a stranger worked out on the page: a hidden promise from what goes with accelerators. The attack, and its end.

Everything of the alliance is public but one promise of stacks. Whoever sees accelerators, watts or dollars can take the
public supplies away and has the rest; the same reckonings have nothing to start from in what a guest is shown.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from stackyard.alliance.access import Seen, Viewer
from stackyard.alliance.decide import Actor, Refused
from stackyard.alliance.event import CommitmentMoved, CommitmentProposed, ItemShared, PartnerJoined
from stackyard.alliance.workspace import Workspace, open_workspace

HOST = Actor("host", host=True)
HIDDEN = 3333.0  # stacks a month, promised for half a year
STACKS, PRICE = 6.0, {"own": 500.0, "other": 410.0}  # an H200's stacks; USD a stack
SCENARIO = """
name: An alliance to be reckoned with
horizon: {start: 2026-01, end: 2026-12}
services:
  code: {name: Code, model: llama-3.1-8b, precision: fp8, prompt: 1500 token, output: 500 token, ttft: 2 s, tpot: 50 ms,
    demand: {from: 2026-01, value: 900 Ttoken/day}, unserved_price: 1 USD/Mtoken}
supplies:
  own: {name: HBM3E of a maker, maker: sk-hynix, product: hbm3e, height: 8, price: 500 USD/stack,
    deliveries: 600 stack/month}
  other: {name: HBM3E of another, maker: samsung, product: hbm3e, height: 8, price: 410 USD/stack,
    deliveries: 600 stack/month}
packaging:
  cowos: {name: Packaging, wafers: 4000 wafer/month}
accelerators:
  h200: {name: HGX H200, chip: h200, system: dgx-h200, available: 2026-01, packaging: cowos,
    packages_per_wafer: 28 package/wafer, lead_months: 1, life: 5 year, system_price: 350 kUSD/rack}
sites:
  field: {name: Field, phases: [{month: 2026-01, power: 90 MW}], climate: frankfurt, grid: germany, cooling: air,
    rack_limit: 40 kW/rack, electricity: 120 USD/MWh, fitout: 11.6 USD/W}
"""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    folder: Path = tmp_path_factory.mktemp("reckoned")
    (folder / "scenario.yaml").write_text(SCENARIO, encoding="utf-8")
    found = open_workspace(folder)
    items = ("services.code", "supplies.own", "supplies.other", "packaging.cowos", "accelerators.h200", "sites.field")
    events = [
        PartnerJoined(partner="maker", name="Maker", role="memory maker"),
        PartnerJoined(partner="visitor", name="Visitor", role="guest"),
        *(ItemShared(item=item, partner="maker", visibility="public") for item in (*items, "money")),
        CommitmentProposed(
            commitment="more",
            name="More stacks",
            partner="maker",
            measure="stacks",
            item="supplies.own",
            amounts={f"2026-{month:02}": HIDDEN for month in range(4, 10)},
            unit="stack",
            visibility="private",
        ),
        CommitmentMoved(commitment="more", status="accepted"),
    ]
    for event in events:
        made = found.record(HOST, event)
        assert not isinstance(made, Refused), (event, made)
    assert not isinstance(found.run(HOST), Refused)
    yield found
    found.ledger.close()


def values(seen: Seen, id_: str) -> np.ndarray:
    result = seen.result(id_)
    if result is None:
        raise LookupError(id_)
    return np.array(result.values)


def from_packages(id_: str) -> Callable[[Seen], float]:
    """Stacks of what was put in place, less those of the other supply, in six months of which lead time takes one."""
    return lambda seen: (values(seen, id_)[9] - values(seen, id_)[3]) * STACKS - values(seen, "drawn.other")[3:9].sum()


def from_spending(seen: Seen) -> float:
    """Stacks that were paid, less those of the other supply."""
    return float(
        (values(seen, "spending.hbm")[3:9].sum() - PRICE["other"] * values(seen, "drawn.other")[3:9].sum())
        / PRICE["own"]
    )


def from_power(seen: Seen) -> float:
    """As from packages; watts of a package are those of the months before, when all supplies were public."""
    watts = values(seen, "used.field")[2] / (values(seen, "drawn.other")[:2].sum() * 2 / STACKS)
    grown = (values(seen, "used.field")[9] - values(seen, "used.field")[3]) / watts
    return float(grown * STACKS - values(seen, "drawn.other")[3:9].sum())


def from_total(seen: Seen) -> float:
    return float(values(seen, "drawn.total")[3:9].sum() - values(seen, "drawn.other")[3:9].sum())


RECKONINGS = {
    "placed": from_packages("placed.field"),
    "installed": from_packages("installed.h200"),
    "all installed": from_packages("installed.total"),
    "spending": from_spending,
    "power": from_power,
    "total": from_total,
}


@pytest.mark.parametrize("name", RECKONINGS)
def test_a_hidden_promise_can_be_reckoned_from_the_whole_plan_and_not_from_what_a_guest_is_shown(
    workspace: Workspace, name: str
) -> None:
    whole = workspace.view(Viewer("host", host=True))
    assert RECKONINGS[name](whole) == pytest.approx(6 * HIDDEN, rel=0.1)
    for guest in (Viewer("guest", "visitor"), Viewer("nobody")):
        seen = workspace.view(guest)
        assert values(seen, "demand.total").sum() > 0  # it is not left with nothing
        with pytest.raises(LookupError):
            RECKONINGS[name](seen)


def test_nothing_that_a_guest_is_shown_moves_with_the_hidden_promise(workspace: Workspace) -> None:
    guest = Viewer("guest", "visitor")
    promised, alone = workspace.view(guest), workspace.shown(guest)
    whole = workspace.view(Viewer("host", host=True))
    assert {row.id for row in alone.picture.results} == {r.id for r in whole.picture.results if r.group != "limits"}
    assert values(alone, "drawn.total").sum() < values(whole, "drawn.total").sum() - HIDDEN
    more = CommitmentProposed(
        commitment="much-more",
        name="Much more",
        partner="maker",
        measure="stacks",
        item="supplies.own",
        amounts={"2026-10": 5 * HIDDEN},
        unit="stack",
        visibility="private",
    )
    for event in (more, CommitmentMoved(commitment="much-more", status="accepted")):
        assert not isinstance(workspace.record(HOST, event), Refused)
    assert not isinstance(workspace.run(HOST), Refused)
    after = workspace.view(guest)
    assert [row.id for row in after.picture.results] == [row.id for row in promised.picture.results]
    for before, now in zip(promised.picture.results, after.picture.results, strict=True):
        if before.group != "prices":
            assert now.values == pytest.approx(before.values, rel=1e-9, abs=1e-9), before.id
    for before, now in zip(alone.picture.results, workspace.shown(guest).picture.results, strict=True):
        assert now.values == pytest.approx(before.values, rel=1e-6, abs=1e-3), before.id
