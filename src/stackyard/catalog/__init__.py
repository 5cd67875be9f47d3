"""Sourced facts -> typed entries. `catalog.load()` gives the built-in Catalog."""
