"""The only compiled code: arrays in, arrays out. `loop.advance` runs requests through engines."""
