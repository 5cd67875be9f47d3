"""A sweep's file, grid, names, store and progress; and what its command says."""

from __future__ import annotations

import json
import math
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from stackyard import api
from stackyard.cli import app
from stackyard.errors import InputErrors
from stackyard.plan.overlay import at, place
from stackyard.plan.solve import solve
from stackyard.sweep import fields, grid, job
from stackyard.sweep.file import read
from stackyard.sweep.grid import Axis, Grid
from stackyard.sweep.job import Setting, Shared, digest
from stackyard.sweep.plans import begin, taking
from stackyard.sweep.run import Progress, _Pace
from stackyard.sweep.store import Store

EXAMPLES = Path(__file__).parents[2] / "examples"
FIRST = EXAMPLES / "first-plan.yaml"


def axis(name: str, values: list[Any]) -> Axis:
    return Axis(name, (name,), tuple((value,) for value in values), {name: tuple(values)})


def told(source: Any) -> list[str]:
    """Every fault of a sweep file, on one line each."""
    with pytest.raises(InputErrors) as error:
        read(source)
    return [str(fault).replace("\n    ", " | ") for fault in error.value.faults]


def estimates(**more: Any) -> dict[str, Any]:
    return {"verb": "estimate", "inputs": {"model": "llama-3.1-70b", "chip": "h200"}, **more}


def plans(key: str, *values: Any, scenario: Path = FIRST) -> dict[str, Any]:
    return {"verb": "plan", "inputs": {"scenario": str(scenario)}, "axes": {key: list(values)}}


# --- the grid ---


@given(st.lists(st.integers(1, 5), min_size=1, max_size=4))
def test_every_combination_is_one_job_and_the_last_axis_is_the_fastest(sizes: list[int]) -> None:
    made = Grid({"fixed": 1}, tuple(axis(f"a{i}", list(range(size))) for i, size in enumerate(sizes)))
    places = [tuple(made.inputs(index).values())[1:] for index in range(len(made))]
    assert len(made) == math.prod(sizes) and places == sorted(set(places))
    columns = made.columns()
    for index in range(len(made)):
        inputs = made.inputs(index)
        assert inputs.pop("fixed") == 1
        assert inputs == {name: column[index] for name, column in columns.items()}


@given(st.floats(0.001, 1e6), st.floats(1.001, 1e3), st.integers(2, 40), st.sampled_from(["linear", "log"]))
def test_steps_run_from_end_to_end_evenly(low: float, factor: float, count: int, spacing: str) -> None:
    values = np.array(grid.spaced(low, low * factor, count, spacing))
    assert values[[0, -1]] == pytest.approx([low, low * factor], rel=1e-9)
    steps = np.diff(np.log(values) if spacing == "log" else values)
    assert steps == pytest.approx(np.full(count - 1, steps.mean()), rel=1e-5, abs=1e-9 * low * factor)


def test_the_first_of_more_samples_are_the_same_and_a_seed_is_its_samples() -> None:
    for method in grid.METHODS:
        few, many = grid.points(method, 16, 3, 7), grid.points(method, 64, 3, 7)
        assert np.array_equal(few, many[:16])
        assert not np.array_equal(few, grid.points(method, 16, 3, 8))
    assert abs(grid.points("sobol", 64, 1, 1).mean() - 0.5) < 0.01


def test_samples_follow_their_distribution_and_correlation() -> None:
    of = {
        "prompt": {"shape": "lognormal", "low": 500, "value": 1000, "high": 2000},
        "output": {"shape": "uniform", "low": 100, "high": 300},
        "precision": {"events": {"bf16": "25%", "fp8": "75%"}},
        "tensor": {"events": {4: 0.5, 2: 0.5}},
    }
    pair = [{"between": ["prompt", "output"], "value": 0.9}]
    part = read(estimates(samples={"count": 512, "of": of, "correlations": pair})).parts[0]
    columns = part.grid.columns()
    prompt, output = np.array(columns["prompt"]), np.array(columns["output"])
    assert np.quantile(prompt, [0.1, 0.5, 0.9]) == pytest.approx([500, 1000, 2000], rel=0.05)
    assert (output.min(), output.max()) == (pytest.approx(100, abs=3), pytest.approx(300, abs=3))
    assert np.corrcoef(np.argsort(np.argsort(prompt)), np.argsort(np.argsort(output)))[0, 1] == pytest.approx(
        0.89, abs=0.03
    )
    assert Counter(columns["precision"])["fp8"] == pytest.approx(384, abs=20)
    assert set(columns["tensor"]) == {2, 4}


