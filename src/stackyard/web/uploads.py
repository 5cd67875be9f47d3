"""Tables that are sent in: limited in size, looked at before they are unpacked, and read in a process of their own.

The process has a gigabyte of address space and ten seconds; what it cannot read within them is refused, and the server
goes on. A table has the columns `month` and `amount`, in CSV or in the first sheet of an XLSX workbook.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from stackyard.words import number, phrase

MOST_UNPACKED, MOST_RATIO, MOST_ROWS = 40 * 1024 * 1024, 200, 1200
SECONDS, MEMORY = 10, 1024 * 1024 * 1024


def spool(content: bytes) -> str:
    """Writes what was sent to a file and names it; '' for nothing."""
    if not content:
        return ""
    handle, name = tempfile.mkstemp(prefix="stackyard-upload-")
    with os.fdopen(handle, "wb") as stream:
        stream.write(content)
    return name


def read(path: str, name: str) -> tuple[list[tuple[str, float]], tuple[str, ...]]:
    """(month, amount) rows of a table, or why it cannot be read; the file is gone afterwards."""
    file = Path(path)
    try:
        reasons = _swollen(file)
        if reasons:
            return [], reasons
        return _in_a_process(file, name)
    finally:
        file.unlink(missing_ok=True)


def _swollen(file: Path) -> tuple[str, ...]:
    """Why a workbook must not be unpacked: it would be far larger than it is."""
    if not zipfile.is_zipfile(file):
        return ()
    try:
        with zipfile.ZipFile(file) as archive:
            sizes = [(part.file_size, part.compress_size) for part in archive.infolist()]
    except (zipfile.BadZipFile, OSError, ValueError):
        return (phrase("the workbook is damaged: save it again as .xlsx"),)
    total = sum(size for size, _ in sizes)
    ratio = max((size / max(packed, 1) for size, packed in sizes if size > 100_000), default=0.0)
    if total > MOST_UNPACKED or ratio > MOST_RATIO or len(sizes) > 500:
        return (
            phrase(
                "the workbook would unpack to {size} MB: send only the table, as CSV",
                size=number(f"{total / 1e6:,.0f}"),
            ),
        )
    return ()


def _in_a_process(file: Path, name: str) -> tuple[list[tuple[str, float]], tuple[str, ...]]:
    command = [sys.executable, "-I", "-c", _BOOT.format(path=sys.path), str(file), name]
    try:
        done = subprocess.run(command, capture_output=True, timeout=SECONDS + 5, check=False, env=ONE_THREAD)
    except subprocess.TimeoutExpired:
        return [], (phrase("the table takes longer than {seconds} s to read: send a smaller one", seconds=SECONDS),)
    if done.returncode != 0:
        return [], (phrase("the table cannot be read: it is damaged, or needs too much memory; send it as CSV"),)
    answer = json.loads(done.stdout)
    return [(str(month), float(amount)) for month, amount in answer["rows"]], tuple(
        phrase(pattern, **values) for pattern, values in answer["reasons"]
    )


# A numerical library reserves memory for each of its threads, and a table needs none of them.
ONE_THREAD = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
_BOOT = "import sys; sys.path[:] = {path!r}; from stackyard.web.table import main; main()"
