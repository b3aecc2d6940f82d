"""Methods without a proof of optimality, and the label programs with a guarantee."""
