"""What every command keeps: JSON for programs, exit codes as told, completion; and a first scenario that plans."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command

from stackyard.cli import EPILOG, app, main

ROOT = Path(__file__).parents[2]
FIRST_PLAN = ROOT / "examples" / "first-plan.yaml"
LEDGER = ROOT / "examples" / "openai-sk" / "ledger.jsonl"
WITHOUT_JSON = {
    "web": "answers in JSON over HTTP",
    "schema": "prints JSON",
    "ledger export": "prints lines of JSON",
}


def commands() -> Iterator[tuple[str, set[str]]]:
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        for inner, each in getattr(command, "commands", {"": command}).items():
            yield f"{name} {inner}".strip(), {option for parameter in each.params for option in parameter.opts}


def run(*arguments: str | Path, answers: str = "", cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "stackyard", *map(str, arguments)]
    done = subprocess.run(command, input=answers, capture_output=True, text=True, check=False, cwd=cwd)
    assert "Traceback" not in done.stderr
    return done


def code_of(line: str) -> int:
    """The exit code of a command line, run in this process: most of a command's time is its start."""
    before, sys.argv = sys.argv, ["stackyard", *line.split()]
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    finally:
        sys.argv = before
    return 0


def test_every_command_prints_json_or_says_why_not() -> None:
    assert {name for name, options in commands() if "--json" not in options} == set(WITHOUT_JSON)


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a plan and a ledger."""
    folder = tmp_path_factory.mktemp("there")
    assert code_of(f"plan {FIRST_PLAN} -o {folder}/out --quick --json") == 0
    assert code_of(f"ledger import {LEDGER} --ledger {folder}/ledger.db --json") == 0
    return folder


# Each command with an answer, and with what makes it leave with another code; {out} and {ledger} are there.
CODES = {
    "facts": [("h200 --json", 0), ("unobtainium --json", 1), ("--grade asumed", 2)],
    "audit": [("--json", 0)],
    "estimate": [
        ("llama-3.1-70b h200 --tp 8 --batch 8 --json", 0),
        ("llama-3.1-70b h100 --tp 1 --batch 8 --json", 1),
        ("llama h200", 2),
    ],
    "train": [
        ("llama-3.1-8b h100 --gpus 8 --micro 1 --recompute full --sharding zero-3 --json", 0),
        ("llama-3.1-405b h100 --gpus 8 --json", 1),
        ("llama h100 --gpus 8", 2),
    ],
    "search": [
        ("llama-3.1-8b h200 --precision fp8 --json", 0),
        ("llama-3.1-8b h200 --precision fp8 --tpot 1us --json", 1),
        ("llama-3.1-8b h", 2),
    ],
    "memory": [
        ("llama-3.1-8b h200 --json", 0),
        ("llama-3.1-8b h200 --tpot 1us --json", 1),
        ("llama-3.1-8b h200 --precision fp9", 2),
    ],
    "check": [("{plan} --json", 0), ("none.yaml", 2)],
    "plan": [("{plan} --mps {there}/p.mps --json", 0), ("none.yaml", 2)],  # 3 and 130: test_cli
    "explain": [("{out} --json", 0), ("{out} --month 2026-06 --json", 0), ("{out} --month 2040-01", 2)],
    "compare": [("{plan} {plan} -o {there}/compared --json", 0), ("{plan} none.yaml", 2)],
    "why-not": [
        ("{plan} h200 --at frankfurt --json", 0),
        ("{plan} h100 --at frankfurt", 2),
    ],
    "fan": [("{plan} -o {there}/fan", 2)],
    "robust": [("{plan} -o {there}/robust", 2)],
    "validate": [("none.csv", 2)],
    "supply": [("hbm4-12h --json", 0), ("hbm9", 2)],
    "site": [("ulsan --json", 0), ("atlantis", 2)],
    "simulate": [("--model llama --system h200", 2)],
    "capacity": [("--model llama --system h200", 2)],
    "sweep": [("{sweep} --check --json", 0), ("none.yaml", 2)],
    "init": [("{there}/mine.yaml --yes --json", 0), ("{plan} --yes", 2)],
    "schema": [("", 0)],
    "ledger verify": [("{ledger} --json", 0), ("{there}/altered.jsonl --json", 1), ("none.db", 2)],
    "ledger show": [("{ledger} --json", 0), ("none.db", 2)],
    "ledger export": [("{ledger}", 0), ("none.db", 2)],
    "ledger import": [("{plan} --ledger {there}/other.db", 2)],
    "account add": [
        ("{ledger} ann --role host --password 12characters-long --json", 0),
        ("{ledger} ann --password x", 2),
    ],
    "account list": [("{ledger} --json", 0), ("none.db", 2)],
    "account close": [("{ledger} ann --json", 0), ("none.db ann", 2)],
    "web": [("none/none", 2)],
}


def test_the_table_of_exit_codes_names_every_command() -> None:
    assert set(CODES) == {name for name, _ in commands()}
    for code in sorted({code for each in CODES.values() for _, code in each} | {3, 130}):
        assert f"{code} " in EPILOG


@pytest.mark.parametrize("command", CODES)
def test_exit_codes_are_as_documented_and_json_parses(
    command: str, there: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(there)
    text = LEDGER.read_text(encoding="utf-8")
    (there / "altered.jsonl").write_text(text.replace("2025-10-01", "2025-10-02", 1), encoding="utf-8")
    known = {
        "there": there,
        "out": there / "out",
        "plan": FIRST_PLAN,
        "sweep": FIRST_PLAN.parent / "first-sweep.yaml",
        "ledger": there / "ledger.db",
    }
    for asked, code in CODES[command]:
        capsys.readouterr()
        assert code_of(f"{command} {asked.format(**known)}") == code, (asked, capsys.readouterr())
        said = capsys.readouterr()
        if "--json" in asked or command == "schema":
            json.loads(said.out)
        if code == 2:
            assert said.err and not said.out


def test_the_shell_completes_verbs_and_the_names_of_the_catalogue() -> None:
    def completed(words: str) -> list[str]:
        told = {"_STACKYARD_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
        code = "import sys; sys.argv = ['stackyard']; from stackyard.cli import main; main()"
        done = subprocess.run([sys.executable, "-c", code], env={**os.environ, **told}, capture_output=True, text=True)
        return done.stdout.split()

    assert completed("stackyard est") == ["estimate"]
    assert "llama-3.1-70b" in completed("stackyard estimate llama-3.1")
    assert {"h200", "h20"} <= set(completed("stackyard estimate llama-3.1-70b h2"))


def test_init_asks_again_what_cannot_be_and_writes_what_plans(tmp_path: Path) -> None:
    answers = "lama\nllama-3.1-8b\n100 GB\n50 Gtoken/day\nl40s\nmi300x\n\n3 MW\n"
    done = run("init", "mine.yaml", answers=answers, cwd=tmp_path)
    assert done.returncode == 0 and sorted(path.name for path in tmp_path.iterdir()) == [
        "mine.yaml",
        "scenario.schema.json",
    ]
    for told in ("'lama' is not a known model", "'100 GB' has 'GB'", "'l40s' has no HBM"):
        assert told in done.stderr
    planned = run("plan", "mine.yaml", "--quick", "--json", cwd=tmp_path)
    said = json.loads(planned.stdout)
    assert said["decisions"]["installed"]["rows"] and said["labels"]["accelerator"] == "mi300x"
