"""HBM supply: wafers -> dies -> stacks -> packages, month by month. Pure functions; the month axis comes last.

- `geometry`: gross_dies; die_yield by named models, implied_defects, known_good
- `stack`: stack_yield, stacks_from, net_bytes_per_wafer, implied_die_yield; `packaging`: packages_from, stacks_lost
- `lead`: LeadTime, arrivals; `ramp`: ramp, slip; `learning`: learned_defects, cumulative
- `supply`: Line, flow, Flow, balance, holding_cost
- `trade`: displaced, implied_trade_ratio, forgone: the DDR5 that it takes
- `chain`: all of it from wafers to DDR5, with intervals and sources; `calibration`: against what shipped
- `constants`: facts(), the constants with range, grade and source; `audit`: the memory facts of the catalogue

Not modelled: rework, part-months, limits on stacking capacity other than base dies, stocks held back by makers.
"""
