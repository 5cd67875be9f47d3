"""HBM supply: wafers -> dies -> stacks, month by month. Pure functions; the month axis comes last.

- `geometry`: gross_dies; poisson_yield, murphy_yield, negative_binomial_yield
- `stack`: stack_yield, stacks_from, net_bytes_per_wafer, implied_die_yield
- `ramp`: ramp, slip
- `supply`: Line, flow, Flow, balance
- `audit`: the memory facts of the catalogue against these formulas

Not modelled: repair and rework, part-months, limits on stacking capacity other than base dies, stocks held back.
"""
