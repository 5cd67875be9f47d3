"""Many runs: axes and samples over the inputs of a verb, done here, by local processes or by a Dask cluster."""
