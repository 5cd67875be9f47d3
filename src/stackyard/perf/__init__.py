"""Performance: how fast, how large, how much energy. Pure functions over values."""
