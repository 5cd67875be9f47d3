"""Training: the time, memory and goodput of a step that many accelerators share."""