def test_a_column_is_numbers_where_all_have_one_unit() -> None:
    assert grid.shown("x", ["1 MW", "2 MW"]) == {"x [MW]": (1.0, 2.0)}
    assert grid.shown("x", ["1 MW", "900 kW"]) == {"x": ("1 MW", "900 kW")}
    assert grid.shown("x", [1, 2]) == {"x": (1, 2)}
    assert grid.shown("x", [True, False]) == {"x": (True, False)}
    assert grid.shown("x", [1, True]) == {"x": ("1", "true")}
    assert grid.shown("x", [["90%"], ["80%"]]) == {"x": ('["90%"]', '["80%"]')}


def test_keys_that_move_together_are_one_axis() -> None:
    axes = {"part": {"of": ["chip", "precision"], "values": [["h100", "fp8"], ["b200", "fp4"]]}, "tensor": [4, 8]}
    part = read({"verb": "estimate", "inputs": {"model": "llama-3.1-70b"}, "axes": axes}).parts[0]
    assert [tuple(part.grid.inputs(i).values()) for i in (0, 3)] == [
        ("llama-3.1-70b", "h100", "fp8", 4),
        ("llama-3.1-70b", "b200", "fp4", 8),
    ]
    assert list(part.grid.columns()) == ["chip", "precision", "tensor"]


# --- names ---


def test_a_name_says_verb_inputs_shared_data_and_program(monkeypatch: pytest.MonkeyPatch) -> None:
    one = read(estimates(axes={"batch": [8, 16]})).parts[0]
    same = read(estimates(axes={"batch": ["8", 16.0]})).parts[0]
    names = one.grid.names(one.setting.digest)
    assert names == same.grid.names(same.setting.digest) and len(set(names)) == 2
    base = Setting("a", begin, Shared({"x": 1}), "s")
    others = [
        Setting("b", begin, Shared({"x": 1}), "s"),
        Setting("a", taking, Shared({"x": 1}), "s"),
        Setting("a", begin, Shared({"x": 2}), "s"),
        Setting("a", begin, Shared({"x": 1}, {"f": b""}), "s"),
        Setting("a", begin, Shared({"x": 1}), "t"),
    ]
    assert len({each.digest for each in [base, *others]}) == 6
    assert digest("s", {2026: 1, "a": 2}) == digest("s", {"a": 2, 2026: 1})
    job.stamp.cache_clear()
    monkeypatch.setattr("importlib.metadata.version", lambda name: "0.0.0")
    assert job.stamp() != one.setting.stamp
    job.stamp.cache_clear()


def test_a_scenario_that_changed_has_other_names(tmp_path: Path) -> None:
    text = FIRST.read_text(encoding="utf-8")
    found = []
    for version in (text, text.replace("8 MW", "9 MW"), text + "# a remark\n"):
        (tmp_path / "scenario.yaml").write_text(version, encoding="utf-8")
        found.append(read(plans("horizon.end", "2027-12", scenario=tmp_path)).parts[0].setting.digest)
    assert found[0] != found[1] and found[0] == found[2]


# --- scenarios ---


