"""How far every baseline is from the optimum: docs/baselines.md."""
