"""Compiles the kernel and keeps its machine code on disk: `python -m stackyard.sim.kernel`."""

from __future__ import annotations

import gc

from stackyard.sim.kernel.loop import advance

if __name__ == "__main__":
    gc.disable()  # a compiler's data live to its end, and looking for garbage among them takes a tenth of the time
    advance.code()
