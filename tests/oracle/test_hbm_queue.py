"""A line's flow against the same line walked month by month with lists of what is underway."""

from collections import deque

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stackyard.hbm.supply import Line, flow


def walk(line: Line) -> dict[str, list[float]]:
    fab = deque([0.0] * line.lead_fab)
    assembly = deque([0.0] * line.lead_stack)
    transit = deque([0.0] * line.lead_ship)
    core, base = float(line.core_dies_start), float(line.base_dies_start)
    seen: dict[str, list[float]] = {"shipped": [], "core": [], "base": [], "fab": [], "assembly": [], "transit": []}
    for month, wafers in enumerate(line.wafers):
        fab.append(wafers * float(line.dies_per_wafer))
        core += fab.popleft() * np.broadcast_to(line.die_yield, line.wafers.shape)[month]
        base += np.broadcast_to(line.base_dies, line.wafers.shape)[month]
        stacks = min(core / line.height, base)
        core, base = core - stacks * line.height, base - stacks
        assembly.append(stacks)
        good = assembly.popleft() * float(line.bond_yield) ** line.height * float(line.test_yield)
        transit.append(good)
        shipped = transit.popleft() + (float(line.stacks_start) if month == 0 else 0.0)
        found = (shipped, core, base, sum(fab), sum(assembly), sum(transit))
        for key, value in zip(seen, found, strict=True):
            seen[key].append(value)
    return seen


@st.composite
def lines(draw: st.DrawFn) -> Line:
    months = draw(st.integers(1, 15))
    series = st.lists(st.floats(0, 1e5), min_size=months, max_size=months).map(np.array)
    share = st.floats(0.3, 1.0)
    return Line(
        wafers=draw(series),
        dies_per_wafer=draw(st.floats(100, 700)),
        die_yield=np.array(draw(st.lists(share, min_size=months, max_size=months))),
        height=draw(st.sampled_from([1, 4, 8, 12, 16])),
        bond_yield=draw(st.floats(0.9, 1.0)),
        test_yield=draw(share),
        lead_fab=draw(st.integers(0, 18)),
        lead_stack=draw(st.integers(0, 18)),
        lead_ship=draw(st.integers(0, 3)),
        base_dies=draw(st.one_of(st.just(np.inf), st.floats(0, 1e6), series)),
        core_dies_start=draw(st.floats(0, 1e6)),
        base_dies_start=draw(st.floats(0, 1e5)),
        stacks_start=draw(st.floats(0, 1e5)),
    )


@settings(max_examples=150, deadline=None)
@given(lines())
def test_flow_equals_a_walk_month_by_month(line: Line) -> None:
    found, walked = flow(line), walk(line)
    scale = 1e-9 * (1e3 + float(line.wafers.sum()) * 700 + 1e6)
    for mine, other in (
        (found.stacks_shipped, "shipped"),
        (found.core_dies_in_stock, "core"),
        (found.base_dies_in_stock, "base"),
        (found.dies_in_fab, "fab"),
        (found.stacks_in_assembly, "assembly"),
        (found.stacks_in_stock, "transit"),
    ):
        np.testing.assert_allclose(mine, walked[other], rtol=1e-9, atol=scale)
