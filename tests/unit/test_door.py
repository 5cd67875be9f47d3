"""`import stackyard`: quick, every verb there, and results that notebooks can show, draw and compute with."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from typer.main import get_command

import stackyard
from stackyard import api
from stackyard.catalog.load import load
from stackyard.cli import app
from stackyard.errors import InputErrors
from stackyard.perf.estimate import estimate
from stackyard.perf.layout import Layout

FIRST_PLAN = Path(__file__).parents[2] / "examples" / "first-plan.yaml"


@pytest.fixture(scope="module")
def planned() -> api.Result:
    return api.plan(FIRST_PLAN, steps=False)


def test_importing_loads_nothing_but_the_standard_library() -> None:
    code = "import sys; before = set(sys.modules); import stackyard; print(sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert [name for name in eval(done.stdout) if name.startswith("stackyard")] == ["stackyard"]
    assert "typing" not in eval(done.stdout)


def test_every_verb_is_there_whether_its_package_was_loaded_or_not() -> None:
    for first in ("import stackyard.plan.solve", "stackyard.plan"):
        code = f"import stackyard; {first}; print(callable(stackyard.plan))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout == "True\n"
    for name in stackyard.VERBS:
        verb = getattr(stackyard, name)
        assert callable(verb) and name in dir(stackyard)
        assert inspect.signature(verb) == inspect.signature(getattr(api, name))
        assert isinstance(verb, ModuleType) == (name in stackyard.PACKAGES)
    with pytest.raises(AttributeError, match="no attribute 'plann'"):
        stackyard.plann  # noqa: B018


def test_the_verbs_of_the_command_line_are_functions_too() -> None:
    commands = {name.replace("-", "_") for name in get_command(app).commands}  # type: ignore[attr-defined]
    only_there = {"audit", "check", "explain", "init", "schema", "web", "ledger", "account"}
    assert commands - only_there <= set(stackyard.VERBS)


def test_a_packaged_example_is_found_by_its_name_unless_something_stands_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert stackyard.scenario("openai-sk").name == "OpenAI–SK build-out"
    assert stackyard.scenario("first-plan").digest == api.scenario(FIRST_PLAN).digest
    (tmp_path / "first-plan").write_text("name: mine")
    with pytest.raises(InputErrors):
        stackyard.scenario("first-plan")
    with pytest.raises(InputErrors):
        stackyard.scenario("elsewhere/openai-sk")


def test_estimates_become_rows_and_arrays_with_units() -> None:
    one = stackyard.estimate("llama-3.1-70b", "h200", tensor=8, batch=64)
    row = one.to_pandas()
    assert row.loc[0, "tpot"] == one.tpot and row.attrs["units"]["tpot"] == "s"
    known = load()
    batch = np.array([[1.0, 2.0, 4.0], [8.0, 16.0, 32.0]])
    many = estimate(known.model("llama-3.1-70b"), known.accelerator("h200"), Layout(8), batch, 1000, 1000)
    data = many.to_xarray()
    assert data["tpot"].shape == (2, 3) and data["output_rate"].attrs["units"] == "token/s"
    assert np.array_equal(many.to_pandas()["batch"], batch.ravel())
    assert "6 estimates" in many._repr_html_()


def test_every_kind_of_result_becomes_a_table() -> None:
    searched = stackyard.search("llama-3.1-70b", "h200", precisions=["fp8"])
    table = searched.to_pandas()
    assert len(table) == len(searched.points.tpot) and table["pareto"].sum() == len(searched.pareto)
    months = stackyard.site("ulsan").to_pandas()
    assert list(months["month"])[::11] == ["Jan", "Dec"] and (months["pue"] > 1).all()
    steps = stackyard.supply("hbm4-12h", "10000", "sk-hynix").to_pandas().set_index("step")
    assert steps.loc["wafers started", "amount"] == 10000
    run = stackyard.train("llama-3.1-70b", "h100", accelerators=64, tensor=8, pipeline=2)
    assert run.to_xarray()["seconds"].item() == run.seconds
    worth = stackyard.memory("llama-3.1-70b", "h200", precision="fp8")
    assert worth is not None and set(worth.to_pandas()["of"]) == {"capacity", "bandwidth", "stack"}
    facts = stackyard.catalog().to_pandas().set_index("path")
    assert facts.loc["accelerators.h200-sxm.bandwidth", "value"] == 4800


def test_a_plan_and_its_problem_are_tables_and_data_sets_of_the_horizon(planned: api.Result) -> None:
    installed = planned.to_pandas("installed")
    assert installed.index.names == ["accelerator", "site", "month"]
    assert installed.index.get_level_values("month")[-1] == "2027-12"
    rows = planned.to_pandas()
    assert rows[rows["variable"] == "installed"]["value"].sum() == pytest.approx(installed.sum())
    assert (rows["value"] != 0).all() and "tier" not in rows
    data = planned.plan.to_xarray()
    assert {"bought", "cost_unserved", "price_power"} <= set(data) and data["bought"].attrs["units"] == "package"
    assert planned.built.to_xarray().identical(planned.built.problem.data)
    with pytest.raises(KeyError):
        planned.to_pandas("instaled")


def test_figures_are_plotly_s_and_named(planned: api.Result) -> None:
    drawn = planned.figure("demand-served")
    assert drawn.layout.title.text == planned.figures["demand-served"] and len(drawn.data) >= 2
    assert planned.figure().to_dict() == planned.figure(next(iter(planned.figures))).to_dict()
    with pytest.raises(InputErrors, match="did you mean 'demand-served'"):
        planned.figure("demand-serve")


def test_notebooks_show_what_matters_without_markup_of_names(planned: api.Result) -> None:
    fits = stackyard.estimate("llama-3.1-70b", "h200", precision="fp8")
    not_so = stackyard.estimate("llama-3.1-70b", "h100", tensor=1, batch=8)
    assert "tokens/s" in fits._repr_html_() and "Not possible: " in not_so._repr_html_()
    assert "A first plan" in planned._repr_html_() and "Tokens served" in planned._repr_html_()
    assert planned.built.problem.digest in planned.built._repr_html_()
    assert "net present cost" in planned.plan._repr_html_() and "xarray.Dataset" in planned.plan._repr_html_()
    from stackyard.notebook import card

    assert "<script>" not in card("<script>", [("<b>", "<i>")], "<u>")
