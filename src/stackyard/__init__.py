"""Stackyard plans AI infrastructure from the HBM stack to the data-centre yard.

>>> import stackyard
>>> estimate = stackyard.estimate("llama-3.1-70b", "h200", precision="fp8")
>>> estimate.fits, round(estimate.tpot, 2)
(True, 0.05)

Every verb of the command line is a function here, and `stackyard.api` has those that programs need beside them. A verb
loads what it needs when it is first asked for, so that `import stackyard` stays quick.
"""

from importlib import import_module

TYPE_CHECKING = False  # as typing's, without the time that typing takes to load
if TYPE_CHECKING:
    from stackyard.api import capacity as capacity
    from stackyard.api import compare as compare
    from stackyard.api import disaggregate as disaggregate
    from stackyard.api import estimate as estimate
    from stackyard.api import facts as facts
    from stackyard.api import fan as fan
    from stackyard.api import load_of as load_of
    from stackyard.api import memory as memory
    from stackyard.api import plan as plan
    from stackyard.api import problem as problem
    from stackyard.api import promise as promise
    from stackyard.api import robust as robust
    from stackyard.api import scenario as scenario
    from stackyard.api import search as search
    from stackyard.api import service as service
    from stackyard.api import simulate as simulate
    from stackyard.api import site as site
    from stackyard.api import supply as supply
    from stackyard.api import sweep as sweep
    from stackyard.api import train as train
    from stackyard.api import validate as validate
    from stackyard.api import what_if as what_if
    from stackyard.api import why_not as why_not
    from stackyard.api import workspace as workspace

__version__ = "0.1.0"

PACKAGES = ("catalog", "plan", "site", "sweep")  # verbs whose package has their name: it can be called, see `verb`
VERBS = (
    *("capacity", "catalog", "compare", "disaggregate", "estimate", "facts", "fan", "load_of", "memory", "plan"),
    *("problem", "promise", "robust", "scenario", "search", "service", "simulate", "site", "supply", "sweep"),
    *("train", "validate", "what_if", "why_not", "workspace"),
)


def __getattr__(name: str) -> object:
    if name not in VERBS:
        raise AttributeError(f"module 'stackyard' has no attribute '{name}'")
    return import_module(f"stackyard.{name}") if name in PACKAGES else getattr(import_module("stackyard.api"), name)


def __dir__() -> list[str]:
    return [*VERBS, "__version__", "api"]