@pytest.fixture(scope="module")
def with_table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first plan with its deliveries in a table."""
    folder = tmp_path_factory.mktemp("table")
    text = FIRST.read_text(encoding="utf-8")
    points = "{points: {2026-01: 1500 stack/month, 2027-12: 4000 stack/month}}"
    assert points in text
    table = "{csv: deliveries.csv, column: memory, unit: kstack/month, times: [90%]}"
    (folder / "scenario.yaml").write_text(text.replace(points, table), encoding="utf-8")
    months = [f"{2026 + i // 12}-{i % 12 + 1:02d}" for i in range(24)]
    rows = "\n".join(f"{month},{1.5 + 0.1 * i:.1f}" for i, month in enumerate(months))
    (folder / "deliveries.csv").write_text(f"month,memory\n{rows}\n", encoding="utf-8")
    return folder


def test_a_row_of_a_table_is_a_key_and_a_bare_number_has_the_table_s_unit(with_table: Path) -> None:
    keys = taking({"scenario": "."}, with_table)
    name = keys.key("supplies.memory.deliveries.2026-06")
    assert name == "supplies.memory.deliveries.points.2026-06"
    assert keys.value(name, 0) == "0 kstack/month"
    spread = at(keys.data, place(keys.data, "supplies.memory.deliveries"))
    assert spread["points"]["2026-01"] == "1.5 kstack/month" and spread["times"] == ["90%"]
    with pytest.raises(fields.Refusal, match="has no '2029-06'"):
        keys.key("supplies.memory.deliveries.2029-06")


def test_a_table_as_points_is_the_same_plan_and_a_worker_needs_no_file_beside_it(
    with_table: Path, tmp_path: Path
) -> None:
    read_as_table = taking({"scenario": "."}, with_table)
    shared = read_as_table.shared()
    assert set(shared.files) == {"deliveries.csv"}
    (tmp_path / "deliveries.csv").write_bytes(shared.files["deliveries.csv"])
    as_table = begin(shared.data, tmp_path)({})
    keys = taking({"scenario": "."}, with_table)
    name = keys.key("supplies.memory.deliveries.2026-06")
    doing = begin(keys.shared().data, tmp_path)
    assert doing({name: keys.value(name, 2.0)}) == as_table  # 1.5 + 0.1 * 5 stands there
    fewer = doing({name: keys.value(name, 0.0)})
    assert fewer["hbm_stacks_drawn"] <= as_table["hbm_stacks_drawn"] * (
        1 + 1e-12
    )  # what money limits draws less than came


def test_drawn_numbers_stand_as_the_file_has_them() -> None:
    of = {
        "growth": {"of": "services.assistant.demand.growth", "low": 3, "value": 4, "high": 6},
        "late": {"of": ["sites.frankfurt.phases[0].month"], "events": {0: "50%", 6: "50%"}},
        "lead": {"of": "accelerators.h200.lead_months", "shape": "uniform", "low": 2, "high": 6},
        "price": {
            "of": "sites.frankfurt.electricity",
            "low": "100 USD/MWh",
            "value": "120 USD/MWh",
            "high": "200 USD/MWh",
        },
    }
    part = read({"verb": "plan", "inputs": {"scenario": str(FIRST)}, "samples": {"count": 8, "of": of}}).parts[0]
    inputs = [part.grid.inputs(i) for i in range(8)]
    assert {each["sites.frankfurt.phases[0].month"] for each in inputs} == {"2026-03", "2026-09"}
    assert all(isinstance(each["accelerators.h200.lead_months"], int) for each in inputs)
    assert all(each["sites.frankfurt.electricity"].endswith(" USD/MWh") for each in inputs)
    columns = part.grid.columns()
    assert set(columns) == {"growth", "late", "lead", "price [USD/MWh]"}
    assert all(3 <= growth <= 6 for growth in columns["growth"])


def test_the_range_of_a_scenario_is_the_one_that_is_drawn_from() -> None:
    of = {"rate": {"of": "money.discount_rate"}}
    asked = {"verb": "plan", "inputs": {"scenario": str(EXAMPLES / "openai-sk")}, "samples": {"count": 16, "of": of}}
    values = np.array(read(asked).parts[0].grid.columns()["rate [%]"])
    assert values.min() > 7 and values.max() < 14
    assert (
        "states no low and high"
        in told({"verb": "plan", "inputs": {"scenario": str(FIRST)}, "samples": {"of": {"horizon.end": {}}}})[0]
    )


# --- the file ---


def test_every_fault_of_a_file_is_told_at_once_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "sweep.yaml"
    path.write_text(
        """name: wrong
