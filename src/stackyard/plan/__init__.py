"""The planner: scenario -> problem -> plan -> audit -> explanation."""
