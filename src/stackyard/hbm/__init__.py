"""HBM supply: wafers -> dies -> stacks -> packages, month by month."""
