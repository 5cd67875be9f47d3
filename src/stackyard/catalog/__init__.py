"""Sourced facts -> typed entries. `catalog.load()` gives the built-in Catalog."""

from stackyard.catalog.audit import Finding, audit
from stackyard.catalog.catalog import Catalog, Caveat
from stackyard.catalog.load import load

__all__ = ["Catalog", "Caveat", "Finding", "audit", "load"]
