"""Speed and size of a search: 1,000,000 points (layout x batch), target 1.5 s on one core and 1 GB."""

import resource
import time

import numpy as np

from stackyard import catalog
from stackyard.perf.cost import Prices
from stackyard.perf.frontier import Workload, candidates, frontier
from stackyard.perf.layout import layouts
from stackyard.perf.whatif import Variant

POINTS = 1_000_000


def main() -> None:
    known = catalog.load()
    chip = known.accelerator("gb300")
    variant, prices = Variant(chip, known.hbm[chip.hbm]), Prices(chip.price, 1.6e8, 1.4e-8)
    for name in ("llama-3.1-70b", "deepseek-v3"):
        asked = Workload(known.model(name), 1000.0, 1000.0, 2.0, 0.05)
        every = candidates(asked.model, 72, 72)
        for what, among in (("all", every), ("that divide", layouts(asked.model, chip))):
            step = POINTS // np.size(among.tensor)
            wall, used = time.perf_counter(), time.process_time()
            found = frontier(asked, variant, among, prices, ["fp8"], shares=np.geomspace(1.0, 4096.0, step))
            wall, used = time.perf_counter() - wall, time.process_time() - used
            most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
            print(
                f"{name}, {what}: {found.tried:,} points ({len(found.points.tpot):,} kept) "
                f"in {wall:.2f} s ({used:.2f} s of one core), {found.tried / used / 1e6:.1f} M points/s, {most:.2f} GB"
            )


if __name__ == "__main__":
    main()
