"""The planner: scenario -> problem -> plan -> audit -> explanation."""

import sys

from stackyard.verb import Verb

sys.modules[__name__].__class__ = Verb  # `stackyard.plan(...)` is the verb
