"""Shared decisions: who promised what when, what moved, what that does to the plan, and who may see which of it."""
