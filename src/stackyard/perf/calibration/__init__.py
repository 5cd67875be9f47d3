"""Calibration: measured serving and training, the fit of the constants to them, and the comparison."""
