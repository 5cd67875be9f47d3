"""Sourced facts -> typed entries. `catalog.load()` gives the built-in Catalog."""

import sys

from stackyard.catalog.audit import Finding, audit
from stackyard.catalog.catalog import Catalog, Caveat
from stackyard.catalog.load import load
from stackyard.verb import Verb

__all__ = ["Catalog", "Caveat", "Finding", "audit", "load"]

sys.modules[__name__].__class__ = Verb  # `stackyard.catalog()` is the verb
