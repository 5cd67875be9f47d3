"""The command line as a user meets it: answers, exit codes, refusals without tracebacks, nothing half-written."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FIRST_PLAN = ROOT / "examples" / "first-plan.yaml"


def run(*arguments: str | Path, expect: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "stackyard", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "COLUMNS": "100"}, check=False)
    assert done.returncode == expect, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    return done


def words(text: str) -> str:
    """A text without its line breaks and columns."""
    return " ".join(text.split())


def test_facts_lists_searches_and_shows_sources() -> None:
    assert "accelerators" in run("facts").stdout
    found = run("facts", "h200").stdout
    assert "accelerators.h200-sxm" in found
    assert "published" in found
    assert "http" in run("facts", "hbm4", "--sources").stdout
    rows = json.loads(run("facts", "h200", "--json").stdout)
    bandwidth = next(row for row in rows if row["path"] == "accelerators.h200-sxm.bandwidth")
    assert (bandwidth["value"], bandwidth["unit"], bandwidth["grade"]) == (4800, "GB/s", "published")
    assert bandwidth["sources"]
    assert all(row["grade"] == "assumed" for row in json.loads(run("facts", "--grade", "assumed", "--json").stdout))
    assert "No fact matches" in run("facts", "unobtainium", expect=1).stdout
    assert "did you mean 'assumed'" in run("facts", "--grade", "asumed", expect=2).stderr


def test_facts_shows_whole_numbers_whole_and_says_what_was_probably_meant() -> None:
    assert "10,485,760" in run("facts", "llama-4-scout").stdout
    assert "3,850,000 USD/rack" in run("facts", "gb300-nvl72.compute-rack").stdout
    assert "did you mean 'accelerators.b300-gb300'?" in run("facts", "accelerators.gb300", expect=1).stdout
    assert "weakest grade" in run("facts", "systems").stdout
    assert "max_power" in run("facts", "systems.dgx-h200").stdout
    assert "facts from" in run("facts", "").stdout
    assert "No fact matches" in run("facts", "[red]", expect=1).stdout


def test_the_catalogue_s_audit_is_clean_with_the_parameter_counts_of_every_architecture() -> None:
    assert " 0 errors" in run("audit").stdout


def test_estimate_answers_and_says_what_limits() -> None:
    said = run("estimate", "llama-3.1-70b", "h200", "--tp", "8", "--in", "1000", "--out", "1000").stdout
    assert "output tokens/s" in said
    assert "waits for" in said
    answer = json.loads(run("estimate", "deepseek-v3", "gb300", "--precision", "fp8", "--json").stdout)
    assert answer["fits"]
    assert answer["tokens_per_s_per_accelerator"] > 0


def test_an_estimate_that_does_not_fit_says_why_and_exits_1() -> None:
    assert "exceed the memory" in run("estimate", "llama-3.1-405b", "h100", "--tp", "1", expect=1).stdout


def test_widths_are_kept_with_or_without_a_tensor_width_and_the_objective_is_named_where_it_is_missed() -> None:
    answer = json.loads(run("estimate", "llama-3.1-70b", "h200", "--pp", "4", "--json").stdout)
    assert answer["layout"]["pipeline"] == 4
    answer = json.loads(run("estimate", "deepseek-v3", "gb300", "--ep", "32", "--precision", "fp8", "--json").stdout)
    assert answer["layout"]["expert"] == 32
    assert "no experts to spread" in run("estimate", "llama-3.1-70b", "h200", "--ep", "4", expect=1).stdout
    late = run("estimate", "llama-3.1-70b", "h200", "--ttft", "1 ns", expect=1).stdout
    assert "time to first token is" in late and "this is the nearest" in late and "weights exceed" not in late
    stated = ("estimate", "llama-3.1-70b", "h200", "--tp", "8", "--batch", "400")
    assert "output tokens/s" in run(*stated).stdout
    assert "over 1 ms" in run(*stated, "--tpot", "1 ms", expect=1).stdout


def test_an_estimate_says_what_the_step_leaves_of_the_time_per_token_and_what_limits() -> None:
    said = " ".join(run("estimate", "llama-3.1-70b", "h200").stdout.split())
    assert "a decode step of" in said and "prefills of other requests" in said
    assert "decode waits for" in said
    few = " ".join(run("estimate", "llama-3.1-70b", "h200", "--tp", "8", "--batch", "4").stdout.split())
    assert "decode waits for memory" in few
    whole = run("estimate", "llama-3.1-70b", "h200", "-v").stdout
    assert "head_gather" in whole and "head_gather" not in said
    assert "perf.memory.usable 0.95" in whole


def test_ways_of_serving_are_told_and_change_the_answer() -> None:
    wide = ("estimate", "deepseek-r1", "b200", "--precision", "fp8", "--tp", "8", "--ep", "8", "--batch", "32")
    plain = json.loads(run(*wide, "--json").stdout)
    ways = ("--draft", "2", "--acceptance", "80%", "--prefix-hits", "0.5", "--power-cap", "500 W", "--in", "1000")
    said = json.loads(run(*wide, *ways, "--json").stdout)
    assert said["tpot_s"] < plain["tpot_s"] and said["serving"]["tokens_per_step"] == pytest.approx(2.44)
    assert max(said["watts_in_prefill"], said["watts_in_decode"]) <= 500 * (1 + 1e-9)
    told = words(run(*wide, *ways).stdout)
    assert "2 tokens guessed a step" in told and "50% of each prompt" in told and "of the clock" in told


def test_cache_goes_to_the_store_and_a_store_that_is_none_is_refused() -> None:
    full = ("estimate", "llama-3.1-70b", "h100", "--precision", "fp8", "--tp", "4", "--batch", "400", "--in", "8000")
    assert "The nearest that fits" in run(*full, expect=1).stdout
    assert "decode waits for the store" in words(run(*full, "--store", "host").stdout)
    assert "no 'attic' memory behind" in run(*full, "--store", "attic", expect=2).stderr


def test_two_pools_are_found_or_settle_or_say_why_not() -> None:
    asked = ("estimate", "deepseek-r1", "gb200", "--precision", "fp4", "--in", "8000", "--out", "1000")
    found = json.loads(run(*asked, "--disaggregated", "--tpot", "30 ms", "--json").stdout)
    assert found["fits"] and found["tpot_s"] <= 0.03 and found["ttft_s"] <= 2.0
    pools = ("--prefill-pool", "2xTP4EP4", "--decode-pool", "1xDEP16", "--batch", "64")
    assert "output tokens/s a decode accelerator" in words(run(*asked, *pools).stdout)
    pools = ("--prefill-pool", "TP5", "--decode-pool", "1xDEP16", "--batch", "64")
    assert "prefill pool: tensor width" in words(run(*asked, *pools, expect=1).stdout)
    assert "one pool is stated" in run(*asked, "--decode-pool", "1xDEP16", expect=2).stderr


def test_what_does_not_fit_names_every_reason_and_the_nearest_that_does() -> None:
    wrong = ("--precision", "fp4", "--tp", "3", "--batch", "0", "--in", "140000")
    said = words(run("estimate", "llama-3.1-70b", "h100", *wrong, expect=1).stdout)
    for reason in ("no fp4 arithmetic", "the batch is empty", "exceed the context", "does not divide"):
        assert reason in said
    near = json.loads(run("estimate", "llama-3.1-70b", "h100", *wrong, "--json", expect=1).stdout)["nearest_fit"]
    again = run("estimate", "llama-3.1-70b", "h100", *near["options"].split(), "--json").stdout
    assert json.loads(again)["fits"]


def test_an_estimate_with_other_stacks_says_what_was_changed() -> None:
    said = " ".join(
        run("estimate", "llama-3.1-70b", "h200", "--hbm", "hbm4", "--height", "12", "--stacks", "8").stdout.split()
    )
    assert "8 x HBM4 12-high: 288 GB, 21.9 TB/s" in said and "no price on record" in said
    answer = json.loads(run("estimate", "llama-3.1-70b", "h200", "--bandwidth", "x1.5", "--json").stdout)
    assert answer["what_if"] and answer["fits"]


def test_search_finds_the_best_of_each_kind_and_says_why_the_rest_was_discarded() -> None:
    asked = ("search", "deepseek-v3", "gb300-nvl72", "--ttft", "2s", "--tpot", "30ms")
    said = run(*asked).stdout
    other = json.loads(run(*asked, "--hbm", "hbm4-12h", "--precision", "fp8", "--json").stdout)
    assert other["chip"].endswith("hbm4-12h-x8") and all(row["accelerators"] <= 72 for row in other["pareto"])
    assert "least cost" in said and "does not divide" in said and "the Pareto set" in said
    found = json.loads(run(*asked, "--precision", "fp8", "--json").stdout)
    assert found["best"].keys() == {"rate", "cost", "energy", "latency"}
    assert found["tried"] == found["kept"] + sum(found["discarded"].values())
    assert all(row["tpot_s"] <= 0.03 and row["accelerators"] <= 72 for row in found["pareto"])
    told = " ".join(run("search", "llama-3.1-8b", "mi300x", "--precision", "fp8").stdout.split())
    assert "No price of this package is on record" in told


def test_a_search_that_finds_nothing_names_the_nearest_and_exits_1() -> None:
    wide = run("search", "llama-3.1-405b", "dgx-h100", "--precision", "bf16", expect=1).stdout
    assert "takes 16 accelerators" in " ".join(wide.split()) and "Nearest: tp2 pp8" in wide
    assert "quick enough" in run("search", "llama-3.1-8b", "h200", "--tpot", "1 us", expect=1).stdout
    assert json.loads(run("search", "kimi-k3", "l4", "--json", expect=1).stdout)["nearest"] is None
    assert "exceed the context of 131,072" in run("search", "llama-3.1-70b", "h200", "--in", "200000", expect=1).stdout


def test_memory_tells_what_more_is_worth_and_writes_the_map(tmp_path: Path) -> None:
    page = tmp_path / "out" / "map.html"
    said = run("memory", "llama-3.1-70b", "h200", "--precision", "fp8", "--map", page).stdout
    assert "one more stack adds" in " ".join(said.split()) and "Decode alone" in said
    written = page.read_text(encoding="utf-8")
    assert "H200 SXM 141GB: what memory is worth" in written and "stackyard memory llama-3.1-70b" in written
    found = json.loads(run("memory", "llama-3.1-70b", "h200", "--precision", "fp8", "--json").stdout)
    assert [row["regime"] for row in found["regimes"]] == ["objective", "full load", "fixed", "prefill", "decode"]
    assert found["regimes"][0]["one_more"]["bandwidth"]["break_even_usd"] > 0
    assert "this is the nearest" in run("memory", "llama-3.1-70b", "h200", "--tpot", "1 ms", expect=1).stdout
    other = json.loads(run("memory", "llama-3.1-70b", "h200", "--hbm", "hbm4-12h", "--json").stdout)
    assert other["regimes"][0]["one_more"]["stack"]["break_even_usd"] is None


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("estimate", "lama-3.1-70b", "h200"), "did you mean 'llama-3.1-70b'"),
        (("estimate", "llama-3.1-70b", "mi355"), "did you mean 'mi355x'"),
        (("estimate", "llama-3.1-70b", "h200", "--tpot", "5 GB"), "'5 GB' has 'GB'"),
        (("estimate", "llama-3.1-70b", "h200", "--precision", "fp9"), "fp9"),
        (("estimate", "llama-3.1-70b", "h200", "--tp", "eight"), "'eight' is not a whole number"),
        (("estimate", "llama-3.1-70b", "h200", "--draft", "2"), "give the share of guesses that hold"),
        (("estimate", "llama-3.1-70b", "h200", "--prefix-hits", "nan"), "is not a share"),
        (("estimate", "llama-3.1-70b", "h200", "--acceptance", "0.7"), "no tokens are guessed"),
        (("estimate", "llama-3.1-70b", "h200", "--disaggregated", "--tp", "8"), "--tp: is of one pool"),
        (("estimate", "llama-3.1-70b", "h200", "--precision", "int4/fp8"), "is not a precision"),
        (("estimate", "llama-3.1-70b", "h200", "--power-cap", "100 W"), "is not above the"),
        (("estimate", "llama-3.1-70b", "h200", "--regime", "maxload"), "max-load"),
        (("estimate", "llama-3.1-70b", "h200", "--in", "0"), "'0' is not a whole number of at least 1"),
        (("estimate", "llama-3.1-70b", "h200", "--ttft", "2"), "--ttft '500 ms'"),
        (("estimate", "llama-3.1-70b", "h200", "--hbm", "hbm4-10h"), "no 10-high stack"),
        (("search", "llama-3.1-70b", "h2000"), "did you mean 'h200'"),
        (("search", "llama-3.1-70b", "h200", "--precision", "fp9"), "did you mean 'fp8'"),
        (("plan", "no-such.yaml"), "No such file"),
        (("check", ROOT / "examples"), "first-plan.yaml"),
        (("explain", "no-such-folder"), "is not a saved plan"),
    ],
)
def test_bad_input_is_refused_with_the_next_step_and_exit_code_2(arguments: tuple[str | Path, ...], told: str) -> None:
    assert told in run(*arguments, expect=2).stderr


def test_a_plan_writes_its_four_files_and_explain_reads_them(tmp_path: Path) -> None:
    out = tmp_path / "out"
    said = run("plan", FIRST_PLAN, "-o", out).stdout
    assert sorted(path.name for path in out.iterdir()) == ["plan.json", "plan.nc", "plan.xlsx", "report.html"]
    assert "What limits" in said
    assert "2026:" in run("explain", out).stdout
    assert "100% HBM" in run("explain", out, "--month", "2026-06").stdout
    assert "2026-01 to 2027-12" in run("explain", out, "--month", "2031-01", expect=2).stderr


def test_check_remarks_on_memory_that_fits_nothing_and_on_an_accelerator_without_memory(tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text(FIRST_PLAN.read_text().replace("height: 8\n", "height: 12\n"))
    told = " ".join(run("check", file).stdout.split())
    assert "HBM3E 8-high fits no accelerator of the plan: none takes hbm3e with 12 dies." in told
    assert "No supply has the HBM that HGX H200 takes" in told
    assert "fits no accelerator" not in run("check", FIRST_PLAN).stdout


def test_a_name_with_brackets_is_shown_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    text = FIRST_PLAN.read_text().replace("name: A first plan", "name: '[/bold] plan'").replace("  h200:", "  '[/x]':")
    file.write_text(text.replace("name: HGX H200", "name: '[/red] H200'"))
    told = run("check", file).stdout
    assert "[/bold] plan" in told and "[/x]" in told


def test_a_refused_scenario_leaves_an_earlier_report_alone(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text(FIRST_PLAN.read_text().replace("life: 5 year", "life: 5 kg"))
    out = tmp_path / "out"
    out.mkdir()
    (out / "report.html").write_text("yesterday's")
    run("plan", bad, "-o", out, expect=2)
    assert [path.name for path in out.iterdir()] == ["report.html"]
    assert (out / "report.html").read_text() == "yesterday's"


def test_a_solver_that_runs_out_of_time_exits_3_and_saves_the_problem(tmp_path: Path) -> None:
    told = run("plan", ROOT / "examples" / "openai-sk", "-o", tmp_path, "--time-limit", "0.01", expect=3).stderr
    assert "problem.nc" in told
    assert [path.name for path in tmp_path.iterdir()] == ["problem.nc"]
    from stackyard.plan.problem import Problem

    assert Problem.load(tmp_path / "problem.nc").digest in told


def test_a_folder_that_cannot_be_is_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        told = run("plan", ROOT / "examples" / "first-plan.yaml", "-o", out, expect=2).stderr
        assert "is not a folder" in told and "Rating" not in told
    assert (tmp_path / "file").read_text() == "kept"


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder that nobody can write to")
def test_a_folder_that_nobody_can_make_is_refused_before_any_work_with_the_next_step() -> None:
    told = run("plan", FIRST_PLAN, "-o", "/proc/x/y", expect=2).stderr
    assert "/proc/x/y: cannot be made or written to" in told and "-o out" in told and "Rating" not in told


def test_a_folder_that_is_only_tried_and_one_whose_writing_fails_are_gone_again(tmp_path: Path) -> None:
    from stackyard.files import atomically, require_folder, write_all

    require_folder(tmp_path / "a" / "b")
    assert not list(tmp_path.iterdir())

    def stopped(path: Path) -> None:
        path.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_all(tmp_path / "a" / "b", {"one": lambda path: None, "two": stopped})
    with pytest.raises(KeyboardInterrupt), atomically(tmp_path / "a" / "file") as beside:
        stopped(beside)
    assert not list(tmp_path.iterdir())
    with atomically(tmp_path / "a" / "file") as beside:
        beside.write_text("whole")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["file"]


@pytest.mark.parametrize("arguments", [("facts",), ("facts", "hbm"), ("facts", "--json"), ("audit",)])
def test_a_reader_that_leaves_early_is_no_error(arguments: tuple[str, ...]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "stackyard", *arguments]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("asked", [("kimi-k3", "l4"), ("llama-3.1-70b", "openai-jalapeno")])
def test_an_estimate_that_nothing_is_known_of_says_why(asked: tuple[str, str]) -> None:
    done = run("estimate", *asked, expect=1)
    assert "Not possible" in done.stdout and "Traceback" not in done.stderr


def test_ctrl_c_leaves_nothing_half_written(tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-m", "stackyard", "plan", str(ROOT / "examples" / "openai-sk"), "-o", str(out)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if "solving" in line:
            break
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Stopped. Nothing was left half-written." in told
    assert "Traceback" not in told
    assert not out.exists()


def test_importing_the_package_loads_nothing_heavy() -> None:
    heavy = "('numpy', 'pint', 'xarray', 'plotly', 'pydantic')"
    code = f"import sys, stackyard, stackyard.cli; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
