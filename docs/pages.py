"""The code blocks of the README and of docs/, run in the order of their page; `make pages` writes anew what they print.

Python blocks with prompts are doctests; those without are run whole. `console` blocks are commands with what they
print, where `...` stands for anything; a yaml block that begins with `# NAME.yaml` writes that file. Indented commands
name files of the reader's own: they are read and not run.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from stackyard.cli import main

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
WIDTH = "100"  # columns of the terminal


def commands(text: str) -> Iterator[str]:
    """Command lines of a page that are indented, those that go on in the next line put together."""
    whole = re.sub(r"\\\n\s+", "", BLOCK.sub("", text))
    for line in re.findall(r"^    stackyard +(.*)$", whole, re.MULTILINE):
        yield re.split(r"\s+#", line)[0]


def run(page: Path, write: bool = False) -> list[str]:
    """Runs a page's blocks in a new folder; what did not come out as printed. `write` puts it in the page."""
    text, faults, names = page.read_text(encoding="utf-8"), list[str](), dict[str, object]()

    def ran(found: re.Match[str]) -> str:
        kind, block = found.groups()
        line = text[: found.start()].count("\n") + 1
        if kind == "console":
            block = "".join(_console(part, faults) for part in re.split(r"^(?=\$ )", block, flags=re.MULTILINE))
        elif kind == "python" and ">>>" in block:
            faults.extend(_doctest(block, names, page, line))
        elif kind == "python":
            exec(compile(block, f"{page.name}:{line}", "exec"), names)
        elif kind == "yaml" and (name := re.match(r"# ([\w-]+\.yaml)\n", block)):
            Path(name[1]).write_text(block, encoding="utf-8")
        return f"```{kind}\n{block}```"

    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder, _columns():
        os.chdir(folder)
        try:
            Path("examples").symlink_to(ROOT / "examples")
            written = BLOCK.sub(ran, text)
        finally:
            os.chdir(before)
    if write and written != text:
        page.write_text(written, encoding="utf-8")
    return faults


def _console(part: str, faults: list[str]) -> str:
    """A command with what it prints, as it stands where that is still so."""
    if not part.startswith("$ "):
        return part
    line, _, wanted = part[2:].partition("\n")
    code, got = invoke(line)
    got = "".join(f"{each.rstrip()}\n" for each in got.splitlines())
    if code not in (0, 1):
        faults.append(f"$ {line}\nleaves with {code}:\n{got}")
    elif doctest.OutputChecker().check_output(wanted, got, FLAGS):
        return part
    else:
        faults.append(f"$ {line}\nprints\n{got}")
    return f"$ {line}\n{re.sub(r'problem [0-9a-f]{12}', 'problem ...', got)}"


def invoke(line: str) -> tuple[int, str]:
    """Exit code of a command, and what it prints; with 2 and more what it complains of."""
    out, complaint = io.StringIO(), io.StringIO()
    before, sys.argv = sys.argv, shlex.split(line, comments=True)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(complaint):
            main()
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        sys.argv = before
    return code, out.getvalue() if code < 2 else complaint.getvalue()


def _doctest(block: str, names: dict[str, object], page: Path, line: int) -> list[str]:
    test = doctest.DocTestParser().get_doctest(block, names, page.name, str(page), line)
    said: list[str] = []
    doctest.DocTestRunner(optionflags=FLAGS, verbose=False).run(test, out=said.append, clear_globs=False)
    names.update(test.globs)
    return said


@contextlib.contextmanager
def _columns() -> Iterator[None]:
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = WIDTH
    try:
        yield
    finally:
        os.environ.pop("COLUMNS")
        if before is not None:
            os.environ["COLUMNS"] = before


if __name__ == "__main__":
    chosen = [Path(name).resolve() for name in sys.argv[1:]] or PAGES
    for one in chosen:
        for told in run(one, write=True):
            print(f"{one.relative_to(ROOT)}: {told}")
