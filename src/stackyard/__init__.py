"""Stackyard plans AI infrastructure from the HBM stack to the data-centre yard.

`from stackyard import api` is the public door: `api.plan("examples/first-plan.yaml")`, `api.estimate(...)`,
`api.facts("h200")`. It is not imported here, so that `import stackyard` stays quick.
"""

__version__ = "0.1.0"
