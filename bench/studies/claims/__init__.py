"""The sources' claims put to the test: what is claimed, thresholds, sweeps, verdicts."""
