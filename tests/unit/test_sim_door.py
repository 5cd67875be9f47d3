"""The simulator's door: traces with every kind of fault, presets with sources, the command line's exit codes."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from stackyard import api
from stackyard.cli import app
from stackyard.errors import InputErrors
from stackyard.perf.layout import Layout
from stackyard.perf.precision import PRESETS
from stackyard.sim import ask, serve, steps, trace, traffic
from stackyard.sim.presets import engines, preset

HEAD = "arrival_s,prompt,output\n"


def told(path: Path, **how: bool) -> str:
    with pytest.raises(InputErrors) as error:
        trace.read(path, **how)
    return str(error.value)


def file(folder: Path, text: str, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("1,,10", "prompt is missing"),
        ("1,10,-3", "output is -3"),
        ("1,0,3", "prompt is 0"),
        ("1,99999999,3", "taken for a mistake"),
        ("0.5,10,10", "before that of the line above"),
        ("x,10,10", "arrival_s is missing or not a number"),
        ("-1,10,10", "arrival_s is -1"),
        ("inf,10,10", "arrival_s is missing or not a number"),
    ],
)
def test_a_bad_line_is_named_and_can_be_left_out(tmp_path: Path, line: str, says: str) -> None:
    path = file(tmp_path, f"{HEAD}1,10,10\n{line}\n2,20,20\n")
    assert says in told(path)
    assert f"{path}:3" in told(path)
    found = trace.read(path, skip_bad=True)
    assert (found.skipped, len(found.requests)) == (1, 2)


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    assert told(file(tmp_path, f"{HEAD}1,0,1\n2,1,0\n")).startswith("2 problems")


def test_empty_unknown_and_broken_files(tmp_path: Path) -> None:
    assert "empty" in told(file(tmp_path, HEAD))
    assert "no column of prompt" in told(file(tmp_path, "a,b\n1,2\n"))
    assert "no such file" in told(tmp_path / "none.csv")
    whole = gzip.compress((HEAD + "1,10,10\n" * 5000).encode())
    (tmp_path / "cut.csv.gz").write_bytes(whole[: len(whole) // 2])
    assert "breaks off" in told(tmp_path / "cut.csv.gz")
    assert "is not JSON" in told(
        file(tmp_path, '{"timestamp": 1, "input_length": 1, "output_length": 1}\n{', "t.jsonl")
    )


def test_published_formats(tmp_path: Path) -> None:
    azure = (
        "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.6805900,374,44\n2023-11-16 18:15:48.6805900,9,5\n"
    )
    found = trace.read(file(tmp_path, azure)).requests
    assert found.arrival.tolist() == [0.0, 2.0]
    assert found.prompt.tolist() == [374, 9]
    rows = [
        {"timestamp": 0, "input_length": 1024, "output_length": 5, "hash_ids": [7, 9]},
        {"timestamp": 1500, "input_length": 600, "output_length": 5, "hash_ids": [7]},
    ]
    found = trace.read(file(tmp_path, "\n".join(map(json.dumps, rows)), "m.jsonl")).requests
    assert found.arrival.tolist() == [0.0, 1.5]
    assert (found.hashes.tolist(), found.hash_n.tolist(), found.hash_tokens) == ([0, 1, 0], [2, 1], 512)
    assert found.in_blocks(1024).hash_n.tolist() == [1, 0]


def test_presets_cite_every_setting() -> None:
    known = engines()
    for name, entry in known["presets"].items():
        parts = [entry["settings"], *(rule["settings"] for rule in entry.get("by_memory", ()))]
        assert all(row["source"] in known["sources"] for part in parts for row in part.values()), name
    chip = api.catalog().accelerator("h100")
    assert preset("vllm", chip).tokens == 8192
    a100 = api.catalog().accelerator("a100-80gb")
    assert (preset("vllm", a100).tokens, preset("vllm", a100).sequences) == (2048, 256)
    assert (preset("sglang", a100).tokens, preset("sglang", api.catalog().accelerator("b200")).tokens) == (8192, 16384)
    assert preset("trtllm", chip).reserve == 1.0
    layout, precision = Layout(tensor=4.0), PRESETS["bf16"]
    asked = steps.Asked(api.catalog().model("llama-3.1-70b"), chip, layout, precision, "vllm-2026")
    whole = replace(preset("trtllm", chip), memory_share=1.0)
    part = serve.cache_blocks(asked, replace(whole, memory_share=0.5)) / serve.cache_blocks(asked, whole)
    assert part == pytest.approx(0.5, rel=1e-3)  # the share is of what the weights leave
    assert preset("sglang", chip).policy == "prefill-first"


def test_compiled_code_finds_a_folder_it_can_write_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from stackyard.sim.kernel import compile as kernel

    taken = file(tmp_path, "not a folder", "taken")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(taken / "x"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    kernel.folder.cache_clear()
    assert kernel.folder() == tmp_path / "cache" / "stackyard"
    monkeypatch.setenv("XDG_CACHE_HOME", str(taken / "y"))
    kernel.folder.cache_clear()
    assert kernel.folder().name.startswith("stackyard-")
    kernel.folder.cache_clear()


def test_another_process_compiles_and_this_one_needs_no_compiler(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from stackyard import api\n"
        "api.prepare()\n"
        "of = api.service(['llama-3.1-8b'], 'h100')\n"
        "load = api.load_of(None, '5', 20, 100.0, 10.0, 1.0, 'poisson', 1.0, 0, False)\n"
        "print(api.simulate(of, load, api.promise(), replications=1).served, 'numba' in sys.modules)\n"
    )
    env = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "NUMBA_DISABLE_JIT": "0"}
    done = subprocess.run([sys.executable, "-c", code], env=env, check=True, capture_output=True, text=True)
    assert done.stdout == "20 False\n"
    assert [path.suffix for path in tmp_path.iterdir()] == [".o"]


def test_rates() -> None:
    assert ask.rate_of("2x", 3.0) == 6.0
    assert ask.rate_of("5/s", 3.0) == 5.0
    assert ask.rate_of(None, 3.0) == 3.0
    for text in ("0", "-1", "x", "0x", "nan", "1e400"):
        with pytest.raises(InputErrors):
            ask.rate_of(text, 3.0)


def test_measured_steps_must_be_a_grid(tmp_path: Path) -> None:
    lines = [f"{q},{n},{c},{0.01 + q * 1e-5 + n * 1e-4}" for q in (0, 1000) for n in (0, 100) for c in (0, 1000)]
    path = file(tmp_path, ",".join(steps.COLUMNS) + "\n" + "\n".join(lines))
    assert steps.measured(path).grid.shape == (2, 2, 2)
    with pytest.raises(InputErrors, match="full grid"):
        steps.measured(file(tmp_path, ",".join(steps.COLUMNS) + "\n" + "\n".join(lines[:-1])))
    with pytest.raises(InputErrors, match="columns"):
        steps.measured(file(tmp_path, "a\n1\n"))


def test_traffic_has_its_moments() -> None:
    for family, cv in (("poisson", 1.0), ("gamma", 3.0), ("weibull", 2.0), ("even", 0.0)):
        gaps = np.diff(
            traffic.synthetic(4.0, 60_000, traffic.Lengths(9), traffic.Lengths(9), 1, family, cv or 1.0).arrival
        )
        assert gaps.mean() == pytest.approx(0.25, rel=0.06)
        assert gaps.std() / gaps.mean() == pytest.approx(cv, rel=0.1, abs=1e-9)
    clients = [
        traffic.Client(0.7, "gamma", 4.0, traffic.Lengths(100), traffic.Lengths(10)),
        traffic.Client(0.3, "weibull", 1.5, traffic.Lengths(1000), traffic.Lengths(10)),
    ]
    mixed = traffic.mixture(20.0, 2000.0, clients, seed=1)
    assert mixed.rate == pytest.approx(20.0, rel=0.1)
    assert (np.diff(mixed.arrival) >= 0).all()
    day = traffic.daily(traffic.synthetic(1.0, 86_400, traffic.Lengths(1), traffic.Lengths(1)), 0.5)
    counts = np.histogram(day.arrival, bins=4, range=(0, 86_400))[0]
    assert counts[0] > 1.5 * counts[2]
    talk = traffic.conversations(3.0, 3000, 4.0, traffic.Lengths(100), traffic.Lengths(50))
    early, late = np.histogram(talk.arrival, bins=2, range=(0, 1000))[0]
    assert len(talk) == pytest.approx(3000, rel=0.1)
    assert early == pytest.approx(late, rel=0.2)


RUN = CliRunner()
BASE = ["simulate", "--model", "llama-3.1-8b", "--system", "h100"]


def test_command_line(tmp_path: Path) -> None:
    asked = [*BASE, "--rate", "5", "--requests", "300", "--replications", "2", "--json"]
    one, other = RUN.invoke(app, asked), RUN.invoke(app, [*asked, "--workers", "1"])
    assert one.exit_code == 0, one.output
    assert one.output == other.output
    figures = json.loads(one.output)["figures"]
    assert 0 < figures["ttft.p50"]["value"] < figures["ttft.p99"]["value"] < 1
    page = tmp_path / "page.html"
    shown = RUN.invoke(app, [*BASE, "--rate", "5", "--requests", "200", "--report", str(page), "--ttft", "1 s"])
    assert "time to first token" in shown.output.replace("\n", " ") or "time to" in shown.output
    assert "Latency against load" in page.read_text()


def test_overload_is_not_given_a_latency() -> None:
    asked = [*BASE, "--rate", "400", "--requests", "6000", "--max-seqs", "64", "--replications", "1"]
    told_ = RUN.invoke(app, [*asked, "--json"])
    found = json.loads(told_.output)
    assert not found["stable"]
    assert found["growth"] > 100
    assert found["figures"] == {}
    assert "Unstable" in RUN.invoke(app, asked).output


@pytest.mark.parametrize(
    "more",
    [
        ["--rate", "0"],
        ["--rate", "2x"],
        ["--tp", "3"],
        ["--router", "random"],
        ["--arrivals", "uniform"],
        ["--engine", "tgi"],
        ["--trace", "no.csv"],
        ["--cv", "-1", "--arrivals", "gamma"],
    ],
)
def test_bad_input_is_refused(more: list[str]) -> None:
    error = RUN.invoke(app, [*BASE, *more]).exception
    assert isinstance(error, InputErrors)
    assert str(error)


def test_serving_validation_writes_predictions(tmp_path: Path) -> None:
    header = "gpu,model,tp,engine,rate_rps,input_tokens,output_tokens,duration_s,ttft_mean_ms"
    table = file(
        tmp_path, f"{header}\nH100,meta-llama/Llama-3.1-8B,1,vLLM 0.15.1,4,500,100,60,30\nH100,none,1,,4,500,100,60,\n"
    )
    out = tmp_path / "out.csv"
    done = RUN.invoke(app, ["validate", "--serving", str(table), "--predict", str(out)])
    assert done.exit_code == 0, done.output
    lines = out.read_text().splitlines()
    assert "predicted_ttft_p99_ms" in lines[0]
    assert "not in the catalogue" in lines[2]
    bad = file(tmp_path, f"{header}\nH100,meta-llama/Llama-3.1-8B,1,,0,500,100,60,30\n", "bad.csv")
    assert isinstance(RUN.invoke(app, ["validate", "--serving", str(bad)]).exception, InputErrors)
