"""Measured serving performance: the table, its door, the fit of the constants, and the comparison."""
