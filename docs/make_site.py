"""The site: `make docs` gathers pages, generates those that say what the package holds, and builds all of it strictly.

Written by hand are docs/*.md and docs/tasks/*.md; generated are the catalogue's tables, the reference of functions and
that of commands. Links to files of the repository become their names, for the site stands alone.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import reference

ROOT = Path(__file__).parents[1]
DOCS, GATHERED, SITE = ROOT / "docs", ROOT / "build" / "docs", ROOT / "site"
TOP = {"CHANGELOG.md": "changelog", "CONTRIBUTING.md": "contributing", "SECURITY.md": "security"}
NOTES = ("DESIGN.md", "problem.md", "solvers.md")  # of design/


def gather() -> None:
    """Every page under build/docs, written or generated anew."""
    shutil.rmtree(GATHERED, ignore_errors=True)
    pages = [*DOCS.glob("*.md"), *DOCS.glob("tasks/*.md")]
    for page in pages:
        put(page.relative_to(DOCS).as_posix(), page.read_text(encoding="utf-8"))
    for name, page in TOP.items():
        put(f"{page}.md", (ROOT / name).read_text(encoding="utf-8"))
    for name in NOTES:
        put(f"design/{name.lower()}", (ROOT / "design" / name).read_text(encoding="utf-8"))
    for name, text in reference.pages().items():
        put(name, text)
    for file in (*DOCS.glob("*.png"), DOCS / "conf.py", DOCS / "site.css"):
        shutil.copy(file, GATHERED / file.name)
    index = GATHERED / "index.md"
    told = index.read_text(encoding="utf-8")
    rest = sorted(page.stem for page in DOCS.glob("*.md") if page.stem != "index" and f"\n{page.stem}\n" not in told)
    index.write_text(told.replace("{rest}", "\n".join(rest)), encoding="utf-8")


def put(name: str, text: str) -> None:
    """One page, its links to files outside the site turned into their names."""
    target = GATHERED / name
    target.parent.mkdir(parents=True, exist_ok=True)
    text = re.sub(r"!\[([^\]]*)\]\((?:\.\./)?docs/([^)]+)\)", rf"![\1]({'../' * name.count('/')}\2)", text)
    text = re.sub(r"\[([^\]]+)\]\(\.\./((?:src|examples|bench|design)/[^)]+)\)", r"\1 (`\2`)", text)
    target.write_text(text.replace("```csv\n", "```text\n"), encoding="utf-8")


def main() -> None:
    """Gathers the pages and builds them; any warning fails."""
    gather()
    shutil.rmtree(SITE, ignore_errors=True)
    options = ["--fail-on-warning", "--keep-going", "--quiet", "--jobs", "2"]
    cache = ROOT / "build" / "doctrees"
    command = [sys.executable, "-m", "sphinx", "-b", "html", *options, "-d", cache, GATHERED, SITE]
    code = subprocess.run(command, check=False).returncode
    if code:
        raise SystemExit(code)
    foreign = foreign_parts(SITE)
    if foreign:
        raise SystemExit("These pages load something from another host:\n" + "\n".join(foreign))
    print(f"{sum(1 for _ in SITE.rglob('*.html'))} pages in {SITE.relative_to(ROOT)}/index.html")


def foreign_parts(site: Path) -> list[str]:
    """Scripts, styles, pictures and fonts that a page or a style would load from elsewhere."""
    loads = re.compile(r'<(?:script|img|iframe|source)[^>]+src="(?:https?:)?//|<link[^>]+href="(?:https?:)?//')
    inside = re.compile(r"@import|url\(\s*['\"]?(?:https?:)?//")
    found = []
    for page in site.rglob("*"):
        if page.suffix == ".html" and loads.search(page.read_text(encoding="utf-8")):
            found.append(str(page))
        if page.suffix == ".css" and inside.search(page.read_text(encoding="utf-8")):
            found.append(str(page))
    return found


if __name__ == "__main__":
    main()
