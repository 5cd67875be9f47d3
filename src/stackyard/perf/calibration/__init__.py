"""Calibration: measured rows, and the code that fits the model's constants to them."""
