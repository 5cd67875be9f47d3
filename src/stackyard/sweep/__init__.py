"""Many runs: axes and samples over the inputs of a verb, done here, by local processes or by a Dask cluster."""

import sys

from stackyard.verb import Verb

sys.modules[__name__].__class__ = Verb  # `stackyard.sweep(...)` is the verb
