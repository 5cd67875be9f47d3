"""The fit reaches the estimate by another route, and the committed constants are its result."""

import numpy as np
import pytest

from stackyard.perf import constants
from stackyard.perf.calibration import fit
from stackyard.perf.calibration.predict import predict
from stackyard.perf.calibration.rows import rows


@pytest.fixture(scope="module")
def problem() -> fit.Problem:
    return fit.Problem([row for row in rows() if not row.excluded])


def committed(problem: fit.Problem) -> tuple[list[fit.Constant], np.ndarray]:
    asked = fit.unknowns(problem.pairs)
    own = {key: owner.values for key, owner in {**constants.generations(), **constants.engines()}.items()}
    return asked, np.log([(own.get(each.owner) or constants.means(each.owner))[each.name] for each in asked])


def test_rows_lowered_once_give_what_estimates_give(problem):
    asked, logs = committed(problem)
    assert problem.predict(fit.table(problem, asked, logs)) == pytest.approx(predict(problem.rows), rel=1e-9)


def test_the_committed_constants_are_where_the_fit_stops(problem):
    asked, logs = committed(problem)
    again = fit.fit(problem, asked, logs, steps=1)
    before, after = (problem.predict(fit.table(problem, asked, at)) for at in (logs, again))
    assert np.median(np.abs(after / before - 1)) < 0.01


def test_no_constant_belongs_to_a_model():
    for owner in (*constants.generations().values(), *constants.engines().values()):
        stated = {"cache.reserve", "cache.windowed", "chunks.engine", "chunks.chip", "energy.path"}
        assert owner.values.keys() <= {*fit.GENERATION, *fit.ENGINE, *stated}


def test_slopes_of_one_step_a_name_are_those_of_one_step_a_constant(problem):
    some = fit.Problem(problem.rows[:: len(problem.rows) // 60])
    asked = fit.unknowns(some.pairs)
    logs = np.log([each.prior for each in asked])
    start = some.predict(fit.table(some, asked, logs)) / some.measured
    slope = fit.slope(some, asked, logs, start - 1.0)
    for place in range(0, len(asked), 7):
        moved = logs.copy()
        moved[place] += 1e-4
        alone = (some.predict(fit.table(some, asked, moved)) / some.measured - start) / 1e-4
        assert slope[:, place] == pytest.approx(alone, abs=1e-7)


def test_an_owner_without_rows_takes_its_parents_constants(problem):
    some = fit.Problem([row for row in problem.rows if row.source == "trtllm_v0.19"][::8])
    pairs = [*some.pairs, ("gaudi", "atom-2026")]
    asked = fit.unknowns(pairs)
    found = dict(zip([(each.owner, each.name) for each in asked], fit.fit(some, asked), strict=True))
    for each in asked:
        if each.owner in ("gaudi", "atom-2026"):
            assert found[each.owner, each.name] == pytest.approx(found[each.parent, each.name], abs=1e-6)
