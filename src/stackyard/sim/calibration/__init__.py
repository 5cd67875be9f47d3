"""The simulator beside measured serving: rows, predictions, the fit of its few constants."""
