"""docs/scale.png: how the planner's time grows, from what `python bench/bench_scale.py > FILE` printed.

python design/scale_plot.py FILE docs/scale.png
"""

from __future__ import annotations

import itertools
import re
import sys
from pathlib import Path

LINE = re.compile(r"(?P<axis>\w+) (?P<size>\d+)  (?P<columns>[\d,]+) columns.*built in (?P<built>[\d.]+) s CPU")
SOLVED = re.compile(r"solved\s+(?P<seconds>[\d.]+) s CPU")


def main(source: Path, target: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    found: dict[str, list[tuple[int, float, float, str]]] = {}
    lines = source.read_text(encoding="utf-8").splitlines()
    for head, below in itertools.pairwise(lines):
        one, two = LINE.search(head), SOLVED.search(below)
        if one and two:
            point = (int(one["size"]), float(two["seconds"]), float(one["built"]), one["columns"])
            found.setdefault(one["axis"], []).append(point)
    figure, parts = pyplot.subplots(1, len(found), figsize=(10, 3.2), sharey=True, constrained_layout=True)
    for part, (axis, points) in zip(parts, found.items(), strict=True):
        sizes = [point[0] for point in points]
        part.plot(sizes, [point[1] for point in points], marker="o", color="#1f4e79", label="solved")
        part.plot(sizes, [point[2] for point in points], marker="o", color="#b45309", label="built")
        for size, seconds, _, columns in points:
            part.annotate(
                f"{columns}", (size, seconds), textcoords="offset points", xytext=(0, 6), fontsize=7, ha="right"
            )
        part.set_xlabel(f"{axis}s")
        part.set_ylim(bottom=0)
        part.spines[["top", "right"]].set_visible(False)
    parts[0].set_ylabel("CPU seconds")
    parts[0].legend(frameon=False)
    figure.savefig(target, dpi=120)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
