"""What a user may call says what it is and what it refuses, and shows itself at work."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import stackyard

ROOT = Path(stackyard.__file__).parent
VERBS = ("api.py", "reach.py", "results.py")
FORMULAS = ("verbs", "perf", "hbm", "site")
LONG = {  # they take minutes, or write what is looked at: pages of docs/ run them
    *("capacity", "fan", "robust", "why_not", "validate", "validate_power", "validate_serving", "validate_training"),
    *("aims", "write_map", "write_simulation", "write_validation", "workspace", "explained_conflict"),
    *("capacity_row", "explanation_row", "simulation_row", "within"),
}
INSIDE = {  # steps of a pass, which need all of it: the functions that call them show them
    *("basis_of", "beyond", "drawn", "guesses", "host_seconds", "kernel", "lowered", "memory_map", "message_time"),
    *("optimum", "primed", "read", "read_epw", "remembered", "seconds", "solve", "stacked", "time", "too_large"),
    *("transfer", "at_least_one", "amounts", "nearest_fit", "prepare"),
}


def public() -> Iterator[tuple[str, ast.FunctionDef]]:
    """Functions of the verbs' modules and of the physics, by where they stand; what fits constants is apart."""
    files = [ROOT / name for name in VERBS]
    files += [path for part in FORMULAS for path in (ROOT / part).rglob("*.py") if "calibration" not in path.parts]
    for path in files:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                yield f"{path.relative_to(ROOT)}:{node.name}", node


def test_every_verb_and_every_formula_says_what_it_is_and_shows_it() -> None:
    silent = [where for where, node in public() if not ast.get_docstring(node)]
    assert silent == []
    unseen = [
        where
        for where, node in public()
        if node.name not in LONG | INSIDE and ">>> " not in (ast.get_docstring(node) or "")
    ]
    assert unseen == []


def test_what_is_offered_by_the_package_is_documented() -> None:
    for name in stackyard.VERBS:
        assert len((getattr(stackyard, name).__doc__ or "").split()) >= 5, name
