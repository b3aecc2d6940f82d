"""Sets of runs: planned, queued, done one by one or on a cluster, made into rows."""