parts:
  one:
    verb: estimat
    axes: {chip: [h100]}
  two:
    verb: estimate
    inputs: {model: lama-3.1-70b, promt: 4, batch: 3.5, tpot: 4 kg}
    axes:
      chip: [h100, h2000]
      precision: []
      output: {from: 1, to: 4, count: 0}
      tensor: [1, 2, 2]
      acceptance: 5
      draft: {vals: [1]}
    samples:
      count: 0
      of:
        prompt: {low: 50, high: 5}
        expert: {low: 1, high: 5, shape: uniform, hihg: 3}
        hbm: {events: {hbm4: 40%, hbm3e: 20%}}
        data: {low: 8, value: 2, high: 4}
      corelations: []
  three:
    verb: search
    axes: {model: [llama-3.1-70b]}
  four: {verb: train, inputs: {model: llama-3.1-70b, chip: h100, accelerators: 64}}
""",
        encoding="utf-8",
    )
    wanted = {
        4: "'estimat' is not a verb of a sweep | did you mean 'estimate'?",
        8: "did you mean 'llama-3.1-70b'; did you mean 'prompt'; '3.5' is not a whole number; '4 kg' has 'kg'",
        10: "chip[1]: h2000 is not a known accelerator",
        11: "precision: has no values",
        12: "output.count: '0' is not a whole number of at least 1",
        13: "tensor: has 2 twice",
        14: "acceptance: is not a list of values",
        15: "draft.vals: unknown key | did you mean 'values'?",
        17: "samples.count: '0' is below 1",
        19: "prompt: has no value, which pert needs",
        20: "expert.hihg: unknown key | did you mean 'high'?",
        21: "hbm: its chances add up to 60%",
        22: "its low end 8 is not below its high end 4",
        23: "corelations: unknown key | did you mean 'correlations'?",
        24: "chip is missing",
        27: "has neither axes nor samples",
    }
    said = told(path)
    for line, parts in wanted.items():
        here = " ".join(each for each in said if f"sweep.yaml:{line}:" in each)
        assert all(part in here for part in parts.split("; ")), (line, here)
    assert len(said) == 19


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ({"axes": {"chip": ["h100"]}}, "verb: is missing | add this key: one of estimate"),
        ({"verb": "plan", "axes": {"a": [1]}}, "scenario is missing"),
        (plans("supplies.memry.price", 1), "supplies has no 'memry' | did you mean 'memory'?"),
        (plans("supplies.memory.prise", "1 USD/stack"), "unknown key | did you mean 'price'?"),
        (plans("money.discont_rate", "8%"), "unknown key | did you mean 'discount_rate'?"),
        (plans("sites.frankfurt.phases[7].month", "2027-01"), "has no '7' | a place from [0] to [1]"),
        (plans("sites.frankfurt.cooling", "air", "steam"), "cooling[1]: 'steam' is none of the allowed values"),
        (plans("horizon.end", "2026-06"), "sites.frankfurt.phases[1].month: 2027-01 is after the horizon"),
        (estimates(axes={"chip": ["h100"]}), "'chip' is set by inputs.chip already"),
        (
            estimates(axes={"batch": list(range(200)), "prompt": list(range(1000))}),
            "200,000 jobs (200 x 1000), more than",
        ),
        (estimates(axes={"x": {"of": ["batch", "tensor"], "values": [[1, 2, 3]]}}), "has 3 values for 2 keys"),
        (estimates(axes={"batch": {"from": 1, "to": 8}}), "has neither values nor count"),
        (estimates(axes={"batch": {"from": 0, "to": 8, "count": 2, "spacing": "log"}}), "ends above 0"),
        (estimates(axes={"tpot": {"from": "1 ms", "to": "2 s", "count": 2}}), "in two units"),
        (estimates(parts={"a": {"verb": "train"}}), "inputs: stands beside parts"),
        (
            estimates(samples={"of": {"prompt": {"low": 1, "high": 2, "shape": "round"}}}),
            "'round' is not a shape",
        ),
        (
            estimates(
                samples={
                    "of": {name: {"low": 1, "high": 2, "shape": "uniform"} for name in ("prompt", "output")},
                    "correlations": [{"between": ["prompt", "input"], "value": 0.5}],
                }
            ),
            "no sampled input 'input'",
        ),
    ],
)
def test_what_cannot_be_swept_is_refused_with_the_next_step(source: Any, says: str) -> None:
    assert any(says in each for each in told(source)), told(source)


def test_a_file_of_a_scenario_with_faults_tells_those(tmp_path: Path) -> None:
    (tmp_path / "scenario.yaml").write_text(FIRST.read_text(encoding="utf-8").replace("air", "steam"), encoding="utf-8")
    assert "scenario.yaml" in told(plans("horizon.end", "2027-12", scenario=tmp_path))[0]


# --- verbs ---


def test_every_verb_answers() -> None:
    parts = {
        "search": {
            "verb": "search",
            "inputs": {"model": "llama-3.1-8b", "precisions": "fp8"},
            "axes": {"chip": ["h200"]},
        },
        "train": {
            "verb": "train",
            "inputs": {"model": "llama-3.1-70b", "chip": "h100", "accelerators": 256, "tensor": 8, "pipeline": 4},
            "axes": {"precision": ["bf16", "fp8"]},
        },
        "simulate": {
            "verb": "simulate",
            "inputs": {"model": "llama-3.1-8b", "system": "h200", "tensor": 1, "requests": 200, "replications": 2},
            "axes": {"rate": ["2/s", "4/s"]},
        },
    }
    frame = api.sweep({"parts": parts}, on="here").to_pandas().set_index("part")
    assert frame["failed"].isna().all()
    assert frame.loc["search", "cost_usd_per_token"] <= frame.loc["search", "latency_usd_per_token"]
    bf16, fp8 = frame.loc["train", "step_s"]
    assert fp8 < bf16
    slow, fast = frame.loc["simulate", "requests_per_s"]
    assert fast > slow and (frame.loc["simulate", "ttft_p99_s"] > 0).all()


def test_a_row_is_the_verb_s_own_answer() -> None:
    found = api.sweep(estimates(axes={"batch": [16], "tensor": [8]}), on="here")
    answer = api.estimate("llama-3.1-70b", "h200", batch=16, tensor=8).summary()
    row = found.to_pandas().iloc[0]
    assert row["tpot_s"] == answer["tpot_s"] and row["watts_per_accelerator"] == answer["watts_per_accelerator"]
    assert found.to_xarray()["tpot_s"].sel(batch=16, tensor=8).item() == answer["tpot_s"]


def test_a_plan_s_row_is_the_plan_s_headlines() -> None:
    found = api.sweep(plans("sites.frankfurt.cooling", "air"), on="here").to_pandas().iloc[0]
    assert found["net_present_cost_usd"] == solve(api.problem(FIRST).problem).objective
    assert found["dearest_limit_2026"] == "hbm"


# --- the store ---


def test_a_store_that_is_none_or_was_damaged_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputErrors, match="cannot be made or written to"):
        Store(tmp_path / "file")
    (tmp_path / "index.sqlite").write_bytes(b"not a database, but long enough to be read as one" * 40)
    with pytest.raises(InputErrors, match="is not an index"):
        Store(tmp_path)


def test_what_the_index_does_not_name_was_never_done(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.add("a", {"x": 1, "y": 0.1}, "", 1, 0.5)
        store.add("b", None, "why", 3, 0.0)
        store.flush()
        store.add("c", {"x": 2.5, "y": None}, "", 1, 0.5)
        store.add("d", {"z": "word"}, "", 1, 0.5)
    (tmp_path / "rows" / "000777.parquet").write_bytes(b"half")
    with Store(tmp_path) as store:
        kept = store.known(["a", "b", "c", "d", "e"])
        assert set(kept) == set("abcd") and kept["b"].reason == "why" and kept["b"].tries == 3
        rows = store.rows([kept[name] for name in "dcba"])
        assert rows.to_pydict() == {
            "z": ["word", None, None, None],
            "x": [None, 2.5, None, 1.0],
            "y": [None, None, None, 0.1],
        }
        store.forget(["b"])
        assert "b" not in store.known("abcd")
    assert not (tmp_path / "rows" / "000777.parquet").exists()
    index = sqlite3.connect(tmp_path / "index.sqlite")
    assert index.execute("SELECT COUNT(*) FROM jobs").fetchone() == (3,)
    index.close()


def test_rows_whose_file_was_lost_are_done_again(tmp_path: Path) -> None:
    asked = estimates(axes={"batch": [8, 16], "tensor": [4]})
    first = api.sweep(asked, on="here", store=tmp_path)
    for file in (tmp_path / "rows").iterdir():  # two where the machine was slow between the jobs
        file.write_bytes(file.read_bytes()[:100])
    again = api.sweep(asked, on="here", store=tmp_path)
    assert (again.done, again.known) == (2, 0) and again.table.equals(first.table)


# --- progress ---


def test_the_time_left_of_jobs_alike_is_known_and_of_others_is_wide() -> None:
    alike, others = _Pace(), _Pace()
    for i in range(10):
        alike.add(2.0)
        others.add([0.1, 3.9][i % 2])
    assert alike.left(20) == (pytest.approx(40), pytest.approx(0, abs=1e-12))
    mean, variance = others.left(20)
    assert mean == pytest.approx(40) and math.sqrt(variance) > 10


@given(st.integers(0, 2**32 - 1))
def test_the_interval_of_the_time_left_holds_about_as_often_as_it_says(seed: int) -> None:
    draw = np.random.default_rng(seed)
    held = 0
    for _ in range(100):
        seconds = draw.gamma(4.0, 1.0, 150)
        pace = _Pace()
        for each in seconds[:50].tolist():
            pace.add(each)
        mean, variance = pace.left(100)
        held += abs(seconds[50:].sum() - mean) < 1.2816 * math.sqrt(variance)
    assert 62 <= held <= 96  # 80 of 100, give or take four standard deviations


def test_progress_says_what_it_knows() -> None:
    at = Progress(total=1000, known=100, done=200, failed=3, lost=1, workers=4, left=(50.0, 60.0, 200.0))
    assert at.sentence == "300 of 1,000 jobs, 3 failed, 1 worker lost; about 60 s left (50 s to 3 min)"
    assert Progress(10, 0, 1, 0, 0, 2, None).sentence == "1 of 10 jobs; time left not known yet"
    assert "waiting for one" in Progress(10, 0, 1, 0, 0, 0, None).sentence


# --- the command ---


def test_the_command_counts_runs_goes_on_and_tells_failures(tmp_path: Path) -> None:
    path, out = tmp_path / "mine.yaml", tmp_path / "out"
    path.write_text(
        "name: Drafts\nverb: estimate\ninputs: {model: deepseek-r1, chip: b200, precision: fp8, tensor: 8, expert: 8}\n"
        "axes:\n  batch: [1, 8]\n  acceptance: [60%]\n  draft: [0, 2]\n",
        encoding="utf-8",
    )
    ran = CliRunner().invoke(app, ["sweep", str(path), "--check"])
    assert ran.exit_code == 0 and "4 jobs of estimate: 2 batch x 1 acceptance x 2 draft" in ran.stdout
    assert json.loads(CliRunner().invoke(app, ["sweep", str(path), "--check", "--json"]).stdout)["jobs"] == 4
    assert not out.exists()
    ran = CliRunner().invoke(app, ["sweep", str(path), "-o", str(out), "--on", "here"])
    assert ran.exit_code == 1
    assert "4 jobs, 2 failed" in ran.stdout and "no tokens are guessed" in ran.stdout
    assert (out / "table.csv").read_text().startswith("job,batch,acceptance [%],draft,fits,")
    said = json.loads(CliRunner().invoke(app, ["sweep", str(path), "-o", str(out), "--on", "here", "--json"]).stdout)
    assert (said["jobs"], said["known"], said["done"], len(said["failed"])) == (4, 4, 0, 2)
    path.write_text(path.read_text().replace("[0, 2]", "[2, 3]"), encoding="utf-8")
    assert CliRunner().invoke(app, ["sweep", str(path), "-o", str(out), "--on", "here"]).exit_code == 0
